"""Opening lists of mutations, genomes and genes: gzip (also BGZF) by content, and one sentence for files that fail.

Other than for tables, a VCF is welcome here, and comments of any encoding are no reason to refuse a file.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from vaebench.errors import InputError


@contextmanager
def unpacked(file: Path) -> Iterator[IO[bytes]]:
    """Opens a file for reading bytes, decompressed if its content is gzip, whatever its name."""
    with open(file, "rb") as plain:
        zipped = plain.read(2) == b"\x1f\x8b"
    with gzip.open(file, "rb") if zipped else open(file, "rb") as stream:
        yield stream  # pyright: ignore[reportReturnType]


@contextmanager
def refusing_damaged(file: Path, needed: str) -> Iterator[None]:
    """Turns errors of reading ``file`` into an ``InputError``; ``needed`` is the kind of file, as a phrase."""
    if file.is_dir():
        raise InputError(f"{file} is a folder; {needed} is needed")
    if not file.exists():
        raise InputError(f"{file} does not exist; {needed} is needed")
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{file} cannot be read ({error}); is it cut off, damaged or protected?") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not {needed} ({error})") from error


def text_lines(file: Path) -> Iterator[str]:
    """Yields lines without their ends and without a byte-order mark."""
    with unpacked(file) as stream:
        for raw in stream:
            yield raw.decode("utf-8", "replace").lstrip("\ufeff").rstrip("\r\n")
