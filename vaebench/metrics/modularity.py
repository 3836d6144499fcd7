"""Modularity: does each latent encode one factor only?"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from vaebench.errors import InputError
from vaebench.metrics.shared.factors import information_matrix, problem_of, usable_factors
from vaebench.types import Dataset, Given, Metric

SCORES = ("modularity", "informative_latents", "factors")


@dataclasses.dataclass(frozen=True)
class ModularityOptions:
    """Options of ``modularity``.

    Attributes:
        bins: of equal width for each latent; at least 2.
        factor_bins: of equal frequency for a continuous factor; at least 2.
    """

    bins: int = 20
    factor_bins: int = 10

    def __post_init__(self) -> None:
        if self.bins < 2 or self.factor_bins < 2:
            raise InputError(f"bins ({self.bins}) and factor_bins ({self.factor_bins}) must be at least 2")


def modularity_scores(
    z: np.ndarray,
    dataset: Dataset,
    given: Given = Given(),  # noqa: B008 - an immutable tuple
    *,
    options: ModularityOptions = ModularityOptions(),
) -> dict[str, Any]:
    """Compute the mean over latents of 1 - sum_{f not best} I(z; y_f)^2 / (I(z; y_best)^2 (F - 1)).

    Returns:
        ``modularity`` in 0..1 (1: each latent knows one factor; 0: all factors alike), ``informative_latents`` (number of
        latents that know any factor), ``factors`` (number used) and ``status``: ``"OK"``, ``NAN_EMBEDDING``, ``COLLAPSED``
        or ``TOO_FEW_FACTORS`` (fewer than 2).

    Source: Ridgeway & Mozer 2018, NeurIPS, eq. 2.

    Deviates:
        Latents without any information are left out of the mean; in the paper they would divide by 0.
    """
    factors = usable_factors(dataset)
    scores: dict[str, Any] = dict.fromkeys(SCORES, math.nan) | {"factors": len(factors)}
    problem = problem_of(z, factors, 2)
    if problem:
        return scores | {"status": problem}
    information, _ = information_matrix(z, factors, options.bins, options.factor_bins)
    best = information.max(axis=1)
    informative = best > 1e-12
    squared = (information[informative] / best[informative, None]) ** 2
    deviation = (squared.sum(axis=1) - 1) / (len(factors) - 1)
    return scores | {
        "modularity": float(np.mean(1 - deviation)) if len(deviation) else 0.0,
        "informative_latents": int(informative.sum()),
        "status": "OK",
    }


METRIC = Metric(
    name="modularity",
    needs=("factors",),
    where="host",
    compute=modularity_scores,
    reference="Ridgeway & Mozer 2018",
    scores=SCORES,
    options=ModularityOptions(),
    counts=("informative_latents", "factors"),
)
