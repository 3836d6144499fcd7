"""Names of samples, signatures and cancer types in the rows and columns of tables of mutations."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from vaebench.data.files.table import Table
from vaebench.data.files.text import ABSENT

_SAMPLE_HEADS = frozenset(("sample", "samples", "samplename", "samplenames", "sampleid", "sampleids", "id"))
_TYPE_HEADS = frozenset(("cancertype", "cancertypes", "tumortype", "tumourtype", "type"))


def plain_name(name: object) -> str:
    """The letters of a column's name, in lower case."""
    return re.sub(r"[^a-z]", "", str(name).lower())


def _head(name: object) -> str:
    """The letters of a column's name, "" if it has digits: ID1 is a signature, and Sample1 a sample."""
    return "" if re.search(r"\d", str(name)) else plain_name(name)


def labelled_frame(table: Table, rows: list[str], columns: list[str]) -> pd.DataFrame:
    """Columns of the table under their names in the file, which may be repeated."""
    found = pd.DataFrame({name: table.columns[name] for name in columns})
    found.columns = pd.Index([table.repeats.get(name, name) for name in columns])
    return found.set_axis(pd.Index(rows), axis="index")


def texts_of(table: Table, name: str) -> list[str]:
    """A column as text: whole numbers without a decimal point, ``""`` where missing."""
    if name == table.first:
        return ["" if value is None else str(value) for value in table.first_texts]
    if name in table.texts:
        return ["" if value is None else str(value) for value in table.texts[name]]
    return ["" if v is None or v != v else f"{v:.15g}" if isinstance(v, float) else str(v) for v in table.columns[name]]


def sample_rows(table: Table) -> tuple[list[str], list[str]]:
    """Names of the rows, as ``type::sample`` if there is a column of cancer types, and the remaining columns."""
    named, kinds = name_columns(table.columns)
    named = table.first if named is None else named
    names = texts_of(table, named)
    if kinds is not None and kinds != named:
        pairs = zip(texts_of(table, kinds), names, strict=True)
        names = [name if "::" in name or kind.lower() in ABSENT else f"{kind}::{name}" for kind, name in pairs]
    taken = {named, kinds} | row_numbers(table, [named])
    return names, [name for name in table.columns if name not in taken]


def name_columns(columns: Iterable[str]) -> tuple[str | None, str | None]:
    """Names of the columns with sample names and with cancer types, ``None`` without one."""
    plain = {name: _head(name) for name in columns}
    named = next((name for name, text in plain.items() if text in _SAMPLE_HEADS), None)
    return named, next((name for name, text in plain.items() if text in _TYPE_HEADS and name != named), None)


def is_name(column: str) -> bool:
    """True for a column of names, whose values are text even if they look like numbers, such as 007."""
    return _head(column) in _SAMPLE_HEADS | _TYPE_HEADS


def row_numbers(table: Table, named: list[str]) -> set[str]:
    """The unnamed first column, if it holds the row numbers that R and pandas write and not the names."""
    values = table.columns[table.first]
    if table.first or table.first in named or values.dtype.kind != "f":
        return set()
    return {""} if any(np.array_equal(values, np.arange(len(values)) + start) for start in (0, 1)) else set()
