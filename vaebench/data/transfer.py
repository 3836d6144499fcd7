"""Downloading one file over HTTP into a partial file that a later attempt can resume.

1. A partial file is resumed with a range request if it came from the same address and the server gave an ETag or a
   modification date for it; ``If-Range`` makes the server send the whole file if that has changed.
2. Bytes are appended as they arrive, and counted at the end.
3. A broken connection, a server error or a wrong count is retried after a pause that doubles each time.

Only https is spoken, also where a server redirects; over http anybody on the way can change a file. Servers on this machine may
use http.
"""

from __future__ import annotations

import ipaddress
import re
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from vaebench.atomic import read_json, write_json
from vaebench.errors import InputError

if TYPE_CHECKING:
    import requests

_CHUNK = 1 << 14  # bytes; small, because an interrupted chunk is lost
_WAIT_AT_MOST = 60.0  # seconds
_AGAIN = frozenset((408, 416, 429))  # statuses worth a retry, in addition to 500 and above


class _BrokenOff(Exception):
    """A failure that a retry may overcome."""


def is_secure(url: str) -> bool:
    """Returns whether an address is https, or http on this machine."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    try:
        here = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        here = False
    return parts.scheme == "https" or (parts.scheme == "http" and here)


def transferred(
    url: str,
    part: Path,
    timeout: float,
    retries: int,
    pause: float,
    advance: Callable[[int, int | None], None],
) -> None:
    """Downloads all of ``url`` into the file ``part``, resuming it if it exists.

    The file ``part + ".json"`` records the address and version that the partial file belongs to, until it is complete.

    Args:
        url: https address.
        part: the partial file.
        timeout: seconds without an answer after which a connection counts as broken.
        retries: number of retries.
        pause: seconds before the first retry; doubled each time, up to a minute.
        advance: called with the bytes so far and the total, ``None`` if unknown.

    Raises:
        InputError: the address does not exist, redirects without end or to http, or is not https.
        ConnectionError: the connection broke more often than ``retries``.
    """
    memory = part.with_name(part.name + ".json")
    for attempt in range(retries + 1):
        if attempt:
            time.sleep(min(pause * 2 ** (attempt - 1), _WAIT_AT_MOST))
        try:
            _attempt(url, part, memory, timeout, advance)
            memory.unlink(missing_ok=True)
            return
        except _BrokenOff as error:
            reason = str(error)
    done = part.stat().st_size if part.exists() else 0
    raise ConnectionError(
        f"{url} broke off {retries + 1} times, the last time after {done} bytes ({reason}); "
        "the same command resumes from there if the server allows it"
    )


def _attempt(url: str, part: Path, memory: Path, timeout: float, advance: Callable[[int, int | None], None]) -> None:
    import requests

    if not is_secure(url):
        raise InputError(f"{url[:200]} is not an https address; give one that is")
    start, headers = _resumed(url, part, memory)
    try:
        with (
            requests.Session() as session,
            session.get(
                url, stream=True, timeout=timeout, headers=headers, hooks={"response": _check_redirect}
            ) as answer,
        ):
            if answer.status_code == 416:
                part.unlink(missing_ok=True)
            _check_status(url, answer)
            start, total = _range(answer, start)
            validator = _validator(answer)
            write_json(memory, {"url": url, "validator": validator, "total": total})
            with open(part, "ab" if start else "wb") as file:
                for chunk in answer.iter_content(_CHUNK):
                    _write(file, chunk, part)
                    advance(file.tell(), total)
    except requests.TooManyRedirects:
        raise InputError(f"{url} redirects without end; give a mirror") from None
    except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL) as error:
        raise InputError(f"{url} is not an address that can be fetched ({error})") from None
    except requests.RequestException as error:
        raise _BrokenOff(_plain(error)) from None
    found = part.stat().st_size
    if total is not None and found != total:
        if found > total:
            part.unlink()
        raise _BrokenOff(f"{found} of {total} bytes arrived")


def _write(file: BinaryIO, chunk: bytes, part: Path) -> None:
    try:
        file.write(chunk)
        file.flush()
    except OSError as error:  # a full disk, which has no name
        raise OSError(error.errno, error.strerror, str(part)) from error


def _check_redirect(answer: requests.Response, **_: Any) -> None:
    """Raises ``InputError`` for a redirect to an address that is not secure, before it is followed."""
    if answer.is_redirect:
        target = urllib.parse.urljoin(answer.url, answer.headers.get("Location", ""))
        if not is_secure(target):
            answer.close()
            raise InputError(f"{answer.url[:100]} redirects to {target[:100]}, which is not https; give a mirror")


def _resumed(url: str, part: Path, memory: Path) -> tuple[int, dict[str, str]]:
    """Returns the bytes that the partial file already has, and the headers that request the rest."""
    headers = {"Accept-Encoding": "identity"}  # uncompressed, so that Content-Length is that of the file
    known: dict[str, Any] = read_json(memory) or {}
    size = part.stat().st_size if part.exists() else 0
    if not size or known.get("url") != url or not known.get("validator"):
        return 0, headers
    return size, headers | {"Range": f"bytes={size}-", "If-Range": str(known["validator"])}


def _check_status(url: str, answer: requests.Response) -> None:
    """Raises ``_BrokenOff`` for a status worth a retry, ``InputError`` for any other that is not a success."""
    code = answer.status_code
    if code in _AGAIN or code >= 500:
        raise _BrokenOff(f"status {code}")
    if code not in (200, 206):
        moved = f", reached from {url}," if answer.url != url else ""
        raise InputError(
            f"{answer.url}{moved} answers with status {code} {answer.reason}; give a mirror, or a local folder"
        )


def _range(answer: requests.Response, asked: int) -> tuple[int, int | None]:
    """Returns the position of the answer's first byte, and the size of the whole file, ``None`` if unknown."""
    if answer.status_code == 206:
        found = re.match(r"bytes (\d+)-\d+/(\d+|\*)$", answer.headers.get("Content-Range", ""))
        if not found or int(found.group(1)) != asked:
            raise _BrokenOff("the server sent a different part than requested")
        return asked, None if found.group(2) == "*" else int(found.group(2))
    length = answer.headers.get("Content-Length", "")
    packed = answer.headers.get("Content-Encoding", "identity") != "identity"
    return 0, None if packed or not length.isdigit() else int(length)


def _validator(answer: requests.Response) -> str | None:
    """Returns the ETag or modification date of this version of the file; a weak ETag does not identify bytes."""
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        return None
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified")


def _plain(error: Exception) -> str:
    """The reason of a failure in a few words."""
    import requests

    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "no answer in time"
    return "the connection was lost" if "Connection" in type(error).__name__ else str(error) or type(error).__name__
