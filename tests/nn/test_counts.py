"""The likelihood of counts against scipy, in the losses of all variants, and the warm-up of the KL."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from vaebench.errors import InputError
from vaebench.nn.autoencoder import Gaussian, Outputs, warmed
from vaebench.nn.counts import count_nll, negative_binomial_nll
from vaebench.nn.losses import gaussian_nll
from vaebench.nn.priors import Mixture
from vaebench.space import Point, group_by_static, point, point_id, static_of, traced_of
from vaebench.types import Context
from vaebench.types.counts import CountRows
from vaebench.variants import VARIANTS, variant

B, D, L, K = 6, 9, 4, 5
COUNTED = [n for n, v in VARIANTS.items() if v.domain == "expression" and v.gaussian]


def rows(rng, low: float = 0.0) -> tuple[CountRows, np.ndarray]:
    """Counts [B, D] with their offset and affine map, and log mean [B, D] of a reconstruction of zeros."""
    parts = (rng.poisson(20, (B, D)) + low, rng.normal(0, 1, B), rng.normal(2, 1, D), rng.uniform(0.5, 2, D))
    held = CountRows(*(jnp.asarray(part, jnp.float32) for part in parts))
    return held, parts[1][:, None] + parts[2][None]


def scipy_nll(counts, log_mean, log_theta) -> np.ndarray:
    """-log NB, summed over features, in float64."""
    theta, mean = np.exp(np.float64(log_theta)), np.exp(np.float64(log_mean))
    return -stats.nbinom.logpmf(np.asarray(counts), theta, theta / (theta + mean)).sum(-1)


@pytest.mark.parametrize("largest", [1, 30, 100_000])
def test_the_likelihood_is_that_of_scipy(largest):
    rng = np.random.default_rng(largest)
    counts = rng.integers(0, largest + 1, (B, D))
    counts[0] = 0
    log_mean, log_theta = rng.normal(np.log(largest + 0.5), 1.0, (B, D)), rng.normal(0, 2, D)
    found = negative_binomial_nll(*(jnp.asarray(v, jnp.float32) for v in (counts, log_mean, log_theta)))
    # single precision: the logarithms of factorials of large counts are differences of numbers near a million
    np.testing.assert_allclose(
        found, scipy_nll(counts, log_mean, log_theta), rtol=2e-5, atol=0.05 if largest < 1000 else 0.5
    )


@pytest.mark.parametrize("log_theta", [-4.0, 2.9, 3.1, 6.0, 8.0, 12.0, 16.0, 20.0])
def test_the_likelihood_and_its_gradient_go_over_to_those_of_poisson_counts(log_theta):
    """Differences of log gamma near theta log theta would be off by thousands of nats in single precision."""
    rng = np.random.default_rng(3)
    mean = rng.uniform(0.5, 30, (B, 200))
    counts = rng.poisson(mean)
    given = (jnp.asarray(counts, jnp.float32), jnp.asarray(np.log(mean), jnp.float32))
    found, slope = jax.value_and_grad(lambda t: negative_binomial_nll(*given, jnp.full(200, t)).sum())(log_theta)
    expected = [scipy_nll(counts, np.log(mean), np.full(200, log_theta + d)).sum() for d in (0.0, -0.01, 0.01)]
    if log_theta > 12:  # scipy's own differences of log gamma lose digits there
        expected = [-stats.poisson.logpmf(counts, mean).sum()] * 3
    np.testing.assert_allclose(found, expected[0], rtol=1e-5)
    np.testing.assert_allclose(slope, (expected[2] - expected[1]) / 0.02, rtol=1e-2, atol=2e-2)


def test_the_likelihood_and_its_gradient_stay_finite_far_out():
    for log_mean, log_theta in ((60.0, -20.0), (-60.0, 20.0), (0.0, 0.0), (0.0, 500.0)):
        arguments = (jnp.zeros((1, 1)) + 3, jnp.full((1, 1), log_mean), jnp.full((1,), log_theta))
        value, grads = jax.value_and_grad(lambda k, m, t: negative_binomial_nll(k, m, t).sum(), argnums=(1, 2))(
            *arguments
        )
        assert np.isfinite(value)
        assert all(np.isfinite(g).all() for g in grads)


def test_the_offset_scales_the_mean_and_the_output_is_on_the_scale_of_x():
    rng = np.random.default_rng(0)
    held, log_mean = rows(rng)
    out = rng.normal(size=(K, B, D)).astype(np.float32)
    expected = scipy_nll(held.values, log_mean[None] + np.asarray(held.log_scale) * out, np.zeros(D))
    np.testing.assert_allclose(count_nll(held, jnp.asarray(out), jnp.zeros(D)), expected, rtol=2e-5)


def outputs(rng, name: str, counts: CountRows | None) -> Outputs:
    """Inputs of a loss, with K draws where the variant decodes several."""
    draws = (K,) if name == "iwae" else ()
    z = jnp.asarray(rng.normal(size=(*draws, B, L)), jnp.float32)
    decoded = jnp.asarray(rng.normal(size=(*draws, B, D)), jnp.float32)
    posterior = Gaussian(*(jnp.asarray(rng.normal(size=(B, L)), jnp.float32) for _ in range(2)))
    x = jnp.asarray(rng.normal(size=(B, D)), jnp.float32)
    prior, key = jnp.asarray(rng.normal(size=(B, L)), jnp.float32), jax.random.key(0)
    decoder = {"layer": {"kernel": jnp.ones((2, 2))}}
    return Outputs(x, decoded, posterior, z, prior, key, decoder=decoder, counts=counts, log_theta=jnp.full(D, 0.3))


@pytest.mark.parametrize("name", ["vae", "iwae", "info_vae"])
def test_losses_take_the_counts_and_keeps_the_rest(name):
    """The reconstruction is scipy's likelihood of the counts; what is left of the loss is that of the Gaussian one."""
    held, log_mean = rows(np.random.default_rng(1))
    own, counted = (outputs(np.random.default_rng(2), name, counts) for counts in (None, held))
    shape = VARIANTS[name].shape("textbook")
    hyper, context = VARIANTS[name].hyper(shape), Context(True, 80, B, 7, shape)
    (plain, _), (value, terms) = (VARIANTS[name].losses["textbook"](o, hyper, context) for o in (own, counted))
    log_mean = log_mean + np.asarray(held.log_scale) * np.asarray(counted.reconstruction)
    expected = scipy_nll(held.values, log_mean, np.full(D, 0.3))
    np.testing.assert_allclose(terms["reconstruction"], expected.mean(), rtol=2e-5)
    if name == "iwae":  # a bound, in which the draws weigh otherwise
        assert value < terms["reconstruction"] + terms["kl"]
    else:
        weight = getattr(hyper, "beta", 1.0) if name == "info_vae" else 1.0
        gaussian = np.mean(gaussian_nll(own.x, own.reconstruction))
        np.testing.assert_allclose(value - weight * expected.mean(), plain - weight * gaussian, rtol=1e-3, atol=1e-2)


