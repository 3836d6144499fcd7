"""Registry of data sets, and the public functions of the package, imported on first use.

To add a data set, write a module with a function that returns a :class:`~vaebench.types.Dataset`, and add one line to
:data:`DATASETS`.
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vaebench.errors import InputError, nearest, unknown_name, user_path
from vaebench.types import Dataset

DATASETS = {
    "gtex": "vaebench.data.public:gtex",
    "simulated": "vaebench.data.simulate:simulated",
    "tcga": "vaebench.data.public:tcga",
}
"""Name of a data set -> ``module:function``; the module is imported when the data set is loaded."""

_PUBLIC = {
    "auxiliary": ("with_auxiliary",),
    "covariates": ("cox_notes", "run_notes"),
    "described": ("dataset_text",),
    "downloads": ("fetch",),
    "expression": ("read_table",),
    "factor_tables": ("with_factors",),
    "h5ad": ("to_anndata", "write_h5ad"),
    "mutations.tables": (
        "cancer_types",
        "read_catalogue",
        "read_exposures",
        "read_signatures",
        "write_catalogue",
        "write_exposures",
        "write_signatures",
    ),
    "mutations.simulate": ("simulate_catalogue",),
    "dataset": ("dataset_from_arrays",),
    "raw_tables": ("aligned", "preprocessed"),
    "simulate": ("simulate_cohort",),
    "splits": ("split_indices",),
    "summary": ("checked", "summary_text"),
    "files.writing": ("write_table",),
}
_NAMES = {name: f"vaebench.data.{module}" for module, names in _PUBLIC.items() for name in names}
# the loaders of the public cohorts are public functions too; that of the simulated cohort is simulate_cohort
_NAMES |= {name: place.split(":")[0] for name, place in DATASETS.items() if place.startswith("vaebench.data.public:")}

__all__ = ["DATASETS", "load", "mutations", *_NAMES]  # pyright: ignore[reportUnsupportedDunderAll]


def load(
    name: str | Path, options: Mapping[str, Any] | None = None, defaults: Mapping[str, Any] | None = None
) -> Dataset:
    """Loads a data set by its registered name, or from a file.

    Args:
        name: a key of :data:`DATASETS`, such as ``"tcga"``, or the path of a table, such as ``"cohort.csv.gz"``.
        options: keyword arguments of the data set's function, or of :func:`read_table` for a file:
            ``{"scaling": "unit"}``.
        defaults: keyword arguments that ``options`` override; those that the function does not take are ignored.

    Returns:
        The data set.

    Raises:
        InputError: the name or an option is unknown, or the data set's function refuses its input.

    Example:
        >>> load("simulated", {"samples": 240, "types": 4}).x.shape
        (240, 1000)
    """
    given, kind = dict(options or {}), f"the data set {str(name)!r}" if name in DATASETS else "a table"
    if name in DATASETS:
        module, function = DATASETS[str(name)].split(":")
        made = getattr(importlib.import_module(module), function)
    elif os.path.exists(user_path(name)):  # False for names longer than the system allows
        made = __getattr__("read_table")
    else:
        near = nearest(name, DATASETS)
        hint = f" (did you mean {near!r}?)" if near else ""
        raise InputError(f"{name}: no such file, and no data set of that name{hint}")
    allowed = inspect.signature(made).parameters
    # a named data set has its columns already; a file's are read by read_table
    auxiliary = given.pop("auxiliary", ()) if "auxiliary" not in allowed else ()
    for option in given:
        if option not in allowed:
            raise unknown_name(f"option of {kind}", option, allowed)
    given = {k: v for k, v in (defaults or {}).items() if k in allowed} | given
    dataset = made(**given) if name in DATASETS else made(name, **given)
    return __getattr__("with_auxiliary")(dataset, auxiliary) if auxiliary else dataset


def __getattr__(name: str) -> Any:
    if name == "mutations":
        return importlib.import_module("vaebench.data.mutations")
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'vaebench.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
