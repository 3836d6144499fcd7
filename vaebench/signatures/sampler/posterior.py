"""Run the exposure sampler on a cohort: chains until they have mixed, then intervals read off their draws."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vaebench.signatures.dispersion import Scatter
from vaebench.signatures.sampler.chains import BLOCK, ChainRun, chain_run, cohort_of, with_timetable
from vaebench.signatures.sampler.diagnostics import effective_size, r_hat
from vaebench.signatures.sampler.draws import Draws
from vaebench.signatures.sampler.limits import upper_limits
from vaebench.signatures.sampler.mixing import Moving, has_mixed, narrowed, rows_to_continue, slow_samples
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions
from vaebench.signatures.sampler.priors import Ground, burden_moments, shifts_of, weak_ground
from vaebench.signatures.sampler.problem import Prior, Problem
from vaebench.signatures.sampler.sums import Sum, inseparable
from vaebench.signatures.tables import SMALL, OnProgress, no_progress
from vaebench.types.shown import one_line

_SUMMARISED = 50  # samples whose draws are sorted at once: with 86 signatures they take 9 MB


class ExposurePosterior(NamedTuple):
    """Posterior of the exposures, arrays [T, S] unless said otherwise.

    Attributes:
        mean: in mutations.
        lower: lower ends of the intervals.
        upper: upper ends of the intervals.
        presence: P(present).
        r_hat: split R-hat.
        effective: effective number of draws.
        kept: [``options.kept``, T, S], a few draws far apart.
        prior: [G, S], one row for each cancer type: the mean of those drawn.
        draws: their number, of all chains together.
        sweeps: of each chain, those before the first draw included.
        sums: of signatures that the counts of a sample cannot tell apart.
        limit: the most sweeps of each chain.
    """

    __repr__ = one_line

    mean: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    presence: np.ndarray
    r_hat: np.ndarray
    effective: np.ndarray
    kept: np.ndarray
    prior: Prior
    draws: int
    sweeps: int
    sums: list[Sum]
    limit: int = 0


def noise_and_problem(
    x: np.ndarray,
    signatures: np.ndarray,
    mean: np.ndarray,
    scatter: Scatter,
    options: SamplerOptions = SAMPLER,
    dispersion: np.ndarray | None = None,
) -> tuple[str, Problem]:
    """Choose the likelihood of the sampler: Gaussian for rounded means, else Poisson or negative binomial.

    Args:
        x: counts [T, M].
        signatures: [S, M].
        mean: [T, M], of the maximum-likelihood fit.
        scatter: of the counts about that fit.
        options: constants of the sampler.
        dispersion: [T] of Poisson counts; that of ``scatter`` unless given.

    Returns:
        A name in :data:`vaebench.signatures.sampler.problem.NOISES`, and the problem.
    """
    if scatter.rounding:
        variance = scatter.beyond * mean + scatter.rounding
        return "gaussian", Problem(x, signatures, variance)
    if np.isinf(scatter.size):
        dispersion = scatter.dispersion_of(x) if dispersion is None else dispersion
        return "poisson", Problem(x, signatures, dispersion[:, None] * (mean + options.spread), dispersion, 1.0)
    variance = mean + mean**2 / scatter.size + options.spread
    return "negative_binomial", Problem(x, signatures, variance, 1.0, scatter.size)


def read_off(
    draws: np.ndarray, level: float, options: SamplerOptions = SAMPLER
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower ends, upper ends and P(present), [T, S] each, of ``draws`` [n, T, S].

    The lower end is the (1 - level) / 2 quantile, exposures of 0 among the draws. The upper end is the (1 + level) / 2
    quantile of all draws or, where P(present) is above ``options.considered`` and it is larger, that of the draws above 0.
    So ``level`` is also the coverage of exposures that are present. Quantiles are at (n + 1) p, unbiased for few draws.
    """
    n = len(draws)
    ordered = np.sort(draws, axis=0)
    count = (ordered > 0).sum(0)
    tail = 0.5 * (1 - level)

    def at(place: np.ndarray) -> np.ndarray:  # linear between order statistics, from 1
        place = np.clip(place, 1, n)
        low = np.floor(place).astype(int)
        below = np.take_along_axis(ordered, low[None] - 1, 0)[0]
        above = np.take_along_axis(ordered, np.minimum(low, n - 1)[None], 0)[0]
        return below + (place - low) * (above - below)

    lower = at(np.full(count.shape, (n + 1) * tail))
    upper = at(np.full(count.shape, (n + 1) * (1 - tail)))
    present = count / n
    where_present = at(n - count + (count + 1) * (1 - tail))
    return lower, np.where(present > options.considered, np.maximum(upper, where_present), upper), present


