"""The layout of a text table, found from its beginning: comment lines, header, delimiter, decimal mark."""

from __future__ import annotations

import contextlib
import csv
import re
from pathlib import Path
from typing import IO, NamedTuple

from vaebench.data.files.genes import names_genes
from vaebench.data.files.opening import WINDOWS, opened
from vaebench.data.files.text import as_number, delimiter_of, field_count, has_comma, with_point
from vaebench.errors import InputError, shortened

_LONGEST_LINE = 1 << 26
_SEEN = 40  # lines from which the layout is told
_SEEN_BYTES = 1 << 26
_POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_BINARY = re.compile(r"[\x00-\x08\x0e-\x19\x1b-\x1f\x7f]")  # no text has them
_POINTS = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+")  # 1.234 for 1,234
_FEW_POINTS = 3  # such numbers, and whole ones beside them, from which points are taken for separators
_SEPARATOR = re.compile(r'"?sep=.?"?', re.IGNORECASE)  # a first line for Excel
_ONE_SAMPLE = re.compile(r"ENS[A-Z]*[GT]\d|N_unmapped$|__no_feature$")

_FIREHOSE = ("Composite Element REF", "miRNA_ID")  # before its second header, beside those of genes
_QUANTIFIED = (
    {"unstranded", "stranded_first"},
    {"expected_count", "tpm"},
    {"numreads", "tpm"},
    {"est_counts", "tpm"},
)
"""Columns of files with the counts of one sample: GDC, RSEM, salmon, kallisto."""


class TextLayout(NamedTuple):
    """The beginning of a text table.

    Attributes:
        file: the file.
        names: names of all D columns, ``""`` for those without one.
        delimiter: tab, comma, semicolon or space.
        comma: numbers have a decimal comma.
        line: number of lines up to and including the header.
        rows: the fields of the first lines after the header.
        notes: decisions that a user should know of, one sentence each.
        encoding: of text that is not UTF-8 or UTF-16, else ``""``.
    """

    file: Path
    names: list[str]
    delimiter: str
    comma: bool
    line: int
    rows: list[list[str]]
    notes: tuple[str, ...]
    encoding: str = ""


def text_layout(file: Path, encoding: str = "") -> TextLayout:
    """Reads the beginning of a text table.

    Text that is not UTF-8 there is read as windows-1252, with a note; ``encoding`` asks for this if it is not so further down.

    Before the header, lines that begin with ``#``, or with ``!`` and ``^`` (GEO), are comments, unless the last of them is the
    header, and so is Excel's ``sep=;``. R omits the header of the row names; a header that is one name short gets an unnamed
    first column. Unnamed columns at the end of header and lines are dropped later if they hold nothing.

    Raises:
        InputError: the header is missing or empty, or does not match the first line of values.
    """
    try:
        with opened(file, encoding=encoding) as stream:
            comments, lines, before = _beginning(file, stream)
    except UnicodeDecodeError:
        if encoding:
            raise
        return text_layout(file, WINDOWS)
    if not lines:
        raise InputError(f"{file} is empty; a header line with column names is needed")
    first = lines[0]
    if "\0" in first or (encoding and _BINARY.search(first)):
        raise InputError(f"{file} is not a CSV, TSV or Parquet table (its first line holds binary data)")
    if "\r" in first.rstrip("\r\n"):
        raise InputError(f"{file} ends its lines with a carriage return alone; save it with line feeds")
    delimiter = delimiter_of(first, lines[1] if len(lines) > 1 else "")
    names, size, rows = _parsed_beginning(lines, delimiter)
    if comments and (given := _commented_header(comments[-1], names, delimiter)):
        names, size, rows = given, 0, [names, *rows]
    if not rows:
        odd = next((i for i, line in enumerate(lines) if "\r" in line.rstrip("\r\n")), None)
        if odd is not None:
            raise InputError(f"line {before + odd + 1} of {file} holds a carriage return within a field; remove it")
        raise InputError(f"{file} has a header but no other line; at least one is needed")
    names = _matched(file, names, rows, before + size, delimiter)
    more: tuple[str, ...] = ()
    if second := _second_header(rows):
        more = (f"{file.name}: a second header line was left out, {shortened(second)!r} in all columns",)
        size += next(i for i, line in enumerate(lines[size:], start=1) if line.strip())
        rows = rows[1:]
    _refuse_points(file, rows)
    comma, notes = _decimal_comma(file, rows, delimiter)
    if encoding:
        more += (_recoded_note(file, [*names, *(field for row in rows for field in row)]),)
    return TextLayout(file, names, delimiter, comma, before + size, rows, more + notes, encoding)


def _recoded_note(file: Path, fields: list[str]) -> str:
    example = next((f", such as {shortened(field)!r}" for field in fields if not field.isascii()), "")
    return f"{file.name}: text that is not UTF-8 was read as {WINDOWS}{example}; if names look wrong, save the file as UTF-8"


def _second_header(rows: list[list[str]]) -> str:
    """The text in all fields but the first of a line before the numbers, as Firehose writes it; ``""`` if there is none."""
    first, *others = rows[0]
    same = len(set(others)) == 1 < len(others) and (names_genes(first) or first in _FIREHOSE) and len(rows) > 1
    text = same and others[0].strip() and not _is_number(others[0]) and any(map(_is_number, rows[1][1:]))
    return others[0].strip() if text else ""


