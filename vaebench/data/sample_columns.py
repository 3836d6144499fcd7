"""Columns of sample names and of row numbers, and the names as a column that ``where`` may compare."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from vaebench.data.columns import Roles, role_columns
from vaebench.data.comparisons import parsed
from vaebench.data.files.table import Table, present, texts
from vaebench.errors import InputError

_SAMPLE_COLUMNS_NAMES = """
sample samples sample_id sampleid sample_name id case_id barcode sampid patient_id bcr_patient_barcode
bcr_sample_barcode tumor_sample_barcode submitter_id case_submitter_id usubjid sample.id sample_barcode
submitter_id.samples patient patientid _sample modelid depmap_id sequencingid profileid ccle_id geo_accession
sample_accession specimen_id icgc_specimen_id icgc_sample_id aliquot aliquot_id aliquot_barcode
"""
SAMPLE_COLUMNS = frozenset(_SAMPLE_COLUMNS_NAMES.split())
"""Names, in lower case, by which a column of sample names is recognised."""

INDEX_COLUMN = re.compile(r"(unnamed: \d+|index|level_0|x|rownames|row\.names|id|no|nr|row|#|)", re.IGNORECASE)
"""Names of a column of row numbers."""


NAMES = "sample"
"""Column by which ``where`` compares the names of samples in a table without a column of this name."""


def without_index(table: Table) -> Table:
    """Returns a table without a first column that only counts its rows, as pandas and R write it.

    The first column is then the one with the name of sample names, or else the next.
    """
    values, names = table.columns[table.first], list(table.columns)
    if (
        table.samples_in != "rows"
        or values.dtype.kind != "f"
        or len(names) < 2
        or not INDEX_COLUMN.fullmatch(table.first)
    ):
        return table
    counted = np.arange(len(values))
    if not any(np.array_equal(values, counted + start) for start in (0, 1)):
        return table
    others = [name for name in names if name != table.first]
    known = [name for name in others if name.lower() in SAMPLE_COLUMNS]
    first = next((name for name in known if _unique(table.columns[name])), known[0] if known else others[0])
    named = table.columns[first].dtype.kind == "O" and _unique(table.columns[first])
    if first.lower() not in SAMPLE_COLUMNS and not named and not table.first.lower().startswith("unnamed"):
        return table
    texts_of = [
        None if not known else text
        for known, text in zip(present(table.columns[first]), texts(table.columns[first]), strict=True)
    ]
    columns = {name: table.columns[name] for name in others}
    return table._replace(columns=columns, first=first, first_texts=np.array(texts_of, dtype=object))


def _unique(values: np.ndarray) -> bool:
    return len(set(values.tolist())) == len(values)


def sample_names(table: Table, roles: set[str]) -> tuple[np.ndarray | None, set[str]]:
    """Finds the sample names [N] and the set with their column; ``None`` and an empty set when the table has no names.

    They are the first column, unless an option uses it, if it has no name or one of :data:`SAMPLE_COLUMNS`, or holds text
    that is mostly unique. Raises ``InputError`` when a sample has no name or two have the same.
    """
    if table.first in roles or not _holds_names(table):
        return None, set()
    absent = [line for line, text in zip(table.lines, table.first_texts, strict=True) if not text]
    if absent:
        raise InputError(
            f"{len(absent)} samples of {table.source} have no name, the first in line {absent[0]}; each must have one"
        )
    unique, counts = np.unique(table.first_texts.astype(str), return_counts=True)
    if counts.max() > 1:
        raise InputError(
            f"duplicate sample name {str(unique[counts.argmax()])!r} ({counts.max()} times) in column {table.first!r} of "
            f"{table.source}; names must be unique"
        )
    return table.first_texts.astype(str), {table.first}


def _holds_names(table: Table) -> bool:
    values = table.columns[table.first]
    mostly_different = values.dtype.kind == "O" and len({v for v in values if v is not None}) * 2 > len(values)
    return not table.first or table.first.lower() in SAMPLE_COLUMNS or mostly_different


def not_names(table: Table, roles: Roles, taken: set[str]) -> set[str]:
    """Returns the ``taken`` columns that hold no sample names: all but a first column of names that only ``where`` compares."""
    used = role_columns(table, dataclasses.replace(roles, where=None))
    return taken - {table.first} if table.first not in used and _holds_names(table) else taken


def with_names(table: Table, roles: Roles, names: Sequence[str] | np.ndarray) -> Table:
    """Returns a table with its sample ``names`` [N] as the column :data:`NAMES`, if ``where`` compares one that it lacks."""
    compared = [] if roles.where is None else [column for column, _, _ in parsed("where", roles.where)]
    if NAMES in table.columns or NAMES not in compared:
        return table
    held = np.array([str(name) for name in names], dtype=object)
    return table._replace(columns={**table.columns, NAMES: held})
