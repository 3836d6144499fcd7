"""Joining the samples of a matrix with the lines of a table about them, by name or by barcode."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vaebench.data.barcodes import barcode, cleaned, sample_types, samples_across
from vaebench.data.columns import Roles, named_columns
from vaebench.data.features import is_clinical
from vaebench.data.files.genes import short_samples
from vaebench.data.files.matrix import Layout, row_names
from vaebench.data.files.table import Table, present, restricted, table_from_file, texts
from vaebench.data.sample_columns import without_index
from vaebench.data.unmatched import no_match
from vaebench.data.wording import beginning, quoted
from vaebench.errors import InputError, nearest


def annotated(
    layout: Layout, annotation: Path | None, sample: str | None, roles: Roles
) -> tuple[Table, np.ndarray, dict[str, int]]:
    """Joins the samples of a matrix with the lines of an annotation.

    An annotation without a column ``sample_type`` gets one from the TCGA barcodes of the matrix. Without an annotation, the
    table holds the names of all samples.

    Args:
        layout: the matrix.
        annotation: the table about the samples.
        sample: its column with the sample names; ``None`` for the first.
        roles: the columns in which lines of the same sample must agree.

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
    used = named_columns(table.columns, roles)
    known, rows, counts, notes = joined_lines(layout.samples, table, column, fixed=sample is not None, used=used)
    if (rows < 0).all():
        first, down = row_names(layout, 1), _rows_in(layout, table, column, fixed=sample is not None)
        raise no_match(layout.file.name, layout.samples, down, known, table.source, first)
    joined = everyone[rows >= 0]
    counts |= {"samples_in_expression": len(rows), "samples_dropped_without_annotation": len(rows) - joined.size}
    given = "sample_type" in table.columns
    table = restricted(table, rows[joined])._replace(notes=(*table.notes, *notes))
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
    if sample is None and samples_across(list(table.columns)):
        table = table_from_file(annotation, "columns", "apart")
        table = table._replace(notes=(*table.notes, f"{table.source}: samples were found in its columns"))
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


def _rows_in(layout: Layout, table: Table, column: str, *, fixed: bool) -> list[str]:
    """Returns the rows of a matrix that are samples of a table, by the names in one of its first two columns."""
    for lead in (0, 1):
        names = row_names(layout, 100, lead)
        found = joined_lines(names, table, column, fixed=fixed).rows >= 0 if names else np.zeros(0, bool)
        if found.any():
            return [name for name, there in zip(names, found, strict=True) if there]
    return []


def _shown(value: np.ndarray) -> str:
    return quoted(texts(value)[0]) if present(value)[0] else "nothing"


def joined_table(
    table: Table, annotation: Path, sample: str | None, roles: Roles
) -> tuple[Table, set[str], dict[str, int]]:
    """Joins the samples of a table, in its rows, with the lines of an annotation.

    Where both have a column, the annotation's is used if an option names it, or if it is no feature of the table.

    Args:
        table: one row per sample, its first column the sample names.
        annotation: the table about the samples.
        sample: its column with the sample names; ``None`` for the first.
        roles: the columns in which lines of the same sample must agree.

    Returns:
        The samples that have a line, the names of the columns that came with these, and the counts of the join.

    Raises:
        InputError: the annotation cannot be read, or matches no sample.
    """
    about, column = annotation_table(annotation, sample)
    names = [str(name) for name in table.first_texts]
    used = named_columns(about.columns, roles)
    known, rows, counts, notes = joined_lines(names, about, column, fixed=sample is not None, used=used)
    if (rows < 0).all():
        raise no_match(table.source, names, [], known, about.source)
    joined = np.flatnonzero(rows >= 0)
    features = {name for name, held in table.columns.items() if held.dtype.kind == "f" and not is_clinical(name)}
    shared = [name for name in about.columns if name in features and name not in (*used, *roles.ignore)]
    added = {
        name: values
        for name, values in restricted(about, rows[joined]).columns.items()
        if name not in (column, table.first, *shared)
    }
    left = restricted(table, joined)
    values = None if left.values is None or set(added) & set(left.values.place) else left.values
    notes = (*left.notes, *about.notes, *notes, *_shared_notes(shared, table.source, about.source))
    sources = dict.fromkeys(added, about.source)
    left = left._replace(columns=left.columns | added, notes=notes, values=values, sources=sources)
    counts |= {"samples_in_expression": len(rows), "samples_dropped_without_annotation": len(rows) - joined.size}
    return left, set(added), counts


def _shared_notes(shared: Sequence[str], table: str, about: str) -> list[str]:
    if not shared:
        return []
    subject = (
        f"{len(shared)} columns of numbers ({beginning(shared)}) are" if len(shared) > 1 else f"{quoted(shared[0])} is"
    )
    return [f"{subject} in both {table} and {about}: features are those of {table}"]


class Joined(NamedTuple):
    """Result of looking samples up in a table.

    Attributes:
        known: names in the column that was used, one a line.
        rows: [N] line of each sample, -1 without one.
        counts: of the join.
        notes: a sentence on a column that was not asked for, and on lines that repeat a sample.
    """

    known: list[str]
    rows: np.ndarray
    counts: dict[str, int]
    notes: tuple[str, ...] = ()


