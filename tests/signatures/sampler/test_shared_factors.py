"""Exposures under uncertain channel factors, against one Gaussian of all that may change, written out in full."""

from __future__ import annotations

import numpy as np
import pytest

from vaebench.signatures.sampler.draws import Draws
from vaebench.signatures.sampler.problem import Problem
from vaebench.signatures.sampler.shared_factors import FactorErrors, factor_law, moved

CHANNELS, SAMPLES, COUNT = 7, 4, 3
SD = 0.3


@pytest.fixture(scope="module")
def cohort():
    """Signatures, exposures (the first sample lacks a signature), spreads of the prior, its weight, and counts nearby."""
    rng = np.random.default_rng(8)
    signatures = rng.dirichlet(np.ones(CHANNELS), COUNT)
    exposures = rng.uniform(50, 400, (SAMPLES, COUNT))
    exposures[0, 1] = 0.0
    spread = np.tile([0.4, 0.7, 0.5], (SAMPLES, 1))
    x = rng.poisson(exposures @ (signatures * rng.lognormal(0, 0.1, CHANNELS))).astype(float)
    return Problem(x, signatures, exposures @ signatures + 1.0), exposures, spread, np.array([2.0, 5.0, 9.0])


LEARNED = FactorErrors(np.linspace(0.2, -0.2, CHANNELS), SD * np.eye(CHANNELS))
"""Of factors learned from the counts: ln f from -0.2 to 0.2, expected about 0."""
EARLIER = FactorErrors(np.full(CHANNELS, 0.05), np.random.default_rng(2).normal(0, 0.1, (CHANNELS, CHANNELS)))
"""What an earlier cohort may leave open."""


def in_full(cohort, before: FactorErrors) -> tuple[np.ndarray, np.ndarray]:
    """Precision and linear term of (d, a, b of each sample), from the derivatives of the mean taken numerically."""
    problem, exposures, spread, weight = cohort
    size = CHANNELS + COUNT + SAMPLES * COUNT

    def mean(v: np.ndarray) -> np.ndarray:
        changed = problem.signatures * np.exp(v[:CHANNELS])
        changed = changed / changed.sum(1, keepdims=True)
        b = v[CHANNELS + COUNT :].reshape(SAMPLES, COUNT)
        return ((exposures * (1 + v[CHANNELS : CHANNELS + COUNT] + b)) @ changed).ravel()

    steps = 1e-5 * np.eye(size)
    slopes = np.stack([(mean(h) - mean(-h)) / 2e-5 for h in steps], 1)
    prior = np.diag(np.concatenate([np.zeros(CHANNELS), weight / spread[0] ** 2, spread.ravel() ** -2]))
    prior[:CHANNELS, :CHANNELS] = np.linalg.inv(before.root @ before.root.T)
    noise = 1 / problem.variance.ravel()
    linear = np.zeros(size)
    # exposures are taken for the likeliest ones, which have no slope
    linear[:CHANNELS] = slopes[:, :CHANNELS].T @ (noise * (problem.x.ravel() - mean(np.zeros(size))))
    linear[:CHANNELS] += prior[:CHANNELS, :CHANNELS] @ before.mean
    return slopes.T @ (noise[:, None] * slopes) + prior, linear


def law_of(cohort, before: FactorErrors = LEARNED):
    problem, exposures, spread, weight = cohort
    return factor_law(problem, exposures, exposures > 0, spread, weight, before)


@pytest.mark.parametrize("before", [LEARNED, EARLIER], ids=["learned", "earlier"])
def test_errors_of_factors_have_the_posterior_of_all_that_may_change(cohort, before):
    precision, linear = in_full(cohort, before)
    covariance = np.linalg.inv(precision)
    law, rows = law_of(cohort, before), CHANNELS + COUNT
    root = np.vstack([law.errors.root, law.common_root])
    expected = covariance[:rows, :CHANNELS]
    np.testing.assert_allclose(root @ law.errors.root.T, expected, rtol=1e-5, atol=1e-8)
    mean = np.concatenate([law.errors.mean, law.common_mean])
    np.testing.assert_allclose(mean, (covariance @ linear)[:rows], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("before", [LEARNED, EARLIER], ids=["learned", "earlier"])
def test_exposures_go_where_the_counts_then_are(cohort, before):
    problem, exposures, spread, _ = cohort
    precision, linear = in_full(cohort, before)
    law = law_of(cohort, before)
    error = (np.linalg.inv(precision) @ linear)[:CHANNELS]
    rest = -np.linalg.solve(precision[CHANNELS:, CHANNELS:], precision[CHANNELS:, :CHANNELS] @ error)
    expected = np.maximum(exposures * (1 + rest[:COUNT] + rest[COUNT:].reshape(SAMPLES, COUNT)), 0)
    draws = Draws(2, 1, SAMPLES, COUNT)
    draws.put(0, np.stack([exposures, exposures]))
    still = law._replace(
        errors=law.errors._replace(root=0 * law.errors.root), common_root=np.zeros_like(law.common_root)
    )
    found = moved(np.random.default_rng(0), draws, still, problem, spread).at(0)
    np.testing.assert_allclose(found, np.stack([expected, expected]), rtol=1e-4)
    assert found[0, 0, 1] == 0
    scattered = moved(np.random.default_rng(0), draws, law, problem, spread).at(0)
    assert (np.abs(scattered[0] - scattered[1])[exposures > 0] > 0).all()


def test_exposures_do_not_fall_below_0(cohort):
    problem, exposures, spread, _ = cohort
    law = law_of(cohort)
    draws = Draws(1, 1, SAMPLES, COUNT)
    draws.put(0, exposures[None])
    far = law._replace(errors=law.errors._replace(root=50 * law.errors.root))
    found = np.stack([moved(np.random.default_rng(i), draws, far, problem, spread).at(0)[0] for i in range(20)])
    assert found.min() == 0
    assert np.isfinite(found).all()


def test_signatures_that_are_hardly_present_stay(cohort):
    problem, exposures, spread, weight = cohort
    presence = np.tile([0.9, 0.04, 1.0], (SAMPLES, 1))
    law = factor_law(problem, exposures, presence, spread, weight, LEARNED)
    np.testing.assert_array_equal(law.used, [0, 2])
    draws = Draws(1, 1, SAMPLES, COUNT)
    draws.put(0, exposures[None])
    found = moved(np.random.default_rng(0), draws, law, problem, spread).at(0)[0]
    np.testing.assert_array_equal(found[:, 1], exposures[:, 1].astype(np.float32))
