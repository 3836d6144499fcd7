"""Intervals of exposures that carry what is not known of extracted signatures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd
from scipy.stats import norm

from vaebench.errors import InputError
from vaebench.signatures.intervals.ends import redrawn
from vaebench.signatures.joint.chain import joint_chain, known_of, state_of
from vaebench.signatures.joint.start import Share, begun, unmixed
from vaebench.signatures.likelihood import Scatter, maximum_likelihood, scatter
from vaebench.signatures.refitting import checked_options
from vaebench.signatures.sampler.diagnostics import effective_size, r_hat
from vaebench.signatures.sampler.posterior import read_off
from vaebench.signatures.tables import Estimates, checked_tables, long_table, size_masks

SETTLING = 400
"""Sweeps before draws count, in which the sizes of the moves are fitted."""

DRAWS, EVERY = 200, 2
"""Draws that are kept, one in so many sweeps."""

FACTORS = np.round(np.arange(1.0, 3.01, 0.05), 2)
"""Factors by which intervals may be widened."""

FEWEST = 20
"""Samples of a cancer type that has a prior of its own."""

_SURE = 1e-4  # probability, shared by all pairs, of a correlation between signatures that is noted
_MUCH = 0.1  # share of a signature that may be another's, from which it is noted
_COMMON = 20  # samples from which a correlation is looked at


class DeNovo(NamedTuple):
    """Extracted signatures and exposures with what is not known of both.

    Attributes:
        signatures: [S, 96], posterior means, in the order and by the names of those given.
        exposures: [T, S] in mutations, posterior means.
        intervals: as of :class:`vaebench.signatures.refitting.Refit`.
        unwidened: the same intervals before they were widened.
        cosines: [S], of the 5% of draws of each signature that are furthest from its mean.
        correlations: one row a class and pair of signatures that both are in 20 samples or more: ``class, first, second,
            samples, correlation`` of ln e and its ``z``; the model has none.
        factor: by which intervals were widened, from cohorts simulated from the fit; 1 for none.
        simulated: their coverage of exposures above 0 before, NaN without simulations.
        dispersion: of the counts about the fit, 1 for Poisson.
        level: nominal coverage.
        diagnostics: classes, R-hat, effective draws, shares of moves accepted.
        notes: sentences a reader of the result should see.
    """

    signatures: pd.DataFrame
    exposures: pd.DataFrame
    intervals: pd.DataFrame
    unwidened: pd.DataFrame
    cosines: pd.Series
    correlations: pd.DataFrame
    factor: float
    simulated: float
    dispersion: float
    level: float
    diagnostics: dict[str, Any]
    notes: tuple[str, ...]


class _Chain(NamedTuple):
    """Draws of exposures [n, T, S] and signatures [n, S, 96], and shares of shears and of rows accepted."""

    exposures: np.ndarray
    signatures: np.ndarray
    sheared: np.ndarray
    moved: np.ndarray


def de_novo_intervals(
    catalogue: pd.DataFrame,
    signatures: pd.DataFrame,
    *,
    types: pd.Series | None = None,
    level: float = 0.95,
    simulations: int = 1,
    seed: int = 0,
    fractions: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> DeNovo:
    """Intervals of the exposures of ``signatures`` that were extracted from this ``catalogue``.

    Signatures and exposures are drawn together (:mod:`vaebench.signatures.joint`), with a prior for each class of tumours.
    Intervals are then widened about the posterior means by the least factor with which those of simulated cohorts hold as
    many of their exposures above 0 as they should: counts are drawn about one posterior draw of signatures and exposures,
    and the chain is run on them from the signatures given.

    Args:
        catalogue: counts [T, 96].
        signatures: [S, 96], as extracted.
        types: cancer type by sample; types with fewer than :data:`FEWEST` samples make up one class together, and without
            types all samples do.
        level: nominal coverage.
        simulations: number of simulated cohorts; 0 for no widening.
        seed: of everything random.
        fractions: allow counts that are not whole numbers.
        progress: called with what is done, the steps done and the steps in all.

    Raises:
        InputError: for a table or an option that is not allowed.
    """
    checked_options(None, "poisson", level, seed)
    if not 0 <= simulations <= 20 or int(simulations) != simulations:
        raise InputError(f"simulations={simulations!r} is not allowed; it must be a whole number from 0 to 20")
    counts, given, groups, some = checked_tables(catalogue, signatures, types, fractions)
    groups = merged(groups)
    x, tell = counts.to_numpy()[some], progress or (lambda what, done, total: None)
    noise = scatter(x, given.to_numpy(), maximum_likelihood(x, given.to_numpy()).exposures)
    dispersion = max(noise.dispersion, 1.0)
    start, shares = unmixed(x, given.to_numpy(), dispersion)
    groups = groups[some]
    tell("drawing signatures and exposures", 0, 1 + simulations)
    chain = _run(x, start, groups, dispersion, seed)
    lower, upper, presence = read_off(chain.exposures, level)
    tell("drawing signatures and exposures", 1, 1 + simulations)
    held = []
    for i in range(simulations):
        held.append(_simulated(chain, start, groups, dispersion, level, seed + i + 1))
        tell("drawing from simulated cohorts", 2 + i, 1 + simulations)
    factor, before = calibrated(held, level) if held else (1.0, np.nan)
    mean = chain.exposures.mean(0, dtype=np.float64)
    low, high = widened(mean, lower, upper, factor)
    exposures = np.zeros((len(counts), len(given)))
    exposures[some] = mean
    frame = pd.DataFrame(exposures, counts.index, given.index)
    correlations = residual_correlations(chain.exposures[-1], groups, given.index)
    diagnostics = _diagnostics(chain, presence) | {"classes": groups.sum(0).astype(int).tolist()}
    return DeNovo(
        signatures=pd.DataFrame(chain.signatures.mean(0, dtype=np.float64), given.index, given.columns),
        exposures=frame,
        intervals=long_table(frame, Estimates(mean, low, high, presence, {}), some, level),
        unwidened=long_table(frame, Estimates(mean, lower, upper, presence, {}), some, level),
        cosines=pd.Series(_spread(chain.signatures), given.index, name="cosine"),
        correlations=correlations,
        factor=factor,
        simulated=before,
        dispersion=noise.dispersion,
        level=level,
        diagnostics=diagnostics,
        notes=(*_notes(noise, correlations, diagnostics, factor, simulations), *_mixtures(shares, given.index)),
    )


def merged(groups: np.ndarray) -> np.ndarray:
    """Classes [T, G] of 0 and 1 without small ones: these are one class together."""
    small = groups.sum(0) < FEWEST
    return np.column_stack([groups[:, ~small], groups[:, small].sum(1)]) if small.sum() > 1 else groups


def _run(x: np.ndarray, start: np.ndarray, groups: np.ndarray, dispersion: float, seed: int) -> _Chain:
    """Draws from the start [S, 96]."""
    exposures = begun(x, start)
    known = known_of(x, start, exposures, groups, dispersion)
    begin = state_of(start, exposures, known)
    _, draws = joint_chain(jax.random.key(seed), begin, known, DRAWS, EVERY, SETTLING // EVERY)
    return _Chain(*(np.asarray(v) for v in draws))


def _simulated(
    chain: _Chain, start: np.ndarray, groups: np.ndarray, dispersion: float, level: float, seed: int
) -> tuple[np.ndarray, ...]:
    """Truth, means and ends of intervals, [n] each, of the exposures above 0 of a cohort simulated from one draw."""
    rng = np.random.default_rng(seed)
    number = rng.integers(len(chain.exposures))
    truth = chain.exposures[number].astype(np.float64)
    noise = Scatter(dispersion, 0.0, np.inf, np.zeros(0), np.zeros(0))
    x = redrawn(rng, truth @ chain.signatures[number].astype(np.float64), noise)
    again = _run(x, start, groups, dispersion, seed)
    lower, upper, _ = read_off(again.exposures, level)
    large = size_masks(truth)["non-zero"]
    return truth[large], again.exposures.mean(0, dtype=np.float64)[large], lower[large], upper[large]


def widened(mean: Any, lower: Any, upper: Any, factor: float) -> tuple[Any, Any]:
    """Ends ``factor`` times as far from the mean, 0 or more; a lower end of 0 stays."""
    low = np.where(lower > 0, np.maximum(mean - factor * (mean - lower), 0.0), 0.0)
    return np.minimum(low, lower), np.maximum(mean + factor * (upper - mean), upper)


def calibrated(held: list[tuple[np.ndarray, ...]], level: float) -> tuple[float, float]:
    """The least of :data:`FACTORS` with which simulated intervals cover at ``level``, and their coverage without.

    Args:
        held: for each simulated cohort truths, means, lower and upper ends [n]; cohorts count alike.
        level: nominal coverage.
    """

    def coverage(factor: float) -> float:
        shares = []
        for truth, mean, lower, upper in held:
            low, high = widened(mean, lower, upper, factor)
            shares.append(np.mean((low <= truth) & (truth <= high)))
        return float(np.mean(shares))

    enough = [factor for factor in FACTORS if coverage(factor) >= level]
    return float(enough[0] if enough else FACTORS[-1]), coverage(1.0)


def residual_correlations(exposures: np.ndarray, groups: np.ndarray, names: pd.Index) -> pd.DataFrame:
    """Correlations of ln e between signatures within classes, of one draw [T, S]; ``z`` by Fisher's transformation."""
    rows = []
    for g in range(groups.shape[1]):
        mine = exposures[groups[:, g] > 0]
        for j in range(len(names)):
            for k in range(j + 1, len(names)):
                both = mine[(mine[:, j] > 0) & (mine[:, k] > 0)][:, [j, k]]
                if len(both) >= _COMMON:
                    r = float(np.corrcoef(np.log(both).T)[0, 1])
                    z = np.arctanh(np.clip(r, -0.999999, 0.999999)) * np.sqrt(len(both) - 3)
                    rows.append((g, names[j], names[k], len(both), r, z))
    return pd.DataFrame(rows, columns=["class", "first", "second", "samples", "correlation", "z"])


