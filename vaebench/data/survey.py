"""One pass over the raw values of all features: their scale, their statistics, and which of them deviate most.

A data set keeps a few thousand of the features of a file, so values come in blocks of features, and of a file that is read only
once, those of the features that may be kept are all that stays in memory:

1. :class:`~vaebench.data.raw_features.RawFeatures` gives the blocks, of an array or of a file.
2. :func:`surveyed` transforms each block and computes the statistics of its features.
3. :func:`selected_features` keeps those that vary or, of these, the ``top`` of largest absolute deviation.
4. :func:`scaled` scales them with their statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from vaebench.data.files.text import LARGEST
from vaebench.data.preprocessing import transformed
from vaebench.data.raw_features import RawFeatures, in_blocks, slices
from vaebench.data.scale import (
    FEW_NEGATIVE,
    Lowest,
    Profile,
    SampleMoments,
    block_profile,
    negative_values,
    profile_from,
    scale_notes,
)
from vaebench.errors import InputError


class Survey(NamedTuple):
    """Statistics of each feature over all samples, [D] in float64, after the transform.

    Attributes:
        names: of the D features.
        mean: of the values that are present; in all others below, missing values are replaced by it.
        sd: population standard deviation.
        low: smallest value.
        high: largest value.
        missing: number of missing values.
        absent: [N] missing values of each sample, of all features.
        deviation: absolute deviation; not computed, 0, where all features are kept.
        first_missing: the first missing value, for messages.
        profile: statistics of the values before the transform; ``None`` unless asked for.
        lowest: the values below 0 before the transform.
        transform: ``"none"`` or ``"log2"``.
        precision: number type of the values.
        rows: positions [k] -> raw values [k, N], at least of the features that may be selected.
    """

    names: list[str]
    mean: np.ndarray
    sd: np.ndarray
    low: np.ndarray
    high: np.ndarray
    missing: np.ndarray
    deviation: np.ndarray
    absent: np.ndarray
    first_missing: str
    profile: Profile | None
    lowest: Lowest
    transform: str
    precision: np.dtype
    rows: Callable[[np.ndarray], np.ndarray]


def surveyed(
    source: RawFeatures,
    samples: Sequence[str] | np.ndarray,
    top: int | str | None,
    deviation: str,
    transform: str = "none",
    profiled: bool = True,
) -> Survey:
    """Reads all features once.

    Args:
        source: the features.
        samples: [N] names, for messages.
        top: see :func:`selected_features`.
        deviation: ``"mean"`` or ``"median"``.
        transform: ``"none"`` or ``"log2"``; negative values count as 0 in it.
        profiled: also compute the profile.

    Raises:
        InputError: a value is infinite.
    """
    count = len(source.names)
    found, profile, whole, lowest = np.zeros((6, count)), np.zeros((6, count)), True, Lowest()
    moments = SampleMoments(source.samples)
    best = None if source.rows else _Best(source, _most(top, count))
    by_sample = np.zeros(source.samples, np.int64)
    first = (count, 0)  # feature and sample of the first missing value
    for place, raw in in_blocks(source):
        if profiled:
            profile[:, place], integers = block_profile(raw)
            moments.add(raw, profile[2, place].min())
            whole = whole and integers
        if transform == "log2":
            lowest = lowest.joined(place, raw)
        part = np.array(transformed(raw, transform).T, dtype=np.float64, order="C")
        _refuse_infinite(part, place, source.names, samples)
        statistics, absent = _statistics(part, None if top is None else deviation)
        found[:, place] = statistics
        if absent is not None:
            by_sample += absent.sum(axis=1)
            j = int(np.argmin(np.where(absent.any(axis=0), place, count)))
            first = min(first, (int(place[j]), int(np.argmax(absent[:, j]))))
        if best is not None:
            best.add(place, np.where(_varies(statistics), statistics[5], -1.0), raw)
    rows = source.rows if best is None else best.rows
    assert rows is not None
    return Survey(
        source.names,
        *found,
        absent=by_sample,
        first_missing=f"feature {source.names[first[0]]!r} of sample {str(samples[first[1]])!r}"
        if first[0] < count
        else "",
        profile=profile_from(source.names, profile, whole, moments) if profiled else None,
        lowest=lowest,
        transform=transform,
        precision=source.precision,
        rows=rows,
    )


def transform_notes(survey: Survey, size: int, samples: np.ndarray, scaling: str) -> list[str]:
    """Returns notes on the scale of the raw values and on what the transform does with them.

    Args:
        survey: the features, with a profile.
        size: number of values.
        samples: [N] names, for messages.
        scaling: scaling that follows.

    Raises:
        InputError: log2 is asked of negative values, unless they are few among linear ones.
    """
    profile, lowest = survey.profile, survey.lowest
    assert profile is not None
    notes = scale_notes(profile, survey.transform, scaling)
    if survey.transform == "log2" and lowest.below:
        if profile.scale != "linear" or lowest.below > FEW_NEGATIVE * size:
            sample, feature = str(samples[lowest.sample]), survey.names[lowest.feature]
            raise negative_values(profile, lowest, size, feature, sample)
        notes.append(f"{lowest.below} of {size} values are below 0, the smallest {profile.low:.6g}, and count as 0")
    return notes


def _refuse_infinite(
    part: np.ndarray, place: np.ndarray, names: list[str], samples: Sequence[str] | np.ndarray
) -> None:
    infinite = np.argwhere(np.abs(part) > LARGEST)
    if infinite.size:
        i, j = infinite[0]
        found = "infinite" if np.isinf(part[i, j]) else f"{part[i, j]:g}, too large for single precision"
        raise InputError(f"feature {names[place[j]]!r} of sample {str(samples[i])!r} is {found}; values must be finite")


def _statistics(part: np.ndarray, deviation: str | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Mean, sd, low, high, missing and deviation [6, k] of values [N, k], and where they are missing if any is.

    In a C-ordered block NumPy sums over the first axis row by row, so that statistics, and with them the digest, are the same
    on every machine. Missing values are filled in place.
    """
    absent = np.isnan(part)
    counts = absent.sum(axis=0)
    if counts.any():
        mean = np.where(absent, 0.0, part).sum(axis=0) / np.maximum(len(part) - counts, 1)
        np.copyto(part, mean, where=absent)
    else:
        mean = part.sum(axis=0) / np.maximum(len(part) - counts, 1)
    distance = part - mean
    sd = np.sqrt(np.square(distance, out=distance).sum(axis=0) / len(part))
    del distance
    spread = np.zeros(len(mean)) if deviation is None else absolute_deviation(part, deviation)
    return np.stack([mean, sd, part.min(axis=0), part.max(axis=0), counts, spread]), absent if counts.any() else None


