"""Sliced Wasserstein autoencoder: no noise, a distance of q(z) from p(z) (Kolouri et al. 2019). Recipe textbook only."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.nn.autoencoder import Family, Outputs, expression_variant
from vaebench.nn.losses import sliced_wasserstein
from vaebench.types import Context, Tree


@dataclasses.dataclass(frozen=True)
class Shape:
    """Choices that change the program. ``projections``: random directions per batch."""

    projections: int = 50


class Hyper(NamedTuple):
    """Weights. ``lambda_sw``: weight of the sliced Wasserstein distance; no study gives a value."""

    lambda_sw: float = 100.0


class Point(NamedTuple):
    """A posterior without spread: ``mean`` [B, L]."""

    mean: jax.Array


def point_draw(key: jax.Array, q: Point, hyper: Tree, draws: int | None) -> jax.Array:
    """Return the mean itself, [B, L]; the encoder is deterministic."""
    return q.mean


POINT = Family(("mean_head",), Point, point_draw, lambda q: q.mean)


def textbook(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean_b -log N(x; reconstruction, I) + lambda_sw SW_2^2(q(z), N(0, I)).

    Source: Kolouri et al. 2019, with the squared error as a unit-variance likelihood, so that losses are comparable
    to those of the other variants. There is no KL: q(z|x) is a point.
    """
    directions = jax.random.normal(outputs.key, (context.shape.projections, outputs.z.shape[-1]))
    directions = directions / jnp.linalg.norm(directions, axis=1, keepdims=True)
    reconstruction = jnp.mean(outputs.nll())
    distance = sliced_wasserstein(outputs.z, outputs.prior, directions)
    return reconstruction + hyper.lambda_sw * distance, {"reconstruction": reconstruction, "wasserstein": distance}


VARIANT = expression_variant(
    name="swae",
    least_batch=2,
    losses={"textbook": textbook},
    terms=("reconstruction", "wasserstein"),
    family=lambda static: POINT,
    shape=lambda recipe: Shape(),
    hyper=lambda shape: Hyper(),
    reference="Kolouri et al. 2019, Sliced Wasserstein auto-encoders, ICLR (arXiv:1804.01947)",
)
