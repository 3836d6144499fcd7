"""Do the latents of an embedding say more about survival than the clinical covariates: Cox regression and AIC."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import numpy as np

from vaebench.errors import InputError
from vaebench.metrics.survival.cohort import Cohort, standardised, survival_cohort, usable_latents
from vaebench.metrics.survival.concordance import concordance, partial_log_likelihood
from vaebench.metrics.survival.risk_sets import Risk, risk_sets
from vaebench.metrics.survival.solver import solve, standard_errors, status_of
from vaebench.types import Dataset, Given, Metric

SCORES = (
    "aic",
    "aic_covariates",
    "delta_aic",
    "log_likelihood",
    "likelihood_ratio_p",
    "concordance",
    "concordance_covariates",
    "parameters",
    "events",
    "samples",
    "left_out_missing",
    "left_out_no_event_labels",
    "labels_left_out",
    "constant_latents",
    "redundant_latents",
    "iterations",
)


@dataclasses.dataclass(frozen=True)
class CoxOptions:
    """What may be chosen.

    Attributes:
        label_covariate: the label is a covariate (the study's model).
        ridge: penalty ridge |b|^2 / 2 on the coefficients per standard deviation; 0 is the maximum of the likelihood.
        events_per_parameter: with fewer events a parameter the status is ``TOO_FEW_EVENTS`` and the AIC is not ranked.
    """

    label_covariate: bool = True
    ridge: float = 0.0
    events_per_parameter: float = 5.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.ridge) and self.ridge >= 0):
            raise InputError(f"ridge is {self.ridge}; it must be a finite number, 0 or more")
        if not (math.isfinite(self.events_per_parameter) and self.events_per_parameter >= 0):
            raise InputError(f"events_per_parameter is {self.events_per_parameter}; it must be finite and not negative")


class Fit(NamedTuple):
    """One Cox fit. Numbers are NaN unless ``status`` is ``"OK"`` or ``TOO_FEW_EVENTS`` of a fit that has a maximum.

    ``coefficients`` and their standard ``errors`` [d] are per unit of the columns given; constant columns have 0 and NaN.
    ``parameters`` is their number, with a ridge the effective number.
    """

    aic: float
    log_likelihood: float
    parameters: float
    concordance: float
    coefficients: np.ndarray
    errors: np.ndarray
    iterations: int
    status: str


def cox_scores(
    z: np.ndarray,
    dataset: Dataset,
    given: Given = Given(),  # noqa: B008 - an immutable tuple
    *,
    options: CoxOptions = CoxOptions(),
    baseline: Fit | None = None,
) -> dict[str, Any]:
    """AIC of a Cox proportional hazards model of survival on z [N, L] and covariates, against the covariates alone.

    Hazard h(t | x) = h0(t) exp(b.x) with x = latents, continuous covariates, and categorical covariates and the label
    as indicators without their first level. AIC = 2k - 2 ln L, L the partial likelihood (Cox 1972) with Efron's (1977)
    treatment of ties, k the number of coefficients. Columns are standardised first, which changes neither L nor k.

    Left out, and counted: samples without time, event, covariate or (if used) label, and, when the label is a
    covariate, samples of labels without an event. The coefficient of such a label runs to minus infinity, where its
    samples leave every risk set, so leaving them out is the limit of the likelihood and keeps the estimate finite.
    Constant latents say nothing, and those in ``given.redundant`` nothing new: they are left out of the model and of k,
    and counted.

    ``baseline`` is :func:`covariate_fit` of the same data set and options; computed if ``None``.

    Returns:
        ``aic``, ``aic_covariates``, ``delta_aic`` = aic - aic_covariates (negative: the latents help),
        ``log_likelihood``, ``likelihood_ratio_p`` (all latents against none, chi squared; approximate with a ridge),
        ``concordance`` (Harrell's, on the samples of the fit) and ``concordance_covariates``, ``parameters`` (k),
        ``events`` and ``samples`` in the fit, ``left_out_missing`` and ``left_out_no_event_labels`` (samples),
        ``labels_left_out`` (labels), ``constant_latents``, ``redundant_latents``, ``iterations`` and ``status``:
        ``NAN_EMBEDDING``, ``COLLAPSED`` (all latents constant), ``SINGULAR`` (columns depend linearly on each other),
        ``SEPARATED`` (the likelihood has no maximum), ``NOT_CONVERGED``, ``TOO_FEW_EVENTS`` (fewer than 5 a parameter: the
        scores are there, but are not to be ranked), or ``BASELINE: ...`` (the covariates alone have no fit). Whatever could
        not be computed is NaN.

    Raises:
        InputError: no survival in the data set.
    """
    cohort = survival_cohort(dataset, options.label_covariate)
    baseline = _fit(cohort.covariates, cohort, options) if baseline is None else baseline
    scores: dict[str, Any] = dict.fromkeys(SCORES, math.nan) | {
        "aic_covariates": baseline.aic,
        "concordance_covariates": baseline.concordance,
        "events": int(cohort.event.sum()),
        "samples": len(cohort.time),
        "left_out_missing": cohort.left_out_missing,
        "left_out_no_event_labels": cohort.left_out_no_event_labels,
        "labels_left_out": cohort.labels_left_out,
    }
    problem, latents, constant = usable_latents(z, cohort, given.redundant)
    scores |= {"constant_latents": constant, "redundant_latents": len(given.redundant)}
    if problem:
        return scores | {"status": problem}
    fit = _fit(np.hstack([latents, cohort.covariates]), cohort, options)
    return scores | {
        "aic": fit.aic,
        "delta_aic": fit.aic - baseline.aic,
        "log_likelihood": fit.log_likelihood,
        "likelihood_ratio_p": likelihood_ratio_p(fit, baseline),
        "concordance": fit.concordance,
        "parameters": fit.parameters,
        "iterations": fit.iterations,
        "status": f"BASELINE: {baseline.status}" if math.isnan(baseline.aic) else fit.status,
    }


def covariate_fit(dataset: Dataset, options: CoxOptions = CoxOptions()) -> Fit:
    """The Cox fit of the covariates alone, the same for every embedding of a data set; see :func:`cox_scores`."""
    cohort = survival_cohort(dataset, options.label_covariate)
    return _fit(cohort.covariates, cohort, options)


def cox_fit(
    design: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    options: CoxOptions = CoxOptions(),
) -> Fit:
    """Cox regression of ``time`` [N] and ``event`` [N] (bool) on the columns of ``design`` [N, d], all of them finite."""
    standard, scale = standardised(np.asarray(design, np.float64))
    fit = fitted(standard, risk_sets(np.asarray(time, np.float64), np.asarray(event, bool)), options, errors=True)
    known = np.where(scale > 0, scale, np.nan)
    return fit._replace(coefficients=np.where(scale > 0, fit.coefficients / known, 0.0), errors=fit.errors / known)


def likelihood_ratio_p(fit: Fit, smaller: Fit) -> float:
    """P value of the likelihood-ratio test of ``fit`` against a model within it; NaN where one of them has no fit."""
    from scipy.stats import chi2

    statistic = 2 * (fit.log_likelihood - smaller.log_likelihood)
    return (
        float(chi2.sf(max(statistic, 0.0), fit.parameters - smaller.parameters)) if statistic == statistic else math.nan
    )


def _fit(design: np.ndarray, cohort: Cohort, options: CoxOptions) -> Fit:
    return fitted(design, risk_sets(cohort.time, cohort.event), options)


def fitted(design: np.ndarray, risk: Risk, options: CoxOptions, errors: bool = False) -> Fit:
    """Maximum of the partial likelihood over standardised columns ``design`` [n, d] (zeros where constant).

    Standard errors cost one more pass over the samples, and are NaN unless asked for.
    """
    columns, events = int((design != 0).any(axis=0).sum()), int(risk.use.sum())
    unknown = np.full(design.shape[1], np.nan)
    empty = Fit(math.nan, math.nan, columns, math.nan, unknown, unknown, 0, "")
    few = f"TOO_FEW_EVENTS: {events} events for {columns} parameters, at least {options.events_per_parameter:g} each"
    if not events or (events <= columns and not options.ridge):
        return empty._replace(status=few)
    if not columns:
        likelihood = partial_log_likelihood(np.zeros(len(design)), risk)
        return empty._replace(aic=-2 * likelihood, log_likelihood=likelihood, concordance=0.5, status="OK")
    solution = solve(design, risk, options.ridge)
    status = status_of(solution, options.ridge)
    if status != "OK":
        return empty._replace(iterations=int(solution.iterations), status=status)
    coefficients = np.asarray(solution.coefficients)
    likelihood = float(solution.log_likelihood)
    parameters, unsure = columns, unknown
    if errors or options.ridge:
        unsure, effective = standard_errors(solution, design, risk, options.ridge)
        parameters = effective if options.ridge else columns
    return Fit(
        aic=2 * parameters - 2 * likelihood,
        log_likelihood=likelihood,
        parameters=parameters,
        concordance=concordance(design @ coefficients, risk),
        coefficients=coefficients,
        errors=unsure,
        iterations=int(solution.iterations),
        status=few if events < options.events_per_parameter * parameters else "OK",
    )


def _prepare(dataset: Dataset, options: CoxOptions) -> Metric:
    compute = functools.partial(cox_scores, options=options, baseline=covariate_fit(dataset, options))
    return METRIC._replace(compute=compute, options=options)


METRIC = Metric(
    name="cox",
    needs=("survival",),
    where="host",
    compute=cox_scores,
    reference="Cox 1972; Efron 1977 for ties; Harrell et al. 1982 (agrees with lifelines, CoxPHFitter)",
    scores=SCORES,
    options=CoxOptions(),
    prepare=_prepare,
)
