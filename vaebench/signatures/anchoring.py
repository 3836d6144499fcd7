"""Replace extracted signatures by the reference signatures that they are, or blend, and give intervals of their exposures."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vaebench.data.files.folders import add_files
from vaebench.data.files.writing import write_frame
from vaebench.data.mutations.tables import checked_catalogue, checked_signatures, write_signatures
from vaebench.errors import InputError, user_path
from vaebench.signatures.adaptation import EARLIER, LEAVES
from vaebench.signatures.combinations import DECOMPOSITION, CombinationSearch
from vaebench.signatures.opportunities import Given, at_genome, at_target, known_opportunities
from vaebench.signatures.refit_notes import NAME_TISSUE
from vaebench.signatures.refitting import refit
from vaebench.signatures.sampler.options import SamplerOptions
from vaebench.signatures.tables import OnProgress
from vaebench.types.shown import one_line, tables_page


class AnchoredIntervals(NamedTuple):
    """Intervals of exposures to extracted signatures, most of them replaced by reference signatures.

    Attributes:
        intervals: as of :class:`vaebench.signatures.refitting.RefitResult`, from its method ``spike_slab``.
        signatures: [S, M], those that were refitted, on the scale of the counts.
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
        """Add ``intervals.csv`` and ``anchored.csv`` (the signatures) to an extraction's ``folder``, which is made if needed."""
        write_frame(self.intervals, user_path(folder) / "intervals.csv")
        write_signatures(self.signatures, user_path(folder) / "anchored.csv")
        add_files(
            folder, "extract", ["intervals.csv", "anchored.csv"], gone=["correlations.csv", "signature_draws.npz"]
        )


def anchored(extracted: pd.DataFrame, reference: pd.DataFrame, least: float = 0.85) -> pd.DataFrame:
    """Replace extracted signatures by the reference signatures that they are, or blend.

    Signatures that occur together, such as SBS2 and SBS13, are often extracted as one. So each becomes the few reference
    signatures that explain it (:func:`vaebench.signatures.decompose`), or the nearest one if its cosine is ``least`` or more,
    with their names. A reference signature that several contain, such as one that the extraction has split, is there once. The
    others stay as extracted, with their own names.

    One-to-one matches (:func:`vaebench.signatures.matching.matches`) would give the second half to another reference signature
    that no tumour has, or, where none is near, keep it as extracted beside the whole one. A signature too many does little
    harm: the prior of the intervals lets it be absent.

    Args:
        extracted: signatures [S, M].
        reference: signatures [S', M].
        least: cosine from which an extracted signature is identified with the reference signature nearest to it. A blend needs
            0.9, or ``least`` if that is more.

    Returns:
        The signatures [S'', M] to refit with, in the order of ``extracted``.

    Raises:
        InputError: for a table that does not hold signatures, a ``least`` outside of 0 to 1, or an extracted signature that
            would stay and has the name of a reference signature in use.
    """
    known = checked_signatures(reference, source="the reference")
    found = checked_signatures(extracted, source="the table of extracted signatures")
    return _replaced(found, known, _parts(found, known, least))


def _replaced(found: pd.DataFrame, known: pd.DataFrame, parts: pd.Series) -> pd.DataFrame:
    """The signatures to refit with, given what :func:`_parts` returned."""
    used = {name for own in parts for name in own}
    twice = [own for own in parts.index[parts.map(len) == 0] if str(own) in used]
    if twice:
        raise InputError(f"two signatures would be named {str(twice[0])!r}; rename the extracted one")
    rows: dict[str, pd.Series] = {}
    for place, (own, names) in enumerate(parts.items()):
        rows |= {name: known.loc[name] for name in names} or {str(own): found.iloc[place]}
    return pd.DataFrame(np.array(list(rows.values()), np.float64), list(rows), found.columns)


def _parts(found: pd.DataFrame, known: pd.DataFrame, least: float) -> pd.Series:
    """Names of the reference signatures that replace each extracted one [S]; none for one that stays."""
    if not 0 <= least <= 1:
        raise InputError(f"least={least!r} is not allowed; it must be a cosine from 0 to 1")
    names = known.index.to_numpy()
    options = dataclasses.replace(DECOMPOSITION, cosine=max(least, DECOMPOSITION.cosine))
    search = CombinationSearch(known.to_numpy(), 1.0, options)
    parts = []
    for s in found.to_numpy():
        single = search.singles(s)
        members = search.fewest(s).members or ((int(single.argmax()),) if single.max() >= least else ())
        parts.append([names[k] for k in members])
    return pd.Series(parts, found.index, dtype=object)


