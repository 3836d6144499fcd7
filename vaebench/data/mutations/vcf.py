"""Reading VCF files: one record for each alternative allele that a sample carries."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vaebench.data.files.opening import opened, text_lines
from vaebench.data.mutations.records import (
    NO_NAME,
    Variants,
    failed_filter,
    positions,
    records_frame,
    sample_of,
    shown,
)
from vaebench.errors import InputError

_FIXED = ["CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
_NORMAL = re.compile(r"(.*[-_.])?(normal|control|germline|blood|matched_normal)|TCGA-..-....-1[0-4].*", re.IGNORECASE)


_STATUS = re.compile(r"##(INFO|FORMAT)=<ID=SS,.*(somatic status|variant status).*germline.*", re.IGNORECASE)
_SOMATIC = ("2", "", ".")
"""Values of ``SS`` that do not say that a record is germline, loss of heterozygosity or nothing."""


class _Header(NamedTuple):
    """The header of a VCF: its columns, the number of lines above the records, and what the lines with ## tell.

    ``status`` is the column, ``INFO`` or ``FORMAT``, whose field ``SS`` tells somatic records from others (VarScan,
    SomaticSniper): such files list all of them as passed.
    """

    columns: list[str]
    lines: int
    tumours: tuple[str, ...]
    normals: tuple[str, ...]
    names: dict[str, str]
    build: str
    status: str


def read_vcf(file: Path, ignore_filter: bool) -> Variants:
    """Reads a VCF; see :func:`vaebench.data.mutations.variants.read_variants`.

    Which samples carry an allele is read from ``GT``. Columns of normal samples are left out. Where no genotype of the
    only tumour names an allele (Strelka, Pindel), it carries all records.

    Raises:
        InputError: the header or a record lacks a column, or several samples have no genotypes.
    """
    header = _header(file)
    table = _table(file, header)
    lines = table.index.to_numpy() + header.lines + 1
    notes: list[str] = []
    tumours = _tumours(file, header, notes)
    base: dict[str, Any] = {
        "chrom": table["CHROM"].to_numpy(),
        "pos": positions(table["POS"], file, lines, "POS"),
        "ref": table["REF"].str.upper().to_numpy(),
        "line": lines,
        "row": np.arange(len(table)),
        "reason": "",
    }
    base["reason"] = np.where(_not_somatic(table, header.status, list(tumours)), "not somatic", "").astype(object)
    if "FILTER" in table and not ignore_filter:
        base["reason"][failed_filter(table["FILTER"])] = "FILTER is not PASS"
    alleles = _alleles(pd.DataFrame(base, index=pd.RangeIndex(len(table))), table["ALT"])
    if not tumours:
        parts = [alleles.assign(sample=sample_of(file))]
        names = [sample_of(file)]
    else:
        names = list(tumours.values())
        parts = [part.assign(sample=tumours.get(c, "")) for c, part in _carried(file, table, alleles, tumours, notes)]
    # samples in the order of columns, lines within; an empty file gives its samples and no record
    found = pd.concat(parts, ignore_index=True) if parts else alleles.iloc[:0].assign(sample="")
    columns = {name: found[name].to_numpy() for name in ("sample", "chrom", "pos", "ref", "alt", "line", "reason")}
    return Variants(
        records_frame({**columns, "file": str(file)}, len(found)), names, [header.build] if header.build else [], notes
    )


def _header(file: Path) -> _Header:
    """Reads the lines up to ``#CHROM``."""
    found = {"build": "", "status": ""}
    names: dict[str, str] = {}
    stated: dict[str, list[str]] = {"tumour": [], "normal": []}
    for number, line in enumerate(text_lines(file), 1):
        if line.startswith("#CHROM"):
            columns = line[1:].split("\t")
            if len(columns) < 5:
                raise InputError(f"line {number} of {file} has its columns not separated by tabs; a VCF needs tabs")
            for name in ("POS", "REF", "ALT"):
                if name not in columns:
                    raise InputError(
                        f"line {number} of {file} has no column {name}; a VCF needs {', '.join(_FIXED[:5])}"
                    )
            return _Header(columns, number, tuple(stated["tumour"]), tuple(stated["normal"]), names, **found)
        if not line.startswith("#"):
            raise InputError(f"line {number} of {file} is a record before any line #CHROM; a VCF needs that line")
        if match := re.match(r"##(tumou?r|normal)_sample=(.+)", line):
            stated["normal" if match[1] == "normal" else "tumour"].append(match[2].strip())
        elif match := re.match(r"##SAMPLE=<.*\bID=([^,>]+).*\bSampleName=([^,>]+)", line):
            names[match[1]] = match[2].strip("\"' ")
        elif match := re.match(r"##(reference=|assembly=|contig=<.*\bassembly=)([^,>]+)", line):
            found["build"] = found["build"] or match[2].strip("\"' ")
        elif match := _STATUS.match(line):
            found["status"] = match[1].upper()
    raise InputError(f"{file} has no line #CHROM; a VCF needs one above its records")


