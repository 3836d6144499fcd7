"""Writing files so that a reader finds either the whole file or none, and JSON files written and read that way."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STRICT_JSON: dict[str, Any] = {"indent": 2, "allow_nan": False, "newline": True}
"""Keywords of :func:`write_json` for files that people read: indented, and without NaN."""


@contextmanager
def replacing(path: Path, durable: bool = False) -> Iterator[Path]:
    """Yields a temporary path to write to, which replaces ``path`` in one step when the block ends.

    A reader sees the old file or the complete new one, never a part of it. Missing folders are created. If the block
    raises, the temporary file is deleted and ``path`` stays as it was.

    Args:
        path: the final path.
        durable: flush the content, and then the folder entry, to disk, so that both survive a power cut.

    Example::

        with replacing(Path("scores.csv")) as unfinished:
            table.to_csv(unfinished)
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # hidden and with another ending, so that no pattern such as *.parquet finds it
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}.unfinished")
    try:
        yield unfinished
        if durable:
            _sync(unfinished, os.O_RDWR)
        os.replace(unfinished, path)
        if durable and hasattr(os, "O_DIRECTORY"):  # Windows cannot open a folder
            _sync(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(
    path: Path,
    value: Any,
    *,
    indent: int | None = None,
    allow_nan: bool = True,
    newline: bool = False,
    durable: bool = False,
) -> None:
    """Write a JSON file in one step, as :func:`replacing` does.

    Args:
        path: the file.
        value: JSON values.
        indent: spaces per level; ``None`` writes everything on one line.
        allow_nan: write NaN and infinities, which Python reads but strict JSON readers do not.
        newline: end the file with a line feed.
        durable: see :func:`replacing`.

    Raises:
        TypeError, ValueError: ``value`` is not JSON, or holds a NaN where ``allow_nan`` is false; nothing is written.
        OSError: the file cannot be written.
    """
    text = json.dumps(value, indent=indent, allow_nan=allow_nan) + ("\n" if newline else "")
    with replacing(path, durable) as unfinished:
        unfinished.write_bytes(text.encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file, or ``None`` when the file is missing, unreadable or holds anything else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
