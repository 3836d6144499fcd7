"""Files as people of the field have them: each loads with the right samples, genes and values, and says what it left out."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vaebench.data import checked, read_table
from vaebench.data.files.gene_matrix import matrix_from_file
from vaebench.data.files.matrix import matrix_layout
from vaebench.errors import InputError

SAMPLES = [f"TCGA-{i:02d}-A00{i}-01" for i in range(4)]
GENES = ["TP53", "KRAS", "EGFR"]
X = np.array([[1.5, 2.0, 3.25, 4.0], [10.0, 0.0, 7.5, 3.0], [0.0, 1.0, 0.5, 8.0]])  # [genes, samples]


def lines_of(rows: list[list[str]], mark: str = "\t") -> str:
    return "".join(mark.join(row) + "\n" for row in rows)


def with_columns(**columns: list[str]) -> str:
    """Genes x samples with these columns before the samples."""
    body = [[*(c[i] for c in columns.values()), *map(repr, X[i].tolist())] for i in range(3)]
    return lines_of([[*columns, *SAMPLES], *body])


def plain(mark: str = "\t", number=repr, corner: str = "gene") -> str:
    rows = [[g, *(number(float(v)) for v in x)] for g, x in zip(GENES, X, strict=True)]
    return lines_of([[corner, *SAMPLES], *rows], mark)


ENSEMBL = ["ENSG01.1", "ENSG02.3", "ENSG03.2"]
FEATURE_COUNTS = "# Program:featureCounts v2.0.1; Command:\"featureCounts\" \"-a\"\n" + with_columns(
    Geneid=GENES, Chr=["1;1", "2", "3"], Start=["11;40", "5", "9"], End=["20;50", "8", "12"], Strand=["+;+", "-", "+"],
    Length=["21", "4", "4"]
)  # fmt: skip
LAYOUTS = {
    "cbioportal": with_columns(Hugo_Symbol=GENES, Entrez_Gene_Id=["7157", "3845", "1956"]),
    "cbioportal comments": "#x\n#y\tz\n" + with_columns(Hugo_Symbol=GENES, Entrez_Gene_Id=["7157", "", "1956"]),
    "cbioportal empty symbol": with_columns(Hugo_Symbol=["TP53", "", "EGFR"], Entrez_Gene_Id=["7157", "KRAS", "1956"]),
    "featureCounts": FEATURE_COUNTS,
    "featureCounts bam": re.sub(r"(TCGA\S+)", r"out/\1_Aligned.sortedByCoord.out.bam", FEATURE_COUNTS),
    "gdc": with_columns(gene_name=GENES, gene_id=ENSEMBL, gene_type=["protein_coding"] * 3),
    "gistic": with_columns(**{"Gene Symbol": GENES, "Locus ID": ["1", "2", "3"], "Cytoband": ["1p1", "2q2", "3p3"]}),
    "unknown text column": with_columns(gene=GENES, remark=["a", "b", "c"]),
    "R": plain(corner="").removeprefix("\t"),
    "R quoted": "\t".join(f'"{s}"' for s in SAMPLES) + "\n" + plain().split("\n", 1)[1].replace("TP53", '"TP53"'),
    "R spaces": " ".join(f'"{s}"' for s in SAMPLES) + "\n" + plain(" ").split("\n", 1)[1],
    "semicolons": plain(";"),
    "decimal commas": plain(";", lambda v: repr(v).replace(".", ",")),
    "tabs and commas": plain("\t", lambda v: repr(v).replace(".", ",")),
    "htseq": plain() + lines_of([[n, "9", "9", "9", "9"] for n in ("__no_feature", "__alignment_not_unique")]),
    "star": plain().replace("TP53\t", "N_unmapped\t5\t5\t5\t5\nN_noFeature\t1\t2\t3\t4\nTP53\t"),
    "trailing tabs": plain().replace("\n", "\t\t\n"),
    "trailing tabs in the lines": plain().replace("\n", "\t\n").replace("\t\n", "\n", 1),
    "blank lines": "\n" + plain() + "\n\t\t\t\t\n\n",
    "geo": '!Series_title\t"x"\n!Sample_geo\t"a"\t"b"\n!series_matrix_table_begin\n' + plain(corner='"ID_REF"')
    + "!series_matrix_table_end\n",
    "text column at the end": plain().replace("\n", "\tdescription\n", 1).replace(".0\n", ".0\tsome text\n"),
    "name with a line end": plain().replace("TP53\t", '"TP53"\t'),
}  # fmt: skip
NOTED = {
    "cbioportal": "Entrez_Gene_Id", "cbioportal comments": "Entrez_Gene_Id", "featureCounts": "Chr, Start, End",
    "cbioportal empty symbol": "1 genes without a name", "featureCounts bam": "shortened", "gdc": "gene_id, gene_type",
    "gistic": "Locus ID, Cytoband", "unknown text column": "remark", "decimal commas": "decimal points", "htseq":
    "__alignment_not_unique, __no_feature", "star": "N_noFeature, N_unmapped", "tabs and commas": "decimal points",
    "text column at the end": "description",
}  # fmt: skip


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_genes_in_rows(tmp_path, layout):
    path = tmp_path / "x.txt"
    path.write_text(LAYOUTS[layout])
    (tmp_path / "clinical.txt").write_text(lines_of([["patient", "type"], *([s[:12], "A"] for s in SAMPLES)]))
    alone = read_table(path, samples_in="columns", scaling="none")
    with_annotation = read_table(path, annotation=tmp_path / "clinical.txt", label="type", scaling="none")
    for data in (alone, with_annotation):
        assert data.samples.tolist() == SAMPLES
        assert data.features.tolist() == GENES
        np.testing.assert_array_equal(data.x, X.T.astype(np.float32))
        notes = " ".join(note for note in data.notes if "look" not in note and "have no line in" not in note)
        assert NOTED.get(layout, "") in notes
        assert bool(notes) == (layout in NOTED)
    summary = checked(path)
    assert (summary.samples, summary.values.features) == (4, 3)


def packed(kind: str, text: str) -> bytes:
    content = text.encode()
    if kind == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("folder/x.csv", content)
            archive.writestr("__MACOSX/._x.csv", b"\0")
        return buffer.getvalue()
    pack = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    return pack[kind](content) if kind in pack else text.encode(kind)


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zip", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_packed_and_recoded(tmp_path, kind):
    path = tmp_path / "x.csv"
    path.write_bytes(packed(kind, plain(",")))
    data = read_table(path, samples_in="columns", scaling="none")
    assert (data.samples.tolist(), data.features.tolist()) == (SAMPLES, GENES)
    np.testing.assert_array_equal(data.x, X.T.astype(np.float32))
    path.write_bytes(packed(kind, "sample,type,A,B\ns1,a,1,2\ns2,a,3,5\n"))
    assert read_table(path, label="type", scaling="none").x.tolist() == [[1, 2], [3, 5]]


def workbook(rows: list[list[object]]) -> bytes:
    """A minimal .xlsx, written from its specification."""
    cells = {
        str: lambda v: f'<c t="inlineStr"><is><t>{v}</t></is></c>',
        float: lambda v: f"<c><v>{v!r}</v></c>",
        int: lambda v: f"<c><v>{v}</v></c>",
        bool: lambda v: f'<c t="b"><v>{int(v)}</v></c>',
        type(None): lambda v: "<c/>",
    }
    sheet = "".join(f"<row>{''.join(cells[type(v)](v) for v in row)}</row>" for row in rows)
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{relations}"><Relationship Id="a" Type="{office}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="S" sheetId="1" r:id="b"/>'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{relations}"><Relationship Id="b" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{sheet}</sheetData></worksheet>',
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def test_excel(tmp_path, monkeypatch):
    pytest.importorskip("python_calamine", reason="the extra 'excel' is not installed")
    path = tmp_path / "x.xlsx"
    path.write_bytes(workbook([["gene", *SAMPLES], *([g, *x] for g, x in zip(GENES, X.tolist(), strict=True))]))
    data = read_table(path, samples_in="columns", scaling="none")
    assert (data.samples.tolist(), data.features.tolist()) == (SAMPLES, GENES)
    np.testing.assert_array_equal(data.x, X.T.astype(np.float32))
    path.write_bytes(workbook([["sample", "A", "B"], ["007", 1, 0.1], ["s2", 2, None], ["s3", 3, 1e-9]]))
    data = read_table(path, scaling="none", missing="impute")
    assert data.samples.tolist() == ["007", "s2", "s3"]
    np.testing.assert_allclose(data.x[:, 1], [0.1, (0.1 + 1e-9) / 2, 1e-9])
    path.write_bytes(workbook([]))
    with pytest.raises(InputError, match="no sheet with cells"):
        read_table(path)


def test_excel_without_its_package_names_the_extra(tmp_path, monkeypatch):
    path = tmp_path / "x.xlsx"
    path.write_bytes(workbook([["a", "b"], [1, 2]]))
    monkeypatch.setitem(__import__("sys").modules, "python_calamine", None)
    with pytest.raises(InputError, match=r"pip install 'vaebench\[excel\]'"):
        read_table(path)


def gct13(folder: Path) -> Path:
    rows = [["#1.3"], ["3", "4", "2", "2"], ["id", "gene_symbol", "pr_type", *SAMPLES]]
    rows += [["tissue", "na", "na", "a", "b", "a", "b"], ["dose", "na", "na", "1", "2", "3", "4"]]
    rows += [[e, g, "protein", *map(repr, x)] for e, g, x in zip(ENSEMBL, GENES, X.tolist(), strict=True)]
    (folder / "x.gct").write_text(lines_of(rows))
    return folder / "x.gct"


def test_gct_of_version_1_3_brings_its_annotation(tmp_path):
    path = gct13(tmp_path)
    data = read_table(path, label="tissue", factors=["dose"], scaling="none")
    assert data.features.tolist() == ENSEMBL
    assert [data.label_names[i] for i in data.labels] == list("abab")
    assert data.factors["dose"].tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(data.x, X.T.astype(np.float32))
    assert read_table(path, genes="symbol").features.tolist() == GENES
    assert checked(path, label="tissue").labels == {"a": 2, "b": 2}


def test_symbols_of_a_table_with_two_names(tmp_path):
    (tmp_path / "x.tsv").write_text(LAYOUTS["gdc"].replace("gene_name", "X", 1).replace("gene_id", "gene_name"))
    names = matrix_from_file(matrix_layout(tmp_path / "x.tsv"), np.arange(4), names_from=1).features
    assert names == ENSEMBL


def test_annotation_with_its_sample_names_in_another_column(tmp_path):
    (tmp_path / "x.tsv").write_text(plain())
    rows = [["case", "barcode", "type"], *([str(i % 2), s, "AB"[i % 2]] for i, s in enumerate(SAMPLES))]
    (tmp_path / "a.tsv").write_text(lines_of(rows))
    options = {"annotation": tmp_path / "a.tsv", "annotation_sample_column": "barcode", "label": "type"}
    assert read_table(tmp_path / "x.tsv", **options).samples.tolist() == SAMPLES
    assert checked(tmp_path / "x.tsv", **options).labels == {"A": 2, "B": 2}
    with pytest.raises(InputError, match="no column 'barcod'"):
        read_table(tmp_path / "x.tsv", **options | {"annotation_sample_column": "barcod"})
    with pytest.raises(InputError, match="needs an annotation"):
        read_table(tmp_path / "x.tsv", annotation_sample_column="barcode")


def test_clinical_table_of_cbioportal(tmp_path):
    comments = "#Name of P\tName of T\n#Text\tText\n#STRING\tSTRING\n#1\t1\n"
    (tmp_path / "x.txt").write_text(plain())
    (tmp_path / "c.txt").write_text(comments + lines_of([["PATIENT_ID", "TYPE"], *([s[:12], "A"] for s in SAMPLES)]))
    assert read_table(tmp_path / "x.txt", annotation=tmp_path / "c.txt", label="TYPE").label_names == ("A",)


@pytest.mark.parametrize("samples_in", ["rows", "columns"])
def test_values_of_samples_in_rows(tmp_path, samples_in):
    """The same table either way round, with text columns at the start, in the middle and at the end."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(30, 9)).round(4), columns=[f"G{i}" for i in range(9)])
    frame.insert(0, "sample", [f"{i:03d}" for i in range(30)])
    frame.insert(1, "type", ["a", "b, c", 'd "e"'] * 10)
    frame.insert(6, "site", ["x", None, "z"] * 10)
    frame["flag"] = [True, False] * 15
    frame["end"] = ["last"] * 30
    if samples_in == "columns":
        frame.astype(object).set_index("sample").T.to_csv(tmp_path / "t.csv")
    else:
        frame.to_csv(tmp_path / "t.csv", index=False)
    data = read_table(tmp_path / "t.csv", label="type", samples_in=samples_in, scaling="none", where="site!=q")
    kept = frame[frame["site"].notna()]
    assert data.samples.tolist() == kept["sample"].tolist()
    assert sorted(data.label_names) == sorted(set(kept["type"]))
    wanted = [*(f"G{i}" for i in range(9)), "flag"]
    assert data.features.tolist() == wanted
    np.testing.assert_array_equal(data.x, kept[wanted].to_numpy(dtype=np.float64).astype(np.float32))


