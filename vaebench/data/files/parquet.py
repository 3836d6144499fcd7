"""Parquet tables, read in blocks of columns so that memory stays near the size of the result."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vaebench.data.files.content import Table, Values, column_from, turned, unique_names
from vaebench.data.files.genes import counts_no_gene, gene_columns, row_notes
from vaebench.data.files.limits import refuse_oversized
from vaebench.data.files.opening import opened
from vaebench.data.files.text import LARGEST
from vaebench.errors import InputError, shortened

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_COLUMNS = 64  # columns read at once


class _Columns:
    """The columns of a Parquet file: names of the index first, then the others."""

    def __init__(self, file: Path) -> None:
        self.file, self.held = file, _parquet_file(file)
        schema = self.held.schema_arrow
        self.stored, types = schema.names, schema.types  # once: each access makes a list of all columns
        index, levels = _index_columns(file, (schema.metadata or {}).get(b"pandas", b"{}"))
        if levels > 1:
            raise InputError(f"{file} has column names of several levels; write it with one name for each column")
        front = [self.stored.index(name) for name in index if name in self.stored]
        others = set(range(len(self.stored))).difference(front)
        self.order = [*front, *sorted(others)]
        self.types = [types[i] for i in self.order]
        self.names = [self.stored[i] for i in self.order]
        self.names[: len(front)] = [
            "" if name.startswith("__index_level_") else name for name in self.names[: len(front)]
        ]
        self.count = self.held.metadata.num_rows
        if self.count == 0 or not self.order:
            raise InputError(f"{file} is empty; at least one row and one column are needed")
        self.numbers = [i for i, kind in enumerate(self.types) if _is_number(kind)]
        for name, kind in zip(self.names, self.types, strict=True):
            if _is_nested(kind):
                raise InputError(
                    f"column {shortened(name)!r} of {file} holds {shortened(kind)}; it must hold plain values"
                )

    def read(self, positions: list[int]) -> list[pa.ChunkedArray]:
        """Reads some columns, in the order of the positions."""
        try:
            table = self.held.reader.read_all(column_indices=[self.order[i] for i in positions], use_threads=False)
        except Exception as error:  # a damaged file makes pyarrow raise errors of many kinds
            raise _unreadable(self.file, error) from error
        at = {name: table.column(i) for i, name in enumerate(table.column_names)}
        return [at[self.stored[self.order[i]]] for i in positions]

    def matrix(self, positions: list[int]) -> np.ndarray:
        """Columns of numbers as one array [columns, N] in float64, NaN where missing."""
        import pyarrow as pa

        refuse_oversized(self.file, 8 * len(positions) * self.count)
        values = np.empty((len(positions), self.count))
        for start in range(0, len(positions), _COLUMNS):
            for row, column in enumerate(self.read(positions[start : start + _COLUMNS]), start=start):
                values[row] = _floats(column)
                large = np.flatnonzero((np.abs(values[row]) > LARGEST) & np.isfinite(values[row]))
                if large.size:
                    raise InputError(
                        f"line {large[0] + 1} of column {shortened(self.names[positions[row]])!r} of {self.file} holds "
                        f"{values[row][large[0]]:g}; numbers must be at most 3.4e38"
                    )
        pa.default_memory_pool().release_unused()
        return values

    def texts(self, position: int) -> list[str | None]:
        """A column as written, ``None`` where missing."""
        values = self.read([position])[0].to_pandas().astype(object)
        return [None if absent else str(v).strip() for v, absent in zip(values, values.isna(), strict=True)]


def parquet_table(file: Path, samples_in: str, duplicates: str, as_text: Callable[[str], bool]) -> Table:
    """Reads a Parquet file; see :func:`vaebench.data.files.table.table_from_file`.

    An index of pandas, of one level or several, comes first.
    """
    columns = _Columns(file)
    return _rows(columns, duplicates, as_text) if samples_in == "rows" else _turned(columns, duplicates)


def _rows(held: _Columns, duplicates: str, as_text: Callable[[str], bool]) -> Table:
    names, repeats = unique_names(held.file, "feature", held.names, duplicates)
    matrix = held.matrix(held.numbers)
    place = {position: row for row, position in enumerate(held.numbers)}
    columns, texts = {}, {}
    first = np.array(held.texts(0), dtype=object)
    for i, name in enumerate(names):
        columns[name] = matrix[place[i]] if i in place else column_from(held.texts(i))
        if i and i not in place and as_text(name):
            texts[name] = np.array(held.texts(i), dtype=object)
        if i and not name:
            if present_values(columns[name]):
                raise InputError(f"column {i + 1} of {held.file} has no name; only the first column may go without")
            del columns[name]
    values = Values({names[i]: row for i, row in place.items()}, matrix.T)
    lines = np.arange(held.count) + 1
    return Table(held.file.name, columns, names[0], first, "rows", lines, repeats, texts, (), values)


def present_values(values: np.ndarray) -> bool:
    """Returns true when a column has any value."""
    return not np.isnan(values).all() if values.dtype.kind == "f" else any(value is not None for value in values)


def _turned(held: _Columns, duplicates: str) -> Table:
    file, numbers = held.file, set(held.numbers)
    mostly_numbers = len(numbers) * 2 > len(held.names)
    example = ["0" if i in numbers else "text" for i in range(len(held.names))]
    columns = gene_columns(file.name, held.names, [example] if mostly_numbers else [])
    if not columns.samples:
        raise InputError(f"{file} names no sample; a column for each sample is needed")
    samples = unique_names(file, "sample", [held.names[i] for i in columns.samples], "refuse")[0]
    names = ["" if text is None else text for text in held.texts(0)]
    kept = [row for row, name in enumerate(names) if not counts_no_gene(name)]
    notes = columns.notes + row_notes(file.name, Counter(name for name in names if counts_no_gene(name)))
    if numbers.issuperset(columns.samples):
        matrix = held.matrix(columns.samples).T
        matrix = matrix if len(kept) == len(matrix) else matrix[kept]
        rows = list(matrix)
    else:
        matrix = None
        across = [held.texts(i) for i in columns.samples]
        rows = [column_from(column[row] for column in across) for row in kept]
    named_rows = [names[row] for row in kept]
    return turned(file, samples, named_rows, rows, duplicates, [row + 1 for row in kept], notes, matrix)


def _parquet_file(file: Path) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    try:
        with open(file, "rb") as plain:
            packed = plain.read(4) != b"PAR1"
        if not packed:
            return pq.ParquetFile(file)
        with opened(file) as stream:
            return pq.ParquetFile(io.BytesIO(stream.read()))
    except InputError:
        raise
    except Exception as error:  # pyarrow raises errors of many kinds
        raise _unreadable(file, error) from error


def _index_columns(file: Path, written: bytes) -> tuple[list[str], int]:
    """Names of the columns that hold the index of pandas, and the number of levels of column names."""
    try:
        metadata = json.loads(written)
        held, levels = metadata.get("index_columns") or [], metadata.get("column_indexes") or []
        return [name for name in held if isinstance(name, str)], len(levels)
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{file} has damaged metadata of pandas; write the table again with to_parquet()") from error


def _unreadable(file: Path, error: Exception) -> InputError:
    if isinstance(error, MemoryError):
        return InputError(f"{file} does not fit into memory; keep fewer samples or features in it")
    return InputError(f"{file} is not a Parquet table that can be read ({shortened(error)})")


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    checks = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal, pa.types.is_null)
    return any(check(kind) for check in checks)


def _is_nested(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind)


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    import pyarrow as pa

    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return column.cast(pa.float64(), safe=False).to_numpy()
