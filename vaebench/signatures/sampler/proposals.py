"""Proposals for one exposure, and for two exposures that keep their sum, close to their full conditional distributions.

1. The likelihood is approximated as Gaussian in the exposure, N(centre, sd^2), but falls by no more than ``steepest`` a
   mutation above the centre: a Poisson likelihood falls by at most 1 / dispersion, and does so where nothing was counted.
2. Likelihood times log-normal slab is evaluated at the middle of each of ``cells`` cells of a grid (:class:`GridOptions`);
   an exposure of exactly 0 is an atom in addition to the grid.
3. A draw picks the atom or a cell in proportion to these weights, and a uniform place in the cell.
4. The log ratio of the proposal densities of the new and the old value is returned with the draw, so that one Metropolis step
   makes the result exact (:mod:`vaebench.signatures.sampler.gibbs`).

Arrays are [1, T], one sample a column, or [cells, T]. The grids are float32, for they only propose.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

_HALF_LOG_TWO_PI = 0.9189385332046727


@dataclasses.dataclass(frozen=True)
class GridOptions:
    """Constants of the grids. A Metropolis step corrects the proposals: they change the share accepted, not the posterior.

    Attributes:
        cells: cells of a grid: each is 0.6 standard deviations wide where the likelihood alone decides.
        wide: half width of the grid in standard deviations of the likelihood and of the slab: both densities are down to 4e-6
            there, and at the end of a likelihood that falls more slowly.
        narrow: smallest extent of a grid, for a likelihood and a prior that hardly overlap.
        nothing: standard deviations: the data cannot tell a smaller exposure from 0.
        lost: log weight of a cell, relative to the largest, that counts as off the grid.
    """

    cells: int = 16
    wide: float = 5.0
    narrow: float = 1e-3
    nothing: float = 1e-9
    lost: float = -30.0


GRID = GridOptions()
"""The defaults."""


class Slab(NamedTuple):
    """Prior of an exposure, arrays [1, T] or [1, 1] each; made by :func:`slab_of`.

    Attributes:
        log_mean: mean of ln(exposure) given that it is above 0.
        log_sd: standard deviation of ln(exposure) given that it is above 0.
        log_present: ln of the probability that it is above 0, minus ln(log_sd sqrt(2 pi)).
        log_absent: ln of the probability that it is 0.
        low: lower end of the grid.
        high: upper end of the grid.
    """

    log_mean: jax.Array
    log_sd: jax.Array
    log_present: jax.Array
    log_absent: jax.Array
    low: jax.Array
    high: jax.Array


def slab_of(presence: jax.Array, log_mean: jax.Array, log_sd: jax.Array) -> Slab:
    """Slab of given P(present), mean and standard deviation of ln(exposure), with its logarithms computed once."""
    scale = jnp.log(presence) - jnp.log(log_sd) - _HALF_LOG_TWO_PI
    ends = (jnp.exp(log_mean - GRID.wide * log_sd), jnp.exp(log_mean + GRID.wide * log_sd))
    return Slab(log_mean, log_sd, scale, jnp.log1p(-presence), *ends)


def shifted(slab: Slab, shift: ArrayLike) -> Slab:
    """``slab`` with ``shift`` added to the mean of ln(exposure)."""
    factor = jnp.exp(shift)
    return slab._replace(log_mean=slab.log_mean + shift, low=slab.low * factor, high=slab.high * factor)


class Proposal(NamedTuple):
    """A proposed move, arrays [1, T] each.

    Attributes:
        exposure: the proposed value.
        log_ratio: log q(new) - log q(old).
        outside: true where the old value lies off the grid, or is 0 where 0 has no weight. Such a value has a posterior mass
            below 1e-5 and is left at once.
        presence: P(above 0) under the proposal.
    """

    exposure: jax.Array
    log_ratio: jax.Array
    outside: jax.Array
    presence: jax.Array


def slab_log_density(exposure: jax.Array, slab: Slab) -> jax.Array:
    """ln of the probability of presence times the log-normal density, for exposures above 0."""
    log = jnp.log(exposure)
    return slab.log_present - log - 0.5 * jnp.square((log - slab.log_mean) / slab.log_sd)


def prior_log_density(exposure: jax.Array, slab: Slab) -> jax.Array:
    """ln of the prior: of its density for exposures above 0, of its atom for exposures of 0."""
    above = exposure > 0
    return jnp.where(above, slab_log_density(jnp.where(above, exposure, 1.0), slab), slab.log_absent)


def _chosen(uniform: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Position [1, T] drawn in proportion to ``weights`` [n, T], and the sum [1, T] of the weights."""
    # a few additions are faster than a cumulative sum
    sums = [weights[:1]]
    for i in range(1, len(weights)):
        sums.append(sums[-1] + weights[i : i + 1])
    passed = jnp.concatenate(sums[:-1]) <= uniform * sums[-1]
    return jnp.sum(passed.astype(jnp.int32), 0, keepdims=True), sums[-1]


