"""Tables on disk (CSV, TSV, Parquet, gzip or not) as named columns, whichever way round they lie."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import pandas as pd

from vaebench.types import InputError

SAMPLES_IN = ("rows", "columns")
_ABSENT = frozenset(("", "na", "n/a", "#n/a", "nan", "null", "none", "<na>", "nat"))


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
    """

    source: str
    columns: dict[str, np.ndarray]
    first: str
    first_texts: np.ndarray
    samples_in: str
    lines: np.ndarray


def table_from_file(path: str | Path, samples_in: str = "rows") -> Table:
    """The table in ``path``, told apart by content: gzip, then Parquet, else text with commas or tabs.

    Args:
        path: the file.
        samples_in: ``"rows"``, or ``"columns"`` for genes in rows: their first column then names features and labels.

    Raises:
        InputError: for a file that is missing, empty, a folder, not a table, or that repeats a name.
    """
    file = Path(path)
    if file.is_dir():
        raise InputError(f"{file} is a folder; a CSV, TSV or Parquet file is needed")
    if not file.exists():
        raise InputError(f"{file} does not exist; a CSV, TSV or Parquet file is needed")
    try:
        if _starts_with(file, b"PAR1"):
            return _from_parquet(file, samples_in)
        return _from_text_rows(file) if samples_in == "rows" else _from_text_columns(file)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{file} cannot be read ({error}); is it damaged or protected?") from error
    except (UnicodeDecodeError, csv.Error, pd.errors.ParserError) as error:
        raise InputError(f"{file} is not a CSV, TSV or Parquet table ({str(error).strip()})") from error


def column_from(values: Iterable[Any]) -> np.ndarray:
    """Float64 when all values present are numbers or true/false, else strings, with ``None`` where missing: [N]."""
    texts = [None if value is None or str(value).strip().lower() in _ABSENT else str(value).strip() for value in values]
    numbers = [as_number(text) for text in texts]
    if None not in numbers:
        return np.array(numbers, dtype=object).astype(np.float64)
    if all(text is None or text.lower() in ("true", "false") for text in texts):
        return np.array([np.nan if text is None else float(text.lower() == "true") for text in texts])
    return np.array(texts, dtype=object)


def as_number(text: str | None) -> float | None:
    """The number that ``text`` writes, NaN for ``None``, and ``None`` when it is no number."""
    if text is None:
        return np.nan
    try:
        return None if "_" in text else float(text)  # Python would read 1_0 as 10
    except ValueError:
        return None


@contextmanager
def _open(file: Path) -> Iterator[IO[bytes]]:
    with open(file, "rb") as plain:
        zipped = plain.read(2) == b"\x1f\x8b"
    with gzip.open(file, "rb") if zipped else open(file, "rb") as stream:
        yield stream  # pyright: ignore[reportReturnType]


@contextmanager
def _open_text(file: Path) -> Iterator[IO[str]]:
    with _open(file) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
        yield text


def _starts_with(file: Path, mark: bytes) -> bool:
    with _open(file) as stream:
        return stream.read(len(mark)) == mark


def _header(file: Path) -> tuple[list[str], str]:
    """Column names and delimiter; a header one short (as R writes it) gets an unnamed first column."""
    with _open_text(file) as text:
        line = text.readline()
        if not line.strip():
            raise InputError(f"{file} is empty or its first line is; a header line with column names is needed")
        delimiter = "\t" if line.count("\t") >= line.count(",") and "\t" in line else ","
        rows = csv.reader([line], delimiter=delimiter)
        names = [name.strip() for name in next(rows)]
        row = next(csv.reader(text, delimiter=delimiter), None)
    if "\0" in line:
        raise InputError(f"{file} is not a CSV, TSV or Parquet table (its first line holds binary data)")
    if row is None:
        raise InputError(f"{file} has a header but no further line; at least one is needed")
    numbers = [as_number(name) for name in names]
    if all(number is not None for number in numbers) and any(number % 1 for number in numbers if number):
        raise InputError(f"{file} begins with the number {names[0]!r}; its first line must be a header of column names")
    if len(row) == len(names) + 1:
        names = ["", *names]
    if len(row) != len(names):
        raise InputError(f"line 2 of {file} has {len(row)} fields; it must have {len(names)}, as the header")
    if len(names) < 2:
        raise InputError(f"{file} has 1 column; at least 2 are needed, separated by commas or tabs")
    return names, delimiter