class Asked(Exception):
    """Raised where a loss asks for the likelihood."""


class Asking(Outputs):
    """Inputs of a loss that say when the likelihood is asked for."""

    def nll(self):
        raise Asked


@pytest.mark.parametrize("name", COUNTED)
def test_every_gaussian_variant_leaves_the_likelihood_to_its_inputs(name):
    given = outputs(np.random.default_rng(2), "iwae" if name in ("miwae", "mixture_vae") else "vae", None)
    given = given._replace(auxiliary=jnp.ones((B, 2)), auxiliary_widths=(1,))
    mixture = Mixture(jnp.zeros((2, L)), jnp.zeros((2, L)), jnp.zeros(2))
    shape = VARIANTS[name].shape("textbook")
    context = Context(True, 80, B, 7, shape)
    with pytest.raises(Asked):
        VARIANTS[name].losses["textbook"](
            Asking(*given._replace(learned=mixture)), VARIANTS[name].hyper(shape), context
        )


def test_warm_up_weighs_all_but_the_reconstruction():
    context = Context(True, 80, B, 0)
    assert warmed(jnp.array(10.0), jnp.array(7.0), context) == 10
    for weight, expected in ((0.0, 7.0), (0.25, 7.75), (1.0, 10.0)):
        assert warmed(jnp.array(10.0), jnp.array(7.0), context._replace(kl_weight=jnp.array(weight))) == expected


@pytest.mark.parametrize(("name", "weight"), [("vae", 1.0), ("beta_vae", 1.0), ("info_vae", 10.5)])
def test_warm_up_begins_with_the_reconstruction_as_the_whole_loss_weighs_it(name, weight, key):
    chosen = point(variant=name, latent=L, hidden=(4,), batch=B, norm="layer", kl_warmup=5)
    model, traced = variant(name).build(static_of(chosen, D)), traced_of(chosen)
    variables = model.init(key, jnp.asarray(traced.init))
    x, context = jax.random.normal(key, (B, D)), Context(True, 50, B, 0, kl_weight=jnp.array(0.0))
    value, aux = model.loss(variables, x, key, traced.hyper, jnp.asarray(traced.activation), context)
    np.testing.assert_allclose(value, weight * aux.terms["reconstruction"], rtol=1e-6)


def test_settings_that_came_later_leave_older_identities_alone():
    assert point_id(Point(), "d") == "73285e751f3c9622"
    assert point_id(point(variant="beta_vae", latent=20, beta=4, hidden=(512, 256)), "d") == "6f4f1043a9f5d84e"
    assert len({point_id(p, "d") for p in (Point(), Point(kl_warmup=1), Point(likelihood="negative_binomial"))}) == 3


def test_lengths_of_the_warm_up_share_a_program_that_others_do_not_have():
    points = [point(kl_warmup=epochs) for epochs in (0, 5, 50)]
    assert [len(group) for group in group_by_static(points, 100).values()] == [1, 2]
    assert not static_of(points[0], 100).warmed
    assert repr(static_of(points[0], 100)) == repr(static_of(points[1], 100))  # it names files


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"likelihood": "poisson"}, ("likelihood", "poisson", "negative_binomial")),
        ({"likelihood": "negative_binomial", "variant": "huber_vae"}, ("huber_vae", "another variant")),
        ({"likelihood": "negative_binomial", "recipe": "benchmarked"}, ("benchmarked", "another variant")),
        ({"likelihood": "negative_binomial", "output": "sigmoid"}, ("sigmoid", "identity")),
        ({"likelihood": "negative_binomial", "output": "correlated"}, ("correlated", "identity")),
        ({"likelihood": "negative_binomial", "variant": "muse_xae"}, ("muse_xae", "another variant")),
        ({"kl_warmup": 5, "recipe": "benchmarked"}, ("kl_warmup is 5", "textbook")),
        ({"kl_warmup": 5, "variant": "folded_normal_vae"}, ("kl_warmup is 5", "folded_normal_vae")),
        ({"kl_warmup": -1}, ("kl_warmup is -1", "0 for none")),
        ({"kl_warmup": 2**31}, ("kl_warmup", "2147483647")),
        ({"kl_warmup": 2.5}, ("kl_warmup is 2.5", "whole number")),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(settings, words):
    with pytest.raises(InputError) as error:
        point(**settings)
    assert all(word in str(error.value) for word in words), str(error.value)
    assert len(str(error.value)) < 300
