"""Exposures of highest likelihood: where an optimiser of scipy's ends, never less likely than where they began."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from vaebench.signatures.sparse.criterion import deviances
from vaebench.signatures.sparse.likeliest import likeliest_exposures
from vaebench.signatures.sparse.options import SparseOptions

CYCLES = SparseOptions().score_cycles


def f32(values: np.ndarray) -> jnp.ndarray:
    return jnp.asarray(values, jnp.float32)


@pytest.fixture(scope="module")
def fitted() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Counts of 5 to a million mutations, alike signatures, a start with zeros, weights of the counts."""
    rng = np.random.default_rng(5)
    signatures = rng.dirichlet(np.full(96, 1.0), 6)
    signatures[1] = 0.7 * signatures[0] + 0.3 * signatures[1]
    totals = np.geomspace(5, 1e6, 60)[:, None]
    truth = totals * rng.dirichlet(np.full(6, 0.5), 60)
    start = np.where(rng.random(truth.shape) < 0.7, totals / 6, 0.0)
    start[:, 0] = totals[:, 0] / 6
    return rng.poisson(truth @ signatures).astype(float), signatures, start, rng.uniform(0.2, 1, (60, 96))


@pytest.mark.parametrize("weighted", [False, True])
def test_they_are_those_of_an_optimiser(fitted, weighted):
    x, s, start, weight = fitted
    share = weight if weighted else None
    found = np.asarray(likeliest_exposures(f32(x), f32(s), f32(start), CYCLES, None if share is None else f32(share)))
    assert (found[start == 0] == 0).all()
    ours, w = deviances(x, s, found, share), np.ones_like(x) if share is None else share
    for t in range(0, len(x), 7):
        there = start[t] > 0

        def loss(e, t=t, there=there):
            mean = e @ s[there] + 1e-9
            return w[t] @ (mean - x[t] * np.log(mean)), s[there] @ (w[t] * (1 - x[t] / mean))

        best = minimize(
            loss, start[t, there], jac=True, bounds=[(0, None)] * there.sum(), options={"ftol": 1e-15, "maxiter": 5000}
        ).x
        row = None if share is None else share[t : t + 1]
        least = deviances(x[t : t + 1], s[there], best[None], row)[0]
        # from exposures that are far away; and float32 knows a deviance of 25,000 to a tenth
        assert ours[t] < least + 0.1 + 1e-5 * least


def test_no_cycle_makes_a_sample_less_likely(fitted):
    x, s, start, _ = fitted
    last = deviances(x, s, start)
    for cycles in (1, 2, 3, 5, 8, 13, 25):
        now = deviances(x, s, np.asarray(likeliest_exposures(f32(x), f32(s), f32(start), cycles)))
        assert (now <= last + 1e-4 * np.maximum(1, last)).all()
        last = now


def test_where_nothing_is_left_to_gain_nothing_moves():
    s = np.eye(4, 96)
    x = np.array([[3.0, 0, 7, 0, *np.zeros(92)]])
    found = likeliest_exposures(f32(x), f32(s), f32([[3.0, 0, 7, 0]]), 5)
    np.testing.assert_allclose(np.asarray(found), [[3.0, 0, 7, 0]])