def _spread(signatures: np.ndarray) -> np.ndarray:
    """The 5% quantile [S] of the cosine between draws [n, S, 96] and their mean."""
    mean = signatures.mean(0, dtype=np.float64)
    lengths = np.linalg.norm(signatures, axis=2) * np.linalg.norm(mean, axis=1)
    return np.quantile(np.sum(signatures * mean[None], 2) / lengths, 0.05, axis=0)


def _diagnostics(chain: _Chain, presence: np.ndarray) -> dict[str, Any]:
    """Of exposures that are there in most draws."""
    draws = chain.exposures[None][:, :, presence > 0.5]
    hats, sizes = r_hat(draws), effective_size(draws)
    return {
        "draws": len(chain.exposures),
        "r_hat_99": float(np.quantile(hats, 0.99, method="higher")) if hats.size else 1.0,
        "effective_draws_1": float(np.quantile(sizes, 0.01)) if sizes.size else float(len(chain.exposures)),
        "effective_draws_median": float(np.median(sizes)) if sizes.size else float(len(chain.exposures)),
        "sheared": float(np.mean(chain.sheared)),
        "moved": chain.moved.round(3).tolist(),
    }


def _notes(
    noise: Scatter, correlations: pd.DataFrame, diagnostics: dict[str, Any], factor: float, simulations: int
) -> tuple[str, ...]:
    """What a reader should be told."""
    notes = []
    if noise.rounding:
        notes.append(
            f"The counts scatter {noise.dispersion:.2g} times as much as Poisson counts: the intervals are those of "
            "Poisson counts, and too wide."
        )
    elif noise.dispersion > 1.1:
        notes.append(
            f"The counts scatter {noise.dispersion:.2f} times as much as Poisson counts, for which the intervals are "
            "widened: overdispersion, or a signature too few."
        )
    if len(correlations):
        sure = norm.isf(0.5 * _SURE / len(correlations))
        bad = correlations[correlations["z"].abs() > sure]
        if len(bad):
            worst = bad.loc[bad["z"].abs().idxmax()]
            notes.append(
                f"Within classes of tumours the exposures of {len(bad)} of {len(correlations)} pairs of signatures are "
                f"correlated (most: {worst['first']} and {worst['second']}, {worst['correlation']:.2f}), which the model "
                "rules out: classes are too coarse, and intervals may hold the truth less often than they say."
            )
    if diagnostics["effective_draws_1"] < 10:
        simulated = f"simulated cohorts say to widen by {factor:.2f}"
        tried = simulated if simulations else "no cohorts were simulated to say what that does to the intervals"
        notes.append(
            f"The chain mixes slowly: {diagnostics['effective_draws_1']:.0f} effective draws at the worst hundredth of "
            f"the exposures that are present; {tried}."
        )
    return tuple(notes)


def _mixtures(shares: list[Share], names: pd.Index) -> list[str]:
    """What is taken for granted of signatures of peaks."""
    much = [share for share in shares if share.most >= _MUCH]
    if not much:
        return []
    pairs = ", ".join(f"{names[s.signature]} {s.most:.2f} of {names[s.other]}" for s in much[:3])
    return [
        f"As extracted, {len(much)} signatures of peaks may hold a share of another (first: {pairs}); it is taken for left "
        "over by the extraction. Where it belongs to the signature, intervals of both do not hold the truth."
    ]
