"""VAE with a learned prior: a mixture of Gaussians, or the posteriors of learned inputs (VampPrior)."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.nn.autoencoder import Outputs, expression_variant
from vaebench.nn.losses import gaussian_log_density
from vaebench.nn.priors import mixture_log_prior
from vaebench.types import Context


@dataclasses.dataclass(frozen=True)
class Shape:
    """Choices that change the program.

    Attributes:
        prior: ``"mixture"`` (means, variances and weights of ``components`` Gaussians are trained), or ``"vamp"`` (the posteriors
            of ``components`` learned inputs, mixed evenly).
        components: C of the prior.
        draws: K, posterior draws per sample, all decoded.
    """

    prior: str = "mixture"
    components: int = 20
    draws: int = 1

    choices = {"prior": ("mixture", "vamp")}  # noqa: RUF012  (a class constant, not a field)


class Hyper(NamedTuple):
    """``beta``: weight of the KL."""

    beta: float = 1.0


def textbook(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean_b [-log N(x; reconstruction, I) + beta (log q(z|x) - log p(z))], averaged over the draws z of q(z|x).

    p(z) = sum_c w_c N(z; mean_c, v_c); with ``vamp`` w_c = 1/C, and mean_c and v_c are those of q(z | pseudo-input c).

    Source: Tomczak & Welling 2018, eqs. 8-9 (VampPrior) and its baseline, the mixture of Gaussians. The KL has no closed form;
    its estimate is unbiased, and may be below 0 in a batch.
    """
    mean, logvar = outputs.posterior
    own = gaussian_log_density(outputs.z, mean[None], logvar[None]).sum(-1)
    kl = jnp.mean(own - mixture_log_prior(outputs.z, outputs.learned)[0])
    reconstruction = jnp.mean(outputs.nll())
    return reconstruction + hyper.beta * kl, {"reconstruction": reconstruction, "kl": kl}


VARIANT = expression_variant(
    name="mixture_vae",
    trained_prior=True,
    losses={"textbook": textbook},
    draws=lambda shape: shape.draws,
    shape=lambda recipe: Shape(),
    hyper=lambda shape: Hyper(),
    network=lambda static: {"prior": static.shape.prior, "components": static.shape.components},
    reference="Tomczak & Welling 2018, VAE with a VampPrior, arXiv:1705.07120",
)
