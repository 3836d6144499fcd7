"""Known factors of the samples from a table of their own, such as signature exposures beside a table of expression."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vaebench.data.cache import file_record
from vaebench.data.comparisons import numbers
from vaebench.data.digest import content_digest
from vaebench.data.joining import annotation_table, joined_lines
from vaebench.data.wording import beginning
from vaebench.errors import InputError, as_tuple, nearest, shortened, user_path
from vaebench.types import Dataset, checked_dataset

_SHOWN = 12  # factors that the note counts by name


def with_factors(
    dataset: Dataset, path: str | Path, columns: Sequence[str] | str, sample_column: str | None = None
) -> Dataset:
    """Returns the data set with columns of a table as further factors, joined by sample name.

    Names match as those of an annotation do: by the whole name, else by TCGA, TARGET or GTEx sample, else by patient. Samples
    that the table lacks have NaN. The notes say how many samples each factor has; so does the provenance.

    Args:
        dataset: the data set.
        path: table with one line per sample, in any format that :func:`vaebench.data.read_table` reads.
        columns: columns of numbers to use.
        sample_column: column with the sample names; the first by default.

    Raises:
        InputError: the file cannot be read, matches no sample, or lacks a column; or a column is text, is missing or the same for
            all samples of the data set, or is a factor already.

    Example::

        data = vb.data.with_factors(data, "exposures.csv", ["SBS1", "SBS5"])
        rows = vb.run(points, data, metrics=["dci", "rmig"])
    """
    file, asked, dataset = user_path(path), as_tuple("columns", columns), checked_dataset(dataset)
    table, column = annotation_table(file, sample_column)
    _check_columns(asked, [name for name in table.columns if name not in (column, "")], dataset, file.name)
    names = dataset.samples.astype(str).tolist()
    known, rows, _, repeats = joined_lines(names, table, column, fixed=sample_column is not None, used=asked)
    if not (rows >= 0).any():
        raise InputError(
            f"no sample of {shortened(dataset.name)} (such as {shortened(names[0])!r}) is in {shortened(file.name)} (such as "
            f"{shortened(known[0])!r}); both must use the same sample names"
        )
    found = {}
    for name in asked:
        values = numbers(table, "factor-columns", name, np.array(known))
        found[name] = _checked(name, np.where(rows >= 0, values[rows], np.nan), file.name)
    counts = {name: int((~np.isnan(values)).sum()) for name, values in found.items()}
    shown = ", ".join(f"{name} {count}" for name, count in list(counts.items())[:_SHOWN])
    more = f" and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
    note = f"factors of {shortened(file.name)}, and how many of {len(names)} samples have them: {shown}{more}"
    made = dataclasses.replace(
        dataset,
        factors={**dataset.factors, **found},
        notes=(*dataset.notes, *repeats, note),
        provenance={**dataset.provenance, "factors": {"file": file_record(file), "samples": counts}},
    )
    return dataclasses.replace(made, digest=content_digest(made))


def _check_columns(asked: Sequence[str], known: Sequence[str], dataset: Dataset, source: str) -> None:
    if not asked:
        raise InputError(
            f"--factor-columns is empty; the columns of {shortened(source)} begin {beginning(list(known))}"
        )
    for position, name in enumerate(asked):
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near!r}?" if near else f"its columns begin {beginning(list(known))}"
            raise InputError(
                f"--factor-columns names {shortened(name)!r}, which is no column of {shortened(source)}; {hint}"
            )
        if name in dataset.factors or name in asked[:position]:
            raise InputError(f"--factor-columns names {shortened(name)!r}, which is a factor already; name it once")


def _checked(name: str, values: np.ndarray, source: str) -> np.ndarray:
    """Returns a factor [N]; raises ``InputError`` for one that says nothing of these samples."""
    held = values[~np.isnan(values)]
    about = f"factor {shortened(name)!r} of {shortened(source)}"
    if np.isinf(held).any():
        raise InputError(f"{about} has {int(np.isinf(held).sum())} infinite values; they must be finite or missing")
    if not held.size:
        raise InputError(f"{about} is missing for all {len(values)} samples of the data; leave it out")
    if (held == held[0]).all():
        raise InputError(
            f"{about} is {held[0]:g} in all {held.size} samples that have it, and tells nothing; leave it out"
        )
    return values.astype(np.float64)
