"""The counts of tumour_factors.py against scipy, and its features against the table that it writes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import tumour_factors
from cohorts import cohort
from scipy.stats import spearmanr


def test_features_are_joined_and_counted_as_scipy_correlates_them(tmp_path):
    data, ruled = (tumour_factors.with_features(cohort("simulated"), least, tmp_path) for least in (0, 300))
    assert set(data.factors) == set(tumour_factors.FEATURES)
    written = pd.read_csv(tmp_path / "factors_above_300.csv")
    assert np.isnan(ruled.factors["SBS1"][written["mutations"] <= 300]).all()
    assert 0 < np.sum(~np.isnan(ruled.factors["SBS1"])) < len(written) == np.sum(~np.isnan(data.factors["SBS1"]))
    z = np.random.default_rng(0).normal(size=(len(data.samples), 4))
    z[:, 0] += (data.factors["age"] - 60) / 10
    found = tumour_factors.correlated(z, data)
    for name, values in data.factors.items():
        rho = [spearmanr(column, values, nan_policy="omit").statistic for column in z.T]
        np.testing.assert_array_equal(found[name], np.abs(rho) >= 0.1)
    assert found["age"][0]
    expected = sum(1 <= held.sum() <= 2 for held in found.values())
    counts = tumour_factors.counted(z, data, ruled)
    assert counts["disentangled"] == expected
    assert counts["features"] == len(data.factors)
