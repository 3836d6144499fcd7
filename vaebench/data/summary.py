"""What a person wants to know first of a data file: size, labels, survival, missing values, range and scale."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vaebench.data.annotated import annotated, sample_types
from vaebench.data.columns import Roles, role_columns, sample_names, selected, survival_from, texts
from vaebench.data.files.matrix import matrix_blocks, matrix_layout
from vaebench.data.files.table import SAMPLES_IN, Table, present, table_from_file
from vaebench.data.files.text import opened, refusing_broken, starts_with
from vaebench.data.h5ad import is_anndata, obs_and_values
from vaebench.data.public import TYPE
from vaebench.data.sources import found_files
from vaebench.data.splits import unsplit_labels
from vaebench.errors import InputError, check_choice

_STUDIES = {"tcga": ("sample", TYPE), "gtex": ("SAMPID", "SMTS")}
"""Public data set -> columns of sample names and of labels."""
_MOST_LABELS = 100  # a column with more different texts is hardly a label


@dataclasses.dataclass(frozen=True)
class Summary:
    """What :func:`checked` found.

    Attributes:
        source: the file's name.
        samples: N after ``where``, with and without a label.
        values: of the features.
        labels: label -> samples; empty without a label column.
        events: deaths among the samples with a time; ``None`` without survival.
        with_survival: samples with a time and an event.
        annotations: column of text -> number of different texts.
        warnings: what the person should look at, one sentence each.
    """

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
    scaling: str = "zscore",
    valid_fraction: float = 0.3,
) -> Summary:
    """The summary of a file that :func:`vaebench.data.read_table` reads, or of a public data set by name or folder.

    ``samples_in="auto"`` takes columns for samples where the header holds TCGA or GTEx barcodes. ``scaling`` and
    ``valid_fraction`` are what a protocol will do, for the warnings; a public data set has a label and survival of its
    own; all else is as in ``read_table``, whose errors it raises.
    """
    check_choice("samples_in", samples_in, ("auto", *SAMPLES_IN))
    roles = Roles(label, event, time, "days", covariates, factors, where, ignore)
    file = Path(path)
    name = _study(file)
    if name:
        expression, known = found_files(name, None if str(path) == name else file)
        column, default = _STUDIES[name]
        table, blocks = _matrix_parts(expression, known, column)
        survival = {"event": "OS", "time": "OS.time"} if name == "tcga" and event is None else {}
        roles = dataclasses.replace(roles, label=label or default, **survival)
    else:
        table, blocks = _file_parts(file, samples_in, roles, None if annotation is None else Path(annotation))
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


def summary_text(summary: Summary) -> str:
    """The summary as lines of text for a person."""
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


def _study(path: Path) -> str:
    """The public data set of that name or in that folder, "" for a file."""
    if str(path) in _STUDIES:
        return str(path)
    if not path.is_dir():
        return ""
    for name in _STUDIES:
        try:
            found_files(name, path)
        except InputError:
            continue
        return name
    raise InputError(f"{path} is a folder without the files of a public data set ({', '.join(_STUDIES)}); name a file")


def _matrix_parts(file: Path, annotation: Path | None, sample: str | None) -> tuple[Table, Iterator[Block]]:
    """The annotation of every sample of a matrix, and its blocks; a sample that is not annotated has no value there."""
    layout = matrix_layout(file)
    table, joined, _ = annotated(layout, annotation, sample)
    everyone = np.full(len(layout.samples), -1)
    everyone[joined] = np.arange(len(joined))
    columns = {}
    for column, given in table.columns.items():
        columns[column] = given[everyone]
        columns[column][everyone < 0] = np.nan if given.dtype.kind == "f" else None
    columns["sample_type"] = np.where(everyone < 0, sample_types(layout.samples), columns["sample_type"])
    names = np.array(layout.samples, dtype=object)
    lines = np.arange(len(names)) + layout.leads + 1
    return table._replace(source=file.name, columns=columns, first_texts=names, lines=lines), matrix_blocks(layout)


def _file_parts(file: Path, samples_in: str, roles: Roles, annotation: Path | None) -> tuple[Table, Iterable[Block]]:
    if is_anndata(file):
        table, names, x = obs_and_values(file)
        return table, [(names, x.T)]
    layout = _layout_of(file) if samples_in == "auto" and annotation is None else samples_in
    if annotation is not None or layout == "matrix" or (layout == "columns" and roles == Roles()):
        return _matrix_parts(file, annotation, None)
    table = table_from_file(file, layout, "apart")
    taken = role_columns(table, roles)
    _, first = sample_names(table, taken)
    features = {c: v for c, v in table.columns.items() if c and c not in taken | first and v.dtype.kind == "f"}
    if not features:
        raise InputError(f"{file} has no column of numbers left for features; at least one is needed")
    columns = {c: v for c, v in table.columns.items() if c not in first}
    return table._replace(columns=columns), [(list(features), np.array(list(features.values())))]


def _layout_of(file: Path) -> str:
    """``"matrix"`` for a ``.gct``, ``"columns"`` where the header holds barcodes, else ``"rows"``."""
    with refusing_broken(file, "a table"):
        if starts_with(file, b"PAR1"):
            return "rows"
        with opened(file) as stream:
            first = stream.readline(1 << 16)
    if first.startswith(b"#1."):
        return "matrix"
    names = first.replace(b'"', b"").replace(b".", b"-").replace(b",", b"\t").split(b"\t")[1:]
    barcodes = sum(name.startswith((b"TCGA-", b"GTEX-")) for name in names)
    return "columns" if barcodes * 2 > len(names) else "rows"


def _warnings(
    table: Table, values: Profile, labels: dict[str, int], label: str | None, scaling: str, valid_fraction: float
) -> Iterator[str]:
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


Block = tuple[list[str], np.ndarray]
"""Names of features, and their values [features, N]."""


class Profile(NamedTuple):
    """Values of a matrix, seen block by block: how many, how many missing, their range, and a guess at the scale."""

    features: int
    constant: int
    missing: int
    features_with_missing: int
    low: float
    high: float
    scale: str
    outlying: tuple[str, ...]


def profile_of(blocks: Iterable[Block]) -> Profile:
    """The profile of blocks of feature names and values [features, N]."""
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
    # by the mean, since single values of heavy tails reach far; linear values have such features of their own
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


_LOG_MOST = 50.0  # log2 of the largest count that there is stays below


def _scale(least: np.ndarray, most: np.ndarray, whole: bool, mean: np.ndarray, sd: np.ndarray) -> str:
    """A guess: ``"z-score"``, ``"unit"``, ``"counts"``, ``"linear"`` or ``"log"``; ``"nothing"`` without varying values."""
    if not mean.size:
        return "nothing"
    if least.min() < 0 and np.median(np.abs(mean)) < 0.1 and abs(np.median(sd) - 1) < 0.25:
        return "z-score"
    if least.min() >= 0 and most.max() <= 1:
        return "unit"
    if whole and least.min() >= 0:
        return "counts"
    return "linear" if most.max() > _LOG_MOST else "log"
