"""Categorical VAE: latents of C categories, relaxed by the Gumbel-softmax (Jang et al. 2017; Maddison et al. 2017)."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.errors import InputError
from vaebench.nn.autoencoder import Family, Outputs, expression_variant
from vaebench.nn.losses import categorical_kl, mean_squared_error
from vaebench.types import Context, Static, Tree

_EPS = 1e-7
"""Added inside the released code's logarithms."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """Choices that change the program. ``categories``: C of each variable; z is L / C relaxed one-hot variables."""

    categories: int = 10

    def check(self, latent: int) -> None:
        """Raise :class:`InputError` unless the L columns divide evenly into variables of C >= 2 categories."""
        if latent % self.categories or self.categories < 2:
            raise InputError(
                f"latent is {latent} and categories of categorical_vae is {self.categories}; latent must be a multiple of "
                "categories, and categories at least 2"
            )


class Hyper(NamedTuple):
    """Weight of recipe ``textbook``. ``temperature``: of the relaxation; near 0 draws are one-hot, for large values even."""

    temperature: float = 0.5

    ranges = {"temperature": (0.0, math.inf)}  # noqa: RUF012  (a class constant, not a field)


class BenchmarkedHyper(NamedTuple):
    """Weights of recipe ``benchmarked``.

    ``temperature``: of the relaxation. ``categories``: C of the prior 1/C; in the released code the number of cancer types,
    whatever the latent dimension.
    """

    temperature: float = 0.5
    categories: float = 33.0

    ranges = {"temperature": (0.0, math.inf), "categories": (0.0, math.inf)}  # noqa: RUF012


class Categorical(NamedTuple):
    """Independent categorical variables: ``logits`` [B, V, C]."""

    logits: jax.Array


def textbook(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean_b [-log N(x; reconstruction(z), I) + sum_v KL(q(c_v|x) || uniform)], z the relaxed one-hot draw.

    Source: eltager2023, eq. 7; Jang et al. 2017, whose KL is that of the categorical variables, not of their relaxation.
    """
    reconstruction = jnp.mean(outputs.nll())
    kl = jnp.mean(jnp.sum(categorical_kl(outputs.posterior.logits), axis=-1))
    return reconstruction + kl, {"reconstruction": reconstruction, "kl": kl}


def benchmarked(outputs: Outputs, hyper: BenchmarkedHyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the released loss: mse + (B/N) mean_b sum_l q_l (log(q_l + eps) - log(1/categories + eps)), eps 1e-7.

    Deviates: there is one logit per latent and the softmax runs over the whole latent vector, so z is ONE variable of L
    categories: its columns sum to 1 and at a low temperature one of them is near 1. The prior's 1/categories does not sum
    to 1 over L latents; it shifts the KL by a constant (below 0 where categories < L) and changes no gradient.
    """
    reconstruction = mean_squared_error(outputs.x, outputs.reconstruction)
    q = jax.nn.softmax(outputs.posterior.logits, axis=-1)
    pointwise = q * (jnp.log(q + _EPS) - jnp.log(1 / hyper.categories + _EPS))
    kl = jnp.mean(jnp.sum(pointwise, axis=(-2, -1)))
    return reconstruction + context.batch / context.samples * kl, {"reconstruction": reconstruction, "kl": kl}


def categorical_family(static: Static) -> Family:
    """Return the Gumbel-softmax family of L / C variables of C categories (``benchmarked``: one of L), flattened to [B, L].

    z = softmax((logits + g) / temperature), g = -log(-log u); ``benchmarked`` adds 1e-7 inside both logarithms.
    """
    released = static.recipe == "benchmarked"
    categories = static.latent if released else static.shape.categories

    def grouped(values: jax.Array) -> jax.Array:
        return values.reshape(*values.shape[:-1], -1, categories)

    def draw(key: jax.Array, q: Categorical, hyper: Tree, draws: int | None) -> jax.Array:
        temperature = (hyper or Hyper()).temperature
        if released:
            noise = -jnp.log(-jnp.log(jax.random.uniform(key, q.logits.shape) + _EPS) + _EPS)
        else:
            noise = jax.random.gumbel(key, q.logits.shape)
        return jax.nn.softmax((q.logits + noise) / temperature, axis=-1).reshape(len(noise), -1)

    def mean(q: Categorical) -> jax.Array:
        return jax.nn.softmax(q.logits, axis=-1).reshape(len(q.logits), -1)

    def prior(key: jax.Array, shape: tuple[int, int]) -> jax.Array:
        chosen = jax.random.randint(key, (shape[0], shape[1] // categories), 0, categories)
        return jax.nn.one_hot(chosen, categories).reshape(shape)

    return Family(("logits_head",), lambda logits: Categorical(grouped(logits)), draw, mean, prior)


def redundant(static: Static) -> tuple[int, ...]:
    """Return the position of the last column of every variable, which is redundant since its columns sum to 1."""
    categories = static.latent if static.recipe == "benchmarked" else static.shape.categories
    return tuple(range(categories - 1, static.latent, categories))


VARIANT = expression_variant(
    name="categorical_vae",
    losses={"textbook": textbook, "benchmarked": benchmarked},
    family=categorical_family,
    shape=lambda recipe: Shape() if recipe == "textbook" else None,
    hyper=lambda shape: BenchmarkedHyper() if shape is None else Hyper(),
    reference="Jang et al. 2017, Categorical reparameterization with Gumbel-softmax, arXiv:1611.01144",
    redundant=redundant,
)
