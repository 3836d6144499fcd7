"""Part files of rows as Arrow tables: one is read and checked, several are joined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vaebench.errors import InputError
from vaebench.types import SCHEMA

if TYPE_CHECKING:
    import pyarrow as pa

_PATH = b"vaebench_path"  # metadata of a table in memory: the file it was read from


def read_part(path: Path, columns: list[str] | None) -> pa.Table:
    """Read a part file, or some of its columns, as an Arrow table that remembers its path.

    Raises:
        InputError: it cannot be read, or does not hold rows of this version.
        FileNotFoundError: it is gone.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # through an open file: given a path, pyarrow would infer partitions from the names of its folders
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
            f"{path} has schema {min(other, key=str)!r}, this version reads {SCHEMA}: "
            "read it with the version that wrote it, or run into a new folder"
        )
    odd = [value for value in table["point"].to_pylist() if not (isinstance(value, str) and value)]
    if odd:
        raise InputError(
            f"{path} has a row with point {odd[0]!r:.60}, which must be a text; it is not as it was written"
        )
    return table.replace_schema_metadata({_PATH: str(path)})


def joined_parts(tables: Sequence[pa.Table]) -> pa.Table:
    """Join tables of :func:`read_part` that need not have the same columns.

    Raises:
        InputError: a column has types in two of them that have no common one.
    """
    import pyarrow as pa

    if not tables:
        return pa.table({"schema": pa.array([], pa.int64()), "point": pa.array([], pa.string())})
    try:
        return pa.concat_tables(tables, promote_options="permissive").replace_schema_metadata(None)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"a column has different types in different part files: {_odd_one(tables)}") from error


def _odd_one(tables: Sequence[pa.Table]) -> str:
    """Return in words the first column whose types do not fit together, and a file with the rarer of them."""
    import pyarrow as pa

    for name in dict.fromkeys(name for table in tables for name in table.column_names):
        held = [(table.schema.field(name).type, table) for table in tables if name in table.column_names]
        try:
            pa.concat_tables([table.select([name]) for _, table in held], promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            common = Counter(str(kind) for kind, _ in held if not pa.types.is_null(kind)).most_common(1)[0][0]
            kind, table = next((kind, table) for kind, table in held if str(kind) not in (common, "null"))
            return f"{name} is {kind} in {table.schema.metadata[_PATH].decode()}, and {common} in others; move that file away"
    return "the parts cannot be joined"


def check_data(tables: Sequence[pa.Table], digest: str) -> None:
    """Raise :class:`InputError` if rows of :func:`read_part` are of other data than those with ``digest``."""
    for table in tables:
        held = table["data/digest"].drop_null().unique().to_pylist() if "data/digest" in table.column_names else []
        other = [value for value in held if value != digest]
        if other:
            raise InputError(
                f"{table.schema.metadata[_PATH].decode()} has rows of other data (digest {str(other[0])[:20]}) than this folder "
                f"(digest {digest[:20]}): scores of both cannot be compared; move that file to a folder of its own"
            )
