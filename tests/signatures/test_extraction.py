"""Extraction from a table: what comes back, by every kind of method, and one clear sentence for input that will not do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cosine

from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.data.mutations.tables import CHANNELS, read_catalogue, read_exposures, read_signatures
from vaebench.errors import InputError, RunError
from vaebench.signatures.extraction import extract, methods
from vaebench.signatures.matching import recovery
from vaebench.signatures.methods import METHODS, loaded
from vaebench.signatures.sparse import pipeline
from vaebench.signatures.sparse.ambiguity import Reassignment
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.variants import VARIANTS

SAMPLES = 120
FEWER = SparseOptions(draws=100, final_draws=400)
"""Draws of the stochastic fits: without the compiler's optimiser they are slow."""


@pytest.fixture(scope="module")
def simulated():
    """Three signatures; one tumour without mutations is put in between."""
    catalogue, truth = simulate_catalogue(5, tumours=SAMPLES, signatures=3, types=2)
    empty = pd.DataFrame(0.0, ["TYPE01::empty"], catalogue.columns)
    return pd.concat([catalogue.iloc[:7], empty, catalogue.iloc[7:]]), truth


@pytest.fixture(scope="module")
def by_nmf(simulated):
    told = []
    found = extract(
        simulated[0],
        k=[4, 2, 3],
        method="nmf",
        restarts=4,
        reference=simulated[1].signatures,
        progress=lambda *told_now: told.append(told_now),
    )
    return found, told


def test_nmf_finds_number_signatures_and_exposures(simulated, by_nmf):
    catalogue, truth = simulated
    found, told = by_nmf
    table = found.selection
    assert list(table["k"]) == [2, 3, 4]
    assert list(table.loc[table["chosen"], "k"]) == [3]
    assert recovery(found.signatures, truth.signatures).mean_cosine > 0.97
    assert list(found.signatures.index) == ["S1", "S2", "S3"]
    assert tuple(found.signatures.columns) == CHANNELS
    np.testing.assert_allclose(found.signatures.sum(axis=1), 1)
    assert list(found.exposures.index) == list(catalogue.index)
    np.testing.assert_allclose(found.exposures.sum(axis=1), catalogue.sum(axis=1), rtol=1e-3)
    assert found.exposures.sum().is_monotonic_decreasing
    assert sorted(found.matches["reference"]) == ["S1", "S2", "S3"]
    assert told == [(f"nmf, {k} signatures", 4 * (i + 1), 12) for i, k in enumerate((2, 3, 4))]


def test_a_sample_without_mutations_has_no_exposures_and_is_named(by_nmf):
    found, _ = by_nmf
    assert (found.exposures.loc["TYPE01::empty"] == 0).all()
    assert found.notes[0] == "No mutations in sample TYPE01::empty: exposures are 0 there."


@pytest.mark.slow
def test_no_more_signatures_than_samples_are_tried(simulated):
    few = simulated[0].iloc[:4]
    found = extract(few, k=range(1, 16), method="nmf", restarts=2)
    assert found.selection["k"].max() == (few.sum(axis=1) > 0).sum()
    assert any("were tried, not 15" in note for note in found.notes)


def test_samples_have_the_cosine_of_their_fit(simulated, by_nmf):
    catalogue, (found, _) = simulated[0], by_nmf
    assert list(found.samples.index) == list(catalogue.index)
    np.testing.assert_array_equal(found.samples["mutations"], catalogue.sum(axis=1))
    fit = found.exposures.to_numpy() @ found.signatures.to_numpy()
    for sample, mean in zip(catalogue.index, fit, strict=True):
        if sample == "TYPE01::empty":
            assert np.isnan(found.samples.loc[sample, "cosine"])
        else:
            assert found.samples.loc[sample, "cosine"] == pytest.approx(1 - cosine(catalogue.loc[sample], mean))


def test_columns_in_any_order_and_the_same_seed_give_the_same(simulated, by_nmf):
    catalogue, _ = simulated
    turned = catalogue[list(reversed(CHANNELS))].T
    again = extract(turned, k=[4, 2, 3], method="nmf", restarts=4)
    pd.testing.assert_frame_equal(again.signatures, by_nmf[0].signatures)
    pd.testing.assert_frame_equal(again.exposures, by_nmf[0].exposures)


def test_the_largest_number_is_called_doubtful(simulated):
    found = extract(simulated[0], k=range(1, 3), method="nmf", restarts=2, rule="criterion")
    assert found.notes[-1] == "The chosen number 2 is the largest that was tried; there may be more signatures."


