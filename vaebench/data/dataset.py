"""Building a :class:`~vaebench.types.Dataset` from arrays: missing values, selection, scaling, digest.

:func:`dataset_from_features`, which :func:`dataset_from_arrays` and every reader end in, does this in order:

1. check the parts (:mod:`vaebench.data.checks`); of counts, keep them and take log2(count + 1);
2. compute the statistics of every feature (:mod:`vaebench.data.survey`), with missing values replaced by the feature's mean;
3. drop constant features;
4. keep the ``top`` features of largest absolute deviation;
5. scale them with the statistics of all samples, and store them as float32;
6. record options and counts in the provenance, and digest the content.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from vaebench.data import checks
from vaebench.data.auxiliary import auxiliary_from, auxiliary_notes
from vaebench.data.digest import content_digest
from vaebench.data.preprocessing import Preprocessing
from vaebench.data.raw_features import RawFeatures, array_features
from vaebench.data.repeats import empty_notes, twin_notes
from vaebench.data.survey import Survey, scaled, selected_features, surveyed, transform_notes
from vaebench.data.value_notes import count_notes, feature_notes, missing_notes, refuse_missing
from vaebench.errors import InputError, as_tuple, unknown_name
from vaebench.types import Dataset, Survival
from vaebench.types.auxiliary import Auxiliary
from vaebench.types.frames import converted, in_order, is_frame, is_series, with_row_names

if TYPE_CHECKING:
    import pandas as pd  # for annotations only: training does without it

CHOICES = {
    "transform": ("none", "log2"),
    "deviation": ("mean", "median"),
    "scaling": ("zscore", "unit", "none"),
    "missing": ("refuse", "impute"),
}
"""Option -> its allowed values."""


@dataclasses.dataclass(frozen=True)
class Treatment:
    """Transform, selection and scaling of values; see :func:`vaebench.data.read_table` for each field."""

    top: int | str | None = None
    deviation: str = "mean"
    scaling: str = "zscore"
    transform: str = "none"
    missing: str = "refuse"
    counts: bool = False

    def __post_init__(self) -> None:
        for option, allowed in CHOICES.items():
            if getattr(self, option) not in allowed:
                raise unknown_name(option, getattr(self, option), allowed)
        if self.counts:  # counts are compared on a log scale, whatever a protocol expects of its own data
            object.__setattr__(self, "transform", "log2")

    def options(self) -> dict[str, Any]:
        """Returns the fields for records and cache keys, which name no counts where there are none."""
        return {k: v for k, v in dataclasses.asdict(self).items() if k != "counts" or v}


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
    parts = (labels, survival, covariates, factors, auxiliary)
    labels, survival, held, known_factors, facts = _by_sample(rows, samples, parts, count)
    return dataset_from_features(
        array_features(values, feature_names.tolist()),
        treatment,
        samples=None if samples is None else sample_names,
        labels=labels,
        survival=survival,
        covariates=held,
        factors=lambda: known_factors,
        facts=facts,
        name=name,
        provenance=provenance or {},
        notes=lambda scale: scale if notes is None else as_tuple("notes", notes),
        profiled=notes is None and not counts,
    )


def dataset_from_features(
    source: RawFeatures,
    treatment: Treatment,
    *,
    samples: np.ndarray | None,
    labels: Sequence[object] | np.ndarray | None,
    survival: Survival | None,
    covariates: Mapping[str, ArrayLike],
    factors: Callable[[], Mapping[str, ArrayLike]],
    facts: Auxiliary | None,
    name: str,
    provenance: Mapping[str, Any],
    notes: Callable[[list[str]], Sequence[str]],
    profiled: bool = True,
) -> Dataset:
    """Builds a data set from features that are read once; the arguments are those of :func:`dataset_from_arrays`, but for:

    Args:
        source: the features.
        treatment: transform, selection and scaling of their values.
        factors: gives the factors once the features are read.
        facts: auxiliary variables.
        notes: takes the sentences on the scale of the values, and returns those of the data set.
        profiled: there are sentences on the scale.

    Raises:
        InputError: as :func:`dataset_from_arrays`, or a transform is not allowed.
    """
    count, size = source.samples, len(source.names)
    names = checks.names("sample", samples, count)
    feature_names = checks.names("feature", source.names, size)
    positions, label_names = checks.label_positions(labels, count)
    survival = None if survival is None else checks.survival_of(survival, names)
    library, said = np.zeros(count), profiled
    if treatment.counts:
        source, profiled = checks.counted(source, names, library), False
    known = surveyed(source, names, treatment.top, treatment.deviation, treatment.transform, profiled)
    scale = transform_notes(known, count * size, names, treatment.scaling) if profiled else []
    refuse_missing(known, treatment.missing, names)
    kept, chosen = selected_features(known, count, treatment.top)
    x, centre, spread = scaled(known, count, chosen, treatment.scaling)
    features = feature_names[chosen]
    fill = known.mean[chosen] if treatment.missing == "impute" else None
    counts = checks.counts_of(known.rows(chosen), names, library) if treatment.counts else None
    gaps = missing_notes(known, chosen, names)
    twins = twin_notes(x, names) + empty_notes(x, names) if said else []
    dataset = Dataset(
        name=name,
        digest="",
        x=x,
        samples=names,
        features=features,
        centre=centre,
        scale=spread,
        scaling=treatment.scaling,
        labels=positions,
        label_names=label_names,
        survival=survival,
        covariates={k: checks.covariate(k, v, count) for k, v in covariates.items()},
        factors={k: checks.factor(k, v, count) for k, v in factors().items()},
        provenance=_recorded(dict(provenance), treatment, known, kept, chosen, survival, count),
        preprocessing=Preprocessing(
            features, centre, spread, fill, treatment.transform, precision=source.precision.name
        ),
        notes=(
            *notes([*scale, *feature_notes(known, kept, treatment, provenance), *gaps, *twins]),
            *count_notes(counts),
            *auxiliary_notes(facts),
        ),
        auxiliary=facts if facts is None or samples is None else dataclasses.replace(facts, samples=names),
        counts=counts,
    )
    return dataclasses.replace(dataset, digest=content_digest(dataset))


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

    for kind, held in (("covariates", covariates), ("factors", factors), ("auxiliary", auxiliary)):
        if held is not None and not hasattr(held, "items"):
            raise InputError(f"{kind} are a {type(held).__name__}; they must be a mapping of names to values")
    if isinstance(survival, Survival):
        survival = Survival(ordered(survival.time, "the times"), ordered(survival.event, "the events"))
    named = [
        {str(name): ordered(values, f"the {kind} {name!r}") for name, values in ({} if held is None else held).items()}
        for kind, held in (("covariate", covariates), ("factor", factors), ("auxiliary variable", auxiliary))
    ]
    return ordered(labels, "the labels"), survival, named[0], named[1], auxiliary_from(named[2], count)


def _recorded(
    given: dict[str, Any],
    treatment: Treatment,
    known: Survey,
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
