"""The commands ``list`` and ``describe settings``: the names in the registries, and the settings of a training."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from vaebench.errors import unknown_name

if TYPE_CHECKING:
    from vaebench.cli.options import ListNames

KINDS = (
    "variants",
    "metrics",
    "protocols",
    "optimizers",
    "methods",
    "intervals",
    "initialisations",
    "activations",
    "tissues",
)
"""What ``vaebench list`` lists."""


def names_of(kind: str) -> dict[str, str]:
    """Return the names of a registry, each with a line about it.

    Raises:
        InputError: there is no registry of that name.
    """
    if kind == "subjects":
        return dict.fromkeys(KINDS, "")
    if kind not in _READERS:
        raise unknown_name("list", kind, KINDS)
    return _READERS[kind]()


def list_names(options: ListNames, command: str) -> dict[str, Any]:
    """Print the names of a registry."""
    found = names_of(options.subject)
    if not options.quiet:
        left = max(map(len, found)) + 2
        # a line each for other programs; people read it in a terminal, which would break words
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        for name, about in found.items():
            print("\n".join(_hanging(f"{name:<{left}}", about, width)))
    return {options.subject: list(found)}


def _hanging(head: str, text: str, width: int) -> list[str]:
    """Lines of ``head`` and, beside it, the text; with a ``width`` of 0 it is one line, however long."""
    first, *others = (textwrap.wrap(text, max(width - len(head), 40), break_on_hyphens=False) if width else [text]) or [
        ""
    ]
    return [f"{head}{first}".rstrip(), *(" " * len(head) + line for line in others)]


def settings_text(width: int | None = None) -> str:
    """Return every setting of a training with its default and meaning, and the weights of each variant.

    Args:
        width: of a line; that of the terminal by default, at most 110.
    """
    width = width or min(shutil.get_terminal_size((110, 24)).columns, 110)
    from vaebench.space import Point
    from vaebench.variants import VARIANTS

    about = _meanings(inspect.getdoc(Point) or "")
    rows = []
    for field in dataclasses.fields(Point):
        if field.name not in ("variant", "shape", "hyper", "study"):
            rows.append((field.name, _shown(field.default), about[field.name]))
    lines = ["settings of every variant: --set NAME=VALUE[,VALUE...]", *_table(rows, width), ""]
    lines.append("settings of one variant")
    own = []
    for name, found in VARIANTS.items():
        recipe = found.recipes[0]
        shape = found.shape(recipe)
        values = dataclasses.asdict(shape) if shape is not None else {}
        values |= found.hyper(shape)._asdict()
        own += [(name, setting, _shown(value)) for setting, value in values.items()]
    return "\n".join([*lines, *_table(own, width)])


def _meanings(docstring: str) -> dict[str, str]:
    """Attribute -> its text in a docstring, in one line, with the commands that list names in place of their registries."""
    found: dict[str, str] = {}
    name = ""
    for line in docstring.split("\n"):
        start = re.fullmatch(r" {4}(\w+): (.*)", line)
        if start:
            name = start[1]
            found[name] = start[2]
        elif name and line.startswith(" " * 8):
            found[name] += " " + line.strip()
        else:
            name = ""
    for name, text in found.items():
        listed = re.sub(r" or :data:`[\w.]*\.NAMED`", "", text)
        for registry, kind in (
            ("INITS", "initialisations"),
            ("OPTIMIZERS", "optimizers"),
            ("ACTIVATIONS", "activations"),
        ):
            listed = re.sub(rf"one of :data:`[\w.]*\.{registry}`", f"a name of: vaebench list {kind}", listed)
        found[name] = re.sub(r":(?:data|func|class|mod|meth|attr):", "", listed).replace("``", "").replace("`", "")
    return found


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and math.isfinite(value) else str(value)


def _table(rows: list[tuple[str, str, str]], width: int) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
    return [line for a, b, c in rows for line in _hanging(f"  {a:<{widths[0]}}  {b:<{widths[1]}}  ", c, width)]


def _first_line(module: str) -> str:
    return (inspect.getdoc(sys.modules[module]) or "").split("\n")[0]


def _variants() -> dict[str, str]:
    from vaebench.variants import VARIANTS

    return {name: _first_line(f"vaebench.variants.{name}") for name in VARIANTS}


def _metrics() -> dict[str, str]:
    from vaebench.metrics import METRICS

    return {name: _first_line(found.compute.__module__) for name, found in METRICS.items()}


def _protocols() -> dict[str, str]:
    from vaebench.protocols import PROTOCOLS

    return {name: found.reference for name, found in PROTOCOLS.items()}


def _optimizers() -> dict[str, str]:
    from vaebench.nn.optimizers import NAMED, OPTIMIZERS

    together = dict.fromkeys(OPTIMIZERS, "differs freely between the lanes of one program")
    return together | dict.fromkeys(NAMED, "of optax, compiled into a program of its own")


def _methods() -> dict[str, str]:
    from vaebench.signatures.methods import METHODS

    return {name: found.summary for name, found in METHODS.items()}


def _intervals() -> dict[str, str]:
    from vaebench.signatures.intervals.methods import METHODS

    return {name: found.reference for name, found in METHODS.items()}


def _initialisations() -> dict[str, str]:
    from vaebench.nn.initialisation import INITS

    return dict.fromkeys(INITS, "")


def _activations() -> dict[str, str]:
    from vaebench.nn.autoencoder import ACTIVATIONS

    return dict.fromkeys(ACTIVATIONS, "")


def _tissues() -> dict[str, str]:
    from vaebench.signatures.published import published_exposures

    table = published_exposures().groupby("type")[["assay", "samples"]].first()
    return {str(name): f"{row['assay']}s, {row['samples']} samples" for name, row in table.iterrows()}


def _recipes() -> dict[str, str]:
    from vaebench.space import RECIPES

    return dict.fromkeys(RECIPES, "")


_READERS = {
    "variants": _variants,
    "metrics": _metrics,
    "protocols": _protocols,
    "optimizers": _optimizers,
    "methods": _methods,
    "intervals": _intervals,
    "initialisations": _initialisations,
    "activations": _activations,
    "recipes": _recipes,
    "tissues": _tissues,
}
