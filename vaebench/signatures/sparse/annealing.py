"""Annealed KL-NMF: a prior that makes exposures exactly 0, tightened step by step. It gives starts, and fits to refine."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.signatures.kl_nmf import TINY, even_exposures, padded, updated_exposures, updated_factors
from vaebench.signatures.sparse.criterion import score_start
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.signatures.steps import kept


@kept
def random_restarts(
    x: jax.Array, count: int, restarts: int, key: jax.Array, options: SparseOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Annealed fits from random starts: signatures [R, S, M] and objectives [R] (:func:`score_start`), the lower the better.

    Args:
        x: [T, M] counts, scaled as the caller wants the samples weighted.
        count: number of signatures S.
        restarts: R.
        key: random key.
        options: ``shapes``, ``start_iterations`` and ``present`` are used.
    """
    size = len(
        padded(np.zeros((count, x.shape[1])))
    )  # not to options.padding: many starts take longer than a compilation
    starts = [_random_start(x, key, count, size) for key in jax.random.split(key, restarts)]
    # in numpy: every number of restarts and size would be a compiled program that only copies
    signatures, exposures = (jnp.asarray(np.stack(part)) for part in zip(*starts, strict=True))
    for shape in options.shapes:
        signatures, exposures = _all_updated(x, signatures, exposures, shape, options.start_iterations)
    objectives = [
        score_start(x, s, e, options) for s, e in zip(np.asarray(signatures), np.asarray(exposures), strict=True)
    ]
    return np.asarray(signatures)[:, :count], np.array(objectives)


@functools.partial(jax.jit, static_argnames="size")
def _random_start(x: jax.Array, key: jax.Array, count: int, size: int) -> tuple[jax.Array, jax.Array]:
    """Signatures [size, M] and exposures [T, size]; those from ``count`` on are padding."""
    first, second = jax.random.split(key)
    there = (jnp.arange(size) < count).astype(jnp.float32)
    signatures = jax.random.exponential(first, (size, x.shape[1])) * there[:, None]
    shares = jax.random.exponential(second, (len(x), size)) * there[None, :]
    signatures = signatures / jnp.maximum(signatures.sum(1, keepdims=True), TINY)
    return signatures, shares / shares.sum(1, keepdims=True) * x.sum(1, keepdims=True)


@jax.jit
def _all_updated(
    x: jax.Array, signatures: jax.Array, exposures: jax.Array, shape: float, iterations: int
) -> tuple[jax.Array, jax.Array]:
    """:func:`updated_factors` of all restarts [R, ...] side by side."""
    return jax.vmap(lambda s, e: updated_factors(x, s, e, shape, iterations))(signatures, exposures)


def anneal(
    x: jax.Array, signatures: jax.Array, options: SparseOptions, weight: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """Signatures [S, M] and exposures [T, S] of the annealed prior, from given ``signatures`` [S, M] and even exposures.

    ``weight`` [T, M] is that of each count.
    """
    exposures = updated_exposures(x, signatures, even_exposures(x, signatures), 1.0, options.warm_iterations, weight)
    for shape in options.shapes:
        signatures, exposures = updated_factors(x, signatures, exposures, shape, options.anneal_iterations, weight)
    return signatures, exposures


def sparse_exposures(x: jax.Array, signatures: jax.Array, options: SparseOptions) -> jax.Array:
    """Exposures [T, S] of the annealed prior at fixed ``signatures`` [S, M], whose rows sum to 1."""
    exposures = even_exposures(x, signatures)
    for shape, iterations in zip(options.shapes, options.exposure_iterations, strict=True):
        exposures = updated_exposures(x, signatures, exposures, shape, iterations)
    return exposures
