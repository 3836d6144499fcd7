"""Intervals against scipy's optimiser, closed forms, and draws of known spread; convergence statistics of chains."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from vaebench.signatures.dispersion import Scatter, scatter
from vaebench.signatures.intervals.ends import (
    bootstrap,
    conformal,
    parametric_resample,
    posterior_percentile,
    profile_likelihood,
)
from vaebench.signatures.intervals.options import BootstrapOptions
from vaebench.signatures.likelihood import BACKGROUND, maximum_likelihood
from vaebench.signatures.sampler.diagnostics import effective_size, r_hat

POISSON = Scatter(1.0, 0.0, np.inf, np.ones(1), np.ones(1))


def cohort(seed: int = 0, samples: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    signatures = rng.dirichlet(np.full(96, 0.3), 4)
    signatures[1] = 0.6 * signatures[0] + 0.4 * signatures[1]
    exposures = np.where(rng.random((samples, 4)) < 0.6, rng.gamma(1.0, 200.0, (samples, 4)), 0.0)
    exposures[:, 2] += 50
    return rng.poisson(exposures @ signatures).astype(float), signatures


def profile_by_scipy(x, signatures, k, level, size):
    """Ends for exposure ``k`` of one sample: a root of the profile that scipy's L-BFGS-B computes."""

    def lost(e):
        mean = e @ signatures
        value = mean.sum() - x @ np.log(mean + BACKGROUND)
        slope = 1 - x / (mean + BACKGROUND)
        if size is not None:
            value = (x + size) @ np.log1p(mean / size) - x @ np.log(mean + BACKGROUND)
            slope = (x + size) / (mean + size) - x / (mean + BACKGROUND)
        return value, signatures @ slope

    def best(held=None):
        bounds = [(0, None)] * len(signatures)
        start = np.full(len(signatures), x.sum() / len(signatures))
        if held is not None:
            bounds[k], start[k] = (held, held), held
        options = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 2000}
        return optimize.minimize(lost, start, jac=True, bounds=bounds, options=options)

    top = best()

    def excess(held):
        return best(held).fun - top.fun - 0.5 * stats.chi2.ppf(level, 1)

    estimate = top.x[k]
    lower = 0.0 if excess(0.0) <= 0 else optimize.brentq(excess, 0, estimate)
    return lower, optimize.brentq(excess, estimate, 2 * x.sum() + 50)


@pytest.mark.parametrize(
    ("size", "level", "samples"),
    [(10.0, 0.8, 1), *(pytest.param(*v, marks=pytest.mark.slow) for v in ((None, 0.95, 6), (10.0, 0.8, 6)))],
)
def test_profile_likelihood_ends_where_scipys_does(size, level, samples):
    x, signatures = cohort(samples=samples)
    fit = maximum_likelihood(x, signatures, size=size)
    noise = POISSON._replace(size=np.inf if size is None else size)
    ends = profile_likelihood(x, signatures, fit, noise, level)
    for t in range(len(x)):
        for k in range(4):
            expected = profile_by_scipy(x[t], signatures, k, level, size)
            np.testing.assert_allclose((ends.lower[t, k], ends.upper[t, k]), expected, rtol=2e-3, atol=0.05)


def test_profile_likelihood_of_one_signature_is_that_of_a_poisson_count():
    counts = np.array([0, 1, 5, 100, 10_000])
    x = np.zeros((5, 96))
    x[:, 0] = counts
    signatures = np.full((1, 96), 1 / 96)
    ends = profile_likelihood(x, signatures, maximum_likelihood(x, signatures), POISSON)
    for n, low, high in zip(counts, ends.lower[:, 0], ends.upper[:, 0], strict=True):

        def lacking(mean, n=n):
            return mean - n - (n * np.log(mean / n) if n else 0) - 0.5 * stats.chi2.ppf(0.95, 1)

        assert high == pytest.approx(optimize.brentq(lacking, max(n, 1e-9), 2 * n + 10), rel=1e-3)
        assert low == pytest.approx(optimize.brentq(lacking, 1e-9, n) if n else 0.0, rel=1e-3, abs=1e-3)


