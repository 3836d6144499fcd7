"""Sums of signatures that counts cannot tell apart, and upper ends where draws are few."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vaebench.signatures.sampler.grounds import weak_ground
from vaebench.signatures.sampler.limits import upper_limits
from vaebench.signatures.sampler.options import SAMPLER
from vaebench.signatures.sampler.posterior import _with_limits
from vaebench.signatures.sampler.problem import NOISES, Prior, Problem
from vaebench.signatures.sampler.summary import ExposurePosterior
from vaebench.signatures.sampler.sums import inseparable


def test_exposures_that_stand_for_one_another_are_summed():
    rng = np.random.default_rng(0)
    n = 4000
    together, share = rng.normal(100, 5, n), rng.random(n)
    alone, chained = rng.normal(50, 5, n), rng.normal(0.2, 0.05, n)
    first = np.stack([together * share, alone, together * (1 - share)], 1)
    second = np.stack([alone, alone[::-1] + 20 * chained, rng.normal(30, 2, n)], 1)
    found = inseparable(np.stack([first, second], 1), 0.95, first=7)
    assert [(s.sample, s.members) for s in found] == [(7, (0, 2))]
    assert found[0].exposure == pytest.approx(100, abs=0.5)
    np.testing.assert_allclose([found[0].lower, found[0].upper], stats.norm(100, 5).ppf([0.025, 0.975]), atol=1)


def test_three_signatures_that_share_make_one_sum():
    rng = np.random.default_rng(1)
    together = rng.normal(300, 4, 4000)[:, None] * rng.dirichlet(np.ones(3), 4000)
    draws = np.concatenate([together, rng.normal(200, 20, (4000, 2))], 1)
    found = inseparable(draws[:, None], 0.9)
    assert [s.members for s in found] == [(0, 1, 2)]
    np.testing.assert_allclose([found[0].lower, found[0].upper], stats.norm(300, 4).ppf([0.05, 0.95]), atol=1)


def test_upper_limits_are_those_of_the_likelihood_and_the_slab():
    """A signature that no draw has, beside one that takes up what it adds: quantile of the exact joint posterior."""
    rng = np.random.default_rng(2)
    signatures = rng.dirichlet(np.full(96, 0.5), 2)
    signatures[1] = 0.7 * signatures[0] + 0.3 * signatures[1]
    x = rng.poisson(800 * signatures[0]).astype(float)[None]
    mean = np.array([[x.sum(), 0.0]])
    problem = Problem(x, signatures, mean @ signatures + 0.1)
    prior = Prior(np.full((1, 2), 0.5), np.full((1, 2), np.log(100.0)), np.full((1, 2), 1.0))
    found = upper_limits(problem, mean, np.array([[1.0, 0.0]]), prior, 0.95, slice(0, 1))[0, 1]
    a, b = np.linspace(300, 1000, 300), np.geomspace(0.1, 500, 400)
    mu = a[:, None, None] * signatures[0] + b[None, :, None] * signatures[1]
    fit = (x[0] * np.log(mu + 1e-6) - mu).sum(-1) - 0.5 * (np.log(b) - np.log(100)) ** 2
    mass = np.exp(fit - fit.max()).sum(0)
    exact = b[np.argmax(np.cumsum(mass) / mass.sum() >= 0.975)]
    assert found == pytest.approx(exact, rel=0.2)


@pytest.mark.parametrize("noise", NOISES)
def test_upper_limits_of_a_few_counts_are_those_of_the_likelihood_itself(noise):
    """No mutation in the channels of a signature: the quantile by quadrature, far from that of a Gaussian likelihood."""
    signatures = np.zeros((2, 96))
    signatures[0, :90], signatures[1, 90:] = 1 / 90, 1 / 6
    x = np.concatenate([np.full(90, 1.0), np.zeros(6)])[None]
    mean, presence = np.array([[90.0, 0.0]]), np.array([[1.0, 0.0]])
    dispersion = 2.0 if noise == "dirichlet" else 1.0
    problem = Problem(x, signatures, dispersion * (mean @ signatures + 0.1), dispersion, 5.0)
    rare = Prior(np.full((1, 2), 1e-4), np.full((1, 2), np.log(3.0)), np.full((1, 2), 1.5))
    found = upper_limits(problem, mean, presence, rare, 0.95, slice(0, 1), noise)[0, 1]
    e = np.linspace(1e-4, 30, 30_000)
    number = 90 * np.log1p(e / 90) - e  # of a Poisson number of mutations
    fit = {
        "poisson": -e,
        "dirichlet": 0.5 * number - 0.5 * e,
        "negative_binomial": -30 * np.log1p(e / 30),
        "gaussian": -0.5 * e**2 / 0.6,
    }[noise]
    mass = np.exp(fit) * stats.lognorm(1.5, scale=3.0).pdf(e)
    assert found == pytest.approx(e[np.argmax(np.cumsum(mass) / mass.sum() >= 0.975)], rel=0.05)
    # nor is a signature said to be 0 because the prior of the cohort has hardly any
    ends = dict.fromkeys(("lower", "upper", "r_hat", "effective"), np.zeros((1, 2)))
    ends |= {"mean": mean, "presence": presence}
    ground = weak_ground(x, 2)._replace(burden=0.0)
    nothing = ExposurePosterior(**ends, kept=mean[None], prior=rare, draws=500, sweeps=9, sums=[])
    assert _with_limits(nothing, problem, np.ones((1, 1)), ground, 0.95, SAMPLER, noise)[0, 1] == found
    # in a sample of many more mutations than the prior's mean, more of each signature is expected
    apart = ground._replace(burden=1.0)
    assert _with_limits(nothing, problem, np.ones((1, 1)), apart, 0.95, SAMPLER, noise)[0, 1] > found


def test_upper_limits_end_where_what_gives_way_is_used_up():
    """A signature with the spectrum of the one that is present may replace all of it, and no more than Poisson counts allow."""
    rng = np.random.default_rng(3)
    signatures = np.tile(rng.dirichlet(np.full(96, 20.0)), (2, 1))
    x = rng.poisson(100 * signatures[0]).astype(float)[None]
    n = x.sum()
    mean = np.array([[n, 0.0]])
    problem = Problem(x, signatures, mean @ signatures + 0.1)
    prior = Prior(np.full((1, 2), 0.5), np.full((1, 2), np.log(100.0)), np.full((1, 2), 3.0))
    found = upper_limits(problem, mean, np.array([[1.0, 0.0]]), prior, 0.95, slice(0, 1))[0, 1]
    e = np.linspace(0.01, 200, 20_000)
    mass = np.exp(n * np.log(np.maximum(e, n) / n) - np.maximum(e - n, 0)) * stats.lognorm(3.0, scale=100.0).pdf(e)
    assert found == pytest.approx(e[np.argmax(np.cumsum(mass) / mass.sum() >= 0.975)], rel=0.05)
