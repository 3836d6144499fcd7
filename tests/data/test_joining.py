"""Annotations as GDC, cBioPortal, counting programs and R give them: several lines a sample, names elsewhere or changed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vaebench.data import checked, read_table, with_factors
from vaebench.errors import InputError

PATIENTS = [f"TCGA-B{i % 2}-{2000 + i}" for i in range(10)]
GENES = [f"G{j}" for j in range(6)]
X = np.random.default_rng(1).normal(7, 2, (6, 10)).round(3)


def matrix(folder, names):
    pd.DataFrame(X, GENES, names).to_csv(folder / "x.tsv", sep="\t")
    return folder / "x.tsv"


def table(folder, columns):
    pd.DataFrame(columns).to_csv(folder / "a.tsv", sep="\t", index=False)
    return folder / "a.tsv"


def treatments():
    """A line a case and treatment, as in clinical.tsv of GDC: a UUID first, the barcode of the patient second."""
    lines = [(f"u{i}", PATIENTS[i], "LU" if i % 2 else "BR", i + 1, kind) for i in range(10) for kind in "PR"]
    return dict(
        zip(("case_id", "case_submitter_id", "project", "days", "treatment"), zip(*lines, strict=True), strict=True)
    )


def test_lines_for_each_treatment_count_once_where_they_agree(tmp_path):
    path, known = matrix(tmp_path, [f"{p}-01A" for p in PATIENTS]), table(tmp_path, treatments())
    data = read_table(path, annotation=known, label="project", covariates=["days"])
    assert [data.label_names[i] for i in data.labels] == ["BR", "LU"] * 5
    np.testing.assert_array_equal(data.covariates["days"], np.arange(10) + 1.0)
    assert "a.tsv: samples are found in column 'case_submitter_id', not in the first" in data.notes
    assert any("10 lines repeat a name" in note and "count once" in note for note in data.notes)
    warnings = checked(path, annotation=known, label="project").warnings
    assert any("10 lines repeat a name" in note for note in warnings)
    column = {"annotation_sample_column": "case_submitter_id"}
    named = read_table(path, annotation=known, label="project", covariates=["days"], **column)
    assert named.digest == data.digest
    with pytest.raises(InputError) as caught:
        read_table(path, annotation=known, label="project", covariates=["treatment"], **column)
    message = str(caught.value)
    assert "a.tsv has 'TCGA-B0-2000' twice (samples 1 and 2), and they differ in 'treatment' ('P', 'R')" in message
    assert len(message) < 300


def test_a_column_that_tells_samples_apart_is_used_if_the_first_does_not(tmp_path):
    samples = [f"{p}-01" for p in PATIENTS[:8]] + [f"{p}-06" for p in PATIENTS[:2]]
    columns = {"PATIENT_ID": [s[:12] for s in samples], "SAMPLE_ID": samples, "site": ["lung"] * 8 + ["brain"] * 2}
    data = read_table(matrix(tmp_path, samples), annotation=table(tmp_path, columns), label="site")
    assert [data.label_names[i] for i in data.labels] == ["lung"] * 8 + ["brain"] * 2
    assert any("found in column 'SAMPLE_ID'" in note for note in data.notes)


@pytest.mark.parametrize(
    "ending",
    [
        *(".genes.results", ".isoforms.results", "ReadsPerGene.out.tab", "_quant/quant.sf", "/abundance.tsv"),
        *(".htseq.counts", ".htseq.counts.gz", "_counts.txt", ".rna_seq.augmented_star_gene_counts.tsv", ".sorted.bam"),
    ],
)
def test_names_of_files_of_one_sample(tmp_path, ending):
    short = [f"S{i}" for i in range(10)]
    path = matrix(tmp_path, [f"out/{name}{ending}" for name in short])
    for names in (short, [name + ending for name in short]):
        data = read_table(path, annotation=table(tmp_path, {"id": names, "group": list("ab") * 5}), label="group")
        assert data.samples.tolist() == short
        assert any("sample names were shortened" in note for note in data.notes)


@pytest.mark.parametrize("written", ["X{}", "X{}.0", "{}.0", " {}", "x-{}"])
def test_names_that_differ_in_what_programs_change(tmp_path, written):
    known = table(tmp_path, {"id": range(101, 111), "group": list("ab") * 5})
    path = matrix(tmp_path, [written.format(i) for i in range(101, 111)])
    data = read_table(path, annotation=known, label="group")
    assert [data.label_names[i] for i in data.labels] == list("ab") * 5
    assert any("joined all the same" in note for note in data.notes) == (written != " {}")
    with pytest.raises(InputError, match="same sample names"):
        read_table(matrix(tmp_path, [written.format(i) for i in range(301, 311)]), annotation=known, label="group")


def test_names_that_would_become_equal_are_not_joined(tmp_path):
    known = table(tmp_path, {"id": ["S-1", "S_1", *map(str, range(8))], "group": list("ab") * 5})
    with pytest.raises(InputError, match="same sample names"):
        read_table(matrix(tmp_path, [f"s_{i}" for i in range(10)]), annotation=known, label="group")


def test_an_annotation_with_samples_in_columns(tmp_path):
    names = [p.lower() for p in PATIENTS]
    known = pd.DataFrame([["0", "1"] * 5, list("56789") * 2, ["a", "b"] * 5], ["status", "days", "group"], names)
    known.to_csv(tmp_path / "c.txt", sep="\t", index_label="Hybridization REF")
    options = {"label": "group", "event": "status", "time": "days"}
    data = read_table(matrix(tmp_path, PATIENTS), annotation=tmp_path / "c.txt", **options)
    assert [data.label_names[i] for i in data.labels] == list("ab") * 5
    assert data.survival.event.tolist() == [False, True] * 5
    assert "c.txt: samples were found in its columns" in data.notes


def test_a_second_header_line(tmp_path):
    path = matrix(tmp_path, PATIENTS)
    head, *lines = path.read_text().splitlines()
    plain = read_table(path, samples_in="columns")
    path.write_text("\n".join([f"Hybridization REF{head}", "gene_id" + "\tnormalized_count" * 10, *lines, ""]))
    known = table(tmp_path, {"id": PATIENTS, "group": list("ab") * 5})
    for options in ({"annotation": known}, {"samples_in": "columns"}):
        data = read_table(path, **options)
        np.testing.assert_allclose(data.x, plain.x, atol=1e-6)
        assert "x.tsv: a second header line was left out, 'normalized_count' in all columns" in data.notes


def test_factors_of_repeated_lines(tmp_path):
    data = read_table(matrix(tmp_path, [f"{p}-01A" for p in PATIENTS]), samples_in="columns")
    columns = treatments() | {"SBS1": np.repeat(np.arange(10.0), 2), "dose": np.arange(20.0)}
    made = with_factors(data, table(tmp_path, columns), ["SBS1"])
    np.testing.assert_array_equal(made.factors["SBS1"], np.arange(10.0))
    with pytest.raises(InputError, match="differ in 'dose'"):
        with_factors(data, table(tmp_path, columns), ["dose"])


def test_addresses_and_lists_are_refused(tmp_path):
    with pytest.raises(InputError, match="address of the web; download"):
        read_table("https://example.org/x.csv")
    with pytest.raises(InputError, match=r"label is .*one text, not several"):
        read_table(matrix(tmp_path, PATIENTS), samples_in="columns", label=["project"])  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("kind", ["csv", "parquet", "parquet turned"])
def test_samples_in_rows_with_an_annotation(tmp_path, kind):
    rng = np.random.default_rng(0)
    names = [f"ACH-{i:06d}" for i in range(9)]
    x = pd.DataFrame(rng.normal(7, 2, (9, 5)).round(3), pd.Index(names), [f"G{j} ({j})" for j in range(5)])
    table = pd.DataFrame({"ModelID": names[::-1], "lineage": list("ababababa"), "age": range(9), "score": 0.5})
    table.iloc[1:].to_csv(tmp_path / "model.csv", index=False)
    path, samples_in = tmp_path / "x.file", "columns" if "turned" in kind else "rows"
    (x.T if "turned" in kind else x).to_parquet(path) if "parquet" in kind else x.to_csv(path)
    options = {
        "annotation": tmp_path / "model.csv",
        "label": "lineage",
        "covariates": ["age"],
        "samples_in": samples_in,
    }
    data = read_table(path, scaling="none", **options)
    assert data.samples.tolist() == names[:8]
    assert data.features.tolist() == x.columns.tolist()
    np.testing.assert_array_equal(data.x, x.to_numpy()[:8].astype(np.float32))
    assert data.covariates["age"].tolist() == list(range(8, 0, -1))
    assert "1 of 9 samples have no line in model.csv and are left out" in data.notes
    summary = checked(path, **options)
    assert (summary.samples, summary.values.features, summary.labels) == (8, 5, {"a": 4, "b": 4})


def turned_matrix(folder, names):
    pd.DataFrame(X.T, names, GENES).to_csv(folder / "x.csv")
    return folder / "x.csv"


def test_samples_in_rows_are_matched_as_those_in_columns_are(tmp_path):
    known, wanted = table(tmp_path, treatments()), ["BR", "LU"] * 5
    plain, later = turned_matrix(tmp_path, [f"{p}-01A" for p in PATIENTS]), tmp_path / "later.csv"
    pd.read_csv(plain).to_csv(later)  # row numbers first
    lower, alike = tmp_path / "lower.csv", tmp_path / "alike.csv"
    pd.DataFrame(X.T, [f"s_{i}" for i in range(10)], GENES).to_csv(lower)
    pd.DataFrame({"id": [f"S{i}" for i in range(10)], "project": wanted}).to_csv(alike, index=False)
    for path, about in ((plain, known), (later, known), (lower, alike)):
        data = read_table(path, annotation=about, label="project")
        assert [data.label_names[i] for i in data.labels] == wanted
        assert checked(path, annotation=about, label="project").labels == {"BR": 5, "LU": 5}
    with pytest.raises(
        InputError, match=r"no column of x\.csv \(such as 'G0'\) and no row \(such as 'T0'\) is a sample of"
    ):
        read_table(turned_matrix(tmp_path, [f"T{i}" for i in range(10)]), annotation=known, label="project")


def test_a_gene_that_an_annotation_has_too_stays_a_feature(tmp_path):
    path = turned_matrix(tmp_path, PATIENTS)
    columns = {"id": PATIENTS, "group": list("ab") * 5, "G1": [0, 1] * 5}  # whether the gene is mutated
    data = read_table(path, annotation=table(tmp_path, columns), label="group")
    assert data.features.tolist() == GENES
    np.testing.assert_allclose(data.x, read_table(path).x)
    assert "'G1' is in both x.csv and a.tsv: features are those of x.csv" in data.notes
    named = read_table(path, annotation=table(tmp_path, columns), label="group", covariates=["G1"])
    assert named.features.tolist() == [name for name in GENES if name != "G1"]
    np.testing.assert_array_equal(named.covariates["G1"], [0, 1] * 5)


def test_errors_name_the_file_that_a_column_is_of(tmp_path):
    path = turned_matrix(tmp_path, PATIENTS)
    columns = {"id": PATIENTS, "dead": [0, 7] * 5, "days": ["1", "soon"] * 5}
    known = table(tmp_path, columns)
    with pytest.raises(InputError, match=rf"column 'days' of a\.tsv holds the text 'soon' \(sample '{PATIENTS[1]}'\)"):
        read_table(path, annotation=known, event="dead==7", time="days")
    with pytest.raises(InputError, match=rf"column 'dead' of a\.tsv holds '7' \(sample '{PATIENTS[1]}'\)"):
        read_table(path, annotation=table(tmp_path, columns | {"days": range(10)}), event="dead", time="days")
