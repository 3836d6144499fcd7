"""Notes on an extraction: what a reader should know before the numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from vaebench.signatures.sparse.ambiguity import Reassignment

_FEW_MUTATIONS, _MOST_MEASURED, _FEW_SAMPLES = 200, 300, 100


def choice_notes(
    empty: pd.Index, table: pd.DataFrame, numbers: list[int], counts: np.ndarray, prior: bool
) -> tuple[str, ...]:
    """Notes on samples without mutations, on a doubtful number of signatures, and :func:`regime_notes`.

    Args:
        empty: names of the samples without mutations.
        table: of all numbers of signatures.
        numbers: that were tried.
        counts: [T, M] of the other samples.
        prior: known signatures were one.
    """
    chosen = table[table["chosen"]].iloc[0]
    notes = []
    if len(empty):
        others = f" and {len(empty) - 1} more" if len(empty) > 1 else ""
        notes.append(f"No mutations in sample {empty[0]}{others}: exposures are 0 there.")
    if chosen["status"] != "OK":
        notes.append(f"The number of signatures is doubtful: {chosen['status']}.")
    if len(numbers) > 1 and chosen["k"] == max(numbers):
        notes.append(f"The chosen number {chosen['k']} is the largest that was tried; there may be more signatures.")
    # measured for the 96 channels of single base substitutions only
    return (*notes, *(regime_notes(counts.sum(1), prior) if counts.shape[1] == 96 else ()))


def regime_notes(mutations: np.ndarray, prior: bool) -> tuple[str, ...]:
    """Notes where extraction finds little: ``mutations`` [T] of the samples, and whether known signatures are a prior.

    In simulated cohorts 100 exomes (of 80 mutations) gave 2 of 10 to 14 signatures, and 300 of three types 5 of 29; in 30 and
    100 genomes mean cosines were 0.88 to 0.92, and 0.93 to 1.00 with the prior (results/trust).
    """
    notes = []
    if np.median(mutations) < _FEW_MUTATIONS and len(mutations) <= _MOST_MEASURED:
        notes.append(
            f"Half of the samples have at most {np.median(mutations):.0f} mutations, so few of their signatures can be found: "
            "refit known ones instead (vaebench refit, with the tissue)."
        )
    elif len(mutations) <= _FEW_SAMPLES and not prior:
        notes.append(
            f"In {len(mutations)} samples signatures that occur together often come out blended; a prior of `sparse` on known "
            "ones takes them apart (--reference FILE --prior-weight 100)."
        )
    return tuple(notes)


def ambiguity_notes(reassignments: tuple[Reassignment, ...], place: np.ndarray) -> tuple[str, ...]:
    """Note on shares that priors reassigned; ``place`` [S] is each signature's position among the names."""
    moved = [f"{made.share:.0%} of S{place[made.signature] + 1} to S{place[made.other] + 1}" for made in reassignments]
    if not moved:
        return ()
    return (
        "Some signatures always occur together here, so counts alone cannot separate them. "
        f"Priors on exposures and spectra assigned {', '.join(moved)}.",
    )


def drawn_notes(priors: list[int], known: pd.DataFrame | None, weight: float) -> tuple[str, ...]:
    """Note on the known signatures that were priors: ``priors`` [S] are their positions, -1 for none."""
    if known is None or not priors:
        return ()
    drawn = [f"S{i + 1} ({known.index[j]})" for i, j in enumerate(priors) if j >= 0]
    new = [f"S{i + 1}" for i, j in enumerate(priors) if j < 0]
    note = f"{len(drawn)} of {len(priors)} signatures were drawn to a known one, which counts as {weight:g} samples"
    note += f": {', '.join(drawn)}." if drawn else "."
    if new:
        note += f" {', '.join(new)} are near none: new, mixed, or an artefact. Look at their spectra."
    return (note,)
