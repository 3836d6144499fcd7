"""Loss terms, one function each, with equation and source. Sums run over features or latents, never over the batch."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def gaussian_kl(mean: jax.Array, logvar: jax.Array) -> jax.Array:
    """KL(N(mean, exp(logvar)) || N(0, 1)) in nats, [B]: -1/2 sum_l (1 + logvar - mean^2 - exp(logvar)).

    Source: Kingma & Welling 2014, appendix B.
    """
    return -0.5 * jnp.sum(1 + logvar - mean**2 - jnp.exp(logvar), axis=-1)


def gaussian_nll(x: jax.Array, reconstruction: jax.Array) -> jax.Array:
    """-log N(x; reconstruction, I) in nats, [B]: 1/2 sum_d (x - reconstruction)^2 + D/2 log(2 pi)."""
    return 0.5 * jnp.sum((x - reconstruction) ** 2, axis=-1) + 0.5 * x.shape[-1] * jnp.log(2 * jnp.pi)


def mean_squared_error(x: jax.Array, reconstruction: jax.Array) -> jax.Array:
    """Scalar: (x - reconstruction)^2 averaged over samples and features."""
    return jnp.mean((x - reconstruction) ** 2)
