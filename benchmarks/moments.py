"""What moments in bfloat16 do to results: losses and ARI against float32, seed by seed, on a simulated cohort.

    python benchmarks/moments.py --seeds 6 --csv results/device/moments.csv        # 2 CPU cores, a few minutes

The same points, seeds and lanes twice, with Adam's moments in float32 and in bfloat16 (rounded stochastically). Rows: learning
rate, seed, validation loss and Leiden ARI of both, epochs of both; the last lines are means of the differences with their
standard errors. Nothing but the moments differs, so what differs is rounding, and what early stopping makes of it.
"""

from __future__ import annotations

import argparse
import csv
import math
import statistics

import jax.numpy as jnp

from vaebench.data.simulate import simulate_cohort
from vaebench.metrics.leiden import leiden_scores
from vaebench.space import point, product
from vaebench.training.engine import MOMENTS, Engine
from vaebench.training.pool import trained_points

COLUMNS = ("ari", "valid_loss", "epochs")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--genes", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--csv")
    options = parser.parse_args()
    data, _ = simulate_cohort(seed=0, samples=options.samples, genes=options.genes, types=10)
    assert data.labels is not None
    base = point(latent=10, hidden=(64,), batch=32, epochs=options.epochs, patience=5)
    points = product(base, learning_rate=[1e-3, 1e-2], seed=range(options.seeds))
    found: dict[str, dict] = {}
    for moments in MOMENTS:
        ticks = trained_points(points, data, jnp.asarray(data.x), options.lanes, engine=Engine(moments=moments))
        found[moments] = {
            item.point: (
                math.nan if item.z is None else leiden_scores(item.z, data.labels)["ari"],
                item.losses["valid"],
                item.epochs,
            )
            for tick in ticks
            for item in tick.finished
        }
    header = ["learning_rate", "seed", *(f"{name} {moments}" for name in COLUMNS for moments in MOMENTS)]
    rows = [
        [p.learning_rate, p.seed, *(found[moments][p][i] for i in range(len(COLUMNS)) for moments in MOMENTS)]
        for p in points
    ]
    for row in rows:
        print(*(f"{value:.5g}" for value in row))
    for i, name in enumerate(COLUMNS):
        differences = [row[2 * i + 3] - row[2 * i + 2] for row in rows]
        error = statistics.stdev(differences) / math.sqrt(len(differences))
        mean = statistics.mean(differences)
        print(f"{name}: bfloat16 - float32 {mean:+.5f}, standard error {error:.5f}, {len(differences)} pairs")
    if options.csv:
        with open(options.csv, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])


if __name__ == "__main__":
    main()
