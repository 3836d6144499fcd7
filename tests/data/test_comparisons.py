"""Text among numbers, spellings of missing values, and comparisons in ``where`` and ``event``."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vaebench.data import checked, read_table
from vaebench.data.comparisons import as_numbers, compared, not_numbers
from vaebench.data.files.table import Table, column_from
from vaebench.data.files.text import ABSENT
from vaebench.errors import InputError

N = 12
X = np.random.default_rng(0).normal(7, 2, (N, 6)).round(3)
DEPTH = [100, 90, 600, 1000, 70, 80, 2000, 500, 900, 5, 700, 800]


def written(folder, **columns):
    table = pd.DataFrame({"sample": [f"s{i}" for i in range(N)], **columns})
    path = folder / "t.csv"
    pd.concat([table, pd.DataFrame(X, columns=[f"G{j}" for j in range(6)])], axis=1).to_csv(path, index=False)
    return path


def table_of(values) -> Table:
    values = column_from(values)
    none = np.full(len(values), None)
    return Table("t", {"c": values}, "", none, "rows", np.arange(len(values)) + 2, {}, {})


@pytest.mark.parametrize("odd", ["low", "failed QC", "90+", "'--", "Unknown"])
@pytest.mark.parametrize("sign", [">=", "<", ">", "<="])
def test_an_order_is_one_of_numbers(tmp_path, odd, sign):
    depth = pd.Series([*DEPTH[:-1], odd])
    data = read_table(written(tmp_path, depth=depth), where=f"depth{sign}500")
    truth = pd.DataFrame({"depth": pd.to_numeric(depth, errors="coerce")}).query(f"depth {sign} 500").index
    assert data.samples.tolist() == [f"s{i}" for i in truth]
    said = [note for note in data.notes if repr(odd) in note and "counts as missing" in note]
    assert len(said) == (odd.lower() not in ABSENT)


@pytest.mark.parametrize("where", ["stage>=II", "stage<3", "depth>=high"])
def test_an_order_of_text_is_refused(tmp_path, where):
    path = written(tmp_path, stage=["I", "II", "IIA"] * 4, depth=[*DEPTH[:-1], "low"])
    with pytest.raises(InputError, match="use == or !=") as caught:
        read_table(path, where=where)
    assert len(str(caught.value)) < 300


def test_equal_numbers_are_equal_however_they_are_written():
    table = table_of(["1", "01", "1.0", "2", "x", None])
    assert compared(table, "where", ("c", "==", "1"))[0].tolist() == [True, True, True, False, False, False]
    assert compared(table, "where", ("c", "!=", "1"))[0].tolist() == [False, False, False, True, True, False]
    assert compared(table, "where", ("c", "==", "NA"))[0].tolist() == [False] * 5 + [True]
    assert compared(table, "where", ("c", "!=", "[Not Available]"))[0].tolist() == [True] * 5 + [False]


def test_excluding_a_value_that_never_occurs_is_said(tmp_path):
    path = written(tmp_path, tissue=["Tumor", "Normal"] * 6)
    notes = " ".join(read_table(path, where="tissue!=normal").notes)
    assert "leaves nothing out" in notes
    assert "did you mean 'Normal'?" in notes


MISSING = [
    *("'--", "--", "-", ".", "?", "", "NA", "N/A", "nan", "NULL", "#N/A", "#VALUE!", "Unknown", "not_reported"),
    *("Not Reported", "not reported", "Not Available", "Not Applicable", "Not Allowed To Collect"),
    *(
        f"[{word}]"
        for word in ("Not Available", "Not Applicable", "Not Evaluated", "Unknown", "Discrepancy", "Completed")
    ),
]


@pytest.mark.parametrize("spelling", MISSING)
def test_spellings_of_missing(spelling):
    assert column_from(["61", spelling, "70"]).dtype == np.float64
    assert column_from(["female", spelling]).tolist() == ["female", None]


@pytest.mark.parametrize("odd", ["'--", "90+", ">89", "89+", "unknown", "seventy"])
def test_a_covariate_of_numbers_stays_one(tmp_path, odd):
    age = [str(50 + i) for i in range(N - 1)] + [odd]
    data = read_table(written(tmp_path, age=age), covariates="age")
    assert data.covariates["age"].dtype == np.float64
    assert np.flatnonzero(np.isnan(data.covariates["age"])).tolist() == [N - 1]
    assert any(repr(odd) in note and "'age'" in note for note in data.notes) == (odd.lower() not in ABSENT)


def test_a_covariate_of_text_stays_one(tmp_path):
    data = read_table(written(tmp_path, stage=["1", "II", "IIA", "III"] * 3), covariates="stage")
    assert data.covariates["stage"].tolist()[:4] == ["1", "II", "IIA", "III"]
    assert as_numbers(column_from(["1", "a"])) is None
    assert not_numbers(column_from(["1", "2", "a", "a", None])) == {"a": 2}


@pytest.mark.parametrize("option", ["factors", "time"])
def test_text_in_other_columns_of_numbers_is_named(tmp_path, option):
    path = written(tmp_path, dead=[0, 1] * 6, grade=["a", "90+", *range(N - 2)])
    options = {"factors": ["grade"]} if option == "factors" else {"event": "dead", "time": "grade"}
    with pytest.raises(InputError, match=r"'a' \(line 2, sample 's0'\).*'90\+' \(1\)"):
        read_table(path, **options)


def test_levels_of_a_covariate_that_differ_in_case_are_said(tmp_path):
    path = written(tmp_path, sex=["male", "MALE", "female"] * 4)
    notes = read_table(path, covariates=["sex"]).notes
    assert "covariates: 'male' and 'MALE' of column 'sex' differ in case or spacing only, and count as two" in notes


def test_a_factor_with_nothing_to_go_with_is_said(tmp_path):
    path = written(tmp_path, flat=2.0, empty=np.nan)
    notes = read_table(path, factors=["flat", "empty"]).notes
    assert "factors: column 'flat' is 2 in all samples: no score can be computed of it" in notes
    assert "factors: column 'empty' has no value: no score can be computed of it" in notes


def test_labels_that_differ_in_case_are_said(tmp_path):
    notes = read_table(written(tmp_path, type=["LUAD", "Luad", " LUSC", "LUSC "] * 3), label="type").notes
    assert [note for note in notes if note.startswith("label")] == [
        "label: 'LUAD' and 'Luad' of column 'type' differ in case or spacing only, and count as two"
    ]


def test_a_quoted_value_may_hold_what_separates_comparisons(tmp_path):
    site = ["Head & Neck", "Lung", "Ewing's & other"] * 4
    path = written(tmp_path, site=site, depth=range(N))
    for where, wanted in (
        ("site=='Head & Neck' & depth>0", [3, 6, 9]),
        ('depth>0 & site=="Ewing\'s & other"', [2, 5, 8, 11]),
        ("site!='Head & Neck' & site!='Lung'", [2, 5, 8, 11]),
    ):
        assert read_table(path, where=where).samples.tolist() == [f"s{i}" for i in wanted]


def test_samples_are_left_out_by_their_names(tmp_path):
    """They lost their names where ``where`` compared these, and there was no way to compare those without a title."""
    path = written(tmp_path, site=["a", "b"] * 6)
    rest = [f"s{i}" for i in range(1, N) if i != 4]
    frame = pd.read_csv(path, index_col=0)
    frame.rename_axis(None).to_csv(tmp_path / "nameless.csv")
    frame.T.to_csv(tmp_path / "turned.csv")
    frame.drop(columns="site").T.to_csv(tmp_path / "genes.csv")
    frame[["site"]].rename_axis("barcode").to_csv(tmp_path / "about.csv")
    for file, options in (
        (path, {}),
        (tmp_path / "nameless.csv", {}),
        (tmp_path / "turned.csv", {"samples_in": "columns"}),
        (tmp_path / "genes.csv", {"annotation": tmp_path / "about.csv"}),
    ):
        options = {"label": "site", "where": "sample!=s0 & sample!=s4", **options}
        assert read_table(file, **options).samples.tolist() == rest
        assert checked(file, **options).samples == N - 2
    # a column that is no name, though few samples are left of it
    few = read_table(written(tmp_path, kind=["a", "b", "c"] * 4), where="kind==a")
    assert few.samples.tolist() == ["s0", "s3", "s6", "s9"]
