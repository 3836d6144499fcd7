"""Registry of data sets, and the package's public names; each is loaded on first use.

A new data set is one module with a function ``() -> Dataset`` and one line in :data:`DATASETS`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vaebench.types import Dataset, unknown_name

DATASETS = {
    "simulated": "vaebench.data.simulate:simulated",
}
"""Name of a data set -> ``module:function``, imported only when it is loaded."""

_NAMES = {
    "aligned": "vaebench.data.scaling",
    "dataset_from_arrays": "vaebench.data.scaling",
    "read_table": "vaebench.data.expression",
    "simulate_cohort": "vaebench.data.simulate",
    "split_indices": "vaebench.data.splits",
}

if TYPE_CHECKING:
    from vaebench.data.expression import read_table
    from vaebench.data.scaling import aligned, dataset_from_arrays
    from vaebench.data.simulate import simulate_cohort
    from vaebench.data.splits import split_indices

__all__ = ["DATASETS", "aligned", "dataset_from_arrays", "load", "read_table", "simulate_cohort", "split_indices"]


def load(name: str) -> Dataset:
    """The data set registered under ``name`` in :data:`DATASETS`; an unknown name is an ``InputError``."""
    if name not in DATASETS:
        raise unknown_name("data set", name, DATASETS)
    module, function = DATASETS[name].split(":")
    return getattr(importlib.import_module(module), function)()


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'vaebench.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
