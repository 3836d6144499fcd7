"""What ``run``, ``run --dry-run`` and ``data check`` say about the data, and what a run records."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from vaebench.cli.main import main

N = 40
NAMES = [f"TCGA-AB-{1000 + i // 2 * (i < 4) + i * (i >= 4)}-{'11' if i in (1, 3) else '01'}A" for i in range(N)]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"sample": NAMES, "type": (["A"] * 4 + ["B"] * 4) * 5, "status": ["Dead", "Alive", "Alive", "Unknown"] * 10}
    )
    table["days"] = np.arange(N) + 1
    table["age"] = [str(50 + i) for i in range(N - 1)] + ["90+"]
    table["kind"] = table["type"].str.lower()
    table["PFI"] = 0
    genes = pd.DataFrame(rng.poisson(500, (N, 8)), columns=[f"GENE{j}" for j in range(8)])
    place = tmp_path_factory.mktemp("notes") / "t.csv"
    pd.concat([table, genes], axis=1).to_csv(place, index=False)
    return place


def options(path):
    return ["--label", "type", "--event", "status==Dead", "--time", "days", "--covariates", "age,kind"]


WORDS = (
    "scale: values look like counts",
    "covariate 'kind' depends linearly on the label",
    "'90+' (1)",
    "1 column ('PFI') is left out of the features",
    "40 samples of 38 patients: 2 are normal tissue",
    "Cox models use 30 of 40 samples",
)


@pytest.mark.slow
def test_a_dry_run_says_what_a_check_says(path, tmp_path, capsys):
    arguments = ["run", "--data", str(path), "--out", str(tmp_path), "--dry-run", "--json", "--variants", "vae"]
    assert main([*arguments, "--latent", "2", "--set", "batch=8", *options(path)]) == 0
    printed = capsys.readouterr()
    *text, last = printed.out.splitlines()
    told = printed.err.splitlines()
    assert text[0].startswith("t: 40 samples x 8 features, such as 'GENE0'")
    assert any("survival (event 'status==Dead', time 'days' in days): 10 events in 30" in line for line in text)
    notes = json.loads(last)["notes"]
    for words in WORDS:
        assert any(words in note for note in notes), words
        assert sum(words in line for line in told) == 1, words
    assert main(["data", "check", str(path), *options(path)]) == 0
    said = capsys.readouterr().out
    for words in WORDS:
        assert words.removeprefix("scale: ") in said, words


def test_options_reach_the_data(path, capsys):
    for flags, samples in ((["--one-per-patient"], 38), (["--tumours-only"], 38), (["--features", "PFI"], 40)):
        assert main(["data", "check", str(path), *options(path), *flags, "--json"]) == 0
        summary = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert summary["samples"] == samples
        assert summary["values"]["features"] == 8 + ("--features" in flags)
    assert main(["data", "check", str(path), "--transform", "log2", "--label", "type"]) == 0
    assert "log2(x + 1) is taken" in capsys.readouterr().out


def test_bad_input_ends_before_training(path, capsys):
    cases = {
        ("--event", "status==dead"): "did you mean 'Dead'?",
        ("--event", "status"): 'event="status==Dead"',
        ("--where", "type>=B"): "use == or !=",
    }
    for (option, value), words in cases.items():
        given = options(path)
        if option in given:
            given[given.index(option) + 1] = value
        else:
            given += [option, value]
        assert main(["run", "--data", str(path), "--dry-run", *given]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert words in error
        assert len(error) < 310
