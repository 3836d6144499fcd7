"""Summary of a data file before training: size, labels, survival, missing values, range and scale (``data check``)."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vaebench.data.annotated import annotated, sample_types
from vaebench.data.columns import Roles, role_columns, sample_names, selected, survival_from
from vaebench.data.expression import feature_block, without_features
from vaebench.data.files.matrix import Block, detected_layout, matrix_blocks, matrix_layout
from vaebench.data.files.table import SAMPLES_IN, Table, present, table_from_file, texts
from vaebench.data.h5ad import is_anndata, observations
from vaebench.data.public import TYPE
from vaebench.data.sources import found_files
from vaebench.data.splits import unsplit_labels
from vaebench.errors import InputError, check_choice, user_path
from vaebench.types.shown import one_line

_STUDIES = {"tcga": ("sample", TYPE), "gtex": ("SAMPID", "SMTS")}
"""Public data set -> its columns with sample names and with labels."""

_MOST_LABELS = 100  # a column with more different texts is unlikely to be a label
_LOG_MOST = 50.0  # log2 of any count is below this


class Profile(NamedTuple):
    """Statistics of a matrix of values.

    Attributes:
        features: number of features D.
        constant: features without variation.
        missing: missing values.
        features_with_missing: features with at least one.
        low: smallest value.
        high: largest value.
        scale: guess: ``"z-score"``, ``"unit"``, ``"counts"``, ``"linear"`` or ``"log"``; ``"nothing"`` when all features
            are constant.
        outlying: names of features whose mean lies far beyond the range of the others, such as a forgotten column of days.
    """

    __repr__ = one_line

    features: int
    constant: int
    missing: int
    features_with_missing: int
    low: float
    high: float
    scale: str
    outlying: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Summary:
    """Result of :func:`checked`.

    Attributes:
        source: name of the file.
        samples: N after ``where``, with and without a label.
        values: statistics of the features.
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
    ignore: Sequence[str] = (),
    where: str | None = None,
    samples_in: str = "auto",
    annotation: str | Path | None = None,
    annotation_sample_column: str | None = None,
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
        ignore: columns to leave out.
        where: samples to keep, such as ``"tumor==1 & age>=40"``.
        samples_in: ``"rows"``, ``"columns"``, or ``"auto"`` for columns when the header holds TCGA or GTEx barcodes.
        annotation: table with one line per sample, for a file with genes in rows.
        annotation_sample_column: its column with the sample names, if that is not the first.
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
    roles = Roles(label, event, time, "days", covariates, factors, where, ignore)
    file = user_path(path)
    name = _study(file)
    if name:
        expression, known = found_files(name, None if str(path) == name else file)
        column, default = _STUDIES[name]
        table, blocks = _matrix_contents(expression, known, column)
        survival = {"event": "OS", "time": "OS.time"} if name == "tcga" and event is None else {}
        roles = dataclasses.replace(roles, label=label or default, **survival)
    else:
        known = None if annotation is None else user_path(annotation)
        table, blocks = _contents(file, samples_in, known, annotation_sample_column, roles)
    taken = role_columns(table, roles) - {roles.label}
    text = {c: v for c, v in table.columns.items() if c and c not in taken and v.dtype.kind == "O"}
    table, kept, _ = selected(table, dataclasses.replace(roles, label=None))
    values = profile_of((names, block[:, kept]) for names, block in blocks)
    outcome = survival_from(table, roles, None)
    column = np.empty(0) if roles.label is None else table.columns[roles.label]
    labels = dict(sorted(Counter(texts(column[present(column)])).items()))
    return Summary(
        source=table.source,
        samples=len(table.lines),
        values=values,
        labels=labels,
        events=None if outcome is None else int(outcome.event.sum()),
        with_survival=0 if outcome is None else int((~np.isnan(outcome.time)).sum()),
        annotations={c: len({v for v in column if v is not None}) for c, column in text.items()},
        warnings=tuple(_warnings(table, values, labels, roles.label, scaling, valid_fraction)),
    )


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
    raise InputError(f"{path} is a folder without the files of a public data set ({', '.join(_STUDIES)}); name a file")


def _contents(
    file: Path, samples_in: str, annotation: Path | None, sample: str | None, roles: Roles
) -> tuple[Table, Iterable[Block]]:
    """The samples of a file as a table, and its features in blocks, each from the reader that ``read_table`` uses."""
    if is_anndata(file):
        table, features, values = observations(file)
        return table, _in_blocks(features, values(np.arange(len(table.lines))).T)
    layout = detected_layout(file) if samples_in == "auto" and annotation is None else samples_in
    # samples in columns and no row with labels or the like: the reader of matrices takes less memory
    if annotation is not None or layout == "matrix" or (layout == "columns" and roles == Roles()):
        return _matrix_contents(file, annotation, sample)
    table = table_from_file(file, layout, "apart")
    _, first = sample_names(table, taken := role_columns(table, roles))
    rest = without_features(table, taken)
    (features, values), _ = feature_block(table, taken | first, refuse_mixed=False)
    rest = rest._replace(columns={c: v for c, v in rest.columns.items() if c not in first})
    return rest, _in_blocks(features, values)


def _in_blocks(features: list[str], values: np.ndarray) -> Iterator[Block]:
    """Some features at a time, so that the copies made of them stay small."""
    return ((features[i : i + 512], values[i : i + 512]) for i in range(0, len(features), 512))


