"""vaebench: variational autoencoders on cancer genomics, measured honestly.

Example::

    import vaebench as vb

    data = vb.data.read_table("expression.csv", label="type", top=5000)
    rows = vb.run(vb.space.product(variant=["vae", "beta_vae"], latent=[10, 50], seed=range(5)), data, out="results/run")

Public names are loaded on first use, so that ``import vaebench`` is quick and a training node needs neither
pandas nor matplotlib.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vaebench.version import __version__

_NAMES = {
    "run": "vaebench.sweep.runner",
    "fit": "vaebench.training.model",
    "load_model": "vaebench.training.model",
    "evaluate": "vaebench.evaluation.scores",
    "Point": "vaebench.space",
    "Dataset": "vaebench.types",
    "InputError": "vaebench.errors",
}
_MODULES = (
    "analysis",
    "data",
    "evaluation",
    "figures",
    "metrics",
    "protocols",
    "report",
    "results",
    "signatures",
    "space",
    "types",
    "variants",
)

if TYPE_CHECKING:
    from vaebench import analysis as analysis
    from vaebench import data as data
    from vaebench import evaluation as evaluation
    from vaebench import figures as figures
    from vaebench import metrics as metrics
    from vaebench import protocols as protocols
    from vaebench import report as report
    from vaebench import results as results
    from vaebench import signatures as signatures
    from vaebench import space as space
    from vaebench import types as types
    from vaebench import variants as variants
    from vaebench.errors import InputError as InputError
    from vaebench.evaluation.scores import evaluate as evaluate
    from vaebench.space import Point as Point
    from vaebench.sweep.runner import run as run
    from vaebench.training.model import fit as fit
    from vaebench.training.model import load_model as load_model
    from vaebench.types import Dataset as Dataset

__all__ = ["__version__", *_NAMES, *_MODULES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"vaebench.{name}")
    raise AttributeError(f"module 'vaebench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
