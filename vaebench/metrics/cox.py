"""Do the latents of an embedding say more about survival than the clinical covariates: Cox regression and AIC."""

from __future__ import annotations

import functools
import math
import warnings
from typing import Any, NamedTuple

import numpy as np

from vaebench.types import Dataset, InputError, Metric

SCORES = (
    "aic",
    "aic_covariates",
    "delta_aic",
    "log_likelihood",
    "parameters",
    "events",
    "samples",
    "left_out_missing",
    "left_out_no_event_labels",
    "labels_left_out",
    "constant_latents",
)


class Fit(NamedTuple):
    """One Cox fit: ``aic`` and ``log_likelihood`` (NaN unless ``status`` is ``"OK"``), number of ``parameters``."""

    aic: float
    log_likelihood: float
    parameters: int
    status: str


class _Cohort(NamedTuple):
    """The samples that Cox regression can use: ``keep`` [N], and time, event and covariates of those kept."""

    keep: np.ndarray
    time: np.ndarray
    event: np.ndarray
    covariates: np.ndarray
    left_out_missing: int
    left_out_no_event_labels: int
    labels_left_out: int


def cox_scores(
    z: np.ndarray, dataset: Dataset, *, label_covariate: bool = True, baseline: Fit | None = None
) -> dict[str, Any]:
    """AIC of a Cox proportional hazards model of survival on z [N, L] and covariates, against the covariates alone.

    Hazard h(t | x) = h0(t) exp(b.x) with x = latents, continuous covariates, and categorical covariates and the label
    as indicators without their first level. AIC = 2k - 2 ln L, L the partial likelihood (Cox 1972) with Efron's (1977)
    treatment of ties, k the number of coefficients. Columns are standardised first, which changes neither L nor k.

    Left out, and counted: samples without time, event, covariate or (if used) label, and, when the label is a
    covariate, samples of labels without an event. The coefficient of such a label runs to minus infinity, where its
    samples leave every risk set, so leaving them out is the limit of the likelihood and keeps the estimate finite.
    Constant latents say nothing: they are left out of the model and of k, and counted.

    Args:
        z: [N, L].
        dataset: needs ``survival``; labels and covariates are used where present.
        label_covariate: the label is a covariate (the study's model).
        baseline: value of :func:`covariate_aic` for the same data set and ``label_covariate``; computed if ``None``.

    Returns:
        ``aic``, ``aic_covariates``, ``delta_aic`` = aic - aic_covariates (negative: the latents help),
        ``log_likelihood``, ``parameters`` (k), ``events`` and ``samples`` in the fit, ``left_out_missing`` and
        ``left_out_no_event_labels`` (samples), ``labels_left_out`` (labels), ``constant_latents`` and ``status``:
        ``NAN_EMBEDDING``, ``COLLAPSED`` (all latents constant), ``TOO_FEW_EVENTS`` (events <= k), ``SINGULAR`` (columns
        depend linearly on each other), ``NOT_CONVERGED``, or ``BASELINE: ...`` (the same for the covariates alone).
        Whatever could not be computed is NaN.

    Raises:
        InputError: no survival in the data set.
    """
    cohort = _cohort(dataset, label_covariate)
    baseline = _fit(cohort.covariates, cohort) if baseline is None else baseline
    scores: dict[str, Any] = dict.fromkeys(SCORES, math.nan) | {
        "aic_covariates": baseline.aic,
        "events": int(cohort.event.sum()),
        "samples": len(cohort.time),
        "left_out_missing": cohort.left_out_missing,
        "left_out_no_event_labels": cohort.left_out_no_event_labels,
        "labels_left_out": cohort.labels_left_out,
    }
    bad = int((~np.isfinite(z).all(axis=1)).sum())
    if bad:
        return scores | {"status": f"NAN_EMBEDDING: {bad} of {len(z)} samples are not finite"}
    latents = _standardised(np.asarray(z, np.float64)[cohort.keep])
    scores["constant_latents"] = z.shape[1] - latents.shape[1]
    if len(cohort.time) and not latents.shape[1]:
        return scores | {"status": f"COLLAPSED: all {z.shape[1]} latents are constant"}
    fit = _fit(np.hstack([latents, cohort.covariates]), cohort)
    return scores | {
        "aic": fit.aic,
        "delta_aic": fit.aic - baseline.aic,
        "log_likelihood": fit.log_likelihood,
        "parameters": fit.parameters,
        "status": fit.status if baseline.status == "OK" else f"BASELINE: {baseline.status}",
    }


def covariate_aic(dataset: Dataset, *, label_covariate: bool = True) -> Fit:
    """The Cox fit of the covariates alone, the same for every embedding of a data set; see :func:`cox_scores`."""
    cohort = _cohort(dataset, label_covariate)
    return _fit(cohort.covariates, cohort)


def prepared_cox(dataset: Dataset, *, label_covariate: bool = True) -> Metric:
    """The metric with its baseline computed once for this data set; picklable, to be used with this data set only."""
    baseline = covariate_aic(dataset, label_covariate=label_covariate)
    return METRIC._replace(compute=functools.partial(cox_scores, label_covariate=label_covariate, baseline=baseline))


