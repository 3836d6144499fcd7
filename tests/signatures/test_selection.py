"""Consensus against every possible clustering, silhouettes against scikit-learn, and the choice of K by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples

from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.errors import InputError
from vaebench.signatures.kl_nmf import factorise, random_starts
from vaebench.signatures.matching import assigned, cosines
from vaebench.signatures.selection import ROUNDS, CandidateNumber, cluster_silhouettes, consensus_of, selection_table


def planted(seed: int, restarts: int, size: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Signatures [R, K, 96], each restart a noisy copy in an order of its own, and the cluster of each row [R, K]."""
    rng = np.random.default_rng(seed)
    truth = rng.dirichlet(np.full(96, 0.3), size)
    labels = np.array([rng.permutation(size) for _ in range(restarts)])
    noisy = (1 - noise) * truth[labels] + noise * rng.dirichlet(np.full(96, 0.3), (restarts, size))
    return noisy, labels


def total_cosine(runs: np.ndarray, members: np.ndarray) -> float:
    """Sum over the clusters of the cosines between members and their mean direction: the length of their sum."""
    unit = runs / np.linalg.norm(runs, axis=2, keepdims=True)
    chosen = np.take_along_axis(unit, members[:, :, None], axis=1)
    return float(np.linalg.norm(chosen.sum(axis=0), axis=1).sum())


def best_of_all(runs: np.ndarray) -> float:
    restarts, size = runs.shape[:2]
    orders = [np.array(order) for order in itertools.permutations(range(size))]
    others = itertools.product(orders, repeat=restarts - 1)  # the first restart's order only names the clusters
    return max(total_cosine(runs, np.stack([orders[0], *chosen])) for chosen in others)


@pytest.mark.parametrize(("restarts", "size", "noise"), [(4, 3, 0.2), (3, 4, 0.3), (4, 3, 0.5), (5, 2, 0.6)])
def test_clusters_are_the_best_of_all(restarts, size, noise):
    for seed in range(4):
        runs, labels = planted(seed, restarts, size, noise)
        found = consensus_of(runs)
        assert total_cosine(runs, found.members) == pytest.approx(best_of_all(runs), rel=1e-12)
        if noise < 0.5:
            names = np.take_along_axis(labels, found.members, axis=1)
            assert (names == names[:1]).all()


@pytest.mark.parametrize("seed", range(5))
def test_no_restart_can_be_assigned_better_where_nothing_repeats(seed):
    runs = np.random.default_rng(seed).dirichlet(np.full(96, 0.1), (6, 5))
    found = consensus_of(runs, seed)
    assert found.rounds < ROUNDS
    unit = runs / np.linalg.norm(runs, axis=2, keepdims=True)
    centroids = np.take_along_axis(unit, found.members[:, :, None], axis=1).mean(axis=0)
    for own, order in zip(unit, found.members, strict=True):
        similarity = cosines(own, centroids)
        assert similarity[order, np.arange(5)].sum() == pytest.approx(similarity[assigned(similarity)].sum())


def test_every_restart_gives_one_member_and_signatures_are_their_means():
    runs, _ = planted(0, 7, 5, 0.2)
    runs[3, 1] = runs[3, 0]  # a duplicate still goes to a cluster of its own
    scaled = runs * np.random.default_rng(1).uniform(0.1, 100, (7, 5, 1))
    found = consensus_of(scaled)
    assert (np.sort(found.members, axis=1) == np.arange(5)).all()
    np.testing.assert_array_equal(found.members, consensus_of(runs).members)
    turned = consensus_of(runs[:, ::-1])
    assert total_cosine(runs[:, ::-1], turned.members) == pytest.approx(total_cosine(runs, found.members))
    members = np.take_along_axis(runs, found.members[:, :, None], axis=1)
    np.testing.assert_allclose(found.signatures, members.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.signatures.sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.5, 0.9])
def test_silhouettes_agree_with_sklearn(noise):
    runs, _ = planted(2, 6, 4, noise)
    found = consensus_of(runs)
    rows = np.take_along_axis(runs, found.members[:, :, None], axis=1)
    widths = silhouette_samples(rows.reshape(-1, 96), np.tile(np.arange(4), 6), metric="cosine").reshape(6, 4)
    np.testing.assert_allclose(found.silhouettes, widths.mean(axis=0), rtol=1e-9, atol=1e-9)


def test_silhouettes_where_there_is_nothing_to_compare():
    runs = np.random.default_rng(0).dirichlet(np.ones(96), (4, 3))
    assert cluster_silhouettes(runs[:, :1]).tolist() == [1.0]
    assert cluster_silhouettes(runs[:1]).tolist() == [0.0] * 3
    assert cluster_silhouettes(np.broadcast_to(runs[:1, :1], (4, 3, 96))).tolist() == [0.0] * 3
    assert consensus_of(runs[:1]).silhouettes.tolist() == [0.0] * 3
    same = consensus_of(np.broadcast_to(runs[:1, :1], (4, 3, 96)))
    np.testing.assert_allclose(same.signatures, [runs[0, 0]] * 3, rtol=1e-12)


