"""The lines of a text table in blocks.

1. :func:`line_blocks` splits the text after the header into lines, and each line into columns of text and the text of its
   numbers.
2. :func:`block_values` parses the numbers of a block as one long column, which is much faster than a table with thousands
   of columns; :func:`block_fields` gives them as texts, to name one that is no number.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from vaebench.data.files.layout import TextLayout
from vaebench.data.files.opening import opened
from vaebench.data.files.text import ABSENT, field_count, number_of, with_point
from vaebench.errors import InputError

_CHUNK = 1 << 23  # bytes of text parsed at once
_INSIDE = "\x1f"  # stands for a delimiter within a quoted field


class LineBlock(NamedTuple):
    """Some lines: their numbers, their columns of text [text columns], and the text of their numbers."""

    lines: list[int]
    texts: list[list[str]]
    bodies: list[bytes]

    def only(self, places: Sequence[int]) -> LineBlock:
        """Return the lines at these positions."""
        lines, texts, bodies = self
        return LineBlock([lines[i] for i in places], [texts[i] for i in places], [bodies[i] for i in places])


def line_blocks(layout: TextLayout, text_columns: Collection[int]) -> Iterator[LineBlock]:
    """Yields the lines after the header in blocks; lines without anything in them are left out.

    Args:
        layout: the file.
        text_columns: positions of the columns that come as texts, in ascending order; all others are in ``bodies``.

    Raises:
        InputError: a line has a different number of fields than the header, or holds a NUL byte.
    """
    split = _Split(layout, sorted(text_columns))
    blank = (layout.delimiter + ' "\r').encode()
    for part in _numbered(layout):
        block = LineBlock([], [], [])
        for number, raw in part:
            if raw.strip(blank):
                texts, body = split(number, raw)
                block.lines.append(number)
                block.texts.append(texts)
                block.bodies.append(body)
        if block.lines:
            yield block
    import pyarrow as pa

    pa.default_memory_pool().release_unused()  # what parsing took, before the table is worked on


def _numbered(layout: TextLayout) -> Iterator[list[tuple[int, bytes]]]:
    """Lines after the header with their numbers; a line whose quotes are open goes on in the next."""
    with opened(layout.file, encoding=layout.encoding) as stream:
        for _ in range(layout.line):
            stream.readline()
        number, start, unclosed = layout.line, 0, b""
        for part in _parts(stream):
            found: list[tuple[int, bytes]] = []
            quotes, zeros = b'"' in part or bool(unclosed), b"\0" in part
            for raw in part.split(b"\n")[: part.count(b"\n") + (not part.endswith(b"\n"))]:
                number += 1
                if zeros and b"\0" in raw:
                    raise InputError(f"line {number} of {layout.file} holds a NUL byte; it is damaged or not text")
                if unclosed:
                    raw = unclosed + b"\n" + raw
                else:
                    start = number
                if quotes and raw.count(b'"') % 2 and _opens(raw, layout.delimiter):
                    if len(raw) > _CHUNK:
                        raise _open_quotes(layout.file, start)
                    unclosed = raw
                    continue
                unclosed = b""
                if raw.startswith(b"!") and raw.rstrip().lower().endswith(b"_table_end"):  # GEO
                    break
                found.append((start, raw.removesuffix(b"\r")))
            yield found
    if unclosed:
        raise _open_quotes(layout.file, start)


def _opens(raw: bytes, delimiter: str) -> bool:
    """Returns true for a line that ends within quotes; a quote inside a field, as in 5\" tall, opens none."""
    text, inside, at_start = raw.decode("utf-8", "replace"), False, True
    for sign in text:
        if sign == '"' and (inside or at_start):
            inside = not inside
        at_start = (sign == delimiter or sign == "\n") and not inside
    return inside


def _open_quotes(file: Path, line: int) -> InputError:
    return InputError(f"line {line} of {file} opens quotes that no line closes; remove the quote or close it")


def _parts(stream: IO[bytes]) -> Iterator[bytes]:
    """Splits the rest of the stream into parts that end with a line."""
    rest: list[bytes] = []
    while chunk := stream.read(_CHUNK):
        end = chunk.rfind(b"\n") + 1
        if end:
            yield b"".join([*rest, chunk[:end]])
            rest = [chunk[end:]]
        else:
            rest.append(chunk)
    if any(rest):
        yield b"".join(rest)


