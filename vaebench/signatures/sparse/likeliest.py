"""Exposures of highest likelihood on a given support, by the updates of KL-NMF with extrapolation."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from vaebench.signatures.kl_nmf import TINY, exposure_update
from vaebench.training.compiled import compiled

_LEAST = 0.1  # of an exposure that an extrapolation leaves at least: updates cannot leave 0, and a step may go too far


class _Cycle(NamedTuple):
    """State between cycles: exposures after the extrapolation and before it, and the divergence [T, 1] to beat."""

    exposures: jax.Array
    before: jax.Array
    divergence: jax.Array


@compiled()
def likeliest_exposures(
    x: jax.Array, signatures: jax.Array, exposures: jax.Array, cycles: int, weight: jax.Array | None = None
) -> jax.Array:
    """Exposures [T, S] near the maximum of the Poisson likelihood, from positive ones; those that are 0 stay 0.

    A cycle is two updates and an extrapolation along them, with a step of each sample's own. One that makes the sample less
    likely than the cycle began is taken back, so that the likelihood cannot fall. A cycle costs three updates and does the work
    of eight and more.

    Source: Varadhan and Roland 2008 (SQUAREM, step S3).

    Args:
        x: [T, M] counts.
        signatures: [S, M]; rows that sum to 1, or to 0 for padding.
        exposures: [T, S] to start from.
        cycles: their number.
        weight: [T, M], of each count; 1 without.
    """

    def divergence(exposures: jax.Array) -> jax.Array:
        mean = exposures @ signatures
        # against the counts: sums of mean - x ln(mean) itself are too large for float32
        terms = mean - x + x * jnp.log(jnp.where(x > 0, x, 1.0) / jnp.where(x > 0, jnp.maximum(mean, TINY), 1.0))
        return jnp.sum(terms if weight is None else weight * terms, 1, keepdims=True)

    def kept(state: _Cycle) -> tuple[jax.Array, jax.Array]:
        now = divergence(state.exposures)
        worse = now > state.divergence
        return jnp.where(worse, state.before, state.exposures), jnp.where(worse, state.divergence, now)

    def one(_: int, state: _Cycle) -> _Cycle:
        start, reached = kept(state)
        first = exposure_update(x, signatures, start, 1.0, weight=weight)
        second = exposure_update(x, signatures, first, 1.0, weight=weight)
        change = first - start
        bend = second - first - change
        length, turn = (jnp.sum(jnp.square(v), 1, keepdims=True) for v in (change, bend))
        step = jnp.maximum(jnp.sqrt(length / jnp.maximum(turn, TINY)), 1.0)
        far = start + 2 * step * change + step * step * bend
        return _Cycle(jnp.where(second > 0, jnp.maximum(far, _LEAST * second), 0.0), second, reached)

    start = _Cycle(exposures, exposures, jnp.full((len(x), 1), jnp.inf, x.dtype))
    return kept(jax.lax.fori_loop(0, cycles, one, start))[0]
