"""Agreement of Leiden clusters of an embedding with the known labels."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from vaebench.errors import InputError
from vaebench.metrics.shared.neighbours import nearest
from vaebench.metrics.shared.silhouette import silhouettes
from vaebench.types import Dataset, Given, Metric

_OF_CLUSTERS = ("ari", "ami", "nmi", "homogeneity", "clusters", "modularity", "silhouette")
SCORES = (*_OF_CLUSTERS, *(f"{name}_spread" for name in _OF_CLUSTERS), "label_silhouette", "seeds")


@dataclasses.dataclass(frozen=True)
class LeidenOptions:
    """What may be chosen; the defaults are the protocol of the expression study.

    Attributes:
        neighbours: size of a neighbourhood.
        include_self: the sample counts as one of its ``neighbours`` (15 means 14 others).
        weights: ``"binary"``, or ``"fuzzy"`` (UMAP's smooth memberships, as scanpy uses).
        engine: ``"leidenalg"`` (the reference), or ``"igraph"`` (its own implementation, 10 to 20 times faster; on poor
            embeddings its clusters differ).
        resolution: 1 is modularity; larger values give more clusters (Reichardt & Bornholdt 2006).
        iterations: passes over the graph, -1 for until nothing improves.
        seeds: of Leiden's random order; scores are means over them.
    """

    neighbours: int = 15
    include_self: bool = True
    weights: str = "binary"
    engine: str = "leidenalg"
    resolution: float = 1.0
    iterations: int = -1
    seeds: tuple[int, ...] = (42,)

    def __post_init__(self) -> None:
        least = 1 + int(self.include_self)
        if self.neighbours < least:
            raise InputError(
                f"neighbours={self.neighbours} leaves no other sample (include_self={self.include_self}): "
                f"at least {least}"
            )
        for field, allowed in (("weights", ("binary", "fuzzy")), ("engine", ("leidenalg", "igraph"))):
            if getattr(self, field) not in allowed:
                raise InputError(
                    f"Leiden's {field} is {getattr(self, field)!r}; it must be one of {', '.join(allowed)}"
                )
        if not (math.isfinite(self.resolution) and self.resolution > 0):
            raise InputError(f"Leiden's resolution is {self.resolution}; it must be a positive number")
        if self.iterations == 0 or self.iterations < -1:
            raise InputError(
                f"Leiden's iterations is {self.iterations}; it must be at least 1, or -1 for until the end"
            )
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise InputError(f"Leiden's seeds are {self.seeds}; at least one is needed, each of them once")


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
    LeidenOptions(neighbours, include_self)  # for its checks
    index, _ = nearest(z, neighbours - int(include_self))
    return _joined(index)[:2]


def fuzzy_edges(
    z: np.ndarray, neighbours: int = 15, include_self: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The edges of :func:`knn_edges` with their weights: fuzzy memberships (McInnes, Healy & Melville 2018, section 3.1).

    w_ij = exp(-max(0, d_ij - rho_i) / s_i), rho_i the distance to the nearest sample that differs, s_i such that
    sum_j w_ij over the others = log2 k with k = ``neighbours``; symmetric by w + w' - w w'. As in UMAP's code s_i
    is at least 0.001 of the mean distance.

    Returns:
        ``(source, target, weight)``.
    """
    LeidenOptions(neighbours, include_self)
    index, distance = nearest(z, neighbours - int(include_self))
    positive = np.where(distance > 0, distance, np.inf).min(axis=1)
    rho = np.where(np.isfinite(positive), positive, 0.0)[:, None]
    beyond = np.clip(distance - rho, 0, None)
    low, high = np.zeros(len(z)), np.full(len(z), np.inf)
    scale, wanted = np.ones(len(z)), math.log2(neighbours)
    # bisection as UMAP does it: the sum of memberships grows with the scale, the sample itself is not counted
    for _ in range(64):
        total = np.exp(-beyond / scale[:, None]).sum(axis=1)
        over = total > wanted
        high, low = np.where(over, scale, high), np.where(over, low, scale)
        scale = np.where(np.isfinite(high), 0.5 * (low + np.where(np.isfinite(high), high, 0)), 2 * scale)
    own_mean = distance.sum(axis=1) / (distance.shape[1] + 1)  # UMAP's mean counts the distance 0 to itself
    floor = 1e-3 * np.where(rho[:, 0] > 0, own_mean, distance.sum() / (distance.size + len(z)))
    scale = np.maximum(scale, np.maximum(floor, np.finfo(float).tiny))
    weight = np.exp(-beyond / scale[:, None])
    source, target, code, forward = _joined(index)
    both = np.zeros((2, len(source)))
    both[1 - forward.astype(int), np.searchsorted(source * len(z) + target, code)] = weight.ravel()
    joint = both[0] + both[1] - both[0] * both[1]
    return source, target, joint


def _joined(index: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Source and target of the undirected edges; of each neighbour its edge's code, and whether it is the larger end."""
    samples, others = index.shape
    rows = np.repeat(np.arange(samples, dtype=np.int64), others)
    columns = index.ravel()
    codes = np.minimum(rows, columns) * samples + np.maximum(rows, columns)
    unique = np.unique(codes)
    return unique // samples, unique % samples, codes, rows < columns


def leiden_membership(
    source: np.ndarray,
    target: np.ndarray,
    samples: int,
    *,
    weights: np.ndarray | None = None,
    seed: int = 42,
    iterations: int = -1,
    resolution: float = 1.0,
    engine: str = "leidenalg",
) -> tuple[np.ndarray, float]:
    """Clusters [N] (int32, 0 is the largest) and modularity of an undirected graph.

    Q = sum_c [m_c / m - resolution (d_c / 2m)^2] with m the weight of all edges, m_c of those within cluster c and d_c
    its summed degrees (Newman 2004; Reichardt & Bornholdt 2006), maximised by Leiden (Traag, Waltman & van Eck 2019).
    The modularity returned is at resolution 1, so that it can be compared.

    Args:
        source: [edges] positions.
        target: [edges] positions.
        samples: N.
        weights: [edges], positive; 1 without.
        seed: of Leiden's own random order; the same seed and graph give the same clusters.
        iterations: passes over the graph, -1 for until nothing improves.
        resolution: see Q.
        engine: ``"leidenalg"`` or ``"igraph"``.
    """
    import igraph

    graph = igraph.Graph(n=samples, edges=np.column_stack([source, target]).tolist())
    heavy = None if weights is None else weights.tolist()
    if engine == "igraph":
        membership = _igraph_membership(graph, heavy, seed, iterations, resolution)
    else:
        import leidenalg

        kind: Any = leidenalg.ModularityVertexPartition
        more: dict[str, Any] = {}
        if resolution != 1.0:
            kind, more = leidenalg.RBConfigurationVertexPartition, {"resolution_parameter": resolution}
        partition = leidenalg.find_partition(graph, kind, weights=heavy, n_iterations=iterations, seed=seed, **more)
        membership = partition.membership
    _, found, sizes = np.unique(membership, return_inverse=True, return_counts=True)
    order = np.empty(len(sizes), np.int32)
    order[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return order[found], float(graph.modularity(membership, weights=heavy))


def _igraph_membership(graph: Any, weights: Any, seed: int, iterations: int, resolution: float) -> list[int]:
    import random

    import igraph

    # igraph draws from a module-wide generator: it gets one of its own for this call, and Python's back afterwards
    igraph.set_random_number_generator(random.Random(seed))
    try:
        return graph.community_leiden(
            objective_function="modularity", weights=weights, resolution=resolution, n_iterations=iterations
        ).membership
    finally:
        igraph.set_random_number_generator(random)


def leiden_scores(
    z: np.ndarray,
    labels: np.ndarray,
    options: LeidenOptions = LeidenOptions(),
) -> dict[str, Any]:
    """Agreement of Leiden clusters of z [N, L] with labels [N]; the protocol of the expression study by default.

    Returns:
        Means over the seeds of ``ari`` (adjusted Rand index, Hubert & Arabie 1985: 1 for equal partitions, 0 expected by
        chance), ``ami`` (adjusted mutual information, Vinh et al. 2010), ``nmi`` (normalised by the mean of both
        entropies), ``homogeneity`` (Rosenberg & Hirschberg 2007), ``clusters`` (number), ``modularity`` and
        ``silhouette`` (Rousseeuw 1987, of the clusters in z; 0 for one cluster); each with ``_spread``, the largest less
        the smallest over the seeds; ``label_silhouette`` (of the labels), ``seeds`` (number) and ``status``. The scores
        are NaN when status is ``NAN_EMBEDDING``, ``TOO_FEW_SAMPLES`` (fewer than ``neighbours`` + 1) or ``COLLAPSED``
        (all rows equal); ``ONE_CLASS`` (all labels equal) leaves those that need no classes.

    Deviates:
        The released code clusters a posterior sample; this function clusters the z it is given.
    """
    from sklearn import metrics

    scores: dict[str, Any] = dict.fromkeys(SCORES, math.nan)
    bad = int((~np.isfinite(z).all(axis=1)).sum())
    if bad:
        return scores | {"status": f"NAN_EMBEDDING: {bad} of {len(z)} samples are not finite"}
    if len(z) < options.neighbours + 1:
        return scores | {"status": f"TOO_FEW_SAMPLES: {len(z)} samples, at least {options.neighbours + 1} are needed"}
    if (z == z[:1]).all():
        return scores | {"status": f"COLLAPSED: all {len(z)} samples have the same embedding"}
    members, modularities = _clusterings(z, options)
    widths = silhouettes(z, [*members, labels])
    rows = {
        "clusters": [int(m.max()) + 1 for m in members],
        "modularity": modularities,
        "silhouette": widths[:-1],
    }
    status = "OK"
    if (labels == labels[:1]).all():
        status = "ONE_CLASS: all samples have the same label, so there is nothing to agree with"
    else:
        rows |= {
            "ari": [metrics.adjusted_rand_score(labels, m) for m in members],
            "ami": [metrics.adjusted_mutual_info_score(labels, m) for m in members],
            "nmi": [metrics.normalized_mutual_info_score(labels, m) for m in members],
            "homogeneity": [metrics.homogeneity_score(labels, m) for m in members],
        }
        scores["label_silhouette"] = widths[-1]
    for name, values in rows.items():
        scores[name] = float(np.mean(values)) if len(values) > 1 or name != "clusters" else values[0]
        scores[f"{name}_spread"] = float(np.ptp(values))
    return scores | {"seeds": len(options.seeds), "status": status}


def _clusterings(z: np.ndarray, options: LeidenOptions) -> tuple[list[np.ndarray], list[float]]:
    """Clusters [N] and modularity of each seed."""
    weights = None
    if options.weights == "fuzzy":
        source, target, weights = fuzzy_edges(z, options.neighbours, options.include_self)
        positive = weights > 0
        source, target, weights = source[positive], target[positive], weights[positive]
    else:
        source, target = knn_edges(z, options.neighbours, options.include_self)
    found = [
        leiden_membership(
            source,
            target,
            len(z),
            weights=weights,
            seed=seed,
            iterations=options.iterations,
            resolution=options.resolution,
            engine=options.engine,
        )
        for seed in options.seeds
    ]
    return [m for m, _ in found], [q for _, q in found]


def _compute(
    z: np.ndarray,
    dataset: Dataset,
    given: Given = Given(),  # noqa: B008 - an immutable tuple
    *,
    options: LeidenOptions = LeidenOptions(),
) -> dict[str, Any]:
    assert dataset.labels is not None  # held by `needs`, see evaluation.check_metrics
    return leiden_scores(z, dataset.labels, options)


METRIC = Metric(
    name="leiden",
    needs=("labels",),
    where="host",
    compute=_compute,
    reference="Traag, Waltman & van Eck 2019 (leidenalg, ModularityVertexPartition)",
    scores=SCORES,
    options=LeidenOptions(),
    packages=lambda options: ("igraph",) if options.engine == "igraph" else ("igraph", "leidenalg"),
)
