"""Importance weighted autoencoder: a tighter bound from K posterior draws (Burda et al. 2016)."""

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
    """Choices that change the program. ``draws``: K, posterior draws per sample, all decoded."""

    draws: int = 5


class Hyper(NamedTuple):
    """No weights."""


def textbook(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean_b -log 1/K sum_k p(x|z_k) p(z_k) / q(z_k|x), in nats, p(x|z) of unit variance; the VAE's loss where K = 1.

    Source: eltager2023, eq. 6; Burda et al. 2016, eq. 8. The term ``reconstruction`` is averaged over draws.
    """
    nll = outputs.nll()
    bound = importance_bound(log_importance_weights(nll, outputs.z, *outputs.posterior))
    return -jnp.mean(bound), {"reconstruction": jnp.mean(nll), "kl": jnp.mean(gaussian_kl(*outputs.posterior))}


def benchmarked(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the released loss: mean_b sum_k softmax_k(w_bk) w_bk with w_bk = mse_bk + (B/N) KL_b.

    Deviates: this is no bound of log p(x). w is a loss, not a log weight, so the softmax puts MOST weight on the WORST draw,
    and gradients flow through it; with errors averaged over features, w hardly differs between draws and the loss is
    close to the VAE's. KL_b is the closed form and equal for all draws.
    """
    errors = jnp.mean((outputs.x[None] - outputs.reconstruction) ** 2, axis=-1)
    kl = gaussian_kl(*outputs.posterior)
    losses = errors + context.batch / context.samples * kl[None]
    loss = jnp.mean(jnp.sum(jax.nn.softmax(losses, axis=0) * losses, axis=0))
    return loss, {"reconstruction": jnp.mean(errors), "kl": jnp.mean(kl)}


VARIANT = expression_variant(
    name="iwae",
    losses={"textbook": textbook, "benchmarked": benchmarked},
    draws=lambda shape: shape.draws,
    shape=lambda recipe: Shape(),
    hyper=lambda shape: Hyper(),
    reference="Burda et al. 2016, Importance weighted autoencoders, arXiv:1509.00519",
)
