"""Checks of the arguments as they are typed: the parser would keep the last of a repeated option, and take an empty value."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from vaebench.cli.help import documentation
from vaebench.errors import InputError, shortened

_SEVERAL = ("comma-separated", "separated by commas")


def check_given(arguments: Sequence[str], options: type) -> None:
    """Raise :class:`InputError` for an option that is given twice, and for one whose value is empty.

    Args:
        arguments: those after the name of the command.
        options: dataclass of the command's options.
    """
    fields = {field.name.replace("_", "-"): field for field in dataclasses.fields(options)}
    flags = {name for name, field in fields.items() if isinstance(field.default, bool)}
    seen: dict[str, tuple[str, list[str]]] = {}
    for place, argument in enumerate(arguments):
        if not argument.startswith("--"):
            if not argument.strip():
                raise InputError("an argument is empty; give a value in its place, or leave it out")
            continue
        typed, values = _option(argument, arguments[place + 1 :])
        name = typed[3:] if typed[:3] == "no-" and typed[3:] in flags else typed
        if name not in fields:  # the parser has a message on it
            continue
        many = str(fields[name].type).startswith("tuple")
        values = values if many else values[:1]
        if name not in flags:
            check_not_empty(f"--{name}", name, values)
        if name in seen:
            raise _repeated(documentation(options)[fields[name].name], many, seen[name], (typed, values))
        seen[name] = typed, values


def check_not_empty(shown: str, name: str, values: Sequence[str]) -> None:
    """Raise :class:`InputError` if a value of the option ``name`` has nothing but blanks and commas; ``shown`` is its name."""
    if any(not value.strip(" ,\t") for value in values):
        wanted = "a folder" if name in ("out", "folder") else "a value, or leave the option out"
        raise InputError(f"{shown} is empty; give {wanted}")


def _option(argument: str, following: Sequence[str]) -> tuple[str, list[str]]:
    """Return the name of an option, without its dashes, and the values that are given to it."""
    name, equals, value = argument[2:].partition("=")
    values = [value] if equals else list(itertools.takewhile(lambda text: not text.startswith("--"), following))
    return name.replace("_", "-"), values


def _repeated(text: str, many: bool, first: tuple[str, list[str]], second: tuple[str, list[str]]) -> InputError:
    """Return the error for two occurrences of an option (name, values), whose help is ``text``; ``many`` for several values."""
    name, values = second
    if first[0] != name:
        return InputError(f"--{first[0]} and --{name} are both given; give one of the two")
    if not many and not any(words in text for words in _SEVERAL):
        return InputError(f"--{name} is given twice; give it once")
    together = (" " if many else ",").join([*first[1], *values])
    return InputError(f"--{name} is given twice; give its values together: --{name} {shortened(together)}")


def of_type(message: str, values: Mapping[str, Any]) -> str:
    """Return the message of a value of another type as words: "workers is 'two'; it must be a whole number"."""
    found = re.fullmatch(r"Expected `([^`]*)`, got `[^`]*` - at `\$\.(\w+).*`", message)
    if not found:
        return message
    kinds = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text", "Path": "a path"}
    kind, value = found[1].split(" | ")[0], values[found[2]]
    value = ",".join(map(str, value)) if isinstance(value, list) else value
    listed = " or several separated by commas" if "[" in found[0].rpartition("`$")[2] else ""
    return f"{found[2]} is {str(value)[:60]!r}; it must be {kinds.get(kind, kind)}{listed}"
