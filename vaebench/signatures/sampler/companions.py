"""The prior of one exposure of a sample given its other signatures: how likely it is present, and how large it then is.

Presence is that of :mod:`vaebench.signatures.sampler.autologistic`, sizes those of versions
(:mod:`vaebench.signatures.sampler.versions`). So the log odds of z_k given all else have, beyond a_k + sum_j w_jk z_j, the log
ratio of the two densities of each exposure above 0 whose version is another one where k is present.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from vaebench.signatures.sampler.autologistic import Cooccurrence
from vaebench.signatures.sampler.proposals import Slab, slab_log_density
from vaebench.signatures.sampler.versions import Changed, versions_of

Given = tuple[ArrayLike, bool]
"""A signature, a scalar or [T] for one of each sample's own, and whether it counts as present whatever its exposure."""


class Companions(NamedTuple):
    """Changes of the prior of one signature by the others of its sample.

    Attributes:
        log_odds: w [S, S], of their presence.
        versions: signatures whose sizes depend on what else is present.
    """

    log_odds: ArrayLike
    versions: tuple[Changed, ...] = ()


def companions_of(pairs: Cooccurrence | None) -> Companions | None:
    """Return what sweeps need of ``pairs``."""
    return None if pairs is None else Companions(np.asarray(pairs.log_odds), versions_of(pairs))


def beside(
    slabs: Slab, k: ArrayLike, exposures: jax.Array, companions: Companions | None, absent: ArrayLike | None = None
) -> Slab:
    """Slab [1, T] or [1, 1] of a signature given which of the others are present, and how large they are.

    Args:
        slabs: [S + V, T] or [S + V, 1], of all versions, with the log odds a of presence beside none of the others.
        k: the signature, a scalar, or [T] for one of each sample's own.
        exposures: [S, T].
        companions: of the signatures; ``None`` for independent ones.
        absent: a signature that counts as absent whatever its exposure, as ``k``.
    """
    if companions is None:
        return _taken(slabs, k)
    given = () if absent is None else ((absent, False),)
    own = _taken(slabs, _version(k, exposures > 0, companions, given))
    return own._replace(log_present=own.log_present + _log_odds(slabs, k, exposures, companions, given))


def both_present(
    slabs: Slab, j: ArrayLike, k: ArrayLike, exposures: jax.Array, companions: Companions | None
) -> tuple[Slab, Slab, ArrayLike]:
    """Return the slabs of two signatures where both are present, and what this adds to the log prior.

    The slabs have the log odds that each has :func:`beside` the absent other.
    """
    if companions is None:
        return _taken(slabs, j), _taken(slabs, k), 0.0
    there, both = exposures > 0, []
    for own, other in ((j, k), (k, j)):
        slab = _taken(slabs, _version(own, there, companions, [(other, True)]))
        odds = _log_odds(slabs, own, exposures, companions, [(other, False)])
        both.append(slab._replace(log_present=slab.log_present + odds))
    together = jnp.asarray(companions.log_odds, exposures.dtype)[jnp.atleast_1d(j), jnp.atleast_1d(k)][None]
    # of a third signature that both change: the ratio of its densities is not the product of the two of each
    for sign, at_j, at_k in ((1, True, True), (1, False, False), (-1, True, False), (-1, False, True)):
        together = together + sign * _log_sizes(slabs, exposures, companions, [(j, at_j), (k, at_k)])
    return both[0], both[1], together


def _taken(slabs: Slab, row: ArrayLike) -> Slab:
    """Slab [1, T] or [1, 1] in ``row`` of ``slabs``, a scalar, or [T] for each sample's own."""

    def of(rows: jax.Array) -> jax.Array:
        if jnp.ndim(row) == 0:
            return jax.lax.dynamic_slice_in_dim(rows, row, 1)
        place = jnp.asarray(row)[None]
        return jnp.take_along_axis(rows, place, axis=0) if rows.shape[1] > 1 else rows[:, 0][place]

    return Slab(*(of(v) for v in slabs))


def _as_given(own: jax.Array, there: jax.Array, given: Sequence[Given]) -> jax.Array:
    """Return which of the signatures ``own`` [B] are ``there`` [B, T], or as ``given``: [B, T]."""
    for k, present in given:
        there = jnp.where(own[:, None] == jnp.atleast_1d(k)[None], present, there)
    return there


def _version_of(changed: Changed, there: jax.Array, given: Sequence[Given]) -> jax.Array:
    """Column [T] of the version of a signature that others change."""
    bits = 1 << jnp.arange(changed.by.shape[0])[:, None]
    by = jnp.asarray(changed.by)
    which = jnp.sum(_as_given(by, there[by], given) * bits, 0)
    return jnp.where(which > 0, changed.first + which - 1, changed.of)


def _version(k: ArrayLike, there: jax.Array, companions: Companions, given: Sequence[Given]) -> ArrayLike:
    """Column of the version of signature ``k``: as ``k``, or [T] where signatures have versions."""
    for changed in companions.versions:
        k = jnp.where(k == changed.of, _version_of(changed, there, given), k)
    return k


def _log_odds(
    slabs: Slab, k: ArrayLike, exposures: jax.Array, companions: Companions, given: Sequence[Given]
) -> jax.Array:
    """Log odds [1, T] that the others add to the presence of ``k``."""
    there = _as_given(jnp.arange(len(exposures)), exposures > 0, given)
    weights = jnp.asarray(companions.log_odds, exposures.dtype)[:, jnp.atleast_1d(k)]  # [S, 1] or [S, T]
    odds = jnp.sum(weights * there, 0, keepdims=True)
    if not companions.versions:
        return odds
    sizes = [_log_sizes(slabs, exposures, companions, [*given, (k, present)]) for present in (True, False)]
    return odds + sizes[0] - sizes[1]


def _log_sizes(slabs: Slab, exposures: jax.Array, companions: Companions, given: Sequence[Given]) -> jax.Array:
    """Sum [1, T] of the log densities of the exposures above 0 that have versions, but for those of what is ``given``."""
    there, total = exposures > 0, jnp.zeros((1, exposures.shape[1]), exposures.dtype)
    for changed in companions.versions:
        amount, apart = exposures[changed.of][None], there[changed.of][None]
        for k, _ in given:
            apart = apart & (changed.of != jnp.atleast_1d(k)[None])
        own = _taken(slabs, _version_of(changed, there, given))
        total = total + jnp.where(apart, slab_log_density(jnp.where(amount > 0, amount, 1.0), own), 0.0)
    return total
