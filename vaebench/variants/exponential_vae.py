"""VAE of mutation counts with an exponential posterior and prior (proposed by gislum2024)."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.nn.autoencoder import Family
from vaebench.nn.count_autoencoder import SignatureOutputs, count_variant, negative_bound
from vaebench.types import Context, Tree

_LEAST = 1e-6
"""Lower bound of a posterior mean, so that its logarithm is finite."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """Choices that change the program.

    ``draws``: K, posterior draws per sample. ``frozen``: the decoder is given and only the encoder is trained.
    """

    draws: int = 1
    frozen: bool = False


class Hyper(NamedTuple):
    """Weights of the KL and of the decoder's log det."""

    beta: float = 1.0
    min_volume: float = 0.001


class Exponential(NamedTuple):
    """Independent exponentials: ``mean`` [B, L], the reciprocal of the rate."""

    mean: jax.Array


def exponential_kl(mean: jax.Array) -> jax.Array:
    """Return KL(Exponential of that mean || Exponential of mean 1) in nats, entry by entry: mean - 1 - log(mean)."""
    return mean - 1 - jnp.log(mean)


def exponential_draw(key: jax.Array, q: Exponential, hyper: Tree, draws: int | None) -> jax.Array:
    """Draw z = -mean log(u) with u from U(0, 1): [B, L], or [draws, B, L]."""
    if draws is None:
        return q.mean * jax.random.exponential(key, q.mean.shape)
    return q.mean[None] * jax.random.exponential(key, (draws, *q.mean.shape))


EXPONENTIAL = Family(
    ("mean_head",),
    lambda h: Exponential(jax.nn.softplus(h) + _LEAST),
    exponential_draw,
    lambda q: q.mean,
    jax.random.exponential,
)


def divergence(q: Exponential, prior: Tree, hyper: Tree, key: jax.Array) -> jax.Array:
    """Return the KL of every latent in closed form, [N, L] in nats."""
    return exponential_kl(q.mean)


def textbook(outputs: SignatureOutputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean_b [sum_c Poisson loss + beta sum_l KL_bl] + min_volume log det(W W' + I).

    The standard deviation of an exponential equals its mean, so whatever beta is, a draw of z is uncertain by 100%.
    """
    return negative_bound(outputs, jnp.sum(exponential_kl(outputs.posterior.mean), axis=-1), hyper)


VARIANT = count_variant(
    name="exponential_vae",
    losses={"textbook": textbook},
    terms=("reconstruction", "kl", "volume"),
    family=lambda static: EXPONENTIAL,
    divergence=divergence,
    shape=lambda recipe: Shape(),
    hyper=lambda shape: Hyper(),
    reference="gislum2024, proposed as future work",
)
