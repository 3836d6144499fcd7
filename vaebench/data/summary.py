"""Summary of a data file before training: size, labels, survival, missing values, range and scale (``data check``)."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vaebench.data.auxiliary import auxiliary_from, auxiliary_notes
from vaebench.data.barcodes import sample_types
from vaebench.data.columns import (
    Roles,
    auxiliary_columns,
    covariate_of,
    role_columns,
    selected,
    survival_of_roles,
)
from vaebench.data.covariates import covariate_notes
from vaebench.data.expression import feature_block, without_features
from vaebench.data.features import (
    feature_notes,
    genes_only,
    mixed_columns,
    nearly_numbers,
    refuse_headless,
    refuse_long,
    sample_notes,
    without_gene_columns,
)
from vaebench.data.files.genes import row_notes
from vaebench.data.files.matrix import Block, Layout, detected_layout, is_parquet, matrix_blocks, matrix_layout
from vaebench.data.files.opening import refuse_cells
from vaebench.data.files.table import SAMPLES_IN, Table, present, restricted, table_from_file, texts
from vaebench.data.h5ad import anndata_option, is_anndata, observations, with_annotation
from vaebench.data.joining import annotated, join_notes, joined_table
from vaebench.data.public import TYPE
from vaebench.data.role_notes import role_notes
from vaebench.data.sample_columns import not_names, sample_names, with_names, without_index
from vaebench.data.scale import Profile, profile_of, scale_notes, scale_text
from vaebench.data.sources import found_files
from vaebench.data.unmatched import TurnedError
from vaebench.data.value_notes import table_notes
from vaebench.errors import InputError, check_choice, user_path
from vaebench.types.shown import one_line

_STUDIES = {"tcga": ("sample", TYPE), "gtex": ("SAMPID", "SMTS")}  # the columns with sample names and with labels
_MOST_LABELS = 100  # a column with more different texts is unlikely to be a label


@dataclasses.dataclass(frozen=True)
class Summary:
    """Result of :func:`checked`.

    Attributes:
        source: name of the file.
        samples: N after ``where``, with and without a label.
        values: statistics of the features.
        scale: sentence on the scale of the values and what training does with them.
        labels: label -> number of samples; empty without a label column.
        events: deaths among the samples with survival; ``None`` without survival columns.
        with_survival: samples with a time and an event.
        annotations: column of text -> number of different texts.
        warnings: likely problems, one sentence each.
    """

    __repr__ = one_line

    source: str
    samples: int
    values: Profile
    scale: str
    labels: dict[str, int]
    events: int | None
    with_survival: int
    annotations: dict[str, int]
    warnings: tuple[str, ...]


def checked(
    path: str | Path,
    *,
    label: str | None = None,
    event: str | None = None,
    time: str | None = None,
    covariates: Sequence[str] = (),
    factors: Sequence[str] = (),
    auxiliary: Sequence[str] = (),
    ignore: Sequence[str] = (),
    where: str | None = None,
    features: Sequence[str] = (),
    tumours_only: bool = False,
    one_per_patient: bool = False,
    samples_in: str = "auto",
    annotation: str | Path | None = None,
    annotation_sample_column: str | None = None,
    time_unit: str = "days",
    transform: str = "none",
    scaling: str = "zscore",
    valid_fraction: float = 0.3,
) -> Summary:
    """Summarises a file that :func:`vaebench.data.read_table` reads, or a public data set, without building a data set.

    Args:
        path: a file, the folder of a public data set, or its name, ``"tcga"`` or ``"gtex"``; these have default columns
            for the label and, for TCGA, survival.
        label: column with the classes.
        event: column of events, or a comparison such as ``"censorship==0"``; needs ``time``.
        time: column with survival times.
        covariates: columns for Cox models; like all columns named by an option, they are not counted as features.
        factors: columns of known features of the samples.
        auxiliary: columns of known facts for the models that use them.
        ignore: columns to leave out.
        where: samples to keep, such as ``"tumor==1 & age>=40"``.
        features: columns, or genes, that are features although their names are clinical.
        tumours_only: leave out normal tissue and controls.
        one_per_patient: keep one sample of each patient.
        samples_in: ``"rows"``, ``"columns"``, or ``"auto"`` for columns when the header holds TCGA or GTEx barcodes.
        annotation: table with one line per sample, for a file with genes in rows.
        annotation_sample_column: its column with the sample names, if that is not the first.
        time_unit: unit of ``time``, for warnings.
        transform: transform that training will use, for the sentence on the scale.
        scaling: scaling that training will use, for warnings.
        valid_fraction: share of validation samples that training will use, for warnings.

    Returns:
        The summary; :func:`summary_text` prints it.

    Raises:
        InputError: the file, a column or an option is not as required.

    Example::

        print(vb.data.summary_text(vb.data.checked("cohort.csv.gz", label="cancer_type")))
    """
    check_choice("samples_in", samples_in, ("auto", *SAMPLES_IN))
    patients = (tumours_only, one_per_patient)
    roles = Roles(label, event, time, time_unit, covariates, factors, where, ignore, features, *patients, auxiliary)
    name = _study(file := user_path(path))
    if name:
        expression, known = found_files(name, None if str(path) == name else file)
        column, default = _STUDIES[name]
        contents = _matrix_contents(expression, known, column, roles)
        survival = {"event": "OS", "time": "OS.time"} if name == "tcga" and event is None else {}
        roles = dataclasses.replace(roles, label=label or default, **survival)
    else:
        known = None if annotation is None else user_path(annotation)
        contents = _contents(file, samples_in, known, annotation_sample_column, roles)
    table = with_names(contents.table, roles, contents.table.first_texts)
    taken = role_columns(table, roles) - {roles.label}
    text = {c: v for c, v in table.columns.items() if c and c not in taken and v.dtype.kind == "O"}
    chosen = selected(table, dataclasses.replace(roles, label=None), contents.names)
    table, names = chosen.table, None if contents.names is None else contents.names[chosen.positions]
    out, held = list(contents.out), []
    values = profile_of(genes_only(contents.blocks, chosen.positions, roles.features, out, held))
    outcome = survival_of_roles(table, roles, names)
    column = np.empty(0) if roles.label is None else table.columns[roles.label]
    labels = dict(sorted(Counter(texts(column[present(column)])).items()))
    notes = [*contents.notes, *mixed_columns(table, contents.texts), *chosen.notes]
    notes += [*sample_notes(names), *feature_notes(held, out, roles.features)]
    scale, mistaken = scale_text(values, transform, scaling)
    notes += [scale] * mistaken + scale_notes(values._replace(scale="nothing"), transform, scaling)
    notes += [*table_notes(table, values, labels, roles.label, valid_fraction), *role_notes(table, roles, outcome)]
    return Summary(
        source=table.source,
        samples=len(table.lines),
        values=values,
        scale=scale,
        labels=labels,
        events=None if outcome is None else int(outcome.event.sum()),
        with_survival=0 if outcome is None else int((~np.isnan(outcome.time)).sum()),
        annotations={c: len({v for v in column if v is not None}) for c, column in text.items()},
        warnings=(*notes, *_auxiliary_warnings(table, roles), *_covariate_warnings(table, roles)),
    )


class _Contents(NamedTuple):
    """Contents of a file: its samples as a table, their names, the blocks of features, and columns and notes of the reader.

    ``texts`` are columns of text beside those of the features. The notes are complete once the blocks are read.
    """

    table: Table
    names: np.ndarray | None
    blocks: Iterable[Block]
    out: Sequence[str] = ()
    notes: Sequence[str] = ()
    texts: Sequence[str] = ()


def _auxiliary_warnings(table: Table, roles: Roles) -> list[str]:
    """Notes on auxiliary variables; raises for one that tells nothing."""
    return auxiliary_notes(auxiliary_from(auxiliary_columns(table, roles), len(table.lines)))


def _covariate_warnings(table: Table, roles: Roles) -> list[str]:
    """Notes on the Cox models of the samples with a label."""
    if roles.label is not None:
        table = restricted(table, np.flatnonzero(present(table.columns[roles.label])))
    if not len(table.lines):
        return []
    labels = None if roles.label is None else np.array(texts(table.columns[roles.label]))
    try:
        outcome = survival_of_roles(table, roles, None)
    except InputError:  # no sample with a label has survival, or an event is among the others only
        return []
    return covariate_notes(outcome, {column: covariate_of(table, column) for column in roles.covariates}, labels)


def _study(path: Path) -> str:
    """Name of the public data set that ``path`` names or holds; ``""`` for a file."""
    if str(path) in _STUDIES:
        return str(path)
    if not os.path.isdir(path):
        return ""
    for name in _STUDIES:
        try:
            found_files(name, path)
        except InputError:
            continue
        return name
    refuse_cells(path)
    raise InputError(f"{path} is a folder without the files of a public data set ({', '.join(_STUDIES)}); name a file")


def _contents(file: Path, samples_in: str, annotation: Path | None, sample: str | None, roles: Roles) -> _Contents:
    """The samples of a file as a table, and its features in blocks, each from the reader that ``read_table`` uses."""
    if is_anndata(file):
        if samples_in == "columns":
            raise anndata_option("samples_in", samples_in)
        held, counts = observations(file), {}
        held, counts = (held, counts) if annotation is None else with_annotation(held, annotation, roles, sample)
        table, features, values = held
        blocks = _in_blocks(features, values(np.arange(len(table.lines))).T)
        notes = [*table.notes, *join_notes(counts, "the annotation")]
        return _Contents(table, table.first_texts, blocks, (), notes)
    layout = detected_layout(file) if samples_in == "auto" and annotation is None else samples_in
    # samples in columns of text and no row with labels or the like: the reader of matrices takes less memory
    plain = layout == "columns" and roles == Roles() and not is_parquet(file)
    if (annotation is not None and not is_parquet(file)) or layout == "matrix" or plain:
        try:
            return _matrix_contents(file, annotation, sample, roles)
        except TurnedError:
            layout = "rows"
    layout = "rows" if layout == "auto" else layout
    table, notes = without_gene_columns(without_index(table_from_file(file, layout, "apart")))
    refuse_headless(table)
    refuse_long(table)
    about = set[str]()
    if annotation is not None:
        table, about, counts = joined_table(table, annotation, sample, roles)
        notes += join_notes(counts, annotation.name)
    table = with_names(table, roles, table.first_texts)
    taken = role_columns(table, roles) | about
    names, first = sample_names(table, not_names(table, roles, taken))
    rest = without_features(table, taken)
    (features, values), texts_only, out = feature_block(table, taken | first, refuse_mixed=False, asked=roles.features)
    rest = rest._replace(columns={c: v for c, v in rest.columns.items() if c not in first})
    notes += nearly_numbers(rest, texts_only)
    return _Contents(rest, names, _in_blocks(features, values), out, [*table.notes, *notes], texts_only)


def _in_blocks(features: list[str], values: np.ndarray) -> Iterator[Block]:
    """Some features at a time, so that the copies made of them stay small."""
    return ((features[i : i + 512], values[i : i + 512]) for i in range(0, len(features), 512))


def _matrix_contents(file: Path, annotation: Path | None, sample: str | None, roles: Roles) -> _Contents:
    """The annotation of every sample of a matrix, with missing values for those not annotated, and its blocks."""
    layout = matrix_layout(file)
    table, joined, counts = annotated(layout, annotation, sample, roles)
    row = np.full(len(layout.samples), -1)
    row[joined] = np.arange(len(joined))
    columns = {name: values[row] for name, values in table.columns.items()}
    for values in columns.values():
        values[row < 0] = np.nan if values.dtype.kind == "f" else None
    columns["sample_type"] = np.where(row < 0, sample_types(layout.samples), columns["sample_type"])
    names = np.array(layout.samples, dtype=object)
    lines = np.arange(len(names)) + layout.leads + 1
    table = table._replace(source=file.name, columns=columns, first_texts=names, lines=lines)
    notes = [*layout.notes, *table.notes, *join_notes(counts, "the annotation")]
    return _Contents(table, names, _told(layout, notes), (), notes)


def _told(layout: Layout, notes: list[str]) -> Iterator[Block]:
    """Blocks of a matrix; at their end the rows that were left out are noted."""
    seen = Counter[str]()
    yield from matrix_blocks(layout, seen=seen)
    notes += row_notes(layout.file.name, seen)


def summary_text(summary: Summary) -> str:
    """Formats a summary as lines of text, warnings last."""
    values = summary.values
    lines = [f"{summary.source}: {summary.samples} samples x {values.features} features"]
    if summary.labels:
        order = sorted(summary.labels.items(), key=lambda item: (-item[1], item[0]))
        lines.append(f"labels: {len(order)}: " + ", ".join(f"{name} {count}" for name, count in order))
    elif summary.annotations:
        named = [f"{name} ({count})" for name, count in summary.annotations.items() if 2 <= count <= _MOST_LABELS]
        lines.append("labels: none named; columns of text (different values): " + (", ".join(named) or "none"))
    if summary.events is not None:
        lines.append(f"survival: {summary.events} events in {summary.with_survival} samples with a time")
    lines.append(f"missing values: {values.missing} in {values.features_with_missing} features")
    if values.infinite:
        lines.append(f"infinite values: {values.infinite}")
    lines.append(f"values: {values.low:.6g} to {values.high:.6g}; {values.constant} features are constant")
    lines.append(f"scale: {summary.scale or 'all features are constant'}")
    return "\n".join(lines + [f"note: {warning}" for warning in summary.warnings])
