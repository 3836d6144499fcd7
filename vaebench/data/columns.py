"""Turning the columns of a table into the parts of a data set: sample names, labels, survival, covariates, factors.

A reader of files, whatever the format, calls in this order:

1. :func:`role_columns`: every column that an option names must exist.
2. :func:`selected`: the samples that ``where`` keeps and that have a label.
3. :func:`assembled`: labels, survival, covariates and factors from the columns, joined with the values of the features.
"""

from __future__ import annotations

import dataclasses
import difflib
import operator
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vaebench.data.dataset import Treatment, dataset_from_arrays
from vaebench.data.files.table import Table, present, restricted, texts
from vaebench.data.files.text import as_number
from vaebench.data.preprocessing import with_source
from vaebench.errors import InputError, unknown_name
from vaebench.types import Dataset, Survival

DAYS = {"days": 1.0, "months": 365.25 / 12, "years": 365.25}
"""Days in each unit of time."""

SAMPLE_COLUMNS = frozenset(("sample", "samples", "sample_id", "sampleid", "sample_name", "id", "case_id", "barcode"))
"""Names, in lower case, by which a first column of sample names is recognised."""

_EXTENSIONS = (".gz", ".csv", ".tsv", ".txt", ".tab", ".parquet", ".pq", ".gct", ".xena", ".h5ad")
_OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_PATTERN = re.compile(r"^\s*(.+?)\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*$")


@dataclasses.dataclass(frozen=True)
class Roles:
    """The columns that options name; see :func:`vaebench.data.read_table` for each field."""

    label: str | None = None
    event: str | None = None
    time: str | None = None
    time_unit: str = "days"
    covariates: Sequence[str] = ()
    factors: Sequence[str] = ()
    where: str | None = None
    ignore: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("covariates", "factors", "ignore"):  # a string is one name, not a sequence of letters
            given = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(given))
        if (self.event is None) != (self.time is None):
            present, absent = ("event", "time") if self.time is None else ("time", "event")
            raise InputError(
                f"{present}={self.event or self.time!r} is given without {absent}; survival needs both event and time"
            )
        if self.time_unit not in DAYS:
            raise unknown_name("time_unit", self.time_unit, DAYS)


def role_columns(table: Table, roles: Roles) -> set[str]:
    """Returns all columns that options name, which are not features.

    Raises ``InputError`` for a column that does not exist, or is both ignored and used.
    """
    named = [(option, getattr(roles, option)) for option in ("label", "time")]
    named += [(option, column) for option in ("covariates", "factors") for column in getattr(roles, option)]
    event = roles.event
    if event is not None and event not in table.columns and any(sign in event for sign in "=<>"):
        named += [("event", column) for column, _, _ in parsed("event", event)]
    else:
        named.append(("event", event))
    if roles.where is not None:
        named += [("where", column) for column, _, _ in parsed("where", roles.where)]
    for option, column in [*named, *(("ignore", column) for column in roles.ignore)]:
        if column is not None and column not in table.columns:
            raise _unknown_column(table, option, column)
        if option != "ignore" and column in roles.ignore:
            raise InputError(f"column {column!r} is named by both {option} and ignore; it can be in one of them only")
    return {column for _, column in named if column is not None} | set(roles.ignore)


