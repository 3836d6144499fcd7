"""Separated attribute predictability: does one latent alone predict a factor?"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vaebench.metrics.shared.factors import Factor, problem_of, top_two, usable_factors, varying
from vaebench.types import Dataset, Given, Metric

SCORES = ("sap", "largest", "factors")


def sap_scores(z: np.ndarray, dataset: Dataset, given: Given = Given()) -> dict[str, Any]:  # noqa: B008
    """Compute SAP of z [N, L] = mean over factors of the gap between the two latents that predict the factor best.

    A latent predicts a continuous factor with its squared Pearson correlation as the score, and a binary one with Youden's
    J of the best threshold, max_t |P(z <= t | 1) - P(z <= t | 0)|, the balanced accuracy rescaled to 0..1.

    Returns:
        ``sap`` in 0..1 (high: one latent predicts a factor and no other does; 0: two do equally well, or none does),
        ``largest`` (gap of the best factor), ``factors`` (number used) and ``status``: ``"OK"``, ``NAN_EMBEDDING``,
        ``COLLAPSED`` or ``TOO_FEW_FACTORS``.

    Source: Kumar, Sattigeri & Balakrishnan 2018, ICLR.

    Deviates:
        The paper fits a linear support vector machine to one latent; the best threshold is what such a classifier aims at.
    """
    factors = usable_factors(dataset)
    scores: dict[str, Any] = dict.fromkeys(SCORES, math.nan) | {"factors": len(factors)}
    problem = problem_of(z, factors)
    if problem:
        return scores | {"status": problem}
    z = np.asarray(z, np.float64)
    best, second = top_two(np.stack([_predicts(z[f.known], f) for f in factors], axis=1))
    return scores | {"sap": float((best - second).mean()), "largest": float((best - second).max()), "status": "OK"}


def _predicts(z: np.ndarray, factor: Factor) -> np.ndarray:
    """Return the squared correlation or Youden's J of each latent [L] of z [n, L]; 0 for a constant latent."""
    if factor.kind == "continuous":
        centred, y = z - z.mean(axis=0), factor.values - factor.values.mean()
        scale = np.sqrt((centred**2).sum(axis=0) * (y**2).sum())
        usable = varying(z) & (scale > 0)
        return np.where(usable, y @ centred / np.where(usable, scale, 1.0), 0.0) ** 2
    order = np.argsort(z, axis=0, kind="stable")
    one = factor.values == 1
    steps = np.where(one, 1 / one.sum(), -1 / (~one).sum())[order]
    ranked = np.take_along_axis(z, order, axis=0)
    # a threshold cannot separate equal values
    last = np.concatenate([ranked[1:] > ranked[:-1], np.zeros((1, z.shape[1]), bool)])
    return np.where(last, np.abs(np.cumsum(steps, axis=0)), 0.0).max(axis=0)


METRIC = Metric(
    name="sap",
    needs=("factors",),
    where="host",
    compute=sap_scores,
    reference="Kumar, Sattigeri & Balakrishnan 2018",
    scores=SCORES,
    counts=("factors",),
)
