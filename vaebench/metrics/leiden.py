"""Agreement of Leiden clusters of an embedding with the known labels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vaebench.types import Dataset, InputError, Metric

SCORES = ("ari", "clusters", "modularity")


def knn_edges(z: np.ndarray, neighbours: int = 15, include_self: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Edges of the undirected graph of exact Euclidean nearest neighbours.

    Two samples are joined when one of them is among the nearest of the other; no loops, no weights.

    Args:
        z: [N, L] finite embedding.
        neighbours: size of a neighbourhood.
        include_self: the sample counts as one of its ``neighbours`` (15 means 14 others), as in the released code of
            the expression study.

    Returns:
        ``(source, target)``, int64 [edges] each, ``source < target``, sorted and unique. Among samples at
        exactly equal distance (duplicated rows) position decides; only then do edges depend on the order of samples.

    Raises:
        InputError: fewer than one other neighbour asked for, or fewer samples than that.
    """
    from sklearn.neighbors import NearestNeighbors

    samples, others = len(z), _others(neighbours, include_self)
    if samples <= others:
        raise InputError(f"neighbours={neighbours} needs at least {others + 1} samples, got {samples}")
    # Distances are computed as a.a - 2a.b + b.b, which loses digits far from the origin: centre in float64 first.
    z = np.asarray(z, np.float64)
    z = z - z.mean(axis=0)
    # Without an argument kneighbors leaves the sample itself out by position, which stays right among duplicated rows.
    found = NearestNeighbors(n_neighbors=others, algorithm="brute").fit(z).kneighbors(return_distance=False)
    rows = np.repeat(np.arange(samples, dtype=np.int64), others)
    columns = np.asarray(found, np.int64).ravel()
    code = np.unique(np.minimum(rows, columns) * samples + np.maximum(rows, columns))
    return code // samples, code % samples


def leiden_membership(
    source: np.ndarray, target: np.ndarray, samples: int, *, seed: int = 42, iterations: int = -1
) -> tuple[np.ndarray, float]:
    """Clusters [N] (int32, 0 is the largest) and modularity of an undirected, unweighted graph.

    Q = sum_c [m_c / m - (d_c / 2m)^2] with m edges, m_c edges within cluster c and d_c its summed degrees
    (Newman 2004), maximised by Leiden (Traag, Waltman & van Eck 2019) as in ``leidenalg``.

    Args:
        source: [edges] positions.
        target: [edges] positions.
        samples: N.
        seed: of Leiden's own random order; the same seed and graph give the same clusters.
        iterations: passes over the graph, -1 for until nothing improves.
    """
    import igraph
    import leidenalg

    graph = igraph.Graph(n=samples, edges=np.column_stack([source, target]).tolist())
    partition = leidenalg.find_partition(graph, leidenalg.ModularityVertexPartition, n_iterations=iterations, seed=seed)
    return np.asarray(partition.membership, np.int32), float(graph.modularity(partition.membership))


def leiden_scores(
    z: np.ndarray,
    labels: np.ndarray,
    *,
    neighbours: int = 15,
    include_self: bool = True,
    seed: int = 42,
    iterations: int = -1,
) -> dict[str, Any]:
    """Adjusted Rand index (Hubert & Arabie 1985) of Leiden clusters of z [N, L] against labels [N].

    The protocol of the expression study: 15 nearest neighbours (the sample itself is one of them), undirected and
    unweighted, modularity, until nothing improves, seed 42; all can be changed.

    Returns:
        ``ari`` (1 for equal partitions, 0 expected by chance), ``clusters`` (number), ``modularity`` (of the clusters
        found) and ``status``. The scores are NaN when status is ``NAN_EMBEDDING``, ``TOO_FEW_SAMPLES`` (fewer than
        ``neighbours`` + 1) or ``COLLAPSED`` (all rows equal).

    Raises:
        InputError: a neighbourhood without any other sample.

    Deviates:
        The released code clusters a posterior sample; this function clusters the z it is given.
    """
    from sklearn.metrics import adjusted_rand_score

    _others(neighbours, include_self)
    scores: dict[str, Any] = dict.fromkeys(SCORES, math.nan)
    bad = int((~np.isfinite(z).all(axis=1)).sum())
    if bad:
        return scores | {"status": f"NAN_EMBEDDING: {bad} of {len(z)} samples are not finite"}
    if len(z) < neighbours + 1:
        return scores | {"status": f"TOO_FEW_SAMPLES: {len(z)} samples, at least {neighbours + 1} are needed"}
    if (z == z[:1]).all():
        return scores | {"status": f"COLLAPSED: all {len(z)} samples have the same embedding"}
    source, target = knn_edges(z, neighbours, include_self)
    membership, modularity = leiden_membership(source, target, len(z), seed=seed, iterations=iterations)
    return {
        "ari": float(adjusted_rand_score(labels, membership)),
        "clusters": int(membership.max()) + 1,
        "modularity": modularity,
        "status": "OK",
    }


def _others(neighbours: int, include_self: bool) -> int:
    """Number of other samples in a neighbourhood."""
    others = neighbours - int(include_self)
    if others < 1:
        least = 1 + int(include_self)
        raise InputError(
            f"neighbours={neighbours} leaves no other sample (include_self={include_self}): at least {least}"
        )
    return others


def _compute(z: np.ndarray, dataset: Dataset) -> dict[str, Any]:
    assert dataset.labels is not None  # held by `needs`, see evaluation.check_metrics
    return leiden_scores(z, dataset.labels)


METRIC = Metric(
    name="leiden",
    needs=("labels",),
    where="host",
    compute=_compute,
    reference="Traag, Waltman & van Eck 2019 (leidenalg, ModularityVertexPartition)",
    scores=SCORES,
)
