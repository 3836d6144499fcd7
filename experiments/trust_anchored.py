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
from scripts import Parser, comma, entry, keep
from trust import Drawn, Field, add_files, made_up_field, paired, real_field
from trust_extraction import METHODS, cohort_of, found_by

from vaebench.errors import InputError
from vaebench.signatures.anchoring import anchored_intervals

COHORTS = ("genome_30", "genome_100", "genome_300")
TYPES = ("flat", "Breast-AdenoCA", "Liver-HCC", "Skin-Melanoma")
FLAT = ("SBS3", "SBS5", "SBS8", "SBS40a")
KEYS = ["cohort", "type", "method", "draw"]


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
    """A row a cohort, type, method and draw; rows of OUT/rows.csv are not made again."""
    out = options.out / "rows.csv"
    rows: list[dict[Any, Any]] = pd.read_csv(out).to_dict("records") if out.exists() else []
    done = {tuple(row[key] for key in KEYS) for row in rows}
    for draw in range(options.first_draw, options.first_draw + options.draws):
        for key in ((c, t, m, draw) for c in options.cohorts for t in options.types for m in options.methods):
            if key in done:
                continue
            name, kind, method, _ = key
            samples = int(name.split("_")[1]) if kind == "flat" else 0
            cohort = flat_cohort(field, samples, draw) if samples else cohort_of(field, name, [kind], draw)
            rows.append(dict(zip(KEYS, key, strict=True)) | measured(cohort, method, options, draw))
            keep(pd.DataFrame(rows), out)
            print({k: v for k, v in rows[-1].items() if k != "notes"}, file=sys.stderr, flush=True)
    return pd.DataFrame(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = Parser(__doc__, "runs/trust_anchored")
    add_files(parser)
    parser.add_argument("--cohorts", type=comma(), default=list(COHORTS), help="genome_SAMPLES")
    parser.add_argument("--types", type=comma(), default=list(TYPES), help="cancer types of PCAWG, or flat")
    parser.add_argument("--methods", type=comma(), default=["sparse", "sparse_known"], help="sparse, sparse_known, nmf")
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--first-draw", type=int, default=0)
    parser.add_argument("--k-max", type=int, default=15, help="largest number of signatures")
    parser.add_argument("--restarts", type=int, default=3, help="random starts for each number")
    options = parser.parse_args(arguments)
    wrong = [name for name in options.methods if name not in METHODS or name == "refit"]
    if wrong:
        raise InputError(f"--methods {wrong[0][:60]!r} is unknown; allowed: sparse, sparse_known, nmf")
    options.out.mkdir(parents=True, exist_ok=True)
    smoke = options.preset == "smoke"
    if smoke:
        options.cohorts, options.types, options.k_max, options.restarts = ["genome_20"], ["Breast-AdenoCA"], 3, 1
    rows = run(options, made_up_field() if smoke else real_field(options))
    print(rows.drop(columns="notes").to_string())


if __name__ == "__main__":
    sys.exit(entry(main))