def joined_lines(
    samples: Sequence[str], table: Table, column: str, *, fixed: bool = False, used: Collection[str] = ()
) -> Joined:
    """Finds the line of each sample in a table.

    When no sample is found in ``column``, or it names several lines alike, the column in which most are found is used, as in
    tables whose first column is a number, a UUID or a patient, and the sample comes later. Of several lines with the same name,
    such as GDC writes one for each treatment, the first is used.

    Args:
        samples: N names.
        table: the table.
        column: its column with the sample names.
        fixed: use this column only.
        used: columns in which lines with the same name must agree.

    Raises:
        InputError: a line has no name, or lines with the same name differ in a column that is used.
    """
    known = short_samples(names_in(table, column))[0]
    best = Joined(known, *matched_rows(samples, known))
    chosen = column
    if not fixed and ((best.rows < 0).all() or not _different(known)):
        for other, values in table.columns.items():
            if other == column or values.dtype.kind != "O" or any(value is None for value in values):
                continue
            names = short_samples([str(value) for value in values])[0]
            found = Joined(names, *matched_rows(samples, names))
            if _rank(found) > _rank(best):
                best, chosen = found, other
    if (best.rows < 0).all():
        loose = _loosely(samples, best)
        best = best if loose is None else loose
    notes = _repeat_notes(table, chosen, best, set(used) - {chosen})
    if chosen != column:
        notes = (f"{table.source}: samples are found in column {quoted(chosen)}, not in the first", *notes)
    return best._replace(notes=(*best.notes, *notes))


def _different(names: Sequence[str]) -> bool:
    return len({cleaned(name) for name in names}) == len(names)


def _loosely(samples: Sequence[str], strict: Joined) -> Joined | None:
    """Finds samples whose names differ from those of the table in case and punctuation only, or by what R and pandas add."""
    wanted, known = ([_loose(name) for name in names] for names in (samples, strict.known))
    if len(set(wanted)) < len(wanted) or len(set(known)) < len({cleaned(name) for name in strict.known}):
        return None  # they would no longer be told apart
    rows, counts = matched_rows(wanted, known)
    if (rows < 0).all():
        return None
    first = int(np.flatnonzero(rows >= 0)[0])
    pair = f"{quoted(samples[first])} and {quoted(strict.known[rows[first]])}"
    note = f"sample names differ in case, punctuation or R's X and were joined all the same, such as {pair}"
    return Joined(strict.known, rows, counts, (note,))


def _loose(name: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "", re.sub(r"\.0$", "", name.strip().lower()))
    return re.sub(r"^x(?=\d)", "", plain)


def _rank(found: Joined) -> tuple[int, bool]:
    return int((found.rows >= 0).sum()), _different(found.known)


def _repeat_notes(table: Table, column: str, joined: Joined, used: Collection[str]) -> tuple[str, ...]:
    """Returns a note on lines that repeat a sample; raises ``InputError`` where they differ in a column that is used."""
    first, repeats = dict[str, int](), 0
    wanted = {cleaned(joined.known[row]) for row in joined.rows.tolist() if row >= 0}
    for line, name in enumerate(map(cleaned, joined.known)):
        one = first.setdefault(name, line)
        if one == line or name not in wanted:
            continue
        repeats += 1
        for other in (c for c in table.columns if c in used):
            held = [_shown(table.columns[other][[place]]) for place in (one, line)]
            if held[0] != held[1]:
                raise InputError(
                    f"{table.source} has {quoted(joined.known[line])} twice (samples {one + 1} and {line + 1}), and they differ "
                    f"in {quoted(other)} ({held[0]}, {held[1]}); keep one line a sample, or name the column that tells samples "
                    "apart (--annotation-sample-column)"
                )
    if not repeats:
        return ()
    agree = "agree in all columns that are used and " if used else ""
    return (f"{table.source}: {repeats} lines repeat a name of column {quoted(column)}; they {agree}count once",)


def matched_rows(wanted: Sequence[str], known: Sequence[str]) -> tuple[np.ndarray, dict[str, int]]:
    """Matches sample names, with the rules of TCGA, TARGET and GTEx barcodes.

    Dots count as hyphens, since R replaces hyphens by dots, and barcodes match in either case. The first rule that finds a
    match is used:

    1. the whole name;
    2. sample: the barcode up to the sample type (``TCGA-02-0001-01``), so that aliquots and vials match their sample;
    3. patient: a known patient (``TCGA-02-0001``) matches all samples of that patient;
    4. patient: a wanted patient matches the patient's tumour sample of the lowest type (01 before 06).

    Args:
        wanted: N names to look up.
        known: names to find them in; of equal ones the first is found.

    Returns:
        Positions in ``known`` [N], -1 where none matches, and the number of matches by each rule.
    """
    whole: dict[str, int] = {}
    for position, name in enumerate(known):
        whole.setdefault(cleaned(name), position)
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


def names_in(table: Table, column: str) -> list[str]:
    """Sample names in a column, none of them missing."""
    values = table.first_texts if column == table.first else table.columns[column]
    absent = [int(line) for line, value in zip(table.lines, values, strict=True) if value is None]
    if absent:
        raise InputError(
            f"line {absent[0]} of {table.source} has no sample name in column {column!r}; each must have one"
        )
    return [str(value) for value in values]