def test_text_that_begins_late_is_kept_as_written(tmp_path, monkeypatch):
    monkeypatch.setattr("vaebench.data.files.lines._CHUNK", 200)
    rows = [["s", "code", "a", "b", "c"], *([f"s{i}", f"{i:03d}", "1.5", str(i), "3"] for i in range(200))]
    for column, line in ((1, 150), (2, 90), (3, 110), (4, 190)):
        rows[line][column] = "odd"
    (tmp_path / "t.csv").write_text(lines_of(rows, ","))
    from vaebench.data.files.table import table_from_file

    table = table_from_file(tmp_path / "t.csv")
    assert table.columns["code"][:3].tolist() == ["000", "001", "002"]
    assert [table.columns[c][line - 1] for c, line in (("code", 150), ("a", 90), ("b", 110), ("c", 190))] == ["odd"] * 4
    assert table.columns["a"][0] == "1.5"


def test_decimal_commas_without_a_zero_before_them(tmp_path):
    values = np.random.default_rng(0).uniform(-1, 1, (8, 5)).round(3)
    text = pd.DataFrame(values, columns=list("ABCDE")).to_csv(sep=";", decimal=",").replace("0,", ",")  # as of SPSS
    (tmp_path / "t.csv").write_text(text)
    assert ";," in text
    assert ";-," in text
    np.testing.assert_allclose(read_table(tmp_path / "t.csv", scaling="none").x, values, rtol=1e-6)
