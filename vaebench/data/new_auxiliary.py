"""Auxiliary variables of new samples: from a mapping, a frame, AnnData or a file, as the input of a model."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vaebench.data.auxiliary import coded
from vaebench.data.files.content import column_from
from vaebench.data.files.opening import refusing_broken, starts_with
from vaebench.data.files.table import table_from_file
from vaebench.data.joining import matched_rows
from vaebench.data.row_names import first_names
from vaebench.data.sample_columns import sample_names, without_index
from vaebench.errors import InputError, shortened, user_path
from vaebench.types.auxiliary import Auxiliary, AuxiliaryVariable
from vaebench.types.frames import converted, in_order, is_anndata_object, is_frame, is_numbered


def coded_new(
    source: object, variables: Sequence[AuxiliaryVariable], count: int, samples: pd.Index | None = None
) -> np.ndarray:
    """Returns the coded auxiliary variables of ``count`` new samples and their mask, [N, 2 A] float32.

    Where the samples and the source have names, they are matched by them, those of a file as in an annotation.

    Args:
        source: name -> values; a DataFrame, its sample names in the index or in the first column; the ``auxiliary`` of a data
            set; an AnnData object, whose ``obs`` is used; or the path of a table, sample names first.
        variables: the coding, that of the model.
        count: N.
        samples: names of the samples; ``None`` if they have none.

    Raises:
        InputError: the source is none of these, or lacks a sample, a variable or a value.
    """
    held: Any = converted(source)
    names = [variable.name for variable in variables]
    named = None if samples is None or is_numbered(samples) else [str(sample) for sample in samples]
    if isinstance(held, Auxiliary):
        held = _named(held)
    if isinstance(held, str | Path):
        held = _table(user_path(held), set(names), named)
    if is_anndata_object(held):
        held = held.obs
    if is_frame(held):
        held = _by_sample(held, names)
    if not isinstance(held, Mapping):
        raise InputError(
            f"the auxiliary variables are a {type(held).__name__}; they must be a DataFrame, a mapping of names to values, "
            "the auxiliary of a data set, or the path of a table"
        )
    if any(name not in held for name in names):
        named = None  # the error is about the variable that is missing
    values = {
        name: _column(in_order(held[name], f"the auxiliary variable {shortened(name)!r}", samples=named))
        for name in names
        if name in held
    }
    return coded(variables, values, count)


def _named(held: Auxiliary) -> Mapping[str, Any]:
    """Returns the values of a data set's variables, by sample name if its samples have names."""
    if held.samples is None:
        return held.values
    return {name: pd.Series(values, pd.Index(held.samples.astype(str))) for name, values in held.values.items()}


def _by_sample(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, pd.Series]:
    """Returns the columns of a frame by name, each with the names of its samples, which may be in columns."""
    frame = _samples_in_rows(frame, names)
    first, lead = first_names(frame, names)
    if first is not None:
        frame = frame.iloc[:, lead:].set_axis(first, axis=0)
    titles = [str(title).strip() for title in frame.columns]
    if twice := next((name for name in names if titles.count(name) > 1), None):
        raise InputError(
            f"the auxiliary variable {shortened(twice)!r} is there {titles.count(twice)} times; give it once"
        )
    return {title: frame.iloc[:, position] for position, title in enumerate(titles)}


def _samples_in_rows(frame: pd.DataFrame, names: Collection[str]) -> pd.DataFrame:
    wanted = set(names)
    if not wanted.isdisjoint(str(title).strip() for title in frame.columns):
        return frame
    downward = [frame.index, *(frame.iloc[:, i] for i in range(min(1, frame.shape[1])))]
    for lead, titles in enumerate(downward):
        if not wanted.isdisjoint(str(title).strip() for title in titles):
            return frame.iloc[:, lead:].set_axis([str(title).strip() for title in titles], axis=0).T
    return frame


def _column(values: Any) -> np.ndarray:
    """Returns a column as the reader of tables would: numbers, or text with ``None`` where missing."""
    series = pd.Series(values).astype(object)
    return column_from(None if absent else v for v, absent in zip(series, series.isna(), strict=True))


def _table(file: Path, names: set[str], samples: Sequence[str] | None) -> pd.DataFrame:
    """Returns the columns ``names`` of a table of samples as a frame, indexed by the sample names if it has any.

    They are put in the order of ``samples`` if all of these are found, by name or by barcode.
    """
    if file.suffix.lower() == ".h5ad":
        from vaebench.data.h5ad import observations

        table = observations(file).table
        known = table.first_texts
    else:
        with refusing_broken(file, "a table of auxiliary variables"):
            if starts_with(file, b"#1."):  # .gct, which holds genes only
                return pd.DataFrame()
        table = without_index(table_from_file(file))
        if names.isdisjoint(table.columns):  # genes in rows, or nothing of use
            if names.isdisjoint(table.first_texts.tolist()):
                return pd.DataFrame()
            table = table_from_file(file, "columns", "apart")
        known, _ = sample_names(table, names)
    columns = {name: values for name, values in table.columns.items() if name in names}
    if known is None:
        return pd.DataFrame(columns)
    held = pd.DataFrame(columns, index=pd.Index(known.astype(str)))
    if samples is not None:
        rows, _ = matched_rows(samples, list(held.index))
        if (rows >= 0).all():
            held = held.iloc[rows].set_axis(list(samples), axis=0)
    return held
