"""Counts and scores of tumour_factors.py and open_questions.py against scipy and known answers."""

from __future__ import annotations

import numpy as np
import open_questions
import pandas as pd
import pytest
import tumour_factors
from cohorts import cohort
from scipy.stats import rankdata, spearmanr

import vaebench as vb


def test_features_are_joined_and_counted_as_scipy_correlates_them(tmp_path):
    data, ruled = (tumour_factors.with_features(cohort("simulated"), least, tmp_path) for least in (0, 300))
    assert set(data.factors) == set(tumour_factors.FEATURES)
    written = pd.read_csv(tmp_path / "factors_above_300.csv")
    assert np.isnan(ruled.factors["SBS1"][written["mutations"] <= 300]).all()
    assert 0 < np.sum(~np.isnan(ruled.factors["SBS1"])) < len(written) == np.sum(~np.isnan(data.factors["SBS1"]))
    z = np.random.default_rng(0).normal(size=(len(data.samples), 4))
    z[:, 0] += (data.factors["age"] - 60) / 10
    z[:, 3] = np.round(z[:, 3])  # ties
    found = tumour_factors.correlated(tumour_factors.Ranking.of(z), [(data, None)])[0]
    for name, values in data.factors.items():
        rho = [spearmanr(column, values, nan_policy="omit").statistic for column in z.T]
        np.testing.assert_array_equal(found[name], np.abs(rho) >= 0.1)
    assert found["age"][0]
    expected = sum(1 <= held.sum() <= 2 for held in found.values())
    counts = tumour_factors.counted(z, data, ruled)
    assert counts["disentangled"] == expected
    assert counts["features"] == len(data.factors)
    assert counts["excess"] == counts["disentangled"] - counts["null"]


def test_shares_are_weighted_by_mutations_and_other_features_are_not(tmp_path):
    tumours = cohort("simulated")
    data = tumour_factors.with_features(tumours, 0, tmp_path)
    weights = tumour_factors.weights_of(tumours, tmp_path)
    mutations = pd.read_csv(tmp_path / "factors_above_0.csv")["mutations"].to_numpy()
    np.testing.assert_allclose(weights, mutations / (mutations + 300), rtol=1e-5)
    z = np.random.default_rng(1).normal(size=(len(data.samples), 40))
    order = np.random.default_rng(2).permutation(len(z))
    heavy = weights**8  # far from equal, so that some counts change
    parts = [(data, heavy), (data, None)]
    found, plain = tumour_factors.correlated(tumour_factors.Ranking.of(z), parts, order)
    for name in ("SBS1", "SBS13"):
        ranks = np.column_stack([rankdata(z, axis=0), rankdata(data.factors[name][order])])
        rho = np.cov(ranks.T, aweights=heavy[order])
        rho = rho[-1, :-1] / np.sqrt(np.diag(rho)[:-1] * rho[-1, -1])
        np.testing.assert_array_equal(found[name], np.abs(rho) >= 0.1)
        assert (found[name] != plain[name]).any()
    np.testing.assert_array_equal(found["age"], plain["age"])


def test_features_are_matched_with_latents_of_their_own():
    rng = np.random.default_rng(0)
    factors = {name: rng.normal(size=60) for name in ("a", "b", "c")}
    factors["b"][:20] = np.nan
    z = np.column_stack([factors["c"], rng.normal(size=60), factors["a"], np.zeros(60)])
    rho = open_questions.strengths(z, factors)
    expected = abs(spearmanr(factors["b"][20:], z[20:, 1]).statistic)
    assert rho[1, 1] == pytest.approx(expected)
    assert (rho[:, 3] == 0).all()
    # a and c have their own latents, so that b gets the one that is left, however well it goes with the others
    assert open_questions.matched(z, factors) == pytest.approx((2 + expected) / 3)


def test_agreement_of_seeds_is_lost_when_latents_are_turned():
    z = np.random.default_rng(0).normal(size=(300, 6))
    found = open_questions.agreement({0: z, 1: z[:, ::-1], 2: -z})
    assert all(seed["mcc"] == pytest.approx(1) and seed["mcc_rotated"] < 0.85 for seed in found.values())


def test_features_are_told_for_half_of_the_samples_only():
    data = vb.data.simulate_cohort(seed=0, samples=160, genes=60, types=4)[0]
    half = open_questions.half_of(data)
    told = open_questions.with_told(data, "features", half)
    assert told.auxiliary is not None
    assert 0.3 < half.mean() < 0.7
    for name, column in told.auxiliary.values.items():
        assert np.isnan(np.asarray(column)[~half]).all(), name
    np.testing.assert_array_equal(told.x, data.x)
