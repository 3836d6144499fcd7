"""Data, prior and state of the exposures' sampler, and the layout in which sweeps use them: samples last."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from vaebench.signatures.sampler.proposals import Slab, slab_of
from vaebench.signatures.tables import Array

NOISES = ("gaussian", "poisson", "dirichlet", "negative_binomial")
"""Noise of counts; ``"dirichlet"`` divides by the dispersion what the mutations' channels say, and not what their number says."""


class Prior(NamedTuple):
    """Prior of the exposures, arrays [S], [T, S] or (by cancer type) [G, S].

    Attributes:
        presence: probability that the exposure is above 0.
        log_mean: mean of ln e given presence.
        log_sd: standard deviation of ln e given presence.
    """

    presence: Array
    log_mean: Array
    log_sd: Array


class Problem(NamedTuple):
    """Data and noise of a chain.

    Attributes:
        x: [T, M] counts.
        signatures: [S, M], rows sum to 1.
        variance: [T, M] of x, positive; only shapes the proposals unless the noise is ``"gaussian"``.
        dispersion: scalar or [T]; divides the log likelihood of counts, or for ``"dirichlet"`` that of their channels. 1 for a
            negative binomial, but where chains are warm.
        size: scalar, of the negative binomial: its variance is mean + mean^2 / size.
    """

    x: Array
    signatures: Array
    variance: Array
    dispersion: ArrayLike = 1.0
    size: ArrayLike = 1.0


class GibbsState(NamedTuple):
    """State after a sweep.

    Attributes:
        exposures: [T, S].
        presence: [T, S], probabilities of presence with which they were drawn.
        accepted: [T], share of the moves of one exposure that were accepted.
    """

    exposures: jax.Array
    presence: jax.Array
    accepted: jax.Array


class Held(NamedTuple):
    """A :class:`Problem` in the layout of a sweep, made by :func:`held`: samples last, float32 where that is enough."""

    x: jax.Array  # [M, T]
    counts: jax.Array  # [M, T], x in float32
    weight: jax.Array  # [M, T], 1 / variance
    signatures: jax.Array  # [S, M]
    information: jax.Array  # [S, T], of each exposure alone
    similarity: jax.Array  # [S, S]
    dispersion: jax.Array  # [1, 1] or [1, T]
    size: ArrayLike


class Walk(NamedTuple):
    """State within a sweep.

    Attributes:
        exposures: [S, T].
        rest: [M, T], x - mean.
        presence: [S, T], probabilities of presence with which exposures were drawn.
        accepted: [1, T], moves of one exposure that were accepted.
    """

    exposures: jax.Array
    rest: jax.Array
    presence: jax.Array
    accepted: jax.Array


@jax.jit
def held(problem: Problem) -> Held:
    """Bring ``problem`` into the layout of sweeps."""
    x, signatures, variance = (jnp.asarray(v) for v in problem[:3])
    whitened = signatures / jnp.sqrt(jnp.mean(variance, 0))[None]
    unit = whitened / jnp.linalg.norm(whitened, axis=1, keepdims=True)
    weight = 1 / variance.T
    return Held(
        x=x.T,
        counts=x.T.astype(jnp.float32),
        weight=weight.astype(jnp.float32),
        signatures=signatures,
        information=jnp.square(signatures) @ weight,
        similarity=unit @ unit.T,
        dispersion=jnp.atleast_1d(jnp.asarray(problem.dispersion))[None],
        size=problem.size,
    )


@functools.partial(jax.jit, static_argnames="dtype")
def slabs_of(prior: Prior, dtype: np.dtype) -> Slab:
    """Slabs [S, T] of ``prior`` [T, S], or [S, 1] of a prior [S] that all samples share."""
    return slab_of(*(jnp.atleast_2d(jnp.asarray(v, dtype)).T for v in prior))
