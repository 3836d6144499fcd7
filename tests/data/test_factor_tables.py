"""Factors from a table of their own, joined by sample name, in Python and on the command line."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from vaebench.cli.main import main
from vaebench.data.dataset import dataset_from_arrays
from vaebench.data.factor_tables import with_factors
from vaebench.errors import InputError
from vaebench.results import read_run_json

N = 40
NAMES = [f"TCGA-02-{i:04d}-01A" for i in range(N)]


@pytest.fixture(scope="module")
def data():
    x = np.random.default_rng(0).normal(size=(N, 12))
    return dataset_from_arrays(
        x, samples=NAMES, labels=["a", "b"] * (N // 2), factors={"age": np.arange(N)}, name="cohort"
    )


@pytest.fixture
def table(tmp_path):
    """Exposures by sample barcode, in another order, without 5 of the samples and with others; one column of each fault."""
    order = np.random.default_rng(1).permutation(N)[5:]
    columns = {
        "sample": [NAMES[i][:15] for i in order] + ["TCGA-99-9999-01"],
        "SBS1": [*map(float, order), 7.0],
        "SBS2": [*(np.where(order % 2, order / 10.0, np.nan)), 7.0],
        "none": [np.nan] * len(order) + [1.0],
        "same": [3.0] * len(order) + [1.0],
        "stage": ["II"] * len(order) + ["I"],
        "huge": [np.inf] * len(order) + [1.0],
    }
    frame = pd.DataFrame(columns)
    frame.to_csv(tmp_path / "factors.csv", index=False)
    return tmp_path / "factors.csv"


def test_factors_are_joined_by_sample_and_counted(data, table):
    made = with_factors(data, table, ["SBS1", "SBS2"])
    kept = set(pd.read_csv(table)["sample"])
    expected = np.array([i if NAMES[i][:15] in kept else np.nan for i in range(N)])
    np.testing.assert_array_equal(made.factors["SBS1"], expected)
    np.testing.assert_array_equal(made.factors["age"], np.arange(N))
    half = int(np.sum(~np.isnan(made.factors["SBS2"])))
    assert f"how many of {N} samples have them: SBS1 {N - 5}, SBS2 {half}" in made.notes[-1]
    assert made.provenance["factors"]["samples"] == {"SBS1": N - 5, "SBS2": half}
    assert made.digest not in (data.digest, with_factors(data, table, "SBS1").digest)


def test_patients_give_their_factors_to_their_samples(data, tmp_path):
    frame = pd.DataFrame(
        {"id": range(N), "bcr_patient_barcode": [name[:12] for name in NAMES], "SBS1": np.arange(N) * 2.0}
    )
    frame.to_csv(tmp_path / "patients.tsv", sep="\t", index=False)
    np.testing.assert_array_equal(
        with_factors(data, tmp_path / "patients.tsv", "SBS1").factors["SBS1"], np.arange(N) * 2.0
    )


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["SBS3"], ("'SBS3'", "no column of factors.csv")),
        (["sbs1"], ("'sbs1'", "did you mean 'SBS1'?")),
        (["sample"], ("'sample'", "no column")),
        (["none"], ("'none' of factors.csv is missing for all 40 samples",)),
        (["same"], ("'same' of factors.csv is 3 in all 35 samples",)),
        (["stage"], ("'stage'", "holds the text 'II'", "numbers only")),
        (["SBS1", "SBS1"], ("'SBS1'", "already")),
        ([], ("--factor-columns is empty", "SBS1")),
        (["x" * 500], ("xxx...",)),
    ],
)
def test_a_column_that_says_nothing_is_one_sentence(data, table, columns, words):
    with pytest.raises(InputError) as error:
        with_factors(data, table, columns)
    assert all(word in str(error.value) for word in words), str(error.value)
    assert len(str(error.value)) < 300


def test_tables_of_other_samples_and_factors_of_the_data_are_refused(data, table, tmp_path):
    pd.DataFrame({"sample": ["p1", "p2"], "SBS1": [1.0, 2.0]}).to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(InputError, match=r"no sample of cohort .*'TCGA-02-0000-01A'.* is in other.csv .*'p1'"):
        with_factors(data, tmp_path / "other.csv", "SBS1")
    pd.read_csv(table).rename(columns={"SBS1": "age"}).to_csv(table, index=False)
    with pytest.raises(InputError, match="'age', which is a factor already"):
        with_factors(data, table, "age")


def test_the_command_line_joins_them_and_records_their_numbers(data, table, tmp_path, capsys):
    frame = pd.DataFrame(data.x, index=NAMES, columns=data.features)
    frame.insert(0, "type", ["a", "b"] * (N // 2))
    frame.to_csv(tmp_path / "cohort.csv", index_label="sample")
    np.save(tmp_path / "z.npy", data.x[:, :3])
    given = ["evaluate", str(tmp_path / "cohort.csv"), "--label", "type", "--embedding", str(tmp_path / "z.npy")]
    given += ["--metrics", "correlation", "--out", str(tmp_path / "out"), "--quiet"]
    assert main([*given, "--factors", str(table), "--factor-columns", "SBS1"]) == 0
    record = read_run_json(tmp_path / "out")
    assert any(f"of {N} samples have them: SBS1 {N - 5}" in note for note in record["notes"])
    assert json.dumps(record["provenance"]["factors"]["samples"]) == json.dumps({"SBS1": N - 5})
    for more, words in (
        (["--factors", str(table)], "--factor-columns is missing; name the columns"),
        (["--factors", str(table), "--factor-columns", "SBS9"], "no column of factors.csv"),
        (["--factor-columns", "SBS1", "--factors", str(tmp_path / "no.csv")], "is no file"),
        (["--factor-columns", "SBS1"], "--factors is missing"),
    ):
        capsys.readouterr()
        assert main([*given, *more]) == 2
        assert words in capsys.readouterr().err
