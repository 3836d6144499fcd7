"""Numbers in the columns of a table, and comparisons such as ``age>=40`` with them."""

from __future__ import annotations

import operator
import re
from collections import Counter

import numpy as np

from vaebench.data.files.table import Table, present, source_of, texts
from vaebench.data.files.text import ABSENT, NEARLY, as_number
from vaebench.data.wording import SHOWN, quoted, shown
from vaebench.errors import InputError

_OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_OPENED = re.compile(r"""[=<>]\s*(['"])(?!.*\1\s*$)""")
"""A value in quotes that are not closed."""
_PATTERN = re.compile(r"^\s*(.+?)\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*$")

# for missing values, in SPSS, SAS and registries
_CODES = (-1, -9, -99, -999, -9999, -99999, 99, 999, 9999, 99999, 999999)

Comparison = tuple[str, str, str]
"""Column, operator and value."""


def value_counts(values: np.ndarray) -> Counter[str]:
    """Counts the values of a column that are present, as text."""
    return Counter(texts(values[present(values)]))


def not_numbers(values: np.ndarray) -> Counter[str]:
    """Counts the values of a column that are present and are not numbers."""
    if values.dtype.kind == "f":
        return Counter()
    return Counter(str(text) for text in values if text is not None and as_number(text) is None)


def as_numbers(values: np.ndarray) -> np.ndarray | None:
    """Returns a column as float64 [N], NaN for values that are not numbers; ``None`` unless most of them are."""
    if values.dtype.kind == "f":
        return values
    found = [as_number(text) for text in values]
    known = sum(text is not None for text in values)
    if 2 * sum(number is not None and number == number for number in found) <= known:
        return None
    return np.array([np.nan if number is None else number for number in found], dtype=np.float64)


def nearly_number(values: np.ndarray) -> str:
    """Returns the first value of a column of text if all are numbers in a form that is not read, such as ``12%``; else ``""``."""
    held = [str(value) for value in values if value is not None] if values.dtype.kind == "O" else []
    return held[0] if held and all(NEARLY.fullmatch(value) for value in held) else ""


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
        odd = not_numbers(values)
        more = f"; its values that are no numbers: {shown(odd, 3)}" if len(odd) > 1 else ""
        plain = (
            "; write it plainly, without %, < or separators of thousands" if NEARLY.fullmatch(values[position]) else ""
        )
        out = plain or ("; --ignore leaves the column out" if option == "feature" else "")
        raise InputError(
            f"{option} column {column!r} of {source_of(table, column)} holds the text {quoted(values[position])} "
            f"({place(table, position, samples, column)}); it must hold numbers only{more}{out}"
        )
    return np.array(found, dtype=np.float64)


def place(table: Table, position: int, samples: np.ndarray | None, column: str) -> str:
    """Returns line and sample of a position in a column, for messages; the sample alone where the column is of another file."""
    kind = "line" if table.samples_in == "rows" else "column"
    line = [] if column in table.sources else [f"{kind} {table.lines[position]}"]
    named = [] if samples is None else [f"sample {str(samples[position])!r}"]
    return ", ".join(line + named)


def parsed(option: str, text: str) -> list[Comparison]:
    """Parses comparisons separated by `` & `` into ``(column, operator, value)``; raises ``InputError`` for other text.

    A value in quotes may hold ``&``, as in ``type=='Head & Neck'``.
    """
    comparisons, parts = [], list[str]()
    for part in re.split(r"\s+&\s+", text.strip()):
        if parts and _OPENED.search(parts[-1]):
            parts[-1] += f" & {part}"
        else:
            parts.append(part)
    for part in parts:
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


