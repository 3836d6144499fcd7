"""Values in sentences: quoted, cut where they are long, and counted. Imports nothing, so that training can say what it must."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SHOWN = 5
"""Values of a list that a message shows."""
_LONGEST = 40  # characters of a value that a message shows


def shown(counts: Mapping[str, int], most: int = SHOWN) -> str:
    """Formats values and how often each occurs, the most frequent first: ``'Alive' (110), 'Dead' (48)``."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    listed = ", ".join(f"{quoted(value)} ({count})" for value, count in ordered[:most])
    return listed + (f" and {len(ordered) - most} more" if len(ordered) > most else "")


def beginning(names: Sequence[str]) -> str:
    """Formats the first of some names, as many of five as fit into 80 characters, with dots where there are more."""
    held = [name if len(name) <= _LONGEST else name[: _LONGEST - 3] + "..." for name in names[:SHOWN]]
    while len(held) > 1 and len(", ".join(held)) > 2 * _LONGEST:
        held.pop()
    return ", ".join(held) + (", ..." if len(held) < len(names) else "")


def quoted(value: str) -> str:
    """Formats a value in quotes, cut where it is long."""
    return repr(value if len(value) <= _LONGEST else value[: _LONGEST - 3] + "...")


def per_cent(share: float) -> str:
    """Formats a share in per cent with its own digits, such as ``95%`` or ``99.9%``: rounded, the latter would be 100%."""
    return f"{100 * share:.10g}%"


def count_of(number: int, noun: str) -> str:
    """Formats a number with its noun, such as ``1 sample`` or ``1,200 samples``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
