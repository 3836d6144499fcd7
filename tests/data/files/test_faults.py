"""Files that cannot be read: one short sentence each that says what the file is and what to do; never a traceback."""

from __future__ import annotations

import gzip
import lzma
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vaebench.cli.main import main
from vaebench.data import checked, read_catalogue, read_table
from vaebench.data.files.arrays import array_from_npy
from vaebench.data.files.matrix import matrix_layout
from vaebench.data.files.opening import _Limited
from vaebench.data.files.table import table_from_file
from vaebench.errors import InputError, one_line, user_path
from vaebench.evaluation.external import read_embedding


def sentence(call, *words: str) -> str:
    """The message of the refusal, which must be short, on one line, and hold the words."""
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 300, message
    for word in words:
        assert word in message, message
    return message


def tar(folder: Path) -> bytes:
    (folder / "inner.csv").write_text("a,b\n1,2\n")
    with tarfile.open(folder / "t.tar", "w") as archive:
        archive.add(folder / "inner.csv", "inner.csv")
    return (folder / "t.tar").read_bytes()


def archive(folder: Path, *names: str) -> bytes:
    with zipfile.ZipFile(folder / "t.zip", "w") as made:
        for name in names:
            made.writestr(name, "a,b\n1,2\n")
    return (folder / "t.zip").read_bytes()


