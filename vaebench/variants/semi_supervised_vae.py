"""Semi-supervised VAE: known factors guide the first latents, which keep their names; samples may lack them (M2)."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.nn.autoencoder import Family, Gaussian, Outputs, expression_variant
from vaebench.nn.losses import categorical_kl, gaussian_log_density
from vaebench.types import Context, Static, Tree


class Hyper(NamedTuple):
    """Weights.

    ``alpha``: nats per nat of -log q(factor | x) of the known factors; ``temperature``: of the relaxed categories.
    """

    alpha: float = 100.0
    temperature: float = 0.5

    ranges = {"temperature": (0.0, math.inf)}  # noqa: RUF012  (a class constant, not a field)


class Guided(NamedTuple):
    """q(z|x) with categories among the latents: ``mean`` [B, L], which holds the logits in their columns, and ``logvar``."""

    mean: jax.Array
    logvar: jax.Array


def blocks(widths: tuple[int, ...]) -> list[slice]:
    """Return the columns of every category among the auxiliary variables; a number is one column and no category."""
    ends = [sum(widths[: i + 1]) for i in range(len(widths))]
    return [slice(end - width, end) for width, end in zip(widths, ends, strict=True) if width > 1]


def textbook(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean_b [-log N(x; reconstruction(y, z), I) + KL_b - log p(known y) - alpha log q(known y | x)].

    y are the guided latents, z the free ones. A known y enters the decoder as it is and costs -log p(y); one that is missing is
    drawn from q(y | x) and costs its KL, as z does. p(y) is N(0, 1) for a number, and uniform for a category, of which q is a
    softmax, relaxed by Gumbel noise where it is drawn. Term ``kl`` holds KL_b - log p(known y).

    Source: Kingma et al. 2014, Semi-supervised learning with deep generative models, eqs. 6, 7 and 9, where alpha is 0.1 N;
    Jang et al. 2017 for the relaxation in place of the sum over categories.
    """
    widths = outputs.auxiliary_widths
    values, known = jnp.split(outputs.auxiliary, 2, axis=-1)
    mean, logvar = outputs.posterior
    named = sum(widths)
    each = -0.5 * (1 + logvar - mean**2 - jnp.exp(logvar))
    zero = jnp.zeros(())
    prior = -gaussian_log_density(values, zero, zero)
    guidance = -gaussian_log_density(values, mean[:, :named], logvar[:, :named])
    numbers = jnp.ones(named)
    kl = jnp.sum(each[:, named:], axis=-1)
    guided = jnp.zeros(len(mean))
    for block in blocks(widths):
        numbers = numbers.at[block].set(0.0)
        logits, here = mean[:, block], known[:, block.start]
        unknown = categorical_kl(logits)
        kl += jnp.where(here > 0, jnp.log(float(block.stop - block.start)), unknown)
        guided -= here * jnp.sum(values[:, block] * jax.nn.log_softmax(logits, axis=-1), axis=-1)
    kl += jnp.sum(numbers[None] * jnp.where(known > 0, prior, each[:, :named]), axis=-1)
    guided += jnp.sum(numbers[None] * known * guidance, axis=-1)
    reconstruction = jnp.mean(outputs.nll())
    terms = {"reconstruction": reconstruction, "kl": jnp.mean(kl), "guidance": jnp.mean(guided)}
    return reconstruction + terms["kl"] + hyper.alpha * terms["guidance"], terms


def guided_family(static: Static) -> Family:
    """Return the family: Gaussians, and in the columns of a category its softmax, relaxed by Gumbel noise where drawn."""
    categories = blocks(static.auxiliary)

    def draw(key: jax.Array, q: Guided | Gaussian, hyper: Tree, draws: int | None) -> jax.Array:
        z = q.mean + jnp.exp(0.5 * q.logvar) * jax.random.normal(key, q.mean.shape)
        for i, block in enumerate(categories):
            noise = jax.random.gumbel(jax.random.fold_in(key, i), q.mean[:, block].shape)
            relaxed = jax.nn.softmax((q.mean[:, block] + noise) / (hyper or Hyper()).temperature, axis=-1)
            z = z.at[:, block].set(relaxed)
        return z

    def mean(q: Guided | Gaussian) -> jax.Array:
        z = q.mean
        for block in categories:
            z = z.at[:, block].set(jax.nn.softmax(q.mean[:, block], axis=-1))
        return z

    def prior(key: jax.Array, shape: tuple[int, int]) -> jax.Array:
        z = jax.random.normal(key, shape)
        for i, block in enumerate(categories):
            width = block.stop - block.start
            chosen = jax.random.randint(jax.random.fold_in(key, i), (shape[0],), 0, width)
            z = z.at[:, block].set(jax.nn.one_hot(chosen, width))
        return z

    # numbers alone leave an ordinary Gaussian, whose parameters the metrics know
    return Family(("mean_head", "logvar_head"), Guided if categories else Gaussian, draw, mean, prior)


def substituted(z: jax.Array, auxiliary: jax.Array) -> jax.Array:
    """Return z [B, L] with the known auxiliary variables in the first columns; ``auxiliary`` is [B, 2 A]."""
    values, known = jnp.split(auxiliary, 2, axis=-1)
    named = values.shape[1]
    return z.at[:, :named].set(jnp.where(known > 0, values, z[:, :named]))


def redundant(static: Static) -> tuple[int, ...]:
    """Return the last column of every category, which is redundant since its columns sum to 1."""
    return tuple(block.stop - 1 for block in blocks(static.auxiliary))


VARIANT = expression_variant(
    name="semi_supervised_vae",
    losses={"textbook": textbook},
    terms=("reconstruction", "kl", "guidance"),
    family=guided_family,
    hyper=lambda shape: Hyper(),
    network=lambda static: {"substituted": substituted},
    auxiliary="latents",
    redundant=redundant,
    reference="Kingma et al. 2014, Semi-supervised learning with deep generative models, arXiv:1406.5298",
)
