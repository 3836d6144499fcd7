"""Reading MAF files (GDC, cBioPortal, MC3) and plain tables of mutations, with columns found by their names."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from vaebench.data.files.opening import opened, text_lines
from vaebench.data.mutations.records import Variants, failed_filter, positions, records_frame, shown
from vaebench.errors import InputError

# the first that a file has is used; names in lower case without other signs than letters and digits
_COLUMNS = {
    "sample": (
        "tumorsamplebarcode", "tumorsampleid", "sample", "sampleid", "samplename", "samples", "samplebarcode", "tumor",
        "tumour", "tumorsample", "icgcsampleid", "icgcspecimenid", "icgcdonorid", "patient", "patientid",
    ),
    "chrom": ("chromosome", "chrom", "chr", "seqnames", "contig", "chromosomename"),
    "pos": ("startposition", "position", "pos", "posstart", "start", "chromosomestart", "startpos", "chromstart"),
    "ref": ("referenceallele", "ref", "reference", "referencegenomeallele", "refallele", "wt", "mutatedfromallele"),
    "alt": ("tumorseqallele2", "alt", "alternate", "alternative", "mutatedtoallele", "altallele", "mut", "variant"),
    "other": ("tumorseqallele1",),
    "filter": ("filter",),
    "context": ("context",),
    "build": ("ncbibuild", "build", "genome", "assemblyversion"),
    "status": ("mutationstatus",),
}  # fmt: skip
_NEEDED = ("sample", "chrom", "pos", "ref", "alt")
_NONE = frozenset(("-", "--", "."))


class _MutationColumns(NamedTuple):
    """Role -> name of the column, of those that the file has; and the number of lines above the records.

    ``quoted``: names of columns stand in quotes, as R writes them; so do texts.
    """

    names: dict[str, str]
    all: list[str]
    delimiter: str
    lines: int
    quoted: bool


def read_table_of_mutations(file: Path, ignore_filter: bool) -> Variants:
    """Reads a MAF or a plain table; see :func:`vaebench.data.mutations.variants.read_variants`.

    The allele is ``Tumor_Seq_Allele2``, or ``Tumor_Seq_Allele1`` where the second is the reference. ``-`` is an empty
    allele; the position of an insertion is that of the base before it.

    Raises:
        InputError: a column is missing, or a position is not a number.
    """
    columns = _columns(file)
    table = _rows(file, columns)
    lines = table.index.to_numpy() + columns.lines + 1
    texts = {role: table[name].str.strip() for role, name in columns.names.items()}
    ref = _allele(texts["ref"])
    alt = _allele(texts["alt"])
    if "other" in texts:
        other = _allele(texts["other"])
        alt = np.where((alt == ref) & (other != "") | (texts["alt"] == "").to_numpy(), other, alt)
    reason = np.full(len(table), "", object)
    if "status" in texts:
        reason[texts["status"].str.lower().isin(("germline", "loh", "wildtype")).to_numpy()] = "not somatic"
    if "filter" in texts and not ignore_filter:
        reason[failed_filter(texts["filter"])] = "FILTER is not PASS"
    sample = texts["sample"].to_numpy(object)
    if len(table) and (sample == "").all():
        raise InputError(f"{file} has no sample name in {columns.names['sample']!r}; every row must name its tumour")
    reason[sample == ""] = "no sample name"
    context = texts["context"].str.upper().to_numpy(object) if "context" in texts else ""
    found = {
        "sample": sample,
        "chrom": texts["chrom"].to_numpy(object),
        "pos": positions(texts["pos"], file, lines, columns.names["pos"]),
        "ref": ref,
        "alt": alt,
        "context": context,
        "file": str(file),
        "line": lines,
        "reason": reason,
    }
    builds = [name for name in texts["build"].unique() if name not in ("", ".")] if "build" in texts else []
    samples = [name for name in pd.unique(pd.Series(sample, dtype=object)) if name]
    return Variants(records_frame(found, len(table)), samples, builds, [])


def has_columns_of_mutations(file: Path) -> bool:
    """Returns true for a table with columns for chromosome, position and both alleles."""
    return {"chrom", "pos", "ref", "alt"} <= set(_header(file).names)


def _header(file: Path) -> _MutationColumns:
    """Finds the header, below lines that begin with ``#``, and those of the columns that the file has."""
    line, above = "", 0
    lines = text_lines(file)
    for line in lines:
        above += 1
        if not line.startswith("#") or line.lower().startswith(("#chr", "#sample", "#hugo")):
            break
    line = line.lstrip("#")
    delimiter = next((mark for mark in "\t,; " if mark in line), "\t")
    names = [name.strip() for name in _fields(line, delimiter)]
    below = next(lines, "")
    first = _fields(below, delimiter) if '"' in line or delimiter != "\t" else below.split("\t")
    if len(first) == len(names) + 1 and first[-1].strip():
        names.insert(0, "")  # R's names of rows, above which R writes nothing
    plain = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in names]
    found = {}
    for role, known in _COLUMNS.items():
        place = next((plain.index(name) for name in known if name in plain), None)
        if place is not None:
            found[role] = names[place]
    return _MutationColumns(found, names, delimiter, above, '"' in line)