def _table(file: Path, header: _Header) -> pd.DataFrame:
    """The records as text, indexed by their place below the header."""
    unused = {"ID", "QUAL", "INFO"} - {header.status}
    kept = [i for i, name in enumerate(header.columns) if i >= len(_FIXED) or name not in unused]
    names = [f"{i}" for i in range(len(header.columns))]  # names of samples may be repeated
    with opened(file, variants=True) as stream:
        for _ in range(header.lines):
            stream.readline()
        try:
            table = pd.read_csv(
                stream, sep="\t", header=None, names=names, usecols=kept, dtype=str, keep_default_na=False, quoting=3,
                skip_blank_lines=False, index_col=False, encoding_errors="replace",
            )  # fmt: skip
        except pd.errors.EmptyDataError:
            table = pd.DataFrame(columns=[names[i] for i in kept], dtype=str)
        except ValueError as error:
            if "Too many columns" in str(error):  # every record is short
                raise _short(file, header.lines + 1) from None
            raise InputError(f"{file} has records that do not fit its header ({str(error).strip()})") from None
    fixed = {f"{i}": name for i, name in enumerate(header.columns[:9])}
    table = table.rename(columns=fixed).fillna("")
    table = table[(table != "").any(axis=1)]
    # short lines are filled up with empty fields, which a VCF does not have
    filled = table[["ALT", *(f"{i}" for i in kept if i >= len(_FIXED))]]
    short = np.flatnonzero((filled == "").any(axis=1).to_numpy())
    if len(short):
        raise _short(file, int(table.index.to_numpy()[short[0]]) + header.lines + 1)
    return table


def _not_somatic(table: pd.DataFrame, column: str, tumours: list[str]) -> np.ndarray:
    """True where the field ``SS`` says that a record is not somatic: in INFO, or for every tumour."""
    somatic = np.zeros(len(table), bool)
    if column == "INFO" and "INFO" in table:
        values = table["INFO"].str.extract(r"(?:^|;)SS=([^;]*)", expand=False).fillna("")
        return ~values.isin(_SOMATIC).to_numpy(bool)
    if column != "FORMAT" or not tumours:
        return somatic
    codes, formats = pd.factorize(table["FORMAT"])
    places = np.array([text.split(":").index("SS") if "SS" in text.split(":") else -1 for text in formats])
    for tumour in tumours:
        for place in np.unique(places):
            rows = np.flatnonzero(places[codes] == place)
            values = table[tumour].iloc[rows].str.split(":").str[place].fillna("") if place >= 0 else None
            somatic[rows] |= True if values is None else values.isin(_SOMATIC).to_numpy(bool)
    return ~somatic


def _short(file: Path, line: int) -> InputError:
    return InputError(f"line {line} of {file} has fewer fields than the header; the file may be cut off")


