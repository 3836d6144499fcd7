"""Joining a matrix of genes x samples with a table about the samples, by sample name or TCGA barcode.

1. :func:`study_dataset` digests the files and returns the data set from the cache if it is there.
2. :func:`annotated` reads the table and finds the line of each sample in it (:func:`matched_rows`).
3. Samples without a line, without a label, or refused by ``where`` are dropped before the matrix is read.
4. Factors that are not columns of the table are added: sums of genes, signature shares, categories as 0 and 1.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vaebench.data.cache import cache_folder, cached, file_record
from vaebench.data.columns import Roles, assembled, numbers, role_columns, selected, survival_from
from vaebench.data.dataset import Treatment
from vaebench.data.files.matrix import Layout, Matrix, matrix_from_file, matrix_layout, row_names
from vaebench.data.files.table import DUPLICATES, Table, restricted, table_from_file
from vaebench.errors import InputError, check_choice
from vaebench.types import Dataset

GENE_NAMES = ("identifier", "symbol")
"""The two columns of gene names in a ``.gct``, in the order of the file."""

_TCGA = re.compile(r"^TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}(-\d{2}[A-Z]?(-.*)?)?$")
_PATIENT, _SAMPLE = 12, 15  # characters of a barcode that name the patient, and the sample
_NORMAL = 10  # sample types below are tumours, from here on normal tissue and controls


@dataclasses.dataclass(frozen=True)
class Study:
    """A matrix, its annotation, the meaning of their columns and the treatment of the values.

    Every field is part of the cache key.

    Attributes:
        name: name of the data set.
        expression: file of genes x samples.
        annotation: file with one line per sample; ``None`` when only the names of the samples are known.
        roles: meaning of the columns of the annotation.
        treatment: transform, selection and scaling of the values.
        duplicates: for repeated genes: ``"refuse"``, ``"apart"`` or ``"sum"``.
        sample: column of the annotation with the sample names; ``None`` for its first.
        logged: values are log2(x + 1), so repeated genes are summed as x.
        names_from: which of the columns before the samples names the genes.
        shares: file with factors of each sample, such as signature shares, each from 0 to 1.
        genes: factor -> genes whose expression is summed to make it.
        names: column -> name of its covariate or factor in the data set, where that differs.
        numbered: categorical column -> name of a factor, and the category that is 1 in it.
    """

    name: str
    expression: Path
    annotation: Path | None
    roles: Roles
    treatment: Treatment
    duplicates: str
    sample: str | None = None
    logged: bool = False
    names_from: int = 0
    shares: Path | None = None
    genes: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    numbered: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)


def study_dataset(
    study: Study, cache: bool | str | Path, verify: Callable[[dict[str, Any]], None] = lambda record: None
) -> Dataset:
    """Builds the data set of a study, or reads it from the cache.

    Args:
        study: the files and their meaning.
        cache: a folder, ``True`` for the user's cache folder, ``False`` for none.
        verify: called with the record (name, bytes, sha256) of each file before the files are parsed; may raise.
    """
    check_choice("duplicates", study.duplicates, DUPLICATES)
    folder = cache_folder(cache)
    paths = [path for path in (study.expression, study.annotation, study.shares) if path is not None]
    records = [file_record(path, folder) for path in paths]
    for record in records:
        verify(record)
    options = {
        field.name: getattr(study, field.name)
        for field in dataclasses.fields(study)
        if field.name not in ("name", "expression", "annotation", "shares", "roles", "treatment")
    } | {"study": study.name}
    # through JSON, so that tuples are lists both in a new data set and in one from the cache
    kept = options | dataclasses.asdict(study.roles) | dataclasses.asdict(study.treatment)
    inputs = {"files": records, "options": json.loads(json.dumps(kept))}
    return cached(folder, inputs, lambda: _built(study, records, json.loads(json.dumps(options))))


def _built(study: Study, records: list[dict[str, Any]], options: dict[str, Any]) -> Dataset:
    layout = matrix_layout(study.expression)
    if study.names_from >= layout.leads:
        raise InputError(f"{study.expression} has one column of gene names; genes='symbol' needs a .gct file, with two")
    table, joined, counts = annotated(layout, study.annotation, study.sample)
    role_columns(table, study.roles)
    table, kept, dropped = selected(table, study.roles)
    columns = joined[kept]
    names = np.array(layout.samples)[columns]
    survival_from(table, study.roles, names)  # to report its errors before the matrix is read, which takes long
    matrix = matrix_from_file(
        layout, columns, duplicates=study.duplicates, names_from=study.names_from, logged=study.logged
    )
    factors = _numbered(table, study.numbered)
    for factor, genes in study.genes.items():
        factors[factor], counts[f"{factor}_genes_not_found"] = _score(matrix, factor, genes, study.expression)
    if study.shares is not None:
        shares = _shares(study.shares, names)
        counts["samples_without_shares"] = int(np.isnan(next(iter(shares.values()))).sum())
        factors |= shares
    provenance = {
        "source": layout.file.name,
        "files": records,
        "options": options,
        "counts": {**counts, **dropped, "features_with_a_repeated_name": matrix.repeated},
        "notes": [*table.notes, *matrix.notes],
    }
    return assembled(
        table,
        study.roles,
        study.treatment,
        matrix.values.T,
        matrix.features,
        names,
        study.name,
        provenance,
        names=study.names,
        more_factors=factors,
    )


def annotated(layout: Layout, annotation: Path | None, sample: str | None) -> tuple[Table, np.ndarray, dict[str, int]]:
    """Joins the samples of a matrix with the lines of an annotation.

    An annotation without a column ``sample_type`` gets one from the TCGA barcodes of the matrix. Without an annotation, the
    table holds the names of all samples.

    Args:
        layout: the matrix.
        annotation: the table about the samples.
        sample: its column with the sample names; ``None`` for the first.

    Returns:
        The lines of the annotation, one for each sample of the matrix that has one; the positions of these samples in the
        matrix; and the counts of the join.

    Raises:
        InputError: the annotation lacks the column or a name in it, or matches no sample.
    """
    lines = np.arange(len(layout.samples)) + layout.leads + 1
    everyone = np.arange(len(layout.samples))
    if annotation is None:
        names = np.array(layout.samples, dtype=object)
        columns = {"": names, "sample_type": sample_types(layout.samples), **layout.about}
        return Table(layout.file.name, columns, "", names, "columns", lines, {}, {}), everyone, {}
    table = table_from_file(annotation)
    column = table.first if sample is None else sample
    if column not in table.columns:
        raise InputError(
            f"{annotation} has no column {column!r} with sample names (--annotation-sample-column); its columns begin "
            f"{', '.join(list(table.columns)[:5])}"
        )
    known = _names_in(table, column)
    rows, counts = matched_rows(layout.samples, known, table.source)
    if (rows < 0).all():
        raise no_match(layout.file.name, layout.samples, row_names(layout, 100), known, table.source)
    joined = everyone[rows >= 0]
    counts |= {"samples_in_expression": len(rows), "samples_dropped_without_annotation": len(rows) - joined.size}
    given = "sample_type" in table.columns
    table = restricted(table, rows[joined])
    if not given:
        table.columns["sample_type"] = sample_types([layout.samples[i] for i in joined])
    return table, joined, counts


def matched_rows(wanted: Sequence[str], known: Sequence[str], source: str) -> tuple[np.ndarray, dict[str, int]]:
    """Matches sample names, with the rules of TCGA barcodes.

    Dots count as hyphens, since R replaces hyphens by dots, and TCGA barcodes match in either case. The first rule that
    finds a match is used:

    1. the whole name;
    2. TCGA sample: the first 15 characters (``TCGA-02-0001-01``), so that aliquots and vials match their sample;
    3. TCGA patient: a known barcode of 12 characters matches all samples of that patient;
    4. TCGA patient: a wanted barcode of 12 characters matches the patient's tumour sample of the lowest type (01 before
       06).

    Args:
        wanted: N names to look up.
        known: names to find them in.
        source: name of the table with the known names, for the message.

    Returns:
        Positions in ``known`` [N], -1 where none matches, and the number of matches by each rule.

    Raises:
        InputError: a known name occurs twice.
    """
    whole: dict[str, int] = {}
    for position, name in enumerate(known):
        if whole.setdefault(_cleaned(name), position) != position:
            raise InputError(
                f"duplicate sample name {name!r} in {source} (samples {whole[_cleaned(name)] + 1} and {position + 1}); "
                "each sample must have one line"
            )
    by_sample: dict[str, int] = {}
    by_patient: dict[str, int] = {}
    for name in sorted(whole):  # sorted, so that setdefault keeps the lowest sample type
        if _TCGA.match(name) and len(name) >= _SAMPLE:
            by_sample.setdefault(name[:_SAMPLE], whole[name])
            if int(name[_SAMPLE - 2 : _SAMPLE]) < _NORMAL:
                by_patient.setdefault(name[:_PATIENT], whole[name])
    rows = np.full(len(wanted), -1, dtype=np.int64)
    counts = {"samples_joined_by_name": 0, "samples_joined_by_sample": 0, "samples_joined_by_patient": 0}
    for position, given in enumerate(wanted):
        name = _cleaned(given)
        tcga = _TCGA.match(name) is not None
        rules = {"name": whole.get(name)}
        if tcga and len(name) >= _SAMPLE:
            rules |= {"sample": by_sample.get(name[:_SAMPLE]), "patient": whole.get(name[:_PATIENT])}
        elif tcga:
            rules |= {"patient": by_patient.get(name)}
        for rule, row in rules.items():
            if row is not None:
                rows[position] = row
                counts[f"samples_joined_by_{rule}"] += 1
                break
    return rows, counts


def sample_types(names: Sequence[str]) -> np.ndarray:
    """Returns the sample type of each TCGA barcode, its two digits (01 primary tumour, 11 normal); else ``None``."""
    cleaned = [_cleaned(name) for name in names]
    types = [n[_SAMPLE - 2 : _SAMPLE] if _TCGA.match(n) and len(n) >= _SAMPLE else None for n in cleaned]
    return np.array(types, dtype=object)


def _cleaned(name: str) -> str:
    """The name with hyphens for dots, and TCGA barcodes in capitals."""
    text = str(name).strip().replace(".", "-")
    return text.upper() if text[:5].upper() == "TCGA-" else text


def no_match(
    expression: str, samples: Sequence[str], rows: Sequence[str], known: Sequence[str], source: str
) -> InputError:
    """Returns the error for a matrix without any sample of the annotation ``source``.

    The message says so if the matrix is transposed.

    Args:
        expression: name of the matrix.
        samples: names of its columns.
        rows: names of its first rows.
        known: sample names in the annotation.
        source: name of the annotation.
    """
    if (matched_rows(rows, known, source)[0] >= 0).any():
        return InputError(
            f"no column of {expression} is a sample of {source}, but its rows are (such as {rows[0]!r}): the table has "
            f"samples in rows, and genes such as {samples[0]!r} in columns; genes must be in rows (transpose the table)"
        )
    return InputError(
        f"no column of {expression} (such as {samples[0]!r}) is a sample of {source} (such as {known[0]!r}); "
        "both files must use the same sample names"
    )


def _names_in(table: Table, column: str) -> list[str]:
    """Sample names in a column, none of them missing."""
    values = table.first_texts if column == table.first else table.columns[column]
    absent = [int(line) for line, value in zip(table.lines, values, strict=True) if value is None]
    if absent:
        raise InputError(
            f"line {absent[0]} of {table.source} has no sample name in column {column!r}; each must have one"
        )
    return [str(value) for value in values]


def _numbered(table: Table, numbered: Mapping[str, tuple[str, str]]) -> dict[str, np.ndarray]:
    """Factors [N] made from categories: 1 for the given category, 0 for any other, NaN where missing."""
    found = {}
    for column, (factor, one) in numbered.items():
        values = [np.nan if v is None else float(str(v).lower() == one) for v in table.columns[column].tolist()]
        found[factor] = np.array(values)
    return found


def _score(matrix: Matrix, factor: str, genes: Sequence[str], file: Path) -> tuple[np.ndarray, int]:
    """Sums the expression of some genes [N], with the gene's mean for missing values; also counts genes not found."""
    place = {name: position for position, name in enumerate(matrix.features)}
    rows = [place[gene] for gene in dict.fromkeys(genes) if gene in place]
    if not rows:
        raise InputError(
            f"none of the {len(genes)} genes listed for {factor!r} is in {file}; the first of them is {genes[0]!r}"
        )
    values = matrix.values[rows].astype(np.float64)
    absent = np.isnan(values)
    means = np.where(absent, 0, values).sum(axis=1) / np.maximum((~absent).sum(axis=1), 1)
    return np.where(absent, means[:, None], values).sum(axis=0), len(set(genes)) - len(rows)


def _shares(file: Path, names: np.ndarray) -> dict[str, np.ndarray]:
    """Reads a table of shares: column -> [N], NaN for samples that the table lacks."""
    table = table_from_file(file)
    known = _names_in(table, table.first)
    rows, _ = matched_rows(names.tolist(), known, table.source)
    if (rows < 0).all():
        raise no_match("the expression matrix", names.tolist(), [], known, table.source)
    found = {}
    for column in table.columns:
        if column != table.first:
            values = numbers(table, "shares", column, np.array(known))
            bad = np.flatnonzero((values < 0) | (values > 1))
            if bad.size:
                raise InputError(
                    f"line {table.lines[bad[0]]}, column {column!r} of {table.source} holds {values[bad[0]]:g}; "
                    "a share must be from 0 to 1"
                )
            found[column] = np.where(rows >= 0, values[rows], np.nan)
    return found