def test_more_dispersion_makes_profile_intervals_wider():
    x, signatures = cohort(1)
    fit = maximum_likelihood(x, signatures)
    one, four = (profile_likelihood(x, signatures, fit, POISSON._replace(dispersion=d)) for d in (1.0, 4.0))
    inner = (one.lower > 0) & (four.lower > 0)
    ratio = (four.upper - four.lower)[inner] / (one.upper - one.lower)[inner]
    np.testing.assert_allclose(np.median(ratio), 2.0, atol=0.1)


@pytest.mark.slow
def test_bootstrap_of_one_signature_has_poisson_quantiles():
    x = np.full((3, 96), 4.0) * np.array([[1.0], [2.0], [10.0]])
    signatures = np.full((1, 96), 1 / 96)
    fit = maximum_likelihood(x, signatures)
    for kind in ("percentile", "basic"):
        ends = bootstrap(np.random.default_rng(0), signatures, fit, POISSON, 0.8, kind, BootstrapOptions(2000))
        low, high = stats.poisson(x.sum(1)).ppf([[0.1], [0.9]])
        if kind == "basic":
            low, high = 2 * x.sum(1) - high, 2 * x.sum(1) - low
        np.testing.assert_allclose(ends.lower[:, 0], low, rtol=0.01)
        np.testing.assert_allclose(ends.upper[:, 0], high, rtol=0.01)


@pytest.mark.parametrize(
    ("noise", "variance"),
    [
        (POISSON, 50.0),
        (POISSON._replace(dispersion=3.0), 150.0),
        (POISSON._replace(size=10.0), 50 + 2500 / 10),
        (POISSON._replace(dispersion=0.01, rounding=1 / 12, beyond=0.01), 0.5 + 1 / 12),
    ],
)
def test_counts_are_redrawn_with_the_noise_that_was_found(noise, variance):
    drawn = parametric_resample(np.random.default_rng(0), np.full((400, 96), 50.0), noise)
    assert drawn.mean() == pytest.approx(50, abs=0.5)
    assert drawn.var() == pytest.approx(variance, rel=0.04)


def test_rounded_means_are_redrawn_with_the_error_of_rounding_alone():
    rng = np.random.default_rng(1)
    signatures = rng.dirichlet(np.ones(96), 3)
    mean = rng.uniform(300, 900, (200, 3)) @ signatures
    x = np.round(mean)
    found = scatter(x, signatures, maximum_likelihood(x, signatures).exposures)
    assert found.rounding == pytest.approx(1 / 12)
    assert (parametric_resample(rng, mean, found) - mean).var() == pytest.approx((x - mean).var(), rel=0.1)


def test_a_sample_without_mutations_leaves_the_scatter_of_the_others():
    rng, mean = np.random.default_rng(2), np.full((400, 96), 10.0)
    mean[7] = 0
    drawn = parametric_resample(rng, mean, POISSON._replace(growth=0.01))
    assert not drawn[7].any()
    assert np.delete(drawn, 7, 0).var() == pytest.approx(10 * (1 + 0.01 * 960), rel=0.05)


def test_posterior_percentiles():
    draws = np.random.default_rng(0).permutation(1001)[:, None, None] * np.array([[[1.0, 2.5]]])
    central = posterior_percentile(draws, 0.9)
    np.testing.assert_allclose(central.lower, [[50, 125]])
    np.testing.assert_allclose(central.upper, [[950, 2375]])
    released = posterior_percentile(draws + 0.7, 0.95, "released")
    np.testing.assert_array_equal(released.lower, [[0, 0]])
    np.testing.assert_array_equal(released.upper, [[950, 2375]])


