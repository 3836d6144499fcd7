"""The one update rule against optax, and optax's own optimizers against optax called by hand."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from vaebench.errors import InputError
from vaebench.nn.optimizers import (
    NAMED,
    OPTIMIZERS,
    Coefficients,
    check_optimizer,
    clipped,
    coefficients,
    rounded_at_random,
    transformation,
)

RATE = 3e-2


def quadratic(params):
    return jnp.sum(jnp.sin(params["w"]) ** 2) + jnp.sum((params["b"] - 1.0) ** 4)


def start():
    return {"w": jnp.linspace(-1, 2, 12).reshape(3, 4), "b": jnp.array([0.3, -2.0])}


def ours(c: Coefficients | None, steps: int, weight_decay=0.0, rate=RATE, name: str = "", **layout):
    rule = transformation(name, **layout)

    @jax.jit
    def step(params, state, i):
        return rule.update(
            jax.grad(quadratic)(params),
            state,
            params,
            step=i + 1,
            learning_rate=jnp.asarray(rate),
            weight_decay=jnp.asarray(weight_decay),
            coefficients=c,
            key=jax.random.key(i),
        )

    return stepped(step, rule.init(start()), steps)


def theirs(rule: optax.GradientTransformation, steps: int):
    step = jax.jit(lambda params, state, i: rule.update(jax.grad(quadratic)(params), state, params))
    return stepped(step, rule.init(start()), steps)


def stepped(step, state, steps: int):
    params = start()
    for i in range(steps):
        updates, state = step(params, state, jnp.array(i))
        params = optax.apply_updates(params, updates)
    return params


@pytest.mark.parametrize(
    ("name", "changes", "oracle", "weight_decay"),
    [
        ("adam", {}, optax.adam(RATE), 0.0),
        ("rmsprop", {}, optax.rmsprop(RATE, decay=0.99, eps=1e-8, eps_in_sqrt=False), 0.0),
        (
            "rmsprop",
            {"eps": 0.0, "eps_root": 1e-4},
            optax.rmsprop(RATE, decay=0.99, eps=1e-4, eps_in_sqrt=True),
            0.0,
        ),
        ("sgd", {}, optax.sgd(RATE), 0.0),
        ("adamw", {}, optax.adamw(RATE, weight_decay=0.1), 0.1),
        ("adam", {}, optax.chain(optax.add_decayed_weights(0.1), optax.adam(RATE)), 0.1),
        ("sgd", {}, optax.chain(optax.add_decayed_weights(0.1), optax.sgd(RATE)), 0.1),
    ],
    ids=["adam", "rmsprop", "rmsprop eps in root", "sgd", "adamw", "adam with L2", "sgd with L2"],
)
@pytest.mark.parametrize("double", [True, False])
def test_traced_choice_equals_optax_over_50_steps(name, changes, oracle, weight_decay, double):
    with jax.enable_x64(double):
        rule = coefficients(OPTIMIZERS.index(name))._replace(**changes)
        mine, other = ours(rule, 50, weight_decay), theirs(oracle, 50)
        for leaf in mine:
            # in float32 the two orders of operations round differently, and 50 steps amplify it
            np.testing.assert_allclose(mine[leaf], other[leaf], rtol=0, atol=1e-11 if double else 1e-5)


def test_optimizer_is_a_traced_choice():
    traces = []

    @jax.jit
    def chosen(index):
        traces.append(index)
        return ours(coefficients(index), 3)

    results = [chosen(jnp.array(i)) for i in range(len(OPTIMIZERS))]
    assert len(traces) == 1
    assert not np.allclose(results[0]["w"], results[2]["w"])


def test_the_traced_choice_is_an_optax_transformation():
    assert isinstance(transformation(""), optax.GradientTransformationExtraArgs)
    rule = optax.chain(optax.clip(1e-3), transformation(""))
    grads = {"w": jnp.full((3, 4), 5.0), "b": jnp.full(2, -5.0)}
    sgd = coefficients(OPTIMIZERS.index("sgd"))
    given = {"step": jnp.array(1), "learning_rate": RATE, "weight_decay": 0.0, "coefficients": sgd}
    updates, _ = rule.update(grads, rule.init(start()), start(), **given)
    np.testing.assert_allclose(updates["w"], -RATE * 1e-3, rtol=1e-6)


def test_one_flat_vector_gives_the_same_update():
    for name in OPTIMIZERS:
        with jax.enable_x64(True):
            rule = coefficients(OPTIMIZERS.index(name))
            apart, flat = ours(rule, 5, 0.01), ours(rule, 5, 0.01, flat=True)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), apart, flat)


# --- moments in bfloat16 ---------------------------------------------------------------------------------------------


def test_rounding_at_random_is_right_on_average_and_exact_where_nothing_is_cut():
    bits = jnp.arange(2**16, dtype=jnp.uint32)
    for value in (1.2345678, -3.3e-7, 0.999):
        rounded = np.asarray(jax.vmap(lambda b, v=value: rounded_at_random(jnp.float32(v), b))(bits), np.float64)
        assert len(np.unique(rounded)) == 2
        assert abs(rounded.mean() / value - 1) < 1e-6
    for value in (0.0, -2.0, np.inf, -np.inf):
        assert (np.asarray(rounded_at_random(jnp.full(bits.shape, value, jnp.float32), bits)) == value).all()
    assert np.isnan(np.asarray(rounded_at_random(jnp.full(bits.shape, np.nan, jnp.float32), bits), np.float32)).all()


def test_moments_in_bfloat16_follow_those_in_float32():
    rule = coefficients(OPTIMIZERS.index("adam"))
    wide, narrow = ours(rule, 60), ours(rule, 60, moments="bfloat16")
    for leaf, first in start().items():
        moved = np.abs(wide[leaf] - first).max()
        assert 0 < np.abs(wide[leaf] - narrow[leaf]).max() < 0.05 * moved
    state = transformation("", moments="bfloat16").init(start())
    assert {leaf.dtype for leaf in jax.tree.leaves(state)} == {jnp.dtype(jnp.bfloat16)}


# --- optax's own -----------------------------------------------------------------------------------------------------

DECAYS = ("adadelta", "adamaxw", "adan", "ademamix", "lamb", "lars", "lion", "nadamw", "novograd")
"""Optimizers with a decay of their own; all others are decayed through the gradient. Muon's has two names."""


