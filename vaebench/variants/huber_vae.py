"""Huber VAE: squared errors near 0, absolute errors far from it, so that outlying genes pull less."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.nn.autoencoder import Outputs, expression_variant
from vaebench.nn.losses import gaussian_kl, huber
from vaebench.types import Context


class Hyper(NamedTuple):
    """``delta``: error from which the loss is linear; ``beta``: weight of the KL."""

    delta: float = 1.0
    beta: float = 1.0

    ranges = {"delta": (0.0, math.inf)}  # noqa: RUF012  (a class constant, not a field)


def textbook(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """mean_b [sum_d huber(reconstruction - x)_d + beta KL_b], in nats but for the density's constant, which is left out.

    Source: Huber 1964, eq. 2.10, in place of the squared error of Kingma & Welling 2014.
    """
    reconstruction = jnp.mean(jnp.sum(huber(outputs.reconstruction - outputs.x, hyper.delta), axis=-1))
    kl = jnp.mean(gaussian_kl(*outputs.posterior))
    return reconstruction + hyper.beta * kl, {"reconstruction": reconstruction, "kl": kl}


VARIANT = expression_variant(
    name="huber_vae",
    losses={"textbook": textbook},
    hyper=lambda shape: Hyper(),
    reference="Huber 1964, Robust estimation of a location parameter",
)
