"""The command line: what a new user types, wrong arguments included."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from vaebench.cli.main import main
from vaebench.errors import InputError, RunError
from vaebench.metrics.cox import CoxOptions
from vaebench.metrics.leiden import LeidenOptions
from vaebench.protocols import eltager2023, protocol
from vaebench.results import read_rows

pytestmark = pytest.mark.long

QUICK = ["--set", "hidden=8", "epochs=2", "batch=16", "--latent", "2,3", "--no-compilation-cache"]


@pytest.fixture
def table(tmp_path):
    """A small cohort as a CSV file."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(40, 6)), columns=[f"G{i}" for i in range(6)])
    frame.insert(0, "sample", [f"S{i}" for i in range(40)])
    frame["type"] = ["A", "B"] * 20
    frame["dead"] = rng.integers(0, 2, 40)
    frame["days"] = rng.exponential(300, 40).round(1)
    frame["age"] = rng.normal(60, 9, 40).round()
    frame.to_csv(tmp_path / "cohort.csv", index=False)
    return tmp_path / "cohort.csv"


def quick(options):
    """Return the options of a short run, without those that ``options`` give."""
    kept = [QUICK[:4], QUICK[4:6], QUICK[6:]]
    return [word for part in kept if part[0] not in options for word in part]


def columns(table):
    return ["run", "--data", str(table), "--label", "type", "--event", "dead", "--time", "days", "--covariates", "age"]


