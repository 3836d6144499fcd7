"""Total correlation of the latents: their distance from independence, as far as covariances show it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vaebench.metrics.shared.factors import embedding_problem, varying
from vaebench.types import Dataset, Given, Metric

SCORES = ("total_correlation", "largest_correlation", "latents")


def total_correlation_scores(z: np.ndarray, dataset: Dataset, given: Given = Given()) -> dict[str, Any]:  # noqa: B008
    """Compute the total correlation of a Gaussian with the covariance of z [N, L]: -1/2 ln det(correlation matrix).

    Constant latents are left out.

    Returns:
        ``total_correlation`` (nats; 0 for uncorrelated latents, without upper limit), ``largest_correlation`` (absolute, of
        a pair; 0 for one latent), ``latents`` (number that vary) and ``status``: ``"OK"``, ``NAN_EMBEDDING``, ``COLLAPSED``,
        ``TOO_FEW_SAMPLES`` (at most as many as latents), ``SINGULAR`` (infinite: latents depend linearly on each other).

    Source: Watanabe 1960, IBM J. Res. Dev. 4, 66-82.

    Deviates:
        Dependence that leaves no correlation is not seen.
    """
    scores: dict[str, Any] = dict.fromkeys(SCORES, math.nan)
    problem = embedding_problem(z)
    if problem:
        return scores | {"status": problem}
    z = np.asarray(z, np.float64)[:, varying(z)]
    samples, latents = z.shape
    scores["latents"] = latents
    if samples <= max(latents, 5):
        return scores | {"status": f"TOO_FEW_SAMPLES: {samples} for {latents} latents"}
    z = z - z.mean(axis=0)
    z = z / z.std(axis=0)
    correlation = z.T @ z / samples
    off = np.abs(correlation - np.diag(np.diag(correlation)))
    scores["largest_correlation"] = float(off.max())
    values = np.linalg.eigvalsh(correlation)
    dependent = int((values <= 1e-12 * values[-1]).sum())
    if dependent:
        return scores | {"status": f"SINGULAR: {dependent} of {latents} latents depend linearly on the others"}
    return scores | {"total_correlation": float(-0.5 * np.log(values).sum()), "status": "OK"}


METRIC = Metric(
    name="total_correlation",
    needs=(),
    where="host",
    compute=total_correlation_scores,
    reference="Watanabe 1960, for a Gaussian",
    scores=SCORES,
    counts=("latents",),
)
