"""From a table about samples and a matrix of their values to a data set: what all readers end with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vaebench.data.columns import Roles, label_texts, numbers, survival_from
from vaebench.data.dataset import Treatment, dataset_from_arrays
from vaebench.data.files.table import Table
from vaebench.types import Dataset, unknown_name

_EXTENSIONS = (".gz", ".csv", ".tsv", ".txt", ".tab", ".parquet", ".pq", ".gct", ".xena", ".h5ad")


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
    if treatment.transform == "log2":
        np.log2(np.add(np.maximum(values, 0, out=values), 1, out=values), out=values)
    # lists, as they come back from a cache
    said = {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(roles).items()}
    return dataset_from_arrays(
        values,
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
        provenance={**provenance, "options": said | {"transform": treatment.transform} | provenance["options"]},
    )


def check_choice(option: str, value: str, allowed: Sequence[str]) -> None:
    """``InputError`` unless the value is among those that its option allows."""
    if value not in allowed:
        raise unknown_name(option, value, allowed)


def stem(source: str) -> str:
    """A file's name without the extensions of tables."""
    while Path(source).suffix.lower() in _EXTENSIONS:
        source = Path(source).stem
    return source
