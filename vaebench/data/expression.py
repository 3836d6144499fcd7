"""Expression tables as data sets: which columns are names, labels, survival, covariates or factors, and which genes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vaebench.data.cache import file_record
from vaebench.data.files import DUPLICATES, SAMPLES_IN, Table, table_from_file
from vaebench.data.opening import as_number
from vaebench.data.roles import Roles, label_texts, numbers, role_columns, sample_names, selected, survival_from
from vaebench.data.scaling import Treatment, dataset_from_arrays
from vaebench.types import Dataset, InputError, unknown_name

_EXTENSIONS = (".gz", ".csv", ".tsv", ".txt", ".tab", ".parquet", ".pq", ".gct", ".xena", ".h5ad")


def read_table(
    path: str | Path,
    *,
    label: str | None = None,
    event: str | None = None,
    time: str | None = None,
    time_unit: str = "days",
    covariates: Sequence[str] = (),
    factors: Sequence[str] = (),
    where: str | None = None,
    ignore: Sequence[str] = (),
    samples_in: str = "rows",
    top: int | str | None = None,
    deviation: str = "mean",
    scaling: str = "zscore",
    transform: str = "none",
    missing: str = "refuse",
    duplicates: str = "refuse",
    name: str | None = None,
) -> Dataset:
    """The data set in a CSV, TSV or Parquet table, gzipped or not.

    Columns named by an option are what the option says; columns of text are annotations, kept out and listed in the
    provenance; all others are features. The first column names the samples if it has no name, is called ``sample``,
    ``sample_id`` or alike, or is text with mostly different values; else samples are called ``sample_1..N``. Samples
    without a label are dropped; samples without survival stay, with time NaN. Both are counted in the provenance.

    Args:
        path: the file.
        label: column of the classes, each with at least 2 samples.
        event: column of 0/1 or true/false (1 is a death), or a comparison such as ``"censorship==0"``; needs ``time``.
        time: column of survival times.
        time_unit: unit of that column, ``"days"``, ``"months"`` or ``"years"``; the data set holds days.
        covariates: columns for Cox models; numbers stay numbers, any other column is categorical.
        factors: columns of numbers known beforehand.
        where: samples to keep, such as ``"tumor==1 & age>=40"``; its columns are no features.
        ignore: columns to leave out.
        samples_in: ``"rows"``, or ``"columns"`` for genes (and label, event, ...) in rows.
        top: keep this many features of largest absolute deviation, ``"<=5000"`` as many or fewer; ``None`` keeps all.
        deviation: ``"mean"`` or ``"median"`` absolute deviation.
        scaling: ``"zscore"``, ``"unit"`` or ``"none"``.
        transform: ``"none"``, or ``"log2"`` for log2(max(x, 0) + 1) before selection and scaling.
        missing: ``"refuse"``, or ``"impute"`` for the feature's mean.
        duplicates: ``"refuse"`` a feature name that comes twice, keep its columns ``"apart"`` (``NAME``, ``NAME_2``, ...),
            or ``"sum"`` them as they stand in the file.
        name: short name; the file's name without extensions by default.

    Raises:
        InputError: one sentence that names the file, column or option, the value, and what is allowed.
    """
    roles = Roles(label, event, time, time_unit, covariates, factors, where, ignore)
    treatment = Treatment(top, deviation, scaling, transform, missing)
    check_choice("samples_in", samples_in, SAMPLES_IN)
    check_choice("duplicates", duplicates, DUPLICATES)
    table = table_from_file(path, samples_in, duplicates)
    taken = role_columns(table, roles)
    table, _, counts = selected(table, roles)
    samples, first = sample_names(table, taken)
    features, matrix, annotations = _features(table, taken | first, samples)
    if duplicates == "sum":
        features, matrix = _summed(features, matrix, table.repeats)
    provenance = {
        "source": table.source,
        "files": [file_record(path)],
        "options": {"samples_in": samples_in, "duplicates": duplicates},
        "annotations": annotations,
        "counts": counts | {"features_with_a_repeated_name": len(table.repeats)},
    }
    name = stem(table.source) if name is None else name
    return assembled(table, roles, treatment, matrix, features, samples, name, provenance)


def assembled(
    table: Table,
    roles: Roles,
    treatment: Treatment,
    values: np.ndarray,
    features: Sequence[str],
    samples: np.ndarray | None,
    name: str,
    provenance: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
    more_factors: Mapping[str, np.ndarray] | None = None,
) -> Dataset:
    """The data set of ``values`` [N, D], which are changed in place, and of what the table's columns mean.

    ``names`` holds other names for covariates and factors. Roles and treatment join the provenance's options.
    """
    new = dict(names or {})
    factors = {new.get(column, column): numbers(table, "factors", column, samples) for column in roles.factors}
    # lists, as they come back from a cache
    said = {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(roles).items()}
    options = said | {"transform": treatment.transform} | provenance["options"]
    return dataset_from_arrays(
        transformed(values, treatment.transform),
        samples=samples,
        features=features,
        labels=label_texts(table, roles.label),
        survival=survival_from(table, roles, samples),
        covariates={new.get(column, column): table.columns[column] for column in roles.covariates},
        factors=factors | dict(more_factors or {}),
        top=treatment.top,
        deviation=treatment.deviation,
        scaling=treatment.scaling,
        missing=treatment.missing,
        name=name,
        provenance={**provenance, "options": options},
    )


def check_choice(option: str, value: str, allowed: Sequence[str]) -> None:
    """``InputError`` unless the value is among those that its option allows."""
    if value not in allowed:
        raise unknown_name(option, value, allowed)


def transformed(values: np.ndarray, transform: str) -> np.ndarray:
    """``values`` after ``transform``, in place."""
    if transform == "log2":
        np.maximum(values, 0, out=values)
        values += 1
        np.log2(values, out=values)
    return values


def stem(source: str) -> str:
    """A file's name without the extensions of tables."""
    while Path(source).suffix.lower() in _EXTENSIONS:
        source = Path(source).stem
    return source


def _features(table: Table, taken: set[str], samples: np.ndarray | None) -> tuple[list[str], np.ndarray, list[str]]:
    """Names of the D features, their values [N, D] in float64, and the names of the columns of text."""
    names, annotations = [], []
    rest = [column for column in table.columns if column not in taken]
    for column in rest:
        values: Any = table.columns[column]
        if values.dtype.kind == "O" and all(text is None or as_number(text) is None for text in values):
            annotations.append(column)
        else:
            numbers(table, "feature", column, samples)
            names.append(column)
    if not names:
        raise InputError(
            f"{table.source} has no column of numbers left for features; besides {len(annotations)} columns of text "
            "and those named, at least one is needed"
        )
    matrix = np.empty((len(table.lines), len(names)))
    for position, column in enumerate(names):
        matrix[:, position] = table.columns[column]
    return names, matrix, annotations


def _summed(names: list[str], matrix: np.ndarray, repeats: dict[str, str]) -> tuple[list[str], np.ndarray]:
    """Features of one name added up; a sum with a missing part is missing."""
    place = {name: position for position, name in enumerate(names)}
    for name in names:
        if name in repeats and repeats[name] in place:
            matrix[:, place[repeats[name]]] += matrix[:, place[name]]
    kept = [position for position, name in enumerate(names) if repeats.get(name) not in place]
    return [names[position] for position in kept], matrix[:, kept]
