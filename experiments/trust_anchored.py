"""Do intervals after an extraction hold? Simulated cohorts whose signatures are extracted, and then anchored to published ones.

    python experiments/trust_anchored.py --exposures PCAWG_EXPOSURES --catalogue PCAWG_CATALOGUE --cosmic COSMIC --out runs/x
    ... --cohorts genome_100 --types Liver-HCC,flat --methods sparse --draws 1
    python experiments/trust_anchored.py --preset smoke --out runs/smoke                    # made-up signatures, a minute

Data and simulator: those of experiments/trust.py, which share nothing with the package. A cohort is genome_SAMPLES of a type.
`flat` is no type of PCAWG: SBS3, SBS5, SBS8 and SBS40a, each in seven of ten tumours, with log-normal exposures of a median of
600 mutations and a standard deviation of 0.8. Methods: `sparse`, as `vaebench extract --intervals anchored` does it; and
`sparse_known`, with all signatures of COSMIC as a prior of weight 100.

`found` signatures, of which `kept` match no published one and stay as extracted, and `lost`, true ones that were not found,
with their share of the mutations. Held: 95% intervals of exposures above 0 of those that were found under their own name
(`nonzero`), of signatures with 30 such exposures the least; and of exposures of 0 (`zero`).

Machine: 1 CPU core, one to five minutes a cohort and method.
Measured: results/trust/README.md.

Writes OUT/rows.csv, a row a (cohort, type, method, draw); finished rows are not repeated. The seed of a draw is its number.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scripts import entry
from trust import Drawn, Field, paired
from trust_extraction import METHODS, Key, cohort_of, command, found_by, rows_of

from vaebench.signatures.anchoring import anchored_intervals

COHORTS = ("genome_30", "genome_100", "genome_300")
TYPES = ("flat", "Breast-AdenoCA", "Liver-HCC", "Skin-Melanoma")
FLAT = ("SBS3", "SBS5", "SBS8", "SBS40a")


def flat_cohort(field: Field, samples: int, draw: int) -> Drawn:
    """Tumours of four flat signatures only."""
    rng = np.random.default_rng([draw, samples])
    exposures = np.zeros((samples, len(FLAT)))
    while (none := ~exposures.any(axis=1)).any():
        fresh = rng.lognormal(np.log(600), 0.8, (samples, len(FLAT))) * (rng.random((samples, len(FLAT))) < 0.7)
        exposures[none] = fresh[none]
    rows = [f"T{i}" for i in range(samples)]
    truth = pd.DataFrame(exposures, rows, list(FLAT))
    counts = rng.poisson(exposures @ field.signatures.loc[list(FLAT)].to_numpy())
    return Drawn(pd.DataFrame(counts, rows, field.signatures.columns), truth, field.signatures)


def measured(cohort: Drawn, method: str, options: argparse.Namespace, draw: int) -> dict[str, Any]:
    """Numbers of one extraction and its anchored intervals."""
    started = time.process_time()
    signatures = found_by(cohort, method, options, draw)
    found = anchored_intervals(cohort.counts, signatures, cohort.offered, seed=draw)
    true = cohort.truth.loc[:, (cohort.truth > 0).any()]
    lost = [name for name in true.columns if name not in found.signatures.index]
    table = paired(found.intervals, cohort.truth)
    mine = table[table["signature"].isin(found.signatures.index.difference(list(found.kept)))]
    there = mine[mine["true"] > 0]
    by_name = there.groupby("signature")["held"].agg(["mean", "size"])
    judged = by_name[by_name["size"] >= 30]["mean"]
    return {
        "found": len(found.signatures),
        "kept": len(found.kept),
        "true": true.shape[1],
        "lost": len(lost),
        "mutations_lost": float(true[lost].to_numpy().sum() / true.to_numpy().sum()),
        "nonzero": len(there),
        "nonzero_held": int(there["held"].sum()),
        "least": float(judged.min()) if len(judged) else np.nan,
        "least_signature": str(judged.idxmin()) if len(judged) else "",
        "zero": int((mine["true"] == 0).sum()),
        "zero_held": int(mine.loc[mine["true"] == 0, "held"].sum()),
        "notes": " ".join(found.notes),
        "cpu_seconds": time.process_time() - started,
    }


def run(options: argparse.Namespace, field: Field) -> pd.DataFrame:
    """A row a cohort, type, method and draw."""
    draws = range(options.first_draw, options.first_draw + options.draws)
    planned = [(c, t, m, d) for d in draws for c in options.cohorts for t in options.types for m in options.methods]

    def measure(key: Key) -> dict[str, Any]:
        name, kind, method, draw = key
        flat = kind == "flat"
        cohort = flat_cohort(field, int(name.split("_")[1]), draw) if flat else cohort_of(field, name, [kind], draw)
        return measured(cohort, method, options, draw)

    return rows_of(options.out / "rows.csv", planned, measure)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    defaults, methods = (COHORTS, TYPES, ("sparse", "sparse_known")), [name for name in METHODS if name != "refit"]
    options, field = command(__doc__, "runs/trust_anchored", defaults, methods, arguments)
    print(run(options, field).drop(columns="notes").to_string())


if __name__ == "__main__":
    sys.exit(entry(main))
