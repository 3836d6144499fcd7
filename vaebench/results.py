"""Rows of results: flat, versioned, in part files that are either complete or do not exist.

A folder holds ``rows/part-<time>-<token>.parquet`` and ``run.json``. A part is written under another name, synced to disk and
renamed, so a reader never sees half of one. Every process writes parts of its own and changes no file, so that any number of
them may write at once without locks. A resumed run does what is :func:`missing`.
"""

from __future__ import annotations

import errno
import json
import math
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaebench.atomic import create, read_json, replacing
from vaebench.errors import InputError, shortened, user_path
from vaebench.types import LATER, SCHEMA
from vaebench.types.flat import arrow_type, flat_value
from vaebench.types.row_parts import check_data, joined_parts, read_part

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "compact", "finished", "joined_notes", "missing", "read_costs", "read_rows", "read_run_json", "tidy", "write_cost",
    "write_rows", "write_run_json",
]  # fmt: skip
__dir__ = __all__.copy


def write_rows(rows: Sequence[Mapping[str, Any]], folder: str | Path, types: Mapping[str, type] | None = None) -> Path:
    """Write rows as one new part file and return its path; the file appears complete or not at all.

    Args:
        rows: at least one. A row maps column names to numbers, strings, ``None`` or flat lists of them (numpy values too), and
            has the column ``point``, its identity. Rows need not have the same columns. The column ``schema`` is added.
        folder: folder of the run; the file is written to its subfolder ``rows/``.
        types: column -> ``bool``, ``int``, ``float``, ``str`` or ``list`` (of floats). The file has all of these columns, null
            where a row has no value. Other columns get the type of their values. In the integer and ``metric/`` columns given
            here NaN is stored as null, since a score that is NaN was not computed.

    Raises:
        InputError: no rows, a row without ``point``, or a column of mixed or nested types.
        OSError: the disk is full or not writable; parts written before are intact.

    Example::

        write_rows([{"point": "a", "metric/ari": 0.7}, {"point": "b", "metric/ari": None}], "results/run")
        rows = read_rows("results/run")
    """
    import pyarrow as pa

    if not rows:
        raise InputError("write_rows needs at least one row")
    for row in rows:
        if not (isinstance(row.get("point"), str) and row["point"]):
            raise InputError(f"every row needs a text column 'point', got {row.get('point')!r}")
        if row.get("schema", SCHEMA) != SCHEMA:
            raise InputError(f"row {row['point']!r} has schema {row['schema']!r}, this version writes {SCHEMA}")
    types = {"schema": int, **(types or {})}
    columns = {}
    for name in dict.fromkeys([*types, *(name for row in rows for name in row)]):
        values = [SCHEMA if name == "schema" else flat_value(row.get(name), name) for row in rows]
        if name in types and (types[name] is int or name.startswith("metric/")):
            values = [None if isinstance(value, float) and math.isnan(value) else value for value in values]
        try:
            columns[name] = pa.array(values, arrow_type(types[name]) if name in types else None)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise InputError(f"column {name!r} mixes types: {error}") from error
    return _write_part(pa.table(columns), user_path(folder), f"{time.time_ns():020d}")


def read_rows(folder: str | Path) -> pd.DataFrame:
    """Read all rows of a folder, in the order written, one row per ``point`` (the first written).

    Unfinished files of a stopped process are not read.

    Args:
        folder: folder of a run.

    Returns:
        A table with the columns of all parts. Columns without any value are left out, except those of metrics. Missing values
        are NaN (``None`` in text and list columns), integer columns without missing values stay integers, and list columns hold
        numpy arrays.

    Raises:
        InputError: no rows at all, a part that cannot be read or is of other data than ``run.json`` says, or another schema
            version.
    """
    place = user_path(folder)
    tables = _tables(place, None)
    digest = (read_json(place / "run.json") or {}).get("digest")
    if isinstance(digest, str):
        check_data(tables, digest)
    table = _first_by_point(joined_parts(tables))
    if not table.num_rows:
        raise InputError(f"no rows in {place / 'rows'}: nothing was run there yet")
    held = [
        name for name in table.column_names if name.startswith("metric/") or table[name].null_count < table.num_rows
    ]
    return _completed(table.select(held).to_pandas())


