"""The exposures' sampler against a posterior summed on a grid, against its own prior, and on data without noise."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from vaebench.signatures.likelihood import BACKGROUND
from vaebench.signatures.sampler.gibbs import swept
from vaebench.signatures.sampler.priors import updated_prior
from vaebench.signatures.sampler.problem import NOISES, GibbsState, Prior, Problem, held, slabs_of
from vaebench.signatures.sampler.proposals import single, slab_of


def run_chain(
    key: jax.Array, exposures: jax.Array, problem: Problem, prior: Prior, n: int, noise: str = "gaussian"
) -> tuple[np.ndarray, np.ndarray]:
    """Draws [n, T, S] of ``n`` sweeps from ``exposures`` [T, S], and the share of moves accepted [T]."""
    draws, accepted = np.empty((n, *exposures.shape), np.float32), np.zeros(len(exposures))
    known, slabs = held(problem), slabs_of(prior, exposures.dtype)
    for i in range(n):
        state = swept(key, i, exposures, known, slabs, noise)
        draws[i], exposures = state.exposures, state.exposures
        accepted += np.asarray(state.accepted) / n
    return draws, accepted


def spectra(rng: np.random.Generator, count: int, sharp: float = 0.3) -> np.ndarray:
    return rng.dirichlet(np.full(96, sharp), count)


def problem(x, signatures, mean, *, noise="poisson", size=10.0) -> Problem:
    """Float64 arrays; call it where they are enabled."""
    spread = mean**2 / size if noise == "negative_binomial" else 0.0
    variance = np.maximum(mean, 1.0) if noise == "gaussian" else mean + 0.1 + spread
    dispersion = 3.0 if noise == "dirichlet" else 1.0
    return Problem(*(jnp.asarray(v, jnp.float64) for v in (x, signatures, dispersion * variance, dispersion, size)))


def noisy(rng: np.random.Generator, mean: np.ndarray, noise: str, size: float = 10.0) -> np.ndarray:
    if noise == "gaussian":
        return mean + np.sqrt(np.maximum(mean, 1.0)) * rng.standard_normal(mean.shape)
    if noise == "negative_binomial":
        mean = mean * rng.gamma(size, 1 / size, mean.shape)
    return rng.poisson(mean).astype(float)


def log_likelihood(x, mean, noise, variance, size=10.0):
    """[..., 96] -> [...], terms without the mean left out."""
    if noise == "gaussian":
        return -0.5 * ((x - mean) ** 2 / variance).sum(-1)
    mean = mean + BACKGROUND
    if noise == "poisson":
        return (x * np.log(mean) - mean).sum(-1)
    if noise == "dirichlet":  # a Poisson number of mutations, and a third of what their channels say
        total = mean.sum(-1)
        return x.sum() * np.log(total) - total + (x * np.log(mean / total[..., None])).sum(-1) / 3
    return (x * np.log(mean) - (x + size) * np.log(size + mean)).sum(-1)


def grid_posterior(x, signatures, prior, noise, variance):
    """Points [n + 1], the first 0, and the distribution function there [n + 1, 2] of two exposures, summed over a grid."""
    edges = np.concatenate([[0.0], np.geomspace(0.05, 4 * np.abs(x).sum() + 200, 240)])
    points = np.concatenate([[0.0], 0.5 * (edges[1:] + edges[:-1])])
    masses = []
    for k in range(2):
        slab = np.diff(stats.lognorm(prior.log_sd[k], scale=np.exp(prior.log_mean[k])).cdf(edges))
        masses.append(np.concatenate([[1 - prior.presence[k]], prior.presence[k] * slab]))
    mean = points[:, None, None] * signatures[0] + points[None, :, None] * signatures[1]
    fit = log_likelihood(x, mean, noise, variance)
    joint = np.exp(fit - fit.max()) * masses[0][:, None] * masses[1][None, :]
    joint /= joint.sum()
    return edges, np.cumsum(np.stack([joint.sum(1), joint.sum(0)], 1), 0)


@pytest.mark.parametrize("noise", [pytest.param(noise, marks=pytest.mark.slow) for noise in NOISES])
def test_posterior_of_two_signatures_is_that_summed_on_a_grid(noise):
    rng = np.random.default_rng(3)
    signatures = spectra(rng, 2)
    signatures[1] = 0.5 * signatures[0] + 0.5 * signatures[1]  # alike, so that one may stand for the other
    prior = Prior(np.array([0.6, 0.5]), np.log([40.0, 30.0]), np.array([0.8, 1.0]))
    truth = np.array([[60.0, 0.0], [0.0, 40.0], [25.0, 8.0], [5.0, 0.0]])
    x = noisy(rng, truth @ signatures, noise)
    copies = np.tile(x, (400, 1))  # independent chains, side by side
    with jax.enable_x64(True):
        known = problem(copies, signatures, np.tile(truth, (400, 1)) @ signatures, noise=noise)
        draws, accepted = run_chain(jax.random.key(1), jnp.full((1600, 2), 10.0), known, prior, 180, noise)
    draws = np.asarray(draws)[60::3].reshape(-1, 4, 2)
    assert np.asarray(accepted).min() > 0.3
    for t in range(4):
        edges, expected = grid_posterior(x[t], signatures, prior, noise, np.asarray(known.variance)[t])
        for k in range(2):
            found = np.searchsorted(np.sort(draws[:, t, k]), edges, side="right") / len(draws)
            np.testing.assert_allclose(found, expected[:, k], atol=0.025)


@pytest.mark.slow
def test_ranks_of_exposures_from_the_prior_are_uniform():
    """Simulation-based calibration (Talts et al. 2018): truths from the prior, counts from them, ranks among the draws."""
    rng = np.random.default_rng(5)
    signatures = spectra(rng, 5)
    signatures[4] = 0.6 * signatures[3] + 0.4 * signatures[4]
    prior = Prior(
        np.array([0.9, 0.5, 0.2, 0.7, 0.5]), np.log([300.0, 80, 30, 500, 200]), np.array([0.5, 1, 1, 0.7, 0.7])
    )
    samples = 600
    slab = np.exp(prior.log_mean + prior.log_sd * rng.standard_normal((samples, 5)))
    truth = np.where(rng.random((samples, 5)) < prior.presence, slab, 0.0)
    x = rng.poisson(truth @ signatures).astype(float)
    with jax.enable_x64(True):
        known = problem(x, signatures, truth @ signatures)
        start = jnp.asarray(np.tile(x.sum(1, keepdims=True) / 5, 5))
        draws, _ = run_chain(jax.random.key(1), start, known, prior, 60 + 4 * 99, "poisson")
    draws = np.asarray(draws)[60::4]
    ties = (draws == truth.astype(np.float32)).sum(0)  # at 0, broken at random
    ranks = (draws < truth).sum(0) + rng.integers(0, ties + 1)
    for k in range(5):
        counts = np.histogram(ranks[:, k], 10, (0, 100))[0]
        assert stats.chisquare(counts).pvalue > 0.001, counts


@pytest.mark.slow
def test_proposals_are_finite_however_far_prior_and_likelihood_lie_apart():
    rng = np.random.default_rng(7)
    n = 100_000
    sd = 10 ** rng.uniform(-1, 4, n)
    centre = sd * 10 ** rng.uniform(-2, 6, n) * rng.choice([-1, 1], n)
    old = np.where(rng.random(n) < 0.3, 0.0, 10 ** rng.uniform(-6, 6, n))
    with jax.enable_x64(True):
        prior = (rng.uniform(1e-4, 1 - 1e-4, n), rng.uniform(-5, 14, n), rng.uniform(0.1, 3, n))
        slab = slab_of(*(jnp.asarray(v)[None] for v in prior))
        u = jnp.asarray(rng.uniform(1e-7, 1, (2, 1, n)))
        found = single(u, *(jnp.asarray(v)[None] for v in (old, centre, sd)), slab)
    assert np.isfinite(found.exposure).all()
    assert (np.asarray(found.exposure) >= 0).all()
    assert np.isfinite(found.presence).all()
    assert np.isfinite(np.where(found.outside, 0.0, found.log_ratio)).all()


def test_an_exposure_of_zero_that_the_data_exclude_is_left():
    signatures = np.random.default_rng(0).dirichlet(np.ones(96), 1)
    prior = Prior(*np.array([[0.5], [9.0], [1.0]]))
    with jax.enable_x64(True):
        known = problem(1e5 * signatures, signatures, 1e5 * signatures)
        draws, _ = run_chain(jax.random.key(0), jnp.zeros((1, 1)), known, prior, 3, "poisson")
    np.testing.assert_allclose(np.asarray(draws).ravel(), 1e5, rtol=0.02)


def test_one_signature_needs_no_pairs():
    with jax.enable_x64(True):
        flat = np.full((1, 96), 1 / 96)
        known = problem(np.full((2, 96), 3.0), flat, np.full((2, 96), 3.0))
        prior = Prior(np.array([0.5]), np.log([300.0]), np.array([2.0]))
        draws, _ = run_chain(jax.random.key(1), jnp.full((2, 1), 1.0), known, prior, 2000, "poisson")
    settled = np.asarray(draws)[100:]
    assert abs(settled.mean() - 288) < 3  # Gamma(288 + small, 1), the slab being wide
    assert abs(settled.std() - np.sqrt(288)) < 2
    assert settled.min() > 0


def test_updated_prior_is_that_of_the_draws():
    rng = np.random.default_rng(1)
    exposures = np.where(rng.random((500, 2)) < 0.4, np.exp(rng.normal(3, 0.5, (500, 2))), 0.0)
    with jax.enable_x64(True):
        state = GibbsState(*(jnp.asarray(v) for v in (exposures, (exposures > 0) * 1.0, np.zeros(500))))
        prior = updated_prior(state, jnp.ones((500, 1)), 10.0)
    for k in range(2):
        logs = np.log(exposures[exposures[:, k] > 0, k])
        n = len(logs)
        centre = (logs.sum() + 0.1 * np.log(10.0)) / (n + 0.1)
        spread = ((logs - centre) ** 2).sum() + 2 + 0.1 * (centre - np.log(10.0)) ** 2
        expected = [(n + 0.5) / 501, centre, np.sqrt(spread / (n + 2))]
        np.testing.assert_allclose([float(v[0, k]) for v in prior], expected, rtol=1e-9)
