"""One Cox fit by either engine, with its AIC and status, and the fit of covariates alone with the cause of a failure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vaebench.metrics.survival.causes import reason_without_fit
from vaebench.metrics.survival.cohort import SurvivalCohort
from vaebench.metrics.survival.concordance import concordance, partial_log_likelihood
from vaebench.metrics.survival.lifelines_engine import fit_by_lifelines
from vaebench.metrics.survival.proportionality import proportional_hazards_p
from vaebench.metrics.survival.risk_sets import Risk
from vaebench.metrics.survival.solver import solve, standard_errors, status_of

if TYPE_CHECKING:
    from vaebench.metrics.cox import CoxOptions


class CoxFit(NamedTuple):
    """One Cox fit. Numbers are NaN unless ``status`` is ``"OK"``, or ``TOO_FEW_EVENTS`` of a fit that has a maximum.

    Attributes:
        aic: 2 k - 2 ln L.
        log_likelihood: ln L, Efron's partial log likelihood without a penalty.
        parameters: k, the number of columns that vary; with a ridge the effective number (Gray 1992).
        concordance: Harrell's, on the samples of the fit.
        coefficients: [d], per unit of the columns given; 0 for constant columns.
        errors: [d] standard errors; NaN for constant columns, and where not asked for.
        iterations: Newton steps; 0 by the engine ``"lifelines"``, which does not report them.
        status: ``"OK"`` or the reason.
        proportionality: [d] p values of the test of proportional hazards, not adjusted; NaN where not asked for.
    """

    aic: float
    log_likelihood: float
    parameters: float
    concordance: float
    coefficients: np.ndarray
    errors: np.ndarray
    iterations: int
    status: str
    proportionality: np.ndarray


def fit_cox(
    design: np.ndarray, risk: Risk, options: CoxOptions, errors: bool = False, proportional: bool = False
) -> CoxFit:
    """Maximise the partial likelihood by the engine of the options.

    Args:
        design: [N, d] standardised columns, zeros where constant, samples in their own order.
        risk: of the same samples.
        options: ``ridge``, ``events_per_parameter`` and ``engine`` are used.
        errors: compute standard errors, which cost one more pass over the samples.
        proportional: test the proportional hazards.
    """
    columns, events = int((design != 0).any(axis=0).sum()), int(risk.use.sum())
    unknown = np.full(design.shape[1], np.nan)
    empty = CoxFit(math.nan, math.nan, columns, math.nan, unknown, unknown, 0, "", unknown)
    few = f"TOO_FEW_EVENTS: {events} events for {columns} parameters, at least {options.events_per_parameter:g} each"
    if not events or (events <= columns and not options.ridge):
        return empty._replace(status=few)
    if not columns:
        likelihood = partial_log_likelihood(np.zeros(len(design)), risk)
        return empty._replace(aic=-2 * likelihood, log_likelihood=likelihood, concordance=0.5, status="OK")
    fit = (_by_lifelines if options.engine == "lifelines" else _by_newton)(
        design, risk, options.ridge, empty, errors, proportional
    )
    if fit.status != "OK":
        return fit
    aic = 2 * fit.parameters - 2 * fit.log_likelihood
    return fit._replace(aic=aic, status=few if events < options.events_per_parameter * fit.parameters else "OK")


def _by_newton(design: np.ndarray, risk: Risk, ridge: float, empty: CoxFit, errors: bool, proportional: bool) -> CoxFit:
    """Fit by :func:`vaebench.metrics.survival.solver.solve`."""
    solution = solve(design, risk, ridge)
    status = status_of(solution, ridge)
    if status != "OK":
        return empty._replace(iterations=int(solution.iterations), status=status)
    coefficients = np.asarray(solution.coefficients)
    found = empty
    if errors or ridge:
        unsure, effective = standard_errors(solution, design, risk, ridge)
        found = found._replace(errors=unsure, parameters=effective if ridge else empty.parameters)
    if proportional:
        found = found._replace(proportionality=proportional_hazards_p(design, risk, coefficients, ridge))
    return found._replace(
        log_likelihood=float(solution.log_likelihood),
        concordance=concordance(design @ coefficients, risk),
        coefficients=coefficients,
        iterations=int(solution.iterations),
        status="OK",
    )


def _by_lifelines(
    design: np.ndarray, risk: Risk, ridge: float, empty: CoxFit, errors: bool, proportional: bool
) -> CoxFit:
    """Fit by :func:`vaebench.metrics.survival.lifelines_engine.fit_by_lifelines`, which always gives the errors."""
    found = fit_by_lifelines(design, risk, ridge, proportional)
    if found.status != "OK":
        return empty._replace(status=found.status)
    return empty._replace(
        log_likelihood=found.log_likelihood,
        parameters=found.effective if ridge else empty.parameters,
        concordance=found.concordance,
        coefficients=found.coefficients,
        errors=found.errors,
        proportionality=found.proportionality,
        status="OK",
    )


def fit_of_covariates(cohort: SurvivalCohort, columns: np.ndarray, risk: Risk, options: CoxOptions) -> CoxFit:
    """Fit the covariates alone; where that fails the status ends with the name of the column that is the cause.

    Args:
        cohort: samples and names of the columns.
        columns: [n, c] the cohort's covariates, zeros where not used.
        risk: of the cohort's samples that are fitted.
        options: see :class:`CoxOptions`.
    """
    fit = fit_cox(columns, risk, options)
    if not math.isnan(fit.aic):
        return fit
    rows = np.zeros(len(columns), bool)
    rows[risk.order] = risk.inside > 0

    def has_fit(kept: np.ndarray) -> bool:
        return not math.isnan(fit_cox(np.where(kept, columns, 0.0), risk, options).aic)

    reason = reason_without_fit(cohort, rows, has_fit)
    return fit._replace(status=f"{fit.status}; {reason}") if reason else fit
