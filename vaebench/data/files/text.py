"""Opening files: gzip detected by content, UTF-8 with or without a byte-order mark, delimiters and header lines.

Every failure to read becomes an :class:`~vaebench.errors.InputError` that names the file and the place.
"""

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

# as GDC ('--), cBioPortal ([Not Available]), Xena, TARGET (.), R and spreadsheets write them
_MARKS = ("", "-", "--", "---", "'-", "'--", "\u2013", "\u2014", ".", "..", "?", "\\n", "n.a.", "n.d.", "n/a")
_ERRORS = ("#n/a", "#na", "#value!", "#ref!", "#div/0!", "#num!", "#name?", "#null!")
_WORDS = (
    *("na", "nan", "null", "none", "nat", "nil", "missing", "blank", "unknown", "unk", "unspecified", "undefined"),
    *("unavailable", "no data", "no value"),
    *(f"not {word}" for word in ("available", "applicable", "evaluated", "reported", "specified", "recorded", "known")),
    *(f"not {word}" for word in ("provided", "given", "done", "assessed", "collected", "allowed to collect")),
)
_ONLY_BRACKETED = ("discrepancy", "completed", "pending")
_FORMS = (*_WORDS, *(word.replace(" ", "_") for word in _WORDS), "n/a")
ABSENT = frozenset((*_MARKS, *_ERRORS, *_FORMS, "<na>", *(f"[{word}]" for word in (*_FORMS, *_ONLY_BRACKETED))))
"""Texts, in lower case, that stand for a missing value."""


def as_number(text: str | None) -> float | None:
    """Parses a number: NaN for ``None`` (missing), and ``None`` when ``text`` is not a number."""
    if text is None:
        return np.nan
    try:
        return None if "_" in text else float(text)  # float() reads 1_0 as 10
    except ValueError:
        return None


@contextmanager
def opened(file: Path) -> Iterator[IO[bytes]]:
    """Opens a file for reading bytes, decompressed if its content is gzip, whatever its name."""
    with open(file, "rb") as plain:
        zipped = plain.read(2) == b"\x1f\x8b"
    with gzip.open(file, "rb") if zipped else open(file, "rb") as stream:
        yield stream  # pyright: ignore[reportReturnType]


@contextmanager
def opened_text(file: Path) -> Iterator[IO[str]]:
    """Opens a file as UTF-8 text; a byte-order mark is skipped and line ends are kept."""
    with opened(file) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
        yield text


@contextmanager
def refusing_broken(file: Path, needed: str) -> Iterator[None]:
    """Turns errors of reading ``file`` into an ``InputError``.

    For a file that is cut off, the message gives the last line that can still be read.

    Args:
        file: the file being read inside the block.
        needed: the kind of file expected, as a phrase: ``"a CSV, TSV or Parquet table"``.
    """
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
    """Number of lines before the place where reading fails; 0 when the whole file can be read."""
    lines = 0
    try:
        with opened(file) as stream:
            while part := stream.read1(1 << 16):  # pyright: ignore[reportAttributeAccessIssue]
                lines += part.count(b"\n")
    except (OSError, EOFError, zlib.error):
        return lines
    return 0


def starts_with(file: Path, mark: bytes) -> bool:
    """Returns true when the decompressed file begins with ``mark``."""
    with opened(file) as stream:
        return stream.read(len(mark)) == mark


def delimiter_of(line: str) -> str:
    """Returns the delimiter of a header line: tab or comma, whichever it contains more often."""
    return "\t" if line.count("\t") >= line.count(",") and "\t" in line else ","


def header(file: Path) -> tuple[list[str], str]:
    """Reads the column names and the delimiter of a text table.

    R omits the header of the row names; a header that is one name short gets an unnamed first column.

    Raises:
        InputError: the header is missing or empty, or does not match the first line of values.
    """
    with opened_text(file) as text:
        line = text.readline()
        if not line.strip():
            raise InputError(f"{file} is empty or begins with an empty line; a header line with column names is needed")
        delimiter = delimiter_of(line)
        names = [name.strip() for name in next(csv.reader([line], delimiter=delimiter))]
        row = next(csv.reader(text, delimiter=delimiter), None)
    if "\0" in line:
        raise InputError(f"{file} is not a CSV, TSV or Parquet table (its first line holds binary data)")
    if row is None:
        raise InputError(f"{file} has a header but no other line; at least one is needed")
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
    """Returns the error for a line whose number of fields differs from the header's.

    ``first`` is the line's first field: if it holds the other delimiter often enough, the message says that header and
    line are separated differently.
    """
    here, there = ("tabs", "commas") if delimiter == "\t" else ("commas", "tabs")
    other = "," if delimiter == "\t" else "\t"
    mixed = f"; the header is separated by {here} and this line by {there}" if first.count(other) >= wanted - 1 else ""
    return InputError(f"line {line} of {file} has {found} fields; it must have {wanted}, as the header{mixed}")


def apart(names: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Makes names unique: the second and later uses of a name get the suffix ``_2``, ``_3``, ...

    Returns:
        The unique names, in the given order, and a dict from each new name to the original.
    """
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
