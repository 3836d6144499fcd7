"""Maximum-likelihood exposures of known signatures, all samples at once, and how far the counts scatter about them.

In float64: at 1e7 mutations float32 resolves the log likelihood to 1, and intervals are cut at differences of 1.92.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

BACKGROUND = 1e-6
"""Mutations added to every mean in a logarithm, so that one stray count in a channel of zeros does not rule a fit out."""

GAP = 1e-6
"""Gain of log likelihood promised by Newton's last step, of which half was to be had before it was taken."""

ROUNDING = 1 / 12
"""Variance of rounding to whole numbers."""

_EM_STEPS = 20
_MAX_STEPS = 100
_HALVINGS = 12
_DAMPING = 1e-9
_MARGIN = 0.1  # standard deviations from 0
_BLOCK = 2**22  # elements of the largest array at once, 32 MB
_LEAST_BLOCK = 64
_LARGEST_SIZE = 1e6  # of a negative binomial that is Poisson for all that can be told


class Maximum(NamedTuple):
    """Exposures [T, S], the log likelihood [T] without terms in x alone, and the gain [T] that the last step promised."""

    exposures: np.ndarray
    log_likelihood: np.ndarray
    gap: np.ndarray


class Scatter(NamedTuple):
    """How counts scatter about a fit.

    Attributes:
        dispersion: median over samples of Pearson's chi-squared per degree of freedom; 1 for Poisson counts.
        rounding: variance on top of dispersion x mean: 1/12 where the counts are rounded means, else 0.
        size: of the negative binomial, its variance being mean + mean^2 / size; infinite under Poisson.
        by_sample: [T] chi-squared per degree of freedom under this noise model; NaN without degrees of freedom.
        degrees: [T].
    """

    dispersion: float
    rounding: float
    size: float
    by_sample: np.ndarray
    degrees: np.ndarray


def _log_likelihood(x: Any, mean: Any, size: Any) -> Any:
    """ln p(x | mean) [T], Poisson for a ``size`` of ``None``, terms in x alone left out."""
    if size is None:
        return jnp.sum(x * jnp.log(mean + BACKGROUND) - mean, 1)
    return jnp.sum(x * jnp.log(mean + BACKGROUND) - (x + size) * jnp.log1p(mean / size), 1)


def slope_by_mean(x: Any, mean: Any, size: Any) -> Any:
    """Derivative of the log likelihood by the mean, [T, 96]; Poisson for a ``size`` of ``None``."""
    share = x / (mean + BACKGROUND)
    return share - 1 if size is None else share - (x + size) / (mean + size)


def _slope(x: Any, mean: Any, size: Any) -> tuple[Any, Any]:
    """Derivative of the log likelihood by the mean and a positive curvature, [T, 96] each.

    The curvature is the observed one under Poisson and at least a tenth of the expected one under negative binomial,
    whose observed one may be negative.
    """
    slope, curved = slope_by_mean(x, mean, size), x / (mean + BACKGROUND) ** 2
    if size is None:
        return slope, curved
    observed = curved - (x + size) / (mean + size) ** 2
    return slope, jnp.maximum(observed, 0.1 / (mean + BACKGROUND + mean**2 / size))


class _Search(NamedTuple):
    exposures: Any
    value: Any
    gap: Any
    damping: Any  # [T], of the curvature, relative to its diagonal
    step: Any


@jax.jit
def _search(x: Any, signatures: Any, start: Any, free: Any, size: Any) -> _Search:
    """Projected Newton (Bertsekas 1982) from ``start`` [T, S], in the coordinates ``free`` [T, S] only, after steps of EM.

    An exposure at 0 whose gradient keeps it there is held, one near 0 whose gradient leads there moves by its own
    curvature; the others take Newton's step. All steps are cut at 0 and halved until the log likelihood rises.
    """
    count = signatures.shape[0]
    outer = (signatures[:, None, :] * signatures[None, :, :]).reshape(count * count, -1).T

    def em(_: Any, e: Any) -> Any:
        return jnp.where(free, e * ((x / (e @ signatures + BACKGROUND)) @ signatures.T), e)

    def value(e: Any) -> Any:
        return _log_likelihood(x, e @ signatures, size)

    def advance(search: _Search) -> _Search:
        e = search.exposures
        slope, weight = _slope(x, e @ signatures, size)
        gradient = slope @ signatures.T
        hessian = (weight @ outer).reshape(-1, count, count)
        scale = jax.lax.rsqrt(jnp.maximum(jnp.diagonal(hessian, axis1=1, axis2=2), 1e-30))
        moving = free & ((e > 0) | (gradient > 0))
        # those about to reach 0 move on their own: a common step would be cut for all
        reach = jnp.abs(jnp.maximum(e / scale + gradient * scale, 0) - e / scale)
        margin = jnp.minimum(jnp.max(jnp.where(moving, reach, 0), 1, keepdims=True), _MARGIN)
        joint = moving & ((e / scale > margin) | (gradient > 0))
        both = joint[:, :, None] & joint[:, None, :]
        scaled = jnp.where(both, hessian * scale[:, :, None] * scale[:, None, :], 0.0)
        scaled = scaled + (jnp.where(joint, search.damping[:, None], 1.0)[:, :, None] * jnp.eye(count)[None])
        right = jnp.where(moving, gradient * scale, 0.0)
        direction = jnp.linalg.solve(scaled, right[..., None])[..., 0] * scale

        def tried(length: Any) -> tuple[Any, Any]:
            new = jnp.where(moving, jnp.maximum(e + length[:, None] * direction, 0.0), e)
            return new, value(new)

        def worse(state: tuple[Any, Any, Any, Any]) -> Any:
            _, _, values, i = state
            return jnp.any(~(values >= search.value)) & (i < _HALVINGS)

        def halved(state: tuple[Any, Any, Any, Any]) -> tuple[Any, Any, Any, Any]:
            length, _, values, i = state
            length = jnp.where(values >= search.value, length, 0.5 * length)
            return length, *tried(length), i + 1

        length = jnp.ones_like(search.value)
        _, new, values, _ = jax.lax.while_loop(worse, halved, (length, *tried(length), 0))
        better = values > search.value
        e = jnp.where(better[:, None], new, e)
        # what the step promised: near the maximum twice its gain; once the value is down to rounding no step is better
        promise = jnp.sum(gradient * jnp.where(joint, direction, jnp.maximum(direction, -e)) * moving, 1)
        # with fewer mutations than signatures there are directions without curvature: damped until a step is better
        damping = jnp.where(better, jnp.maximum(0.1 * search.damping, _DAMPING), 30 * search.damping)
        return _Search(e, jnp.where(better, values, search.value), promise, damping, search.step + 1)

    e = jax.lax.fori_loop(0, _EM_STEPS, em, start)
    first = _Search(e, value(e), jnp.full(len(x), jnp.inf), jnp.full(len(x), _DAMPING), 0)
    return jax.lax.while_loop(lambda s: jnp.any(s.gap > GAP) & (s.step < _MAX_STEPS), advance, first)


