"""Initial variables of a network, by one of the schemes that lanes choose from.

The scheme is a traced integer, so lanes of one compiled program may have different ones.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from vaebench.types import Tree

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

_CONSTANTS = {"scale": 1.0, "var": 1.0, "bias": 0.0, "mean": 0.0}
"""Initial values of normalisation layers and their running statistics."""


def initial_kernel(normal: jax.Array, unit: jax.Array, init: jax.Array) -> jax.Array:
    """Return a weight matrix [fan_in, fan_out] by scheme ``init``, a traced position in :data:`INITS`.

    ``normal`` and ``unit`` are draws of that shape from N(0, 1) and U(0, 1).

    default: U(-1, 1)/sqrt(fan_in); normal: N(0, 1); uniform: U(0, 1); Xavier (Glorot & Bengio 2010): variance
    2/(fan_in + fan_out); Kaiming (He et al. 2015): variance 2/fan_in.
    """
    fan_in, fan_out = normal.shape
    xavier, kaiming = 2 / (fan_in + fan_out), 2 / fan_in
    # weight = a normal + b (2 unit - 1) + c unit, one row of (a, b, c) per scheme: any choice costs one draw of each
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


def initial_variables(module: nn.Module, key: jax.Array, init: jax.Array, features: int, recipe: str) -> Tree:
    """Return the initial variables of ``module``: weights by scheme ``init``, biases from U(-1, 1)/sqrt(fan_in).

    Recipe ``textbook`` draws every weight matrix by the scheme.

    Deviates: recipe ``benchmarked`` draws only the first layer of encoder and decoder by the scheme, as the released code
    does; heads and output layer keep the framework default.

    Args:
        module: the network, called as ``module(x, activation, training)``.
        key: of all draws.
        init: traced position in :data:`INITS`.
        features: D.
        recipe: ``"textbook"`` or ``"benchmarked"``.
    """
    # two draws for the whole network, cut into leaves: one draw per leaf would compile the generator a dozen times
    structure = jax.eval_shape(lambda: module.init(key, jnp.zeros((2, features)), 0, False))
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
