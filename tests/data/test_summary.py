"""Summaries of data files, the ``data`` commands, and tables written by the package."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vaebench.cli.main import main
from vaebench.data import (
    checked,
    dataset_from_arrays,
    read_table,
    simulate_cohort,
    split_indices,
    summary_text,
    write_h5ad,
    write_table,
)
from vaebench.data.files.writing import table_columns
from vaebench.data.sources import SOURCES
from vaebench.data.splits import unsplit_labels
from vaebench.errors import InputError
from vaebench.types import Survival

N = 40


def frame(values: np.ndarray) -> pd.DataFrame:
    data = {"sample": [f"s{i}" for i in range(N)], "type": ["A"] * 25 + ["B"] * 13 + ["C"] * 2}
    data |= {"dead": [0, 1] * 20, "days": [100.0 * i for i in range(N)]}
    return pd.concat(
        [pd.DataFrame(data), pd.DataFrame(values, columns=[f"G{j}" for j in range(values.shape[1])])], axis=1
    )


def written(folder: Path, values: np.ndarray, name: str = "t.csv") -> Path:
    frame(values).to_csv(folder / name, index=False)
    return folder / name


RNG = np.random.default_rng(0)
LOG = RNG.normal(7, 2, (N, 12))
SCALES = {
    "counts": RNG.poisson(200, (N, 12)).astype(float),
    "linear": 2**LOG,
    "log": LOG,
    "z-score": (LOG - LOG.mean(axis=0)) / LOG.std(axis=0),
    "unit": RNG.random((N, 12)),
}


@pytest.mark.parametrize("scale", list(SCALES))
def test_scale_is_guessed_and_warned_of(tmp_path, scale):
    path = written(tmp_path, SCALES[scale])
    summary = checked(path, label="type", event="dead", time="days")
    assert summary.values.scale == scale
    warned = " ".join(summary.warnings)
    assert ("transform=" in warned) == (scale in ("counts", "linear"))
    assert ("z-scored already" in warned) == (scale == "z-score")
    assert ("[0, 1] already" in warned) == (scale == "unit")


def test_counts_of_everything(tmp_path):
    values = LOG.copy()
    values[3:5, 2] = np.nan
    values[:, 7] = 4
    summary = checked(written(tmp_path, values), label="type", event="dead", time="days")
    assert summary.samples == N
    assert summary.labels == {"A": 25, "B": 13, "C": 2}
    assert (summary.events, summary.with_survival) == (20, 40)
    profile = summary.values
    assert (profile.features, profile.constant, profile.missing, profile.features_with_missing) == (12, 1, 2, 1)
    assert (profile.low, profile.high) == (np.nanmin(values), np.nanmax(values))
    text = summary_text(summary)
    for part in ("40 samples x 12 features", "labels: 3: A 25, B 13, C 2", "20 events in 40", "missing values: 2 in 1"):
        assert part in text
    assert "label 'C' has 2 samples, too few for one in validation" not in text
    assert 'missing="impute"' in text
    assert checked(written(tmp_path, values), where="type==B").samples == 13


def test_what_training_refuses_is_noted(tmp_path):
    values = LOG.copy()
    values[2, 3], values[3, 3] = np.inf, -np.inf
    summary = checked(written(tmp_path, values), label="type")
    assert (summary.values.infinite, summary.values.missing) == (2, 0)
    text = summary_text(summary)
    assert "infinite values: 2" in text
    assert "2 values are infinite, which training refuses" in text
    assert "--missing impute" not in text
    mixed = frame(LOG).astype({"G1": object})
    mixed.loc[4, "G1"] = "high"
    mixed.to_csv(tmp_path / "mixed.csv", index=False)
    noted = "1 column ('G1') is of numbers and text, such as 'high': training refuses the file"
    assert noted in summary_text(checked(tmp_path / "mixed.csv", label="type"))
    assert "of numbers and text" not in summary_text(checked(tmp_path / "mixed.csv", label="type", where="type==B"))


def test_forgotten_columns_stand_out(tmp_path):
    frame(LOG).assign(stay=lambda table: table["days"]).to_csv(tmp_path / "t.csv", index=False)
    summary = checked(tmp_path / "t.csv")
    assert summary.values.outlying == ("stay",)
    assert summary.annotations == {"type": 3}
    text = summary_text(summary)
    assert "1 feature reaches far beyond the others (stay)" in text
    assert "2 columns ('dead', 'days') are left out of the features by name" in text
    assert checked(tmp_path / "t.csv", ignore=["stay"]).values.outlying == ()


def test_labels_too_small_to_split_are_reported_and_stay_in_training(tmp_path):
    labels = np.repeat(["A", "B", "C"], [25, 13, 2])
    assert unsplit_labels(labels, N, 0.1) == ["C"]
    for seed in range(5):
        assert "C" not in labels[split_indices(labels, N, 0.1, seed)[1]]
    warnings = checked(written(tmp_path, LOG), label="type", valid_fraction=0.1).warnings
    assert any("'C' has 2 samples" in w and "training" in w for w in warnings)
    table = frame(LOG)
    table.loc[0, "type"], table.loc[1, "type"] = "LONELY", None
    table.to_csv(tmp_path / "t.csv", index=False)
    warnings = " ".join(checked(tmp_path / "t.csv", label="type").warnings)
    assert "'LONELY' has 1 sample" in warnings
    assert "1 samples have no label" in warnings


def test_genes_in_rows_are_seen_by_barcodes_and_gct(tmp_path):
    table = pd.DataFrame(LOG.T, index=[f"G{j}" for j in range(12)], columns=[f"TCGA-00-{i:04d}-01" for i in range(N)])
    table.to_csv(tmp_path / "x.tsv.gz", sep="\t")
    summary = checked(tmp_path / "x.tsv.gz")
    assert (summary.samples, summary.values.features) == (N, 12)
    text = f"#1.2\n12\t{N}\n" + table.assign(Description="d").reset_index(names="Name").set_index(
        ["Name", "Description"]
    ).to_csv(sep="\t")
    (tmp_path / "x.gct.gz").write_bytes(gzip.compress(text.encode()))
    assert checked(tmp_path / "x.gct.gz").values.features == 12


def test_repeated_names_are_reported(tmp_path):
    text = written(tmp_path, LOG).read_text().replace("G3", "G2", 1)
    (tmp_path / "t.csv").write_text(text)
    assert any("'G2'" in warning for warning in checked(tmp_path / "t.csv").warnings)


@pytest.mark.parametrize(
    ("path", "options", "words"),
    [
        ("t.csv", {"label": "typ"}, "did you mean 'type'"),
        ("t.csv", {"samples_in": "diagonal"}, "samples_in"),
        ("nothing.csv", {}, "does not exist"),
        (".", {}, "without the files of a public data set"),
    ],
)
def test_refuses(tmp_path, path, options, words):
    written(tmp_path, LOG)
    with pytest.raises(InputError, match=words):
        checked(tmp_path / path, **options)


@pytest.mark.parametrize("name", ["c.csv", "c.tsv.gz", "c.parquet"])
def test_written_table_reads_back(tmp_path, name):
    data, _ = simulate_cohort(3, samples=120, genes=50, types=3, scaling="none")
    factors = [f"{f}_factor" if f in data.covariates else f for f in data.factors]
    path = write_table(data, tmp_path / name)
    again = read_table(
        path, label="label", event="event", time="time", covariates=["age", "gender"], factors=factors, scaling="none"
    )
    np.testing.assert_allclose(again.x, data.x, atol=1e-4)
    assert again.samples.tolist() == data.samples.tolist()
    np.testing.assert_array_equal(again.labels, data.labels)
    np.testing.assert_array_equal(again.survival.time, data.survival.time)
    np.testing.assert_allclose(list(again.factors.values()), list(data.factors.values()), rtol=1e-6)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    with pytest.raises(InputError, match="extension"):
        write_table(data, tmp_path / "c.xlsx")


@pytest.mark.parametrize("name", ["c.csv", "c.parquet"])
def test_columns_of_one_name_are_all_written(tmp_path, name):
    """The mutation status of a gene beside its expression, and a covariate called as a column that is always written."""
    rng = np.random.default_rng(0)
    columns = {"G1": rng.integers(0, 2, 40).astype(float), "time": rng.random(40)}
    data = dataset_from_arrays(
        pd.DataFrame(rng.normal(size=(40, 3)), columns=["G1", "G2", "G3"]),
        labels=["a", "b"] * 20,
        survival=Survival(np.arange(40.0), np.ones(40, bool)),
        covariates=columns,
        factors={"G2": rng.random(40)},
        auxiliary={"G1": columns["G1"], "G3": rng.random(40)},
        scaling="none",
    )
    options = table_columns(data)
    assert options["covariates"] == ["G1_covariate", "time_covariate"]
    assert (options["factors"], options["auxiliary"]) == (["G2_factor"], ["G1_auxiliary", "G3_auxiliary"])
    one = {key: next(iter(names), None) for key, names in options.items() if key in ("label", "event", "time")}
    several = {key: options[key] for key in ("covariates", "factors", "auxiliary")}
    again = read_table(write_table(data, tmp_path / name), scaling="none", **one, **several)
    np.testing.assert_allclose(again.x, data.x, atol=1e-6)
    np.testing.assert_array_equal(again.survival.time, data.survival.time)
    np.testing.assert_allclose(list(again.covariates.values()), list(columns.values()))
    with pytest.raises(InputError, match="the data are a str; they must be a Dataset"):
        write_table("c.csv", tmp_path / name)


@pytest.mark.parametrize("name", ["c.csv", "c.tsv.gz", "c.parquet", "c.h5ad"])
def test_auxiliary_variables_are_written_and_read_back(tmp_path, name):
    simulated, _ = simulate_cohort(3, samples=120, genes=50, types=3, scaling="none")
    rng = np.random.default_rng(0)
    site = np.where(np.arange(120) % 7 == 0, "", np.array(["a", "b", "c"])[rng.integers(3, size=120)])
    share = np.where(np.arange(120) % 5 == 0, np.nan, rng.random(120))
    data = dataset_from_arrays(
        simulated.x,
        samples=simulated.samples,
        features=simulated.features,
        covariates=dict(simulated.covariates),
        auxiliary={
            "site": site,
            "SBS13": share,
            "plate": rng.integers(1, 4, size=120).astype(str),  # codes of categories
            "gender": simulated.covariates["gender"],  # as the covariate: one column for both
            "age": rng.permutation(simulated.covariates["age"]),  # other values than the covariate
        },
        scaling="none",
    )
    options = table_columns(data)
    assert options["auxiliary"] == ["site", "SBS13", "plate:category", "gender", "age_auxiliary"]
    if name.endswith("h5ad"):
        pytest.importorskip("anndata")
        path = write_h5ad(tmp_path / name, data)
    else:
        path = write_table(data, tmp_path / name)
    again = read_table(path, covariates=options["covariates"], auxiliary=options["auxiliary"], scaling="none")
    expected, found = dict(data.auxiliary.values), again.auxiliary.values
    expected["age_auxiliary"] = expected.pop("age")
    assert list(found) == list(expected)
    for key, values in expected.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(found[key], values, rtol=1e-12)  # NaN where missing in both
        else:
            assert found[key].tolist() == values.tolist()
    assert again.features.tolist() == data.features.tolist()
    np.testing.assert_allclose(again.covariates["age"], data.covariates["age"], rtol=1e-12)


def test_commands(tmp_path, capsys):
    out = tmp_path / "cohort.csv.gz"
    assert (
        main(["data", "simulate", "--out", str(out), "--samples", "120", "--genes", "60", "--types", "3", "--quiet"])
        == 0
    )
    assert capsys.readouterr().out == ""
    assert main(["data", "check", str(out), "--label", "label", "--json"]) == 0
    *text, last = capsys.readouterr().out.splitlines()
    assert "120 samples x" in text[0]
    assert sum(json.loads(last)["labels"].values()) == 120
    assert main(["data", "list", "--folder", str(tmp_path), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out.splitlines()[-1])) == {"cosmic", "gtex", "simulated", "tcga"}
    for arguments, words in (
        (["check"], "needs a PATH"),
        (["check", "no.csv"], "no.csv does not exist"),
        (["fetch"], "needs a NAME: tcga, gtex"),
        (["fetch", "tgca"], "did you mean 'tcga'"),
        (["simulate", "--types", "1"], "types=1"),
        ([], "data"),
    ):
        assert main(["data", *arguments]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert words in error


def test_fetch_command(tmp_path, capsys):
    expression, survival = SOURCES["tcga"].files
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / expression).write_bytes(gzip.compress(b"sample\tTCGA-00-0000-01\nG1\t1\n"))
    (tmp_path / "from" / survival).write_bytes(b"sample\tOS\nTCGA-00-0000-01\t1\n")
    arguments = [
        "data",
        "fetch",
        "tcga",
        "--folder",
        str(tmp_path / "to"),
        "--mirror",
        str(tmp_path / "from"),
        "--json",
    ]
    assert main(arguments) == 0
    *text, last = capsys.readouterr().out.splitlines()
    assert len(json.loads(last)["files"]) == len(text) == 2


@pytest.mark.parametrize("kind", ["t.csv", "t.tsv.gz", "t.parquet", "t.gct", "t.h5ad", "genes.tsv"])
def test_a_check_counts_what_is_read(tmp_path, kind):
    """The same samples, features and labels as ``read_table``, whichever reader opens the file."""
    table, options, path = frame(LOG), {"label": "type", "event": "dead", "time": "days"}, tmp_path / kind
    genes = [f"G{j}" for j in range(12)]
    if kind == "t.h5ad":
        anndata = pytest.importorskip("anndata", reason="the extra 'anndata' is not installed")
        obs = table.drop(columns=[*genes, "sample"]).set_index(table["sample"].to_numpy())
        anndata.AnnData(LOG, obs=obs, var=pd.DataFrame(index=genes)).write_h5ad(path)
    elif kind in ("t.gct", "genes.tsv"):
        table.drop(columns=genes).to_csv(tmp_path / "annotation.csv", index=False)
        options["annotation"] = tmp_path / "annotation.csv"
        turned = pd.DataFrame(LOG.T, index=genes, columns=table["sample"].to_numpy())
        if kind == "t.gct":
            turned.insert(0, "Description", "d")
        text = turned.to_csv(sep="\t", index_label="Name")
        path.write_text(f"#1.2\n12\t{N}\n{text}" if kind == "t.gct" else text)
    elif kind == "t.parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False, sep="\t" if "tsv" in kind else ",")
    summary, data = checked(path, **options), read_table(path, scaling="none", **options)
    assert (summary.samples, summary.values.features) == data.x.shape == (N, 12)
    assert summary.labels == dict(zip(data.label_names, np.bincount(data.labels).tolist(), strict=True))
    assert summary.events == data.survival.event.sum()
    np.testing.assert_allclose([summary.values.low, summary.values.high], [LOG.min(), LOG.max()], rtol=1e-6)
