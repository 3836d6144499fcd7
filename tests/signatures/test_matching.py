"""Matches and scores of extracted signatures, against every permutation and against scores by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from vaebench.data.mutations.tables import CHANNELS
from vaebench.errors import InputError
from vaebench.signatures import anchored, matches, recovery
from vaebench.signatures.matching import assigned, cosines


def table(rows: np.ndarray, prefix: str) -> pd.DataFrame:
    return pd.DataFrame(rows, [f"{prefix}{i}" for i in range(len(rows))], list(CHANNELS))


def drawn(seed: int, count: int, shape: float = 0.3) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(96, shape), count)


def test_cosines_agree_with_sklearn():
    left, right = drawn(0, 5), drawn(1, 7) * 1e6
    np.testing.assert_allclose(cosines(left, right), cosine_similarity(left, right), rtol=1e-13)
    assert cosines(np.zeros((1, 96)), right).tolist() == [[0.0] * 7]


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3)])
def test_assignment_is_the_best_of_all(shape):
    for seed in range(20):
        similarity = np.random.default_rng(seed).random(shape)
        tall = similarity if shape[0] <= shape[1] else similarity.T
        best = max(
            sum(tall[i, j] for i, j in enumerate(chosen))
            for chosen in itertools.permutations(range(tall.shape[1]), len(tall))
        )
        assert similarity[assigned(similarity)].sum() == pytest.approx(best)


def test_matches_find_a_mixed_and_noisy_copy():
    truth = drawn(0, 6)
    order = np.random.default_rng(1).permutation(6)
    noisy = truth[order] + 1e-3 * drawn(2, 6)
    found = matches(table(noisy / noisy.sum(1, keepdims=True), "E"), table(truth, "T"))
    assert found["reference"].tolist() == [f"T{i}" for i in order]
    assert found["nearest"].tolist() == found["reference"].tolist()
    assert found["cosine"].min() > 0.999


def test_a_duplicate_is_left_without_a_match():
    truth = drawn(0, 2)
    extracted = np.concatenate([truth, truth[:1] * 0.9 + truth[1:] * 0.1])
    found = matches(table(extracted, "E"), table(truth, "T")).set_index("extracted")
    assert found["reference"].tolist() == ["T0", "T1", None]
    assert np.isnan(found.loc["E2", "cosine"])
    assert found.loc["E2", "nearest"] == "T0"
    assert found.loc["E2", "nearest_cosine"] > 0.98


def test_columns_are_aligned_by_label():
    truth = table(drawn(0, 4), "T")
    mixed = truth.iloc[:, np.random.default_rng(0).permutation(96)].iloc[::-1]
    assert recovery(mixed, truth).mean_cosine == pytest.approx(1)
    with pytest.raises(InputError, match="the reference lacks the channel"):
        matches(truth, truth.drop(columns="A[C>A]A"))


def test_perfect_recovery_scores_one():
    scores = recovery(table(drawn(0, 5), "E"), table(drawn(0, 5), "T"))
    assert (scores.precision, scores.sensitivity, scores.f1) == pytest.approx((1, 1, 1), abs=1e-12)
    assert scores.mean_cosine == pytest.approx(1)
    assert scores.sd_cosine == pytest.approx(0, abs=1e-12)


def by_cosine(angle_cosines: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Signatures with exactly these cosines to others, each pair on channels of its own."""
    truth, extracted = np.zeros((len(angle_cosines), 96)), np.zeros((len(angle_cosines), 96))
    for i, cosine in enumerate(angle_cosines):
        truth[i, 2 * i] = 1
        extracted[i, [2 * i, 2 * i + 1]] = cosine, np.sqrt(1 - cosine**2)
    return extracted / extracted.sum(1, keepdims=True), truth


def test_scores_by_hand():
    extracted, truth = by_cosine([0.95, 0.8995, 0.7])
    # two extracted ones are too many: one like none of the true ones, one half like the first
    useless = np.zeros((2, 96))
    useless[0, 50] = 1
    useless[1, [0, 60]] = 0.5
    scores = recovery(table(np.concatenate([extracted, useless]), "E"), table(truth, "T"))
    # a hit reaches 0.95 at 150 of 200 steps and half a step by the trapezoid, 0.8995 at 99 and a half
    area = ((150 + 0.5) + (99 + 0.5)) / 200
    assert scores.precision == pytest.approx(area / 5)
    assert scores.sensitivity == pytest.approx(area / 3)
    assert scores.f1 == pytest.approx(2 * area / 8)
    assert scores.cosines.tolist() == pytest.approx([0.95, 0.8995, 0.7])
    assert scores.mean_cosine == pytest.approx((0.95 + 0.8995 + 0.7) / 3)
    assert scores.sd_cosine == pytest.approx(np.std([0.95, 0.8995, 0.7]))
    assert (scores.extracted, scores.true) == (5, 3)


def test_a_true_signature_without_a_match_counts_its_best_cosine():
    extracted, truth = by_cosine([0.9, 0.99])
    both = np.stack([truth[0], truth[1], 0.8 * truth[0] + 0.2 * truth[1]])
    scores = recovery(table(extracted, "E"), table(both, "T"))
    left_over = cosine_similarity(extracted, both)[:, 2].max()
    assert scores.cosines["T2"] == pytest.approx(left_over)
    assert scores.sensitivity == pytest.approx(((100 + 0.5) + (190 + 0.5)) / 200 / 3)


def test_a_matched_signature_counts_its_match_even_where_another_is_nearer():
    truth = np.zeros((2, 96))
    truth[0, 0], truth[1, [0, 1]] = 1, [0.9, 0.1]
    extracted = np.zeros((2, 96))
    extracted[0, 0], extracted[1, [1, 2]] = 1, 0.5  # the first is near to both true ones, the second a little to T1
    scores = recovery(table(extracted, "E"), table(truth, "T"))
    assert scores.cosines["T0"] == pytest.approx(1)
    assert scores.cosines["T1"] == pytest.approx(cosine_similarity(extracted, truth)[1, 1])
    assert cosine_similarity(extracted, truth)[0, 1] > 0.99


def test_anchored_takes_the_reference_where_it_matches():
    reference = table(drawn(0, 4), "R")
    near = 0.9 * reference.to_numpy()[[2, 0]] + 0.1 * drawn(5, 2)
    found = table(np.vstack([near, drawn(9, 1)]), "E")
    used = anchored(found, reference)
    assert used.index.tolist() == ["R2", "R0", "E2"]
    np.testing.assert_allclose(used.to_numpy(float)[:2], reference.loc[["R2", "R0"]].to_numpy(), rtol=1e-12)
    np.testing.assert_allclose(used.loc["E2"].to_numpy(float), found.loc["E2"].to_numpy(), rtol=1e-12)
    assert anchored(found, reference, least=1.0).index.tolist() == ["E0", "E1", "E2"]
    with pytest.raises(InputError, match=r"least=1\.2"):
        anchored(found, reference, least=1.2)
    with pytest.raises(InputError, match="'R0'"):
        anchored(found.rename(index={"E2": "R0"}), reference)
