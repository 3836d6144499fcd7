"""The simulator and the scores of experiments/trust.py, against numbers computed by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scripts
import trust
from scipy import stats

from vaebench.signatures.refitting import refit

FIELD = trust.made_up_field()


def draws(regime: str, seed: int = 0) -> trust.Drawn:
    return trust.drawn(FIELD, regime, "Liver-HCC", np.random.default_rng(seed))


@pytest.mark.parametrize(("assay", "median"), [("exome", 80), ("few", 50), ("panel", 8)])
def test_cohorts_have_the_assays_mutations(assay, median):
    cohort = draws(f"{assay}_200_true")
    own = FIELD.types == "Liver-HCC"
    scaled = median * FIELD.exposures.to_numpy()[own] / np.median(FIELD.mutations[own])
    assert all(np.isclose(scaled, row).all(axis=1).any() for row in cohort.truth.to_numpy())
    total = cohort.truth.to_numpy().sum()
    assert cohort.counts.to_numpy().sum() == pytest.approx(total, abs=4 * np.sqrt(total) + 20)
    assert (cohort.counts.sum(axis=1) > 0).all()


def test_exposures_are_those_of_real_tumours_of_the_type():
    truth = draws("genome_20_true").truth.to_numpy()
    own = FIELD.exposures.to_numpy()[FIELD.types == "Liver-HCC"]
    assert all(any(np.array_equal(row, other) for other in own) for row in truth)


@pytest.mark.parametrize(("noise", "excess"), [("", 0.0), ("_nb", 1 / trust.SIZE)])
def test_counts_scatter_as_the_regime_says(noise, excess):
    cohort = draws(f"genome_2000_true{noise}")
    x = cohort.counts.to_numpy()
    mean = cohort.truth.to_numpy() @ FIELD.signatures.to_numpy()
    assert ((x - mean) ** 2 - mean).sum() / (mean**2).sum() == pytest.approx(excess, abs=0.004)


def test_spectra_vary_around_the_published_ones():
    cohort = draws("genome_2000_true_vary")
    x, e, s = (part.to_numpy() for part in (cohort.counts, cohort.truth, FIELD.signatures))
    mean = e @ s
    expected = mean + (e**2) @ (s * (1 - s)) / (trust.CONCENTRATION + 1)
    assert ((x - mean) ** 2).sum() / expected.sum() == pytest.approx(1, abs=0.03)


def test_channels_shift_alike_in_all_tumours_of_a_cohort():
    cohorts = [draws("genome_2000_true_shift", seed) for seed in (0, 1)]
    ratios = []
    for cohort in cohorts:
        x, e = cohort.counts.to_numpy(), cohort.truth.to_numpy()
        mean = e @ FIELD.signatures.to_numpy()
        halves = [np.log(x[i::2].sum(0) / mean[i::2].sum(0)) for i in (0, 1)]
        assert np.corrcoef(*halves)[0, 1] > 0.99
        ratios.append(halves[0])
    assert np.std(ratios) == pytest.approx(trust.SHIFT, rel=0.2)
    assert abs(np.corrcoef(*ratios)[0, 1]) < 0.3


def test_single_tumours_are_given_the_factors_of_others_of_their_cohort(monkeypatch):
    asked = []

    def refitted(counts, offered, **options):
        asked.append((len(counts), options))
        return SimpleNamespace(channel_factors=pd.Series([1.0]))

    monkeypatch.setattr(trust, "refit", refitted)
    found = list(trust.cohorts_of(FIELD, "genome_1_true_earlier", "Liver-HCC", 3, {"tissue": "TYPE"}))
    assert [count for count, _ in asked] == [trust.EARLIER]
    assert asked[0][1]["tissue"] == "Liver-HCC"
    assert len(found) == 10
    assert len({name for cohort, _ in found for name in cohort.counts.index}) == 10
    assert all(len(cohort.counts) == 1 and "adapt" in options for cohort, options in found)
    plain = list(trust.cohorts_of(FIELD, "genome_5_true", "Liver-HCC", 3, {}))
    assert [(len(cohort.counts), options) for cohort, options in plain] == [(5, {})] * 2


def test_offered_signatures():
    true, every = draws("genome_1_true"), draws("genome_1_all")
    assert set(true.offered.index) == set(true.truth.columns[(true.truth > 0).any()])
    assert list(every.offered.index) == list(FIELD.signatures.index)


def test_scores_are_counted_by_hand():
    truth = pd.DataFrame({"A": [10.0, 0.0], "B": [0.0, 4.0], "C": [1.0, 0.0]}, index=["s", "t"])
    rows = [
        ("s", "A", 9.0, 8.0, 12.0, 0.9),
        ("s", "B", 1.0, 0.0, 2.0, 0.2),
        ("t", "A", 3.0, 1.0, 5.0, 0.7),
        ("t", "B", 1.0, 0.0, 3.0, 0.4),
    ]
    table = trust.paired(
        pd.DataFrame(rows, columns=["sample", "signature", "exposure", "lower", "upper", "presence"]), truth
    )
    found = trust.counted(table)
    assert (found["nonzero"], found["nonzero_held"], found["nonzero_above"]) == (3, 1, 2)  # C was not offered
    assert (found["zero"], found["zero_held"]) == (3, 2)
    assert (found["estimate"], found["estimate_absent"]) == (14, 4)
    assert (found["called"], found["called_right"]) == (2, 1)
    assert (found["shown"], found["shown_absent"]) == (12, 3)
    assert found["error"] == pytest.approx(1 + 1 + 3 + 3 + 1)
    there = np.array([[1, 0, 0, 1, 1, 0]] * 9 + [[0, 0, 0, 0, 0, 0]], bool)  # exposures in the order of the table
    bins = trust.reliability(table, there).set_index("bin")
    assert (bins.loc[9, "predicted"], bins.loc[9, "observed"], bins.loc[9, "count"]) == (0.9, 1, 1)
    # |predicted - observed| of the bins 0 (C twice), 2, 4, 7 and 9
    errors = [abs(0 - 1), 0.2, abs(0.4 - 1), 0.7, 0.1]
    assert trust.calibration(bins.reset_index())["ece"] == pytest.approx(sum(errors) / 6)


def test_what_chance_does_is_that_of_binomials_and_of_joint_draws():
    for exposures in (30, 37, 400):
        assert trust.least_by_chance(np.array([exposures])) == stats.binom.ppf(0.05, exposures, 0.95) / exposures
    both = trust.least_by_chance(np.array([30, 30]))  # the less of two falls below x where not both are above
    assert stats.binom.cdf(30 * both, 30, 0.95) >= 1 - 0.95**0.5 > stats.binom.cdf(30 * both - 1, 30, 0.95)
    bins = pd.DataFrame({"count": [120, 120], "variance": [30.0, 30.0]})
    deviation = 30**0.5 / 120
    assert trust.worst_by_chance(bins[:1]) == pytest.approx(stats.norm.ppf(0.975) * deviation, rel=0.05)
    assert trust.worst_by_chance(bins) == pytest.approx(stats.norm.ppf(0.5 + 0.95**0.5 / 2) * deviation, rel=0.05)
    assert np.isnan(trust.least_by_chance(np.array([])))
    assert np.isnan(trust.worst_by_chance(bins[:0]))


def test_samples_that_share_what_is_learned_are_not_as_many_as_they_seem():
    presence = np.full((4, 2), 0.5)
    table = pd.DataFrame({"signature": ["A", "B"] * 4, "presence": presence.ravel(), "true": 0.0})
    rng = np.random.default_rng(0)
    alone = rng.random((4000, 8)) < 0.5
    together = np.repeat(rng.random((4000, 1)) < 0.5, 8, axis=1)
    assert trust.reliability(table, alone)["variance"].item() == pytest.approx(8 / 4, rel=0.1)
    assert trust.reliability(table, together)["variance"].item() == pytest.approx(8**2 / 4, rel=0.1)


def test_draws_are_put_in_the_order_of_the_table():
    cohort = draws("panel_5_true")
    fit = refit(cohort.counts, cohort.offered.iloc[::-1], intervals="spike_slab", seed=1, **trust.DRAWN)
    truth = cohort.truth.assign(Z=1.0)  # a signature that was not offered
    table = trust.paired(fit.intervals, truth)
    there = trust.in_order(fit, table)
    assert there.shape == (250, len(table))
    assert not there[:, table["signature"] == "Z"].any()
    assert np.abs(there.mean(0) - table["presence"]).max() < 0.15
    assert table["presence"].between(0.2, 0.8).any()


@pytest.mark.parametrize("regime", ["genome", "genome_x_all", "genome_5_some", "wgs_5_all", "genome_5_all_loud"])
def test_a_wrong_regime_is_one_sentence(capsys, tmp_path, regime):
    arguments = ["--preset", "smoke", "--regimes", regime, "--out", str(tmp_path)]
    assert scripts.entry(trust.main, arguments) == 2
    assert regime in capsys.readouterr().err


def test_missing_files_are_said(capsys, tmp_path):
    assert scripts.entry(trust.main, ["--out", str(tmp_path), "--cosmic", str(tmp_path / "no.txt")]) == 2
    assert "there is no such file" in capsys.readouterr().err


def test_made_up_types_have_signatures_and_exposures_of_their_own():
    field = trust.with_made_up(FIELD, ["Liver-HCC", "made-up-1", "made-up-2"])
    own = {
        kind: field.exposures.loc[field.types == kind].to_numpy() for kind in ("made-up-1", "made-up-2", "Liver-HCC")
    }
    assert [len(own["made-up-1"]), len(own["made-up-2"])] == [300, 300]
    assert not np.array_equal(own["made-up-1"], own["made-up-2"])
    assert np.isfinite(field.exposures.to_numpy()).all()
    assert len(field.mutations) == len(field.types) == len(field.exposures)
    again = trust.with_made_up(FIELD, ["made-up-2"])
    np.testing.assert_array_equal(again.exposures[again.types == "made-up-2"].to_numpy(), own["made-up-2"])
    cohort = trust.drawn(field, "exome_20_all", "made-up-1", np.random.default_rng(0))
    assert np.median(cohort.counts.sum(axis=1)) == pytest.approx(trust.MEDIANS["exome"], rel=0.5)
