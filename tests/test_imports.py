"""Folders import lower floors only, and heavy packages stay out of training and of the start of the command line."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
import tempfile
import textwrap
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "vaebench"

FLOORS = (
    {"errors", "version", "atomic"},
    {"types"},
    {"nn", "data", "metrics", "results"},
    {"variants", "analysis"},
    {"space", "figures"},
    {"training", "protocols", "report"},
    {"rows", "signatures"},
    {"evaluation"},
    {"sweep"},
    {"cli", "__init__"},
    {"__main__", "experiments"},
)
"""The plan, from the ground up: a room imports lower floors and itself."""


def rooms() -> dict[str, list[Path]]:
    """Room (a file or a folder of the package, and the experiments) -> its files."""
    found = {"experiments": sorted((ROOT / "experiments").glob("*.py"))}
    for path in PACKAGE.rglob("*.py"):
        found.setdefault(path.relative_to(PACKAGE).parts[0].removesuffix(".py"), []).append(path)
    return found


@functools.cache
def imports(path: Path) -> set[str]:
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
    return {name for name in names if name.startswith("vaebench.")}


def floor_of(room: str) -> int:
    (floor,) = (height for height, names in enumerate(FLOORS) if room in names)
    return floor


@pytest.mark.parametrize("room", sorted(set.union(*FLOORS)))
def test_a_room_imports_lower_floors_and_itself(room):
    for path in rooms()[room]:
        for name in imports(path):
            other = name.split(".")[1]
            assert other == room or floor_of(other) < floor_of(room), f"{path.relative_to(ROOT)} imports {name}"


def test_every_room_has_a_floor():
    assert set(rooms()) == set.union(*FLOORS)
    assert len(rooms()) - 1 <= 22  # of the package


def test_no_import_cycle():
    """Files, experiments included: no chain of imports comes back to where it began."""
    files = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
    files |= {path.stem: path for path in (ROOT / "experiments").glob("*.py")}

    def targets(name: str) -> set[str]:
        found = {part for full in imports(files[name]) for part in (full, full.rpartition(".")[0]) if part in files}
        if name in {path.stem for path in rooms()["experiments"]}:
            tree = ast.parse(files[name].read_text(encoding="utf-8"))
            modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
            found |= {module for module in modules if module in files}
        return found - {name}

    done: set[str] = set()

    def visit(name: str, chain: tuple[str, ...]) -> None:
        assert name not in chain, " -> ".join([*chain, name])
        if name not in done:
            for other in targets(name):
                visit(other, (*chain, name))
            done.add(name)

    for name in files:
        visit(name, ())


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


ENOUGH = {"jax", "jaxlib", "flax", "optax", "numpy", "scipy", "sklearn", "pandas", "safetensors"}
"""Packages that training and embedding may import."""


@pytest.mark.slow
def test_training_and_embedding_need_few_packages():
    """Everything else that vaebench depends on is blocked, as on a machine that has none of it."""
    code = """
    import sys

    class Blocked:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in NAMES:
                raise ModuleNotFoundError(f"{name} is blocked", name=name)

    sys.meta_path.insert(0, Blocked())
    import jax.numpy as jnp
    import numpy as np
    import vaebench as vb
    from vaebench.data.dataset import dataset_from_arrays
    from vaebench.training.pool import trained_points

    x = np.random.default_rng(0).normal(size=(40, 8))
    data = dataset_from_arrays(x, name="small")
    small = {"hidden": (4,), "latent": 2, "batch": 8, "epochs": 1}
    points = vb.space.product(seed=range(2), **small)
    found = [item for tick in trained_points(points, data, jnp.asarray(data.x), 2) for item in tick.finished]
    model = vb.fit(data, point=points[0])
    model.save(sys.argv[1])
    print([item.z.shape for item in found], vb.load_model(sys.argv[1]).embed(data.x).shape)
    """
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    required = {re.split(r"[<>=\[ ]", text)[0].replace("scikit-learn", "sklearn") for text in project["dependencies"]}
    blocked = {*required - ENOUGH, "igraph", "torch"}
    assert {"leidenalg", "lifelines", "loky", "msgspec", "platformdirs", "pooch", "tyro", "pyarrow"} <= blocked
    blocked -= {"rich"}  # flax brings and imports it
    with tempfile.TemporaryDirectory() as folder:
        script = textwrap.dedent(code).replace("NAMES", repr(sorted(blocked)))
        result = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout.strip() == "[(40, 2), (40, 2)] (40, 2)"
