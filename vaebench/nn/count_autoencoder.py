"""Autoencoders of mutation counts: a non-linear encoder and a non-negative linear decoder, whose rows are the signatures.

All of their variants take counts and normalise them inside, so that embedding and posterior take counts too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vaebench.errors import InputError
from vaebench.nn.autoencoder import Family, Hidden
from vaebench.nn.initialisation import initial_variables
from vaebench.nn.losses import log_volume, poisson_loss
from vaebench.types import Aux, Context, Model, Static, Tree, Variant


def normalised(counts: jax.Array) -> jax.Array:
    """x / sum(x) * log2(sum(x)) of every row of counts [N, D]; a row without mutations stays 0.

    Source: Pancotti et al. 2024. log2 of the mutations, the row's sum, hardly differs between 100 and 100,000 mutations.
    """
    total = jnp.maximum(counts.sum(-1, keepdims=True), 1.0)
    return counts / total * jnp.log2(total)


class SignatureOutputs(NamedTuple):
    """What an objective sees.

    Attributes:
        x: [B, D] normalised counts to be reconstructed.
        reconstruction: [B, D], or [K, B, D] where K posterior draws are decoded.
        posterior: parameters of q(z|x).
        z: draws of it, [B, L] or [K, B, L].
        signatures: the decoder's weights [L, D], not normalised.
        prior: what the model has learned of p(z); see :func:`signature_model`.
    """

    x: jax.Array
    reconstruction: jax.Array
    posterior: Any
    z: jax.Array
    signatures: jax.Array
    prior: Any = None


class Weights(nn.Module):
    """Weights of no layer: ``kernel`` [rows, columns], drawn, or ``bias``, zeros at first."""

    name_of_weights: str
    shape: tuple[int, int]

    @nn.compact
    def __call__(self) -> jax.Array:
        """The weights."""
        return self.param(self.name_of_weights, nn.initializers.zeros, self.shape)


class NonNegative(nn.Module):
    """z [B, L] times a kernel [L, features]. ``frozen``: the kernel is a statistic, which no step changes.

    Nothing here keeps the kernel from falling below 0: see :func:`non_negative`.
    """

    features: int
    frozen: bool

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        """The product, [B, features]."""
        shape = (z.shape[-1], self.features)
        if self.frozen:
            return z @ self.variable("batch_stats", "kernel", jnp.zeros, shape).value
        return z @ self.param("kernel", nn.initializers.zeros, shape)


class SignatureAutoencoder(nn.Module):
    """Encoder with linear heads, the non-negative decoder, and what is learned of a prior.

    ``pseudo``: number of learned inputs of the encoder; ``prior_rows``: rows [prior_rows, L] of a prior's own weights.
    """

    features: int
    latent: int
    hidden: tuple[int, ...]
    norm: str
    norm_last: bool
    heads: tuple[str, ...]
    frozen: bool = False
    pseudo: int = 0
    prior_rows: int = 0

    def setup(self) -> None:
        """Layers of both halves."""
        self.encoder = Hidden(self.hidden, self.norm, self.norm_last)
        for head in self.heads:
            setattr(self, head, nn.Dense(self.latent))
        self.decoder = NonNegative(self.features, self.frozen)
        if self.pseudo:
            self.pseudo_inputs = Weights("kernel", (self.pseudo, self.features))
        if self.prior_rows:
            self.prior = Weights("bias", (self.prior_rows, self.latent))

    def encode(self, x: jax.Array, activation: jax.Array | str, training: bool) -> tuple[jax.Array, ...]:
        """The heads' values, each [B, L], for normalised counts x [B, features]."""
        h = self.encoder(x, activation, training)
        return tuple(getattr(self, head)(h) for head in self.heads)

    def decode(self, z: jax.Array) -> jax.Array:
        """Reconstruction [B, features] of z [B, L]."""
        return self.decoder(z)

    def __call__(self, x: jax.Array, activation: jax.Array | str, training: bool) -> jax.Array:
        """Everything once, so that every layer has its variables."""
        if self.pseudo:
            self.pseudo_inputs()
        if self.prior_rows:
            self.prior()
        return self.decode(self.encode(x, activation, training)[0])


