"""Encoders and decoders (flax.linen), and the table of activations that lanes choose from.

The activation is a traced integer, so lanes of one compiled program may have different ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from vaebench.nn.initialisation import initial_variables
from vaebench.types import Aux, Context, Model, Static, Tree, Variant

_ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": nn.relu,
    "tanh": jnp.tanh,
    "gelu": lambda x: nn.gelu(x, approximate=False),
    "elu": nn.elu,
    "softplus": nn.softplus,
}
ACTIVATIONS = tuple(_ACTIVATIONS)
"""Activations of the hidden layers, in the order of the traced index."""

NORMS = ("batch", "layer", "none")
OUTPUTS = ("identity", "sigmoid", "normalised_sigmoid")
"""Outputs of the decoder. ``normalised_sigmoid`` applies the hidden layers' normalisation before the sigmoid (korkic2021)."""


def activate(x: jax.Array, activation: jax.Array | str) -> jax.Array:
    """Apply the activation of that name, or of that traced position in :data:`ACTIVATIONS`, to every entry of ``x``."""
    if isinstance(activation, str):
        return _ACTIVATIONS[activation](x)
    return jax.lax.switch(activation, tuple(_ACTIVATIONS.values()), x)


class Norm(nn.Module):
    """Batch or layer normalisation of [B, width], eps 1e-5, with a learned scale and offset per column.

    Batch normalisation follows Ioffe & Szegedy 2015, algorithm 2: a batch is normalised by its biased variance, and the
    running variance is updated with weight 0.1 by the UNBIASED one. Deviates: flax's layer uses the biased one for both.
    """

    kind: str

    @nn.compact
    def __call__(self, x: jax.Array, training: bool) -> jax.Array:
        """Return ``x`` normalised: in training by its own statistics, else by the running ones.

        In training the running statistics are updated if the collection ``batch_stats`` is mutable.
        """
        width = x.shape[-1:]
        scale, bias = self.param("scale", nn.initializers.ones, width), self.param("bias", nn.initializers.zeros, width)
        if self.kind == "layer":
            mean, var = x.mean(1, keepdims=True), x.var(1, keepdims=True)
        else:
            running = [self.variable("batch_stats", n, c, width) for n, c in (("mean", jnp.zeros), ("var", jnp.ones))]
            mean, var = (statistic.value[None] for statistic in running)
            if training:
                # two-pass variance: the fast form E[x^2] - E[x]^2 cancels in float32 for the large initial scales of the grid
                mean, var = x.mean(0, keepdims=True), x.var(0, keepdims=True)
                if self.is_mutable_collection("batch_stats"):
                    unbiased = var[0] * (len(x) / max(len(x) - 1, 1))
                    for statistic, value in zip(running, (mean[0], unbiased), strict=True):
                        statistic.value = 0.9 * statistic.value + 0.1 * value
        return (x - mean) * (jax.lax.rsqrt(var + 1e-5) * scale[None]) + bias[None]


class Hidden(nn.Module):
    """Hidden layers, [B, in] -> [B, widths[-1]]: for every width a linear layer, the normalisation and the activation.

    With ``norm_last`` the activation comes before the normalisation.
    """

    widths: tuple[int, ...]
    norm: str
    norm_last: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, activation: jax.Array | str, training: bool) -> jax.Array:
        """Return the activations of the last hidden layer, [B, widths[-1]]."""
        for i, width in enumerate(self.widths):
            x = nn.Dense(width, name=f"linear_{i}")(x)
            if self.norm_last:
                x = activate(x, activation)
            if self.norm != "none":
                x = Norm(self.norm, name=f"norm_{i}")(x, training)
            if not self.norm_last:
                x = activate(x, activation)
        return x


