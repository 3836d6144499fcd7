"""Tables to data sets: round trips, oracles, and one test for each bad input."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from vaebench.data import DATASETS, aligned, checked, dataset_from_arrays, load, read_table
from vaebench.errors import InputError
from vaebench.types import Survival

N, D = 12, 7
ROLES = {"label": "cohort", "event": "dead", "time": "days", "covariates": ["age", "sex"], "factors": ["grade"]}


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    data = {
        "sample": [f"s{i}" for i in range(N)],
        "cohort": ["B", "A", "C"] * 4,
        "dead": [0, 1] * 6,
        "days": [float(10 * i + 1) for i in range(N)],
        "age": [50.5 + i for i in range(N)],
        "sex": ["F", "M", "M"] * 4,
        "grade": [float(i % 3) for i in range(N)],
        "patient": [f"p{i // 2}" for i in range(N)],
    }
    genes = {f"G{j}": rng.normal(5 + j, 1 + j, N) for j in range(D)}
    return pd.DataFrame(data | genes)


def written(folder: Path, table: pd.DataFrame | None = None, kind: str = "csv", samples_in: str = "rows") -> Path:
    table = frame() if table is None else table
    if samples_in == "columns":
        table = table.astype(object).set_index("sample").T.reset_index(names="gene")
    path = folder / f"cohort.{kind}"
    if kind.startswith("parquet"):
        table = table.astype(str) if samples_in == "columns" else table
        table.to_parquet(path, index=False)
        return path
    text = table.to_csv(index=False, sep="\t" if kind.startswith("tsv") else ",")
    path.write_bytes(gzip.compress(text.encode()) if kind.endswith("gz") else text.encode())
    return path


def refused(*words: str, call=read_table, **options) -> str:
    with pytest.raises(InputError) as caught:
        call(**options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


@pytest.mark.parametrize("samples_in", ["rows", "columns"])
@pytest.mark.parametrize("kind", ["csv", "tsv", "csv.gz", "tsv.gz", "parquet"])
def test_round_trip(tmp_path, kind, samples_in):
    data = read_table(written(tmp_path, kind=kind, samples_in=samples_in), samples_in=samples_in, **ROLES)
    table = frame()
    genes = [f"G{j}" for j in range(D)]
    assert data.features.tolist() == genes
    assert data.samples.tolist() == table["sample"].tolist()
    assert data.label_names == ("A", "B", "C")
    assert [data.label_names[i] for i in data.labels] == table["cohort"].tolist()
    np.testing.assert_array_equal(data.survival.time, table["days"])
    np.testing.assert_array_equal(data.survival.event, table["dead"] == 1)
    np.testing.assert_array_equal(data.covariates["age"], table["age"])
    assert data.covariates["sex"].tolist() == table["sex"].tolist()
    np.testing.assert_array_equal(data.factors["grade"], table["grade"])
    assert data.provenance["annotations"] == ["patient"]
    np.testing.assert_allclose(data.x, StandardScaler().fit_transform(table[genes]), rtol=1e-5, atol=1e-6)
    assert (data.x.dtype, data.labels.dtype, data.name) == (np.float32, np.int32, "cohort")
    # One content, one digest, whatever the file.
    assert data.digest == read_table(written(tmp_path), **ROLES, name="other").digest
    assert str(tmp_path) not in json.dumps(data.provenance)


def test_digest_sees_every_part(tmp_path):
    base = read_table(written(tmp_path), **ROLES).digest
    found = {base}
    changes = (("G3", 9.0), ("sample", "t"), ("cohort", "A"), ("dead", 1), ("days", 9.0), ("age", 9.0), ("grade", 9.0))
    for column, value in changes:
        table = frame()
        table.loc[0, column] = value
        found.add(read_table(written(tmp_path, table), **ROLES).digest)
    assert len(found) == 8


def test_file_in_r_layout_and_quotes_and_bom(tmp_path):
    path = tmp_path / "r.txt"
    path.write_text('\ufeff"G1"\t"G2"\n"007"\t1\t2\n"008"\t3\t5\n')
    data = read_table(path)
    assert data.samples.tolist() == ["007", "008"]
    assert data.features.tolist() == ["G1", "G2"]


def test_unnamed_samples_are_numbered(tmp_path):
    data = read_table(written(tmp_path, frame()[["cohort", "G0", "G1"]]), label="cohort")
    assert data.samples.tolist() == [f"sample_{i + 1}" for i in range(N)]
    assert data.features.tolist() == ["G0", "G1"]


def test_numeric_labels_are_written_plainly(tmp_path):
    table = frame().assign(cohort=[1, 2, 3] * 4)
    assert read_table(written(tmp_path, table), **ROLES).label_names == ("1", "2", "3")


@pytest.mark.parametrize("scaling", ["zscore", "unit", "none"])
def test_scaling_against_sklearn(scaling):
    x = np.random.default_rng(0).normal(3, 2, (50, 1100))
    data = dataset_from_arrays(x, scaling=scaling)
    oracle = {"zscore": StandardScaler().fit_transform, "unit": MinMaxScaler().fit_transform, "none": np.asarray}
    np.testing.assert_allclose(data.x, oracle[scaling](x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose((x - data.centre) / data.scale, data.x, rtol=1e-5, atol=1e-6)
    assert data.centre.dtype == data.scale.dtype == np.float64


@pytest.mark.parametrize("deviation", ["mean", "median"])
def test_top_against_pandas(deviation):
    x = pd.DataFrame(np.random.default_rng(2).standard_t(2, (40, 700)))
    middle = {"mean": pd.DataFrame.mean, "median": pd.DataFrame.median}[deviation]
    spread = middle((x - middle(x)).abs()).sort_values(ascending=False)
    data = dataset_from_arrays(x, features=x.columns, top=25, deviation=deviation)
    assert data.features.tolist() == [str(i) for i in sorted(spread.index[:25])]
    assert data.provenance["counts"]["features_not_selected"] == 675


def test_mean_and_median_deviation_differ():
    x = np.random.default_rng(2).standard_t(2, (40, 700))
    chosen = [set(dataset_from_arrays(x, top=25, deviation=d).features) for d in ("mean", "median")]
    assert chosen[0] != chosen[1]


def test_log2(tmp_path):
    table = frame()
    table[[f"G{j}" for j in range(D)]] = raw = table[[f"G{j}" for j in range(D)]].abs().to_numpy()
    data = read_table(written(tmp_path, table), transform="log2", scaling="none", **ROLES)
    np.testing.assert_allclose(data.x, np.log2(raw + 1), rtol=1e-6)


def test_few_negatives_among_linear_values_count_as_0_under_log2(tmp_path):
    genes = [f"G{j}" for j in range(D)]
    raw = np.random.default_rng(0).gamma(0.5, 400, (N, D)) + 1
    raw[3, 1] = -0.25  # one of 84: above 1%
    refused(
        "1 of 84 values are negative",
        transform="log2",
        path=written(tmp_path, frame().assign(**dict(zip(genes, raw.T, strict=True)))),
    )
    wide = pd.DataFrame(np.random.default_rng(1).gamma(0.5, 400, (20, 30)) + 1, columns=[f"H{j}" for j in range(30)])
    wide.loc[3, "H1"] = -0.25
    wide.to_csv(tmp_path / "wide.csv")
    data = read_table(tmp_path / "wide.csv", transform="log2", scaling="none")
    np.testing.assert_allclose(data.x, np.log2(wide.clip(lower=0).to_numpy() + 1), rtol=1e-6)
    assert "1 of 600 values are below 0, the smallest -0.25, and count as 0" in data.notes


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("sex==F", [0, 3, 6, 9]),
        ("sex != F & age<=52.5", [1, 2]),
        ("age>=61", [11]),
        ("age > 60 & dead==true", [11]),
        ("days<12", [0, 1]),
        ("cohort=='B'", [0, 3, 6, 9]),
        ("grade>=1", [1, 2, 4, 5, 7, 8, 10, 11]),
    ],
)
def test_where(tmp_path, where, kept):
    path = written(tmp_path)
    if len(kept) < 2:
        refused("constant", path=path, where=where)
        return
    data = read_table(path, where=where)
    assert data.samples.tolist() == [f"s{i}" for i in kept]
    assert data.provenance["counts"]["samples_dropped_by_where"] == N - len(kept)
    assert {"sex", "cohort"}.isdisjoint(data.features)
    assert {"age", "days", "dead"}.isdisjoint(data.features)


def test_where_column_is_no_feature_and_ignore(tmp_path):
    data = read_table(written(tmp_path), where="days>0", ignore=["G0", "grade"])
    assert {"days", "G0", "grade", "age"}.isdisjoint(data.features)
    assert "age" in read_table(written(tmp_path), ignore=["G0", "grade"], features=["age"]).features


def test_event_as_comparison_and_words(tmp_path):
    path = written(
        tmp_path, frame().assign(alive=lambda t: 1 - t["dead"], word=lambda t: t["dead"].map({0: "F", 1: "T"}))
    )
    plain = read_table(path, **ROLES).survival
    for event in ("alive==0", "word==T", "dead>0"):
        np.testing.assert_array_equal(read_table(path, **ROLES | {"event": event}).survival.event, plain.event)
    path = written(tmp_path, frame().assign(dead=["true", "FALSE"] * 6))
    np.testing.assert_array_equal(read_table(path, **ROLES).survival.event, ~plain.event)


def test_missing_survival_and_labels_are_counted(tmp_path):
    table = frame()
    table.loc[1, "days"] = np.nan
    table.loc[3, "dead"] = np.nan
    table.loc[5, "cohort"] = np.nan
    table.loc[7, "age"] = np.nan
    table.loc[7, "sex"] = np.nan
    data = read_table(written(tmp_path, table), **ROLES)
    assert data.samples.tolist() == [f"s{i}" for i in range(N) if i != 5]
    assert np.flatnonzero(np.isnan(data.survival.time)).tolist() == [1, 3]
    assert not data.survival.event[[1, 3]].any()
    assert np.isnan(data.covariates["age"][6])
    assert data.covariates["sex"][6] == ""
    counts = data.provenance["counts"]
    assert (counts["survival_missing"], counts["samples_dropped_without_label"]) == (2, 1)


def test_constant_features_are_dropped_and_counted(tmp_path):
    data = read_table(written(tmp_path, frame().assign(G2=4.0)), **ROLES)
    assert "G2" not in data.features
    assert data.provenance["counts"]["constant_features_dropped"] == 1


def test_imputed_is_zero(tmp_path):
    table = frame()
    table.loc[4, "G1"] = np.nan
    data = read_table(written(tmp_path, table), missing="impute", **ROLES)
    np.testing.assert_allclose(data.x[4, 1], 0.0, atol=1e-7)
    np.testing.assert_allclose(data.centre[1], table["G1"].mean())
    assert data.provenance["counts"]["missing_values"] == 1


def test_registry():
    assert "simulated" in DATASETS
    refused("simulate", "did you mean 'simulated'", call=load, name="simulate")


# One test for each bad input.


def test_refuses_missing_file(tmp_path):
    refused("nowhere.csv", "does not exist", path=tmp_path / "nowhere.csv")


def test_refuses_folder(tmp_path):
    refused(str(tmp_path), "folder", path=tmp_path)


@pytest.mark.parametrize("text", ["", "\n", "a,b\n"])
def test_refuses_empty_file(tmp_path, text):
    (tmp_path / "e.csv").write_text(text)
    refused("e.csv", "needed", path=tmp_path / "e.csv")


@pytest.mark.parametrize("content", [b"\x1f\x8bbroken", b"PAR1broken", b"PK\x03\x04\x00\x00,\xff\xfe", b"a|b\n1|2\n"])
def test_refuses_what_is_no_table(tmp_path, content):
    (tmp_path / "odd.csv").write_bytes(content)
    refused("odd.csv", path=tmp_path / "odd.csv")


def test_refuses_table_without_header(tmp_path):
    (tmp_path / "n.csv").write_text("0.5,1.5\n2,3\n4,5\n")
    refused("n.csv", "'0.5'", "header", path=tmp_path / "n.csv")


def test_refuses_column_without_name(tmp_path):
    (tmp_path / "n.csv").write_text("s,a,,b\nx,1,2,3\ny,2,3,5\n")
    refused("column 3", "n.csv", path=tmp_path / "n.csv")


@pytest.mark.parametrize("samples_in", ["rows", "columns"])
@pytest.mark.parametrize("text", ["g,a,b\nx,1,2,3,4\n", "g,a,b\nx,1,2\ny,3,4,5\n"])
def test_refuses_ragged_lines(tmp_path, text, samples_in):
    (tmp_path / "r.csv").write_text(text)
    refused("r.csv", "fields", path=tmp_path / "r.csv", samples_in=samples_in)


@pytest.mark.parametrize("option", ["label", "time", "event", "covariates", "factors", "ignore", "where"])
def test_refuses_unknown_column(tmp_path, option):
    value = {"covariates": ["coort"], "factors": ["coort"], "ignore": ["coort"], "where": "coort==1"}.get(
        option, "coort"
    )
    message = refused(option, "'coort'", "did you mean 'cohort'", path=written(tmp_path), **ROLES | {option: value})
    assert f"--{option}" in message


@pytest.mark.parametrize(
    ("given", "meant", "options"),
    [
        ("Cohort", "cohort", {"label": "Cohort"}),
        ("os", "OS", {"event": "os", "time": "days"}),
        ("os", "OS", {"event": "os==1", "time": "days"}),
        ("os_time", "OS.time", {"event": "OS", "time": "os_time"}),
        ("AGE", "age", {"covariates": ["AGE"]}),
        ("Grade", "grade", {"factors": ["Grade"]}),
        ("SEX", "sex", {"where": "SEX==F"}),
        ("g1", "G1", {"ignore": ["g1"]}),
        ("g1", "G1", {"features": ["g1"]}),
    ],
)
def test_unknown_column_suggests_the_one_that_differs_in_case(tmp_path, given, meant, options):
    path = written(tmp_path, frame().rename(columns={"dead": "OS"}).assign(**{"OS.time": 9.0}))
    refused(repr(given), f"did you mean {meant!r}?", path=path, **options)


def test_unknown_column_of_an_annotation_suggests_the_one_that_differs_in_case(tmp_path):
    table, genes = frame(), [f"G{j}" for j in range(D)]
    table.set_index("sample")[genes].T.to_csv(tmp_path / "genes.csv")
    table.drop(columns=genes).to_csv(tmp_path / "clinical.csv", index=False)
    both = {"path": tmp_path / "genes.csv", "annotation": tmp_path / "clinical.csv"}
    refused("did you mean 'sample'?", **both, annotation_sample_column="Sample")
    refused("its columns begin sample, cohort", **both, annotation_sample_column="zzzzzz")
    refused("did you mean 'cohort'?", **both, label="COHORT")


def test_message_on_an_unknown_column_stays_short(tmp_path):
    long = frame().rename(columns={name: name * 30 for name in frame().columns})
    assert len(refused("which is not a column", path=written(tmp_path, long), label="?" * 200)) < 300 + len(
        str(tmp_path)
    )


def test_unknown_column_hints_at_transposed_table(tmp_path):
    path = written(tmp_path, samples_in="columns")
    refused("'cohort'", "samples_in", "--samples-in columns", path=path, label="cohort")


def test_refuses_label_with_one_sample(tmp_path):
    table = frame()
    table.loc[0, "cohort"] = "LONELY"
    refused("'LONELY'", "1 sample", "at least 2", path=written(tmp_path, table), **ROLES)


def test_refuses_label_without_values(tmp_path):
    refused("label='cohort'", "empty", path=written(tmp_path, frame().assign(cohort=np.nan)), **ROLES)


@pytest.mark.parametrize("samples_in", ["rows", "columns"])
def test_refuses_duplicate_samples(tmp_path, samples_in):
    table = frame()
    table.loc[3, "sample"] = "s2"
    refused("sample name 's2'", "unique", path=written(tmp_path, table, samples_in=samples_in), samples_in=samples_in)


@pytest.mark.parametrize("samples_in", ["rows", "columns"])
def test_refuses_duplicate_features(tmp_path, samples_in):
    table = frame().rename(columns={"G3": "G2"})
    path = written(tmp_path, table, samples_in=samples_in)
    refused("feature name 'G2'", "unique", path=path, samples_in=samples_in)


def test_refuses_absent_sample_name(tmp_path):
    table = frame()
    table.loc[3, "sample"] = None
    refused("no name", "line 5", path=written(tmp_path, table), **ROLES)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_refuses_text_among_numbers(tmp_path, kind):
    table = frame().astype({"G4": object})
    table.loc[6, "G4"] = "high"
    table = table.astype({"G4": str}) if kind == "parquet" else table
    line = "line 8" if kind == "csv" else "line 7"
    refused("'G4'", "'high'", line, "'s6'", path=written(tmp_path, table, kind), **ROLES)


def test_refuses_text_in_time_and_factor(tmp_path):
    refused("time", "'sex'", "'F'", path=written(tmp_path), **ROLES | {"time": "sex", "covariates": []})
    refused("factors", "'sex'", "'F'", path=written(tmp_path), **ROLES | {"factors": ["sex"]})


def test_refuses_infinite_values(tmp_path):
    refused("'G5'", "'s0'", "infinite", path=written(tmp_path, frame().assign(G5=np.inf)), **ROLES)


def test_refuses_all_constant(tmp_path):
    table = frame().assign(**{f"G{j}": 1.0 for j in range(D)})
    refused("all 7 features are constant", path=written(tmp_path, table), **ROLES)


def test_refuses_no_features(tmp_path):
    refused("no column of numbers", path=written(tmp_path, frame()[["sample", "cohort", "patient"]]), label="cohort")


def test_refuses_missing_values(tmp_path):
    table = frame()
    table.loc[[4, 5], "G1"] = np.nan
    message = refused("missing values: 2,", "'G1'", "'s4'", path=written(tmp_path, table), **ROLES)
    assert 'missing="impute" (--missing impute)' in message


def test_refuses_negative_time(tmp_path):
    table = frame()
    table.loc[2, "days"] = -5.0
    refused("-5", "'s2'", "0 or more", path=written(tmp_path, table), **ROLES)


@pytest.mark.parametrize(("column", "value"), [("dead", "2"), ("age", "50.5"), ("sex", "F")])
def test_refuses_event_values(tmp_path, column, value):
    path = written(tmp_path, frame().assign(dead=2))
    refused(
        "event",
        f"'{column}'",
        f"'{value}'",
        "'s0'",
        "0, 1, true, false",
        path=path,
        **ROLES | {"event": column, "covariates": []},
    )


def test_refuses_survival_as_a_covariate(tmp_path):
    path = written(tmp_path)
    refused("'days'", "both time and covariates", path=path, **ROLES | {"covariates": ["days"]})
    refused("'dead'", "both event and covariates", path=path, **ROLES | {"covariates": ["age", "dead"]})
    refused("'dead'", "both event and auxiliary", path=path, **ROLES, auxiliary=["dead"])
    refused("'dead'", "both event and time", path=path, **ROLES | {"time": "dead"})


@pytest.mark.parametrize("samples_in", ["rows", "columns"])
def test_refuses_a_table_without_a_header(tmp_path, samples_in):
    values = np.random.default_rng(0).normal(7, 1, (8, 5)).round(3)
    pd.DataFrame(values, [f"s{i}" for i in range(8)]).to_csv(tmp_path / "x.csv", header=False)
    refused("x.csv", f"'{values[0, 0]:.3f}'", "header", path=tmp_path / "x.csv", samples_in=samples_in)
    numbered = pd.DataFrame(values, [f"s{i}" for i in range(8)], [7157, 672, 675, 1956, 2064])  # Entrez identifiers
    numbered.to_csv(tmp_path / "x.csv")
    if samples_in == "rows":
        assert read_table(tmp_path / "x.csv").features.tolist() == ["7157", "672", "675", "1956", "2064"]


def test_missing_values_are_counted_and_empty_samples_refused(tmp_path):
    table = frame()
    table.loc[2, ["G1", "G2"]] = table.loc[5, "G2"] = table["G6"] = np.nan
    notes = read_table(written(tmp_path, table), missing="impute", **ROLES).notes
    assert "1 of 7 features is without a value in any sample and left out" in notes
    (said,) = [note for note in notes if "missing" in note]
    for words in (f"{3 + N} of {7 * N} values", "sample 's2' (3 of 7)", f"in 'G2' (2 of {N})"):
        assert words in said
    table.loc[2, [f"G{j}" for j in range(D)]] = np.nan
    refused("'s2'", "no value in any of 7", path=written(tmp_path, table), **ROLES, missing="impute")


@pytest.mark.parametrize("option", ["event", "time"])
def test_refuses_half_a_survival(tmp_path, option):
    other = {"event": "time", "time": "event"}[option]
    refused(f"{option}='dead'", f"without {other}", path=written(tmp_path), **{option: "dead"})


def test_refuses_survival_without_values(tmp_path):
    refused("'days'", "no sample", path=written(tmp_path, frame().assign(days=np.nan)), **ROLES)


@pytest.mark.parametrize("top", [0, 8, -1, 2.5, True])
def test_refuses_top(tmp_path, top):
    refused(f"top={top}", "from 1 to 7", path=written(tmp_path), top=top, **ROLES)


@pytest.mark.parametrize("where", ["sex", "sex=F", "==F", "sex==F & age"])
def test_refuses_what_is_no_comparison(tmp_path, where):
    refused(f"where={where!r}", "COLUMN==VALUE", path=written(tmp_path), where=where)


def test_refuses_where_that_keeps_nothing(tmp_path):
    refused("where='sex==X'", "none of the 12", "F, M", path=written(tmp_path), where="sex==X")


def test_refuses_number_column_compared_with_text(tmp_path):
    refused("'old'", "'age'", "numbers", path=written(tmp_path), where="age==old")


def test_refuses_column_both_named_and_ignored(tmp_path):
    refused("'age'", "covariates", "ignore", path=written(tmp_path), **ROLES, ignore=["age"])


@pytest.mark.parametrize("option", ["samples_in", "deviation", "scaling", "transform", "missing"])
def test_refuses_unknown_choice(tmp_path, option):
    refused(option, "'nonsense'", "known:", path=written(tmp_path), **{option: "nonsense"})


def test_refuses_bad_arrays():
    x = np.random.default_rng(0).normal(size=(4, 3))
    refused("(4,)", call=dataset_from_arrays, x=x[:, 0])
    refused("<U1", call=dataset_from_arrays, x=np.array([["a"]]))
    refused("2 sample names", "4", call=dataset_from_arrays, x=x, samples=["a", "b"])
    refused("3 labels", call=dataset_from_arrays, x=x, labels=["a"] * 3)
    refused("1 of 4", call=dataset_from_arrays, x=x, labels=["a", "a", None, "a"])
    refused("'age'", call=dataset_from_arrays, x=x, covariates={"age": [1.0]})
    refused("'age'", "infinite", call=dataset_from_arrays, x=x, covariates={"age": [1.0, 2.0, 3.0, np.inf]})
    refused("'f'", call=dataset_from_arrays, x=x, factors={"f": list("abcd")})
    refused("event 3", call=dataset_from_arrays, x=x, survival=Survival(np.ones(4), np.array([0, 1, 3, 1])))
    refused("1 times", call=dataset_from_arrays, x=x, survival=Survival(np.ones(1), np.ones(4)))


def test_aligned():
    x = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(aligned(x, list("abcd"), ["d", "b"]), x[:, [3, 1]])
    refused("6 of 7", "p, q, r, s, t, ...", call=aligned, values=x, names=list("abcd"), wanted=list("apqrstu"))
    refused("'a'", "unique", call=aligned, values=x, names=list("abca"), wanted=["a"])
    refused("3 feature names", "4", call=aligned, values=x, names=list("abc"), wanted=["a"])


# The real files; the numbers were counted from them with pandas alone.


@pytest.fixture
def real() -> Path:
    folder = os.environ.get("VAEBENCH_DATA")
    if not folder:
        pytest.skip("VAEBENCH_DATA does not name the folder of the real data sets")
    return Path(folder) / "expression"


@pytest.mark.real_data
def test_metagsca(real):
    options = {"label": "cohort", "event": "OS", "time": "OS.time", "covariates": ["age", "gender"]}
    data = read_table(real / "metagsca_11_cohorts.csv.gz", where="tumor==1", **options)
    assert data.x.shape == (602, 3341)
    assert len(data.label_names) == 11
    # 224 deaths are recorded, one of them without a time.
    assert data.survival.event.sum() == 223
    assert data.provenance["counts"]["survival_missing"] == 16
    assert data.provenance["annotations"] == ["sample15", "patient"]


@pytest.mark.real_data
def test_pancan(real):
    options = {"label": "cancer_type", "event": "OS", "time": "OS.time", "covariates": ["age", "gender"]}
    data = read_table(real / "pancan_eb_1106x198.csv.gz", transform="log2", **options)
    assert data.x.shape == (1106, 198)
    assert len(data.label_names) == 33
    # 321 deaths are recorded, 4 of them without a time.
    assert data.survival.event.sum() == 317


@pytest.mark.real_data
def test_gtex(real):
    data = read_table(real / "gtex_520x467.csv.gz", label="tissue")
    assert data.x.shape == (520, 460)
    assert data.provenance["counts"]["constant_features_dropped"] == 7
    assert np.bincount(data.labels).tolist() == [20] * 26


@pytest.mark.real_data
def test_porpoise(real):
    options = {
        "label": "cohort",
        "event": "censorship==0",
        "time": "survival_months",
        "time_unit": "months",
        "covariates": ["age", "is_female"],
    }
    data = read_table(real / "porpoise_13_cohorts_z.csv.gz", **options)
    assert data.x.shape == (5240, 1526)
    assert len(data.label_names) == 13
    assert data.survival.event.sum() == 1680
    assert np.nanmax(data.survival.time) > 5000


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "scale", "shape"),
    [
        ("metagsca_11_cohorts", "log", (1204, 3341)),
        ("pancan_eb_1106x198", "linear", (1106, 198)),
        ("gtex_520x467", "log", (520, 467)),
        ("porpoise_13_cohorts_z", "z-score", (5240, 1527)),
    ],
)
def test_scale_of_the_real_files_is_guessed(real, name, scale, shape):
    summary = checked(real / f"{name}.csv.gz")
    assert summary.values.scale == scale
    assert (summary.samples, summary.values.features) == shape
