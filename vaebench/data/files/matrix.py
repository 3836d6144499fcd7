"""Reading large matrices with genes in rows and samples in columns: text of any delimiter, or ``.gct``.

1. :func:`matrix_layout` reads the header: samples, columns that describe genes, and the size that a ``.gct`` declares.
2. :func:`gene_lines` splits the lines in blocks (:mod:`vaebench.data.files.lines`) and names the genes.
3. :func:`matrix_blocks` parses their values too. What is kept of them is up to the caller:
   :mod:`vaebench.data.files.gene_matrix`.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from vaebench.data.barcodes import samples_across
from vaebench.data.files.content import column_from, unique_names
from vaebench.data.files.genes import counts_no_gene, gene_columns, named, names_genes, short_samples
from vaebench.data.files.layout import TextLayout, text_layout
from vaebench.data.files.lines import LineBlock, block_fields, block_values, line_blocks
from vaebench.data.files.opening import opened, refusing_broken, starts_with
from vaebench.data.files.text import LARGEST, number_of
from vaebench.errors import InputError, shortened, user_path

NEEDED = "a table with genes in rows and samples in columns"
_MOST_METADATA = 100_000

Block = tuple[list[str], np.ndarray]
"""Names of some features, and their values [features, N]."""


class Layout(NamedTuple):
    """The header of a matrix file.

    Attributes:
        file: the file.
        samples: names of the N sample columns.
        leads: number of columns before the first sample.
        about: metadata of the samples in a ``.gct`` of version 1.3: name -> [N].
        declared: numbers of genes and samples that a ``.gct`` declares; ``None`` for other files.
        text: names and delimiter of all columns, and the line before the first gene.
        columns: positions of the sample columns.
        others: positions of the columns that describe genes.
        naming: positions in ``others`` of the columns that name genes: one, or identifiers and symbols.
        spare: positions in ``others`` of the columns that name the genes whose name is empty.
        notes: decisions that a user should know of, one sentence each.
    """

    file: Path
    samples: list[str]
    leads: int
    about: dict[str, np.ndarray]
    declared: tuple[int, int] | None
    text: TextLayout
    columns: list[int]
    others: list[int]
    naming: list[int]
    spare: list[int]
    notes: tuple[str, ...]


def matrix_layout(path: str | Path) -> Layout:
    """Reads the header of a matrix file.

    Raises:
        InputError: the file is not a matrix of genes x samples, or repeats a sample.
    """
    file = user_path(path)
    with refusing_broken(file, NEEDED):
        if starts_with(file, b"PAR1"):
            raise InputError(f"{file} is Parquet; with an annotation, {NEEDED} is needed as text: CSV, TSV or .gct")
        with opened(file) as stream:
            first = stream.readline(1 << 16)
            if first.removeprefix(b"\xef\xbb\xbf").startswith(b"#1."):
                return _gct(file, first, stream)
        return _layout(text_layout(file), 1, None, {})


def _gct(file: Path, first: bytes, stream: IO[bytes]) -> Layout:
    """The layout of a ``.gct``; that of version 1.3 declares columns about genes and lines about samples."""
    sizes = stream.readline(1 << 16).split()
    if len(sizes) < 2 or not all(size.isdigit() and len(size) < 12 for size in sizes[:4]):
        raise InputError(f"line 2 of {file} must hold the numbers of genes and samples, as in every .gct file")
    genes, samples, *more = (int(size) for size in sizes[:4])
    if max(more, default=0) > _MOST_METADATA:
        raise InputError(f"line 2 of {file} declares {max(more)} lines or columns of metadata; is it damaged?")
    newer = b"#1.3" in first and len(more) == 2
    leads, metadata = (1 + more[0], more[1]) if newer else (2, 0)
    head, *rows = ([f.strip() for f in _fields(line)] for line in _lines(stream, 1 + metadata + 40))
    if len(head) <= leads:
        raise InputError(f"line 3 of {file} names no sample; the columns must be separated by tabs")
    about: dict[str, np.ndarray] = {}
    for row in rows[:metadata]:
        if len(row) == len(head) and row[0] not in ("", *about):
            about[row[0]] = column_from(row[leads:])
    text = TextLayout(file, head, "\t", False, 3 + metadata, rows[metadata:], ())
    return _layout(text, leads, (genes, samples), about)


def _lines(stream: IO[bytes], count: int) -> list[str]:
    lines = (stream.readline(1 << 26).decode("utf-8") for _ in range(count))
    return [line for line in lines if line] or [""]


def _fields(line: str) -> list[str]:
    return next(csv.reader([line.rstrip("\r\n")], delimiter="\t"), [])


def _layout(text: TextLayout, leads: int, declared: tuple[int, int] | None, about: dict[str, np.ndarray]) -> Layout:
    file, names = text.file, text.names
    if declared is None:
        found = gene_columns(file.name, names, text.rows)
    else:
        found = gene_columns(file.name, names[:leads], [])
        found = found._replace(about=list(range(leads)), samples=list(range(leads, len(names))), notes=())
        if leads == 2:  # version 1.2: identifier and symbol, whatever they are called
            found = found._replace(naming=[0, 1])
    if not found.samples:
        raise InputError(f"line {text.line} of {file} names no sample; the columns must be separated by tabs or commas")
    given = unique_names(file, "sample", [names[i] for i in found.samples], "refuse")[0]
    for place in (i for i, name in enumerate(names) if i and not name):
        if declared is not None or any(row[place].strip() for row in text.rows if len(row) == len(names)):
            raise InputError(f"column {place + 1} of {file} has no name in line {text.line}")
    if declared is not None and declared[1] != len(given):
        raise InputError(f"{file} declares {declared[1]} samples in line 2 and names {len(given)} in line 3")
    samples, renamed = short_samples(given)
    notes = text.notes + found.notes + tuple(f"{file.name}: {note}" for note in renamed)
    naming, spare = ([found.about.index(i) for i in places] for places in (found.naming, found.spare))
    return Layout(
        file, samples, found.samples[0], about, declared, text, found.samples, found.about, naming, spare, notes
    )


def is_parquet(file: Path) -> bool:
    """Returns true for a file in Parquet, by its content."""
    with refusing_broken(file, "a table"):
        return starts_with(file, b"PAR1")


def row_names(layout: Layout, count: int, lead: int = 0) -> list[str]:
    """Reads the names of the first ``count`` rows in the column ``lead``, or of all rows when there are fewer."""
    names: list[str] = []
    with refusing_broken(layout.file, NEEDED):
        for block in line_blocks(layout.text, [lead]):
            names += [texts[0] for texts in block.texts]
            if len(names) >= count:
                break
    return names[:count]


def detected_layout(file: Path) -> str:
    """Guesses the layout of a file: ``"matrix"`` for a ``.gct``, ``"columns"`` for TCGA, TARGET or GTEx barcodes in the header,
    or for a first column such as ``Hugo_Symbol`` that names genes.

    Anything else is ``"rows"``: a table with samples in rows.
    """
    with refusing_broken(file, "a table"):
        if starts_with(file, b"PAR1"):
            return "rows"
        if starts_with(file, b"#1."):
            return "matrix"
        first, *names = text_layout(file).names
    return "columns" if names_genes(first) or samples_across(names) else "rows"


def matrix_blocks(layout: Layout, names_from: int = 0, seen: Counter[str] | None = None) -> Iterator[Block]:
    """Yields the genes of a file in blocks: their names, and their values [genes, N] in float32, NaN where missing.

    Rows that count reads without a gene, as HTSeq and STAR write them, are left out.

    Args:
        layout: the file.
        names_from: 0 for the identifiers of the genes, 1 for their symbols.
        seen: counts the rows that are left out, by name, and under ``""`` the genes that another column names.

    Raises:
        InputError: a value is infinite or not a number, or a line has a different number of fields than the header; the
            message gives line and column.
    """
    for names, block in gene_lines(layout, names_from, Counter() if seen is None else seen):
        with refusing_broken(layout.file, NEEDED):
            values = _values(layout, block)
        yield names, values


def gene_lines(layout: Layout, names_from: int, seen: Counter[str]) -> Iterator[tuple[list[str], LineBlock]]:
    """Yields the names and lines of the genes in blocks, without their values; see :func:`matrix_blocks`."""
    file, genes = layout.file, 0
    if names_from >= len(layout.naming):
        raise InputError(f"{file} has one column of gene names; genes='symbol' needs a file with two, such as .gct")
    first = layout.naming[names_from]
    places = [first, *(i for i in layout.spare if i != first)]
    with refusing_broken(file, NEEDED):
        for block in line_blocks(layout.text, layout.others):
            kept = [i for i, texts in enumerate(block.texts) if not counts_no_gene(texts[0])]
            if len(kept) < len(block.lines):
                seen.update(texts[0] for texts in block.texts if counts_no_gene(texts[0]))
            if not kept:
                continue
            if len(kept) < len(block.lines):
                block = block.only(kept)
            names = [named(texts, places) for texts in block.texts]
            if "" in names:
                line = block.lines[names.index("")]
                raise InputError(f"line {line} of {file} has no name in its first column; every gene must have one")
            if len(places) > 1:
                seen[""] += sum(name != texts[first] for name, texts in zip(names, block.texts, strict=True))
            genes += len(names)
            yield names, block
    if genes == 0:
        raise InputError(f"{file} has a header but no other line; at least one gene is needed")
    if layout.declared is not None and layout.declared[0] != genes:
        raise InputError(f"{file} declares {layout.declared[0]} genes in line 2 and holds {genes}; is it cut off?")


def _values(layout: Layout, block: LineBlock) -> np.ndarray:
    """Values [lines, N] in float32."""
    values = block_values(layout.text, block, "float32")
    if values is None or np.isinf(values).any():
        raise _bad_value(layout, block)
    return values


def _bad_value(layout: Layout, block: LineBlock) -> InputError:
    """The error for the first value of a block that is not a number of single precision."""
    for line, fields in zip(block.lines, block_fields(layout.text, block), strict=True):
        for sample, column, text in zip(layout.samples, layout.columns, fields, strict=True):
            number = number_of(text)
            if number is None or abs(number) > LARGEST:
                spelt = number is not None and text.strip().lstrip("+-").lower().startswith("inf")
                found = (
                    "an infinite value"
                    if spelt
                    else f"the text {text.strip()!r}"
                    if number is None
                    else shortened(text)
                )
                allowed = "numbers only" if number is None else "finite numbers, at most 3.4e38"
                return InputError(
                    f"line {line}, column {column + 1} of {layout.file} (sample {sample!r}) holds {found}; "
                    f"it must hold {allowed}"
                )
    return InputError(f"{layout.file} holds a value that is not a finite number")
