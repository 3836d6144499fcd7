from __future__ import annotations

import random

import igraph
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.sparse import csr_matrix, triu
from sklearn import metrics
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from vaebench.data.simulate import simulate_cohort
from vaebench.errors import InputError
from vaebench.evaluation.baseline import pca_embedding
from vaebench.metrics.leiden import LeidenOptions, fuzzy_edges, knn_edges, leiden_scores
from vaebench.metrics.shared import neighbours
from vaebench.metrics.shared.communities import leiden_membership
from vaebench.metrics.shared.neighbours import nearest
from vaebench.metrics.shared.silhouette import silhouettes


def blobs(seed=0, size=30, latents=4):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), size).astype(np.int32)
    return (rng.normal(size=(3 * size, latents)) + 100 * labels[:, None]).astype(np.float32), labels


def brute_edges(z, others):
    edges = set()
    for i in range(len(z)):
        distance = np.sqrt(((z.astype(np.float64) - z[i].astype(np.float64)) ** 2).sum(axis=1))
        distance[i] = np.inf
        edges |= {(min(i, int(j)), max(i, int(j))) for j in np.argsort(distance)[:others]}
    return edges


def as_set(edges):
    return set(zip(*(e.tolist() for e in edges), strict=True))


@pytest.mark.parametrize(("include_self", "others"), [(True, 14), (False, 15)])
@pytest.mark.parametrize("offset", [0.0, 1e8])  # far from the origin a.a - 2a.b + b.b loses all digits
def test_edges_equal_a_brute_force_loop(include_self, others, offset):
    z = np.random.default_rng(1).normal(size=(120, 5)) + offset
    source, target = knn_edges(z, 15, include_self)
    assert as_set((source, target)) == brute_edges(z, others)
    assert (source < target).all()
    assert len(as_set((source, target))) == len(source)


@pytest.fixture(params=["numpy", "program"])
def way(request, monkeypatch):
    """Both ways to find candidates, of which the number of samples chooses one."""
    monkeypatch.setattr(neighbours, "_HOST_MOST", {"numpy": 10**9, "program": 0}[request.param])


@pytest.mark.parametrize("latents", [2, 10])
@pytest.mark.parametrize("kind", ["plain", "one_far", "tight"])
def test_neighbours_are_exact_where_float32_is_not(way, kind, latents):
    """Far from the centre, or in a cluster a million times tighter than the whole, rows are searched again."""
    rng = np.random.default_rng(5)
    z = rng.normal(size=(1500, latents))
    if kind != "plain":
        z[0] *= 1e4
    if kind == "tight":
        z[100:400] = z[100] + 1e-6 * rng.normal(size=(300, latents))
    index, distance = nearest(z, 14)
    squared = ((z[:, None] - z[None]) ** 2).sum(2)
    np.fill_diagonal(squared, np.inf)
    expected = np.argsort(squared, axis=1, kind="stable")[:, :14]
    np.testing.assert_array_equal(index, expected)
    np.testing.assert_allclose(distance, np.sqrt(np.take_along_axis(squared, expected, 1)), rtol=1e-6)


@pytest.mark.parametrize("samples", [12, 512, 700])
def test_neighbours_are_those_of_scikit_learn(way, samples):
    z = np.random.default_rng(samples).normal(size=(samples, 10))
    expected, index = NearestNeighbors(n_neighbors=9).fit(z).kneighbors()
    found, distance = nearest(z, 9)
    np.testing.assert_array_equal(found, index)
    np.testing.assert_allclose(distance, expected, rtol=1e-12)


def test_few_samples_compile_nothing(monkeypatch):
    monkeypatch.delattr(neighbours, "_program")
    nearest(np.random.default_rng(0).normal(size=(2000, 2)), 3)
    with pytest.raises(NameError):
        nearest(np.random.default_rng(0).normal(size=(2001, 2)), 3)


def test_a_duplicated_row_is_never_its_own_neighbour(way):
    z = np.repeat(np.random.default_rng(2).normal(size=(5, 2)), 4, axis=0)
    source, target = knn_edges(z, 4)
    assert (source < target).all()
    assert len(source) == 5 * 6  # 3 others each: every group of four equal rows is complete


def test_edges_are_permuted_with_the_samples_and_the_ari_stays():
    z, labels = blobs(3)
    order = np.random.default_rng(4).permutation(len(z))
    there = {(min(a, b), max(a, b)) for a, b in ((order[i], order[j]) for i, j in as_set(knn_edges(z[order])))}
    assert there == as_set(knn_edges(z))
    assert leiden_scores(z[order], labels[order])["ari"] == leiden_scores(z, labels)["ari"] == 1.0


def test_separated_blobs_are_found():
    scores = leiden_scores(*blobs())
    assert scores["ami"] == pytest.approx(1) == scores["nmi"] == scores["homogeneity"]
    assert (scores["ari"], scores["clusters"], scores["status"]) == (1.0, 3, "OK")


