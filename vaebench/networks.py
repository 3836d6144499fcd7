"""Encoders and decoders (flax.linen), and the tables of initialisations and activations that lanes choose from.

Initialisation and activation are traced integers, so lanes of one compiled program may differ in both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from vaebench.types import Aux, Model, Static

INITS = (
    "default",
    "normal",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
    "kaiming_uniform",
    "kaiming_normal",
)
"""Weight initialisations, in the order of the traced index; see :func:`initial_kernel`."""

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
OUTPUTS = ("identity", "sigmoid")


def activate(x: jax.Array, activation: jax.Array) -> jax.Array:
    """``x`` after the activation at position ``activation`` of :data:`ACTIVATIONS`; same shape."""
    return jax.lax.switch(activation, tuple(_ACTIVATIONS.values()), x)


def initial_kernel(normal: jax.Array, unit: jax.Array, init: jax.Array) -> jax.Array:
    """A weight matrix [fan_in, fan_out] by scheme ``init`` (position in :data:`INITS`).

    ``normal`` and ``unit`` are draws of that shape from N(0, 1) and U(0, 1).

    default: U(-1, 1)/sqrt(fan_in); normal: N(0, 1); uniform: U(0, 1); Xavier (Glorot & Bengio 2010): variance
    2/(fan_in + fan_out); Kaiming (He et al. 2015): variance 2/fan_in.
    """
    fan_in, fan_out = normal.shape
    xavier, kaiming = 2 / (fan_in + fan_out), 2 / fan_in
    # weight = a normal + b (2 unit - 1) + c unit, one row of (a, b, c) a scheme: any choice costs one draw of each
    table = jnp.array(
        [
            [0, fan_in**-0.5, 0],
            [1, 0, 0],
            [0, 0, 1],
            [xavier**0.5, 0, 0],
            [0, (3 * xavier) ** 0.5, 0],
            [0, (3 * kaiming) ** 0.5, 0],
            [kaiming**0.5, 0, 0],
        ],
        dtype=jnp.float32,
    )
    a, b, c = table[init]
    return a * normal + b * (2 * unit - 1) + c * unit


class Hidden(nn.Module):
    """Linear, normalisation, activation, for every width: [B, in] -> [B, widths[-1]]."""

    widths: tuple[int, ...]
    norm: str

    @nn.compact
    def __call__(self, x: jax.Array, activation: jax.Array, training: bool) -> jax.Array:
        """The last hidden layer's activations."""
        for i, width in enumerate(self.widths):
            x = nn.Dense(width, name=f"linear_{i}")(x)
            if self.norm == "batch":
                # two-pass variance: the fast form E[x^2] - E[x]^2 cancels in float32 for the large initial scales of the grid
                x = nn.BatchNorm(
                    use_running_average=not training,
                    momentum=0.9,
                    epsilon=1e-5,
                    use_fast_variance=False,
                    name=f"norm_{i}",
                )(x)
            elif self.norm == "layer":
                x = nn.LayerNorm(epsilon=1e-5, use_fast_variance=False, name=f"norm_{i}")(x)
            x = activate(x, activation)
        return x


class Posterior(NamedTuple):
    """A diagonal Gaussian q(z|x): ``mean`` and ``logvar``, both [B, L]."""

    mean: jax.Array
    logvar: jax.Array


class GaussianAutoencoder(nn.Module):
    """Encoder with two linear heads (mean, log-variance) and the mirrored decoder."""

    features: int
    latent: int
    hidden: tuple[int, ...]
    norm: str
    output: str

    def setup(self) -> None:
        """Layers of both halves."""
        self.encoder = Hidden(self.hidden, self.norm)
        self.mean_head = nn.Dense(self.latent)
        self.logvar_head = nn.Dense(self.latent)
        self.decoder = Hidden(self.hidden[::-1], self.norm)
        self.output_layer = nn.Dense(self.features)

    def encode(self, x: jax.Array, activation: jax.Array, training: bool) -> Posterior:
        """q(z|x) for x [B, D]."""
        h = self.encoder(x, activation, training)
        return Posterior(self.mean_head(h), self.logvar_head(h))

    def decode(self, z: jax.Array, activation: jax.Array, training: bool) -> jax.Array:
        """Reconstruction [B, D] of z [B, L]."""
        out = self.output_layer(self.decoder(z, activation, training))
        return nn.sigmoid(out) if self.output == "sigmoid" else out

    def __call__(self, x: jax.Array, key: jax.Array, activation: jax.Array, training: bool) -> Outputs:
        """One pass with one posterior draw z = mean + sigma * eps."""
        q = self.encode(x, activation, training)
        z = q.mean + jnp.exp(0.5 * q.logvar) * jax.random.normal(key, q.mean.shape)
        return Outputs(x, self.decode(z, activation, training), q.mean, q.logvar, z)


