"""Partial likelihood and concordance of given linear predictors, in numpy."""

from __future__ import annotations

import math

import numpy as np

from vaebench.metrics.survival.risk_sets import Risk


def partial_log_likelihood(eta: np.ndarray, risk: Risk) -> float:
    """Return Efron's log partial likelihood at linear predictors eta [N], samples in their own order; NaN without an event."""
    if not risk.use.any():
        return math.nan
    eta = np.where(risk.inside > 0, np.asarray(eta, np.float64)[risk.order], -np.inf)
    top = eta.max()
    weight = np.exp(eta - top)
    at_risk = np.cumsum(weight[::-1])[::-1][risk.start]
    tied = np.bincount(risk.group, risk.use * weight[risk.row])[risk.group]
    used = risk.use > 0
    denominator = (at_risk - risk.fraction * tied)[used]
    return float(np.sum(eta[risk.row[used]] - top - np.log(denominator)))


def concordance(eta: np.ndarray, risk: Risk) -> float:
    """Return Harrell's C: the share of comparable pairs in which the sample that dies first has the higher predictor.

    A pair is comparable when the earlier time is an event, or when exactly one of two equal times is. Pairs with equal
    predictors count one half. 0.5 is chance, 1 a perfect order; NaN without a comparable pair.

    Args:
        eta: [N] linear predictors, samples in their own order.
        risk: risk sets; only samples inside the fit are compared.

    Source: Harrell et al. 1982, JAMA 247, 2543-2546.
    """
    inside = risk.inside > 0
    # predictors of equal samples must be equal whatever the order of summation
    eta = np.round(np.asarray(eta, np.float64)[risk.order], 10)
    first = np.searchsorted(risk.distinct, risk.distinct)  # of the samples that share the time
    comparable = concordant = 0.0
    after = np.zeros(0)  # sorted predictors of the samples later than the block
    high = len(eta)
    while high:
        low = first[max(high - 256, 0)]
        # pairs with later blocks are counted by binary search in a sorted list, those within the block one by one
        rows = np.arange(low, high)[(risk.died[low:high] > 0) & inside[low:high]]
        below = np.searchsorted(after, eta[rows], "left")
        concordant += float(np.sum(0.5 * (below + np.searchsorted(after, eta[rows], "right"))))
        distinct, now = risk.distinct[None, low:high], risk.distinct[rows][:, None]
        later = (distinct > now) | ((distinct == now) & (risk.died[None, low:high] == 0))
        later &= inside[None, low:high]
        value, mine = eta[None, low:high], eta[rows][:, None]
        concordant += np.count_nonzero(later & (value < mine)) + 0.5 * np.count_nonzero(later & (value == mine))
        comparable += len(rows) * len(after) + np.count_nonzero(later)
        after = np.sort(np.concatenate([after, eta[low:high][inside[low:high]]]))
        high = low
    return float(concordant / comparable) if comparable else math.nan
