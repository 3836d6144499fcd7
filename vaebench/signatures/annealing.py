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
from scipy.special import entr

from vaebench.signatures import likelihood

SHAPES = (1.0, 0.75, 0.5)
"""Shapes of the Gamma prior, one after the other: 1 is maximum likelihood, and below 1 exposures become exactly 0."""

PRESENT = 0.5
"""Mutations from which an exposure counts as present."""

_STEP = 4
_TINY = 1e-10


LEAST = 8
"""Samples a signature is charged for at least: with the scatter of one or two it could always be fitted to the worst."""


class Score(NamedTuple):
    """What decides between two fits.

    Attributes:
        deviance: Poisson deviance at the maximum of the likelihood in the exposures that are present.
        nonzeros: [S] samples in which each signature is present.
        criterion: deviance + sum_k (n_k ln 96 + 95 ln max(n_k, 8) + 2 n_k ln(T / n_k) + 2 (T - n_k) ln(T / (T - n_k))), n_k
            of the T samples having signature k. Twice minus the log likelihood, each parameter charged the logarithm of what
            it was learnt from (Schwarz 1978): an exposure from 96 counts, the 95 free shares of a signature from the samples
            that have it. With 95 S ln T, as if from all samples, a signature in 6 of 2,700 is not worth its shares. The rest
            says which samples have k: without it two halves of a signature, each in its own samples, cost no more than the
            whole, and a signature that holds part of a common one spares the latter's absences, which are rare.
        exposures: [T, S] at that maximum.
    """

    deviance: float
    nonzeros: np.ndarray
    criterion: float
    exposures: np.ndarray


def padded(signatures: Any, count: int | None = None) -> Any:
    """``signatures`` [S, 96] as float32 with rows of zeros up to the size for ``count`` (S unless given) components."""
    values = jnp.asarray(signatures, jnp.float32)
    size = _STEP * -(-(len(values) if count is None else count) // _STEP)
    return jnp.zeros((size, values.shape[1]), jnp.float32).at[: len(values)].set(values)


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


def sparse_exposures(x: Any, signatures: Any) -> Any:
    """Exposures [T, S] of the annealed prior at fixed ``signatures``."""
    exposures = even(x, signatures)
    for shape, iterations in zip(SHAPES, (40, 60, 200), strict=True):
        exposures = exposed(x, signatures, exposures, shape, iterations)
    return exposures


def deviances(x: Any, signatures: Any, exposures: Any) -> np.ndarray:
    """Poisson deviance [T] of the mean exposures @ signatures, in float64."""
    mean = np.asarray(exposures, np.float64) @ np.asarray(signatures, np.float64)
    return likelihood.deviance(np.asarray(x, np.float64), mean)


def scored(x: Any, signatures: Any, *supports: Any) -> Score:
    """How well ``signatures`` [S, 96] describe x [T, 96].

    Args:
        x: [T, 96] counts.
        signatures: [S, 96], rows of zeros left out of the result.
        supports: exposures [T, S] above 0 where a signature may be present; each sample takes those that serve it best.
    """
    there = np.any(np.asarray(signatures) > 0, axis=1)
    found, cost = np.zeros((len(x), len(signatures))), np.full(len(x), np.inf)
    for support in supports:
        likeliest = np.asarray(exposed(x, signatures, support, 1.0, 150))
        own = deviances(x, signatures, likeliest) + np.sum(likeliest > PRESENT, 1) * np.log(x.shape[1])
        found, cost = np.where((own < cost)[:, None], likeliest, found), np.minimum(own, cost)
    nonzeros = np.sum(found > PRESENT, axis=0)[there]
    deviance = float(cost.sum()) - int(nonzeros.sum()) * np.log(x.shape[1])
    charge = nonzeros * np.log(x.shape[1]) + (x.shape[1] - 1) * np.log(np.maximum(nonzeros, LEAST))
    share = nonzeros / len(x)
    which = len(x) * (entr(share) + entr(1 - share))
    return Score(deviance, nonzeros, deviance + float(np.sum(charge + 2 * which)), found[:, there])


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
    """``restarts`` annealed fits from random starts: signatures [R, S, 96] and objectives [R], deviance + nonzeros ln 96.

    Args:
        x: [T, 96] counts, scaled as the caller wants the samples weighted.
        count: number of signatures S.
        restarts: R.
        key: random key.
        iterations: at each of :data:`SHAPES`.
    """
    size = len(padded(np.zeros((count, x.shape[1]))))
    signatures, exposures = _starts(x, jax.random.split(key, restarts), count, iterations, size)
    objectives = [
        float(deviances(x, s, e).sum()) + int((e > PRESENT).sum()) * np.log(x.shape[1])
        for s, e in zip(np.asarray(signatures), np.asarray(exposures), strict=True)
    ]
    return np.asarray(signatures)[:, :count], np.array(objectives)
