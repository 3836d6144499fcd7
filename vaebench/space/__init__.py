"""Points: one training each, their combinations, and their grouping by compiled program."""

from __future__ import annotations

from vaebench.space.combinations import chain, group_by_static, product, zipped
from vaebench.space.identity import point_id
from vaebench.space.parts import static_of, traced_of
from vaebench.space.points import (
    RECIPES,
    SCALING_FROM,
    STOPPING,
    VALIDATION,
    Point,
    point,
)

__all__ = [
    "RECIPES",
    "SCALING_FROM",
    "STOPPING",
    "VALIDATION",
    "Point",
    "chain",
    "group_by_static",
    "point",
    "point_id",
    "product",
    "static_of",
    "traced_of",
    "zipped",
]
__dir__ = __all__.copy
