"""Run the exposure sampler on a cohort: chains until they have mixed, then intervals read off their draws."""

from __future__ import annotations

import numpy as np

from vaebench.signatures.dispersion import Scatter
from vaebench.signatures.sampler.burdens import burden_moments, shift_variances, shifts_of
from vaebench.signatures.sampler.chains import BLOCK, ChainRun, blocks_of, chain_run, cohort_of, with_timetable
from vaebench.signatures.sampler.draws import Draws
from vaebench.signatures.sampler.grounds import Ground, TypeMixture, weak_ground
from vaebench.signatures.sampler.limits import upper_limits
from vaebench.signatures.sampler.mixing import Moving, has_mixed, narrowed, rows_to_continue, slow_samples
from vaebench.signatures.sampler.mixture import copied, likeliest, merged, merged_prior, weighed
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions
from vaebench.signatures.sampler.problem import Prior, Problem
from vaebench.signatures.sampler.shared_factors import FactorErrors, factor_law, moved
from vaebench.signatures.sampler.summary import SUMMARISED, ExposurePosterior, joined, summary, with_rows
from vaebench.signatures.sampler.sums import inseparable
from vaebench.signatures.sampler.versions import columns_of, moments, shares_of, versions_of, with_versions
from vaebench.signatures.tables import SMALL, OnProgress, no_progress


