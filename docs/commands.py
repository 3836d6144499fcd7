"""Write the reference of the command line from its options: a section a command, a line an option."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import re
import typing
from pathlib import Path

from vaebench.cli.main import COMMANDS


@functools.cache
def _described(kind: type) -> dict[str, str]:
    """Field -> the text below it in the class, inherited ones included."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        (body,) = ast.parse(inspect.getsource(base)).body
        assert isinstance(body, ast.ClassDef)
        for line, below in zip(body.body, body.body[1:], strict=False):
            text = below.value if isinstance(below, ast.Expr) else None
            if isinstance(line, ast.AnnAssign) and isinstance(text, ast.Constant):
                found[ast.unparse(line.target)] = " ".join(str(text.value).split())
    return found


def _leaves() -> dict[str, type]:
    """Command, with its second word where it has one -> dataclass of its options."""
    found = {}
    for name, held in COMMANDS.items():
        kind = typing.get_args(held)[0] if typing.get_args(held) else held
        hints = typing.get_type_hints(kind, include_extras=True)
        if set(hints) != {"action"}:
            found[name] = kind
            continue
        for part in typing.get_args(hints["action"]):
            inner, setting = typing.get_args(part)[:2]
            found[f"{name} {setting.name}"] = inner
    return found


def _line(kind: type, field: dataclasses.Field, hint: object) -> str:
    marks = [m for part in typing.get_args(hint) if hasattr(part, "__metadata__") for m in part.__metadata__]
    marks += list(getattr(hint, "__metadata__", ()))
    metavar = next((m.metavar for m in marks if getattr(m, "metavar", None)), None)
    positional = metavar is not None
    name = field.name.replace("_", "-")
    shown = f"`{metavar}`".replace("|", r"\|") if positional else f"`--{name}`"
    text = _described(kind).get(field.name) or next((str(m.help) for m in marks if getattr(m, "help", None)), "")
    value = field.default
    if value is dataclasses.MISSING:
        default = "needed"
    elif isinstance(value, bool):
        default = f"on; `--no-{name}` is off" if value else "off"
    elif value in (None, "", ()):
        default = ""
    else:
        default = f"`{value.as_posix() if isinstance(value, Path) else value}`"
    text = re.sub(r"(?<![\w`-])--[a-z][a-z-]*", r"`\g<0>`", text.replace("|", r"\|"))
    return f"| {shown} | {default} | {text} |"


def commands_text() -> str:
    """A section for each command."""
    sections = []
    for name, kind in _leaves().items():
        hints = typing.get_type_hints(kind, include_extras=True)
        lines = [_line(kind, field, hints[field.name]) for field in dataclasses.fields(kind)]
        lines.sort(key=lambda line: line.startswith("| `--"))  # arguments first
        summary = " ".join((inspect.getdoc(kind) or "").split())
        table = "\n".join(["| Option | Default | Meaning |", "|---|---|---|", *lines])
        sections.append(f"## `vaebench {name}`\n\n{summary}\n\n{table}")
    return "\n\n".join(sections)