def compared(table: Table, option: str, comparison: Comparison) -> tuple[np.ndarray, np.ndarray]:
    """Returns two [N] bool arrays: true where a comparison holds, and true where its column has a value.

    A column of numbers is compared with a number (``true`` and ``false`` count as 1 and 0). Text equals a value if it is the
    same text or the same number. An order is one of numbers: in a column that holds text as well, the text counts as
    missing. A missing value satisfies no comparison, not even ``!=``; but ``==NA``, or any other spelling of missing, holds
    where a value is missing, and ``!=NA`` where there is one.

    Raises:
        InputError: numbers are compared with text, or text is ordered.
    """
    column, sign, value = comparison
    values = table.columns[column]
    known = present(values)
    if value.lower() in ABSENT and sign in ("==", "!="):
        return (known if sign == "!=" else ~known), np.ones(len(known), bool)
    number = {"true": 1.0, "false": 0.0}.get(value.lower(), as_number(value))
    if values.dtype.kind == "f":
        if number is None:
            raise InputError(
                f"{option}={''.join(comparison)!r} is not allowed: column {column!r} holds numbers and {value!r} is text"
            )
        return _OPERATORS[sign](values, number) & known, known
    if sign in ("==", "!="):
        number = as_number(value)
        same = np.array([text == value or (number is not None and as_number(text) == number) for text in values], bool)
        return (same if sign == "==" else ~same & known), known
    found = as_numbers(values)
    if found is None or number is None:
        raise InputError(
            f"{option}={''.join(comparison)!r} is not allowed: column {column!r} of {source_of(table, column)} holds text, such "
            f"as {shown(not_numbers(values) or value_counts(values), 2)}, which has no order; use == or !="
        )
    return _OPERATORS[sign](found, number) & ~np.isnan(found), ~np.isnan(found)


def occurs(table: Table, comparison: Comparison) -> bool:
    """Returns false for ``==`` and ``!=`` with a value that the column never holds."""
    column, sign, value = comparison
    return sign not in ("==", "!=") or bool(compared(table, "where", (column, "==", value))[0].any())


def never_held(table: Table, comparison: Comparison) -> str:
    """Returns a clause for a value that the column never holds, with those it holds and the one that differs in case."""
    column, _, value = comparison
    counts = value_counts(table.columns[column])
    near = next((held for held in counts if held.lower() == value.lower()), None)
    hint = f" (did you mean {quoted(near)}?)" if near else ""
    return (
        f"column {column!r} of {source_of(table, column)} never holds {quoted(value)}{hint}; "
        f"it holds {shown(counts) or 'no value'}"
    )


def filtered(table: Table, where: str) -> tuple[np.ndarray, list[str]]:
    """Returns the samples that satisfy ``where``, [N] bool, at least one; and notes on comparisons that do not as they read."""
    comparisons = parsed("where", where)
    masks = [compared(table, "where", comparison)[0] for comparison in comparisons]
    mask = np.logical_and.reduce(masks)
    if not mask.any():
        column = next((c[0] for c, m in zip(comparisons, masks, strict=True) if not m.any()), comparisons[0][0])
        values = table.columns[column]
        found = texts(np.unique(np.asarray(values[present(values)].tolist())))
        held = ", ".join(found[:SHOWN]) + (", ..." if len(found) > SHOWN else "")
        raise InputError(
            f"where={where!r} keeps none of the {len(mask)} samples of {table.source}; {column!r} holds {held}"
        )
    return mask, comparison_notes(table, "where", comparisons)


def comparison_notes(table: Table, option: str, comparisons: list[Comparison]) -> list[str]:
    """Returns notes on text that counts as missing in an order, and on ``!=`` with a value that never occurs."""
    notes = []
    for comparison in comparisons:
        column, sign, _ = comparison
        odd = not_numbers(table.columns[column])
        if odd and sign not in ("==", "!="):
            notes.append(f"{option} {''.join(comparison)}: {odd_text(column, odd)}")
        elif sign == "!=" and not occurs(table, comparison):
            notes.append(f"{option} {''.join(comparison)} leaves nothing out: {never_held(table, comparison)}")
    return notes


def unlikely_notes(option: str, column: str, values: np.ndarray) -> list[str]:
    """Returns a note on numbers, [N] with NaN where missing, that stand for a missing value in many tables, such as -9 or 999."""
    known = values[~np.isnan(values)]
    for code in _CODES:
        others = known[known != code]
        if 0 < len(known) - len(others) <= len(known) / 2 and len(others):
            odd = others.min() >= 0 if code < 0 else code > 5 * np.abs(others).max()
            if odd:
                return [
                    f"{option}: {len(known) - len(others)} values of column {column!r} are {code:g}, and the others "
                    f"{others.min():g} to {others.max():g}; if that means a missing value, leave it empty"
                ]
    return []


def odd_text(column: str, odd: Counter[str]) -> str:
    """Returns a clause on the values of a column of numbers that are not numbers."""
    count = sum(odd.values())
    what = "value is no number and counts" if count == 1 else "values are no numbers and count"
    return f"column {column!r} holds numbers, but {count} {what} as missing: {shown(odd)}"