def test_ari_and_modularity_of_the_returned_membership():
    rng = np.random.default_rng(5)
    z, labels = rng.normal(size=(200, 3)), rng.integers(0, 4, 200)
    source, target = knn_edges(z)
    membership, modularity = leiden_membership(source, target, len(z))
    scores = leiden_scores(z, labels)
    assert scores["ari"] == pytest.approx(adjusted_rand_score(labels, membership), abs=1e-12)
    adjacency = np.zeros((200, 200))
    adjacency[source, target] = adjacency[target, source] = 1
    degree, total = adjacency.sum(1), adjacency.sum()
    same = membership[:, None] == membership[None]
    brute = ((adjacency - np.outer(degree, degree) / total) * same).sum() / total
    assert scores["modularity"] == pytest.approx(brute, abs=1e-12) == pytest.approx(modularity, abs=1e-12)
    assert scores["clusters"] == len(np.unique(membership)) > 1


def test_two_cliques_and_a_bridge_have_the_modularity_done_by_hand():
    edges = [(i, j) for base in (0, 4) for i in range(base, base + 4) for j in range(i + 1, base + 4)] + [(3, 4)]
    source, target = np.array(edges).T
    membership, modularity = leiden_membership(source, target, 8)
    assert len(set(membership[:4])) == len(set(membership[4:])) == 1
    assert modularity == pytest.approx(2 * (6 / 13 - (13 / 26) ** 2), abs=1e-12)


