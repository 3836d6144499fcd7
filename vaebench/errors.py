"""Errors that users see, and checks of single values that raise them."""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Iterable, Sequence
from typing import Any


class InputError(ValueError):
    """Bad input from the user: one sentence that names the file or field, the value, and what is allowed."""


class RunError(RuntimeError):
    """A failure of ours or of the machine that ends a run: one sentence that says what is left and how to go on."""


def unknown_name(kind: str, name: object, valid: Iterable[str]) -> InputError:
    """The error for a name that is not in a registry, with the nearest valid one and the full list."""
    names = sorted(str(v) for v in valid)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return InputError(f"unknown {kind} {str(name)!r}{hint} (known: {', '.join(names)})")


def whole_number(option: str, value: Any, low: int, high: int | None) -> None:
    """``InputError`` unless ``value`` is a whole number from ``low`` to ``high``, or without an upper end for ``None``."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):
        allowed = f"{low} or more" if high is None else f"from {low} to {high}"
        raise InputError(f"{option}={value!r} is not allowed; it must be a whole number {allowed}")


def checked_seed(seed: Any) -> None:
    """``InputError`` unless ``seed`` is a whole number that every generator here takes."""
    whole_number("seed", seed, 0, 2**31 - 1)


def check_choice(option: str, value: str, allowed: Sequence[str]) -> None:
    """``InputError`` unless the value is among those that its option allows."""
    if value not in allowed:
        raise unknown_name(option, value, allowed)
