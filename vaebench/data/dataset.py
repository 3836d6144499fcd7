"""Building a :class:`~vaebench.types.Dataset` from arrays: missing values, selection, scaling, digest.

:func:`dataset_from_arrays`, which every reader ends in, does this in order:

1. check the parts (:mod:`vaebench.data.checks`);
2. compute the statistics of every feature, with missing values replaced by the feature's mean;
3. drop constant features;
4. keep the ``top`` features of largest absolute deviation;
5. scale them with the statistics of all samples, and store them as float32;
6. record options and counts in the provenance, and digest the content.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike

from vaebench.data import checks
from vaebench.data.files.text import LARGEST
from vaebench.errors import InputError, unknown_name
from vaebench.types import Dataset, Survival

if TYPE_CHECKING:
    import pandas as pd  # for annotations only: training does without it

CHOICES = {
    "transform": ("none", "log2"),
    "deviation": ("mean", "median"),
    "scaling": ("zscore", "unit", "none"),
    "missing": ("refuse", "impute"),
}
"""Option -> its allowed values."""

_BLOCK = 512  # features handled at once, so that the float64 copies stay small compared with the matrix


@dataclasses.dataclass(frozen=True)
class Treatment:
    """Transform, selection and scaling of values; see :func:`vaebench.data.read_table` for each field."""

    top: int | str | None = None
    deviation: str = "mean"
    scaling: str = "zscore"
    transform: str = "none"
    missing: str = "refuse"

    def __post_init__(self) -> None:
        for option, allowed in CHOICES.items():
            if getattr(self, option) not in allowed:
                raise unknown_name(option, getattr(self, option), allowed)


class _Statistics(NamedTuple):
    """Statistics of each feature over all samples, [D] in float64, with missing values replaced by the mean."""

    mean: np.ndarray
    sd: np.ndarray
    low: np.ndarray
    high: np.ndarray
    missing: np.ndarray


def dataset_from_arrays(
    x: ArrayLike | pd.DataFrame,
    *,
    samples: Sequence[str] | np.ndarray | None = None,
    features: Sequence[str] | np.ndarray | None = None,
    labels: Sequence[object] | np.ndarray | None = None,
    survival: Survival | None = None,
    covariates: Mapping[str, ArrayLike] | None = None,
    factors: Mapping[str, ArrayLike] | None = None,
    top: int | str | None = None,
    deviation: str = "mean",
    scaling: str = "zscore",
    missing: str = "refuse",
    name: str = "data",
    provenance: Mapping[str, Any] | None = None,
) -> Dataset:
    """Builds a data set from raw values [N, D] and annotations of the samples.

    Missing values (NaN) are refused or replaced by the feature's mean. Constant features are dropped, and the ``top``
    features of largest absolute deviation are kept in their given order. They are scaled in float64 with the statistics of
    all samples, x' = (x - centre) / scale:

    * ``"zscore"``: centre is the mean, scale the population standard deviation;
    * ``"unit"``: centre is the minimum, scale the range, so that x' is in [0, 1];
    * ``"none"``: centre 0 and scale 1.

    Args:
        x: [N, D] numbers, samples in rows; the index and columns of a DataFrame are used as names.
        samples: [N] unique names; by default those of ``x``, or ``sample_1..N``.
        features: [D] unique names; by default those of ``x``, or ``feature_1..D``.
        labels: [N] class names, none missing, each with at least 2 samples.
        survival: times in days (NaN where unknown) and events.
        covariates: name -> [N]; numbers are stored as float64, anything else as strings.
        factors: name -> [N] numbers.
        top: number of features to keep, at most those that vary; ``"<=5000"`` keeps at most that many; ``None`` keeps all.
        deviation: ``"mean"`` (mean absolute deviation from the mean) or ``"median"`` (median absolute deviation from the
            median).
        scaling: ``"zscore"``, ``"unit"`` or ``"none"``.
        missing: ``"refuse"`` or ``"impute"``.
        name: short name.
        provenance: JSON values; a copy with the options and counts of this step is stored.

    Returns:
        The data set, with ``x`` [N, D'] in float32.

    Raises:
        InputError: a part has the wrong shape or type, a name or value is not allowed, or no feature varies.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(100, 500))
        >>> dataset_from_arrays(x, labels=["A", "B"] * 50, top=200).x.shape
        (100, 200)
    """
    if hasattr(x, "index") and hasattr(x, "columns"):  # a DataFrame, recognised without importing pandas
        frame = cast("pd.DataFrame", x)
        samples = list(frame.index) if samples is None else samples
        features = list(frame.columns) if features is None else features
    values = checks.matrix(x)
    count, width = values.shape
    sample_names = checks.names("sample", samples, count)
    feature_names = checks.names("feature", features, width)
    treatment = Treatment(top, deviation, scaling, "none", missing)
    positions, label_names = checks.label_positions(labels, count)
    survival = None if survival is None else checks.survival_of(survival, sample_names)
    known = _statistics(values, sample_names, feature_names, missing)
    kept = np.flatnonzero((known.high > known.low) & (known.sd > 0))
    if kept.size == 0:
        raise InputError(f"all {width} features are constant over {count} samples; at least one must vary")
    chosen = kept if top is None else kept[_selected(values, known.mean, kept, top, deviation)]
    scaled, centre, scale = _scaled(values, known, chosen, scaling)
    dataset = Dataset(
        name=name,
        digest="",
        x=scaled,
        samples=sample_names,
        features=feature_names[chosen],
        centre=centre,
        scale=scale,
        scaling=scaling,
        labels=positions,
        label_names=label_names,
        survival=survival,
        covariates={str(k): checks.covariate(str(k), v, count) for k, v in (covariates or {}).items()},
        factors={str(k): checks.factor(str(k), v, count) for k, v in (factors or {}).items()},
        provenance=_recorded(dict(provenance or {}), treatment, known, kept, chosen, survival, count),
    )
    return dataclasses.replace(dataset, digest=content_digest(dataset))


def _statistics(values: np.ndarray, samples: np.ndarray, features: np.ndarray, missing: str) -> _Statistics:
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
    return _Statistics(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _selected(values: np.ndarray, mean: np.ndarray, kept: np.ndarray, top: int | str, deviation: str) -> np.ndarray:
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


def _scaled(
    values: np.ndarray, known: _Statistics, chosen: np.ndarray, scaling: str
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


def _recorded(
    given: dict[str, Any],
    treatment: Treatment,
    known: _Statistics,
    kept: np.ndarray,
    chosen: np.ndarray,
    survival: Survival | None,
    count: int,
) -> dict[str, Any]:
    """Returns the given provenance with the options and counts of this step."""
    counts = {
        "samples": count,
        "features": chosen.size,
        "constant_features_dropped": len(known.mean) - kept.size,
        "features_not_selected": kept.size - chosen.size,
        "missing_values": int(known.missing.sum()),
        "features_with_missing_values": int((known.missing > 0).sum()),
        "survival_missing": 0 if survival is None else int(np.isnan(survival.time).sum()),
    }
    return {
        **given,
        "options": {**dataclasses.asdict(treatment), **given.get("options", {})},
        "counts": {**given.get("counts", {}), **counts},
        "statistics_from": "all samples",
    }


def content_digest(dataset: Dataset) -> str:
    """Returns the first 16 hex digits of the sha256 over the content of a data set.

    It covers values, names, labels, survival, covariates and factors, and is the same on every machine.
    """
    state = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, Mapping):
            value = [part for key in sorted(value) for part in (key, value[key])]
        if isinstance(value, Survival):
            value = [value.time, value.event]
        if isinstance(value, np.ndarray) and value.dtype.kind in "fib":
            little = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
            state.update(f"{little.dtype.str}{little.shape}".encode())
            flat = little.reshape(-1)
            for start in range(0, flat.size, 1 << 22):  # a matrix is not copied as a whole
                part = flat[start : start + (1 << 22)]
                # adding 0 turns -0.0 into 0.0, and every NaN gets the same bits
                if part.dtype.kind == "f":
                    part = np.where(np.isnan(part), np.nan, part + 0)
                state.update(part.tobytes())
        elif isinstance(value, np.ndarray):
            state.update(json.dumps(value.tolist()).encode())
        elif isinstance(value, list | tuple):
            state.update(f"[{len(value)}".encode())
            for part in value:
                add(part)
        else:
            state.update(json.dumps(value).encode())

    names = (dataset.samples, dataset.features, dataset.label_names)
    add([dataset.x, *names, dataset.labels, dataset.survival, dataset.covariates, dataset.factors])
    return state.hexdigest()[:16]


def aligned(values: ArrayLike, names: Sequence[str] | np.ndarray, wanted: Sequence[str] | np.ndarray) -> np.ndarray:
    """Selects and orders columns by feature name.

    Args:
        values: [N, D'] numbers.
        names: [D'] unique names of its columns.
        wanted: [D] names of the columns to return.

    Returns:
        [N, D], the wanted columns in that order.

    Raises:
        InputError: a wanted feature is missing, a name occurs twice, or the number of names and columns differs.

    Example::

        z = model.embed(vb.data.aligned(new_values, new_genes, data.features))
    """
    array = checks.matrix(values)
    place = {name: position for position, name in enumerate(checks.names("feature", names, array.shape[1]).tolist())}
    absent = [str(name) for name in wanted if str(name) not in place]
    if absent:
        shown = ", ".join(absent[:5]) + (", ..." if len(absent) > 5 else "")
        raise InputError(f"{len(absent)} of {len(wanted)} features are missing from the values: {shown}")
    return array[:, [place[str(name)] for name in wanted]]
