"""DIP-VAE: a penalty on the distance of the covariance of q(z) from the identity (Kumar et al. 2018)."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.nn.autoencoder import Outputs, expression_variant
from vaebench.nn.losses import covariance, covariance_penalty, gaussian_kl
from vaebench.types import Context


@dataclasses.dataclass(frozen=True)
class Shape:
    """Choices that change the program.

    ``form``: ``"i"`` (covariance of the posterior means) or ``"ii"`` (of q(z), with the mean posterior variance added).
    """

    form: str = "ii"

    choices = {"form": ("i", "ii")}  # noqa: RUF012


class Hyper(NamedTuple):
    """Weights of the covariance's squared off-diagonal, and of its diagonal's squared distance to 1."""

    lambda_od: float = 0.1
    lambda_d: float = 0.05


def textbook(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the negative ELBO + lambda_od sum_{i != j} C_ij^2 + lambda_d sum_i (C_ii - 1)^2, in nats.

    C is Cov_b[mean] (form i), plus diag(mean_b sigma^2) (form ii), over the batch.

    Source: eltager2023, eqs. 4-5; Kumar et al. 2018, eqs. 6-7.
    """
    mean, logvar = outputs.posterior
    reconstruction = jnp.mean(outputs.nll())
    kl = jnp.mean(gaussian_kl(mean, logvar))
    matrix = covariance(mean)
    if context.shape.form == "ii":
        matrix = matrix + jnp.diag(jnp.mean(jnp.exp(logvar), axis=0))
    penalty = covariance_penalty(matrix, hyper.lambda_od, hyper.lambda_d)
    return reconstruction + kl + penalty, {"reconstruction": reconstruction, "kl": kl, "covariance": penalty}


def benchmarked(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the released loss: sse + sum_b KL_b + the same penalty of a matrix that is no covariance.

    Deviates: means are centred over the LATENTS of each sample and their products summed over the batch, not averaged, so
    the penalty grows with B^2 and asks the sum over a batch to be 1. Form ii adds one scalar, the mean over i of
    exp(2 logvar_ii), to EVERY entry, which asks for off-diagonals of minus that scalar. sse and KL are summed over the
    batch, so the step is B times the textbook's; the form i follows the same way (only ii was released).
    """
    mean, logvar = outputs.posterior
    reconstruction = jnp.sum((outputs.x - outputs.reconstruction) ** 2)
    kl = jnp.sum(gaussian_kl(mean, logvar))
    centred = mean - mean.mean(1, keepdims=True)
    matrix = centred.T @ centred
    if context.shape.form == "ii":
        matrix = matrix + jnp.mean(jnp.exp(2 * jnp.diagonal(logvar)))
    penalty = covariance_penalty(matrix, hyper.lambda_od, hyper.lambda_d)
    return reconstruction + kl + penalty, {"reconstruction": reconstruction, "kl": kl, "covariance": penalty}


VARIANT = expression_variant(
    name="dip_vae",
    least_batch=2,
    losses={"textbook": textbook, "benchmarked": benchmarked},
    terms=("reconstruction", "kl", "covariance"),
    shape=lambda recipe: Shape(),
    hyper=lambda shape: Hyper(),
    reference="Kumar et al. 2018, Variational inference of disentangled latent concepts, arXiv:1711.00848",
)
