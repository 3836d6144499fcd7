"""Downloading the files of public data sets, with resume and retries, verified by their digests.

The sha256 of the GTEx files is known (:data:`vaebench.data.sources.SOURCES`). For the others none is published: there it is
recorded when a file first arrives, and each later download and load must give the same one. :mod:`vaebench.data.transfer`
moves the bytes.
"""

from __future__ import annotations

import contextlib
import gzip
import logging
import os
import shutil
import sys
import urllib.parse
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vaebench.atomic import read_json, replacing, write_json
from vaebench.data.cache import sha256_of
from vaebench.data.cosmic import chosen_source
from vaebench.data.files.folders import check_folder
from vaebench.data.sources import data_folder
from vaebench.data.transfer import is_secure, transferred
from vaebench.errors import InputError, user_path

RECORD = "sha256.json"
"""File next to the downloaded ones: file name -> sha256, bytes, and address."""

_PAGE_STARTS = (b"<!doctype", b"<html", b"<?xml", b"<error")  # in lower case


def fetch(
    name: str,
    folder: str | Path | None = None,
    *,
    mirror: str | Path | None = None,
    timeout: float = 60.0,
    retries: int = 5,
    pause: float = 1.0,
    quiet: bool = False,
    version: str | None = None,
    genome: str | None = None,
    context: str | None = None,
    exome: bool = False,
) -> list[Path]:
    """Downloads the files of a public data set, except those already present.

    An interrupted download resumes where it stopped. The sha256 of each file is recorded when it first arrives, and
    compared with the published one where there is one; every later call, and every load of the data set, compares the files
    with that record.

    Args:
        name: name of the data set, one of :data:`vaebench.data.sources.SOURCES`.
        folder: folder for the files; by default one in the user's cache folder.
        mirror: https address of a folder with files of the same names, or a local folder to copy them from.
        timeout: seconds without an answer after which a connection counts as broken.
        retries: number of retries after a broken connection.
        pause: seconds before the first retry; doubled each time, up to a minute.
        quiet: show no progress bar.
        version, genome, context, exome: which table of ``"cosmic"``: :func:`vaebench.data.cosmic.chosen_source`.

    Returns:
        The paths of the files, in the order of the data set's source.

    Raises:
        InputError: the name is unknown, the address does not exist, or a file is cut off, altered or a web page.
        ConnectionError: the connection broke more often than ``retries``.

    Example::

        vb.data.fetch("tcga")
        data = vb.data.tcga()
        (doublets,) = vb.data.fetch("cosmic", version="3.5", genome="GRCh38", context="DBS")
    """
    chosen = chosen_source(name, version, genome, context, exome)
    files, digests = chosen.files, chosen.digests
    place = data_folder(name, folder)
    local = None if mirror is None or "://" in str(mirror) else user_path(mirror)
    if mirror is not None and (local is None or not local.is_dir()):
        for file in files:
            _in_mirror(str(mirror), file)
    if timeout <= 0 or retries < 0 or pause < 0:
        raise InputError(
            f"timeout={timeout}, retries={retries}, pause={pause}: none may be negative, and timeout may not be 0"
        )
    check_folder(place)
    place.mkdir(parents=True, exist_ok=True)
    found = []
    for file, address in files.items():
        path = place / file
        if not path.exists():
            if local is not None and local.is_dir():
                _copy(local / file, path, recorded(place).get(file))
                address = "a local folder"
            else:
                address = address if mirror is None else _in_mirror(str(mirror), file)
                with _progress(file, quiet) as advance:
                    known = recorded(place).get(file, {}).get("sha256", digests.get(file))
                    _retrieve(address, path, known, timeout, retries, pause, advance)
        else:
            address = "found in the folder"
        _remember(path, address)
        found.append(path)
    return found


def _in_mirror(mirror: str, file: str) -> str:
    if not is_secure(mirror):
        raise InputError(f"mirror {mirror!r} is neither a local folder nor an https address; it must be one")
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
    wanted: str | None,
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
            part.unlink()  # resuming a wrong file cannot make it right
            raise
        os.replace(part, output)

    taken: Any = downloader  # pooch passes the arguments under other names than its type hints have
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)  # its messages would disturb the progress bar
    try:
        known = None if wanted is None else f"sha256:{wanted}"
        pooch.retrieve(address, known_hash=known, fname=path.name, path=path.parent, downloader=taken)
    except InputError:
        raise
    except ValueError:
        first = f"one fetched first (sha256 in {path.parent / RECORD})"
        published = f"published one (sha256 {str(wanted)[:16]}...)"
        raise InputError(
            f"{address} gives a {path.name} that differs from the {first if path.name in recorded(path.parent) else published}; "
            "it was altered at the source or on the way, and was not kept"
        ) from None
    finally:
        logger.setLevel(level)


def check_content(path: Path, name: str, origin: str) -> None:
    """Raises ``InputError`` for an empty file, a web page, or a gzip file that is cut off or damaged.

    Args:
        path: the file.
        name: its final name, which says whether it must be gzip.
        origin: the address it came from, for the message.
    """
    with open(path, "rb") as file:
        start = file.read(64).lstrip().lower()
    if not start:
        raise InputError(f"{origin} gives an empty {name}; it must hold data")
    if start.startswith(_PAGE_STARTS):
        raise InputError(f"{origin} gives a web page instead of {name}; is a login or a proxy in the way?")
    if name.endswith(".gz"):
        try:
            with gzip.open(path, "rb") as stream:
                while stream.read(1 << 20):
                    pass
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{origin} gives a {name} that is cut off or damaged ({error})") from None


def _remember(path: Path, address: str) -> None:
    """Records the digest of a new file; raises ``InputError`` if a known file has another one."""
    known = recorded(path.parent)
    record = {"name": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
    if path.name in known:
        verified(path.parent)(record)
    else:
        known[path.name] = {"sha256": record["sha256"], "bytes": record["bytes"], "from": address}
        write_json(path.parent / RECORD, known)


def recorded(folder: Path) -> dict[str, dict[str, Any]]:
    """Returns the record of the downloaded files in ``folder``, empty if there is none: name -> sha256, bytes, from.

    Raises:
        InputError: the record cannot be read.
    """
    file = folder / RECORD
    if not file.exists():
        return {}
    known = read_json(file)
    kinds = {"sha256": str, "bytes": int}
    if known is None or not all(
        isinstance(record, dict) and all(isinstance(record.get(name), kind) for name, kind in kinds.items())
        for record in known.values()
    ):
        raise InputError(f"{file} is damaged; delete it to record the digests of the files again")
    return known


def verified(folder: Path) -> Callable[[dict[str, Any]], None]:
    """Returns a function that compares a file's name, bytes and sha256 with the record in ``folder``.

    It raises ``InputError`` for a file that differs from the one downloaded first.
    """
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
        f"or delete its entry in {RECORD} to accept the new file"
    )


@contextlib.contextmanager
def _progress(file: str, quiet: bool) -> Iterator[Callable[[int, int | None], None]]:
    """Yields a function ``(bytes so far, total bytes)`` that moves a progress bar; without a terminal it does nothing."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(file, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
