"""Loss terms against numerical integration and scipy."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special, stats

from vaebench.nn.losses import (
    categorical_kl,
    covariance,
    covariance_penalty,
    gaussian_kl,
    gaussian_log_density,
    gaussian_nll,
    importance_bound,
    log_cosh,
    mean_squared_error,
    mixture_log_densities,
    off_diagonal_sum,
    sliced_wasserstein,
    squared_distances,
    stratified_log_weights,
)


@pytest.mark.parametrize(("mean", "logvar"), [(0.0, 0.0), (1.3, -0.7), (-2.0, 1.1)])
def test_gaussian_kl_equals_integral(mean, logvar):
    q, p = stats.norm(mean, np.exp(logvar / 2)), stats.norm(0, 1)
    integral, _ = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -30, 30, points=[mean])
    two = gaussian_kl(jnp.array([[mean, 0.0]]), jnp.array([[logvar, 0.0]]))
    np.testing.assert_allclose(two, [integral], rtol=1e-5, atol=1e-6)


def test_gaussian_kl_sums_over_latents():
    rng = np.random.default_rng(1)
    mean, logvar = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    single = [gaussian_kl(jnp.array(mean[:, [i]]), jnp.array(logvar[:, [i]])) for i in range(3)]
    np.testing.assert_allclose(gaussian_kl(jnp.array(mean), jnp.array(logvar)), sum(single), rtol=1e-5)


def test_gaussian_nll_equals_scipy():
    rng = np.random.default_rng(2)
    x, r = rng.normal(size=(4, 7)), rng.normal(size=(4, 7))
    expected = -stats.norm(r, 1).logpdf(x).sum(1)
    np.testing.assert_allclose(gaussian_nll(jnp.array(x), jnp.array(r)), expected, rtol=1e-5)


def test_mean_squared_error_equals_numpy():
    rng = np.random.default_rng(3)
    x, r = rng.normal(size=(4, 7)), rng.normal(size=(4, 7))
    np.testing.assert_allclose(mean_squared_error(jnp.array(x), jnp.array(r)), ((x - r) ** 2).mean(), rtol=1e-5)


@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield


def test_gaussian_nll_broadcasts_draws():
    rng = np.random.default_rng(2)
    x, r = rng.normal(size=(1, 4, 7)), rng.normal(size=(3, 4, 7))
    expected = -stats.norm(r, 1).logpdf(x).sum(-1)
    np.testing.assert_allclose(gaussian_nll(jnp.array(x), jnp.array(r)), expected, rtol=1e-5)


def test_gaussian_log_density_equals_scipy():
    rng = np.random.default_rng(4)
    z, mean, logvar = rng.normal(size=(3, 5, 4))
    expected = stats.norm(mean, np.exp(0.5 * logvar)).logpdf(z)
    np.testing.assert_allclose(gaussian_log_density(*map(jnp.array, (z, mean, logvar))), expected, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("a", [0.1, 1.0, 10.0])
def test_log_cosh_in_float32_equals_float64_everywhere(a):
    t = np.array([-1e6, -30.0, -1.0, -1e-2, 0.0, 1e-2, 1.0, 30.0, 1e6], np.float32)
    u = np.abs(a * t.astype(np.float64))
    exact = (u + np.log1p(np.exp(-2 * u)) - np.log(2)) / a
    np.testing.assert_allclose(log_cosh(jnp.array(t), a), exact, rtol=1e-6, atol=2e-7 / a)
    gradient = jax.vmap(jax.grad(lambda v: log_cosh(v, a)))(jnp.array(t))
    np.testing.assert_allclose(gradient, np.tanh(a * t.astype(np.float64)), rtol=1e-5, atol=1e-6)


def test_importance_bound_is_the_log_of_the_mean_weight():
    log_weights = np.random.default_rng(5).normal(size=(6, 4)) * 3
    expected = np.log(np.exp(log_weights).mean(0))
    np.testing.assert_allclose(importance_bound(jnp.array(log_weights)), expected, rtol=1e-5, atol=1e-6)
    shifted = importance_bound(jnp.array(log_weights - 500))
    np.testing.assert_allclose(shifted, expected - 500, rtol=1e-5)


def test_covariance_and_its_penalty_equal_numpy():
    mean = np.random.default_rng(6).normal(size=(9, 4))
    matrix = np.cov(mean.T, bias=True)
    np.testing.assert_allclose(covariance(jnp.array(mean)), matrix, rtol=1e-4, atol=1e-6)
    expected = sum(
        0.7 * (matrix[i, i] - 1) ** 2 if i == j else 0.2 * matrix[i, j] ** 2 for i in range(4) for j in range(4)
    )
    np.testing.assert_allclose(covariance_penalty(jnp.array(matrix), 0.2, 0.7), expected, rtol=1e-5)


def test_categorical_kl_equals_enumeration_and_survives_extreme_logits():
    logits = np.random.default_rng(7).normal(size=(5, 2, 4)) * 2
    q = special.softmax(logits, axis=-1)
    expected = [[sum(p * np.log(p / 0.25) for p in variable) for variable in sample] for sample in q]
    np.testing.assert_allclose(categorical_kl(jnp.array(logits)), expected, rtol=1e-5, atol=1e-6)
    value, gradient = jax.value_and_grad(lambda v: categorical_kl(v))(jnp.array([1e4, 0.0, -1e4, 0.0]))
    np.testing.assert_allclose(value, np.log(4), rtol=1e-6)
    assert np.isfinite(gradient).all()


def test_squared_distances_and_off_diagonal_sum_equal_loops():
    rng = np.random.default_rng(8)
    u, v = rng.normal(size=(2, 5, 3))
    loop = np.array([[((a - b) ** 2).sum() for b in v] for a in u])
    np.testing.assert_allclose(squared_distances(jnp.array(u), jnp.array(v)), loop, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(off_diagonal_sum(jnp.array(loop)), loop.sum() - np.trace(loop), rtol=1e-5)
    same = squared_distances(jnp.array(100 * u), jnp.array(100 * u))
    assert (np.asarray(same) >= 0).all()


def test_sliced_wasserstein_equals_the_best_pairing():
    rng = np.random.default_rng(9)
    z, prior = rng.normal(size=(2, 5, 2))
    directions = np.array([[1.0, 0.0], [0.6, 0.8]])
    best = [
        min(np.mean((z @ d - (prior @ d)[list(order)]) ** 2) for order in itertools.permutations(range(5)))
        for d in directions
    ]
    ours = sliced_wasserstein(*map(jnp.array, (z, prior, directions)))
    np.testing.assert_allclose(ours, np.mean(best), rtol=1e-5)


def mixture(samples: int = 6):
    rng = np.random.default_rng(10)
    return rng.normal(size=(samples, 2)), rng.normal(size=(samples, 2)) - 0.5


def test_mixture_densities_equal_the_exact_mixture(double):
    """Equal weights and the whole set: log q(z) and the product of marginals of a Gaussian mixture."""
    mean, logvar = mixture()
    z = np.random.default_rng(11).normal(size=mean.shape)
    own, joint, product = mixture_log_densities(*map(jnp.array, (z, mean, logvar)), jnp.full((6, 6), -np.log(6)))
    each = stats.norm(mean[None], np.exp(0.5 * logvar)[None]).pdf(z[:, None])
    np.testing.assert_allclose(joint, np.log(each.prod(-1).mean(1)), rtol=1e-12)
    np.testing.assert_allclose(product, np.log(each.mean(1)).sum(-1), rtol=1e-12)
    np.testing.assert_allclose(own, np.log(np.einsum("iil->il", each)).sum(-1), rtol=1e-12)


def test_total_correlation_and_dimension_kl_equal_integrals(double):
    """Gauss-Hermite points of every component integrate the three terms; a plain grid is the oracle."""
    mean, logvar = mixture()
    sigma = np.exp(0.5 * logvar)
    grid = np.linspace(-9, 9, 1201)
    step = grid[1] - grid[0]
    marginals = np.array([stats.norm(mean[:, [i]], sigma[:, [i]]).pdf(grid[None]).mean(0) for i in range(2)])
    parts = [stats.norm(mean[:, [i]], sigma[:, [i]]).pdf(grid[None]) for i in range(2)]
    density = np.einsum("ja,jb->ab", *parts) / 6
    independent = marginals[0][:, None] * marginals[1][None]
    kept = density > 1e-300
    total = (density[kept] * np.log(density[kept] / independent[kept])).sum() * step**2
    dimension = sum((m[m > 0] * (np.log(m[m > 0]) - stats.norm.logpdf(grid[m > 0]))).sum() * step for m in marginals)

    nodes, weights = np.polynomial.hermite_e.hermegauss(100)
    eps = np.array(list(itertools.product(nodes, nodes)))
    share = np.array([a * b for a, b in itertools.product(weights, weights)]) / (2 * np.pi)

    @jax.jit
    def terms(eps):
        z = mean + sigma * eps[None]
        _, joint, product = mixture_log_densities(*map(jnp.array, (z, mean, logvar)), jnp.full((6, 6), -jnp.log(6.0)))
        prior = gaussian_log_density(z, jnp.zeros(()), jnp.zeros(())).sum(-1)
        return jnp.mean(joint - product), jnp.mean(product - prior)

    tc, kl = jax.lax.map(terms, jnp.array(eps), batch_size=1000)
    np.testing.assert_allclose(share @ np.asarray(tc), total, rtol=5e-4)
    np.testing.assert_allclose(share @ np.asarray(kl), dimension, rtol=1e-4)


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
def test_stratified_weights_are_a_distribution_with_one_over_n_on_the_diagonal(batch):
    weights = np.exp(np.asarray(stratified_log_weights(batch, 20)))
    np.testing.assert_allclose(np.diag(weights), 1 / 20, rtol=1e-5)
    if batch > 1:
        np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)
        odd = (20 - batch + 1) / (20 * (batch - 1))
        assert (np.isclose(weights, odd).sum(1) == 1).all() or batch == 2