def anchored_intervals(
    catalogue: pd.DataFrame,
    signatures: pd.DataFrame,
    reference: pd.DataFrame,
    *,
    least: float = 0.85,
    types: pd.Series | None = None,
    level: float = 0.95,
    seed: int = 0,
    fractions: bool = False,
    opportunities: Given | None = None,
    options: SamplerOptions | None = None,
    progress: OnProgress | None = None,
) -> AnchoredIntervals:
    """Intervals of exposures to extracted signatures, after replacing them by the reference signatures that they are, or blend.

    Reference signatures are known better than extracted ones, so intervals that take them as known (``spike_slab``) can be
    right. They are too narrow for signatures that stay as extracted; a note names these.

    Args:
        catalogue: counts [T, M].
        signatures: [S, M], as extracted.
        reference: [S', M]; with opportunities those of the genome.
        least: cosine from which a signature is replaced; see :func:`anchored`.
        types: cancer type by sample, each with a prior of its own.
        level: nominal coverage.
        seed: of everything random.
        fractions: allow counts that are not whole numbers.
        opportunities: as for :func:`vaebench.signatures.extract`, of the counts and of ``signatures``. The reference is converted
            to them, and the intervals are on both scales.
        options: constants of the sampler; ``None`` for the defaults.
        progress: called with what is being done, the steps done, and the steps in all.

    Raises:
        InputError: for a table or an option that is not allowed; see also :func:`anchored`.

    Example::

        result = vb.signatures.extract(catalogue)
        found = vb.signatures.anchored_intervals(catalogue, result.signatures, cosmic)
        print(found.intervals, found.kept)
    """
    found = checked_signatures(signatures, source="the table of extracted signatures")
    known = checked_signatures(reference, source="the reference")
    target = known_opportunities(opportunities, checked_catalogue(catalogue, fractions=fractions))
    known = known if target is None else at_target(known, target).signatures
    parts = _parts(found, known, least)
    used = _replaced(found, known, parts)
    kept = tuple(map(str, parts.index[parts.map(len) == 0]))
    fit = refit(
        catalogue,
        used if target is None else at_genome(used, target).signatures,
        intervals="spike_slab",
        types=types,
        level=level,
        seed=seed,
        fractions=fractions,
        opportunities=target,
        options=options,
        progress=progress,
    )
    assert fit.intervals is not None
    return AnchoredIntervals(
        fit.intervals, used, kept, fit.dispersion, level, (_note(parts, kept, least), *map(_of_extraction, fit.notes))
    )


def _of_extraction(note: str) -> str:
    """A note of the refit, without the advice that an extraction has no option for, and the file that it does not write."""
    for advice in (NAME_TISSUE, LEAVES, EARLIER):
        note = note.replace(advice, "")
    return note


def _note(parts: pd.Series, kept: tuple[str, ...], least: float) -> str:
    """Sentences about what was replaced, taken apart, merged and kept."""
    note = f"{len(parts) - len(kept)} of {len(parts)} signatures were replaced by the reference's for the intervals "
    note += f"(cosine of {least} or more). intervals.csv has the exposures of these, exposures.csv of those extracted."
    blends = [f"{own} as {', '.join(map(str, names))}" for own, names in parts.items() if len(names) > 1]
    if blends:
        enough = max(least, DECOMPOSITION.cosine)
        note += f" Some were blends (cosine of {enough} or more) and count as several: {'; '.join(blends)}."
    single = parts[parts.map(len) == 1].map(lambda names: str(names[0]))
    groups = single.groupby(single, sort=False).groups
    merged = [f"{', '.join(map(str, own))} as {target}" for target, own in groups.items() if len(own) > 1]
    if merged:
        note += f" Some were nearest to the same one and count as one: {'; '.join(merged)}."
    if kept:
        note += f" {', '.join(kept)} stayed as extracted. Intervals of such signatures are too narrow: they ignore the errors of "
        note += "the spectra."
    return note
