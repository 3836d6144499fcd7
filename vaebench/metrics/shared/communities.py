"""Communities of a graph by the Leiden algorithm, of leidenalg or of igraph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import igraph


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
    """Cluster an undirected graph; returns the clusters [N] (int32, 0 is the largest) and their modularity.

    Leiden maximises Q = sum_c [m_c / m - resolution (d_c / 2m)^2] with m the weight of all edges, m_c that of the edges
    within cluster c, and d_c the sum of its degrees. The modularity returned is Q at resolution 1, so that results at
    different resolutions can be compared.

    Args:
        source: [edges] positions.
        target: [edges] positions.
        samples: N.
        weights: [edges], positive; 1 without.
        seed: of Leiden's own random order; the same seed and graph give the same clusters.
        iterations: passes over the graph; -1 repeats them until nothing improves.
        resolution: see Q.
        engine: ``"leidenalg"`` or ``"igraph"``.

    Source: Traag, Waltman & van Eck 2019, Sci. Rep. 9, 5233; Newman 2004; Reichardt & Bornholdt 2006.
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


def _igraph_membership(
    graph: igraph.Graph, weights: list[float] | None, seed: int, iterations: int, resolution: float
) -> list[int]:
    import random

    import igraph

    # igraph draws from a module-wide generator: give it one of its own for this call, and Python's back afterwards
    igraph.set_random_number_generator(random.Random(seed))
    try:
        return graph.community_leiden(
            objective_function="modularity", weights=weights, resolution=resolution, n_iterations=iterations
        ).membership
    finally:
        igraph.set_random_number_generator(random)
