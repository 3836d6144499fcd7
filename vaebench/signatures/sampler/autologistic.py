"""Signatures that tumours have together, or hardly ever: the prior of presence, given the other signatures of a sample.

Presence z_k of 0 or 1 has the joint prior of the autologistic model (Besag 1974),

    P(z) ~ exp(sum_k a_k z_k + sum_{j<k} w_jk z_j z_k)

so that the log odds of z_k given the others are a_k + sum_j w_jk z_j. The a_k are those with which each signature is present as
often as expected (:func:`vaebench.signatures.cooccurrence.matched`). For single samples only: to learn from a cohort how often
signatures are present, a_k would have to follow in every sweep.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from vaebench.signatures.sampler.proposals import Slab


class Cooccurrence(NamedTuple):
    """Signatures that occur together.

    Attributes:
        log_odds: w [S, S], symmetric, zeros on the diagonal.
        shifts: a [S] less the log odds of P(present), which slabs hold.
    """

    log_odds: ArrayLike
    shifts: ArrayLike


def beside(
    slab: Slab, k: ArrayLike, exposures: jax.Array, pairs: Cooccurrence | None, absent: ArrayLike | None = None
) -> Slab:
    """``slab`` of a signature given which of the others are present.

    Args:
        slab: [1, T] or [1, 1], of the signature alone.
        k: the signature, a scalar, or [T] for one of each sample's own.
        exposures: [S, T].
        pairs: ``None`` for independent signatures.
        absent: a signature that counts as absent whatever its exposure, as ``k``.
    """
    if pairs is None:
        return slab
    dtype, k = exposures.dtype, jnp.atleast_1d(k)
    weights = jnp.asarray(pairs.log_odds, dtype)[:, k]  # [S, 1] or [S, T]
    there = exposures > 0
    if absent is not None:
        there = there & (jnp.arange(len(exposures))[:, None] != jnp.atleast_1d(absent)[None])
    shift = jnp.asarray(pairs.shifts, dtype)[k][None] + jnp.sum(weights * there, 0, keepdims=True)
    return slab._replace(log_present=slab.log_present + shift)


def both_present(j: ArrayLike, k: ArrayLike, pairs: Cooccurrence | None) -> ArrayLike:
    """Log prior of two signatures that are both present beyond that of each :func:`beside` the absent other, [1, 1] or [1, T]."""
    return 0.0 if pairs is None else jnp.asarray(pairs.log_odds)[jnp.atleast_1d(j), jnp.atleast_1d(k)][None]
