"""Conditions on columns, such as ``tumor==1`` and ``stage!=IV & age>=40``."""

from __future__ import annotations

import operator
import re

import numpy as np

from vaebench.data.files.table import Table, present
from vaebench.data.files.text import as_number
from vaebench.types import InputError

_OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_PATTERN = re.compile(r"^\s*(.+?)\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*$")


def parsed(option: str, text: str) -> list[tuple[str, str, str]]:
    """The comparisons ``(column, operator, value)`` in ``text``, which `` & `` separates.

    Raises:
        InputError: naming ``option`` when a part is no comparison.
    """
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
    """Two [N] boolean arrays: where the comparison holds, and where its column has a value at all.

    A column of numbers is compared with a number (``true`` and ``false`` are 1 and 0), any other column as text. A
    missing value satisfies no comparison, ``!=`` included.

    Raises:
        InputError: when a column of numbers is compared with text.
    """
    column, sign, value = comparison
    values = table.columns[column]
    known = present(values)
    if values.dtype.kind == "f":
        number = {"true": 1.0, "false": 0.0}.get(value.lower(), as_number(value))
        if number is None:
            raise InputError(
                f"{option}={''.join(comparison)!r} is not allowed; column {column!r} holds numbers, {value!r} is text"
            )
        return _OPERATORS[sign](values, number) & known, known
    return np.array([text is not None and bool(_OPERATORS[sign](text, value)) for text in values]), known