def non_negative(params: Tree) -> Tree:
    """``params`` with decoder and pseudo-inputs clamped at 0: the projection onto the set they must stay in."""
    kept = {name: {"kernel": jnp.maximum(params[name]["kernel"], 0)} for name in _CLAMPED if name in params}
    return {**params, **kept}


_CLAMPED = ("decoder", "pseudo_inputs")


def signatures_of(variables: Tree) -> jax.Array:
    """The decoder's weights [L, D] (with [R] in front, of a pool), trained or frozen."""
    place = "params" if "decoder" in variables["params"] else "batch_stats"
    return variables[place]["decoder"]["kernel"]


def with_signatures(variables: Tree, signatures: jax.Array | np.ndarray) -> Tree:
    """``variables`` of a frozen decoder with ``signatures`` [L, D] in it."""
    held = variables["batch_stats"]["decoder"]["kernel"]
    if held.shape != np.shape(signatures):
        raise InputError(f"signatures have shape {np.shape(signatures)}; the frozen decoder takes {held.shape}")
    fixed = {"decoder": {"kernel": jnp.asarray(signatures, held.dtype)}}
    return {**variables, "batch_stats": {**variables["batch_stats"], **fixed}}


Objective = Callable[[SignatureOutputs, Any, Any], tuple[jax.Array, dict[str, jax.Array]]]
"""``(outputs, hyper, context) -> (loss, terms)``: a variant's loss, computable from given tensors without a network."""

Divergence = Callable[[Any, Any, Any, jax.Array], jax.Array]
"""``(posterior, prior, hyper, key) -> KL(q(z_l|x) || p(z_l))`` [N, L] in nats; a draw of it where there is no closed form."""


def negative_bound(outputs: SignatureOutputs, kl: jax.Array, hyper: Tree) -> tuple[jax.Array, dict[str, jax.Array]]:
    """mean_b [sum_c Poisson loss + beta KL_b] + min_volume log det(W W' + I), with ``kl`` [B]; and its terms.

    The Poisson loss is averaged over the K draws.
    """
    reconstruction = jnp.mean(jnp.sum(poisson_loss(outputs.x[None], outputs.reconstruction), axis=-1))
    volume = log_volume(outputs.signatures)
    value = reconstruction + hyper.beta * jnp.mean(kl) + hyper.min_volume * volume
    return value, {"reconstruction": reconstruction, "kl": jnp.mean(kl), "volume": volume}


