"""The correlated Gaussian likelihood against scipy, and as an option of the variants."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from vaebench.errors import InputError
from vaebench.nn.losses import gaussian_nll
from vaebench.nn.residuals import LEAST_VARIANCE, Covariance, whitened
from vaebench.space import point, static_of, traced_of
from vaebench.types import Context
from vaebench.variants import variant

B, D, RANK = 5, 7, 3


def test_whitened_values_give_scipys_density():
    rng = np.random.default_rng(0)
    loadings, variance = rng.normal(size=(D, RANK)), np.exp(rng.normal(size=D))
    x, mean = rng.normal(size=(B, D)), rng.normal(size=(2, B, D))
    covariance = Covariance(jnp.asarray(loadings, jnp.float32), jnp.asarray(variance, jnp.float32))
    values = (jnp.asarray(x[None], jnp.float32), jnp.asarray(mean, jnp.float32))
    (white, centre), half = jax.jit(whitened)(values, covariance)
    full = loadings @ loadings.T + np.diag(variance)
    expected = [[-stats.multivariate_normal.logpdf(x[b], mean[k, b], full) for b in range(B)] for k in range(2)]
    np.testing.assert_allclose(gaussian_nll(white, centre) + half, expected, rtol=1e-4)
    np.testing.assert_allclose(half, 0.5 * np.linalg.slogdet(full)[1], rtol=1e-5)


def test_variants_take_it_and_with_no_loadings_and_variance_1_the_loss_is_the_plain_one(key):
    """One with several draws, whose bound moves by the same constant."""
    fields = {"variant": "iwae", "latent": 3, "hidden": (4,), "batch": B, "norm": "layer", "draws": 2}
    plain, other = point(**fields), point(**fields, output="correlated")
    one, two = (variant("iwae").build(static_of(p, D)) for p in (plain, other))
    x, traced, context = jax.random.normal(key, (B, D)), traced_of(plain), Context(True, 50, B, 0)
    shapes = jax.eval_shape(two.init, key, jnp.asarray(traced.init))["params"]
    rng = np.random.default_rng(1)
    params = jax.tree.map(lambda leaf: jnp.asarray(0.3 * rng.normal(size=leaf.shape), jnp.float32), shapes)

    def loss_of(model):
        held = (x, key, traced.hyper, jnp.asarray(traced.activation), context)
        return jax.jit(lambda params: model.loss({"params": params, "batch_stats": {}}, *held))

    bare = {k: v for k, v in params.items() if k != "covariance"}
    none = {"loadings": {"kernel": jnp.zeros((D, D))}, "logs": {"bias": jnp.zeros((1, D))}}
    expected, aux = loss_of(one)(bare)
    correlated = loss_of(two)
    found, terms = correlated({**bare, "covariance": none})
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert set(terms.terms) == set(aux.terms)
    # variance 4: half of log det is D log 2, and the squares count a quarter
    wide = {**none, "logs": {"bias": jnp.full((1, D), np.log(4.0))}}
    _, terms = correlated({**bare, "covariance": wide})
    squares = aux.terms["reconstruction"] - 0.5 * D * np.log(2 * np.pi)
    expected = squares / 4 + 0.5 * D * np.log(2 * np.pi) + D * np.log(2)
    np.testing.assert_allclose(terms.terms["reconstruction"], expected, rtol=1e-5)
    moved, _ = correlated(params)
    assert np.isfinite(moved)


@pytest.mark.parametrize(("name", "weight"), [("vae", 1.0), ("beta_vae", 1.0), ("info_vae", 10.5)])
def test_the_log_determinant_weighs_what_the_likelihood_weighs(name, weight, key):
    """Errors of variance 4 beside those of variance 1, by scipy's densities of both."""
    chosen = point(variant=name, latent=3, hidden=(4,), batch=B, norm="layer", output="correlated")
    model, traced = variant(name).build(static_of(chosen, D)), traced_of(chosen)
    variables, x = model.init(key, jnp.asarray(traced.init)), jax.random.normal(key, (B, D))

    def loss(log_variance):
        flat = {"loadings": {"kernel": jnp.zeros((D, D))}, "logs": {"bias": jnp.full((1, D), log_variance)}}
        params = {**variables["params"], "covariance": flat}
        held = ({**variables, "params": params}, x, key, traced.hyper, jnp.asarray(traced.activation))
        return model.loss(*held, Context(True, 50, B, 0))

    (one, aux), (four, wide) = loss(0.0), loss(np.log(4.0))
    squares = 2 * (aux.terms["reconstruction"] - 0.5 * D * np.log(2 * np.pi))  # sum of (x - mean)^2, on average
    shift = -stats.norm.logpdf(0, 0, 2) * D + squares / 8 - (-stats.norm.logpdf(0, 0, 1) * D + squares / 2)
    np.testing.assert_allclose(wide.terms["reconstruction"] - aux.terms["reconstruction"], shift, rtol=1e-4)
    np.testing.assert_allclose(four - one, weight * shift, rtol=1e-4)


def test_variances_stay_away_from_0():
    from vaebench.nn.residuals import ResidualCovariance

    params = {"loadings": {"kernel": jnp.zeros((D, D))}, "logs": {"bias": jnp.full((1, D), -99.0)}}
    assert ResidualCovariance(D).apply({"params": params}).variance.min() == np.float32(LEAST_VARIANCE)


@pytest.mark.parametrize(
    "fields", [{"variant": "huber_vae"}, {"variant": "vae", "recipe": "benchmarked"}, {"variant": "weibull_vae"}]
)
def test_losses_without_a_gaussian_likelihood_are_refused(fields):
    with pytest.raises(InputError, match=r"output is 'correlated'.* a Gaussian likelihood"):
        point(**fields, output="correlated")
