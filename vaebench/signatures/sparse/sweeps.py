"""One Gibbs sweep over the exposures in a Gaussian likelihood, at a cost that does not grow with the number of channels.

The moves of :func:`vaebench.signatures.sampler.gibbs.swept` with noise ``"gaussian"``: each signature by itself, then as many
random pairs that keep their sum, similar ones more often. There the residual [M, T] is carried along; here its projections are.
With weights w_tc = 1 / v_tc,

    pull_kt = sum_c S_kc w_tc (x_tc - mean_tc),   curvature_jkt = sum_c S_jc S_kc w_tc

and a change d of e_k takes curvature_jk d from pull_j, for all j. Signatures are few where channels are 96, so a move costs a
fifth, and one product of matrices prepares a sweep. Rows of padding are not visited.

Arrays of a sweep are [S, T], one sample a column.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.signatures.kl_nmf import TINY
from vaebench.signatures.sampler.problem import Prior
from vaebench.signatures.sampler.proposals import (
    GridOptions,
    Proposal,
    Slab,
    prior_log_density,
    shared,
    single,
    slab_of,
    uniforms,
)
from vaebench.signatures.sparse.options import SparseOptions


class _Walk(NamedTuple):
    """State within a sweep: exposures [S, T] and pull [S, T]."""

    exposures: jax.Array
    pull: jax.Array


class _Conditional(NamedTuple):
    """Centre and standard deviation [1, T] of the likelihood of one coordinate."""

    centre: jax.Array
    sd: jax.Array


def pair_positions(count: int) -> np.ndarray:
    """Position [S, S] of each pair of signatures in an array that holds pair (j, k) and (k, j) once.

    Pairs of the first signatures come first.
    """
    place = np.zeros((count, count), np.int32)
    rows, columns = np.tril_indices(count)
    place[rows, columns] = place[columns, rows] = np.arange(len(rows))
    return place


def pair_products(rows: jax.Array) -> jax.Array:
    """Products [P, N] of all pairs of ``rows`` [S, N], in the order of :func:`pair_positions`."""
    first, second = np.tril_indices(len(rows))
    return rows[first] * rows[second]


def pair_sums(rows: jax.Array, weight: jax.Array, count: jax.Array) -> jax.Array:
    """Sums [P, Q] over N of the products of all pairs of ``rows`` [S, N], times ``weight`` [N, Q].

    Rows from ``count`` on are zeros. If that is the second half, its pairs, three quarters of all, are left out.
    """
    half = len(rows) // 2
    left_out = len(rows) * (len(rows) + 1) // 2 - half * (half + 1) // 2

    def first_half() -> jax.Array:
        return jnp.pad(pair_products(rows[:half]) @ weight, ((0, left_out), (0, 0)))

    return jax.lax.cond(count <= half, first_half, lambda: pair_products(rows) @ weight)


def sparse_sweep(
    key: jax.Array,
    x: jax.Array,
    signatures: jax.Array,
    variance: jax.Array,
    exposures: jax.Array,
    prior: Prior,
    count: jax.Array,
    options: SparseOptions,
) -> jax.Array:
    """Exposures [T, S] after one sweep.

    Args:
        key: random key.
        x: [T, M] counts.
        signatures: [S, M]; all that are not padding come first.
        variance: [T, M] of x.
        exposures: [T, S] before the sweep.
        prior: [S], of the exposures.
        count: signatures that are not padding.
        options: ``grid_cells``, ``grid_width`` and ``pair_floor`` are used.
    """
    grid = GridOptions(cells=options.grid_cells, wide=options.grid_width)
    weight = (1 / variance).T
    place = jnp.asarray(pair_positions(len(signatures)))
    pairs = pair_sums(signatures, weight, count)  # each pair once: an einsum over all of them takes five times as long
    pull = signatures @ ((x - exposures @ signatures).T * weight)
    slabs = slab_of(*(jnp.asarray(values)[:, None] for values in prior))
    random = _random(key, len(signatures), 6 * len(x) + 1, count)
    u, v = random[:, :-1].reshape(-1, 2, 3, 1, len(x)).swapaxes(0, 1)
    walk = _Walk(exposures.T, pull)
    walk = jax.lax.fori_loop(0, count, lambda k, walk: _one(k, walk, u[k], pairs[place[k]], _of(slabs, k), grid), walk)

    firsts, seconds = (jnp.asarray(each) for each in np.triu_indices(len(signatures)))
    whitened = signatures / jnp.sqrt(jnp.mean(variance, 0))[None]
    unit = whitened / jnp.maximum(jnp.linalg.norm(whitened, axis=1, keepdims=True), TINY)
    chance = jnp.square((unit @ unit.T)[firsts, seconds]) + options.pair_floor
    sums = jnp.cumsum(jnp.where((firsts < seconds) & (seconds < count), chance, 0.0))
    picked = jnp.searchsorted(sums, random[:, -1] * sums[-1], side="right")

    def two(i: jax.Array, walk: _Walk) -> _Walk:
        j, k = firsts[picked[i]], seconds[picked[i]]
        return _two(j, k, walk, v[i], pairs[place[j]] - pairs[place[k]], _of(slabs, j), _of(slabs, k), grid)

    walk = jax.lax.fori_loop(0, jnp.where(count > 1, count, 0), two, walk)
    return walk.exposures.T


def _random(key: jax.Array, rows: int, size: int, count: jax.Array) -> jax.Array:
    """Random numbers [rows, size] between 0 and 1, and zeros from row ``count`` on.

    A loop, since numbers for padding would take as long as all else of a sweep's start, and since the generator takes half a
    second to compile wherever it is called.
    """

    def one(k: jax.Array, random: jax.Array) -> jax.Array:
        return random.at[k].set(uniforms(jax.random.fold_in(key, k), (size,), random.dtype))

    return jax.lax.fori_loop(0, count, one, jnp.zeros((rows, size), jnp.float32))


def _of(slabs: Slab, k: jax.Array) -> Slab:
    """The slab [1, 1] of signature ``k``."""
    return Slab(*(_row(values, k) for values in slabs))


def _row(rows: jax.Array, k: jax.Array) -> jax.Array:
    return jax.lax.dynamic_slice_in_dim(rows, k, 1)


def _line(at: jax.Array, pull: jax.Array, precision: jax.Array) -> _Conditional:
    precision = jnp.maximum(precision, 1e-30)
    return _Conditional(at + pull / precision, jax.lax.rsqrt(precision))


def _accepted(
    line: _Conditional, old: jax.Array, proposal: Proposal, prior_gain: jax.Array, uniform: jax.Array
) -> jax.Array:
    """Accept or refuse [1, T] a move by the Metropolis-Hastings rule (Hastings 1970)."""
    new = proposal.exposure
    gain = -0.5 * (new - old) * (new + old - 2 * line.centre) / (line.sd * line.sd)
    return (jnp.log(uniform) < gain + prior_gain - proposal.log_ratio) | proposal.outside


def _one(k: jax.Array, walk: _Walk, u: jax.Array, own: jax.Array, slab: Slab, grid: GridOptions) -> _Walk:
    """Draw the exposures to signature ``k`` given all others; ``own`` [S, T] is its curvature with each."""
    old = _row(walk.exposures, k)
    line = _line(old, _row(walk.pull, k), _row(own, k))
    proposal = single(u[:2], old, *line, slab, grid)
    prior_gain = prior_log_density(proposal.exposure, slab) - prior_log_density(old, slab)
    new = jnp.where(_accepted(line, old, proposal, prior_gain, u[2]), proposal.exposure, old)
    return _Walk(walk.exposures.at[k].set(new[0]), walk.pull - own * (new - old))


def _two(
    j: jax.Array,
    k: jax.Array,
    walk: _Walk,
    u: jax.Array,
    own: jax.Array,
    first: Slab,
    second: Slab,
    grid: GridOptions,
) -> _Walk:
    """Draw the shares of signatures ``j`` and ``k`` given their sum and all others.

    ``own`` [S, T] is the difference of their curvatures.
    """
    old, other = _row(walk.exposures, j), _row(walk.exposures, k)
    some = old + other > 0
    total = jnp.where(some, old + other, 1.0)
    line = _line(old, _row(walk.pull, j) - _row(walk.pull, k), _row(own, j) - _row(own, k))
    proposal = shared(u[:2], old, total, *line, first, second, grid)
    left = jnp.where(proposal.exposure >= total, 0.0, total - proposal.exposure)
    prior_gain = prior_log_density(proposal.exposure, first) + prior_log_density(left, second)
    prior_gain = prior_gain - prior_log_density(old, first) - prior_log_density(other, second)
    taken = some & _accepted(line, old, proposal, prior_gain, u[2])
    new, left = jnp.where(taken, proposal.exposure, old), jnp.where(taken, left, other)
    moved = walk.exposures.at[j].set(new[0]).at[k].set(left[0])
    return _Walk(moved, walk.pull - own * (new - old))