def _tumours(file: Path, header: _Header, notes: list[str]) -> dict[str, str]:
    """Columns of the tumours -> names of their samples."""
    has_samples = header.columns[len(_FIXED) - 1 : len(_FIXED)] == ["FORMAT"]
    columns = {f"{i}": name for i, name in enumerate(header.columns) if i >= len(_FIXED) and has_samples}
    doubled = [name for name in columns.values() if list(columns.values()).count(name) > 1]
    if doubled:
        raise InputError(f"{file} has the sample {shown(doubled[0])} more than once; samples must be unique")
    normal = [
        c
        for c, name in columns.items()
        if name in header.normals
        or (name not in header.tumours and (_NORMAL.fullmatch(name) or _beside_tumour(name, set(columns.values()))))
    ]
    if normal and len(normal) < len(columns):
        left = ", ".join(shown(columns[c]) for c in normal)
        which = f"sample {left} was" if len(normal) == 1 else f"samples {left} were"
        notes.append(f"{file.name}: the normal {which} left out")
        columns = {c: name for c, name in columns.items() if c not in normal}
    columns = {c: header.names.get(name, name) for c, name in columns.items()}
    if len(columns) == 1:
        ((column, name),) = columns.items()
        if not name or NO_NAME.fullmatch(name):
            return {column: header.tumours[0] if len(set(header.tumours)) == 1 else sample_of(file)}
    return columns


def _beside_tumour(name: str, names: set[str]) -> bool:
    """Returns true for ``P1-N`` beside ``P1-T``, and the like."""
    return name[-1:] in ("N", "n") and len(name) > 1 and name[:-1] + {"N": "T", "n": "t"}[name[-1]] in names


def _alleles(records: pd.DataFrame, alts: pd.Series) -> pd.DataFrame:
    """One row for each alternative allele, with its number in ``allele``; symbolic alleles get their reason."""
    found = records.assign(alt=alts.to_numpy(), allele=1)
    several = found["alt"].str.contains(",", regex=False).to_numpy(bool)
    if several.any():
        split = found[several].assign(alt=found.loc[several, "alt"].str.split(",")).explode("alt")
        split["allele"] = split.groupby("row").cumcount().to_numpy() + 1
        found = pd.concat([found[~several], split]).sort_values(["row", "allele"], ignore_index=True)
    found["alt"] = found["alt"].str.strip().str.upper()
    return found


def _carried(
    file: Path, table: pd.DataFrame, alleles: pd.DataFrame, tumours: dict[str, str], notes: list[str]
) -> list[tuple[str, pd.DataFrame]]:
    """The alleles of each sample, by its genotypes."""
    genotyped = table["FORMAT"].str.fullmatch(r"GT(:.*)?").to_numpy(bool)
    rows, allele = alleles["row"].to_numpy(), alleles["allele"].to_numpy()
    found, any_allele, carried = [], False, np.zeros(len(alleles), bool)
    for column in tumours:
        codes, texts = pd.factorize(table[column].str.split(":", n=1).str[0])
        sets = [frozenset(re.split(r"[/|]", text)) for text in texts]
        called = np.array([bool(alt - {"0", ".", ""}) for alt in sets], bool)
        most = int(allele.max(initial=1))
        carries = np.array([[str(a) in alt for a in range(most + 1)] for alt in sets], bool).reshape(-1, most + 1)
        any_allele |= bool((called[codes] & genotyped).any())
        here = carries[codes[rows], allele] & genotyped[rows]
        carried |= here
        found.append((column, alleles[here]))
    if any_allele or not len(table):
        lost = alleles[~carried]
        reason = np.where(lost["reason"] == "", "no genotype with the allele", lost["reason"])
        return [*found, ("", lost.assign(reason=reason))]
    if len(tumours) > 1:
        raise InputError(
            f"{file} has {len(tumours)} samples and no genotype (GT) that names an allele; give one VCF for each tumour"
        )
    notes.append(f"{file.name}: no genotype names an allele, so that {shown(*tumours.values())} carries all records")
    return [(column, alleles) for column in tumours]
