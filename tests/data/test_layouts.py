"""Every common layout of a table gives the same data set, and errors name the place."""

from __future__ import annotations

import gzip
import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaebench.data import load, read_table
from vaebench.data.files.gene_matrix import matrix_from_file
from vaebench.data.files.matrix import matrix_layout
from vaebench.errors import InputError

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False, width=32).map(lambda v: float(np.float32(v)))
NAMES = st.text(st.characters(codec="utf-8", categories=["L", "Nd"]), min_size=1, max_size=6)


@st.composite
def tables(draw) -> tuple[list[str], list[str], np.ndarray]:
    """Sample names, gene names, and values [N, D] with some missing, no gene constant or empty and no sample empty."""
    n, d = draw(st.integers(2, 6)), draw(st.integers(1, 5))
    genes = [f"G{i}{name}" for i, name in enumerate(draw(st.lists(NAMES, min_size=d, max_size=d)))]
    samples = [f"s{i} {name}" for i, name in enumerate(draw(st.lists(NAMES, min_size=n, max_size=n)))]
    x = np.array(draw(st.lists(NUMBERS, min_size=n * d, max_size=n * d))).reshape(n, d)
    x[0], x[1] = -2e6, 2e6
    holes = np.array(draw(st.lists(st.booleans(), min_size=n * d, max_size=n * d))).reshape(n, d)
    holes[:2] = holes[holes.all(1)] = False  # a sample without any value is refused
    return samples, genes, np.where(holes, np.nan, x)


def text_of(samples, genes, x, delimiter, quoted, end, missing, turned, corner) -> str:
    rows = [
        [corner, *genes],
        *([s, *(missing if np.isnan(v) else repr(float(v)) for v in row)] for s, row in zip(samples, x, strict=True)),
    ]
    if turned:
        rows = [list(column) for column in zip(*rows, strict=True)]
    quote = (lambda t: f'"{t}"') if quoted else str
    lines = [
        delimiter.join([quote(row[0]), *(quote(t) if i == 0 else t for t in row[1:])]) for i, row in enumerate(rows)
    ]
    return end.join(lines) + end


@settings(max_examples=40, deadline=None)
@given(
    tables(),
    st.sampled_from([",", "\t"]),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "NA", "NaN", "#N/A", "null"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "sample", "id"]),
)
def test_every_layout_reads_back(table, delimiter, quoted, end, missing, turned, mark, zipped, corner):
    samples, genes, x = table
    text = text_of(samples, genes, x, delimiter, quoted, end, missing, turned, corner or '""')
    content = (b"\xef\xbb\xbf" if mark else b"") + text.encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.txt"
        path.write_bytes(gzip.compress(content) if zipped else content)
        data = read_table(path, samples_in="columns" if turned else "rows", scaling="none", missing="impute")
        assert data.samples.tolist() == samples
        assert data.features.tolist() == genes
        expected = np.where(np.isnan(x), np.nanmean(x, axis=0), x)
        np.testing.assert_allclose(data.x, expected, rtol=1e-5, atol=0.5)
        assert data.provenance["counts"]["missing_values"] == np.isnan(x).sum()
        if turned:  # the reader of large files agrees
            layout = matrix_layout(path)
            assert layout.samples == samples
            matrix = matrix_from_file(layout, np.arange(len(samples)))
            assert matrix.features == genes
            np.testing.assert_array_equal(matrix.values, x.T.astype(np.float32))


@settings(max_examples=25, deadline=None)
@given(tables())
def test_parquet_reads_back(table):
    samples, genes, x = table
    frame = pd.DataFrame(x, columns=genes)
    frame.insert(0, "sample", samples)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"
        frame.to_parquet(path, index=False)
        data = read_table(path, scaling="none", missing="impute")
    assert (data.samples.tolist(), data.features.tolist()) == (samples, genes)
    np.testing.assert_allclose(data.x, np.where(np.isnan(x), np.nanmean(x, axis=0), x), rtol=1e-5, atol=0.5)


