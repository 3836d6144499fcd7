"""Building a :class:`~vaebench.types.Dataset` from arrays: missing values, selection, scaling, digest.

:func:`dataset_from_arrays`, which every reader ends in, does this in order:

1. check the parts (:mod:`vaebench.data.checks`); of counts, keep them and take log2(count + 1);
2. compute the statistics of every feature, with missing values replaced by the feature's mean;
3. drop constant features;
4. keep the ``top`` features of largest absolute deviation;
5. scale them with the statistics of all samples, and store them as float32;
6. record options and counts in the provenance, and digest the content.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from vaebench.data import checks
from vaebench.data.auxiliary import auxiliary_from, auxiliary_notes
from vaebench.data.digest import content_digest
from vaebench.data.files.text import LARGEST
from vaebench.data.preprocessing import Preprocessing
from vaebench.data.scale import blocks_of, profile_of, scale_notes
from vaebench.data.treatment import CHOICES as CHOICES
from vaebench.data.treatment import Treatment as Treatment
from vaebench.errors import InputError
from vaebench.types import Counts, Dataset, Survival
from vaebench.types.auxiliary import Auxiliary
from vaebench.types.frames import converted, in_order, is_frame, is_series, with_row_names

if TYPE_CHECKING:
    import pandas as pd  # for annotations only: training does without it

_BLOCK = 512  # features handled at once, so that the float64 copies stay small compared with the matrix


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
    auxiliary: Mapping[str, ArrayLike] | None = None,
    top: int | str | None = None,
    deviation: str = "mean",
    scaling: str = "zscore",
    missing: str = "refuse",
    counts: bool = False,
    name: str = "data",
    provenance: Mapping[str, Any] | None = None,
    notes: Sequence[str] | None = None,
) -> Dataset:
    """Builds a data set from raw values [N, D] and annotations of the samples.

    Missing values (NaN) are refused or replaced by the feature's mean. Constant features are dropped, and the ``top``
    features of largest absolute deviation are kept in their given order. They are scaled in float64 with the statistics of
    all samples, x' = (x - centre) / scale:

    * ``"zscore"``: centre is the mean, scale the population standard deviation;
    * ``"unit"``: centre is the minimum, scale the range, so that x' is in [0, 1];
    * ``"none"``: centre 0 and scale 1.

    Args:
        x: [N, D] numbers, samples in rows; the index and columns of a DataFrame are used as names. A pandas Series among the
            arguments below is then put in the order of the samples by its index.
        samples: [N] unique names; by default those of ``x``, or ``sample_1..N``.
        features: [D] unique names; by default those of ``x``, or ``feature_1..D``.
        labels: [N] class names, none missing, each with at least 2 samples.
        survival: times in days (NaN where unknown) and events.
        covariates: name -> [N]; numbers are stored as float64, anything else as strings.
        factors: name -> [N] numbers.
        auxiliary: name -> [N] known facts for the models that use them; numbers are quantities, anything else categories.
        top: number of features to keep, at most those that vary; ``"<=5000"`` keeps at most that many; ``None`` keeps all.
        deviation: ``"mean"`` (mean absolute deviation from the mean) or ``"median"`` (median absolute deviation from the
            median).
        scaling: ``"zscore"``, ``"unit"`` or ``"none"``.
        missing: ``"refuse"`` or ``"impute"``.
        counts: ``x`` holds raw counts: they are kept for a likelihood of counts, and log2(count + 1) is selected and scaled.
        name: short name.
        provenance: JSON values; a copy with the options and counts of this step is stored.
        notes: sentences for :attr:`vaebench.types.Dataset.notes`; by default one on the scale of the values.

    Returns:
        The data set, with ``x`` [N, D'] in float32.

    Raises:
        InputError: a part has the wrong shape or type, a name or value is not allowed, or no feature varies.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(100, 500))
        >>> dataset_from_arrays(x, labels=["A", "B"] * 50, top=200).x.shape
        (100, 200)
    """
    frame = converted(x)
    rows = samples
    if is_frame(frame):
        frame = with_row_names(frame)
        rows = list(frame.index)
        samples = rows if samples is None else samples
        features = list(frame.columns) if features is None else features
    values = checks.matrix(in_order(frame, "x"))
    count, width = values.shape
    sample_names = checks.names("sample", samples, count)
    feature_names = checks.names("feature", features, width)
    treatment = Treatment(top, deviation, scaling, "none", missing, counts)
    held_counts, values = checks.counted(values, sample_names, feature_names) if counts else (None, values)
    given = (labels, survival, covariates, factors, auxiliary)
    labels, survival, held, known_factors, facts = _by_sample(rows, samples, given, count)
    positions, label_names = checks.label_positions(labels, count)
    survival = None if survival is None else checks.survival_of(survival, sample_names)
    known = _statistics(values, sample_names, feature_names, missing)
    kept, chosen = _kept_and_chosen(values, known, treatment)
    scaled, centre, scale = _scaled(values, known, chosen, scaling)
    fill = known.mean[chosen] if missing == "impute" else None
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
        covariates={k: checks.covariate(k, v, count) for k, v in held.items()},
        factors={k: checks.factor(k, v, count) for k, v in known_factors.items()},
        provenance=_recorded(dict(provenance or {}), treatment, known, kept, chosen, survival, count),
        preprocessing=Preprocessing(feature_names[chosen], centre, scale, fill, treatment.transform, values.dtype.name),
        notes=_noted(notes, values, feature_names, scaling, facts, held_counts),
        auxiliary=facts,
        counts=held_counts and dataclasses.replace(held_counts, values=held_counts.values[:, chosen]),
    )
    return dataclasses.replace(dataset, digest=content_digest(dataset))


def _noted(
    notes: Sequence[str] | None,
    values: np.ndarray,
    features: np.ndarray,
    scaling: str,
    facts: Auxiliary | None,
    counts: Counts | None,
) -> tuple[str, ...]:
    """Returns the notes of the data set: those given, or one on the scale of the values, and those on what is kept beside."""
    own = []
    if counts is not None:
        low, high = counts.library.min(), counts.library.max()
        own.append(f"counts: raw counts are kept, {low:,.0f} to {high:,.0f} a sample, and models see log2(count + 1)")
    elif notes is None:
        own += scale_notes(profile_of(blocks_of(values, features.tolist())), "none", scaling)
    return (*(notes or ()), *own, *auxiliary_notes(facts))


def _by_sample(
    rows: Sequence[Any] | np.ndarray | None,
    samples: Sequence[Any] | np.ndarray | None,
    parts: tuple[Any, Any, Any, Any, Any],
    count: int,
) -> tuple[Any, Any, Any, Any, Any]:
    """Returns the parts of a data set with every pandas column in the order of the samples, by name.

    Args:
        rows: names of the rows of ``x``; ``None`` for an array without names, whose columns are taken in their order.
        samples: names of the samples in the data set, which may be other ones.
        parts: labels, survival, covariates, factors and auxiliary variables; the last are also given their coding.
        count: N.
    """
    labels, survival, covariates, factors, auxiliary = parts

    def ordered(values: Any, what: str) -> Any:
        values = converted(values)
        if not is_series(values) or rows is None or samples is None:
            return np.asarray(values) if is_series(values) else values
        held = set(map(str, values.index))
        for names in (samples, rows):
            if held.issuperset(map(str, names)):
                return in_order(values, what, samples=names)
        unnamed = rows is samples and list(rows) == list(range(len(rows)))
        return values.to_numpy() if unnamed else in_order(values, what, samples=rows)

    if isinstance(survival, Survival):
        survival = Survival(ordered(survival.time, "the times"), ordered(survival.event, "the events"))
    named = [
        {str(name): ordered(values, f"the {kind} {name!r}") for name, values in ({} if held is None else held).items()}
        for kind, held in (("covariate", covariates), ("factor", factors), ("auxiliary variable", auxiliary))
    ]
    return ordered(labels, "the labels"), survival, named[0], named[1], auxiliary_from(named[2], count)


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


def _kept_and_chosen(values: np.ndarray, known: _Statistics, treatment: Treatment) -> tuple[np.ndarray, np.ndarray]:
    """Returns the positions of the features that vary, and of those that are selected; ``InputError`` if none varies."""
    kept = np.flatnonzero((known.high > known.low) & (known.sd > 0))
    if kept.size == 0:
        raise InputError(
            f"all {len(known.mean)} features are constant over {len(values)} samples; at least one must vary"
        )
    if treatment.top is None:
        return kept, kept
    return kept, kept[_selected(values, known.mean, kept, treatment.top, treatment.deviation)]


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
        "options": {**treatment.options(), **given.get("options", {})},
        "counts": {**given.get("counts", {}), **counts},
        "statistics_from": "all samples",
    }
