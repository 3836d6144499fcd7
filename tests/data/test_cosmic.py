"""Tables of COSMIC's signatures by version, genome and context."""

from __future__ import annotations

import pytest

from vaebench.cli.main import main
from vaebench.data import fetch
from vaebench.data.cosmic import chosen_source
from vaebench.data.sources import SOURCES
from vaebench.errors import InputError


@pytest.mark.parametrize(
    ("options", "file"),
    [
        ({"version": "3.5"}, "COSMIC_v3.5_SBS_GRCh37.txt"),
        ({"version": "v3.6", "genome": "grch38", "context": "dbs"}, "COSMIC_v3.6_DBS_GRCh38.txt"),
        ({"version": "3.0", "genome": "mouse"}, "COSMIC_v3_SBS_mm10.txt"),
        ({"version": "3.3.1", "genome": "rat"}, "COSMIC_v3.3.1_SBS_rn6.txt"),
        ({"context": "ID83"}, "COSMIC_v3.4_ID_GRCh37.txt"),
        ({"genome": "hg38", "exome": True}, "COSMIC_v3.4_SBS_GRCh38_exome.txt"),
    ],
)
def test_files_by_version_genome_and_context(options, file):
    ((name, address),) = chosen_source("cosmic", **options).files.items()
    assert name == file
    assert address.endswith("/" + file)
    assert address.startswith("https://")
    assert ("SigProfilerAssignment" in address) == ("exome" in file)


def test_the_default_is_that_of_before():
    assert chosen_source("cosmic") == SOURCES["cosmic"]
    assert chosen_source("cosmic", version="3.4").files == SOURCES["cosmic"].files


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("tcga", {"version": "3.4"}, "has one version"),
        ("cosmic", {"version": "latest"}, "such as 3.4"),
        ("cosmic", {"genome": "mm39"}, "mm10"),
        ("cosmic", {"context": "CN"}, "DBS"),
        ("cosmic", {"context": "ID", "genome": "GRCh38"}, "the same for every genome"),
        ("cosmic", {"context": "DBS", "exome": True}, "exome signatures are known of SBS"),
        ("cosmos", {"version": "3.4"}, "did you mean"),
    ],
)
def test_what_is_not_there_is_refused(name, options, said):
    with pytest.raises(InputError, match=said):
        chosen_source(name, **options)


def test_a_table_is_fetched_from_a_folder(tmp_path):
    (tmp_path / "COSMIC_v3.5_DBS_GRCh38.txt").write_text("Type\tDBS1\nAC>CA\t1\n")
    (file,) = fetch(
        "cosmic", tmp_path / "kept", mirror=tmp_path, version="3.5", genome="GRCh38", context="DBS", quiet=True
    )
    assert file.read_text().startswith("Type")
    command = ["data", "fetch", "cosmic", "--version", "3.5", "--context", "DBS", "--genome", "GRCh38", "--quiet"]
    assert main([*command, "--mirror", str(tmp_path), "--folder", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / file.name).is_file()
