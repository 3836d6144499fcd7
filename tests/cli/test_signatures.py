"""The commands on mutational signatures: their files, their summaries, and one sentence for bad input."""

from __future__ import annotations

import html
import json

import numpy as np
import pandas as pd
import pytest

from vaebench.cli.main import main
from vaebench.data.mutations.channel_names import reverse_complement
from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.data.mutations.tables import (
    read_catalogue,
    read_exposures,
    read_signatures,
    write_catalogue,
    write_signatures,
)
from vaebench.signatures.extraction import extract
from vaebench.signatures.matching import recovery
from vaebench.signatures.refitting import refit


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    catalogue, truth = simulate_catalogue(3, tumours=40, signatures=3, types=2)
    write_catalogue(catalogue, folder / "catalogue.csv")
    write_signatures(truth.signatures, folder / "signatures.csv")
    return folder, catalogue, truth


def other_strand(name: str) -> str:
    after, alt, ref, before = (reverse_complement(name[i]) for i in (6, 4, 2, 0))
    return f"{after}[{ref}>{alt}]{before}"


def summary(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.slow
def test_extract_writes_what_it_found(tables, tmp_path, capsys):
    folder, catalogue, truth = tables
    arguments = [str(folder / "catalogue.csv"), "--method", "nmf", "--k-min", "3", "--k-max", "3", "--restarts", "3"]
    arguments += ["--reference", str(folder / "signatures.csv"), "--out", str(tmp_path), "--quiet", "--json"]
    assert main(["extract", *arguments, "--per-mutation"]) == 0
    said = summary(capsys)
    assert said["signatures"] == 3
    assert any("multinomial" in note for note in said["notes"])
    assert pd.read_csv(tmp_path / "decomposition.csv")["probability"].between(0, 1).all()
    assert set(pd.read_csv(tmp_path / "prior.csv")["type"]) == {"all", "TYPE01", "TYPE02"}
    files = json.loads((tmp_path / "manifest.json").read_text())["files"]
    assert {"decomposition.csv", "combinations.csv", "prior.csv", "per_mutation.csv"} <= set(files)
    found, exposures = read_signatures(tmp_path / "signatures.csv"), read_exposures(tmp_path / "exposures.csv")
    assert found.shape == (3, 96)
    assert list(exposures.index) == list(catalogue.index)
    assert list(exposures.columns) == list(found.index)
    samples = pd.read_csv(tmp_path / "samples.csv", index_col="Samples")
    assert list(samples.index) == list(catalogue.index)
    assert samples["cosine"].between(0.5, 1).all()
    matches = pd.read_csv(tmp_path / "matches.csv")
    assert matches["cosine"].mean() == pytest.approx(recovery(found, truth.signatures).mean_cosine, abs=1e-6)
    assert pd.read_csv(tmp_path / "selection.csv")["chosen"].tolist() == [True]
    assert (tmp_path / "report.html").stat().st_size > 10_000
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["command"].startswith("vaebench extract ")
    assert (record["settings"]["method"], record["settings"]["prior_weight"]) == ("nmf", 0.0)


@pytest.mark.slow
def test_one_signature_has_a_page_without_a_map(tables, tmp_path):
    text = "--method nmf --k-min 1 --k-max 1 --restarts 2 --quiet"
    arguments = [str(tables[0] / "catalogue.csv"), *text.split()]
    assert main(["extract", *arguments, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "report.html").is_file()
    assert not (tmp_path / "figures" / "map.png").exists()


@pytest.mark.slow
def test_extract_passes_an_autoencoders_settings_on(tables, tmp_path):
    folder, catalogue, _ = tables
    text = "--method weibull_vae --k-min 2 --k-max 2 --restarts 2 --augmentation 1 --rule criterion"
    text += " --set hidden=16-8 beta=0.3 learning_rate=0.01 epochs=9"
    arguments = [str(folder / "catalogue.csv"), *text.split()]
    assert main(["extract", *arguments, "--out", str(tmp_path), "--quiet"]) == 0
    settings = {"hidden": (16, 8), "beta": 0.3, "learning_rate": 0.01, "epochs": 9}
    options = {"k": [2], "method": "weibull_vae", "restarts": 2, "augmentation": 1, "rule": "criterion"}
    same = extract(catalogue, **options, settings=settings)
    pd.testing.assert_frame_equal(
        read_signatures(tmp_path / "signatures.csv"), same.signatures, atol=1e-9, check_names=False
    )
    other = extract(catalogue, **options, settings=settings | {"beta": 3.0})
    assert abs(other.signatures.to_numpy() - same.signatures.to_numpy()).max() > 1e-5


@pytest.mark.slow
def test_anchored_intervals_are_of_the_reference(tables, tmp_path, capsys):
    folder, _, truth = tables
    text = "--k-min 3 --k-max 3 --method nmf --restarts 2 --intervals anchored"
    arguments = [str(folder / "catalogue.csv"), *text.split()]
    arguments += ["--reference", str(folder / "signatures.csv"), "--out", str(tmp_path)]
    assert main(["extract", *arguments, "--json"]) == 0
    used = read_signatures(tmp_path / "anchored.csv")
    intervals = pd.read_csv(tmp_path / "intervals.csv")
    assert set(intervals["signature"]) == set(used.index)
    assert set(used.index) & set(truth.signatures.index)
    assert any("replaced by the reference's" in note for note in summary(capsys)["notes"])


def test_refit_writes_exposures_and_intervals(tables, tmp_path, capsys):
    folder, catalogue, truth = tables
    arguments = [str(folder / "catalogue.csv"), str(folder / "signatures.csv"), "--intervals", "profile_likelihood"]
    assert main(["refit", *arguments, "--out", str(tmp_path), "--quiet", "--json"]) == 0
    assert summary(capsys)["method"] == "profile_likelihood"
    long = pd.read_csv(tmp_path / "intervals.csv")
    assert list(long.columns) == ["sample", "signature", "exposure", "lower", "upper", "presence"]
    assert len(long) == catalogue.shape[0] * 3
    assert (long["lower"] <= long["exposure"]).all()
    assert (long["exposure"] <= long["upper"]).all()
    true = truth.exposures.stack().to_numpy()
    inside = ((long["lower"] <= true) & (true <= long["upper"]))[true > 0]
    assert inside.mean() > 0.85  # 95% of about 90: below 0.85 once in ten thousand
    assert pd.read_csv(tmp_path / "samples.csv").shape[0] == len(catalogue)
    fit = json.loads((tmp_path / "fit.json").read_text())
    assert fit["level"] == 0.95
    assert 0.8 < fit["dispersion"] < 1.2


@pytest.mark.slow
def test_refit_without_intervals_has_exposures_only(tables, tmp_path, capsys):
    folder, _, _ = tables
    arguments = [str(folder / "catalogue.csv"), str(folder / "signatures.csv"), "--intervals", "none"]
    assert main(["refit", *arguments, "--out", str(tmp_path), "--quiet", "--json"]) == 0
    assert summary(capsys)["method"] == ""
    assert (tmp_path / "exposures.csv").is_file()
    assert not (tmp_path / "intervals.csv").exists()


def test_what_was_decided_while_reading_is_in_the_report_and_in_fit_json(tables, tmp_path, capsys):
    folder, _, _ = tables
    with_total = pd.read_csv(folder / "catalogue.csv", index_col=0)
    with_total.assign(Total=with_total.sum(axis=1)).to_csv(tmp_path / "total.csv")
    arguments = [str(tmp_path / "total.csv"), str(folder / "signatures.csv"), "--intervals", "none"]
    assert main(["refit", *arguments, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    said = [note for note in json.loads((tmp_path / "out" / "fit.json").read_text())["notes"] if "Total" in note]
    assert len(said) == 1
    assert printed.count(said[0]) == 1
    assert "'Total' holds the sums" in html.unescape((tmp_path / "out" / "report.html").read_text())


def test_without_a_test_nothing_is_called_found(tables, tmp_path, capsys):
    folder, _, _ = tables
    given = ["refit", str(folder / "catalogue.csv"), str(folder / "signatures.csv"), "--out", str(tmp_path)]
    assert main([*given, "--intervals", "none", "--reference-genome", str(folder / "catalogue.csv")]) == 0
    said = capsys.readouterr().out
    assert "3 of 3 signatures have an exposure above 0; without intervals nothing says which are there" in said
    assert "--reference-genome is not used" in said
    assert main([*given, "--intervals", "profile_likelihood"]) == 0
    assert "profile_likelihood has no P(present), and nothing says which are there" in capsys.readouterr().out


def test_what_was_decided_while_reading_is_printed_by_every_command(tables, tmp_path, capsys, monkeypatch):
    folder, _, truth = tables
    turned = {name: other_strand(name) for name in truth.signatures.columns}
    write_signatures(truth.signatures.rename(columns=turned), tmp_path / "purines.csv")
    purines, plain, out = (
        str(tmp_path / "purines.csv"),
        str(folder / "signatures.csv"),
        ["--out", str(tmp_path / "out")],
    )
    assert main(["match", plain, purines]) == 0
    assert capsys.readouterr().out.count("were read as the pyrimidine") == 1
    assert main(["decompose", plain, purines, *out]) == 0
    assert capsys.readouterr().out.count("were read as the pyrimidine") == 1
    limits = pd.DataFrame({"signature": truth.signatures.index, "mutations": 50, "least_share": 0.5})
    monkeypatch.setattr("vaebench.signatures.detection.power", lambda *_, **__: limits)
    assert main(["power", purines, "--out", str(tmp_path / "power")]) == 0
    assert capsys.readouterr().out.count("were read as the pyrimidine") == 1
    coverage = pd.DataFrame({"group": ["all"], "coverage": [0.9], "count": [9]})
    monkeypatch.setattr("vaebench.signatures.calibration.calibrate", lambda *_, **__: coverage)
    monkeypatch.setattr("vaebench.signatures.calibration.worst_sentence", lambda *_: "worst")
    assert main(["calibrate", str(folder / "catalogue.csv"), purines, "--out", str(tmp_path / "calibrate")]) == 0
    assert capsys.readouterr().out.count("were read as the pyrimidine") == 1
    assert "were read as the pyrimidine" in (tmp_path / "calibrate" / "report.html").read_text()


@pytest.mark.slow
def test_refit_writes_the_files_that_save_writes(tables, tmp_path):
    folder, _, _ = tables
    arguments = [
        str(folder / "catalogue.csv"),
        str(folder / "signatures.csv"),
        "--intervals",
        "bootstrap",
        "--seed",
        "4",
    ]
    assert main(["refit", *arguments, "--level", "0.8", "--out", str(tmp_path / "command"), "--quiet"]) == 0
    catalogue, signatures = read_catalogue(folder / "catalogue.csv"), read_signatures(folder / "signatures.csv")
    fit = refit(catalogue, signatures, intervals="bootstrap", level=0.8, seed=4)
    page = fit.save(tmp_path / "call", info={"seed": 4})
    assert page == tmp_path / "call" / "report.html"
    names = {path.relative_to(tmp_path / "command") for path in (tmp_path / "command").rglob("*")}
    assert names == {path.relative_to(tmp_path / "call") for path in (tmp_path / "call").rglob("*")}
    for name in ("exposures.csv", "samples.csv", "intervals.csv"):
        assert (tmp_path / "call" / name).read_bytes() == (tmp_path / "command" / name).read_bytes()
    ours, theirs = (json.loads((tmp_path / name / "fit.json").read_text()) for name in ("call", "command"))
    known = {
        "command",
        "date",
        "version",
        "jax",
        "device",
        "seconds",
        "catalogue digest",
        "settings",
    }  # to the command alone
    assert ours == {name: value for name, value in theirs.items() if name not in known}
    assert list(ours) == ["found", "method", "level", "dispersion", "noise", "psi", "size", "notes", "seed"]


@pytest.mark.slow
def test_refit_passes_an_autoencoders_settings_on(tables, tmp_path):
    folder, catalogue, truth = tables
    arguments = [str(folder / "catalogue.csv"), str(folder / "signatures.csv"), "--intervals", "posterior_percentile"]
    arguments += ["--set", "variant=weibull_vae", "hidden=16-8", "beta=0.3", "epochs=3"]
    assert main(["refit", *arguments, "--out", str(tmp_path), "--quiet"]) == 0
    settings = {"variant": "weibull_vae", "hidden": (16, 8), "beta": 0.3, "epochs": 3}
    same = refit(catalogue, truth.signatures, intervals="posterior_percentile", settings=settings)
    assert same.intervals is not None
    np.testing.assert_allclose(pd.read_csv(tmp_path / "intervals.csv")["upper"], same.intervals["upper"], rtol=1e-6)


@pytest.mark.slow
def test_calibrate_reports_coverage(tables, tmp_path, capsys):
    folder, _, _ = tables
    arguments = [str(folder / "catalogue.csv"), str(folder / "signatures.csv"), "--intervals", "profile_likelihood"]
    arguments += ["--sources", "fit,prior"]
    assert main(["calibrate", *arguments, "--draws", "1", "--out", str(tmp_path), "--quiet", "--json"]) == 0
    coverage = pd.read_csv(tmp_path / "coverage.csv")
    assert {"group", "coverage", "count"} <= set(coverage.columns)
    assert coverage["coverage"].dropna().between(0, 1).all()
    known = coverage[coverage["worst"].notna()]
    assert (known["worst"] >= known[["coverage_fit", "coverage_prior"]].min(axis=1)).all()
    assert "exposures above 0" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "report.html").is_file()
    saved = json.loads((tmp_path / "calibration.json").read_text())
    assert (saved["method"], saved["level"], saved["seed"]) == ("profile_likelihood", 0.95, 0)
    assert summary(capsys)["coverage"][0]["group"] == coverage["group"][0]


def test_match_prints_pairs(tables, tmp_path, capsys):
    folder, _, truth = tables
    path = str(folder / "signatures.csv")
    assert main(["match", path, path, "--out", str(tmp_path), "--json"]) == 0
    assert summary(capsys)["mean_cosine"] == pytest.approx(1.0)
    assert pd.read_csv(tmp_path / "matches.csv")["reference"].tolist() == list(truth.signatures.index)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["extract", "{}/none.csv"], "does not exist"),
        (["extract", "{}/catalogue.csv", "--k-min", "5", "--k-max", "3"], "--k-min 5 --k-max 3"),
        (["extract", "{}/catalogue.csv", "--method", "nfm"], "did you mean 'nmf'"),
        (["extract", "{}/catalogue.csv", "--method", "nmf", "--rule", "stabilty"], "did you mean 'stability'"),
        (
            ["extract", "{}/catalogue.csv", "--set", "beta=0.1"],
            "settings={'beta': 0.1} is not allowed with method='sparse'",
        ),
        (
            ["extract", "{}/catalogue.csv", "--method", "muse_xae", "--set", "beta=0.1"],
            "beta is no setting of muse_xae",
        ),
        (["extract", "{}/catalogue.csv", "--method", "muse_xae", "--set", "epochs=1,2"], "--set epochs=1,2: one value"),
        (
            ["extract", "{}/catalogue.csv", "--method", "muse_xae", "--set", "epochs"],
            "--set epochs: it must be NAME=VALUE",
        ),
        (["extract", "{}/catalogue.csv", "--method", "muse_xae", "--augmentation", "-1"], "augmentation=-1"),
        (["extract", "{}/catalogue.csv", "--method", "nmf", "--seed", "-1"], "seed=-1"),
        (["refit", "{}/catalogue.csv", "{}/signatures.csv", "--seed", "2147483648"], "seed=2147483648"),
        (["refit", "{}/catalogue.csv", "{}/signatures.csv", "--set", "beta=0.1"], "settings={'beta': 0.1}"),
        (["extract", "{}/catalogue.csv", "--k-min", "60", "--k-max", "70", "--method", "nmf"], "70"),
        (["refit", "{}/catalogue.csv", "{}/signatures.csv", "--opportunities", "exom"], "neither 'genome' nor 'exome'"),
        (
            ["refit", "{}/catalogue.csv", "{}/signatures.csv", "--opportunities", "{}/catalogue.csv"],
            "--reference-genome",
        ),
        (["refit", "{}/catalogue.csv", "{}/signatures.csv", "--intervals", "spike"], "spike_slab"),
        (["refit", "{}/catalogue.csv", "{}/signatures.csv", "--level", "1.5"], "level=1.5"),
        (
            ["refit", "{}/catalogue.csv", "{}/signatures.csv", "--intervals", "none", "--level", "0.9"],
            "--level 0.9 is the coverage of intervals",
        ),
        (["extract", "{}/catalogue.csv", "--level", "0.9"], "--level 0.9 is the coverage of intervals"),
        (["extract", "{}/catalogue.csv", "--method", "nmf", "--augmentation", "20"], "augmentation=20"),
        (["refit", "{}/signatures.csv", "{}/signatures.csv"], "fraction"),
        (["refit", "{}/catalogue.csv"], "SIGNATURES"),
        (["extract", "{}/catalogue.csv", "--intervals", "anchored"], "--reference"),
        (["extract", "{}/catalogue.csv", "--intervals", "anchord"], "anchored"),
        (["calibrate", "{}/catalogue.csv", "{}/signatures.csv", "--types", "{}/none.csv"], "none.csv"),
        (["match", "{}/signatures.csv", "{}/catalogue.csv"], "sum"),
        (
            ["refit", "{}/catalogue.csv", "{}/signatures.csv", "--intervals", "none", "--prior", "none"],
            "--prior none is of spike_slab alone",
        ),
        (
            ["refit", "{}/catalogue.csv", "{}/signatures.csv", "--reference-genome", "{}/none.fa"],
            "none.fa does not exist; it must be a FASTA or 2bit file",
        ),
        (["decompose", "{}/signatures.csv", "{}/signatures.csv", "--gain", "0"], "gain=0"),
    ],
)
def test_bad_input_is_one_sentence(tables, tmp_path, capsys, arguments, said):
    folder, _, _ = tables
    out = [] if arguments[0] == "match" else ["--out", str(tmp_path / "out")]
    assert main([a.format(folder) for a in arguments] + out) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_second_extraction_leaves_nothing_of_the_first(tables, tmp_path):
    folder, _, _ = tables
    out, start = (
        tmp_path / "out",
        ["extract", str(folder / "catalogue.csv"), "--method", "nmf", "--restarts", "3", "--quiet"],
    )
    first = [*start, "--k-min", "3", "--k-max", "3", "--reference", str(folder / "signatures.csv"), "--out", str(out)]
    assert main(first) == 0
    (out / "notes.txt").write_text("mine")
    assert main([*start, "--k-min", "3", "--k-max", "3", "--seed", "1", "--out", str(out)]) == 0
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    named = set(json.loads((out / "manifest.json").read_text())["files"])
    assert there == named | {"manifest.json", "notes.txt"}
    assert not {"matches.csv", "figures/similarity.png"} & there
    assert json.loads((out / "run.json").read_text())["seed"] == 1
    assert json.loads((out / "run.json").read_text())["report"] == str(out / "report.html")