@pytest.mark.slow
def test_sparse_finds_number_and_signatures(simulated):
    catalogue, truth = simulated
    found = extract(catalogue, k=range(2, 8), restarts=3, reference=truth.signatures, options=FEWER)
    table = found.selection
    assert list(table.loc[table["chosen"], "k"]) == [3]
    assert table["criterion"].idxmin() == 1
    assert recovery(found.signatures, truth.signatures).cosines.min() > 0.985
    assert (found.exposures.loc["TYPE01::empty"] == 0).all()
    present = found.exposures.drop("TYPE01::empty")[found.matches.set_index("reference")["extracted"]].to_numpy() > 0
    assert (present == (truth.exposures.to_numpy() > 0)).mean() > 0.9
    # no number is started when two before it were no better
    left = table["status"] == "NOT_FITTED: the criterion had risen before"
    assert list(table.loc[left, "k"]) == [6, 7]
    assert table.loc[left, ["mean_silhouette", "error", "criterion"]].isna().all(axis=None)
    assert table.loc[~left, ["mean_silhouette", "error", "criterion"]].notna().all(axis=None)
    assert set(table.loc[~left, "status"]) == {"OK"}


@pytest.mark.slow
def test_what_counts_leave_open_is_noted_by_name(simulated, monkeypatch):
    def decided(signatures, exposures, options, fixed, weight):
        most, least = (int(position(exposures.sum(0))) for position in (np.argmax, np.argmin))
        return signatures, exposures, (Reassignment(least, most, 0.25, 9.0), Reassignment(most, least, 0.01, 3.0))

    monkeypatch.setattr(pipeline, "resolve_ambiguity", decided)
    (note,) = extract(simulated[0], k=3, restarts=1, options=FEWER).notes[1:]  # the first is about the empty sample
    assert note.endswith("Priors on exposures and spectra assigned 25% of S3 to S1.")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["muse_xae", "folded_normal_vae"])
def test_autoencoders_run_side_by_side(simulated, method):
    catalogue, _ = simulated
    told = []
    found = extract(
        catalogue, k=2, method=method, restarts=2, epochs=2, augmentation=1, progress=lambda *now: told.append(now)
    )
    assert len(found.signatures) == 2
    assert told[-1][1:] == (2, 2)
    assert found.selection["active"].between(0, 2).all()
    assert found.selection["latent_kl"].isna().all() == (method == "muse_xae")
    np.testing.assert_allclose(found.exposures.sum(axis=1), catalogue.sum(axis=1), rtol=1e-3)
    assert np.isfinite(found.selection["error"]).all()


@pytest.mark.slow
def test_when_every_restart_diverges_it_says_so(simulated):
    with pytest.raises(RunError, match="DIVERGED"):
        extract(
            simulated[0],
            k=2,
            method="muse_xae",
            restarts=1,
            epochs=3,
            augmentation=0,
            settings={"learning_rate": 1e30},
        )


def test_save_writes_each_table_as_its_reader_gives_it_back(simulated, by_nmf, tmp_path):
    found, _ = by_nmf
    folder = tmp_path / "new" / "folder"
    found.save(folder)
    names = {
        "signatures.csv",
        "exposures.csv",
        "samples.csv",
        "selection.csv",
        "prior.csv",
        "matches.csv",
        "manifest.json",
    }
    assert {path.name for path in folder.iterdir()} == names
    pd.testing.assert_frame_equal(read_signatures(folder / "signatures.csv"), found.signatures, check_names=False)
    pd.testing.assert_frame_equal(read_exposures(folder / "exposures.csv"), found.exposures, check_names=False)
    samples = pd.read_csv(folder / "samples.csv", index_col="Samples", float_precision="round_trip")
    pd.testing.assert_frame_equal(samples, found.samples, check_names=False)
    for name in ("selection", "matches"):
        again = pd.read_csv(folder / f"{name}.csv", float_precision="round_trip")
        pd.testing.assert_frame_equal(again, getattr(found, name), check_dtype=False)
    found._replace(matches=None).save(str(tmp_path))
    assert {path.name for path in tmp_path.glob("*.csv")} == names - {"matches.csv", "manifest.json"}