def _log_likelihood(z: jax.Array, bend: jax.Array) -> jax.Array:
    """Log likelihood ``z`` standard deviations above the centre: that of a Gaussian, and a straight line above ``bend``."""
    return jnp.where(z > bend, bend * (0.5 * bend - z), -0.5 * z * z)


def _upper_end(centre: jax.Array, sd: jax.Array, bend: jax.Array, grid: GridOptions) -> jax.Array:
    """Exposure at which the likelihood is down by ``grid.wide``^2 / 2 from its largest value among exposures of 0 and more."""
    fall = 0.5 * grid.wide * grid.wide
    root = jnp.sqrt(centre * centre + 2 * fall * sd * sd)
    below = jnp.minimum(centre, 0)
    curved = jnp.where(centre > 0, centre + grid.wide * sd, 2 * fall * sd * sd / (root - below))
    knee = centre + bend * sd
    left = fall + 0.5 * (jnp.square(below / sd) - bend * bend)  # after the knee
    straight = jnp.where(knee > 0, knee + left * sd / bend, fall * sd / bend)
    return jnp.where((left > 0) | (knee <= 0), straight, curved)


def _range(
    centre: jax.Array, sd: jax.Array, bend: jax.Array, slab: Slab, grid: GridOptions
) -> tuple[jax.Array, jax.Array]:
    """Ends of the grid of one exposure: where likelihood and slab both matter, and in between where they do not meet."""
    low = jnp.maximum(jnp.maximum(centre - grid.wide * sd, slab.low), grid.nothing * sd)
    high = jnp.minimum(_upper_end(centre, sd, bend, grid), slab.high)
    ends = jnp.minimum(low, high), jnp.maximum(low, high)
    return jnp.maximum(ends[0], grid.nothing * sd), jnp.maximum(ends[1], grid.nothing * sd)


def single(
    uniforms: jax.Array,
    old: jax.Array,
    centre: jax.Array,
    sd: jax.Array,
    slab: Slab,
    grid: GridOptions = GRID,
    steepest: ArrayLike = np.inf,
) -> Proposal:
    """Propose one exposure with a likelihood near N(centre, sd^2): an atom at 0 and a grid over the slab.

    The grid is even in w with exposure = sd ln(1 + e^w): logarithmic well below sd, where the slab varies, and linear above
    it, where the likelihood varies. Everything is computed relative to ``centre``, which may be 1e6 standard deviations
    from 0.

    Args:
        uniforms: two arrays [1, T] between 0 and 1.
        old: [1, T] present value.
        centre: [1, T], any sign.
        sd: [1, T], above 0.
        slab: prior of this signature.
        grid: constants of the grid.
        steepest: scalar or [1, T], the most that the log likelihood falls in a mutation; infinite for a Gaussian one.
    """
    bend = sd * steepest
    low, high = _range(centre, sd, bend, slab, grid)
    origin = jnp.maximum(centre / sd, 0)

    def warped(exposure: jax.Array) -> jax.Array:  # w - origin
        scaled = exposure / sd
        return (scaled - origin) + jnp.log(-jnp.expm1(-scaled))

    start = warped(low)
    step = jnp.maximum(warped(high) - start, grid.narrow) / grid.cells
    small = jnp.float32
    places = (jnp.arange(grid.cells, dtype=small) + 0.5)[:, None]
    z = start.astype(small) + step.astype(small) * places
    origin_, log_sd_ = origin.astype(small), jnp.log(sd).astype(small)
    w = origin_ + z
    decay = jnp.exp(-jnp.abs(w))
    tail = jnp.log1p(decay)
    beyond = jnp.where(w > 0, z, -origin_) + tail  # exposure / sd - origin
    scaled = jnp.where(w > 0, w + tail, tail)  # exposure / sd, which origin + beyond would round to 0
    log_scaled = jnp.log(scaled)
    slope = jnp.where(w > 0, 1.0, decay) / (1 + decay)  # d (exposure / sd) / d w
    off = (origin - centre / sd).astype(small)  # 0 unless the centre is negative
    deviation = (log_scaled + log_sd_ - slab.log_mean.astype(small)) / slab.log_sd.astype(small)
    bend_ = bend.astype(small)
    log_weights = _log_likelihood(beyond + off, bend_) - _log_likelihood(off - origin_, bend_) - 0.5 * deviation**2
    log_atom = (slab.log_absent - slab.log_present - jnp.log(step)).astype(small)
    top = jnp.maximum(jnp.max(log_weights, 0, keepdims=True), log_atom)
    weights = jnp.exp(log_weights - top) * slope / scaled
    atom = jnp.exp(log_atom - top)

    position, total = _chosen(uniforms[0], jnp.concatenate([atom, weights]))
    cell = jnp.maximum(position - 1, 0)
    drawn = start + (cell + uniforms[1]) * step
    excess = jnp.log1p(jnp.exp(-jnp.abs(drawn + origin)))
    value = sd * jnp.where(drawn + origin > 0, origin + drawn + excess, excess)
    new = jnp.where((position > 0) & (value > 0), value, 0.0)

    log_cells, log_atom_q = jnp.log(weights), log_atom - top

    def log_q(exposure: jax.Array, cell: jax.Array) -> jax.Array:
        above = exposure > 0
        slope = -jnp.expm1(-jnp.where(above, exposure, 1.0) / sd) * sd
        return jnp.where(above, _at(log_cells, cell) - jnp.log(step * slope), log_atom_q)

    above = old > 0
    place = jnp.floor((warped(jnp.where(above, old, 1.0)) - start) / step).astype(jnp.int32)
    held = jnp.clip(place, 0, grid.cells - 1)
    off_grid = (place < 0) | (place >= grid.cells) | (_at(log_cells, held) < grid.lost)
    outside = jnp.where(above, off_grid, log_atom_q < grid.lost)
    ratio = log_q(new, cell) - log_q(old, held)
    return Proposal(new, ratio, outside, (total - atom) / total)


