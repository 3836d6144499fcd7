"""Samples of several types: the posterior against a sum over both types on a grid, and draws in the right proportion."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

from vaebench.signatures.dispersion import Scatter
from vaebench.signatures.sampler.draws import Draws
from vaebench.signatures.sampler.grounds import Ground, TypeMixture, stacked, unstacked
from vaebench.signatures.sampler.mixture import likeliest, merged, merged_prior, weighed
from vaebench.signatures.sampler.options import SamplerOptions
from vaebench.signatures.sampler.posterior import sampled
from vaebench.signatures.sampler.problem import Prior
from vaebench.signatures.sampler.summary import summary

SPECTRA = np.array([[0.6, 0.25, 0.1, 0.05], [0.2, 0.4, 0.3, 0.1]])
SURE = 1e9
"""Samples that a prior counts for that nothing changes."""
TYPES = [(np.array([0.9, 0.2]), np.log([12.0, 4.0])), (np.array([0.2, 0.8]), np.log([3.0, 14.0]))]
"""P(present) and mean of ln e of both signatures in each type."""


def ground(presence, log_mean):
    weights = np.full(2, SURE)
    return Ground(presence, log_mean, np.full(2, 0.25), weights, weights, weights)


def summed(x, presence, log_mean):
    """Likelihood of counts, P(present) [2] and posterior mean [2] under one type, on a grid of both exposures."""
    edges = np.concatenate([[0.0], np.geomspace(0.2, 90, 240)])
    points = np.append(0.0, np.sqrt(np.maximum(edges[:-1], 0.1) * edges[1:]))
    masses = [
        np.append(1 - p, p * np.diff(stats.lognorm(0.5, scale=np.exp(m)).cdf(edges)))
        for p, m in zip(presence, log_mean, strict=True)
    ]
    first, second = np.meshgrid(points, points, indexing="ij")
    mean = first[..., None] * SPECTRA[0] + second[..., None] * SPECTRA[1] + 1e-9
    joint = np.multiply.outer(*masses) * np.exp((x * np.log(mean) - mean - gammaln(x + 1)).sum(-1))
    total = joint.sum()
    there = np.array([joint[1:].sum(), joint[:, 1:].sum()]) / total
    return total, there, np.array([(joint * v).sum() for v in (first, second)]) / total


def test_the_posterior_is_that_of_a_sum_over_both_types():
    x = np.array([[6.0, 6.0, 3.0, 1.0], [3.0, 6.0, 4.0, 3.0], [1.0, 1.0, 0.0, 0.0]])
    parts = [[summed(row, *kind) for kind in TYPES] for row in x]
    chances = np.array([[0.7 * a[0], 0.3 * b[0]] for a, b in parts])
    chances /= chances.sum(1, keepdims=True)
    assert 0.1 < chances[0, 0] < 0.9  # the counts leave the type open
    expected = [
        sum(c * part[1] for c, part in zip(own, row, strict=True)) for own, row in zip(chances, parts, strict=True)
    ]
    means = [
        sum(c * part[2] for c, part in zip(own, row, strict=True)) for own, row in zip(chances, parts, strict=True)
    ]
    each = stacked([ground(*kind) for kind in TYPES] * 3)
    mixture = TypeMixture(np.repeat([0, 1, 2], 2), chances.ravel(), np.arange(6), each)
    whole = ground(*TYPES[0])._replace(mixture=mixture)
    noise = Scatter(1.0, 0.0, np.inf, np.ones(3), np.ones(3))
    options = SamplerOptions(draws=6000, width=48, longest=1, least_sd=0.01, kept=6000)
    found = sampled(x, SPECTRA, np.full((3, 2), 5.0), noise, ground=whole, options=options)
    assert found.mean.shape == (3, 2)
    np.testing.assert_allclose(found.presence, expected, atol=0.04)
    np.testing.assert_allclose(found.mean, means, rtol=0.06, atol=0.1)
    np.testing.assert_allclose(found.kept.mean(0), found.mean, rtol=0.02)
    # another probability of the types would be another posterior
    apart = np.abs(np.array([row[0][1] - row[1][1] for row in parts]))
    assert apart.max() > 0.3


def test_draws_are_merged_by_the_weights_of_their_types():
    rng, options = np.random.default_rng(0), SamplerOptions()
    draws = Draws(2, 50, 3, 2)
    values = rng.uniform(1, 2, (50, 2, 3, 2)) + 10 * np.arange(3)[:, None]
    for place, own in enumerate(values):
        draws.put(place, own)
    found = summary(draws, 0.95, options)._replace(r_hat=np.repeat([[1.0], [1.4], [1.1]], 2, 1))
    mixture = TypeMixture(np.array([0, 0, 1]), np.array([0.27, 0.73, 1.0]), np.arange(3), ground(*TYPES[0]))
    new, mixed = merged(draws, found, mixture, 0.95, options)
    kept = np.stack([new.at(place) for place in range(50)])
    assert np.mean(kept[:, :, 0] < 5) == pytest.approx(0.27)
    assert (kept[:, :, 1] > 20).all()
    np.testing.assert_allclose(np.sort(kept[:, :, 1].ravel()), np.sort(values[:, :, 2].astype(np.float32).ravel()))
    np.testing.assert_allclose(mixed.r_hat[:, 0], [1.292, 1.1])
    # variance of w a + (1 - w) b with n and m draws: one over the effective draws of the mean
    first, second = found.effective[:2, 0]
    assert mixed.effective[0, 0] == pytest.approx(1 / (0.27**2 / first + 0.73**2 / second))
    np.testing.assert_allclose(weighed(found, mixture).presence[:, 0], [0.27, 0.73, 1])
    assert weighed(found, None) is found


def test_the_prior_of_a_mixture_has_its_moments():
    rng = np.random.default_rng(1)
    prior = Prior(np.array([[0.9], [0.3]]), np.array([[1.0], [4.0]]), np.array([[0.5], [0.2]]))
    grounds = stacked([Ground(*(np.array([v]) for v in (p, 1.0, 1.0, 2.0, 3.0, 4.0))) for p in (0.9, 0.3)])
    mixture = TypeMixture(np.array([0, 0]), np.array([0.25, 0.75]), np.array([0, 1]), grounds)
    found = merged_prior(prior, mixture)
    kind = rng.choice(2, 400_000, p=mixture.weights)
    there = rng.random(len(kind)) < prior.presence[kind, 0]
    logs = rng.normal(prior.log_mean[kind, 0], prior.log_sd[kind, 0])[there]
    assert found.presence[0, 0] == pytest.approx(there.mean(), abs=0.003)
    assert found.log_mean[0, 0] == pytest.approx(logs.mean(), abs=0.02)
    assert found.log_sd[0, 0] == pytest.approx(logs.std(), abs=0.01)
    assert likeliest(mixture).presence.tolist() == [[0.3]]
    back = unstacked(grounds)
    assert [float(own.presence[0]) for own in back] == [0.9, 0.3]
    assert back[0].pairs is None