class Autoencoder(nn.Module):
    """Encoder with linear heads, and the mirrored decoder.

    Attributes:
        features: D.
        latent: L.
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse order.
        norm: one of :data:`NORMS`.
        output: one of :data:`OUTPUTS`.
        heads: names of the linear heads.
        extra: width of one more linear layer before the heads; 0 for none.
    """

    features: int
    latent: int
    hidden: tuple[int, ...]
    norm: str
    output: str
    heads: tuple[str, ...]
    extra: int

    def setup(self) -> None:
        """Create the layers of encoder and decoder."""
        self.encoder = Hidden(self.hidden, self.norm)
        if self.extra:
            self.extra_layer = nn.Dense(self.extra)
        for head in self.heads:
            setattr(self, head, nn.Dense(self.latent))
        self.decoder = Hidden(self.hidden[::-1], self.norm)
        self.output_layer = nn.Dense(self.features)
        if self.output == "normalised_sigmoid" and self.norm != "none":
            self.output_norm = Norm(self.norm)

    def encode(self, x: jax.Array, activation: jax.Array, training: bool) -> tuple[jax.Array, ...]:
        """Return the heads' values, each [B, L], for x [B, D]."""
        h = self.encoder(x, activation, training)
        if self.extra:
            h = self.extra_layer(h)
        return tuple(getattr(self, head)(h) for head in self.heads)

    def decode(self, z: jax.Array, activation: jax.Array, training: bool) -> jax.Array:
        """Return the reconstruction [B, D] of z [B, L]."""
        out = self.output_layer(self.decoder(z, activation, training))
        if self.output == "normalised_sigmoid" and self.norm != "none":
            out = self.output_norm(out, training)
        return out if self.output == "identity" else nn.sigmoid(out)

    def __call__(self, x: jax.Array, activation: jax.Array, training: bool) -> jax.Array:
        """Encode and decode once, so that initialisation reaches every layer."""
        return self.decode(self.encode(x, activation, training)[0], activation, training)


class Gaussian(NamedTuple):
    """A diagonal Gaussian q(z|x): ``mean`` and ``logvar``, both [B, L]."""

    mean: jax.Array
    logvar: jax.Array


class Family(NamedTuple):
    """A family of posteriors q(z|x), as pure functions of the encoder's heads.

    Attributes:
        heads: names of the linear heads, each of L columns.
        posterior: ``(*values [B, L]) -> NamedTuple`` of parameters.
        draw: ``(key, posterior, hyper, draws) -> z`` [B, L], or [draws, B, L] if ``draws`` is a number. ``hyper`` may be
            ``None``; the variant's defaults are used then.
        mean: ``posterior -> z`` [B, L], the embedding without noise.
        prior: ``(key, (N, L)) -> z`` [N, L] from p(z).
    """

    heads: tuple[str, ...]
    posterior: Callable[..., Any]
    draw: Callable[..., jax.Array]
    mean: Callable[[Any], jax.Array]
    prior: Callable[..., jax.Array] = jax.random.normal


def gaussian_draw(key: jax.Array, q: Gaussian, hyper: Tree, draws: int | None) -> jax.Array:
    """Draw z = mean + sigma eps with eps from N(0, 1): [B, L], or [draws, B, L]."""
    if draws is None:
        return q.mean + jnp.exp(0.5 * q.logvar) * jax.random.normal(key, q.mean.shape)
    return q.mean[None] + jnp.exp(0.5 * q.logvar)[None] * jax.random.normal(key, (draws, *q.mean.shape))


GAUSSIAN = Family(("mean_head", "logvar_head"), Gaussian, gaussian_draw, lambda q: q.mean)


class Outputs(NamedTuple):
    """Inputs of an objective.

    Attributes:
        x: [B, D].
        reconstruction: [B, D], or [K, B, D] if K posterior draws are decoded.
        posterior: parameters of q(z|x).
        z: draws from q(z|x), [B, L] or [K, B, L].
        prior: draws from p(z), [B, L], for losses that compare q(z) with it. The compiler drops them if the loss does not
            use them.
        key: for further draws of the loss.
    """

    x: jax.Array
    reconstruction: jax.Array
    posterior: Any
    z: jax.Array
    prior: Any = None
    key: Any = None


Objective = Callable[[Outputs, Any, Any], tuple[jax.Array, dict[str, jax.Array]]]
"""``(outputs, hyper, context) -> (loss, terms)``: the loss of a variant, a function of tensors that needs no network."""


