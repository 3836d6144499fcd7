"""Lists of mutations from VCF, MAF and plain tables, in one form.

A record is one alternative allele in one sample. Records that cannot be counted stay in the list with the reason, so that
nothing is lost without a word.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from vaebench.data.files.text import opened, refusing_broken
from vaebench.errors import InputError

FIELDS = ("sample", "chrom", "pos", "ref", "alt", "context", "file", "line", "reason")
"""Columns of :attr:`Variants.records`."""
ENDINGS = (".vcf", ".vcf.gz", ".vcf.bgz", ".maf", ".maf.gz", ".maf.txt", ".maf.tsv")
"""Names of files that are read from a folder."""
_NEEDED = "a VCF, a MAF or a table with sample, chrom, pos, ref and alt"
_KINDS = {b"BZh": "bzip2", b"PK\x03\x04": "zip", b"\xfd7zXZ": "xz", b"BCF": "BCF", b"CRAM": "CRAM", b"BAM\1": "BAM"}


class Variants(NamedTuple):
    """Records of mutations.

    Attributes:
        records: one row for each alternative allele and sample: ``sample``, ``chrom`` as written, ``pos`` (counted from 1;
            the base before an insertion whose ``ref`` is empty), ``ref`` and ``alt`` in capitals (``""`` for ``-``),
            ``context`` (the bases around a substitution, ``""`` unless the file has them), ``file``, ``line``, and
            ``reason`` (``""`` for records to count).
        samples: names of all samples in the order of the files, those without a record included.
        builds: reference genomes that the files name.
        notes: sentences on what was decided while reading.
    """

    records: pd.DataFrame
    samples: list[str]
    builds: list[str]
    notes: list[str]


def read_variants(paths: str | Path | Iterable[str | Path], *, ignore_filter: bool = False) -> Variants:
    """Reads mutations from VCF, MAF or plain tables, gzipped or not, told apart by their content.

    Args:
        paths: files, or folders whose ``.vcf``, ``.vcf.gz``, ``.vcf.bgz``, ``.maf`` and ``.maf.gz`` files are read.
        ignore_filter: also count records that their ``FILTER`` does not pass.

    Returns:
        The records; a VCF without sample columns, or with one called ``TUMOR`` or the like, gives a sample with the name
        of its file.

    Raises:
        InputError: a file is missing, damaged or none of these, or lacks a column.

    Example::

        variants = vb.data.mutations.read_variants("calls/")
    """
    from vaebench.data.mutations.maf import read_table_of_mutations
    from vaebench.data.mutations.vcf import read_vcf

    given = [paths] if isinstance(paths, str | Path) else list(paths)
    found: list[Variants] = []
    for file in [file for path in given for file in _files(Path(path))]:
        with refusing_broken(file, _NEEDED):
            _refuse_kind(file)
            first = next(text_lines(file), "")
            is_vcf = first.startswith(("##fileformat=VCF", "#CHROM", "##")) and not first.startswith("##maf")
            found.append((read_vcf if is_vcf else read_table_of_mutations)(file, ignore_filter))
    return _joined(found)


def is_list_of_mutations(path: str | Path) -> bool:
    """Returns true for a folder, for a VCF, and for a table whose columns are those of a list of mutations."""
    from vaebench.data.mutations.maf import has_columns_of_mutations

    file = Path(path)
    if file.is_dir():
        return True
    try:
        first = next(text_lines(file), "")
        return first.startswith(("##fileformat=VCF", "#CHROM")) or has_columns_of_mutations(file)
    except (OSError, EOFError, ValueError, zlib.error):
        return False  # the reader of tables says what is wrong


def _files(path: Path) -> list[Path]:
    """The file itself, or the files of a folder in the order of their names."""
    if not path.is_dir():
        return [path]
    seen = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    found = [file for file in seen if file.name.lower().endswith(ENDINGS)]
    if not found:
        held = f"it holds {len(seen)} other files such as {seen[0].name}" if seen else "it holds no file"
        inner = sum(1 for inner in path.iterdir() if inner.is_dir())
        deeper = f" and {inner} folders, which are not searched" if inner else ""
        raise InputError(f"{path} has no VCF or MAF file ({held}{deeper}); names must end in {', '.join(ENDINGS[:5])}")
    return found


def _refuse_kind(file: Path) -> None:
    """Raises ``InputError`` for binary files that are often taken for a VCF."""
    with opened(file) as stream:
        start = stream.read(4096)
    for mark, kind in _KINDS.items():
        if start.startswith(mark):
            advice = "convert it with `bcftools view`" if kind == "BCF" else "unpack or convert it to VCF first"
            raise InputError(f"{file} is a {kind} file, which is not read; {advice}")
    if b"\0" in start:
        raise InputError(f"{file} is not {_NEEDED} (it holds binary data)")
    if not start.strip():
        raise InputError(f"{file} is empty; {_NEEDED} is needed")


def _joined(parts: Sequence[Variants]) -> Variants:
    """All files as one list; a sample of several files is one sample."""
    homes: dict[str, int] = {}
    for part in parts:
        for name in dict.fromkeys(part.samples):
            homes[name] = homes.get(name, 0) + 1
    notes = [note for part in parts for note in part.notes]
    several = [name for name, files in homes.items() if files > 1]
    if several:
        notes.append(
            f"{len(several)} samples are in more than one file, such as {shown(several[0])}: their records are counted together"
        )
    if not homes:
        raise InputError("the files name no sample; a MAF or table needs at least one row")
    filled = [part.records for part in parts if len(part.records)] or [parts[0].records]
    records = pd.concat(filled, ignore_index=True)
    builds = list(dict.fromkeys(build for part in parts for build in part.builds))
    return Variants(records, list(homes), builds, notes)


def text_lines(file: Path) -> Iterator[str]:
    """Yields lines without their ends; comments of any encoding are no reason to refuse a file."""
    with opened(file) as stream:
        for raw in stream:
            yield raw.decode("utf-8", "replace").lstrip("\ufeff").rstrip("\r\n")


def records_frame(columns: dict[str, object], rows: int) -> pd.DataFrame:
    """Builds a frame of records from some of :data:`FIELDS`; the others are empty."""
    given = {name: columns.get(name, "") for name in FIELDS}
    return pd.DataFrame(given, index=pd.RangeIndex(rows))


def positions(texts: pd.Series, file: Path, lines: np.ndarray, column: str) -> np.ndarray:
    """Parses positions as int64; ``InputError`` names the line of one that is not a whole number above 0."""
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(np.float64)
    bad = np.flatnonzero(~((numbers >= 0) & (numbers % 1 == 0) & (numbers < 2**40)))
    if len(bad):
        raise InputError(
            f"line {lines[bad[0]]} of {file} has {shown(texts.iloc[bad[0]])} in {column}; it must be a whole number above 0"
        )
    return numbers.astype(np.int64)


def failed_filter(texts: pd.Series) -> np.ndarray:
    """True where a ``FILTER`` names something else than that the record passed."""
    codes, values = pd.factorize(texts)
    passes = np.array([value.strip().upper() in ("", ".", "PASS") for value in values], bool)
    return ~passes[codes]


def shown(value: object) -> str:
    """A value of a file in quotes, cut at 60 characters."""
    text = str(value)
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def sample_of(file: Path) -> str:
    """Name of the sample of a file without sample names: that of the file, without its ending."""
    return re.sub(r"(\.(vcf|maf|txt|tsv|csv))?(\.b?gz)?$", "", file.name, flags=re.IGNORECASE) or file.name
