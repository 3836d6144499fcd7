"""Every experiment's smoke preset runs, writes what its header says, and refuses bad arguments in one sentence."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import scripts
import smoke
from experiment_headers import FOLDER, OLDER, promised

from vaebench.analysis.settings import is_baseline
from vaebench.errors import InputError
from vaebench.results import read_rows
from vaebench.rows import point_of

pytestmark = pytest.mark.long

MINE = (*smoke.READERS, *smoke.TRAINERS, "claims")


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("smoke")
    command = [sys.executable, str(FOLDER / "smoke.py"), "--out", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", MINE)
def test_smoke_presets_write_what_the_header_says(out, name):
    patterns = promised(name)
    assert patterns
    for pattern in patterns:
        found = list((out / name).glob(pattern))
        assert found, pattern
        for path in found:
            assert path.stat().st_size > 0
            if path.suffix == ".csv":
                assert len(pd.read_csv(path))


@pytest.mark.slow
def test_the_tiny_run_has_failures_and_both_models(out):
    rows = read_rows(out / "grid" / smoke.RUN)
    models = rows[~is_baseline(rows)]
    assert set(models["static/variant"]) == {"vae", "categorical_vae"}
    assert {"OK", "DIVERGED"} == set(models["status"])


@pytest.mark.slow
def test_a_point_comes_back_from_its_row_and_trains_to_the_same_scores(out):
    rows = read_rows(out / "grid" / smoke.RUN)
    models = rows[~is_baseline(rows)]
    for row in models.to_dict("records"):
        assert point_of(row).variant == row["static/variant"]
    with pytest.raises(InputError, match="another version"):
        point_of({**models.iloc[0].to_dict(), "traced/seed": 99})
    again = read_rows(out / "eltager2023_fig2cd_maps" / "trained_again").set_index("point")
    again = again[~is_baseline(again)]
    first = models.set_index("point").loc[again.index]
    assert (again["metric/leiden/ari"] == first["metric/leiden/ari"]).all()
    assert (again["loss/valid"] == first["loss/valid"]).all()


def test_every_experiment_is_run_by_a_test():
    helpers = {"scripts", "cohorts", "verdicts", "smoke", "eltager2023_grid"} | {
        path.stem for path in FOLDER.glob("claims_*.py")
    }
    assert {path.stem for path in FOLDER.glob("*.py")} - helpers >= {*MINE, *OLDER}
    for path in FOLDER.glob("eltager2023_*.py"):
        assert path.stem in (*MINE, "eltager2023_grid")


@pytest.mark.parametrize("name", ["eltager2023_grid", *MINE, *OLDER])
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["--colour", "3"], "unrecognized arguments: --colour"), (["--preset", "huge"], "invalid choice")],
)
def test_bad_arguments_are_one_sentence(capsys, name, arguments, sentence):
    assert scripts.entry(importlib.import_module(name).main, arguments) == 2
    text = capsys.readouterr().err
    assert text.startswith("error: ")
    assert sentence in text
    assert text.count("\n") == 1


def test_missing_rows_and_files_are_said(capsys, tmp_path):
    fig3 = importlib.import_module("eltager2023_fig3_models")
    for arguments, sentence in (
        ([], "--rows is missing"),
        (["--rows", str(tmp_path)], "nothing was run there yet"),
    ):
        assert scripts.entry(fig3.main, [*arguments, "--out", str(tmp_path / "out")]) == 2
        assert sentence in capsys.readouterr().err
    claims = importlib.import_module("claims")
    assert scripts.entry(claims.main, ["--shared", str(tmp_path / "no.csv"), "--out", str(tmp_path)]) == 2
    assert "there is no such file" in capsys.readouterr().err
    grid = importlib.import_module("eltager2023_grid")
    assert scripts.entry(grid.main, ["--preset", "smoke", "--shard", "1", "--out", str(tmp_path)]) == 2
    assert "--shard is '1'" in capsys.readouterr().err
    korkic = importlib.import_module("korkic2021_dots")
    assert scripts.entry(korkic.main, ["--preset", "smoke", "--kind", "literal", "--out", str(tmp_path)]) == 2
    assert "batches of 1,000" in capsys.readouterr().err


@pytest.mark.slow
def test_the_grid_is_the_studys(monkeypatch):
    grid = importlib.import_module("eltager2023_grid")
    seen = []
    monkeypatch.setattr(grid, "trained_rows", lambda planned, *rest, **named: seen.append(planned))
    grid.main(["--data", "simulated"])
    grid.main(["--data", "simulated", "--preset", "full"])
    grid.main(["--data", "simulated", "--recommended", "--protocol", "eltager2023_scaled", "--latent", "10,50"])
    assert [len(planned) for planned in seen] == [6480, 64800, 12]
    assert {p.batch for p in seen[0]} == {64} != {p.batch for p in seen[2]}
    assert {p.recipe for p in seen[0]} == {"benchmarked"}
