"""Notes on the values of the features: those without variation, missing ones, sums, and counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vaebench.data.splits import unsplit_labels
from vaebench.data.survey import Survey
from vaebench.errors import InputError
from vaebench.types import Counts

if TYPE_CHECKING:
    from vaebench.data.dataset import Treatment
    from vaebench.data.files.table import Table
    from vaebench.data.scale import Profile


def feature_notes(known: Survey, kept: np.ndarray, treatment: Treatment, provenance: Mapping[str, Any]) -> list[str]:
    """Returns notes on features without variation, and on sums of repeated ones whose values are no amounts."""
    empty = int((known.missing == len(known.absent)).sum())
    constant = len(known.mean) - kept.size - empty
    kinds = ((empty, "without a value in any sample"), (constant, "the same in all samples"))
    notes = [
        f"{number} of {len(known.mean)} features {'is' if number == 1 else 'are'} {what} and left out"
        for number, what in kinds
        if number
    ]
    options, counts = provenance.get("options", {}), provenance.get("counts", {})
    summed = counts.get("features_with_a_repeated_name", 0) if options.get("duplicates") == "sum" else 0
    kind = known.profile.scale if known.profile else ""
    as_read = treatment.transform == "none" and not options.get("logged")
    if summed and as_read and kind in ("log", "z-score", "sample z-score", "unit"):
        notes.append(
            f"{summed} repeated {'feature was' if summed == 1 else 'features were'} summed, which is right for counts and other "
            "linear values only, and these are none: "
            'give duplicates="apart" (--duplicates apart)'
        )
    return notes


def count_notes(counts: Counts | None) -> list[str]:
    """Returns a note on the raw counts that are kept."""
    if counts is None:
        return []
    low, high = counts.library.min(), counts.library.max()
    return [f"counts: raw counts are kept, {low:,.0f} to {high:,.0f} a sample, and models see log2(count + 1)"]


def missing_notes(known: Survey, chosen: np.ndarray, samples: np.ndarray) -> list[str]:
    """Returns a note on missing values of all features, which are filled in those that are chosen."""
    total, size = int(known.missing.sum()), known.absent.size * known.missing.size
    if not total:
        return []
    most, worst = int(known.absent.argmax()), chosen[int(known.missing[chosen].argmax())]
    used = int(known.missing[worst])
    of_used = f", and of the features used in {known.names[worst]!r} ({used} of {known.absent.size})" if used else ""
    return [
        f"{total:,} of {size:,} values are missing ({total / size:.1%}), and the mean of the feature stands for them: most in "
        f"sample {str(samples[most])!r} ({known.absent[most]} of {known.missing.size}){of_used}"
    ]


def refuse_missing(known: Survey, missing: str, samples: np.ndarray) -> None:
    """Raises ``InputError`` for missing values, unless they are imputed, and for a sample without any value."""
    total, empty = int(known.missing.sum()), np.flatnonzero(known.absent == known.missing.size)
    if empty.size and known.missing.size > 1 and missing == "impute":
        raise InputError(
            f"sample {str(samples[empty[0]])!r} has no value in any of {known.missing.size} features ({empty.size} such); leave "
            "it out (where, --where)"
        )
    if total and missing == "refuse":
        raise InputError(
            f'missing values: {total}, the first in {known.first_missing}; give missing="impute" (--missing impute) to use the '
            "mean of the feature, or, if that is not a feature, name it under ignore (--ignore)"
        )


def table_notes(
    table: Table, values: Profile, labels: dict[str, int], label: str | None, valid_fraction: float
) -> Iterator[str]:
    """Yields notes on a table before training: missing, infinite and constant values, repeated names, and small labels."""
    if values.infinite:
        yield f"{values.infinite} values are infinite, which training refuses: correct them, or leave them empty as missing"
    if values.missing:
        yield f'{values.missing} values are missing: give missing="impute" (--missing impute)'
    if values.constant:
        yield f"{values.constant} features are constant and will be dropped"
    if table.repeats:
        first = next(iter(table.repeats.values()))
        yield f'{len(table.repeats)} features repeat a name, such as {first!r}: give duplicates="apart" or "sum"'
    if label is not None:
        without = len(table.lines) - sum(labels.values())
        if without:
            yield f"{without} samples have no label and will be dropped"
        for name in [name for name, count in labels.items() if count < 2]:
            yield f"label {name!r} has 1 sample, at least 2 are needed: leave it out (--where)"
        each = np.repeat(list(labels), list(labels.values()))
        if 1 <= round(each.size * valid_fraction) < each.size and min(labels.values()) > 1:
            for name in unsplit_labels(each, each.size, valid_fraction):
                yield f"label {name!r} has {labels[name]} samples, too few for one in validation: all stay in training"
