"""VAE of mutation counts with exposures that can be exactly 0: a spike at 0 and a log-normal slab."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.nn.autoencoder import Family
from vaebench.nn.count_autoencoder import SignatureOutputs, count_variant, negative_bound
from vaebench.types import Context, Tree

_LOGVAR = (-20.0, 3.0)
"""Range of the slab's log variance: beyond, its mean exp(location + variance / 2) leaves float32."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """Choices that change the program.

    Attributes:
        prior: ``"fixed"``, or ``"learned"``: presence, location and variance of every latent's prior are trained too.
        draws: K, posterior draws per sample.
        frozen: the decoder is given and only the encoder is trained.
    """

    prior: str = "fixed"
    draws: int = 1
    frozen: bool = False

    choices = {"prior": ("fixed", "learned")}  # noqa: RUF012  (a class constant, not a field)


class FixedHyper(NamedTuple):
    """Weights of the KL and of the decoder's log det; ``temperature`` of the relaxed presence; ``presence`` of the prior."""

    beta: float = 1.0
    min_volume: float = 0.001
    temperature: float = 0.5
    presence: float = 0.5

    ranges = {"temperature": (0.0, math.inf), "presence": (0.0, 1.0)}  # noqa: RUF012


class LearnedHyper(NamedTuple):
    """Weights of the KL and of the decoder's log det; ``temperature`` of the relaxed presence."""

    beta: float = 1.0
    min_volume: float = 0.001
    temperature: float = 0.5

    ranges = {"temperature": (0.0, math.inf)}  # noqa: RUF012


class SpikeSlab(NamedTuple):
    """z is 0, or with probability sigmoid(``logit``) log-normal of ``location`` and ``logvar``; all [B, L]."""

    logit: jax.Array
    location: jax.Array
    logvar: jax.Array


def presence_kl(logit: jax.Array, prior_logit: jax.Array) -> jax.Array:
    """Return KL(Bernoulli(sigmoid(logit)) || Bernoulli(sigmoid(prior_logit))) in nats; shapes broadcast together."""
    p = jax.nn.sigmoid(logit)
    # the logits' difference plus the ratio of the spikes: finite for any logit
    return p * (logit - prior_logit) + jax.nn.log_sigmoid(-logit) - jax.nn.log_sigmoid(-prior_logit)


def spike_slab_kl(q: SpikeSlab, prior: SpikeSlab) -> jax.Array:
    """Return KL(q || prior) of two spike-and-slabs in nats, entry by entry: KL of the presences + P(present) KL of the slabs.

    The KL of the slabs is that of the normals of log z: 1/2 (v/v0 + (m - m0)^2/v0 - 1 - log(v/v0)).
    """
    spread = q.logvar - prior.logvar
    slabs = 0.5 * (jnp.exp(spread) + (q.location - prior.location) ** 2 * jnp.exp(-prior.logvar) - 1 - spread)
    return presence_kl(q.logit, prior.logit) + jax.nn.sigmoid(q.logit) * slabs


def spike_slab_draw(key: jax.Array, q: SpikeSlab, hyper: Tree, draws: int | None) -> jax.Array:
    """Draw z: exact draws [B, L] with zeros, or with ``draws`` relaxed ones [draws, B, L], which have gradients.

    The relaxed presence is sigmoid((logit + logistic noise) / temperature).

    Source: Maddison et al. 2017, The concrete distribution.
    """
    slab_key, gate_key = jax.random.split(key)
    shape = q.logit.shape if draws is None else (draws, *q.logit.shape)
    q = q if draws is None else SpikeSlab(*(part[None] for part in q))
    slab = jnp.exp(q.location + jnp.exp(0.5 * q.logvar) * jax.random.normal(slab_key, shape))
    evidence = q.logit + jax.random.logistic(gate_key, shape)
    if draws is None:
        return jnp.where(evidence > 0, slab, 0.0)
    return jax.nn.sigmoid(evidence / (hyper or FixedHyper()).temperature) * slab


def spike_slab_mean(q: SpikeSlab) -> jax.Array:
    """Return the mean P(present) exp(location + variance / 2), entry by entry."""
    return jax.nn.sigmoid(q.logit) * jnp.exp(q.location + 0.5 * jnp.exp(q.logvar))


def spike_slab_prior(key: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """Draw z [N, L] from the fixed prior: 0 with probability 1/2, else log-normal(0, 1)."""
    zero = jnp.zeros(shape)
    return spike_slab_draw(key, SpikeSlab(zero, zero, zero), None, None)


def spike_slab_posterior(logit: jax.Array, location: jax.Array, logvar: jax.Array) -> SpikeSlab:
    """Return the posterior of the heads' values, with the log variance clipped to its range."""
    return SpikeSlab(logit, location, jnp.clip(logvar, *_LOGVAR))


SPIKE_SLAB = Family(
    ("presence_head", "location_head", "logvar_head"),
    spike_slab_posterior,
    spike_slab_draw,
    spike_slab_mean,
    spike_slab_prior,
)


def prior_of(learned: Tree, hyper: Tree) -> SpikeSlab:
    """Return the fixed prior [1, 1], or that of the learned rows [3, L] as [1, L]."""
    if learned is not None:
        return spike_slab_posterior(*learned[:, None])
    zero = jnp.zeros((1, 1))
    return SpikeSlab(zero + jnp.log(hyper.presence) - jnp.log1p(-hyper.presence), zero, zero)


def divergence(q: SpikeSlab, prior: Tree, hyper: Tree, key: jax.Array) -> jax.Array:
    """Return the KL of every latent in closed form, [N, L] in nats."""
    return spike_slab_kl(q, prior_of(prior, hyper))


def textbook(
    outputs: SignatureOutputs, hyper: FixedHyper | LearnedHyper, context: Context
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean_b [sum_c Poisson loss + beta sum_l KL_bl] + min_volume log det(W W' + I).

    Deviates: the reconstruction comes from relaxed presences, the KL from the presences themselves.
    """
    kl = spike_slab_kl(outputs.posterior, prior_of(outputs.prior, hyper))
    return negative_bound(outputs, jnp.sum(kl, axis=-1), hyper)


VARIANT = count_variant(
    name="spike_slab_vae",
    losses={"textbook": textbook},
    terms=("reconstruction", "kl", "volume"),
    family=lambda static: SPIKE_SLAB,
    divergence=divergence,
    network=lambda static: {"prior_rows": 3 if static.shape.prior == "learned" else 0},
    shape=lambda recipe: Shape(),
    hyper=lambda shape: LearnedHyper() if shape.prior == "learned" else FixedHyper(),
    reference="ours; the relaxation: Maddison et al. 2017, The concrete distribution, arXiv:1611.00712",
)
