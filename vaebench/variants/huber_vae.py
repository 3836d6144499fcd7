"""Huber VAE: a reconstruction loss that is quadratic near 0 and linear far from it, so that outliers have less weight."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.nn.autoencoder import Outputs, expression_variant
from vaebench.nn.losses import gaussian_kl, huber
from vaebench.types import Context


class Hyper(NamedTuple):
    """Weights. ``delta``: error from which on the loss is linear; ``beta``: weight of the KL."""

    delta: float = 1.0
    beta: float = 1.0

    ranges = {"delta": (0.0, math.inf)}  # noqa: RUF012  (a class constant, not a field)


def textbook(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean_b [sum_d huber(reconstruction - x)_d + beta KL_b], in nats up to the density's constant.

    Source: Huber 1964, eq. 2.10, in place of the squared error of Kingma & Welling 2014.
    """
    reconstruction = jnp.mean(jnp.sum(huber(outputs.reconstruction - outputs.x, hyper.delta), axis=-1))
    kl = jnp.mean(gaussian_kl(*outputs.posterior))
    return reconstruction + hyper.beta * kl, {"reconstruction": reconstruction, "kl": kl}


VARIANT = expression_variant(
    name="huber_vae",
    losses={"textbook": textbook},
    hyper=lambda shape: Hyper(),
    gaussian=False,
    reference="Huber 1964, Robust estimation of a location parameter",
)
