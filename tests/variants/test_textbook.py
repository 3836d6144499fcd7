"""Recipe ``textbook``: reductions to the parent, and bounds and estimators against long runs and exact values."""

from __future__ import annotations

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, special, stats

from vaebench.nn.autoencoder import Gaussian, Outputs
from vaebench.nn.losses import asymmetric_laplace_nll, mixture_log_densities, stratified_log_weights
from vaebench.types import Context
from vaebench.variants import (
    beta_tc_vae,
    beta_vae,
    categorical_vae,
    dip_vae,
    huber_vae,
    info_vae,
    iwae,
    logcosh_vae,
    miwae,
    quantile_vae,
    swae,
    vae,
)

CONTEXT = Context(True, 60, 6, 0)


def shaped(shape) -> Context:
    return CONTEXT._replace(shape=shape)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def outputs_of(batch=6, features=7, latent=3, draws=None, seed=0, constant_decoder=False) -> Outputs:
    """Random tensors; z are true draws of q. The decoder is linear in z, or ignores it."""
    rng = np.random.default_rng(seed)
    x, mean = rng.normal(size=(batch, features)), rng.normal(size=(batch, latent))
    logvar = rng.normal(size=(batch, latent)) - 1
    z = mean + np.exp(0.5 * logvar) * rng.normal(size=((draws,) if draws else ()) + mean.shape)
    decoder = np.zeros((latent, features)) if constant_decoder else 0.5 * rng.normal(size=(latent, features))
    arrays = (x, z @ decoder, Gaussian(jnp.array(mean), jnp.array(logvar)), z, rng.normal(size=(batch, latent)))
    return Outputs(*(value if isinstance(value, Gaussian) else jnp.array(value) for value in arrays), jax.random.key(0))


def vae_loss(outputs: Outputs):
    return vae.textbook(outputs, vae.Hyper(), CONTEXT)[0]


def test_beta_one_is_the_vae_in_both_recipes():
    for recipe in ("textbook", "benchmarked"):
        parent, _ = getattr(vae, recipe)(outputs_of(), vae.Hyper(), CONTEXT)
        child, _ = getattr(beta_vae, recipe)(outputs_of(), beta_vae.PlainHyper(1.0), CONTEXT)
        assert parent == child


@pytest.mark.parametrize("form", ["i", "ii"])
def test_dip_vae_without_penalty_is_the_vae(form):
    assert dip_vae.textbook(outputs_of(), dip_vae.Hyper(0.0, 0.0), shaped(dip_vae.Shape(form)))[0] == vae_loss(
        outputs_of()
    )


@pytest.mark.parametrize("form", ["i", "ii"])
def test_dip_vae_penalty_equals_numpy(form):
    outputs = outputs_of()
    matrix = np.cov(outputs.posterior.mean.T, bias=True)
    if form == "ii":
        matrix = matrix + np.diag(np.exp(outputs.posterior.logvar).mean(0))
    off = matrix - np.diag(np.diag(matrix))
    expected = 0.3 * (off**2).sum() + 0.7 * ((np.diag(matrix) - 1) ** 2).sum()
    loss, terms = dip_vae.textbook(outputs, dip_vae.Hyper(0.3, 0.7), shaped(dip_vae.Shape(form)))
    np.testing.assert_allclose(terms["covariance"], expected, rtol=1e-12)
    np.testing.assert_allclose(loss - vae_loss(outputs), expected, rtol=1e-12)


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
def test_info_vae_at_its_neutral_weights_is_the_vae(kernel):
    loss, terms = info_vae.textbook(outputs_of(), info_vae.Hyper(0.0, 1.0, 1.0), shaped(info_vae.Shape(kernel)))
    assert loss == vae_loss(outputs_of())
    more, _ = info_vae.textbook(outputs_of(), info_vae.Hyper(0.0, 1.0, 3.0), shaped(info_vae.Shape(kernel)))
    np.testing.assert_allclose(more - loss, 2 * terms["mmd"], rtol=1e-9)


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
def test_discrepancy_equals_a_double_loop(kernel):
    outputs, z_var, latent = outputs_of(), 1.7, 3
    z, p = np.asarray(outputs.z), np.asarray(outputs.prior)

    def k(u, v):
        width = 2 * latent * z_var
        return width / (width + ((u - v) ** 2).sum()) if kernel == "imq" else np.exp(-((u - v) ** 2).mean() / width)

    n = len(z)
    off = [(i, j) for i in range(n) for j in range(n) if i != j]
    own = sum(k(z[i], z[j]) + k(p[i], p[j]) for i, j in off)
    expected = own / (n * (n - 1)) - 2 * sum(k(a, b) for a in z for b in p) / n**2
    np.testing.assert_allclose(info_vae.mean_discrepancy(kernel, outputs.z, outputs.prior, z_var), expected, rtol=1e-11)
    released = info_vae.benchmarked(outputs, info_vae.Hyper(z_var=z_var), shaped(info_vae.Shape(kernel)))[1]["mmd"]
    np.testing.assert_allclose(released, own - 2 * sum(k(z[i], p[j]) for i, j in off), rtol=1e-5)


