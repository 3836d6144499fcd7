"""What a person wants to know first of a data file: size, labels, survival, missing values, range and scale."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from vaebench.data.assembly import check_choice
from vaebench.data.barcodes import sample_types
from vaebench.data.files import SAMPLES_IN, Table, table_from_file
from vaebench.data.joined import annotated
from vaebench.data.matrix import matrix_blocks, matrix_layout
from vaebench.data.opening import opened, refusing_broken, starts_with
from vaebench.data.profile import Profile, profile_of
from vaebench.data.roles import Roles, label_texts, role_columns, sample_names, selected, survival_from
from vaebench.data.sources import found_files
from vaebench.data.splits import unsplit_labels
from vaebench.types import InputError

_LAYOUTS = ("auto", *SAMPLES_IN)
_SAMPLE_COLUMN = {"tcga": "sample", "gtex": "SAMPID"}
_LABEL = {"tcga": "cancer type abbreviation", "gtex": "SMTS"}
Block = tuple[list[str], np.ndarray]
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
    """The summary of a table, a ``.gct`` or ``.h5ad`` file, or of a public data set by name or by its folder.

    Args:
        path: the file, the folder of a public data set, or its name.
        label: column of labels; a public data set has its own.
        event: column of events, or a comparison.
        time: column of times.
        covariates: columns of covariates, which are no features.
        factors: columns of factors, which are no features.
        ignore: columns to leave out.
        where: samples to keep.
        samples_in: ``"rows"``, ``"columns"``, or ``"auto"``: columns if the header holds TCGA or GTEx barcodes.
        annotation: table about the samples of a file of genes x samples.
        scaling: what a protocol will do, for the warnings.
        valid_fraction: share of validation samples, for the warnings.

    Raises:
        InputError: for a file that cannot be read at all, or a column that is not there.
    """
    check_choice("samples_in", samples_in, _LAYOUTS)
    roles = Roles(label, event, time, "days", covariates, factors, where, ignore)
    study = _study(path)
    if study is not None:
        name, folder = study
        expression, annotation = found_files(name, folder)
        source, table, blocks = _from_matrix(expression, annotation, _SAMPLE_COLUMN[name])
        survival = ("OS", "OS.time") if name == "tcga" and event is None else (event, time)
        roles = dataclasses.replace(roles, label=label or _LABEL[name], event=survival[0], time=survival[1])
        annotations = None
    else:
        source, table, blocks, annotations = _from_file(Path(path), samples_in, roles, annotation)
    role_columns(table, roles)
    table, kept, _ = selected(table, dataclasses.replace(roles, label=None))
    values = profile_of((names, block[:, kept]) for names, block in blocks)
    survival = survival_from(table, roles, None)
    labels = _label_counts(table, roles.label)
    if annotations is None:
        annotations = {c: _different(v) for c, v in table.columns.items() if c and v.dtype.kind == "O"}
    warnings = _warnings(table, values, labels, roles.label, scaling, valid_fraction)
    return Summary(
        source=source,
        samples=len(table.lines),
        values=values,
        labels=labels,
        events=None if survival is None else int(survival.event.sum()),
        with_survival=0 if survival is None else int((~np.isnan(survival.time)).sum()),
        annotations=annotations,
        warnings=tuple(warnings),
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


def _study(path: str | Path) -> tuple[str, Path | None] | None:
    if str(path) in _SAMPLE_COLUMN:
        return str(path), None
    folder = Path(path)
    if folder.is_dir():
        for name in _SAMPLE_COLUMN:
            try:
                found_files(name, folder)
            except InputError:
                continue
            return name, folder
        raise InputError(
            f"{folder} is a folder without the files of a public data set ({', '.join(_SAMPLE_COLUMN)}); name a file"
        )
    return None


def _from_matrix(file: Path, annotation: Path | None, sample: str | None) -> tuple[str, Table, Iterator[Block]]:
    layout = matrix_layout(file)
    table, joined, _ = annotated(layout, annotation, sample)
    # a sample that the annotation lacks has no value in any column
    everyone = np.full(len(layout.samples), -1)
    everyone[joined] = np.arange(len(joined))
    columns = {}
    for column, given in table.columns.items():
        columns[column] = given[everyone]
        columns[column][everyone < 0] = np.nan if given.dtype.kind == "f" else None
    columns["sample_type"] = np.where(everyone < 0, sample_types(layout.samples), columns["sample_type"])
    names = np.array(layout.samples, dtype=object)
    lines = np.arange(len(names)) + layout.leads + 1
    return file.name, table._replace(columns=columns, first_texts=names, lines=lines), matrix_blocks(layout)


def _from_file(
    file: Path, samples_in: str, roles: Roles, annotation: str | Path | None
) -> tuple[str, Table, Iterable[Block], dict[str, int] | None]:
    if file.suffix == ".h5ad":
        from vaebench.data.h5ad import obs_and_values

        table, names, x = obs_and_values(file)
        return file.name, table, [(names, x.T)], None
    if annotation is not None:
        return *_from_matrix(file, Path(annotation), None), None
    layout = _layout_of(file) if samples_in == "auto" else samples_in
    if layout == "matrix" or (layout == "columns" and roles == Roles()):
        return *_from_matrix(file, None, None), {}
    table = table_from_file(file, layout, "apart")
    taken = role_columns(table, roles)
    _, first = sample_names(table, taken)
    rest = {c: v for c, v in table.columns.items() if c and c not in taken | first}
    features = {c: v for c, v in rest.items() if v.dtype.kind == "f"}
    if not features:
        raise InputError(f"{file} has no column of numbers left for features; at least one is needed")
    text = {c: _different(v) for c, v in rest.items() if v.dtype.kind == "O"}
    return file.name, table, [(list(features), np.array(list(features.values())))], text


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


def _different(values: np.ndarray) -> int:
    return len({value for value in values if value is not None})


def _label_counts(table: Table, label: str | None) -> dict[str, int]:
    if label is None:
        return {}
    values = table.columns[label]
    present = ~np.isnan(values) if values.dtype.kind == "f" else np.array([v is not None for v in values])
    column = table._replace(columns={label: values[present]})
    found, counts = np.unique(np.array(label_texts(column, label) or [], dtype=str), return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


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
