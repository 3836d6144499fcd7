"""Disentanglement, completeness and informativeness, from the weights of linear predictors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vaebench.metrics.shared.factors import entropy, problem_of, usable_factors, varying
from vaebench.types import Dataset, Given, Metric

SCORES = ("disentanglement", "completeness", "informativeness", "factors")


def dci_scores(z: np.ndarray, dataset: Dataset, given: Given = Given()) -> dict[str, Any]:  # noqa: B008
    """Compute DCI of z [N, L] from the weights R_lf = |standardised coefficient| of latent l in least squares for factor f.

    disentanglement = sum_l rho_l (1 - H(R_l. / sum_f R_lf) / ln F), rho_l the share of latent l in all of R;
    completeness    = mean over f of 1 - H(R_.f / sum_l R_lf) / ln L;
    informativeness = mean R2 of the predictors on the samples they were fitted to. Constant latents are left out.

    Returns:
        ``disentanglement`` (1: each latent predicts one factor, 0: all alike), ``completeness`` (1: each factor is
        predicted by one latent), ``informativeness`` (1: the factors are linear in z), all in 0..1; ``factors`` (number
        used) and ``status``: ``"OK"``, ``NAN_EMBEDDING``, ``COLLAPSED``, ``TOO_FEW_FACTORS`` (fewer than 2),
        ``TOO_FEW_LATENTS`` (fewer than 2 that vary), ``TOO_FEW_SAMPLES`` (a factor known for at most L + 1 samples).

    Source: Eastwood & Williams 2018, ICLR.

    Deviates:
        The paper fits lasso and random forests; least squares has no setting to tune and does not depend on the order of
        the samples.
    """
    factors = usable_factors(dataset)
    scores: dict[str, Any] = dict.fromkeys(SCORES, math.nan) | {"factors": len(factors)}
    problem = problem_of(z, factors, 2)
    if problem:
        return scores | {"status": problem}
    z = np.asarray(z, np.float64)[:, varying(z)]
    latents = z.shape[1]
    if latents < 2:
        return scores | {"status": "TOO_FEW_LATENTS: one latent varies, at least 2 are needed"}
    fewest = min(len(f.values) for f in factors)
    if fewest <= latents + 1:
        return scores | {"status": f"TOO_FEW_SAMPLES: a factor is known for {fewest}, {latents} latents need more"}
    weights, explained = [], []
    for factor in factors:
        columns = z[factor.known]
        spread = columns.std(axis=0)
        columns = (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        y = (factor.values - factor.values.mean()) / factor.values.std()
        coefficients = np.linalg.lstsq(columns, y, rcond=1e-10)[0]
        weights.append(np.abs(coefficients))
        explained.append(1 - np.mean((y - columns @ coefficients) ** 2))
    matrix = np.stack(weights, axis=1)
    total = matrix.sum()
    by_latent = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1e-300)
    by_factor = matrix / np.maximum(matrix.sum(axis=0, keepdims=True), 1e-300)
    shares = matrix.sum(axis=1) / total
    return scores | {
        "disentanglement": float(shares @ (1 - entropy(by_latent) / math.log(len(factors)))),
        "completeness": float(np.mean(1 - entropy(by_factor.T) / math.log(latents))),
        "informativeness": float(np.mean(explained)),
        "status": "OK",
    }


METRIC = Metric(
    name="dci",
    needs=("factors",),
    where="host",
    compute=dci_scores,
    reference="Eastwood & Williams 2018",
    scores=SCORES,
    counts=("factors",),
)
