"""Rows of results: flat, versioned, in part files that are either complete or not there.

A folder holds ``rows/part-<time>-<token>.parquet`` and ``run.json``. Any number of processes may write parts at once;
no file is ever changed, so there is nothing to lock. A resumed run does what is :func:`missing`.
"""

from __future__ import annotations

import errno
import json
import math
import os
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vaebench.atomic import replacing
from vaebench.errors import InputError
from vaebench.types import SCHEMA

if TYPE_CHECKING:
    import pandas as pd


def write_rows(rows: Sequence[Mapping[str, Any]], folder: str | Path, types: Mapping[str, type] | None = None) -> Path:
    """Write rows as one new part file and return its path; the file appears complete or not at all.

    A row maps column names to numbers, strings, ``None`` or flat lists of them (numpy values too), and has the column
    ``point``, its identity. Rows need not have the same columns. The column ``schema`` is added.

    Args:
        rows: at least one.
        folder: of the run; the file goes to ``rows/``.
        types: the columns that the file has in any case, with ``bool``, ``int``, ``float``, ``str`` or ``list`` (of floats),
            null where no row has a value. Columns that are not in it get the type of their values. A score that is NaN was
            not computed, so ``metric/`` columns hold null in its place.

    Raises:
        InputError: no rows, a row without ``point``, or a column of mixed or nested types.
        OSError: the disk is full or not writable; parts written before are intact.
    """
    import pyarrow as pa

    if not rows:
        raise InputError("write_rows needs at least one row")
    for row in rows:
        if not isinstance(row.get("point"), str) or not row["point"]:
            raise InputError(f"every row needs a text column 'point', got {row.get('point')!r}")
        if row.get("schema", SCHEMA) != SCHEMA:
            raise InputError(f"row {row['point']!r} has schema {row['schema']!r}, this version writes {SCHEMA}")
    types = {"schema": int, **(types or {})}
    columns = {}
    for name in dict.fromkeys([*types, *(name for row in rows for name in row)]):
        values = [SCHEMA if name == "schema" else _plain(row.get(name), name) for row in rows]
        if name in types and (types[name] is int or name.startswith("metric/")):
            values = [None if isinstance(value, float) and math.isnan(value) else value for value in values]
        try:
            columns[name] = pa.array(values, _arrow_type(types[name]) if name in types else None)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise InputError(f"column {name!r} mixes types: {error}") from error
    return _write_part(pa.table(columns), Path(folder), f"{time.time_ns():020d}")


def read_rows(folder: str | Path) -> pd.DataFrame:
    """All rows of a folder as a DataFrame, in the order written, one row per ``point`` (the first written).

    Columns are the union over the parts, without those that no row has a value in (scores apart); absent values are NaN
    (``None`` in text and list columns); integers stay integers where complete; list columns hold numpy arrays. Unfinished
    files of a stopped process are not read.

    Raises:
        InputError: no rows at all, a part that cannot be read, or another schema version.
    """
    table = _first_by_point(_joined(_tables(Path(folder), None)))
    if not table.num_rows:
        raise InputError(f"no rows in {Path(folder) / 'rows'}: nothing was run there yet")
    held = [
        name for name in table.column_names if name.startswith("metric/") or table[name].null_count < table.num_rows
    ]
    return table.select(held).to_pandas()


def finished(folder: str | Path) -> set[str]:
    """Identities of the points that have a row, whatever its status; empty for a folder that does not exist yet."""
    tables = _tables(Path(folder), ["schema", "point"])
    return {point for table in tables for point in table["point"].to_pylist()}


def missing(points: Iterable[str], folder: str | Path) -> list[str]:
    """The identities among ``points`` that have no row yet, in their order."""
    done = finished(folder)
    return [point for point in points if point not in done]


def compact(folder: str | Path, paths: Sequence[str | Path]) -> Path:
    """Merges part files, in the order given, into one, removes them, and returns the new file.

    The merged file is complete before the first part is removed; stopped in between, rows are there twice, and
    :func:`read_rows` keeps one. The rows keep the place of the earliest part.
    """
    parts = [Path(path) for path in paths]
    if not parts:
        raise InputError("compact needs at least one part file")
    table = _first_by_point(_joined([_table(path, None) for path in parts]))
    merged = _write_part(table, Path(folder), min(path.name for path in parts).split("-")[1])
    for path in parts:
        path.unlink()
    return merged


