"""Variational autoencoder (Kingma & Welling 2014)."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.nn.autoencoder import Outputs, expression_variant
from vaebench.nn.losses import gaussian_kl, mean_squared_error
from vaebench.types import Context


class Hyper(NamedTuple):
    """No weights."""


def textbook(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the negative ELBO in nats, averaged over the batch: mean_b [-log N(x; reconstruction, I) + KL_b].

    Source: eltager2023, eq. 1.
    """
    reconstruction = jnp.mean(outputs.nll())
    kl = jnp.mean(gaussian_kl(*outputs.posterior))
    return reconstruction + kl, {"reconstruction": reconstruction, "kl": kl}


def benchmarked(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the released loss: mse + (B/N) mean_b KL_b, with mse averaged over samples AND features.

    Deviates: against eq. 1 the KL is weighted by D B / (2 N) (up to the loss's scale), so its strength depends on the
    number of genes, the batch and the size of the split, not on the noise of the data.
    """
    reconstruction = mean_squared_error(outputs.x, outputs.reconstruction)
    kl = jnp.mean(gaussian_kl(*outputs.posterior))
    return reconstruction + context.batch / context.samples * kl, {"reconstruction": reconstruction, "kl": kl}


VARIANT = expression_variant(
    name="vae",
    losses={"textbook": textbook, "benchmarked": benchmarked},
    hyper=lambda shape: Hyper(),
    reference="Kingma & Welling 2014, Auto-Encoding Variational Bayes, arXiv:1312.6114",
)
