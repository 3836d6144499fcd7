"""Survival from the columns of a table: times in days, and events, which are deaths or whatever else is followed up."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from vaebench.data.checks import survival_of
from vaebench.data.comparisons import (
    Comparison,
    compared,
    comparison_notes,
    never_held,
    numbers,
    occurs,
    parsed,
    place,
    value_counts,
)
from vaebench.data.files.table import Table, source_of, texts
from vaebench.data.files.text import ABSENT, as_number
from vaebench.data.wording import quoted, shown
from vaebench.errors import InputError
from vaebench.types import Survival

DAYS = {"days": 1.0, "months": 365.25 / 12, "years": 365.25}
"""Days in each unit of time."""

_DEATH = frozenset(("dead", "deceased", "died", "death", "expired", "event", "progressed", "progression", "recurred"))
_DEATH |= frozenset(("recurrence", "relapse", "relapsed", "failure", "failed", "uncensored", "yes", "y", "true", "t"))
_DEATH |= frozenset(("verstorben", "gestorben", "tot", "muerto", "fallecido", "morto"))
_ALIVE = frozenset(("alive", "living", "censored", "censor", "no", "n", "not", "non", "without", "free", "false", "f"))
_ALIVE |= frozenset(
    ("diseasefree", "lost", "survived", "survivor", "surviving", "0", "lebt", "lebend", "vivant", "vivo")
)
_REVERSED = re.compile(r"cens(or|ored|oring|orship|ure)?|alive|living|surviv(ed|or)", re.IGNORECASE)
_VITAL = re.compile(r"vital|os_?status|dead|death|deceased", re.IGNORECASE)
_UNITS = {
    "days": re.compile(r"days?\b|_days?_"),
    "months": re.compile(r"mo?n?ths?\b|_mos?\b"),
    "years": re.compile(r"years?\b|_yrs?\b"),
}


_FEW_ZEROS = 0.05  # share of times that are 0 where they are measured from surgery
_USUAL = (366.0, 60 * 365.25)  # days between which the longest follow-up of a cohort lies; 30 years are 360 months


def survival_from(
    table: Table, event: str | None, time: str | None, unit: str, samples: np.ndarray | None
) -> Survival | None:
    """Returns times in days and events [N], or ``None`` when no columns are named for them.

    A sample without an event or a time has a NaN time and no event.

    Raises:
        InputError: an event is not 0, 1, true or false, or is compared with a value that never occurs; a time is text,
            negative or infinite; or no sample has both.
    """
    if event is None or time is None:
        return None
    times = numbers(table, "time", time, samples) * DAYS[unit]
    if event in table.columns:
        held = _zeros_and_ones(table, event, samples)
        holds, known = held == 1, ~np.isnan(held)
    else:
        comparisons = parsed("event", event)
        for comparison in comparisons:
            if comparison[2].lower() in ABSENT or not occurs(table, comparison):
                raise InputError(f"event={event!r} is not allowed: {never_held(table, comparison)}")
        table = _folded(table, comparisons)[0]
        parts = [compared(table, "event", comparison) for comparison in comparisons]
        holds, known = (np.logical_and.reduce(part) for part in zip(*parts, strict=True))
    times = np.where(known, times, np.nan)
    if np.isnan(times).all():
        raise InputError(f"no sample of {table.source} has both event {event!r} and time {time!r}; at least one must")
    names = np.array([f"in line {line}" for line in table.lines]) if samples is None else samples
    return survival_of(Survival(time=times, event=holds & ~np.isnan(times)), names)


def _folded(table: Table, comparisons: Sequence[Comparison]) -> tuple[Table, dict[str, int]]:
    """Writes values that differ from a compared one in case or spacing only as that one; returns the table and their counts."""
    columns, found = dict(table.columns), dict[str, int]()
    for column, sign, value in comparisons:
        values = columns[column]
        if sign not in ("==", "!=") or values.dtype.kind != "O":
            continue
        alike = {held for held in value_counts(values) if held != value and _plain(held) == _plain(value)}
        found |= {held: count for held, count in value_counts(values).items() if held in alike}
        columns[column] = np.array([value if held in alike else held for held in values], dtype=object)
    return (table._replace(columns=columns) if found else table), found


def _plain(text: str) -> str:
    return re.sub(r"[\s_-]+", "", text.lower())


def _zeros_and_ones(table: Table, event: str, samples: np.ndarray | None) -> np.ndarray:
    """Returns a column of 0, 1, true and false as float64 [N], NaN where missing."""
    values = table.columns[event]
    found = [_zero_or_one(value) for value in values.tolist()]
    if None not in found:
        return np.array(found, dtype=np.float64)
    position = found.index(None)
    counts = value_counts(values)
    chosen = death(list(counts), event)
    ask = (
        f'; if that is a death, give event="{event}{chosen}"' if chosen else f'; give event="{event}==VALUE" for deaths'
    )
    r = " (R codes 1 censored, 2 dead)" if set(counts) == {"1", "2"} else ""
    raise InputError(
        f"event column {event!r} of {source_of(table, event)} holds {quoted(texts(values[position : position + 1])[0])} "
        f"({place(table, position, samples, event)}), not 0, 1, true, false; it holds {shown(counts, 4)}{r}{ask}"
    )


def death(values: Sequence[str], column: str = "") -> str:
    """Returns the comparison that probably means a death, ``==VALUE`` or ``!=VALUE``; ``""`` where no value stands out.

    It never names the survivors with ``==``.

    Args:
        values: different values of a column.
        column: its name; in a column such as ``alive`` a yes is no death.
    """
    coded = {value: found[1] for value in values if (found := re.match(r"\s*([01])\s*[:=.-]\s*[a-z]", value, re.I))}
    if len(coded) == len(values):
        ones = [value for value, code in coded.items() if code == "1"]
        return f"=={ones[0]}" if len(ones) == 1 else ""
    if set(values) == {"1", "2"}:
        return "==2"
    words = {value: _tokens(value) for value in values}
    dead = [value for value, found in words.items() if found & _DEATH and not found & _ALIVE]
    alive = [value for value, found in words.items() if found & _ALIVE]
    if _REVERSED.search(column) and all(found & {"yes", "y", "true", "t", "no", "n"} for found in words.values()):
        dead, alive = alive, dead
    if len(dead) == 1:
        return f"=={dead[0]}"
    return f"!={alive[0]}" if len(alive) == 1 and len(dead) == len(values) - 1 > 0 else ""


def _tokens(value: str) -> set[str]:
    """The words and whole numbers in a value, in lower case."""
    return set(re.findall(r"[a-z]+|\d+", value.lower()))


def _zero_or_one(value: float | str | None) -> float | None:
    """Returns 0 or 1, NaN for a missing value, and ``None`` for any other."""
    number = {"true": 1.0, "false": 0.0}.get(value.lower(), as_number(value)) if isinstance(value, str) else value
    if number is None and value is not None:
        return None
    if number is None or number != number:
        return np.nan
    return number if number in (0.0, 1.0) else None


def survival_notes(
    table: Table, event: str | None, time: str | None, unit: str, survival: Survival | None
) -> list[str]:
    """Returns notes on what was taken as a death, and on times whose unit their name contradicts."""
    if survival is None or event is None or time is None:
        return []
    notes = []
    if event not in table.columns:
        comparisons = parsed("event", event)
        table, alike = _folded(table, comparisons)
        if alike:
            notes.append(f"event {event}: values that differ in case or spacing only count as the same: {shown(alike)}")
        notes += comparison_notes(table, "event", comparisons)
        notes += _censored_note(table, event, comparisons[0][0]) + _coded_note(table, event, comparisons)
    elif _REVERSED.search(event):
        notes.append(
            f'event: 1 in column {event!r} is taken as a death; if it means a censored sample, give event="{event}==0"'
        )
    known = ~np.isnan(survival.time)
    notes += _contradicted(table, event, survival.event, known)
    if not survival.event.any():
        notes.append(
            f"event: none of the {known.sum()} samples with a time has an event in {event!r}, so no Cox model can be fitted"
        )
    elif survival.event[known].all():
        notes.append(f"event: all {known.sum()} samples with a time have an event in {event!r}; is no one censored?")
    name = re.sub(r"[^a-z0-9]+", "_", time.lower())
    named = [u for u, pattern in _UNITS.items() if pattern.search(name.replace("_", " ")) or pattern.search(name)]
    if len(named) == 1 and named[0] != unit:
        notes.append(f"time: column {time!r} is read in {unit}; if it holds {named[0]}, give --time-unit {named[0]}")
    longest = float(survival.time[known].max())
    zeros = int((survival.time[known] == 0).sum())
    if zeros > _FEW_ZEROS * known.sum():
        notes.append(
            f"survival: {zeros} of {known.sum()} times of column {time!r} are 0; if that means unknown, leave them empty"
        )
    if not named and not _USUAL[0] < longest < _USUAL[1]:
        notes.append(
            f"survival: the longest time of column {time!r} is {longest / DAYS[unit]:.6g} {unit}; is that its unit (--time-unit)?"
        )
    return notes


def _censored_note(table: Table, event: str, column: str) -> list[str]:
    """Returns a note on the values that count as censored, if they are more than one or do not read as survivors."""
    holds, known = compared(table, "event", parsed("event", event)[0])
    values = table.columns[column]
    others = value_counts(values[known & ~holds])
    chosen = [value for value in value_counts(values[holds]) if values.dtype.kind == "O"]
    if chosen and all(_tokens(value) & _ALIVE and not _tokens(value) & _DEATH for value in chosen):
        return [f"event {event} counts {quoted(chosen[0])} as a death; the others, as censored: {shown(others)}"]
    survivors = all(_tokens(value) & _ALIVE for value in others) if values.dtype.kind == "O" else len(others) == 1
    if not others or len(others) > 20 or survivors:
        return []
    return [f"event {event}: every other value counts as censored: {shown(others)}"]


def _coded_note(table: Table, event: str, comparisons: Sequence[Comparison]) -> list[str]:
    """Returns a note on a comparison that counts survivors by the usual code: 1 of R's 1 and 2, or a censored sample."""
    if len(comparisons) > 1:
        return []
    column, sign, value = comparisons[0]
    codes = set(value_counts(table.columns[column]))
    if codes == {"1", "2"} and (sign, value) in (("==", "1"), ("!=", "2"), ("<", "2")):
        return [f'event {event}: R codes 1 censored and 2 dead; if {column!r} does, give event="{column}==2"']
    taken = (sign == "==" and value.lower() in ("1", "true", "yes")) or (
        sign == "!=" and value.lower() in ("0", "false", "no")
    )
    if taken and _REVERSED.search(column):
        return [
            f"event {event} counts {column!r} as a death; if it means a censored sample, compare with the other value"
        ]
    return []


def _contradicted(table: Table, event: str, events: np.ndarray, known: np.ndarray) -> list[str]:
    """Returns a note where another column says dead of most samples without an event, and alive of most with one."""
    for column, values in table.columns.items():
        if column in event or values.dtype.kind != "O" or not _VITAL.search(column):
            continue
        chosen = death(list(value_counts(values)))
        if not chosen.startswith("=="):
            continue
        dead = values == chosen[2:]
        there = known & np.array([value is not None for value in values])
        if there.any() and np.mean(dead[there] == events[there]) < 0.2:
            return [
                f"event {event}: column {column!r} says {quoted(chosen[2:])} of those without an event; are they reversed?"
            ]
    return []
