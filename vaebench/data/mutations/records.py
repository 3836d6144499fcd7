"""Records of mutations: one alternative allele in one sample, in one form for all kinds of files.

Records that cannot be counted stay in the list with the reason, so that nothing is lost without a word.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from vaebench.errors import InputError

FIELDS = ("sample", "chrom", "pos", "ref", "alt", "context", "file", "line", "reason")
"""Columns of :attr:`Variants.records`."""


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


NO_NAME = re.compile(
    r"tumou?r|primary|sample|sample_?1|_*unknown_*|case|t|20|none|tumou?r_sample(_barcode)?", re.IGNORECASE
)
"""Names that callers give to the only tumour of a file, and that tell no sample from another."""


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
    return re.sub(r"(\.(vcf|maf|txt|tsv|csv))?(\.(b?gz|bz2|xz|zip))?$", "", file.name, flags=re.IGNORECASE) or file.name
