"""VAE with biological constraints: non-negative latents, an energy of activity and one of weights (Whittington et al. 2022)."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr

from vaebench.nn.autoencoder import Family, Gaussian, Outputs, expression_variant, gaussian_draw
from vaebench.nn.losses import gaussian_kl, gaussian_log_density
from vaebench.types import Context, Tree


class Hyper(NamedTuple):
    """Weights: ``beta`` of the KL, ``activity`` of the latents' energy, ``weight`` of the decoder's."""

    beta: float = 1.0
    activity: float = 1.0
    weight: float = 0.01


def rectified_draw(key: jax.Array, q: Gaussian, hyper: Tree, draws: int | None) -> jax.Array:
    """Draw max(0, mean + sigma eps) with eps from N(0, 1): [B, L]."""
    return jnp.maximum(gaussian_draw(key, q, hyper, draws), 0.0)


def rectified_mean(q: Gaussian) -> jax.Array:
    """Return E max(0, n) of n ~ N(mean, sigma^2), [B, L]: mean Phi(mean / sigma) + sigma phi(mean / sigma)."""
    sigma = jnp.exp(0.5 * q.logvar)
    ratio, zero = q.mean / sigma, jnp.zeros(())
    return q.mean * ndtr(ratio) + sigma * jnp.exp(gaussian_log_density(ratio, zero, zero))


def rectified_prior(key: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """Draw from max(0, N(0, 1)), [N, L]."""
    return jnp.maximum(jax.random.normal(key, shape), 0.0)


RECTIFIED = Family(("mean_head", "logvar_head"), Gaussian, rectified_draw, rectified_mean, rectified_prior)


def weight_energy(decoder: Tree) -> jax.Array:
    """Return the sum of squares of all weight matrices of the decoder; a scalar. Biases and normalisation cost nothing."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(decoder)
    return sum((jnp.sum(leaf**2) for path, leaf in leaves if path[-1].key == "kernel"), jnp.zeros(()))


def textbook(outputs: Outputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean_b [-log N(x; reconstruction(z), I) + beta KL_b + activity sum_l z_l^2] + weight sum W^2, z >= 0.

    Source: Whittington et al. 2022, Disentanglement with biological constraints, eqs. 1-4: reconstruction, energy of the
    activity and of the weights, subject to non-negativity, for an autoencoder.
    Deviates: z is a rectified Gaussian draw, max(0, mean + sigma eps), and the KL that of the Gaussians before they are
    rectified, which bounds the KL after it. With beta 0 and a small sigma this is the paper's autoencoder.
    """
    reconstruction = jnp.mean(outputs.nll())
    terms = {
        "reconstruction": reconstruction,
        "kl": jnp.mean(gaussian_kl(*outputs.posterior)),
        "activity": jnp.mean(jnp.sum(outputs.z**2, axis=-1)),
        "weight": weight_energy(outputs.decoder),
    }
    energies = hyper.activity * terms["activity"] + hyper.weight * terms["weight"]
    return reconstruction + hyper.beta * terms["kl"] + energies, terms


VARIANT = expression_variant(
    name="constrained_vae",
    losses={"textbook": textbook},
    terms=("reconstruction", "kl", "activity", "weight"),
    family=lambda static: RECTIFIED,
    hyper=lambda shape: Hyper(),
    reference="Whittington et al. 2022, Disentanglement with biological constraints: a theory of functional cell types, "
    "arXiv:2210.01768",
)