def _completed(rows: pd.DataFrame) -> pd.DataFrame:
    """``rows`` whose trainings have a value of each setting that any of them has: those of an earlier version had its default."""
    trained = rows.get("static/recipe")
    for name, value in LATER.items():
        if trained is not None and name in rows:
            rows[name] = rows[name].mask(trained.notna() & rows[name].isna(), value)
    return rows


def tidy(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with short column names, such as ``variant``, ``seed``, ``ari``, ``aic``, ``loss_valid``.

    Settings lose their family (``static/latent`` -> ``latent``) and scores their metric (``metric/leiden/ari`` -> ``ari``);
    other columns are joined by an underscore (``loss/valid`` -> ``loss_valid``). Where two columns would have one name, both
    keep their metric or family (``leiden_status``). What is stored in a folder keeps its names.

    Args:
        rows: of :func:`read_rows`.

    Example::

        vb.results.tidy(vb.results.read_rows("results/run")).groupby("variant")["ari"].mean()
    """
    parts = [str(name).split("/") for name in rows.columns]
    short = [p[-1] if p[0] in ("static", "shape", "traced", "hyper", "metric") else "_".join(p) for p in parts]
    twice = {name for name in short if short.count(name) > 1}
    whole = ["_".join(p[1:] if p[0] == "metric" else p) for p in parts]
    wanted = [long if name in twice else name for name, long in zip(short, whole, strict=True)]
    return rows.set_axis(wanted, axis="columns")


def finished(folder: str | Path) -> set[str]:
    """Return the identities of the points that have a row of any status; empty if the folder does not exist yet."""
    tables = _tables(user_path(folder), ["schema", "point"])
    return {point for table in tables for point in table["point"].to_pylist()}


def missing(points: Iterable[str], folder: str | Path) -> list[str]:
    """Return the identities among ``points`` that have no row yet, in their order."""
    done = finished(folder)
    return [point for point in points if point not in done]


def compact(folder: str | Path, paths: Sequence[str | Path]) -> Path:
    """Merge part files, in the order given, into one new file, delete them, and return the new file.

    The merged file is complete before the first part is deleted; rows that are stored twice are read once. They keep the place
    of the earliest part.

    Raises:
        InputError: no path is given, a part cannot be read, or a column has different types in different parts.
    """
    if not (parts := [user_path(path) for path in paths]):
        raise InputError("compact needs at least one part file")
    table = _first_by_point(joined_parts([read_part(path, None) for path in parts]))
    merged = _write_part(table, user_path(folder), min(path.name for path in parts).split("-")[1])
    for path in parts:
        path.unlink()
    return merged


def write_run_json(record: Mapping[str, Any], folder: str | Path, *, first: bool = False) -> Path:
    """Write ``run.json`` (command, versions, digests) and return its path.

    Args:
        record: JSON values.
        folder: folder of the run.
        first: leave an existing file as it is, so that of several processes one writes; else it is replaced atomically.

    Raises:
        InputError: ``record`` holds other values than JSON's.
    """
    try:
        text = json.dumps(dict(record), indent=2, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"run.json holds JSON values only: {error}") from error
    path = user_path(folder) / "run.json"
    if first:
        with _named(path), suppress(FileExistsError):
            create(path, text.encode() + b"\n")
        return path
    return _write(path, text.encode() + b"\n")


def write_cost(cost: Mapping[str, Any], folder: str | Path) -> Path:
    """Write the cost of one process (JSON values) as a new file in ``costs/``."""
    path = user_path(folder) / "costs" / f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.json"
    return _write(path, json.dumps(dict(cost)).encode() + b"\n")


def read_costs(folder: str | Path) -> list[dict[str, Any]]:
    """Read the costs of all processes that wrote rows to a folder, in the order in which they ended.

    Raises:
        InputError: a file is damaged; the message names it.
    """
    costs = [(path, _object(path)) for path in sorted((user_path(folder) / "costs").glob("*.json"))]
    for path, cost in costs:
        for name in ("seconds", "trainings", "programs", "epochs", "computed_epochs"):
            value: Any = cost.get(name)
            if type(value) not in (int, float) or not 0 <= value < math.inf:
                raise InputError(f"{path} has {name} {shortened(repr(value))}; delete it, for it must be at least 0")
    return [cost for _, cost in costs]


def read_run_json(folder: str | Path) -> dict[str, Any]:
    """Read the record that :func:`write_run_json` wrote.

    Raises:
        InputError: there is none, it cannot be read, or a field that this version knows has a value of the wrong kind.
    """
    path = user_path(folder) / "run.json"
    record = _object(path, missing="not the folder of a run")
    for name, kinds in _RUN_FIELDS.items():
        value: Any = record.get(name)
        if name in record and (type(value) not in kinds or (kinds == (int,) and value < 1)):
            wanted = " or ".join(_KINDS[kind] for kind in kinds)
            raise InputError(f"{path} has {name} {shortened(repr(value))}; it must be {wanted}")
    return record


_RUN_FIELDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("schema", "devices", "lanes"), (int,)),
    **dict.fromkeys(("digest", "scaling", "matmul_precision", "version", "study", "device", "started"), (str,)),
    **dict.fromkeys(("metric_options", "versions", "data", "provenance", "workers"), (dict,)),
    "command": (str, list),
    "metrics": (list, dict),
    "notes": (list,),
    "embedding": (str, dict),
    "label_covariate": (bool,),
}
"""Field of ``run.json`` -> its types."""
_KINDS = {int: "a whole number of at least 1", str: "a text", bool: "true or false", list: "a list", dict: "an object"}


def _object(path: Path, missing: str = "") -> dict[str, Any]:
    """Return the JSON object in a file; raise :class:`InputError` with its name if there is none."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: {missing or 'another process has deleted it'}") from None
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)[:100]
        raise InputError(f"{path} cannot be read: {reason}; it must be a JSON object") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} holds {shortened(repr(value))}; it must be a JSON object")
    return value


