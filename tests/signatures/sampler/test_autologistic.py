"""Exposures of signatures that occur together, and change each other's sizes, against a posterior summed over a grid of all."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from vaebench.signatures.sampler.autologistic import Cooccurrence
from vaebench.signatures.sampler.companions import companions_of
from vaebench.signatures.sampler.gibbs import swept
from vaebench.signatures.sampler.problem import Prior, Problem, held, slabs_of
from vaebench.signatures.sampler.proposals import slab_of
from vaebench.signatures.sampler.visits import Timetable, visited

PRIOR = Prior(np.array([0.6, 0.5, 0.3]), np.log([12.0, 10.0, 6.0]), np.array([0.6, 0.8, 0.7]))
LOG_ODDS = np.array([[0.0, -2.0, 2.5], [-2.0, 0.0, 0.5], [2.5, 0.5, 0.0]])
SIGNATURES = np.array([[0.5, 0.3, 0.2, 0.0, 0.0], [0.4, 0.4, 0.1, 0.1, 0.0], [0.0, 0.0, 0.1, 0.3, 0.6]])
SHIFTS = np.array([0.4, -0.3, -1.0])
COUNTS = np.array([[4.0, 3.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0, 0.0]])
# the first signature is smaller beside the second and larger beside the third, and makes the third smaller
CHANGES = np.array([[0.0, -1.2, 0.8], [0.0, 0.0, 0.0], [-0.9, 0.0, 0.0]])
# mean and standard deviation of ln e beside the second, the third, and both; and of the third beside the first
VERSIONS = {(0, (1,)): (1.3, 1.1), (0, (2,)): (3.2, 0.4), (0, (1, 2)): (2.0, 0.9), (2, (0,)): (0.9, 0.5)}
COPIES = 1500


def summed(
    x: np.ndarray,
    log_odds: np.ndarray,
    shifts: np.ndarray,
    versions: dict[tuple[int, tuple[int, ...]], tuple[float, float]],
) -> tuple[np.ndarray, list[np.ndarray]]:
    """P(present) of each of the eight sets of signatures, and edges and masses of each exposure, from a grid."""
    edges = np.concatenate([[0.0], np.geomspace(0.05, 120, 110)])
    points = np.concatenate([[0.0], 0.5 * (edges[1:] + edges[:-1])])
    grids = np.meshgrid(points, points, points, indexing="ij")
    joint = np.zeros_like(grids[0])
    for on in itertools.product([False, True], repeat=3):
        masses = []
        for k, (p, m, s) in enumerate(zip(*PRIOR, strict=True)):
            others = tuple(j for j in range(3) if on[j] and CHANGES[k, j])
            m, s = versions.get((k, others), (m, s))
            cells = np.diff(stats.lognorm(s, scale=np.exp(m)).cdf(edges))
            masses.append(np.append(0.0, p * np.exp(shifts[k]) * cells) if on[k] else np.eye(len(points))[0] * (1 - p))
        odds = sum(log_odds[j, k] for j, k in ((0, 1), (0, 2), (1, 2)) if on[j] and on[k])
        joint += np.exp(odds) * np.einsum("i,j,k->ijk", *masses)
    fit = np.zeros_like(joint)
    for c in range(len(x)):
        mean = sum(grid * s for grid, s in zip(grids, SIGNATURES[:, c], strict=True)) + 1e-6
        fit += x[c] * np.log(mean) - mean
    joint *= np.exp(fit - fit.max())
    joint /= joint.sum()
    which = (grids[0] > 0) * 4 + (grids[1] > 0) * 2 + (grids[2] > 0)
    others = ((1, 2), (0, 2), (0, 1))
    return np.bincount(which.ravel(), joint.ravel(), 8), [np.cumsum(joint.sum(own)) for own in others]


@pytest.mark.parametrize("by_timetable", [False, True])
@pytest.mark.parametrize("together", ["not", "presence", "sizes"])
def test_sets_of_signatures_have_the_posterior_that_is_summed_on_a_grid(together, by_timetable):
    log_odds, shifts = (np.zeros((3, 3)), np.zeros(3)) if together == "not" else (LOG_ODDS, SHIFTS)
    changes, versions = (CHANGES, VERSIONS) if together == "sizes" else (np.zeros((3, 3)), {})
    columns = [0, 1, 2, *(of for of, _ in versions)]
    more = [np.array([v[i] for v in versions.values()]) for i in (0, 1)]
    prior = Prior(PRIOR.presence[columns], *(np.append(own, v) for own, v in zip(PRIOR[1:], more, strict=True)))
    companions = None if together == "not" else companions_of(Cooccurrence(log_odds, shifts, changes))
    x = np.tile(COUNTS, (COPIES, 1))
    rows = 2 * COPIES
    singles = np.tile(np.arange(48, dtype=np.uint8)[:, None] % 3, (1, rows))
    table = Timetable(singles, np.where(singles == 2, 1, 0), np.where(singles == 0, 1, 2), 3)
    kept = []
    with jax.enable_x64(True):
        known = held(Problem(*(jnp.asarray(v) for v in (x, SIGNATURES, x + 0.5))))
        shared, own = slabs_of(prior, np.dtype("float64")), slab_of(*(jnp.tile(v, (rows, 1)) for v in prior))
        shared = shared._replace(log_present=shared.log_present + shifts[columns, None])
        own = own._replace(log_present=own.log_present + shifts[None, columns])
        state = jnp.full((rows, 3), 2.0)
        for i in range(150):  # the third signature, which one count is of alone, moves in every fourteenth sweep
            if by_timetable:
                state = visited(jax.random.key(1), i, state, known, own, table, "poisson", companions).exposures
            else:
                state = swept(jax.random.key(1), i, state, known, shared, "poisson", companions).exposures
            if i >= 90 and i % 3 == 0:
                kept.append(np.asarray(state).reshape(COPIES, 2, 3))
    draws = np.concatenate(kept)
    edges = np.concatenate([[0.0], np.geomspace(0.05, 120, 110)])
    for t, counts in enumerate(COUNTS):
        sets, masses = summed(counts, log_odds, shifts, versions)
        there = draws[:, t] > 0
        found = np.bincount(there @ [4, 2, 1], minlength=8) / len(draws)
        np.testing.assert_allclose(found, sets, atol=0.012)
        for k in range(3):
            below = np.searchsorted(np.sort(draws[:, t, k]), edges, side="right") / len(draws)
            np.testing.assert_allclose(below, masses[k], atol=0.015)
