"""Notes on the columns that options name: what looks odd in covariates, labels and survival."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from vaebench.data.comparisons import as_numbers, nearly_number, not_numbers, odd_text, unlikely_notes, value_counts
from vaebench.data.events import survival_notes
from vaebench.data.files.table import Table
from vaebench.data.wording import quoted
from vaebench.types import Survival

if TYPE_CHECKING:
    from vaebench.data.columns import Roles


def _alike_notes(table: Table, option: str, column: str) -> list[str]:
    """Notes on values of a column of text that one person would write and another write otherwise."""
    alike: dict[str, str] = {}
    notes = []
    for text in value_counts(table.columns[column]):
        other = alike.setdefault(re.sub(r"[\s_-]+", "", text.lower()), text)
        if other != text:
            notes.append(
                f"{option}: {other!r} and {text!r} of column {column!r} differ in case or spacing only, and count as two"
            )
    return notes


def _flat_notes(column: str, values: np.ndarray | None) -> list[str]:
    """A note on a factor without a value or with one value, with which nothing can go."""
    known = np.empty(0) if values is None else values[~np.isnan(values)]
    if values is None or (len(known) and known.min() < known.max()):
        return []
    what = f"is {known[0]:g} in all samples" if len(known) else "has no value"
    return [f"factors: column {column!r} {what}: no score can be computed of it"]


def role_notes(table: Table, roles: Roles, survival: Survival | None) -> list[str]:
    """Returns notes on the columns of the roles: text among the numbers of a covariate, labels alike, and survival."""
    notes = []
    named = [("covariates", column) for column in roles.covariates]
    named += [("auxiliary", name) for name in roles.auxiliary if name in table.columns]
    for option, column in named:
        odd, found = not_numbers(table.columns[column]), as_numbers(table.columns[column])
        if found is not None:
            notes += [f"{option}: {odd_text(column, odd)}"] * bool(odd) + unlikely_notes(option, column, found)
        elif written := nearly_number(table.columns[column]):
            notes.append(
                f"{option}: column {column!r} is text; for numbers, write them plainly, not as {quoted(written)}"
            )
    notes += [note for column in roles.factors for note in _flat_notes(column, as_numbers(table.columns[column]))]
    named += [("label", roles.label)] if roles.label is not None else []
    texts = [(option, column) for option, column in named if as_numbers(table.columns[column]) is None]
    notes += [note for option, column in texts for note in _alike_notes(table, option, column)]
    return notes + survival_notes(table, roles.event, roles.time, roles.time_unit, survival)
