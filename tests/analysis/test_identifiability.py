"""MCC against scipy and a search over all matches."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from vaebench.analysis.identifiability import mean_correlation_coefficient, seed_agreement
from vaebench.errors import InputError

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(200, 4))


def test_order_sign_and_scale_do_not_count():
    turned = (Z * [3, -1, 0.1, 2])[:, [2, 0, 3, 1]]
    found = mean_correlation_coefficient(Z, turned)
    np.testing.assert_allclose(found.mcc, 1)
    np.testing.assert_array_equal(found.second, [1, 3, 0, 2])
    assert (found.correlations < 0).sum() == 1
    np.testing.assert_allclose(mean_correlation_coefficient(Z, np.sign(Z) * Z**4, "spearman").mcc, 1)
    assert mean_correlation_coefficient(Z, np.sign(Z) * Z**4).mcc < 0.9


def test_it_is_the_best_of_all_matches():
    other = RNG.normal(size=(200, 3)) + Z[:, :3]
    table = np.abs([[stats.pearsonr(a, b).statistic for b in other.T] for a in Z.T])
    best = max(np.mean([table[r, c] for c, r in enumerate(rows)]) for rows in itertools.permutations(range(4), 3))
    np.testing.assert_allclose(mean_correlation_coefficient(Z, other).mcc, best)
    np.testing.assert_allclose(mean_correlation_coefficient(other, Z).mcc, best)


def test_a_rotation_is_not_the_same_latents_and_a_constant_matches_nothing():
    turn = np.linalg.qr(RNG.normal(size=(4, 4)))[0]
    assert mean_correlation_coefficient(Z, Z @ turn).mcc < 0.9
    np.testing.assert_allclose(mean_correlation_coefficient(Z, Z * [1, 1, 1, 0]).mcc, 0.75)
    np.testing.assert_allclose(seed_agreement([Z, -Z, Z[:, ::-1]]), 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_correlation_coefficient(Z, Z[:5]), r"shapes \(200, 4\) and \(5, 4\)"),
        (lambda: mean_correlation_coefficient(Z, np.full((200, 4), np.nan)), "missing or not finite"),
        (lambda: mean_correlation_coefficient(Z, Z, "kendall"), "kendall"),
        (lambda: seed_agreement([Z]), "1 embedding is given"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_frames_are_matched_by_the_names_of_samples():
    z = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 3)), [f"s{i}" for i in range(50)])
    assert mean_correlation_coefficient(z, z.iloc[::-1]).mcc == pytest.approx(1)
    assert seed_agreement([z, z.sample(frac=1, random_state=0)]) == pytest.approx(1)
    with pytest.raises(InputError, match="50 of 50 samples are missing from the second embedding"):
        mean_correlation_coefficient(z, z.set_axis([f"t{i}" for i in range(50)], axis=0))


def test_columns_that_are_constant_but_for_rounding_match_nothing():
    z = np.random.default_rng(0).normal(size=(7, 1))
    pair = [np.hstack([z, np.full((7, 1), value)]) for value in (0.1, 0.7)]  # whose means are not 0.1 and 0.7
    assert mean_correlation_coefficient(*pair).mcc == pytest.approx(0.5)