RDS = b"X\n\0\0\0\x03\0\x04\x03\x01"
KINDS = {
    "rds": (lambda f: gzip.compress(RDS), "R object", "write.csv"),
    "rds in xz": (lambda f: lzma.compress(RDS), "R object", "write.csv"),
    "rda": (lambda f: gzip.compress(b"RDX3\nX\n\0\0\0\x03"), "R object", "write.csv"),
    "hdf5": (lambda f: b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "HDF5", ".h5ad"),
    "npy": (lambda f: b"\x93NUMPY\x01\0", "NumPy array", "header"),
    "pickle": (lambda f: pickle.dumps(pd.DataFrame({"a": [1]})), "pickle", "to_csv"),
    "feather": (lambda f: b"ARROW1\0\0", "Feather", "to_parquet"),
    "zstd": (lambda f: b"(\xb5/\xfd\x04", "zstd", "unzstd"),
    "tar": (tar, "tar archive", "tar -xf"),
    "tar.gz": (lambda f: gzip.compress(tar(f)), "tar archive", "tar -xf"),
    "gz in gz": (lambda f: gzip.compress(gzip.compress(b"a,b\n1,2\n")), "packed twice", "unpack"),
    "zip of two": (lambda f: archive(f, "a.csv", "b.csv"), "2 files (a.csv, b.csv)", "unpack"),
    "empty zip": (lambda f: archive(f), "0 files"),
    "npz": (lambda f: archive(f, "x.npy"), ".npz", "numpy.save"),
    "word": (lambda f: archive(f, "word/document.xml", "x"), "Word", "CSV"),
    "pdf": (lambda f: b"%PDF-1.7\n%\xe2", "PDF", "CSV"),
    "html": (lambda f: b"\n<!DOCTYPE html>\n<html>", "web page", "downloaded"),
    "json": (lambda f: b'{"a": [1, 2]}', "JSON", "table"),
    "mtx": (lambda f: b"%%MatrixMarket matrix coordinate\n1 1 1\n", "MatrixMarket", ".h5ad"),
    "vcf": (lambda f: b"##fileformat=VCFv4.2\n#CHROM\tPOS\n1\t2\n", "VCF", "vaebench count"),
    "no windows-1252": (lambda f: b"sample,\x81\ns1,1\n", "UTF-8", "0x81", "save it as UTF-8"),
    "no windows-1252 below": (lambda f: b"sample,a\n" + b"s1,1\n" * 50 + b"\x81,1\n", "UTF-8", "0x81"),
    "binary": (lambda f: b"\x0b\x0e\xc1a,b\n1,2\n", "binary data"),
    "sas": (lambda f: bytes(12) + b"\xc2\xea\x81\x60\xb3\x14\x11\xcf\n", "SAS", "CSV"),
    "old stata": (lambda f: b"r\2\1\0", "Stata", "CSV"),
    "spaces within": (lambda f: b"type a b\nx lung cancer 1 2\ny kidney 2 3\n", "5 fields", "names hold spaces"),
    "points": (lambda f: b"s;a;b\nx;1.234;250\ny;987;2.345\nz;12;3.456\n", "'1.234'", "thousands"),
    "title": (lambda f: b"Table S1. Expression\nsample,A,B\ns1,1,2\n", "title"),
    "one sample": (lambda f: b"ENSG01\t5\nENSG02\t7\n", "one sample", "header"),
    "gdc": (lambda f: b"# gene-model\ngene_id\tgene_name\tunstranded\tstranded_first\nE1\tA\t5\t2\n", "one sample"),
    "salmon": (lambda f: b"Name\tLength\tEffectiveLength\tTPM\tNumReads\nE1\t9\t8.5\t5\t2\n", "one sample", "join"),
    "thousands": (lambda f: b"s\ta\tb\nx\t1,234\t5,678\ny\t2,345\t1,111\n", "'1,234'", "thousands"),
    "open quotes": (lambda f: b's,a\nx,1\n"y,2\nz,3\n', "line 3", "quotes"),
    "nul": (lambda f: b"s,a\nx,1\ny,2\0\n", "line 3", "NUL"),
    "long cell": (lambda f: b"s,a\nx,1\ny," + b"q" * 10_000 + b"\nz,3\n", "qqq..."),
    "long name": (lambda f: b"s," + b"q" * 10_000 + b"," + b"q" * 10_000 + b"\nx,1,3\ny,1,2\n", "'qqq", "qqq...'"),
    "header of one field": (lambda f: b"s\nx\ny\n", "1 column", "semicolons"),
    "pipes": (lambda f: b"s|a\nx|1\n", "1 column"),
    "compress": (lambda f: b"\x1f\x9d\x90abc", "compress", "unpack"),
    "lz4": (lambda f: b"\x04\x22\x4d\x18abc", "lz4", "unpack"),
    "lzma": (lambda f: lzma.compress(b"a,b\n1,2\n", format=lzma.FORMAT_ALONE), "lzma", "unpack"),
    "png": (lambda f: b"\x89PNG\r\n\x1a\n", "image"),
    "spss": (lambda f: b"$FL2@(#) SPSS DATA FILE\0", "SPSS", "CSV"),
    "bam": (lambda f: gzip.compress(b"BAM\1rest"), "aligned reads"),
    "bcf": (lambda f: gzip.compress(b"BCF\2\2rest"), "BCF", "bcftools view"),
    "truncated zip": (lambda f: archive(f, "a.csv")[:40], "cannot be read"),
    "gzip of noise": (lambda f: b"\x1f\x8b" + os.urandom(50), "cannot be read"),
    "footnote": (lambda f: b"s,a,b\nx,1,2\ny,2,3\nSource: us\n", "line 4", "note below"),
    "mixed delimiters": (lambda f: b"s;a;b\nx,1,2\ny,2,3\n", "by semicolons", "by commas"),
}


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("samples_in", ["rows", "columns"])
def test_kinds_that_are_no_tables(tmp_path, kind, samples_in):
    content, *words = KINDS[kind]
    (tmp_path / "f.txt").write_bytes(content(tmp_path))
    words = [] if kind == "long cell" and samples_in == "columns" else words
    sentence(lambda: read_table(tmp_path / "f.txt", samples_in=samples_in), *words)


@pytest.mark.parametrize("first", ["RDX", "CRAMP1", "ORC1", "BAMBI", "BCFX", "GIF"])
def test_genes_that_begin_like_another_format_are_read(tmp_path, first):
    (tmp_path / "f.txt").write_text(f"{first},B,C\n1,2,3\n2,1,5\n3,3,1\n")
    assert first in read_table(tmp_path / "f.txt").features


