"""The criterion that decides between two fits."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import entr

from vaebench.signatures import likelihood
from vaebench.signatures.kl_nmf import _TINY, SHAPES, alternated, even, exposed, padded

PRESENT = 0.5
"""Mutations from which an exposure counts as present."""


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
