"""Tables of a refit: samples, exposures that are shown, sums, and probabilities of mutations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2

from vaebench.signatures.attribution import probability_table
from vaebench.signatures.channel_factors import with_factors
from vaebench.signatures.dispersion import NoiseFit, Scatter
from vaebench.signatures.matching import fit_cosines
from vaebench.signatures.offered import missed, missed_note
from vaebench.signatures.refit_notes import RefitChecks
from vaebench.signatures.tables import Estimates

FOUND = 0.9
"""P(present) in one sample from which a cohort has the signature: in simulated exomes P > 0.5 alone called false ones."""


def probabilities_of(
    counts: pd.DataFrame,
    exposures: pd.DataFrame,
    signatures: pd.DataFrame,
    some: np.ndarray,
    estimates: Estimates | None,
    level: float,
) -> pd.DataFrame:
    """The table ``per_mutation`` of :class:`RefitResult`, of draws, else of all ``exposures`` and not only those that it shows.

    What is shown is 0 where a signature is likely absent: another would get all of a mutation of which it has half.
    """
    draws = None if estimates is None else estimates.draws
    return probability_table(counts[some], exposures[some], signatures, draws=draws, level=level)


def shown_exposures(
    exposures: pd.DataFrame, estimates: Estimates, some: np.ndarray, checks: RefitChecks
) -> pd.DataFrame:
    """``exposures`` [T, S], 0 where a signature is more likely absent."""
    absent = np.zeros(exposures.shape, bool)
    absent[some] = estimates.presence < checks.present  # NaN, without a probability, is not
    return exposures.mask(absent, 0.0)


def found_signatures(exposures: pd.DataFrame, intervals: pd.DataFrame | None) -> tuple[str, ...]:
    """Signatures of the cohort: those whose largest P(present) among the samples is 0.9 or more, in the order of the table.

    For a method without such probabilities, those whose exposure is above 0 in a sample.
    """
    largest = exposures.max()
    if intervals is not None and intervals["presence"].notna().any():
        presence = intervals.groupby(intervals["signature"].astype(str))["presence"].max()
        largest = pd.Series(presence.reindex(exposures.columns.astype(str)).to_numpy() >= FOUND, exposures.columns)
    return tuple(str(name) for name, value in largest.items() if value > 0)


def parts_of_draws(names: pd.Index, samples: pd.Index, some: np.ndarray, estimates: Estimates | None) -> dict[str, Any]:
    """The fields ``sums`` and ``draws`` of :class:`RefitResult`; draws of samples without mutations are 0."""
    sums, drawn = sums_table(names, samples[some], estimates), None if estimates is None else estimates.draws
    if drawn is None:
        return {"sums": sums, "draws": None}
    every = np.zeros((len(drawn), len(some), len(names)), drawn.dtype)
    every[:, some] = drawn
    return {"sums": sums, "draws": every}


def sums_table(names: pd.Index, samples: pd.Index, estimates: Estimates | None) -> pd.DataFrame | None:
    """The table ``sums`` of :class:`RefitResult`; ``None`` without draws of exposures."""
    if estimates is None or estimates.sums is None:
        return None
    rows = [
        (samples[t], "+".join(str(names[k]) for k in members), mean, low, high)
        for t, members, mean, low, high in estimates.sums
    ]
    return pd.DataFrame(rows, columns=["sample", "signatures", "exposure", "lower", "upper"])


def samples_table(
    counts: pd.DataFrame, mean: np.ndarray, found: Scatter, some: np.ndarray, checks: RefitChecks
) -> pd.DataFrame:
    """The table ``samples`` of :class:`RefitResult`.

    A sample is judged relative to the dispersion of the cohort, and, since a cohort may be wrong as a whole, by itself: by the
    cosine that counts of the fit would have with it, and by its exposures, which must not add up to more than its mutations.
    """
    relative, p = np.full(len(counts), np.nan), np.full(len(counts), np.nan)
    relative[some] = found.by_sample / (max(found.dispersion, 1.0) if not found.rounding else found.dispersion)
    p[some] = chi2.sf(relative[some] * found.degrees, np.maximum(found.degrees, 1))
    bad = np.nan_to_num(p, nan=1.0) < checks.unusual / len(counts)
    x = counts.to_numpy()
    total, cosine = x.sum(1), fit_cosines(x, mean)
    # Poisson counts of mean m have a cosine of about 1 / sqrt(1 + sum m / sum m^2) with it
    expected = 1 / np.sqrt(1 + total / np.maximum(np.square(mean).sum(1), 1e-12))
    bad |= some & (expected > checks.clear) & (np.nan_to_num(cosine, nan=1.0) < checks.cosine * expected)
    bad |= some & (mean.sum(1) > (1 + checks.surplus) * total + 5 * np.sqrt(total))
    flag = np.where(~some, "no mutations", np.where(bad, "misfit", ""))
    columns = {"mutations": counts.sum(axis=1), "cosine": cosine, "chi_squared": relative, "p_value": p, "flag": flag}
    return pd.DataFrame(columns, counts.index)


def needs_added(
    samples: pd.DataFrame,
    x: np.ndarray,
    known: pd.DataFrame,
    left_out: pd.DataFrame,
    factors: pd.Series | None,
    fitted: NoiseFit,
    checks: RefitChecks,
) -> list[str]:
    """Add the column ``needs`` to the table ``samples`` where signatures were left out, and return a note on it.

    Args:
        samples: of all samples.
        x: counts [T, M] of those with mutations.
        known: signatures of the fit.
        left_out: the others of the table.
        factors: by channel, to which the signatures of the fit were adapted.
        fitted: exposures and noise.
        checks: thresholds.
    """
    if not len(left_out):
        return []
    dispersion = np.maximum(fitted.found.dispersion_of(x), fitted.poisson.dispersion)
    others = left_out if factors is None else with_factors(left_out, factors)
    found = missed(x, known.to_numpy(), others, dispersion, checks.unusual)
    names = samples.index[samples["mutations"] > 0]
    samples["needs"] = pd.Series(found.signature, names).reindex(samples.index, fill_value="")
    return missed_note(found, list(names))