def test_a_carriage_return_within_a_field_makes_no_second_value(tmp_path):
    # the text makes the block be read line by line; of one line, 3 values would pass as 3 samples
    (tmp_path / "f.csv").write_bytes(b"gene,s1,s2\nA,1,2\nB,3\r4,5\ntype,x,y\n")
    sentence(lambda: read_table(tmp_path / "f.csv", samples_in="columns"), "'B'", r"'3\r4'")
    (tmp_path / "g.csv").write_bytes(b"gene,s1,s2\nA,1\r7,2\nB,3\r4,5\n")  # every line has one too many
    sentence(lambda: read_table(tmp_path / "g.csv", samples_in="columns"), "line 2", "carriage return")


def test_first_line_for_excel_and_soft_of_geo(tmp_path):
    (tmp_path / "f.csv").write_text("sep=;\nsample;A;B\nx;1,5;2\ny;2,5;1\n")
    assert read_table(tmp_path / "f.csv", scaling="none").x.tolist() == [[1.5, 2], [2.5, 1]]
    head = "^DATABASE = Geo\n!Name = x\n#ID_REF = \n!dataset_table_begin\n"
    lines = "ID_REF\tIDENTIFIER\tGSM1\tGSM2\n1_at\tDDR1\t1.5\t2\n2_at\tRFC2\t3\t4\n"
    (tmp_path / "f.soft").write_text(f"{head}{lines}!dataset_table_end\n")
    data = read_table(tmp_path / "f.soft", samples_in="columns", scaling="none")
    assert (data.samples.tolist(), data.features.tolist()) == (["GSM1", "GSM2"], ["1_at", "2_at"])


@pytest.mark.parametrize("metadata", ["{not json", "[1]", '{"index_columns": 3, "column_indexes": 2}'])
def test_damaged_metadata_of_parquet(tmp_path, metadata):
    import pyarrow as pa
    import pyarrow.parquet as pq

    held = pa.table({"A": [1.0, 2], "B": [2.0, 1]}).replace_schema_metadata({b"pandas": metadata.encode()})
    pq.write_table(held, tmp_path / "t.parquet")
    sentence(lambda: read_table(tmp_path / "t.parquet"), "metadata", "to_parquet()")