def _refuse_duplicates(file: Path, kind: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{file} has the duplicate {kind} name {name!r}; {kind} names must be unique")
        seen.add(name)


def _from_text_rows(file: Path) -> Table:
    names, delimiter = _header(file)
    _refuse_duplicates(file, "feature", names)
    exact: Any = "round_trip"  # pandas accepts it, but its type hints leave it out
    with _open_text(file) as text:
        frame = pd.read_csv(
            text,
            sep=delimiter,
            header=None,
            names=names,
            skiprows=1,
            index_col=False,
            dtype={names[0]: str},  # keeps names such as "007"
            low_memory=False,  # one type per column, not one per chunk
            float_precision=exact,
        )
    return _from_frame(file, frame, np.arange(len(frame)) + 2)


def _from_frame(file: Path, frame: pd.DataFrame, lines: np.ndarray) -> Table:
    columns: dict[str, np.ndarray] = {}
    names = [str(name) for name in frame.columns]
    for position, name in enumerate(names):
        series = frame.iloc[:, position]
        if pd.api.types.is_numeric_dtype(series.dtype):
            columns[name] = series.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            columns[name] = column_from(series.astype(object))
        if not name and position and not (_is_float(columns[name]) and np.isnan(columns[name]).all()):
            raise InputError(f"column {position + 1} of {file} has no name; only the first column may go without")
    if "" in columns and names[0]:
        del columns[""]  # a delimiter at the end of each line
    first = frame.iloc[:, 0]
    texts = np.array(
        [None if absent else str(value).strip() for value, absent in zip(first, first.isna(), strict=True)]
    )
    return Table(file.name, columns, names[0], texts.astype(object), "rows", lines)


def _from_text_columns(file: Path) -> Table:
    names, delimiter = _header(file)
    samples = names[1:]
    _refuse_duplicates(file, "sample", samples)
    columns: dict[str, np.ndarray] = {"": np.array(samples, dtype=object)}
    with _open_text(file) as text:
        rows = csv.reader(text, delimiter=delimiter)
        next(rows)
        for row in rows:
            if row:
                if len(row) != len(names):
                    raise InputError(
                        f"line {rows.line_num} of {file} has {len(row)} fields; the header has {len(names)}"
                    )
                _add_row(file, columns, row[0].strip(), row[1:])
    return Table(file.name, columns, "", columns[""], "columns", np.arange(len(samples)) + 2)


def _add_row(file: Path, columns: dict[str, np.ndarray], name: str, values: list[Any]) -> None:
    if name in columns:
        what = f"the duplicate feature name {name!r}; feature names must be unique" if name else "a row without a name"
        raise InputError(f"{file} has {what}")
    try:
        columns[name] = np.array(values, dtype=np.float64)  # far quicker than value by value
    except (ValueError, TypeError):
        columns[name] = column_from(values)


def _from_parquet(file: Path, samples_in: str) -> Table:
    try:
        with _open(file) as stream:
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
    _refuse_duplicates(file, "feature" if samples_in == "rows" else "sample", names)
    if samples_in == "rows":
        return _from_frame(file, frame, np.arange(len(frame)) + 1)
    columns: dict[str, np.ndarray] = {"": np.array(names[1:], dtype=object)}
    for row in frame.itertuples(index=False, name=None):
        _add_row(file, columns, str(row[0]), list(row[1:]))
    return Table(file.name, columns, "", columns[""], "columns", np.arange(len(names) - 1) + 2)


def _is_float(values: np.ndarray) -> bool:
    return values.dtype.kind == "f"
