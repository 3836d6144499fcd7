"""Splits: a partition of fixed sizes, near each label's proportion, redrawn per seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaebench.data import split_indices
from vaebench.errors import InputError

# Made with: split_indices(labels, 10, 0.3, seed) for the labels and seeds of test_golden.
GOLDEN = [[1, 2, 3], [4, 6, 9], [3, 7, 8]]

COUNTS = st.lists(st.integers(2, 40), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(COUNTS, st.floats(0.05, 0.95), st.integers(0, 1000))
def test_partition_sizes_and_proportions(counts, fraction, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    wanted = round(labels.size * fraction)
    if not 1 <= wanted < labels.size:
        return
    train, valid = split_indices(labels, labels.size, fraction, seed)
    assert train.dtype == valid.dtype == np.int32
    assert (np.diff(train) > 0).all()
    assert (np.diff(valid) > 0).all()
    np.testing.assert_array_equal(np.sort(np.concatenate([train, valid])), np.arange(labels.size))
    assert valid.size == wanted
    found = np.bincount(labels[valid], minlength=len(counts))
    assert (np.abs(found - np.array(counts) * wanted / labels.size) < 1).all()


def test_same_for_a_seed_and_different_between_seeds():
    labels = np.repeat(["a", "b", "c"], [30, 20, 10])
    first, again, other = (split_indices(labels, 60, 0.2, seed)[1].tolist() for seed in (3, 3, 4))
    assert first == again != other


def test_each_sample_is_equally_likely():
    labels = np.repeat([0, 1], [30, 10])
    hits = np.zeros(40)
    for seed in range(600):
        hits[split_indices(labels, 40, 0.25, seed)[1]] += 1
    # 150 are expected; 5 standard deviations of a binomial are 53.
    assert (np.abs(hits - 150) < 53).all()


def test_without_strata_the_labels_do_not_matter():
    labels = np.repeat([0, 1], [30, 10])
    for left, right in zip(
        split_indices(labels, 40, 0.3, 1, stratified=False), split_indices(None, 40, 0.3, 1), strict=True
    ):
        np.testing.assert_array_equal(left, right)


def test_ties_go_by_label_order():
    labels = np.repeat([0, 1, 2, 3], 5)
    valid = split_indices(labels, 20, 0.1, 0)[1]
    np.testing.assert_array_equal(labels[valid], [0, 1])


def test_label_with_one_sample_stays_in_training():
    labels = np.array([0] * 10 + [1] + [2] * 9)
    for seed in range(20):
        train, valid = split_indices(labels, 20, 0.5, seed)
        assert 10 in train
        assert valid.size == 10


def test_every_label_keeps_a_training_sample():
    # Shares are 32.3, 16.1 and 1.6: the largest remainder alone would leave label 2 without training samples.
    labels = np.repeat([0, 1, 2], [40, 20, 2])
    train, valid = split_indices(labels, 62, 0.8, 0)
    assert set(labels[train]) == {0, 1, 2}
    assert np.bincount(labels[valid]).tolist() == [33, 16, 1]


def test_golden():
    labels = ["a", "b", "a", "c", "b", "a", "c", "a", "b", "a"]
    assert [split_indices(labels, 10, 0.3, seed)[1].tolist() for seed in (0, 1, 2)] == GOLDEN


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((None, 1, 0.5, 0), "samples=1"),
        ((None, 10, 0.0, 0), "valid_fraction=0.0"),
        ((None, 10, 1.0, 0), "valid_fraction=1.0"),
        ((None, 10, float("nan"), 0), "valid_fraction=nan"),
        ((None, 10, 0.01, 0), "gives 0"),
        ((None, 10, 0.99, 0), "gives 10"),
        ((None, 10, 0.5, -1), "seed=-1"),
        ((None, 10, 0.5, 0.5), "seed=0.5"),
        (([0, 1], 10, 0.5, 0), "2 labels"),
        (([0, 1, 2, 3, 4, 4], 6, 0.5, 0), "at most 2"),
    ],
)
def test_refuses(arguments, words):
    with pytest.raises(InputError, match=words):
        split_indices(*arguments)
