"""Do the counts of a real cohort say of which cancer type it is, where nobody names the tissue?

    python experiments/cohort_types.py --exposures PCAWG_EXPOSURES --catalogue PCAWG_CATALOGUE --cosmic COSMIC --out runs/types
    python experiments/cohort_types.py --preset smoke --out runs/smoke

Data: as for experiments/trust.py. Cohorts of genomes of each type of PCAWG with LEAST genomes, drawn at random; and the same
genomes thinned to so many mutations each, as an exome or a panel has. The prior of a refit is made of published types, whose
weights are compared with the true one. The facts of the types come from these genomes' published attributions, so a type is known
to the table; a cohort of a type that is not has no right answer.

Machine: 1 CPU core, about three seconds a cohort.
Measured: results/trust/README.md.

Writes OUT/rows.csv, a row a cohort: the weight of its own type, and the type with the largest weight; then OUT/table.csv: their
mean, and the share of the cohorts whose own type has the largest weight.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from real_tumours import made_up
from scripts import Parser, comma, entry, keep
from trust import add_files, given_files

from vaebench.data.mutations.tables import read_catalogue, read_signatures
from vaebench.signatures.type_grounds import published_ground

LEAST = 30
"""Genomes that a type must have."""


def thinned(rng: np.random.Generator, counts: np.ndarray, mutations: int) -> np.ndarray:
    """Counts [T, M] of about so many mutations a sample, each kept at random; all of them for 0."""
    if not mutations:
        return counts
    kept = np.minimum(1.0, mutations / np.maximum(counts.sum(1, keepdims=True), 1))
    return rng.binomial(counts.astype(int), kept).astype(float)


def weighed(counts: np.ndarray, signatures: pd.DataFrame, kind: str) -> dict[str, Any]:
    """The weight of type ``kind`` in the prior of a cohort, and the type with the largest."""
    _, weights = published_ground(counts, signatures)
    largest = max(weights, key=lambda name: weights[name])
    return {"own": weights.get(kind, 0.0), "largest": largest, "right": largest == kind}


def measured(options: argparse.Namespace) -> pd.DataFrame:
    """Rows of all cohorts."""
    options.out.mkdir(parents=True, exist_ok=True)
    paths = made_up(options.out) if options.preset == "smoke" else given_files(options)
    catalogue, signatures = read_catalogue(paths["catalogue"]), read_signatures(paths["cosmic"])
    types = catalogue.index.str.split("::").str[0]
    kinds = types.value_counts()
    least = 20 if options.preset == "smoke" else LEAST
    rows = []
    for kind in map(str, kinds.index[kinds >= least]):
        own = catalogue[types == kind].to_numpy(np.float64)
        for samples in options.samples:
            for mutations in options.mutations:
                rng = np.random.default_rng([options.seed, samples, mutations, *kind.encode()])
                some = own[rng.choice(len(own), min(samples, len(own)), replace=False)]
                row = weighed(thinned(rng, some, mutations), signatures, kind)
                rows.append({"type": kind, "samples": len(some), "asked": samples, "mutations": mutations, **row})
                print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = Parser(__doc__, "runs/cohort_types")
    add_files(parser)
    parser.add_argument("--samples", type=comma(int), default=[1, 5, 20, 100], help="samples of a cohort")
    parser.add_argument(
        "--mutations", type=comma(int), default=[0, 80, 8], help="of a sample after thinning; 0 for all"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    rows = measured(options)
    keep(rows, options.out / "rows.csv")
    table = rows.groupby(["asked", "mutations"]).agg(
        cohorts=("own", "size"), own=("own", "mean"), right=("right", "mean")
    )
    keep(table.reset_index(), options.out / "table.csv")
    print(table.to_string())


if __name__ == "__main__":
    sys.exit(entry(main))
