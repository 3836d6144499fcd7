"""KL-NMF with an annealed Gamma prior on the exposures: many random starts in one program.

Arrays are padded to a few sizes so that fits of neighbouring numbers of signatures share a compiled program: rows of zeros in
``signatures`` are components that are not there, and the updates leave them at zero. Updates in float32 (they average over
all samples); deviances, whose differences decide, in float64.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

SHAPES = (1.0, 0.75, 0.5)
"""Shapes of the Gamma prior, one after the other: 1 is maximum likelihood, and below 1 exposures become exactly 0."""

PRESENT = 0.5
"""Mutations from which an exposure counts as present."""

_STEP = 4
_TINY = 1e-10


class Score(NamedTuple):
    """What decides between two fits.

    Attributes:
        deviance: Poisson deviance of the sparse exposures.
        nonzeros: number of exposures present.
        objective: deviance + nonzeros ln 96: what it takes to say which signatures are in a sample, and how well they fit.
        exposures: [T, S] the sparse exposures.
    """

    deviance: float
    nonzeros: int
    objective: float
    exposures: np.ndarray


def padded(signatures: Any, count: int | None = None) -> Any:
    """``signatures`` [S, 96] as float32 with rows of zeros up to the size for ``count`` (S unless given) components."""
    values = jnp.asarray(signatures, jnp.float32)
    size = _STEP * -(-(len(values) if count is None else count) // _STEP)
    return jnp.zeros((size, values.shape[1]), jnp.float32).at[: len(values)].set(values)


def deviances(x: np.ndarray, exposures: Any, signatures: Any) -> np.ndarray:
    """Poisson deviance [T] = 2 sum_c (x ln(x / mean) - x + mean) of x [T, 96] at mean = exposures @ signatures."""
    mean = np.asarray(exposures, np.float64) @ np.asarray(signatures, np.float64)
    mean = np.maximum(mean, _TINY)
    x = np.asarray(x, np.float64)
    return 2 * np.sum(x * np.log(np.where(x > 0, x, mean) / mean) - x + mean, axis=1)


def _ratio(x: Any, exposures: Any, signatures: Any) -> Any:
    return x / (exposures @ signatures + _TINY)


def _moved_exposures(x: Any, signatures: Any, exposures: Any, shape: Any) -> Any:
    """One step of EM: e_k <- max(0, e_k sum_c S_kc x_c / mean_c + shape - 1) (Cemgil 2009); rows of S sum to 1."""
    return jnp.maximum(exposures * (_ratio(x, exposures, signatures) @ signatures.T) + (shape - 1), 0)


def _moved_signatures(x: Any, signatures: Any, exposures: Any) -> tuple[Any, Any]:
    """One multiplicative step of the signatures (Lee and Seung 2001), scaled to sum to 1, and the exposures scaled back."""
    moved = signatures * (exposures.T @ _ratio(x, exposures, signatures))
    sums = moved.sum(1)
    scale = sums / jnp.maximum(exposures.sum(0), _TINY)
    return moved / jnp.maximum(sums, _TINY)[:, None], exposures * scale[None, :]


@jax.jit
def alternated(x: Any, signatures: Any, exposures: Any, shape: Any, iterations: Any) -> tuple[Any, Any]:
    """Signatures [S, 96] and exposures [T, S] after ``iterations`` steps of each, the exposures first."""

    def step(_: Any, both: tuple[Any, Any]) -> tuple[Any, Any]:
        exposures = _moved_exposures(x, *both, shape)
        return _moved_signatures(x, both[0], exposures)

    return jax.lax.fori_loop(0, iterations, step, (signatures, exposures))


@jax.jit
def exposed(x: Any, signatures: Any, exposures: Any, shape: Any, iterations: Any) -> Any:
    """Exposures [T, S] after ``iterations`` steps at fixed ``signatures``."""
    return jax.lax.fori_loop(0, iterations, lambda _, e: _moved_exposures(x, signatures, e, shape), exposures)


def even(x: Any, signatures: Any) -> Any:
    """Exposures [T, S] to begin with: each sample's mutations in equal shares."""
    there = (signatures.sum(1) > 0).astype(jnp.float32)
    return jnp.outer(x.sum(1), there / there.sum())


def likeliest(x: Any, signatures: Any) -> Any:
    """Exposures [T, S] near the maximum of the likelihood."""
    return exposed(x, signatures, even(x, signatures), 1.0, 300)


def score(x: Any, signatures: Any) -> Score:
    """How well ``signatures`` [S, 96] describe x [T, 96] by sparse exposures: those of the annealed prior."""
    exposures = even(x, signatures)
    for shape, iterations in zip(SHAPES, (40, 60, 200), strict=True):
        exposures = exposed(x, signatures, exposures, shape, iterations)
    found = np.asarray(exposures)
    deviance = float(deviances(np.asarray(x), found, signatures).sum())
    nonzeros = int((found > PRESENT).sum())
    return Score(deviance, nonzeros, deviance + nonzeros * np.log(x.shape[1]), found)


def annealed(x: Any, signatures: Any) -> tuple[Any, Any]:
    """Signatures and exposures of the annealed prior, from given ``signatures`` [S, 96]."""
    exposures = exposed(x, signatures, even(x, signatures), 1.0, 60)
    for shape in SHAPES:
        signatures, exposures = alternated(x, signatures, exposures, shape, 200)
    return signatures, exposures


@functools.partial(jax.jit, static_argnames="size")
def _starts(x: Any, keys: Any, count: Any, iterations: Any, size: int) -> tuple[Any, Any]:
    def one(key: Any) -> tuple[Any, Any]:
        first, second = jax.random.split(key)
        there = (jnp.arange(size) < count).astype(jnp.float32)
        signatures = jax.random.exponential(first, (size, x.shape[1])) * there[:, None]
        shares = jax.random.exponential(second, (len(x), size)) * there[None, :]
        signatures = signatures / jnp.maximum(signatures.sum(1, keepdims=True), _TINY)
        exposures = shares / shares.sum(1, keepdims=True) * x.sum(1, keepdims=True)
        for shape in SHAPES:
            signatures, exposures = alternated(x, signatures, exposures, shape, iterations)
        return signatures, exposures

    return jax.vmap(one)(keys)


def starts(x: Any, count: int, restarts: int, key: Any, iterations: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """``restarts`` annealed fits from random starts: signatures [R, S, 96] and their objectives [R].

    Args:
        x: [T, 96] counts, scaled as the caller wants the samples weighted.
        count: number of signatures S.
        restarts: R.
        key: random key.
        iterations: at each of :data:`SHAPES`.
    """
    size = len(padded(np.zeros((count, x.shape[1]))))
    signatures, exposures = _starts(x, jax.random.split(key, restarts), count, iterations, size)
    counts = np.asarray(x)
    objectives = [
        float(deviances(counts, e, s).sum()) + int((e > PRESENT).sum()) * np.log(x.shape[1])
        for s, e in zip(np.asarray(signatures), np.asarray(exposures), strict=True)
    ]
    return np.asarray(signatures)[:, :count], np.array(objectives)
