"""Files as bytes, text and header lines: gzip by content, encodings, delimiters, and one sentence for what is broken."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from vaebench.errors import InputError

_BRACKETED = ("[not available]", "[not applicable]", "[not evaluated]", "[unknown]", "[discrepancy]")  # TCGA's way
ABSENT = frozenset(("", "na", "n/a", "#n/a", "nan", "null", "none", "<na>", "nat", *_BRACKETED))
"""Texts, in lower case, that stand for a missing value."""


def as_number(text: str | None) -> float | None:
    """The number that ``text`` writes, NaN for ``None``, and ``None`` when it is no number."""
    if text is None:
        return np.nan
    try:
        return None if "_" in text else float(text)  # Python would read 1_0 as 10
    except ValueError:
        return None


@contextmanager
def opened(file: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unzipped when it begins as gzip does, whatever its name."""
    with open(file, "rb") as plain:
        zipped = plain.read(2) == b"\x1f\x8b"
    with gzip.open(file, "rb") if zipped else open(file, "rb") as stream:
        yield stream  # pyright: ignore[reportReturnType]


@contextmanager
def opened_text(file: Path) -> Iterator[IO[str]]:
    """The file as UTF-8 text without a byte-order mark, line ends as they are."""
    with opened(file) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
        yield text


@contextmanager
def refusing_broken(file: Path, needed: str) -> Iterator[None]:
    """Turns a missing, damaged or foreign file into an ``InputError`` that says how far it could be read."""
    if file.is_dir():
        raise InputError(f"{file} is a folder; {needed} is needed")
    if not file.exists():
        raise InputError(f"{file} does not exist; {needed} is needed")
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        lines = _readable_lines(file)
        after = f" after line {lines}" if lines else ""
        raise InputError(f"{file} cannot be read{after} ({error}); is it cut off, damaged or protected?") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file} is not {needed} ({str(error).strip()})") from error


def _readable_lines(file: Path) -> int:
    lines = 0
    try:
        with opened(file) as stream:
            while part := stream.read1(1 << 16):  # pyright: ignore[reportAttributeAccessIssue]
                lines += part.count(b"\n")
    except (OSError, EOFError, zlib.error):
        return lines
    return 0


def starts_with(file: Path, mark: bytes) -> bool:
    """Whether the file, unzipped, begins with ``mark``."""
    with opened(file) as stream:
        return stream.read(len(mark)) == mark


def delimiter_of(line: str) -> str:
    """Tab or comma, whichever a header line holds more of."""
    return "\t" if line.count("\t") >= line.count(",") and "\t" in line else ","


def header(file: Path) -> tuple[list[str], str]:
    """Column names and delimiter; a header one short (as R writes it) gets an unnamed first column."""
    with opened_text(file) as text:
        line = text.readline()
        if not line.strip():
            raise InputError(f"{file} is empty or its first line is; a header line with column names is needed")
        delimiter = delimiter_of(line)
        names = [name.strip() for name in next(csv.reader([line], delimiter=delimiter))]
        row = next(csv.reader(text, delimiter=delimiter), None)
    if "\0" in line:
        raise InputError(f"{file} is not a CSV, TSV or Parquet table (its first line holds binary data)")
    if row is None:
        raise InputError(f"{file} has a header but no further line; at least one is needed")
    numbers = [as_number(name) for name in names]
    if all(number is not None for number in numbers) and any(number % 1 for number in numbers if number):
        raise InputError(f"{file} begins with the number {names[0]!r}; its first line must be a header of column names")
    if len(row) == len(names) + 1:
        names = ["", *names]
    if len(row) != len(names):
        raise field_count(file, 2, len(row), len(names), row[0] if row else "", delimiter)
    if len(names) < 2:
        raise InputError(f"{file} has 1 column; at least 2 are needed, separated by commas or tabs")
    return names, delimiter


def field_count(file: Path, line: int, found: int, wanted: int, first: str, delimiter: str) -> InputError:
    """The error for a line with another number of fields than the header; ``first`` is the line's first field."""
    here, there = ("tabs", "commas") if delimiter == "\t" else ("commas", "tabs")
    other = "," if delimiter == "\t" else "\t"
    mixed = f"; the header is separated by {here} and this line by {there}" if first.count(other) >= wanted - 1 else ""
    return InputError(f"line {line} of {file} has {found} fields; it must have {wanted}, as the header{mixed}")


def apart(names: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Unique names, a repeated one with ``_2``, ``_3``, ... after it, and each new name's original."""
    given = list(names)
    taken, seen, found = set(given), {}, []
    originals: dict[str, str] = {}
    for name in given:
        seen[name] = seen.get(name, 0) + 1
        new = name
        while seen[name] > 1 and (new := f"{name}_{seen[name]}") in taken:
            seen[name] += 1
        if new != name:
            taken.add(new)
            originals[new] = name
        found.append(new)
    return found, originals
