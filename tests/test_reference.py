"""The generated reference names every column, file and option that there is."""

from __future__ import annotations

import dataclasses
import fnmatch
import inspect
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import vaebench as vb
from vaebench.cli.count import Count
from vaebench.cli.options import DataCheck, Run
from vaebench.cli.signature_options import Extract, RefitOptions
from vaebench.evaluation.external import evaluated_embedding
from vaebench.metrics import METRICS
from vaebench.rows import column_types
from vaebench.signatures.coverage import coverage_table
from vaebench.signatures.detection import PowerOptions
from vaebench.signatures.refit_tables import sums_table

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def pages():
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import columns
        import commands
        import outputs
    finally:
        sys.path.remove(str(ROOT / "docs"))
    return SimpleNamespace(columns=columns, commands=commands, outputs=outputs)


@pytest.mark.slow
def test_every_column_of_a_run_is_in_the_page(pages, tiny, tmp_path):
    text = pages.columns.columns_text()
    points = vb.space.product(latent=2, hidden=(4,), batch=16, epochs=2)
    rows = vb.run(points, tiny, metrics=["leiden"], out=tmp_path, lanes=1, evaluators=0, quiet=True)
    assert len(rows) == 2
    for column in {*rows.columns, *column_types(tuple(METRICS.values()))}:
        assert text.count(f"| `{column}` |") == 1, column


def test_a_column_without_a_meaning_stops_the_build(pages):
    with pytest.raises(KeyError):
        pages.columns.meaning("metric/leiden/unheard_of")
    with pytest.raises(KeyError):
        pages.columns.meaning("run/unheard_of")


@pytest.mark.parametrize("command", [Run, DataCheck, Count, Extract, RefitOptions])
def test_every_option_is_in_the_page_with_a_text(pages, command):
    text = pages.commands.commands_text()
    for field in dataclasses.fields(command):
        name = field.name.replace("_", "-")
        positional = field.name in ("file", "path", "variants", "catalogue", "signatures")
        assert positional or f"| `--{name}` |" in text, name
    assert "|  |\n" not in text.replace("| Option | Default | Meaning |", "")


def columns_of(path: Path) -> list[str]:
    return list(pd.read_csv(path, nrows=1).columns)


def compare(outputs: Any, command: str, folder: Path, names: dict[str, set[str]], *, made: int) -> None:
    """Every file of a folder is listed, and every column; those in capitals stand for ``names``."""
    listed = {file.name: [name for name, *_ in file.columns] for file in outputs.OUTPUTS[command]}
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    assert len(files) >= made
    for path in files:
        known = "SBS96.csv" if path.name in ("DBS78.csv", "ID83.csv") else path.name
        assert known in listed, f"{path.name} of {command}"
        if path.suffix == ".csv":
            allowed = set(listed[known]).union(*names.values())
            assert set(columns_of(path)) <= allowed, path.name
            assert listed[known][0] == columns_of(path)[0], path.name


def blank_page(folder: Path, *args: Any, **options: Any) -> Path:
    """A report without its figures, which take seconds to draw."""
    (folder / "report.html").write_text("", encoding="utf-8")
    return folder / "report.html"


def test_every_file_and_column_of_the_signature_commands_is_listed(pages, tmp_path, monkeypatch):
    monkeypatch.setattr("vaebench.report.signatures.refit_page", blank_page)
    monkeypatch.setattr("vaebench.report.signatures.calibration_page", blank_page)
    outputs = pages.outputs
    catalogue, truth = vb.data.simulate_catalogue(seed=0, tumours=20, signatures=2, types=2)
    reference = truth.signatures
    found = vb.signatures.extract(catalogue, k=2, method="nmf", restarts=2, reference=reference)
    found.save(tmp_path / "extract")
    explained = vb.signatures.decompose(found.signatures, reference)
    explained.save(tmp_path / "decompose")
    names = {"SIGNATURE": {"S1", "S2"}}
    compare(outputs, "extract", tmp_path / "extract", names, made=7)
    compare(outputs, "decompose", tmp_path / "decompose", names, made=4)
    assert [name for name, *_ in outputs.OUTPUTS["match"][0].columns] == list(found.matches)

    exome = vb.data.mutations.read_opportunities("exome", build="GRCh37")
    settings = {"intervals": "profile_likelihood", "per_mutation": True, "opportunities": exome}
    fit = vb.signatures.refit(catalogue, reference, exclude=["S2"], **settings)
    fit.save(tmp_path / "refit")
    compare(outputs, "refit", tmp_path / "refit", names, made=8)
    table = coverage_table(fit.intervals, truth.exposures[["S1"]], fit.yields)
    vb.signatures.save_calibration(tmp_path / "calibrate", table, intervals="profile_likelihood", level=0.95)
    compare(outputs, "calibrate", tmp_path / "calibrate", {}, made=4)
    estimates: Any = SimpleNamespace(sums=[(0, (0, 1), 3.0, 1.0, 5.0)])
    sums = sums_table(reference.index, catalogue.index, estimates)
    assert sums is not None
    (listed,) = [file for file in outputs.OUTPUTS["refit"] if file.name == "sums.csv"]
    assert [name for name, *_ in listed.columns] == list(sums)


def test_the_columns_of_power_are_listed(pages, tmp_path):
    signatures = vb.data.simulate_catalogue(seed=0, tumours=10, signatures=2, types=1)[1].signatures
    exome = vb.data.mutations.read_opportunities("exome", build="GRCh37")
    few = PowerOptions(samples=5)
    limits = vb.signatures.power(signatures, mutations=[50], options=few, opportunities=exome)
    vb.signatures.save_power(tmp_path / "power", limits)
    compare(pages.outputs, "power", tmp_path / "power", {}, made=3)


def test_the_files_of_evaluate_are_listed(pages, tiny, tmp_path):
    np.save(tmp_path / "z.npy", np.asarray(tiny.x[:, :2]))
    evaluated_embedding(tmp_path / "z.npy", tiny, ["total_correlation"], tmp_path / "out", name="mine")
    listed = [file.name for file in pages.outputs.OUTPUTS["evaluate"]]
    made = [path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    made = [name for name in made if not any(part.startswith(".") for part in name.split("/"))]
    assert len(made) >= 2
    assert [name for name in made if not any(fnmatch.fnmatch(name, pattern) for pattern in listed)] == []
    assert "## `vaebench evaluate`" in pages.outputs.files_text()


def test_the_files_of_count_are_listed(pages, tmp_path):
    record = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n1\t5\t.\tC\tT\t.\tPASS\t.\n"
    record += "1\t7\t.\tA\tAA\t.\tLOW\t.\n"
    (tmp_path / "T1.vcf").write_text(record, encoding="utf-8")
    counted = vb.data.mutations.count(tmp_path / "T1.vcf", {"chr1": "GATTCGACTTTTACGGATCC"})
    counted.save(tmp_path / "counts")
    compare(pages.outputs, "count", tmp_path / "counts", {"SAMPLE": {"T1"}}, made=3)


def test_the_gallery_draws_every_figure():
    text = (ROOT / "docs" / "notebooks" / "gallery.md").read_text(encoding="utf-8")
    members = {name: getattr(vb.figures, name) for name in vb.figures.__all__}
    drawn = [name for name, member in members.items() if inspect.isfunction(member) and is_figure(member)]
    assert len(drawn) >= 19
    assert [name for name in drawn if f"vb.figures.{name}(" not in text] == []


def is_figure(function: Any) -> bool:
    return "Figure" in str(inspect.signature(function).return_annotation)
