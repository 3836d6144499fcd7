"""VAE-MS: VAE of mutation counts with a Poisson posterior, near the exposures of a factorisation (Egendal et al. 2026).

  1. start     signatures S0 of a KL-NMF of the catalogue: the decoder's first weights
  2. prior     r = exposures of a sample to S0: the rates of its Poisson prior
  3. encode    lambda = mutations of the sample * |head of the encoder|: the rates of its Poisson posterior
  4. draw      z of Poisson(lambda), relaxed so that it has a derivative: waiting times of arrivals at rate lambda, and a sigmoid
               that counts those before time 1
  5. loss      Poisson loss of x against z W, and beta times the divergence of Poisson(lambda) from Poisson(r)
  6. step      the rows of W are kept at 0 or above and at sum 1, so that z are mutations

Embeddings and draws are given on the scale of the normalised counts, as those of the other variants of counts.

Deviates from the paper's code: the encoder sees normalised counts and its head is a share of the sample's mutations, since a head
in mutations would have to grow by thousands of steps; rates above a limit are drawn from the normal distribution with the mean
and variance of the Poisson, since as many waiting times would be needed as there are mutations; the shapes are fixed therefore.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.errors import InputError
from vaebench.nn.count_autoencoder import SignatureAutoencoder, normalised, signatures_of
from vaebench.nn.initialisation import initial_variables
from vaebench.nn.losses import poisson_loss
from vaebench.types import Aux, Context, Model, Static, Tree, Variant

LARGEST = 100.0
"""Mutations per channel to which larger samples are scaled down, so that they do not outweigh the others (the paper's code)."""
UPDATES = 200
"""Updates of the exposures that are the prior's rates; the fit then changes by far less than the noise of the counts."""
_LEAST = 1e-5
"""Lower bound of a rate, as the paper's code bounds the prior's."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """Choices that change the program.

    Attributes:
        arrivals: waiting times for a draw. Rates above 0.4 of them are drawn from a normal distribution; at 40 there are more
            arrivals in one of 5 million draws.
        frozen: the decoder is given and only the encoder is trained.
    """

    arrivals: int = 40
    frozen: bool = False


class Hyper(NamedTuple):
    """Weight of the divergence, and temperature of the draws: at 0 the sigmoid would be a step, without a derivative."""

    beta: float = 0.01
    temperature: float = 0.1

    ranges = {"temperature": (0.0, math.inf)}  # noqa: RUF012  (a class constant, not a field)


class PoissonRates(NamedTuple):
    """Independent Poissons: ``rate`` [B, L] in mutations; times ``scale`` [B, 1] they are on that of the normalised counts."""

    rate: jax.Array
    scale: jax.Array


class RateOutputs(NamedTuple):
    """Inputs of the loss: counts x [B, D], the reconstruction [B, D], and the rates [B, L] of posterior and prior."""

    x: jax.Array
    reconstruction: jax.Array
    rate: jax.Array
    prior: jax.Array


def poisson_kl(rate: jax.Array, prior: jax.Array) -> jax.Array:
    """Return KL(Poisson(rate) || Poisson(prior)) in nats, entry by entry: rate log(rate / prior) - rate + prior."""
    return rate * (jnp.log(rate) - jnp.log(prior)) - rate + prior


def relaxed_poisson(key: jax.Array, rate: jax.Array, temperature: jax.Array | float, arrivals: int) -> jax.Array:
    """Draw from Poisson(rate), entry by entry, with a derivative with respect to the rate.

    sum_m sigmoid((1 - t_m) / temperature), t_m the time of the m-th arrival. With all arrivals the mean is
    rate * temperature * softplus(1 / temperature), and the variance rate * temperature * (softplus(1 / temperature) -
    sigmoid(1 / temperature)): both tend to the rate. Above 0.4 ``arrivals``: rate + sqrt(rate) * a normal draw.
    """
    waiting, normal = jax.random.split(key)
    limit = 0.4 * arrivals
    times = (
        jnp.cumsum(jax.random.exponential(waiting, (arrivals, *rate.shape)), axis=0) / jnp.minimum(rate, limit)[None]
    )
    few = jax.nn.sigmoid((1 - times) / temperature).sum(0)
    # the bound keeps the derivative of the root finite where this branch is not taken
    many = rate + jnp.sqrt(jnp.maximum(rate, limit)) * jax.random.normal(normal, rate.shape)
    return jnp.where(rate <= limit, few, many)


def exposures_to(counts: jax.Array, signatures: jax.Array) -> jax.Array:
    """Return the exposures [B, L] of counts [B, D] to fixed signatures [L, D] with rows of sum 1, by updates of KL-NMF."""
    start = jnp.broadcast_to(counts.sum(1, keepdims=True) / len(signatures), (len(counts), len(signatures)))

    def update(_: int, exposures: jax.Array) -> jax.Array:
        return exposures * ((counts / (exposures @ signatures + 1e-10)) @ signatures.T)

    return jax.lax.fori_loop(0, UPDATES, update, start)


def capped(counts: jax.Array) -> jax.Array:
    """Return counts [B, D] of which samples with more than :data:`LARGEST` mutations a channel are scaled down to them."""
    total = counts.sum(1, keepdims=True)
    return counts * jnp.minimum(1, LARGEST * counts.shape[1] / jnp.maximum(total, 1))


def unit_rows(params: Tree) -> Tree:
    """Return ``params`` with the decoder's rows at 0 or above and at sum 1; a row of zeros becomes even."""
    if "decoder" not in params:
        return params
    return {**params, "decoder": {"kernel": _unit(jnp.abs(params["decoder"]["kernel"]))}}


def _unit(rows: jax.Array) -> jax.Array:
    rows = rows + 1e-12
    return rows / rows.sum(-1, keepdims=True)


def with_start(variables: Tree, signatures: np.ndarray) -> Tree:
    """Return ``variables`` with ``signatures`` [L, D] as the decoder's first weights and as those of the prior's rates."""
    rows = _unit(jnp.asarray(signatures, jnp.float32))
    params = {**variables["params"], "decoder": {"kernel": rows}}
    # a copy: a program may not be given one array twice
    return {
        **variables,
        "params": params,
        "batch_stats": {**variables["batch_stats"], "started": {"kernel": rows.copy()}},
    }


def textbook(outputs: RateOutputs, hyper: Hyper, context: Context) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean_bc [Poisson loss] + beta mean_bl [lambda log(lambda / r) - lambda + r], in mutations.

    Source: Egendal et al. 2026, whose loss is averaged over channels, and its divergence over latents.
    """
    reconstruction = jnp.mean(poisson_loss(outputs.x, outputs.reconstruction))
    kl = jnp.mean(poisson_kl(outputs.rate, outputs.prior))
    return reconstruction + hyper.beta * kl, {"reconstruction": reconstruction, "kl": kl}


def build(static: Static) -> Model:
    """Return the pure functions; the loss takes counts [B, D], or [B, D + L] with the prior's rates beside them."""
    shape = static.shape
    hidden = (*static.hidden, static.latent)  # the paper's encoder ends in a layer of L units before its head
    module = SignatureAutoencoder(
        static.features, static.latent, hidden, static.norm, False, ("rate_head",), shape.frozen
    )

    def init(key: jax.Array, init: jax.Array) -> Tree:
        variables = initial_variables(module, key, init, static.features, "textbook")
        params = unit_rows(variables["params"])
        started = jnp.full((static.latent, static.features), 1 / static.features)
        started = {"kernel": started if shape.frozen else params["decoder"]["kernel"]}
        return {**variables, "params": params, "batch_stats": {**variables["batch_stats"], "started": started}}

    def encoded(variables: Tree, x: jax.Array, activation: Any, training: bool) -> tuple[PoissonRates, Tree]:  # noqa: ANN401
        inputs, total = normalised(x), jnp.maximum(capped(x).sum(1, keepdims=True), 1)
        (head,), changed = module.apply(
            variables, inputs, static.activation or activation, training, method="encode", mutable=["batch_stats"]
        )
        scale = inputs.sum(1, keepdims=True) / total
        return PoissonRates(jnp.maximum(total * jnp.abs(head), _LEAST), scale), changed.get("batch_stats", {})

    def prior_rates(variables: Tree, x: jax.Array) -> jax.Array:
        rows = signatures_of(variables) if shape.frozen else variables["batch_stats"]["started"]["kernel"]
        return jnp.maximum(jax.lax.stop_gradient(exposures_to(capped(x), rows)), _LEAST)

    def loss(
        variables: Tree, x: jax.Array, key: jax.Array, hyper: Tree, activation: jax.Array, context: Context
    ) -> tuple[jax.Array, Aux]:
        counts, beside = x[:, : static.features], x[:, static.features :]
        prior = jnp.maximum(beside, _LEAST) if beside.shape[1] else prior_rates(variables, counts)
        (rate, _), statistics = encoded(variables, counts, activation, context.training)
        z = relaxed_poisson(key, rate, hyper.temperature, shape.arrivals)
        outputs = RateOutputs(capped(counts), jnp.maximum(z, 0) @ signatures_of(variables), rate, prior)
        value, terms = textbook(outputs, hyper, context)
        return value, Aux(terms, {**statistics, "started": variables["batch_stats"]["started"]})

    def posterior(variables: Tree, x: jax.Array, activation: jax.Array) -> PoissonRates:
        return encoded(variables, x, activation, False)[0]

    def sample(variables: Tree, x: jax.Array, key: jax.Array, activation: jax.Array, hyper: Tree = None) -> jax.Array:
        rate, scale = posterior(variables, x, activation)
        return jax.random.poisson(key, rate).astype(rate.dtype) * scale

    def latent_kl(variables: Tree, x: jax.Array, key: jax.Array, activation: jax.Array, hyper: Tree) -> jax.Array:
        return poisson_kl(posterior(variables, x, activation).rate, prior_rates(variables, x))

    return Model(
        init,
        loss,
        lambda variables, x, activation: functools.reduce(jnp.multiply, posterior(variables, x, activation)),
        sample,
        lambda variables, z, activation: z @ signatures_of(variables),
        posterior,
        _no_draws,
        constrained=unit_rows,
        latent_kl=latent_kl,
    )


def _no_draws(key: jax.Array, samples: int) -> jax.Array:
    raise InputError("the prior of vae_ms is learned from each sample: it has no draws without one")


VARIANT = Variant(
    name="vae_ms",
    losses={"textbook": textbook},
    hyper=lambda shape: Hyper(),
    build=build,
    reference="Egendal et al. 2026, Mutational signature extraction using asymmetric variational autoencoders, arXiv:2602.22239",
    shape=lambda recipe: Shape(),
    domain="counts",
    trained_prior=True,
)
