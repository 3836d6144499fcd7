"""Turning the columns of a table into the parts of a data set: sample names, labels, survival, covariates, factors.

A reader of files, whatever the format, calls in this order:

1. :func:`role_columns`: every column that an option names must exist.
2. :func:`selected`: the samples that ``where`` keeps and that have a label.
3. :func:`assembled`: labels, survival, covariates and factors from the columns, joined with the values of the features.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vaebench.data.auxiliary import auxiliary_from, split_kind
from vaebench.data.barcodes import cohort_note, cohort_of, usual_samples
from vaebench.data.comparisons import as_numbers, filtered, numbers, parsed
from vaebench.data.dataset import Treatment, dataset_from_features
from vaebench.data.events import DAYS, survival_from
from vaebench.data.features import without_clinical
from vaebench.data.files.table import Table, present, restricted, texts
from vaebench.data.preprocessing import with_source
from vaebench.data.raw_features import RawFeatures
from vaebench.data.role_notes import role_notes
from vaebench.data.wording import beginning
from vaebench.errors import InputError, as_tuple, nearest, unknown_name
from vaebench.types import Dataset, Survival


@dataclasses.dataclass(frozen=True)
class Roles:
    """The columns that options name, and the samples to use; see :func:`vaebench.data.read_table` for each field."""

    label: str | None = None
    event: str | None = None
    time: str | None = None
    time_unit: str = "days"
    covariates: Sequence[str] = ()
    factors: Sequence[str] = ()
    where: str | None = None
    ignore: Sequence[str] = ()
    features: Sequence[str] = ()
    tumours_only: bool = False
    one_per_patient: bool = False
    auxiliary: Sequence[str] = ()

    def __post_init__(self) -> None:
        # a string is one name, not a sequence of letters
        for name in ("covariates", "factors", "ignore", "features", "auxiliary"):
            given = getattr(self, name)
            object.__setattr__(self, name, () if given is None else as_tuple(name, given))
        if both := [name for name in self.features if name in self.ignore]:
            raise InputError(
                f"column {both[0]!r} is named by features (--features) and by ignore (--ignore); name it in one"
            )
        for name in ("label", "event", "time", "where"):
            if isinstance(getattr(self, name), list | tuple | set):
                raise InputError(f"{name} is {str(getattr(self, name))[:60]}; it must be one text, not several")
        if (self.event is None) != (self.time is None):
            present, absent = ("event", "time") if self.time is None else ("time", "event")
            raise InputError(
                f"{present}={self.event or self.time!r} is given without {absent}; survival needs both event and time"
            )
        if self.time_unit not in DAYS:
            raise unknown_name("time_unit", self.time_unit, DAYS)

    def options(self) -> dict[str, Any]:
        """Returns the fields for records and cache keys, which name no auxiliary variables where there are none."""
        return {k: v for k, v in dataclasses.asdict(self).items() if k != "auxiliary" or v}


class Selected(NamedTuple):
    """The samples that a data set uses.

    Attributes:
        table: these samples.
        positions: [n] positions in the given table.
        counts: samples read and dropped, by reason.
        notes: sentences on what was dropped, and on samples that are not one tumour of one patient.
    """

    table: Table
    positions: np.ndarray
    counts: dict[str, int]
    notes: list[str]


def role_columns(table: Table, roles: Roles) -> set[str]:
    """Returns all columns that options name, which are not features.

    Raises ``InputError`` for a column that does not exist, or is both ignored and used.
    """
    named = _named(table.columns, roles)
    for option, column in [*named, *(("ignore", column) for column in roles.ignore)]:
        if column is not None and column not in table.columns:
            raise _unknown_column(table, option, column)
        if option != "ignore" and column in roles.ignore:
            raise InputError(f"column {column!r} is named by both {option} and ignore; it can be in one of them only")
    followed = {column: option for option, column in named if option in ("event", "time") and column is not None}
    if roles.time is not None and roles.time == roles.event:
        raise InputError(f"column {roles.time!r} is named by both event and time; it can be one of them only")
    for option, column in named:
        if option in ("covariates", "auxiliary") and column in followed:
            raise InputError(
                f"column {column!r} is named by both {followed[column]} and {option}; survival cannot be explained by itself"
            )
    return {column for _, column in named if column is not None} | set(roles.ignore)


def named_columns(columns: Collection[str], roles: Roles) -> set[str]:
    """Returns those of some columns that options name, but for the ignored ones."""
    return {column for _, column in _named(columns, roles) if column is not None and column in columns}


def _named(columns: Collection[str], roles: Roles) -> list[tuple[str, str | None]]:
    """Options and the columns that they name, whether they exist or not."""
    named = [(option, getattr(roles, option)) for option in ("label", "time")]
    named += [(option, column) for option in ("covariates", "factors") for column in getattr(roles, option)]
    named += [("auxiliary", split_kind(name, columns)[0]) for name in roles.auxiliary]
    event = roles.event
    if event is not None and event not in columns and any(sign in event for sign in "=<>"):
        named += [("event", column) for column, _, _ in parsed("event", event)]
    else:
        named.append(("event", event))
    if roles.where is not None:
        named += [("where", column) for column, _, _ in parsed("where", roles.where)]
    return named


def _unknown_column(table: Table, option: str, column: str) -> InputError:
    """The error for an unknown column; its hint says if the table seems to have its samples in columns."""
    names = [known for known in table.columns if known]
    near = nearest(column, names)
    hint = f"; did you mean {near!r}?" if near else f"; its columns begin {beginning(names)}"
    turn = 'give samples_in="columns" (--samples-in columns)'
    if table.samples_in == "rows" and column in set(table.first_texts.tolist()):
        hint = f"; it names a row: {turn}"
    elif table.samples_in == "rows" and sum(name.startswith(("TCGA-", "GTEX-")) for name in names) * 2 > len(names):
        hint = f"; its columns are samples, such as {names[-1]!r}, so genes were read as samples: {turn}"
    kind = "column" if table.samples_in == "rows" else "row"
    return InputError(f"{option} (--{option}) names {column!r}, which is not a {kind} of {table.source}{hint}")


def selected(table: Table, roles: Roles, names: Sequence[str] | np.ndarray | None) -> Selected:
    """Selects the samples that ``where`` keeps, that have a label, and that the options on patients keep.

    Args:
        table: one row per sample.
        roles: the meaning of its columns.
        names: [N] sample names; ``None`` without names.

    Raises:
        InputError: no sample is left, or an option asks for what the table does not say.
    """
    read = len(table.lines)
    wanted, notes = (np.ones(read, bool), []) if roles.where is None else filtered(table, roles.where)
    labelled = wanted if roles.label is None else wanted & present(table.columns[roles.label])
    if not labelled.any():
        raise InputError(
            f"label={roles.label!r} is empty in all {wanted.sum()} samples of {table.source}; at least 2 need a label"
        )
    known = [""] * read if names is None else [str(name) for name in names]
    cohort = cohort_of(known, table.columns)
    kept = usual_samples(cohort, labelled, roles.tumours_only, roles.one_per_patient, table.source)
    where, unlabelled, others = (
        int(n) for n in (read - wanted.sum(), (wanted & ~labelled).sum(), (labelled & ~kept).sum())
    )
    if unlabelled:
        notes.append(f"{unlabelled} of {read} samples have no label in {roles.label!r} and are left out")
    if roles.tumours_only and not (labelled & cohort.normal).any():
        notes.append(
            "tumours_only (--tumours-only) leaves nothing out: no sample is normal tissue by its name or a column"
        )
    positions = np.flatnonzero(kept)
    counts = {"samples_read": read, "samples_dropped_by_where": where, "samples_dropped_without_label": unlabelled}
    if others:
        counts["samples_dropped_by_patient"] = others
        notes.append(f"{others} samples are left out as normal tissue or as further samples of a patient, as asked for")
    left = cohort._replace(
        patients=cohort.patients[kept], normal=cohort.normal[kept], order=[cohort.order[i] for i in positions]
    )
    notes += [note] if (note := cohort_note([known[i] for i in positions], left)) else []
    return Selected(restricted(table, positions), positions, counts, notes)


def assembled(
    table: Table,
    roles: Roles,
    treatment: Treatment,
    source: RawFeatures,
    samples: np.ndarray | None,
    name: str,
    provenance: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
    more_factors: Callable[[], Mapping[str, np.ndarray]] = dict,
    notes: Sequence[str] = (),
) -> Dataset:
    """Builds the data set from the values of its features and the columns of its table.

    Args:
        table: one row per sample.
        roles: the meaning of its columns.
        treatment: transform, selection and scaling of the values.
        source: the features.
        samples: [N] names, ``None`` for ``sample_1..N``.
        name: name of the data set.
        provenance: JSON values; ``roles`` and ``treatment`` are added to its ``"options"``.
        names: column -> name of its covariate or factor, where that differs.
        more_factors: gives the factors that are not columns of the table, name -> [N], once the features are read.
        notes: sentences of the reader; they come first among those of the data set, after ``provenance["notes"]``.
    """
    new = dict(names or {})
    factors = {new.get(column, column): numbers(table, "factors", column, samples) for column in roles.factors}
    source, more = without_clinical(source, roles.features)
    survival = survival_of_roles(table, roles, samples)
    # lists instead of tuples, as JSON returns them from the cache
    options = {k: list(v) if isinstance(v, tuple) else v for k, v in roles.options().items()}
    options = options | {"transform": treatment.transform} | provenance["options"]
    made = dataset_from_features(
        source,
        treatment,
        samples=samples,
        labels=label_texts(table, roles.label),
        survival=survival,
        covariates={new.get(column, column): covariate_of(table, column) for column in roles.covariates},
        factors=lambda: factors | dict(more_factors()),
        name=name,
        facts=auxiliary_from(auxiliary_columns(table, roles), len(table.lines)),
        provenance={**provenance, "options": options},
        notes=lambda scale: [*notes, *more, *scale, *role_notes(table, roles, survival)],
    )
    return dataclasses.replace(made, preprocessing=with_source(made.preprocessing, options))


def auxiliary_columns(table: Table, roles: Roles) -> dict[str, np.ndarray]:
    """Returns the auxiliary variables: name -> [N] numbers, or text where most values are or ``:category`` is given."""
    found = {}
    for name in roles.auxiliary:
        column, category = split_kind(name, table.columns)
        found[column] = np.array(texts(table.columns[column])) if category else covariate_of(table, column)
        if category:
            found[column][~present(table.columns[column])] = ""
    return found


def label_texts(table: Table, label: str | None) -> list[str] | None:
    """Returns the label of each sample as text, or ``None`` when no column is named for it."""
    return None if label is None else texts(table.columns[label])


def survival_of_roles(table: Table, roles: Roles, samples: np.ndarray | None) -> Survival | None:
    """Returns the survival that the roles name; see :func:`vaebench.data.events.survival_from`."""
    return survival_from(table, roles.event, roles.time, roles.time_unit, samples)


def covariate_of(table: Table, column: str) -> np.ndarray:
    """Returns a covariate [N]: numbers, NaN for the text among them, if most values are numbers; else text."""
    found = as_numbers(table.columns[column])
    return table.columns[column] if found is None else found