@pytest.mark.parametrize("command", ["extract", "refit", "calibrate", "match"])
@pytest.mark.parametrize("out", ["file", "file/x", "other", "run", "own"])
def test_a_folder_that_will_not_do_is_refused_before_the_work(tables, tmp_path, capsys, monkeypatch, command, out):
    def too_late(*_, **__):
        raise AssertionError("the work has begun")

    for name in ("extraction.extract", "refitting.refit", "calibration.calibrate", "matching.matches"):
        monkeypatch.setattr(f"vaebench.signatures.{name}", too_late)
    (tmp_path / "file").write_text("")
    for name, made in (("other", "manifest.json"), ("run", "rows/part-1.parquet"), ("own", "report.html")):
        (tmp_path / name / made).parent.mkdir(parents=True)
        (tmp_path / name / made).write_text('{"made_by": "vaebench another", "files": []}')
    (tmp_path / "own" / "matches.csv").write_text("a,b")
    folder, _, _ = tables
    given = [] if command == "extract" else [str(folder / "signatures.csv")]
    assert main([command, str(folder / "catalogue.csv"), *given, "--out", str(tmp_path / out)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(tmp_path / out.split("/")[0]) in said
    words = {
        "file": "is a file",
        "other": "results of vaebench another",
        "run": "rows of a run",
        "own": "was not made by",
    }
    assert words[out.split("/")[0]] in said


@pytest.mark.slow
def test_an_interrupted_refit_leaves_the_old_result(tables, tmp_path, monkeypatch, capsys):
    folder, _, _ = tables
    start = ["refit", str(folder / "catalogue.csv"), str(folder / "signatures.csv"), "--intervals", "none", "--quiet"]
    assert main([*start, "--out", str(tmp_path / "out")]) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*") if path.is_file()}

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("vaebench.report.signatures.refit_page", interrupted)
    assert main([*start, "--seed", "3", "--out", str(tmp_path / "out")]) == 130
    assert "nothing new is in" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*") if path.is_file()}
