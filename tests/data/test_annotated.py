"""TCGA and GTEx files: joins, treatment against pandas, bad files, and the cache."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vaebench.data import checked, gtex, load, read_table, tcga
from vaebench.data.files.gene_matrix import matrix_from_file
from vaebench.data.files.matrix import matrix_layout
from vaebench.data.joining import matched_rows
from vaebench.errors import InputError

EXPRESSION = "EB++AdjustPANCAN_IlluminaHiSeq_RNASeqV2.geneExp.xena"
SURVIVAL = "Survival_SupplementalTable_S1_20171025_xena_sp"
COUNTS = "GTEx_Analysis_2017-06-05_v8_RNASeQCv1.1.9_gene_tpm.gct.gz"
ATTRIBUTES = "GTEx_Analysis_v8_Annotations_SampleAttributesDS.txt"
N, D = 40, 30


def barcode(i: int) -> str:
    return f"TCGA-{i:02d}-A{i:03d}-{11 if i % 10 == 9 else 1:02d}"


def expression_frame() -> pd.DataFrame:
    x = np.random.default_rng(0).normal(6, 2, (D, N)).round(4)
    frame = pd.DataFrame(x, index=[f"G{j}" for j in range(D)], columns=[barcode(i) for i in range(N)])
    frame.iloc[3, 5:12] = np.nan
    frame.index.name = "sample"
    return frame


def survival_frame() -> pd.DataFrame:
    n = N - 2  # two samples are not listed, and two have no type
    return pd.DataFrame(
        {
            "sample": [barcode(i) for i in range(n)],
            "_PATIENT": [barcode(i)[:12] for i in range(n)],
            "cancer type abbreviation": [None if i in (4, 7) else "BRCA" if i % 3 else "LUAD" for i in range(n)],
            "age_at_initial_pathologic_diagnosis": [50 + i for i in range(n)],
            "gender": ["FEMALE" if i % 2 else "MALE" for i in range(n)],
            "OS": [None if i == 2 else i % 2 for i in range(n)],
            "OS.time": ["#N/A" if i == 3 else 10 * i + 1 for i in range(n)],
            "new_tumor_event_dx_days_to": [None if i % 4 else 5 * i for i in range(n)],
        }
    )


def folder_of(folder: Path, expression: pd.DataFrame | None = None, survival: pd.DataFrame | None = None) -> Path:
    expression = expression_frame() if expression is None else expression
    expression.to_csv(folder / EXPRESSION, sep="\t", na_rep="NA")
    (survival_frame() if survival is None else survival).to_csv(folder / SURVIVAL, sep="\t", index=False)
    return folder


def refused(*words: str, call=tcga, **options) -> str:
    with pytest.raises(InputError) as caught:
        call(**options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


def test_tcga_against_pandas(tmp_path):
    data = tcga(folder_of(tmp_path), top=10, cache=False)
    table = survival_frame().dropna(subset="cancer type abbreviation").set_index("sample")
    values = expression_frame()[table.index].T
    values = values.fillna(values.mean())
    spread = (values - values.mean()).abs().mean().sort_values(ascending=False).index[:10]
    genes = [gene for gene in values if gene in set(spread)]
    assert data.samples.tolist() == table.index.tolist()
    assert data.features.tolist() == genes
    scaled = (values[genes] - values[genes].mean()) / values[genes].std(ddof=0)
    np.testing.assert_allclose(data.x, scaled, rtol=1e-4, atol=1e-5)
    assert [data.label_names[i] for i in data.labels] == table["cancer type abbreviation"].tolist()
    known = table["OS"].notna() & (table["OS.time"] != "#N/A")
    np.testing.assert_array_equal(~np.isnan(data.survival.time), known)
    np.testing.assert_array_equal(data.covariates["age"], table["age_at_initial_pathologic_diagnosis"])
    assert data.covariates["gender"].tolist() == table["gender"].tolist()
    np.testing.assert_array_equal(data.factors["gender"], table["gender"] == "FEMALE")
    np.testing.assert_array_equal(data.factors["days_to_metastasis"], table["new_tumor_event_dx_days_to"])
    counts = data.provenance["counts"]
    assert counts["samples_in_expression"] == N
    assert counts["samples_dropped_without_annotation"] == 2
    assert counts["samples_dropped_without_label"] == 2
    assert counts["samples_joined_by_name"] == N - 2
    assert [f["name"] for f in data.provenance["files"]] == [EXPRESSION, SURVIVAL]
    assert data.provenance["options"]["deviation"] == "mean"
    assert str(tmp_path) not in json.dumps(data.provenance)


def test_gzip_windows_ends_mark_and_quotes_change_nothing(tmp_path):
    plain = tcga(folder_of(tmp_path), top=10, cache=False)
    text = (tmp_path / EXPRESSION).read_text()
    (tmp_path / EXPRESSION).unlink()
    head, rest = text.split("\n", 1)
    head = "\t".join(f'"{name}"' for name in head.split("\t"))
    odd = "\ufeff" + (head + "\n" + rest.replace("G5\t", '"G5"\t')).replace("\n", "\r\n")
    (tmp_path / (EXPRESSION + ".gz")).write_bytes(gzip.compress(odd.encode()))
    assert tcga(tmp_path, top=10, cache=False).digest == plain.digest


def test_blocks_are_seamless(tmp_path, monkeypatch):
    layout = matrix_layout(folder_of(tmp_path) / EXPRESSION)
    whole = matrix_from_file(layout, np.arange(N))
    for chunk in (7, 100, 333):
        monkeypatch.setattr("vaebench.data.files.lines._CHUNK", chunk)
        np.testing.assert_array_equal(matrix_from_file(layout, np.arange(N)).values, whole.values)
    np.testing.assert_array_equal(matrix_from_file(layout, np.array([5, 2])).values, whole.values[:, [5, 2]])
    np.testing.assert_array_equal(whole.values, expression_frame().to_numpy(np.float32))


def test_where_by_sample_type_and_scaling(tmp_path):
    data = load("tcga", {"folder": folder_of(tmp_path), "where": "sample_type!=11 & gender==MALE", "top": None,
                         "scaling": "unit", "cache": False})  # fmt: skip
    assert not any(name.endswith("-11") for name in data.samples)
    assert set(data.covariates["gender"]) == {"MALE"}
    assert (data.x.min(), data.x.max()) == (0, 1)
    refused("where", "'stage'", folder=tmp_path, where="stage==1 & sample_type==01", cache=False)


def test_signature_shares_and_immune_score(tmp_path):
    shares = pd.DataFrame({"id": [barcode(i)[:15] + "A-01D" for i in range(20)], "SBS1": np.linspace(0, 1, 20)})
    shares.to_csv(tmp_path / "shares.csv", index=False)
    (tmp_path / "immune.txt").write_text("G1\nG3\nABSENT\n")
    folder_of(tmp_path)
    options = {"signatures": tmp_path / "shares.csv", "immune_genes": tmp_path / "immune.txt", "cache": False}
    data = tcga(tmp_path, top=10, **options)
    kept = [int(name[5:7]) for name in data.samples]
    expected = [shares["SBS1"][i] if i < 20 else np.nan for i in kept]
    np.testing.assert_allclose(data.factors["SBS1"], expected)
    values = expression_frame()[data.samples.tolist()]
    values = values.T.fillna(values.mean(axis=1)).T
    np.testing.assert_allclose(data.factors["immune"], values.loc[["G1", "G3"]].sum(), rtol=1e-6)
    assert data.provenance["counts"]["immune_genes_not_found"] == 1
    shares.assign(SBS1=300).to_csv(tmp_path / "shares.csv", index=False)
    refused("line 2", "'SBS1'", "300", "0 to 1", folder=tmp_path, **options)
    refused("'immune'", "'X'", folder=tmp_path, immune_genes=["X"], cache=False)


def test_duplicate_genes_in_log_scale(tmp_path):
    frame = expression_frame()
    frame.index = pd.Index(["G0", "G0", *frame.index[2:]], name="sample")
    folder_of(tmp_path, frame)
    options = {"top": None, "scaling": "none", "cache": False}
    apart = tcga(tmp_path, **options)
    assert apart.features[:2].tolist() == ["G0", "G0_2"]
    summed = tcga(tmp_path, duplicates="sum", **options)
    a, b = (frame[summed.samples.tolist()].to_numpy()[i] for i in (0, 1))
    np.testing.assert_allclose(summed.x[:, 0], np.log2(2**a - 1 + 2**b - 1 + 1), rtol=1e-5)
    np.testing.assert_array_equal(summed.x[:, 1:], apart.x[:, 2:])
    refused("rows 1 and 2", "'G0'", folder=tmp_path, duplicates="refuse", cache=False)


# Join rules.

KNOWN = ["TCGA-AA-0001-01", "TCGA-AA-0001-11", "TCGA-AA-0002-06", "TCGA-AA-0002-01", "TCGA-AA-0003", "other"]


@pytest.mark.parametrize(
    ("wanted", "row", "rule"),
    [
        ("TCGA-AA-0001-01", 0, "name"),
        ("tcga.aa.0001.11", 1, "name"),
        ("other", 5, "name"),
        ("TCGA-AA-0001-01A-11R-A00Z-07", 0, "sample"),
        ("TCGA-AA-0001-11B", 1, "sample"),
        ("TCGA-AA-0003-01", 4, "patient"),
        ("TCGA-AA-0003-01A", 4, "patient"),
        ("TCGA-AA-0002", 3, "patient"),
        ("TCGA-AA-0001", 0, "patient"),
        ("TCGA-AA-0001-02", -1, None),
        ("TCGA-AA-0009", -1, None),
        ("OTHER", -1, None),
    ],
)
def test_join_rules(wanted, row, rule):
    rows, counts = matched_rows([wanted], KNOWN)
    assert rows.tolist() == [row]
    assert counts == {f"samples_joined_by_{r}": int(r == rule) for r in ("name", "sample", "patient")}


def test_longer_barcodes_in_the_expression(tmp_path):
    frame = expression_frame()
    frame.columns = [name + "A-11R-A00Z-07" for name in frame.columns]
    data = tcga(folder_of(tmp_path, frame), top=10, cache=False)
    assert data.provenance["counts"]["samples_joined_by_sample"] == N - 2
    assert data.samples[0] == frame.columns[0]


def test_genes_taken_for_samples(tmp_path):
    frame = expression_frame().T
    frame.index.name = "sample"
    message = refused(
        "has samples in rows, and genes such as 'G0' in columns", folder=folder_of(tmp_path, frame), cache=False
    )
    assert "transpose" in message


def test_no_common_sample(tmp_path):
    frame = expression_frame().rename(columns=lambda name: name.replace("TCGA", "X"))
    refused("no column", "'X-00-A000-01'", f"'{barcode(0)}'", folder=folder_of(tmp_path, frame), cache=False)


def test_sample_listed_twice(tmp_path):
    table = survival_frame()
    table.loc[5, "sample"] = barcode(2)
    refused(barcode(2), "samples 3 and 6", folder=folder_of(tmp_path, None, table), cache=False)


# Broken files.


def broken(folder: Path, change) -> Path:
    path = folder_of(folder) / EXPRESSION
    path.write_bytes(change(path.read_bytes()))
    return folder


def line_changed(number: int, change):
    def apply(content: bytes) -> bytes:
        lines = content.split(b"\n")
        lines[number - 1] = change(lines[number - 1])
        return b"\n".join(lines)

    return apply


def field(value: bytes, position: int = 2):
    def apply(line: bytes) -> bytes:
        fields = line.split(b"\t")
        fields[position] = value
        return b"\t".join(fields)

    return apply


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (line_changed(4, field(b"high")), ["line 4, column 3", barcode(1), "'high'"]),
        (line_changed(4, field(b"1_0")), ["line 4, column 3", "'1_0'"]),
        (line_changed(4, field(b"1,5")), ["line 4, column 3", "'1,5'"]),
        (line_changed(9, field(b"inf", 4)), ["line 9, column 5", "infinite"]),
        (line_changed(7, lambda line: line + b"\t1"), ["line 7", f"{N + 2} fields", f"{N + 1}"]),
        (line_changed(7, lambda line: line.replace(b"\t", b",")), ["line 7", "1 fields", "by commas"]),
        (line_changed(6, field(b"", 0)), ["line 6", "no name"]),
        (line_changed(1, field(barcode(3).encode(), 2)), [barcode(3), "columns 2 and 4"]),
        (line_changed(1, field(b"", 5)), ["column 6", "no name"]),
        (lambda content: b"", ["empty"]),
        (lambda content: content.split(b"\n")[0] + b"\n", ["no other line"]),
        (lambda content: content[: len(content) // 2], ["fields"]),
        (lambda content: gzip.compress(content)[:-400], ["cut off", "line"]),
        (lambda content: b"\0\1\2" + content, ["binary"]),
        (lambda content: content.replace(b"\n", b"\r"), ["carriage return"]),
        (lambda content: content.replace(b"G4", b"\x81"), ["UTF-8", "0x81"]),
    ],
)
def test_broken_expression_files(tmp_path, change, words):
    refused(EXPRESSION, *words, folder=broken(tmp_path, change), cache=False)


def test_numbers_with_blanks_are_read(tmp_path):
    data = tcga(broken(tmp_path, line_changed(4, field(b" 1.5 "))), top=None, scaling="none", cache=False)
    assert data.x[1, 2] == 1.5


def test_missing_file_says_how_to_get_it(tmp_path):
    refused(EXPRESSION, "vaebench data fetch tcga --folder", folder=tmp_path)
    folder_of(tmp_path)
    (tmp_path / SURVIVAL).unlink()
    refused(SURVIVAL, "vaebench data fetch tcga", folder=tmp_path)


def test_a_missing_annotation_is_bad_input(tmp_path):
    pd.DataFrame({"gene": ["G1", "G2"], "s1": [1.0, 2.0], "s2": [2.0, 1.0]}).to_csv(
        tmp_path / "x.tsv", sep="\t", index=False
    )
    for name, words in (("no.csv", "no.csv does not exist; a table is needed"), ("", "is a folder; a table is needed")):
        with pytest.raises(InputError, match=words):
            read_table(tmp_path / "x.tsv", annotation=tmp_path / name)


@pytest.mark.parametrize("option", ["deviation", "scaling", "missing", "duplicates"])
def test_unknown_choice_before_anything_is_read(tmp_path, option):
    refused(option, "'nonsense'", folder=folder_of(tmp_path), **{option: "nonsense"}, cache=False)


def test_load_refuses_unknown_options():
    refused("option of the data set 'tcga'", "'scalign'", "'scaling'", call=load, name="tcga", options={"scalign": 1})
    refused("option", "'folder'", call=load, name="simulated", options={"folder": "x"})


# GTEx.


def gtex_folder(folder: Path, declared: tuple[int, int] = (6, 8)) -> Path:
    x = np.random.default_rng(1).gamma(2, 20, (6, 8)).round(3)
    names = [f"GTEX-{i:04d}-SM-X" for i in range(8)]
    lines = ["#1.2", f"{declared[0]}\t{declared[1]}", "\t".join(["Name", "Description", *names])]
    symbols = ["A", "B", "A", "C", "D", "E"]
    lines += ["\t".join([f"ENSG{j}.1", symbols[j], *map(str, x[j])]) for j in range(6)]
    (folder / COUNTS).write_bytes(gzip.compress("\n".join(lines).encode()))
    table = pd.DataFrame({"SAMPID": [*names[::-1], "GTEX-unused"], "SMTS": ["Lung", "Liver"] * 4 + ["Skin"]})
    table.to_csv(folder / ATTRIBUTES, sep="\t", index=False)
    return folder


def test_gtex(tmp_path):
    data = gtex(gtex_folder(tmp_path), top=None, scaling="none", cache=False)
    x = np.random.default_rng(1).gamma(2, 20, (6, 8)).round(3)
    np.testing.assert_allclose(data.x, np.log2(x.T + 1), rtol=1e-5)
    assert data.features[0] == "ENSG0.1"
    assert [data.label_names[i] for i in data.labels] == ["Liver", "Lung"] * 4
    assert data.survival is None
    summed = gtex(tmp_path, top=None, scaling="none", transform="none", genes="symbol", duplicates="sum", cache=False)
    assert summed.features.tolist() == ["A", "B", "C", "D", "E"]
    np.testing.assert_allclose(summed.x[:, 0], x[0] + x[2], rtol=1e-6)
    refused("genes", "'name'", call=gtex, folder=tmp_path, genes="name")


@pytest.mark.parametrize(("declared", "words"), [((7, 8), "declares 7 genes"), ((6, 9), "declares 9 samples")])
def test_gct_that_does_not_hold_what_it_declares(tmp_path, declared, words):
    refused(words, call=gtex, folder=gtex_folder(tmp_path, declared), cache=False)


def test_check_of_a_folder(tmp_path):
    summary = checked(folder_of(tmp_path))
    assert summary.samples == N
    assert sum(summary.labels.values()) == N - 4
    assert (summary.values.features, summary.values.missing) == (D, 7)
    assert (summary.events, summary.with_survival) == (18, N - 4)
    assert any("4 samples have no label" in warning for warning in summary.warnings)
    assert checked(tmp_path, where="sample_type==11").samples == 4
    frame = expression_frame().rename(columns=lambda name: name.replace("TCGA", "X"))
    refused("no column", call=checked, path=folder_of(tmp_path, frame))


# The cache.


def test_second_load_is_the_same_and_reads_no_text(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    options = {"folder": folder_of(tmp_path / "in"), "top": 10, "cache": tmp_path / "cache"}
    first = tcga(**options)
    monkeypatch.setattr("vaebench.data.annotated.gene_names", None)
    again = tcga(**options)
    assert again.digest == first.digest
    assert again.provenance == first.provenance
    np.testing.assert_array_equal(again.x, first.x)
    np.testing.assert_array_equal(again.factors["days_to_metastasis"], first.factors["days_to_metastasis"])
    assert again.covariates["gender"].tolist() == first.covariates["gender"].tolist()
    assert again.label_names == first.label_names
    assert not list((tmp_path / "cache").glob(".*"))


def test_cache_sees_options_and_files(tmp_path):
    (tmp_path / "in").mkdir()
    folder, cache = folder_of(tmp_path / "in"), tmp_path / "cache"
    digests = {
        tcga(folder, top=10, cache=cache, **o).digest for o in ({}, {"scaling": "unit"}, {"where": "gender==MALE"})
    }
    digests.add(tcga(folder, top=9, cache=cache).digest)
    path = folder / EXPRESSION
    digests.add(tcga(folder, top=None, cache=cache).digest)
    before, text = os.stat(path), path.read_text()
    path.write_text(text.replace("\nG1\t", "\nG1\t1", 1).replace("\nG0\t", "\nX\t", 1))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # same size, same time of change
    assert os.stat(path).st_size == before.st_size
    digests.add(tcga(folder, top=None, cache=cache).digest)
    assert len(digests) == 6


@pytest.mark.parametrize("name", ["x.npy", "rest.json"])
def test_damaged_cache_is_built_again(tmp_path, name):
    (tmp_path / "in").mkdir()
    options = {"folder": folder_of(tmp_path / "in"), "top": 10, "cache": tmp_path / "cache"}
    first = tcga(**options)
    (kept,) = (tmp_path / "cache").glob(f"*/{name}")
    content = bytearray(kept.read_bytes())
    content[-9] ^= 1
    for damaged in (
        bytes(content),
        b"",
        b"[]",
        content[: len(content) // 2],
        b"[" * 9999,
        b'{"sha256": 1, "rest": []}',
    ):
        kept.write_bytes(damaged)
        with pytest.warns(UserWarning, match="was damaged and has been built again"):
            again = tcga(**options)
        assert again.digest == first.digest
        np.testing.assert_array_equal(again.x, first.x)
        assert kept.read_bytes() != damaged
        tcga(**options)  # intact, so without a warning


def test_altered_file_is_refused_once_recorded(tmp_path):
    from vaebench.data import fetch

    (tmp_path / "in").mkdir()
    folder_of(tmp_path / "in")
    (tmp_path / "in" / (EXPRESSION + ".gz")).write_bytes(gzip.compress((tmp_path / "in" / EXPRESSION).read_bytes()))
    fetch("tcga", tmp_path / "kept", mirror=tmp_path / "in")
    options = {"folder": tmp_path / "kept", "top": 10, "cache": tmp_path / "cache"}
    tcga(**options)
    path = tmp_path / "kept" / SURVIVAL
    path.write_text(path.read_text().replace("LUAD", "LUSC"))
    refused(SURVIVAL, "not the file that was fetched first", "sha256", **options)


def test_cached_data_are_on_disk_before_they_have_their_name(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    real, seen = os.fsync, []
    monkeypatch.setattr(
        os, "fsync", lambda handle: (seen.append(list((tmp_path / "cache").glob("*/x.npy"))), real(handle))
    )
    tcga(folder_of(tmp_path / "in"), top=10, cache=tmp_path / "cache")
    assert len(seen) >= 2
    assert not any(path.parent.name[0] != "." for found in seen for path in found)


def test_a_damaged_memory_of_digests_is_made_again(tmp_path):
    from vaebench.data.cache import file_record

    (tmp_path / "a.csv").write_text("x")
    first = file_record(tmp_path / "a.csv", tmp_path / "cache")
    (memory,) = (tmp_path / "cache" / "digests").iterdir()
    state = json.loads(memory.read_text())["state"]
    for damaged in ("", "[]", json.dumps({"state": state}), json.dumps({"state": state, "sha256": 5})):
        memory.write_text(damaged)
        assert file_record(tmp_path / "a.csv", tmp_path / "cache") == first
