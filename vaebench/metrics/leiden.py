"""Agreement of Leiden clusters of an embedding with the known labels.

1. graph     join each sample with its nearest neighbours                  (``knn_edges``, ``fuzzy_edges``)
2. clusters  maximise the modularity of the graph by Leiden, once a seed    (``leiden_membership``)
3. scores    compare the clusters with the labels; average over the seeds   (``leiden_scores``)
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from vaebench.errors import InputError
from vaebench.metrics.shared.communities import leiden_membership
from vaebench.metrics.shared.factors import embedding_problem
from vaebench.metrics.shared.neighbours import nearest
from vaebench.metrics.shared.silhouette import silhouettes
from vaebench.types import Dataset, Given, Metric

_OF_CLUSTERS = ("ari", "ami", "nmi", "homogeneity", "clusters", "modularity", "silhouette")
SCORES = (*_OF_CLUSTERS, *(f"{name}_spread" for name in _OF_CLUSTERS), "label_silhouette", "seeds")


@dataclasses.dataclass(frozen=True)
class LeidenOptions:
    """Options of ``leiden``; the defaults are the protocol of the expression study.

    Attributes:
        neighbours: size of a neighbourhood.
        include_self: the sample counts as one of its ``neighbours`` (15 means 14 others).
        weights: ``"binary"``, or ``"fuzzy"`` (UMAP's smooth memberships, as scanpy uses).
        engine: ``"leidenalg"`` (the reference), or ``"igraph"`` (another implementation, 8 to 10 times as fast; its clusters
            differ, and its mean ARI by less than the spread over seeds: results/benchmarks.md).
        resolution: 1 is modularity; larger values give more clusters (Reichardt & Bornholdt 2006).
        iterations: passes over the graph; -1 repeats them until nothing improves.
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
                f"Leiden's iterations is {self.iterations}; it must be at least 1, or -1 to go on until nothing improves"
            )
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise InputError(f"Leiden's seeds are {self.seeds}; there must be at least one, and none twice")


