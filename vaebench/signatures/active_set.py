"""Maximum-likelihood exposures where each sample has few of many signatures: the fit of :mod:`vaebench.signatures.likelihood`
in the exposures that may be above 0 only, so that its time grows with the number of these and not with that of all.

1. inside    the exposures above 0 at the start
2. fit       Newton's method in those inside
3. enter     an exposure at 0 outside goes inside if a step along it promises a gain; back to 2 until none does
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.signatures.likelihood import BACKGROUND, Maximum, NewtonOptions, newton_search, slope_by_mean

FEWEST = 64
"""Signatures from which this is faster than a fit in all of them."""
NEWTON = NewtonOptions()
_LEAST_WIDTH = 32  # few compiled programs: widths are powers of two from here
_BLOCK = 128  # samples fitted at once


def few_of_many(
    x: np.ndarray,
    signatures: np.ndarray,
    start: np.ndarray,
    free: np.ndarray,
    *,
    size: float | None = None,
    options: NewtonOptions = NEWTON,
) -> Maximum:
    """Exposures >= 0 that maximise the likelihood of x [T, M]; the arguments are those of ``maximum_likelihood``.

    Args:
        x: counts.
        signatures: [S, M].
        start: [T, S], mostly 0.
        free: [T, S] of bool; the others stay at their start.
        size: of the negative binomial; ``None`` for Poisson.
        options: constants of the search.
    """
    exposures, inside = np.array(start, np.float64), start > 0
    value, gap = np.zeros(len(x)), np.zeros(len(x))
    active = np.arange(len(x))
    for _ in range(len(signatures)):
        width = max(_LEAST_WIDTH, 1 << (int(inside[active].sum(1).max()) - 1).bit_length())
        places = np.argsort(~inside[active], axis=1, kind="stable")[:, :width]
        held = np.take_along_axis(inside[active], places, 1)
        first = np.where(held, np.take_along_axis(exposures[active], places, 1), 0.0)
        moves = held & np.take_along_axis(free[active], places, 1)
        fit = _fitted(x[active], signatures, places, first, moves, size, options)
        rows = exposures[active]
        np.put_along_axis(rows, places, np.where(held, fit.exposures, first), 1)
        exposures[active], value[active], gap[active] = rows, fit.log_likelihood, fit.gap
        enter = free[active] & ~inside[active] & (_promises(x[active], rows, signatures, size) > 0.1 * options.gap)
        inside[active] |= enter
        active = active[enter.any(1)]
        if not len(active):
            break
        # an exposure of 0 would stay 0 in steps of EM
        exposures[active] += np.where(enter[enter.any(1)], 1e-6 * np.maximum(x[active].sum(1, keepdims=True), 1), 0.0)
    return Maximum(exposures, value, gap)


def _promises(x: np.ndarray, exposures: np.ndarray, signatures: np.ndarray, size: float | None) -> np.ndarray:
    """Gain of log likelihood [T, S] that a step up from each exposure alone promises; 0 where it leads down."""
    mean = exposures @ signatures
    gradient = np.maximum(slope_by_mean(x, mean, size) @ signatures.T, 0.0)
    curvature = (x / (mean + BACKGROUND) ** 2) @ np.square(signatures).T
    return 0.5 * gradient**2 / np.maximum(curvature, 1e-30)


def _fitted(
    x: np.ndarray,
    signatures: np.ndarray,
    places: np.ndarray,
    start: np.ndarray,
    free: np.ndarray,
    size: float | None,
    options: NewtonOptions,
) -> Maximum:
    """The fit of each sample with its signatures at ``places`` [T, S']."""
    found = []
    with jax.enable_x64(True):
        given = None if size is None else jnp.asarray(size, jnp.float64)
        for begin in range(0, len(x), _BLOCK):
            rows = slice(begin, begin + _BLOCK)
            block = (x[rows], signatures[places[rows]], start[rows], free[rows])
            short = _BLOCK - len(block[0])
            filled = [np.concatenate([a, np.zeros((short, *a.shape[1:]), a.dtype)]) for a in block] if short else block
            state = newton_search(filled[0], jnp.asarray(filled[1], jnp.float64), *filled[2:], given, options)
            found.append([np.asarray(values)[: len(block[0])] for values in state[:3]])
    return Maximum(*(np.concatenate(columns) for columns in zip(*found, strict=True)))
