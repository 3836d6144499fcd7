"""beta-TCVAE: the KL split into mutual information, total correlation and a KL per latent (Chen et al. 2018)."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.nn.autoencoder import Outputs, expression_variant
from vaebench.nn.losses import (
    gaussian_kl,
    gaussian_log_density,
    mixture_log_densities,
    stratified_log_weights,
)
from vaebench.types import Context, Static


@dataclasses.dataclass(frozen=True)
class Shape:
    """Choices that change the program.

    Attributes:
        estimator: of q(z) from a batch, by ``"weighted"`` or ``"stratified"`` sampling.
        anneal: let gamma grow linearly from 0 in training.
    """

    estimator: str = "stratified"
    anneal: bool = False

    choices = {"estimator": ("weighted", "stratified"), "anneal": (False, True)}  # noqa: RUF012


class Hyper(NamedTuple):
    """Weights of mutual information, total correlation and KL per latent."""

    alpha: float = 1.0
    beta: float = 6.0
    gamma: float = 1.0


class AnnealHyper(NamedTuple):
    """Weights as in :class:`Hyper`; gamma reaches its value after ``anneal_iterations`` batches."""

    alpha: float = 1.0
    beta: float = 6.0
    gamma: float = 1.0
    anneal_iterations: float = 10_000.0

    ranges = {"anneal_iterations": (0.0, math.inf)}  # noqa: RUF012  (a class constant, not a field)


def weighted_sum(
    outputs: Outputs, densities: tuple[jax.Array, jax.Array, jax.Array], hyper: Hyper | AnnealHyper, context: Context
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return alpha I(x; z) + beta TC + gamma sum_l KL(q(z_l) || p(z_l)), averaged over the batch, and its terms.

    ``densities`` are log q(z|x), log q(z) and sum_l log q(z_l), each [B]. With weights of 1 the three terms sum to
    log q(z|x) - log p(z), whose expectation is the KL. Gamma is annealed in training only, as in the released code.
    """
    own, joint, product = densities
    prior = gaussian_log_density(outputs.z, jnp.zeros(()), jnp.zeros(())).sum(-1)
    terms = {
        "kl": jnp.mean(gaussian_kl(*outputs.posterior)),
        "mutual_information": jnp.mean(own - joint),
        "total_correlation": jnp.mean(joint - product),
        "dimension_kl": jnp.mean(product - prior),
    }
    gamma = hyper.gamma
    if isinstance(hyper, AnnealHyper) and context.training:
        gamma = gamma * jnp.minimum(context.iteration / hyper.anneal_iterations, 1.0)
    penalty = hyper.alpha * terms["mutual_information"] + hyper.beta * terms["total_correlation"]
    return penalty + gamma * terms["dimension_kl"], terms


def weighted_log_weights(batch: int, samples: int) -> jax.Array:
    """Return log 1/(N B) in every entry, [B, B]: minibatch weighted sampling, biased towards small q(z).

    Source: Chen et al. 2018, section 3.1.
    """
    return jnp.full((batch, batch), -jnp.log(batch * samples))


def released_log_weights(batch: int, samples: int) -> jax.Array:
    """Return the logs [B, B] of the stratified weights of the released code.

    Deviates: 1/N is in the first column, and (N - B + 1)/(N (B - 1)) in the second and at [B - 2, 0]. They should be at each
    row's own sample; here they belong to the first two samples of the batch.
    """
    others = max(batch - 1, 1)
    odd = (samples - batch + 1) / (samples * others)
    row, column = jnp.arange(batch)[:, None], jnp.arange(batch)[None]
    weights = jnp.where(column == 0, 1 / samples, jnp.where(column == 1, odd, 1 / others))
    return jnp.log(jnp.where((column == 0) & (row == batch - 2), odd, weights))


def textbook(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean_b -log N(x; reconstruction, I) + alpha I(x; z) + beta TC + gamma sum_l KL_l, in nats.

    Source: eltager2023, eq. 3; Chen et al. 2018, section 3, and appendix C for the estimators of q(z).
    """
    log_weights = stratified_log_weights if context.shape.estimator == "stratified" else weighted_log_weights
    mean, logvar = outputs.posterior
    densities = mixture_log_densities(outputs.z, mean, logvar, log_weights(len(outputs.z), context.samples))
    reconstruction = jnp.mean(outputs.nll())
    penalty, terms = weighted_sum(outputs, densities, hyper, context)
    return reconstruction + penalty, {"reconstruction": reconstruction, **terms}


def benchmarked(
    outputs: Outputs, hyper: Hyper | AnnealHyper, context: Context
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the released loss: sse/B + alpha I + beta TC + anneal gamma sum_l KL_l.

    Deviates: the reconstruction has no 1/2, and its term is sse, not divided by B. The stratified weights are in the wrong
    columns (:func:`released_log_weights`), and log q(z) counts each weight once per latent, L times: that lowers it by about
    (L - 1) log(B - 1), which moves I up and TC down by a constant (a loss far below 0), and removes the first sample of
    the batch from q(z). ``anneal`` is on by default, so validation and training losses differ while it lasts.
    """
    log_weights = released_log_weights if context.shape.estimator == "stratified" else weighted_log_weights
    weights = log_weights(len(outputs.z), context.samples)
    mean, logvar = outputs.posterior
    own, _, product = mixture_log_densities(outputs.z, mean, logvar, weights)
    _, joint, _ = mixture_log_densities(outputs.z, mean, logvar, outputs.z.shape[-1] * weights)
    reconstruction = jnp.sum((outputs.x - outputs.reconstruction) ** 2)
    penalty, terms = weighted_sum(outputs, (own, joint, product), hyper, context)
    return reconstruction / len(outputs.x) + penalty, {"reconstruction": reconstruction, **terms}


def half_width(static: Static) -> int:
    """Return the width of one more linear layer before the heads, half the last hidden width; only in the released code."""
    return 0 if static.recipe == "textbook" else max(static.hidden[-1] // 2, 1)


VARIANT = expression_variant(
    name="beta_tc_vae",
    least_batch=2,
    losses={"textbook": textbook, "benchmarked": benchmarked},
    terms=("reconstruction", "kl", "mutual_information", "total_correlation", "dimension_kl"),
    extra=half_width,
    shape=lambda recipe: Shape(anneal=recipe == "benchmarked"),
    hyper=lambda shape: AnnealHyper() if shape.anneal else Hyper(),
    reference="Chen et al. 2018, Isolating sources of disentanglement in VAEs, arXiv:1802.04942",
)