class _Split:
    """Splits a line into its columns of text and the text of its numbers.

    Columns of text are mostly at the two ends of a line, so only its ends are split.
    """

    def __init__(self, layout: TextLayout, chosen: list[int]) -> None:
        self.layout, self.mark, self.chosen = layout, layout.delimiter.encode(), chosen
        self.width = width = len(layout.names)
        ends = [-1, *chosen, width]
        gap = max(range(len(ends) - 1), key=lambda i: ends[i + 1] - ends[i])
        self.front, self.back = ends[gap] + 1, width - ends[gap + 1]
        self.keeping = set(range(width)).difference(chosen)
        self.middle = ends[gap + 1] - ends[gap] > 1
        if not self.middle:
            self.front, self.back = width, 0
        self.front_numbers = [i for i in range(self.front) if i in self.keeping]
        self.back_numbers = [i - (width - self.back) for i in range(width - self.back, width) if i in self.keeping]
        self.front_texts = [i for i in chosen if i < self.front]
        self.back_texts = [i - (width - self.back) for i in chosen if i >= width - self.back]

    def __call__(self, number: int, raw: bytes) -> tuple[list[str], bytes]:
        mark, middle = self.mark, b""
        if b'"' in raw:
            raw = self.unquoted(number, raw)
        if raw.count(mark) + 1 != self.width:
            text, layout = raw.decode("utf-8"), self.layout
            raise field_count(layout.file, number, raw.count(mark) + 1, self.width, text, layout.delimiter)
        if not self.middle:
            heads, tails = raw.split(mark), []
        else:
            *heads, middle = raw.split(mark, self.front) if self.front else [raw]
            middle, *tails = middle.rsplit(mark, self.back) if self.back else [middle]
        texts = [heads[i] for i in self.front_texts] + [tails[i] for i in self.back_texts]
        numbers = [heads[i] for i in self.front_numbers]
        numbers += [middle] if self.middle else []
        numbers += [tails[i] for i in self.back_numbers]
        body = mark.join(numbers) if len(numbers) != 1 else numbers[0]
        return [_plain(text, self.layout) for text in texts], body

    def unquoted(self, number: int, raw: bytes) -> bytes:
        """The line without its quotes; delimiters and line ends within them are replaced."""
        layout, mark = self.layout, self.mark
        if not (b'""' in raw or b"\n" in raw or raw.count(b'"') % 2) and raw.count(mark) + 1 == self.width:
            return raw.replace(b'"', b"")
        fields = next(csv.reader(io.StringIO(raw.decode("utf-8"), newline="\n"), delimiter=layout.delimiter))
        if len(fields) != self.width:
            text = layout.delimiter.join(fields)
            raise field_count(layout.file, number, len(fields), self.width, text, layout.delimiter)
        kept = [field.replace(layout.delimiter, _INSIDE).replace("\n", " ").replace("\r", "") for field in fields]
        return layout.delimiter.join(kept).encode()


def _plain(field: bytes, layout: TextLayout) -> str:
    text = field.decode("utf-8").replace(_INSIDE, layout.delimiter).strip()
    return with_point(text) if layout.comma else text


def block_values(layout: TextLayout, block: LineBlock, dtype: str) -> np.ndarray | None:
    """Parses the numbers of a block: [lines, columns of numbers], NaN where missing; ``None`` when one is no number.

    Args:
        layout: the file.
        block: its lines.
        dtype: ``"float32"`` or ``"float64"``.
    """
    # one value per line: a table with one column is parsed much faster than one with a column per sample
    text = b"\n".join(block.bodies).replace(layout.delimiter.encode(), b"\n") + b"\n"
    if layout.comma:
        text = text.replace(b",", b".")
    flat = _column(text, dtype)
    # a carriage return within a field would make two of it
    if flat is not None and flat.size == len(block.lines) * (block.bodies[0].count(layout.delimiter.encode()) + 1):
        return flat.reshape(len(block.lines), -1)
    rows = [[number_of(field) for field in fields] for fields in block_fields(layout, block)]
    return None if any(None in row for row in rows) else np.array(rows, dtype=dtype)


def block_fields(layout: TextLayout, block: LineBlock) -> Iterator[list[str]]:
    """Yields the fields of each line that are not in columns of text."""
    for body in block.bodies:
        fields = body.decode("utf-8").split(layout.delimiter)
        yield [with_point(f) if layout.comma else f.replace(_INSIDE, layout.delimiter) for f in fields]


def _column(text: bytes, dtype: str) -> np.ndarray | None:
    """Parses one number per line, NaN where missing; returns ``None`` when any line is not a number."""
    import pyarrow as pa
    import pyarrow.csv

    kind = pa.float32() if dtype == "float32" else pa.float64()
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(text),
            read_options=pyarrow.csv.ReadOptions(column_names=["value"], block_size=1 << 22),
            parse_options=pyarrow.csv.ParseOptions(delimiter="\t", ignore_empty_lines=False, quote_char=False),
            convert_options=pyarrow.csv.ConvertOptions(column_types={"value": kind}, null_values=_NULLS),
        )
    except pa.ArrowInvalid:
        return None
    return table["value"].to_numpy()


_NULLS = sorted({form for absent in ABSENT for form in (absent, absent.upper(), absent.capitalize(), "NaN")})