def noise_and_problem(
    x: np.ndarray,
    signatures: np.ndarray,
    mean: np.ndarray,
    scatter: Scatter,
    options: SamplerOptions = SAMPLER,
    dispersion: np.ndarray | None = None,
) -> tuple[str, Problem]:
    """Choose the likelihood of the sampler: Gaussian for rounded means, else that of the scatter.

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
        noise = "dirichlet" if scatter.growth else "poisson"
        return noise, Problem(x, signatures, dispersion[:, None] * (mean + options.spread), dispersion, 1.0)
    variance = mean + mean**2 / scatter.size + options.spread
    return "negative_binomial", Problem(x, signatures, variance, 1.0, scatter.size)


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
    factor_errors: FactorErrors | None = None,
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
        separate: the groups are cohorts that share nothing, and arrays of the ground are [G, S]. A ground with a mixture has
            groups of its own.
        level: nominal coverage of the intervals.
        seed: of the chains.
        options: constants of the sampler.
        progress: see :data:`vaebench.signatures.tables.OnProgress`.
        factor_errors: of the factors by which the signatures were multiplied; ``None`` for signatures as given.
    """
    noise, problem = noise_and_problem(x, signatures, start @ signatures, scatter, options, dispersion)
    groups = np.ones((len(x), 1)) if groups is None else groups
    ground = weak_ground(x, len(signatures), options) if ground is None else ground
    # samples of given types learn from those of their own
    mixture, whole = ground.mixture if separate or groups.shape[1] == 1 else None, problem
    if mixture is not None:  # a copy of each sample for each type that it may be of
        x, start, problem = x[mixture.rows], start[mixture.rows], copied(problem, mixture.rows)
        groups, ground, separate = np.eye(mixture.groups[-1] + 1)[mixture.groups], mixture.ground, True
    draws, found, prior, sweeps = _chained(
        problem, noise, groups, ground, separate, start, mixture, level, seed, options, progress
    )
    if mixture is not None:
        draws, found = merged(draws, found, mixture, level, options)
        groups, ground, problem, prior = np.eye(len(whole.x)), likeliest(mixture), whole, merged_prior(prior, mixture)
    if factor_errors is not None:
        own = Prior(*(groups @ v for v in prior))
        log_sd = moments(own, found.presence, versions_of(ground.pairs))[1]
        draws, found = _with_errors(draws, found, problem, log_sd, ground, factor_errors, level, seed, options)
    chains, length = draws.shape[:2]
    found = found._replace(
        kept=draws.every(max(chains * length // options.kept, 1), options.kept),
        prior=prior,
        sweeps=sweeps,
        sums=[s for first, own in draws.blocks() for s in inseparable(joined(own), level, first)],
        limit=options.learning + length * 2 ** int(np.log2(max(options.longest, 1))),
    )
    upper = _with_limits(found, problem, groups, ground, level, options, noise)
    return found._replace(upper=upper, prior=Prior(*(v[:, : len(signatures)] for v in prior)))


def _chained(
    problem: Problem,
    noise: str,
    groups: np.ndarray,
    ground: Ground,
    separate: bool,
    start: np.ndarray,
    mixture: TypeMixture | None,
    level: float,
    seed: int,
    options: SamplerOptions,
    progress: OnProgress,
) -> tuple[Draws, ExposurePosterior, Prior, int]:
    """Draws of chains that go on until they have mixed, what they say, the mean of their priors, and their sweeps."""
    x = np.asarray(problem.x)
    chains, length = _chains(len(x), options)
    cohort = cohort_of(problem, noise, groups, ground, seed, chains, BLOCK)._replace(separate=separate)
    done, total, thin = 0, options.learning + length, 1
    draws = Draws(chains, length, *start.shape)
    moving = Moving(cohort, np.arange(len(x)), _starts(x, start, chains), draws)

    def run(moving: Moving, n: int, keep: int, place: int = 0) -> ChainRun:
        step = lambda i: progress("sampling", done + i, total)  # noqa: E731
        take = lambda i, e: moving.draws.put(place + i, e)  # noqa: E731
        return chain_run(moving.cohort, moving.exposures, done, n, keep, options, step, take, *moving[4:])

    # the timetable follows what the chains find, until draws are kept
    warmth = {min(end, options.learning): heat for end, heat in options.warm}
    for end, heat in sorted((warmth | {options.learning: 1.0}).items()):
        blocks = blocks_of(problem, noise, moving.cohort.rows, heat) if heat > 1 else moving.cohort.blocks
        state, done = run(moving._replace(cohort=moving.cohort._replace(blocks=blocks)), end - done, 0), end
        cohort = with_timetable(moving.cohort, state.presence if end >= options.ignored else None, end, options)
        moving = _at(state, moving)._replace(cohort=cohort)
    presence, state = state.presence, run(moving, length, 1)
    found, priors = summary(draws, level, options), [state.prior]
    while 2 * thin <= options.longest and not has_mixed(judged := weighed(found, mixture), options):
        done, total = options.learning + length * thin, options.learning + 2 * length * thin
        rows = rows_to_continue(judged, slow_samples(judged, groups, options), moving.rows, groups, options)
        moving = _at(state, moving)
        if len(rows) < len(moving.rows):
            moving = narrowed(moving, rows, draws, problem, presence, groups, _mean_prior(priors), options)
        # every second draw so far, and as many from as many sweeps again
        moving.draws.thin()
        state = run(moving, length * thin, 2 * thin, length // 2)
        priors = [_mean_prior(priors), state.prior]
        found = with_rows(found, summary(moving.draws, level, options), moving.rows)
        draws.replace(moving.rows, moving.draws)
        thin *= 2
    return draws, found, _mean_prior(priors), options.learning + length * thin


def _chains(samples: int, options: SamplerOptions) -> tuple[int, int]:
    """Number of chains, and draws of each, an even number: half of them are dropped where the chains go on."""
    chains = max(2, options.width // samples)
    length = max(-(-options.draws // chains), options.chain if chains > 2 else 0)
    return chains, length + length % 2


def _at(state: ChainRun, moving: Moving) -> Moving:
    return moving._replace(exposures=state.exposures, burdens=state.burdens, tumours=state.tumours)


def _with_errors(
    draws: Draws,
    found: ExposurePosterior,
    problem: Problem,
    log_sd: np.ndarray,
    ground: Ground,
    before: FactorErrors,
    level: float,
    seed: int,
    options: SamplerOptions,
) -> tuple[Draws, ExposurePosterior]:
    """``draws`` with the errors of factors, and what is found then; ``log_sd`` [T, S] is that of the prior of each sample."""
    weight = np.broadcast_to(np.asarray(ground.mean_weight), log_sd.shape).mean(0)
    law = factor_law(problem, found.mean, found.presence, log_sd, weight, before)
    draws = moved(np.random.default_rng([seed, 4]), draws, law, problem, log_sd)
    mixed = {"r_hat": found.r_hat, "effective": found.effective}
    return draws, summary(draws, level, options)._replace(**mixed, factor_errors=law.errors)


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

    The prior that was ``found`` has the columns of versions.
    That a prior thinks a signature rare is no reason to say that it is 0: the prior may be wrong of this cohort.
    """
    ground, versions, count = with_versions(ground), versions_of(ground.pairs), found.mean.shape[1]
    logs = np.log(np.maximum(found.mean, 1e-12) / np.maximum(found.presence, 1e-12))
    there, logs = shares_of(found.presence, versions), logs[:, columns_of(versions, count)]
    every = Prior(*(v[None] for v in found.prior))
    burdens, covariance = burden_moments(there[None], logs[None], every, groups, ground)
    presence, log_mean, log_sd = (groups @ v for v in found.prior)
    log_sd = np.sqrt(np.square(log_sd) + shift_variances(covariance, groups, ground)[0])
    own = Prior(presence, log_mean + shifts_of(burdens, groups, ground)[0], log_sd)
    prior = Prior(presence[:, :count], *moments(own, found.presence, versions))
    scarce = found.presence * found.draws < options.scarce
    upper = found.upper.copy()
    for rows in (slice(i, i + SUMMARISED) for i in range(0, len(upper), SUMMARISED)):
        if scarce[rows].any():
            limits = upper_limits(problem, found.mean, found.presence, prior, level, rows, noise)
            upper[rows] = np.where(scarce[rows], np.maximum(upper[rows], limits), upper[rows])
    return upper


def _starts(x: np.ndarray, start: np.ndarray, chains: int) -> np.ndarray:
    """Starts [C, T, S]: the maximum likelihood, and in every second chain without its small exposures."""
    sparse = np.where(start >= SMALL * x.sum(1, keepdims=True), start, 0.0)
    return np.stack([sparse if c % 2 else start for c in range(chains)])
