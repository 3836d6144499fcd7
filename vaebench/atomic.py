"""Writing files so that a reader finds either the whole file or none, and JSON files written and read that way.

A process that is killed while it writes leaves a hidden file whose name ends in ``.unfinished`` and tells which process it was.
:func:`sweep_unfinished` deletes those that nobody writes any more.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

STRICT_JSON: dict[str, Any] = {"indent": 2, "allow_nan": False, "newline": True}
"""Keywords of :func:`write_json` for files that people read: indented, and without NaN."""

LEFT_SECONDS = 24 * 3600.0
"""Age from which an unfinished file of a process that cannot be asked, such as one of another machine, is left over."""


def unfinished_path(path: Path) -> Path:
    """Return a new hidden path beside ``path`` that no pattern such as ``*.parquet`` finds, and that tells who writes it."""
    return path.with_name(f".{path.name[:40]}.{_here()}-{os.getpid()}-{secrets.token_hex(8)}.unfinished")


def _here() -> str:
    """Return 8 hex digits for this machine and, in Linux, for the namespace in which ids of processes count."""
    place = platform.node()
    with suppress(OSError):
        place += str(os.stat("/proc/self/ns/pid").st_ino)
    return hashlib.sha256(place.encode()).hexdigest()[:8]


def sweep_unfinished(folder: Path) -> int:
    """Delete what killed processes left unfinished below ``folder``, or beside it under its name; return the number.

    Files of a process that still runs stay, and so do those of other machines for :data:`LEFT_SECONDS`.
    """
    count = 0
    beside = folder.absolute().parent.glob(f".{glob.escape(folder.absolute().name[:40])}.*.unfinished")
    for path in [*beside, *folder.rglob(".*.unfinished")]:
        if _left_over(path):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()
            count += 1
    return count


def _left_over(path: Path) -> bool:
    writer = re.search(r"\.([0-9a-f]{8})-(\d+)-[0-9a-f]{16}\.unfinished$", path.name)
    if writer and writer[1] == _here():
        return not _runs(int(writer[2]))
    try:
        return time.time() - path.lstat().st_mtime > LEFT_SECONDS
    except OSError:  # it is finished, or another process has swept it
        return False


def _runs(process: int) -> bool:
    if os.name == "nt":  # where signal 0 would end the process
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it belongs to another user
        return True
    return True


def check_writable(folder: Path) -> None:
    """Raise ``OSError``, with the path, unless files can be written to ``folder``; it is not created.

    A folder that does not exist is tried in the nearest one above it that does.
    """
    for place in (folder, *folder.absolute().parents):
        try:
            place.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "it is a file, and a folder is needed", str(place))
        probe = unfinished_path(place / "probe")
        try:
            with probe.open("xb") as file:
                file.write(b"x")
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(place)) from error
        finally:
            with suppress(OSError):  # on a read-only disk, also of a file that is not there
                probe.unlink(missing_ok=True)
        return


@contextmanager
def replacing(path: Path, durable: bool = False) -> Iterator[Path]:
    """Yields a temporary path to write to, which replaces ``path`` in one step when the block ends.

    A reader sees the old file or the complete new one, never a part of it. Missing folders are created. If the block
    raises, the temporary file is deleted and ``path`` stays as it was.

    Args:
        path: the final path.
        durable: flush the content, and then the folder entry, to disk, so that both survive a power cut.

    Raises:
        OSError: the file cannot be written; it has the name ``path``.

    Example::

        with replacing(Path("scores.csv")) as unfinished:
            table.to_csv(unfinished)
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = unfinished_path(path)
    try:
        yield unfinished
        if durable:
            _sync(unfinished, os.O_RDWR)
        os.replace(unfinished, path)
        if durable and hasattr(os, "O_DIRECTORY"):  # Windows cannot open a folder
            _sync(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except BaseException as error:
        unfinished.unlink(missing_ok=True)
        # a full disk has no name, and the temporary one says nothing
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(unfinished)):
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise


def create(path: Path, data: bytes) -> None:
    """Write a new file, complete and on disk once it has its name; of several processes that do this at once, one succeeds.

    Raises:
        FileExistsError: there is a file already; it stays as it is.
        OSError: the file cannot be written; it has the name ``path``.
    """
    whole = unfinished_path(path)
    with replacing(whole, durable=True) as unfinished:
        unfinished.write_bytes(data)
    try:
        if os.name == "nt":
            os.rename(whole, path)  # which replaces nothing there
        else:
            _link(whole, path, data)
    finally:
        whole.unlink(missing_ok=True)


def _link(whole: Path, path: Path, data: bytes) -> None:
    try:
        os.link(whole, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: the file is exclusive, and its few bytes are written at once
        with path.open("xb") as file:
            file.write(data)
    _sync(path.parent, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))


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
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
