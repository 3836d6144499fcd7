"""The variational autoencoder of Kingma & Welling 2014."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.nn.autoencoder import Outputs, expression_variant
from vaebench.nn.losses import gaussian_kl, gaussian_nll, mean_squared_error
from vaebench.types import Context


class Hyper(NamedTuple):
    """The VAE has no weights to choose."""


def textbook(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Negative ELBO in nats, averaged over the batch: mean_b [-log N(x; reconstruction, I) + KL_b].

    Source: eltager2023, eq. 1.
    """
    reconstruction = jnp.mean(gaussian_nll(outputs.x, outputs.reconstruction))
    kl = jnp.mean(gaussian_kl(*outputs.posterior))
    return reconstruction + kl, {"reconstruction": reconstruction, "kl": kl}


def benchmarked(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The released loss: mse + (B/N) mean_b KL_b, with mse averaged over samples AND features.

    Deviates: against eq. 1 the KL is weighted by D B / (2 N) (up to the loss's scale), so its pull depends on the number of
    genes, the batch and the size of the split, not on the data's noise.
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
