"""Cox regression of survival on the latents and the clinical covariates, compared by AIC with the covariates alone."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import numpy as np

from vaebench.errors import InputError, check_choice
from vaebench.metrics.survival.cohort import standardised, survival_cohort, usable_latents
from vaebench.metrics.survival.fits import CoxFit, fit_cox, fit_of_covariates
from vaebench.metrics.survival.risk_sets import risk_sets
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
    "ph_p",
    "ph_violations",
)
ENGINES = ("batched", "lifelines")
PH_LEVEL = 0.05
"""Adjusted p below which a latent's hazards are not proportional."""


@dataclasses.dataclass(frozen=True)
class CoxOptions:
    """Options of ``cox`` and ``cox_heldout``; the defaults are the model of the expression study.

    Attributes:
        label_covariate: the label is a covariate.
        ridge: penalty ridge |b|^2 / 2 on the coefficients per standard deviation; 0 is the maximum of the likelihood.
        events_per_parameter: with fewer events a parameter the status is ``TOO_FEW_EVENTS`` and the AIC is not ranked.
        engine: ``"batched"`` (Newton's method in JAX), or ``"lifelines"`` (``CoxPHFitter``; the same scores, slower).
        proportional_hazards: test the proportional hazards of the latents (``cox`` only), which costs a pass over the samples
            as a Newton step does; without it ``ph_p`` and ``ph_violations`` are NaN.
    """

    label_covariate: bool = True
    ridge: float = 0.0
    events_per_parameter: float = 5.0
    engine: str = "batched"
    proportional_hazards: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.ridge) and self.ridge >= 0):
            raise InputError(f"ridge is {self.ridge}; it must be a finite number, 0 or more")
        if not (math.isfinite(self.events_per_parameter) and self.events_per_parameter >= 0):
            raise InputError(f"events_per_parameter is {self.events_per_parameter}; it must be finite and not negative")
        check_choice("Cox engine", self.engine, ENGINES)


def cox_scores(
    z: np.ndarray,
    dataset: Dataset,
    given: Given = Given(),  # noqa: B008 - an immutable tuple
    *,
    options: CoxOptions = CoxOptions(),
    baseline: CoxFit | None = None,
) -> dict[str, Any]:
    """Compare a Cox model of survival on z [N, L] and the covariates with one on the covariates alone.

    Hazard h(t | x) = h0(t) exp(b.x) with x = latents, continuous covariates, and categorical covariates and the label as
    indicators without their first level. AIC = 2k - 2 ln L, L the partial likelihood (Cox 1972) with Efron's (1977)
    treatment of ties, k the number of coefficients. Columns are standardised first, which changes neither L nor k.

    Samples are left out, and counted, if their time, event, a covariate or (where it is a covariate) the label is missing,
    or if no sample of their label, or of their level of a categorical covariate, has an event: the coefficient of such a level
    goes to minus infinity, where its samples leave every risk set, so that leaving them out is the limit of the likelihood.
    Latents are left out of the model and of k, and counted, if they are constant or determined by others (``redundant``).

    Args:
        z: [N, L] embedding of the samples in the order of the data set.
        dataset: with survival.
        given: ``redundant`` is used.
        options: see :class:`CoxOptions`.
        baseline: :func:`covariate_fit` of the same data set and options; computed if ``None``.

    Returns:
        A dict with all of these, NaN where not computed:

        * ``aic``, ``aic_covariates``, ``delta_aic`` = aic - aic_covariates (below 0: the latents improve the model; a
          difference of 2 is slight, of 10 decisive), ``log_likelihood``, ``likelihood_ratio_p`` (all latents against none,
          chi squared; approximate with a ridge).
        * ``concordance`` (Harrell's C on the samples of the fit; 0.5 is chance, 1 a perfect order) and
          ``concordance_covariates``.
        * ``ph_p``: smallest p over the latents of the test of proportional hazards, times their number (Bonferroni), at
          most 1; ``ph_violations``: latents whose adjusted p is below 0.05. A small ``ph_p`` means that a latent's effect
          on the hazard changes over time, so that its one coefficient is an average. Both are NaN unless the options ask
          for them.
        * ``parameters`` (k), ``events`` and ``samples`` in the fit, ``left_out_missing`` and ``left_out_no_event_labels``
          (samples), ``labels_left_out`` (labels), ``constant_latents``, ``redundant_latents``, ``iterations``.
        * ``status``: ``"OK"``, ``NAN_EMBEDDING``, ``COLLAPSED`` (all latents constant), ``SINGULAR`` (columns depend linearly
          on each other), ``SEPARATED`` (the likelihood has no maximum), ``NOT_CONVERGED``, ``TOO_FEW_EVENTS`` (fewer than 5 a
          parameter: the scores are computed but not ranked), or ``BASELINE: ...`` (the covariates alone have no fit; the
          status names the column to leave out).

    Raises:
        InputError: the data set has no survival.
    """
    cohort = survival_cohort(dataset, options.label_covariate)
    risk = risk_sets(cohort.time, cohort.event)
    baseline = fit_of_covariates(cohort, cohort.covariates, risk, options) if baseline is None else baseline
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
    design = np.hstack([latents, cohort.covariates])
    fit = fit_cox(design, risk, options, proportional=options.proportional_hazards)
    return scores | {
        "aic": fit.aic,
        "delta_aic": fit.aic - baseline.aic,
        "log_likelihood": fit.log_likelihood,
        "likelihood_ratio_p": likelihood_ratio_p(fit, baseline),
        "concordance": fit.concordance,
        "parameters": fit.parameters,
        "iterations": fit.iterations,
        **_proportionality(fit.proportionality[: latents.shape[1]]),
        "status": f"BASELINE: {baseline.status}" if math.isnan(baseline.aic) else fit.status,
    }