def test_conformal_intervals_of_too_narrow_draws_hold_new_exposures():
    rng = np.random.default_rng(0)

    def world(samples):
        truth = rng.gamma(3.0, 300.0, (samples, 2))
        seen = truth + rng.normal(0, (30, 90), (samples, 2))
        return truth, seen + rng.normal(0, 30, (200, samples, 2))  # spread right for the first, a third for the second

    truth, simulated = world(800)
    new, draws = world(800)
    ends, factors = conformal(draws, simulated, truth, 0.9)
    np.testing.assert_allclose(factors, [1, 3], rtol=0.15)
    inside = (ends.lower <= new) & (new <= ends.upper)
    np.testing.assert_allclose(inside.mean(0), 0.9, atol=0.04)
    narrow = posterior_percentile(draws, 0.9)
    assert ((narrow.lower <= new) & (new <= narrow.upper)).mean(0)[1] < 0.6


def test_signatures_that_no_simulated_sample_has_keep_their_intervals():
    draws = np.random.default_rng(0).normal(100, 10, (500, 5, 1))
    ends, factors = conformal(draws, draws, np.zeros((5, 1)), 0.9)
    assert factors == [1.0]
    np.testing.assert_allclose(ends.upper, posterior_percentile(draws, 0.9).upper)


def test_effective_size_of_an_autoregression_is_the_known_one():
    rng = np.random.default_rng(0)
    rho, n = 0.8, 20_000
    steps = rng.normal(0, np.sqrt(1 - rho**2), (2, n, 3))
    chain = np.empty_like(steps)
    chain[:, 0] = rng.normal(size=(2, 3))
    for i in range(1, n):
        chain[:, i] = rho * chain[:, i - 1] + steps[:, i]
    np.testing.assert_allclose(effective_size(chain), 2 * n * (1 - rho) / (1 + rho), rtol=0.12)
    np.testing.assert_allclose(effective_size(rng.normal(size=(2, 5000, 3))), 10_000, rtol=0.1)
    np.testing.assert_allclose(r_hat(chain), 1, atol=0.01)


def test_r_hat_sees_chains_that_have_not_met():
    rng = np.random.default_rng(0)
    apart = rng.normal(size=(2, 400, 1)) + np.array([0.0, 2.0])[:, None, None]
    halves = apart.reshape(4, 200)  # the definition, written out
    within, between = halves.var(1, ddof=1).mean(), halves.mean(1).var(ddof=1)
    assert r_hat(apart)[0] == pytest.approx(np.sqrt((199 / 200 * within + between) / within))
    assert r_hat(apart)[0] > 1.3
    assert effective_size(apart)[0] < 10
    still = np.zeros((2, 100, 1))
    assert r_hat(still)[0] == 1
    assert effective_size(still)[0] == 200
    still[1] = 1.0
    assert np.isinf(r_hat(still)[0])


def test_scatter_of_the_cohort_is_poisson():
    x, signatures = cohort(2, 300)
    assert scatter(x, signatures, maximum_likelihood(x, signatures).exposures).dispersion == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("size", [None, pytest.param(10.0, marks=pytest.mark.slow)])
def test_profile_likelihood_ends_alike_where_few_of_many_are_fitted(monkeypatch, size):
    rng = np.random.default_rng(3)
    signatures = rng.dirichlet(np.full(96, 0.2), 20)
    x = rng.poisson(rng.gamma(1, 300, (3, 20)) * (rng.random((3, 20)) < 0.3) @ signatures).astype(float)
    fit, noise = maximum_likelihood(x, signatures, size=size), POISSON._replace(size=size or np.inf)
    every = profile_likelihood(x, signatures, fit, noise)
    monkeypatch.setattr("vaebench.signatures.intervals.ends.FEWEST", 0)
    some = profile_likelihood(x, signatures, fit, noise)
    for one, other in zip(some, every, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=0.02)
