"""Help pages, lists and the registries hold together; the file first; doctor and version."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex

import jax.numpy as jnp
import pytest

from vaebench.cli import doctor
from vaebench.cli.help import EXAMPLES, GROUPS, allowed_names, grouped, help_page, subcommands
from vaebench.cli.listing import KINDS, names_of, settings_text
from vaebench.cli.main import COMMANDS, _parsed, main
from vaebench.cli.options import Data, Evaluate, Run
from vaebench.cli.parsing import run_axes
from vaebench.cli.runs import quickstart_points
from vaebench.errors import InputError, RunError
from vaebench.metrics import METRICS
from vaebench.nn.optimizers import NAMED, OPTIMIZERS
from vaebench.protocols import PROTOCOLS
from vaebench.signatures.methods import METHODS
from vaebench.space import Point
from vaebench.training.lane import DIVERGED
from vaebench.variants import VARIANTS
from vaebench.version import __version__, commit, version_text

PAGES = {name: kind for name, kind in COMMANDS.items() if name != "data"}
PAGES |= {f"data {name}": kind for name, kind in subcommands(Data).items()}


@pytest.mark.parametrize("command", PAGES)
def test_every_option_has_a_group_a_text_and_a_real_default(command):
    options = PAGES[command]
    groups = grouped(options)
    assert set(groups) <= set(GROUPS)
    names = [name for members in groups.values() for name in members]
    assert sorted(names) == sorted(f.name for f in dataclasses.fields(options))
    page = help_page(command, options, width=100)
    assert max(map(len, page.splitlines())) <= 110
    assert not re.search(r"default: (''|None|\(\))?\)|\{None\}", page)
    for group in groups:
        assert f"\n{group}:\n" in page
    assert len(EXAMPLES[command]) == 2
    for text in EXAMPLES[command]:
        assert text in page
        assert type(_parsed(shlex.split(text)[1:])) is options


def test_help_lists_what_the_registries_hold():
    page = " ".join(help_page("run", Run, width=100).split())
    trained = [name for name, variant in VARIANTS.items() if variant.domain == "expression"]
    assert 0 < len(trained) < len(VARIANTS)
    for names in (trained, METRICS, PROTOCOLS, OPTIMIZERS, NAMED):
        assert f"Names: {', '.join(names)}." in page or f"Names: {', '.join([*OPTIMIZERS, *NAMED])}." in page
    assert f"Names: {', '.join(METHODS)}." in " ".join(help_page("extract", COMMANDS["extract"], width=100).split())
    for text in ("(default: vae)", "(default: 50)", "(default: 0.001)", "(default: adam)", "(default: leiden,cox)"):
        assert text in page
    assert page.index("FILE") < page.index("--data") < page.index("--variants") < page.index("--lanes")


@pytest.mark.parametrize("kind", KINDS)
def test_list_prints_the_names(kind, capsys):
    assert main(["list", kind, "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert json.loads(last) == {kind: [line.split()[0] for line in lines]} == {kind: list(names_of(kind))}


def test_lists_and_settings_fit_a_terminal(capsys, monkeypatch):
    assert max(map(len, settings_text(80).splitlines())) <= 80
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert main(["list", "variants"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) > len(VARIANTS)
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == list(VARIANTS)


def test_an_unknown_list_is_one_sentence(capsys):
    assert main(["list", "variant"]) == 2
    assert "did you mean 'variants'" in capsys.readouterr().err
    assert allowed_names("out") == ()


def test_a_variant_in_place_of_a_protocol_is_told_where_its_settings_are(capsys):
    assert main(["describe", "beta_vae"]) == 2
    assert "beta_vae is a variant" in capsys.readouterr().err


def test_settings_are_described():
    text = settings_text()
    for field in dataclasses.fields(Point):
        assert field.name in ("variant", "shape", "hyper", "study") or f"\n  {field.name} " in text
    assert re.search(r"beta_vae +beta +\S", text)
    assert "vaebench.nn" not in text
    assert "a name of: vaebench list optimizers" in text
    assert "errors with a learned covariance of low rank plus diagonal." in " ".join(text.split())  # whole sentences


def test_help_of_a_group_names_it_and_its_commands(capsys):
    with pytest.raises(SystemExit):
        main(["data", "--help"])
    page = capsys.readouterr().out
    assert page.startswith("usage: vaebench data COMMAND")
    for name in subcommands(Data):
        assert re.search(rf"^  {name} +[A-Z]", page, re.MULTILINE)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], [], ["data", "--help"], ["run", "--label", "x", "--help"]])
def test_help_is_success(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("usage: vaebench ")


def test_a_file_may_come_first_or_later(tmp_path):
    for arguments in (
        ["cohort.csv", "--label", "t"],
        ["--label", "t", "cohort.csv"],
        ["--label", "t", "--data", "cohort.csv"],
    ):
        found = _parsed(["run", *arguments])
        assert (found.data, found.label, found.file) == ("cohort.csv", "t", "")
    assert isinstance(_parsed(["evaluate", "x.csv", "--embedding", "z.csv"]), Evaluate)
    with pytest.raises(InputError, match=r"two data sets are given: 'a\.csv' and --data 'b\.csv'"):
        _parsed(["run", "a.csv", "--data", "b.csv"])
    (tmp_path / "c.toml").write_text("file = 'a.csv'\n")
    with pytest.raises(InputError, match="unknown key"):
        _parsed(["run", "--config", str(tmp_path / "c.toml")])


def test_epochs_and_batch_are_options():
    assert run_axes(Run(epochs="5,10", batch="32")) == {"epochs": [5, 10], "batch": [32]}
    with pytest.raises(InputError, match="--epochs 5 and --set epochs are both given"):
        run_axes(Run(epochs="5", set=("epochs=7",)))
    assert len(quickstart_points()) == 24
    assert {(p.epochs, p.seed) for p in quickstart_points(4, seeds=1, epochs=2)} == {(2, 4)}
    with pytest.raises(InputError, match="--seeds is 0"):
        quickstart_points(seeds=0)


def test_version_has_the_commit(monkeypatch, capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"vaebench {version_text()}\n"
    monkeypatch.setattr("vaebench.version.commit", lambda: "1a2b3c4d5e")
    assert version_text() == f"{__version__} (commit 1a2b3c4d5e)"
    assert re.fullmatch(r"([0-9a-f]{7,40}\+?)?", commit())


@pytest.mark.slow
def test_doctor_prints_what_an_issue_needs(capsys, monkeypatch):
    assert main(["doctor", "--json", "--no-compilation-cache"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    facts = json.loads(last)
    assert {"vaebench", "python", "packages", "devices", "cores", "cache", "self-test"} <= set(facts)
    assert facts["self-test"].startswith("passed: two lanes trained in")
    assert len(lines) == len(facts)
    monkeypatch.setattr("vaebench.training.train.make_epoch", lambda *options: lambda lane, x: lane)
    with pytest.raises(RunError, match="ended as running, running"):
        doctor.self_test()

    def broken(*options):
        return lambda lane, x: lane._replace(status=jnp.full_like(lane.status, DIVERGED))

    monkeypatch.setattr("vaebench.training.train.make_epoch", broken)
    with pytest.raises(RunError, match="ended as diverged, diverged"):
        doctor.self_test()


def test_a_completion_script_is_written(tmp_path):
    with pytest.raises(SystemExit) as stop:
        main(["--tyro-write-completion", "bash", str(tmp_path / "vaebench")])
    assert stop.value.code in (0, None)
    script = (tmp_path / "vaebench").read_text()
    assert "quickstart" in script
    assert "--learning-rate" in script