def covariate_fit(dataset: Dataset, options: CoxOptions = CoxOptions()) -> CoxFit:
    """Return the Cox fit of the covariates alone, the same for every embedding of a data set; see :func:`cox_scores`."""
    cohort = survival_cohort(dataset, options.label_covariate)
    return fit_of_covariates(cohort, cohort.covariates, risk_sets(cohort.time, cohort.event), options)


def cox_fit(
    design: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    options: CoxOptions = CoxOptions(),
) -> CoxFit:
    """Fit a Cox model to plain arrays, with standard errors and the test of proportional hazards.

    Args:
        design: [N, d] columns, all finite.
        time: [N] finite.
        event: [N] bool, true for a death.
        options: ``ridge``, ``events_per_parameter``, ``engine`` and ``proportional_hazards`` are used.

        >>> import numpy as np
        >>> from vaebench.metrics.cox import cox_fit
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(200, 2))
        >>> time = rng.exponential(size=200) * np.exp(-x[:, 0])
        >>> round(float(cox_fit(x, time, np.ones(200, bool)).coefficients[0]), 1)
        1.0
    """
    standard, scale = standardised(np.asarray(design, np.float64))
    risk = risk_sets(np.asarray(time, np.float64), np.asarray(event, bool))
    fit = fit_cox(standard, risk, options, errors=True, proportional=options.proportional_hazards)
    known = np.where(scale > 0, scale, np.nan)
    return fit._replace(coefficients=np.where(scale > 0, fit.coefficients / known, 0.0), errors=fit.errors / known)


def likelihood_ratio_p(fit: CoxFit, smaller: CoxFit) -> float:
    """Return the p value of the likelihood-ratio test of ``fit`` against a model nested in it; NaN if one has no fit."""
    from scipy.stats import chi2

    statistic = 2 * (fit.log_likelihood - smaller.log_likelihood)
    return (
        float(chi2.sf(max(statistic, 0.0), fit.parameters - smaller.parameters)) if statistic == statistic else math.nan
    )


def _proportionality(p: np.ndarray) -> dict[str, Any]:
    """Return ``ph_p`` and ``ph_violations`` of the latents' p values [L], NaN for constant latents and where not tested."""
    tested = p[~np.isnan(p)]
    if not len(tested):
        return {"ph_p": math.nan, "ph_violations": math.nan}
    adjusted = np.minimum(len(tested) * tested, 1.0)  # Bonferroni
    return {"ph_p": float(adjusted.min()), "ph_violations": int((adjusted < PH_LEVEL).sum())}


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
    counts=(
        "events",
        "samples",
        "left_out_missing",
        "left_out_no_event_labels",
        "labels_left_out",
        "constant_latents",
        "redundant_latents",
        "iterations",
        "ph_violations",
    ),
)
