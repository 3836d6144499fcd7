"""Maximum-likelihood exposures against scipy's optimisers, and the noise estimates on counts of known noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from vaebench.signatures.active_set import few_of_many
from vaebench.signatures.dispersion import chi_squared, negative_binomial, scatter
from vaebench.signatures.likelihood import BACKGROUND, GAP, deviance, maximum_likelihood


def cohort(seed: int, samples: int, count: int, burden: float = 2000.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts [T, 96], signatures [S, 96] some of them alike, and exposures of which half are 0."""
    rng = np.random.default_rng(seed)
    signatures = rng.dirichlet(np.full(96, 0.3), count)
    signatures[1] = 0.7 * signatures[0] + 0.3 * signatures[1]
    exposures = np.where(rng.random((samples, count)) < 0.5, rng.gamma(0.7, burden / count, (samples, count)), 0.0)
    return rng.poisson(exposures @ signatures).astype(float), signatures, exposures


def best_by_scipy(x, signatures, size=None):
    """Log likelihood at scipy's L-BFGS-B optimum from several starts, exposures in units of the burden."""
    unit = x.sum() + 1

    def objective(share):
        mean = unit * share @ signatures
        share_of_counts = x / (mean + BACKGROUND)
        if size is None:
            value, slope = mean.sum() - x @ np.log(mean + BACKGROUND), 1 - share_of_counts
        else:
            value = (x + size) @ np.log1p(mean / size) - x @ np.log(mean + BACKGROUND)
            slope = (x + size) / (mean + size) - share_of_counts
        return value, unit * signatures @ slope

    options = {"maxiter": 5000, "maxfun": 50_000, "ftol": 1e-15, "gtol": 1e-10}
    bounds = [(0, None)] * len(signatures)
    starts = (np.full(len(signatures), 1 / len(signatures)), np.linspace(0.01, 1, len(signatures)))
    return -min(optimize.minimize(objective, s, jac=True, bounds=bounds, options=options).fun for s in starts)


@pytest.mark.parametrize("size", [None, pytest.param(10.0, marks=pytest.mark.slow)])
def test_no_exposures_fit_better_than_scipys(size):
    x, signatures, _ = cohort(0, 24, 6)
    fit = maximum_likelihood(x, signatures, size=size)
    assert (fit.exposures >= 0).all()
    assert fit.gap.max() < GAP
    expected = [best_by_scipy(row, signatures, size) for row in x]
    np.testing.assert_allclose(fit.log_likelihood, expected, rtol=0, atol=1e-4)
    assert (fit.log_likelihood > np.array(expected) - 1e-6).all()


@pytest.mark.slow
def test_more_signatures_than_mutations():
    x, signatures, _ = cohort(1, 10, 40, burden=30.0)
    fit = maximum_likelihood(x, signatures)
    expected = [best_by_scipy(row, signatures) for row in x]
    assert fit.gap.max() < GAP
    assert (fit.log_likelihood > np.array(expected) - 1e-5).all()


def test_counts_without_noise_give_back_the_exposures_as_nnls_does():
    _, signatures, exposures = cohort(2, 8, 5, burden=1e6)
    mean = exposures @ signatures
    fit = maximum_likelihood(mean, signatures)
    np.testing.assert_allclose(fit.exposures, exposures, atol=1e-3 * exposures.max() ** 0.5)
    by_nnls = np.array([optimize.nnls(signatures.T, row)[0] for row in mean])
    np.testing.assert_allclose(fit.exposures, by_nnls, atol=1e-3 * exposures.max() ** 0.5)


def test_fitted_counts_sum_to_the_observed_ones():
    x, signatures, _ = cohort(3, 50, 6)
    fit = maximum_likelihood(x, signatures)  # a property of the Poisson maximum
    np.testing.assert_allclose(fit.exposures.sum(1), x.sum(1), atol=1e-2)


def test_samples_without_mutations_have_none_of_any_signature():
    _, signatures, _ = cohort(0, 2, 6)
    fit = maximum_likelihood(np.zeros((3, 96)), signatures)
    np.testing.assert_allclose(fit.exposures, 0.0, atol=1e-9)


def test_frozen_exposures_stay_and_the_others_are_best_given_them():
    x, signatures, _ = cohort(4, 1, 3)
    held = 0.5 * x.sum()
    start = np.array([[1.0, held, 1.0]])
    fit = maximum_likelihood(x, signatures, start=start, free=np.array([[True, False, True]]))
    assert fit.exposures[0, 1] == held

    def lost(e):
        mean = np.array([e[0], held, e[1]]) @ signatures
        return mean.sum() - x[0] @ np.log(mean + BACKGROUND)

    grid = optimize.brute(lost, ((0, x.sum()), (0, x.sum())), Ns=60, finish=None)
    best = optimize.minimize(lost, grid, method="L-BFGS-B", bounds=[(0, None)] * 2)
    assert fit.log_likelihood[0] == pytest.approx(-best.fun, abs=1e-3)


