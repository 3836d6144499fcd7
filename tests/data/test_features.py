"""Columns that are no features, and names that are out of place."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vaebench.data import checked, read_table
from vaebench.data.features import is_clinical, odd_names, without_clinical
from vaebench.data.files.genes import describes_genes, gene_columns
from vaebench.data.raw_features import array_features
from vaebench.errors import InputError

N = 10
GENES = ["TP53", "EGFR", "C1orf112", "HLA-A", "RP11-34P13.7", "KRAS", "MYC", "TTR", "EFS", "OS9", "BMI1", "TIMELESS"]
SYMBOLS = np.random.default_rng(0).normal(7, 2, (N, len(GENES))).round(3)


def frame(**columns) -> pd.DataFrame:
    table = pd.DataFrame({"sample": [f"s{i}" for i in range(N)], "type": ["A", "B"] * 5, **columns})
    return pd.concat([table, pd.DataFrame(SYMBOLS, columns=GENES)], axis=1)


def written(folder, **columns):
    frame(**columns).to_csv(folder / "t.csv", index=False)
    return folder / "t.csv"


CLINICAL = [
    *(
        "age",
        "Age",
        "AGE",
        "gender",
        "OS",
        "OS.time",
        "_OS_IND",
        "_OS",
        "_EVENT",
        "PFI",
        "PFI.time",
        "DSS",
        "DFS_MONTHS",
    ),
    *("Unnamed: 0", "Unnamed: 0.1", "Entrez_Gene_Id", "Length", "gene_length", "__no_feature", "__ambiguous"),
    *("age_at_initial_pathologic_diagnosis", "days_to_death", "year_of_birth", "days_to_last_followup", "purity"),
    *("tumor_stage", "TMB", "N_unmapped", "survival_time", "karnofsky_score", "time_to_event", "EFS.time", "batch"),
]


@pytest.mark.parametrize("name", CLINICAL)
def test_clinical_names(tmp_path, name):
    assert is_clinical(name)
    values = np.arange(N) * 7.5
    path = written(tmp_path, **{name: values})
    data = read_table(path, label="type")
    assert data.features.tolist() == GENES
    assert any(repr(name) in note and "left out of the features" in note for note in data.notes)
    asked = read_table(path, label="type", features=[name])
    assert asked.features.tolist() == [name, *GENES]
    summary = checked(path, label="type")
    assert summary.values.features == len(GENES)
    assert any(repr(name) in warning for warning in summary.warnings)


@pytest.mark.parametrize(
    "name", [*GENES, "ENSG00000141510.5", "AGER", "SEXY", "CD4", "1007_s_at", "RACK1", "EVENTS1", "STAT3"]
)
def test_genes_are_no_clinical_names(name):
    assert not is_clinical(name)


@pytest.mark.parametrize("age", ["text", "mixed"])
def test_clinical_columns_with_text(tmp_path, age):
    values = {"text": ["old", "young"] * 5, "mixed": ["90+", *range(50, 59)]}[age]
    data = read_table(written(tmp_path, age=values), label="type")
    assert data.features.tolist() == GENES
    assert ("age" in data.provenance["annotations"]) == (age == "text")


def test_out_of_place_among_genes():
    ensembl = [f"ENSG{i:011d}.3" for i in range(20)]
    assert odd_names([*ensembl, "TP53"]) == ("Ensembl ids", ["TP53"])
    assert odd_names([*GENES, "immune score", "riskScore", "Purity2", "12"])[1] == [
        "immune score",
        "riskScore",
        "Purity2",
        "12",
    ]
    assert odd_names(GENES) == ("gene symbols", [])
    assert odd_names([f"GENE{i}" for i in range(9)] + ["x"]) == ("such as 'GENE0'", ["x"])
    assert odd_names([f"TCGA-AA-{1000 + i}-01" for i in range(9)] + ["mean"]) == ("barcodes", ["mean"])
    assert odd_names([*(str(i) for i in range(9)), "TP53"]) == ("Entrez ids", ["TP53"])
    assert odd_names(["Trp53", "Actb", "Gapdh", "Myc", "Kras"]) == ("", [])


def test_scores_and_unnamed_columns_among_symbols():
    many = [*GENES, *(f"{gene}P1" for gene in GENES)]
    odd = ["PAM50_score", "ImmuneScore", "X.1", "V1", "S.Score", "Row.names"]
    assert odd_names([*many, *odd]) == ("gene symbols", odd)
    assert odd_names([*many, "Y_RNA", "5S_rRNA", "TP53_2", "hsa-mir-21", "Metazoa_SRP"]) == ("gene symbols", [])


def test_odd_names_are_said(tmp_path):
    path = written(tmp_path, riskScore=np.arange(N))
    notes = read_table(path, label="type").notes
    assert any("1 feature ('riskScore') is unlike the others (gene symbols)" in note for note in notes)
    assert any("'riskScore'" in warning for warning in checked(path, label="type").warnings)
    assert not any("unlike" in note for note in read_table(written(tmp_path), label="type").notes)


def test_index_of_pandas_is_no_sample_and_no_feature(tmp_path):
    frame().to_csv(tmp_path / "t.csv")
    again = pd.read_csv(tmp_path / "t.csv")
    again.to_csv(tmp_path / "u.csv")
    for name in ("t.csv", "u.csv"):  # "" and then "Unnamed: 0", as two rounds of to_csv leave them
        data = read_table(tmp_path / name, label="type")
        assert data.samples.tolist() == [f"s{i}" for i in range(N)]
        assert data.features.tolist() == GENES


def test_columns_about_genes_are_no_samples(tmp_path):
    turned = frame().drop(columns="type").set_index("sample").T
    turned.insert(0, "Entrez_Gene_Id", range(len(GENES)))
    turned.insert(1, "Description", "text")
    turned.loc["__no_feature"] = 10**6
    turned.to_csv(tmp_path / "x.tsv", sep="\t", index_label="Hugo_Symbol")
    data = read_table(tmp_path / "x.tsv", samples_in="columns")
    assert data.samples.tolist() == [f"s{i}" for i in range(N)]
    assert data.features.tolist() == GENES
    assert any("Entrez_Gene_Id" in note for note in data.notes)
    turned.drop(columns=["Entrez_Gene_Id", "Description"]).to_csv(tmp_path / "x.tsv", sep="\t")
    frame()[["sample", "type"]].to_csv(tmp_path / "a.csv", index=False)
    joined = read_table(tmp_path / "x.tsv", annotation=tmp_path / "a.csv", label="type")
    assert joined.features.tolist() == GENES
    np.testing.assert_allclose(joined.x, data.x, rtol=1e-5, atol=1e-5)


def test_values_move_with_their_names():
    values = np.arange(12.0).reshape(2, 6)
    kept, _ = without_clinical(array_features(values, ["age", "A", "sex", "B", "C", "OS"]), ["sex"])
    assert kept.names == ["A", "sex", "B", "C"]
    ((place, block),) = kept.blocks()
    assert (place.tolist(), block.T.tolist()) == ([0, 1, 2, 3], [[1, 2, 3, 4], [7, 8, 9, 10]])
    assert kept.rows(np.array([3, 1])).T.tolist() == [[4, 2], [10, 8]]
    for features, asked, words in ((["age", "OS"], [], "all 2 features"), (["A"], ["nope"], "'nope'")):
        with pytest.raises(InputError, match=words):
            without_clinical(array_features(np.ones((1, len(features))), features), asked)


def test_one_list_of_columns_about_genes():
    for name in (
        "Entrez_Gene_Id",
        "gene length",
        "#chrom",
        "Cytoband",
        "REF_SEQ",
        "GC_content",
        "Composite.Element.REF",
    ):
        assert describes_genes(name), name
        assert is_clinical(name), name
    for name in ("GENE1", "Gene_12", "ID1", "CHR2", "END3", "TCGA-AA-0001-01", ""):
        assert not describes_genes(name), name
    first = ["Hugo_Symbol", "GENE1", "Description", "s1"]
    found = gene_columns("f", first, [["A", "1", "text", "2"]])
    assert [first[i] for i in found.samples] == ["GENE1", "s1"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("samples_in", ["rows", "columns"])
def test_reads_without_a_gene_are_left_out_and_said(tmp_path, kind, samples_in):
    counts = {"__no_feature": 10**6, "N_unmapped": 5, "Unassigned_NoFeatures": 7}
    table = frame(**{name: value + np.arange(N) for name, value in counts.items()}).drop(columns="type")
    if samples_in == "columns":
        table = table.set_index("sample").T.reset_index(names="gene")
    path = tmp_path / f"t.{kind}"
    table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path, index=False)
    data = read_table(path, samples_in=samples_in)
    assert data.features.tolist() == GENES
    said = [*data.notes, *checked(path, samples_in=samples_in).warnings]
    for name in counts:
        assert sum(name in note and "left out" in note for note in said) == 2, name
    if samples_in == "rows":
        assert set(counts) < set(read_table(path, features=list(counts)).features)


def test_summary_of_a_matrix_says_the_rows_that_are_left_out(tmp_path):
    table = frame(__no_feature=np.arange(N)).set_index("sample").drop(columns="type").T
    table.to_csv(tmp_path / "x.tsv", sep="\t", index_label="Hugo_Symbol")
    frame()[["sample", "type"]].to_csv(tmp_path / "a.csv", index=False)
    both = {"annotation": tmp_path / "a.csv", "label": "type"}
    for notes in (read_table(tmp_path / "x.tsv", **both).notes, checked(tmp_path / "x.tsv", **both).warnings):
        assert sum("rows that count reads without a gene were left out: __no_feature" in note for note in notes) == 1


@pytest.mark.parametrize("text", ["{}%", "{}.0D+01", "0x{}", "<{}", "{},000.5", "1'00{}"])
def test_numbers_that_are_text_are_said(tmp_path, text):
    path = written(tmp_path, odd=[text.format(i) for i in range(N)], note=["5 mg"] * N)
    data = read_table(path, label="type")
    for notes in (data.notes, checked(path, label="type").warnings):
        assert sum("1 column ('odd') is left out as text" in note for note in notes) == 1, notes
    assert data.features.tolist() == GENES


@pytest.mark.parametrize(
    "dates", [["1-Mar", "2-Sep"], ["Mar-01", "Sep-02"], ["01. Mrz", "02. Sep"], ["2024-03-01", "2024-09-02"]]
)
def test_genes_that_a_spreadsheet_made_dates_of(tmp_path, dates):
    genes = [*["TP53", "KRAS", "EGFR", "MYC", "BRAF", "NRAS", "PTEN", "RB1", "APC", "VHL"], *dates]
    x = np.random.default_rng(0).normal(7, 2, (10, len(genes)))
    pd.DataFrame(x, [f"s{i}" for i in range(10)], genes).to_csv(tmp_path / "t.csv")
    (note,) = [note for note in read_table(tmp_path / "t.csv").notes if "date" in note]
    assert note.startswith(f"2 features ({dates[0]!r}, {dates[1]!r}) are named by a date")


@pytest.mark.parametrize(
    ("first", "genes", "samples"),
    [
        ("Hugo_Symbol", ["TP53", "KRAS", "MYC"], ["a", "b", "c"]),
        ("sample", ["ENSG00000141510.17", "ENSG00000133703.13", "ENSG00000136997.21"], ["a", "b", "c"]),
        ("", ["TP53", "KRAS", "MYC"], ["TCGA-02-0001-01", "TCGA.02.0003.01A", "tcga_02_0004_11"]),
    ],
)
def test_genes_read_as_samples_are_refused(tmp_path, first, genes, samples):
    x = np.random.default_rng(0).normal(7, 2, (3, 3))
    pd.DataFrame(x, genes, samples).to_csv(tmp_path / "t.csv", index_label=first)
    with pytest.raises(InputError, match=f"genes in rows, such as '{genes[0]}'.*--samples-in columns"):
        read_table(tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv", samples_in="columns").x.shape == (3, 3)


@pytest.mark.parametrize("first", ["gene", "sample", "index"])
def test_a_line_for_each_sample_and_gene_is_refused(tmp_path, first):
    long = frame().melt(["sample", "type"], var_name="gene", value_name="count")
    order = {"gene": ["gene", "sample", "type", "count"], "sample": ["sample", "type", "gene", "count"]}
    (long[order[first]] if first in order else long).to_csv(tmp_path / "t.csv", index=first == "index")
    for read in (
        lambda: read_table(tmp_path / "t.csv", label="type"),
        lambda: checked(tmp_path / "t.csv", samples_in="rows"),
    ):
        with pytest.raises(InputError, match=r"a line for each sample and gene .*frame.pivot"):
            read()


def test_a_column_named_gene_about_samples_is_no_second_axis(tmp_path):
    notes = read_table(written(tmp_path, gene=["TP53", "KRAS"] * 5), label="type").notes
    assert not any("pivot" in note for note in notes)


@pytest.mark.parametrize(
    ("down", "across"),
    [
        (["1007_s_at", "1053_at", "117_at", "AFFX-BioB-3_at", "121_at"], [f"p{i}" for i in range(6)]),
        ([f"{i}" for i in range(5)], [f"GSM{i}_run.CEL.gz" for i in range(1000, 1006)]),
        ([f"g{i}" for i in range(5)], [f"SRR{i}" for i in range(100_000, 100_006)]),
    ],
)
def test_arrays_and_accessions_across_are_refused(tmp_path, down, across):
    pd.DataFrame(np.arange(30.0).reshape(5, 6), down, across).to_csv(tmp_path / "t.csv")
    with pytest.raises(InputError, match=r"genes in rows.*--samples-in columns"):
        read_table(tmp_path / "t.csv")
    assert checked(tmp_path / "t.csv", samples_in="columns").samples == 6


def test_what_is_there_twice_is_said(tmp_path):
    table = frame().rename(columns={"EGFR": "TP53.1"})
    table.iloc[7, 2:] = table.iloc[4, 2:]
    table["sample"] = [*table["sample"][:7], "s4.1", *table["sample"][8:]]
    table.to_csv(tmp_path / "t.csv", index=False)
    notes = read_table(tmp_path / "t.csv").notes
    assert "1 feature ('TP53.1') is named as pandas and R name repeated columns: keep one of each" in notes
    assert "1 sample ('s4.1') is named as pandas and R name repeated columns" in notes
    assert "1 sample has exactly the values of another, such as 's4.1' those of 's4': is it the same twice?" in notes
    twice = frame()
    twice[GENES] = (twice[GENES] > 7).astype(int)  # mutations: alike by chance
    twice.to_csv(tmp_path / "t.csv", index=False)
    assert not any("exactly the values" in note for note in read_table(tmp_path / "t.csv").notes)


def test_a_sample_without_expression_is_said(tmp_path):
    table = frame()
    table.loc[3, GENES] = 0.0
    table.to_csv(tmp_path / "t.csv", index=False)
    assert any("smallest value of every feature, such as 's3'" in note for note in read_table(tmp_path / "t.csv").notes)


def test_the_index_of_pandas_before_a_column_of_models(tmp_path):
    frame().rename(columns={"sample": "ModelID"}).assign(SequencingID="CDS-1").to_csv(tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv").samples[1] == "s1"
    frame().rename(columns={"sample": "index"}).to_csv(tmp_path / "t.csv")  # of reset_index()
    assert read_table(tmp_path / "t.csv").samples[1] == "s1"
