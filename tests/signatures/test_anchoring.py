"""Intervals after extracted signatures were replaced by those of a reference: against the same done by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vaebench.data.mutations.channels import CHANNELS
from vaebench.data.mutations.opportunities import read_opportunities
from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.data.mutations.tables import read_signatures
from vaebench.errors import InputError
from vaebench.signatures import anchoring
from vaebench.signatures.adaptation import EARLIER, LEAVES
from vaebench.signatures.anchoring import anchored, anchored_intervals
from vaebench.signatures.opportunities import at_target
from vaebench.signatures.refit_notes import NAME_TISSUE
from vaebench.signatures.refitting import refit
from vaebench.signatures.sampler.options import SamplerOptions

SHORT = SamplerOptions(learning=40, draws=100)


@pytest.fixture(scope="module")
def case():
    """A catalogue, three extracted signatures near the truth, and a reference of two true ones and one that none is."""
    catalogue, truth = simulate_catalogue(3, tumours=30, signatures=3, types=2)
    true = truth.signatures.to_numpy()
    extracted = pd.DataFrame(0.95 * true + 0.05 / 96, ["A", "B", "C"], truth.signatures.columns)
    known = pd.DataFrame(np.vstack([true[:2], np.roll(true[2], 40)]), ["R1", "R2", "R3"], truth.signatures.columns)
    return catalogue, extracted, known, truth


@pytest.mark.slow
def test_intervals_are_those_of_a_refit_with_the_reference(case):
    catalogue, extracted, known, truth = case
    used = pd.concat([known.iloc[:2], extracted.iloc[2:]])
    by_hand = refit(catalogue, used, intervals="spike_slab", types=truth.types, level=0.9, seed=3, options=SHORT)
    found = anchored_intervals(catalogue, extracted, known, types=truth.types, level=0.9, seed=3, options=SHORT)
    pd.testing.assert_frame_equal(found.intervals, by_hand.intervals)
    assert found.kept == ("C",)
    assert found.dispersion == pytest.approx(by_hand.dispersion, rel=1e-6)
    assert found.level == 0.9
    assert "2 of 3 signatures were replaced by the reference's" in found.notes[0]
    assert "C stayed as extracted" in found.notes[0]
    assert found.notes[1:] == by_hand.notes


@pytest.mark.slow
def test_nothing_stays_when_all_match_and_a_reference_may_lie_on_its_side(case):
    catalogue, extracted, _, truth = case
    found = anchored_intervals(catalogue, extracted, truth.signatures.T, options=SHORT)
    assert found.kept == ()
    assert "(cosine of 0.85 or more)." in found.notes[0]
    assert list(found.signatures.index) == list(truth.signatures.index)


@pytest.mark.slow
def test_a_stricter_cosine_keeps_more_and_files_hold_both_tables(case, tmp_path):
    catalogue, extracted, known, _ = case
    found = anchored_intervals(catalogue, extracted, known, least=1.0, options=SHORT)
    assert found.kept == ("A", "B", "C")
    found.save(tmp_path)
    np.testing.assert_allclose(read_signatures(tmp_path / "anchored.csv"), extracted, atol=1e-12)
    assert len(pd.read_csv(tmp_path / "intervals.csv")) == len(catalogue) * 3
    with pytest.raises(InputError, match="least=2"):
        anchored_intervals(catalogue, extracted, known, least=2)


@pytest.mark.slow
def test_halves_of_a_signature_become_one_and_take_no_other(case):
    """Two extracted ones are near R1, one of them also a little near R2, which no tumour has."""
    catalogue, _, known, truth = case
    first, second = known.to_numpy()[:2]
    rows = {"A": 0.97 * first + 0.03 / 96, "B": 0.97 * first + 0.03 * second, "C": truth.signatures.to_numpy()[2]}
    split = pd.DataFrame(list(rows.values()), list(rows), known.columns)
    used = anchored(split, known, least=0.8)
    assert list(used.index) == ["R1", "C"]
    np.testing.assert_array_equal(used.loc["R1"], first / first.sum())
    found = anchored_intervals(catalogue, split, known, least=0.8, options=SHORT)
    assert found.kept == ("C",)
    assert set(found.intervals["signature"]) == {"R1", "C"}
    assert "A, B as R1" in found.notes[0]


def test_a_blend_becomes_what_it_blends_once(case):
    """Signatures that occur together are extracted as one: each half would be held in no sample if it became the nearer one."""
    _, _, known, truth = case
    rng = np.random.default_rng(0)
    first, second, _ = known.to_numpy()
    third = truth.signatures.to_numpy()[2]
    noisy = rng.dirichlet(2000 * (0.7 * first + 0.3 * second))
    extracted = pd.DataFrame([noisy, first, third], ["A", "B", "C"], known.columns)
    used = anchored(extracted, known)
    assert list(used.index) == ["R1", "R2", "C"]
    np.testing.assert_allclose(used, np.stack([first, second, third]), atol=1e-12)
    # no blend of them is so near, and neither is the nearest
    assert list(anchored(extracted, known, least=0.999).index) == ["A", "R1", "C"]


def test_a_blend_is_said(monkeypatch, case):
    catalogue, extracted, known, _ = case
    blend = pd.DataFrame([0.6 * known.iloc[0] + 0.4 * known.iloc[1]], ["A"], known.columns)
    fit = refit(catalogue, extracted)
    monkeypatch.setattr("vaebench.signatures.anchoring.refit", lambda *_, **__: fit._replace(intervals=pd.DataFrame()))
    found = anchored_intervals(catalogue, blend, known)
    assert "A as R1, R2" in found.notes[0]
    assert found.kept == ()


def test_a_name_that_two_signatures_would_have_is_said(case):
    _, extracted, known, _ = case
    with pytest.raises(InputError, match="'R2'"):
        anchored(extracted.rename(index={"C": "R2"}), known)


def test_exomes_have_intervals_on_both_scales_and_are_not_asked_about():
    rng = np.random.default_rng(0)
    exome = read_opportunities("exome", build="GRCh37")
    genome = pd.DataFrame(rng.dirichlet(np.full(96, 0.3), 3), ["SBS1", "SBS5", "SBS18"], list(CHANNELS))
    there, yields = at_target(genome, exome)
    x = rng.poisson(rng.uniform(3, 8, (22, 3)) @ there.to_numpy()).astype(float)
    counts = pd.DataFrame(x, [f"T{i}" for i in range(len(x))], genome.columns)
    extracted = there.set_axis(["S1", "S2", "S3"])
    found = anchored_intervals(counts, extracted, genome, opportunities=exome, options=SHORT)
    assert not any("exomes" in note for note in found.notes)
    np.testing.assert_allclose(found.signatures, there)
    own = yields[found.intervals["signature"]].to_numpy()
    np.testing.assert_allclose(found.intervals["genome_upper"], found.intervals["upper"] / own)


def test_notes_have_no_advice_that_an_extraction_cannot_follow(monkeypatch, case):
    catalogue, extracted, known, _ = case
    said = (f"The prior is from all{NAME_TISSUE}.", f"They were adapted{LEAVES}: well.", f"They deviate.{EARLIER}")
    fit = refit(catalogue, known, intervals="profile_likelihood")._replace(notes=said)
    monkeypatch.setattr(anchoring, "refit", lambda *_, **__: fit)
    found = anchored_intervals(catalogue, extracted, known)
    assert found.notes[1:] == ("The prior is from all.", "They were adapted: well.", "They deviate.")
