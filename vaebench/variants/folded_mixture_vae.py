"""Folded normal VAE of mutation counts with a learned prior: a mixture of folded normals, or a VampPrior of them."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.nn.autoencoder import Gaussian
from vaebench.nn.count_autoencoder import SignatureOutputs, count_variant, negative_bound
from vaebench.nn.priors import Mixture, folded_log_density, mixture_log_prior
from vaebench.types import Context, Tree
from vaebench.variants.folded_normal_vae import FOLDED, folded_draw


@dataclasses.dataclass(frozen=True)
class Shape:
    """Choices that change the program.

    Attributes:
        prior: ``"mixture"`` (``components`` products of folded normals are trained), or ``"vamp"`` (the posteriors of
            ``components`` learned inputs, mixed evenly).
        draws: K, posterior draws per sample.
        components: C of the prior.
        frozen: the decoder is given and only the encoder is trained.
    """

    prior: str = "mixture"
    draws: int = 1
    components: int = 20
    frozen: bool = False

    choices = {"prior": ("mixture", "vamp")}  # noqa: RUF012  (a class constant, not a field)


class Hyper(NamedTuple):
    """Weights of the KL and of the decoder's log det."""

    beta: float = 1.0
    min_volume: float = 0.001


def _mixture(prior: Mixture | Gaussian) -> Mixture:
    """Return the prior as a mixture; the posteriors of learned inputs have equal weights."""
    return prior if isinstance(prior, Mixture) else Mixture(prior.mean, prior.logvar, jnp.zeros(len(prior.mean)))


def divergence(q: Gaussian, prior: Mixture | Gaussian, hyper: Tree, key: jax.Array) -> jax.Array:
    """Estimate KL(q(z_l|x) || p(z_l)), [N, L] in nats, from 8 draws against the marginals of the prior."""
    z = folded_draw(key, q, hyper, 8)
    own = folded_log_density(z, q.mean[None], q.logvar[None])
    return jnp.mean(own - mixture_log_prior(z, _mixture(prior), folded_log_density)[1], axis=0)


def textbook(outputs: SignatureOutputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean_b [sum_c Poisson loss + beta KL_b] + min_volume log det(W W' + I).

    KL_b is the mean of log q(z|x) - log p(z) over the draws that are decoded, with the densities of the folded normals
    themselves: q(z|x) = prod_l [N(z_l; m_l, v_l) + N(-z_l; m_l, v_l)], and p(z) = sum_k w_k of such products.

    Source: Tomczak & Welling 2018, eqs. 8-9, with the posterior of gislum2024.
    """
    own = folded_log_density(outputs.z, outputs.posterior.mean[None], outputs.posterior.logvar[None]).sum(-1)
    kl = own - mixture_log_prior(outputs.z, _mixture(outputs.prior), folded_log_density)[0]
    return negative_bound(outputs, jnp.mean(kl, axis=0), hyper)


def _network(shape: Shape) -> dict[str, int]:
    return {"pseudo" if shape.prior == "vamp" else "components": shape.components}


VARIANT = count_variant(
    name="folded_mixture_vae",
    losses={"textbook": textbook},
    terms=("reconstruction", "kl", "volume"),
    family=lambda static: FOLDED,
    divergence=divergence,
    network=lambda static: _network(static.shape),
    shape=lambda recipe: Shape(),
    hyper=lambda shape: Hyper(),
    reference="Tomczak & Welling 2018, VAE with a VampPrior, arXiv:1705.07120; gislum2024",
)
