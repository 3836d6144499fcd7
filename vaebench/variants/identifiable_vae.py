"""Identifiable VAE: the prior of z depends on auxiliary variables, which fixes the latents up to simple maps (iVAE)."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.nn.autoencoder import Outputs, expression_variant
from vaebench.nn.priors import conditional_kl
from vaebench.types import Context


class Hyper(NamedTuple):
    """``beta``: weight of the KL."""

    beta: float = 1.0


def textbook(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean_b [-log N(x; reconstruction(z), I) + beta KL(q(z | x, u) || p(z | u))], u the auxiliary variables.

    p(z | u) = prod_l N(z_l; mean_l(u), v_l(u)), both trained. The latents are identified, up to a permutation and a map of
    each latent, if the factors are independent given u and u changes the variance of each of L factors in its own way over at
    least 2 L + 1 values of u. If u says nothing of the factors, nothing is identified.

    Source: Khemakhem et al. 2020, eq. 8, and theorem 1 for the conditions.
    """
    reconstruction = jnp.mean(outputs.nll())
    kl = jnp.mean(jnp.sum(conditional_kl(*outputs.posterior, *outputs.learned), axis=-1))
    return reconstruction + hyper.beta * kl, {"reconstruction": reconstruction, "kl": kl}


VARIANT = expression_variant(
    name="identifiable_vae",
    trained_prior=True,
    losses={"textbook": textbook},
    hyper=lambda shape: Hyper(),
    network=lambda static: {"inputs": ("encoder",), "prior": "conditional"},
    auxiliary="encoder",
    reference="Khemakhem et al. 2020, Variational autoencoders and nonlinear ICA: a unifying framework, arXiv:1907.04809",
)
