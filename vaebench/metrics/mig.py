"""Mutual information gap: is a factor encoded in one latent alone?"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from vaebench.errors import InputError
from vaebench.metrics.shared.factors import information_matrix, problem_of, top_two, usable_factors
from vaebench.types import Dataset, Given, Metric

SCORES = ("mig", "largest", "factors", "factors_left_out")


@dataclasses.dataclass(frozen=True)
class MigOptions:
    """Options of ``mig``.

    Attributes:
        bins: of equal width for each latent; at least 2.
        factor_bins: of equal frequency for a continuous factor; at least 2.
    """

    bins: int = 20
    factor_bins: int = 10

    def __post_init__(self) -> None:
        if self.bins < 2 or self.factor_bins < 2:
            raise InputError(f"bins ({self.bins}) and factor_bins ({self.factor_bins}) must be at least 2")


def mig_scores(
    z: np.ndarray,
    dataset: Dataset,
    given: Given = Given(),  # noqa: B008 - an immutable tuple
    *,
    options: MigOptions = MigOptions(),
) -> dict[str, Any]:
    """Compute MIG of z [N, L] = mean over factors y of [I(z_best; y) - I(z_second; y)] / H(y).

    Returns:
        ``mig`` in 0..1 (1: each factor is determined by one latent and unknown to the others; 0: the two best latents know it
        equally well, or none does), ``largest`` (gap of the best factor), ``factors`` and ``factors_left_out`` (number used,
        and left out because constant or known for too few samples), and ``status``: ``"OK"``, ``NAN_EMBEDDING``,
        ``COLLAPSED`` or ``TOO_FEW_FACTORS``.

    Source: Chen et al. 2018, NeurIPS, eq. 6.
    """
    factors = usable_factors(dataset)
    left_out = len(dataset.factors) - len(factors)
    scores: dict[str, Any] = dict.fromkeys(SCORES, math.nan) | {"factors": len(factors), "factors_left_out": left_out}
    problem = problem_of(z, factors)
    if problem:
        return scores | {"status": problem}
    information, entropies = information_matrix(z, factors, options.bins, options.factor_bins)
    best, second = top_two(information)
    gaps = (best - second) / entropies
    return scores | {"mig": float(gaps.mean()), "largest": float(gaps.max()), "status": "OK"}


METRIC = Metric(
    name="mig",
    needs=("factors",),
    where="host",
    compute=mig_scores,
    reference="Chen et al. 2018",
    scores=SCORES,
    options=MigOptions(),
    counts=("factors", "factors_left_out"),
)
