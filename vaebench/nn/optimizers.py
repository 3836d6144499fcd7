"""One update rule whose coefficients make it Adam, RMSprop, SGD or AdamW.

The optimizer is a traced choice between lanes. A branch would compute every optimizer in every lane; one rule with
traced coefficients costs one pass over the weights. Its price: SGD carries moments that it does not use.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Coefficients(NamedTuple):
    """Scalars of the update rule; see :func:`update`."""

    b1: Any
    b2: Any
    debias: Any
    precondition: Any
    eps: Any
    eps_root: Any
    decoupled: Any


_TABLE = {
    #                       b1   b2     debias precondition eps eps_root decoupled
    "adam": Coefficients(0.9, 0.999, 1.0, 1.0, 1e-8, 0.0, 0.0),  # Kingma & Ba 2015
    "rmsprop": Coefficients(0.0, 0.99, 0.0, 1.0, 1e-8, 0.0, 0.0),  # Tieleman & Hinton 2012; eps outside the root
    "sgd": Coefficients(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),  # no momentum
    "adamw": Coefficients(0.9, 0.999, 1.0, 1.0, 1e-8, 0.0, 1.0),  # Loshchilov & Hutter 2019
}
OPTIMIZERS = tuple(_TABLE)
"""Optimizers, in the order of the traced index."""


class Moments(NamedTuple):
    """First and second moments, two trees of the parameters' shapes."""

    first: Any
    second: Any


def initial_moments(params: Any) -> Moments:
    """Zero moments for ``params`` (two separate buffers a leaf: donated buffers must not alias)."""
    return Moments(jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params))


def coefficients(optimizer: jax.Array | int) -> Coefficients:
    """The coefficients at position ``optimizer`` (traced or not) of :data:`OPTIMIZERS`."""
    row = jnp.array(list(_TABLE.values()), dtype=float)[optimizer]
    return Coefficients(*row)


def clipped(grads: Any, limit: jax.Array) -> Any:
    """``grads`` scaled so that their global 2-norm is at most ``limit``; unchanged below it."""
    norm = jnp.sqrt(sum(jnp.sum(jnp.square(g)) for g in jax.tree.leaves(grads)))
    factor = jnp.where(norm > limit, limit / norm, 1.0)
    return jax.tree.map(lambda g: g * factor, grads)


def update(
    params: Any,
    grads: Any,
    moments: Moments,
    step: jax.Array,
    learning_rate: jax.Array,
    weight_decay: jax.Array,
    c: Coefficients,
) -> tuple[Any, Moments]:
    """New parameters and moments after update number ``step`` (1 for the first).

    g <- g + (1 - decoupled) weight_decay p;  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
    p <- p - learning_rate (m / c1 / (sqrt(v / c2 + eps_root) + eps) + decoupled weight_decay p),
    with c1 = 1 - b1^step and c2 = 1 - b2^step where debias is 1, else both 1, and the denominator 1 where precondition is 0.
    """
    step = step.astype(float)
    # reciprocals: of four divisions a weight one is left
    r1 = 1 / (1 - c.debias * c.b1**step)
    r2 = 1 / (1 - c.debias * c.b2**step)

    def leaf(p: jax.Array, g: jax.Array, m: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        g = g + (1 - c.decoupled) * weight_decay * p
        m = c.b1 * m + (1 - c.b1) * g
        v = c.b2 * v + (1 - c.b2) * g**2
        below = jnp.where(c.precondition > 0, jnp.sqrt(v * r2 + c.eps_root) + c.eps, 1.0)
        return p - learning_rate * (m * r1 / below + c.decoupled * weight_decay * p), m, v

    leaves, tree = jax.tree.flatten(params)
    columns = zip(leaves, tree.flatten_up_to(grads), *(tree.flatten_up_to(m) for m in moments), strict=True)
    new, first, second = zip(*(leaf(*column) for column in columns), strict=True)
    return tree.unflatten(new), Moments(tree.unflatten(first), tree.unflatten(second))
