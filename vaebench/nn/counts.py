"""A likelihood of raw counts: negative binomial, with a dispersion of each feature and the library size as offset."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from vaebench.nn.priors import Weights
from vaebench.types.counts import CountRows

LIKELIHOODS = ("own", "negative_binomial")
"""Likelihoods of expression: that of the variant itself, or the negative binomial of raw counts in its place."""
SPEED = 10.0
"""The logarithm of the dispersion is this many times its weight: Adam moves a weight by about the learning rate in a step, and
this one stands alone where hundreds of a layer act together."""


class Dispersion(nn.Module):
    """The learned inverse dispersion theta [D] of every feature: the variance of a count is mu + mu^2 / theta."""

    features: int

    @nn.compact
    def __call__(self) -> jax.Array:
        """Return log theta [D]; initially 0."""
        return SPEED * Weights("bias", (1, self.features), name="logs")()[0]


def negative_binomial_nll(counts: jax.Array, log_mean: jax.Array, log_theta: jax.Array) -> jax.Array:
    """Return -log NB(k; mu, theta) in nats, [..., B], summed over features.

    log Gamma(k + theta) - log Gamma(theta) - log k! + theta log(theta / (theta + mu)) + k log(mu / (theta + mu)), of which the
    logarithm of theta + mu is that of a sum of exponentials, so that nothing overflows for large mu.

    Args:
        counts: k, [B, D].
        log_mean: log mu, [..., B, D].
        log_theta: [D].

    Source: Lopez et al. 2018, Deep generative modeling for single-cell transcriptomics, with this parametrisation.
    """
    counts = counts.reshape((1,) * (log_mean.ndim - counts.ndim) + counts.shape)
    log_theta = log_theta.reshape((1,) * (log_mean.ndim - 1) + log_theta.shape)
    theta = jnp.exp(log_theta)
    log_sum = jnp.logaddexp(log_theta, log_mean)
    coefficient = jax.lax.lgamma(counts + theta) - jax.lax.lgamma(theta) - jax.lax.lgamma(counts + 1)
    return -jnp.sum(coefficient + theta * (log_theta - log_sum) + counts * (log_mean - log_sum), axis=-1)


def count_nll(rows: CountRows, reconstruction: jax.Array, log_theta: jax.Array) -> jax.Array:
    """Return -log p(counts | reconstruction) in nats, [..., B], for the decoder's output [..., B, D] on the scale of x.

    log mu = log library + log centre + log scale * output: the offset makes the output that of the median library size.
    """
    lead = (1,) * (reconstruction.ndim - 2)
    centre, scale = (part.reshape(*lead, 1, -1) for part in (rows.log_centre, rows.log_scale))
    log_mean = rows.log_library.reshape(*lead, -1, 1) + centre + scale * reconstruction
    return negative_binomial_nll(rows.values, log_mean, log_theta)