def refused(path: Path, *words: str, **options) -> str:
    with pytest.raises(InputError) as caught:
        read_table(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in (path.name, *words):
        assert word in message
    return message


def written(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_gzip_cut_in_half_names_the_line(tmp_path):
    rng = np.random.default_rng(0)
    text = "sample,a,b\n" + "".join(f"s{i},{rng.random()},{rng.random()}\n" for i in range(5000))
    packed = gzip.compress(text.encode())
    message = refused(written(tmp_path, packed[: len(packed) // 2], "t.csv.gz"), "after line ", "cut off")
    assert 1000 < int(message.split("after line ")[1].split()[0]) < 4500


@pytest.mark.parametrize("samples_in", ["rows", "columns"])
@pytest.mark.parametrize("line", ["y\t3\t4", "y,3", "y,3,4,5", "y"])
def test_short_long_and_mixed_lines_are_named(tmp_path, samples_in, line):
    path = written(tmp_path, f"g,a,b\nx,1,2\n{line}\nz,5,7\n")
    message = refused(path, "line 3", samples_in=samples_in, missing="impute")
    assert ("by tabs" in message and "by commas" in message) == ("\t" in line) or "Expected 3 fields" in message


def test_tab_table_with_a_line_of_commas(tmp_path):
    path = written(tmp_path, "g\ta\tb\nx\t1\t2\ny,3,4\n")
    assert "this line by commas" in refused(path, "line 3", missing="impute")


@pytest.mark.parametrize("samples_in", ["rows", "columns"])
def test_duplicate_genes_by_choice(tmp_path, samples_in):
    frame = pd.DataFrame([[1.0, 10, 5], [2, 20, 7], [4, 40, 6]], columns=["A", "A", "B"], index=["s1", "s2", "s3"])
    frame.index.name = "sample"
    frame = frame.T if samples_in == "columns" else frame
    path = tmp_path / "t.csv"
    frame.to_csv(path)
    options = {"samples_in": samples_in, "scaling": "none"}
    refused(path, "duplicate feature name 'A'", "2 and 3" if samples_in == "rows" else "1 and 2", **options)
    apart = read_table(path, duplicates="apart", **options)
    assert apart.features.tolist() == ["A", "A_2", "B"]
    np.testing.assert_array_equal(apart.x, [[1, 10, 5], [2, 20, 7], [4, 40, 6]])
    summed = read_table(path, duplicates="sum", **options)
    assert summed.features.tolist() == ["A", "B"]
    np.testing.assert_array_equal(summed.x, [[11, 5], [22, 7], [44, 6]])
    assert summed.provenance["counts"]["features_with_a_repeated_name"] == 1
    assert summed.provenance["options"]["duplicates"] == "sum"


def test_new_name_of_a_duplicate_never_meets_another(tmp_path):
    path = written(tmp_path, "sample,A,A_2,A\ns1,1,2,3\ns2,4,5,7\n")
    assert read_table(path, duplicates="apart").features.tolist() == ["A", "A_2", "A_3"]


@pytest.mark.parametrize(("unit", "days"), [("days", 1.0), ("months", 30.4375), ("years", 365.25)])
def test_time_is_kept_in_days(tmp_path, unit, days):
    path = written(tmp_path, "sample,t,e,A\ns1,2,1,3\ns2,4,0,7\n")
    data = read_table(path, time="t", event="e", time_unit=unit)
    np.testing.assert_allclose(data.survival.time, np.array([2, 4]) * days)
    assert data.provenance["options"]["time_unit"] == unit
    refused_unit = {"time": "t", "event": "e", "time_unit": "weeks"}
    with pytest.raises(InputError, match=r"time_unit 'weeks' \(known: days, months, years\)"):
        read_table(path, **refused_unit)


def test_brackets_of_tcga_are_missing(tmp_path):
    path = written(tmp_path, "sample,t,e,A\ns1,[Not Available],1,3\ns2,4,[Unknown],7\ns3,5,1,8\n")
    assert np.isnan(read_table(path, time="t", event="e").survival.time).tolist() == [True, True, False]


def test_provenance_names_the_file_and_its_digest(tmp_path):
    import hashlib

    path = written(tmp_path, "sample,A\ns1,1\ns2,4\n")
    record = read_table(path).provenance["files"]
    assert record == [{"name": "t.csv", "bytes": 19, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}]


def test_nan_block_is_counted_and_imputed(tmp_path):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 8)), columns=[f"G{i}" for i in range(8)])
    frame.iloc[5:15, 2:5] = np.nan
    frame.iloc[:, 7] = np.nan
    buffer = io.StringIO()
    frame.to_csv(buffer)
    data = read_table(written(tmp_path, buffer.getvalue()), missing="impute")
    counts = data.provenance["counts"]
    assert (counts["missing_values"], counts["features_with_missing_values"]) == (60, 4)
    assert counts["constant_features_dropped"] == 1
    np.testing.assert_allclose(data.x[5:15, 2:5], 0, atol=1e-7)


def test_genes_taken_for_samples_when_the_label_is_elsewhere(tmp_path):
    path = written(tmp_path, "gene,TCGA-00-0000-01,TCGA-00-0001-01\nA,1,2\nB,4,5\n")
    refused(path, "so genes were read as samples", "--samples-in columns", label="cancer_type")


def gct(folder: Path, x: np.ndarray, samples: list[str]) -> Path:
    lines = ["#1.2", f"{len(x)}\t{len(samples)}", "\t".join(["Name", "Description", *samples])]
    lines += ["\t".join([f"E{i}", f"G{i // 2}", *map(repr, row.tolist())]) for i, row in enumerate(x)]
    return written(folder, gzip.compress("\n".join(lines).encode()), "x.gct.gz")


def test_matrix_with_a_table_about_its_samples(tmp_path):
    x = np.random.default_rng(0).normal(size=(6, 8)).round(3)
    samples = [f"s{i}" for i in range(8)]
    path = gct(tmp_path, x, samples)
    table = pd.DataFrame({"id": [*samples[::-1], "other"], "type": list("ABABABABC"), "t": range(9), "e": 1})
    table.to_csv(tmp_path / "samples.tsv", sep="\t", index=False)
    options = {"label": "type", "time": "t", "event": "e", "time_unit": "years", "factors": "t", "where": "t>0"}
    data = read_table(path, annotation=tmp_path / "samples.tsv", scaling="none", **options)
    assert data.samples.tolist() == samples[:7]  # the last has t = 0
    assert data.features.tolist() == [f"E{i}" for i in range(6)]
    np.testing.assert_allclose(data.x, x.T[:7], rtol=1e-6)
    assert [data.label_names[i] for i in data.labels] == list("BABABAB")
    np.testing.assert_allclose(data.survival.time, 365.25 * np.arange(7, 0, -1))
    assert data.provenance["options"]["label"] == "type"
    assert load(path, {"annotation": tmp_path / "samples.tsv", "scaling": "none", **options}).digest == data.digest
    summed = load(path, {"genes": "symbol", "duplicates": "sum", "scaling": "none"})
    assert (summed.features.tolist(), summed.labels, summed.name) == (["G0", "G1", "G2"], None, "x")
    np.testing.assert_allclose(summed.x, (x[::2] + x[1::2]).T, rtol=1e-5)
    with pytest.raises(InputError, match="duplicate feature name 'G0'"):
        read_table(path, genes="symbol")
    with pytest.raises(InputError, match="names 'tpye'"):
        read_table(path, annotation=tmp_path / "samples.tsv", label="tpye")
    with pytest.raises(InputError, match=r"genes to \.gct files"):
        read_table(written(tmp_path, "sample,A\ns1,1\ns2,2\n"), genes="symbol")
    with pytest.raises(InputError, match="option of a table 'gene'"):
        load(path, {"gene": "symbol"})


def test_the_largest_number_of_features_as_a_wish(tmp_path):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 8)), columns=[f"G{i}" for i in range(8)])
    frame.to_csv(tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv", top="<=5000").x.shape[1] == 8
    assert read_table(tmp_path / "t.csv", top="<=3").features.tolist() == (
        read_table(tmp_path / "t.csv", top=3).features.tolist()
    )
    assert load(tmp_path / "t.csv", {"top": 3}, {"top": "<=5", "unknown": 1}).x.shape[1] == 3
    for wrong in ("<=", "5", "<=0", ">=3"):
        with pytest.raises(InputError, match="whole number from 1 to 8"):
            read_table(tmp_path / "t.csv", top=wrong)


@pytest.mark.parametrize("samples_in", ["rows", "columns"])
def test_numbers_are_read_to_the_last_bit(tmp_path, samples_in):
    """As Python reads them: the default parser of pandas is off in the last place for a third of such numbers."""
    values = np.random.default_rng(5).normal(size=2000) * 10.0 ** np.random.default_rng(6).integers(-20, 20, 2000)
    rows = [["sample", *(f"s{i}" for i in range(2000))], ["f", *map(repr, values.tolist())], ["G", *"01" * 1000]]
    rows = [list(row) for row in zip(*rows, strict=True)] if samples_in == "rows" else rows
    path = written(tmp_path, "\n".join(",".join(row) for row in rows) + "\n")
    data = read_table(path, factors="f", samples_in=samples_in, scaling="none")
    np.testing.assert_array_equal(data.factors["f"], values)
