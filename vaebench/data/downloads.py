"""Fetching the files of public data sets: resumed, retried, and verified by the digest of the first download."""

from __future__ import annotations

import contextlib
import gzip
import json
import logging
import os
import shutil
import sys
import urllib.parse
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vaebench.atomic import replacing, write_json
from vaebench.data.cache import sha256_of
from vaebench.data.sources import data_folder, source
from vaebench.data.transfer import transferred
from vaebench.errors import InputError

RECORD = "sha256.json"
"""File beside the fetched ones: file name -> sha256, bytes, and where it came from."""

_PAGE_STARTS = (b"<!doctype", b"<html", b"<?xml", b"<error")


def fetch(
    name: str,
    folder: str | Path | None = None,
    *,
    mirror: str | Path | None = None,
    timeout: float = 60.0,
    retries: int = 5,
    pause: float = 1.0,
    quiet: bool = False,
) -> list[Path]:
    """The files of a public data set, downloaded unless they are there; what broke off goes on where it stopped.

    The sha256 of each file is recorded when it first arrives, and every later call and load is checked against it.

    Args:
        name: of the data set, one of :data:`vaebench.data.sources.SOURCES`.
        folder: where the files are kept; in the user's cache by default.
        mirror: address of a folder with files of the same names, or a local folder.
        timeout: seconds without an answer after which a connection counts as broken.
        retries: how often a broken connection is tried again.
        pause: seconds before the first retry; doubled each time.
        quiet: no progress bar.

    Raises:
        InputError: for an unknown name, an address that does not exist, or a file that is cut off, altered or a web page.
        ConnectionError: when the connection breaks off more often than ``retries``.
    """
    files = source(name).files
    place = data_folder(name, folder)
    if mirror is not None and not Path(mirror).is_dir():
        for file in files:
            _in_mirror(str(mirror), file)
    if timeout <= 0 or retries < 0 or pause < 0:
        raise InputError(f"timeout={timeout}, retries={retries}, pause={pause}: none may be negative, nor timeout 0")
    place.mkdir(parents=True, exist_ok=True)
    found = []
    for file, address in files.items():
        path = place / file
        if not path.exists():
            if mirror is not None and Path(mirror).is_dir():
                _copy(Path(mirror) / file, path, recorded(place).get(file))
                address = "a local folder"
            else:
                address = address if mirror is None else _in_mirror(str(mirror), file)
                with _progress(file, quiet) as advance:
                    _retrieve(address, path, recorded(place).get(file), timeout, retries, pause, advance)
        else:
            address = "found in the folder"
        _remember(path, address)
        found.append(path)
    return found


def recorded(folder: Path) -> dict[str, dict[str, Any]]:
    """What is recorded of the fetched files in ``folder``; empty without a record."""
    file = folder / RECORD
    if not file.exists():
        return {}
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        raise InputError(f"{file} is damaged; delete it to record the files' digests anew") from None


def verified(folder: Path) -> Callable[[dict[str, Any]], None]:
    """A check of file records (name, bytes, sha256) against what was recorded in ``folder`` when they were fetched."""
    known = recorded(folder)

    def verify(record: dict[str, Any]) -> None:
        wanted = known.get(record["name"])
        if wanted is not None and wanted["sha256"] != record["sha256"]:
            raise _altered(folder / record["name"], record, wanted)

    return verify


def _altered(path: Path, found: dict[str, Any], wanted: dict[str, Any]) -> InputError:
    return InputError(
        f"{path} is not the file that was fetched first: {found['bytes']} bytes with sha256 {found['sha256'][:16]}..., "
        f"not {wanted['bytes']} with {wanted['sha256'][:16]}...; delete it and fetch it again, "
        f"or delete its entry in {RECORD} if the new one is meant"
    )


def _remember(path: Path, address: str) -> None:
    """Record the digest on first sight; refuse another one ever after."""
    known = recorded(path.parent)
    record = {"name": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
    if path.name in known:
        verified(path.parent)(record)
    else:
        known[path.name] = {"sha256": record["sha256"], "bytes": record["bytes"], "from": address}
        write_json(path.parent / RECORD, known)


def _in_mirror(mirror: str, file: str) -> str:
    if urllib.parse.urlsplit(mirror).scheme not in ("http", "https"):
        raise InputError(f"mirror {mirror!r} is no folder here and no http or https address; it must be one of these")
    return mirror.rstrip("/") + "/" + urllib.parse.quote(file)


def _copy(origin: Path, path: Path, wanted: dict[str, Any] | None) -> None:
    if not origin.is_file():
        raise InputError(f"{origin} does not exist; the folder must hold {origin.name}")
    with replacing(path) as temporary:
        shutil.copyfile(origin, temporary)
        check_content(temporary, origin.name, str(origin))
        record = {"bytes": os.path.getsize(temporary), "sha256": sha256_of(temporary)}
        if wanted is not None and wanted["sha256"] != record["sha256"]:
            raise _altered(origin, record, wanted)


def _retrieve(
    address: str,
    path: Path,
    wanted: dict[str, Any] | None,
    timeout: float,
    retries: int,
    pause: float,
    advance: Callable[[int, int | None], None],
) -> None:
    import pooch

    def downloader(url: Any, output: Any, _: Any) -> None:
        part = path.with_name(path.name + ".part")
        transferred(url, part, timeout, retries, pause, advance)
        try:
            check_content(part, path.name, url)
        except InputError:
            part.unlink()  # going on from a wrong file would not make it right
            raise
        os.replace(part, output)

    taken: Any = downloader  # pooch names its arguments in another way than its type hints do
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)  # its notes would mix with the progress bar
    try:
        known = None if wanted is None else f"sha256:{wanted['sha256']}"
        pooch.retrieve(address, known_hash=known, fname=path.name, path=path.parent, downloader=taken)
    except InputError:
        raise
    except ValueError:
        raise InputError(
            f"{address} gives another {path.name} than the one fetched first (sha256 in {path.parent / RECORD}); "
            "it was altered there or on its way, and is not kept"
        ) from None
    finally:
        logger.setLevel(level)


def check_content(path: Path, name: str, origin: str) -> None:
    """``InputError`` for an empty file, a web page, or a gzip file that is cut off or damaged."""
    with open(path, "rb") as file:
        start = file.read(64).lstrip().lower()
    if not start:
        raise InputError(f"{origin} gives an empty {name}; it must hold data")
    if start.startswith(_PAGE_STARTS):
        raise InputError(f"{origin} gives a web page in place of {name}; is a login or a proxy in the way?")
    if name.endswith(".gz"):
        try:
            with gzip.open(path, "rb") as stream:
                while stream.read(1 << 20):
                    pass
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{origin} gives a {name} that is cut off or damaged ({error})") from None


@contextlib.contextmanager
def _progress(file: str, quiet: bool) -> Iterator[Callable[[int, int | None], None]]:
    """A function ``(bytes so far, bytes in all)`` that moves a bar, or does nothing without a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(file, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
