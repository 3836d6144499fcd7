"""Statistics of the features of raw values, the selection of those of largest deviation, and their scaling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vaebench.data.files.text import LARGEST
from vaebench.errors import InputError

_BLOCK = 512  # features handled at once, so that the float64 copies stay small compared with the matrix


class FeatureStatistics(NamedTuple):
    """Statistics of each feature over all samples, [D] in float64, with missing values replaced by the mean."""

    mean: np.ndarray
    sd: np.ndarray
    low: np.ndarray
    high: np.ndarray
    missing: np.ndarray


def feature_statistics(
    values: np.ndarray, samples: np.ndarray, features: np.ndarray, missing: str
) -> FeatureStatistics:
    """Computes the statistics of raw values [N, D]; missing ones are refused or, with ``missing="impute"``, counted.

    Raises:
        InputError: a value is infinite or too large, or missing and refused.
    """
    parts: list[tuple[np.ndarray, ...]] = []
    total, first = 0, ""
    for block in _blocks(values.shape[1]):
        # In a C-ordered block NumPy sums over the first axis row by row, so that statistics, and with them the digest,
        # are the same on every machine.
        part = np.array(values[:, block], dtype=np.float64, order="C")
        infinite = np.argwhere(np.abs(part) > LARGEST)
        if infinite.size:
            i, j = infinite[0]
            found = "infinite" if np.isinf(part[i, j]) else f"{part[i, j]:g}, too large for single precision"
            raise InputError(
                f"feature {str(features[block][j])!r} of sample {str(samples[i])!r} is {found}; values must be finite"
            )
        absent = np.isnan(part)
        counts = absent.sum(axis=0)
        if counts.any() and not total:
            j = int(np.argmax(counts > 0))
            first = f"feature {str(features[block][j])!r} of sample {str(samples[np.argmax(absent[:, j])])!r}"
        total += int(counts.sum())
        mean = np.where(absent, 0.0, part).sum(axis=0) / np.maximum(len(part) - counts, 1)
        part = np.where(absent, mean, part)
        sd = np.sqrt(np.square(part - mean).sum(axis=0) / len(part))
        parts.append((mean, sd, part.min(axis=0), part.max(axis=0), counts))
    if total and missing == "refuse":
        raise InputError(
            f'missing values: {total}, the first in {first}; give missing="impute" (--missing impute) to use the mean of '
            "the feature, or, if that is not a feature, name it under ignore (--ignore)"
        )
    return FeatureStatistics(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def selected_features(
    values: np.ndarray, mean: np.ndarray, kept: np.ndarray, top: int | str, deviation: str
) -> np.ndarray:
    """Returns the positions in ``kept`` of the ``top`` features of largest deviation, ascending.

    Ties go to the earlier feature.
    """
    if isinstance(top, str) and top.startswith("<=") and top[2:].isdigit():
        top = min(int(top[2:]), kept.size)
    if isinstance(top, bool) or not isinstance(top, int | np.integer) or not 1 <= top <= kept.size:
        raise InputError(
            f"top={top!r} is not allowed; it must be a whole number from 1 to {kept.size}, "
            'the number of features that vary, or a limit such as "<=5000"'
        )
    parts = [absolute_deviation(_filled(values, mean, kept[block]), deviation) for block in _blocks(kept.size)]
    return np.sort(np.argsort(-np.concatenate(parts), kind="stable")[:top])


def absolute_deviation(values: np.ndarray, deviation: str = "mean") -> np.ndarray:
    """Returns the absolute deviation of each column of ``values`` [N, D], which holds no NaN: [D].

    ``"mean"`` is the mean distance from the mean, ``"median"`` the median distance from the median.
    """
    middle = np.mean if deviation == "mean" else np.median
    return middle(np.abs(values - middle(values, axis=0)), axis=0)


def scaled_features(
    values: np.ndarray, known: FeatureStatistics, chosen: np.ndarray, scaling: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scales the chosen columns: values [N, D'] in float32, and centre and scale [D']."""
    width = len(known.mean)
    centre, scale = {
        "zscore": (known.mean, known.sd),
        "unit": (known.low, known.high - known.low),
        "none": (np.zeros(width), np.ones(width)),
    }[scaling]
    centre, scale = centre[chosen], scale[chosen]
    scaled = np.empty((len(values), chosen.size), dtype=np.float32)
    for block in _blocks(chosen.size):
        scaled[:, block] = (_filled(values, known.mean, chosen[block]) - centre[block]) / scale[block]
    return scaled, centre, scale


def _filled(values: np.ndarray, mean: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Some columns in float64 [N, .], with their mean for missing values."""
    part = np.array(values[:, columns], dtype=np.float64, order="C")
    return np.where(np.isnan(part), mean[columns], part)


def _blocks(width: int) -> Iterator[slice]:
    return (slice(start, min(start + _BLOCK, width)) for start in range(0, width, _BLOCK))
