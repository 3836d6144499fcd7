"""Maximum-likelihood exposures of known signatures, all samples at once, and the scatter of the counts about them.

All arithmetic is in float64: at 1e7 mutations float32 resolves the log likelihood to 1, and intervals are cut at
differences of 1.92.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

BACKGROUND = 1e-6
"""Mutations added to every mean in a logarithm, so that one stray count in a channel of zeros does not rule a fit out."""

GAP = 1e-6
"""Default of :attr:`NewtonOptions.gap`."""

ROUNDING = 1 / 12
"""Variance of rounding to whole numbers."""

# A block of samples is as large as memory allows: 2**22 float64 in its largest array are 32 MB. It has at least 64 samples.
_BLOCK = 2**22
_LEAST_BLOCK = 64

_Values = TypeVar("_Values", jax.Array, np.ndarray)


@dataclasses.dataclass(frozen=True)
class NewtonOptions:
    """Constants of the search for the maximum of the likelihood.

    Attributes:
        em_steps: steps of EM before Newton's: these are safe far from the maximum, where the quadratic model is poor.
        max_steps: most steps of Newton's method, a guard against a search that never ends.
        halvings: most halvings of a step that lowers the likelihood.
        gap: gain of log likelihood promised by the last step, in nats; half of it was left before the step was taken.
            Intervals are cut at differences of 1.92, so 1e-6 is far below what matters.
        damping: least multiple of the diagonal added to the curvature: nothing, but for rounding.
        margin: distance from 0, in standard deviations, within which an exposure that heads for 0 moves by itself.
    """

    em_steps: int = 20
    max_steps: int = 100
    halvings: int = 12
    gap: float = GAP
    damping: float = 1e-9
    margin: float = 0.1


class Maximum(NamedTuple):
    """A fit by maximum likelihood.

    Attributes:
        exposures: [T, S] in mutations.
        log_likelihood: [T] nats, without terms in x alone.
        gap: [T] nats that the last step promised; see :class:`NewtonOptions`.
    """

    exposures: np.ndarray
    log_likelihood: np.ndarray
    gap: np.ndarray


def _log_likelihood(x: jax.Array, mean: jax.Array, size: jax.Array | None) -> jax.Array:
    """ln p(x | mean) [T] without terms in x alone; Poisson for a ``size`` of ``None``."""
    if size is None:
        return jnp.sum(x * jnp.log(mean + BACKGROUND) - mean, 1)
    return jnp.sum(x * jnp.log(mean + BACKGROUND) - (x + size) * jnp.log1p(mean / size), 1)


def slope_by_mean(x: _Values, mean: _Values, size: jax.Array | float | None) -> _Values:
    """Derivative of the log likelihood by the mean, [T, M]; Poisson for a ``size`` of ``None``."""
    share = x / (mean + BACKGROUND)
    return share - 1 if size is None else share - (x + size) / (mean + size)


def _slope(x: jax.Array, mean: jax.Array, size: jax.Array | None) -> tuple[jax.Array, jax.Array]:
    """Derivative of the log likelihood by the mean and a positive curvature, [T, M] each.

    The curvature is the observed one under Poisson. Under negative binomial the observed one may be negative, so it is
    at least a tenth of the expected one.
    """
    slope, curved = slope_by_mean(x, mean, size), x / (mean + BACKGROUND) ** 2
    if size is None:
        return slope, curved
    observed = curved - (x + size) / (mean + size) ** 2
    return slope, jnp.maximum(observed, 0.1 / (mean + BACKGROUND + mean**2 / size))


_Halving = tuple[jax.Array, jax.Array, jax.Array, jax.Array | int]
"""Lengths of the steps, exposures after them, their log likelihoods, and the number of halvings."""


class _Search(NamedTuple):
    exposures: jax.Array
    value: jax.Array
    gap: jax.Array
    damping: jax.Array  # [T], of the curvature, relative to its diagonal
    step: jax.Array | int


class _Step(NamedTuple):
    """Direction [T, S] of a Newton step, gradient [T, S], exposures that move and those that move together, [T, S] of bool."""

    direction: jax.Array
    gradient: jax.Array
    moving: jax.Array
    joint: jax.Array


def _means(e: jax.Array, signatures: jax.Array) -> jax.Array:
    """Means [T, M] of exposures [T, S] to signatures [S, M], or [T, S, M] where each sample has its own."""
    return e @ signatures if signatures.ndim == 2 else jnp.einsum("ts,tsm->tm", e, signatures)


def _by_exposure(by_mean: jax.Array, signatures: jax.Array) -> jax.Array:
    """Derivatives by the exposures [T, S] from those by the means [T, M]."""
    return by_mean @ signatures.T if signatures.ndim == 2 else jnp.einsum("tm,tsm->ts", by_mean, signatures)


def _newton_step(
    search: _Search,
    x: jax.Array,
    signatures: jax.Array,
    outer: jax.Array | None,
    free: jax.Array,
    size: jax.Array | None,
    options: NewtonOptions,
) -> _Step:
    """Find the step from ``search``; ``outer`` [M, S S] are the products of all pairs of signatures all samples share."""
    count, e = signatures.shape[-2], search.exposures
    slope, weight = _slope(x, _means(e, signatures), size)
    gradient = _by_exposure(slope, signatures)
    if outer is None:
        hessian = (signatures * weight[:, None, :]) @ jnp.swapaxes(signatures, 1, 2)
    else:
        hessian = (weight @ outer).reshape(-1, count, count)
    # exposures in standard deviations: the curvature has a diagonal of 1, whatever the burden
    scale = jax.lax.rsqrt(jnp.maximum(jnp.diagonal(hessian, axis1=1, axis2=2), 1e-30))
    moving = free & ((e > 0) | (gradient > 0))
    # an exposure about to reach 0 moves on its own: a common step would be cut for all
    reach = jnp.abs(jnp.maximum(e / scale + gradient * scale, 0) - e / scale)
    margin = jnp.minimum(jnp.max(jnp.where(moving, reach, 0), 1, keepdims=True), options.margin)
    joint = moving & ((e / scale > margin) | (gradient > 0))
    both = joint[:, :, None] & joint[:, None, :]
    curvature = jnp.where(both, hessian * scale[:, :, None] * scale[:, None, :], 0.0)
    curvature = curvature + (jnp.where(joint, search.damping[:, None], 1.0)[:, :, None] * jnp.eye(count)[None])
    right = jnp.where(moving, gradient * scale, 0.0)
    direction = jnp.linalg.solve(curvature, right[..., None])[..., 0] * scale
    return _Step(direction, gradient, moving, joint)


@functools.partial(jax.jit, static_argnames="options")
def newton_search(
    x: jax.Array,
    signatures: jax.Array,
    start: jax.Array,
    free: jax.Array,
    size: jax.Array | None,
    options: NewtonOptions,
) -> _Search:
    """Projected Newton (Bertsekas 1982) from ``start`` [T, S], in the coordinates ``free`` [T, S] only, after steps of EM.

    An exposure at 0 whose gradient keeps it there is held. One near 0 whose gradient leads there moves by its own
    curvature. The others take Newton's step. All steps are cut at 0 and halved until the log likelihood increases.
    """
    outer = None
    if signatures.ndim == 2:
        count = signatures.shape[0]
        outer = (signatures[:, None, :] * signatures[None, :, :]).reshape(count * count, -1).T

    def em(_: jax.Array, e: jax.Array) -> jax.Array:
        return jnp.where(free, e * _by_exposure(x / (_means(e, signatures) + BACKGROUND), signatures), e)

    def value(e: jax.Array) -> jax.Array:
        return _log_likelihood(x, _means(e, signatures), size)

    def advance(search: _Search) -> _Search:
        e = search.exposures
        direction, gradient, moving, joint = _newton_step(search, x, signatures, outer, free, size, options)

        def tried(length: jax.Array) -> tuple[jax.Array, jax.Array]:
            new = jnp.where(moving, jnp.maximum(e + length[:, None] * direction, 0.0), e)
            return new, value(new)

        def worse(state: _Halving) -> jax.Array:
            _, _, values, i = state
            return jnp.any(~(values >= search.value)) & (i < options.halvings)

        def halved(state: _Halving) -> _Halving:
            length, _, values, i = state
            length = jnp.where(values >= search.value, length, 0.5 * length)
            return length, *tried(length), i + 1

        length = jnp.ones_like(search.value)
        _, new, values, _ = jax.lax.while_loop(worse, halved, (length, *tried(length), 0))
        better = values > search.value
        e = jnp.where(better[:, None], new, e)
        # the step's promise is near the maximum twice its gain; once the value is down to rounding no step is better
        promise = jnp.sum(gradient * jnp.where(joint, direction, jnp.maximum(direction, -e)) * moving, 1)
        # with fewer mutations than signatures there are directions without curvature: damped until a step is better
        damping = jnp.where(better, jnp.maximum(0.1 * search.damping, options.damping), 30 * search.damping)
        return _Search(e, jnp.where(better, values, search.value), promise, damping, search.step + 1)

    e = jax.lax.fori_loop(0, options.em_steps, em, start)
    first = _Search(e, value(e), jnp.full(len(x), jnp.inf), jnp.full(len(x), options.damping), 0)
    return jax.lax.while_loop(lambda s: jnp.any(s.gap > options.gap) & (s.step < options.max_steps), advance, first)


def maximum_likelihood(
    x: np.ndarray,
    signatures: np.ndarray,
    *,
    size: float | None = None,
    start: np.ndarray | None = None,
    free: np.ndarray | None = None,
    options: NewtonOptions = NewtonOptions(),
) -> Maximum:
    """Exposures >= 0 that maximise the likelihood of x [T, M], Poisson or negative binomial of known ``size``.

    Args:
        x: counts.
        signatures: [S, M].
        size: of the negative binomial; ``None`` for Poisson.
        start: [T, S] of the search; an exposure of 0 there stays 0 during the steps of EM.
        free: [T, S] of bool; the others stay at their start.
        options: constants of the search.
    """
    samples, count = len(x), len(signatures)
    if start is None:
        start = np.repeat(np.sum(x, 1, keepdims=True) / count, count, 1)
    free = np.ones((samples, count), bool) if free is None else free
    width = 1 << (max(_LEAST_BLOCK, _BLOCK // max(count * count, x.shape[1])).bit_length() - 1)
    found = []
    with jax.enable_x64(True):
        s = jnp.asarray(signatures, jnp.float64)
        given = None if size is None else jnp.asarray(size, jnp.float64)
        for rows in (slice(i, i + width) for i in range(0, samples, width)):
            arrays = (np.asarray(x[rows], np.float64), np.asarray(start[rows], np.float64), free[rows])
            # few compiled programs: a block is filled up to a power of two with samples without counts
            short = max(_LEAST_BLOCK, 1 << (len(arrays[0]) - 1).bit_length()) - len(arrays[0])
            block = [np.concatenate([a, np.zeros((short, *a.shape[1:]), a.dtype)]) for a in arrays]
            state = newton_search(block[0], s, block[1], block[2], given, options)
            found.append([np.asarray(v)[: len(arrays[0])] for v in state[:3]])
    exposures, value, gap = (np.concatenate(columns) for columns in zip(*found, strict=True))
    return Maximum(exposures, value, gap)


def deviance(x: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Poisson deviance [T] of counts [T, M]: 2 sum x ln(x / mean) - (x - mean) (McCullagh and Nelder 1989)."""
    from scipy.special import xlogy

    return 2 * np.sum(xlogy(x, np.where(x > 0, x, 1.0) / (mean + BACKGROUND)) - (x - mean), axis=1)