def test_the_command_line_lists_the_methods_of_the_registry():
    command = [sys.executable, "-m", "vaebench", "extract", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert all(name in shown for name in METHODS)


def test_methods_are_ours_and_all_variants_of_counts():
    assert methods()[:2] == ("sparse", "nmf")
    assert {"muse_xae", "folded_normal_vae", "exponential_vae"} <= set(methods())
    assert "beta_vae" not in methods()
    counts = {name for name, variant in VARIANTS.items() if variant.domain == "counts"}
    assert {name for name, method in METHODS.items() if method.trains} == counts
    assert all(callable(loaded(target)) for m in METHODS.values() for target in (m.function, m.options) if target)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"k": range(5, 5)}, r"k=range\(5, 5\) holds no number of signatures"),
        ({"k": []}, r"k=\[\] holds no number"),
        ({"k": [2, 0]}, "k holds 0; a number of signatures must be a whole number from 1 to 96"),
        ({"k": [2.5]}, "k holds 2.5"),
        ({"k": True}, "k holds True"),
        ({"k": range(10, 97)}, "k goes up to 96, but the catalogue has 9 samples with mutations"),
        ({"k": 10}, "k goes up to 10, but the catalogue has 9 samples"),
        ({"method": "sparce"}, "sparse"),
        ({"method": "beta_vae"}, "method"),
        ({"restarts": 0}, "restarts=0 is not allowed; it must be a whole number from 1 to 10000"),
        ({"restarts": 2.5}, "restarts=2.5 is not allowed"),
        ({"seed": -1}, "seed=-1 is not allowed; it must be a whole number from 0 to 2147483647"),
        ({"seed": 2**31}, "seed=2147483648 is not allowed"),
        ({"rule": "best"}, "rule"),
        ({"settings": {"beta": 0.1}}, "settings={'beta': 0.1} is not allowed with method='sparse'"),
        ({"rule": "stability"}, "rule='stability' is not allowed with method='sparse'"),
        (
            {"method": "nmf", "options": SparseOptions()},
            "is not allowed with method='nmf', which has no options of its own",
        ),
        ({"options": {"patience": 1}}, r"options=\{'patience': 1\} is not allowed .* it must be a SparseOptions"),
    ],
)
def test_bad_options_are_one_sentence(simulated, options, sentence):
    nine = simulated[0].iloc[:10]  # one is empty
    with pytest.raises(InputError, match=sentence) as refused:
        extract(nine, **{"k": 2, **options})
    assert "\n" not in str(refused.value)


def test_bad_tables_are_one_sentence(simulated):
    catalogue, truth = simulated
    with pytest.raises(InputError, match="whole numbers unless fractions=True"):
        extract(catalogue + 0.5, k=2)
    with pytest.raises(InputError, match="the catalogue is a ndarray; it must be a DataFrame"):
        extract(catalogue.to_numpy(), k=2)
    with pytest.raises(InputError, match="lacks the channel"):
        extract(catalogue.drop(columns="A[C>A]A"), k=2)
    with pytest.raises(InputError, match="the reference lacks the channel"):
        extract(catalogue, k=2, reference=truth.signatures.drop(columns="A[C>A]A"))
    with pytest.raises(InputError, match="0 samples with mutations"):
        extract(catalogue * 0, k=2)


@pytest.mark.slow
@pytest.mark.real_data
def test_scenario_08_is_recovered_without_its_number():
    if not os.environ.get("VAEBENCH_DATA"):
        pytest.skip("VAEBENCH_DATA does not name the folder of the real data sets")
    folder = Path(os.environ["VAEBENCH_DATA"]) / "signatures" / "scenario_08"
    found = extract(read_catalogue(folder / "catalogue.csv"), k=range(2, 7), restarts=4)
    scores = recovery(found.signatures, read_signatures(folder / "signatures.csv"))
    assert scores.extracted == 3
    assert scores.cosines.min() > 0.98
    assert scores.f1 > 0.97


def test_small_cohorts_and_few_mutations_are_said():
    from vaebench.signatures.extraction_notes import regime_notes

    assert regime_notes(np.full(300, 5000), prior=False) == ()
    (small,) = regime_notes(np.full(30, 5000), prior=False)
    assert "In 30 samples" in small
    assert regime_notes(np.full(30, 5000), prior=True) == ()
    (few,) = regime_notes(np.r_[np.full(200, 80), np.full(100, 9000)], prior=True)
    assert "at most 80 mutations" in few
    assert "refit" in few
    assert regime_notes(np.full(2000, 80), prior=True) == ()  # not measured


@pytest.mark.parametrize("k", [2.0, "3", None, [2.0]])
def test_numbers_of_signatures_are_whole_numbers(k):
    catalogue, _ = simulate_catalogue(0, tumours=10, signatures=2, types=1)
    with pytest.raises(InputError, match="must be a whole number from 1 to 96"):
        extract(catalogue, k=k)
