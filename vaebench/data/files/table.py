"""Tables on disk (CSV, TSV, Parquet, gzip or not) as named columns, whichever way round they lie."""

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
from vaebench.errors import InputError

SAMPLES_IN = ("rows", "columns")
DUPLICATES = ("refuse", "apart", "sum")


class Table(NamedTuple):
    """A table with samples in rows, whatever the file's layout.

    Attributes:
        source: the file's name without its folder.
        columns: name -> [N]; float64 (NaN where missing) when all values are numbers or true/false, else an object
            array of strings (``None`` where missing).
        first: name of the column that came first in the file; ``""`` when it has none.
        first_texts: that column as written, so that names such as 007 stay as they are: [N].
        samples_in: ``"rows"`` or ``"columns"`` of the file.
        lines: the file's line (rows) or position (columns) of each sample, for messages.
        repeats: new name -> original, of columns whose name came twice.
        texts: name -> [N], as written, of the other columns that were asked for so.
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
    """The table in ``path``, told apart by content: gzip, then Parquet, else text with commas or tabs.

    With ``samples_in="columns"`` the first column names features and labels. Repeated feature names are refused, or become
    ``NAME_2``, ..., listed in ``repeats``. Columns of samples in rows for which ``as_text`` holds are also given as written.
    ``InputError`` says what is broken, and where.
    """
    file = Path(path)
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
    """[N] bool: where a column of a :class:`Table` has a value."""
    return ~np.isnan(values) if values.dtype.kind == "f" else np.array([value is not None for value in values], bool)


def column_from(values: Iterable[Any]) -> np.ndarray:
    """Float64 when all values present are numbers or true/false, else strings, with ``None`` where missing: [N]."""
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
    """The names, made unique unless ``duplicates`` is ``"refuse"``, and each new name's original."""
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
    exact: Any = "round_trip"  # pandas accepts it, but its type hints leave it out
    with opened_text(file) as text:
        frame = pd.read_csv(
            text,
            sep=delimiter,
            header=None,
            names=names,
            skiprows=1,
            index_col=False,
            dtype={name: str for i, name in enumerate(names) if i == 0 or as_text(name)},  # keeps names such as "007"
            low_memory=False,  # one type per column, not one per chunk
            float_precision=exact,
        )
    _refuse_short_lines(file, frame, delimiter)
    return _from_frame(file, frame, np.arange(len(frame)) + 2, repeats, as_text)


def _refuse_short_lines(file: Path, frame: pd.DataFrame, delimiter: str) -> None:
    """pandas fills a short line with missing values, so a line that ends in one is counted again."""
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
        del columns[""]  # a delimiter at the end of each line
    return Table(file.name, columns, names[0], _written(frame.iloc[:, 0]), "rows", lines, repeats, texts)


def _written(series: pd.Series) -> np.ndarray:
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
    """The table whose columns are the file's rows."""
    if "" in names:
        raise InputError(f"{file} has a row without a name in line {lines[names.index('')]}; every row must have one")
    names, repeats = unique_names(file, "feature", names, duplicates, place="row")
    columns: dict[str, np.ndarray] = {"": np.array(samples, dtype=object)}
    columns |= dict(zip(names, values, strict=True))
    return Table(file.name, columns, "", columns[""], "columns", np.arange(len(samples)) + 2, repeats, {})


def _row(values: list[Any]) -> np.ndarray:
    try:
        return np.array(values, dtype=np.float64)  # far quicker than value by value
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