def _beginning(file: Path, stream: IO[bytes]) -> tuple[list[str], list[str], int]:
    """Comment lines, the first other lines, and the number of lines before these."""
    comments, lines, before, size = [], [], 0, 0
    while len(lines) < _SEEN and size < _SEEN_BYTES:
        raw = stream.readline(_LONGEST_LINE)
        if len(raw) == _LONGEST_LINE:
            raise InputError(f"line {before + len(lines) + 1} of {file} has over 64 MiB; a table has shorter lines")
        if not raw:
            break
        size += len(raw)
        text = raw.decode("utf-8").removeprefix("\ufeff")
        if not lines and (not text.strip() or text[0] in "#!^" or _SEPARATOR.fullmatch(text.strip())):
            before += 1
            comments += [text] if text.strip() else []
        else:
            lines.append(text)
    return comments, lines, before


def _parsed_beginning(lines: list[str], delimiter: str) -> tuple[list[str], int, list[list[str]]]:
    """Names in the header, its number of lines, and the fields of the first lines that hold anything."""
    reader = csv.reader(lines, delimiter=delimiter)
    names = [name.strip() for name in next(reader)]
    size, rows = reader.line_num, []
    with contextlib.suppress(csv.Error):  # reported with its line when the table is read
        for row in reader:
            if any(field.strip() for field in row):
                rows.append(row)
    return names, size, rows


def _commented_header(comment: str, row: list[str], delimiter: str) -> list[str] | None:
    """The names in a header that begins with ``#``: as many as the line after it, which holds numbers, has fields."""
    names = [name.strip() for name in next(csv.reader([comment.lstrip("#").rstrip("\r\n")], delimiter=delimiter))]
    text = not any(_is_number(name) for name in names[1:])
    return names if len(names) == len(row) > 1 and text and any(_is_number(field) for field in row[1:]) else None


def _is_number(text: str) -> bool:
    return text.strip() != "" and as_number(with_point(text.strip())) is not None


def _matched(file: Path, names: list[str], rows: list[list[str]], line: int, delimiter: str) -> list[str]:
    """The names, one for each field of the first line; raises ``InputError`` when header and lines do not fit."""
    numbers = [as_number(name) for name in names]
    if all(number is not None for number in numbers) and any(number % 1 for number in numbers if number):
        raise InputError(f"{file} begins with the number {names[0]!r}; its first line must be a header of column names")
    if _ONE_SAMPLE.match(names[0]) and len(names) < 5 and all(number is not None for number in numbers[1:]):
        raise InputError(
            f"{file} has no header and counts one sample, as HTSeq and STAR write them; join the samples' files into one "
            "table with a header of sample names"
        )
    if any(pair <= {name.lower() for name in names} for pair in _QUANTIFIED):
        raise InputError(
            f"{file} holds one sample, as GDC, RSEM, salmon and kallisto write them; join the samples' files into one table "
            "with genes in rows and a column for each sample"
        )
    row = rows[0]
    if len(row) == len(names) + 1:
        names = [*names, ""] if all(not other[-1].strip() for other in rows if other) else ["", *names]
    elif len(row) == len(names) - 1 and names[-1] == "":
        names = names[:-1]
    if len(row) != len(names):
        wide = max((len(other) for other in rows), default=0)
        if len(names) <= 2 < wide and len(names) < wide:
            raise InputError(
                f"line {line} of {file} is {shortened(names[0])!r}, which looks like a title; the first line must be the "
                "header of column names"
            )
        raise field_count(file, line + 1, len(row), len(names), delimiter.join(row), delimiter)
    if len(names) < 2:
        raise InputError(f"{file} has 1 column; at least 2 are needed, separated by tabs, commas or semicolons")
    return names


def _refuse_points(file: Path, rows: list[list[str]]) -> None:
    """Raises ``InputError`` for whole numbers with points between thousands, as 12.345 and 678 in one column.

    Every number with a point then has three digits after each, no 0 before it, and no whole number beside them reaches 1,000.
    """
    mixed: set[str] = set()
    points = whole = 0
    for column in zip(*(row[1:] for row in rows if len(row) == len(rows[0])), strict=True):
        pointed = [field.strip() for field in column if "." in field and _is_number(field.replace(".", ""))]
        if not all(_POINTS.fullmatch(field) for field in pointed):
            return
        plain = [field.strip() for field in column if field.strip().isdigit()] if pointed else []
        if any(len(field) > 3 for field in plain):
            return
        points += len(pointed) if plain else 0
        whole += sum(len(field) > 1 for field in plain)  # decimals are rarely whole, but for 0 and a few
        mixed.update(pointed[:1])
    if points >= _FEW_POINTS <= whole:
        raise InputError(
            f"{file} holds {min(mixed)!r} beside whole numbers below 1,000, so that its point may separate thousands; write "
            "numbers without separators, and decimals of such columns in full (5.000)"
        )


def _decimal_comma(file: Path, rows: list[list[str]], delimiter: str) -> tuple[bool, tuple[str, ...]]:
    """Returns true when the numbers in the first lines have decimal commas, and a note that says so."""
    fields = [field.strip() for row in rows for field in row[1:]] if delimiter != "," else []
    commas = [field for field in fields if has_comma(field) or _THOUSANDS.fullmatch(field)]
    if not commas or any(_POINT.fullmatch(field) for field in fields if field not in commas):
        return False, ()
    numbers = sum(field[:1].isdigit() or field[:1] in ("+", "-", ",") for field in fields)
    if delimiter != ";" and len(commas) * 5 < numbers:
        return False, ()
    if any(not has_comma(field) for field in commas) or (
        delimiter != ";" and all(_THOUSANDS.fullmatch(field) for field in commas)
    ):
        example = next((field for field in commas if not has_comma(field)), commas[0])
        raise InputError(
            f"{file} holds {example!r}, whose comma may separate thousands or decimals; write numbers with a decimal point "
            "and no other separator"
        )
    return True, (f"{file.name}: commas in numbers were read as decimal points, as in {commas[0]!r}",)
