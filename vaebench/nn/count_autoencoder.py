"""Autoencoders of mutation counts: a non-linear encoder and a non-negative linear decoder, whose rows are the signatures.

Every function of the model takes raw counts and normalises them itself (:func:`normalised`).
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
from vaebench.nn.autoencoder import Family
from vaebench.nn.initialisation import initial_variables
from vaebench.nn.layers import Hidden
from vaebench.nn.losses import log_volume, poisson_loss
from vaebench.nn.priors import MixturePrior, Weights
from vaebench.types import Aux, Context, Model, Static, Tree, Variant


def normalised(counts: jax.Array) -> jax.Array:
    """Return x / sum(x) * log2(sum(x)) of every row of counts [N, D]; a row without mutations stays 0.

    Every row then sums to the log2 of its mutations (7 for 100, 17 for 100,000), so that large samples do not dominate.

    Source: Pancotti et al. 2024. Deviates: a row with one mutation sums to 1, as one with two; by the equation it would be 0.
    """
    total = jnp.maximum(counts.sum(-1, keepdims=True), 1.0)
    return counts / total * jnp.log2(jnp.maximum(total, 2.0))


class SignatureOutputs(NamedTuple):
    """Inputs of an objective on mutation counts.

    Attributes:
        x: [B, D] normalised counts to be reconstructed.
        reconstruction: [B, D], or [K, B, D] if K posterior draws are decoded.
        posterior: parameters of q(z|x).
        z: draws from q(z|x), [B, L] or [K, B, L].
        signatures: the decoder's weights [L, D], not normalised.
        prior: learned parameters of p(z), ``None`` for a fixed prior; see :func:`signature_model`.
    """

    x: jax.Array
    reconstruction: jax.Array
    posterior: Any
    z: jax.Array
    signatures: jax.Array
    prior: Any = None


class NonNegative(nn.Module):
    """Linear decoder without offset: z [B, L] times a kernel [L, features].

    With ``frozen`` the kernel is kept among the batch statistics, which no training step changes. The layer itself does not
    keep the kernel at 0 or above; :func:`non_negative` does after every step.
    """

    features: int
    frozen: bool

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        """Return the product, [B, features]."""
        shape = (z.shape[-1], self.features)
        if self.frozen:
            return z @ self.variable("batch_stats", "kernel", jnp.zeros, shape).value
        return z @ self.param("kernel", nn.initializers.zeros, shape)


class SignatureAutoencoder(nn.Module):
    """Encoder with linear heads, non-negative decoder, and the weights of a learned prior.

    Attributes:
        features: D, mutation channels.
        latent: L, signatures.
        hidden: widths of the encoder's hidden layers.
        norm: one of :data:`vaebench.nn.autoencoder.NORMS`.
        norm_last: normalise after the activation.
        heads: names of the linear heads.
        frozen: the decoder is given and not trained.
        pseudo: number of learned inputs of the encoder (VampPrior); 0 for none.
        prior_rows: rows of a prior's own weights [prior_rows, L]; 0 for none.
        components: of a learned mixture as prior; 0 for none.
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
    components: int = 0

    def setup(self) -> None:
        """Create the layers of encoder and decoder, and the prior's weights."""
        self.encoder = Hidden(self.hidden, self.norm, self.norm_last)
        for head in self.heads:
            setattr(self, head, nn.Dense(self.latent))
        self.decoder = NonNegative(self.features, self.frozen)
        if self.pseudo:
            self.pseudo_inputs = Weights("kernel", (self.pseudo, self.features))
        if self.prior_rows:
            self.prior = Weights("bias", (self.prior_rows, self.latent))
        if self.components:
            self.mixture = MixturePrior(self.components, self.latent)

    def encode(self, x: jax.Array, activation: jax.Array | str, training: bool) -> tuple[jax.Array, ...]:
        """Return the heads' values, each [B, L], for normalised counts x [B, features]."""
        h = self.encoder(x, activation, training)
        return tuple(getattr(self, head)(h) for head in self.heads)

    def decode(self, z: jax.Array) -> jax.Array:
        """Return the reconstruction [B, features] of z [B, L]."""
        return self.decoder(z)

    def __call__(self, x: jax.Array, activation: jax.Array | str, training: bool) -> jax.Array:
        """Use every layer once, so that initialisation reaches all of them."""
        used = {"pseudo_inputs": self.pseudo, "prior": self.prior_rows, "mixture": self.components}
        for name in (name for name, size in used.items() if size):
            getattr(self, name)()
        return self.decode(self.encode(x, activation, training)[0])


def non_negative(params: Tree) -> Tree:
    """Return ``params`` with decoder and pseudo-inputs clamped at 0, the projection of projected gradient descent."""
    kept = {name: {"kernel": jnp.maximum(params[name]["kernel"], 0)} for name in _CLAMPED if name in params}
    return {**params, **kept}


_CLAMPED = ("decoder", "pseudo_inputs")


def signatures_of(variables: Tree) -> jax.Array:
    """Return the decoder's weights, trained or frozen: [L, D], or [R, L, D] from the variables of a pool."""
    place = "params" if "decoder" in variables["params"] else "batch_stats"
    return variables[place]["decoder"]["kernel"]


