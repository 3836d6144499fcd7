"""beta-VAE of mutation counts with a folded normal posterior, z = |mean + sigma eps| (gislum2024)."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import erf

from vaebench.nn.autoencoder import Family, Gaussian, gaussian_draw
from vaebench.nn.count_autoencoder import SignatureOutputs, count_variant, negative_bound
from vaebench.nn.losses import gaussian_kl, poisson_loss
from vaebench.types import Context, Tree


@dataclasses.dataclass(frozen=True)
class Shape:
    """Choices that change the program.

    ``draws``: K, posterior draws per sample. ``frozen``: the decoder is given and only the encoder is trained.
    """

    draws: int = 1
    frozen: bool = False


@dataclasses.dataclass(frozen=True)
class ReleasedShape(Shape):
    """Choices as in :class:`Shape`, with the released code's number of draws."""

    draws: int = 10


class Hyper(NamedTuple):
    """Weights of the KL and of the decoder's log det."""

    beta: float = 1.0
    min_volume: float = 0.001


class BenchmarkedHyper(NamedTuple):
    """Weight of recipe ``benchmarked``. ``beta``: weight of the KL."""

    beta: float = 1.0


def folded_mean(q: Gaussian) -> jax.Array:
    """Return E|z| of z ~ N(mean, sigma^2), [N, L].

    sigma sqrt(2/pi) exp(-mean^2 / (2 sigma^2)) + mean erf(mean / (sigma sqrt 2)).

    Source: gislum2024, eq. 10.
    """
    sigma = jnp.exp(0.5 * q.logvar)
    ratio = q.mean / sigma
    return sigma * jnp.sqrt(2 / jnp.pi) * jnp.exp(-0.5 * ratio**2) + q.mean * erf(ratio / jnp.sqrt(2.0))


def folded_draw(key: jax.Array, q: Gaussian, hyper: Tree, draws: int | None) -> jax.Array:
    """Draw |mean + sigma eps| with eps from N(0, 1): [B, L], or [draws, B, L]."""
    return jnp.abs(gaussian_draw(key, q, hyper, draws))


def folded_prior(key: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """Draw from |N(0, 1)|, [N, L]."""
    return jnp.abs(jax.random.normal(key, shape))


FOLDED = Family(("mean_head", "logvar_head"), Gaussian, folded_draw, folded_mean, folded_prior)


def divergence(q: Gaussian, prior: Tree, hyper: Tree, key: jax.Array) -> jax.Array:
    """Return the KL of the normals BEFORE folding, [N, L] in nats, an upper bound of that of the folded normals."""
    return gaussian_kl(q.mean[..., None], q.logvar[..., None])


def textbook(outputs: SignatureOutputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean_b [sum_c Poisson loss + beta KL(N(mean, sigma^2) || N(0, 1))] + min_volume log det(W W' + I).

    Source: gislum2024, the last of the three lines of eq. 6, which is the KL of a bound (the first two are the reverse KL).
    Deviates: the text writes the determinant without its logarithm.
    """
    return negative_bound(outputs, gaussian_kl(*outputs.posterior), hyper)


def benchmarked(
    outputs: SignatureOutputs, hyper: BenchmarkedHyper, context: Context
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the released loss: Poisson loss averaged over the channels + beta KL.

    Deviates: the KL is summed over latents, so beta acts as D beta; the minimum-volume term is computed nowhere in the
    training step; ten draws a sample; layers are normalised after their activation.
    """
    reconstruction = jnp.mean(poisson_loss(outputs.x[None], outputs.reconstruction))
    kl = jnp.mean(gaussian_kl(*outputs.posterior))
    return reconstruction + hyper.beta * kl, {"reconstruction": reconstruction, "kl": kl}


VARIANT = count_variant(
    name="folded_normal_vae",
    losses={"textbook": textbook, "benchmarked": benchmarked},
    terms=("reconstruction", "kl", "volume"),
    family=lambda static: FOLDED,
    divergence=divergence,
    network=lambda static: {"norm_last": static.recipe == "benchmarked"},
    shape=lambda recipe: ReleasedShape() if recipe == "benchmarked" else Shape(),
    hyper=lambda shape: BenchmarkedHyper() if isinstance(shape, ReleasedShape) else Hyper(),
    reference="gislum2024, a beta-VAE in the MUSE-XAE framework",
)