def test_logcosh_textbook_equals_float64_and_its_recipes_agree_up_to_scale():
    outputs, hyper = outputs_of(), logcosh_vae.Hyper(10.0, 0.0)
    t = np.asarray(outputs.reconstruction - outputs.x)
    loss, _ = logcosh_vae.textbook(outputs, hyper, CONTEXT)
    np.testing.assert_allclose(loss, np.log(np.cosh(10 * t)).sum(1).mean() / 10, rtol=1e-12)
    np.testing.assert_allclose(loss / 7, logcosh_vae.benchmarked(outputs, hyper, CONTEXT)[0], rtol=1e-12)


@pytest.mark.parametrize("delta", [0.05, 0.7, 1e6])
def test_huber_reconstruction_equals_scipys(delta):
    outputs = outputs_of()
    loss, terms = huber_vae.textbook(outputs, huber_vae.Hyper(delta, 0.3), CONTEXT)
    error = np.asarray(outputs.reconstruction - outputs.x)
    np.testing.assert_allclose(terms["reconstruction"], special.huber(delta, error).sum(1).mean(), rtol=1e-12)
    np.testing.assert_allclose(loss, terms["reconstruction"] + 0.3 * terms["kl"], rtol=1e-12)
    if delta > error.max():
        np.testing.assert_allclose(loss + 0.7 * terms["kl"] + 3.5 * np.log(2 * np.pi), vae_loss(outputs), rtol=1e-12)


@pytest.mark.parametrize("tau", [0.1, 0.5, 0.8])
def test_quantile_reconstruction_equals_scipys_density(tau):
    outputs = outputs_of()
    loss, terms = quantile_vae.textbook(outputs, quantile_vae.Hyper(tau, 2.0), CONTEXT)
    kappa = np.sqrt(tau / (1 - tau))
    density = stats.laplace_asymmetric(kappa, scale=kappa / tau)
    error = np.asarray(outputs.x - outputs.reconstruction)
    np.testing.assert_allclose(terms["reconstruction"], -density.logpdf(error).sum(1).mean(), rtol=1e-12)
    np.testing.assert_allclose(loss, terms["reconstruction"] + 2 * terms["kl"], rtol=1e-12)


def test_quantile_reconstruction_is_least_at_the_quantile():
    sample = np.sort(np.random.default_rng(0).exponential(size=201))
    losses = [float(asymmetric_laplace_nll(jnp.array(sample), jnp.array(q), 0.25)) for q in sample]
    assert np.argmin(losses) == 50


def test_categorical_loss_counts_every_variable_once():
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(6, 2, 4))
    outputs = outputs_of()._replace(posterior=categorical_vae.Categorical(jnp.array(logits)))
    q = special.softmax(logits, axis=-1)
    expected = sum(stats.entropy(q[b, v], np.full(4, 0.25)) for b in range(6) for v in range(2)) / 6
    loss, terms = categorical_vae.textbook(outputs, categorical_vae.Hyper(), CONTEXT)
    np.testing.assert_allclose(terms["kl"], expected, rtol=1e-12)
    np.testing.assert_allclose(loss, terms["reconstruction"] + expected, rtol=1e-12)