def _cohort(dataset: Dataset, label_covariate: bool) -> _Cohort:
    if dataset.survival is None:
        raise InputError(f"Cox regression needs survival times, and data set {dataset.name!r} has none")
    time = np.asarray(dataset.survival.time, np.float64)
    event = np.asarray(dataset.survival.event, np.float64)
    labels = dataset.labels if label_covariate else None
    covariates = [np.asarray(values) for values in dataset.covariates.values()]
    known = np.isfinite(time) & np.isfinite(event)
    for values in covariates:
        known &= np.isfinite(values.astype(np.float64)) if _is_number(values) else values != ""
    keep = known
    no_event = np.array([], int)
    if labels is not None:
        known = known & (labels >= 0)
        no_event = np.setdiff1d(labels[known], labels[known & (event > 0)])
        keep = known & ~np.isin(labels, no_event)
    columns = [v[keep, None].astype(np.float64) if _is_number(v) else _indicators(v[keep]) for v in covariates]
    if labels is not None:
        columns.append(_indicators(labels[keep]))
    design = np.hstack([np.empty((int(keep.sum()), 0)), *columns])
    return _Cohort(
        keep=keep,
        time=time[keep],
        event=event[keep] > 0,
        covariates=_standardised(design),
        left_out_missing=int((~known).sum()),
        left_out_no_event_labels=int((known & ~keep).sum()),
        labels_left_out=len(no_event),
    )


def _is_number(values: np.ndarray) -> bool:
    return values.dtype.kind in "fiub"


def _indicators(values: np.ndarray) -> np.ndarray:
    """One column per level present, without the first level (all of them would add up to a constant)."""
    return (values[:, None] == np.unique(values)[None, 1:]).astype(np.float64)


def _standardised(columns: np.ndarray) -> np.ndarray:
    """The columns that vary, with mean 0 and standard deviation 1.

    A column that varies by less than 1e-6 of its size is constant: what is left is float32 rounding.
    """
    if not len(columns):
        return columns[:, :0]
    scale = columns.std(axis=0)
    varies = scale > 1e-6 * np.abs(columns).max(axis=0)
    return (columns[:, varies] - columns[:, varies].mean(axis=0)) / scale[varies]


def _fit(design: np.ndarray, cohort: _Cohort) -> Fit:
    """Maximum of the partial likelihood over standardised columns ``design`` [n, k]."""
    parameters, events = design.shape[1], int(cohort.event.sum())

    def failed(status: str) -> Fit:
        return Fit(math.nan, math.nan, parameters, status)

    if events <= parameters:
        return failed(f"TOO_FEW_EVENTS: {events} events for {parameters} parameters")
    if not parameters:
        likelihood = _null_log_likelihood(cohort.time, cohort.event)
        return Fit(-2 * likelihood, likelihood, 0, "OK")
    orthogonal, triangle = np.linalg.qr(design)
    # Singular values below 1e-6 of the largest; the embedding is float32, so less is not there. (Fewer samples than
    # columns cannot come here: then there are fewer events too.)
    values = np.linalg.svd(triangle, compute_uv=False)
    dependent = int((values <= 1e-6 * values[0]).sum())
    if dependent:
        return failed(f"SINGULAR: {dependent} of {parameters} columns depend linearly on the others")
    # The same model in orthogonal columns of variance 1 has the same likelihood. lifelines needs it: it shrinks its
    # steps by the size of the coefficients, and stops short where latents almost give the label: on the best embeddings.
    likelihood, problem = _lifelines_log_likelihood(orthogonal * math.sqrt(len(design)), cohort)
    if problem:
        return failed(f"NOT_CONVERGED: {problem}")
    return Fit(2 * parameters - 2 * likelihood, likelihood, parameters, "OK")


def _null_log_likelihood(time: np.ndarray, event: np.ndarray) -> float:
    """Efron's partial log likelihood without covariates: - sum over times t of sum_{l < d_t} ln(n_t - l)."""
    times, deaths = np.unique(time[event], return_counts=True)
    at_risk = len(time) - np.searchsorted(np.sort(time), times)
    return -sum(float(np.log(n - np.arange(d)).sum()) for n, d in zip(at_risk, deaths, strict=True))


def _lifelines_log_likelihood(design: np.ndarray, cohort: _Cohort) -> tuple[float, str]:
    """Log likelihood and what went wrong ("" if nothing)."""
    import pandas as pd
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError, ConvergenceWarning

    table = pd.DataFrame({f"x{i}": column for i, column in enumerate(design.T)})
    table["time"], table["event"] = cohort.time, cohort.event
    # lifelines stops at a relative change of 1e-9, which at ln L = -50,000 is too coarse to compare AICs.
    options = {"precision": 1e-9, "r_precision": 1e-12}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fitter = CoxPHFitter().fit(table, "time", "event", fit_options=options)
        except ConvergenceError as error:
            return math.nan, _sentence(error)
    for warning in caught:
        # Warnings before the fit (a column of low variance among the deaths) are guesses; those of the solver are not.
        solver = str(warning.message).startswith(("Newton-Raphson", "The log-likelihood is getting"))
        if solver and issubclass(warning.category, ConvergenceWarning):
            return math.nan, _sentence(warning.message)
    likelihood = float(fitter.log_likelihood_)
    return likelihood, "" if math.isfinite(likelihood) else "the log likelihood is not finite"


def _sentence(message: object) -> str:
    """First sentence of a message, in one line."""
    text = message.args[0] if isinstance(message, Exception) and message.args else message
    return " ".join(str(text).split()).split(". ")[0][:200]


METRIC = Metric(
    name="cox",
    needs=("survival",),
    where="host",
    compute=cox_scores,
    reference="Cox 1972; Efron 1977 for ties (lifelines, CoxPHFitter)",
    scores=SCORES,
)
