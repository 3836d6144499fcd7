"""vaebench: variational autoencoders on cancer genomics, measured honestly.

Public names are loaded on first use, so that ``import vaebench`` is quick and a training node needs neither
pandas nor matplotlib.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_NAMES = {
    "run": "vaebench.sweep",
    "fit": "vaebench.model",
    "load_model": "vaebench.model",
    "evaluate": "vaebench.evaluation",
    "Point": "vaebench.space",
    "Dataset": "vaebench.types",
    "InputError": "vaebench.types",
}
_MODULES = ("analysis", "data", "evaluation", "figures", "metrics", "protocols", "report", "results", "space", "types", "variants")

if TYPE_CHECKING:
    from vaebench import analysis, data, evaluation, figures, metrics, protocols, report, results, space, types, variants
    from vaebench.evaluation import evaluate
    from vaebench.model import fit, load_model
    from vaebench.space import Point
    from vaebench.sweep import run
    from vaebench.types import Dataset, InputError

__all__ = ["__version__", *_NAMES, *_MODULES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"vaebench.{name}")
    raise AttributeError(f"module 'vaebench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
