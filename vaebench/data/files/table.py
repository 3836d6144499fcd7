"""Reading tables (CSV, TSV or Parquet, optionally gzipped) into named columns, with samples in rows or in columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vaebench.data.files.text import (
    ABSENT,
    apart,
    as_number,
    field_count,
    header,
    opened,
    opened_text,
    refusing_broken,
    starts_with,
)
from vaebench.errors import InputError, user_path

SAMPLES_IN = ("rows", "columns")
"""Layouts of a table: samples in rows or in columns."""

DUPLICATES = ("refuse", "apart", "sum")
"""Ways to treat a feature name that occurs more than once."""


class Table(NamedTuple):
    """A table with samples in rows, whatever the layout of the file.

    Attributes:
        source: the file's name without its folder.
        columns: name -> [N]: float64 (NaN where missing) when all values are numbers or true/false, else an object
            array of strings (``None`` where missing).
        first: name of the first column of the file; ``""`` when it has none.
        first_texts: [N], the first column as written, so that names such as 007 keep their zeros.
        samples_in: ``"rows"`` or ``"columns"``, as in the file.
        lines: [N], the line (samples in rows) or column (samples in columns) of each sample in the file, for messages.
        repeats: new name -> original name of columns whose name was already used.
        texts: name -> [N], as written, of the other columns for which this was requested.
    """

    source: str
    columns: dict[str, np.ndarray]
    first: str
    first_texts: np.ndarray
    samples_in: str
    lines: np.ndarray
    repeats: dict[str, str]
    texts: dict[str, np.ndarray]


def table_from_file(
    path: str | Path,
    samples_in: str = "rows",
    duplicates: str = "refuse",
    as_text: Callable[[str], bool] = lambda name: False,
) -> Table:
    """Reads a table; its format (gzip, Parquet, text with commas or tabs) is detected from the content.

    Args:
        path: the file.
        samples_in: ``"rows"``, or ``"columns"`` when the first column names features, labels and so on.
        duplicates: ``"refuse"`` repeated feature names; anything else renames them ``NAME_2``, ``NAME_3``, ... and lists
            them in ``repeats``.
        as_text: with samples in rows, columns for which this holds are also kept as written, in ``texts``.

    Returns:
        The table.

    Raises:
        InputError: the file cannot be read as a table; the message names the place.
    """
    file = user_path(path)
    needed = "a CSV, TSV or Parquet table"
    with refusing_broken(file, needed):
        try:
            if starts_with(file, b"PAR1"):
                return _from_parquet(file, samples_in, duplicates, as_text)
            if samples_in == "rows":
                return _from_text_rows(file, duplicates, as_text)
            return _from_text_columns(file, duplicates)
        except pd.errors.ParserError as error:
            raise InputError(f"{file} is not {needed} ({str(error).strip()})") from error


def present(values: np.ndarray) -> np.ndarray:
    """Returns [N] bool, true where a column of a :class:`Table` has a value."""
    return ~np.isnan(values) if values.dtype.kind == "f" else np.array([value is not None for value in values], bool)


def restricted(table: Table, positions: np.ndarray) -> Table:
    """Returns the samples at ``positions``, in that order."""
    if len(positions) == len(table.lines) and (positions == np.arange(len(positions))).all():
        return table
    columns = {name: values[positions] for name, values in table.columns.items()}
    return table._replace(columns=columns, first_texts=table.first_texts[positions], lines=table.lines[positions])


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


def _from_text_rows(file: Path, duplicates: str, as_text: Callable[[str], bool]) -> Table:
    names, delimiter = header(file)
    names, repeats = unique_names(file, "feature", names, duplicates)
    # Parses as Python's float() does. The default parser is off by one unit in the last place for about one in three
    # doubles written with 17 digits, which would change digests. The type hints of pandas omit this value.
    exact: Any = "round_trip"
    with opened_text(file) as text:
        frame = pd.read_csv(
            text,
            sep=delimiter,
            header=None,
            names=names,
            skiprows=1,
            index_col=False,
            dtype={name: str for i, name in enumerate(names) if i == 0 or as_text(name)},  # keeps 007 as it is
            low_memory=False,  # infers one type per column instead of one per chunk
            float_precision=exact,
        )
    _refuse_short_lines(file, frame, delimiter)
    return _from_frame(file, frame, np.arange(len(frame)) + 2, repeats, as_text)


def _refuse_short_lines(file: Path, frame: pd.DataFrame, delimiter: str) -> None:
    """Raises ``InputError`` for a line with too few fields.

    pandas fills such a line with missing values, so the fields are counted only when the last column has any.
    """
    if not frame.iloc[:, -1].isna().any():
        return
    with opened_text(file) as text:
        rows = csv.reader(text, delimiter=delimiter)
        next(rows)
        for row in rows:
            if row and len(row) != frame.shape[1]:
                raise field_count(file, rows.line_num, len(row), frame.shape[1], row[0], delimiter)


def _from_frame(
    file: Path, frame: pd.DataFrame, lines: np.ndarray, repeats: dict[str, str], as_text: Callable[[str], bool]
) -> Table:
    columns: dict[str, np.ndarray] = {}
    texts: dict[str, np.ndarray] = {}
    names = [str(name) for name in frame.columns]
    for position, name in enumerate(names):
        series = frame.iloc[:, position]
        if pd.api.types.is_numeric_dtype(series.dtype):
            columns[name] = series.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            columns[name] = column_from(series.astype(object))
            if position and as_text(name):
                texts[name] = _written(series)
        if not name and position and not (_is_float(columns[name]) and np.isnan(columns[name]).all()):
            raise InputError(f"column {position + 1} of {file} has no name; only the first column may go without")
    if "" in columns and names[0]:
        del columns[""]  # every line ends with a delimiter
    return Table(file.name, columns, names[0], _written(frame.iloc[:, 0]), "rows", lines, repeats, texts)


def _written(series: pd.Series) -> np.ndarray:
    """The values as stripped text, ``None`` where missing."""
    values = [None if absent else str(value).strip() for value, absent in zip(series, series.isna(), strict=True)]
    return np.array(values, dtype=object)


def _from_text_columns(file: Path, duplicates: str) -> Table:
    names, delimiter = header(file)
    samples = unique_names(file, "sample", names, "refuse")[0][1:]
    names_in_rows, values, lines = [], [], []
    with opened_text(file) as text:
        rows = csv.reader(text, delimiter=delimiter)
        next(rows)
        for row in rows:
            if row:
                if len(row) != len(names):
                    raise field_count(file, rows.line_num, len(row), len(names), row[0], delimiter)
                names_in_rows.append(row[0].strip())
                values.append(_row(row[1:]))
                lines.append(rows.line_num)
    return _turned(file, samples, names_in_rows, values, duplicates, lines)


def _turned(
    file: Path, samples: list[str], names: list[str], values: list[np.ndarray], duplicates: str, lines: list[int]
) -> Table:
    """The table with the rows of the file as its columns."""
    if "" in names:
        raise InputError(f"{file} has a row without a name in line {lines[names.index('')]}; every row must have one")
    names, repeats = unique_names(file, "feature", names, duplicates, place="row")
    columns: dict[str, np.ndarray] = {"": np.array(samples, dtype=object)}
    columns |= dict(zip(names, values, strict=True))
    return Table(file.name, columns, "", columns[""], "columns", np.arange(len(samples)) + 2, repeats, {})


def _row(values: list[Any]) -> np.ndarray:
    try:
        return np.array(values, dtype=np.float64)  # much faster than one value at a time
    except (ValueError, TypeError):
        return column_from(values)


def _from_parquet(file: Path, samples_in: str, duplicates: str, as_text: Callable[[str], bool]) -> Table:
    try:
        with opened(file) as stream:
            frame = pd.read_parquet(io.BytesIO(stream.read()))
    except (ValueError, OSError) as error:
        raise InputError(f"{file} is not a Parquet table that can be read ({error})") from error
    if frame.shape[0] == 0 or frame.shape[1] == 0:
        raise InputError(f"{file} is empty; at least one row and one column are needed")
    if not isinstance(frame.index, pd.RangeIndex):
        index = frame.index.astype(str).to_numpy()
        label = "" if frame.index.name is None else str(frame.index.name)
        frame = frame.reset_index(drop=True)
        frame.insert(0, label, index, allow_duplicates=True)
    names = [str(name) for name in frame.columns]
    if samples_in == "rows":
        frame.columns, repeats = unique_names(file, "feature", names, duplicates)
        return _from_frame(file, frame, np.arange(len(frame)) + 1, repeats, as_text)
    samples = unique_names(file, "sample", names, "refuse")[0][1:]
    rows = list(frame.itertuples(index=False, name=None))
    values = [_row(list(row[1:])) for row in rows]
    return _turned(file, samples, [str(row[0]) for row in rows], values, duplicates, list(range(1, len(rows) + 1)))


def _is_float(values: np.ndarray) -> bool:
    return values.dtype.kind == "f"