def maximum_likelihood(
    x: np.ndarray,
    signatures: np.ndarray,
    *,
    size: float | None = None,
    start: np.ndarray | None = None,
    free: np.ndarray | None = None,
) -> Maximum:
    """Exposures >= 0 that maximise the likelihood of x [T, 96], Poisson or negative binomial of known ``size``.

    Args:
        x: counts.
        signatures: [S, 96].
        size: ``None`` for Poisson.
        start: [T, S], where to begin; exposures of 0 stay there in the first steps only.
        free: [T, S] of bool; the others stay where they start.
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
            state = _search(block[0], s, block[1], block[2], given)
            found.append([np.asarray(v)[: len(arrays[0])] for v in state[:3]])
    exposures, value, gap = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Maximum(exposures, value, gap)


def deviance(x: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Poisson deviance [T] of counts [T, 96]: 2 sum x ln(x / mean) - (x - mean) (McCullagh and Nelder 1989)."""
    from scipy.special import xlogy

    return 2 * np.sum(xlogy(x, np.where(x > 0, x, 1.0) / (mean + BACKGROUND)) - (x - mean), axis=1)


def chi_squared(x: np.ndarray, mean: np.ndarray, size: float = np.inf) -> tuple[np.ndarray, np.ndarray]:
    """Pearson's chi-squared [T] and its number of cells [T]: channels with a mean below 1 make up one cell together.

    Alone each of these would nearly always contribute 0 and rarely 1000.
    """
    variance = mean + mean**2 / size
    common = mean >= 1
    terms = np.where(common, (x - mean) ** 2 / np.maximum(variance, BACKGROUND), 0.0).sum(1)
    rest, expected, spread = (np.where(common, 0.0, v).sum(1) for v in (x, mean, variance))
    pooled = expected >= 1
    terms = terms + np.where(pooled, (rest - expected) ** 2 / np.maximum(spread, BACKGROUND), 0.0)
    return terms, common.sum(1) + pooled


def scatter(x: np.ndarray, signatures: np.ndarray, exposures: np.ndarray, *, size: float = np.inf) -> Scatter:
    """The noise about maximum-likelihood ``exposures`` [T, S]; degrees of freedom are cells less exposures above 0."""
    terms, cells = chi_squared(x, exposures @ signatures, size)
    degrees = cells - np.sum(exposures > 0, 1)
    by_sample = np.where(degrees > 0, terms / np.maximum(degrees, 1), np.nan)
    dispersion = float(np.nanmedian(by_sample)) if np.any(degrees > 0) else 1.0
    return Scatter(dispersion, ROUNDING if dispersion < 0.5 else 0.0, size, by_sample, degrees)


def negative_binomial(x: np.ndarray, signatures: np.ndarray, *, rounds: int = 4) -> tuple[Maximum, Scatter]:
    """Exposures, and the size at which the median chi-squared per degree of freedom is 1, in turns.

    Not the size of highest likelihood: that takes the scatter about fitted means for the scatter about the true ones.
    """
    from scipy.optimize import brentq

    fit = maximum_likelihood(x, signatures)
    size = np.inf
    for _ in range(rounds):
        exposures = fit.exposures

        def excess(log_size: float, exposures: np.ndarray = exposures) -> float:
            return scatter(x, signatures, exposures, size=float(np.exp(log_size))).dispersion - 1

        ends = (np.log(1e-2), np.log(_LARGEST_SIZE))
        low, high = (excess(end) for end in ends)
        if low >= 0 or high <= 0:  # scatters more than any of them, or no more than Poisson
            size = float(np.exp(ends[0] if low >= 0 else ends[1]))
        else:
            size = float(np.exp(np.asarray(brentq(excess, *ends, xtol=1e-4))))
        fit = maximum_likelihood(x, signatures, size=size, start=np.maximum(exposures, 1e-3))
    return fit, scatter(x, signatures, fit.exposures, size=size)
