"""Write the reference from the package's faces: the names that its public modules list, and nothing below them.

In a page of `docs/api`,

* `<!-- face of vaebench.data -->` becomes one entry for each public name of that module, and one for each class that
  the signatures of its functions name: results and options;
* `<!-- metrics -->` and `<!-- variants -->` become one section for each entry of the registry.

Every object is documented once, under its public path. A module that is no face can therefore be renamed freely.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import vaebench
from vaebench.metrics import METRICS
from vaebench.variants import VARIANTS


@functools.cache
def _tree(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(importlib.import_module(module)))


@functools.cache
def _assigned(module: str) -> dict[str, str]:
    """The names that a module assigns at its top level, with the docstring below each."""
    body = _tree(module).body
    found = {}
    for line, below in zip(body, [*body[1:], None], strict=True):
        targets = (
            line.targets if isinstance(line, ast.Assign) else [line.target] if isinstance(line, ast.AnnAssign) else []
        )
        described = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        for name in (t.id for t in targets if isinstance(t, ast.Name)):
            found[name] = inspect.cleandoc(str(below.value.value)) if described else ""
    return found


@functools.cache
def _imported(module: str) -> dict[str, str]:
    """Name -> module that it comes from, for `from ... import` at any place, type checking included."""
    nodes = [node for node in ast.walk(_tree(module)) if isinstance(node, ast.ImportFrom) and node.module]
    return {alias.asname or alias.name: str(node.module) for node in nodes for alias in node.names}


def public_names(module: str) -> list[str]:
    """``__all__`` where a module has one, else what it defines itself, in the order of the file."""
    face = importlib.import_module(module)
    if hasattr(face, "__all__"):
        return [name for name in face.__all__ if not name.startswith("_")]
    kept = []
    for line in _tree(module).body:
        if isinstance(line, ast.FunctionDef | ast.ClassDef):
            kept.append(line.name)
        elif isinstance(line, ast.Assign | ast.AnnAssign):
            kept += [name for name in _assigned(module) if name in ast.unparse(line).split("=")[0]]
    return [name for name in dict.fromkeys(kept) if not name.startswith("_")]


@functools.cache
def faces() -> tuple[str, ...]:
    """The public modules, those inside them included, and the package itself last."""
    found = []
    for name in vaebench.__all__:
        if isinstance(face := getattr(vaebench, name), ModuleType):
            inner = [getattr(face, n) for n in public_names(face.__name__)]
            found += [face.__name__, *(m.__name__ for m in inner if isinstance(m, ModuleType))]
    return (*found, "vaebench")


def _named(function: Any) -> Iterator[tuple[str, str, Any]]:
    """(module, name, object) of every class and alias of the package in a function's annotations."""
    for annotation in [p.annotation for p in inspect.signature(function).parameters.values()] + [
        inspect.signature(function).return_annotation
    ]:
        for word in re.findall(r"(?<![\w.])[A-Z]\w*", str(annotation)):
            module = _imported(function.__module__).get(word, function.__module__)
            if module.startswith("vaebench.") and hasattr(importlib.import_module(module), word):
                member = getattr(importlib.import_module(module), word)
                yield getattr(member, "__module__", module) if inspect.isclass(member) else module, word, member


@functools.cache
def entries() -> dict[str, list[tuple[str, str, Any]]]:
    """Face -> (module, name, object) of its entries; an object belongs to the first face that lists or names it.

    Options of metrics and settings of variants have sections of their own.
    """
    listed = {
        face: [(face, name, getattr(importlib.import_module(face), name)) for name in public_names(face)]
        for face in faces()
    }
    seen: set[int] = set()
    for face, members in listed.items():
        mine = []
        for entry in members:
            plain = not (inspect.isclass(entry[2]) or inspect.isroutine(entry[2]))
            if not isinstance(entry[2], ModuleType) and (plain or id(entry[2]) not in seen):
                seen.add(id(entry[2]))
                mine.append(entry)
        listed[face] = mine
    sections = {metric.compute.__module__ for metric in METRICS.values()} | {f"vaebench.variants.{n}" for n in VARIANTS}
    for face, members in listed.items():
        for _, _, member in list(members):
            for module, name, other in _named(member) if inspect.isfunction(member) else ():
                public = inspect.isclass(other) or _assigned(module).get(name)
                if public and module not in sections and id(other) not in seen:
                    seen.add(id(other))
                    listed[face].append((module, name, other))
    return listed


@functools.cache
def public_paths() -> dict[str, str]:
    """Where a function or class is defined -> the path under which the reference has it."""
    return {
        f"{member.__module__}.{member.__qualname__}": f"{module}.{name}"
        for members in entries().values()
        for module, name, member in members
        if inspect.isclass(member) or inspect.isfunction(member)
    }


def _entry(module: str, name: str, member: Any) -> str:
    if inspect.isclass(member):
        return f".. autoclass:: {module}.{name}\n"
    if inspect.isroutine(member):
        return f".. autofunction:: {module}.{name}\n"
    source = module
    while name not in _assigned(source) and name in _imported(source):
        source = _imported(source)[name]
    text = "\n".join(f"   {line}" for line in _assigned(source).get(name, "").splitlines())
    value = f"   :value: {member!r}\n" if isinstance(member, str | int | float) else ""
    return f".. py:data:: {name}\n   :module: {module}\n{value}\n{text}\n"


def _block(text: str) -> str:
    return f"```{{eval-rst}}\n{text}\n```"


def face_text(module: str) -> str:
    """The module's docstring and an entry for each of its names."""
    head = f".. automodule:: {module}\n   :no-members:\n"
    return _block("\n".join([head, *(_entry(*entry) for entry in entries()[module])]))


def _section(name: str, module: str, facts: str, members: list[str]) -> str:
    file = importlib.import_module(module)
    shown = [f".. automodule:: {module}\n   :no-members:\n", *(_entry(module, n, getattr(file, n)) for n in members)]
    return f"## `{name}`\n\n{facts}\n\n" + _block("\n".join(shown))


def metrics_text() -> str:
    """A section a metric: what it needs, what it scores by, its function and its options."""
    found = []
    for name, metric in METRICS.items():
        module = metric.compute.__module__
        members = [n for n in public_names(module) if n.endswith("_scores")]
        if metric.options is not None and type(metric.options).__module__ == module:
            members.append(type(metric.options).__name__)
        needs = ", ".join(metric.needs) or "nothing"
        found.append(_section(name, module, f"Needs: {needs}. Source: {metric.reference}.", members))
    return "\n\n".join(found)


def variants_text() -> str:
    """A section a variant: its paper, its losses, its weights and its shape."""
    found = []
    for name, variant in VARIANTS.items():
        module = f"vaebench.variants.{name}"
        members = [n for n in public_names(module) if re.search("Hyper$|Shape$|^textbook|^benchmarked", n)]
        facts = f"Trains on: {variant.domain}. Recipes: {', '.join(variant.recipes)}. Source: {variant.reference}."
        found.append(_section(name, module, facts, members))
    return "\n\n".join(found)


def expanded(source: str) -> str:
    """A page with its comments replaced by what they stand for."""
    source = re.sub(r"<!-- face of (\S+) -->", lambda found: face_text(found[1]), source)
    source = source.replace("<!-- metrics -->", metrics_text()) if "<!-- metrics -->" in source else source
    return source.replace("<!-- variants -->", variants_text()) if "<!-- variants -->" in source else source
