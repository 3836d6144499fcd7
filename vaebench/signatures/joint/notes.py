"""Sentences that a reader of joint intervals should see: what happened, what it means, what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import entr
from scipy.stats import norm

from vaebench.signatures.dispersion import Scatter
from vaebench.signatures.joint.options import JointOptions
from vaebench.signatures.joint.start import SharedPart


def chain_notes(
    noise: Scatter,
    correlations: pd.DataFrame,
    diagnostics: dict[str, Any],
    factor: float,
    simulations: int,
    options: JointOptions,
) -> tuple[str, ...]:
    """Sentences about noise unlike the model's, exposures that are correlated, and a chain that mixes slowly."""
    notes = []
    if noise.rounding:
        notes.append(
            f"The counts scatter only {noise.dispersion:.2g} times as much as Poisson counts. The intervals assume Poisson "
            "noise, so they are too wide."
        )
    elif noise.dispersion > options.noted_dispersion:
        notes.append(
            f"The counts scatter {noise.dispersion:.2f} times as much as Poisson counts, and the intervals are widened for "
            "it. The counts are overdispersed or a signature is missing. Check the number of signatures."
        )
    if len(correlations):
        sure = norm.isf(0.5 * options.doubt / len(correlations))
        bad = correlations[correlations["z"].abs() > sure]
        if len(bad):
            worst = bad.loc[bad["z"].abs().idxmax()]
            notes.append(
                f"The exposures of {len(bad)} of {len(correlations)} pairs of signatures are correlated within classes of "
                f"tumours (most: {worst['first']} and {worst['second']}, {worst['correlation']:.2f}). The model has no such "
                "correlations, so intervals may cover less often than their level. Give finer types."
            )
    if diagnostics["effective_draws_1"] < options.slow:
        effect = (
            f"Intervals were widened by {factor:.2f}, as simulated cohorts require."
            if simulations
            else "No cohorts were simulated, so the effect on the intervals is unknown. Use at least one simulation."
        )
        notes.append(
            f"The chain mixes slowly: the worst hundredth of the exposures has {diagnostics['effective_draws_1']:.0f} "
            f"effective draws. {effect}"
        )
    return tuple(notes)


def cohort_notes(samples: int, signatures: pd.DataFrame, options: JointOptions) -> tuple[str, ...]:
    """A sentence, to be read before the numbers, where the cohort is too small for signatures to be drawn with exposures.

    Args:
        samples: with mutations.
        signatures: [S, M], as extracted.
        options: ``least_samples`` and ``flat`` are used.
    """
    if samples >= options.least_samples:
        return ()
    spectra = signatures.to_numpy()
    effective = np.exp(entr(spectra).sum(axis=1)) / spectra.shape[1]
    flat = [str(name) for name in signatures.index[effective >= options.flat]]
    note = (
        f"Do not rely on these intervals: {samples} samples are too few to learn spectra and exposures together, which takes "
        f"{options.least_samples} or more. In simulated cohorts of 100 genomes 95% intervals held 66 to 84% of the exposures. "
    )
    if len(flat) > 1:
        note += f"Flat signatures are worst, here {', '.join(flat[:6])}. "
    return (note + "With a table of known signatures, --intervals anchored held 94 to 97% of them.",)


def shared_notes(shared: list[SharedPart], names: pd.Index, options: JointOptions) -> tuple[str, ...]:
    """A sentence about the larger parts that were taken out of the signatures at the start."""
    large = [part for part in shared if part.most >= options.noted_share]
    if not large:
        return ()
    pairs = ", ".join(f"{part.most:.0%} of {names[part.signature]} is {names[part.other]}" for part in large[:3])
    subject = "1 extracted signature" if len(large) == 1 else f"{len(large)} extracted signatures"
    return (
        f"{subject} may contain a part of another as an artefact of the extraction (at most: {pairs}). This part was removed at "
        "the start. If it is real, the intervals of both signatures are wrong. Compare their spectra with a reference.",
    )
