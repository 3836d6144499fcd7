"""Measure the ways to cluster one embedding: CPU seconds of a clustering, and the agreement with the labels over seeds.

    python benchmarks/leiden.py                        # 11,014 samples, 50 latents, 10 seeds: 3 minutes
    python benchmarks/leiden.py --samples 3000 --seeds 5 --noise 0 1 2

Embeddings: PCA of a simulated cohort with 33 types, as it is and with normal noise of so many standard deviations added to it,
since a poor embedding takes longer. Every way gets the same graph of 15 neighbours. Seconds are medians over seeds, which take
turns between the ways.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import igraph
import leidenalg
import numpy as np
from sklearn.metrics import adjusted_rand_score

from vaebench.data.simulate import simulate_cohort
from vaebench.evaluation.baseline import pca_embedding
from vaebench.metrics.leiden import knn_edges
from vaebench.metrics.shared.communities import leiden_membership

Edges = tuple[np.ndarray, np.ndarray]
Clustering = tuple[np.ndarray, float]


def ways(edges: Edges, samples: int) -> dict[str, Callable[[int], Clustering]]:
    """Name -> function of the seed that returns clusters and modularity."""

    def from_igraph(seed: int) -> Clustering:
        first, _ = leiden_membership(*edges, samples, seed=seed, engine="igraph")
        graph = igraph.Graph(n=samples, edges=np.column_stack(edges).tolist())
        found = leidenalg.find_partition(
            graph, leidenalg.ModularityVertexPartition, first.tolist(), n_iterations=-1, seed=seed
        )
        return np.array(found.membership), graph.modularity(found.membership)

    return {
        "leidenalg (the default)": lambda seed: leiden_membership(*edges, samples, seed=seed),
        "leidenalg, iterations=2": lambda seed: leiden_membership(*edges, samples, seed=seed, iterations=2),
        "leidenalg, iterations=1": lambda seed: leiden_membership(*edges, samples, seed=seed, iterations=1),
        "leidenalg from igraph's clusters": from_igraph,
        "igraph": lambda seed: leiden_membership(*edges, samples, seed=seed, engine="igraph"),
        "igraph, iterations=2": lambda seed: leiden_membership(
            *edges, samples, seed=seed, engine="igraph", iterations=2
        ),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=11_014)
    parser.add_argument("--latent", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 1.0])
    options = parser.parse_args()
    data, _ = simulate_cohort(0, samples=options.samples, genes=300, types=33)
    assert data.labels is not None
    clean = pca_embedding(data.x, options.latent)
    drawn = np.random.default_rng(0).normal(size=clean.shape)
    print(
        f"{options.samples} samples x {options.latent} latents, {options.seeds} seeds; ARI: mean (least to largest)\n"
    )
    for noise in options.noise:
        z = (clean + noise * clean.std(0).mean() * drawn).astype(np.float32)
        edges = knn_edges(z)
        start = time.process_time()
        igraph.Graph(n=len(z), edges=np.column_stack(edges).tolist())
        print(
            f"noise {noise:g}: {len(edges[0])} edges; the graph alone takes {time.process_time() - start:.3f} CPU s\n"
        )
        print("| | CPU s | ARI with the labels | clusters | modularity |\n|---|---|---|---|---|")
        found: dict[str, list[tuple[float, float, int, float]]] = {}
        for seed in range(options.seeds):
            for name, way in ways(edges, len(z)).items():
                start = time.process_time()
                clusters, modularity = way(seed)
                seconds = time.process_time() - start
                ari = adjusted_rand_score(data.labels, clusters)
                found.setdefault(name, []).append((seconds, ari, len(np.unique(clusters)), modularity))
        for name, values in found.items():
            seconds, ari, number, modularity = np.array(values).T
            agreement = f"{ari.mean():.4f} ({ari.min():.4f} to {ari.max():.4f})"
            sizes = f"{number.min():.0f} to {number.max():.0f}"
            print(
                f"| {name} | {np.median(seconds):.2f} | {agreement} | {sizes} | {modularity.mean():.4f} |", flush=True
            )
        print()


if __name__ == "__main__":
    main()
