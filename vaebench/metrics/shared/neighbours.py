"""Exact nearest neighbours of an embedding, ties decided by position.

``sklearn.neighbors.NearestNeighbors`` is as fast (9,000 samples, 10 to 50 latents: 0.9 s either way) and finds the same
neighbours where all distances differ, but leaves the order of equal distances to its blocks or tree. With duplicated
or rounded samples its neighbours, and with them Leiden's clusters, are others: the ARI changed by up to 0.003. Its
``brute`` also loses digits in clusters a million times tighter than the whole (3% of the neighbours there). Scores must
not depend on a library's order of ties, so the search stays here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from vaebench.errors import InputError

if TYPE_CHECKING:
    import jax

_BLOCK = 512
_HOST_MOST = 2000
"""Samples up to which numpy finds the candidates: as fast as the compiled program, which takes 0.2 to 0.5 CPU s to compile."""
_SPARE = 8
"""Candidates in addition to those asked for: float32 may confuse samples at almost equal distances."""


@functools.cache
def _program() -> Callable[..., tuple[jax.Array, jax.Array]]:
    import jax
    import jax.numpy as jnp

    def candidates(z: jax.Array, count: int) -> tuple[Any, Any]:
        squares = jnp.sum(z**2, axis=1)
        padded = -len(z) % _BLOCK
        blocks = jnp.pad(z, ((0, padded), (0, 0))).reshape(-1, _BLOCK, z.shape[1])
        everyone = jnp.arange(len(z))

        def one(block: jax.Array, first: jax.Array) -> tuple[Any, Any]:
            nearness = 2 * jnp.dot(block, z.T, precision="highest") - squares[None, :]
            own = (first + jnp.arange(_BLOCK))[:, None] == everyone[None, :]
            return jax.lax.top_k(jnp.where(own, -jnp.inf, nearness), count)

        found = jax.lax.map(lambda part: one(*part), (blocks, _BLOCK * jnp.arange(len(blocks))))
        nearness, index = (values.reshape(-1, count)[: len(z)] for values in found)
        return squares[:, None] - nearness, index

    return jax.jit(candidates, static_argnames="count")


def _host_candidates(z: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what the program of :func:`_program` returns, by numpy: rough squared distances [N, count] and positions."""
    squares = np.einsum("nl,nl->n", z, z)
    rough, index = np.empty((len(z), count), np.float32), np.empty((len(z), count), np.int64)
    for first in range(0, len(z), _BLOCK):
        rows = slice(first, first + _BLOCK)
        distance = squares - z[rows] @ (2 * z).T
        own = np.arange(len(distance))
        distance[own, first + own] = np.inf
        found = np.argpartition(distance, count - 1, axis=1)[:, :count]
        values = np.take_along_axis(distance, found, axis=1)
        order = np.argsort(values, axis=1)
        index[rows] = np.take_along_axis(found, order, axis=1)
        rough[rows] = np.take_along_axis(values, order, axis=1) + squares[rows, None]
    return rough, index


def nearest(z: np.ndarray, others: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the ``others`` nearest other samples of every sample by Euclidean distance.

    Blocks of products and ``top_k`` in float32 on the default device (for few samples numpy's on the host) give a few more
    candidates than asked for; their distances are computed again in float64 from differences. Where float32 rounding could hide
    a nearer sample (near duplicates far from the centre) the row is searched again in float64, so the result is exact. Among
    samples at exactly equal distance the first ones are taken.

    Args:
        z: [N, L] finite.
        others: number of neighbours, the sample itself not counted.

    Returns:
        ``(index [N, others] int64, distance [N, others] float64)``, nearest first.

    Raises:
        InputError: fewer than ``others`` + 1 samples.
    """
    samples, latents = z.shape
    if samples <= others:
        raise InputError(f"{others} neighbours need at least {others + 1} samples, got {samples}")
    # a.a - 2a.b + b.b loses digits far from the origin: centre in float64 first
    z = np.asarray(z, np.float64)
    z = z - z.mean(axis=0)
    size = float(np.abs(z).max()) or 1.0
    z = z / size  # squares of extreme scales would overflow or vanish
    count = min(others + _SPARE, samples - 1)
    candidates = _host_candidates if samples <= _HOST_MOST else _program()
    rough, index = (np.array(values) for values in candidates(z.astype(np.float32), count=count))
    index, squared = _sorted(z, index.astype(np.int64))
    if count < samples - 1:
        # A sample b that is nearer than the last one found, at distance d, has |b| <= |a| + d, and the float32 error of its
        # a.a - 2a.b + b.b is at most (L + 8) roundings of (|a| + |b|)^2.
        last = squared[:, others - 1]
        reach = (2 * np.linalg.norm(z, axis=1) + np.sqrt(last)) ** 2
        error = (latents + 8) * np.finfo(np.float32).eps * reach
        doubtful = np.flatnonzero(last + error >= rough[:, -1])
        if len(doubtful):
            index[doubtful, :others], squared[doubtful, :others] = _searched(z, doubtful, others)
    return index[:, :others], size * np.sqrt(squared[:, :others])


def _sorted(z: np.ndarray, index: np.ndarray, rows: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Sort ``index`` [M, J] by distance to the rows' samples, then position; returns it and the squared distances [M, J]."""
    index = np.sort(index, axis=1)
    own = z if rows is None else z[rows]
    squared = np.zeros(index.shape)
    for column, mine in zip(z.T, own.T, strict=True):  # one latent at a time keeps the memory at [M, J]
        squared += (column[index] - mine[:, None]) ** 2
    order = np.argsort(squared, axis=1, kind="stable")
    return np.take_along_axis(index, order, axis=1), np.take_along_axis(squared, order, axis=1)


def _searched(z: np.ndarray, rows: np.ndarray, others: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the neighbours [M, others] of the samples ``rows`` [M] and their squared distances, in float64 throughout."""
    from sklearn.neighbors import NearestNeighbors

    count = min(others + _SPARE + 1, len(z))
    search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(z)
    found = np.asarray(search.kneighbors(z[rows], return_distance=False), np.int64)
    # drop the sample itself, or the last one where it is missing among many duplicates
    own = found == rows[:, None]
    own[~own.any(axis=1), -1] = True
    index, squared = _sorted(z, found[~own].reshape(len(rows), count - 1), rows)
    return index[:, :others], squared[:, :others]
