"""Intervals that carry what is not known of extracted signatures: each step on known answers."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
import pytest

from vaebench.cli.main import main
from vaebench.data.mutations.channels import CHANNELS
from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.data.mutations.tables import write_catalogue, write_exposures, write_signatures
from vaebench.errors import InputError
from vaebench.signatures.decomposition import decompose
from vaebench.signatures.joint import intervals as de_novo
from vaebench.signatures.joint.intervals import calibrated, de_novo_intervals, merged, residual_correlations, widened
from vaebench.signatures.joint.notes import cohort_notes
from vaebench.signatures.joint.options import JOINT
from vaebench.signatures.joint.start import remove_shared_part
from vaebench.signatures.kept import read_extraction

NAMES = ["A", "B", "C"]


def cohort(seed: int, samples: int = 100):
    """Catalogue, truth, and signatures off by the noise of 4,000 mutations each."""
    rng = np.random.default_rng(seed)
    signatures = np.stack([rng.dirichlet(np.full(96, shape)) for shape in (2.0, 0.3, 0.3)])
    exposures = np.exp(rng.normal([6.5, 6, 6], 0.6, (samples, 3))) * (rng.random((samples, 3)) < [0.9, 0.6, 0.5])
    exposures[exposures.sum(1) == 0, 0] = 100.0
    names = pd.Index([f"T{i}" for i in range(samples)])
    catalogue = pd.DataFrame(rng.poisson(exposures @ signatures).astype(float), names, list(CHANNELS))
    noisy = np.stack([rng.multinomial(4000, row) / 4000 for row in signatures])
    truth = pd.DataFrame(exposures, names, NAMES)
    return catalogue, truth, pd.DataFrame(noisy, NAMES, list(CHANNELS)), signatures


@pytest.fixture
def no_chain(monkeypatch):
    """Draws that are Poisson about the start's exposures stand in for the chain."""

    def run(x, start, groups, dispersion, seed, options):
        rng = np.random.default_rng(seed)
        begin = de_novo.starting_exposures(x, start)
        draws = rng.poisson(begin, (60, *begin.shape)).astype(np.float32)
        spectra = np.repeat(start[None], 60, 0).astype(np.float32)
        return de_novo._Chain(draws, spectra, np.zeros((3, 3)), np.ones(3))

    monkeypatch.setattr(de_novo, "_run", run)


@pytest.mark.usefixtures("no_chain")
def test_a_small_cohort_is_warned_of_before_anything_else():
    catalogue, _, given, _ = cohort(1, 40)
    first = de_novo_intervals(catalogue, given, simulations=0).notes[0]
    assert first.startswith("Do not rely on these intervals: 40 samples are too few")
    assert "--intervals anchored" in first


def test_flat_signatures_are_named_and_large_cohorts_are_not_warned_of():
    rng = np.random.default_rng(0)
    spectra = np.stack([rng.dirichlet(np.full(96, shape)) for shape in (5.0, 3.0, 0.1)])
    given = pd.DataFrame(spectra, NAMES, list(CHANNELS))
    (note,) = cohort_notes(299, given, JOINT)
    assert "here A, B." in note
    assert cohort_notes(300, given, JOINT) == ()


@pytest.mark.usefixtures("no_chain")
def test_samples_without_mutations_and_types():
    catalogue, _, given, _ = cohort(1, 60)
    catalogue.iloc[3] = 0.0
    types = pd.Series(["X"] * 30 + ["Y"] * 25 + ["Z"] * 3 + ["V"] * 2, catalogue.index)
    found = de_novo_intervals(catalogue, given, types=types, simulations=2)
    assert (found.exposures.iloc[3] == 0).all()
    empty = found.intervals[found.intervals["sample"] == "T3"]
    np.testing.assert_allclose(empty["upper"], -np.log(0.05))
    assert found.diagnostics["classes"] == [29, 25, 5]
    assert (found.unwidened["lower"] >= found.intervals["lower"] - 1e-9).all()
    assert (found.unwidened["upper"] <= found.intervals["upper"] + 1e-9).all()
    with pytest.raises(InputError, match="simulations=-1"):
        de_novo_intervals(catalogue, given, simulations=-1)
    with pytest.raises(InputError, match="no cancer type"):
        de_novo_intervals(catalogue, given, types=types.iloc[1:])


