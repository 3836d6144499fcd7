"""The one update rule against optax."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from vaebench.nn.optimizers import OPTIMIZERS, Coefficients, clipped, coefficients, initial_moments, update

RATE = 3e-2


def quadratic(params):
    return jnp.sum(jnp.sin(params["w"]) ** 2) + jnp.sum((params["b"] - 1.0) ** 4)


def ours(c: Coefficients, steps: int, weight_decay: float = 0.0):
    params = {"w": jnp.linspace(-1, 2, 12).reshape(3, 4), "b": jnp.array([0.3, -2.0])}
    moments = initial_moments(params)
    for i in range(steps):
        grads = jax.grad(quadratic)(params)
        params, moments = update(params, grads, moments, jnp.array(i + 1), jnp.array(RATE), jnp.array(weight_decay), c)
    return params


def theirs(rule: optax.GradientTransformation, steps: int):
    params = {"w": jnp.linspace(-1, 2, 12).reshape(3, 4), "b": jnp.array([0.3, -2.0])}
    state = rule.init(params)
    for _ in range(steps):
        updates, state = rule.update(jax.grad(quadratic)(params), state, params)
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
def test_update_equals_optax_over_50_steps(name, changes, oracle, weight_decay, double):
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


def test_clipped_equals_optax():
    grads = {"a": jnp.array([3.0, 4.0]), "b": jnp.array([[12.0]])}
    clip = optax.clip_by_global_norm(2.0)
    expected, _ = clip.update(grads, clip.init(grads))
    jax.tree.map(lambda g, e: np.testing.assert_allclose(g, e, rtol=1e-6), clipped(grads, jnp.array(2.0)), expected)
    jax.tree.map(np.testing.assert_array_equal, clipped(grads, jnp.array(14.0)), grads)
