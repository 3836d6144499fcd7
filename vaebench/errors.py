"""Errors that users see, and checks of single values that raise them."""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Iterable, Sequence
from typing import Any

_LISTED = 180  # characters of a list of names in a message


class InputError(ValueError):
    """Bad input from the user.

    The message is one sentence that names the file, field or option, the value, and what is allowed. The command line
    prints it after ``error:`` and exits with code 2.
    """


class RunError(RuntimeError):
    """A failure of ours or of the machine that ends a run.

    The message is one sentence that says what was kept and how to continue.
    """


def unknown_name(kind: str, name: object, valid: Iterable[str]) -> InputError:
    """Returns (does not raise) the error for a name missing from a registry.

    Args:
        kind: the thing named, for example ``"metric"``.
        name: the unknown name.
        valid: all known names; the message lists them, or the closest of many, and suggests the closest one.
    """
    names = sorted(str(v) for v in valid)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(names)
    if len(listed) > _LISTED:
        listed = ", ".join([*difflib.get_close_matches(str(name), names, n=6, cutoff=0.0), "..."])
    shown = str(name) if len(str(name)) <= 60 else f"{str(name)[:57]}..."
    return InputError(f"unknown {kind} {shown!r}{hint} (known: {listed})")


def whole_number(option: str, value: Any, low: int, high: int | None) -> None:
    """Raises ``InputError`` unless ``value`` is an integer (not a bool) from ``low`` to ``high``.

    ``high=None`` sets no upper limit.
    """
    number = int(value) if isinstance(value, numbers.Integral) and not isinstance(value, bool) else None
    if number is None or number < low or (high is not None and number > high):
        allowed = f"{low} or more" if high is None else f"from {low} to {high}"
        raise InputError(f"{option}={value!r} is not allowed; it must be a whole number {allowed}")


def checked_seed(seed: Any) -> None:
    """Raises ``InputError`` unless ``seed`` is an integer from 0 to 2**31 - 1, which all random generators here accept."""
    whole_number("seed", seed, 0, 2**31 - 1)


def check_choice(option: str, value: str, allowed: Sequence[str]) -> None:
    """Raises ``InputError``, with the closest allowed value, unless ``value`` is one of ``allowed``."""
    if value not in allowed:
        raise unknown_name(option, value, allowed)
