"""Treatment of raw values: transform, selection and scaling, as options of the readers."""

from __future__ import annotations

import dataclasses
from typing import Any

from vaebench.errors import unknown_name

CHOICES = {
    "transform": ("none", "log2"),
    "deviation": ("mean", "median"),
    "scaling": ("zscore", "unit", "none"),
    "missing": ("refuse", "impute"),
}
"""Option -> its allowed values."""


@dataclasses.dataclass(frozen=True)
class Treatment:
    """Transform, selection and scaling of values; see :func:`vaebench.data.read_table` for each field."""

    top: int | str | None = None
    deviation: str = "mean"
    scaling: str = "zscore"
    transform: str = "none"
    missing: str = "refuse"
    counts: bool = False

    def __post_init__(self) -> None:
        for option, allowed in CHOICES.items():
            if getattr(self, option) not in allowed:
                raise unknown_name(option, getattr(self, option), allowed)
        if self.counts:  # counts are compared on a log scale, whatever a protocol expects of its own data
            object.__setattr__(self, "transform", "log2")

    def options(self) -> dict[str, Any]:
        """Returns the fields for records and cache keys, which name no counts where there are none."""
        return {k: v for k, v in dataclasses.asdict(self).items() if k != "counts" or v}
