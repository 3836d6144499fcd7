"""Intervals of scores that two seeds share."""

from __future__ import annotations

import numpy as np
from open_questions import difference_of_pairs


def test_intervals_of_scores_of_pairs_hold_the_mean_as_often_as_they_say():
    """Seeds with effects of their own; intervals that take each seed's mean for independent hold it in two of three."""
    held, alone = 0, 0
    for trial in range(400):
        rng = np.random.default_rng(trial)
        own = rng.normal(0, 0.1, 10)
        pairs = 0.5 + own[:, None] + own[None] + rng.normal(0, 0.05, (10, 10))
        pairs = np.triu(pairs, 1) + np.triu(pairs, 1).T
        values = pairs.sum(1) / 9
        mean, low, high = difference_of_pairs(values)
        assert np.isclose(mean, pairs.sum() / 90)
        held += low <= 0.5 <= high
        alone += abs(mean - 0.5) < 2.26 * values.std(ddof=1) / np.sqrt(10)
    assert 0.92 < held / 400 < 0.98
    assert alone / 400 < 0.8
    assert np.isnan(difference_of_pairs(np.ones(3))[1])
