"""Optimizers as optax transformations: one rule with traced coefficients for four of them, and optax's own.

Adam, RMSprop, SGD and AdamW share one rule, so lanes of one program may have different ones. Under ``vmap`` a branch would
compute all four in every lane; traced coefficients cost one pass over the weights. The price: SGD carries moments that it does
not use. Any other of :data:`NAMED` is optax's, compiled into its own program, with a traced learning rate too.

Both kinds have one interface, so a training step does not depend on the kind. Values of a lane, which may change between
epochs, are passed to ``update`` as optax's extra arguments::

    rule = transformation("")                # or "lion"
    state = rule.init(params)
    updates, state = rule.update(grads, state, params, step=step, learning_rate=rate, weight_decay=decay,
                                 coefficients=coefficients(index), key=key)
    params = optax.apply_updates(params, updates)
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from vaebench.errors import InputError
from vaebench.types import Tree


class Coefficients(NamedTuple):
    """Coefficients of the update rule, scalars; see :func:`traced_choice` for the equation.

    Attributes:
        b1: decay of the first moment.
        b2: decay of the second moment.
        debias: 1 to correct the moments for their start at 0, else 0.
        precondition: 1 to divide by the root of the second moment, else 0.
        eps: added to the root.
        eps_root: added under the root.
        decoupled: 1 for decoupled weight decay (AdamW), 0 for L2 in the gradient.
    """

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
"""Optimizers that may differ between lanes of one program, in the order of the traced index."""

NAMED: dict[str, Callable[..., optax.GradientTransformation]] = {
    "adabelief": optax.adabelief,
    "adadelta": optax.adadelta,
    "adafactor": optax.adafactor,
    "adagrad": optax.adagrad,
    "adamax": optax.adamax,
    "adamaxw": optax.adamaxw,
    "adan": optax.adan,
    "ademamix": optax.contrib.ademamix,
    "adopt": optax.contrib.adopt,
    "amsgrad": optax.amsgrad,
    "fromage": optax.fromage,
    "lamb": optax.lamb,
    "lars": optax.lars,
    "lion": optax.lion,
    "muon": optax.contrib.muon,
    "nadam": optax.nadam,
    "nadamw": optax.nadamw,
    "novograd": optax.novograd,
    "optimistic_gradient_descent": optax.optimistic_gradient_descent,
    "radam": optax.radam,
    "sign_sgd": optax.sign_sgd,
    "signum": optax.signum,
    "sm3": optax.sm3,
    "yogi": optax.yogi,
}
"""Optimizers by optax's names, with optax's own constants; each is compiled into its own program."""

_REFUSED = {
    "lbfgs": "its line search needs the loss of other weights on the same batch",
    "polyak_sgd": "its step length is computed from the value of the loss",
    "noisy_sgd": "its noise comes from one seed, so all lanes of a program would draw the same",
    "rprop": "its step lengths are set once at the beginning, so a learning rate that decays would do nothing",
    "dpsgd": "it needs a gradient for every sample",
    "sam": "it needs a second gradient at other weights in every step",
    "sophia": "it needs an estimate of the Hessian",
}
"""Optimizers of optax that cannot train lanes -> the reason."""


class Moments(NamedTuple):
    """First and second moments of the gradient, two trees with the shapes of the parameters."""

    first: Any
    second: Any


def check_optimizer(name: str) -> None:
    """Raise :class:`InputError` unless ``name`` is one of :data:`OPTIMIZERS` or :data:`NAMED`."""
    if name in _TABLE or name in NAMED:
        return
    some = ("lion", "muon", "nadam", "radam", "adabelief")
    known = f"known: {', '.join(OPTIMIZERS)}; by optax, each in a program of its own: {', '.join(some)} and {len(NAMED) - 5} more"
    if name in _REFUSED:
        raise InputError(f"optimizer {name!r} cannot train lanes: {_REFUSED[name]} ({known})")
    near = difflib.get_close_matches(name.lower(), [*OPTIMIZERS, *NAMED], n=2, cutoff=0.5)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise InputError(f"unknown optimizer {name!r}{hint} ({known})")


def static_optimizer(name: str) -> str:
    """Return the static part of an optimizer, compiled into a program: ``""`` for the traced four, else its name."""
    return "" if name in _TABLE else name


def traced_optimizer(name: str) -> int:
    """Return the position of an optimizer in :data:`OPTIMIZERS`; 0 (unused) for those of :data:`NAMED`."""
    return OPTIMIZERS.index(name) if name in _TABLE else 0


def coefficients(optimizer: jax.Array | int) -> Coefficients:
    """Return the coefficients at position ``optimizer`` (traced or not) of :data:`OPTIMIZERS`."""
    row = jnp.array(list(_TABLE.values()), dtype=float)[optimizer]
    return Coefficients(*row)


def clipped(grads: Tree, limit: jax.Array) -> Tree:
    """Return ``grads`` scaled so that their global 2-norm is at most ``limit``; unchanged below it.

    Equal to ``optax.clip_by_global_norm``, with one division in total in place of one per weight.
    """
    norm = optax.tree.norm(grads)
    factor = jnp.where(norm > limit, limit / norm, 1.0)
    return jax.tree.map(lambda g: g * factor, grads)


def transformation(name: str, *, flat: bool = False, moments: str = "float32") -> optax.GradientTransformationExtraArgs:
    """Return the update rule of a program; the module's docstring shows its use.

    Args:
        name: of :func:`static_optimizer`: ``""`` for the rule of the traced four, else one of :data:`NAMED`.
        flat: update all weights as one vector (only with ``name=""``).
        moments: ``"float32"`` or ``"bfloat16"`` (only with ``name=""``).

    Raises:
        InputError: ``flat`` or ``moments`` is given for an optimizer of optax.
    """
    if not name:
        return optax.flatten(traced_choice(moments)) if flat else traced_choice(moments)
    if flat or moments != "float32":
        raise InputError(
            f"optimizer {name!r} is optax's own: flat_optimizer and moments={moments!r} are for {', '.join(OPTIMIZERS)}"
        )
    return named_optimizer(name)


def traced_choice(moments: str = "float32") -> optax.GradientTransformationExtraArgs:
    """Return Adam, RMSprop, SGD or AdamW by traced coefficients, as an optax transformation with state :class:`Moments`.

    For a parameter p with gradient g and moments m, v::

        g <- g + (1 - decoupled) weight_decay p
        m <- b1 m + (1 - b1) g
        v <- b2 v + (1 - b2) g^2
        update = -learning_rate (m / c1 / (sqrt(v / c2 + eps_root) + eps) + decoupled weight_decay p)

    with c1 = 1 - b1^step and c2 = 1 - b2^step if debias is 1, else both 1. The denominator is 1 if precondition is 0.

    ``update`` takes ``step`` (1 for the first), ``learning_rate``, ``weight_decay`` and ``coefficients`` of the lane. With
    ``moments="bfloat16"`` both moments are stored in bfloat16, rounded up or down at random by ``key``; the update uses the
    moments before rounding.

    Source: Kingma & Ba 2015 (Adam); Loshchilov & Hutter 2019 (AdamW); Tieleman & Hinton 2012 (RMSprop).
    """
    narrow = moments == "bfloat16"
    kind = jnp.bfloat16 if narrow else None

    def init(params: Tree) -> Moments:
        # two separate buffers per leaf: donated buffers must not alias
        return Moments(*(jax.tree.map(lambda p: jnp.zeros_like(p, dtype=kind), params) for _ in range(2)))

    def update(
        grads: Tree,
        state: Moments,
        params: Tree = None,
        *,
        step: jax.Array,
        learning_rate: jax.Array,
        weight_decay: jax.Array,
        coefficients: Coefficients,
        key: jax.Array | None = None,
        **others: Tree,
    ) -> tuple[Any, Moments]:
        c, step = coefficients, step.astype(float)
        # scalar reciprocals outside the leaves: one division per weight is left
        r1 = 1 / (1 - c.debias * c.b1**step)
        r2 = 1 / (1 - c.debias * c.b2**step)

        def leaf(
            number: int, p: jax.Array, g: jax.Array, m: jax.Array, v: jax.Array
        ) -> tuple[jax.Array, jax.Array, jax.Array]:
            g = g + (1 - c.decoupled) * weight_decay * p
            m = c.b1 * m + (1 - c.b1) * g
            v = c.b2 * v + (1 - c.b2) * g**2
            # the select keeps SGD at a denominator of exactly 1: its second moment is g^2, whose root would normalise the step
            below = jnp.where(c.precondition > 0, jnp.sqrt(v * r2 + c.eps_root) + c.eps, 1.0)
            change = -learning_rate * (m * r1 / below + c.decoupled * weight_decay * p)
            return (change, *_narrowed(m, v, key, number)) if narrow else (change, m, v)

        leaves, tree = jax.tree.flatten(params)
        columns = zip(leaves, tree.flatten_up_to(grads), *(tree.flatten_up_to(m) for m in state), strict=True)
        changes, first, second = zip(*(leaf(i, *column) for i, column in enumerate(columns)), strict=True)
        return tree.unflatten(changes), Moments(tree.unflatten(first), tree.unflatten(second))

    return _extended(init, update)


def _narrowed(m: jax.Array, v: jax.Array, key: jax.Array | None, leaf: int) -> tuple[jax.Array, jax.Array]:
    """Return both moments of one leaf in bfloat16, rounded stochastically.

    The probability of rounding away from 0 is the fraction that is cut off, so the expectation is the unrounded value. Every
    weight needs 32 random bits, 16 per moment. They are a hash of its position and the step's key (Wellons' ``lowbias32``): a
    few integer operations that fuse into the update, where a proper generator would cost as much as the update.
    """
    if key is None:
        raise InputError("moments in bfloat16 are rounded at random: update needs a key")
    seed = jax.random.bits(jax.random.fold_in(key, 2**31 - 1 - leaf), dtype=jnp.uint32)
    bits = jax.lax.iota(jnp.uint32, m.size).reshape(m.shape) ^ seed
    for shift, factor in ((16, 0x21F0AAAD), (15, 0xD35A2D97)):
        bits = (bits ^ (bits >> shift)) * jnp.uint32(factor)
    bits = bits ^ (bits >> 15)
    return rounded_at_random(m, bits & 0xFFFF), rounded_at_random(v, bits >> 16)


def rounded_at_random(x: jax.Array, bits: jax.Array) -> jax.Array:
    """Return ``x`` (float32) as bfloat16, rounded away from 0 if its lower 16 bits plus ``bits`` (below 2**16) carry over."""
    whole = jax.lax.bitcast_convert_type(x, jnp.uint32) + bits
    # infinities, and the NaN that arithmetic gives, have lower bits of 0: nothing carries over and both stay as they are
    return jax.lax.bitcast_convert_type((whole >> 16).astype(jnp.uint16), jnp.bfloat16)


def named_optimizer(name: str) -> optax.GradientTransformationExtraArgs:
    """Return optax's optimizer ``name`` with optax's constants, and learning rate and weight decay as arguments of ``update``.

    The rule is rebuilt in every update from traced numbers. Its state does not depend on them, so lanes of any learning rate
    share a program. The weight decay replaces the default of an optimizer that has one (decoupled, multiplied by the rate);
    for the others it is L2, added to the gradient.
    """
    make = NAMED[name]
    own = [p for p in ("weight_decay", "adam_weight_decay") if p in inspect.signature(make).parameters]

    def rule(rate: jax.Array | float, decay: jax.Array | float) -> optax.GradientTransformation:
        if own:
            return make(learning_rate=rate, **dict.fromkeys(own, decay))
        return optax.chain(optax.add_decayed_weights(decay), make(learning_rate=rate))

    def update(
        grads: Tree,
        state: Tree,
        params: Tree = None,
        *,
        learning_rate: jax.Array,
        weight_decay: jax.Array,
        **others: Tree,
    ) -> tuple[Any, Any]:
        return rule(learning_rate, weight_decay).update(grads, state, params)

    return _extended(lambda params: rule(1.0, 0.0).init(params), update)


def _extended(init: Callable[..., Any], update: Callable[..., Any]) -> optax.GradientTransformationExtraArgs:
    # optax declares `update` without the extra arguments that it passes
    return optax.GradientTransformationExtraArgs(init, update)
