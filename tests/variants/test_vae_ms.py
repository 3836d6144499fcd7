"""VAE-MS: draws by Campbell's theorem and the Poisson itself, the divergence by its sum, and signatures of a known cohort."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats

from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.nn.count_autoencoder import normalised, signatures_of
from vaebench.signatures.autoencoders.fits import posterior_draws, refit_by_encoder, trained_signatures
from vaebench.signatures.autoencoders.started import started, with_rates
from vaebench.signatures.autoencoders.training import restart_seeds, split_of_rows, study_point
from vaebench.space import Point, point, static_of, traced_of
from vaebench.types import Context
from vaebench.variants import variant
from vaebench.variants.vae_ms import (
    Hyper,
    RateOutputs,
    capped,
    exposures_to,
    poisson_kl,
    relaxed_poisson,
    textbook,
    unit_rows,
    with_start,
)

DRAWS = 10_000


@pytest.mark.parametrize(("rate", "temperature"), [(0.3, 0.01), (15.9, 0.01), (4.0, 0.2)])
def test_relaxed_draws_have_the_moments_of_campbells_theorem(rate, temperature):
    z = np.asarray(relaxed_poisson(jax.random.key(0), jnp.full(DRAWS, rate), temperature, 40), np.float64)
    soft, step = np.logaddexp(0, 1 / temperature), 1 / (1 + np.exp(-1 / temperature))
    mean, variance = rate * temperature * soft, rate * temperature * (soft - step)
    assert abs(z.mean() - mean) < 5 * np.sqrt(variance / DRAWS)
    assert z.var() == pytest.approx(variance, rel=0.08)
    if temperature == 0.01:
        assert mean == pytest.approx(rate, rel=1e-3)
        assert variance == pytest.approx(rate, rel=0.02)
        # as a sum of steps: the probabilities are the Poisson's
        whole = np.bincount(np.round(z).astype(int), minlength=40)[:40] / DRAWS
        np.testing.assert_allclose(whole, stats.poisson.pmf(np.arange(40), rate), atol=0.025)


def test_large_rates_are_drawn_and_have_derivatives():
    rates = jnp.array([16.1, 300.0, 9000.0])

    def draws(rate):
        return relaxed_poisson(jax.random.key(1), jnp.broadcast_to(rate, (DRAWS, 3)), 0.1, 40)

    z = np.asarray(draws(rates), np.float64)
    np.testing.assert_allclose(z.mean(0), rates, atol=5 * np.sqrt(9000 / DRAWS))
    np.testing.assert_allclose(z.var(0), rates, rtol=0.08)
    # the mean of the derivative is the derivative of the mean, on both sides of the limit
    slopes = jax.grad(lambda rate: draws(rate).mean(0).sum())(jnp.array([2.0, 15.0, 400.0]))
    np.testing.assert_allclose(slopes, 1, atol=0.06)


def test_the_divergence_is_its_sum():
    k = np.arange(400)
    for rate, prior in ((0.2, 3.0), (7.0, 7.0), (90.0, 60.0)):
        p = stats.poisson.pmf(k, rate)
        whole = np.sum(p * (stats.poisson.logpmf(k, rate) - stats.poisson.logpmf(k, prior)))
        assert poisson_kl(jnp.float32(rate), jnp.float32(prior)) == pytest.approx(whole, rel=1e-4, abs=1e-5)


def test_the_loss_is_plain_numpy():
    rng = np.random.default_rng(0)
    x, mean, rate, prior = (rng.uniform(0.5, 9, shape) for shape in ((5, 12), (5, 12), (5, 4), (5, 4)))
    out = RateOutputs(*(jnp.asarray(part, jnp.float32) for part in (x, mean, rate, prior)))
    value, terms = textbook(out, Hyper(beta=0.3), Context(True, 5, 5, 0))
    kl = np.mean(rate * np.log(rate / prior) - rate + prior)
    own = np.mean(mean - x * np.log(mean + 1e-7))
    assert terms["kl"] == pytest.approx(kl, rel=1e-5)
    assert value == pytest.approx(own + 0.3 * kl, rel=1e-5)


def test_rates_of_the_prior_are_the_maximum_likelihood():
    rng = np.random.default_rng(1)
    spectra = rng.dirichlet(np.full(24, 0.3), 3)
    x = rng.poisson(np.array([[200.0, 50, 120], [20, 900, 60]]) @ spectra).astype(float)
    found = np.asarray(exposures_to(jnp.asarray(x, jnp.float32), jnp.asarray(spectra, jnp.float32)))
    for own, counts in zip(found, x, strict=True):

        def loss(e, counts=counts):
            mean = e @ spectra
            return mean.sum() - counts @ np.log(mean)

        best = optimize.minimize(loss, np.full(3, counts.sum() / 3), bounds=[(1e-3, None)] * 3, options={"ftol": 1e-14})
        assert loss(own) - best.fun < 1e-3
        assert own.sum() == pytest.approx(counts.sum(), rel=1e-4)


def test_samples_are_capped_and_rows_sum_to_one():
    counts = jnp.array([[100.0, 300.0], [20.0, 0.0], [0.0, 0.0]])
    np.testing.assert_allclose(capped(counts), [[50, 150], [20, 0], [0, 0]], rtol=1e-6)
    rows = unit_rows({"decoder": {"kernel": jnp.array([[-1.0, 3.0], [0.0, 0.0]])}})["decoder"]["kernel"]
    np.testing.assert_allclose(rows, [[0.25, 0.75], [0.5, 0.5]], rtol=1e-6)
    assert unit_rows({"encoder": 1}) == {"encoder": 1}  # of a frozen decoder


@pytest.fixture(scope="module")
def model():
    chosen = point(Point(), variant="vae_ms", latent=3, hidden=(8,), batch=8)
    made, traced = variant("vae_ms").build(static_of(chosen, 12)), traced_of(chosen)
    variables = made.init(jax.random.key(0), jnp.asarray(traced.init))
    spectra = np.random.default_rng(2).dirichlet(np.ones(12), 3)
    return made, traced, with_start(variables, spectra), spectra


def test_rates_beside_the_counts_are_those_that_the_model_computes(model):
    made, traced, variables, spectra = model
    x = jnp.asarray(np.random.default_rng(3).poisson(30, (6, 12)), jnp.float32)
    arguments = (jax.random.key(4), traced.hyper, traced.activation, Context(True, 6, 6, 0))
    alone, aux = made.loss(variables, x, *arguments)
    beside, _ = made.loss(variables, with_rates(x, spectra), *arguments)
    assert alone == pytest.approx(float(beside), rel=1e-5)
    np.testing.assert_array_equal(signatures_of(variables), variables["batch_stats"]["started"]["kernel"])
    np.testing.assert_array_equal(aux.statistics["started"]["kernel"], variables["batch_stats"]["started"]["kernel"])


def test_embeddings_are_on_the_scale_of_normalised_counts(model):
    made, traced, variables, _ = model
    x = jnp.asarray(np.random.default_rng(5).poisson(60, (4, 12)), jnp.float32)
    rate, scale = made.posterior(variables, x, traced.activation)
    np.testing.assert_allclose(made.embed(variables, x, traced.activation), rate * scale, rtol=1e-6)
    np.testing.assert_allclose(scale[:, 0], normalised(x).sum(1) / x.sum(1), rtol=1e-5)
    draws = jax.jit(jax.vmap(lambda key: made.sample(variables, x, key, traced.activation)))
    drawn = draws(jax.random.split(jax.random.key(6), 2000))
    np.testing.assert_allclose(drawn.mean(0), rate * scale, rtol=0.15)
    # counts of mutations are Poisson: their variance is the rate
    np.testing.assert_allclose(drawn.var(0), rate * scale**2, rtol=0.25)


def test_restarts_have_starts_of_their_own_and_their_own_rows():
    catalogue, _ = simulate_catalogue(1, tumours=20, signatures=2, types=1)
    counts = catalogue.to_numpy()
    points = [study_point("vae_ms", 2, {"batch": 8, "seed": seed}) for seed in restart_seeds(0, 2)]
    rows, own = jnp.asarray(counts, jnp.float32), np.arange(20)
    begun = started(points, counts, rows, split_of_rows(own, own))
    again = started(points[1:], counts, rows, split_of_rows(own, own))
    np.testing.assert_array_equal(begun.start_of(points[1]), again.start_of(points[1]))
    assert np.abs(begun.start_of(points[0]) - begun.start_of(points[1])).max() > 0
    split = begun.split_of(points[1])
    np.testing.assert_array_equal(split.train, own + 20)
    np.testing.assert_array_equal(begun.rows[split.train], with_rates(rows, begun.start_of(points[1])))


@pytest.mark.slow
def test_signatures_of_a_cohort_are_found():
    rng = np.random.default_rng(0)
    spectra = rng.dirichlet(np.full(96, 0.1), 3)
    counts = rng.poisson(rng.gamma(0.7, 800, (60, 3)) @ spectra).astype(float)
    found = trained_signatures(0, counts, 3, 1, variant="vae_ms", augmentation=5, epochs=800, patience=800)
    assert found.statuses == ("OK",)
    np.testing.assert_allclose(found.scales, 1, rtol=1e-5)
    assert np.isfinite(found.latent_kl).all()
    for own in found.signatures:
        cosines = own @ spectra.T / np.linalg.norm(own, axis=1)[:, None] / np.linalg.norm(spectra, axis=1)
        assert cosines.max(axis=0).min() > 0.95


def test_a_refit_keeps_the_signatures_that_are_given():
    rng = np.random.default_rng(4)
    spectra = rng.dirichlet(np.full(24, 0.1), 2)
    truth = rng.gamma(2.0, 150, (30, 2))
    counts = rng.poisson(truth @ spectra).astype(float)
    fast = {"batch": 15, "learning_rate": 0.01}
    fits = [
        refit_by_encoder(seed, counts, spectra, variant="vae_ms", settings=fast, epochs=600, patience=600)
        for seed in range(5)
    ]
    for fit in fits:
        np.testing.assert_allclose(signatures_of(fit.variables), spectra, rtol=1e-6)
        np.testing.assert_allclose(fit.exposures.sum(1), counts.sum(1), rtol=1e-5)
    # one in four of so short fits stays far from the exposures: which, depends on the processor; the loss tells
    fit = min(fits, key=lambda one: one.loss)
    assert np.corrcoef(fit.exposures.ravel(), truth.ravel())[0, 1] > 0.9
    draws = posterior_draws(jax.random.key(1), fit, 200)
    np.testing.assert_allclose(draws.mean(0), fit.exposures, atol=5 * np.sqrt(fit.exposures.max() / 200))