def test_the_same_seed_gives_the_same_clusters_and_options_count():
    z = np.random.default_rng(6).normal(size=(300, 5))
    edges = knn_edges(z)
    first, again = (leiden_membership(*edges, 300, seed=7)[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert any((leiden_membership(*edges, 300, seed=s)[0] != first).any() for s in range(5))
    assert len(knn_edges(z, 8)[0]) < len(edges[0]) < len(knn_edges(z, include_self=False)[0])


@pytest.mark.parametrize(
    ("z", "status"),
    [
        (np.full((40, 2), np.nan), "NAN_EMBEDDING: 40 of 40"),
        (np.r_[np.full((1, 2), np.inf), np.ones((39, 2))], "NAN_EMBEDDING: 1 of 40"),
        (np.ones((40, 2)), "COLLAPSED"),
        (np.random.default_rng(0).normal(size=(15, 2)), "TOO_FEW_SAMPLES: 15 samples, at least 16"),
    ],
)
def test_odd_embeddings_have_a_status_and_nan_scores(z, status):
    scores = leiden_scores(z, np.arange(len(z)) % 3)
    assert scores["status"].startswith(status)
    assert np.isnan([scores["ari"], scores["clusters"], scores["modularity"]]).all()


def test_names_of_labels_change_no_score():
    z, labels = blobs()
    renamed = np.array(["z", "b", "k"])[labels]
    assert leiden_scores(z, renamed) == pytest.approx(leiden_scores(z, labels), nan_ok=True)


def test_bad_options_are_one_sentence():
    with pytest.raises(InputError, match="neighbours=1 leaves no other sample"):
        leiden_scores(*blobs(), LeidenOptions(neighbours=1))
    with pytest.raises(InputError, match="14 neighbours need at least 15 samples, got 10"):
        knn_edges(np.zeros((10, 2)))
    for bad in ({"weights": "soft"}, {"engine": "louvain"}, {"resolution": 0}, {"iterations": 0}, {"seeds": ()}):
        with pytest.raises(InputError, match=f"Leiden's {next(iter(bad))}"):
            LeidenOptions(**bad)


def test_fuzzy_weights_solve_their_equation():
    z = np.random.default_rng(7).normal(size=(80, 4))
    z[:3] = z[0]  # duplicates: rho is the distance to the nearest that differs
    source, target, weight = fuzzy_edges(z, 10)
    assert as_set((source, target)) == as_set(knn_edges(z, 10))
    distance = np.sqrt(((z[:, None] - z[None]) ** 2).sum(-1))
    np.fill_diagonal(distance, np.inf)
    one, (index, _) = np.zeros((80, 80)), nearest(z, 9)
    for i in range(80):
        near = index[i]
        d = distance[i, near]
        beyond = np.clip(d - d[d > 0].min(), 0, None)
        excess = lambda s, beyond=beyond: np.exp(-beyond / s).sum() - np.log2(10)  # noqa: E731
        one[i, near] = np.exp(-beyond / brentq(excess, 1e-6, 1e6, xtol=1e-14))
    both = one + one.T - one * one.T
    np.testing.assert_allclose(weight, both[source, target], atol=1e-9)


def test_several_seeds_give_means_and_spreads_and_engines_agree_on_blobs():
    rng = np.random.default_rng(8)
    z, labels = rng.normal(size=(150, 3)), rng.integers(0, 3, 150)
    seeds = [leiden_scores(z, labels, LeidenOptions(seeds=(s,))) for s in (1, 2, 3)]
    together = leiden_scores(z, labels, LeidenOptions(seeds=(1, 2, 3)))
    for name in ("ari", "ami", "nmi", "homogeneity", "clusters", "modularity", "silhouette"):
        values = [s[name] for s in seeds]
        assert together[name] == pytest.approx(np.mean(values))
        assert together[name + "_spread"] == pytest.approx(np.ptp(values))
        assert seeds[0][name + "_spread"] == 0
    for options in (LeidenOptions(engine="igraph"), LeidenOptions(weights="fuzzy")):
        assert leiden_scores(*blobs(), options)["ari"] == 1.0
    fine = leiden_scores(z, labels, LeidenOptions(resolution=4.0))
    assert fine["clusters"] > seeds[0]["clusters"]
    igraph = LeidenOptions(engine="igraph", seeds=(5,))
    state = random.getstate()
    assert leiden_scores(z, labels, igraph) == leiden_scores(z, labels, igraph)
    assert random.getstate() == state


def test_agreement_scores_equal_sklearn():
    rng = np.random.default_rng(9)
    z, labels = rng.normal(size=(120, 3)) + 200, rng.integers(0, 3, 120)
    scores = leiden_scores(z, labels)
    found, _ = leiden_membership(*knn_edges(z), 120)
    assert scores["ami"] == pytest.approx(metrics.adjusted_mutual_info_score(labels, found))
    assert scores["nmi"] == pytest.approx(metrics.normalized_mutual_info_score(labels, found))
    assert scores["homogeneity"] == pytest.approx(metrics.homogeneity_score(labels, found))
    assert scores["silhouette"] == pytest.approx(metrics.silhouette_score(z, found), abs=1e-6)
    assert scores["label_silhouette"] == pytest.approx(metrics.silhouette_score(z, labels), abs=1e-6)


@pytest.mark.parametrize("far", [1.0, 1e3, 1e4, 1e6])
def test_silhouettes_of_groups_that_are_far_apart_are_scikit_learns(far):
    """Squared distances within a group are then far below the rounding of squared norms in single precision."""
    rng = np.random.default_rng(0)
    code = np.repeat([0, 1, 2, 3], 50)
    z = 0.2 * rng.normal(size=(200, 3)) + far * np.eye(3)[[0, 0, 1, 1]][code] + 0.5 * np.eye(3)[[2, 0, 2, 0]][code]
    pairs = code // 2
    found = silhouettes(z, [code, pairs])
    np.testing.assert_allclose(found, [metrics.silhouette_score(z, c) for c in (code, pairs)], atol=2e-4)


@pytest.mark.filterwarnings("ignore")  # scanpy's warnings about its own future are not ours to mend
def test_graph_and_ari_equal_scanpys():
    """The same edges, weights to 1e-5, and over Leiden's random order the same ARI and modularity."""
    scanpy = pytest.importorskip("scanpy", reason="scanpy is not installed")
    data, _ = simulate_cohort(0, samples=400, genes=150, types=8)
    assert data.labels is not None
    z = pca_embedding(data.x, 10).astype(np.float32)
    cells = scanpy.AnnData(z)
    scanpy.pp.neighbors(cells, n_neighbors=15, use_rep="X")
    theirs = triu(cells.obsp["connectivities"]).tocoo()
    near = cells.obsp["distances"].tocoo()
    assert as_set(knn_edges(z, 15)) == {(min(i, j), max(i, j)) for i, j in zip(near.row, near.col, strict=True)}
    source, target, weight = fuzzy_edges(z, 15)
    ours = csr_matrix((weight, (source, target)), shape=theirs.shape)
    np.testing.assert_allclose(ours.toarray(), theirs.toarray(), atol=1e-5)
    ari, quality = [], []
    for seed in range(10):
        scanpy.tl.leiden(cells, flavor="leidenalg", n_iterations=-1, random_state=seed, directed=False)
        found = [cells.obs["leiden"].astype(int).to_numpy()]
        found.append(leiden_membership(source, target, len(z), weights=weight, seed=seed)[0])
        ari.append([adjusted_rand_score(data.labels, m) for m in found])
        graph = igraph.Graph(n=len(z), edges=np.column_stack([source, target]).tolist())
        quality.append([graph.modularity(m.tolist(), weights=weight.tolist()) for m in found])
    (their_ari, our_ari), (their_quality, our_quality) = np.mean(ari, axis=0), np.mean(quality, axis=0)
    assert 0.5 < our_ari < 0.95  # an example on which methods could differ
    assert our_ari == pytest.approx(their_ari, abs=0.03)
    assert our_quality == pytest.approx(their_quality, abs=0.003)