def shared(
    uniforms: jax.Array,
    old: jax.Array,
    total: jax.Array,
    centre: jax.Array,
    sd: jax.Array,
    first: Slab,
    second: Slab,
    grid: GridOptions = GRID,
    steepest: ArrayLike = np.inf,
    alone: tuple[Slab, Slab] | None = None,
) -> Proposal:
    """Propose the first of two exposures that keep their sum: atoms at 0 and at ``total``, a grid in between.

    This step exchanges two similar signatures. Moving one exposure at a time would have to pass through unlikely states.

    Args:
        uniforms: two arrays [1, T] between 0 and 1.
        old: [1, T] present value of the first exposure.
        total: [1, T] sum of the two, above 0.
        centre: [1, T] of the Gaussian likelihood of the first exposure given the sum, any sign.
        sd: [1, T], above 0.
        first: prior of the first exposure.
        second: prior of the second exposure.
        grid: constants of the grid.
        steepest: as in :func:`single`, on either side.
        alone: priors of the first and of the second where the other one is 0; ``None`` if they are the same.
    """
    bend = sd * steepest
    low = jnp.maximum(total - _upper_end(total - centre, sd, bend, grid), 0)
    high = jnp.minimum(_upper_end(centre, sd, bend, grid), total)
    step = (high - low) / grid.cells
    small = jnp.float32

    def narrowed(slab: Slab) -> Slab:
        return Slab(*(jnp.asarray(v).astype(small) for v in slab))

    places = (jnp.arange(grid.cells, dtype=small) + 0.5)[:, None]
    low_, step_, total_ = (v.astype(small) for v in (low, step, total))
    one, two = narrowed(first), narrowed(second)
    one_alone, two_alone = (one, two) if alone is None else (narrowed(v) for v in alone)
    values = low_ + step_ * places
    least = total_ * 1e-7

    def fit(z: jax.Array) -> jax.Array:
        return _log_likelihood(jnp.abs(z), bend).astype(small)

    cells = fit(((low - centre) / sd).astype(small) + (step / sd).astype(small) * places)
    log_weights = cells + slab_log_density(jnp.maximum(values, least), one) + jnp.log(step_)
    log_weights = log_weights + slab_log_density(jnp.maximum(total_ - values, least), two)
    log_none = fit(centre / sd) + one.log_absent + slab_log_density(total_, two_alone)
    log_all = fit((total - centre) / sd) + two.log_absent
    log_all = log_all + slab_log_density(total_, one_alone)
    top = jnp.maximum(jnp.max(log_weights, 0, keepdims=True), jnp.maximum(log_none, log_all))
    log_weights, log_none, log_all = log_weights - top, log_none - top, log_all - top

    position, _ = _chosen(uniforms[0], jnp.exp(jnp.concatenate([log_none, log_weights, log_all])))
    cell = jnp.clip(position - 1, 0, grid.cells - 1)
    inner = low + (cell + uniforms[1]) * step
    new = jnp.where(position == 0, 0.0, jnp.where(position == grid.cells + 1, total, inner))

    def log_q(value: jax.Array, cell: jax.Array) -> jax.Array:
        inside = _at(log_weights, cell) - jnp.log(step)
        return jnp.where(value <= 0, log_none, jnp.where(value >= total, log_all, inside))

    place = jnp.floor((old - low) / step).astype(jnp.int32)
    held = jnp.clip(place, 0, grid.cells - 1)
    off = (place < 0) | (place >= grid.cells) | (_at(log_weights, held) < grid.lost)
    outside = (old > 0) & (old < total) & off
    ratio = log_q(new, cell) - log_q(old, held)
    return Proposal(new, ratio, outside, jnp.ones_like(total))


def _at(rows: jax.Array, position: jax.Array) -> jax.Array:
    """Entries [1, T] of ``rows`` [cells, T] at ``position`` [1, T]."""
    return jnp.take_along_axis(rows, position, axis=0)


def uniforms(key: jax.Array, shape: tuple[int, ...], dtype: np.dtype) -> jax.Array:
    """Random numbers strictly between 0 and 1, drawn as float32 and returned as ``dtype``."""
    return jax.random.uniform(key, shape, jnp.float32, minval=1e-7).astype(dtype)
