"""Identifiability: do trainings from different seeds find the same latents, and are they the factors that made the data."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata

from vaebench.errors import InputError, check_choice
from vaebench.types.frames import in_order, numeric, row_names

__all__ = ["CORRELATIONS", "Matched", "mean_correlation_coefficient", "seed_agreement"]
__dir__ = __all__.copy

CORRELATIONS = ("pearson", "spearman")
_ROUNDING = 1e-12
"""Length of a centred column, relative to that of the column, below which its values are the same but for rounding."""


class Matched(NamedTuple):
    """The best one-to-one match of the columns of two embeddings.

    Attributes:
        mcc: mean absolute correlation of the matched columns, from 0 to 1.
        first: positions of the matched columns of the first embedding.
        second: positions of their partners in the second.
        correlations: signed correlation of every pair.
    """

    mcc: float
    first: np.ndarray
    second: np.ndarray
    correlations: np.ndarray


def mean_correlation_coefficient(first: np.ndarray, second: np.ndarray, correlation: str = "pearson") -> Matched:
    """Returns the mean correlation coefficient (MCC) of two embeddings of the same samples, or of latents and true factors.

    Every column of the smaller one gets another column of the larger one, so that the sum of the absolute correlations is
    largest. A constant column correlates with nothing. 1 means the same latents up to order and scale (``"spearman"``: up to a
    monotone map of each).

    Source: Khemakhem et al. 2020, section 5.

    Args:
        first: [N, L], an array or a DataFrame.
        second: [N, L'], the same samples: by row name if both are DataFrames with names, else in the same order.
        correlation: ``"pearson"`` or ``"spearman"``.

    Raises:
        InputError: other numbers of samples, fewer than 3, other samples, or values that are not finite numbers.
    """
    check_choice("correlation", correlation, CORRELATIONS)
    ordered = (
        in_order(first, "the first embedding"),
        in_order(second, "the second embedding", samples=row_names(first)),
    )
    pair = [numeric(z, "an embedding").astype(np.float64) for z in ordered]
    if any(z.ndim != 2 for z in pair) or len(pair[0]) != len(pair[1]) or len(pair[0]) < 3:
        raise InputError(
            f"the embeddings have shapes {pair[0].shape} and {pair[1].shape}; they must be [N, L] of the same samples, at least 3"
        )
    if not all(np.isfinite(z).all() for z in pair):
        raise InputError("an embedding holds values that are missing or not finite")
    if correlation == "spearman":
        pair = [rankdata(z, axis=0) for z in pair]
    centred = [z - z.mean(0) for z in pair]
    lengths = [np.linalg.norm(z, axis=0) for z in centred]
    least = [_ROUNDING * np.linalg.norm(z, axis=0) for z in pair]
    one, two = (
        np.where(length > rounding, z / np.where(length > rounding, length, 1), 0)
        for z, length, rounding in zip(centred, lengths, least, strict=True)
    )
    table = one.T @ two
    rows, columns = linear_sum_assignment(-np.abs(table))
    found = table[rows, columns]
    return Matched(float(np.abs(found).mean()), rows, columns, found)


def seed_agreement(embeddings: Sequence[np.ndarray], correlation: str = "pearson") -> float:
    """Returns the mean MCC over all pairs of embeddings, such as those of one setting with different seeds.

    Raises:
        InputError: fewer than 2 embeddings, or see :func:`mean_correlation_coefficient`.
    """
    if len(embeddings) < 2:
        raise InputError(f"{len(embeddings)} embedding is given; agreement of seeds needs at least 2")
    pairs = itertools.combinations(embeddings, 2)
    return float(np.mean([mean_correlation_coefficient(*pair, correlation).mcc for pair in pairs]))
