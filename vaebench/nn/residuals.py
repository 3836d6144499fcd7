"""A Gaussian likelihood with correlated errors: covariance W W' + diag(v) over the features, of low rank plus diagonal."""

from __future__ import annotations

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

from vaebench.nn.priors import Weights

RANK = 10
"""Columns of W: as many as the programmes that a small network leaves over in expression data, and cheap beside a layer."""
LEAST_VARIANCE = 1e-3
"""Lower bound of v: of a feature that is reproduced exactly the likelihood has no bound."""


class Covariance(NamedTuple):
    """The covariance W W' + diag(v): ``loadings`` W [D, k] and ``variance`` v [D]."""

    loadings: jax.Array
    variance: jax.Array


class ResidualCovariance(nn.Module):
    """A learned :class:`Covariance`; v starts at 1, as in the likelihood without correlations, and W near 0."""

    features: int

    @nn.compact
    def __call__(self) -> Covariance:
        """Return the covariance."""
        loadings = Weights("kernel", (self.features, min(RANK, self.features)), name="loadings")()
        logs = Weights("bias", (1, self.features), name="logs")()[0]
        return Covariance(loadings, jnp.maximum(jnp.exp(logs), LEAST_VARIANCE))


def whitened(values: tuple[jax.Array, ...], covariance: Covariance) -> tuple[tuple[jax.Array, ...], jax.Array]:
    """Return A y for every array y [..., D], with A' A the inverse of the covariance, and half its log determinant.

    -log N(x; m, S) is then gaussian_nll(A x, A m) + 1/2 log det S, whatever the loss makes of it. With V = v^-1/2 W and
    the Cholesky factor I + V' V = L L', A = (I - V (L' + I)^-1 L^-1 V') v^-1/2 and log det S = sum log v + 2 sum log L_kk, so
    that nothing of size D x D is formed.

    Source: the lemma of Woodbury; A' A = v^-1/2 (I - V (L L')^-1 V') v^-1/2 follows by multiplying out.
    """
    scale = jax.lax.rsqrt(covariance.variance)
    v = scale[:, None] * covariance.loadings
    eye = jnp.eye(v.shape[1])
    lower = jnp.linalg.cholesky(eye + v.T @ v)

    def one(y: jax.Array) -> jax.Array:
        rows = y.reshape(-1, y.shape[-1]) * scale[None]
        inner = solve_triangular(lower, (rows @ v).T, lower=True)
        inner = solve_triangular(lower.T + eye, inner, lower=False)
        return (rows - inner.T @ v.T).reshape(y.shape)

    half = 0.5 * jnp.sum(jnp.log(covariance.variance)) + jnp.sum(jnp.log(jnp.diagonal(lower)))
    return tuple(one(y) for y in values), half
