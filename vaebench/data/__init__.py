"""Registry of data sets, and the package's public names; each is loaded on first use.

A new data set is one module with a function that returns a Dataset, and one line in :data:`DATASETS`.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaebench.types import Dataset, InputError, unknown_name

DATASETS = {
    "gtex": "vaebench.data.gtex_files:gtex",
    "simulated": "vaebench.data.simulate:simulated",
    "tcga": "vaebench.data.tcga_files:tcga",
}
"""Name of a data set -> ``module:function``, imported only when it is loaded."""

_NAMES = {
    "aligned": "vaebench.data.scaling",
    "cancer_types": "vaebench.data.mutations",
    "checked": "vaebench.data.summary",
    "dataset_from_arrays": "vaebench.data.scaling",
    "fetch": "vaebench.data.download",
    "gtex": "vaebench.data.gtex_files",
    "read_anndata": "vaebench.data.h5ad",
    "read_catalogue": "vaebench.data.mutations",
    "read_exposures": "vaebench.data.mutations",
    "read_matrix": "vaebench.data.joined",
    "read_signatures": "vaebench.data.mutations",
    "read_table": "vaebench.data.expression",
    "simulate_cohort": "vaebench.data.simulate",
    "split_indices": "vaebench.data.splits",
    "summary_text": "vaebench.data.summary",
    "tcga": "vaebench.data.tcga_files",
    "to_anndata": "vaebench.data.h5ad",
    "write_catalogue": "vaebench.data.mutations",
    "write_exposures": "vaebench.data.mutations",
    "write_h5ad": "vaebench.data.h5ad",
    "write_signatures": "vaebench.data.mutations",
    "write_table": "vaebench.data.writing",
}

if TYPE_CHECKING:
    from vaebench.data.download import fetch
    from vaebench.data.expression import read_table
    from vaebench.data.gtex_files import gtex
    from vaebench.data.h5ad import read_anndata, to_anndata, write_h5ad
    from vaebench.data.joined import read_matrix
    from vaebench.data.mutations import (
        cancer_types,
        read_catalogue,
        read_exposures,
        read_signatures,
        write_catalogue,
        write_exposures,
        write_signatures,
    )
    from vaebench.data.scaling import aligned, dataset_from_arrays
    from vaebench.data.simulate import simulate_cohort
    from vaebench.data.splits import split_indices
    from vaebench.data.summary import checked, summary_text
    from vaebench.data.tcga_files import tcga
    from vaebench.data.writing import write_table

__all__ = [
    "DATASETS",
    "aligned",
    "cancer_types",
    "checked",
    "dataset_from_arrays",
    "fetch",
    "gtex",
    "load",
    "read_anndata",
    "read_catalogue",
    "read_exposures",
    "read_matrix",
    "read_signatures",
    "read_table",
    "simulate_cohort",
    "split_indices",
    "summary_text",
    "tcga",
    "to_anndata",
    "write_catalogue",
    "write_exposures",
    "write_h5ad",
    "write_signatures",
    "write_table",
]


def load(
    name: str | Path, options: Mapping[str, Any] | None = None, defaults: Mapping[str, Any] | None = None
) -> Dataset:
    """The data set registered under ``name`` in :data:`DATASETS`, or the one in the file of that name.

    A file is read by :func:`read_anndata` (``.h5ad``), :func:`read_matrix` (``.gct``, or with ``annotation``) or
    :func:`read_table`.

    Args:
        name: for example ``"tcga"`` or ``"cohort.csv.gz"``.
        options: keywords of the function, for example ``{"folder": "downloads", "scaling": "unit"}``.
        defaults: the same, for what ``options`` do not name; those that the function does not have are passed over.

    Raises:
        InputError: for an unknown name or option, or what the data set itself refuses.
    """
    options = dict(options or {})
    made, kind = _reader(name, options)
    allowed = inspect.signature(made).parameters
    for option in options:
        if option not in allowed:
            raise unknown_name(f"option of {kind}", option, allowed)
    arguments = {k: v for k, v in (defaults or {}).items() if k in allowed} | options
    return made(**arguments) if name in DATASETS else made(name, **arguments)


def _reader(name: str | Path, options: Mapping[str, Any]) -> tuple[Any, str]:
    """The function that makes a data set, and what it is in a message."""
    if name in DATASETS:
        module, function = DATASETS[str(name)].split(":")
        return getattr(importlib.import_module(module), function), f"the data set {str(name)!r}"
    if not Path(name).exists():
        near = difflib.get_close_matches(str(name), DATASETS, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise InputError(f"{name}: no such file, and no data set of that name{hint}")
    endings = [ending.lower() for ending in Path(name).suffixes]
    if ".h5ad" in endings:
        return __getattr__("read_anndata"), "AnnData files"
    if ".gct" in endings or "annotation" in options:
        return __getattr__("read_matrix"), "a matrix of genes x samples"
    return __getattr__("read_table"), "a table"


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'vaebench.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
