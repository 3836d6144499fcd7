"""Ends of intervals by profile likelihood, by parametric bootstrap, and from draws of a posterior. Arrays only.

Those of the exposure sampler are read off in :mod:`vaebench.signatures.sampler.summary`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import chi2

from vaebench.signatures.active_set import FEWEST, few_of_many
from vaebench.signatures.dispersion import Scatter
from vaebench.signatures.intervals.options import BOOTSTRAP, PROFILE, BootstrapOptions, ProfileOptions
from vaebench.signatures.likelihood import BACKGROUND, Maximum, maximum_likelihood, slope_by_mean
from vaebench.signatures.tables import OnProgress, no_progress

_PROBLEMS = 4096  # constrained fits at once, so that their arrays fit the memory


class Ends(NamedTuple):
    """Lower and upper ends, [T, S] each."""

    lower: np.ndarray
    upper: np.ndarray


def profile_likelihood(
    x: np.ndarray,
    signatures: np.ndarray,
    fit: Maximum,
    scatter: Scatter,
    level: float = 0.95,
    options: ProfileOptions = PROFILE,
    progress: OnProgress = no_progress,
) -> Ends:
    """Profile-likelihood intervals: {e : max log likelihood given e >= maximum - chi2_1(level) / 2}.

    With a dispersion other than 1 the cut is multiplied by it, as for quasi-likelihoods. An interval that reaches 0 ends
    there. Ends are found by Newton's method. Each of its steps is a fit of the other exposures, and the slope of the profile
    is the partial derivative of the likelihood (Venzon and Moolgavkar 1988).

    Args:
        x: counts [T, M].
        signatures: [S, M].
        fit: by maximum likelihood.
        scatter: of the counts about the fit.
        level: nominal coverage.
        options: constants of the search.
        progress: see :data:`vaebench.signatures.tables.OnProgress`.
    """
    size = None if np.isinf(scatter.size) else scatter.size
    dispersion = np.full(len(x), scatter.dispersion) if scatter.rounding else scatter.dispersion_of(x)
    cut = 0.5 * float(chi2.ppf(level, 1)) * dispersion
    samples, count = fit.exposures.shape
    lower, upper = np.zeros((samples, count)), np.zeros((samples, count))
    rows = max(1, _PROBLEMS // count)
    starts = range(0, samples, rows)
    for done, begin in enumerate(starts):
        block = slice(begin, begin + rows)
        known = (x[block], signatures, fit.exposures[block], fit.log_likelihood[block], size, cut[block])
        lower[block] = _end(*known, -1, options)
        upper[block] = _end(*known, 1, options)
        progress("profiling", done + 1, len(starts))
    return Ends(lower, upper)


def _end(
    x: np.ndarray,
    signatures: np.ndarray,
    exposures: np.ndarray,
    best: np.ndarray,
    size: float | None,
    cut: np.ndarray,
    side: int,
    options: ProfileOptions,
) -> np.ndarray:
    """Lower (``side`` -1) or upper (1) ends [T, S] of the profile intervals of a few samples.

    Every pair of sample and signature is a problem of its own, [T S] of them, in which one exposure is held and the others
    are fitted. The log likelihood missing to the cut is convex in the exposure held, so from the second step on Newton's
    method approaches the end from outside and never passes it. A bracket (inner, outer) catches the first step.
    """
    samples, count = exposures.shape
    held = np.tile(np.arange(count), samples)
    owner = np.repeat(np.arange(samples), count)
    each = np.arange(len(held))
    estimate, target = exposures.ravel(), np.repeat(best - cut, count)
    place = np.maximum(_first(x, signatures, exposures, size, cut, side).ravel(), 0.0)
    start = exposures[owner]
    inner, outer = estimate.copy(), np.full(len(held), np.inf if side > 0 else 0.0)
    active = each if side > 0 else np.flatnonzero(estimate > 0)
    found = estimate.copy() if side > 0 else np.zeros(len(held))
    for _ in range(options.steps):
        if not len(active):
            break
        begin = start[active]
        begin[np.arange(len(active)), held[active]] = place[active]
        free = np.ones(begin.shape, bool)
        free[np.arange(len(active)), held[active]] = False
        # the other exposures adapt to the one that is held
        if count < FEWEST:
            fit = maximum_likelihood(x[owner[active]], signatures, size=size, start=begin, free=free)
        else:
            fit = few_of_many(x[owner[active]], signatures, begin, free, size=size)
        start[active] = fit.exposures
        lacking = target[active] - fit.log_likelihood
        by_mean = slope_by_mean(x[owner[active]], fit.exposures @ signatures, size)
        slope = np.sum(by_mean * signatures[held[active]], 1)
        found[active] = place[active]
        at = place[active]
        outside = lacking > 0
        outer[active] = np.where(outside, at, outer[active])
        inner[active] = np.where(outside, inner[active], at)
        with np.errstate(divide="ignore", invalid="ignore"):
            new = at + lacking / slope
        low, high = np.minimum(inner, outer)[active], np.maximum(inner, outer)[active]
        halved = np.where(np.isinf(high), 2 * at + 1, 0.5 * (low + high))
        new = np.where(np.isfinite(new) & (new > low) & (new < high), new, halved)
        # if the likelihood at 0 itself may be within the cut, try 0: it would be the end
        zero = (
            (side < 0)
            & (outer[active] == 0)
            & ~outside
            & (at > 0)
            & (at + lacking / np.where(slope == 0, 1, slope) <= 0)
        )
        new = np.where(zero, 0.0, new)
        ended = (np.abs(lacking) < options.close) | (~outside & (at == 0))
        place[active] = new
        active = active[~ended]
    return found.reshape(samples, count)


def _first(
    x: np.ndarray, signatures: np.ndarray, exposures: np.ndarray, size: float | None, cut: np.ndarray, side: int
) -> np.ndarray:
    """Ends [T, S] if the log likelihood were quadratic and exposures of 0 stayed 0: the start of Newton's method."""
    mean = exposures @ signatures
    variance = mean + BACKGROUND + (0.0 if size is None else mean**2 / size)
    gradient = slope_by_mean(x, mean, size) @ signatures.T
    diagonal = (1 / variance) @ np.square(signatures).T
    found = np.empty_like(exposures)
    for t in range(len(x)):
        free = np.flatnonzero(exposures[t] > 0)
        weighted = signatures[free] / variance[t]
        inner = weighted @ signatures[free].T
        inner[np.diag_indices_from(inner)] *= 1 + 1e-9
        inverse = np.linalg.inv(inner)
        rows = weighted @ signatures.T
        # information about e_k once the other exposures are fitted: a Schur complement
        left = diagonal[t] - np.einsum("kl,kl->l", rows, inverse @ rows)
        left[free] = 1 / np.diagonal(inverse) - 1e-9 * diagonal[t, free]
        left = np.maximum(left, 1e-12 * diagonal[t])
        slope = np.where(exposures[t] > 0, 0.0, np.minimum(gradient[t], 0.0))
        found[t] = exposures[t] + side * (slope + np.sqrt(slope**2 + 2 * left * cut[t])) / left
    return found


