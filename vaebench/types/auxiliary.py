"""Auxiliary variables: known facts about the samples (type, batch, age, signature shares) that some models may use."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import jax
    import numpy as np  # for annotations only: the command line starts without it

    from vaebench.types.counts import CountRows


class AuxiliaryVariable(NamedTuple):
    """The coding of one auxiliary variable, fitted to the data set and kept with a model.

    Attributes:
        name: of the column.
        levels: sorted categories, at least 2, each a column of 0 and 1; empty for a number, which is one column.
        centre: mean of a number over all samples that have it.
        scale: its standard deviation; the column is (value - centre) / scale.
        missing: some samples of the data set lack it, so that new samples may.
    """

    name: str
    levels: tuple[str, ...] = ()
    centre: float = 0.0
    scale: float = 1.0
    missing: bool = False

    @property
    def columns(self) -> list[str]:
        """Names of the coded columns: ``age``, or ``tissue=lung`` for every level."""
        return [f"{self.name}={level}" for level in self.levels] or [self.name]


@dataclasses.dataclass(frozen=True)
class Auxiliary:
    """Auxiliary variables of N samples.

    Attributes:
        variables: their coding.
        values: name -> [N]; floats are numbers (NaN where missing), texts categories (``""`` where missing).
        samples: [N] names; ``None`` if the samples have none.
    """

    variables: tuple[AuxiliaryVariable, ...]
    values: Mapping[str, np.ndarray]
    samples: np.ndarray | None = None

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of columns of each variable: 1 for a number, else its number of levels."""
        return tuple(len(variable.columns) for variable in self.variables)

    def __repr__(self) -> str:
        """Returns one line."""
        shown = ", ".join(f"{v.name} ({len(v.levels)} levels)" if v.levels else v.name for v in self.variables[:6])
        return f"<Auxiliary: {shown}{', ...' if len(self.variables) > 6 else ''}>"


class AuxiliaryRows(NamedTuple):
    """Samples with what stands beside them, where a program takes more than ``x`` alone.

    Attributes:
        x: [N, D].
        auxiliary: [N, 2 A]: the coded columns, 0 where missing, and a mask of the same width, 1 where known; ``None`` without.
        counts: raw counts of the samples, for a likelihood of counts; ``None`` without.
    """

    x: jax.Array
    auxiliary: jax.Array | None = None
    counts: CountRows | None = None