def marginal(x: np.ndarray, decoder: np.ndarray) -> np.ndarray:
    """log p(x) of x = z decoder + noise, z and noise standard normal."""
    return stats.multivariate_normal(np.zeros(x.shape[1]), decoder.T @ decoder + np.eye(x.shape[1])).logpdf(x)


def linear_outputs(draws: int, seed: int = 0) -> tuple[Outputs, np.ndarray]:
    rng = np.random.default_rng(7)
    decoder, x = rng.normal(size=(2, 4)), rng.normal(size=(3, 4))
    exact = np.linalg.inv(np.eye(2) + decoder @ decoder.T)
    mean = x @ decoder.T @ exact.T + 0.3  # off the true posterior: the bound is loose at K = 1
    logvar = np.tile(np.log(np.diag(exact)), (3, 1)) + 0.2
    eps = np.random.default_rng(seed).normal(size=(draws, 3, 2))
    z = mean + np.exp(0.5 * logvar) * eps
    q = Gaussian(jnp.array(mean), jnp.array(logvar))
    return Outputs(jnp.array(x), jnp.array(z @ decoder), q, jnp.array(z)), marginal(x, decoder)


@pytest.mark.slow
def test_importance_bound_reaches_log_p_rises_with_draws_and_is_the_elbo_at_one():
    outputs, log_p = linear_outputs(200_000)
    long, _ = iwae.textbook(outputs, iwae.Hyper(), CONTEXT)
    np.testing.assert_allclose(-long, log_p.mean(), atol=5e-3)
    means, errors = [], []
    for k in (1, 2, 5, 20):
        # miwae averages bounds: 10,000 of them are the expectation of the bound with k draws
        few, _ = linear_outputs(10_000 * k, seed=k)
        shape = miwae.Shape(10_000, k)
        means.append(-float(miwae.textbook(few, miwae.Hyper(), shaped(shape))[0]))
        errors.append(4 / np.sqrt(3 * 10_000))
    assert all(later > earlier for earlier, later in itertools.pairwise(means))
    assert means[-1] < log_p.mean() + errors[-1]
    one, terms = iwae.textbook(linear_outputs(1)[0], iwae.Hyper(), CONTEXT)
    elbo = -float(vae_loss(repeated(outputs)))
    np.testing.assert_allclose(means[0], elbo, atol=errors[0])
    assert np.isfinite(one)
    assert terms["kl"] > 0


def repeated(outputs: Outputs) -> Outputs:
    """All draws as one batch of x repeated: the VAE's loss averages over them."""
    draws = outputs.z.shape[0]

    def tiled(v):
        return jnp.tile(v, (draws, 1))

    q = Gaussian(*(tiled(v) for v in outputs.posterior))
    return Outputs(tiled(outputs.x), outputs.reconstruction.reshape(-1, 4), q, outputs.z.reshape(-1, 2))


def test_importance_loss_equals_numpy_and_survives_extreme_weights():
    outputs, _ = linear_outputs(5)
    z, x, r = np.asarray(outputs.z), np.asarray(outputs.x), np.asarray(outputs.reconstruction)
    mean, sigma = np.asarray(outputs.posterior.mean), np.exp(0.5 * np.asarray(outputs.posterior.logvar))
    log_w = (
        stats.norm(r, 1).logpdf(x).sum(-1) + stats.norm.logpdf(z).sum(-1) - stats.norm(mean, sigma).logpdf(z).sum(-1)
    )
    expected = -np.log(np.exp(log_w).mean(0)).mean()
    np.testing.assert_allclose(iwae.textbook(outputs, iwae.Hyper(), CONTEXT)[0], expected, rtol=1e-12)
    far = outputs._replace(reconstruction=outputs.reconstruction + 100)
    assert np.isfinite(iwae.textbook(far, iwae.Hyper(), CONTEXT)[0])


@pytest.mark.slow
def test_miwae_is_iwae_with_one_bound_and_the_elbo_with_one_draw():
    outputs, _ = linear_outputs(6)
    one, _ = miwae.textbook(outputs, miwae.Hyper(), shaped(miwae.Shape(1, 6)))
    np.testing.assert_allclose(one, iwae.textbook(outputs, iwae.Hyper(), CONTEXT)[0], rtol=1e-14)
    single = [
        iwae.textbook(
            outputs._replace(z=outputs.z[k : k + 1], reconstruction=outputs.reconstruction[k : k + 1]),
            iwae.Hyper(),
            CONTEXT,
        )[0]
        for k in range(6)
    ]
    many, _ = miwae.textbook(outputs, miwae.Hyper(), shaped(miwae.Shape(6, 1)))
    np.testing.assert_allclose(many, np.mean(single), rtol=1e-13)


