"""Losses of the variants with learned priors, guided latents and energies, against scipy, integrals and plain loops."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special, stats

from vaebench.nn.autoencoder import Gaussian, Outputs
from vaebench.nn.count_autoencoder import SignatureOutputs
from vaebench.nn.losses import poisson_loss
from vaebench.nn.priors import Mixture, conditional_kl, folded_log_density, mixture_draw, mixture_log_prior
from vaebench.space import point, static_of
from vaebench.types import Context, Static
from vaebench.variants import (
    conditional_vae,
    constrained_vae,
    folded_mixture_vae,
    folded_normal_vae,
    identifiable_vae,
    mixture_vae,
    semi_supervised_vae,
    vae,
)

B, D, L, K, C = 6, 5, 4, 3, 2
TRAINING = Context(True, 60, B, jnp.array(3))


def numbers(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def array(values: np.ndarray) -> jax.Array:
    return jnp.asarray(values, jnp.float32)


def outputs(draws: bool = False, **fields) -> Outputs:
    lead = (K,) if draws else ()
    q = Gaussian(array(numbers(1, B, L)), array(0.5 * numbers(2, B, L)))
    held = {"x": array(numbers(3, B, D)), "reconstruction": array(numbers(4, *lead, B, D)), "posterior": q}
    return Outputs(**{**held, "z": array(numbers(5, *lead, B, L)), **fields})


def loss_of(module, out, hyper):
    """Loss and terms, compiled as one program: operation by operation they take ten times as long."""
    return jax.jit(lambda: module.textbook(out, hyper, TRAINING))()


MIXTURE = Mixture(array(numbers(6, C, L)), array(0.3 * numbers(7, C, L)), array(numbers(8, C)))


def plain_nll(out: Outputs) -> np.ndarray:
    return -stats.norm.logpdf(np.asarray(out.x), np.asarray(out.reconstruction)).sum(-1)


def plain_gaussian(z, mean, logvar) -> np.ndarray:
    return stats.norm.logpdf(np.asarray(z), np.asarray(mean), np.exp(0.5 * np.asarray(logvar)))


def test_a_mixture_prior_and_its_marginals_are_scipys():
    z, weights = numbers(5, K, B, L), special.log_softmax(np.asarray(MIXTURE.logits, np.float64))
    joint, single = jax.jit(mixture_log_prior)(array(z), MIXTURE)
    each = np.stack([plain_gaussian(z, MIXTURE.mean[c], MIXTURE.logvar[c]) for c in range(C)])
    np.testing.assert_allclose(joint, special.logsumexp(each.sum(-1) + weights[:, None, None], axis=0), rtol=1e-5)
    marginals = special.logsumexp(each + weights[:, None, None, None], axis=0)
    np.testing.assert_allclose(single, marginals, rtol=1e-4, atol=1e-5)


def test_folded_densities_are_scipys():
    z, mean, sigma = np.array([0.0, 0.3, 2.0]), np.array([-1.0, 0.2, 1.5]), np.array([0.5, 1.0, 2.0])
    found = folded_log_density(array(z), array(mean), array(2 * np.log(sigma)))
    np.testing.assert_allclose(found, stats.foldnorm.logpdf(z, np.abs(mean) / sigma, scale=sigma), rtol=1e-5)


def test_draws_of_a_mixture_have_its_means(key):
    drawn = np.asarray(jax.jit(lambda: mixture_draw(key, MIXTURE, 20_000))())
    weights = special.softmax(np.asarray(MIXTURE.logits))
    np.testing.assert_allclose(drawn.mean(0), weights @ np.asarray(MIXTURE.mean), atol=0.05)


def test_mixture_vae_by_plain_numpy():
    out = outputs(draws=True, learned=MIXTURE)
    loss, terms = loss_of(mixture_vae, out, mixture_vae.Hyper(0.4))
    own = plain_gaussian(out.z, out.posterior.mean[None], out.posterior.logvar[None]).sum(-1)
    each = np.stack([plain_gaussian(out.z, MIXTURE.mean[c], MIXTURE.logvar[c]).sum(-1) for c in range(C)])
    log_prior = special.logsumexp(each, axis=0, b=special.softmax(np.asarray(MIXTURE.logits))[:, None, None])
    np.testing.assert_allclose(terms["kl"], (own - log_prior).mean(), rtol=1e-4)
    np.testing.assert_allclose(loss, plain_nll(out).mean() + 0.4 * (own - log_prior).mean(), rtol=1e-5)


def test_a_mixture_of_one_standard_normal_is_the_vae(key):
    """The estimate of the KL averages to the closed form of the plain VAE."""
    q = Gaussian(array(numbers(1, B, L)), array(0.5 * numbers(2, B, L)))
    z = q.mean[None] + jnp.exp(0.5 * q.logvar)[None] * jax.random.normal(key, (4_000, B, L))
    standard = Mixture(jnp.zeros((1, L)), jnp.zeros((1, L)), jnp.zeros(1))
    out = outputs(z=z, reconstruction=jnp.zeros((1, B, D)), learned=standard)
    one, _ = loss_of(mixture_vae, out, mixture_vae.Hyper())
    two, _ = loss_of(vae, out._replace(reconstruction=jnp.zeros((B, D))), vae.Hyper())
    np.testing.assert_allclose(one, two, rtol=3e-3)


def test_folded_mixture_vae_against_an_integral(key):
    """KL of folded normals, not of the normals before folding: by quadrature, one latent and one component."""
    q, prior = (
        Gaussian(jnp.full((1, 1), 0.7), jnp.full((1, 1), -0.4)),
        Mixture(jnp.full((1, 1), 0.2), jnp.full((1, 1), 0.6), jnp.zeros(1)),
    )
    own = stats.foldnorm(0.7 / np.exp(-0.2), scale=np.exp(-0.2))
    other = stats.foldnorm(0.2 / np.exp(0.3), scale=np.exp(0.3))
    expected = integrate.quad(lambda z: own.pdf(z) * (own.logpdf(z) - other.logpdf(z)), 0, 8)[0]
    x, rows, n = jnp.ones((1, D)), array(np.abs(numbers(3, 1, D))), 10_000

    @jax.jit
    def found():
        z = folded_normal_vae.folded_draw(key, q, None, n)
        out = SignatureOutputs(x, jnp.ones((n, 1, D)), q, z, rows, prior)
        loss, terms = folded_mixture_vae.textbook(out, folded_mixture_vae.Hyper(0.5, 0.0), TRAINING)
        tiled = Gaussian(*(jnp.tile(p, (n // 8, 1)) for p in q))
        by_latent = folded_mixture_vae.divergence(tiled, prior, None, key)
        # learned inputs: their posteriors, mixed evenly
        even = folded_mixture_vae.textbook(out._replace(prior=q), folded_mixture_vae.Hyper(), TRAINING)[1]["kl"]
        return loss, terms["kl"], by_latent.mean(), even, jnp.sum(poisson_loss(x, jnp.ones((1, D))))

    loss, kl, by_latent, even, poisson = found()
    np.testing.assert_allclose(kl, expected, atol=0.02)
    np.testing.assert_allclose(loss, poisson + 0.5 * kl, rtol=1e-5)
    np.testing.assert_allclose(by_latent, expected, atol=0.02)
    np.testing.assert_allclose(even, 0, atol=1e-5)


def test_kl_of_two_gaussians_against_an_integral():
    mean, logvar, prior_mean, prior_logvar = 0.4, -0.5, -0.3, 0.7
    q, p = stats.norm(mean, np.exp(0.5 * logvar)), stats.norm(prior_mean, np.exp(0.5 * prior_logvar))
    expected = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -12, 12)[0]
    found = conditional_kl(*(jnp.full((1, 1), v) for v in (mean, logvar, prior_mean, prior_logvar)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_with_a_standard_prior_the_losses_are_the_vaes(beta):
    out = outputs(learned=Gaussian(jnp.zeros((B, L)), jnp.zeros((B, L))))
    _, terms = loss_of(vae, out, vae.Hyper())
    expected = terms["reconstruction"] + beta * terms["kl"]
    for module in (identifiable_vae, conditional_vae):
        loss, _ = loss_of(module, out, module.Hyper(beta))
        np.testing.assert_allclose(loss, expected, rtol=1e-6)


WIDTHS = (1, 3)


def guided(known: np.ndarray) -> tuple[Outputs, np.ndarray]:
    """Outputs with a number and a category of 3 levels, known where ``known`` [B, 2] says; and the category."""
    chosen = np.arange(B) % 3
    values = np.concatenate([numbers(9, B, 1), np.eye(3)[chosen]], axis=1)
    mask = np.repeat(known, WIDTHS, axis=1).astype(float)
    return outputs(auxiliary=array(np.concatenate([values * mask, mask], axis=1)), auxiliary_widths=WIDTHS), chosen


def test_semi_supervised_vae_by_a_plain_loop():
    known = np.array([[1, 1], [1, 0], [0, 1], [0, 0], [1, 1], [0, 0]], bool)
    out, chosen = guided(known)
    mean, logvar = (np.asarray(p, np.float64) for p in out.posterior)
    kl, guidance = np.zeros(B), np.zeros(B)
    for b in range(B):
        columns = [] if known[b, 0] else [0]
        if known[b, 0]:
            value = float(out.auxiliary[b, 0])
            kl[b] -= stats.norm.logpdf(value)
            guidance[b] -= stats.norm.logpdf(value, mean[b, 0], np.exp(0.5 * logvar[b, 0]))
        log_q = special.log_softmax(mean[b, 1:4])
        if known[b, 1]:
            kl[b] += np.log(3)
            guidance[b] -= log_q[chosen[b]]
        else:
            kl[b] += np.sum(np.exp(log_q) * (log_q + np.log(3)))
        for column in columns:
            kl[b] += 0.5 * (np.exp(logvar[b, column]) + mean[b, column] ** 2 - 1 - logvar[b, column])
    loss, terms = loss_of(semi_supervised_vae, out, semi_supervised_vae.Hyper(alpha=2.5))
    np.testing.assert_allclose(terms["kl"], kl.mean(), rtol=1e-5)
    np.testing.assert_allclose(terms["guidance"], guidance.mean(), rtol=1e-5)
    np.testing.assert_allclose(loss, plain_nll(out).mean() + kl.mean() + 2.5 * guidance.mean(), rtol=1e-5)


def test_without_a_known_number_the_loss_is_the_vaes():
    empty = jnp.zeros((B, 2))
    out = outputs(auxiliary=empty, auxiliary_widths=(1,))
    loss, _ = loss_of(semi_supervised_vae, out, semi_supervised_vae.Hyper())
    np.testing.assert_allclose(loss, loss_of(vae, out, vae.Hyper())[0], rtol=1e-6)


def test_known_values_replace_draws_and_categories_are_one_hot(key):
    out, chosen = guided(np.array([[1, 1], [0, 1], [1, 0], [0, 0], [1, 1], [1, 1]], bool))
    z = jax.jit(semi_supervised_vae.substituted)(out.z, out.auxiliary)
    np.testing.assert_array_equal(z[0, 1:4], np.eye(3)[chosen[0]])
    np.testing.assert_array_equal(z[3], out.z[3])
    np.testing.assert_array_equal(z[:, 4:], out.z[:, 4:])
    static = static_of(point(variant="semi_supervised_vae", latent=L), D, WIDTHS)
    family = semi_supervised_vae.guided_family(static)

    @jax.jit
    def found():
        many = Gaussian(*(jnp.tile(p[:1], (10_000, 1)) for p in out.posterior))
        drawn = (family.draw(key, out.posterior, None, None), family.mean(out.posterior), family.prior(key, (B, L)))
        return drawn, family.draw(key, many, semi_supervised_vae.Hyper(1, 1e-3), None)

    each, cold = found()
    for drawn in each:
        np.testing.assert_allclose(drawn[:, 1:4].sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(cold[:, 1:4].mean(0), special.softmax(np.asarray(out.posterior.mean[0, 1:4])), atol=0.02)
    assert semi_supervised_vae.redundant(static) == (3,)
    assert semi_supervised_vae.redundant(Static("semi_supervised_vae", D, L, auxiliary=(1, 1))) == ()


def test_constrained_vae_by_plain_numpy(key):
    decoder = {"decoder": {"linear_0": {"kernel": array(numbers(1, L, 3)), "bias": jnp.ones(3)}}}
    out = outputs(decoder=decoder)
    loss, terms = loss_of(constrained_vae, out, constrained_vae.Hyper(0.5, 0.2, 0.1))
    energy, weight = (np.asarray(out.z) ** 2).sum(1).mean(), (numbers(1, L, 3) ** 2).sum()
    kl = loss_of(vae, out, vae.Hyper())[1]["kl"]
    np.testing.assert_allclose(loss, plain_nll(out).mean() + 0.5 * kl + 0.2 * energy + 0.1 * weight, rtol=1e-5)
    np.testing.assert_allclose(terms["weight"], weight, rtol=1e-5)
    q = Gaussian(jnp.full((1, 1), -0.3), jnp.full((1, 1), 0.4))
    plain = stats.norm(-0.3, np.exp(0.2))
    expected = integrate.quad(lambda z: z * plain.pdf(z), 0, 12)[0]
    np.testing.assert_allclose(jax.jit(constrained_vae.rectified_mean)(q)[0, 0], expected, rtol=1e-5)
    drawn = np.asarray(
        constrained_vae.rectified_draw(key, Gaussian(*(jnp.tile(p, (50_000, 1)) for p in q)), None, None)
    )
    np.testing.assert_allclose(drawn.mean(), expected, atol=0.01)
    np.testing.assert_allclose((drawn == 0).mean(), plain.cdf(0), atol=0.01)
