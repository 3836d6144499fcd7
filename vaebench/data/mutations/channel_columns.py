"""Columns of a table that name its channels: one, or several that make a name together."""

from __future__ import annotations

import itertools
import re

from vaebench.data.files.table import Table
from vaebench.data.mutations.channel_labels import Recognised, recognised
from vaebench.data.mutations.channel_names import CONTEXTS
from vaebench.data.mutations.contexts import refuse_both_strands, refuse_other_contexts
from vaebench.data.mutations.labels import row_numbers, texts_of
from vaebench.errors import InputError

_FIRST = 5  # columns at the beginning, and columns of text after them, among which the names of channels are
_BASE = "[ACGT]"
_CHANGE = f"{_BASE}[>/]?{_BASE}"
_PARTS = (
    # change and context; reference, alternative and context; doublets before and after; the four columns of ICAMS' indels
    ((_CHANGE, rf"{_BASE}[ACGTNX._*-]{_BASE}|{_BASE}{{5}}"), "{},{}"),
    ((_BASE, _BASE, f"{_BASE}{{3}}|{_BASE}{{5}}"), "{}>{},{}"),
    ((f"{_BASE}{{2}}", f"{_BASE}{{2}}"), "{}>{}"),
    (("DEL|INS", "C|T|REPEATS|MH", r"\d\+?", r"\d\+?"), "{}:{}:{}:{}"),
)
"""Patterns of columns that make a name together, and how."""
_ROLES = {
    "before": (r"(5|five|left|up|before|prev|pre\b).*", _BASE),
    "ref": (r"(ref|from|original|wild).*", _BASE),
    "alt": (r"(alt|to\b|mut|var|new).*", _BASE),
    "change": (r".*", f"{_BASE}>{_BASE}"),
    "after": (r"(3|three|right|down|after|next|post\b).*", _BASE),
}
"""Columns that hold a base each, of which only their names tell which it is, or the change between two of them."""


def channel_rows(table: Table, kind: str, source: str) -> tuple[list[str], set[str], Recognised]:
    """Finds the channel of each row.

    Args:
        table: a table with channels in rows.
        kind: ``"sample"`` or ``"signature"``, for messages.
        source: name of the table in messages.

    Returns:
        Labels of the rows; the columns that are no samples: those with labels, and row numbers; and the labels as channels.

    Raises:
        InputError: the table names no channels, or those of a context that is not read.
    """
    names = list(table.columns)
    later = [name for name in names[_FIRST:] if table.columns[name].dtype.kind == "O"]
    texts = {name: texts_of(table, name) for name in [*names[:_FIRST], *later[-_FIRST:]]}
    single = {name: recognised(values) for name, values in texts.items()}
    whole = [name for name, read in single.items() if read.context]
    joined = [] if _has_strands(table, whole) else _joined(texts)
    if not whole and not joined:
        refuse_other_contexts(source, list(table.columns), list(texts.values()))
        raise InputError(
            f"{source} names no mutation channels, neither in its header nor in a column; {kind}s need all channels of "
            f"{', '.join(CONTEXTS)}, such as the 96 of SBS96, written A[C>A]A, or C>A and ACA in two columns"
        )
    keys = {*whole, *(name for columns, _, _ in joined for name in columns)}
    keys |= {name for name, values in texts.items() if _all(values, f"{_CHANGE}|{_BASE}{{3}}|[TUBN+-]")}
    keys |= set(row_numbers(table, list(keys)))
    if whole:
        refuse_both_strands(source, texts[whole[0]])
        return texts[whole[0]], keys, single[whole[0]]
    _, labels, read = joined[0]
    refuse_both_strands(source, labels)
    return labels, keys, read


def _has_strands(table: Table, whole: list[str]) -> bool:
    return not whole and any(name.strip().lower() == "strand" for name in table.columns)


def _joined(texts: dict[str, list[str]]) -> list[tuple[tuple[str, ...], list[str], Recognised]]:
    """Columns that make names of channels together, the names, and what they are."""
    found = []
    for patterns, form in _PARTS:
        for columns in itertools.permutations(texts, len(patterns)):
            if not all(_all(texts[name], pattern) for name, pattern in zip(columns, patterns, strict=True)):
                continue
            labels = [
                form.format(*parts).strip(",>:") for parts in zip(*(texts[name] for name in columns), strict=True)
            ]
            if (read := recognised(labels)).context:
                found.append((columns, labels, read))
    return found or _joined_by_role(texts)


def _joined_by_role(texts: dict[str, list[str]]) -> list[tuple[tuple[str, ...], list[str], Recognised]]:
    """Columns of single bases that are named for their places, such as 5prime, ref, alt and 3prime; see :func:`_joined`."""
    roles = {}
    for role, (named, pattern) in _ROLES.items():
        fitting = [n for n, v in texts.items() if re.match(named, n.strip().lower()) and _all(v, pattern)]
        roles |= {role: fitting[0]} if len(fitting) == 1 else {}
    for parts, form in (
        (("before", "change", "after"), "{}[{}]{}"),
        (("before", "ref", "alt", "after"), "{}[{}>{}]{}"),
    ):
        columns = tuple(roles[part] for part in parts if part in roles)
        if len(columns) == len(parts):
            labels = [form.format(*values) for values in zip(*(texts[name] for name in columns), strict=True)]
            if (read := recognised(labels)).context:
                return [(columns, labels, read)]
    return []


def _all(values: list[str], pattern: str) -> bool:
    """True if nearly all texts have the form of ``pattern``: a few may be totals or mistakes that are to be named."""
    fitting = sum(re.fullmatch(pattern, value.strip(), re.IGNORECASE) is not None for value in values)
    return bool(values) and fitting >= 0.9 * len(values)
