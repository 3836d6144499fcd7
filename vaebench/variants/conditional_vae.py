"""Conditional VAE: encoder and decoder are told the auxiliary variables, so that z need not hold them (Sohn et al. 2015)."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.nn.autoencoder import Outputs, expression_variant
from vaebench.nn.losses import gaussian_kl
from vaebench.types import Context


class Hyper(NamedTuple):
    """``beta``: weight of the KL; above 1 less of what the auxiliary variables say stays in z."""

    beta: float = 1.0


def textbook(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean_b [-log N(x; reconstruction(z, u), I) + beta KL(q(z | x, u) || N(0, I))], u the auxiliary variables.

    Source: Sohn et al. 2015, eq. 4, with a prior p(z) that does not depend on u, as scvi-tools has against batches (Lopez et
    al. 2018, Deep generative modeling for single-cell transcriptomics, with the batch s as u). The bound is on log p(x | u).
    """
    reconstruction = jnp.mean(outputs.nll())
    kl = jnp.mean(gaussian_kl(*outputs.posterior))
    return reconstruction + hyper.beta * kl, {"reconstruction": reconstruction, "kl": kl}


VARIANT = expression_variant(
    name="conditional_vae",
    losses={"textbook": textbook},
    hyper=lambda shape: Hyper(),
    network=lambda static: {"inputs": ("encoder", "decoder")},
    auxiliary="inputs",
    reference="Sohn et al. 2015, Learning structured output representation using deep conditional generative models, NeurIPS",
)