def test_parquet_of_other_shapes(tmp_path):
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame({"type": list("abab"), "A": [1.0, 2, 3, 4], "B": [True, False, True, True]})
    frame.index = pd.MultiIndex.from_arrays([["s1", "s2", "s3", "s4"], [1, 2, 3, 4]], names=["sample", "days"])
    frame.to_parquet(path)
    data = read_table(path, label="type", ignore=["days"], scaling="none")
    assert (data.samples.tolist(), data.features.tolist()) == (["s1", "s2", "s3", "s4"], ["A", "B"])
    assert data.x.tolist() == [[1, 1], [2, 0], [3, 1], [4, 1]]
    levels = pd.MultiIndex.from_arrays([["x", "x"], ["a", "b"]])
    pd.DataFrame([[1, 2.0]], columns=levels).to_parquet(path)
    sentence(lambda: read_table(path), "several levels")
    pd.DataFrame({"a": [[1, 2], [3]], "b": [1, 2]}).to_parquet(path)
    sentence(lambda: read_table(path), "'a'", "list")
    pd.DataFrame({"a": ["x", "y"], "b": [1.0, 1e300]}).to_parquet(path)
    sentence(lambda: read_table(path), "line 2", "'b'", "1e+300", "3.4e38")
    whole = path.read_bytes()
    for cut in (10, len(whole) // 2, len(whole) - 9):
        path.write_bytes(whole[:cut] + b"PAR1")
        sentence(lambda: read_table(path), "Parquet")


def test_parquet_with_genes_in_rows(tmp_path):
    frame = pd.DataFrame({"Hugo_Symbol": ["A", "B", "__no_feature"], "Entrez_Gene_Id": [1, 2, 3]})
    frame = frame.assign(s1=[1.5, 2, 9], s2=[3, 4, 9])
    frame.to_parquet(tmp_path / "t.parquet", index=False)
    data = read_table(tmp_path / "t.parquet", samples_in="columns", scaling="none")
    assert (data.samples.tolist(), data.features.tolist()) == (["s1", "s2"], ["A", "B"])
    assert data.x.tolist() == [[1.5, 2], [3, 4]]
    assert len([note for note in data.notes if not note.startswith("scale")]) == 2


def npy(shape: tuple[int, ...], content: bytes = b"") -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header.encode() + content


def test_arrays_are_checked_before_memory_is_taken(tmp_path):
    path = tmp_path / "z.npy"
    for content, words in (
        (npy((10**9, 10**6)), ("declares 8000000000000000 bytes", "holds 0")),
        (npy((2, 2), b"\0" * 31), ("cut off",)),
        (archive(tmp_path, "x.npy"), (".npz", "numpy.save")),
        (npy((-2, -2), b"\0" * 32), ("cut off or damaged",)),
        (b"s1,1,2\n", ("not a .npy file",)),
        (b"", ("not a .npy file",)),
        (b"\x93NUMPY\x01\0\xff\xff" + b"(" * 65535, ("not a .npy file",)),
    ):
        path.write_bytes(content)
        sentence(lambda: read_embedding(path, np.array(["a", "b"])), "z.npy", *words)
    np.save(path, np.ones((2, 2), complex))
    sentence(lambda: array_from_npy(path), "complex128")
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    sentence(lambda: array_from_npy(path), "object")
    np.save(path, np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(read_embedding(path, np.array(["a", "b"])), np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("text", ["1_000", "١٢", "１２", "1+2j", "0x10", "1e39", "-1e300", "1e999", "1\x001"])
def test_numbers_that_are_none(tmp_path, text):
    rows = [["sample", "A", "B"], ["s1", "1", "2"], ["s2", "3", text], ["s3", "4", "5"]]
    for turned in (False, True):
        table = [list(column) for column in zip(*rows, strict=True)] if turned else rows
        (tmp_path / "t.csv").write_text("".join(",".join(row) + "\n" for row in table))
        sentence(lambda t=turned: read_table(tmp_path / "t.csv", samples_in="columns" if t else "rows"), "t.csv")
        sentence(lambda: read_embedding(tmp_path / "t.csv", np.array(["s1", "s2", "s3"])))
    (tmp_path / "a.csv").write_text("id,type\nA,x\nB,x\n")
    sentence(lambda: read_table(tmp_path / "t.csv", annotation=tmp_path / "a.csv"), "t.csv")


@pytest.mark.parametrize("text", ["1_000", "١٢", "1e300", "1+2j"])
def test_counts_that_are_no_numbers(tmp_path, text):
    from vaebench.data.mutations.channels import CHANNELS

    rows = "".join(f"{name},{text if i == 5 else i}\n" for i, name in enumerate(CHANNELS))
    (tmp_path / "c.csv").write_text("Type,S1\n" + rows)
    sentence(lambda: read_catalogue(tmp_path / "c.csv"), "c.csv")


def test_no_path_holds_a_nul(tmp_path):
    sentence(lambda: read_table(f"{tmp_path}/a\0b"), "NUL character")
    sentence(lambda: user_path("a\0b"), "NUL character")


@pytest.mark.parametrize("path", [None, 3, b"cohort.csv"])
def test_what_is_no_path(path):
    sentence(lambda: user_path(path), "is no path; it must be the path of a file or folder")


def test_names_of_files_that_cannot_be(tmp_path, capsys):
    long = tmp_path / ("x" * 300 + ".csv")
    sentence(lambda: table_from_file(long), "cannot be opened", "...")
    sentence(lambda: checked(long), "cannot be opened")
    sentence(lambda: table_from_file("a\0b.csv"), "cannot be opened")
    for command in (["data", "check", str(long)], ["run", "--data", str(long)], ["run", "--config", str(long)]):
        assert main(command) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_nested_configuration(tmp_path, capsys):
    for text in ("set = " + "[" * 5000 + "]" * 5000, "[" + ".".join("a" * 5000) + "]"):
        (tmp_path / "c.toml").write_text(text)
        assert main(["run", "--config", str(tmp_path / "c.toml")]) == 2
        message = capsys.readouterr().err
        assert message.startswith("error: ")
        assert message.count("\n") == 1


def test_text_of_windows_is_read_with_a_note(tmp_path):
    plain = "sample;Gewebe;A;B\n" + "".join(
        f"s{i};{'Brustdrüse' if i % 2 else 'Lunge'};{i},5;{i * i}\n" for i in range(60)
    )
    late = plain.replace("Brustdrüse", "Haut", 25)
    for text, samples_in in ((plain, "rows"), (late, "rows"), ("g;Zürich;b\nA;1;2\nB;3;5\n", "columns")):
        tables = []
        for encoding in ("utf-8", "cp1252"):
            (tmp_path / "t.csv").write_text(text, encoding=encoding)
            tables.append(table_from_file(tmp_path / "t.csv", samples_in))
        for name, values in tables[0].columns.items():
            np.testing.assert_array_equal(tables[1].columns[name], values)
        (note,) = set(tables[1].notes) - set(tables[0].notes)
        assert "windows-1252" in note
        assert ("ü" in note) == (text != late)
    (tmp_path / "m.csv").write_text("g;Zürich;b\nA;1;2\nB;3;5\n", encoding="cp1252")
    assert matrix_layout(tmp_path / "m.csv").samples == ["Zürich", "b"]


@pytest.mark.parametrize(
    "rows",
    [
        "x;1.234;250\ny;987;2.345\nz;0.123;3.456\n",
        "x;1.234;250\ny;9870;2.345\nz;12;3.456\n",
        "x;1.23;250\ny;9;2.345\nz;1;3.456\n",
        "x;1.234;250\ny;0;2.345\nz;3.456;0\nw;0;1.125\n",
    ],
)
def test_points_of_decimals_are_read(tmp_path, rows):
    (tmp_path / "t.csv").write_text("s;a;b\n" + rows)
    assert table_from_file(tmp_path / "t.csv").columns["b"][0] == 250


def test_a_folder_of_cells_says_how_to_read_it(tmp_path):
    (tmp_path / "matrix.mtx.gz").touch()
    sentence(lambda: read_table(tmp_path), "10x Genomics", "read_10x_mtx")
    sentence(lambda: checked(tmp_path), "10x Genomics", "read_10x_mtx")


def test_pipes_are_refused(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    sentence(lambda: table_from_file(pipe), "pipe", "save its content to a file first")
    sentence(lambda: table_from_file("/dev/null"), "pipe or device")


def test_small_files_that_unpack_to_much(tmp_path, monkeypatch):
    monkeypatch.setattr("vaebench.data.files.limits._SMALL", 1 << 20)
    path = tmp_path / "bomb.gz"
    head = b"s," + b",".join(b"g%d" % i for i in range(1000)) + b"\n"
    path.write_bytes(gzip.compress(head + (b"s" + b",0" * 1000 + b"\n") * 4000))
    sentence(lambda: read_table(path), "bomb.gz", " MiB", "200 times its size", "VAEBENCH_MAX_GIB")
    monkeypatch.setattr("vaebench.data.files.opening.FORESEEN", 1 << 18)
    seen: list[int] = []
    keep = _Limited.readinto
    monkeypatch.setattr(_Limited, "readinto", lambda self, part: (keep(self, part), seen.append(self.count))[0])
    sentence(lambda: read_table(path), "bomb.gz", "200 times its size")
    assert max(seen) < 1 << 19  # of 8 MB: from a part, before the values of the rest are in memory
    monkeypatch.setenv("VAEBENCH_MAX_GIB", "1")
    sentence(lambda: read_table(path), "constant")
    monkeypatch.setattr("vaebench.data.files.layout._LONGEST_LINE", 1 << 20)
    path.write_bytes(gzip.compress(b"s,g\n" + b"0" * (1 << 21)))
    sentence(lambda: read_table(path), "line 2", "shorter lines")


def test_a_sheet_of_many_cells_is_refused_before_it_is_read(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("xl/workbook.xml", "")
        made.writestr("xl/worksheets/sheet1.xml", "<c><v>0</v></c>" * 140_000)
    monkeypatch.setenv("VAEBENCH_MAX_GIB", "0.01")
    sentence(lambda: read_table(tmp_path / "t.xlsx"), "16.0 MiB of memory for its cells", "VAEBENCH_MAX_GIB=1")


def test_memory_limit(tmp_path, monkeypatch):
    rows = [["s", *(f"G{i}" for i in range(100))], *([f"s{i}", *map(str, range(i, i + 100))] for i in range(50))]
    path = tmp_path / "t.csv"
    path.write_text("".join(",".join(row) + "\n" for row in rows))
    monkeypatch.setenv("VAEBENCH_MAX_GIB", "0.00001")
    sentence(lambda: read_table(path), "needs", "VAEBENCH_MAX_GIB=1")
    sentence(lambda: read_table(path, samples_in="columns"), "VAEBENCH_MAX_GIB=1")
    monkeypatch.setenv("VAEBENCH_MAX_GIB", "lots")
    sentence(lambda: read_table(path), "'lots'", "number of GiB")
    monkeypatch.setenv("VAEBENCH_MAX_GIB", "0.1")
    assert read_table(path).x.shape == (50, 100)


@pytest.mark.filterwarnings("ignore")
def test_anndata_files(tmp_path):
    anndata = pytest.importorskip("anndata", reason="the extra 'anndata' is not installed")
    import h5py
    from scipy.sparse import csr_matrix

    path = tmp_path / "t.h5ad"
    held = anndata.AnnData(csr_matrix((30_000, 70_000), dtype=np.float32))
    held.write_h5ad(path, compression="gzip")
    sentence(lambda: read_table(path), "30000 x 70000", "7.8 GiB", "VAEBENCH_MAX_GIB=8")
    anndata.AnnData(np.ones((3, 2), np.float32)).write_h5ad(path)
    with h5py.File(path, "r+") as file:
        file["X"].attrs["encoding-version"] = "0.9.0"
    sentence(lambda: read_table(path), "newer anndata", "update")
    with h5py.File(path, "r+") as file:
        del file["X"]
        file.create_dataset("X", (10**6, 10**6), "f4", chunks=(100, 100))
    sentence(lambda: read_table(path), "GiB")
    path.write_bytes(path.read_bytes()[:700])
    sentence(lambda: read_table(path), "t.h5ad")
    sentence(lambda: read_table(anndata.AnnData(np.ones((3, 2), complex))), "complex128")


@pytest.mark.slow
def test_a_hundred_thousand_columns_take_seconds(tmp_path):
    width = 100_000
    with open(tmp_path / "t.csv", "w") as stream:
        stream.write("sample,type," + ",".join(f"G{i}" for i in range(width)) + "\n")
        for i in range(4):
            stream.write(f"s{i},a," + ",".join(str((i * j) % 7) for j in range(width)) + "\n")
    assert read_table(tmp_path / "t.csv", label="type", top=10).x.shape == (4, 10)
    sentence(lambda: read_table(tmp_path / "t.csv", label="typ"), "did you mean 'type'")


def test_messages_are_one_line_with_values_cut():
    long = "q" * 100
    assert one_line(f"line 3\nholds {long!r}\x1b[0m") == f"line 3 holds '{'q' * 57}...' [0m"
    assert one_line("the feature's mean is 'a', and of each feature's samples 'b'") == (
        "the feature's mean is 'a', and of each feature's samples 'b'"
    )
    assert str(InputError(f"'{long}' and \"{long}\"")) == f"'{'q' * 57}...' and \"{'q' * 57}...\""