def with_signatures(variables: Tree, signatures: jax.Array | np.ndarray) -> Tree:
    """Return ``variables`` with ``signatures`` [L, D] as the frozen decoder.

    Raises:
        InputError: the shape is not that of the decoder.
    """
    held = variables["batch_stats"]["decoder"]["kernel"]
    if held.shape != np.shape(signatures):
        raise InputError(f"signatures have shape {np.shape(signatures)}; the frozen decoder takes {held.shape}")
    fixed = {"decoder": {"kernel": jnp.asarray(signatures, held.dtype)}}
    return {**variables, "batch_stats": {**variables["batch_stats"], **fixed}}


Objective = Callable[[SignatureOutputs, Any, Any], tuple[jax.Array, dict[str, jax.Array]]]
"""``(outputs, hyper, context) -> (loss, terms)``: the loss of a variant, a function of tensors that needs no network."""

Divergence = Callable[[Any, Any, Any, jax.Array], jax.Array]
"""``(posterior, prior, hyper, key) -> KL(q(z_l|x) || p(z_l))`` [N, L] in nats; a Monte Carlo estimate without a closed form."""


def negative_bound(outputs: SignatureOutputs, kl: jax.Array, hyper: Tree) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return mean_b [sum_c Poisson loss + beta KL_b] + min_volume log det(W W' + I), a scalar, and its terms.

    The Poisson loss is averaged over the K draws; ``kl`` is [B] in nats.
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
    components: int = 0,
) -> Model:
    """Return the pure functions of an autoencoder of counts, with the shapes of :class:`vaebench.types.Model`.

    x [N, D] are counts. The loss takes rows [B, D], or [B, 2 D]: the counts to encode, then the counts to reconstruct.

    Args:
        static: sizes and choices that are compiled in.
        objective: the loss.
        family: the family of posteriors.
        divergence: KL of every latent, for ``latent_kl``; ``None`` for posteriors without a spread.
        draws: K, decoded posterior draws per sample; ``None`` for one draw without an axis of its own.
        norm_last: normalise after the activation.
        frozen: the decoder is given and not trained.
        pseudo: number of learned inputs of the encoder. The objective's ``prior`` is then their posterior.
        prior_rows: rows of the prior's own weights. The objective's ``prior`` is then these rows [prior_rows, L].
        components: of a learned mixture. The objective's ``prior`` is then that :class:`Mixture`.
    """
    sizes = (static.features, static.latent, static.hidden)
    module = SignatureAutoencoder(*sizes, static.norm, norm_last, family.heads, frozen, pseudo, prior_rows, components)
    encoded = functools.partial(_encoded, module, family, static.activation)

    def init(key: jax.Array, init: jax.Array) -> Tree:
        # "textbook": the scheme applies to every layer in both recipes
        variables = initial_variables(module, key, init, static.features, "textbook")
        return {**variables, "params": non_negative(variables["params"])}

    learned = functools.partial(_learned, module, encoded)

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

    return Model(
        init,
        loss,
        lambda variables, x, activation: family.mean(posterior(variables, x, activation)),
        sample,
        lambda variables, z, activation: z @ signatures_of(variables),
        posterior,
        functools.partial(_prior_draws, static, family, bool(pseudo or prior_rows or components)),
        constrained=non_negative,
        latent_kl=None if divergence is None else latent_kl,
    )


def _learned(
    module: SignatureAutoencoder,
    encoded: Callable[..., tuple[Tree, Tree]],
    variables: Tree,
    activation: jax.Array | int,
) -> Tree:
    """Return the parameters of the learned prior; ``None`` for a fixed one."""
    if module.pseudo:  # encoded apart from the batch, so that they do not enter its statistics
        return encoded(variables, variables["params"]["pseudo_inputs"]["kernel"], activation, False)[0]
    if module.components:
        return module.apply(variables, method=lambda module: module.mixture())
    return variables["params"]["prior"]["bias"] if module.prior_rows else None


def _prior_draws(static: Static, family: Family, learned: bool, key: jax.Array, samples: int) -> jax.Array:
    """Draw z [samples, L] from a fixed prior."""
    if learned:
        raise InputError(f"the prior of {static.variant} is learned here: it has no draws without a trained model")
    return family.prior(key, (samples, static.latent))


def _encoded(
    module: SignatureAutoencoder,
    family: Family,
    compiled_in: str,
    variables: Tree,
    x: jax.Array,
    activation: jax.Array | int | str,
    training: bool,
) -> tuple[Tree, Tree]:
    """Return the posterior of normalised x [B, D], and the batch statistics afterwards."""
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
    """Return the registry entry of an autoencoder of mutation counts, built from its losses.

    The variant's shape must have the field ``frozen`` and, for posteriors with a spread, ``draws``.

    Args:
        name: name in the registry, of the file and in rows.
        losses: recipe -> objective.
        hyper: ``shape -> NamedTuple`` of traced weights with their defaults.
        reference: the paper.
        family: ``static -> Family``, the posterior.
        divergence: KL of every latent; ``None`` for posteriors without a spread.
        network: ``static ->`` other keywords of :func:`signature_model`.
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
