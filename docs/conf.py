"""Tutorials and guides in MyST Markdown, the reference from docstrings and options.

`sphinx-build -W -b html docs docs/_build/html` builds all of it and executes the tutorials.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import columns
import commands
import faces
import outputs
from docutils import nodes
from mdit_py_plugins.anchors.index import slugify

import vaebench
from vaebench.metrics import METRICS
from vaebench.protocols import PROTOCOLS
from vaebench.variants import VARIANTS

# The kernels of the tutorials inherit these. Most of their time is the compiler's: quick emitters take a third of it, and pages
# that train networks of one size on data of one size find the programs of the pages before them.
_COMPILED = tempfile.TemporaryDirectory(prefix="vaebench_docs_")
_QUICK = (
    "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
)
if "XLA_FLAGS" not in os.environ:  # a flag that it does not know ends the process
    _known = subprocess.run([sys.executable, "-c", "import jax; jax.devices()"], env=os.environ | {"XLA_FLAGS": _QUICK})
    os.environ["XLA_FLAGS"] = _QUICK if _known.returncode == 0 else _QUICK.split()[0]
os.environ |= {"JAX_COMPILATION_CACHE_DIR": _COMPILED.name, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}

project = "vaebench"
author = "The vaebench authors"
copyright = "2026, the vaebench authors"
version = release = vaebench.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
html_theme = "furo"
smartquotes = False  # which would turn --option into a dash
html_title = f"vaebench {release}"
html_static_path = ["_static"]
html_css_files = ["doors.css"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["substitution", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "force"  # a notebook that fails, or is slow, fails the build
nb_execution_raise_on_error = True
nb_execution_timeout = 600  # seconds a cell; builds share their cores with tests
nb_execution_in_temp = True
nb_kernel_rgx_aliases = {".*": "python3"}

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
napoleon_use_ivar = True  # fields are described once, under Attributes
python_use_unqualified_type_names = True
# annotations that name pandas' types cannot be evaluated, and are looked up by their last part, which need not be unique
suppress_warnings = ["ref.python"]


def _table(head: tuple[str, ...], lines: list[tuple[str, ...]]) -> str:
    cells = [head, ("---",) * len(head), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def results_text() -> str:
    """Return a list of the parts of the page of results, each a link."""
    titles = []
    for path in re.findall(r"\{include\} (\S+)", Path(__file__).with_name("results.md").read_text(encoding="utf-8")):
        titles.append((Path(__file__).parent / path).read_text(encoding="utf-8").splitlines()[0].removeprefix("# "))
    return "\n".join(f"* [{title}](#{slugify(title)})" for title in titles)


def _variant_line(name: str) -> tuple[str, ...]:
    variant = VARIANTS[name]
    hyper = variant.hyper(variant.shape(variant.recipes[0]))._asdict()
    weights = ", ".join(f"`{field}` {value:g}" for field, value in hyper.items())
    return f"`{name}`", variant.domain, ", ".join(variant.recipes), weights or "none", variant.reference


def _experiment_lines() -> list[tuple[str, ...]]:
    """First sentence of every script of experiments/, and its paragraph on machine and time."""
    lines = []
    for path in sorted((Path(__file__).parent.parent / "experiments").glob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        if f"python experiments/{path.name}" not in text:
            continue  # code that scripts share
        machine = re.search(r"Machine: (.*?)(?=\nExpected|\nPrinted|\n\n|$)", text, re.DOTALL)
        cost = " ".join(machine[1].split()) if machine else "reads rows: seconds to two minutes"
        lines.append((f"`{path.name}`", " ".join(text.split("\n\n")[0].split()), cost))
    return lines


# the registries as tables, so that no page lists names of its own
myst_substitutions = {
    "variants_table": _table(
        ("Variant", "Trains on", "Recipes", "Weights and their defaults", "Source"),
        [_variant_line(n) for n in VARIANTS],
    ),
    "metrics_table": _table(
        ("Metric", "Needs", "Scores", "Source"),
        [
            (f"`{name}`", ", ".join(m.needs) or "nothing", ", ".join(f"`{s}`" for s in m.scores), m.reference)
            for name, m in METRICS.items()
        ],
    ),
    "protocols_table": _table(
        ("Protocol", "Trainings", "Varied", "Source"),
        [
            (f"`{name}`", f"{p.size():,}", ", ".join(f"`{axis}` ({len(v)})" for axis, v in p.grid.items()), p.reference)
            for name, p in PROTOCOLS.items()
            if not name.endswith(("_scaled", "_textbook"))
        ],
    ),
    "experiments_table": _table(("Script", "What it does", "Machine and time"), _experiment_lines()),
}


def _skipped(app: Any, what: str, name: str, member: object, skip: bool, options: Any) -> bool | None:
    """Leave out the fields of named tuples: they are described under Attributes."""
    return True if type(member).__name__ == "_tuplegetter" else None


def _without_type(line: str) -> list[str]:
    """Break a line so that no colon is in its first part."""
    indent = line[: len(line) - len(line.lstrip())]
    first, _, rest = line.strip().partition(" ")
    if first in ("*", "-"):
        return [f"{indent}\\", "", line]
    if ":" in first:
        return [f"{indent}\\", line]
    return [f"{indent}{first}", f"{indent}{rest}"] if rest else [line]


_CODE = re.compile(r"(``.*?``|`[^`]*`)", re.DOTALL)


def _escaped(app: Any, what: str, name: str, member: object, options: Any, lines: list[str]) -> None:
    """Escape |x| and E_, which docstrings write as mathematics does and which reStructuredText reads as marks.

    What precedes a colon in the first line of a constant, a property or of Returns is not its type, for which napoleon takes it.
    """
    places = [i + 1 for i, line in enumerate(lines[:-1]) if line == "Returns:"]
    for i in reversed([0, *places] if what in ("attribute", "property") and lines else places):
        lines[i : i + 1] = _without_type(lines[i])
    lines[:] = [line for line in lines if not line.startswith("    self:")]  # functions that classes take as methods
    parts = _CODE.split("\n".join(lines))
    parts[::2] = [re.sub(r"\||(?<=\w)_(?!\w)", r"\\\g<0>", part) for part in parts[::2]]
    lines[:] = "".join(parts).split("\n")


def _linked(app: Any, env: Any, node: Any, text: Any) -> Any:
    """Docstrings name functions where they are defined; the link goes to the public path, and shows it."""
    target = str(node.get("reftarget"))
    public = faces.public_paths().get(target)
    if public is None or node.get("refdomain") != "py":
        return None
    if text.astext().removesuffix("()") == target:
        text = type(text)("", text.astext().replace(target, public), classes=text["classes"])
    return env.get_domain("py").resolve_xref(env, node["refdoc"], app.builder, "obj", public, node, text)


def _readable(app: Any, doctree: nodes.document) -> None:
    """Mark long words of code, give columns of sentences room, and keep a number of a table on one line with its spread."""
    for literal in doctree.findall(nodes.literal):
        if max(map(len, literal.astext().split()), default=0) > 28:
            literal["classes"].append("long")
    for table in doctree.findall(nodes.table):
        for column in zip(*(row.children for row in table.findall(nodes.row)), strict=False):
            if max(len(entry.astext()) for entry in column) > 60:
                for entry in column:
                    entry["classes"].append("prose")
    for text in [text for entry in doctree.findall(nodes.entry) for text in entry.findall(nodes.Text)]:
        if " ± " in text:
            text.parent.replace(text, nodes.Text(text.replace(" ± ", "\u00a0±\u00a0")))


_GENERATED = {
    "<!-- columns -->": columns.columns_text,
    "<!-- commands -->": commands.commands_text,
    "<!-- files -->": outputs.files_text,
    "<!-- results -->": results_text,
}


def _expanded(app: Any, page: str, source: list[str]) -> None:
    source[0] = faces.expanded(source[0])
    for mark, write in _GENERATED.items():
        source[0] = source[0].replace(mark, write()) if mark in source[0] else source[0]


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-skip-member", _skipped)
    app.connect("autodoc-process-docstring", _escaped, priority=400)  # before napoleon, which writes marks of its own
    app.connect("source-read", _expanded)
    app.connect("doctree-read", _readable)
    app.connect("missing-reference", _linked)