@pytest.mark.slow
def test_run_writes_rows_report_and_a_summary(table, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([*columns(table), *QUICK, "--seeds", "2", "--keep-embeddings", "--out", str(out), "--json"]) == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out.splitlines()[-1])
    assert summary["rows"] == 2 * 2 + 2
    assert (out / "report.html").is_file()
    drawn = {"ari_by_setting.png", "survival_by_label.png", "survival_by_cluster.png"}
    assert drawn <= {path.name for path in (out / "figures").iterdir()}
    page = (out / "report.html").read_text()
    cost = page[page.index("<h2>Cost") : page.index("<h2>Provenance")]
    assert all(name in cost for name in ("wall seconds", "compiled programs", "lane efficiency", "device"))
    rows = read_rows(out)
    assert set(rows["static/latent"]) == {2, 3}
    assert json.loads((out / "run.json").read_text())["command"].startswith("vaebench run --data")
    assert main([*columns(table), *QUICK, "--seeds", "2", "--out", str(out), "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["report", str(out), "--quiet"]) == 0


@pytest.mark.slow
def test_run_on_a_matrix_of_genes_with_a_table_about_its_samples(table, tmp_path):
    frame = pd.read_csv(table).set_index("sample")
    frame.filter(like="G").T.to_csv(tmp_path / "x.tsv", sep="\t")
    frame.drop(columns=list(frame.filter(like="G"))).to_csv(tmp_path / "samples.csv")
    options = ["--annotation", str(tmp_path / "samples.csv"), "--time-unit", "months", "--metrics", "leiden"]
    arguments = columns(table)
    arguments[2] = str(tmp_path / "x.tsv")
    out = tmp_path / "out"
    assert main([*arguments, *QUICK, *options, "--out", str(out), "--quiet"]) == 0
    record = json.loads((out / "run.json").read_text())
    assert record["provenance"]["options"]["time_unit"] == "months"
    assert record["data"] == {"name": "x", "samples": 40, "features": 6, "labels": 2}


def test_config_file_is_the_same_as_options(table, tmp_path):
    config = tmp_path / "run.toml"
    config.write_text(
        f'data = "{table.as_posix()}"\nlabel = "type"\nlatent = [2, 3]\nmetrics = ["leiden"]\n'
        "compilation-cache = false\n[set]\nhidden = 8\nepochs = 2\nbatch = 16\n"
    )
    out = tmp_path / "out"
    assert main(["run", "--config", str(config), "--latent", "3", "--out", str(out), "--quiet"]) == 0
    rows = read_rows(out)
    assert set(rows["static/latent"]) == {3}
    assert set(rows["traced/epochs"].dropna()) == {2}


def test_numbers_and_tables_in_a_config_file(table, tmp_path):
    from vaebench.cli.main import _parsed

    config = tmp_path / "run.toml"
    config.write_text(
        "learning-rate = 1e-2\nlatent = 3\nseeds = [4, 5]\nlanes = 2\n[metric-option.leiden]\nneighbours = 10\n"
    )
    options = _parsed(["run", "--config", str(config)])
    assert (options.learning_rate, options.latent, options.seeds, options.lanes) == ("0.01", "3", "4,5", "2")
    assert options.metric_option == ("leiden.neighbours=10",)


@pytest.mark.parametrize(
    "text",
    [
        "[set]\nbatch = 4\nepochs = 2\n",
        "set = ['batch=4', 'epochs=2']\n",
        "[[set]]\nbatch = 4\n[[set]]\nepochs = 2\n",
        "\ufeffset = ['batch=4', 'epochs=2']\n",
    ],
)
def test_settings_in_a_config_file(tmp_path, text):
    from vaebench.cli.main import _parsed

    (tmp_path / "c.toml").write_text(text, encoding="utf-8")
    assert _parsed(["run", "--config", str(tmp_path / "c.toml")]).set == ("batch=4", "epochs=2")
    (tmp_path / "c.toml").write_text("set = 'batch=4'\n")
    assert _parsed(["run", "--config", str(tmp_path / "c.toml")]).set == ("batch=4",)


def test_a_value_of_another_type_in_a_config_file(tmp_path, capsys):
    (tmp_path / "c.toml").write_text('evaluators = "two"\n')
    assert main(["run", "--config", str(tmp_path / "c.toml")]) == 2
    assert capsys.readouterr().err.endswith("c.toml: evaluators is 'two'; it must be a whole number\n")


@pytest.mark.slow
def test_a_table_without_survival_runs_with_a_note_that_stays(table, tmp_path, capsys, monkeypatch):
    """The documented commands name a label alone; a list of seeds, a weight of one variant and ~ work too."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    arguments = ["run", "--data", f"~/{table.name}", "--label", "type", "--ignore", "dead,days,age", *QUICK]
    more = ["--variants", "vae,beta_vae", "--seeds", "3,8", "--out", "~/out"]
    arguments = [word if word != "2,3" else "2" for word in arguments]
    assert main([*arguments, *more]) == 0
    said = capsys.readouterr().err
    notes = ["metric 'cox' is left out: it needs survival, and data set 'cohort' has none"]
    assert f"note: {notes[0]}" in said
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    scale, *others = record["notes"]
    assert scale.startswith("scale: values look like log values")
    assert (others, record["metrics"]) == (notes, ["leiden"])
    assert set(read_rows("~/out")["traced/seed"].dropna()) == {3, 8}
    assert notes[0].replace("'", "&#x27;") in (tmp_path / "out" / "report.html").read_text()
    assert main([*arguments, *more, "--quiet", "--json"]) == 0  # the same command continues
    assert json.loads(capsys.readouterr().out)["notes"] == record["notes"]
    assert not (tmp_path / "~").exists()


def changed(table, find, replace):
    text = table.read_text().splitlines()
    text[3] = text[3].replace(find, replace) if find else replace
    table.write_text("\n".join(text) + "\n")


BAD = {
    "missing file": (None, ["--data", "absent.csv"], ["absent.csv", "no such file"]),
    "unknown column": (None, ["--label", "typ"], ["typ", "did you mean 'type'"]),
    "unknown variant": (None, ["--variants", "vea"], ["variant", "'vea'", "did you mean 'vae'"]),
    "unknown metric": (None, ["--metrics", "leidn"], ["leidn", "did you mean 'leiden'"]),
    "text for one number": (None, ["--workers", "two"], ["--workers is 'two'; it must be a whole number"]),
    "text for a number or none": (None, ["--top", "all"], ["--top is 'all'; it must be a whole number"]),
    "unknown protocol": (None, ["--protocol", "eltager"], ["eltager", "eltager2023"]),
    "text for a number": (None, ["--latent", "ten"], ["--latent", "ten", "whole numbers"]),
    "no such metric option": (None, ["--metric-option", "leiden.k=3"], ["option of metric 'leiden'", "neighbours"]),
    "text for a metric option": (
        None,
        ["--metric-option", "leiden.neighbours=x"],
        ["leiden.neighbours is 'x'; it must be a whole number\n"],
    ),
    "text for a list": (
        None,
        ["--metric-option", "leiden.seeds=a"],
        ["leiden.seeds is 'a'; it must be a whole number"],
    ),
    "bad metric option": (None, ["--metric-option", "leiden.engine=louvain"], ["Leiden's engine is 'louvain'"]),
    "no such setting": (None, ["--set", "bach=3"], ["bach", "did you mean 'batch'"]),
    "not a setting": (None, ["--set", "batch"], ["--set batch", "NAME=VALUE"]),
    "text for a setting": (None, ["--set", "epochs=ten"], ["epochs is 'ten'", "whole number"]),
    "fraction for a setting": (None, ["--set", "patience=1.5"], ["patience is 1.5", "whole number"]),
    "text for a weight": (None, ["--variants", "beta_vae", "--set", "beta=x"], ["beta is 'x'", "a number"]),
    "all weights at once": (None, ["--set", "hyper=3"], ["hyper", "by name"]),
    "no such option": (
        None,
        ["--latnt", "5"],
        ["error: unrecognized options: --latnt, 5; did you mean --latent? (see:"],
    ),
    "text for a number of seeds": (None, ["--seeds", "x"], ["--seeds is 'x'", "the number of seeds", "3,7,12"]),
    "too many seeds": (None, ["--seeds", "1000000000000"], ["--seeds is 1000000000000", "from 1 to 100000"]),
    "a seed and the setting": (None, ["--seed", "1", "--set", "seed=3"], ["--seed 1 and --set seed are both given"]),
    "seeds and the setting": (None, ["--seeds", "2", "--set", "seed=3"], ["--seeds 2 and --set seed are both given"]),
    "an option and the setting": (
        None,
        ["--latent", "2", "--set", "latent=5"],
        ["--latent 2 and --set latent are both given; give one of the two"],
    ),
    "a rate and the setting": (
        None,
        ["--learning-rate", "0.1", "--set", "learning_rate=0.2"],
        ["--learning-rate 0.1 and --set learning_rate are both given"],
    ),
    "an option and the data's": (
        None,
        ["--data-option", "label=dead"],
        ["--label and --data-option label are both given; give one of the two"],
    ),
    "two values of a setting": (None, ["--set", "epochs=1", "epochs=2"], ["two values for epochs: 1 and 2"]),
    "seeds twice": (None, ["--seeds", "1,2", "--seed", "4"], ["--seeds 1,2", "--seed is 4"]),
    "decimal comma": (None, ["--learning-rate", "0,001"], ["--learning-rate is '0,001'", "decimal point"]),
    "decimal comma in a setting": (
        None,
        ["--set", "valid_fraction=0,2"],
        ["valid_fraction is 0", "write valid_fraction=0.2 if a decimal is meant"],
    ),
    "a score as a metric": (None, ["--metrics", "ari"], ["'ari' is a score", "leiden"]),
    "name in capitals": (None, ["--variants", "VAE"], ["'VAE'; did you mean 'vae'"]),
    "no digit": (None, ["--lanes", "²"], ["--lanes is '²'", "from 1 to 65536"]),
    "too many lanes": (None, ["--lanes", "1000000000000"], ["lanes is 1000000000000", "at most 65536"]),
    "no digits in a shard": (None, ["--shard", "²/3"], ["--shard is '²/3'", "1/4"]),
    "too many latents": (None, ["--latent", "1000000000000"], ["latent is 1000000000000", "at most 1000000"]),
    "batch of one": (None, ["--set", "batch=1"], ["batch is 1", "batch normalisation of one sample"]),
    "weight of another variant": (None, ["--set", "beta=4"], ["beta is no setting of vae", "beta_vae"]),
    "zero lanes": (None, ["--lanes", "0"], ["lanes", "at least 1"]),
    "negative seeds": (None, ["--seeds", "-1"], ["--seeds is -1"]),
    "no such shard": (None, ["--shard", "3/2"], ["shard is (3, 2)", "from 1 to n"]),
    "negative minutes": (None, ["--checkpoint-minutes", "-1"], ["checkpoint_minutes is -1", "never"]),
    "no such models to keep": (None, ["--keep-models", "some"], ["'some'", "best"]),
    "lanes no number": (None, ["--lanes", "many"], ["--lanes", "'many'"]),
    "text in a gene": (lambda row: {**row, "G1": "high"}, [], ["G1", "high"]),
    "no annotation": (None, ["--annotation", "nope.csv"], ["nope.csv does not exist; a table is needed"]),
    "a folder as annotation": (None, ["--annotation", "."], [". is a folder; a table is needed"]),
    "in and out": (
        None,
        ["--features", "G1", "--ignore", "G1"],
        ["'G1' is named by features (--features) and by ignore"],
    ),
    "missing value": (lambda row: {**row, "G1": ""}, [], ["missing", "impute"]),
    "label with one sample": (lambda row: {**row, "type": "C"}, [], ["'C'", "1"]),
    "negative time": (lambda row: {**row, "days": -5}, [], ["time", "-5", "S2"]),
    "duplicate sample": (lambda row: {**row, "sample": "S0"}, [], ["S0"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_exit_code_2(table, tmp_path, capsys, case):
    edit, options, words = BAD[case]
    if edit:
        frame = pd.read_csv(table, dtype=str)
        for name, value in edit(frame.loc[2].to_dict()).items():
            frame.loc[2, name] = str(value)
        frame.to_csv(table, index=False)
    out = tmp_path / "out"
    for kind in ([], ["--dry-run"]):  # what a run would refuse, a dry run refuses
        given = columns(table)
        for name in {"--label", "--data", "--event", "--time", "--covariates"} & set(options):
            place = given.index(name)
            del given[place : place + 2]
        assert main([*given, *quick(options), *options, *kind, "--out", str(out), "--quiet"]) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith("error: ")
        assert captured.err.count("\n") == 1, captured.err
        assert all(word in captured.err for word in words), captured.err
        assert not out.exists()


def test_constant_features(tmp_path, capsys):
    frame = pd.DataFrame({"sample": ["a", "b", "c"], "G1": [1, 1, 1], "G2": [2.0, 2, 2]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert main(["run", "--data", str(tmp_path / "t.csv"), "--out", str(tmp_path / "out")]) == 2
    assert "constant" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rn"], ["unknown command 'rn'", "did you mean 'run'"]),
        (["run", "--dta", "x"], ["--dta", "--data"]),
        (["run"], ["--data is missing"]),
        (["run", "--workers", "two"], ["two"]),
        (["report", "nowhere"], ["nowhere", "not a folder"]),
        (["report", "nowhere", "--quit"], ["options: --quit; did you mean --quiet? (see: vaebench report --help)"]),
        (["report", "nowhere", "--seed", "1"], ["options: --seed 1 (see: vaebench report --help)"]),
        (["run", "--config", "absent.toml"], ["absent.toml", "no such file"]),
        # a large table would take minutes to read: options first
        (["run", "--data", "absent.csv", "--metrics", "leidn"], ["'leidn'", "did you mean 'leiden'"]),
        (["run", "--data", "absent.csv", "--embedding", "median"], ["embedding is 'median'", "'sample'"]),
        (["run", "--data", "tcgaa"], ["tcgaa", "no such file", "did you mean 'tcga'"]),
        (["run", "--data", "simulated", "--label", "type"], ["option of the data set 'simulated'", "'label'"]),
        (["run", "--data", "simulated", "--data-option", "genes"], ["--data-option genes", "NAME=VALUE"]),
        (["describe", "eltager2023", "--lanes", "²"], ["--lanes is '²'"]),
        (["run", "cohort.csv"], ["cohort.csv: no such file"]),
        (["fit", "--data", "x"], ["vb.fit", "vaebench run"]),
        (["run", "--metric-option", "neighbours=3"], ["METRIC.OPTION=VALUE"]),
        (["run", "--metrics", "c-index"], ["is a score", "cox"]),
        (["extract", "--k-max", "1000000000"], ["--k-max 1000000000", "from 1 to 96"]),
        (["run", "--data", "~nobody_of_that_name/x.csv"], ["~nobody_of_that_name"]),
        (["run", "--set", "a=1", "--set", "b=2"], ["--set is given twice; give its values together: --set a=1 b=2\n"]),
        (["run", "--latent", "1", "--latent=5"], ["--latent is given twice; give its values together: --latent 1,5\n"]),
        (["run", "--seed=1", "--seed", "2"], ["--seed is given twice; give it once\n"]),
        (["run", "--time_unit", "days", "--time-unit", "years"], ["--time-unit is given twice; give it once"]),
        (["run", "--no-label-covariate", "--label-covariate"], ["--no-label-covariate and --label-covariate are both"]),
        (["refit", "a", "b", "--exclude", "SBS1", "--exclude", "SBS5"], ["together: --exclude SBS1 SBS5"]),
        (["data", "check", "a", "--label", "x", "--label", "y"], ["--label is given twice; give it once"]),
        (["run", "--out", ""], ["--out is empty; give a folder\n"]),
        (["refit", "a", "b", "--out="], ["--out is empty; give a folder\n"]),
        (["run", "--latent", ","], ["--latent is empty; give a value, or leave the option out"]),
        (["run", "--seeds", " "], ["--seeds is empty"]),
        (["report", ""], ["an argument is empty"]),
        (["describe", "eltager"], ["unknown protocol 'eltager'", "eltager2023"]),
    ],
)
def test_wrong_arguments(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert len(error) <= 300
    assert all(word in error for word in words), error


@pytest.mark.slow
def test_describe_prints_what_the_study_did(capsys):
    assert main(["describe", "eltager2023", "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    told = dict(re.split(r"  +", line, maxsplit=1) for line in lines)
    assert told["batch"] == "64"
    assert told["learning_rate (6)"] == "0.1, 0.01, 0.001, 0.0001, 1e-05, 1e-06"
    assert told["split"].startswith("30% held out, not stratified")
    assert told["only dip_vae"] == "decay 0.97"
    assert (told["points"], told["compiled programs"]) == ("64,800", "36")  # 6 variants x 6 latents
    assert json.loads(last) == {"protocol": "eltager2023", "points": 64_800, "programs": 36}


@pytest.mark.slow
def test_describe_with_data_chooses_the_batch_and_estimates_the_cost(capsys):
    options = ["--data", "simulated", "--data-option", "samples=100", "genes=50", "types=3", "--no-compilation-cache"]
    assert main(["describe", "kroskinski2021_deep_scaled", *options, "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert any("9: 8 steps an epoch of 80 training samples, chosen for 8" in line for line in lines)
    summary = json.loads(last)
    assert summary["programs"][0]["points"] == summary["points"] == 50
    assert summary["seconds_per_epoch"] > 0
    # the literal batch of the study leaves no step here: that is said, and the table is printed all the same
    assert main(["describe", "kroskinski2021_deep", *options]) == 0
    assert "batch is 1000, but only 80 of 100 samples" in capsys.readouterr().out


def test_metric_options_are_typed():
    from vaebench.cli.parsing import metric_options

    texts = ["leiden.neighbours=30", "leiden.seeds=1,2", "leiden.include-self=false", "cox.ridge=0.5"]
    found = metric_options(texts, label_covariate=False)
    assert found["leiden"] == LeidenOptions(neighbours=30, seeds=(1, 2), include_self=False)
    assert found["cox"] == CoxOptions(ridge=0.5, label_covariate=False)
    with pytest.raises(InputError, match="metric 'sap' has no options"):
        metric_options(["sap.bins=3"], True)


def test_data_options_reach_the_named_data_sets(tmp_path, capsys):
    from vaebench.cli.options import Run
    from vaebench.cli.parsing import run_data

    chosen = protocol("korkic2021")
    data = run_data(Run(data="simulated", data_option=("samples=100", "genes=50", "types=3")), chosen)
    assert data.x.shape == (100, 50)
    assert data.scaling == "unit"  # the protocol's
    assert run_data(Run(data="simulated", scaling="none"), chosen).scaling == "none"


def test_an_unknown_key_in_a_config_file(tmp_path, capsys):
    (tmp_path / "c.toml").write_text("latnt = [3]\n")
    assert main(["run", "--config", str(tmp_path / "c.toml")]) == 2
    assert "did you mean 'latent'" in capsys.readouterr().err


def test_an_empty_value_in_a_config_file(tmp_path, capsys):
    (tmp_path / "c.toml").write_text("out = ''\n")
    assert main(["run", "--config", str(tmp_path / "c.toml")]) == 2
    assert "c.toml: out is empty; give a folder" in capsys.readouterr().err


def test_a_dry_run_refuses_the_folder_that_a_run_refuses(table, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    asked = [*columns(table), *QUICK, "--metrics", "leiden", "--dry-run", "--out", str(out)]
    few = ["--metric-option", "leiden.neighbours=1000"]
    assert main([*asked, *few]) == 0
    said = capsys.readouterr().err
    assert (
        "leiden needs at least 1001 samples with neighbours=1000, and there are 40: no row will have its scores" in said
    )
    record = {"schema": 1, "lanes": 1, "metrics": ["leiden"], "metric_options": {}, "digest": "0" * 16}
    (out / "run.json").write_text(json.dumps(record))
    assert main(asked) == 2
    assert "was made" in capsys.readouterr().err
    (out / "run.json").unlink()
    (out / "manifest.json").write_text("{}")
    assert main(asked) == 2
    assert "holds the results of another command" in capsys.readouterr().err
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json"]


def test_out_is_a_file(table, tmp_path, capsys):
    assert main([*columns(table), *QUICK, "--out", str(table)]) == 2
    assert "is a file; give a folder" in capsys.readouterr().err


def test_version_and_help():
    for arguments, word in (
        (["--version"], "vaebench "),
        (["--help"], "quickstart"),
        (["run", "--help"], "--learning-rate"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "vaebench", *arguments], capture_output=True, text=True, check=True
        )
        assert word in done.stdout


def test_interrupt_says_how_to_go_on(table, tmp_path, capsys, monkeypatch):
    from vaebench.sweep import worker as task

    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(task, "trained_points", interrupted)
    assert main([*columns(table), *QUICK, "--out", str(tmp_path / "out"), "--quiet"]) == 130
    assert "the same command continues" in capsys.readouterr().err


def test_eltager2023_holds_the_studys_grid():
    base = eltager2023.base
    assert eltager2023.grid["latent"] == (10, 20, 30, 50, 100, 200)
    assert eltager2023.grid["learning_rate"] == (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
    per_variant_and_seed = eltager2023.size() // len(eltager2023.grid["variant"]) // len(eltager2023.grid["seed"])
    assert per_variant_and_seed == 1080
    assert (base.batch, base.hidden, base.decay, base.epochs, base.patience) == (64, (512,), 0.95, 1000, 3)
    assert (base.min_delta, base.min_epochs, base.valid_fraction, base.recipe) == (1e-4, 5, 0.3, "benchmarked")
    with pytest.raises(InputError, match="did you mean 'eltager2023'"):
        protocol("eltager203")


def test_a_reader_that_stops_reading_is_no_error():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-m", "vaebench", "--help"], stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(30, "Read-only file system", "results/x.csv"), "error: results/x.csv: Read-only file system\n"),
        (OSError("no number"), "error: no number\n"),
        (RunError("it failed"), "error: it failed\n"),
    ],
)
def test_a_failure_is_one_sentence_with_the_files_name(monkeypatch, capsys, error, said):
    def failing(options, command):
        raise error

    monkeypatch.setattr("vaebench.cli.runs.describe", failing)
    assert main(["describe", "default", "--no-compilation-cache"]) == 1
    assert capsys.readouterr().err == said


def test_a_folder_in_place_of_a_config_file(tmp_path, capsys):
    assert main(["run", "--config", str(tmp_path)]) == 2
    assert f"--config {tmp_path} cannot be read: Is a directory" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["run.json", "costs/damaged.json"])
def test_report_of_a_damaged_folder_is_one_sentence(table, tmp_path, capsys, name):
    out = tmp_path / "out"
    assert main([*columns(table), *QUICK, "--metrics", "leiden", "--out", str(out), "--quiet"]) == 0
    (out / name).write_text("[]")
    assert main(["report", str(out)]) == 2
    assert f"{out / name} holds []; it must be a JSON object" in capsys.readouterr().err
