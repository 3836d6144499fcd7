"""Rules of the house that no linter has: unique class names, docstrings that say what is returned or done, small files."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "vaebench"
TREES = {
    path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")
}
QUESTION = re.compile(r"(What|Which|Where|Whether|How|Have|Has|Do|Does|Is|Are)\b")


def documented(tree: ast.Module):
    return (n for n in ast.walk(tree) if isinstance(n, (ast.Module, ast.ClassDef, ast.FunctionDef)))


def test_a_class_has_a_name_of_its_own():
    """Variants apart: each has its own ``Shape`` and ``Hyper``, which nobody imports without its module."""
    places = defaultdict(list)
    for name, tree in TREES.items():
        if not name.startswith("variants/"):
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(name)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@pytest.mark.parametrize("name", TREES)
def test_docstrings_start_with_a_verb_or_with_what_is_returned(name):
    docs = [ast.get_docstring(node) or "" for node in documented(TREES[name])]
    assert [doc.splitlines()[0] for doc in docs if QUESTION.match(doc)] == []


@pytest.mark.parametrize("name", TREES)
def test_files_and_functions_stay_small(name):
    """About 300 lines a file and 60 a function; the limits leave room for docstrings of several arguments."""
    lines = (PACKAGE / name).read_text(encoding="utf-8").count("\n")
    assert lines <= 330
    functions = [n for n in ast.walk(TREES[name]) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    long = {}
    for node in functions:
        doc = node.body[0] if ast.get_docstring(node) else None
        body = (node.end_lineno or node.lineno) - node.lineno - ((doc.end_lineno or 0) - doc.lineno + 1 if doc else 0)
        if body > 60:
            long[node.name] = body
    assert long == {}
