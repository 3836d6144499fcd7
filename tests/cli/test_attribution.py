"""The command decompose, and refits and extractions that say more: new samples, single mutations, signatures left out."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from vaebench.cli.main import main
from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.data.mutations.tables import write_catalogue, write_signatures
from vaebench.signatures.extraction import Extraction


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A cohort, its signatures, and an extraction of it, saved."""
    folder = tmp_path_factory.mktemp("made")
    catalogue, truth = simulate_catalogue(3, tumours=40, signatures=3, types=2)
    write_catalogue(catalogue, folder / "catalogue.csv")
    write_signatures(truth.signatures, folder / "signatures.csv")
    fits = pd.DataFrame({"mutations": catalogue.sum(axis=1), "cosine": 1.0})
    selection = pd.DataFrame({"k": [3], "chosen": [True]})
    Extraction(truth.signatures, truth.exposures, fits, selection, None, "nmf", ()).save(folder / "extract")
    return folder


def summary(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_decompose_takes_a_table_or_an_extraction(made, tmp_path, capsys):
    reference = str(made / "signatures.csv")
    out = ["--out", str(tmp_path / "one"), "--json", "--quiet"]
    assert main(["decompose", reference, reference, *out]) == 0
    found = summary(capsys)
    assert [row["references"] for row in found["signatures"]] == ["S1", "S2", "S3"]
    assert [row["probability"] for row in found["signatures"]] == [None, None, None]
    out = ["--out", str(tmp_path / "two"), "--json", "--quiet"]
    assert main(["decompose", str(made / "extract"), reference, *out]) == 0
    assert all(row["probability"] > 0 for row in summary(capsys)["signatures"])
    assert (tmp_path / "two" / "decomposition.json").is_file()
    assert main(["decompose", reference, reference, "--mutations", "-4", "--out", str(tmp_path / "three")]) == 2
    assert "1 mutation or more" in capsys.readouterr().err
    assert main(["decompose", str(tmp_path / "two"), reference, "--out", str(tmp_path / "three")]) == 2
    assert "folder of an extraction" in capsys.readouterr().err


@pytest.mark.slow
def test_refit_takes_an_extraction_and_gives_probabilities(made, tmp_path, capsys):
    arguments = [str(made / "catalogue.csv"), str(made / "extract"), "--out", str(tmp_path), "--json", "--quiet"]
    assert main(["refit", *arguments, "--per-mutation", "--intervals", "bootstrap"]) == 0
    notes = " ".join(summary(capsys)["notes"])
    assert "only spike_slab has a prior" in notes
    table = pd.read_csv(tmp_path / "per_mutation.csv")
    np.testing.assert_allclose(table[["S1", "S2", "S3"]].sum(axis=1), 1, atol=1e-6)
    assert "S1_lower" in table
    assert main(["refit", *arguments, "--intervals", "none", "--exclude", "S3,S2"]) == 0
    assert "Left out: S3, S2." in " ".join(summary(capsys)["notes"])
    assert not (tmp_path / "per_mutation.csv").exists()
    assert main(["refit", *arguments, "--annotate-vcf"]) == 2
    assert "needs VCF files" in capsys.readouterr().err


@pytest.mark.slow
def test_refit_of_a_vcf_writes_a_row_for_each_variant(made, tmp_path, capsys):
    rng = np.random.default_rng(0)
    bases = "".join(rng.choice(list("ACGT"), 400))
    (tmp_path / "genome.fa").write_text(f">1\n{bases}\n")
    rows = [f"1\t{i + 1}\t.\t{bases[i]}\t{'CATG'['ACGT'.index(bases[i])]}\t.\tPASS\t.\n" for i in range(5, 390, 3)]
    (tmp_path / "tumour.vcf").write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + "".join(rows)
    )
    arguments = [str(tmp_path / "tumour.vcf"), str(made / "signatures.csv"), "--reference-genome"]
    arguments += [str(tmp_path / "genome.fa"), "--annotate-vcf", "--intervals", "none", "--out", str(tmp_path / "out")]
    assert main(["refit", *arguments, "--quiet"]) == 0
    table = pd.read_csv(tmp_path / "out" / "variants.csv")
    assert len(table) == len(rows)
    assert table["signature"].isin(["S1", "S2", "S3"]).all()
    copy = (tmp_path / "out" / "annotated" / "tumour.vcf").read_text().splitlines()
    assert sum("SIGNATURES=tumour|" in line for line in copy) == len(rows)
    assert "annotated/tumour.vcf" in json.loads((tmp_path / "out" / "manifest.json").read_text())["files"]
