"""Modules import downwards only, and heavy packages stay out of training and of the start of the command line."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "vaebench"

# what a module (or package) may import of ours, besides `vaebench` itself (its version)
ALLOWED = {
    "types": set(),
    "atomic": set(),
    "initialisation": set(),
    "networks": {"types", "initialisation"},
    "terms": {"types"},
    "optimizers": {"types"},
    "signature_networks": {"types", "initialisation", "networks", "terms"},
    "variants": {"types", "networks", "terms", "optimizers", "signature_networks", "variants"},
    "point": {"types", "initialisation", "networks", "optimizers", "variants"},
    "space": {"types", "point", "variants"},
    "protocols": {"types", "initialisation", "point", "space", "variants"},
    "data": {"atomic", "types", "data"},
    "lane": {"types", "optimizers"},
    "train": {"types", "optimizers", "variants", "lane"},
    "pool": {"types", "point", "lane", "train", "data", "variants"},
    "metrics": {"types", "metrics"},
    "evaluation": {"types", "metrics"},
    "results": {"atomic", "types"},
    "progress": set(),
    "host": {"types", "evaluation", "results"},
    "checkpoint": {"atomic", "types", "pool"},
    "model": {"atomic", "types", "networks", "point", "space", "variants", "pool", "data", "checkpoint"},
    "cost": {"types", "point", "space", "train", "pool"},
    "task": {
        "types",
        "point",
        "space",
        "lane",
        "train",
        "pool",
        "checkpoint",
        "model",
        "host",
        "evaluation",
        "results",
        "progress",
    },
    "scale": {"types", "point", "space", "pool", "host", "results", "progress", "data", "task"},
    "sweep": {"types", "point", "space", "pool", "cost", "evaluation", "results", "progress", "task", "scale"},
    "signatures": {
        "types",
        "networks",
        "terms",
        "signature_networks",
        "variants",
        "point",
        "space",
        "lane",
        "train",
        "pool",
        "data",
        "signatures",
    },
    "options": set(),
    "texts": {"progress", "protocols", "analysis"},
    "embeddings": {"types", "data", "evaluation", "results"},
    "inputs": {"types", "options", "data", "metrics", "protocols"},
    "uncertainty": {"types"},
    "analysis": {"types", "results", "uncertainty"},
    "importance": {"types", "analysis", "uncertainty"},
    "comparisons": {"types", "analysis", "importance", "uncertainty"},
    "figures": {"atomic", "types", "results", "analysis", "uncertainty", "figures"},
    "page": {"atomic"},
    "report": {"types", "analysis", "figures", "page"},
    "signature_options": {"options"},
    "signature_report": {"figures", "page"},
}


def modules() -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        found.setdefault(name, []).append(path)
    return found


def imported(path: Path) -> set[str]:
    """Names below ``vaebench`` that a file imports at any place, type checking apart."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    ours = {name.split(".")[1] for name in names if name.startswith("vaebench.")}
    return {name for name in ours if not name.startswith("_")}


@pytest.mark.parametrize("module", sorted(ALLOWED))
def test_module_imports_only_what_lies_below(module):
    for path in modules()[module]:
        assert imported(path) <= ALLOWED[module], path


def test_every_module_has_a_rule_or_may_import_anything():
    anything = {"__init__", "__main__", "cli", "commands", "quickstart", "signature_commands"}
    assert set(modules()) - {"py"} == set(ALLOWED) | anything


def test_no_module_has_the_name_of_a_public_function():
    import vaebench

    assert not set(vaebench._NAMES) & {path.stem for path in PACKAGE.rglob("*.py")}


@pytest.mark.parametrize(
    ("start", "absent"),
    [
        ("import vaebench", {"jax", "numpy", "pandas", "matplotlib"}),
        ("import vaebench.cli", {"jax", "numpy", "pandas", "matplotlib", "sklearn"}),
        (
            "import vaebench.training.train, vaebench.training.model",
            {"pandas", "matplotlib", "leidenalg", "lifelines", "sklearn", "pyarrow"},
        ),
        ("import vaebench.evaluation", {"jax", "pandas", "matplotlib"}),
    ],
)
def test_heavy_packages_are_loaded_where_they_are_used(start, absent):
    code = f"import sys; {start}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not absent & set(loaded)
