"""The studies' protocols as data: what a training is (base point), what is varied (grid), how data are prepared."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from vaebench.networks import INITS
from vaebench.space import Point
from vaebench.types import unknown_name


@dataclasses.dataclass(frozen=True)
class Protocol:
    """A study's way of training.

    Attributes:
        name: registry name.
        reference: the paper.
        base: every setting that the study held fixed.
        grid: axis name -> values that the study varied (axes of :func:`vaebench.space.product`).
        data: options of :func:`vaebench.data.read_table`: ``top``, ``deviation``, ``scaling``.
        embedding: ``"mean"`` or ``"sample"``: what the study clustered.
    """

    name: str
    reference: str
    base: Point
    grid: Mapping[str, tuple[Any, ...]]
    data: Mapping[str, Any]
    embedding: str = "mean"

    def points(self) -> int:
        """Number of points of the full grid."""
        return math.prod(len(values) for values in self.grid.values())


default = Protocol(
    name="default",
    reference="this library's sensible defaults, after the recommendation of eltager2023",
    base=Point(study="default"),
    grid={},
    data={"top": 5000, "deviation": "mean", "scaling": "zscore"},
)

eltager2023 = Protocol(
    name="eltager2023",
    reference="Eltager et al. 2023, PLoS ONE 18(10):e0292126",
    base=Point(
        study="eltager2023",
        recipe="benchmarked",
        hidden=(512,),
        norm="batch",
        output="identity",
        batch=64,
        decay=0.95,
        epochs=1000,
        min_epochs=5,
        patience=3,
        min_delta=1e-4,
        stopping="patience",
        valid_fraction=0.3,
        stratified=False,  # the paper says stratified; the released code's split is not
    ),
    grid={
        "variant": ("vae", "beta_vae"),
        "latent": (10, 20, 30, 50, 100, 200),
        "learning_rate": (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6),
        "init": tuple(INITS[1:6]),
        "optimizer": ("adam", "rmsprop", "sgd"),
        "activation": ("relu", "tanh"),
        "seed": tuple(range(10)),
    },
    data={"top": 5000, "deviation": "mean", "scaling": "zscore"},
    embedding="sample",
)

PROTOCOLS = {p.name: p for p in (default, eltager2023)}


def protocol(name: str) -> Protocol:
    """The protocol of that name; :class:`vaebench.types.InputError` with the nearest name otherwise."""
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
