"""Errors that users see, and checks of single values that raise them."""

from __future__ import annotations

import difflib
import numbers
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_LISTED = 180  # characters of a list of names in a message


class InputError(ValueError):
    """Bad input from the user.

    The message is one sentence that names the file, field or option, the value, and what is allowed. The command line
    prints it after ``error:`` and exits with code 2. Line ends and other control characters in values become blanks, and
    quoted values are cut at 60 characters, so that it stays one line whatever a file holds.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(one_line(str(message)))


class RunError(RuntimeError):
    """A failure of ours or of the machine that ends a run.

    The message is one sentence that says what was kept and how to continue.
    """


_LONGEST = 60  # characters of a value that messages show
_MOST = 200_000  # characters of a message that are looked at
_LONGEST_LINE = 4000  # characters of any message
_WORD = re.compile(r"[^\s/\\]{101,}")  # paths are shown whole
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
# an apostrophe within a word opens no quotation
_QUOTED = re.compile(r"""(?<![\w'"])(['"])(.*?)\1(?!\w)""")


def one_line(text: str) -> str:
    """Returns ``text`` on one line, with quoted values of more than 60 characters, and words of over 100, cut."""
    line = _CONTROL.sub(" ", text[:_MOST])
    line = _QUOTED.sub(lambda found: found[1] + shortened(found[2]) + found[1], line)
    return _WORD.sub(lambda found: shortened(found[0]), line)[:_LONGEST_LINE]


def shortened(text: object) -> str:
    """Returns ``text`` on one line of at most 60 characters; a longer one ends in ``...``."""
    line = _CONTROL.sub(" ", str(text))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def unknown_name(kind: str, name: object, valid: Iterable[str]) -> InputError:
    """Returns (does not raise) the error for a name missing from a registry.

    Args:
        kind: the thing named, for example ``"metric"``.
        name: the unknown name.
        valid: all known names; the message lists them, or the closest of many, and suggests the closest one.
    """
    names = sorted(str(v) for v in valid)
    near = nearest(name, names)
    hint = f"; did you mean {near!r}?" if near else ""
    start = f"unknown {kind} {shortened(name)!r}{hint} (known: "
    shown = ", ".join(names)
    if len(start) + len(shown) > _LISTED:
        shown = shown[: _LISTED - len(start)].rpartition(", ")[0]
        shown += f", and {len(names) - shown.count(', ') - 1} more"
    return InputError(f"{start}{shown})")


_LISTED = 270
"""Characters of a message after which a list of names is cut."""


def nearest(name: object, known: Iterable[str]) -> str | None:
    """Returns the known name that is meant, or ``None``: one that differs in case and separators only, else the closest.

    Names differ in case, dashes, dots and underscores from person to person: ``os.time`` for ``OS.time``, ``beta-VAE``.
    """
    wanted, names = _plain(str(name)), list(known)
    plain = {_plain(other): other for other in reversed(names)}  # the first of those alike
    if wanted in plain:
        return plain[wanted]
    # comparing a name with 100,000 others takes minutes
    near = difflib.get_close_matches(wanted, list(map(_plain, names[:_COMPARED])), n=3, cutoff=0.5)
    # half of the letters are those of many a word; a slip is seldom in the first one
    sure = [
        other for other in near if other[:1] == wanted[:1] or difflib.SequenceMatcher(None, wanted, other).ratio() > 0.6
    ]
    return plain[sure[0]] if sure else None


_COMPARED = 2000


def _plain(name: str) -> str:
    return re.sub(r"[-_. ]+", "_", name.strip().casefold())


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


def check_choice(option: str, value: object, allowed: Iterable[str]) -> None:
    """Raises ``InputError``, with the closest allowed value, unless ``value`` is a text and one of ``allowed``."""
    if not isinstance(value, str) or value not in allowed:
        raise unknown_name(option, value, allowed)


def check_class(option: str, value: object, wanted: type) -> None:
    """Raises ``InputError`` unless ``value`` is of the class ``wanted``."""
    if not isinstance(value, wanted):
        raise InputError(f"{option}={value!r} is not allowed; it must be of the class {wanted.__name__}")


def check_level(level: object) -> None:
    """Raises ``InputError`` unless ``level`` is a nominal coverage: a number above 0 and below 1."""
    if isinstance(level, bool) or not isinstance(level, numbers.Real) or not 0 < float(level) < 1:
        raise InputError(f"level={level!r} is not allowed; it must be a number above 0 and below 1")


def as_tuple(option: str, value: Any) -> tuple[Any, ...]:
    """Returns one text as a tuple of it, and other values that can be listed as a tuple; raises ``InputError`` for any other."""
    try:
        return (value,) if isinstance(value, str) else tuple(value)
    except TypeError:
        raise InputError(f"{option} is {value!r}; it must be a name or a list") from None


def user_path(path: str | os.PathLike[str]) -> Path:
    """Returns the path with ``~`` at its start replaced by the user's home.

    Raises:
        InputError: it is no path, the home of no user, an address of the web, or holds a NUL character.
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(
            f"{shortened(repr(path))} is no path; it must be the path of a file or folder, a text or a pathlib.Path"
        )
    if "\0" in str(path):
        raise InputError(f"{shortened(str(path))!r} cannot be opened: it holds a NUL character")
    if str(path).startswith(("http://", "https://", "ftp://", "s3://", "gs://")):
        raise InputError(f"{shortened(str(path))} is an address of the web; download the file and give its path")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(f"{os.fspath(path)!r} cannot be found: {error}") from None
