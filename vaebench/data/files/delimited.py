"""Tables of delimited text: with samples in rows, and with samples in columns.

Numbers are parsed in blocks of lines straight into one array in float64, as Python's ``float()`` does, so that memory stays
near the size of the result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vaebench.data.files.content import Table, Values, column_from, turned, unique_names
from vaebench.data.files.genes import counts_no_gene, gene_columns, named, row_notes, short_samples
from vaebench.data.files.layout import TextLayout, text_layout
from vaebench.data.files.limits import refuse_oversized
from vaebench.data.files.lines import LineBlock, block_fields, block_values, line_blocks
from vaebench.data.files.text import LARGEST, number_of, with_point
from vaebench.errors import InputError, shortened

_TRIES = 3  # readings that start again when a column turns out to hold text


class _TextFound(Exception):
    """Columns of numbers in which a block of lines holds text."""

    def __init__(self, columns: set[int]) -> None:
        self.columns = columns


class _Growing:
    """Lines of numbers in one array that grows without being copied."""

    def __init__(self, file: Path, width: int) -> None:
        self.file, self.width, self.used = file, width, 0
        self.flat = np.empty(0)

    def add(self, values: np.ndarray) -> None:
        needed = self.used + values.size
        if needed > self.flat.size:
            refuse_oversized(self.file, 8 * needed)
            # the system grows the array by moving pages instead of copying; no view of it exists yet
            self.flat.resize(max(needed, self.flat.size * 9 // 8), refcheck=False)
        self.flat[self.used : needed] = values.reshape(-1)
        self.used = needed

    def matrix(self) -> np.ndarray:
        self.flat.resize(self.used, refcheck=False)
        return self.flat.reshape(-1, self.width) if self.width else self.flat.reshape(0, 0)


def delimited_rows(file: Path, duplicates: str, as_text: Callable[[str], bool], encoding: str = "") -> Table:
    """Reads a table with samples in rows; see :func:`vaebench.data.files.table.table_from_file`."""
    layout = text_layout(file, encoding)
    given = layout.names
    named_columns = [i for i, name in enumerate(given) if name or not i]
    names, repeats = unique_names(file, "feature", [given[i] for i in named_columns], duplicates)
    chosen = {0} | {i for i, name in enumerate(given) if not name or as_text(name)} | _texts_in(layout)
    for attempt in range(_TRIES + 1):
        try:
            lines, found, matrix = _read_rows(layout, sorted(chosen))
            break
        except _TextFound as more:
            # every reading finds more of them; the last takes all columns as text
            chosen = chosen | more.columns if attempt < _TRIES - 1 else set(range(len(given)))
    else:
        raise AssertionError("a table read as text holds no numbers")
    for i in (i for i, name in enumerate(given) if not name and i):
        if any(found[i]):
            raise InputError(f"column {i + 1} of {file} has no name; only the first column may go without")
    numbers = [i for i in range(len(given)) if i not in chosen]
    place = {position: column for column, position in enumerate(numbers)}
    columns, texts = {}, {}
    for i, name in zip(named_columns, names, strict=True):
        columns[name] = matrix[:, place[i]] if i in place else column_from(found[i])
        if i and as_text(name):
            texts[name] = _written(found[i])
    views = Values({name: place[i] for i, name in zip(named_columns, names, strict=True) if i in place}, matrix)
    first = _written(found[0])
    return Table(file.name, columns, names[0], first, "rows", np.array(lines), repeats, texts, layout.notes, views)


def _written(values: list[str]) -> np.ndarray:
    """The values as written, ``None`` where empty."""
    return np.array([value or None for value in values], dtype=object)


def _texts_in(layout: TextLayout) -> set[int]:
    """Positions of the columns in which the first lines hold text."""
    rows = [row for row in layout.rows if len(row) == len(layout.names)]
    point = with_point if layout.comma else str
    return {i for row in rows for i, field in enumerate(row) if number_of(point(field)) is None}


def _read_rows(layout: TextLayout, chosen: list[int]) -> tuple[list[int], dict[int, list[str]], np.ndarray]:
    """Line numbers [N], the texts of the chosen columns, and the numbers [N, other columns].

    Raises :class:`_TextFound` when another column holds text.
    """
    numbers = [i for i in range(len(layout.names)) if i not in set(chosen)]
    found: dict[int, list[str]] = {i: [] for i in chosen}
    growing, lines = _Growing(layout.file, len(numbers)), []
    for block in line_blocks(layout, chosen):
        lines += block.lines
        for column, texts in zip(found.values(), zip(*block.texts, strict=True), strict=True):
            column += texts
        if numbers:
            values = block_values(layout, block, "float64")
            if values is None:
                raise _TextFound({numbers[i] for i in _text_positions(layout, block)})
            refuse_large(layout, block, values, numbers)
            growing.add(values)
    if not lines:
        raise InputError(f"{layout.file} has a header but no other line; at least one is needed")
    return lines, found, growing.matrix()


def _text_positions(layout: TextLayout, block: LineBlock) -> set[int]:
    """Positions, among the columns of numbers, of those in which a block holds text."""
    found: set[int] = set()
    for fields in block_fields(layout, block):
        found.update(i for i, field in enumerate(fields) if i not in found and number_of(field) is None)
    return found


def refuse_large(layout: TextLayout, block: LineBlock, values: np.ndarray, columns: list[int]) -> None:
    """Raises ``InputError`` for a number that single precision cannot hold; the word ``inf`` passes."""
    for row, column in np.argwhere(np.abs(values) > LARGEST):
        text = next(fields for i, fields in enumerate(block_fields(layout, block)) if i == row)[column].strip()
        if not text.lstrip("+-").lower().startswith("inf"):
            raise InputError(
                f"line {block.lines[row]}, column {columns[column] + 1} of {layout.file} "
                f"({layout.names[columns[column]]!r}) holds {shortened(text)}; numbers must be at most 3.4e38"
            )


def delimited_columns(file: Path, duplicates: str, encoding: str = "") -> Table:
    """Reads a table with samples in columns; see :func:`vaebench.data.files.table.table_from_file`."""
    layout = text_layout(file, encoding)
    columns = gene_columns(file.name, layout.names, layout.rows)
    if not columns.samples:
        raise InputError(f"line {layout.line} of {file} names no sample; a header of sample names is needed")
    samples = unique_names(file, "sample", [layout.names[i] for i in columns.samples], "refuse")[0]
    samples, renamed = short_samples(samples)
    growing = _Growing(file, len(samples))
    names: list[str] = []
    lines: list[int] = []
    rows: list[np.ndarray | None] = []  # of text; rows of numbers lie in ``growing``
    seen = Counter[str]()
    places = [0, *(columns.about.index(i) for i in columns.spare)]
    for block in line_blocks(layout, columns.about):
        kept = [i for i, texts in enumerate(block.texts) if not counts_no_gene(texts[0])]
        seen.update(texts[0] for texts in block.texts if counts_no_gene(texts[0]))
        block = block.only(kept)
        names += (found := [named(texts, places) for texts in block.texts])
        seen[""] += sum(name != texts[0] for name, texts in zip(found, block.texts, strict=True))
        lines += block.lines
        rows += _add_rows(layout, block, columns.samples, growing) if kept else []
    matrix = growing.matrix()
    numbers = iter(matrix)
    values = [next(numbers) if row is None else row for row in rows]
    notes = layout.notes + columns.notes + tuple(f"{file.name}: {note}" for note in renamed)
    return turned(file, samples, names, values, duplicates, lines, notes + row_notes(file.name, seen), matrix)


def _add_rows(layout: TextLayout, block: LineBlock, columns: list[int], growing: _Growing) -> list[np.ndarray | None]:
    """Adds the rows of numbers in a block to ``growing``; returns the others, and ``None`` for each of these."""
    values = block_values(layout, block, "float64")
    if values is not None:
        refuse_large(layout, block, values, columns)
        growing.add(values)
        return [None] * len(block.lines)
    rows: list[np.ndarray | None] = []
    for i in range(len(block.lines)):
        line = block.only([i])
        values = block_values(layout, line, "float64")
        if values is None:
            rows.append(column_from(next(block_fields(layout, line))))
        else:
            refuse_large(layout, line, values, columns)
            growing.add(values)
            rows.append(None)
    return rows
