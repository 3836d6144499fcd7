"""Exposures of signatures that occur together against a posterior summed over a grid of all three."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from vaebench.signatures.sampler.gibbs import swept
from vaebench.signatures.sampler.problem import Prior, Problem, held, slabs_of
from vaebench.signatures.sampler.proposals import slab_of
from vaebench.signatures.sampler.visits import Timetable, visited

PRIOR = Prior(np.array([0.6, 0.5, 0.3]), np.log([12.0, 10.0, 6.0]), np.array([0.6, 0.8, 0.7]))
LOG_ODDS = np.array([[0.0, -2.0, 2.5], [-2.0, 0.0, 0.5], [2.5, 0.5, 0.0]])
SIGNATURES = np.array([[0.5, 0.3, 0.2, 0.0, 0.0], [0.4, 0.4, 0.1, 0.1, 0.0], [0.0, 0.0, 0.1, 0.3, 0.6]])
SHIFTS = np.array([0.4, -0.3, -1.0])
COUNTS = np.array([[4.0, 3.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0, 0.0]])
COPIES = 1500


def summed(x: np.ndarray, log_odds: np.ndarray, shifts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(present) of each of the eight sets of signatures, and edges and masses of the first exposure, from a grid."""
    edges = np.concatenate([[0.0], np.geomspace(0.05, 120, 70)])
    points = np.concatenate([[0.0], 0.5 * (edges[1:] + edges[:-1])])
    masses = [
        np.concatenate([[1 - p], p * np.diff(stats.lognorm(s, scale=np.exp(m)).cdf(edges))])
        for p, m, s in zip(*PRIOR, strict=True)
    ]
    grids = np.meshgrid(points, points, points, indexing="ij")
    joint = np.einsum("i,j,k->ijk", *masses)
    there = [grid > 0 for grid in grids]
    for j, k in ((0, 1), (0, 2), (1, 2)):
        joint *= np.exp(log_odds[j, k] * there[j] * there[k])
    for own, shift in zip(there, shifts, strict=True):
        joint *= np.exp(shift * own)
    fit = np.zeros_like(joint)
    for c in range(len(x)):
        mean = sum(grid * s for grid, s in zip(grids, SIGNATURES[:, c], strict=True)) + 1e-6
        fit += x[c] * np.log(mean) - mean
    joint *= np.exp(fit - fit.max())
    joint /= joint.sum()
    which = (grids[0] > 0) * 4 + (grids[1] > 0) * 2 + (grids[2] > 0)
    return np.bincount(which.ravel(), joint.ravel(), 8), np.cumsum(joint.sum((1, 2)))


@pytest.mark.parametrize("by_timetable", [False, True])
@pytest.mark.parametrize("together", [True, False])
def test_sets_of_signatures_have_the_posterior_that_is_summed_on_a_grid(together, by_timetable):
    log_odds = LOG_ODDS if together else None
    x = np.tile(COUNTS, (COPIES, 1))
    rows = 2 * COPIES
    singles = np.tile(np.arange(48, dtype=np.uint8)[:, None] % 3, (1, rows))
    table = Timetable(singles, np.where(singles == 2, 1, 0), np.where(singles == 0, 1, 2), 3)
    kept = []
    with jax.enable_x64(True):
        known = held(Problem(*(jnp.asarray(v) for v in (x, SIGNATURES, x.mean(1, keepdims=True) * np.ones(5) + 0.1))))
        shared, own = slabs_of(PRIOR, np.dtype("float64")), slab_of(*(jnp.tile(v, (rows, 1)) for v in PRIOR))
        if together:
            shared = shared._replace(log_present=shared.log_present + SHIFTS[:, None])
            own = own._replace(log_present=own.log_present + SHIFTS[None])
        state = jnp.full((rows, 3), 2.0)
        for i in range(90):
            if by_timetable:
                state = visited(jax.random.key(1), i, state, known, own, table, "poisson", log_odds).exposures
            else:
                state = swept(jax.random.key(1), i, state, known, shared, "poisson", log_odds).exposures
            if i >= 30 and i % 3 == 0:
                kept.append(np.asarray(state).reshape(COPIES, 2, 3))
    draws = np.concatenate(kept)
    edges = np.concatenate([[0.0], np.geomspace(0.05, 120, 70)])
    for t, counts in enumerate(COUNTS):
        sets, masses = summed(counts, *((LOG_ODDS, SHIFTS) if together else (np.zeros((3, 3)), np.zeros(3))))
        there = draws[:, t] > 0
        found = np.bincount(there @ [4, 2, 1], minlength=8) / len(draws)
        np.testing.assert_allclose(found, sets, atol=0.012)
        below = np.searchsorted(np.sort(draws[:, t, 0]), edges, side="right") / len(draws)
        np.testing.assert_allclose(below, masses, atol=0.015)
