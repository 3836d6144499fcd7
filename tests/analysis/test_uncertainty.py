"""Bootstrap over seeds: against every resample written out, and its coverage on data of known mean."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.stats import norm, t, ttest_1samp

from vaebench.analysis import uncertainty
from vaebench.analysis.uncertainty import adjusted, intervals, paired_difference, resamples, spearman, wilson
from vaebench.errors import InputError

RNG = np.random.default_rng(0)


def all_means(values):
    """Means of all n^n resamples."""
    return np.sort([np.mean(sample) for sample in itertools.product(values, repeat=len(values))])


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("level", [0.95, 0.8, 0.5])
def test_interval_equals_the_quantiles_of_every_resample(n, level):
    values = RNG.normal(size=n)
    means = all_means(values)
    tail = norm.cdf(-np.sqrt(n / (n - 1)) * t.ppf(0.5 + level / 2, n - 1))
    low, high = intervals(values[None], level)
    assert low[0] == pytest.approx(np.quantile(means, tail, method="inverted_cdf"))
    assert high[0] == pytest.approx(np.quantile(means, 1 - tail, method="inverted_cdf"))


@pytest.mark.parametrize("n", [2, 4, 5])
def test_probability_to_be_better_equals_the_share_of_resamples_widened_for_few_seeds(n):
    a, b = RNG.normal(0.3, 1, n), RNG.normal(size=n)
    means = all_means(a - b)
    found = paired_difference(a, b)
    share = (means > 0).mean() + 0.5 * (means == 0).mean()
    z = norm.ppf(np.clip(share, 0.5 / n**n, 1 - 0.5 / n**n))
    assert found.better == pytest.approx(t.cdf(z * np.sqrt((n - 1) / n), n - 1))
    assert found.mean == pytest.approx(np.mean(a) - np.mean(b))
    assert found.n == n


def test_ties_count_half_and_order_of_the_two_is_the_complement():
    assert paired_difference(np.ones(4), np.ones(4)).better == 0.5
    assert paired_difference(np.array([1.0, 0]), np.array([0.0, 1])).better == pytest.approx(0.5)
    a, b = RNG.normal(size=6), RNG.normal(size=6)
    one, other = paired_difference(a, b), paired_difference(b, a)
    assert one.better + other.better == pytest.approx(1)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


def test_resamples_are_multinomial():
    shares, probability = resamples(4)
    assert len(shares) == 35
    assert probability.sum() == pytest.approx(1)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(probability @ shares, 0.25)
    drawn, equal = resamples(20, 1)
    assert drawn.shape == (uncertainty.DRAWS, 20)
    assert (drawn != resamples(20, 2)[0]).any()
    np.testing.assert_allclose(equal @ drawn, 1 / 20, atol=0.005)


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, 8, 20])
def test_coverage_is_near_the_nominal_level(n):
    """Plain percentiles cover 81% at n = 5; t intervals 95%."""
    low, high = intervals(np.random.default_rng(n).normal(1, 2, (1500, n)))
    covered = ((low <= 1) & (high >= 1)).mean()
    assert 0.92 < covered < 0.985


@pytest.mark.parametrize("n", [6, 10])
def test_equal_settings_are_called_different_as_often_as_the_level_says(n):
    differences = np.random.default_rng(n).normal(size=(600, n))
    found = [paired_difference(d, np.zeros(n)) for d in differences]
    assert 0.02 < np.mean([abs(f.better - 0.5) > 0.475 for f in found]) < 0.08
    assert np.mean([(f.low > 0 or f.high < 0) == (abs(f.better - 0.5) > 0.475) for f in found]) > 0.98


def test_many_seeds_agree_with_the_t_interval():
    values = np.random.default_rng(3).normal(size=60)
    low, high = intervals(values[None])
    exact = ttest_1samp(values, 0).confidence_interval(0.95)
    assert (low[0], high[0]) == pytest.approx((exact.low, exact.high), abs=0.03)


def test_one_seed_has_a_mean_and_no_interval():
    found = paired_difference(np.array([2.0]), np.array([0.5]))
    assert (found.mean, found.n) == (1.5, 1)
    assert np.isnan([found.low, found.high, found.better]).all()
    assert np.isnan(intervals(np.ones((2, 1)))).all()
    assert paired_difference(np.ones(0), np.ones(0)).n == 0


def test_spearman_agrees_with_scipy_and_covers():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 60))
    y[:30] = np.round(y[:30])
    y[3] = np.nan
    found = spearman(x, y)
    assert found.n == 59
    assert found.rho == pytest.approx(stats.spearmanr(x, y, nan_policy="omit").statistic)
    assert np.isnan(spearman(x, np.ones(60)).rho)
    true, held = 6 / np.pi * np.arcsin(0.6 / 2), 0  # of a normal pair with correlation 0.6
    for trial in range(100):
        a = rng.normal(size=80)
        b = 0.6 * a + 0.8 * rng.normal(size=80)
        one = spearman(a, b, draws=300, seed=trial)
        held += one.low <= true <= one.high
        assert one.high - one.low < 0.6  # Fisher's transformation gives 0.3
    assert held >= 88


@pytest.mark.parametrize(("count", "of", "level"), [(0, 10, 0.95), (3, 17, 0.95), (200, 200, 0.95), (3, 17, 0.8)])
def test_the_score_test_does_not_reject_just_the_shares_in_wilsons_interval(count, of, level):
    low, high = wilson(count, of, level)
    z = norm.ppf(0.5 + level / 2)
    for end, least in ((low, 0.0), (high, 1.0)):
        gap, reach = abs(count / of - end), z * np.sqrt(end * (1 - end) / of)
        assert gap == pytest.approx(reach, rel=1e-9) if end != least else gap == 0
    assert wilson(0, 0) == (0.0, 1.0)


def test_adjusted_p_values():
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.005])
    assert adjusted(p) == pytest.approx([0.03, 0.06, np.nan, 0.06, 0.02], nan_ok=True)
    known = p[~np.isnan(p)]
    assert adjusted(p, "bh")[~np.isnan(p)] == pytest.approx(stats.false_discovery_control(known))
    with pytest.raises(InputError, match="'holm' or 'bh'"):
        adjusted(p, "sidak")
