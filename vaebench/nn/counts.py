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
_POISSON = 30.0
"""log theta at which nothing is left of the overdispersion of counts that single precision can hold."""


class Dispersion(nn.Module):
    """The learned inverse dispersion theta [D] of every feature: the variance of a count is mu + mu^2 / theta."""

    features: int

    @nn.compact
    def __call__(self) -> jax.Array:
        """Return log theta [D]; initially 0."""
        return SPEED * Weights("bias", (1, self.features), name="logs")()[0]


def negative_binomial_nll(counts: jax.Array, log_mean: jax.Array, log_theta: jax.Array) -> jax.Array:
    """Return -log NB(k; mu, theta) in nats, [..., B], summed over features.

    log Gamma(k + theta) - log Gamma(theta) - log k! + theta log(theta / (theta + mu)) + k log(mu / (theta + mu)). With
    s = log(1 + mu / theta) that is r + k log mu - log k! - (theta + k) s, r as in :func:`_rising`: the parts that grow with
    theta are left out of it, so that it goes over to the Poisson likelihood and not to the rounding of large numbers.

    Args:
        counts: k, [B, D].
        log_mean: log mu, [..., B, D].
        log_theta: [D]; above :data:`_POISSON` it counts as that.

    Source: Lopez et al. 2018, Deep generative modeling for single-cell transcriptomics, with this parametrisation.
    """
    counts = counts.reshape((1,) * (log_mean.ndim - counts.ndim) + counts.shape)
    log_theta = jnp.minimum(log_theta.reshape((1,) * (log_mean.ndim - 1) + log_theta.shape), _POISSON)
    beyond = (jnp.exp(log_theta) + counts) * jax.nn.softplus(log_mean - log_theta)
    return -jnp.sum(_rising(counts, log_theta) + counts * log_mean - jax.lax.lgamma(counts + 1) - beyond, axis=-1)


def _rising(counts: jax.Array, log_theta: jax.Array) -> jax.Array:
    """Return r = log Gamma(k + theta) - log Gamma(theta) - k log theta, which goes to 0 for large theta.

    From theta = e^3 on by Stirling's series, whose next term is below 4e-7: the difference of two logarithms near theta log theta
    would lose its digits in single precision. Each branch has arguments of its own range, so that no gradient is NaN.
    """
    large = log_theta > 3.0
    theta, great = jnp.exp(jnp.where(large, 0.0, log_theta)), jnp.exp(jnp.where(large, log_theta, 3.0))
    exact = jax.lax.lgamma(counts + theta) - jax.lax.lgamma(theta) - counts * jnp.log(theta)
    series = (counts + great - 0.5) * jnp.log1p(counts / great) - counts + (1 / (counts + great) - 1 / great) / 12
    return jnp.where(large, series, exact)


def count_nll(rows: CountRows, reconstruction: jax.Array, log_theta: jax.Array) -> jax.Array:
    """Return -log p(counts | reconstruction) in nats, [..., B], for the decoder's output [..., B, D] on the scale of x.

    log mu = log library + log centre + log scale * output: the offset makes the output that of the median library size.
    """
    lead = (1,) * (reconstruction.ndim - 2)
    centre, scale = (part.reshape(*lead, 1, -1) for part in (rows.log_centre, rows.log_scale))
    log_mean = rows.log_library.reshape(*lead, -1, 1) + centre + scale * reconstruction
    return negative_binomial_nll(rows.values, log_mean, log_theta)
