"""Auxiliary variables of new samples: from a mapping, a frame, AnnData or a file, as the input of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vaebench.data.auxiliary import coded
from vaebench.data.columns import sample_names
from vaebench.data.files.content import column_from
from vaebench.data.files.table import table_from_file
from vaebench.errors import InputError, user_path
from vaebench.types.auxiliary import Auxiliary, AuxiliaryVariable
from vaebench.types.frames import converted, is_anndata_object, is_frame, is_numbered, positions


def coded_new(
    source: object, variables: Sequence[AuxiliaryVariable], count: int, samples: pd.Index | None = None
) -> np.ndarray:
    """Returns the coded auxiliary variables of ``count`` new samples and their mask, [N, 2 A] float32.

    Args:
        source: name -> values; a DataFrame, matched by row names where ``samples`` and its rows have names; the ``auxiliary`` of
            a data set; an AnnData object, whose ``obs`` is used; or the path of a table, sample names first.
        variables: the coding, that of the model.
        count: N.
        samples: names of the samples; ``None`` if they have none.

    Raises:
        InputError: the source is none of these, or lacks a sample, a variable or a value.
    """
    held: Any = converted(source)
    if isinstance(held, Auxiliary):
        return coded(variables, held.values, count)
    if isinstance(held, str | Path):
        held = _table(Path(held), {v.name for v in variables})
    if is_anndata_object(held):
        held = held.obs
    if is_frame(held):
        rows = None
        if samples is not None and not is_numbered(samples):
            rows = positions(held.index, samples.astype(str).to_numpy(), "the auxiliary variables", "sample")
        held = {str(name): held[name] if rows is None else held[name].iloc[rows] for name in held.columns}
    if not isinstance(held, Mapping):
        raise InputError(
            f"the auxiliary variables are a {type(held).__name__}; they must be a DataFrame, a mapping of names to values, "
            "the auxiliary of a data set, or the path of a table"
        )
    values = {name: _column(held[name]) for name in (v.name for v in variables) if name in held}
    return coded(variables, values, count)


def _column(values: Any) -> np.ndarray:
    """Returns a column as the reader of tables would: numbers, or text with ``None`` where missing."""
    series = pd.Series(values).astype(object)
    return column_from(None if absent else v for v, absent in zip(series, series.isna(), strict=True))


def _table(file: Path, names: set[str]) -> pd.DataFrame:
    """Returns the columns ``names`` of a table of samples as a frame, indexed by the sample names if it has any."""
    if file.suffix.lower() == ".h5ad":
        from vaebench.data.h5ad import observations

        table = observations(user_path(file)).table
        samples = table.first_texts
    else:
        table = table_from_file(user_path(file))
        samples, _ = sample_names(table, set())
    columns = {name: values for name, values in table.columns.items() if name in names}
    return pd.DataFrame(columns, index=None if samples is None else pd.Index(samples.astype(str)))
