"""Test of proportional hazards: do the coefficients of a Cox fit stay the same over time?"""

from __future__ import annotations

import numpy as np

from vaebench.metrics.survival.risk_sets import Risk


def proportional_hazards_p(design: np.ndarray, risk: Risk, coefficients: np.ndarray, ridge: float = 0.0) -> np.ndarray:
    """Score test of each column's coefficient against one that changes linearly with the rank of the event time.

    With the Schoenfeld residuals r_e = x_e - E(x | at risk at e), averaged over tied events as Efron's likelihood does,
    g_e the mid-rank of the time of event e, m events and V the inverse observed information,

        u = sum_e (g_e - mean g) r_e,    T_j = m (V u)_j^2 / (V_jj sum_e (g_e - mean g)^2),

    and T_j is chi squared with 1 degree of freedom where the hazards are proportional.

    Args:
        design: [N, d] standardised columns in the samples' own order; a column of zeros is not a parameter.
        risk: risk sets of the samples, see :func:`vaebench.metrics.survival.risk_sets.risk_sets`.
        coefficients: [d], the maximum of the partial likelihood.
        ridge: penalty of the fit, added to the information; the test is then approximate.

    Returns:
        P values [d], not adjusted for each other; NaN for columns of zeros, 1 where all events share one time, so that
        no change over time can be seen.

    Source: Grambsch & Therneau 1994, Biometrika 81, 515-526, as ``cox.zph`` of R's ``survival`` 2 computes it and
    ``lifelines.statistics.proportional_hazard_test`` does.

    Deviates:
        Tied events share their mid-rank; lifelines numbers them in the order of the table, so that its result depends on it.
    """
    from scipy.stats import chi2

    found = np.full(design.shape[1], np.nan)
    inside, used = risk.inside > 0, np.any(design != 0, axis=0)
    x = np.asarray(design, np.float64)[risk.order][:, used]
    times = event_ranks(risk)
    centred = np.where(risk.use > 0, times - times[risk.use > 0].mean(), 0.0)
    spread = float(centred @ centred)
    if spread == 0:
        found[used] = 1.0
        return found
    eta = np.where(inside, x @ coefficients[used], -np.inf)
    weight = np.exp(eta - eta.max())
    at_risk = np.cumsum(weight[::-1])[::-1][risk.start]
    tied = np.bincount(risk.group, risk.use * weight[risk.row])[risk.group]
    share = np.where(risk.use > 0, 1 / np.where(risk.use > 0, at_risk - risk.fraction * tied, 1.0), 0.0)
    # sum_e (g_e - mean g) E(x | at risk at e) is a weighted sum over samples: no [E, d] matrix of residuals is needed
    u = centred @ x[risk.row] - _sample_weights(weight, centred * share, risk) @ x
    variance = np.linalg.inv(_information(x, weight, share, risk) + ridge * np.eye(x.shape[1]))
    statistic = risk.use.sum() * (variance @ u) ** 2 / (np.diag(variance) * spread)
    found[used] = chi2.sf(statistic, 1)
    return found


def event_ranks(risk: Risk) -> np.ndarray:
    """Mid-ranks [E] of the event times among the events in the fit; events outside it are not counted."""
    sizes = np.bincount(risk.group, risk.use)
    return (np.cumsum(sizes) - 0.5 * (sizes - 1))[risk.group]


def _sample_weights(weight: np.ndarray, share: np.ndarray, risk: Risk) -> np.ndarray:
    """Sum over events [N] of ``share`` times the sample's weight while it is at risk, tied events down-weighted (Efron)."""
    hazard = np.concatenate([[0.0], np.cumsum(share)])[risk.upto]
    hazard[risk.row] -= risk.use * np.bincount(risk.group, risk.fraction * share)[risk.group]
    return weight * hazard


def _information(x: np.ndarray, weight: np.ndarray, share: np.ndarray, risk: Risk) -> np.ndarray:
    """Observed information [d, d]: X' diag(w) X - M' M, row e of M [E, d] the mean of those at risk at event e."""
    weighted = weight[:, None] * x
    # who is at risk changes at event times only, so that samples are summed between them before the running sum
    between = np.zeros((len(risk.first) + 1, x.shape[1]))
    starts = np.searchsorted(risk.past, np.arange(len(between)))
    filled = starts < np.append(starts[1:], len(x))
    between[filled] = np.add.reduceat(weighted, starts[filled], axis=0)
    at_risk = np.cumsum(between[::-1], axis=0)[::-1][1:]
    dead = np.add.reduceat(risk.use[:, None] * weighted[risk.row], risk.first, axis=0)
    means = share[:, None] * (at_risk[risk.group] - risk.fraction[:, None] * dead[risk.group])
    root = np.sqrt(np.clip(_sample_weights(weight, share, risk), 0, None))[:, None] * x
    return root.T @ root - means.T @ means
