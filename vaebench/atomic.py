"""Files that are complete under their names, or not there."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path, durable: bool = False) -> Iterator[Path]:
    """A file to write that becomes ``path`` at the end, in one step: a reader finds the old file or the whole new one.

    Folders are made. The file has another name and ending meanwhile, so that no pattern finds it, and goes if writing fails.

    Args:
        path: the file in the end.
        durable: the content is on disk before it gets its name, and so is the name: they survive a power cut.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}.unfinished")
    try:
        yield unfinished
        if durable:
            _sync(unfinished, os.O_RDWR)
        os.replace(unfinished, path)
        if durable and hasattr(os, "O_DIRECTORY"):  # Windows opens no folders
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


def write_json(path: Path, value: Any) -> None:
    """Writes JSON in one step."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value), encoding="utf-8")


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file, ``None`` where there is none that can be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