def test_blocks_change_nothing(monkeypatch):
    x, signatures, _ = cohort(5, 150, 4)
    whole = maximum_likelihood(x, signatures)
    monkeypatch.setattr("vaebench.signatures.likelihood._BLOCK", 1)
    np.testing.assert_allclose(maximum_likelihood(x, signatures).exposures, whole.exposures, atol=1e-3)


def test_deviance_is_that_of_the_poisson_family():
    rng = np.random.default_rng(0)
    x, mean = rng.poisson(3.0, (4, 96)).astype(float), rng.gamma(3.0, 1.0, (4, 96))
    saturated = stats.poisson.logpmf(x, np.maximum(x, 1e-300)).sum(1)
    expected = 2 * (saturated - stats.poisson.logpmf(x, mean).sum(1))
    np.testing.assert_allclose(deviance(x, mean), expected, rtol=1e-4)


def test_chi_squared_of_rare_channels_is_that_of_their_sum():
    mean = np.concatenate([np.full(46, 20.0), np.full(50, 0.04)])[None]
    x = np.concatenate([np.full(46, 25.0), np.zeros(49), [4.0]])[None]
    terms, cells = chi_squared(x, mean)
    assert cells[0] == 47
    assert terms[0] == pytest.approx(46 * 25 / 20 + (4 - 2) ** 2 / 2)


def test_dispersion_is_one_for_poisson_counts_and_tiny_for_rounded_means():
    x, signatures, exposures = cohort(6, 300, 5)
    poisson = scatter(x, signatures, maximum_likelihood(x, signatures).exposures)
    assert poisson.dispersion == pytest.approx(1, abs=0.04)
    assert poisson.rounding == 0
    rounded = np.round(exposures @ signatures)
    exact = scatter(rounded, signatures, maximum_likelihood(rounded, signatures).exposures)
    assert exact.dispersion < 0.1
    assert exact.rounding == pytest.approx(1 / 12)


def test_dispersion_shows_a_missing_signature():
    x, signatures, exposures = cohort(7, 200, 5)
    found = scatter(x, signatures[:4], maximum_likelihood(x, signatures[:4]).exposures).by_sample
    without, carriers = exposures[:, 4] == 0, exposures[:, 4] > 0.1 * exposures.sum(1)
    assert np.nanmedian(found[carriers]) > 2
    assert np.nanmedian(found[without]) == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("size", [10.0, 30.0])
def test_size_of_the_negative_binomial_is_recovered(size):
    _, signatures, exposures = cohort(8, 300, 5)
    rng = np.random.default_rng(0)
    mean = exposures @ signatures
    x = rng.poisson(mean * rng.gamma(size, 1 / size, mean.shape)).astype(float)
    fit, found = negative_binomial(x, signatures)
    assert found.size == pytest.approx(size, rel=0.1)
    assert found.dispersion == pytest.approx(1, abs=0.02)
    by_poisson = maximum_likelihood(x, signatures).exposures
    assert ((fit.exposures - exposures) ** 2).mean() < 1.01 * ((by_poisson - exposures) ** 2).mean()


def test_poisson_counts_look_poisson_to_the_negative_binomial():
    x, signatures, _ = cohort(9, 200, 4)
    assert negative_binomial(x, signatures)[1].size > 300


@pytest.mark.parametrize("size", [None, pytest.param(10.0, marks=pytest.mark.slow)])
def test_few_of_many_signatures_are_fitted_as_all_are(size):
    x, signatures, exposures = cohort(2, 12, 40)
    start, free = np.where(exposures > exposures.max() / 3, exposures, 0.0), np.ones(exposures.shape, bool)
    start[:, 5], free[:, 5] = 30.0, False  # held
    some, every = few_of_many(x, signatures, start, free, size=size), exposures.copy()
    every[:, 5] = 30.0
    every = maximum_likelihood(x, signatures, size=size, start=np.maximum(every, 1e-3 * (1 - np.eye(40)[5])), free=free)
    assert (some.exposures[:, 5] == 30).all()
    np.testing.assert_allclose(some.log_likelihood, every.log_likelihood, rtol=0, atol=5e-6)
    np.testing.assert_allclose(some.exposures, every.exposures, atol=0.05)
