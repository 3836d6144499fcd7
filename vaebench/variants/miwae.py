"""MIWAE: the mean of M importance weighted bounds of K draws each (Rainforth et al. 2018). Recipe textbook only."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.nn.autoencoder import Outputs, expression_variant
from vaebench.nn.losses import gaussian_kl, importance_bound, log_importance_weights
from vaebench.types import Context


@dataclasses.dataclass(frozen=True)
class Shape:
    """Choices that change the program. ``bounds``: M, averaged bounds; ``draws``: K, draws per bound. M K draws are decoded."""

    bounds: int = 5
    draws: int = 5


class Hyper(NamedTuple):
    """No weights."""


def textbook(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean_b mean_m -log 1/K sum_k p(x|z_mk) p(z_mk) / q(z_mk|x), in nats; the IWAE's loss where M = 1.

    A larger K tightens the bound, a larger M reduces the noise of its gradient.

    Source: Rainforth et al. 2018, Tighter variational bounds are not necessarily better.
    """
    nll = outputs.nll()
    log_weights = log_importance_weights(nll, outputs.z, *outputs.posterior)
    bounds = importance_bound(log_weights.reshape(context.shape.bounds, context.shape.draws, -1), axis=1)
    return -jnp.mean(bounds), {"reconstruction": jnp.mean(nll), "kl": jnp.mean(gaussian_kl(*outputs.posterior))}


VARIANT = expression_variant(
    name="miwae",
    losses={"textbook": textbook},
    draws=lambda shape: shape.bounds * shape.draws,
    shape=lambda recipe: Shape(),
    hyper=lambda shape: Hyper(),
    reference="Rainforth et al. 2018, Tighter variational bounds are not necessarily better, arXiv:1802.04537",
)
