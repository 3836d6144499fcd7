"""Reconstruction error of a model, over all values and by feature."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vaebench.errors import InputError
from vaebench.metrics.shared.factors import embedding_problem
from vaebench.types import Dataset, Given, Metric

SCORES = ("mse", "r2", "r2_median", "r2_smallest", "features")


def reconstruction_scores(z: np.ndarray, dataset: Dataset, given: Given) -> dict[str, Any]:
    """Compare the reconstruction [N, D] with x [N, D], on the scale of x.

    Returns:
        ``mse`` (mean over samples and features), ``r2`` = 1 - mse of a feature / its variance (mean over features that
        vary; 1 is perfect, 0 what the features' means reach, negative is worse), ``r2_median``, ``r2_smallest``,
        ``features`` (number that vary) and ``status``: ``"OK"``, ``NAN_EMBEDDING``, ``NAN_RECONSTRUCTION``,
        ``TOO_FEW_SAMPLES`` (fewer than 10), ``CONSTANT`` (no feature varies), or ``COLLAPSED`` (all latents constant), which
        comes with the scores.

    Raises:
        InputError: no reconstruction is given, or the data set has no expression values.
    """
    if given.reconstruction is None or not dataset.x.shape[1]:
        raise InputError("reconstruction needs the expression values and their reconstruction")
    scores: dict[str, Any] = dict.fromkeys(SCORES, math.nan)
    problem = embedding_problem(z)
    if problem.startswith("NAN"):
        return scores | {"status": problem}
    if len(z) < 10:
        return scores | {"status": f"TOO_FEW_SAMPLES: {len(z)}, at least 10 are needed"}
    bad = int((~np.isfinite(given.reconstruction).all(axis=1)).sum())
    if bad:
        return scores | {"status": f"NAN_RECONSTRUCTION: {bad} of {len(z)} samples are not finite"}
    # a block of features at a time, so that the float64 copies stay small
    parts = [slice(first, first + 512) for first in range(0, dataset.x.shape[1], 512)]
    errors, variances = [], []
    for part in parts:
        x = np.asarray(dataset.x[:, part], np.float64)
        errors.append(np.mean((np.asarray(given.reconstruction[:, part], np.float64) - x) ** 2, axis=0))
        variances.append(x.var(axis=0))
    error, variance = np.concatenate(errors), np.concatenate(variances)
    scores |= {"mse": float(error.mean()), "features": int((variance > 0).sum())}
    if not scores["features"]:
        return scores | {"status": "CONSTANT: no feature varies"}
    r2 = 1 - error[variance > 0] / variance[variance > 0]
    scores |= {"r2": float(r2.mean()), "r2_median": float(np.median(r2)), "r2_smallest": float(r2.min())}
    return scores | {"status": problem or "OK"}


METRIC = Metric(
    name="reconstruction",
    needs=("expression", "reconstruction"),
    where="lane",
    compute=reconstruction_scores,
    reference="the definitions of mean squared error and R2 (agrees with scikit-learn)",
    scores=SCORES,
    counts=("features",),
)
