"""Annealed KL-NMF: a prior that makes exposures exactly 0, tightened step by step. It gives starts, and fits to refine."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.signatures.kl_nmf import even_exposures, padded, updated_exposures, updated_factors
from vaebench.signatures.sparse.criterion import score_start
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.signatures.steps import kept
from vaebench.training.compiled import compiled


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
    # not to options.padding: many starts take longer than a compilation
    size = len(padded(np.zeros((count, x.shape[1]))))
    # numpy's generator: that of JAX would take a second to compile for each size
    streams = np.random.default_rng(np.asarray(jax.random.key_data(key))).spawn(restarts)
    starts = [_random_start(np.asarray(x), rng, count, size) for rng in streams]
    signatures, exposures = (jnp.asarray(np.stack(part)) for part in zip(*starts, strict=True))
    for shape in options.shapes:
        signatures, exposures = _all_updated(x, signatures, exposures, shape, options.start_iterations)
    objectives = [
        score_start(x, s, e, options) for s, e in zip(np.asarray(signatures), np.asarray(exposures), strict=True)
    ]
    return np.asarray(signatures)[:, :count], np.array(objectives)


def _random_start(x: np.ndarray, rng: np.random.Generator, count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Signatures [size, M] and exposures [T, size]; those from ``count`` on are padding."""
    signatures = np.zeros((size, x.shape[1]), np.float32)
    signatures[:count] = rng.dirichlet(np.ones(x.shape[1]), count)
    exposures = np.zeros((len(x), size), np.float32)
    exposures[:, :count] = rng.dirichlet(np.ones(count), len(x)) * x.sum(1, keepdims=True)
    return signatures, exposures


@compiled()
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
