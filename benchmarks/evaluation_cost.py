"""Measure the cost of each metric for one embedding, and of the library it replaces, in one run.

    python benchmarks/evaluation_cost.py                        # 11,014 samples, 50 latents, 34 covariates: 3 minutes
    python benchmarks/evaluation_cost.py --samples 2000 --repeats 3

CPU seconds of all threads (the machine may be shared), medians over repeats that alternate between both sides, after one
compiling call of each. Embedding and data: PCA of a simulated cohort with 33 types; the posterior has variance 0.1.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np

from vaebench.data.simulate import simulate_cohort
from vaebench.evaluation.baseline import pca_embedding
from vaebench.metrics import METRICS
from vaebench.metrics.cox import cox_fit
from vaebench.metrics.leiden import LeidenOptions, knn_edges, leiden_scores
from vaebench.metrics.shared.communities import leiden_membership
from vaebench.metrics.shared.factors import usable_factors
from vaebench.metrics.shared.silhouette import silhouettes
from vaebench.metrics.survival.cohort import survival_cohort
from vaebench.metrics.wsepin import WsepinOptions, sepin
from vaebench.types import Dataset, Given, Posterior


def cpu_seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def rivals(z: np.ndarray, data: Dataset) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Name -> (ours, the library's), each on the same input."""
    import pandas as pd
    from lifelines import CoxPHFitter
    from scipy.stats import spearmanr
    from sklearn.metrics import silhouette_score
    from sklearn.neighbors import kneighbors_graph

    assert data.labels is not None
    cohort = survival_cohort(data, True)
    # distinct units, so that both sides start from the same standardised columns
    latents = (z - z.mean(0)) / z.std(0)
    design = np.hstack([latents[cohort.keep], cohort.covariates])
    table = pd.DataFrame(design, columns=[f"x{i}" for i in range(design.shape[1])])
    table = table.assign(time=cohort.time, event=cohort.event)
    factors = usable_factors(data)
    labels = data.labels
    edges = knn_edges(z)

    def lifelines() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            CoxPHFitter().fit(table, "time", "event")

    return {
        f"cox fit, {design.shape[1]} columns / lifelines": (
            lambda: cox_fit(design, cohort.time, cohort.event),
            lifelines,
        ),
        "15-NN edges / sklearn graph": (lambda: knn_edges(z), lambda: kneighbors_graph(z, 14)),
        "leiden igraph / leidenalg": (
            lambda: leiden_membership(*edges, len(z), engine="igraph"),
            lambda: leiden_membership(*edges, len(z)),
        ),
        "silhouette / sklearn": (lambda: silhouettes(z, [labels]), lambda: silhouette_score(z, labels)),
        "spearman / scipy, pair by pair": (
            lambda: METRICS["correlation"].compute(z, data, Given()),
            lambda: [spearmanr(column[f.known], f.values) for f in factors for column in z.T],
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=11_014)
    parser.add_argument("--latent", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--draws", type=int, default=500, help="of wsepin, whose cost grows in proportion")
    options = parser.parse_args()
    data, _ = simulate_cohort(0, samples=options.samples, genes=300, types=33)
    z = pca_embedding(data.x, options.latent).astype(np.float32)
    split = np.arange(options.samples)
    noise = np.random.default_rng(0).normal(size=data.x.shape).astype(np.float32)
    given = Given(
        Posterior(z, np.full(z.shape, np.log(0.1), np.float32)),
        data.x + noise,
        (split[::3], np.delete(split, split[::3])),
    )
    print(f"{options.samples} samples x {options.latent} latents, CPU seconds, medians of {options.repeats}\n")
    print(f"{'against':<42}{'ours':>8}{'library':>9}{'ratio':>7}")
    for name, (ours, library) in rivals(z, data).items():
        ours(), library()
        pairs = np.array([(cpu_seconds(ours), cpu_seconds(library)) for _ in range(options.repeats)])
        left, right = np.median(pairs, axis=0)
        print(f"{name:<42}{left:8.3f}{right:9.3f}{np.median(pairs[:, 1] / pairs[:, 0]):7.1f}", flush=True)
    print(f"\n{'metric as registered':<42}{'seconds':>8}  status")
    for name, entry in METRICS.items():
        if name == "wsepin":
            continue
        prepared = entry.prepare(data, entry.options) if entry.prepare else entry
        status = prepared.compute(z, data, given)["status"]
        times = [cpu_seconds(lambda prepared=prepared: prepared.compute(z, data, given)) for _ in range(3)]
        print(f"{name:<42}{np.median(times):8.3f}  {status}", flush=True)
    chosen = WsepinOptions(draws=options.draws)
    assert given.posterior is not None
    sepin(given.posterior, chosen)
    cost = cpu_seconds(lambda: sepin(given.posterior, chosen))  # pyright: ignore[reportArgumentType]
    print(f"{f'wsepin, {options.draws} draws':<42}{cost:8.3f}  10,000 draws: {cost * 10_000 / options.draws:.0f} s")
    fast = LeidenOptions(engine="igraph", seeds=(0, 1, 2))
    print(f"{'leiden, igraph, 3 seeds':<42}{cpu_seconds(lambda: leiden_scores(z, data.labels, fast)):8.3f}")


if __name__ == "__main__":
    main()