def parametric_resample(rng: np.random.Generator, mean: np.ndarray, scatter: Scatter) -> np.ndarray:
    """Draw counts about ``mean`` [T, M] with the noise of ``scatter``.

    Rounded means get Gaussian noise, cut at 0. Negative binomial counts are Poisson counts about gamma means of shape
    ``size``; overdispersed Poisson counts are the same with a variance of dispersion x mean.
    """
    if scatter.rounding:
        spread = np.sqrt(scatter.beyond * mean + scatter.rounding)
        return np.maximum(mean + spread * rng.standard_normal(mean.shape), 0.0)
    if not np.isinf(scatter.size):
        return rng.poisson(mean * rng.gamma(scatter.size, 1 / scatter.size, mean.shape)).astype(np.float64)
    beyond = scatter.dispersion_of(mean)[:, None] - 1  # of a sample without mutations 0
    if not beyond.any():
        return rng.poisson(mean).astype(np.float64)
    some = np.where(beyond > 0, beyond, 1.0)
    drawn = rng.gamma(np.maximum(mean, 1e-9) / some, some)
    return rng.poisson(np.where(beyond > 0, drawn, mean)).astype(np.float64)


def bootstrap(
    rng: np.random.Generator,
    signatures: np.ndarray,
    fit: Maximum,
    scatter: Scatter,
    level: float = 0.95,
    kind: str = "percentile",
    options: BootstrapOptions = BOOTSTRAP,
    progress: OnProgress = no_progress,
) -> Ends:
    """Intervals from counts resampled about the fit and fitted again (Efron and Tibshirani 1993).

    Args:
        rng: of the resampling.
        signatures: [S, M].
        fit: by maximum likelihood.
        scatter: of the counts about the fit.
        level: nominal coverage.
        kind: ``"percentile"``: quantiles of the fits; or ``"basic"``: twice the estimate minus these quantiles, 0 or more.
        options: number of replicates.
        progress: see :data:`vaebench.signatures.tables.OnProgress`.
    """
    draws = resampled_fits(rng, signatures, fit, scatter, options, progress)
    return bootstrap_ends(draws, fit.exposures, level, kind)


