"""VAE of mutation counts with a Weibull posterior, and a Gamma or a learned VampPrior as prior."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln

from vaebench.nn.autoencoder import Family
from vaebench.nn.count_autoencoder import SignatureOutputs, count_variant, negative_bound
from vaebench.types import Context, Tree

_LEAST = 1e-6
"""Lower bound of a scale and of an exponential draw, so that their logarithms are finite."""
_LEAST_CONCENTRATION = 0.1
"""Lower bound of a concentration; below, the mean scale Gamma(1 + 1/concentration) overflows float32."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """Choices that change the program.

    Attributes:
        prior: ``"gamma"`` (fixed) or ``"vamp"`` (learned: the posteriors of ``components`` learned inputs, mixed evenly).
        draws: K, posterior draws per sample.
        components: of the learned prior.
        frozen: the decoder is given and only the encoder is trained.
    """

    prior: str = "gamma"
    draws: int = 1
    components: int = 20
    frozen: bool = False

    choices = {"prior": ("gamma", "vamp")}  # noqa: RUF012  (a class constant, not a field)


class GammaHyper(NamedTuple):
    """Weights of the KL and of the decoder's log det; ``concentration`` of the Gamma prior: below 1 it favours 0."""

    beta: float = 1.0
    min_volume: float = 0.001
    concentration: float = 1.0

    ranges = {"concentration": (0.0, math.inf)}  # noqa: RUF012  (a class constant, not a field)


class VampHyper(NamedTuple):
    """Weights of the KL and of the decoder's log det."""

    beta: float = 1.0
    min_volume: float = 0.001


class Weibull(NamedTuple):
    """Independent Weibulls: ``concentration`` (shape) and ``scale``, both [B, L]."""

    concentration: jax.Array
    scale: jax.Array


def weibull_gamma_kl(q: Weibull, concentration: jax.Array | float) -> jax.Array:
    """Return KL(Weibull(k, s) || Gamma(a, rate 1)) in nats, entry by entry; g is Euler's constant.

    g a / k - a log s + log k + s Gamma(1 + 1/k) - g - 1 + log Gamma(a).

    Source: Zhang et al. 2018, WHAI: Weibull hybrid autoencoding inference, eq. 7.
    """
    k, s = q
    own = jnp.euler_gamma * (concentration / k - 1) - concentration * jnp.log(s) + jnp.log(k) - 1
    return own + weibull_mean(q) + gammaln(concentration)


def weibull_mean(q: Weibull) -> jax.Array:
    """Return the mean scale Gamma(1 + 1/concentration), entry by entry."""
    return q.scale * jnp.exp(gammaln(1 + 1 / q.concentration))


def weibull_log_density(log_z: jax.Array, q: Weibull) -> jax.Array:
    """Return log Weibull(z; k, s) of every entry: log(k / s) + (k - 1) log(z / s) - (z / s)^k; shapes broadcast together."""
    ratio = log_z - jnp.log(q.scale)
    return jnp.log(q.concentration / q.scale) + (q.concentration - 1) * ratio - jnp.exp(q.concentration * ratio)


def log_draws(key: jax.Array, q: Weibull, draws: int) -> jax.Array:
    """Draw log z [draws, B, L] = log scale + log(e) / concentration with e from an exponential of mean 1."""
    noise = jnp.maximum(jax.random.exponential(key, (draws, *q.scale.shape)), _LEAST)
    return jnp.log(q.scale)[None] + jnp.log(noise) / q.concentration[None]


def weibull_draw(key: jax.Array, q: Weibull, hyper: Tree, draws: int | None) -> jax.Array:
    """Draw z: [B, L], or [draws, B, L]."""
    z = jnp.exp(log_draws(key, q, draws or 1))
    return z if draws else z[0]


def weibull_posterior(concentration: jax.Array, scale: jax.Array) -> Weibull:
    """Return the posterior of the heads' values: softplus, bounded away from 0."""
    return Weibull(jax.nn.softplus(concentration) + _LEAST_CONCENTRATION, jax.nn.softplus(scale) + _LEAST)


WEIBULL = Family(
    ("concentration_head", "scale_head"), weibull_posterior, weibull_draw, weibull_mean, jax.random.exponential
)


def mixture_log_densities(log_z: jax.Array, components: Weibull) -> tuple[jax.Array, jax.Array]:
    """Return log p(z) [K, B] and log p(z_l) [K, B, L] of the even mixture of ``components`` [C, L], at log z [K, B, L]."""
    rows = Weibull(*(part[None, None] for part in components))
    each = weibull_log_density(log_z[:, :, None], rows)
    even = jnp.log(each.shape[2])
    return jax.nn.logsumexp(each.sum(-1), axis=2) - even, jax.nn.logsumexp(each, axis=2) - even


def vamp_kl(log_z: jax.Array, q: Weibull, components: Weibull) -> jax.Array:
    """Estimate KL(q || p), [B] in nats, as the mean of log q(z|x) - log p(z) over the draws log z [K, B, L] from q.

    Source: Tomczak & Welling 2018, VAE with a VampPrior.
    """
    own = weibull_log_density(log_z, Weibull(*(part[None] for part in q))).sum(-1)
    return jnp.mean(own - mixture_log_densities(log_z, components)[0], axis=0)


def divergence(q: Weibull, prior: Weibull | None, hyper: Tree, key: jax.Array) -> jax.Array:
    """Return the KL of every latent, [N, L] in nats: closed form (``gamma``), or 8 draws against the marginals (``vamp``)."""
    if prior is None:
        return weibull_gamma_kl(q, hyper.concentration)
    log_z = log_draws(key, q, 8)
    own = weibull_log_density(log_z, Weibull(*(part[None] for part in q)))
    return jnp.mean(own - mixture_log_densities(log_z, prior)[1], axis=0)


def textbook(
    outputs: SignatureOutputs, hyper: GammaHyper | VampHyper, context: Context
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean_b [sum_c Poisson loss + beta KL_b] + min_volume log det(W W' + I).

    Deviates: with ``vamp`` the KL is estimated from the draws that are decoded.
    """
    if isinstance(hyper, VampHyper):
        kl = vamp_kl(jnp.log(jnp.maximum(outputs.z, _LEAST**2)), outputs.posterior, outputs.prior)
    else:
        kl = jnp.sum(weibull_gamma_kl(outputs.posterior, hyper.concentration), axis=-1)
    return negative_bound(outputs, kl, hyper)


VARIANT = count_variant(
    name="weibull_vae",
    losses={"textbook": textbook},
    terms=("reconstruction", "kl", "volume"),
    family=lambda static: WEIBULL,
    divergence=divergence,
    network=lambda static: {"pseudo": static.shape.components if static.shape.prior == "vamp" else 0},
    shape=lambda recipe: Shape(),
    hyper=lambda shape: VampHyper() if shape.prior == "vamp" else GammaHyper(),
    reference="Zhang et al. 2018, WHAI, arXiv:1803.01328; Tomczak & Welling 2018, VAE with a VampPrior, arXiv:1705.07120",
)