@pytest.mark.slow
@pytest.mark.usefixtures("no_chain")
def test_command_writes_intervals_beside_exposures(tmp_path, capsys):
    catalogue, _ = simulate_catalogue(3, tumours=40, signatures=3, types=2)
    write_catalogue(catalogue, tmp_path / "catalogue.csv")
    arguments = ["extract", str(tmp_path / "catalogue.csv"), "--method", "nmf", "--restarts", "2", "--quiet"]
    arguments += ["--k-min", "3", "--k-max", "3", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--intervals", "jiont"]) == 2
    assert "did you mean 'joint'" in capsys.readouterr().err
    assert main([*arguments, "--intervals", "joint"]) == 0
    found = pd.read_csv(tmp_path / "out" / "intervals.csv")
    assert len(found) == 120
    assert (found["lower"] <= found["upper"]).all()
    assert "Exposures with intervals" in (tmp_path / "out" / "report.html").read_text()
    assert (tmp_path / "out" / "correlations.csv").exists()


def test_factor_is_the_least_that_covers():
    rng = np.random.default_rng(0)
    truth, mean = np.full(20000, 100.0), rng.normal(100, 10, 20000)
    narrow = [(truth, mean, mean - 15, mean + 15)]
    factor, before = calibrated(narrow, 0.95)
    assert factor == pytest.approx(19.6 / 15, abs=0.06)
    assert before == pytest.approx(0.866, abs=0.01)
    wide = [(truth, mean, mean - 30, mean + 30)]
    assert calibrated(wide, 0.95)[0] == 1


def test_widening_keeps_zeros_and_the_mean_inside():
    mean, lower, upper = np.array([5.0, 5.0, 5.0]), np.array([0.0, 4.0, 1.0]), np.array([8.0, 6.0, 6.0])
    low, high = widened(mean, lower, upper, 2.0)
    np.testing.assert_allclose(low, [0.0, 3.0, 0.0])
    np.testing.assert_allclose(high, [11.0, 7.0, 7.0])


def test_small_types_are_one_class():
    groups = np.eye(4)[np.repeat([0, 1, 2, 3], [30, 5, 40, 6])]
    assert merged(groups).sum(0).tolist() == [30, 40, 11]
    one = np.eye(2)[np.repeat([0, 1], [30, 5])]
    assert merged(one) is one


def test_correlations_are_found_within_classes_only():
    rng = np.random.default_rng(1)
    groups = np.eye(2)[np.repeat([0, 1], 300)]
    level = groups @ np.array([[3.0, 5.0, 4.0], [6.0, 8.0, 4.0]])  # classes differ: correlated over both
    logs = level + 0.4 * rng.standard_normal((600, 3))
    logs[:300, 2] = logs[:300, 1] + 0.4 * rng.standard_normal(300)
    table = residual_correlations(np.exp(logs), groups, pd.Index(NAMES)).set_index(["class", "first", "second"])
    assert table.loc[(0, "B", "C"), "correlation"] == pytest.approx(np.sqrt(0.5), abs=0.07)
    assert table.loc[(0, "B", "C"), "z"] > 8
    assert table.drop((0, "B", "C"))["z"].abs().max() < 3.5


def test_what_peaks_owe_to_others_is_taken_out():
    rng = np.random.default_rng(2)
    peaks = np.zeros((2, 96))
    peaks[0, 3:7], peaks[1, 50:54] = 0.25, 0.25
    flat = rng.dirichlet(np.full(96, 3.0))
    true = np.vstack([0.97 * peaks + 0.03 / 96, flat[None]])
    exposures = np.exp(rng.normal(7, 0.5, (80, 3)))
    x = rng.poisson(exposures @ true).astype(float)
    mixed = true.copy()
    mixed[0] = 0.8 * true[0] + 0.2 * true[1]
    found, shares = remove_shared_part(x, mixed)
    np.testing.assert_allclose(found[0], true[0], atol=0.01)
    np.testing.assert_allclose(found[2], true[2], atol=1e-9)
    assert (shares[0].signature, shares[0].other) == (0, 1)
    assert shares[0].most == pytest.approx(0.2, abs=0.02)
    assert jax.config.jax_numpy_rank_promotion == "raise"


@pytest.mark.usefixtures("no_chain")
def test_what_was_learned_and_drawn_is_kept_for_new_samples_and_decompositions(tmp_path):
    catalogue, _, given, true = cohort(3, 60)
    catalogue.iloc[5] = 0.0
    found = de_novo_intervals(catalogue, given, simulations=0)
    assert found.draws.shape == (60, 60, 3)
    assert (found.draws[:, 5] == 0).all()
    write_signatures(given, tmp_path / "signatures.csv")
    write_exposures(found.exposures, tmp_path / "exposures.csv")
    found.save(tmp_path)
    kept = read_extraction(tmp_path)
    np.testing.assert_allclose(kept.draws, found.spectra, rtol=1e-6)
    assert set(kept.prior["source"]) == {"intervals"}
    assert kept.prior.set_index("signature").loc["A", "samples"] == 59
    presence = found.intervals.groupby("signature")["presence"].sum()
    np.testing.assert_allclose(kept.prior.set_index("signature")["present"], presence[NAMES], atol=1.0)
    reference = pd.DataFrame(true, ["SBS1", "SBS2", "SBS3"], list(CHANNELS))
    table = decompose(kept.signatures, reference, draws=kept.draws).table()
    assert table["references"].tolist() == ["SBS1", "SBS2", "SBS3"]
    assert (table["draws"] == 60).all()