def by_hand(name: str, decay: float) -> optax.GradientTransformation:
    make = getattr(optax, name, None) or getattr(optax.contrib, name)
    if name == "muon":
        return make(RATE, weight_decay=decay, adam_weight_decay=decay)
    if name in DECAYS:
        return make(RATE, weight_decay=decay)
    return optax.chain(optax.add_decayed_weights(decay), make(RATE))


AT_ONCE = ("adamw", "adabelief", "lion", "muon", "nadam")
"""Half a second of compiler each: the others with the slow tests."""


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in AT_ONCE else pytest.mark.slow) for n in NAMED])
def test_an_optimizer_by_name_is_optaxs(name):
    lanes = jax.vmap(lambda rate, decay: ours(None, 4, decay, rate, name))(
        jnp.array([RATE, RATE, 0.1 * RATE]), jnp.array([0.0, 0.1, 0.0])
    )
    for lane, decay in enumerate((0.0, 0.1)):
        expected = theirs(by_hand(name, decay), 4)
        for leaf in expected:
            np.testing.assert_allclose(lanes[leaf][lane], expected[leaf], rtol=2e-4, atol=2e-5)
    assert np.abs(lanes["w"][0] - lanes["w"][2]).max() > 1e-6, "the rate is the lane's own"


def test_unknown_and_unfit_optimizers_are_one_sentence():
    for name in (*OPTIMIZERS, *NAMED):
        check_optimizer(name)
    with pytest.raises(
        InputError, match=r"unknown optimizer 'lyon'; did you mean 'lion'.*known: adam, rmsprop, sgd, adamw; "
    ):
        check_optimizer("lyon")
    for name, why in (("lbfgs", "line search needs the loss"), ("polyak_sgd", "value of the loss"), ("sam", "second")):
        with pytest.raises(InputError, match=f"optimizer '{name}' cannot train lanes: .*{why}"):
            check_optimizer(name)
    with pytest.raises(InputError, match=re.escape("optimizer 'lion' is optax's own: flat_optimizer")):
        transformation("lion", flat=True)


# --- clipping --------------------------------------------------------------------------------------------------------


def test_clipped_equals_optax():
    grads = {"a": jnp.array([3.0, 4.0]), "b": jnp.array([[12.0]])}
    clip = optax.clip_by_global_norm(2.0)
    expected, _ = clip.update(grads, clip.init(grads))
    jax.tree.map(lambda g, e: np.testing.assert_allclose(g, e, rtol=1e-6), clipped(grads, jnp.array(2.0)), expected)
    jax.tree.map(np.testing.assert_array_equal, clipped(grads, jnp.array(14.0)), grads)
