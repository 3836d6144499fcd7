"""InfoVAE: part of the KL is replaced by the maximum mean discrepancy of q(z) and p(z) (Zhao et al. 2017)."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.nn.autoencoder import Outputs, expression_variant
from vaebench.nn.losses import gaussian_kl, mean_squared_error, off_diagonal_sum, squared_distances
from vaebench.types import Context


@dataclasses.dataclass(frozen=True)
class Shape:
    """Choices that change the program. ``kernel``: ``"imq"`` (inverse multiquadric) or ``"rbf"`` (Gaussian)."""

    kernel: str = "imq"

    choices = {"kernel": ("imq", "rbf")}  # noqa: RUF012


class Hyper(NamedTuple):
    """Weights of the equation in :func:`textbook`, and the kernel's variance per latent, ``z_var``."""

    alpha: float = -9.0
    beta: float = 10.5
    lambda_mmd: float = 110.0
    z_var: float = 2.0

    ranges = {"alpha": (-math.inf, math.inf), "z_var": (0.0, math.inf)}  # noqa: RUF012  (a class constant, not a field)


def kernel_values(kernel: str, u: jax.Array, v: jax.Array, z_var: jax.Array | float, eps: float = 0.0) -> jax.Array:
    """Return k(u_i, v_j), [B, B], of the rows of u and v [B, L].

    imq: C / (C + d^2) with C = 2 L z_var; rbf: exp(-mean_l d_l^2 / (2 L z_var)). ``eps`` is added to imq's denominator.
    """
    latent = u.shape[-1]
    distances, width = squared_distances(u, v), 2 * latent * z_var
    return width / (eps + width + distances) if kernel == "imq" else jnp.exp(-distances / latent / width)


def mean_discrepancy(kernel: str, z: jax.Array, prior: jax.Array, z_var: jax.Array | float) -> jax.Array:
    """Return the unbiased estimate of MMD^2 of q(z) and p(z) from draws z and prior, both [B, L]; it can be negative.

    sum_{i != j} [k(z_i, z_j) + k(p_i, p_j)] / (B (B - 1)) - 2 sum_ij k(z_i, p_j) / B^2. Source: Gretton et al. 2012, eq. 3.
    """
    batch = len(z)
    own = sum(off_diagonal_sum(kernel_values(kernel, u, u, z_var)) for u in (z, prior))
    return own / max(batch * (batch - 1), 1) - 2 * jnp.mean(kernel_values(kernel, z, prior, z_var))


def textbook(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return beta mean_b -log N(x; reconstruction, I) + (1 - alpha) KL + (alpha + lambda_mmd - 1) MMD^2(q(z), p(z)).

    The negative ELBO at alpha 0, lambda_mmd 1, beta 1. Source: Zhao et al. 2017, InfoVAE; beta as in the study.
    """
    reconstruction = jnp.mean(outputs.nll())
    kl = jnp.mean(gaussian_kl(*outputs.posterior))
    mmd = mean_discrepancy(context.shape.kernel, outputs.z, outputs.prior, hyper.z_var)
    loss = hyper.beta * reconstruction + (1 - hyper.alpha) * kl + (hyper.alpha + hyper.lambda_mmd - 1) * mmd
    return loss, {"reconstruction": reconstruction, "kl": kl, "mmd": mmd}


def benchmarked(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the released loss: beta mse + (1 - alpha) (B/N) KL + (alpha + lambda_mmd - 1) / (B (B - 1)) S.

    Deviates: S sums kernels over i != j, the cross term without its diagonal too, so the term ``mmd`` grows with B^2
    (divided out in the loss, where dropping the cross diagonal only adds noise). eps 1e-7 is added to the imq denominator.
    The mse is averaged over features, so the discrepancy weighs D/2 times the textbook's. The study's values are
    imq's; rbf is summed the same way.
    """
    batch = len(outputs.x)
    reconstruction = mean_squared_error(outputs.x, outputs.reconstruction)
    kl = jnp.mean(gaussian_kl(*outputs.posterior))
    z, prior = outputs.z, outputs.prior
    own, priors, cross = (
        off_diagonal_sum(kernel_values(context.shape.kernel, u, v, hyper.z_var, 1e-7))
        for u, v in ((z, z), (prior, prior), (z, prior))
    )
    mmd = own + priors - 2 * cross
    weight = (hyper.alpha + hyper.lambda_mmd - 1) / max(batch * (batch - 1), 1)
    loss = hyper.beta * reconstruction + (1 - hyper.alpha) * context.batch / context.samples * kl + weight * mmd
    return loss, {"reconstruction": reconstruction, "kl": kl, "mmd": mmd}


VARIANT = expression_variant(
    name="info_vae",
    least_batch=2,
    losses={"textbook": textbook, "benchmarked": benchmarked},
    terms=("reconstruction", "kl", "mmd"),
    shape=lambda recipe: Shape(),
    hyper=lambda shape: Hyper(),
    network=lambda static: {"weight": lambda hyper: hyper.beta},
    reference="Zhao et al. 2017, InfoVAE: Information maximizing variational autoencoders, arXiv:1706.02262",
)
