"""Variants for mutation counts: terms by numerical integration, draws by scipy's distributions, losses by plain numpy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special, stats

from vaebench.errors import InputError
from vaebench.nn.autoencoder import ACTIVATIONS, Gaussian
from vaebench.nn.count_autoencoder import SignatureOutputs, non_negative, normalised, signatures_of, with_signatures
from vaebench.nn.losses import log_volume, poisson_loss
from vaebench.space import Point, point, static_of, traced_of
from vaebench.types import Context
from vaebench.variants import (
    VARIANTS,
    exponential_vae,
    folded_normal_vae,
    muse_xae,
    spike_slab_vae,
    variant,
    weibull_vae,
)

COUNTS = [name for name, v in VARIANTS.items() if v.domain == "counts"]
K, B, L, D = 3, 5, 4, 12
TRAINING, VALIDATION = (Context(training, 100, B, 0) for training in (True, False))


def numbers(seed: int, *shape: int, low: float = 0.1, high: float = 2.0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, high, shape)


def outputs(posterior: tuple, draws: bool = True, prior=None) -> SignatureOutputs:
    """Random tensors of the right shapes around a posterior."""
    reconstruction = numbers(1, *((K, B, D) if draws else (B, D)))
    z = numbers(2, *((K, B, L) if draws else (B, L)))
    parts = SignatureOutputs(numbers(0, B, D), reconstruction, posterior, z, numbers(3, L, D), prior)
    return jax.tree.map(lambda part: jnp.asarray(part, jnp.float32), parts)


def plain_poisson(out: SignatureOutputs) -> np.ndarray:
    rate = np.asarray(out.reconstruction, np.float64)
    return rate - np.asarray(out.x, np.float64) * np.log(rate + 1e-7)


def plain_volume(out: SignatureOutputs) -> float:
    rows = np.asarray(out.signatures, np.float64)
    return float(np.log(np.linalg.det(rows @ rows.T + np.eye(L))))


def plain_bound(out: SignatureOutputs, kl: np.ndarray, beta: float, min_volume: float) -> float:
    return plain_poisson(out).sum(-1).mean() + beta * kl.mean() + min_volume * plain_volume(out)


# terms


def test_normalisation_equals_plain_numpy_and_keeps_samples_without_mutations_at_zero():
    counts = np.random.default_rng(0).poisson(20, (4, D)).astype(float)
    counts[1], counts[2] = 0, 0
    counts[2, 3] = 1  # log2 of one mutation is 0, and it would be lost
    found = np.asarray(normalised(jnp.asarray(counts, jnp.float32)))
    total = counts[[0, 3]].sum(1, keepdims=True)
    np.testing.assert_allclose(found[[0, 3]], counts[[0, 3]] / total * np.log2(total), rtol=1e-6)
    assert not found[1].any()
    np.testing.assert_array_equal(found[2], counts[2])


def test_terms_equal_plain_numpy():
    out = outputs(())
    np.testing.assert_allclose(poisson_loss(out.x[None], out.reconstruction), plain_poisson(out), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(log_volume(out.signatures), plain_volume(out), rtol=1e-5)
    assert log_volume(jnp.zeros((L, D))) == 0
    rate = np.array([0.5, 3.0])
    difference = poisson_loss(jnp.array([2.0, 2.0]), jnp.asarray(rate)) + stats.poisson.logpmf(2, rate)
    np.testing.assert_allclose(difference, -np.log(2), rtol=1e-5)  # log 2! does not depend on the rate


# divergences by numerical integration


def integrated_kl(log_q, log_p, upper: float) -> float:
    value, _ = integrate.quad(lambda z: np.exp(log_q(z)) * (log_q(z) - log_p(z)), 0, upper, limit=400)
    return value


@pytest.mark.parametrize("mean", [0.05, 0.7, 1.0, 3.0])
def test_exponential_kl_by_integration(mean):
    q, p = stats.expon(scale=mean), stats.expon()
    found = exponential_vae.exponential_kl(jnp.float32(mean))
    np.testing.assert_allclose(found, integrated_kl(q.logpdf, p.logpdf, 60 * mean), rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("k", "scale", "concentration"), [(1.0, 0.7, 1.0), (2.5, 1.3, 0.5), (0.8, 0.4, 2.0), (9.0, 3.0, 1.5)]
)
def test_weibull_kl_by_integration(k, scale, concentration):
    q, p = stats.weibull_min(k, scale=scale), stats.gamma(concentration)
    found = weibull_vae.weibull_gamma_kl(weibull_vae.Weibull(jnp.float32(k), jnp.float32(scale)), concentration)
    np.testing.assert_allclose(found, integrated_kl(q.logpdf, p.logpdf, q.ppf(1 - 1e-15)), rtol=2e-4, atol=1e-5)


def test_a_weibull_of_concentration_one_is_an_exponential():
    mean = jnp.asarray(numbers(0, 6), jnp.float32)
    found = weibull_vae.weibull_gamma_kl(weibull_vae.Weibull(jnp.ones(6), mean), 1.0)
    np.testing.assert_allclose(found, exponential_vae.exponential_kl(mean), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(weibull_vae.weibull_mean(weibull_vae.Weibull(jnp.ones(6), mean)), mean, rtol=1e-6)


@pytest.mark.parametrize(
    ("logit", "location", "logvar"), [(0.4, -1.0, 0.5), (-3.0, 0.3, -2.0), (20.0, 2.0, 0.0), (-60.0, 0, 0)]
)
def test_spike_slab_kl_by_its_parts(logit, location, logvar):
    prior = (-0.7, 0.2, 0.3)
    found = spike_slab_vae.spike_slab_kl(
        *(spike_slab_vae.SpikeSlab(*map(jnp.float32, part)) for part in ((logit, location, logvar), prior))
    )
    p, p0 = special.expit([logit, prior[0]])
    presence = special.rel_entr(p, p0) + special.rel_entr(special.expit(-logit), 1 - p0)
    slab, slab0 = (stats.lognorm(np.exp(v / 2), scale=np.exp(m)) for m, v in ((location, logvar), prior[1:]))
    expected = presence + p * integrated_kl(slab.logpdf, slab0.logpdf, slab.ppf(1 - 1e-13))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("mean", "logvar"), [(0.0, -1.0), (0.8, -0.5), (-2.0, 0.7)])
def test_the_kl_before_folding_bounds_the_folded_one(mean, logvar):
    sigma = np.exp(logvar / 2)
    q = stats.foldnorm(abs(mean) / sigma, scale=sigma)
    folded = integrated_kl(q.logpdf, stats.halfnorm.logpdf, 20.0)
    found = float(
        folded_normal_vae.divergence(Gaussian(jnp.full((1, 1), mean), jnp.full((1, 1), logvar)), None, None, None)[0, 0]
    )
    assert found == pytest.approx(folded, rel=1e-4) if mean == 0 else found > folded


@pytest.mark.slow
def test_vamp_kl_by_integration_and_zero_against_itself(key):
    q = weibull_vae.Weibull(jnp.full((1, 1), 2.0), jnp.full((1, 1), 1.5))
    components = weibull_vae.Weibull(jnp.array([[1.0], [3.0]]), jnp.array([[0.5], [2.0]]))
    log_z = weibull_vae.log_draws(key, q, 40_000)
    own = stats.weibull_min(2.0, scale=1.5)

    def log_p(z):
        return np.log(0.5 * stats.weibull_min.pdf(z, 1.0, scale=0.5) + 0.5 * stats.weibull_min.pdf(z, 3.0, scale=2.0))

    expected = integrated_kl(own.logpdf, log_p, 12.0)
    np.testing.assert_allclose(weibull_vae.vamp_kl(log_z, q, components), expected, atol=0.01)
    np.testing.assert_allclose(weibull_vae.vamp_kl(log_z, q, q), 0, atol=1e-5)


def test_vamp_densities_equal_a_plain_mixture():
    components = weibull_vae.Weibull(*(jnp.asarray(numbers(i, 2, L), jnp.float32) for i in (5, 6)))
    log_z = np.log(numbers(7, K, B, L))
    joint, single = weibull_vae.mixture_log_densities(jnp.asarray(log_z, jnp.float32), components)
    each = stats.weibull_min.pdf(np.exp(log_z)[:, :, None], components.concentration, scale=components.scale)
    np.testing.assert_allclose(joint, np.log(each.prod(-1).mean(2)), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(single, np.log(each.mean(2)), rtol=1e-4, atol=1e-4)


# draws and means


def test_draws_follow_their_distributions_and_means_are_theirs(key):
    n = 20_000
    folded = Gaussian(jnp.full((n, 1), 0.8), jnp.full((n, 1), -0.5))
    sigma = np.exp(-0.25)
    weibull = weibull_vae.Weibull(jnp.full((n, 1), 1.7), jnp.full((n, 1), 0.6))
    cases = [
        (folded_normal_vae.FOLDED, folded, stats.foldnorm(0.8 / sigma, scale=sigma)),
        (exponential_vae.EXPONENTIAL, exponential_vae.Exponential(jnp.full((n, 1), 2.5)), stats.expon(scale=2.5)),
        (weibull_vae.WEIBULL, weibull, stats.weibull_min(1.7, scale=0.6)),
    ]
    for family, q, distribution in cases:
        one, many = jax.jit(lambda key, q, draw=family.draw: (draw(key, q, None, None), draw(key, q, None, 2)))(key, q)
        assert one.shape == (n, 1)
        assert many.shape == (2, n, 1)
        assert stats.kstest(np.asarray(one).ravel(), distribution.cdf).pvalue > 1e-3
        assert stats.kstest(np.asarray(many[1]).ravel(), distribution.cdf).pvalue > 1e-3
        np.testing.assert_allclose(family.mean(q)[0, 0], distribution.mean(), rtol=1e-5)


def test_spike_slab_draws_are_zero_or_log_normal_and_cold_relaxed_ones_nearly_so(key):
    n, q = 40_000, spike_slab_vae.SpikeSlab(*(jnp.full((40_000, 1), v) for v in (-0.5, 0.3, -1.0)))
    exact = np.asarray(spike_slab_vae.spike_slab_draw(key, q, None, None)).ravel()
    share, slab = special.expit(-0.5), stats.lognorm(np.exp(-0.5), scale=np.exp(0.3))
    np.testing.assert_allclose(np.mean(exact > 0), share, atol=4 * np.sqrt(share * (1 - share) / n))
    assert stats.kstest(exact[exact > 0], slab.cdf).pvalue > 1e-3
    np.testing.assert_allclose(spike_slab_vae.spike_slab_mean(q)[0, 0], share * slab.mean(), rtol=1e-5)
    cold = spike_slab_vae.spike_slab_draw(key, q, spike_slab_vae.FixedHyper(temperature=1e-3), 1)
    np.testing.assert_allclose(np.mean(np.asarray(cold) > 0.01), share, atol=0.01)


EXTREMES = [
    ("folded_normal_vae", folded_normal_vae.FOLDED, folded_normal_vae.divergence, (-20, 0, 20)),
    ("exponential_vae", exponential_vae.EXPONENTIAL, exponential_vae.divergence, (-80, 0, 80)),
    ("weibull_vae", weibull_vae.WEIBULL, weibull_vae.divergence, (-80, 0, 80)),
    ("spike_slab_vae", spike_slab_vae.SPIKE_SLAB, spike_slab_vae.divergence, (-80, 0, 60)),
]


@pytest.mark.parametrize(("name", "family", "divergence", "values"), EXTREMES)
def test_extreme_heads_give_finite_draws_divergences_and_gradients(key, name, family, divergence, values):
    hyper = variant(name).hyper(variant(name).shape("textbook"))

    @jax.jit
    @jax.value_and_grad
    def total(heads):
        q = family.posterior(*heads)
        drawn, kl = family.draw(key, q, hyper, 2), divergence(q, None, hyper, key)
        return jnp.sum(drawn) + jnp.sum(kl) + jnp.sum(family.mean(q))

    for head in values:
        found = total([jnp.full((2, 3), float(head)) for _ in family.heads])
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found)), head


# losses by plain numpy


def test_muse_xae_losses():
    out = outputs((), draws=False)
    plain = plain_poisson(out).mean()
    squared = np.mean((np.asarray(out.x, np.float64) - np.asarray(out.reconstruction, np.float64)) ** 2)
    loss, terms = muse_xae.textbook(out, muse_xae.Hyper(0.3), VALIDATION)
    np.testing.assert_allclose(loss, plain + 0.3 * plain_volume(out), rtol=1e-5)
    np.testing.assert_allclose(terms["reconstruction"], plain, rtol=1e-5)
    loss, terms = muse_xae.benchmarked(out, muse_xae.Hyper(0.3), TRAINING)
    np.testing.assert_allclose(loss, plain + 0.3 * plain_volume(out) / np.log(10), rtol=1e-5)
    np.testing.assert_allclose(terms["volume"], plain_volume(out) / np.log(10), rtol=1e-5)
    np.testing.assert_allclose(muse_xae.benchmarked(out, muse_xae.Hyper(0.3), VALIDATION)[0], squared, rtol=1e-5)
    loss, _ = muse_xae.refit(out, muse_xae.RefitHyper(0.2), TRAINING)
    absolute = np.mean(np.abs(np.asarray(out.x) - np.asarray(out.reconstruction)))
    np.testing.assert_allclose(loss, absolute + 0.2 * np.asarray(out.z).sum(1).mean(), rtol=1e-5)
    np.testing.assert_allclose(muse_xae.refit(out, muse_xae.RefitHyper(0.2), VALIDATION)[0], squared, rtol=1e-5)


def test_folded_normal_losses():
    mean, logvar = numbers(4, B, L, low=-2), numbers(5, B, L, low=-2)
    out = outputs(Gaussian(mean, logvar))
    kl = 0.5 * (mean**2 + np.exp(logvar) - 1 - logvar).sum(1)
    loss, terms = folded_normal_vae.textbook(out, folded_normal_vae.Hyper(0.4, 0.3), TRAINING)
    np.testing.assert_allclose(loss, plain_bound(out, kl, 0.4, 0.3), rtol=1e-5)
    np.testing.assert_allclose(terms["kl"], kl.mean(), rtol=1e-5)
    loss, terms = folded_normal_vae.benchmarked(out, folded_normal_vae.BenchmarkedHyper(0.4), TRAINING)
    np.testing.assert_allclose(loss, plain_poisson(out).mean() + 0.4 * kl.mean(), rtol=1e-5)
    # the released beta acts as D times the textbook's
    whole, _ = folded_normal_vae.textbook(out, folded_normal_vae.Hyper(0.4 * D, 0.0), TRAINING)
    np.testing.assert_allclose(whole, D * loss, rtol=1e-5)


def test_exponential_and_weibull_losses():
    k, scale = numbers(4, B, L), numbers(5, B, L)
    kl = (scale - 1 - np.log(scale)).sum(1)
    out = outputs(exponential_vae.Exponential(scale))
    loss, _ = exponential_vae.textbook(out, exponential_vae.Hyper(0.4, 0.3), TRAINING)
    np.testing.assert_allclose(loss, plain_bound(out, kl, 0.4, 0.3), rtol=1e-5)
    out, a = outputs(weibull_vae.Weibull(k, scale)), 0.6
    g = np.euler_gamma
    kl = g * a / k - a * np.log(scale) + np.log(k) + scale * special.gamma(1 + 1 / k) - g - 1 + special.gammaln(a)
    loss, _ = weibull_vae.textbook(out, weibull_vae.GammaHyper(0.4, 0.3, a), TRAINING)
    np.testing.assert_allclose(loss, plain_bound(out, kl.sum(1), 0.4, 0.3), rtol=1e-5)
    components = weibull_vae.Weibull(numbers(8, 2, L), numbers(9, 2, L))
    out = outputs(weibull_vae.Weibull(k, scale), prior=components)
    z = np.asarray(out.z, np.float64)
    log_q = stats.weibull_min.logpdf(z, k, scale=scale).sum(-1)
    mixed = stats.weibull_min.pdf(z[:, :, None], components.concentration, scale=components.scale).prod(-1).mean(2)
    loss, _ = weibull_vae.textbook(out, weibull_vae.VampHyper(0.4, 0.3), TRAINING)
    np.testing.assert_allclose(loss, plain_bound(out, log_q - np.log(mixed), 0.4, 0.3), rtol=1e-5)


@pytest.mark.parametrize("learned", [False, True])
def test_spike_slab_losses(learned):
    logit, location, logvar = (numbers(i, B, L, low=-2) for i in (4, 5, 6))
    rows = numbers(7, 3, L, low=-1)
    out = outputs(spike_slab_vae.SpikeSlab(logit, location, logvar), prior=rows if learned else None)
    if not learned:
        rows = np.array([[special.logit(0.3)], [0.0], [0.0]])
    p, p0 = special.expit(logit), special.expit(rows[0])
    presence = p * np.log(p / p0) + (1 - p) * np.log((1 - p) / (1 - p0))
    slab = 0.5 * ((np.exp(logvar) + (location - rows[1]) ** 2) / np.exp(rows[2]) - 1 - logvar + rows[2])
    hyper = spike_slab_vae.LearnedHyper(0.4, 0.3) if learned else spike_slab_vae.FixedHyper(0.4, 0.3, presence=0.3)
    loss, _ = spike_slab_vae.textbook(out, hyper, TRAINING)
    np.testing.assert_allclose(loss, plain_bound(out, (presence + p * slab).sum(1), 0.4, 0.3), rtol=1e-5)


# networks


def built(name: str, recipe: str, fields: tuple = ()):
    """Model, settings and variables, all away from 0."""
    base = Point(hidden=(6, 5), activation="elu", latent=L, batch=B)
    chosen = point(base, variant=name, recipe=recipe, **dict(fields))
    model = variant(name).build(static_of(chosen, D))
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.array(0))
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda leaf: jnp.asarray(0.4 * rng.normal(size=leaf.shape), jnp.float32), shapes)
    return model, chosen, {**variables, "params": non_negative(variables["params"])}


def plain_norm(h: np.ndarray, layer: dict, axis: int) -> np.ndarray:
    centred = h - h.mean(axis, keepdims=True)
    return centred / np.sqrt(h.var(axis, keepdims=True) + 1e-5) * layer["scale"] + layer["bias"]


def plain_heads(params: dict, x: np.ndarray, heads: tuple[str, ...], norm_last: bool, axis: int) -> list[np.ndarray]:
    """The encoder in plain numpy: two hidden layers with ELU."""
    h = x
    for i in range(2):
        linear, norm = params["encoder"][f"linear_{i}"], params["encoder"][f"norm_{i}"]
        h = h @ linear["kernel"] + linear["bias"]
        h = h if norm_last else plain_norm(h, norm, axis)
        h = np.where(h > 0, h, np.expm1(np.minimum(h, 0)))
        h = plain_norm(h, norm, axis) if norm_last else h
    return [h @ params[head]["kernel"] + params[head]["bias"] for head in heads]


def plain_params(variables) -> dict:
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables["params"])


def plain_x(counts: np.ndarray) -> np.ndarray:
    total = counts.sum(1, keepdims=True)
    return counts / total * np.log2(total)


def some_counts(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(20, (B, D)).astype(np.float64) + 1


def test_muse_xae_forward_pass_equals_plain_numpy(key):
    """Linear, ELU, batch normalisation; softplus code; the loss against targets given beside the inputs."""
    model, chosen, variables = built("muse_xae", "benchmarked")
    counts, target = some_counts(), some_counts(1)
    params = plain_params(variables)
    (code,) = plain_heads(params, plain_x(counts), ("code_head",), True, 0)
    rate = np.logaddexp(0, code) @ params["decoder"]["kernel"]
    rows = params["decoder"]["kernel"]
    volume = np.log10(np.linalg.det(rows @ rows.T + np.eye(L)))
    x = jnp.asarray(np.concatenate([counts, target], axis=1), jnp.float32)
    loss, aux = model.loss(
        variables, x, key, traced_of(chosen).hyper, 99, TRAINING
    )  # 99: the activation is compiled in
    expected = np.mean(rate - plain_x(target) * np.log(rate + 1e-7)) + 0.001 * volume
    np.testing.assert_allclose(loss, expected, rtol=1e-4)
    alone = model.loss(variables, jnp.asarray(counts, jnp.float32), key, traced_of(chosen).hyper, 99, TRAINING)[0]
    expected = np.mean(rate - plain_x(counts) * np.log(rate + 1e-7)) + 0.001 * volume
    np.testing.assert_allclose(alone, expected, rtol=1e-4)
    assert set(aux.statistics["encoder"]) == {"norm_0", "norm_1"}


@pytest.mark.parametrize("recipe", ["textbook", "benchmarked"])
def test_folded_normal_layers_are_in_the_recipes_order(recipe):
    model, _, variables = built("folded_normal_vae", recipe, (("norm", "layer"),))
    counts = some_counts()
    heads = ("mean_head", "logvar_head")
    mean, logvar = plain_heads(plain_params(variables), plain_x(counts), heads, recipe == "benchmarked", 1)
    q = model.posterior(variables, jnp.asarray(counts, jnp.float32), 0)
    np.testing.assert_allclose(q.mean, mean, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(q.logvar, logvar, rtol=1e-3, atol=1e-4)
    z = model.embed(variables, jnp.asarray(counts, jnp.float32), 0)
    np.testing.assert_allclose(
        model.decode(variables, z, 0), np.asarray(z) @ np.asarray(signatures_of(variables)), rtol=1e-5
    )


@pytest.mark.parametrize(
    # a second of compiler each: two at once, the others with the slow tests
    "name",
    [
        pytest.param(name, marks=[] if name in ("muse_xae", "folded_normal_vae") else pytest.mark.slow)
        for name in COUNTS
    ],
)
def test_initial_decoders_are_not_negative_and_frozen_ones_are_statistics(key, name):
    recipe = variant(name).recipes[-1]
    model, chosen, variables = built(name, recipe)
    params = jax.jit(model.init)(key, jnp.array(3))["params"]
    # draws below 0 are clamped; vae_ms takes their absolute values
    assert (params["decoder"]["kernel"].min() > 0) if name == "vae_ms" else (params["decoder"]["kernel"].min() == 0)
    assert params["decoder"]["kernel"].max() > 0
    model, chosen, variables = built(name, recipe, (("frozen", True),))
    assert "decoder" not in variables["params"]
    signatures = numbers(0, L, D)
    held = with_signatures(variables, signatures)
    np.testing.assert_allclose(signatures_of(held), signatures, rtol=1e-6)
    with pytest.raises(InputError, match=r"\(3, 12\).*\(4, 12\)"):
        with_signatures(variables, signatures[:3])
    # what a training step keeps: every statistic, the signatures bit by bit
    x = jnp.asarray(some_counts(), jnp.float32)
    _, aux = model.loss(held, x, key, traced_of(chosen).hyper, 0, TRAINING)
    np.testing.assert_array_equal(aux.statistics["decoder"]["kernel"], signatures_of(held))
    assert jax.tree.structure(aux.statistics) == jax.tree.structure(held["batch_stats"])


@pytest.mark.parametrize(
    ("name", "prior", "layer"),
    [
        ("folded_normal_vae", None, None),
        ("exponential_vae", None, None),
        ("weibull_vae", "gamma", None),
        ("weibull_vae", "vamp", "pseudo_inputs"),
        ("spike_slab_vae", "fixed", None),
        ("spike_slab_vae", "learned", "prior"),
        pytest.param("folded_mixture_vae", "vamp", "pseudo_inputs", marks=pytest.mark.slow),
    ],
)
def test_latent_kl_is_the_divergence_of_every_latent_and_of_a_learned_prior(key, name, prior, layer):
    x = jnp.asarray(some_counts(), jnp.float32)
    fields = (("norm", "layer"), *([("prior", prior)] if prior else []))
    model, chosen, variables = built(name, "textbook", fields)
    hyper = traced_of(chosen).hyper

    @jax.jit
    def both(params):
        current = {**variables, "params": params}
        return model.latent_kl(current, x, key, 0, hyper), model.loss(current, x, key, hyper, 0, VALIDATION)[1].terms

    kl, terms = both(variables["params"])
    assert kl.shape == (B, L)
    if prior != "vamp":  # its marginals do not add up to the whole
        np.testing.assert_allclose(np.sum(kl, 1).mean(), terms["kl"], rtol=1e-5)
    if layer:
        moved = {layer: {name: 2 * leaf + 0.1 for name, leaf in variables["params"][layer].items()}}
        kl_moved, terms_moved = both({**variables["params"], **moved})
        assert not np.allclose(kl, kl_moved)
        assert terms["kl"] != terms_moved["kl"]
        assert terms["reconstruction"] == terms_moved["reconstruction"]


def test_a_deterministic_variant_has_no_divergence():
    assert built("muse_xae", "textbook")[0].latent_kl is None


def test_activations_are_compiled_in_for_counts_alone():
    assert static_of(point(variant="muse_xae", activation="elu"), D).activation == "elu"
    assert static_of(point(variant="vae", activation="elu"), D).activation == ""
    _, chosen, variables = built("folded_normal_vae", "textbook")
    x = jnp.asarray(some_counts(), jnp.float32)
    found = []
    for activation in ACTIVATIONS:
        model = variant("folded_normal_vae").build(static_of(point(chosen, activation=activation), D))
        found.append(float(jnp.sum(model.embed(variables, x, 0))))
    assert len(set(found)) == len(ACTIVATIONS)


def test_expression_data_refuse_variants_for_counts(tiny):
    from vaebench.sweep.runner import run
    from vaebench.training.model import fit

    for name in COUNTS:
        with pytest.raises(InputError, match=f"{name}.*mutation counts.*vaebench extract.*beta_vae"):
            fit(tiny, variant=name, latent=2)
    with pytest.raises(InputError, match="mutation counts"):
        run(
            [point(variant="vae", latent=2, batch=8), point(variant="muse_xae", latent=2, batch=8)],
            tiny,
            metrics=["leiden"],
        )
