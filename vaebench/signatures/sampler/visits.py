"""Sweeps that visit a signature as often as its presence in a sample is in doubt.

Most of 86 signatures are surely absent from a sample. A visit that leaves an exposure at 0 costs as much as any other, so each
sample has a timetable: signatures that may be present are visited in every sweep, the others in every sixteenth. A timetable is
made from the chains' own past and does not change while draws are kept. Each visit leaves the posterior as it is, whichever
signature comes next, so draws by any fixed timetable are exact.

Pairs are those of similar signatures of which one is often present: a pair of two that are absent has nothing to exchange.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from vaebench.signatures.sampler.companions import Companions
from vaebench.signatures.sampler.gibbs import one, started, two
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions
from vaebench.signatures.sampler.problem import GibbsState, Held, Walk
from vaebench.signatures.sampler.proposals import Slab, uniforms
from vaebench.signatures.tables import Array

_ROUND = 16  # sweeps after which a timetable begins again
_PAIRED = 0.02  # P(present) that each signature is given in the choice of pairs: no pair is left out for ever
_CHUNK = 2_000_000  # numbers of a table of weights that is held at once


class Timetable(NamedTuple):
    """Visits of each sample, arrays [16 S, T] of signatures, of which the first 16 ``steps`` rows are used in turn.

    Attributes:
        singles: signatures drawn alone.
        firsts: the first of each pair.
        seconds: the second of each pair.
        steps: visits, and pairs, of a sweep.
    """

    singles: Array
    firsts: Array
    seconds: Array
    steps: ArrayLike


def timetable(
    rng: np.random.Generator, presence: np.ndarray | None, similarity: np.ndarray, options: SamplerOptions = SAMPLER
) -> Timetable:
    """Timetable of T samples.

    A signature is visited ``options.visits`` * P(present) + 1/16 times in a sweep, at most once, and where some samples have
    fewer doubtful signatures than others, more often.

    Args:
        rng: for the choice of pairs.
        presence: [T, S], P(present) as found so far; ``None`` for one sample that visits every signature in every sweep.
        similarity: [S, S], cosines of the signatures.
        options: constants of the sampler.
    """
    count = len(similarity)
    if presence is None:
        presence = np.ones((1, count))
    wanted = np.minimum(options.visits * presence + 1 / _ROUND, 1.0)
    steps = min(int(np.ceil(np.quantile(wanted.sum(1), 0.95))), count)
    singles = _spread(_rates(presence, steps), steps)
    firsts, seconds = _pairs(rng, presence, similarity, steps)
    room = np.zeros((3, _ROUND * count, len(presence)), np.uint8 if count < 256 else np.int32)
    for table, values in zip(room, (singles, firsts, seconds), strict=True):
        table[: len(values)] = values
    return Timetable(room[0], room[1], room[2], steps)


def _rates(presence: np.ndarray, steps: int) -> np.ndarray:
    """Visits per sweep [T, S], min(c_t P(present) + 1/16, 1) with the c_t at which they sum to ``steps``."""
    if steps == presence.shape[1]:
        return np.ones_like(presence)
    presence = np.maximum(presence, 1e-6)
    low, high = np.full((len(presence), 1), -20.0), np.full((len(presence), 1), 20.0)  # of ln c
    for _ in range(40):
        middle = 0.5 * (low + high)
        rates = np.minimum(np.exp(middle) * presence + 1 / _ROUND, 1.0)
        more = rates.sum(1, keepdims=True) < steps
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    return rates * (steps / rates.sum(1, keepdims=True))


def _spread(rates: np.ndarray, steps: int) -> np.ndarray:
    """Signatures [16 steps, T] visited at the given ``rates`` [T, S]: systematic samples, shifted from sweep to sweep."""
    samples = len(rates)
    ends = np.cumsum(rates, 1)
    ends *= steps / ends[:, -1:]
    ends[:, -1] = steps
    shifts = (np.arange(_ROUND) * 7 % _ROUND + np.sqrt(0.5)) / _ROUND  # irrational: never at an end
    points = (shifts[:, None] + np.arange(steps)).ravel()
    offset = np.arange(samples)[:, None] * (steps + 1.0)
    place = np.searchsorted((ends + offset).ravel(), (points + offset).ravel()).reshape(samples, -1)
    return np.minimum(place - np.arange(samples)[:, None] * rates.shape[1], rates.shape[1] - 1).T


def _pairs(
    rng: np.random.Generator, presence: np.ndarray, similarity: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs [16 steps, T] each, drawn by squared cosine and by the presence of either signature."""
    samples, count = presence.shape
    length = _ROUND * steps
    first, second = np.triu_indices(count, 1)
    if not len(first):
        return np.zeros((length, samples), int), np.zeros((length, samples), int)
    # 1e-3 leaves every pair a chance
    alike = similarity[first, second] ** 2 + 1e-3
    chosen = np.empty((length, samples), int)
    size = max(_CHUNK // len(first), 1)
    for rows in (slice(i, i + size) for i in range(0, samples, size)):
        there = presence[rows] + _PAIRED
        root = np.sqrt(there)
        weights = there[:, first] * root[:, second] + root[:, first] * there[:, second]
        sums = np.cumsum(weights * alike, 1)
        sums /= sums[:, -1:]
        own = np.arange(len(sums))[:, None]
        # one search for all samples: each has its own unit interval
        found = np.searchsorted((sums + own).ravel(), (rng.random((len(sums), length)) + own).ravel())
        chosen[:, rows] = (found.reshape(len(sums), length) - own * len(first)).T
    chosen = np.clip(chosen, 0, len(first) - 1)
    return first[chosen], second[chosen]


@functools.partial(jax.jit, static_argnames="noise")
def visited(
    key: jax.Array,
    i: ArrayLike,
    exposures: jax.Array,
    problem: Held,
    slabs: Slab,
    table: Timetable,
    noise: str,
    companions: Companions | None = None,
) -> GibbsState:
    """State after sweep ``i``: signatures and pairs in turn as the ``table`` of each sample has them.

    Args:
        key: of the chain.
        i: number of the sweep.
        exposures: [T, S] before it.
        problem: of :func:`vaebench.signatures.sampler.problem.held`.
        slabs: [T, S + V].
        table: of the samples.
        noise: a name in :data:`vaebench.signatures.sampler.problem.NOISES`.
        companions: what signatures say of one another; ``None`` for independent ones.
    """
    samples, count = exposures.shape
    key = jax.random.fold_in(key, i)
    parts = Slab(*(jnp.asarray(v).T for v in slabs))
    begin = (jnp.asarray(i, jnp.int32) % _ROUND) * jnp.asarray(table.steps, jnp.int32)

    def step(m: jax.Array, walk: Walk) -> Walk:
        u = uniforms(jax.random.fold_in(key, m), (6, 1, samples), exposures.dtype)
        k = jnp.asarray(table.singles)[begin + m].astype(jnp.int32)
        walk = one(k, walk, u[:3], problem, parts, noise, companions)
        if count == 1:
            return walk
        j, k = (jnp.asarray(v)[begin + m].astype(jnp.int32) for v in (table.firsts, table.seconds))
        return two(j, k, walk, u[3:], problem, parts, noise, companions)

    steps = jnp.asarray(table.steps, jnp.int32)
    walk = jax.lax.fori_loop(jnp.int32(0), steps, step, started(exposures, problem))
    return GibbsState(walk.exposures.T, walk.presence.T, walk.accepted[0] / table.steps)
