"""Reference genomes from files, and genes from GTF and GFF files."""

from __future__ import annotations

import gzip
import sys

import numpy as np
import pytest

from vaebench.data.mutations.genome import build_of, matched_chromosomes, named_build, open_genome
from vaebench.data.mutations.strand import read_genes, strand_codes
from vaebench.errors import InputError

TEXT = {"chr1": "GATTacannnACGTRA", "MT": "ACGT"}
CODES = {"chr1": [2, 0, 3, 3, 0, 1, 0, 4, 4, 4, 0, 1, 2, 3, 4, 0], "MT": [0, 1, 2, 3]}


def fasta(end: str = "\n") -> bytes:
    return f">chr1 first{end}GATTacan{end}nnACGTRA{end}>MT{end}ACGT{end}".encode()


@pytest.mark.parametrize("kind", ["unix", "windows", "zipped", "dict"])
def test_a_fasta_in_any_form_is_the_same_genome(tmp_path, kind):
    file = tmp_path / ("genome.fa.gz" if kind == "zipped" else "genome.fa")
    if kind != "dict":
        pytest.importorskip("pyfaidx")
        text = fasta("\r\n" if kind == "windows" else "\n")
        file.write_bytes(gzip.compress(text) if kind == "zipped" else text)
    genome = open_genome(TEXT if kind == "dict" else file)
    assert genome.lengths == {"chr1": 16, "MT": 4}
    assert {name: genome.read(name).tolist() for name in genome.lengths} == CODES
    assert bool(genome.notes) == (kind == "zipped")


def test_the_index_is_made_elsewhere_where_nothing_can_be_written(tmp_path, monkeypatch):
    pytest.importorskip("pyfaidx")
    from vaebench.data.mutations import genome as module

    (tmp_path / "genome.fa").write_bytes(fasta())
    monkeypatch.setattr(module, "_writable", lambda folder: False)
    genome = open_genome(tmp_path / "genome.fa")
    assert genome.read("MT").tolist() == CODES["MT"]
    assert [path.name for path in tmp_path.iterdir()] == ["genome.fa"]
    monkeypatch.undo()
    open_genome(tmp_path / "genome.fa")
    assert (tmp_path / "genome.fa.fai").is_file()


def test_2bit(tmp_path):
    """A 2bit file by the format's specification: T, C, A, G as 0 to 3, and runs of N beside."""
    pytest.importorskip("py2bit")
    file = tmp_path / "genome.2bit"
    words = lambda *numbers: np.array(numbers, "<u4").tobytes()  # noqa: E731
    header = words(0x1A412743, 0, 1, 0) + bytes([4]) + b"chr1"
    packed = bytes([0b10_01_11_00, 0b00_00_10_01])  # ACGT NNAC
    record = words(8, 1, 4, 2, 0, 0) + packed
    file.write_bytes(header + words(len(header) + 4) + record)
    genome = open_genome(file)
    assert genome.lengths == {"chr1": 8}
    assert genome.read("chr1").tolist() == [0, 1, 2, 3, 4, 4, 0, 1]


def test_files_that_are_no_genome(tmp_path, monkeypatch):
    (tmp_path / "a.fa").write_text("ACGT\n")
    with pytest.raises(InputError, match="a FASTA begins with '>'"):
        open_genome(tmp_path / "a.fa")
    with pytest.raises(InputError, match="does not exist"):
        open_genome(tmp_path / "b.fa")
    (tmp_path / "c.fa").write_bytes(fasta())
    monkeypatch.setitem(sys.modules, "pyfaidx", None)
    with pytest.raises(InputError, match=r"pip install '.\[vcf\]'"):
        open_genome(tmp_path / "c.fa")


def test_uneven_lines_are_refused(tmp_path):
    pytest.importorskip("pyfaidx")
    (tmp_path / "a.fa").write_text(">1\nACGT\nAC\nACGT\n")
    with pytest.raises(InputError, match="cannot be indexed"):
        open_genome(tmp_path / "a.fa")


def test_names_of_chromosomes():
    genome = open_genome({"chr1": "A", "chrX": "A", "chrM": "A", "GL1.1": "A"})
    names = ["1", "chr1", "NC_000001.11", "X", "23", "x", "MT", "GL1.1", "7"]
    assert matched_chromosomes(names, genome) == {
        "1": "chr1", "chr1": "chr1", "NC_000001.11": "chr1", "X": "chrX", "23": "chrX", "x": "chrX", "MT": "chrM",
        "GL1.1": "GL1.1",
    }  # fmt: skip


def test_builds():
    names = ["GRCh38.d1.vd1.fa", "hg19", "37", "hs37d5.fa", "38", "GRCm38", "b37", "my.fa"]
    builds = ["GRCh38 (hg38)", "GRCh37 (hg19)", "GRCh37 (hg19)", "GRCh37 (hg19)", "GRCh38 (hg38)", "GRCm38 (mm10)"]
    assert [named_build(name) for name in names] == [*builds, "GRCh37 (hg19)", ""]
    genome = open_genome({"1": "A"})
    assert build_of(genome._replace(lengths={"chr1": 248956422})) == "GRCh38 (hg38)"


@pytest.mark.parametrize("kind", ["gtf", "gff"])
def test_genes_that_code_for_proteins(tmp_path, kind):
    attribute = 'gene_id "x"; gene_type "{}";' if kind == "gtf" else "ID=x;biotype={}"
    lines = ["#!genome"]
    for what, sign, first, last, code in (
        ("gene", "+", 10, 20, "protein_coding"),
        ("exon", "+", 1, 99, "protein_coding"),
        ("gene", "-", 15, 30, "protein_coding"),
        ("gene", "+", 40, 50, "lncRNA"),
    ):
        lines.append(f"chr1\tx\t{what}\t{first}\t{last}\t.\t{sign}\t.\t{attribute.format(code)}")
    (tmp_path / "genes.txt").write_text("\n".join(lines))
    genes = read_genes(tmp_path / "genes.txt")
    assert genes.notes == ["strands are those of 2 protein-coding genes of genes.txt"]
    at = np.array([9, 10, 14, 15, 20, 21, 30, 31, 45])
    letters = lambda purine: "".join("TUBN"[i] for i in strand_codes(genes, "1", at, np.full(9, purine)))  # noqa: E731
    assert letters(False) == "NUUBBTTNN"
    assert letters(True) == "NTTBBUUNN"
    (tmp_path / "wide.gtf").write_text("\t".join("abcdefghijk") + "\n")
    with pytest.raises(InputError, match="not a GTF or GFF file"):
        read_genes(tmp_path / "wide.gtf")
    (tmp_path / "none.gtf").write_text("chr1\tx\texon\t1\t2\t.\t+\t.\t\n")
    with pytest.raises(InputError, match="no line of the kind gene or transcript"):
        read_genes(tmp_path / "none.gtf")
