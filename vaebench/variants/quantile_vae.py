"""Quantile VAE: the decoder returns a quantile of every gene instead of its mean."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.nn.autoencoder import Outputs, expression_variant
from vaebench.nn.losses import asymmetric_laplace_nll, gaussian_kl
from vaebench.types import Context


class Hyper(NamedTuple):
    """Weights. ``tau``: the quantile, between 0 and 1 (0.5 for the median); ``beta``: weight of the KL."""

    tau: float = 0.5
    beta: float = 1.0

    ranges = {"tau": (0.0, 1.0)}  # noqa: RUF012  (a class constant, not a field)


def textbook(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the negative ELBO in nats, averaged over the batch: mean_b [-log AL(x; reconstruction, tau) + beta KL_b].

    AL is the asymmetric Laplace density of scale 1, whose maximum likelihood is quantile regression.

    Source: Koenker & Bassett 1978; Yu & Moyeed 2001, Bayesian quantile regression, eq. 2.
    """
    reconstruction = jnp.mean(asymmetric_laplace_nll(outputs.x, outputs.reconstruction, hyper.tau))
    kl = jnp.mean(gaussian_kl(*outputs.posterior))
    return reconstruction + hyper.beta * kl, {"reconstruction": reconstruction, "kl": kl}


VARIANT = expression_variant(
    name="quantile_vae",
    losses={"textbook": textbook},
    hyper=lambda shape: Hyper(),
    gaussian=False,
    reference="Koenker & Bassett 1978, Regression quantiles; Yu & Moyeed 2001, Bayesian quantile regression",
)