def resampled_fits(
    rng: np.random.Generator,
    signatures: np.ndarray,
    fit: Maximum,
    scatter: Scatter,
    options: BootstrapOptions = BOOTSTRAP,
    progress: OnProgress = no_progress,
) -> np.ndarray:
    """Exposures [replicates, T, S] fitted to counts resampled about ``fit``; arguments as in :func:`bootstrap`."""
    replicates = options.replicates
    mean = fit.exposures @ signatures
    size = None if np.isinf(scatter.size) else scatter.size
    found = np.empty((replicates, *fit.exposures.shape), np.float32)
    for i in range(replicates):
        again = maximum_likelihood(
            parametric_resample(rng, mean, scatter), signatures, size=size, start=fit.exposures + 1e-3
        )
        found[i] = again.exposures
        progress("resampling", i + 1, replicates)
    return found


def bootstrap_ends(draws: np.ndarray, estimate: np.ndarray, level: float, kind: str) -> Ends:
    """Ends of either ``kind`` of :func:`bootstrap` from ``draws`` [n, T, S] of fits about ``estimate`` [T, S]."""
    low, high = np.quantile(draws, (0.5 * (1 - level), 0.5 * (1 + level)), axis=0).astype(np.float64)
    if kind == "basic":
        low, high = np.maximum(2 * estimate - high, 0), np.maximum(2 * estimate - low, 0)
    return Ends(low, high)


def posterior_percentile(draws: np.ndarray, level: float = 0.95, kind: str = "central") -> Ends:
    """Percentiles of ``draws`` [n, T, S] of a posterior.

    Args:
        draws: of the posterior.
        level: nominal coverage.
        kind: ``"central"`` leaves (1 - level) / 2 on either side; ``"released"`` is that of the study: from the smallest draw
            to the ``level`` percentile, both cut to whole numbers.

    Deviates: the study's fixed 95 is ``level`` here.
    """
    ends = (0.0, level) if kind == "released" else (0.5 * (1 - level), 0.5 * (1 + level))
    low, high = np.quantile(draws, ends, axis=0).astype(np.float64)
    return Ends(np.trunc(low), np.trunc(high)) if kind == "released" else Ends(low, high)


def conformal(
    draws: np.ndarray, simulated: np.ndarray, truth: np.ndarray, level: float = 0.95
) -> tuple[Ends, np.ndarray]:
    """Central intervals of ``draws``, stretched about their medians until simulated intervals cover at ``level``.

    For each true exposure above 0 of a simulated cohort, the factor is computed by which the interval of its own draws must
    be stretched to reach it. The factor of a signature is the quantile of these that holds a new exposure with probability
    ``level`` (Romano et al. 2019). Ends below 0 are 0.

    Args:
        draws: [n, T, S] of the posterior.
        simulated: [n', T', S] of the posterior of the simulated cohort.
        truth: [T', S], the exposures of the simulated cohort.
        level: nominal coverage.

    Returns:
        The ends, and the factors [S]; 1 for a signature that no simulated sample has.
    """
    centre, ends = _centred(simulated, level)
    factors = np.ones(truth.shape[1])
    for k in range(truth.shape[1]):
        rows = np.flatnonzero(truth[:, k] > 0)
        if not len(rows):
            continue
        off = truth[rows, k] - centre[rows, k]
        half = np.where(off < 0, centre[rows, k] - ends.lower[rows, k], ends.upper[rows, k] - centre[rows, k])
        needed = np.sort(np.abs(off) / np.maximum(half, 1e-9))
        place = int(np.ceil((len(rows) + 1) * level))
        # with too few exposures for this level: as wide as the one furthest off needs
        factors[k] = needed[min(place, len(rows)) - 1]
    centre, ends = _centred(draws, level)
    stretched = Ends(centre - factors * (centre - ends.lower), centre + factors * (ends.upper - centre))
    return Ends(np.maximum(stretched.lower, 0.0), np.maximum(stretched.upper, 0.0)), factors


def _centred(draws: np.ndarray, level: float) -> tuple[np.ndarray, Ends]:
    """Medians [T, S] and central intervals, at least one mutation to either side: all draws may be equal."""
    centre = np.median(draws, axis=0).astype(np.float64)
    low, high = posterior_percentile(draws, level)
    return centre, Ends(np.minimum(low, centre - 1), np.maximum(high, centre + 1))