def _matrix_contents(file: Path, annotation: Path | None, sample: str | None) -> tuple[Table, Iterator[Block]]:
    """The annotation of every sample of a matrix, with missing values for those not annotated, and its blocks."""
    layout = matrix_layout(file)
    table, joined, _ = annotated(layout, annotation, sample)
    row = np.full(len(layout.samples), -1)
    row[joined] = np.arange(len(joined))
    columns = {name: values[row] for name, values in table.columns.items()}
    for values in columns.values():
        values[row < 0] = np.nan if values.dtype.kind == "f" else None
    columns["sample_type"] = np.where(row < 0, sample_types(layout.samples), columns["sample_type"])
    names = np.array(layout.samples, dtype=object)
    lines = np.arange(len(names)) + layout.leads + 1
    notes = layout.notes + table.notes
    table = table._replace(source=file.name, columns=columns, first_texts=names, lines=lines, notes=notes)
    return table, matrix_blocks(layout)


def profile_of(blocks: Iterable[Block]) -> Profile:
    """Computes the statistics of values that come in blocks of features."""
    names: list[str] = []
    parts: list[np.ndarray] = []
    whole = True
    for found, block in blocks:
        values = np.asarray(block, dtype=np.float64)
        present = np.isfinite(values)
        counts = np.maximum(present.sum(axis=1), 1)
        filled = np.where(present, values, 0)
        mean = filled.sum(axis=1) / counts
        sd = np.sqrt(np.where(present, np.square(values - mean[:, None]), 0).sum(axis=1) / counts)
        least = np.where(present, values, np.inf).min(axis=1)
        most = np.where(present, values, -np.inf).max(axis=1)
        whole = whole and bool((filled == np.rint(filled)).all())
        names += found
        parts.append(np.stack([mean, sd, least, most, (~present).sum(axis=1)]))
    mean, sd, least, most, missing = np.concatenate(parts, axis=1)
    varying = most > least
    reach = np.maximum(np.abs(least), np.abs(most))
    usual = np.median(reach[varying]) if varying.any() else 0.0
    # uses the mean because single values of heavy-tailed features reach far; linear values always have such features
    outlying = varying & (np.abs(mean) > 2 * usual) & (usual <= _LOG_MOST)
    ordinary = varying & ~outlying
    return Profile(
        features=len(names),
        constant=int((~varying).sum()),
        missing=int(missing.sum()),
        features_with_missing=int((missing > 0).sum()),
        low=float(least.min()),
        high=float(most.max()),
        scale=_scale(least[ordinary], most[ordinary], whole, mean[ordinary], sd[ordinary]),
        outlying=tuple(np.array(names)[outlying].tolist()),
    )


def _scale(least: np.ndarray, most: np.ndarray, whole: bool, mean: np.ndarray, sd: np.ndarray) -> str:
    """Guesses the scale from each feature's minimum, maximum, mean and standard deviation; ``whole``: all are integers."""
    if not mean.size:
        return "nothing"
    if least.min() < 0 and np.median(np.abs(mean)) < 0.1 and abs(np.median(sd) - 1) < 0.25:
        return "z-score"
    if least.min() >= 0 and most.max() <= 1:
        return "unit"
    if whole and least.min() >= 0:
        return "counts"
    return "linear" if most.max() > _LOG_MOST else "log"


def _warnings(
    table: Table, values: Profile, labels: dict[str, int], label: str | None, scaling: str, valid_fraction: float
) -> Iterator[str]:
    yield from table.notes
    if values.scale in ("counts", "linear"):
        yield f'values look like {values.scale}, but protocols expect log values: give transform="log2" (--transform log2)'
    if values.scale == "z-score":
        then = " and will be scaled again, to [0, 1]" if scaling == "unit" else ""
        yield f"values look z-scored already{then}; if that was done within each label, labels cannot be told apart"
    if values.scale == "unit" and scaling == "zscore":
        yield "values lie in [0, 1] already and will be z-scored; outputs with a sigmoid then do not fit"
    if values.outlying:
        shown = ", ".join(values.outlying[:5]) + (", ..." if len(values.outlying) > 5 else "")
        yield f"{len(values.outlying)} features reach far beyond the others ({shown}): if they are none, ignore them"
    if values.missing:
        yield f'{values.missing} values are missing: give missing="impute" (--missing impute)'
    if values.constant:
        yield f"{values.constant} features are constant and will be dropped"
    if table.repeats:
        first = next(iter(table.repeats.values()))
        yield f'{len(table.repeats)} features repeat a name, such as {first!r}: give duplicates="apart" or "sum"'
    if label is not None:
        without = len(table.lines) - sum(labels.values())
        if without:
            yield f"{without} samples have no label and will be dropped"
        for name in [name for name, count in labels.items() if count < 2]:
            yield f"label {name!r} has 1 sample, at least 2 are needed: leave it out (--where)"
        each = np.repeat(list(labels), list(labels.values()))
        if 1 <= round(each.size * valid_fraction) < each.size and min(labels.values()) > 1:
            for name in unsplit_labels(each, each.size, valid_fraction):
                yield f"label {name!r} has {labels[name]} samples, too few for one in validation: all stay in training"


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
    lines.append(f"values: {values.low:.6g} to {values.high:.6g}; {values.constant} features are constant")
    lines.append(f"scale: looks like {values.scale}")
    return "\n".join(lines + [f"warning: {warning}" for warning in summary.warnings])
