"""Joining the samples of a matrix with the lines of a table about them, by name or by barcode."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vaebench.data.barcodes import barcode, cleaned, sample_types
from vaebench.data.columns import without_index
from vaebench.data.files.matrix import Layout, row_names
from vaebench.data.files.table import Table, restricted, table_from_file
from vaebench.data.wording import beginning
from vaebench.errors import InputError, nearest


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
    table, column = annotation_table(annotation, sample)
    known, rows, counts = joined_lines(layout.samples, table, column, fixed=sample is not None)
    if (rows < 0).all():
        raise no_match(layout.file.name, layout.samples, row_names(layout, 100), known, table.source)
    joined = everyone[rows >= 0]
    counts |= {"samples_in_expression": len(rows), "samples_dropped_without_annotation": len(rows) - joined.size}
    given = "sample_type" in table.columns
    table = restricted(table, rows[joined])
    if not given:
        table.columns["sample_type"] = sample_types([layout.samples[i] for i in joined])
    return table, joined, counts


def annotation_table(annotation: Path, sample: str | None) -> tuple[Table, str]:
    """Reads a table about samples.

    Args:
        annotation: the file.
        sample: its column with the sample names; ``None`` for the first.

    Returns:
        The table, and the name of that column.

    Raises:
        InputError: the file cannot be read, or has no such column.
    """
    table = without_index(table_from_file(annotation))
    column = table.first if sample is None else sample
    if column not in table.columns:
        names = [name for name in table.columns if name]
        near = nearest(column, names)
        hint = f"did you mean {near!r}?" if near else f"its columns begin {beginning(names)}"
        raise InputError(
            f"{annotation} has no column {column!r} with sample names (--annotation-sample-column); {hint}"
        )
    return table, column


def join_notes(counts: dict[str, int], source: str) -> list[str]:
    """Returns a note on samples without a line in the annotation ``source``, from the counts of :func:`annotated`."""
    left_out, read = counts.get("samples_dropped_without_annotation", 0), counts.get("samples_in_expression", 0)
    return [f"{left_out} of {read} samples have no line in {source} and are left out"] if left_out else []


def joined_lines(
    samples: Sequence[str], table: Table, column: str, *, fixed: bool = False
) -> tuple[list[str], np.ndarray, dict[str, int]]:
    """Finds the line of each sample in a table.

    When no sample is found in ``column``, the column in which most are found is used, as in tables whose first column is a
    number or a UUID, and the barcode comes later.

    Args:
        samples: N names.
        table: the table.
        column: its column with the sample names.
        fixed: use this column only.

    Returns:
        The names in the column that is used; the line of each sample [N], -1 without one; and the counts of the join.
    """
    known = names_in(table, column)
    rows, counts = matched_rows(samples, known, table.source)
    if (rows >= 0).any() or fixed:
        return known, rows, counts
    best = known, rows, counts
    for values in table.columns.values():
        names = [str(value) for value in values if value is not None]
        if values.dtype.kind == "O" and len({cleaned(name) for name in names}) == len(values):
            found, numbers = matched_rows(samples, names, table.source)
            if (found >= 0).sum() > (best[1] >= 0).sum():
                best = names, found, numbers
    return best


def matched_rows(wanted: Sequence[str], known: Sequence[str], source: str) -> tuple[np.ndarray, dict[str, int]]:
    """Matches sample names, with the rules of TCGA, TARGET and GTEx barcodes.

    Dots count as hyphens, since R replaces hyphens by dots, and barcodes match in either case. The first rule that finds a
    match is used:

    1. the whole name;
    2. sample: the barcode up to the sample type (``TCGA-02-0001-01``), so that aliquots and vials match their sample;
    3. patient: a known patient (``TCGA-02-0001``) matches all samples of that patient;
    4. patient: a wanted patient matches the patient's tumour sample of the lowest type (01 before 06).

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
        if whole.setdefault(cleaned(name), position) != position:
            raise InputError(
                f"duplicate sample name {name!r} in {source} (samples {whole[cleaned(name)] + 1} and {position + 1}); "
                "each sample must have one line"
            )
    by_sample: dict[str, int] = {}
    by_patient: dict[str, int] = {}
    for name in sorted(whole):  # sorted, so that setdefault keeps the lowest sample type
        parts = barcode(name)
        if parts and parts.sample:
            by_sample.setdefault(parts.sample, whole[name])
            if not parts.normal:
                by_patient.setdefault(parts.patient, whole[name])
    rows = np.full(len(wanted), -1, dtype=np.int64)
    counts = {"samples_joined_by_name": 0, "samples_joined_by_sample": 0, "samples_joined_by_patient": 0}
    for position, given in enumerate(wanted):
        name, parts = cleaned(given), barcode(given)
        rules = {"name": whole.get(name)}
        if parts and name == parts.patient:
            rules |= {"patient": by_patient.get(name)}
        elif parts:
            rules |= {"sample": by_sample.get(parts.sample), "patient": whole.get(parts.patient)}
        for rule, row in rules.items():
            if row is not None:
                rows[position] = row
                counts[f"samples_joined_by_{rule}"] += 1
                break
    return rows, counts


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


def names_in(table: Table, column: str) -> list[str]:
    """Sample names in a column, none of them missing."""
    values = table.first_texts if column == table.first else table.columns[column]
    absent = [int(line) for line, value in zip(table.lines, values, strict=True) if value is None]
    if absent:
        raise InputError(
            f"line {absent[0]} of {table.source} has no sample name in column {column!r}; each must have one"
        )
    return [str(value) for value in values]
