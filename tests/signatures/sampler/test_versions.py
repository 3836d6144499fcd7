"""Versions of signatures, by loops over sets of signatures and samples."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vaebench.signatures.sampler.autologistic import Cooccurrence
from vaebench.signatures.sampler.grounds import Ground
from vaebench.signatures.sampler.priors import drawn_prior, log_sums
from vaebench.signatures.sampler.problem import Prior
from vaebench.signatures.sampler.versions import (
    columns_of,
    moments,
    shares_of,
    split,
    summed,
    versions_of,
    with_versions,
)

CHANGES = np.array([[0, 0, 0, 0], [-0.8, 0, 0.5, 0], [0, 0, 0, 0], [0, 0.3, 0, 0]])
SPREADS = np.array([[0, 0, 0, 0], [0.6, 0, -0.2, 0], [0, 0, 0, 0], [0, 0.1, 0, 0]])
PAIRS = Cooccurrence(np.zeros((4, 4)), None, CHANGES, SPREADS)
SETS = {4: (1, {0}), 5: (1, {2}), 6: (1, {0, 2}), 7: (3, {1})}
"""Columns of versions: the signature, and those that are present of the ones that change it."""


def column(k: int, present: set[int]) -> int:
    """The column of signature ``k`` beside those that are present."""
    by = {0: set(), 1: {0, 2}, 2: set(), 3: {1}}[k]
    return next((c for c, own in SETS.items() if own == (k, by & present)), k)


def test_columns_are_those_of_all_sets():
    np.testing.assert_array_equal(columns_of(versions_of(PAIRS), 4), [0, 1, 2, 3, 1, 1, 1, 3])
    assert versions_of(None) == versions_of(Cooccurrence(np.zeros((4, 4)), None)) == ()
    np.testing.assert_array_equal(columns_of((), 4), range(4))


def test_exposures_are_in_the_column_of_their_version():
    rng = np.random.default_rng(0)
    exposures = rng.gamma(2, 10, (3, 40, 4)) * (rng.random((3, 40, 4)) < 0.5)
    found = split(exposures, versions_of(PAIRS))
    expected = np.zeros((3, 40, 8))
    for c, t, k in np.argwhere(exposures > 0):
        expected[c, t, column(k, set(np.flatnonzero(exposures[c, t])))] = exposures[c, t, k]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(summed(found, versions_of(PAIRS)), exposures)
    assert split(exposures, ()) is exposures


def test_shares_and_moments_are_those_of_all_sets():
    rng = np.random.default_rng(1)
    there = rng.random((5, 4))
    prior = Prior(np.ones(8), rng.normal(2, 1, 8), rng.uniform(0.2, 1, 8))
    shares, first, second = np.zeros((5, 8)), np.zeros((5, 4)), np.zeros((5, 4))
    for on in itertools.product([False, True], repeat=4):
        chance = np.prod(np.where(on, there, 1 - there), axis=1)
        for k in np.flatnonzero(on):
            own = column(k, set(np.flatnonzero(on)))
            shares[:, own] += chance
            first[:, k] += chance * prior.log_mean[own]
            second[:, k] += chance * (prior.log_mean[own] ** 2 + prior.log_sd[own] ** 2)
    found = shares_of(there, versions_of(PAIRS))
    np.testing.assert_allclose(found, shares)
    np.testing.assert_allclose(summed(found, versions_of(PAIRS)), there)
    mean, sd = moments(prior, there, versions_of(PAIRS))
    np.testing.assert_allclose(mean, first / there)
    np.testing.assert_allclose(sd, np.sqrt(second / there - (first / there) ** 2))


def test_versions_are_expected_as_pairs_have_them_and_count_for_few_samples():
    parts = (
        np.full(4, 0.5),
        np.arange(4.0),
        np.full(4, 0.2),
        np.full(4, 9.0),
        np.full(4, 40.0),
        np.array([2.0, 40, 40, 40]),
    )
    ground = Ground(
        *parts, burden=0.3, loading=np.array([1.0, 0.5, 1, 1]), shared=np.array([[0, 0.4, 0, 0.2]]), pairs=PAIRS
    )
    wide = with_versions(ground)
    np.testing.assert_allclose(wide.log_mean, [0, 1, 2, 3, 0.2, 1.5, 0.7, 3.3])
    np.testing.assert_allclose(wide.variance[4:], 0.2 * np.exp([1.2, -0.4, 0.8, 0.2]))
    np.testing.assert_array_equal(wide.loading, [1, 0.5, 1, 1, 0.5, 0.5, 0.5, 1])
    np.testing.assert_array_equal(wide.shared, [[0, 0.4, 0, 0.2, 0.4, 0.4, 0.4, 0.2]])
    np.testing.assert_array_equal(wide.variance_weight[:4], parts[5])
    assert (wide.mean_weight[4:] < 5).all()
    assert (wide.variance_weight[4:] < 5).all()
    assert with_versions(wide) is wide
    alone = ground._replace(pairs=None)
    assert with_versions(alone) is alone
    each = with_versions(Ground(*(np.stack([v, 2 * v]) for v in parts), burden=np.array([0.1, 0.2]), pairs=PAIRS))
    np.testing.assert_allclose(each.log_mean, [wide.log_mean, [0, 2, 4, 6, 1.2, 2.5, 1.7, 6.3]])
    np.testing.assert_array_equal(each.burden, [0.1, 0.2])


@pytest.mark.parametrize("types", [1, 2])
def test_a_cohort_learns_the_sizes_of_each_version_and_one_presence(types):
    """A signature is in 300 of 400 samples: e^5 with a standard deviation of 0.3, and e^3 with 0.9 beside the other."""
    rng = np.random.default_rng(2)
    there = np.stack([np.arange(400) % 2 == 0, np.arange(400) % 4 < 3], 1)
    beside = there.all(1)
    logs = np.where(beside, 3 + 0.9 * rng.standard_normal(400), 5 + 0.3 * rng.standard_normal(400))
    exposures = np.stack([np.full(400, 100.0), np.exp(logs)], 1) * there
    pairs = Cooccurrence(np.zeros((2, 2)), None, np.array([[0, 0], [-0.5, 0]]))
    ground = with_versions(Ground(*(np.full(2, v) for v in (0.5, 4.0, 0.5, 2.0, 1.0, 4.0)), pairs=pairs))
    sums = log_sums(
        np.repeat(split(exposures, versions_of(pairs))[None], 2000, 0), np.eye(types)[np.arange(400) // 200 % types]
    )
    found = drawn_prior(rng, sums, ground)
    np.testing.assert_array_equal(found.presence[..., 2], found.presence[..., 1])
    for g in range(types):
        mine = np.arange(400) // 200 % types == g
        assert found.presence[:, g, 1].mean() == pytest.approx(0.75, abs=0.01)
        for c, own in ((1, ~beside & there[:, 1]), (2, beside)):
            assert found.log_mean[:, g, c].mean() == pytest.approx(logs[own & mine].mean(), abs=0.1)
            assert found.log_sd[:, g, c].mean() == pytest.approx(logs[own & mine].std(), rel=0.15)
