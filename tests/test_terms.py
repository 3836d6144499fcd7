"""Loss terms against numerical integration and scipy."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from vaebench.terms import gaussian_kl, gaussian_nll, mean_squared_error


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