def knn_edges(z: np.ndarray, neighbours: int = 15, include_self: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges of the undirected graph of exact Euclidean nearest neighbours, without loops and weights.

    Two samples are joined if one of them is among the nearest neighbours of the other.

    Args:
        z: [N, L] finite embedding.
        neighbours: size of a neighbourhood.
        include_self: the sample counts as one of its ``neighbours`` (15 means 14 others), as in the released code of
            the expression study.

    Returns:
        ``(source, target)``, int64 [edges] each, ``source < target``, sorted and unique. Among samples at exactly equal
        distance (duplicated rows) the first ones are taken; only then do edges depend on the order of samples.

    Raises:
        InputError: fewer than one other neighbour is asked for, or there are too few samples.
    """
    LeidenOptions(neighbours, include_self)  # for its checks
    index, _ = nearest(z, neighbours - int(include_self))
    return _joined(index)[:2]


def fuzzy_edges(
    z: np.ndarray, neighbours: int = 15, include_self: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the edges of :func:`knn_edges` with UMAP's fuzzy memberships as weights.

    w_ij = exp(-max(0, d_ij - rho_i) / s_i) with rho_i the distance to the nearest sample that differs and s_i such that
    sum_j w_ij over the others is log2 k, k = ``neighbours``; made symmetric by w + w' - w w'. As in UMAP's code s_i is at
    least 0.001 of the mean distance.

    Args:
        z: [N, L] finite embedding.
        neighbours: k.
        include_self: see :func:`knn_edges`.

    Returns:
        ``(source, target, weight)``, [edges] each, weights in 0..1.

    Source: McInnes, Healy & Melville 2018, arXiv:1802.03426, section 3.1.
    """
    LeidenOptions(neighbours, include_self)
    index, distance = nearest(z, neighbours - int(include_self))
    positive = np.where(distance > 0, distance, np.inf).min(axis=1)
    rho = np.where(np.isfinite(positive), positive, 0.0)[:, None]
    beyond = np.clip(distance - rho, 0, None)
    low, high = np.zeros(len(z)), np.full(len(z), np.inf)
    scale, wanted = np.ones(len(z)), math.log2(neighbours)
    # bisection, as in UMAP: the sum of memberships grows with the scale; the sample itself is not counted
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
    """Return sources and targets of the undirected edges, and for each neighbour its edge's code and if it is the larger end."""
    samples, others = index.shape
    rows = np.repeat(np.arange(samples, dtype=np.int64), others)
    columns = index.ravel()
    codes = np.minimum(rows, columns) * samples + np.maximum(rows, columns)
    unique = np.unique(codes)
    return unique // samples, unique % samples, codes, rows < columns


def clustering_problem(z: np.ndarray, options: LeidenOptions = LeidenOptions()) -> str:
    """Return the status of an embedding z [N, L] that cannot be clustered, "" if it can be.

    ``NAN_EMBEDDING``, ``TOO_FEW_SAMPLES`` (fewer than ``neighbours`` + 1) or ``COLLAPSED`` (all latents constant, see
    :func:`vaebench.metrics.shared.factors.varying`).
    """
    problem = embedding_problem(z)
    if len(z) < options.neighbours + 1 and not problem.startswith("NAN"):
        return f"TOO_FEW_SAMPLES: {len(z)} samples, at least {options.neighbours + 1} are needed"
    return problem


def leiden_clusters(z: np.ndarray, options: LeidenOptions = LeidenOptions()) -> np.ndarray:
    """Return the clusters [N] (int32, 0 is the largest) that the metric compares with the labels.

    Args:
        z: [N, L] embedding.
        options: of the metric; with several seeds the clusters of the first one are returned.

    Raises:
        InputError: the embedding cannot be clustered, see :func:`clustering_problem`.
    """
    problem = clustering_problem(z, options)
    if problem:
        raise InputError(f"the embedding has no clusters ({problem})")
    return _clusterings(z, dataclasses.replace(options, seeds=options.seeds[:1]))[0][0]


def leiden_scores(
    z: np.ndarray,
    labels: np.ndarray,
    options: LeidenOptions = LeidenOptions(),
) -> dict[str, Any]:
    """Cluster z [N, L] and compare the clusters with the labels [N]; the protocol of the expression study by default.

    Args:
        z: [N, L] embedding.
        labels: [N] any values.
        options: see :class:`LeidenOptions`.

    Returns:
        Means over the seeds, each with ``_spread`` (largest minus smallest over the seeds):

        * ``ari``: adjusted Rand index (Hubert & Arabie 1985); 1 for equal partitions, 0 expected by chance.
        * ``ami``: adjusted mutual information (Vinh et al. 2010); 1 and 0 as for ``ari``.
        * ``nmi``: mutual information by the mean of both entropies, 0..1; above 0 by chance, more so with many clusters.
        * ``homogeneity``: 1 if every cluster has one label (Rosenberg & Hirschberg 2007); more clusters raise it.
        * ``clusters``: their number; a whole number with one seed.
        * ``modularity``: of the clusters in the graph; high if the graph falls into groups, whatever the labels.
        * ``silhouette``: of the clusters in z (Rousseeuw 1987), -1..1; 0 for one cluster.

        Then ``label_silhouette`` (of the labels in z), ``seeds`` (number), and ``status``: ``"OK"``, ``NAN_EMBEDDING``,
        ``TOO_FEW_SAMPLES`` (fewer than ``neighbours`` + 1), ``COLLAPSED`` (all latents constant), or ``ONE_CLASS`` (all labels
        equal), which comes with the scores that need no labels.

    Leiden visits the samples from a random order of their positions, so with one seed another order of the samples acts as
    another seed. On 600 simulated tumours of 8 types the ARI of 10 principal components (0.657) had a standard deviation of
    0.002 over 15 orders and of 0.003 over 15 seeds, and a range of 0.010 and 0.017. Several ``seeds`` average over both. Names
    of the labels change nothing.

        >>> import numpy as np
        >>> from vaebench.metrics.leiden import leiden_scores
        >>> labels = np.repeat([0, 1], 30)
        >>> z = np.random.default_rng(0).normal(size=(60, 2)) + 100 * labels[:, None]
        >>> leiden_scores(z, labels)["homogeneity"]
        1.0

    Deviates:
        The study's released code clusters a posterior sample; this function clusters the z it is given.
    """
    from sklearn import metrics

    scores: dict[str, Any] = dict.fromkeys(SCORES, math.nan)
    problem = clustering_problem(z, options)
    if problem:
        return scores | {"status": problem}
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
    """Return the clusters [N] and the modularity of each seed."""
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


def _packages(options: LeidenOptions) -> tuple[str, ...]:
    return ("igraph",) if options.engine == "igraph" else ("igraph", "leidenalg")


METRIC = Metric(
    name="leiden",
    needs=("labels",),
    where="host",
    compute=_compute,
    reference="Traag, Waltman & van Eck 2019 (leidenalg, ModularityVertexPartition)",
    scores=SCORES,
    options=LeidenOptions(),
    packages=_packages,
    counts=("seeds",),
)
