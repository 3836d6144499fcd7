"""Does `calibrate` see what is wrong? The coverage that it predicts of simulated cohorts, beside the coverage that was measured.

    python experiments/trust_calibration.py --exposures PCAWG_EXPOSURES --catalogue PCAWG_CATALOGUE --cosmic COSMIC \\
        --measured results/trust/now/rows.csv --out runs/calibration
    ... --regimes exome_200_all --types Liver-HCC --draws 2
    python experiments/trust_calibration.py --preset smoke --out runs/smoke

Data, simulator and regimes: those of experiments/trust.py. `vb.signatures.calibrate` gets the counts of the cohorts of the
first --cohort-draws draws of a regime (ten cohorts a draw if a cohort is one tumour) and simulates --draws cohorts like each
from each of its sources: as many as have 100 tumours in all. `measured` is what the rows of trust.py in --measured say of the
regime: the share of the non-zero exposures held, all draws together. Predictions are averages over the cohorts. `worst` is the
least of the averages of sources that half of the cohorts have (samples of few mutations have no neighbours), and `worst_error`
its standard error over the cohorts.

Machine: 1 CPU core, one to five minutes a regime of up to 20 tumours, longer for 200.
Measured: results/trust/README.md.

Writes OUT/rows.csv, a row a regime and type; finished rows are not repeated.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scripts import Parser, comma, entry, keep
from trust import Field, add_files, cohorts_of, made_up_field, parts_of, real_field

from vaebench.errors import InputError
from vaebench.signatures.calibration import SOURCES, calibrate

TUMOURS = 100
REGIMES = ("genome_1_tissue", "exome_1_tissue", "panel_1_tissue", "few_1_all", "genome_20_tissue", "exome_20_tissue")


def predicted(field: Field, regime: str, kind: str, cohort_draws: int, draws: int | None) -> dict[str, Any]:
    """Coverage of exposures above 0 that `calibrate` predicts, by source, over the cohorts of the first draws of trust.py."""
    started, found = time.process_time(), []
    cohorts = [cohort for draw in range(cohort_draws) for cohort, _ in cohorts_of(field, regime, kind, draw, {})]
    draws = draws or max(2, -(-TUMOURS // (parts_of(regime)[1] * len(cohorts))))
    for i, cohort in enumerate(cohorts):
        table = calibrate(cohort.counts, cohort.offered, draws=draws, seed=i)
        found.append(table.loc[table["group"] == "non-zero", [f"coverage_{name}" for name in SOURCES]].iloc[0])
    every = pd.DataFrame(found)
    means, errors = every.mean(), every.sem()
    worst = means[every.notna().mean() >= 0.5].idxmin()
    return {name: float(means[f"coverage_{name}"]) for name in SOURCES} | {
        "worst": float(means[worst]),
        "worst_error": float(errors[worst]),
        "cohorts": len(found),
        "cpu_seconds": time.process_time() - started,
    }


def coverage_of(rows: pd.DataFrame, regime: str, kind: str) -> float:
    """Share of the non-zero exposures of a regime that were held; NaN where it was not measured."""
    own = rows[(rows["regime"] == regime) & (rows["type"] == kind)]
    return float(own["nonzero_held"].sum() / own["nonzero"].sum()) if len(own) else np.nan


def run(options: argparse.Namespace, field: Field, measured: pd.DataFrame) -> pd.DataFrame:
    """A row a regime and type; rows of OUT/rows.csv are not made again."""
    out = options.out / "rows.csv"
    rows: list[dict[Any, Any]] = pd.read_csv(out).to_dict("records") if out.exists() else []
    done = {(row["regime"], row["type"]) for row in rows}
    for regime in options.regimes:
        for kind in options.types:
            if (regime, kind) in done:
                continue
            truth = {"measured": coverage_of(measured, regime, kind)}
            said = predicted(field, regime, kind, options.cohort_draws, options.draws)
            rows.append({"regime": regime, "type": kind} | truth | said)
            keep(pd.DataFrame(rows), out)
            print(rows[-1], file=sys.stderr, flush=True)
    return pd.DataFrame(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = Parser(__doc__, "runs/trust_calibration")
    add_files(parser)
    parser.add_argument("--measured", type=Path, default=None, help="rows.csv of experiments/trust.py")
    parser.add_argument("--regimes", type=comma(), default=list(REGIMES), help="as those of experiments/trust.py")
    parser.add_argument("--types", type=comma(), default=["Breast-AdenoCA", "Liver-HCC"], help="cancer types of PCAWG")
    parser.add_argument("--cohort-draws", type=int, default=1, help="draws of the cohorts, from 0 on")
    parser.add_argument("--draws", type=int, default=None, help="simulated cohorts like each, of each source")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    smoke = options.preset == "smoke"
    if smoke:
        options.regimes, options.types, options.draws = ["genome_5_true"], ["Breast-AdenoCA"], 1
    elif options.measured is None:
        raise InputError("--measured is missing; give the file rows.csv of experiments/trust.py")
    columns = pd.Index(["regime", "type", "nonzero", "nonzero_held"])
    measured = pd.DataFrame(columns=columns) if options.measured is None else pd.read_csv(options.measured)
    print(run(options, made_up_field() if smoke else real_field(options), measured).to_string())


if __name__ == "__main__":
    sys.exit(entry(main))