def _fields(line: str, delimiter: str) -> list[str]:
    """Fields of a line; several spaces are one mark between them."""
    return next(csv.reader([line], delimiter=delimiter, skipinitialspace=delimiter == " "), [])


def _columns(file: Path) -> _MutationColumns:
    """Finds the columns; ``InputError`` names those that are missing."""
    header = _header(file)
    found, names = header.names, header.all
    if len(set(names)) < len(names):
        doubled = next(name for name in names if names.count(name) > 1)
        if doubled in found.values():
            raise InputError(f"{file} has the column {shown(doubled)} more than once; columns must be unique")
    missing = [role for role in _NEEDED if role not in found]
    if len(missing) == len(_NEEDED):
        raise InputError(
            f"{file} is not a list of mutations: its columns are {shown(', '.join(names))}; a VCF, a MAF or a table with "
            "sample, chrom, pos, ref and alt is needed"
        )
    if missing == ["sample"]:
        raise InputError(f"{file} has no column of samples; add Tumor_Sample_Barcode to a MAF, or 'sample' to a table")
    if missing:
        usual = ", ".join(f"{role} ({_COLUMNS[role][0]})" for role in missing)
        raise InputError(f"{file} has no column {usual}; its columns are {shown(', '.join(names))}")
    return header


def _rows(file: Path, columns: _MutationColumns) -> pd.DataFrame:
    """The columns that are needed as text, indexed by their place below the header."""
    kept = list(dict.fromkeys(columns.names.values()))
    places = [columns.all.index(name) for name in kept]
    with opened(file, variants=True) as stream:
        for _ in range(columns.lines):
            stream.readline()
        try:
            table = pd.read_csv(
                stream, sep=r"\s+" if columns.delimiter == " " else columns.delimiter, header=None,
                names=range(len(columns.all)), usecols=places, dtype=str, keep_default_na=False,
                quoting=3 if columns.delimiter == "\t" and not columns.quoted else 0, skip_blank_lines=False,
                index_col=False, encoding_errors="replace",
            )  # fmt: skip
        except pd.errors.EmptyDataError:
            table = pd.DataFrame(columns=places, dtype=str)
        except ValueError as error:
            raise InputError(f"{file} has lines that do not fit its header ({str(error).strip()})") from None
    table = table[places].set_axis(kept, axis="columns")
    table = table.fillna("")
    return table[(table != "").any(axis=1)]


def _allele(texts: pd.Series) -> np.ndarray:
    """Alleles in capitals; an empty one for ``-``."""
    codes, values = pd.factorize(texts)
    clean = np.array(["" if value in _NONE else value.upper() for value in values], object)
    return clean[codes] if len(values) else np.array([], object)
