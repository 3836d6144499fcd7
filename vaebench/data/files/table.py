"""Reading tables (text of any delimiter, Excel or Parquet) into named columns, with samples in rows or in columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vaebench.data.files.content import (
    DUPLICATES,
    SAMPLES_IN,
    Table,
    column_from,
    present,
    restricted,
    source_of,
    stacked,
    texts,
    unique_names,
)
from vaebench.data.files.delimited import delimited_columns, delimited_rows
from vaebench.data.files.opening import WINDOWS, refusing_broken, starts_with
from vaebench.data.files.parquet import parquet_table
from vaebench.errors import user_path

__all__ = [
    "DUPLICATES",
    "SAMPLES_IN",
    "Table",
    "column_from",
    "present",
    "restricted",
    "source_of",
    "stacked",
    "table_from_file",
    "texts",
    "unique_names",
]


def table_from_file(
    path: str | Path,
    samples_in: str = "rows",
    duplicates: str = "refuse",
    as_text: Callable[[str], bool] = lambda name: False,
) -> Table:
    """Reads a table; its format (packed or not, Excel, Parquet, delimited text) is detected from the content.

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
    with refusing_broken(file, "a CSV, TSV or Parquet table"):
        if starts_with(file, b"PAR1"):
            return parquet_table(file, samples_in, duplicates, as_text)
        try:
            return _delimited(file, samples_in, duplicates, as_text)
        except UnicodeDecodeError:  # further down than the layout is told from
            return _delimited(file, samples_in, duplicates, as_text, WINDOWS)


def _delimited(
    file: Path, samples_in: str, duplicates: str, as_text: Callable[[str], bool], encoding: str = ""
) -> Table:
    if samples_in == "rows":
        return delimited_rows(file, duplicates, as_text, encoding)
    return delimited_columns(file, duplicates, encoding)