def autoencoder_model(
    static: Static, objective: Objective, family: Family = GAUSSIAN, *, draws: int | None = None, extra: int = 0
) -> Model:
    """Return the pure functions of a VAE on expression data.

    Args:
        static: sizes and choices that are compiled in.
        objective: the loss.
        family: the family of posteriors.
        draws: K, posterior draws per sample. All go through the decoder as [K*B, L], so batch normalisation sees K*B rows.
            ``None`` for one draw without an axis of its own.
        extra: width of one more linear layer before the heads; 0 for none.

    Returns:
        The functions, with the shapes of :class:`vaebench.types.Model`.

    Deviates: nothing in the released code switches batch normalisation to running statistics before the final embedding, so
    ``embed`` and ``sample`` of recipe ``benchmarked`` use the statistics of the x they are given: z of a sample depends on
    the samples around it. ``posterior`` (by default) and ``decode`` use running statistics in both recipes.
    """
    module = Autoencoder(static.features, static.latent, static.hidden, static.norm, static.output, family.heads, extra)
    by_batch = static.recipe == "benchmarked"

    def init(key: jax.Array, init: jax.Array) -> jax.Array:
        return initial_variables(module, key, init, static.features, static.recipe)

    def loss(
        variables: Tree, x: jax.Array, key: jax.Array, hyper: Tree, activation: jax.Array, context: Context
    ) -> tuple[jax.Array, Aux]:
        def applied(method: str, value: jax.Array, statistics: Tree) -> tuple[Tree, Tree]:
            current = {**variables, "batch_stats": statistics}
            return module.apply(current, value, activation, context.training, method=method, mutable=["batch_stats"])

        # encoder and decoder each update their own leaves of one tree of statistics, so it is passed from one to the other
        heads, changed = applied("encode", x, variables["batch_stats"])
        q = family.posterior(*heads)
        z = family.draw(key, q, hyper, draws)
        decoded, changed = applied("decode", z.reshape(-1, static.latent), changed.get("batch_stats", {}))
        prior_key, own_key = jax.random.fold_in(key, 1), jax.random.fold_in(key, 2)
        prior = family.prior(prior_key, (len(x), static.latent))
        outputs = Outputs(x, decoded.reshape(*z.shape[:-1], static.features), q, z, prior, own_key)
        value, terms = objective(outputs, hyper, context._replace(shape=static.shape))
        return value, Aux(terms, changed.get("batch_stats", {}))

    def posterior(variables: Tree, x: jax.Array, activation: jax.Array, training: bool = False) -> Tree:
        return family.posterior(*module.apply(variables, x, activation, training, method="encode"))

    def embed(variables: Tree, x: jax.Array, activation: jax.Array) -> jax.Array:
        return family.mean(posterior(variables, x, activation, by_batch))

    def sample(variables: Tree, x: jax.Array, key: jax.Array, activation: jax.Array, hyper: Tree = None) -> jax.Array:
        return family.draw(key, posterior(variables, x, activation, by_batch), hyper, None)

    def decode(variables: Tree, z: jax.Array, activation: jax.Array) -> Tree:
        return module.apply(variables, z, activation, False, method="decode")

    return Model(init, loss, embed, sample, decode, posterior, lambda key, n: family.prior(key, (n, static.latent)))


def expression_variant(
    *,
    name: str,
    losses: Mapping[str, Objective],
    hyper: Callable[[Any], Any],
    reference: str,
    family: Callable[[Static], Family] = lambda static: GAUSSIAN,
    draws: Callable[[Any], int | None] = lambda shape: None,
    extra: Callable[[Static], int] = lambda static: 0,
    **fields: Tree,
) -> Variant:
    """Return the registry entry of a VAE on expression data, built from its losses.

    Args:
        name: name in the registry, of the file and in rows.
        losses: recipe -> objective.
        hyper: ``shape -> NamedTuple`` of traced weights with their defaults.
        reference: the paper.
        family: ``static -> Family``, the posterior.
        draws: ``shape -> K``, decoded posterior draws per sample; ``None`` for one draw without an axis of its own.
        extra: ``static ->`` width of one more linear layer before the heads; 0 for none.
        **fields: the other fields of :class:`vaebench.types.Variant`.

    Example::

        VARIANT = expression_variant(
            name="vae", losses={"textbook": textbook}, hyper=lambda shape: Hyper(), reference="Kingma & Welling 2014"
        )
    """

    def build(static: Static) -> Model:
        return autoencoder_model(
            static, losses[static.recipe], family(static), draws=draws(static.shape), extra=extra(static)
        )

    return Variant(name=name, losses=losses, hyper=hyper, build=build, reference=reference, **fields)
