"""The named columns of a table, and the conversion of values and names to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from vaebench.data.files.text import ABSENT, apart, as_number
from vaebench.errors import InputError

SAMPLES_IN = ("rows", "columns")
"""Layouts of a table: samples in rows or in columns."""

DUPLICATES = ("refuse", "apart", "sum")
"""Ways to treat a feature name that occurs more than once."""


class Values(NamedTuple):
    """The columns of numbers of a table in one array: ``place`` gives the column of each name in ``matrix`` [N, .]."""

    place: dict[str, int]
    matrix: np.ndarray


class Table(NamedTuple):
    """A table with samples in rows, whatever the layout of the file.

    Attributes:
        source: the file's name without its folder.
        columns: name -> [N]: float64 (NaN where missing) when all values are numbers or true/false, else an object
            array of strings (``None`` where missing).
        first: name of the first column of the file; ``""`` when it has none.
        first_texts: [N], the first column as written, so that names such as 007 and NA stay as they are; ``None`` where
            empty.
        samples_in: ``"rows"`` or ``"columns"``, as in the file.
        lines: [N], the line (samples in rows) or column (samples in columns) of each sample in the file, for messages.
        repeats: new name -> original name of columns whose name was already used.
        texts: name -> [N], as written, of the other columns for which this was requested.
        notes: decisions that a user should know of, one sentence each.
        values: the array that holds the columns of numbers, which are views of it; ``None`` when there is none.
        sources: column -> name of its file, where that is not ``source``.
    """

    source: str
    columns: dict[str, np.ndarray]
    first: str
    first_texts: np.ndarray
    samples_in: str
    lines: np.ndarray
    repeats: dict[str, str]
    texts: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()
    values: Values | None = None
    sources: Mapping[str, str] = MappingProxyType({})


def source_of(table: Table, column: str) -> str:
    """Returns the name of the file that a column came from, for messages."""
    return table.sources.get(column, table.source)


def present(values: np.ndarray) -> np.ndarray:
    """Returns [N] bool, true where a column of a :class:`Table` has a value."""
    return ~np.isnan(values) if values.dtype.kind == "f" else np.array([value is not None for value in values], bool)


def restricted(table: Table, positions: np.ndarray) -> Table:
    """Returns the samples at ``positions``, in that order."""
    if len(positions) == len(table.lines) and (positions == np.arange(len(positions))).all():
        return table
    columns = {name: values[positions] for name, values in table.columns.items()}
    first, lines = table.first_texts[positions], table.lines[positions]
    return table._replace(columns=columns, first_texts=first, lines=lines, values=None)


def stacked(table: Table, names: list[str], rows: np.ndarray) -> np.ndarray:
    """Returns some columns of numbers for some samples as one array [names, rows] in float64.

    Where all columns lie in ``table.values``, the array takes their place, so that no second copy is made and the table
    must not be used again.

    Args:
        table: the table.
        names: the columns, all of numbers, in their order in the table.
        rows: positions of the samples, in ascending order.
    """
    held = table.values
    if held is None or any(name not in held.place for name in names):
        block = np.empty((len(names), len(rows)))
        for row, name in enumerate(names):
            block[row] = table.columns[name][rows]
        return block
    columns = np.array([held.place[name] for name in names])
    if len(rows) == len(held.matrix) and len(columns) == held.matrix.shape[1]:
        return held.matrix.T
    # positions ascend, so a block of samples is only written where it, or one before it, was read
    for start in range(0, len(rows), 256):
        stop = min(start + 256, len(rows))
        part = held.matrix[rows[start:stop]]
        held.matrix[start:stop, : len(columns)] = part if len(columns) == part.shape[1] else part[:, columns]
    return held.matrix[: len(rows), : len(columns)].T


def texts(values: np.ndarray) -> list[str]:
    """Converts labels to text; whole numbers are written without a decimal point."""
    return [f"{value:.15g}" if isinstance(value, float) else str(value) for value in values.tolist()]


def column_from(values: Iterable[object]) -> np.ndarray:
    """Converts values to a column of a :class:`Table`, [N].

    The column is float64 when all values that are present are numbers or true/false, else strings with ``None`` where
    missing.
    """
    texts = [None if value is None or str(value).strip().lower() in ABSENT else str(value).strip() for value in values]
    numbers = [as_number(text) for text in texts]
    if None not in numbers:
        return np.array(numbers, dtype=object).astype(np.float64)
    if all(text is None or text.lower() in ("true", "false") for text in texts):
        return np.array([np.nan if text is None else float(text.lower() == "true") for text in texts])
    return np.array(texts, dtype=object)


def unique_names(
    file: Path, kind: str, names: list[str], duplicates: str, place: str = "column"
) -> tuple[list[str], dict[str, str]]:
    """Makes names unique, or raises ``InputError`` for a repeated one when ``duplicates`` is ``"refuse"``.

    Returns:
        The unique names and a dict from each new name to the original.
    """
    if duplicates == "refuse":
        seen: dict[str, int] = {}
        for position, name in enumerate(names, start=1):
            if name in seen:
                hint = '; duplicates="apart" or "sum" (--duplicates) allows it' if kind == "feature" else ""
                raise InputError(
                    f"{file} has the duplicate {kind} name {name!r} in {place}s {seen[name]} and {position}; "
                    f"{kind} names must be unique{hint}"
                )
            seen[name] = position
    return apart(names)


def turned(
    file: Path,
    samples: list[str],
    names: list[str],
    rows: list[np.ndarray],
    duplicates: str,
    lines: list[int],
    notes: tuple[str, ...] = (),
    matrix: np.ndarray | None = None,
) -> Table:
    """Returns the table of a file with samples in columns: its rows become columns.

    Args:
        file: the file.
        samples: [N] names.
        names: names of the rows.
        rows: each [N].
        duplicates: see :func:`vaebench.data.files.table.table_from_file`.
        lines: line of each row in the file.
        notes: see :class:`Table`.
        matrix: the array whose lines those rows are that hold numbers, [., N].
    """
    if "" in names:
        raise InputError(f"{file} has a row without a name in line {lines[names.index('')]}; every row must have one")
    names, repeats = unique_names(file, "feature", names, duplicates, place="row")
    columns: dict[str, np.ndarray] = {"": np.array(samples, dtype=object)}
    columns |= dict(zip(names, rows, strict=True))
    place, values = {}, None
    if matrix is not None:
        numbers = (
            name for name, row in zip(names, rows, strict=True) if row.base is not None and row.dtype.kind == "f"
        )
        place = {name: position for position, name in enumerate(numbers)}
        values = Values(place, matrix.T) if len(place) == len(matrix) else None
    where = np.arange(len(samples)) + 2
    return Table(file.name, columns, "", columns[""], "columns", where, repeats, {}, notes, values)
