"""Links, commands, names, arguments and examples in README and docs match the code."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
import runpy
import shlex
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import vaebench as vb
from vaebench.cli.count import Count
from vaebench.cli.main import COMMANDS, _parsed
from vaebench.cli.options import Evaluate, Run
from vaebench.cli.parsing import listed, metric_options, run_axes
from vaebench.cli.signature_options import Calibrate, Decompose, Extract, RefitOptions
from vaebench.evaluation.scores import evaluate
from vaebench.metrics import METRICS, metric
from vaebench.nn.autoencoder import Outputs
from vaebench.protocols import points, protocol
from vaebench.types import Context, Static
from vaebench.variants import VARIANTS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())


def blocks(page: Path, kind: str) -> list[str]:
    """The code blocks of a language (and, for Python, the cells of a notebook), joined lines joined."""
    pattern = rf"```(?:{kind}|{{code-cell}} i{kind}3?)\n(.*?)```"
    return [text.replace("\\\n", " ") for text in re.findall(pattern, page.read_text(encoding="utf-8"), flags=re.S)]


def prose(page: Path) -> str:
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)


def spans(page: Path) -> list[str]:
    return re.findall(r"`([^`]+)`", prose(page))


def commands(program: str) -> list[tuple[Path, list[str]]]:
    """Every line of a shell block that calls ``program``, and every span in a text that does so with an option."""
    lines = [(page, line) for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()]
    lines += [(page, " ".join(span.split())) for page in PAGES for span in spans(page) if " -" in span]
    return [(page, shlex.split(line)[1:]) for page, line in lines if line.startswith(f"{program} ")]


OURS = commands("vaebench")


def python(page: Path) -> list[str]:
    """Python examples, without the output that a doctest shows."""
    parser = doctest.DocTestParser()
    found = blocks(page, "python")
    return ["".join(e.source for e in parser.get_examples(t)) if ">>>" in t else t for t in found]


def resolved(dotted: str) -> object:
    """The object that a name such as ``vb.data.read_table`` or ``vaebench.metrics.leiden`` stands for."""
    first, *rest = dotted.split(".")
    found = vb
    assert first in ("vb", "vaebench")
    for position, name in enumerate(rest):
        if not hasattr(found, name) and inspect.ismodule(found):
            importlib.import_module(".".join(("vaebench", *rest[: position + 1])))
        found = getattr(found, name)
    return found


@PAGE
def test_links_lead_to_files_and_headings(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.is_file(), f"{target} of {page.name}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), flags=re.M)
            assert anchor in {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in headings}, target


def test_pages_of_the_contents_exist():
    for page in PAGES:
        for block in re.findall(r"```{toctree}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.S):
            names = [n for n in block.splitlines() if n.strip() and not n.startswith(":")]
            assert names
            for name in names:
                assert (page.parent / f"{name}.md").is_file(), name


def example(guide: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The Python block of a guide as the module that a reader would make of it."""
    (code,) = blocks(ROOT / "docs" / "guides" / guide, "python")
    name = f"docs_example_{guide[:-3]}"
    (folder / f"{name}.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)


@pytest.fixture
def variant_example(tmp_path, monkeypatch):
    module = example("add_variant.md", tmp_path, monkeypatch)
    monkeypatch.setitem(VARIANTS, module.VARIANT.name, module.VARIANT)
    return module


@pytest.fixture
def metric_example(tmp_path, monkeypatch):
    module = example("add_metric.md", tmp_path, monkeypatch)
    monkeypatch.setitem(METRICS, module.METRIC.name, module.METRIC)
    return module


@pytest.mark.usefixtures("variant_example", "metric_example")
@pytest.mark.parametrize("arguments", [a for _, a in OURS], ids=[" ".join(a)[:60] for _, a in OURS])
def test_commands_parse_and_name_what_exists(arguments):
    if {"--help", "--version"} & set(arguments):
        assert arguments[0] in {*COMMANDS, "--help", "--version"}
        return
    options = _parsed(arguments)
    if isinstance(options, Run):
        chosen = protocol(options.protocol)
        few = {axis: values[:1] for axis, values in chosen.grid.items()}  # the whole grid takes seconds
        assert points(chosen, few | run_axes(options), samples=1000)
    if isinstance(options, Run | Evaluate):
        for name in listed(options.metrics):
            metric(name)
        metric_options(options.metric_option, options.label_covariate)
    if hasattr(options, "protocol"):
        protocol(options.protocol)
    if isinstance(options, Extract):
        from vaebench.signatures.extraction import methods

        assert options.method in methods()


def test_scripts_exist_with_the_options_that_are_shown():
    shown = [(page, arguments) for program in ("python", "python3") for page, arguments in commands(program)]
    scripts = [(page, a) for page, a in shown if a[0].endswith(".py")]
    assert scripts
    for _, (script, *arguments) in scripts:
        text = (ROOT / script).read_text(encoding="utf-8")
        for argument in arguments:
            known = argument == "--out" and "Parser(__doc__," in text  # every experiment's parser has that one
            assert known or not argument.startswith("--") or f'"{argument}"' in text, f"{script} {argument}"
    for _, arguments in shown:
        for name in arguments:
            assert not name.startswith("tests/") or (ROOT / name).is_file(), name


def test_options_in_the_text_are_those_of_a_command():
    known = {
        f"--{name.replace('_', '-')}"
        for c in (Run, Evaluate, Count, Extract, RefitOptions, Calibrate, Decompose)
        for name in fields_of(c)
    }
    known |= {f"--no-{name[2:]}" for name in known} | {"--help", "--version"}
    others = {"--requeue", "--check"}  # Slurm's and ruff's
    for page in PAGES:
        for span in spans(page):
            for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", span):
                assert option in known | others, f"{option} in {page.name}"


def fields_of(command: type) -> list[str]:
    return list(inspect.signature(command).parameters)


@PAGE
def test_names_exist(page):
    text = page.read_text(encoding="utf-8")
    for name in set(re.findall(r"\bvb(?:\.[A-Za-z_]\w*)+", text)):
        resolved(name)
    for name in set(re.findall(r"`(vaebench(?:\.[a-z_]\w*)+)`|automodule:: (\S+)", text)):
        resolved("".join(name))


@PAGE
def test_python_examples_parse_import_and_call_with_arguments_that_exist(page):
    for text in python(page):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("vaebench"):
                for alias in node.names:
                    resolved(f"{node.module}.{alias.name}")
            if isinstance(node, ast.Call) and re.fullmatch(r"vb(\.\w+)+", ast.unparse(node.func)):
                named = {k.arg: None for k in node.keywords if k.arg}
                given = [None for a in node.args if not (isinstance(a, ast.Constant) and a.value is ...)]
                called = resolved(ast.unparse(node.func))
                assert callable(called)
                inspect.signature(called).bind_partial(*given, **named)


def test_citation_is_of_this_version():
    assert f"\nversion: {vb.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def reference() -> str:
    """The reference's pages as Sphinx reads them: comments replaced by what they stand for."""
    expanded = runpy.run_path(str(ROOT / "docs" / "faces.py"))["expanded"]
    pages = sorted((ROOT / "docs" / "api").glob("*.md"))
    text = "\n".join(expanded(page.read_text(encoding="utf-8")) for page in pages)
    return re.sub(r"py:data:: (\S+)\n   :module: (\S+)", r"py:data:: \2.\1", text)


def public_modules() -> dict[str, list[str]]:
    """Every public module and the names that it lists or, without a list, defines itself."""
    found = {}
    for name in vb._MODULES:
        module = resolved(f"vb.{name}")
        assert inspect.ismodule(module)
        listed = getattr(module, "__all__", None) or [
            n for n, member in vars(module).items() if getattr(member, "__module__", "") == module.__name__
        ]
        found[module.__name__] = [n for n in listed if not n.startswith("_")]
        inner = [getattr(module, n) for n in found[module.__name__]]
        for other in inner:
            if inspect.ismodule(other):
                own = getattr(other, "__all__", None) or [
                    n for n, member in vars(other).items() if getattr(member, "__module__", "") == other.__name__
                ]
                found[other.__name__] = [n for n in own if not n.startswith("_")]
    return found | {"vaebench": [n for n in vb.__all__ if not n.startswith("_")]}


def test_tab_completion_shows_the_public_names_only():
    for name, names in public_modules().items():
        shown = [n for n in dir(resolved(name)) if not n.startswith("_")]
        assert shown == sorted(names), name
        assert not {"np", "os", "Any", "Callable", "InputError" if name != "vaebench" else "", "annotations"} & set(
            shown
        )


def test_every_public_name_is_in_the_reference_once():
    pages = reference()
    shown = re.findall(r"^\.\. (?:auto\w+|py:data):: (\S+)$", pages, flags=re.M)
    assert len(shown) == len(set(shown))
    objects = [id(resolved(path)) for path in shown]
    for module, names in public_modules().items():
        for name in names:
            member = resolved(f"{module}.{name}")
            if inspect.ismodule(member) or inspect.isclass(member) or inspect.isroutine(member):
                assert objects.count(id(member)) == 1, f"{module}.{name}"
            else:
                assert f"{module}.{name}" in shown


def test_the_reference_holds_no_internal_module():
    pages = reference()
    public = public_modules()
    allowed = {*public, *(f"vaebench.variants.{n}" for n in VARIANTS)}
    allowed |= {m.compute.__module__ for m in METRICS.values()}
    members = [getattr(resolved(module), name) for module, names in public.items() for name in names]
    signatures = " ".join(str(inspect.signature(member)) for member in members if inspect.isfunction(member))
    for kind, path in re.findall(r"^\.\. (auto\w+|py:data):: (\S+)$", pages, flags=re.M):
        module, _, name = path.rpartition(".")
        if kind == "automodule":
            assert path in allowed, path
        elif module in allowed - public.keys():  # options, losses and weights; not what they are made of
            assert re.search("(Options|Hyper|Shape)$|_scores$|^textbook|^benchmarked", name), path
        elif module not in public:
            assert re.search(rf"\b{name}\b", signatures), f"{path} is in no public signature"
    assert pages.count(":no-members:") == pages.count("automodule::")
    for metric_ in METRICS.values():
        assert metric_.options is None or f".{type(metric_.options).__name__}\n" in pages


def with_examples() -> list[Path]:
    found = [*(ROOT / "vaebench").rglob("*.py"), *PAGES]
    return sorted(path for path in found if ">>> " in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", with_examples(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_examples_print_what_they_show(path):
    if path.suffix == ".py":
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        done = doctest.testmod(importlib.import_module(name))
    else:
        done = doctest.testfile(str(path), module_relative=False, encoding="utf-8")
    assert done.attempted > 0
    assert done.failed == 0


@pytest.mark.slow
def test_the_example_variant_is_the_vae_where_the_guide_says_so(key, variant_example):
    chosen = variant_example.VARIANT
    model = chosen.build(Static(variant="student_vae", features=7, latent=2, hidden=(5,), batch=6))
    x = jax.random.normal(key, (6, 7))
    variables = model.init(key, jnp.array(0))
    context = Context(training=True, samples=6, batch=6, iteration=jnp.array(0))
    hyper = chosen.hyper(None)
    value, _ = model.loss(variables, x, key, hyper._replace(freedom=1e6), jnp.array(0), context)
    plain = VARIANTS["vae"]
    parent = plain.build(Static(variant="vae", features=7, latent=2, hidden=(5,), batch=6))
    wanted, _ = parent.loss(variables, x, key, plain.hyper(None), jnp.array(0), context)
    np.testing.assert_allclose(value, wanted - 3.5 * np.log(2 * np.pi), rtol=1e-5)
    outputs = Outputs(
        jnp.zeros((1, 2)), jnp.array([[0.5, -3.0]]), (jnp.zeros((1, 1)), jnp.zeros((1, 1))), jnp.zeros((1, 1))
    )
    loss, _ = variant_example.textbook(outputs, hyper, context)
    # by hand: 5/2 log(1 + 1/16) and 5/2 log(1 + 9/4)
    assert float(loss) == pytest.approx(2.5 * np.log(1.0625 * 3.25))


def test_the_example_metric_keeps_its_promises(tiny, metric_example):
    assert metric_example.METRIC.scores == metric_example.SCORES
    by_label = np.eye(3)[tiny.labels] + 1e-3 * np.arange(60)[:, None]
    assert evaluate(by_label, tiny, ["purity"])["purity"]["purity"] == 1
    noise = np.random.default_rng(0).normal(size=(60, 2))
    scores = evaluate(noise, tiny, ["purity"])["purity"]
    assert scores["chance"] == pytest.approx(3 * 20 * 19 / (60 * 59))
    distance = np.linalg.norm(noise[:, None] - noise[None], axis=-1) + np.diag(np.full(60, np.inf))
    near = np.argsort(distance, axis=1)[:, :15]
    plain = np.mean([[tiny.labels[j] == tiny.labels[i] for j in near[i]] for i in range(60)])
    assert scores["purity"] == pytest.approx(plain)
    assert evaluate(noise * 0, tiny, ["purity"])["purity"]["status"].startswith("COLLAPSED")


def test_code_of_pages_fits_their_width():
    """A page shows about 90 characters; what is longer is cut until it is scrolled."""
    wide = [
        (path.name, line)
        for path in [*(ROOT / "docs" / "guides").glob("*.md"), *(ROOT / "docs" / "notebooks").glob("*.md")]
        for block in re.findall(r"^```.*?$(.*?)^```$", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        for line in block.splitlines()
        if len(line) > 90
    ]
    assert wide == []
