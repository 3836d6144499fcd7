"""Cox regression fitted to the training samples and judged on the validation samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vaebench.errors import InputError
from vaebench.metrics.cox import CoxOptions
from vaebench.metrics.survival.cohort import SurvivalCohort, survival_cohort, usable_latents
from vaebench.metrics.survival.concordance import concordance, partial_log_likelihood
from vaebench.metrics.survival.fits import fit_cox, fit_of_covariates
from vaebench.metrics.survival.risk_sets import risk_sets
from vaebench.types import Dataset, Given, Metric

SCORES = (
    "concordance",
    "concordance_covariates",
    "log_likelihood",
    "log_likelihood_covariates",
    "gain_per_event",
    "parameters",
    "train_events",
    "valid_events",
    "valid_samples",
)


def heldout_scores(
    z: np.ndarray,
    dataset: Dataset,
    given: Given,
    *,
    options: CoxOptions = CoxOptions(),  # noqa: B008 - frozen
) -> dict[str, Any]:
    """Fit the model of ``cox`` on z [N, L] to the training part and judge it on the validation part.

    The AIC of ``cox`` is computed on samples that the VAE was trained on, and cannot show what latents learnt from just
    those; this metric can. Samples of labels, or of levels of a categorical covariate, without a training event are left out of
    both parts: nothing is known of their hazard.

    Returns:
        On the validation part, for the model and for the covariates alone (``_covariates``): ``concordance`` (Harrell's C,
        0.5 is chance, 1 a perfect order) and ``log_likelihood`` (Efron's, risk sets of validation samples);
        ``gain_per_event`` = difference of the log likelihoods by validation event (nats; above 0: the latents help).
        Then ``parameters``, ``train_events``, ``valid_events``, ``valid_samples``, and ``status`` as for ``cox``, and
        ``TOO_FEW_EVENTS`` if the validation part has no pair to compare.

    Raises:
        InputError: the data set has no survival, or no split is given.

    Deviates:
        Verweij & van Houwelingen 1993 take the difference of two likelihoods, on all samples and on the training part, which
        needs every fold of a cross-validation.
    """
    if given.split is None:
        raise InputError("held-out Cox regression needs a split into training and validation samples")
    train = np.zeros(len(z), bool)
    valid = np.zeros(len(z), bool)
    train[given.split[0]], valid[given.split[1]] = True, True
    cohort = survival_cohort(dataset, options.label_covariate)
    train, valid = train[cohort.keep], valid[cohort.keep]
    inside = _levels_with_events(dataset, options, cohort, train)
    train, valid = train & inside, valid & inside
    scores: dict[str, Any] = dict.fromkeys(SCORES, math.nan) | {
        "train_events": int((cohort.event & train).sum()),
        "valid_events": int((cohort.event & valid).sum()),
        "valid_samples": int(valid.sum()),
    }
    problem, latents, _ = usable_latents(z, cohort, given.redundant)
    if problem:
        return scores | {"status": problem}
    fitting, judging = (risk_sets(cohort.time, cohort.event, part) for part in (train, valid))
    results, status = {}, "OK"
    # the covariates alone come first: if they have no fit, that is the status
    for name, columns in (("_covariates", cohort.covariates), ("", np.hstack([latents, cohort.covariates]))):
        # a column (an indicator) may be constant within the training part though it varies in the whole cohort
        varies = np.ptp(columns[train], axis=0) > 1e-9 if train.any() else np.zeros(columns.shape[1], bool)
        columns = np.where(varies[None], columns, 0.0)
        fit = fit_of_covariates(cohort, columns, fitting, options) if name else fit_cox(columns, fitting, options)
        if math.isnan(fit.aic):
            return scores | {"status": f"BASELINE: {fit.status}" if name else fit.status}
        eta = columns @ fit.coefficients if varies.any() else np.zeros(len(columns))
        results["concordance" + name] = concordance(eta, judging)
        results["log_likelihood" + name] = partial_log_likelihood(eta, judging)
        scores["parameters"], status = fit.parameters, fit.status
    if math.isnan(results["concordance"]):
        return scores | {"status": f"TOO_FEW_EVENTS: {scores['valid_events']} events among the validation samples"}
    gain = (results["log_likelihood"] - results["log_likelihood_covariates"]) / scores["valid_events"]
    return scores | results | {"gain_per_event": gain, "status": status}


def _levels_with_events(dataset: Dataset, options: CoxOptions, cohort: SurvivalCohort, train: np.ndarray) -> np.ndarray:
    """Return a mask [n] of samples of which the label and each categorical covariate have an event among the ``train`` [n]."""
    inside = np.ones(len(train), bool)
    levels = list(cohort.levels.values())
    if dataset.labels is not None and options.label_covariate:
        levels.append(dataset.labels[cohort.keep])
    for values in levels:
        inside &= np.isin(values, values[train & cohort.event])
    return inside


METRIC = Metric(
    name="cox_heldout",
    needs=("survival", "split"),
    where="host",
    compute=heldout_scores,
    reference="Cox 1972; Efron 1977 for ties; Harrell et al. 1982",
    scores=SCORES,
    options=CoxOptions(),
    counts=("train_events", "valid_events", "valid_samples"),
)
