"""Sizes of exposures relative to a tumour's burden, as the prior of a refit has them.

Shares are no sizes. A signature that takes half of the mutations where it is present takes that half from the others, and a prior
of independent shares would draw tumours in which it has less: their sum is more than 1. So sizes are those of the sampler's own
model (:mod:`vaebench.signatures.sampler`), fitted to exposures: ln e_tk ~ N(m_k + l_k b_t, s_k^2) where signature k is present,
with the burden b_t ~ N(0, v) of tumour t. By expectation-maximisation (Dempster et al. 1977): burdens are normal given the rest,
and m, s, v are weighted means of what is left. Where one signature makes another smaller, m_k and s_k are those beside none of
these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from vaebench.signatures.sampler.grounds import BURDENS

LEAST_VARIANCE = 0.05
"""Of ln(size): tumours that agree by chance, or with the burden that they define, say no less."""
_STEPS = 100  # the fit then changes by less than 0.01 a hundred steps
_TYPICAL = 0.3  # of the variance of ln(size), which counts as one tumour


class Sizes(NamedTuple):
    """Sizes of S signatures in the tumours that have them.

    Attributes:
        log_mean: [S], mean of ln e in a tumour of mean ln(mutations), less that mean; 0 for a signature that none has.
        variance: [S], of ln e given the burden.
        burden: variance of ln(burden) between tumours.
    """

    log_mean: np.ndarray
    variance: np.ndarray
    burden: float


def relative_sizes(
    exposures: np.ndarray,
    presence: np.ndarray | None = None,
    loading: ArrayLike = 1.0,
    mutations: np.ndarray | None = None,
    changes: np.ndarray | None = None,
    spreads: np.ndarray | None = None,
) -> Sizes:
    """Fit sizes to ``exposures`` [T, S], in mutations.

    Args:
        exposures: of signatures that are present; 0 where one is absent.
        presence: [T, S], probability that a signature is present where its exposure is above 0; 1 unless given.
        loading: scalar or [S], how each signature grows with the burden: 1 as the mutations do.
        mutations: [T], of each tumour, above 0; the sums of its exposures unless given.
        changes: [S, S], what the presence of the second signature adds to ln(size) of the first; 0 unless given.
        spreads: [S, S], what it adds to the logarithm of the standard deviation of ln(size); 0 unless given.
    """
    if not len(exposures):
        nothing = np.zeros(exposures.shape[1])
        return Sizes(nothing, nothing + _TYPICAL, BURDENS)
    there = (exposures > 0) * (1.0 if presence is None else presence)
    logs = np.log(np.where(exposures > 0, exposures, 1.0))
    if changes is not None:
        logs = logs - there @ changes.T
    precise = there * (1.0 if spreads is None else np.exp(-2 * there @ spreads.T))
    total = np.log(exposures.sum(1) if mutations is None else mutations)
    slope = np.broadcast_to(np.asarray(loading, np.float64), exposures.shape[1])
    count = there.sum(0)
    mean_total = float(total.mean())
    # the usual variance of burdens counts as one tumour
    mean, spread = total - mean_total, np.zeros(len(total))  # of the burden given the rest
    variance, between = np.full(len(slope), _TYPICAL), BURDENS
    log_mean = np.zeros(len(slope))
    for _ in range(_STEPS):
        left = logs - slope * mean[:, None]
        log_mean = (precise * left).sum(0) / np.maximum(precise.sum(0), 1e-12)
        squares = np.square(left - log_mean) + np.square(slope) * spread[:, None]
        variance = np.maximum(((precise * squares).sum(0) + _TYPICAL) / (count + 1), LEAST_VARIANCE)
        between = float((np.sum(np.square(mean) + spread) + BURDENS) / (len(total) + 1))
        weight = precise * slope / variance
        spread = between / (1 + between * (weight @ slope))
        mean = spread * np.sum(weight * (logs - log_mean), axis=1)
    return Sizes(np.where(count > 0, log_mean - mean_total, 0.0), variance, between)


class SizeChange(NamedTuple):
    """A change of ln(size) of signature ``of`` by the presence of ``by``.

    Attributes:
        change: of the mean.
        gain: in log likelihood, by this change.
        spread: of the logarithm of the standard deviation.
    """

    of: int
    by: int
    change: float
    gain: float
    spread: float = 0.0


def size_changes(
    exposures: np.ndarray, types: np.ndarray, loading: ArrayLike = 1.0, least: float = 0.3, least_gain: float = 50.0
) -> list[SizeChange]:
    """Find signatures that are smaller, or larger, where another is present, in tumours whose types are known.

    By forward selection: the pair with the largest score statistic (Rao 1948) is given the change of highest likelihood, alike in
    all types, until none gains enough. The sizes that change then have a standard deviation of their own, of highest likelihood.

    Args:
        exposures: [T, S] in mutations.
        types: [T], of the tumours.
        loading: as for :func:`relative_sizes`.
        least: smaller changes are left out.
        least_gain: in log likelihood. Thousands of pairs are looked at, and a few odd tumours of one type gain 30.
    """
    slope = np.broadcast_to(np.asarray(loading, np.float64), exposures.shape[1])
    parts = [exposures[(types == kind) & (exposures.sum(1) > 0)] for kind in np.unique(types)]
    parts, none = [own for own in parts if len(own)], np.zeros((len(slope),) * 2)
    changes = none
    found: list[SizeChange] = []
    small: set[tuple[int, int]] = set()
    while True:
        before, scores = _size_likelihood(parts, slope, changes, none)
        for pair in [*small, *((v.of, v.by) for v in found)]:
            scores[pair] = -1.0
        of, by = np.unravel_index(np.argmax(scores), scores.shape)
        if scores[of, by] < 0.5 * least_gain:  # the statistic is a local guess of the gain
            return _with_spreads(found, parts, slope)
        one = np.zeros_like(changes)
        one[of, by] = 1.0
        best, likelihood = _likeliest(lambda c: _size_likelihood(parts, slope, changes + c * one, none)[0])  # noqa: B023
        change = SizeChange(int(of), int(by), best, likelihood - before)
        if change.gain < least_gain or abs(change.change) < least:
            small.add((change.of, change.by))
        else:
            found.append(change)
            changes = changes + change.change * one


def _likeliest(log_likelihood: Callable[[float], float]) -> tuple[float, float]:
    """Number between -3 and 3 with the highest ``log_likelihood``, and that."""
    found: Any = minimize_scalar(
        lambda v: -log_likelihood(v), bounds=(-3, 3), method="bounded", options={"xatol": 1e-3}
    )
    return float(found.x), float(-found.fun)


def _with_spreads(found: list[SizeChange], parts: Sequence[np.ndarray], slope: np.ndarray) -> list[SizeChange]:
    """``found`` with the changes and spreads of highest likelihood, one number after the other, twice."""
    both = np.zeros((2, len(slope), len(slope)))
    for own in found:
        both[0, own.of, own.by] = own.change
    for _ in range(2):
        for own in found:
            for kind in (1, 0):
                one = np.zeros_like(both)
                one[kind, own.of, own.by] = 1.0
                without = both * (1 - one)
                best, _ = _likeliest(lambda v: _size_likelihood(parts, slope, *(without + v * one))[0])  # noqa: B023
                both = without + best * one
    return [own._replace(change=float(both[0, own.of, own.by]), spread=float(both[1, own.of, own.by])) for own in found]


def _size_likelihood(
    parts: Sequence[np.ndarray], slope: np.ndarray, changes: np.ndarray, spreads: np.ndarray
) -> tuple[float, np.ndarray]:
    """Log likelihood of the sizes of tumours of each type, and score statistics [S, S] of further changes of one by one."""
    total, score, information = 0.0, np.zeros_like(changes), np.zeros_like(changes)
    for own in parts:
        sizes = relative_sizes(own, loading=slope, changes=changes, spreads=spreads)
        there = (own > 0).astype(np.float64)
        mean = np.log(own.sum(1)).mean() + sizes.log_mean + there @ changes.T
        left = there * (np.log(np.where(own > 0, own, 1.0)) - mean)
        wider = there @ spreads.T
        weight = there * np.exp(-2 * wider) / sizes.variance
        shared = sizes.burden / (1 + sizes.burden * (weight @ np.square(slope)))
        # (D + v l l')^-1 r, by Sherman and Morrison
        pull = weight * (left - slope * (shared * ((weight * left) @ slope))[:, None])
        logs = (there * (np.log(sizes.variance) + 2 * wider)).sum(1) + np.log1p(
            sizes.burden * (weight @ np.square(slope))
        )
        total -= 0.5 * float((left * pull).sum() + logs.sum())
        precise = weight - shared[:, None] * np.square(weight * slope)
        beside = (precise.T @ there) / np.maximum(precise.sum(0), 1e-12)[:, None]  # share of those with k that have j
        score += pull.T @ there
        information += precise.sum(0)[:, None] * beside * (1 - beside)
    np.fill_diagonal(score, 0.0)
    return total, np.where(information > 0.1, np.square(score) / np.maximum(2 * information, 0.1), 0.0)


def size_correlation(exposures: np.ndarray, types: np.ndarray, pair: Sequence[int], loading: ArrayLike = 1.0) -> float:
    """Correlation of ln(size) of two signatures in tumours that have both, beyond what their burden explains.

    Of highest likelihood: the logarithms of a tumour's exposures are jointly normal with the sizes of its type and burdens, and
    with this covariance of the two.

    Args:
        exposures: [T, S] in mutations.
        types: [T], of the tumours.
        pair: the two signatures.
        loading: as for :func:`relative_sizes`.

    Deviates: the sizes are fitted as if signatures were independent, so that burdens take up a part of what the two share, the
    larger the fewer other signatures there are.
    """
    terms, slope = [], np.broadcast_to(np.asarray(loading, np.float64), exposures.shape[1])
    for kind in np.unique(types):
        own = exposures[(types == kind) & (exposures.sum(1) > 0)]
        if not (own[:, pair] > 0).all(1).any():
            continue
        sizes, mean = relative_sizes(own, loading=slope), np.log(own.sum(1)).mean()
        for row in own[(own[:, pair] > 0).all(1)]:
            on = row > 0
            left = np.where(on, np.log(np.where(on, row, 1.0)) - sizes.log_mean - mean, 0.0)
            covariance = np.diag(sizes.variance[on]) + sizes.burden * np.outer(slope[on], slope[on])
            i, j = (int(on[:k].sum()) for k in pair)
            terms.append((covariance, left[on], i, j, float(np.sqrt(np.prod(sizes.variance[list(pair)])))))

    def loss(r: float) -> float:
        total = 0.0
        for covariance, left, i, j, scale in terms:
            changed = covariance.copy()
            changed[[i, j], [j, i]] += r * scale
            total += np.linalg.slogdet(changed)[1] + left @ np.linalg.solve(changed, left)
        return 0.5 * total

    found: Any = minimize_scalar(loss, bounds=(-0.95, 0.95), method="bounded", options={"xatol": 1e-3})
    return float(found.x)
