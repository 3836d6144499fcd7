"""One file over HTTP into a partial file that a later attempt can go on with."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaebench.atomic import read_json, write_json
from vaebench.errors import InputError

if TYPE_CHECKING:
    import requests

_CHUNK = 1 << 14  # bytes; a chunk that breaks off is lost, so it is small
_WAIT_AT_MOST = 60.0
_AGAIN = frozenset((408, 416, 429))  # besides all of 500 and above


class _BrokenOff(Exception):
    """A transfer that may succeed when tried again."""


def transferred(
    url: str,
    part: Path,
    timeout: float,
    retries: int,
    pause: float,
    advance: Callable[[int, int | None], None],
) -> None:
    """Fill ``part`` with what ``url`` gives, all of it.

    A partial file is continued only if the server says that the content has not changed since (ETag or Last-Modified);
    ``part + ".json"`` remembers what it is a part of. ``pause`` is doubled from one retry to the next, up to a minute;
    ``advance`` is told the bytes so far and in all. ``InputError`` for an address that does not exist or redirects without
    end, ``ConnectionError`` when it breaks off more often than ``retries``.
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
        f"{url} broke off {retries + 1} times, at last after {done} bytes ({reason}); "
        "the same command goes on from there where the server allows it"
    )


def _attempt(url: str, part: Path, memory: Path, timeout: float, advance: Callable[[int, int | None], None]) -> None:
    import requests

    start, headers = _resumed(url, part, memory)
    try:
        with requests.get(url, stream=True, timeout=timeout, headers=headers) as answer:
            if answer.status_code == 416:
                part.unlink(missing_ok=True)
            _check_status(url, answer)
            start, total = _range(answer, start)
            validator = _validator(answer)
            write_json(memory, {"url": url, "validator": validator, "total": total})
            with open(part, "ab" if start else "wb") as file:
                for chunk in answer.iter_content(_CHUNK):
                    file.write(chunk)
                    advance(file.tell(), total)
    except requests.TooManyRedirects:
        raise InputError(f"{url} redirects without end; give a mirror") from None
    except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL) as error:
        raise InputError(f"{url} is no address that can be fetched ({error})") from None
    except requests.RequestException as error:
        raise _BrokenOff(_plain(error)) from None
    found = part.stat().st_size
    if total is not None and found != total:
        if found > total:
            part.unlink()
        raise _BrokenOff(f"{found} of {total} bytes came")


def _resumed(url: str, part: Path, memory: Path) -> tuple[int, dict[str, str]]:
    """Bytes that a partial file already has, and the headers that ask for the rest."""
    headers = {"Accept-Encoding": "identity"}  # so that lengths are those of the file
    known: dict[str, Any] = read_json(memory) or {}
    size = part.stat().st_size if part.exists() else 0
    if not size or known.get("url") != url or not known.get("validator"):
        return 0, headers
    return size, headers | {"Range": f"bytes={size}-", "If-Range": str(known["validator"])}


def _check_status(url: str, answer: requests.Response) -> None:
    code = answer.status_code
    if code in _AGAIN or code >= 500:
        raise _BrokenOff(f"status {code}")
    if code not in (200, 206):
        moved = f", reached from {url}," if answer.url != url else ""
        raise InputError(
            f"{answer.url}{moved} answers with status {code} {answer.reason}; give a mirror, or a local folder"
        )


def _range(answer: requests.Response, asked: int) -> tuple[int, int | None]:
    """Where the answer's bytes begin, and how many the whole file has; ``None`` where the server does not say."""
    if answer.status_code == 206:
        found = re.match(r"bytes (\d+)-\d+/(\d+|\*)$", answer.headers.get("Content-Range", ""))
        if not found or int(found.group(1)) != asked:
            raise _BrokenOff("the server gave another part than was asked for")
        return asked, None if found.group(2) == "*" else int(found.group(2))
    length = answer.headers.get("Content-Length", "")
    packed = answer.headers.get("Content-Encoding", "identity") != "identity"
    return 0, None if packed or not length.isdigit() else int(length)


def _validator(answer: requests.Response) -> str | None:
    """What identifies this version of the file; a weak ETag does not identify bytes."""
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        return None
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified")


def _plain(error: Exception) -> str:
    import requests

    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "no answer in time"
    return "the connection was lost" if "Connection" in type(error).__name__ else str(error) or type(error).__name__
