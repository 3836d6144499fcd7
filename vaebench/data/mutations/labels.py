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
_NUMBERED = re.compile(r"|unnamed.*|index|no\.?|row|row[._ ]?names?|id|x1?|\.\.\.1|level_0|n", re.IGNORECASE)
"""Names of columns in which R, pandas and people number the rows."""


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
    numbered = row_numbers(table, [])
    named, kinds = name_columns(name for name in table.columns if name not in numbered)
    named = name_columns(table.columns)[0] if named is None else named
    named = table.first if named is None else named
    names = texts_of(table, named)
    if kinds is not None and kinds != named:
        names = with_types(names, texts_of(table, kinds))
    taken = {named, kinds, *row_numbers(table, [named])}
    return names, [name for name in table.columns if name not in taken]


def with_types(names: list[str], kinds: list[str]) -> list[str]:
    """Names as ``type::sample``, where the type is not missing or there already."""
    pairs = zip(kinds, names, strict=True)
    return [name if "::" in name or kind.lower() in ABSENT else f"{kind}::{name}" for kind, name in pairs]


def name_columns(columns: Iterable[str]) -> tuple[str | None, str | None]:
    """Names of the columns with sample names and with cancer types, ``None`` without one."""
    plain = {name: _head(name) for name in columns}
    named = next((name for name, text in plain.items() if text in _SAMPLE_HEADS), None)
    return named, next((name for name, text in plain.items() if text in _TYPE_HEADS and name != named), None)


def is_name(column: str) -> bool:
    """True for a column of names, whose values are text even if they look like numbers, such as 007."""
    return _head(column) in _SAMPLE_HEADS | _TYPE_HEADS


def row_numbers(table: Table, named: list[str]) -> list[str]:
    """Columns without a name, or called index, No., row or the like, that hold the numbers of the rows; none of ``named``."""
    found = []
    for name, values in table.columns.items():
        called = _NUMBERED.fullmatch(table.repeats.get(name, name).strip())
        if called and name not in named and values.dtype.kind == "f":
            found += [name] if any(np.array_equal(values, np.arange(len(values)) + i) for i in (0, 1)) else []
    return found


def row_number_notes(table: Table, taken: Iterable[str]) -> list[str]:
    """Sentences about the columns of row numbers among those that were ``taken`` from the table, which have a name."""
    numbered = [name for name in row_numbers(table, []) if name in taken and name]
    return [f"{table.source}: {name!r} holds the numbers of the rows and was left out" for name in numbered]
