"""MUSE-XAE: a deterministic autoencoder of mutation counts with a minimum-volume decoder (Pancotti et al. 2024)."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.nn.autoencoder import Family
from vaebench.nn.count_autoencoder import Objective, SignatureOutputs, count_variant
from vaebench.nn.losses import log_volume, poisson_loss
from vaebench.types import Context, Tree


@dataclasses.dataclass(frozen=True)
class Shape:
    """Choices that change the program. ``frozen``: the decoder is given and only the encoder is trained, by :func:`refit`."""

    frozen: bool = False


class Hyper(NamedTuple):
    """Weight of the extraction. ``min_volume``: weight of the decoder's log det."""

    min_volume: float = 0.001


class RefitHyper(NamedTuple):
    """Weight of the refit. ``l1``: weight of the sum of the exposures."""

    l1: float = 0.001


class Code(NamedTuple):
    """A posterior without spread: ``value`` [B, L], not negative."""

    value: jax.Array


def code_draw(key: jax.Array, q: Code, hyper: Tree, draws: int | None) -> jax.Array:
    """Return the code itself, [B, L]; the encoder is deterministic."""
    return q.value


def code_family(frozen: bool) -> Family:
    """Return the family of deterministic codes: softplus, or ReLU for a frozen decoder, so that an exposure can be 0."""
    positive = jax.nn.relu if frozen else jax.nn.softplus
    return Family(("code_head",), lambda h: Code(positive(h)), code_draw, lambda q: q.value, jax.random.exponential)


def textbook(outputs: SignatureOutputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the Poisson loss, averaged over samples AND channels, + min_volume log det(W W' + I), natural logarithm.

    Source: Pancotti et al. 2024.
    """
    reconstruction = jnp.mean(poisson_loss(outputs.x, outputs.reconstruction))
    volume = log_volume(outputs.signatures)
    return reconstruction + hyper.min_volume * volume, {"reconstruction": reconstruction, "volume": volume}


def benchmarked(outputs: SignatureOutputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the released loss: the volume's logarithm is to base 10, and validation uses the mean squared error.

    Deviates: training and stopping rule use different losses; the released code also returns to the best epoch's weights,
    here the last epoch's stay; its layers' normalisation keeps 99% of the running statistics (here 90%).
    """
    loss, terms = textbook(outputs, hyper._replace(min_volume=hyper.min_volume / math.log(10)), context)
    if not context.training:
        loss = jnp.mean((outputs.x - outputs.reconstruction) ** 2)
    return loss, {**terms, "volume": terms["volume"] / math.log(10)}


def refit(outputs: SignatureOutputs, hyper: RefitHyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean |x - reconstruction| + l1 mean_b sum_l z_bl; validation uses the mean squared error, as released."""
    reconstruction = jnp.mean(jnp.abs(outputs.x - outputs.reconstruction))
    size = jnp.mean(jnp.sum(outputs.z, axis=-1))
    terms = {"reconstruction": reconstruction, "size": size}
    if not context.training:
        return jnp.mean((outputs.x - outputs.reconstruction) ** 2), terms
    return reconstruction + hyper.l1 * size, terms


def unless_frozen(objective: Objective) -> Objective:
    """Return a loss that is ``objective`` if signatures are trained, and :func:`refit` if they are given."""

    def chosen(outputs: SignatureOutputs, hyper: Tree, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
        return (refit if context.shape.frozen else objective)(outputs, hyper, context)

    return chosen


VARIANT = count_variant(
    name="muse_xae",
    losses={"textbook": unless_frozen(textbook), "benchmarked": unless_frozen(benchmarked)},
    terms=("reconstruction", "volume", "size"),
    family=lambda static: code_family(static.shape.frozen),
    network=lambda static: {"norm_last": True},
    shape=lambda recipe: Shape(),
    hyper=lambda shape: RefitHyper() if shape.frozen else Hyper(),
    reference="Pancotti et al. 2024, MUSE-XAE: MUtational Signature Extraction with eXplainable AutoEncoder, Bioinformatics",
)