class Outputs(NamedTuple):
    """What an objective sees: ``x`` and ``reconstruction`` [B, D]; ``mean``, ``logvar`` and ``z`` [B, L]."""

    x: jax.Array
    reconstruction: jax.Array
    mean: jax.Array
    logvar: jax.Array
    z: jax.Array


_CONSTANTS = {"scale": 1.0, "var": 1.0, "bias": 0.0, "mean": 0.0}
"""Initial values of normalisation layers and their running statistics."""


def initial_variables(module: nn.Module, key: jax.Array, init: jax.Array, features: int, recipe: str) -> Any:
    """Variables of ``module`` with weights drawn by scheme ``init`` and biases by the framework default, U(-1, 1)/sqrt(fan_in).

    ``textbook`` draws every weight matrix by the scheme. Deviates: ``benchmarked``, as the released code, only the first
    layer of the encoder and of the decoder, which leaves heads and output layer at the framework default.
    """
    # two draws for the whole network, cut into leaves: a draw a leaf would compile the generator a dozen times
    structure = jax.eval_shape(lambda: module.init(key, jnp.zeros((2, features)), key, 0, False))
    paths, tree = jax.tree_util.tree_flatten_with_path(structure)
    fan_in = {path[:-1]: leaf.shape[0] for path, leaf in paths if path[-1].key == "kernel"}
    drawn = sum(leaf.size for path, leaf in paths if path[:-1] in fan_in)
    normal_key, unit_key = jax.random.split(key)
    normals, units = jax.random.normal(normal_key, (drawn,)), jax.random.uniform(unit_key, (drawn,))
    leaves, place = [], 0
    for path, leaf in paths:
        if path[:-1] not in fan_in:
            leaves.append(jnp.full(leaf.shape, _CONSTANTS[path[-1].key], leaf.dtype))
            continue
        normal, unit = (draw[place : place + leaf.size].reshape(leaf.shape) for draw in (normals, units))
        place += leaf.size
        if path[-1].key == "kernel":
            touched = recipe == "textbook" or path[-2].key == "linear_0"
            leaves.append(initial_kernel(normal, unit, init if touched else jnp.array(INITS.index("default"))))
        else:
            leaves.append((2 * unit - 1) * fan_in[path[:-1]] ** -0.5)
    return {"batch_stats": {}, **jax.tree_util.tree_unflatten(tree, leaves)}


Objective = Callable[[Outputs, Any, Any], tuple[jax.Array, dict[str, jax.Array]]]
"""``(outputs, hyper, context) -> (loss, terms)``: a variant's loss, computable from given tensors without a network."""


def gaussian_model(static: Static, objective: Objective) -> Model:
    """The pure functions of a Gaussian VAE whose loss is ``objective``; shapes as in :class:`vaebench.types.Model`."""
    module = GaussianAutoencoder(static.features, static.latent, static.hidden, static.norm, static.output)

    def init(key: jax.Array, init: jax.Array) -> Any:
        return initial_variables(module, key, init, static.features, static.recipe)

    def loss(variables: Any, x: jax.Array, key: jax.Array, hyper: Any, activation: jax.Array, context: Any) -> Any:
        outputs, changed = module.apply(variables, x, key, activation, context.training, mutable=["batch_stats"])
        value, terms = objective(outputs, hyper, context)
        return value, Aux(terms, changed.get("batch_stats", {}))

    def posterior(variables: Any, x: jax.Array, activation: jax.Array) -> Any:
        return module.apply(variables, x, activation, False, method="encode")

    def embed(variables: Any, x: jax.Array, activation: jax.Array) -> jax.Array:
        return posterior(variables, x, activation).mean

    def sample(variables: Any, x: jax.Array, key: jax.Array, activation: jax.Array) -> jax.Array:
        q = posterior(variables, x, activation)
        return q.mean + jnp.exp(0.5 * q.logvar) * jax.random.normal(key, q.mean.shape)

    def decode(variables: Any, z: jax.Array, activation: jax.Array) -> Any:
        return module.apply(variables, z, activation, False, method="decode")

    return Model(init, loss, embed, sample, decode, posterior)
