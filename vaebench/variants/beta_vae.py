"""beta-VAE: a weight on the KL (Higgins et al. 2017), or a growing capacity as target of the KL (Burgess et al. 2018)."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.nn.autoencoder import Outputs, expression_variant
from vaebench.nn.losses import gaussian_kl, mean_squared_error
from vaebench.types import Context


@dataclasses.dataclass(frozen=True)
class Shape:
    """Choices that change the program. ``form``: ``"plain"`` (beta KL) or ``"capacity"`` (gamma |KL - C|)."""

    form: str = "plain"

    choices = {"form": ("plain", "capacity")}  # noqa: RUF012  (a class constant, not a field)


class PlainHyper(NamedTuple):
    """Weight of the plain form. ``beta``: weight of the KL."""

    beta: float = 10.0


class CapacityHyper(NamedTuple):
    """Weights of the capacity form: C grows linearly from 0 to ``c_max`` nats in ``c_iterations`` batches.

    ``gamma``: weight of the distance of the KL from C.
    """

    gamma: float = 10.0
    c_max: float = 25.0
    c_iterations: float = 10_000.0

    ranges = {"c_iterations": (0.0, math.inf)}  # noqa: RUF012  (a class constant, not a field)


def weighted_kl(kl: jax.Array, hyper: PlainHyper | CapacityHyper, context: Context) -> jax.Array:
    """Return beta KL, or gamma |KL - C| with C = clip(c_max / c_iterations * iteration, 0, c_max); scalar in nats."""
    if isinstance(hyper, PlainHyper):
        return hyper.beta * kl
    capacity = jnp.clip(hyper.c_max / hyper.c_iterations * context.iteration, 0.0, hyper.c_max)
    return hyper.gamma * jnp.abs(kl - capacity)


def textbook(
    outputs: Outputs, hyper: PlainHyper | CapacityHyper, context: Context
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean_b -log N(x; reconstruction, I) + weighted KL, in nats.

    Source: eltager2023, eq. 2 (plain); Burgess et al. 2018, eq. 8 (capacity).
    """
    reconstruction = jnp.mean(outputs.nll())
    kl = jnp.mean(gaussian_kl(*outputs.posterior))
    return reconstruction + weighted_kl(kl, hyper, context), {"reconstruction": reconstruction, "kl": kl}


def benchmarked(
    outputs: Outputs, hyper: PlainHyper | CapacityHyper, context: Context
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the released loss: mse + (B/N) weighted KL, the capacity form by default.

    Deviates: the paper's equation has no capacity; the mse is averaged over features, so the effective beta is
    D beta B / (2 N), and the capacity's clock also counts validation batches.
    """
    reconstruction = mean_squared_error(outputs.x, outputs.reconstruction)
    kl = jnp.mean(gaussian_kl(*outputs.posterior))
    loss = reconstruction + context.batch / context.samples * weighted_kl(kl, hyper, context)
    return loss, {"reconstruction": reconstruction, "kl": kl}


VARIANT = expression_variant(
    name="beta_vae",
    losses={"textbook": textbook, "benchmarked": benchmarked},
    shape=lambda recipe: Shape("plain" if recipe == "textbook" else "capacity"),
    hyper=lambda shape: PlainHyper() if shape.form == "plain" else CapacityHyper(),
    reference="Higgins et al. 2017, beta-VAE, ICLR; Burgess et al. 2018, arXiv:1804.03599",
)
