"""Texts that stand for numbers and for missing values, delimiters, and names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

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
# as old C libraries and pandas write them
_ODD = ("#n/a n/a", "-nan", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan")
_FORMS = (*_WORDS, *(word.replace(" ", "_") for word in _WORDS), "n/a")
ABSENT = frozenset((*_MARKS, *_ERRORS, *_FORMS, "<na>", *_ODD, *(f"[{word}]" for word in (*_FORMS, *_ONLY_BRACKETED))))
"""Texts, in lower case, that stand for a missing value."""

LARGEST = float(np.finfo(np.float32).max)
"""Largest absolute value that is read: that of single precision, 3.4e38."""

NEARLY = re.compile(r"[<>=~\u2264\u2265]*\s*[+-]?\d[\d.,'\s]*([ed][+-]?\d+)?\s*%?|0x[0-9a-f]+", re.IGNORECASE)
"""Numbers in a form that is not read: with separators of thousands, a unit of percent or a sign before them."""

_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")  # SPSS leaves out the 0 of 0,5
_NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons", " ": "spaces"}
"""Delimiter -> its name in messages."""


def as_number(text: str | None) -> float | None:
    """Parses a number: NaN for ``None`` (missing), and ``None`` when ``text`` is not a number."""
    if text is None:
        return np.nan
    try:
        # float() reads 1_0 as 10, and the digits of every script
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


def number_of(text: str) -> float | None:
    """Parses a field: NaN where missing, ``None`` when it is not a number."""
    text = text.strip()
    return np.nan if text.lower() in ABSENT else as_number(text)


def with_point(text: str) -> str:
    """Returns a number with a decimal comma as one with a point, and any other text as it is."""
    return text.replace(",", ".") if _COMMA.fullmatch(text.strip()) else text


def has_comma(text: str) -> bool:
    """Returns true for a number with a decimal comma."""
    return _COMMA.fullmatch(text.strip()) is not None


def delimiter_of(line: str, following: str = "") -> str:
    """Returns the delimiter of a header: tab, comma or semicolon, whichever occurs most; spaces if there are none of them.

    A header without any, such as R writes for one sample, is separated like the line that follows.
    """
    counts = {mark: line.count(mark) for mark in "\t,;"}
    best = max(counts, key=lambda mark: counts[mark])  # the first of equals
    if counts[best]:
        return best
    if following and any(mark in following for mark in "\t,;"):
        return delimiter_of(following)
    return " " if " " in line.strip() or " " in following.strip() else ","


def field_count(file: Path, line: int, found: int, wanted: int, text: str, delimiter: str) -> InputError:
    """Returns the error for a line whose number of fields differs from the header's.

    If ``text``, the line, holds another delimiter often enough, the message says that header and line are separated
    differently.
    """
    others = [mark for mark in "\t,;" if mark != delimiter and text.count(mark) >= wanted - 1]
    mixed = ""
    if others and wanted > 1:
        mixed = f"; the header is separated by {_NAMES[delimiter]} and this line by {_NAMES[others[0]]}"
    elif delimiter == " " and found != wanted:
        mixed = "; if names hold spaces, separate by tabs or commas"
    elif found == 1 and wanted > 2:
        mixed = "; is it a note below the table, which must go?"
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


_EXTENSIONS = (".gz", ".csv", ".tsv", ".txt", ".tab", ".parquet", ".pq", ".gct", ".xena", ".h5ad")


def stem(source: str) -> str:
    """Returns a file name without the extensions of tables."""
    while Path(source).suffix.lower() in _EXTENSIONS:
        source = Path(source).stem
    return source