def signature_model(
    static: Static,
    objective: Objective,
    family: Family,
    divergence: Divergence | None = None,
    *,
    draws: int | None = None,
    norm_last: bool = False,
    frozen: bool = False,
    pseudo: int = 0,
    prior_rows: int = 0,
) -> Model:
    """The pure functions of an autoencoder of counts; shapes as in :class:`vaebench.types.Model`, x [N, D] being counts.

    The loss takes rows [B, D], or [B, 2 D]: input counts beside the counts to be reconstructed. ``draws`` posterior draws a
    sample are decoded. An objective's ``prior`` is the learned rows [prior_rows, L] or, with ``pseudo`` learned inputs, their
    posterior.
    """
    sizes = (static.features, static.latent, static.hidden)
    module = SignatureAutoencoder(*sizes, static.norm, norm_last, family.heads, frozen, pseudo, prior_rows)

    encoded = functools.partial(_encoded, module, family, static.activation)

    def init(key: jax.Array, init: jax.Array) -> Tree:
        # the scheme holds for every layer, in both recipes
        variables = initial_variables(module, key, init, static.features, "textbook")
        return {**variables, "params": non_negative(variables["params"])}

    def learned(variables: Tree, activation: jax.Array | int) -> Tree:
        if pseudo:  # not as part of a batch: they must not be mixed into its statistics
            return encoded(variables, variables["params"]["pseudo_inputs"]["kernel"], activation, False)[0]
        return variables["params"]["prior"]["bias"] if prior_rows else None

    def loss(
        variables: Tree, x: jax.Array, key: jax.Array, hyper: Tree, activation: jax.Array, context: Context
    ) -> tuple[jax.Array, Aux]:
        inputs, target = normalised(x[:, : static.features]), normalised(x[:, -static.features :])
        q, statistics = encoded(variables, inputs, activation, context.training)
        z, rows = family.draw(key, q, hyper, draws), signatures_of(variables)
        decoded = (z.reshape(-1, static.latent) @ rows).reshape(*z.shape[:-1], static.features)
        value, terms = objective(
            SignatureOutputs(target, decoded, q, z, rows, learned(variables, activation)),
            hyper,
            context._replace(shape=static.shape),
        )
        return value, Aux(terms, statistics)

    def posterior(variables: Tree, x: jax.Array, activation: jax.Array) -> Tree:
        return encoded(variables, normalised(x), activation, False)[0]

    def sample(variables: Tree, x: jax.Array, key: jax.Array, activation: jax.Array, hyper: Tree = None) -> jax.Array:
        return family.draw(key, posterior(variables, x, activation), hyper, None)

    def latent_kl(variables: Tree, x: jax.Array, key: jax.Array, activation: jax.Array, hyper: Tree) -> jax.Array:
        assert divergence is not None
        return divergence(posterior(variables, x, activation), learned(variables, activation), hyper, key)

    def prior(key: jax.Array, samples: int) -> jax.Array:
        if pseudo or prior_rows:
            raise InputError(f"the prior of {static.variant} is learned here: it has no draws without a trained model")
        return family.prior(key, (samples, static.latent))

    return Model(
        init,
        loss,
        lambda variables, x, activation: family.mean(posterior(variables, x, activation)),
        sample,
        lambda variables, z, activation: z @ signatures_of(variables),
        posterior,
        prior,
        constrained=non_negative,
        latent_kl=None if divergence is None else latent_kl,
    )


def _encoded(
    module: SignatureAutoencoder,
    family: Family,
    compiled_in: str,
    variables: Tree,
    x: jax.Array,
    activation: jax.Array | int | str,
    training: bool,
) -> tuple[Tree, Tree]:
    """Posterior of normalised x [B, D], and the statistics afterwards."""
    activation = compiled_in or activation
    heads, changed = module.apply(variables, x, activation, training, method="encode", mutable=["batch_stats"])
    return family.posterior(*heads), changed.get("batch_stats", {})


def count_variant(
    *,
    name: str,
    losses: Mapping[str, Objective],
    hyper: Callable[[Any], Any],
    reference: str,
    family: Callable[[Static], Family],
    divergence: Divergence | None = None,
    network: Callable[[Static], Mapping[str, Any]] = lambda static: {},
    **fields: Tree,
) -> Variant:
    """The registry entry of an autoencoder of mutation counts, built from its losses.

    The variant's shape has the field ``frozen`` and, for posteriors with a spread, ``draws``.

    Args:
        name: registry, file and row name.
        losses: recipe -> objective.
        hyper: ``shape -> NamedTuple`` of traced weights.
        reference: the paper.
        family: the kind of posterior at one static shape.
        divergence: KL of every latent, for posteriors that have one.
        network: other keywords of :func:`signature_model` at one static shape.
        **fields: the other fields of :class:`vaebench.types.Variant`.
    """

    def build(static: Static) -> Model:
        return signature_model(
            static,
            losses[static.recipe],
            family(static),
            divergence,
            draws=getattr(static.shape, "draws", None),
            frozen=static.shape.frozen,
            **network(static),
        )

    return Variant(name=name, losses=losses, hyper=hyper, build=build, reference=reference, domain="counts", **fields)
