"""Registry of the metrics: a metric is one module of this folder that exports ``METRIC``, and one name in the list here."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vaebench.errors import InputError, unknown_name
from vaebench.types import Dataset, Given, Metric
from vaebench.types.frames import in_order

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["METRICS", "metric"]
__dir__ = __all__.copy

_MODULES = (
    "leiden",
    "cox",
    "cox_heldout",
    "wsepin",
    "rmig",
    "correlation",
    "mig",
    "sap",
    "dci",
    "modularity",
    "total_correlation",
    "latent_use",
    "reconstruction",
    "probe",
)


class _ByName:
    """The function of a metric, which first puts the rows of a frame in the order of the data set."""

    def __init__(self, compute: Callable[..., dict[str, Any]]) -> None:
        functools.update_wrapper(self, compute)
        self.compute = compute

    def __call__(
        self, z: np.ndarray | pd.DataFrame, dataset: Dataset, *given: Given, **options: object
    ) -> dict[str, Any]:
        """Compute the scores of z [N, L]."""
        return self.compute(in_order(z, "the embedding", samples=dataset.samples), dataset, *given, **options)


def _registered(found: Metric) -> Metric:
    return found._replace(compute=_ByName(found.compute))


METRICS: dict[str, Metric] = {
    name: _registered(importlib.import_module(f"{__name__}.{name}").METRIC) for name in _MODULES
}
"""Name -> metric, in the order of the columns and the documentation."""


def metric(name: str) -> Metric:
    """Return the metric of that name.

    Raises:
        InputError: there is no such metric; the nearest name is suggested, or the metric that has a score of this name.
    """
    if not isinstance(name, str) or name not in METRICS:
        asked = str(name).casefold().replace("-", "_")
        asked = "concordance" if asked in ("c_index", "cindex") else asked  # the field's other name
        having = [found.name for found in METRICS.values() if asked in found.scores]
        if having and asked not in METRICS:
            raise InputError(f"{name!r} is a score, not a metric; the metrics that give it: {', '.join(having)}")
        raise unknown_name("metric", name, METRICS)
    return METRICS[name]