def _unknown_column(table: Table, option: str, column: str) -> InputError:
    """The error for an unknown column; its hint says if the table seems to have its samples in columns."""
    names = [known for known in table.columns if known]
    # comparing a name with 100,000 others takes minutes
    near = difflib.get_close_matches(str(column), names[:2000], n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else f"; its columns begin {', '.join(names[:5])}"
    turn = 'give samples_in="columns" (--samples-in columns)'
    if table.samples_in == "rows" and column in set(table.first_texts.tolist()):
        hint = f"; it names a row: {turn}"
    elif table.samples_in == "rows" and sum(name.startswith(("TCGA-", "GTEX-")) for name in names) * 2 > len(names):
        hint = f"; its columns are samples, such as {names[-1]!r}, so genes were read as samples: {turn}"
    kind = "column" if table.samples_in == "rows" else "row"
    return InputError(f"{option} (--{option}) names {column!r}, which is not a {kind} of {table.source}{hint}")


def selected(table: Table, roles: Roles) -> tuple[Table, np.ndarray, dict[str, int]]:
    """Selects the samples that ``where`` keeps and that have a label; raises ``InputError`` when none is left.

    Returns the table of these samples, their positions in the given one, and the numbers of samples read and dropped.
    """
    read = len(table.lines)
    wanted = np.ones(read, bool) if roles.where is None else _filtered(table, roles.where)
    labelled = wanted if roles.label is None else wanted & present(table.columns[roles.label])
    if not labelled.any():
        raise InputError(
            f"label={roles.label!r} is empty in all {wanted.sum()} samples of {table.source}; at least 2 need a label"
        )
    counts = {"samples_read": read, "samples_dropped_by_where": read - int(wanted.sum())}
    counts["samples_dropped_without_label"] = int(wanted.sum() - labelled.sum())
    return restricted(table, np.flatnonzero(labelled)), np.flatnonzero(labelled), counts


def _filtered(table: Table, where: str) -> np.ndarray:
    """[N] bool, true for the samples that satisfy ``where``; at least one must."""
    comparisons = parsed("where", where)
    mask = np.logical_and.reduce([compared(table, "where", comparison)[0] for comparison in comparisons])
    if not mask.any():
        values = table.columns[comparisons[0][0]]
        shown = texts(np.unique(np.asarray(values[present(values)].tolist())))
        held = ", ".join(shown[:5]) + (", ..." if len(shown) > 5 else "")
        raise InputError(
            f"where={where!r} keeps none of the {len(mask)} samples of {table.source}; {comparisons[0][0]!r} holds {held}"
        )
    return mask


def sample_names(table: Table, roles: set[str]) -> tuple[np.ndarray | None, set[str]]:
    """Finds the sample names [N] and the set with their column; ``None`` and an empty set when the table has no names.

    They are the first column, unless an option uses it, if it has no name or one of :data:`SAMPLE_COLUMNS`, or holds text
    that is mostly unique. Raises ``InputError`` when a sample has no name or two have the same.
    """
    values = table.columns[table.first]
    mostly_different = values.dtype.kind == "O" and len({v for v in values if v is not None}) * 2 > len(values)
    if table.first in roles or not (not table.first or table.first.lower() in SAMPLE_COLUMNS or mostly_different):
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


def assembled(
    table: Table,
    roles: Roles,
    treatment: Treatment,
    values: np.ndarray,
    features: Sequence[str],
    samples: np.ndarray | None,
    name: str,
    provenance: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
    more_factors: Mapping[str, np.ndarray] | None = None,
) -> Dataset:
    """Builds the data set from the values of its features and the columns of its table.

    Args:
        table: one row per sample.
        roles: the meaning of its columns.
        treatment: transform, selection and scaling of the values.
        values: [N, D]; changed in place by the transform.
        features: [D] names.
        samples: [N] names, ``None`` for ``sample_1..N``.
        name: name of the data set.
        provenance: JSON values; ``roles`` and ``treatment`` are added to its ``"options"``.
        names: column -> name of its covariate or factor, where that differs.
        more_factors: factors that are not columns of the table, name -> [N].
    """
    new = dict(names or {})
    factors = {new.get(column, column): numbers(table, "factors", column, samples) for column in roles.factors}
    if treatment.transform == "log2":
        np.log2(np.add(np.maximum(values, 0, out=values), 1, out=values), out=values)
    # lists instead of tuples, as JSON returns them from the cache
    options = {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(roles).items()}
    options = options | {"transform": treatment.transform} | provenance["options"]
    made = dataset_from_arrays(
        values,
        samples=samples,
        features=features,
        labels=label_texts(table, roles.label),
        survival=survival_from(table, roles, samples),
        covariates={new.get(column, column): table.columns[column] for column in roles.covariates},
        factors=factors | dict(more_factors or {}),
        top=treatment.top,
        deviation=treatment.deviation,
        scaling=treatment.scaling,
        missing=treatment.missing,
        name=name,
        provenance={**provenance, "options": options},
    )
    return dataclasses.replace(made, preprocessing=with_source(made.preprocessing, options))


def label_texts(table: Table, label: str | None) -> list[str] | None:
    """Returns the label of each sample as text, or ``None`` when no column is named for it."""
    return None if label is None else texts(table.columns[label])


def survival_from(table: Table, roles: Roles, samples: np.ndarray | None) -> Survival | None:
    """Returns times in days and events [N], or ``None`` when no columns are named for them.

    A sample without an event or a time has a NaN time and no event. Raises ``InputError`` for an event that is not 0, 1,
    true or false, for a time that is text, and when no sample has both.
    """
    event, time = roles.event, roles.time
    if event is None or time is None:
        return None
    times = numbers(table, "time", time, samples) * DAYS[roles.time_unit]
    if event in table.columns:
        found = [_zero_or_one(value) for value in table.columns[event].tolist()]
        if None in found:
            position = found.index(None)
            shown = texts(table.columns[event][position : position + 1])[0]
            raise InputError(
                f"event column {event!r} of {table.source} holds {shown!r} ({_place(table, position, samples)}); "
                f'allowed are 0, 1, true, false, or a comparison such as event="{event}=={shown}"'
            )
        held = np.array(found, dtype=np.float64)
        holds, known = held == 1, ~np.isnan(held)
    else:
        parts = [compared(table, "event", comparison) for comparison in parsed("event", event)]
        holds, known = (np.logical_and.reduce(part) for part in zip(*parts, strict=True))
    times = np.where(known, times, np.nan)
    if np.isnan(times).all():
        raise InputError(f"no sample of {table.source} has both event {event!r} and time {time!r}; at least one must")
    return Survival(time=times, event=holds & ~np.isnan(times))


def _zero_or_one(value: float | str | None) -> float | None:
    """Returns 0 or 1, NaN for a missing value, and ``None`` for any other."""
    number = {"true": 1.0, "false": 0.0}.get(value.lower(), as_number(value)) if isinstance(value, str) else value
    if number is None and value is not None:
        return None
    if number is None or number != number:
        return np.nan
    return number if number in (0.0, 1.0) else None


def numbers(table: Table, option: str, column: str, samples: np.ndarray | None) -> np.ndarray:
    """Returns a column as [N] float64; raises ``InputError`` for text in it.

    The message names the ``option`` that uses the column, and line and sample (from ``samples``, if there are names).
    """
    values = table.columns[column]
    if values.dtype.kind == "f":
        return values
    found = [as_number(text) for text in values]
    if None in found:
        position = found.index(None)
        raise InputError(
            f"{option} column {column!r} of {table.source} holds the text {values[position]!r} "
            f"({_place(table, position, samples)}); it must hold numbers only"
        )
    return np.array(found, dtype=np.float64)


def _place(table: Table, position: int, samples: np.ndarray | None) -> str:
    kind = "line" if table.samples_in == "rows" else "column"
    named = "" if samples is None else f", sample {str(samples[position])!r}"
    return f"{kind} {table.lines[position]}{named}"


def parsed(option: str, text: str) -> list[tuple[str, str, str]]:
    """Parses comparisons separated by `` & `` into ``(column, operator, value)``; raises ``InputError`` for other text."""
    comparisons = []
    for part in re.split(r"\s+&\s+", text.strip()):
        found = _PATTERN.match(part)
        if not found or found.group(3).startswith("="):
            raise InputError(
                f"{option}={text!r} is not allowed; it must read COLUMN==VALUE (or !=, <, <=, >, >=), "
                "several separated by ' & '"
            )
        column, sign, value = found.groups()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        comparisons.append((column, sign, value))
    return comparisons


def compared(table: Table, option: str, comparison: tuple[str, str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns two [N] bool arrays: true where a comparison holds, and true where its column has a value.

    A column of numbers is compared with a number (``true`` and ``false`` count as 1 and 0), any other column as text. A
    missing value satisfies no comparison, not even ``!=``. Raises ``InputError`` for numbers compared with text.
    """
    column, sign, value = comparison
    values = table.columns[column]
    known = present(values)
    if values.dtype.kind == "f":
        number = {"true": 1.0, "false": 0.0}.get(value.lower(), as_number(value))
        if number is None:
            raise InputError(
                f"{option}={''.join(comparison)!r} is not allowed: column {column!r} holds numbers and {value!r} is text"
            )
        return _OPERATORS[sign](values, number) & known, known
    return np.array([text is not None and bool(_OPERATORS[sign](text, value)) for text in values]), known


def stem(source: str) -> str:
    """Returns a file name without the extensions of tables."""
    while Path(source).suffix.lower() in _EXTENSIONS:
        source = Path(source).stem
    return source