def absolute_deviation(values: np.ndarray, deviation: str = "mean") -> np.ndarray:
    """Returns the absolute deviation of each column of ``values`` [N, D], which holds no NaN: [D].

    ``"mean"`` is the mean distance from the mean, ``"median"`` the median distance from the median.
    """
    middle = np.mean if deviation == "mean" else np.median
    distance = values - middle(values, axis=0)
    return middle(np.abs(distance, out=distance), axis=0)


def _varies(statistics: np.ndarray) -> np.ndarray:
    _, sd, low, high = statistics[:4]
    return (high > low) & (sd > 0)


def selected_features(survey: Survey, samples: int, top: int | str | None) -> tuple[np.ndarray, np.ndarray]:
    """Returns the positions of the features that vary, and of those to keep, both ascending.

    Args:
        survey: the features.
        samples: their number, for the message.
        top: number of features to keep, those of largest absolute deviation, ties to the earlier one; ``"<=5000"`` for at
            most that many, ``None`` for all that vary.

    Raises:
        InputError: no feature varies, or fewer than ``top``.
    """
    kept = np.flatnonzero((survey.high > survey.low) & (survey.sd > 0))
    if kept.size == 0:
        raise InputError(
            f"all {len(survey.names)} features are constant over {samples} samples; at least one must vary"
        )
    if top is None:
        return kept, kept
    if isinstance(top, str) and top.startswith("<=") and top[2:].isdigit():
        top = min(int(top[2:]), kept.size)
    if isinstance(top, bool) or not isinstance(top, int | np.integer) or not 1 <= top <= kept.size:
        raise InputError(
            f"top={top!r} is not allowed; it must be a whole number from 1 to {kept.size}, "
            'the number of features that vary, or a limit such as "<=5000"'
        )
    return kept, kept[np.sort(np.argsort(-survey.deviation[kept], kind="stable")[:top])]


def _most(top: int | str | None, count: int) -> int:
    """The most features of ``count`` that ``top`` may select; 0 if it is not allowed, which is said later."""
    if top is None:
        return count
    if isinstance(top, str):
        top = int(top[2:]) if top.startswith("<=") and top[2:].isdigit() else 0
    return min(max(int(top), 0), count) if isinstance(top, int | np.integer) else 0


def kept_bytes(source: RawFeatures, top: int | str | None) -> int:
    """Returns the bytes of the raw values that :func:`surveyed` keeps of a source that is read once."""
    return _most(top, len(source.names)) * source.samples * source.precision.itemsize


class _Best:
    """Raw values of the features of largest deviation so far, ties to the earlier one."""

    def __init__(self, source: RawFeatures, most: int) -> None:
        self.values = np.empty((most, source.samples), source.precision)  # a page takes memory once it is written
        self.place, self.deviation = np.full(most, -1), np.zeros(most)
        self.count = len(source.names)

    def add(self, place: np.ndarray, deviation: np.ndarray, rows: np.ndarray) -> None:
        """Take a block of features; a deviation below 0 keeps a feature out."""
        held, new = np.flatnonzero(self.place >= 0), np.flatnonzero(deviation >= 0)
        everyone = np.concatenate([self.place[held], place[new]])
        order = np.lexsort((everyone, -np.concatenate([self.deviation[held], deviation[new]])))
        self.place[held[order[len(self.place) :][order[len(self.place) :] < held.size]]] = -1
        taken = order[: len(self.place)]
        new = new[taken[taken >= held.size] - held.size]
        free = np.flatnonzero(self.place < 0)[: new.size]
        self.place[free], self.deviation[free], self.values[free] = place[new], deviation[new], rows[new]

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """Raw values [k, N] of features that were kept."""
        slot = np.zeros(self.count, int)
        slot[self.place[self.place >= 0]] = np.flatnonzero(self.place >= 0)
        return self.values[slot[positions]]


def scaled(survey: Survey, samples: int, chosen: np.ndarray, scaling: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the chosen features scaled, [N, D'] in float32, and their centre and scale [D'] in float64."""
    centre, scale = {
        "zscore": (survey.mean, survey.sd),
        "unit": (survey.low, survey.high - survey.low),
        "none": (np.zeros(len(survey.mean)), np.ones(len(survey.mean))),
    }[scaling]
    centre, scale = centre[chosen], scale[chosen]
    x = np.empty((samples, chosen.size), dtype=np.float32)
    for block in slices(chosen.size):
        part = np.array(transformed(survey.rows(chosen[block]), survey.transform).T, dtype=np.float64, order="C")
        np.copyto(part, survey.mean[chosen[block]], where=np.isnan(part))
        part -= centre[block]
        part /= scale[block]
        x[:, block] = part
    return x, centre, scale
