"""Types that a cohort resembles: against a brute-force integral, in mixed cohorts, and the moments of a mixture of types."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import gammaln, softmax

from vaebench.signatures import resemblance
from vaebench.signatures.cooccurrence import Together
from vaebench.signatures.resemblance import Facts, averaged, chances_of, evidence, looked_at, speaking, weights_of

SPECTRA = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]])
FIRST = Facts(np.array([1.0, 0.0]), np.array([-0.1, -1.0]), np.array([0.05, 0.05]))
SECOND = Facts(np.array([0.0, 1.0]), np.array([-1.0, -0.1]), np.array([0.05, 0.05]))
BOTH = Facts(np.array([1.0, 1.0]), np.array([-0.7, -0.7]), np.array([0.5, 0.5]))


def weights(x, signatures, facts, together=None):
    """Weights of types that are equally common."""
    common = np.full(len(facts), 1 / len(facts))
    seen = looked_at(x)
    return weights_of(evidence(seen, signatures, facts, together), common, speaking(seen))


def test_one_sample_has_the_odds_of_an_integral_over_shares():
    x = np.array([[8.0, 4.0, 8.0]])
    shares_of = weights(x, SPECTRA, [FIRST, BOTH])
    # BOTH: share of the first signature is logistic of a normal of variance 1
    grid = np.linspace(-6, 6, 4001)
    shares = 1 / (1 + np.exp(-grid))
    q = shares[:, None] * SPECTRA[0] + (1 - shares)[:, None] * SPECTRA[1]
    both = np.trapezoid(np.exp(np.log(q) @ x[0] - 0.5 * grid**2) / np.sqrt(2 * np.pi), grid)
    odds = both / np.exp(np.log(SPECTRA[0]) @ x[0])
    found = shares_of[1] / shares_of[0]
    assert found == pytest.approx(odds, rel=0.2)  # 400 tumours are drawn
    assert found > 3


def test_a_mixed_cohort_has_the_shares_of_its_parts():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.multinomial(60, SPECTRA[0], 150), rng.multinomial(60, SPECTRA[1], 50)]).astype(float)
    found = weights(x, SPECTRA, [FIRST, SECOND, BOTH])
    np.testing.assert_allclose(found, [0.75, 0.25, 0], atol=0.05)
    np.testing.assert_allclose(weights(100 * x, 7 * SPECTRA, [FIRST, SECOND, BOTH]), found, atol=0.05)


def test_what_is_common_decides_where_counts_say_nothing_and_pairs_tell_types_apart():
    common = np.array([0.05, 0.9, 0.05])
    none = evidence(np.zeros((1, 3)), SPECTRA, [FIRST, SECOND, BOTH])
    np.testing.assert_allclose(weights_of(none, common, np.zeros(1)), common)
    # both signatures in a half of the tumours: seen together, they are of the type in which they go together
    half = Facts(np.array([0.5, 0.5]), np.array([-0.7, -0.7]), np.array([0.05, 0.05]))
    x, apart = np.array([[40.0, 20.0, 40.0]]), np.array([[0.0, 3.0], [3.0, 0.0]])
    found = [
        evidence(x, SPECTRA, [half], v and Together(v * apart, np.zeros((0, 2)), *np.zeros((2, 2, 2))))[0, 0]
        for v in (0, 1, -1)
    ]
    # P(both) is 1 / 4 if independent, e^1.5 / (2 + 2 e^1.5) with log odds of 3, and e^-1.5 / (2 + 2 e^-1.5) with -3
    both = [0.25, *(np.exp(v) / (2 + 2 * np.exp(v)) for v in (1.5, -1.5))]
    np.testing.assert_allclose(np.exp(found - found[0]), np.array(both) / 0.25, rtol=0.15)


def test_a_cohort_of_one_type_is_known_as_such_though_each_of_its_samples_may_be_of_another():
    rng = np.random.default_rng(0)
    half = Facts(np.array([1.0, 1.0]), np.array([-0.7, -0.7]), np.array([0.05, 0.05]))
    x = rng.multinomial(3, SPECTRA.mean(0), 100).astype(float)
    alone = np.mean([weights(row[None], SPECTRA, [FIRST, SECOND, half]) for row in x], axis=0)
    assert alone[2] < 0.45
    assert weights(x, SPECTRA, [FIRST, SECOND, half])[2] > 0.9


def test_samples_of_several_types_are_predicted_from_those_before():
    """Against the sum over the types of all samples; with more than two the types before count by their probabilities."""
    rng = np.random.default_rng(0)
    for samples, off in ((1, 1e-9), (2, 1e-9), (5, 0.1)):
        logs, common = rng.normal(0, 1.5, (samples, 3)), np.array([0.5, 0.3, 0.2])
        total = 0.0
        for kinds in itertools.product(range(3), repeat=samples):
            counts, own = np.bincount(kinds, minlength=3), 2 * common
            ways = np.sum(gammaln(counts + own) - gammaln(own)) - gammaln(samples + 2) + gammaln(2)
            total += np.exp(ways + logs[np.arange(samples), kinds].sum())
        assert resemblance._log_several(logs, common) == pytest.approx(np.log(total), abs=off)


def sequences(evidence, common, count):
    """Numbers of each type in every sequence of types of all samples, and their log likelihoods.

    Shares of the types are Dirichlet with mean ``common``, which counts for ``count`` samples.
    """
    samples, types = evidence.shape
    kinds = np.array(list(itertools.product(range(types), repeat=samples)), int).reshape(types**samples, samples)
    counts, before = (kinds[..., None] == np.arange(types)).sum(1), count * common
    prior = np.sum(gammaln(counts + before) - gammaln(before), 1) - gammaln(samples + count) + gammaln(count)
    return counts, prior + evidence[np.arange(samples), kinds].sum(1)


def summed(evidence, common):
    """P(type) of each sample: the others are of one type, nine times in ten, or of several, by sums over all their types."""
    found = []
    for t, own in enumerate(evidence):
        others = np.delete(evidence, t, 0)
        one = common * np.exp(others.sum(0))
        several = np.exp(sequences(others, common, 2.0)[1]).sum()
        alike = 0.9 * one.sum() / (0.9 * one.sum() + 0.1 * several)
        counts, logs = sequences(others, common, 1.0)
        shares = softmax(logs) @ (counts + common) / len(evidence)
        first = ((len(evidence) - 1) * one / one.sum() + common) / len(evidence)
        weight = (alike * first + (1 - alike) * shares) * np.exp(own)
        found.append(weight / weight.sum())
    return np.array(found)


def test_few_samples_tell_one_another_of_what_type_they_are():
    common, few = np.array([0.7, 0.2, 0.1]), np.full(3, 20.0)
    logs = np.log(np.array([[0.1, 0.6, 0.3], [0.2, 0.5, 0.3], [0.3, 0.4, 0.3]]))
    np.testing.assert_allclose(chances_of(logs[:1], common, few[:1])[0], [0.07 / 0.22, 0.12 / 0.22, 0.03 / 0.22])
    found = chances_of(logs, common, few)
    np.testing.assert_allclose(found.sum(1), 1)
    alone = np.array([chances_of(row[None], common, few[:1])[0] for row in logs])
    assert (found[:, 1] > alone[:, 1] + 0.1).all()  # all three look like the second type
    errors = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        own, random = rng.dirichlet(np.full(3, 2.0)), rng.normal(0, 1.5, (4, 3)) + 1.5 * (np.arange(3) == seed % 3)
        exact = summed(random, own)
        alone = softmax(random + np.log(own), axis=1)
        errors.append([np.abs(v - exact).mean() for v in (chances_of(random, own, np.full(4, 20.0)), alone)])
    near, far = np.mean(errors, 0)
    assert near < 0.01
    assert far > 5 * near
    # a sample that the others are unlike keeps its own type
    apart = np.log(np.array([[1e-6, 1.0, 1e-6], [1.0, 1e-6, 1e-6], [1.0, 1e-6, 1e-6]]))
    assert chances_of(apart, common, few)[0, 1] > 0.99


def test_the_evidence_of_a_cohort_is_that_of_300_mutations():
    """What the facts of a type get wrong all samples share, so that more of them do not say more."""
    logs, common = np.tile([0.0, -1.0], (60, 1)), np.array([0.5, 0.5])
    few, many = weights_of(logs[:3], common, np.full(3, 100.0)), weights_of(logs, common, np.full(60, 100.0))
    assert few[1] == pytest.approx(1 / (1 + np.exp(3)), abs=0.03)
    assert many[1] == pytest.approx(few[1], abs=0.03)


def test_many_samples_are_thinned_and_empty_ones_say_nothing():
    x = np.tile([40.0, 12.0, 6.0], (2000, 1))
    assert weights(x, SPECTRA, [FIRST, SECOND])[0] > 0.99
    np.testing.assert_allclose(weights(np.zeros((3, 3)), SPECTRA, [FIRST, SECOND]), [0.5, 0.5])


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
