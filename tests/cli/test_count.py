"""`vaebench count`, and `extract` and `refit` of lists of mutations."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from vaebench.cli.main import main
from vaebench.cli.signature_inputs import read_or_counted
from vaebench.cli.signature_options import Extract, RefitOptions
from vaebench.data.mutations.channel_names import CONTEXTS
from vaebench.data.mutations.channels import context_of
from vaebench.data.mutations.counting import is_list_of_mutations
from vaebench.data.mutations.tables import read_catalogue
from vaebench.errors import InputError

pytest.importorskip("pyfaidx")

HEADER = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    """A folder of two VCF files and the genome beside it."""
    folder = tmp_path_factory.mktemp("calls")
    rng = np.random.default_rng(0)
    text = "".join(rng.choice(list("ACGT"), 3000))
    (folder / "genome.fa").write_text(f">chr1\n{text}\n")
    (folder / "vcf").mkdir()
    lines = [f"1\t{p}\t.\t{text[p - 1]}\t{'C' if text[p - 1] != 'C' else 'A'}\t.\tPASS\t.\n" for p in range(2, 2000, 9)]
    (folder / "vcf" / "T1.vcf").write_text(HEADER + "".join(lines) + "1\t5\t.\tC\t<DEL>\t.\tPASS\t.\n")
    (folder / "vcf" / "T2.vcf").write_text(HEADER)
    return folder


def test_count_writes_catalogues_that_are_read(calls, tmp_path, capsys):
    out = tmp_path / "counts"
    assert main(["count", str(calls / "vcf"), "--reference-genome", str(calls / "genome.fa"), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "2 samples: SBS96 222, DBS78 0, ID83 0" in printed
    assert "dropped 1: structural variant" in printed
    assert {path.name for path in out.iterdir()} == {
        "SBS96.csv",
        "DBS78.csv",
        "ID83.csv",
        "dropped.csv",
        "counts.json",
        "manifest.json",
    }
    assert read_catalogue(out / "SBS96.csv").sum(axis=1).to_dict() == {"T1": 222, "T2": 0}
    assert pd.read_csv(out / "ID83.csv").columns.tolist() == ["MutationType", "T1", "T2"]
    assert pd.read_csv(out / "dropped.csv")["reason"].tolist() == ["structural variant"]
    told = json.loads((out / "counts.json").read_text())
    assert told["command"].startswith("vaebench count")
    assert (told["mutations"]["SBS96"], told["dropped"]) == (222, {"structural variant": 1})


def test_bad_input_is_one_sentence(calls, capsys):
    for arguments, message in (
        (["count"], "count needs a FILE or FOLDER"),
        (["count", str(calls / "vcf")], "--reference-genome"),
        (["count", str(calls / "vcf"), "--reference-genome", str(calls / "vcf" / "T1.vcf")], "a FASTA begins with '>'"),
        (["extract", str(calls / "vcf")], "--reference-genome"),
        (["extract", str(calls / "vcf"), "--context", "SBS384"], "vaebench count --contexts SBS384 --genes"),
        (
            ["extract", str(calls / "vcf"), "--context", "SBS97", "--reference-genome", "g.fa"],
            "unknown context 'SBS97'",
        ),
    ):
        assert main(arguments) == 2
        assert message in capsys.readouterr().err


def test_extractions_and_refits_count_a_folder_first(calls):
    for options in (
        RefitOptions(catalogue=calls / "vcf", signatures=calls, reference_genome=calls / "genome.fa"),
        Extract(catalogue=calls / "vcf", reference_genome=calls / "genome.fa"),
    ):
        catalogue = read_or_counted(options, None)
        assert catalogue.sum(axis=1).to_dict() == {"T1": 222, "T2": 0}
        assert catalogue.attrs["notes"] == [
            "T2.vcf has no record of a mutation",
            "1 record was not counted (1 structural variant); vaebench count lists them",
        ]


@pytest.mark.parametrize("given", [{"fractions": True}, {"names": "types"}])
def test_options_of_tables_are_refused_beside_lists(calls, given):
    with pytest.raises(InputError, match="is a list of mutations: leave it out"):
        read_or_counted(Extract(catalogue=calls / "vcf", reference_genome=calls / "genome.fa", **given), None)


def test_lists_are_counted_by_the_channels_of_the_signatures(calls):
    doublets = pd.DataFrame(1 / 78, ["DBS1"], list(CONTEXTS["DBS78"]))
    options = RefitOptions(catalogue=calls / "vcf", signatures=calls, reference_genome=calls / "genome.fa")
    assert context_of(read_or_counted(options, doublets)) == "DBS78"
    options = dataclasses.replace(options, context="ID83")
    assert context_of(read_or_counted(options, doublets)) == "ID83"


def test_lists_of_mutations_and_catalogues_are_told_apart(calls, tmp_path):
    (tmp_path / "table.csv").write_text("MutationType,a\nA[C>A]A,1\n")
    (tmp_path / "a.maf").write_text(
        "#version 2.4\nHugo_Symbol\tChromosome\tStart_Position\tReference_Allele\tTumor_Seq_Allele2\n"
    )
    (tmp_path / "t.parquet").write_bytes(b"PAR1\xff\xfe\0")
    found = {
        name: is_list_of_mutations(tmp_path / name) for name in ("table.csv", "a.maf", "t.parquet", "none.csv", ".")
    }
    assert found == {"table.csv": False, "a.maf": True, "t.parquet": False, "none.csv": False, ".": True}
    assert is_list_of_mutations(calls / "vcf" / "T1.vcf")
    for name, start in (
        ("source", "##source=Mutect2\n##reference=x\n"),
        ("bare", ""),
        ("mark", "\ufeff##fileformat=VCFv4.2\n"),
    ):
        (tmp_path / f"{name}.vcf").write_text(start + "#CHROM\tPOS\tID\tREF\tALT\n", encoding="utf-8")
        assert is_list_of_mutations(tmp_path / f"{name}.vcf")
    # whether the bytes of a table of Parquet have a carriage return in what looks like a line is chance
    (tmp_path / "t.parquet").write_bytes(b"PAR1\x15\x04\ra,b\rc\n\xff\0")
    assert not is_list_of_mutations(tmp_path / "t.parquet")
    (tmp_path / "note.tsv").write_text("## made by a program\nMutationType\ta\nA[C>A]A\t1\n")
    assert not is_list_of_mutations(tmp_path / "note.tsv")
