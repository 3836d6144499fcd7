"""Which signatures a tumour has, and how many mutations of each: ours and SigProfilerAssignment's, on the same simulated samples.

Cohorts are those of experiments/trust.py (exposures of real tumours redrawn, COSMIC's signatures, Poisson counts; regimes as
there). Both programs are given the signatures that the regime offers, and nothing else. Ours is the table exposures.csv of a
refit with its defaults, which holds the exposures with P(present) of 0.5 or more; theirs is the table of activities.
SigProfilerAssignment runs in an environment of its own, since it needs other versions of pandas:

    python benchmarks/assignment.py draw --exposures ... --catalogue ... --cosmic ... --out WORK
    OTHER/bin/python benchmarks/assignment.py rival --out WORK                     # pip install SigProfilerAssignment
    python benchmarks/assignment.py compare --out WORK --table results/trust/assignment.csv

Takes about ten minutes a step on one core.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

REGIMES = (
    "genome_100_all,genome_100_tissue,genome_1_all,exome_100_all,exome_100_tissue,exome_1_all,few_1_all,panel_100_all"
)
ALONE = 20
"""Tumours of a regime whose cohorts are one tumour."""


def draw(options: argparse.Namespace) -> None:
    """Draw the samples of each regime and type, refit them, and write them in SigProfiler's layout."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
    from trust import UNCHECKED, drawn, parts_of, real_field

    from vaebench.signatures.refitting import refit

    checks = dataclasses.replace(UNCHECKED, present=options.present)

    field = real_field(options)
    for regime in options.regimes.split(","):
        for kind in options.types.split(","):
            folder = options.out / f"{regime}-{kind}"
            folder.mkdir(parents=True, exist_ok=True)
            rng = np.random.default_rng([options.seed, *f"{regime} {kind}".encode()])
            cohorts = [drawn(field, regime, kind, rng) for _ in range(ALONE if parts_of(regime)[1] == 1 else 1)]
            started, found = time.process_time(), []
            for cohort in cohorts:
                found.append(refit(cohort.counts, cohort.offered, intervals="spike_slab", checks=checks).exposures)
            seconds = time.process_time() - started
            labels = [f"{c}-{t}" for c, cohort in enumerate(cohorts) for t in range(len(cohort.counts))]
            tables = {
                "counts": pd.concat([cohort.counts for cohort in cohorts]),
                "truth": pd.concat([cohort.truth for cohort in cohorts]).fillna(0.0),
                "ours": pd.concat(found).fillna(0.0),
            }
            for name, table in tables.items():
                table.set_axis(labels).to_csv(folder / f"{name}.csv")
            # both sorted: it sorts the channels of the counts, and takes those of the signatures to be in that order
            counts = tables["counts"].set_axis(labels).T.astype(int).sort_index().rename_axis("MutationType")
            counts.to_csv(folder / "counts.txt", sep="\t")
            cohorts[0].offered.T.sort_index().rename_axis("Type").to_csv(folder / "reference.txt", sep="\t")
            (folder / "ours.json").write_text(json.dumps({"cpu": seconds}))
            print(folder.name, f"{seconds:.0f} s", flush=True)


def rival(out: Path) -> None:
    """Refit the same samples by SigProfilerAssignment."""
    from SigProfilerAssignment import Analyzer  # type: ignore[import-not-found]

    for folder in sorted(path for path in out.iterdir() if path.is_dir()):
        started = time.process_time()
        Analyzer.cosmic_fit(
            samples=str(folder / "counts.txt"),
            output=str(folder / "rival"),
            input_type="matrix",
            signature_database=str(folder / "reference.txt"),
            make_plots=False,
            cpu=1,
        )
        (folder / "rival.json").write_text(json.dumps({"cpu": time.process_time() - started}))


def scores(found: pd.DataFrame, truth: pd.DataFrame) -> dict[str, float]:
    """Precision and recall of exposures above 0, their share on absent signatures, and the error in shares of the mutations."""
    names = found.columns.union(truth.columns)
    ours, true = (table.reindex(columns=names).fillna(0.0).to_numpy() for table in (found.loc[truth.index], truth))
    called, there = ours > 0, true > 0
    return {
        "precision": float((called & there).sum() / max(called.sum(), 1)),
        "recall": float((called & there).sum() / there.sum()),
        "absent": float(ours[~there].sum() / max(ours.sum(), 1e-12)),
        "error": float(np.abs(ours - true).sum() / true.sum()),
    }


def compare(out: Path, table: Path) -> None:
    """Score both programs' exposures against the truth."""
    rows = []
    for folder in sorted(path for path in out.iterdir() if path.is_dir()):
        regime, kind = folder.name.split("-", 1)
        truth = pd.read_csv(folder / "truth.csv", index_col=0)
        answers = {"vaebench": pd.read_csv(folder / "ours.csv", index_col=0)}
        theirs = next((folder / "rival").rglob("Assignment_Solution_Activities.txt"), None)
        if theirs is not None:
            answers["SigProfilerAssignment"] = pd.read_csv(theirs, sep="\t", index_col=0)
        for program, found in answers.items():
            seconds = json.loads((folder / f"{'ours' if program == 'vaebench' else 'rival'}.json").read_text())["cpu"]
            key = {"regime": regime, "type": kind, "program": program, "samples": len(truth)}
            rows.append(key | scores(found, truth) | {"cpu_seconds": round(seconds, 1)})
    scored = pd.DataFrame(rows)
    print(scored.round(3).to_string(index=False))
    scored.to_csv(table, index=False, float_format="%.4g")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("draw", "rival", "compare"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", type=Path, default=Path("assignment.csv"))
    parser.add_argument("--regimes", default=REGIMES)
    parser.add_argument("--types", default="Breast-AdenoCA,Liver-HCC")
    parser.add_argument("--seed", type=int, default=501)
    parser.add_argument("--present", type=float, default=0.5, help="P(present) from which ours shows an exposure")
    for name in ("exposures", "catalogue", "cosmic"):
        parser.add_argument(f"--{name}", type=Path)
    given = parser.parse_args()
    if given.step == "draw":
        draw(given)
    elif given.step == "rival":
        rival(given.out)
    else:
        compare(given.out, given.table)
