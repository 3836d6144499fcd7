"""Normal tissue and repeated samples beside a table of patients: said, and left out when asked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vaebench.data import checked, read_table
from vaebench.data.barcodes import barcode, cohort_note, cohort_of, usual_samples
from vaebench.errors import InputError

PATIENTS = [f"TCGA-A{i % 3}-{1000 + i}" for i in range(12)]
SAMPLES = [f"{patient}-01A-11R-0001-07" for patient in PATIENTS]
NORMALS = [f"{patient}-11A-11R-0001-07" for patient in PATIENTS[:3]]
REPEATS = [f"{PATIENTS[0]}-01A-21R-0002-07", f"{PATIENTS[4]}-06A-11R-0002-07"]
ROLES = {"label": "type", "event": "OS", "time": "OS.time", "covariates": ["age"]}


@pytest.fixture
def files(tmp_path):
    """An expression matrix of tumours, normals and repeats in mixed order, and a table with one line per patient."""
    names = [*NORMALS, *REPEATS, *SAMPLES]
    x = np.random.default_rng(0).normal(7, 2, (6, len(names)))
    pd.DataFrame(x, [f"G{j}" for j in range(6)], names).to_csv(tmp_path / "x.tsv", sep="\t")
    clinical = {"type": ["A", "B"] * 6, "OS": [0, 1, 1] * 4, "OS.time": np.arange(12.0) + 1, "age": np.arange(12) + 50}
    pd.DataFrame(clinical, PATIENTS).to_csv(tmp_path / "c.tsv", sep="\t", index_label="bcr_patient_barcode")
    return tmp_path / "x.tsv", {"annotation": tmp_path / "c.tsv", **ROLES}


def test_normals_and_repeats_are_said(files):
    path, options = files
    data = read_table(path, **options)
    assert len(data.samples) == 17
    (note,) = [note for note in data.notes if "patients" in note]
    for words in ("17 samples of 12 patients", "3 are normal", repr(NORMALS[0]), "2 are further tumour samples"):
        assert words in note
    assert "--one-per-patient" in note
    assert "--tumours-only" in note
    assert note in checked(path, **options).warnings


def test_one_per_patient_and_tumours_only(files):
    path, options = files
    one = read_table(path, one_per_patient=True, **options)
    assert sorted(one.samples) == sorted(SAMPLES)  # the tumour of the lowest type and portion
    assert not any("patients:" in note for note in one.notes)
    assert one.provenance["counts"]["samples_dropped_by_patient"] == 5
    tumours = read_table(path, tumours_only=True, **options)
    assert set(tumours.samples) == {*SAMPLES, *REPEATS}
    both = checked(path, one_per_patient=True, tumours_only=True, **options)
    assert (both.samples, both.events) == (12, 8)


@pytest.mark.parametrize(
    ("name", "patient", "kind", "normal"),
    [
        ("TCGA-02-0001-01C-01R-0182-01", "TCGA-02-0001", "01", False),
        ("tcga.02.0001.11A", "TCGA-02-0001", "11", True),
        ("TCGA_02_0001_03", "TCGA-02-0001", "03", False),
        ("TCGA-02-0001", "TCGA-02-0001", "", False),
        ("TCGA-02-0001-20A", "TCGA-02-0001", "20", True),
        ("TARGET-20-PABLDZ-09A-01R", "TARGET-20-PABLDZ", "09", False),
        ("TARGET-20-PABLDZ-40A", "TARGET-20-PABLDZ", "40", False),
        ("TARGET-20-PABLDZ-14A-01R", "TARGET-20-PABLDZ", "14", True),
        ("TARGET.30.PARZIP.01A.01R", "TARGET-30-PARZIP", "01", False),
        ("GTEX-1117F-0226-SM-5GZZ7", "GTEX-1117F", "", True),
    ],
)
def test_barcodes(name, patient, kind, normal):
    found = barcode(name)
    assert found is not None
    assert (found.patient, found.type, found.normal) == (patient, kind, normal)


@pytest.mark.parametrize("name", ["sample_1", "TCGA", "TCGA-2-1", "TARGETED-1", "C3L-00001"])
def test_other_names_are_no_barcodes(name):
    assert barcode(name) is None


def test_target_samples_join_a_table_of_patients(tmp_path):
    names = [f"TARGET.30.PA{i:04d}.{'10A' if i == 2 else '01A'}.01R" for i in range(8)]
    x = np.random.default_rng(0).normal(7, 2, (6, 8))
    pd.DataFrame(x, [f"G{j}" for j in range(6)], names).to_csv(tmp_path / "x.tsv", sep="\t")
    table = pd.DataFrame({"usi": [f"TARGET-30-PA{i:04d}" for i in range(8)], "mycn": ["amp", "no"] * 4})
    table.to_csv(tmp_path / "c.tsv", sep="\t", index=False)
    data = read_table(tmp_path / "x.tsv", annotation=tmp_path / "c.tsv", label="mycn", tumours_only=True)
    assert len(data.samples) == 7
    assert data.provenance["counts"]["samples_joined_by_patient"] == 8


def test_columns_stand_in_for_barcodes(tmp_path):
    names = [f"s{i}" for i in range(8)]
    columns = {"Patient ID": ["a", "a", "b", "b", "c", "d", "e", "f"]}
    columns["sample_type"] = ["Solid Tissue Normal", *["Primary Tumor"] * 7]
    cohort = cohort_of(names, {k: np.array(v, dtype=object) for k, v in columns.items()})
    everyone = np.ones(8, bool)
    assert np.flatnonzero(usual_samples(cohort, everyone, True, False, "t")).tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert np.flatnonzero(usual_samples(cohort, everyone, False, True, "t")).tolist() == [1, 2, 4, 5, 6, 7]
    with pytest.raises(InputError, match=r"one_per_patient.*patient_id"):
        usual_samples(cohort_of(names, {}), everyone, False, True, "t")
    with pytest.raises(InputError, match=r"--tumours-only.*sample_type"):
        usual_samples(cohort_of(names, {}), everyone, True, False, "t")
    definition = np.array(["Primary solid Tumor", "Solid Tissue Normal"] * 4, dtype=object)
    known = cohort_of(names, {"definition": definition})
    assert np.flatnonzero(usual_samples(known, everyone, True, False, "t")).tolist() == [0, 2, 4, 6]
    with pytest.raises(InputError, match=r"--tumours-only.*all are normal"):
        usual_samples(cohort._replace(normal=everyone), everyone, True, False, "t")


@pytest.mark.parametrize("codes", [[1, 11, 6, 1], ["01", "11", "06", "01"]])
@pytest.mark.parametrize("title", ["sample_type", "sample_type_id"])
def test_codes_of_sample_types(tmp_path, codes, title):
    x = np.random.default_rng(0).normal(7, 2, (12, 3))
    frame = pd.DataFrame(x, [f"s{i}" for i in range(12)], ["A1", "B2", "C3"]).assign(**{title: codes * 3})
    frame.to_csv(tmp_path / "t.csv")
    data = read_table(tmp_path / "t.csv", tumours_only=True, ignore=[title])
    assert data.samples.tolist() == [f"s{i}" for i in range(12) if i % 4 != 1]


def test_tumours_only_that_leaves_nothing_out_is_said(tmp_path):
    x = np.random.default_rng(0).normal(7, 2, (12, 3))
    frame = pd.DataFrame(x, [f"s{i}" for i in range(12)], ["A1", "B2", "C3"])
    for types, said in (
        (["A", "B"] * 6, True),
        ([2, 12] * 6, True),
        (["Primary Tumor", "Solid Tissue Normal"] * 6, False),
    ):
        frame.assign(sample_type=types).to_csv(tmp_path / "t.csv")
        data = read_table(tmp_path / "t.csv", tumours_only=True, ignore=["sample_type"])
        assert any("--tumours-only) leaves nothing out" in note for note in data.notes) == said
        assert len(data.samples) == (12 if said else 6)


def test_sample_names_are_found_in_a_later_column(files, tmp_path):
    path, options = files
    table = pd.read_csv(options["annotation"], sep="\t")
    table.insert(0, "case_id", [f"uuid-{i}" for i in range(12)])
    table.to_csv(tmp_path / "c.tsv", sep="\t", index=False)
    assert len(read_table(path, **options).samples) == 17
    table.to_csv(tmp_path / "c.tsv", sep="\t")  # pandas' index comes first
    assert len(read_table(path, **options).samples) == 17
    table.insert(0, "id", np.arange(12) + 1)  # a database's number
    table.to_csv(tmp_path / "c.tsv", sep="\t", index=False)
    assert len(read_table(path, **options).samples) == 17


@pytest.mark.parametrize(
    ("normal", "tumour"),
    [(".N", ".T"), (".N", ""), ("N", "T"), ("_normal", "_tumor"), ("-NAT", "-Tumor"), (" adjacent", "")],
)
def test_endings_of_pairs_of_a_patient(normal, tumour):
    patients = ["C3L-00104", "C3L-00365", "C3N-01200", "P4"]
    names = [*(patient + tumour for patient in patients), *(patient + normal for patient in patients[:2])]
    cohort = cohort_of(names, {})
    assert cohort.normal.tolist() == [False] * 4 + [True] * 2
    assert "2 are normal tissue or controls" in cohort_note(names, cohort)
    everyone = np.ones(6, bool)
    assert np.flatnonzero(usual_samples(cohort, everyone, True, False, "t")).tolist() == [0, 1, 2, 3]
    assert np.flatnonzero(usual_samples(cohort, everyone, False, True, "t")).tolist() == [0, 1, 2, 3]


def test_names_that_end_in_n_by_chance_are_no_normals():
    for names in (["LAN", "LAT", "K562", "HT29"], [f"S{i}N" for i in range(6)], ["C1.N", "C1.T", "C2.T", "C3.T"]):
        assert not cohort_of(names, {}).normal.any()
