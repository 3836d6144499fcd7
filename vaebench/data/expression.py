"""Expression tables as data sets: which columns are names, labels, survival, covariates or factors, and which genes."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vaebench.data.conditions import compared, parsed
from vaebench.data.files import SAMPLES_IN, Table, as_number, table_from_file
from vaebench.data.scaling import DEVIATIONS, MISSING, SCALINGS, dataset_from_arrays
from vaebench.types import Dataset, InputError, Survival, unknown_name

TRANSFORMS = ("none", "log2")
_SAMPLE_COLUMNS = frozenset(("sample", "samples", "sample_id", "sampleid", "sample_name", "id", "case_id", "barcode"))
_EXTENSIONS = (".gz", ".csv", ".tsv", ".txt", ".tab", ".parquet", ".pq")


def read_table(
    path: str | Path,
    *,
    label: str | None = None,
    event: str | None = None,
    time: str | None = None,
    covariates: Sequence[str] = (),
    factors: Sequence[str] = (),
    where: str | None = None,
    ignore: Sequence[str] = (),
    samples_in: str = "rows",
    top: int | None = None,
    deviation: str = "mean",
    scaling: str = "zscore",
    transform: str = "none",
    missing: str = "refuse",
    name: str | None = None,
) -> Dataset:
    """The data set in a CSV, TSV or Parquet table, gzipped or not.

    Columns named by an option are what the option says; columns of text are annotations, kept out and listed in the
    provenance; all others are features. The first column names the samples if it has no name, is called ``sample``,
    ``sample_id`` or alike, or is text with mostly different values; else samples are called ``sample_1..N``. Samples
    without a label are dropped; samples without survival stay, with time NaN. Both are counted in the provenance.

    Args:
        path: the file.
        label: column of the classes, each with at least 2 samples.
        event: column of 0/1 or true/false (1 is a death), or a comparison such as ``"censorship==0"``; needs ``time``.
        time: column of survival times, in days by the convention of :class:`~vaebench.types.Survival`.
        covariates: columns for Cox models; numbers stay numbers, any other column is categorical.
        factors: columns of numbers known beforehand.
        where: samples to keep, such as ``"tumor==1 & age>=40"``; its columns are no features.
        ignore: columns to leave out.
        samples_in: ``"rows"``, or ``"columns"`` for genes (and label, event, ...) in rows.
        top: keep this many features of largest absolute deviation; ``None`` keeps all.
        deviation: ``"mean"`` or ``"median"`` absolute deviation.
        scaling: ``"zscore"``, ``"unit"`` or ``"none"``.
        transform: ``"none"``, or ``"log2"`` for log2(max(x, 0) + 1) before selection and scaling.
        missing: ``"refuse"``, or ``"impute"`` for the feature's mean.
        name: short name; the file's name without extensions by default.

    Raises:
        InputError: one sentence that names the file, column or option, the value, and what is allowed.
    """
    covariates, factors, ignore = _listed(covariates), _listed(factors), _listed(ignore)
    choices = {"samples_in": SAMPLES_IN, "deviation": DEVIATIONS, "scaling": SCALINGS}
    choices |= {"transform": TRANSFORMS, "missing": MISSING}
    given = dict(zip(choices, (samples_in, deviation, scaling, transform, missing), strict=True))
    for option, allowed in choices.items():
        if given[option] not in allowed:
            raise unknown_name(option, given[option], allowed)
    if (event is None) != (time is None):
        present, absent = ("event", "time") if time is None else ("time", "event")
        raise InputError(f"{present}={event or time!r} is given without {absent}; survival needs both event and time")

    table = table_from_file(path, samples_in)
    roles = _roles(table, label, event, time, covariates, factors, where, ignore)
    read = len(table.lines)
    table = _filtered(table, where)
    filtered = len(table.lines)
    table = _labelled(table, label)
    samples, first = _sample_names(table, roles)
    survival = None if event is None or time is None else _survival(table, event, time, samples)
    features, matrix, annotations = _features(table, roles | first, samples)
    if transform == "log2":
        np.log2(np.maximum(matrix, 0, out=matrix) + 1, out=matrix)
    options = {"label": label, "event": event, "time": time, "covariates": list(covariates), "factors": list(factors)}
    options |= {"where": where, "ignore": list(ignore), "samples_in": samples_in, "transform": transform}
    counts = {"samples_read": read, "samples_dropped_by_where": read - filtered}
    counts["samples_dropped_without_label"] = filtered - len(table.lines)
    return dataset_from_arrays(
        matrix,
        samples=samples,
        features=features,
        labels=None if label is None else _texts(table.columns[label]),
        survival=survival,
        covariates={column: table.columns[column] for column in covariates},
        factors={column: _numbers(table, "factors", column, samples) for column in factors},
        top=top,
        deviation=deviation,
        scaling=scaling,
        missing=missing,
        name=_stem(table.source) if name is None else name,
        provenance={"source": table.source, "options": options, "annotations": annotations, "counts": counts},
    )


def _listed(names: Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _stem(source: str) -> str:
    while Path(source).suffix.lower() in _EXTENSIONS:
        source = Path(source).stem
    return source


def _texts(values: np.ndarray) -> list[str]:
    """Labels as text; whole numbers are written without a decimal point."""
    return [f"{value:.15g}" if isinstance(value, float) else str(value) for value in values.tolist()]


def _roles(
    table: Table,
    label: str | None,
    event: str | None,
    time: str | None,
    covariates: Sequence[str],
    factors: Sequence[str],
    where: str | None,
    ignore: Sequence[str],
) -> set[str]:
    """Columns that an option names, each of which must exist; none of them is a feature."""
    named = [("label", label), ("time", time)]
    named += [("covariates", column) for column in covariates] + [("factors", column) for column in factors]
    if event is not None:
        columns = [event] if event in table.columns or not _is_comparison(event) else _columns("event", event)
        named += [("event", column) for column in columns]
    if where is not None:
        named += [("where", column) for column in _columns("where", where)]
    for option, column in [*named, *(("ignore", column) for column in ignore)]:
        if column is not None and column not in table.columns:
            raise _unknown_column(table, option, column)
    for option, column in named:
        if column in ignore:
            raise InputError(f"column {column!r} is named by both {option} and ignore; it can be in one of them only")
    return {column for _, column in named if column is not None} | set(ignore)


def _is_comparison(text: str) -> bool:
    return any(sign in text for sign in ("=", "<", ">"))


def _columns(option: str, text: str) -> list[str]:
    return [column for column, _, _ in parsed(option, text)]


def _unknown_column(table: Table, option: str, column: str) -> InputError:
    names = [known for known in table.columns if known]
    near = difflib.get_close_matches(str(column), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else f"; its columns begin {', '.join(names[:5])}"
    if table.samples_in == "rows" and column in set(table.columns[table.first].tolist()):
        hint = '; it names a row: give samples_in="columns" (--samples-in columns)'
    kind = "column" if table.samples_in == "rows" else "row"
    return InputError(f"{option} (--{option}) names {column!r}, which is no {kind} of {table.source}{hint}")


def _kept(table: Table, mask: np.ndarray) -> Table:
    if mask.all():
        return table
    columns = {name: values[mask] for name, values in table.columns.items()}
    return table._replace(columns=columns, first_texts=table.first_texts[mask], lines=table.lines[mask])


def _filtered(table: Table, where: str | None) -> Table:
    if where is None:
        return table
    comparisons = parsed("where", where)
    mask = np.logical_and.reduce([compared(table, "where", comparison)[0] for comparison in comparisons])
    if not mask.any():
        column = comparisons[0][0]
        values = table.columns[column]
        present = values[~np.isnan(values)] if values.dtype.kind == "f" else [v for v in values if v is not None]
        shown = _texts(np.unique(np.asarray(present)))
        held = ", ".join(shown[:5]) + (", ..." if len(shown) > 5 else "")
        raise InputError(
            f"where={where!r} keeps none of the {len(mask)} samples of {table.source}; {column!r} holds {held}"
        )
    return _kept(table, mask)


def _labelled(table: Table, label: str | None) -> Table:
    if label is None:
        return table
    values = table.columns[label]
    mask = ~np.isnan(values) if values.dtype.kind == "f" else np.array([value is not None for value in values])
    if not mask.any():
        raise InputError(
            f"label={label!r} is empty in all {len(mask)} samples of {table.source}; at least 2 need a label"
        )
    return _kept(table, mask)


def _sample_names(table: Table, roles: set[str]) -> tuple[np.ndarray | None, set[str]]:
    """Sample names [N], and the column they come from; ``None`` and no column when the file has no names."""
    values = table.columns[table.first]
    mostly_different = values.dtype.kind == "O" and len({v for v in values if v is not None}) * 2 > len(values)
    if table.first in roles or not (not table.first or table.first.lower() in _SAMPLE_COLUMNS or mostly_different):
        return None, set()
    absent = [line for line, text in zip(table.lines, table.first_texts, strict=True) if not text]
    if absent:
        raise InputError(
            f"{len(absent)} samples of {table.source} have no name, the first in line {absent[0]}; each must have one"
        )
    names = table.first_texts.astype(str)
    unique, counts = np.unique(names, return_counts=True)
    if counts.max() > 1:
        repeated = str(unique[counts.argmax()])
        raise InputError(
            f"duplicate sample name {repeated!r} ({counts.max()} times) in column {table.first!r} of {table.source}; "
            "names must be unique"
        )
    return names, {table.first}


def _place(table: Table, position: int, samples: np.ndarray | None) -> str:
    kind = "line" if table.samples_in == "rows" else "column"
    named = "" if samples is None else f", sample {str(samples[position])!r}"
    return f"{kind} {table.lines[position]}{named}"


def _numbers(table: Table, option: str, column: str, samples: np.ndarray | None) -> np.ndarray:
    """The column as [N] float64; any text is an error that names its first place."""
    values = table.columns[column]
    if values.dtype.kind == "f":
        return values
    for position, text in enumerate(values):
        if as_number(text) is None:
            raise InputError(
                f"{option} column {column!r} of {table.source} holds the text {text!r} "
                f"({_place(table, position, samples)}); it must hold numbers only"
            )
    return np.array([as_number(text) for text in values], dtype=np.float64)


def _zero_or_one(value: float | str | None) -> float | None:
    """0, 1, NaN when missing, and ``None`` for any other value."""
    number = {"true": 1.0, "false": 0.0}.get(value.lower(), as_number(value)) if isinstance(value, str) else value
    if value is None or number != number:
        return np.nan
    return number if number in (0.0, 1.0) else None


def _survival(table: Table, event: str, time: str, samples: np.ndarray | None) -> Survival:
    times = _numbers(table, "time", time, samples)
    if event in table.columns:
        numbers = np.array([_zero_or_one(value) for value in table.columns[event].tolist()], dtype=object)
        for position, number in enumerate(numbers):
            if number is None:
                shown = _texts(table.columns[event][position : position + 1])[0]
                raise InputError(
                    f"event column {event!r} of {table.source} holds {shown!r} ({_place(table, position, samples)}); "
                    f'allowed are 0, 1, true, false, or a comparison such as event="{event}=={shown}"'
                )
        held = numbers.astype(np.float64)
        holds, present = held == 1, ~np.isnan(held)
    else:
        parts = [compared(table, "event", comparison) for comparison in parsed("event", event)]
        holds, present = (np.logical_and.reduce(part) for part in zip(*parts, strict=True))
    times = np.where(present, times, np.nan)
    if np.isnan(times).all():
        raise InputError(f"no sample of {table.source} has both event {event!r} and time {time!r}; at least one must")
    return Survival(time=times, event=holds & ~np.isnan(times))


def _features(table: Table, taken: set[str], samples: np.ndarray | None) -> tuple[list[str], np.ndarray, list[str]]:
    """Names of the D features, their values [N, D] in float64, and the names of the columns of text."""
    names, annotations = [], []
    rest = [column for column in table.columns if column not in taken]
    for column in rest:
        values: Any = table.columns[column]
        if values.dtype.kind == "O" and all(text is None or as_number(text) is None for text in values):
            annotations.append(column)
        else:
            _numbers(table, "feature", column, samples)
            names.append(column)
    if not names:
        raise InputError(
            f"{table.source} has no column of numbers left for features; besides {len(annotations)} columns of text "
            "and those named, at least one is needed"
        )
    matrix = np.empty((len(table.lines), len(names)))
    for position, column in enumerate(names):
        matrix[:, position] = table.columns[column]
    return names, matrix, annotations
