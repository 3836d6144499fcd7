"""Reading large matrices with genes in rows and samples in columns: tab or comma separated, or ``.gct``.

A file is read in blocks of genes, so memory stays near the size of the result:

1. :func:`matrix_layout` reads the header: samples, delimiter, and the size that a ``.gct`` declares.
2. :func:`matrix_blocks` splits the rest into parts of whole lines, and each line into gene names and values.
3. Each part is parsed as one long column, which is much faster than a table with thousands of columns; only if that
   fails are its values parsed one by one, to name the first bad one.
4. :func:`matrix_from_file` keeps the wanted samples of each block in one growing array.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from vaebench.data.files.table import unique_names
from vaebench.data.files.text import ABSENT, as_number, delimiter_of, field_count, opened, refusing_broken, starts_with
from vaebench.errors import InputError, user_path

NEEDED = "a table with genes in rows and samples in columns"
_CHUNK = 1 << 24  # bytes of text parsed at once
_MARK = b"\xef\xbb\xbf"  # UTF-8 byte-order mark

Block = tuple[list[str], np.ndarray]
"""Names of some features, and their values [features, N]."""


class Layout(NamedTuple):
    """The header of a matrix file.

    Attributes:
        file: the file.
        samples: names of the N sample columns.
        leads: number of columns before the samples: 1, or 2 in a ``.gct`` (identifier and symbol).
        delimiter: tab or comma.
        line: line number of the header.
        declared: numbers of genes and samples that a ``.gct`` declares; ``None`` for other files.
    """

    file: Path
    samples: list[str]
    leads: int
    delimiter: str
    line: int
    declared: tuple[int, int] | None


class Matrix(NamedTuple):
    """``values`` [D, N] in float32 (NaN where missing), names of the D features, and the number of repeated names."""

    values: np.ndarray
    features: list[str]
    repeated: int


def matrix_layout(path: str | Path) -> Layout:
    """Reads the header of a matrix file.

    Raises:
        InputError: the file is not a matrix of genes x samples, or repeats a sample.
    """
    file = user_path(path)
    with refusing_broken(file, NEEDED), opened(file) as stream:
        return _layout(file, stream)


def _layout(file: Path, stream: IO[bytes]) -> Layout:
    first = stream.readline().removeprefix(_MARK)
    line, declared = 1, None
    if first.startswith(b"#1."):
        sizes = stream.readline().split()
        if len(sizes) < 2 or not all(size.isdigit() for size in sizes[:2]):
            raise InputError(f"line 2 of {file} must hold the numbers of genes and samples, as in every .gct file")
        declared = (int(sizes[0]), int(sizes[1]))
        first, line = stream.readline(), 3
    if not first.strip():
        raise InputError(f"line {line} of {file} is empty; a header line with sample names is needed")
    if b"\0" in first:
        raise InputError(f"{file} is not {NEEDED} (its first line holds binary data)")
    text = first.decode("utf-8").rstrip("\r\n")
    if "\r" in text:
        raise InputError(f"{file} ends its lines with a carriage return alone; save it with line feeds")
    delimiter = delimiter_of(text)
    names = [name.strip() for name in next(csv.reader([text], delimiter=delimiter))]
    leads = 1 if declared is None else 2
    if len(names) <= leads:
        raise InputError(f"line {line} of {file} names no sample; the columns must be separated by tabs or commas")
    samples = unique_names(file, "sample", names[leads:], "refuse")[0]
    if "" in samples:
        raise InputError(f"column {samples.index('') + leads + 1} of {file} has no name in line {line}")
    if declared is not None and declared[1] != len(samples):
        raise InputError(f"{file} declares {declared[1]} samples in line 2 and names {len(samples)} in line 3")
    return Layout(file, samples, leads, delimiter, line, declared)


def row_names(layout: Layout, count: int) -> list[str]:
    """Reads the names of the first ``count`` rows, or of all rows when there are fewer."""
    names = []
    with refusing_broken(layout.file, NEEDED), opened(layout.file) as stream:
        for number, line in enumerate(stream, start=1):
            if number > layout.line:
                names.append(line.decode("utf-8").split(layout.delimiter, 1)[0].strip().strip('"'))
            if len(names) == count:
                break
    return names


def detected_layout(file: Path) -> str:
    """Guesses the layout of a file: ``"matrix"`` for a ``.gct``, ``"columns"`` for TCGA or GTEx barcodes in the header.

    Anything else is ``"rows"``: a table with samples in rows.
    """
    with refusing_broken(file, "a table"):
        if starts_with(file, b"PAR1"):
            return "rows"
        with opened(file) as stream:
            first = stream.readline(1 << 16)
    if first.startswith(b"#1."):
        return "matrix"
    names = first.replace(b'"', b"").replace(b".", b"-").replace(b",", b"\t").split(b"\t")[1:]
    barcodes = sum(name.startswith((b"TCGA-", b"GTEX-")) for name in names)
    return "columns" if barcodes * 2 > len(names) else "rows"


def matrix_from_file(
    layout: Layout, columns: np.ndarray, *, duplicates: str = "apart", names_from: int = 0, logged: bool = False
) -> Matrix:
    """Reads all genes of some samples, using little more memory than the result takes.

    Args:
        layout: the file.
        columns: [N] positions of the samples to keep, in the order of the result.
        duplicates: for genes whose name occurs more than once: ``"refuse"``, keep ``"apart"`` under new names, or
            ``"sum"``.
        names_from: which of the columns before the samples names the genes.
        logged: values are log2(x + 1), so x is summed: log2(sum of x + 1).

    Returns:
        The matrix.

    Raises:
        InputError: as :func:`matrix_blocks`, or for a repeated gene.
    """
    width = len(columns)
    whole = width == len(layout.samples) and bool((columns == np.arange(width)).all())
    flat, used = np.empty(0, dtype=np.float32), 0
    names: list[str] = []
    for found, block in matrix_blocks(layout, names_from):
        names += found
        needed = len(names) * width
        if needed > flat.size:
            # the system grows the array by moving pages instead of copying; no view of it exists yet
            flat.resize(max(needed, flat.size * 5 // 4), refcheck=False)
        flat[used:needed] = (block if whole else block[:, columns]).reshape(-1)
        used = needed
    flat.resize(used, refcheck=False)
    values = flat.reshape(len(names), width)
    if duplicates == "refuse":
        unique_names(layout.file, "feature", names, "refuse", place="row")
    if duplicates != "sum":
        features, repeats = unique_names(layout.file, "feature", names, "apart")
        return Matrix(values, features, len(repeats))
    return _summed(values, names, logged)


def _summed(values: np.ndarray, names: list[str], logged: bool) -> Matrix:
    """Sums the rows of each name in place, in the order of first appearance."""
    place: dict[str, int] = {}
    for position, name in enumerate(names):
        row = values[position]
        if name not in place:
            values[len(place)] = row
            place[name] = len(place)
        elif logged:
            values[place[name]] = np.log2(np.maximum(np.exp2(values[place[name]]) + np.exp2(row) - 1, 0))
        else:
            values[place[name]] += row
    return Matrix(values[: len(place)], list(place), len(names) - len(place))


def matrix_blocks(layout: Layout, names_from: int = 0) -> Iterator[Block]:
    """Yields the genes of a file in blocks: their names, and their values [genes, N] in float32, NaN where missing.

    Args:
        layout: the file.
        names_from: which of the columns before the samples names the genes.

    Raises:
        InputError: a value is infinite or not a number, or a line has a different number of fields than the header; the
            message gives line and column.
    """
    file, line, genes = layout.file, layout.line, 0
    with refusing_broken(file, NEEDED), opened(file) as stream:
        for _ in range(layout.line):
            stream.readline()
        for part in _parts(stream):
            names, bodies, lines = [], [], []
            for raw in part.split(b"\n")[: part.count(b"\n") + (not part.endswith(b"\n"))]:
                line += 1
                raw = raw.removesuffix(b"\r")
                if raw:
                    leads, body = _fields(layout, raw, line)
                    names.append(leads[names_from])
                    bodies.append(body)
                    lines.append(line)
            if names:
                genes += len(names)
                yield names, _values(layout, bodies, lines)
    if genes == 0:
        raise InputError(f"{file} has a header but no other line; at least one gene is needed")
    if layout.declared is not None and layout.declared[0] != genes:
        raise InputError(f"{file} declares {layout.declared[0]} genes in line 2 and holds {genes}; is it cut off?")


def _parts(stream: IO[bytes]) -> Iterator[bytes]:
    """Splits the rest of the stream into parts that end with a line."""
    rest = b""
    while chunk := stream.read(_CHUNK):
        end = chunk.rfind(b"\n") + 1
        if end:
            yield rest + chunk[:end]
            rest = chunk[end:]
        else:
            rest += chunk
    if rest:
        yield rest


def _fields(layout: Layout, raw: bytes, line: int) -> tuple[list[str], bytes]:
    """Splits a line into the names at its start and the text of its values, delimiters included."""
    mark = layout.delimiter.encode()
    wanted = layout.leads + len(layout.samples)
    if b'"' in raw:
        fields = next(csv.reader([raw.decode("utf-8")], delimiter=layout.delimiter))
        found, leads, body = len(fields), fields[: layout.leads], mark.join(f.encode() for f in fields[layout.leads :])
    else:
        *heads, body = raw.split(mark, layout.leads)
        found, leads = raw.count(mark) + 1, [head.decode("utf-8") for head in heads]
    if found != wanted:
        raise field_count(layout.file, line, found, wanted, raw.decode("utf-8"), layout.delimiter)
    leads = [lead.strip() for lead in leads]
    if not leads[0]:
        raise InputError(f"line {line} of {layout.file} has no name in its first column; every gene must have one")
    return leads, body


def _values(layout: Layout, bodies: list[bytes], lines: list[int]) -> np.ndarray:
    """Values [lines, N] in float32."""
    width = len(layout.samples)
    # one value per line: a table with one column is parsed much faster than one with a column per sample
    text = b"\n".join(bodies).replace(layout.delimiter.encode(), b"\n") + b"\n"
    flat = _column(text)
    if flat is None or flat.size != len(bodies) * width:
        values = np.array([_slow_row(layout, body, line) for body, line in zip(bodies, lines, strict=True)])
        values = values.astype(np.float32)
    else:
        values = flat.reshape(len(bodies), width)
    infinite = np.isinf(values)
    if infinite.any():
        row, column = np.argwhere(infinite)[0]
        raise _bad_value(layout, lines[row], int(column), "an infinite value", "finite numbers")
    return values


def _column(text: bytes) -> np.ndarray | None:
    """Parses one float32 per line, NaN where missing; returns ``None`` when any line is not a number."""
    import pyarrow as pa
    import pyarrow.csv

    nulls = sorted({form for absent in ABSENT for form in (absent, absent.upper(), absent.capitalize(), "NaN")})
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(text),
            read_options=pyarrow.csv.ReadOptions(column_names=["value"], block_size=1 << 22),
            parse_options=pyarrow.csv.ParseOptions(delimiter="\t", ignore_empty_lines=False),
            convert_options=pyarrow.csv.ConvertOptions(column_types={"value": pa.float32()}, null_values=nulls),
        )
    except pa.ArrowInvalid:
        return None
    return table["value"].to_numpy()


def _slow_row(layout: Layout, body: bytes, line: int) -> list[float]:
    """Parses the values of a line one by one, to name the first that is not a number."""
    row = []
    for column, text in enumerate(body.decode("utf-8").split(layout.delimiter)):
        text = text.strip()
        number = np.nan if text.lower() in ABSENT else as_number(text)
        if number is None:
            raise _bad_value(layout, line, column, f"the text {text!r}", "numbers only")
        row.append(number)
    return row


def _bad_value(layout: Layout, line: int, column: int, found: str, allowed: str) -> InputError:
    return InputError(
        f"line {line}, column {column + layout.leads + 1} of {layout.file} (sample {layout.samples[column]!r}) "
        f"holds {found}; it must hold {allowed}"
    )