def sampled(
    x: np.ndarray,
    signatures: np.ndarray,
    start: np.ndarray,
    scatter: Scatter,
    *,
    dispersion: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    ground: Ground | None = None,
    separate: bool = False,
    level: float = 0.95,
    seed: int = 0,
    options: SamplerOptions = SAMPLER,
    progress: OnProgress = no_progress,
) -> ExposurePosterior:
    """Draw the exposures of x [T, M] from their posterior; the steps are those of :mod:`vaebench.signatures.sampler`.

    Args:
        x: counts.
        signatures: [S, M].
        start: [T, S], the maximum-likelihood exposures.
        scatter: of the counts about them.
        dispersion: [T] of Poisson counts; that of ``scatter`` unless given.
        groups: [T, G], the samples' cancer types as 0 and 1; ``None`` for one prior.
        ground: of the prior, arrays [S]; ``None`` for a weak one.
        separate: the groups are cohorts that share nothing, and arrays of the ground are [G, S].
        level: nominal coverage of the intervals.
        seed: of the chains.
        options: constants of the sampler.
        progress: see :data:`vaebench.signatures.tables.OnProgress`.
    """
    noise, problem = noise_and_problem(x, signatures, start @ signatures, scatter, options, dispersion)
    groups = np.ones((len(x), 1)) if groups is None else groups
    chains = max(2, options.width // len(x))
    length = max(-(-options.draws // chains), options.chain if chains > 2 else 0)
    length += length % 2  # half of them are dropped where the chains go on
    ground = weak_ground(x, len(signatures), options) if ground is None else ground
    cohort = cohort_of(problem, noise, groups, ground, seed, chains, BLOCK)._replace(separate=separate)
    total = options.learning + length
    draws, done, thin = Draws(chains, length, *start.shape), 0, 1
    moving = Moving(cohort, np.arange(len(x)), _starts(x, start, chains), draws)

    def run(moving: Moving, n: int, keep: int, place: int = 0) -> ChainRun:
        step = lambda i: progress("sampling", done + i, total)  # noqa: E731
        take = lambda i, e: moving.draws.put(place + i, e)  # noqa: E731
        return chain_run(moving.cohort, moving.exposures, done, n, keep, options, step, take, *moving[4:])

    # the timetable follows what the chains find, until draws are kept
    for end in sorted({min(v, options.learning) for v in (5, 10, 25, 60)} | {options.learning}):
        state = run(moving, end - done, 0)
        done = end
        cohort = with_timetable(moving.cohort, state.presence if end >= options.ignored else None, end, options)
        moving = moving._replace(cohort=cohort, exposures=state.exposures, burdens=state.burdens, tumours=state.tumours)
    presence, state = state.presence, run(moving, length, 1)
    found, priors = _summary(draws, level, options), [state.prior]
    while 2 * thin <= options.longest and not has_mixed(found, options):
        done = options.learning + length * thin
        total = done + length * thin
        moving = moving._replace(exposures=state.exposures, burdens=state.burdens, tumours=state.tumours)
        rows = rows_to_continue(found, slow_samples(found, groups, options), moving.rows, groups, options)
        if len(rows) < len(moving.rows):
            moving = narrowed(moving, rows, draws, problem, presence, groups, _mean_prior(priors), options)
        # every second draw so far, and as many from as many sweeps again
        moving.draws.thin()
        state = run(moving, length * thin, 2 * thin, length // 2)
        priors = [_mean_prior(priors), state.prior]
        found = _with_rows(found, _summary(moving.draws, level, options), moving.rows)
        draws.replace(moving.rows, moving.draws)
        thin *= 2
    found = found._replace(
        kept=draws.every(max(chains * length // options.kept, 1), options.kept),
        prior=_mean_prior(priors),
        sweeps=options.learning + length * thin,
        sums=[s for first, own in draws.blocks() for s in inseparable(_joined(own), level, first)],
        limit=options.learning + length * 2 ** int(np.log2(max(options.longest, 1))),
    )
    return found._replace(upper=_with_limits(found, problem, groups, ground, level, options, noise))


def _mean_prior(priors: list[Prior]) -> Prior:
    return Prior(*(np.mean(parts, 0) for parts in zip(*priors, strict=True)))


def _with_limits(
    found: ExposurePosterior,
    problem: Problem,
    groups: np.ndarray,
    ground: Ground,
    level: float,
    options: SamplerOptions,
    noise: str,
) -> np.ndarray:
    """Upper ends [T, S], at least what the counts allow of signatures that are present in hardly any draw.

    That a prior thinks a signature rare is no reason to say that it is 0: the prior may be wrong of this cohort.
    """
    there = np.maximum(found.presence, 1e-12)
    logs = np.log(np.maximum(found.mean, 1e-12) / there)
    every = Prior(*(v[None] for v in found.prior))
    burden, spread = burden_moments(found.presence[None], logs[None], every, groups, ground)
    presence, log_mean, log_sd = (groups @ v for v in found.prior)
    log_sd = np.sqrt(np.square(log_sd) + np.square(shifts_of(np.sqrt(spread), groups, ground)[0]))
    prior = Prior(presence, log_mean + shifts_of(burden, groups, ground)[0], log_sd)
    scarce = found.presence * found.draws < options.scarce
    upper = found.upper.copy()
    for rows in (slice(i, i + _SUMMARISED) for i in range(0, len(upper), _SUMMARISED)):
        if scarce[rows].any():
            limits = upper_limits(problem, found.mean, found.presence, prior, level, rows, noise)
            upper[rows] = np.where(scarce[rows], np.maximum(upper[rows], limits), upper[rows])
    return upper


def _starts(x: np.ndarray, start: np.ndarray, chains: int) -> np.ndarray:
    """Starts [C, T, S]: the maximum likelihood, and in every second chain without its small exposures."""
    sparse = np.where(start >= SMALL * x.sum(1, keepdims=True), start, 0.0)
    return np.stack([sparse if c % 2 else start for c in range(chains)])


def _summary(draws: Draws, level: float, options: SamplerOptions) -> ExposurePosterior:
    """Posterior without its prior, sums and draws; a few samples at a time, for sorts take memory."""
    count, n, samples, signatures = draws.shape
    shape = (samples, signatures)
    parts = [np.full(shape, v) for v in (0.0, 0.0, 0.0, 0.0, 1.0, float(count * n))]
    for first, block in draws.blocks():
        for start in range(0, block.shape[2], _SUMMARISED):
            own = block[:, :, start : start + _SUMMARISED]
            rows = slice(first + start, first + start + own.shape[2])
            moving = own.any((0, 1))  # an exposure that is 0 in all draws needs no more
            mine = own[:, :, moving]
            both = _joined(mine)
            found = (both.mean(0, dtype=np.float64), *read_off(both, level, options), r_hat(mine), effective_size(mine))
            for part, values in zip(parts, found, strict=True):
                part[rows][moving] = values
    unknown = Prior(*(np.full((1, signatures), np.nan) for _ in Prior._fields))
    return ExposurePosterior(*parts, kept=np.zeros((0, *shape)), prior=unknown, draws=count * n, sweeps=n, sums=[])


def _with_rows(found: ExposurePosterior, new: ExposurePosterior, rows: np.ndarray) -> ExposurePosterior:
    """``found`` with the summary ``new`` of the samples in ``rows``."""
    if len(rows) == len(found.mean):
        return new
    names = ("mean", "lower", "upper", "presence", "r_hat", "effective")
    whole = {name: getattr(found, name).copy() for name in names}
    for name, values in whole.items():
        values[rows] = getattr(new, name)
    return found._replace(**whole)


def _joined(draws: np.ndarray) -> np.ndarray:
    """The draws [C, n, ...] of all chains one after another, [C n, ...]."""
    return draws.reshape(-1, *draws.shape[2:])
