"""Replace extracted signatures by the reference signatures they match, and give intervals of the exposures to those."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vaebench.data.files.writing import write_frame
from vaebench.data.mutations.tables import checked_signatures, write_signatures
from vaebench.errors import InputError
from vaebench.signatures.matching import matches
from vaebench.signatures.refitting import refit
from vaebench.signatures.sampler.options import SamplerOptions
from vaebench.signatures.tables import OnProgress
from vaebench.types.shown import one_line, tables_page

ANCHOR = 0.85
"""Cosine from which an extracted signature is identified with the reference signature it matches."""


class AnchoredIntervals(NamedTuple):
    """Intervals of exposures to extracted signatures, most of them replaced by reference signatures.

    Attributes:
        intervals: as of :class:`vaebench.signatures.refitting.RefitResult`, from its method ``spike_slab``.
        signatures: [S, 96], those that were refitted.
        kept: names of the signatures that match no reference signature and stayed as extracted.
        dispersion: of the counts about the fit, 1 for Poisson.
        level: nominal coverage.
        notes: sentences that a reader of the result should see.
    """

    __repr__ = one_line
    _repr_html_ = tables_page

    intervals: pd.DataFrame
    signatures: pd.DataFrame
    kept: tuple[str, ...]
    dispersion: float
    level: float
    notes: tuple[str, ...]

    @property
    def info(self) -> dict[str, Any]:
        """Numbers that a report shows with its provenance."""
        return {"dispersion": round(self.dispersion, 3)}

    def save(self, folder: str | Path) -> None:
        """Write ``intervals.csv`` and ``anchored.csv`` (the signatures) into ``folder``, which is made if needed."""
        write_frame(self.intervals, Path(folder) / "intervals.csv")
        write_signatures(self.signatures, Path(folder) / "anchored.csv")


def anchored(extracted: pd.DataFrame, reference: pd.DataFrame, least: float = ANCHOR) -> pd.DataFrame:
    """Replace extracted signatures by the reference signatures they match.

    A signature whose match in the one-to-one assignment (:func:`vaebench.signatures.matching.matches`) has a cosine of
    ``least`` or more becomes that reference signature, with its name. The others stay as extracted, with their own names.

    Args:
        extracted: signatures [S, 96].
        reference: signatures [S', 96].
        least: cosine from which a match counts.

    Returns:
        The signatures [S, 96] to refit with, in the order of ``extracted``.

    Raises:
        InputError: for a table that does not hold signatures, a ``least`` outside of 0 to 1, or an extracted signature that
            would stay and has the name of a reference signature in use.
    """
    if not 0 <= least <= 1:
        raise InputError(f"least={least!r} is not allowed; it must be a cosine from 0 to 1")
    known = checked_signatures(reference, source="the reference")
    found = checked_signatures(extracted, source="the table of extracted signatures")
    table = matches(found, known)
    names, rows = [], []
    for own, target, cosine in zip(table["extracted"], table["reference"], table["cosine"], strict=True):
        sure = cosine >= least  # NaN, without a match, is not
        names.append(str(target if sure else own))
        rows.append(known.loc[target] if sure else found.loc[own])
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"two signatures would be named {twice[0]!r}; rename the extracted one")
    return pd.DataFrame(np.array(rows, np.float64), names, found.columns)


def anchored_intervals(
    catalogue: pd.DataFrame,
    signatures: pd.DataFrame,
    reference: pd.DataFrame,
    *,
    least: float = ANCHOR,
    types: pd.Series | None = None,
    level: float = 0.95,
    seed: int = 0,
    fractions: bool = False,
    options: SamplerOptions | None = None,
    progress: OnProgress | None = None,
) -> AnchoredIntervals:
    """Intervals of exposures to extracted signatures, after replacing them by the reference signatures they match.

    Reference signatures are known better than extracted ones, so intervals that take them as known (``spike_slab``) can be
    right. They are too narrow for signatures that stay as extracted; a note names these.

    Args:
        catalogue: counts [T, 96].
        signatures: [S, 96], as extracted.
        reference: [S', 96].
        least: cosine from which a match counts; see :func:`anchored`.
        types: cancer type by sample, each with a prior of its own.
        level: nominal coverage.
        seed: of everything random.
        fractions: allow counts that are not whole numbers.
        options: constants of the sampler; ``None`` for the defaults.
        progress: called with what is being done, the steps done, and the steps in all.

    Raises:
        InputError: for a table or an option that is not allowed; see also :func:`anchored`.

    Example::

        result = vb.signatures.extract(catalogue)
        found = vb.signatures.anchored_intervals(catalogue, result.signatures, cosmic)
        print(found.intervals, found.kept)
    """
    used = anchored(signatures, reference, least)
    known = set(map(str, checked_signatures(reference, source="the reference").index))
    kept = tuple(str(name) for name in used.index if name not in known)
    fit = refit(
        catalogue,
        used,
        intervals="spike_slab",
        types=types,
        level=level,
        seed=seed,
        fractions=fractions,
        options=options,
        progress=progress,
    )
    assert fit.intervals is not None
    note = f"{len(used) - len(kept)} of {len(used)} signatures were replaced by the reference's for the intervals "
    note += f"(cosine of {least} or more)."
    if kept:
        note += f" {', '.join(kept)} stayed as extracted. Intervals of such signatures are too narrow: they ignore the errors of "
        note += "the spectra."
    return AnchoredIntervals(fit.intervals, used, kept, fit.dispersion, level, (note, *fit.notes))
