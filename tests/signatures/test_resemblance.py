"""Types that a cohort resembles: against a brute-force integral, in mixed cohorts, and the moments of a mixture of types."""

from __future__ import annotations

import numpy as np
import pytest

from vaebench.signatures.resemblance import Facts, averaged, resembled

SPECTRA = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]])
FIRST = Facts(np.array([1.0, 0.0]), np.array([-0.1, -1.0]), np.array([0.05, 0.05]))
SECOND = Facts(np.array([0.0, 1.0]), np.array([-1.0, -0.1]), np.array([0.05, 0.05]))
BOTH = Facts(np.array([1.0, 1.0]), np.array([-0.7, -0.7]), np.array([0.5, 0.5]))


def test_one_sample_has_the_odds_of_an_integral_over_shares():
    x = np.array([[8.0, 4.0, 8.0]])
    weights = resembled(x, SPECTRA, [FIRST, BOTH])
    # BOTH: share of the first signature is logistic of a normal of variance 1
    grid = np.linspace(-6, 6, 4001)
    shares = 1 / (1 + np.exp(-grid))
    q = shares[:, None] * SPECTRA[0] + (1 - shares)[:, None] * SPECTRA[1]
    both = np.trapezoid(np.exp(np.log(q) @ x[0] - 0.5 * grid**2) / np.sqrt(2 * np.pi), grid)
    odds = both / np.exp(np.log(SPECTRA[0]) @ x[0])
    # one pseudo-sample of each type: w = (share + 1) / 3 at the fixed point
    found = weights[1] / weights[0]
    assert found == pytest.approx(odds * (weights[1] + 1) / (weights[0] + 1), rel=0.2)  # 400 tumours are drawn
    assert found > 3


def test_a_mixed_cohort_has_the_shares_of_its_parts():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.multinomial(60, SPECTRA[0], 150), rng.multinomial(60, SPECTRA[1], 50)]).astype(float)
    weights = resembled(x, SPECTRA, [FIRST, SECOND, BOTH])
    np.testing.assert_allclose(weights, [0.75, 0.25, 0], atol=0.05)
    np.testing.assert_allclose(resembled(100 * x, 7 * SPECTRA, [FIRST, SECOND, BOTH]), weights, atol=0.05)


def test_many_samples_are_thinned_and_empty_ones_say_nothing():
    x = np.tile([40.0, 12.0, 6.0], (2000, 1))
    assert resembled(x, SPECTRA, [FIRST, SECOND])[0] > 0.99
    np.testing.assert_allclose(resembled(np.zeros((3, 3)), SPECTRA, [FIRST, SECOND]), [0.5, 0.5])


def test_averages_are_the_moments_of_a_mixture_of_types():
    rng = np.random.default_rng(1)
    facts = [Facts(np.array([p]), np.array([m]), np.array([v])) for p, m, v in ((0.9, -1.0, 0.2), (0.2, -3.0, 0.4))]
    weights, few = np.array([0.6, 0.4]), 10.0
    found, samples = averaged(facts, weights, (few, 40.0, few), (0.01, 0.01, 0.01))
    kind = rng.choice(2, 400_000, p=weights)
    p = rng.beta(few * np.array([0.9, 0.2])[kind], few * np.array([0.1, 0.8])[kind])
    assert found.presence[0] == pytest.approx(p.mean(), abs=0.003)
    # Beta(n p, n (1 - p)) has the variance of P(present) over the types
    mean = p.mean()
    assert samples[0, 0] == pytest.approx(mean * (1 - mean) / p.var() - 1, rel=0.03)
    own = kind[rng.random(len(p)) < np.array([0.9, 0.2])[kind]]
    means = rng.normal(np.array([-1.0, -3.0])[own], np.sqrt(np.array([0.2, 0.4])[own] / 40.0))
    assert found.log_mean[0] == pytest.approx(means.mean(), abs=0.01)
    assert found.variance[0] / samples[1, 0] == pytest.approx(means.var(), rel=0.03)
    # one type alone: as many samples as asked for; where types differ, no fewer than the least
    alone, many = averaged(facts, np.array([1.0, 0.0]), (few, 40.0, 20.0), (1, 1, 4))
    np.testing.assert_allclose([float(v[0]) for v in alone], [0.9, -1.0, 0.2])
    np.testing.assert_allclose(many[:, 0], [few, 40.0, 20.0])
    assert (averaged(facts, weights, (few, few, few), (1, 1, 4))[1][:, 0] >= [1, 1, 4]).all()