def write_run_json(record: Mapping[str, Any], folder: str | Path) -> Path:
    """Writes ``run.json`` (command, versions, digests: JSON values only), replacing an older one in one step."""
    try:
        text = json.dumps(dict(record), indent=2, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"run.json holds JSON values only: {error}") from error
    path = Path(folder) / "run.json"
    _write(path, text.encode() + b"\n")
    return path


def write_cost(cost: Mapping[str, Any], folder: str | Path) -> Path:
    """Writes what one process spent (JSON values) as a file of its own below ``costs/``, so that none overwrites another's."""
    path = Path(folder) / "costs" / f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.json"
    _write(path, json.dumps(dict(cost)).encode() + b"\n")
    return path


def read_costs(folder: str | Path) -> list[dict[str, Any]]:
    """What every process that filled a folder spent, in the order of their ends."""
    return [json.loads(path.read_bytes()) for path in sorted((Path(folder) / "costs").glob("*.json"))]


def read_run_json(folder: str | Path) -> dict[str, Any]:
    """The record of :func:`write_run_json`; ``InputError`` when there is none or it cannot be read."""
    path = Path(folder) / "run.json"
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: not the folder of a run") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def _arrow_type(kind: type) -> Any:
    import pyarrow as pa

    kinds = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string(), list: pa.list_(pa.float64())}
    return kinds[kind]


def _plain(value: Any, name: str) -> Any:
    """A Python scalar, or a flat list of them."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, (list, tuple)):
        if any(isinstance(v, (list, tuple, dict)) or getattr(v, "ndim", 0) for v in value):
            raise InputError(f"column {name!r} holds a nested list; rows are flat")
        return [_plain(v, name) for v in value]
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        if array.ndim <= 1 and array.dtype.kind in "biufU":
            return array.tolist()
    raise InputError(f"column {name!r} holds a {type(value).__name__}; rows hold numbers, text and flat lists of them")


def _tables(folder: Path, columns: list[str] | None) -> list[Any]:
    """All complete parts, in the order of their names, which start with the time of writing.

    Another process may merge parts meanwhile. It writes the whole before it removes them, so what was listed and is gone
    is in a file of the next list; rows that were read before as well are there twice.
    """
    read: dict[Path, Any] = {}
    while new := [path for path in (folder / "rows").glob("part-*.parquet") if path not in read]:
        for path in new:
            read[path] = None
            with suppress(FileNotFoundError):
                read[path] = _table(path, columns)
    return [read[path] for path in sorted(read) if read[path] is not None]


def _table(path: Path, columns: list[str] | None) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Through an open file, so that no dataset machinery guesses partitions from the folder's name.
        with path.open("rb") as file:
            table = pq.ParquetFile(file).read(columns)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read ({error}); delete it and resume to compute its rows again") from error
    if "schema" not in table.column_names or "point" not in table.column_names:
        raise InputError(f"{path} is not a file of results: it has no columns 'schema' and 'point'")
    other = set(table["schema"].to_pylist()) - {SCHEMA}
    if other:
        raise InputError(
            f"{path} has schema {min(other, key=str)}, this version reads {SCHEMA}: "
            "read it with the version that wrote it, or run into a new folder"
        )
    return table


def _joined(tables: list[Any]) -> Any:
    import pyarrow as pa

    if not tables:
        return pa.table({"schema": pa.array([], pa.int64()), "point": pa.array([], pa.string())})
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"a column has different types in different part files: {error}") from error


def _first_by_point(table: Any) -> Any:
    first = dict.fromkeys(table["point"].to_pylist())
    if len(first) == table.num_rows:
        return table
    positions: dict[str, int] = {}
    for i, point in enumerate(table["point"].to_pylist()):
        positions.setdefault(point, i)
    return table.take(list(positions.values()))


def _write_part(table: Any, folder: Path, stamp: str) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    path = folder / "rows" / f"part-{stamp}-{uuid.uuid4().hex}.parquet"
    _write(path, sink.getvalue())
    return path


def _write(path: Path, data: Any) -> None:
    """Writes a file so that it is complete and on disk under its name, or not there."""
    try:
        with replacing(path, durable=True) as unfinished:
            unfinished.write_bytes(data)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise OSError(
            error.errno or errno.EIO, f"could not write {path}: {reason}; what was written before is intact"
        ) from error
