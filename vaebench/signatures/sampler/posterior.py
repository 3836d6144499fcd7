"""Run the exposure sampler on a cohort: learn the prior, draw two chains per sample, read intervals off the draws."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

from vaebench.signatures.dispersion import Scatter
from vaebench.signatures.sampler.diagnostics import effective_size, r_hat
from vaebench.signatures.sampler.gibbs import Prior, Problem, run_chain
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions
from vaebench.signatures.sampler.priors import learned_prior
from vaebench.signatures.tables import OnProgress, no_progress
from vaebench.types.shown import one_line

_BLOCK = 500  # samples drawn at once: with 79 signatures their draws take 80 MB


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
        prior: [G, S], one row for each cancer type.
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


def noise_and_problem(
    x: np.ndarray,
    signatures: np.ndarray,
    mean: np.ndarray,
    scatter: Scatter,
    options: SamplerOptions = SAMPLER,
) -> tuple[str, Problem]:
    """Choose the likelihood of the sampler: Gaussian for rounded means, else Poisson or negative binomial.

    Args:
        x: counts [T, 96].
        signatures: [S, 96].
        mean: [T, 96], of the maximum-likelihood fit.
        scatter: of the counts about that fit.
        options: constants of the sampler.

    Returns:
        A name in :data:`vaebench.signatures.sampler.gibbs.NOISES`, and the problem.
    """
    if scatter.rounding:
        variance = _dispersion_beyond_rounding(x, mean, scatter) * mean + scatter.rounding
        return "gaussian", Problem(x, signatures, variance)
    dispersion = max(scatter.dispersion, 1.0)
    if np.isinf(scatter.size):
        return "poisson", Problem(x, signatures, dispersion * (mean + options.spread), dispersion, 1.0)
    variance = mean + mean**2 / scatter.size + options.spread
    return "negative_binomial", Problem(x, signatures, variance, 1.0, scatter.size)


def _dispersion_beyond_rounding(x: np.ndarray, mean: np.ndarray, scatter: Scatter) -> float:
    """Dispersion left after rounding: that at which the median chi-squared per channel is 1, or 0 if rounding is enough."""

    def excess(dispersion: float) -> float:
        squares = np.sum((x - mean) ** 2 / (dispersion * mean + scatter.rounding), 1)
        return float(np.median(squares / x.shape[1])) - 1

    return 0.0 if excess(0.0) <= 0 else float(np.asarray(brentq(excess, 0.0, scatter.dispersion + 1.0)))


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
    groups: np.ndarray | None = None,
    level: float = 0.95,
    seed: int = 0,
    options: SamplerOptions = SAMPLER,
    progress: OnProgress = no_progress,
) -> ExposurePosterior:
    """Draw the exposures of x [T, 96] from their posterior; the steps are those of :mod:`vaebench.signatures.sampler`.

    Args:
        x: counts.
        signatures: [S, 96].
        start: [T, S], the maximum-likelihood exposures.
        scatter: of the counts about them.
        groups: [T, G], the samples' cancer types as 0 and 1; ``None`` for one prior.
        level: nominal coverage of the intervals.
        seed: of the chains.
        options: constants of the sampler.
        progress: see :data:`vaebench.signatures.tables.OnProgress`.
    """
    noise, problem = noise_and_problem(x, signatures, start @ signatures, scatter, options)
    groups = np.ones((len(x), 1)) if groups is None else groups
    keys = jax.random.split(jax.random.key(seed), 2)
    samples = len(x)
    # two chains of half of a small cohort are as many rows as the prior is learned on: one program to compile, not two
    size = min(_BLOCK, -(-samples // 2))
    even = np.resize(np.arange(samples), samples + samples % 2)
    with jax.enable_x64(True):
        problem = Problem(*(jnp.asarray(v, jnp.float64) for v in problem))
        first, mine = jnp.asarray(start[even]), _of_rows(problem, even)
        learned, prior = learned_prior(keys[0], first, mine, jnp.asarray(groups), options.learning, noise, options)
        learned, prior = np.asarray(learned), Prior(*(np.asarray(v) for v in prior))
    blocks = [np.arange(i, min(i + size, samples)) for i in range(0, samples, size)]
    progress("sampling", 1, len(blocks) + 1)

    def work(number: int) -> list[np.ndarray]:
        rows = blocks[number]
        # a block that is nearly full is filled up, which costs less than another program
        full = np.resize(rows, size) if 2 * len(rows) >= size else rows
        starts = np.concatenate([learned[full], start[full]])
        draws = _two_chains(jax.random.fold_in(keys[1], number), starts, full, problem, prior, groups, noise, options)
        return _summary(draws[:, :, : len(rows)], level, options)

    # threads, because numpy's sorts and XLA's sweeps both release the interpreter
    with ThreadPoolExecutor(max(1, min(len(blocks), os.cpu_count() or 1))) as pool:
        found = []
        for number, result in enumerate(pool.map(work, range(len(blocks)))):
            found.append(result)
            progress("sampling", number + 2, len(blocks) + 1)
    joined = [np.concatenate(columns, axis=-2) for columns in zip(*found, strict=True)]
    return ExposurePosterior(*joined, prior=prior)  # type: ignore[misc]


def _two_chains(
    key: jax.Array,
    starts: np.ndarray,
    rows: np.ndarray,
    problem: Problem,
    prior: Prior,
    groups: np.ndarray,
    noise: str,
    options: SamplerOptions,
) -> np.ndarray:
    """Draws [2, n, T, S] of the samples ``rows``, from ``starts`` [2 T, S]: of the first chains, then of the second."""
    twice = np.concatenate([rows, rows])
    with jax.enable_x64(True):
        own = Prior(*(jnp.asarray(groups[twice] @ v) for v in prior))
        sweeps = options.settling + options.draws // 2
        draws, _ = run_chain(key, jnp.asarray(starts), _of_rows(problem, twice), own, sweeps, noise)
    found = draws[options.settling :]
    return found.reshape(len(found), 2, len(rows), -1).swapaxes(0, 1)


def _summary(draws: np.ndarray, level: float, options: SamplerOptions) -> list[np.ndarray]:
    """The arrays of :class:`ExposurePosterior`, in its order, from ``draws`` [2, n, T, S]."""
    both = draws.reshape(-1, *draws.shape[2:])
    lower, upper, present = read_off(both, level, options)
    kept = both[:: len(both) // options.kept][: options.kept]
    return [both.mean(0, dtype=np.float64), lower, upper, present, r_hat(draws), effective_size(draws), kept]


def _of_rows(problem: Problem, rows: np.ndarray) -> Problem:
    return problem._replace(x=problem.x[rows], variance=problem.variance[rows])