def joined_notes(record: Mapping[str, Any], *more: Iterable[str]) -> list[str]:
    """Return the notes of a ``run.json`` (key ``notes``) with further ones at the end, each once; none is ever removed."""
    return list(dict.fromkeys(str(note) for notes in (record.get("notes", ()), *more) for note in notes))


def _tables(folder: Path, columns: list[str] | None) -> list[Any]:
    """Read all complete parts, in the order of their names, which begin with the time of writing.

    Another process may merge parts in the meantime. It writes the merged file before it deletes them, so a part that was listed
    but is gone is contained in a file of the next listing. Rows read from both are duplicates.
    """
    read: dict[Path, Any] = {}
    while new := [path for path in (folder / "rows").glob("part-*.parquet") if path not in read]:
        for path in new:
            read[path] = None
            with suppress(FileNotFoundError):
                read[path] = read_part(path, columns)
    return [read[path] for path in sorted(read) if read[path] is not None]


def _first_by_point(table: Any) -> Any:
    first: dict[str, int] = {}
    for i, point in enumerate(table["point"].to_pylist()):
        first.setdefault(point, i)
    return table if len(first) == table.num_rows else table.take(list(first.values()))


def _write_part(table: Any, folder: Path, stamp: str) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return _write(folder / "rows" / f"part-{stamp}-{uuid.uuid4().hex}.parquet", sink.getvalue())


def _write(path: Path, data: Any) -> Path:
    """Write a file atomically: it is complete and synced to disk under its name, or does not exist."""
    with _named(path), replacing(path, durable=True) as unfinished:
        unfinished.write_bytes(data)
    return path


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into a sentence that names the file."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        said = f"could not write {path}: {reason}; what was written before is intact"
        raise OSError(error.errno or errno.EIO, said) from error
