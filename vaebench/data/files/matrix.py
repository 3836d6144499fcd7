"""Large matrices of genes in rows by samples in columns, read in blocks of genes: tab or comma separated, or ``.gct``."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from vaebench.data.files.table import unique_names
from vaebench.data.files.text import ABSENT, as_number, delimiter_of, field_count, opened, refusing_broken
from vaebench.errors import InputError

NEEDED = "a table with genes in rows and samples in columns"
_CHUNK = 1 << 24  # bytes of text parsed at once
_MARK = b"\xef\xbb\xbf"


class Layout(NamedTuple):
    """What the first lines of a matrix file say.

    Attributes:
        file: the file.
        samples: names of the N sample columns.
        leads: columns before the samples: 1, or 2 in a ``.gct`` (identifier and symbol).
        delimiter: tab or comma.
        line: line of the header.
        declared: genes and samples as a ``.gct`` declares them.
    """

    file: Path
    samples: list[str]
    leads: int
    delimiter: str
    line: int
    declared: tuple[int, int] | None


class Matrix(NamedTuple):
    """``values`` [D, N] in float32 (NaN where missing), the names of its D features, and how many names came twice."""

    values: np.ndarray
    features: list[str]
    repeated: int


def matrix_layout(path: str | Path) -> Layout:
    """The layout of a file of genes x samples; ``InputError`` where it is no such file, or repeats a sample."""
    file = Path(path)
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
    """Names of the first rows, at most ``count``."""
    names = []
    with refusing_broken(layout.file, NEEDED), opened(layout.file) as stream:
        for number, line in enumerate(stream, start=1):
            if number > layout.line:
                names.append(line.decode("utf-8").split(layout.delimiter, 1)[0].strip().strip('"'))
            if len(names) == count:
                break
    return names


def matrix_blocks(layout: Layout, names_from: int = 0) -> Iterator[tuple[list[str], np.ndarray]]:
    """Blocks of the file: names of its next genes, and their values [genes, N] in float32, NaN where missing.

    ``InputError`` names line and column of a value that is no number or infinite, or a line of another length.
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
        raise InputError(f"{file} has a header but no further line; at least one gene is needed")
    if layout.declared is not None and layout.declared[0] != genes:
        raise InputError(f"{file} declares {layout.declared[0]} genes in line 2 and holds {genes}; is it cut off?")


def _parts(stream: IO[bytes]) -> Iterator[bytes]:
    """The rest of the stream in parts of whole lines."""
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
    """The names at the start of a line, and its values as they stand, separated as in the file."""
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
    width = len(layout.samples)
    # One value a line is a table of one column, which is parsed far quicker than one of as many columns as samples.
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
    """One float32 a line, NaN where missing; ``None`` where any is no number."""
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
    """The values of a line one by one, to name the first that is no number."""
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


def matrix_from_file(
    layout: Layout, columns: np.ndarray, *, duplicates: str = "apart", names_from: int = 0, logged: bool = False
) -> Matrix:
    """The samples at positions ``columns`` [N], all genes, with little more memory than the result takes.

    A gene that comes twice is refused, kept apart, or summed; sums are of x where values are log2(x + 1) (``logged``).
    ``names_from`` is which of the columns before the samples names the genes.
    """
    width = len(columns)
    whole = width == len(layout.samples) and bool((columns == np.arange(width)).all())
    flat, used = np.empty(0, dtype=np.float32), 0
    names: list[str] = []
    for found, block in matrix_blocks(layout, names_from):
        names += found
        needed = len(names) * width
        if needed > flat.size:
            # grows by moving pages, not by copying; no view of it lives yet
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
    """Rows of one name added up in place, in the order of their first row."""
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