@pytest.mark.slow
def test_too_many_signatures_are_less_stable(key):
    counts = simulate_catalogue(3, tumours=80, signatures=4, types=2)[0].to_numpy()
    found = {k: factorise(counts, *random_starts(key, counts, k, 6), iterations=600) for k in (4, 6)}
    clusters = {k: consensus_of(runs.signatures).silhouettes for k, runs in found.items()}
    assert clusters[6].mean() < clusters[4].mean() - 0.1
    rows = [CandidateNumber(k, clusters[k], found[k].divergence.mean(), np.nan, np.nan, np.nan) for k in (4, 6)]
    assert chosen(selection_table(rows)) == [4]


def test_consensus_refuses_failed_restarts():
    runs, _ = planted(0, 3, 3, 0.1)
    with pytest.raises(InputError, match=r"must be \[R, K, M\]"):
        consensus_of(runs[:0])
    for value in (0.0, np.nan, -1.0):
        broken = runs.copy()
        broken[1, 2] = value
        with pytest.raises(InputError, match="signature 3 of restart 2"):
            consensus_of(broken)


def schwarz(deviance, nonzeros, k, samples):
    """deviance + nonzeros ln 96 + 95 k ln samples, by hand."""
    return deviance + nonzeros * np.log(96) + 95 * k * np.log(samples)


def candidates(samples=100, **changed) -> list[CandidateNumber]:
    known = {
        2: CandidateNumber(2, [0.99, 0.98], 9.0, 5000.0, 180, np.nan),
        3: CandidateNumber(3, [0.95, 0.9, 0.85], 5.0, 2000.0, 240, np.nan),
        4: CandidateNumber(4, [0.9, 0.8, 0.7, 0.5], 4.0, 1900.0, 300, np.nan),
        5: CandidateNumber(5, [0.95, 0.95, 0.95, 0.95, 0.1], 3.0, 1850.0, 350, np.nan),
        6: CandidateNumber(6, [0.6] * 6, 2.0, 1800.0, 400, np.nan),
    }
    found = [known[k]._replace(**changed) for k in (4, 2, 6, 3, 5)]
    return [c._replace(criterion=schwarz(c.deviance, c.nonzeros, c.k, samples)) for c in found]


def chosen(table) -> list[int]:
    return table.loc[table["chosen"], "k"].tolist()


def test_stability_rule_by_hand():
    table = selection_table(candidates())
    assert table["k"].tolist() == [2, 3, 4, 5, 6]
    assert chosen(table) == [4]
    assert table["mean_silhouette"].tolist() == pytest.approx([0.985, 0.9, 0.725, 0.78, 0.6])
    assert table["status"].tolist() == [
        "OK",
        "OK",
        "OK",
        "UNSTABLE: lowest silhouette 0.10 is below 0.2",
        "UNSTABLE: mean silhouette 0.60 is below 0.7",
    ]
    assert chosen(selection_table(candidates(), mean_silhouette=0.73)) == [3]
    assert chosen(selection_table(candidates(), min_silhouette=0.05)) == [5]


def test_criterion_by_hand():
    table = selection_table(candidates(), rule="criterion")
    expected = 2000 + 240 * np.log(96) + 95 * 3 * np.log(100)
    assert table["criterion"].tolist()[1] == pytest.approx(expected)
    assert chosen(table) == [3]
    assert set(table["status"]) == {"OK"}
    # with a tenth of the tumours' evidence the smallest is cheapest
    assert chosen(selection_table(candidates(deviance=1000.0), rule="criterion")) == [2]
    flat = selection_table(candidates(1, deviance=0.0, nonzeros=0), rule="criterion")
    assert chosen(flat) == [2]  # all equal


def test_no_stable_number_is_said_and_the_most_stable_taken():
    table = selection_table(candidates(), mean_silhouette=0.995)
    assert chosen(table) == [2]
    assert table["status"].str.startswith("UNSTABLE").all()


def test_failed_candidates_are_never_chosen():
    table = selection_table([c._replace(status="DIVERGED: all restarts") if c.k == 4 else c for c in candidates()])
    assert chosen(table) == [3]
    assert table["status"].tolist()[2] == "DIVERGED: all restarts"
    assert chosen(selection_table(candidates(status="DIVERGED"))) == []
    unknown = selection_table(candidates(error=np.nan))
    assert chosen(unknown) == [2]
    assert unknown["status"].tolist()[0] == "UNKNOWN: its error is not a number"
    without = [c._replace(criterion=np.nan) if c.k == 3 else c for c in candidates()]  # which is chosen with one
    table = selection_table(without, rule="criterion")
    assert chosen(table) == [4]
    assert table["status"].tolist()[1] == "UNKNOWN: its criterion is not a number"


def test_selection_refuses():
    with pytest.raises(InputError, match="stability, criterion"):
        selection_table(candidates(), rule="elbow")
    with pytest.raises(InputError, match="at least one"):
        selection_table([])
    with pytest.raises(InputError, match="only once"):
        selection_table(candidates()[:1] * 2)
