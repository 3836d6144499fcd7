"""Cox regression by lifelines: the second engine of the Cox metrics, about ten times slower than the batched one."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vaebench.metrics.survival.risk_sets import Risk
from vaebench.metrics.survival.solver import independent_columns, ordered_design

if TYPE_CHECKING:
    import pandas as pd

_FIT = {"precision": 1e-12, "r_precision": 1e-14}
"""lifelines' defaults (1e-7, 1e-9) stop short of the maximum where latents almost determine the label."""
_FARTHEST = 30.0
"""Difference of linear predictors, a hazard ratio of 1e13, that only a coefficient on its way to infinity reaches."""


class LifelinesFit(NamedTuple):
    """Result of ``lifelines.CoxPHFitter``; numbers are NaN unless ``status`` is ``"OK"``.

    Attributes:
        coefficients: [d], 0 for columns of zeros.
        errors: [d] standard errors, NaN for columns of zeros.
        proportionality: [d] p values of the test of proportional hazards; NaN unless asked for.
        log_likelihood: Efron's partial log likelihood, without the penalty.
        effective: number of parameters; with a ridge the effective number, trace(H (H + ridge)^-1).
        concordance: Harrell's, on the samples of the fit.
        iterations: lifelines does not report them: 0.
        status: ``"OK"``, ``SINGULAR``, ``SEPARATED`` or ``NOT_CONVERGED``, with the reason.
    """

    coefficients: np.ndarray
    errors: np.ndarray
    proportionality: np.ndarray
    log_likelihood: float
    effective: float
    concordance: float
    iterations: int
    status: str


def fit_by_lifelines(design: np.ndarray, risk: Risk, ridge: float = 0.0, proportional: bool = False) -> LifelinesFit:
    """Fit the Cox model of :func:`vaebench.metrics.survival.solver.solve` with ``lifelines.CoxPHFitter``.

    Args:
        design: [N, d] standardised columns in the samples' own order; a column of zeros is not a parameter.
        risk: risk sets of the samples; those outside the fit are left out of the table that lifelines gets.
        ridge: penalty ridge |b|^2 / 2.
        proportional: also test the proportional hazards (``lifelines.statistics.proportional_hazard_test``).
    """
    import pandas as pd
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError, ConvergenceWarning
    from lifelines.statistics import proportional_hazard_test

    unknown = np.full(design.shape[1], np.nan)
    failed = LifelinesFit(unknown, unknown, unknown, math.nan, math.nan, math.nan, 0, "")
    inside, used = risk.inside > 0, np.any(design[risk.order][risk.inside > 0] != 0, axis=0)
    x = ordered_design(design, risk)[inside][:, used]
    dependent = x.shape[1] - independent_columns(x)
    if dependent and not ridge:
        return failed._replace(status=f"SINGULAR: {dependent} of {x.shape[1]} columns depend linearly on the others")
    # only the order of the times enters the partial likelihood; their ranks stand for them
    table = pd.DataFrame(x, columns=pd.Index([f"x{i}" for i in range(x.shape[1])]))
    table = table.assign(time=risk.distinct[inside] + 1.0, event=risk.died[inside] > 0)
    # lifelines divides the likelihood by n and the columns by their standard deviations before it penalises
    penalty = ridge / (len(x) * x.std(axis=0, ddof=1) ** 2) if ridge else 0.0
    fitter = CoxPHFitter(penalizer=penalty)  # type: ignore[arg-type]
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        try:
            fitter.fit(table, "time", "event", fit_options=dict(_FIT))
        except (ConvergenceError, np.linalg.LinAlgError) as error:
            return failed._replace(status=_separated(error))
        doubts = [w.message for w in caught if issubclass(w.category, ConvergenceWarning)]
        serious = [str(d) for d in doubts if "norm(delta)" in str(d) or "suspiciously close" in str(d)]
        if serious:
            return failed._replace(status=_separated(serious[0]))
        if any("failed to converge" in str(d) for d in doubts):
            reach = float(np.ptp(x @ np.asarray(fitter.params_)))
            if reach > _FARTHEST:
                return failed._replace(status=_separated(f"stopped where linear predictors differ by {reach:.0f}"))
            return failed._replace(status="NOT_CONVERGED: lifelines stopped before the maximum of the likelihood")
        ranks: Any = _event_ranks  # lifelines annotates a name, but takes functions too
        p = proportional_hazard_test(fitter, table, time_transform=ranks).p_value if proportional else math.nan
    coefficients, variance = np.asarray(fitter.params_), np.asarray(fitter.variance_matrix_)
    return LifelinesFit(
        coefficients=_placed(coefficients, used, 0.0),
        errors=_placed(np.asarray(fitter.standard_errors_), used, np.nan),
        proportionality=_placed(np.ravel(p), used, np.nan),
        log_likelihood=float(fitter.log_likelihood_ + 0.5 * ridge * np.sum(coefficients**2)),
        effective=float(len(coefficients) - ridge * np.trace(variance)),
        concordance=float(fitter.concordance_index_),
        iterations=0,
        status="OK",
    )


def _placed(values: np.ndarray, used: np.ndarray, fill: float) -> np.ndarray:
    """Values of the used columns in a vector of all columns [d]."""
    found = np.full(len(used), fill)
    found[used] = values
    return found


def _separated(reason: object) -> str:
    """Return the status of independent columns whose information lifelines cannot invert: a coefficient runs to infinity."""
    return f"SEPARATED: lifelines: {' '.join(str(reason).split())[:120]}"


def _event_ranks(time: pd.Series, event: pd.Series, weights: pd.Series) -> pd.Series:
    """Mid-ranks of the event times among the events, in the form that lifelines asks of a transform of time."""
    return time.where(event.astype(bool)).rank()
