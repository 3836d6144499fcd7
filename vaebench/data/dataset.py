"""From arrays to a :class:`~vaebench.types.Dataset`: missing values, selection, scaling, digest; alignment by name."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vaebench.data import checks
from vaebench.errors import InputError, unknown_name
from vaebench.types import Dataset, Survival

CHOICES = {
    "transform": ("none", "log2"),
    "deviation": ("mean", "median"),
    "scaling": ("zscore", "unit", "none"),
    "missing": ("refuse", "impute"),
}
_BLOCK = 512  # features handled at once, so that the float64 copies stay small beside the matrix


@dataclasses.dataclass(frozen=True)
class Treatment:
    """What is done to values on their way into a data set; see :func:`vaebench.data.read_table` for each field."""

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
    """Per feature [D] in float64, over all samples, missing values replaced by the mean."""

    mean: np.ndarray
    sd: np.ndarray
    low: np.ndarray
    high: np.ndarray
    missing: np.ndarray


def dataset_from_arrays(
    x: Any,
    *,
    samples: Sequence[str] | np.ndarray | None = None,
    features: Sequence[str] | np.ndarray | None = None,
    labels: Sequence[Any] | np.ndarray | None = None,
    survival: Survival | None = None,
    covariates: Mapping[str, Any] | None = None,
    factors: Mapping[str, Any] | None = None,
    top: int | str | None = None,
    deviation: str = "mean",
    scaling: str = "zscore",
    missing: str = "refuse",
    name: str = "data",
    provenance: Mapping[str, Any] | None = None,
) -> Dataset:
    """A data set from raw values ``x`` [N, D] and what is known of the samples.

    Missing values (NaN) are refused or replaced by the feature's mean, constant features are dropped, the ``top``
    features of largest absolute deviation are kept (in their given order), and the rest is scaled with statistics
    of all samples in float64: ``zscore`` (population sd), ``unit`` (to [0, 1]) or ``none``.

    Args:
        x: [N, D] numbers, samples in rows; a pandas DataFrame brings its names along.
        samples: [N] unique names; without, those of ``x``, or ``sample_1..N``.
        features: [D] unique names; without, those of ``x``, or ``feature_1..D``.
        labels: [N] names, none missing, each with at least 2 samples.
        survival: times in days (NaN where unknown) and events.
        covariates: name -> [N]; numbers become float64, all else strings.
        factors: name -> [N] numbers.
        top: how many features to keep, at most those that vary; ``"<=5000"`` for as many or fewer; ``None`` keeps all.
        deviation: ``"mean"`` (mean absolute deviation from the mean, pandas' former ``mad``) or ``"median"``.
        scaling: ``"zscore"``, ``"unit"`` or ``"none"``.
        missing: ``"refuse"`` or ``"impute"``.
        name: short name.
        provenance: JSON values; the counts of this step are added to a copy.

    Raises:
        InputError: for anything that does not fit the above.
    """
    if hasattr(x, "index") and hasattr(x, "columns"):  # pandas itself is not needed here
        samples, features = (x.index if samples is None else samples), (x.columns if features is None else features)
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


def _scaled(
    values: np.ndarray, known: _Statistics, chosen: np.ndarray, scaling: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The chosen columns, scaled [N, D'] in float32, and their centre and scale [D']."""
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


def _recorded(
    given: dict[str, Any],
    treatment: Treatment,
    known: _Statistics,
    kept: np.ndarray,
    chosen: np.ndarray,
    survival: Survival | None,
    count: int,
) -> dict[str, Any]:
    """``given`` provenance with the options and the counts of this step."""
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


def aligned(values: Any, names: Sequence[str] | np.ndarray, wanted: Sequence[str] | np.ndarray) -> np.ndarray:
    """The columns ``wanted`` [D] of ``values`` [N, D'], in that order: [N, D]. Columns not wanted are left out.

    ``InputError`` when a wanted feature is missing, one of ``names`` [D'] comes twice, or they are not as many as columns.
    """
    array = checks.matrix(values)
    place = {name: position for position, name in enumerate(checks.names("feature", names, array.shape[1]).tolist())}
    absent = [str(name) for name in wanted if str(name) not in place]
    if absent:
        shown = ", ".join(absent[:5]) + (", ..." if len(absent) > 5 else "")
        raise InputError(f"{len(absent)} of {len(wanted)} features are missing from the values: {shown}")
    return array[:, [place[str(name)] for name in wanted]]


def absolute_deviation(values: np.ndarray, deviation: str = "mean") -> np.ndarray:
    """Per column of ``values`` [N, D] without NaN: mean distance from the mean, or median distance from the median."""
    middle = np.mean if deviation == "mean" else np.median
    return middle(np.abs(values - middle(values, axis=0)), axis=0)


def _blocks(width: int) -> Iterator[slice]:
    return (slice(start, min(start + _BLOCK, width)) for start in range(0, width, _BLOCK))


def _statistics(values: np.ndarray, samples: np.ndarray, features: np.ndarray, missing: str) -> _Statistics:
    parts: list[tuple[np.ndarray, ...]] = []
    total, first = 0, ""
    for block in _blocks(values.shape[1]):
        # Sums over the first axis of a C-ordered block add row by row: the same result, and digest, on any machine.
        part = np.array(values[:, block], dtype=np.float64, order="C")
        infinite = np.argwhere(np.isinf(part))
        if infinite.size:
            i, j = infinite[0]
            raise InputError(
                f"feature {str(features[block][j])!r} of sample {str(samples[i])!r} is infinite; values must be finite"
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
            "the feature, or, if that is no feature, name it under ignore (--ignore)"
        )
    return _Statistics(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _selected(values: np.ndarray, mean: np.ndarray, kept: np.ndarray, top: int | str, deviation: str) -> np.ndarray:
    """Positions in ``kept`` of the ``top`` features of largest deviation, ascending; ties go to the earlier feature."""
    if isinstance(top, str) and top.startswith("<=") and top[2:].isdigit():
        top = min(int(top[2:]), kept.size)
    if isinstance(top, bool) or not isinstance(top, int | np.integer) or not 1 <= top <= kept.size:
        raise InputError(
            f"top={top!r} is not allowed; it must be a whole number from 1 to {kept.size}, "
            'the number of features that vary, or such as "<=5000"'
        )
    parts = [absolute_deviation(_filled(values, mean, kept[block]), deviation) for block in _blocks(kept.size)]
    return np.sort(np.argsort(-np.concatenate(parts), kind="stable")[:top])


def _filled(values: np.ndarray, mean: np.ndarray, columns: np.ndarray) -> np.ndarray:
    part = np.array(values[:, columns], dtype=np.float64, order="C")
    return np.where(np.isnan(part), mean[columns], part)


def content_digest(dataset: Dataset) -> str:
    """First 16 hex digits of the sha256 over the contents, the same on every machine."""
    state = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, Mapping):
            value = [part for key in sorted(value) for part in (key, value[key])]
        if isinstance(value, Survival):
            value = [value.time, value.event]
        if isinstance(value, np.ndarray) and value.dtype.kind in "fib":
            little = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
            state.update(f"{little.dtype.str}{little.shape}".encode())
            # Adding 0 makes -0.0 a 0.0, and every NaN gets the same bits.
            if little.dtype.kind == "f":
                little = np.where(np.isnan(little), np.nan, little + 0)
            state.update(little.tobytes())
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