@pytest.mark.parametrize("estimator", ["weighted", "stratified"])
def test_beta_tc_vae_at_weights_one_is_the_elbo_in_expectation(estimator):
    """The estimate of q(z) cancels, and the mean of log q(z|x) - log p(z) over draws is the KL."""
    kept = []
    for seed in range(2):
        outputs = outputs_of(batch=40, seed=seed, constant_decoder=True)
        rng = np.random.default_rng(seed)
        q = outputs.posterior
        eps = rng.normal(size=(4000, 40, 3))
        z = np.asarray(q.mean) + np.exp(0.5 * np.asarray(q.logvar)) * eps
        own = stats.norm.logpdf(eps) - 0.5 * np.asarray(q.logvar)
        expected = (own - stats.norm.logpdf(z)).sum(-1).mean()
        context = Context(True, 400, 40, 0, beta_tc_vae.Shape(estimator))
        loss, terms = beta_tc_vae.textbook(outputs, beta_tc_vae.Hyper(1.0, 1.0, 1.0), context)
        single = terms["mutual_information"] + terms["total_correlation"] + terms["dimension_kl"]
        np.testing.assert_allclose(loss - terms["reconstruction"], single, rtol=1e-12)
        z_own = np.asarray(outputs.z)
        by_hand = stats.norm(q.mean, np.exp(0.5 * np.asarray(q.logvar))).logpdf(z_own) - stats.norm.logpdf(z_own)
        np.testing.assert_allclose(single, by_hand.sum(1).mean(), rtol=1e-11)
        kept.append((expected, float(terms["kl"])))
    np.testing.assert_allclose(*np.transpose(kept), rtol=0.02)


def enumerated(log_weights, batch: int, samples: int, ordered: bool):
    """Exact log q(z), and its estimates for sample 0's draw from every batch of ``samples`` that holds sample 0."""
    outputs = outputs_of(batch=samples, latent=2, seed=5)
    mean, logvar = (np.asarray(v) for v in outputs.posterior)
    z = np.asarray(outputs.z)
    choose = itertools.permutations if ordered else itertools.combinations
    batches = np.array([(0, *rest) for rest in choose(range(1, samples), batch - 1)])

    def estimate(rows):
        _, joint, product = mixture_log_densities(rows[0], rows[1], rows[2], log_weights(batch, samples))
        return joint[0], product[0]

    joint, _ = jax.jit(jax.vmap(estimate))([jnp.array(v[batches]) for v in (z, mean, logvar)])
    each = stats.norm(mean, np.exp(0.5 * logvar)).logpdf(z[0])
    return special.logsumexp(each.sum(1)) - np.log(samples), np.asarray(joint)


@pytest.mark.parametrize("batch", [2, 3, 4, 6])
def test_stratified_estimate_of_q_is_unbiased_over_all_batches(batch):
    exact, estimates = enumerated(stratified_log_weights, batch, 6, ordered=True)
    np.testing.assert_allclose(np.exp(estimates).mean(), np.exp(exact), rtol=1e-11)
    if batch < 6:  # and so its log is biased downwards, Jensen
        assert estimates.mean() < exact


@pytest.mark.parametrize("batch", [2, 3, 4, 6])
def test_weighted_estimate_is_a_lower_bound_in_expectation(batch):
    exact, estimates = enumerated(beta_tc_vae.weighted_log_weights, batch, 6, ordered=False)
    assert np.exp(estimates).mean() < np.exp(exact)
    assert estimates.mean() < exact


def test_total_correlation_weights_move_only_their_terms():
    outputs = outputs_of()
    at = functools.partial(beta_tc_vae.textbook, outputs)
    context = shaped(beta_tc_vae.Shape())
    base, terms = at(beta_tc_vae.Hyper(1.0, 1.0, 1.0), context)
    for i, term in enumerate(("mutual_information", "total_correlation", "dimension_kl")):
        weights = [1.0, 1.0, 1.0]
        weights[i] = 3.0
        np.testing.assert_allclose(at(beta_tc_vae.Hyper(*weights), context)[0] - base, 2 * terms[term], rtol=1e-9)


