"""Notes on the columns that options name: what looks odd in covariates, labels and survival."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vaebench.data.comparisons import as_numbers, nearly_number, not_numbers, odd_text, unlikely_notes, value_counts
from vaebench.data.events import survival_notes
from vaebench.data.files.table import Table
from vaebench.data.wording import quoted
from vaebench.types import Survival

if TYPE_CHECKING:
    from vaebench.data.columns import Roles


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
    if roles.label is not None:
        alike: dict[str, str] = {}
        for text in value_counts(table.columns[roles.label]):
            other = alike.setdefault(re.sub(r"[\s_-]+", "", text.lower()), text)
            if other != text:
                notes.append(
                    f"label: {other!r} and {text!r} of column {roles.label!r} differ in case or spacing only, and count as two"
                )
    return notes + survival_notes(table, roles.event, roles.time, roles.time_unit, survival)
