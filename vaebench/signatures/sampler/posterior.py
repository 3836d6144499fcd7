"""The sampler's run on a cohort: the prior is learned, two chains are drawn per sample, and intervals are read off."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

from vaebench.signatures.likelihood import Scatter
from vaebench.signatures.sampler.diagnostics import effective_size, r_hat
from vaebench.signatures.sampler.gibbs import Prior, Problem, chain
from vaebench.signatures.sampler.priors import learned_prior

LEARNING = 150
"""Sweeps in which the prior is learned."""

SETTLING = 30
"""Sweeps of each chain before its draws count."""

DRAWS = 500
"""Draws of both chains together."""

CONSIDERED = 0.005
"""Probability of presence from which on the upper end is at least that of the exposure where present."""

KEPT = 10
"""Draws that are kept as they are."""

_BLOCK = 500  # samples at once: their draws take 80 MB at 79 signatures
_SPREAD = 0.1  # added to the variance under which exact noise is proposed: few counts are far from Gaussian


class Posterior(NamedTuple):
    """Of the exposures, [T, S] each: mean, interval, probability of presence, R-hat and effective number of draws.

    ``kept`` are :data:`KEPT` draws [KEPT, T, S], far apart; ``prior`` is [G, S], one row for each group of samples.
    """

    mean: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    presence: np.ndarray
    r_hat: np.ndarray
    effective: np.ndarray
    kept: np.ndarray
    prior: Prior


def noise_and_problem(x: np.ndarray, signatures: np.ndarray, mean: np.ndarray, scatter: Scatter) -> tuple[str, Problem]:
    """The likelihood the sampler uses: that of rounded means is Gaussian, else counts are Poisson or negative binomial.

    Args:
        x: [T, 96].
        signatures: [S, 96].
        mean: [T, 96], of the maximum-likelihood fit.
        scatter: about that fit.
    """
    if scatter.rounding:
        return "gaussian", Problem(x, signatures, _beside_rounding(x, mean, scatter) * mean + scatter.rounding)
    dispersion = max(scatter.dispersion, 1.0)
    if np.isinf(scatter.size):
        return "poisson", Problem(x, signatures, dispersion * (mean + _SPREAD), dispersion, 1.0)
    return "negative_binomial", Problem(x, signatures, mean + mean**2 / scatter.size + _SPREAD, 1.0, scatter.size)


def _beside_rounding(x: np.ndarray, mean: np.ndarray, scatter: Scatter) -> float:
    """The dispersion left when rounding has its share: 0, or that at which the median chi-squared per degree is 1."""

    def excess(dispersion: float) -> float:
        squares = np.sum((x - mean) ** 2 / (dispersion * mean + scatter.rounding), 1)
        return float(np.median(squares / x.shape[1])) - 1

    return 0.0 if excess(0.0) <= 0 else float(np.asarray(brentq(excess, 0.0, scatter.dispersion + 1.0)))


def read_off(draws: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower and upper ends and P(present), [T, S] each, from ``draws`` [n, T, S].

    The lower end is the (1 - level) / 2 quantile, exposures of 0 among the draws. The upper end is the larger of the
    (1 + level) / 2 quantiles of all draws and, where P(present) is above :data:`CONSIDERED`, of those above 0: so the
    level is that of the coverage of exposures that are there. Quantiles are at (n + 1) p, unbiased for few draws.
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
    return lower, np.where(present > CONSIDERED, np.maximum(upper, where_present), upper), present


def sampled(
    x: np.ndarray,
    signatures: np.ndarray,
    start: np.ndarray,
    scatter: Scatter,
    *,
    groups: np.ndarray | None = None,
    level: float = 0.95,
    seed: int = 0,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Posterior:
    """Draw the exposures of x [T, 96] from their posterior.

    Args:
        x: counts.
        signatures: [S, 96].
        start: [T, S], the maximum-likelihood exposures.
        scatter: of the counts about them.
        groups: [T, G], the samples' cancer types as 0 and 1; ``None`` for one prior.
        level: of the intervals.
        seed: of the chains.
        tell: called with the steps done and the steps in all.
    """
    noise, problem = noise_and_problem(x, signatures, start @ signatures, scatter)
    groups = np.ones((len(x), 1)) if groups is None else groups
    keys = jax.random.split(jax.random.key(seed), 2)
    samples = len(x)
    # two chains of half of a small cohort are as many rows as the prior is learned on: one program to compile, not two
    size = min(_BLOCK, -(-samples // 2))
    even = np.resize(np.arange(samples), samples + samples % 2)
    with jax.enable_x64(True):
        problem = Problem(*(jnp.asarray(v, jnp.float64) for v in problem))
        mine = _of_rows(problem, even)
        learned, prior = learned_prior(keys[0], jnp.asarray(start[even]), mine, jnp.asarray(groups), LEARNING, noise)
        learned, prior = np.asarray(learned), Prior(*(np.asarray(v) for v in prior))
    blocks = [np.arange(i, min(i + size, samples)) for i in range(0, samples, size)]
    tell(1, len(blocks) + 1)

    def work(number: int) -> list[np.ndarray]:
        rows = blocks[number]
        # a block that is nearly full is filled up, which costs less than another program
        full = np.resize(rows, size) if 2 * len(rows) >= size else rows
        part = _block(jax.random.fold_in(keys[1], number), problem, prior, groups, learned, start, full, noise)
        part = part[:, :, : len(rows)]
        draws = part.reshape(-1, *part.shape[2:])
        lower, upper, present = read_off(draws, level)
        return [
            draws.mean(0, dtype=np.float64),
            lower,
            upper,
            present,
            r_hat(part),
            effective_size(part),
            draws[:: len(draws) // KEPT][:KEPT],
        ]

    with ThreadPoolExecutor(max(1, min(len(blocks), os.cpu_count() or 1))) as pool:
        found = []
        for number, result in enumerate(pool.map(work, range(len(blocks)))):
            found.append(result)
            tell(number + 2, len(blocks) + 1)
    joined = [np.concatenate(parts, axis=-2) for parts in zip(*found, strict=True)]
    return Posterior(*joined, prior=prior)  # type: ignore[misc]


def _block(
    key: Any, problem: Problem, prior: Prior, groups: np.ndarray, learned: np.ndarray, start: np.ndarray,
    rows: np.ndarray, noise: str,
) -> np.ndarray:  # fmt: skip
    """Draws [2, n, T, S] of the samples ``rows``: one chain from where the prior was learned, one from the best fit."""
    twice = np.concatenate([rows, rows])
    with jax.enable_x64(True):
        own = Prior(*(jnp.asarray(groups[twice] @ v) for v in prior))
        first = jnp.asarray(np.concatenate([learned[rows], start[rows]]))
        draws, _ = chain(key, first, _of_rows(problem, twice), own, SETTLING + DRAWS // 2, noise)
    found = draws[SETTLING:]
    return found.reshape(len(found), 2, len(rows), -1).swapaxes(0, 1)


def _of_rows(problem: Problem, rows: np.ndarray) -> Problem:
    return problem._replace(x=problem.x[rows], variance=problem.variance[rows])