def test_sliced_wasserstein_loss_uses_unit_directions():
    outputs = outputs_of(batch=50, latent=2)
    shifted = outputs._replace(z=outputs.prior + jnp.array([[3.0, 0.0]]))
    loss, terms = swae.textbook(shifted, swae.Hyper(lambda_sw=3.0), shaped(swae.Shape(4000)))
    # a shift by d costs (d . u)^2, and its mean over directions of the circle is |d|^2 / 2
    np.testing.assert_allclose(terms["wasserstein"], 4.5, rtol=0.05)
    np.testing.assert_allclose(loss, terms["reconstruction"] + 3.0 * terms["wasserstein"], rtol=1e-6)
    likelihood = stats.norm.logpdf(outputs.x, outputs.reconstruction).sum(1).mean()
    np.testing.assert_allclose(terms["reconstruction"], -likelihood, rtol=1e-6)
    assert swae.textbook(outputs._replace(z=outputs.prior), swae.Hyper(), shaped(swae.Shape(10)))[1]["wasserstein"] == 0


@pytest.mark.slow
def test_linear_vae_at_its_optimum_is_probabilistic_pca():
    """Encoder and decoder linear, noise variance 1: ELBO within 1e-6 nats, subspace within 1e-6, W W' within 1e-3."""
    rng = np.random.default_rng(0)
    features, latent, samples = 6, 2, 200
    basis = np.linalg.qr(rng.normal(size=(features, features)))[0]
    x = rng.normal(size=(samples, features)) * np.array([3.0, 2.0, 0.9, 0.8, 0.7, 0.6]) @ basis.T + 1.0
    # sigma points: means +- sqrt(L) sigma e_l integrate the quadratic objective over q exactly
    points = np.sqrt(latent) * np.concatenate([np.eye(latent), -np.eye(latent)])
    xs = jnp.array(np.repeat(x, len(points), axis=0))
    eps = jnp.array(np.tile(points, (samples, 1)))
    sizes = {"w": (latent, features), "b": (1, features), "v": (features, latent), "c": (1, latent), "s": (1, latent)}

    def unpacked(flat):
        cuts = np.cumsum([np.prod(s) for s in sizes.values()])
        return {k: part.reshape(s) for (k, s), part in zip(sizes.items(), jnp.split(flat, cuts[:-1]), strict=True)}

    @jax.jit
    def loss(flat):
        p = unpacked(flat)
        mean = xs @ p["v"] + p["c"]
        logvar = jnp.broadcast_to(p["s"], mean.shape)
        z = mean + jnp.exp(0.5 * logvar) * eps
        reconstruction = z @ p["w"] + p["b"]
        return vae_loss(Outputs(xs, reconstruction, Gaussian(mean, logvar), z))

    gradient = jax.jit(jax.value_and_grad(loss))
    start = 0.1 * rng.normal(size=sum(np.prod(s) for s in sizes.values()))
    options = {"maxiter": 3000, "maxfun": 10_000, "ftol": 1e-15, "gtol": 1e-9}
    found = optimize.minimize(
        lambda f: [np.asarray(v) for v in gradient(f)], start, jac=True, method="L-BFGS-B", options=options
    )
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
    top, kept = vectors[:, -latent:], values[-latent:]
    weights = top * np.sqrt(kept - 1)  # Tipping & Bishop 1999, eq. 7, at noise variance 1
    log_p = stats.multivariate_normal(x.mean(0), weights @ weights.T + np.eye(features)).logpdf(x).mean()
    np.testing.assert_allclose(-found.fun, log_p, atol=1e-6)
    own = np.linalg.qr(np.asarray(unpacked(found.x)["w"]).T)[0]
    np.testing.assert_allclose(np.linalg.svd(own.T @ top)[1], 1, atol=1e-6)
    np.testing.assert_allclose(
        np.asarray(unpacked(found.x)["w"]).T @ unpacked(found.x)["w"], weights @ weights.T, atol=1e-3
    )
