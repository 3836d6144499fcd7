"""The prior of one exposure of a sample given its other signatures: how likely it is present, and how large it then is.

Presence is that of :mod:`vaebench.signatures.sampler.autologistic`. Sizes depend on it: flat signatures explain the same
mutations, and where SBS40 is present, SBS5 is about half as large. The presence of signature i adds d_ki to the mean of ln e_k:

    ln e_k ~ N(m_k + sum_i d_ki z_i, s_k^2)

So the log odds of z_i given all else have, beyond a_i + sum_j w_ij z_j, the log ratio of the two densities of each e_k that is
above 0.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from vaebench.signatures.sampler.autologistic import Cooccurrence
from vaebench.signatures.sampler.proposals import Slab, shifted


class SizeChanges(NamedTuple):
    """Changes of sizes, P of them.

    Attributes:
        of: [P], signatures whose size changes.
        by: [P], signatures whose presence changes it.
        change: [P], of the mean of ln e.
        log_mean: [P, T] or [P, 1], of the changed ones beside none of the others.
        log_sd: [P, T] or [P, 1].
    """

    of: ArrayLike
    by: ArrayLike
    change: ArrayLike
    log_mean: ArrayLike
    log_sd: ArrayLike


class Companions(NamedTuple):
    """Changes of the prior of one signature by the others of its sample.

    Attributes:
        log_odds: w [S, S], of their presence.
        changes: of their sizes; ``None`` where sizes do not depend on what else is present.
    """

    log_odds: ArrayLike
    changes: SizeChanges | None = None


def companions_of(pairs: Cooccurrence | None) -> Companions | None:
    """Return what sweeps need of ``pairs``, but for the prior of the sizes that change (:func:`with_sizes`)."""
    if pairs is None:
        return None
    matrix = np.asarray(pairs.changes)
    if not matrix.any():
        return Companions(np.asarray(pairs.log_odds))
    of, by = np.nonzero(matrix)
    nothing = np.zeros((len(of), 1))
    return Companions(np.asarray(pairs.log_odds), SizeChanges(of, by, matrix[of, by], nothing, nothing))


def with_sizes(companions: Companions | None, log_mean: jax.Array, log_sd: jax.Array) -> Companions | None:
    """``companions`` with the mean and standard deviation of ln e, [S, T] or [S, 1], of signatures beside none of the others."""
    if companions is None or companions.changes is None:
        return companions
    of = jnp.asarray(companions.changes.of)
    return companions._replace(changes=companions.changes._replace(log_mean=log_mean[of], log_sd=log_sd[of]))


def beside(
    slab: Slab, k: ArrayLike, exposures: jax.Array, companions: Companions | None, absent: ArrayLike | None = None
) -> Slab:
    """``slab`` of a signature given which of the others are present, and how large they are.

    Args:
        slab: [1, T] or [1, 1], of the signature, with the log odds a of its presence beside none of the others.
        k: the signature, a scalar, or [T] for one of each sample's own.
        exposures: [S, T].
        companions: of the signatures; ``None`` for independent ones.
        absent: a signature that counts as absent whatever its exposure, as ``k``.
    """
    if companions is None:
        return slab
    there = exposures > 0
    if absent is not None:
        there = there & _others(absent, there)
    slab = slab._replace(log_present=slab.log_present + _pairs(k, there, companions, exposures.dtype))
    if companions.changes is None:
        return slab
    of, by, change = _columns(companions.changes, exposures.dtype)
    k, there = jnp.atleast_1d(k)[None], there & _others(k, there)
    changes = change * there[companions.changes.by]  # [P, T]
    ratios = change * (_deviations(changes, companions.changes, exposures) - 0.5 * change)
    ratios = ratios / jnp.square(companions.changes.log_sd)
    evidence = jnp.where((by == k) & there[companions.changes.of], ratios, 0.0)
    slab = slab._replace(log_present=slab.log_present + jnp.sum(evidence, 0, keepdims=True))
    return shifted(slab, jnp.sum(jnp.where(of == k, changes, 0.0), 0, keepdims=True))


def both_present(
    j: ArrayLike, k: ArrayLike, exposures: jax.Array, companions: Companions | None
) -> tuple[ArrayLike, ArrayLike, ArrayLike]:
    """Return what the presence of both of two signatures adds to what each has :func:`beside` the absent other.

    Returns:
        What is added to the log prior, to the mean of ln e of ``j``, and to that of ``k``, [1, 1] or [1, T] each.
    """
    if companions is None:
        return 0.0, 0.0, 0.0
    j, k = jnp.atleast_1d(j), jnp.atleast_1d(k)
    together = jnp.asarray(companions.log_odds, exposures.dtype)[j, k][None]
    if companions.changes is None:
        return together, 0.0, 0.0
    of, by, change = _columns(companions.changes, exposures.dtype)
    by_j, by_k = (jnp.where(by == v[None], change, 0.0) for v in (j, k))  # [P, T]
    to_j, to_k = (jnp.sum(jnp.where(of == v[None], w, 0.0), 0, keepdims=True) for v, w in ((j, by_k), (k, by_j)))
    # of a third signature that both change: the ratio of its densities is not the product of the two of each
    crossed = by_j * (_same(companions.changes) @ by_k) / jnp.square(companions.changes.log_sd)
    third = exposures[companions.changes.of] > 0
    return together - jnp.sum(jnp.where(third, crossed, 0.0), 0, keepdims=True), to_j, to_k


def _others(k: ArrayLike, there: jax.Array) -> jax.Array:
    """True in all rows of ``there`` [S, T] but ``k``, or each sample's own ``k`` [T]."""
    return jnp.arange(len(there))[:, None] != jnp.atleast_1d(k)[None]


def _pairs(k: ArrayLike, there: jax.Array, companions: Companions, dtype: np.dtype) -> jax.Array:
    """Log odds [1, T] that the signatures that are ``there`` [S, T] add to the presence of ``k``."""
    weights = jnp.asarray(companions.log_odds, dtype)[:, jnp.atleast_1d(k)]  # [S, 1] or [S, T]
    return jnp.sum(weights * there, 0, keepdims=True)


def _columns(changes: SizeChanges, dtype: np.dtype) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Numbers of the signatures that change and that change them, and the changes, [P, 1] each."""
    of, by = (jnp.asarray(v)[:, None] for v in (changes.of, changes.by))
    return of, by, jnp.asarray(changes.change, dtype)[:, None]


def _same(changes: SizeChanges) -> jax.Array:
    """[P, P], 1 for two changes of the same signature."""
    of = jnp.asarray(changes.of)
    return (of[:, None] == of[None]).astype(jnp.float32)


def _deviations(changed: jax.Array, changes: SizeChanges, exposures: jax.Array) -> jax.Array:
    """ln e [P, T] of the signatures that change, less its mean with what is ``changed`` [P, T]; of absent ones any number."""
    amounts = exposures[jnp.asarray(changes.of)]
    logs = jnp.log(jnp.where(amounts > 0, amounts, 1.0))
    return logs - changes.log_mean - _same(changes).astype(changed.dtype) @ changed
