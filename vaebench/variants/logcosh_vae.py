"""LogCosh VAE: a reconstruction loss that is quadratic near 0 and linear far from it (Chen et al. 2018)."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.nn.autoencoder import Outputs, expression_variant
from vaebench.nn.losses import gaussian_kl, log_cosh
from vaebench.types import Context


class Hyper(NamedTuple):
    """Weights. ``a``: the loss turns from quadratic to linear at errors of about 1/a; ``beta``: weight of the KL."""

    a: float = 10.0
    beta: float = 1.0

    ranges = {"a": (0.0, math.inf)}  # noqa: RUF012  (a class constant, not a field)


def textbook(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean_b [1/a sum_d log cosh(a (reconstruction - x)_d) + beta KL_b].

    Source: Chen et al. 2018, Log hyperbolic cosine loss improves variational auto-encoder. As there, the density's
    normalising constant is left out, so the loss is not on the scale of a negative ELBO.
    """
    reconstruction = jnp.mean(jnp.sum(log_cosh(outputs.reconstruction - outputs.x, hyper.a), axis=-1))
    kl = jnp.mean(gaussian_kl(*outputs.posterior))
    return reconstruction + hyper.beta * kl, {"reconstruction": reconstruction, "kl": kl}


def benchmarked(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the released loss: mean_bd [a t + log(1 + exp(-2 a t)) - log 2] / a + (B/N) beta mean_b KL_b.

    Deviates: averaged over features, so the KL weighs D B / N times the textbook's. In float32 the exponential overflows
    where t = reconstruction - x is below about -44/a (-4.4 at the default), and the lane diverges.
    """
    t = hyper.a * (outputs.reconstruction - outputs.x)
    # no softplus: the overflow is the released behaviour
    reconstruction = jnp.mean(t + jnp.log(1 + jnp.exp(-2 * t)) - jnp.log(2.0)) / hyper.a
    kl = jnp.mean(gaussian_kl(*outputs.posterior))
    loss = reconstruction + hyper.beta * context.batch / context.samples * kl
    return loss, {"reconstruction": reconstruction, "kl": kl}


VARIANT = expression_variant(
    name="logcosh_vae",
    losses={"textbook": textbook, "benchmarked": benchmarked},
    hyper=lambda shape: Hyper(),
    gaussian=False,
    reference="Chen et al. 2018, Log hyperbolic cosine loss improves variational auto-encoder",
)
