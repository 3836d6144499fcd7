"""Coverage of 95% intervals of exposures where the signatures are extracted too and nothing is known of the truth.

    VAEBENCH_DATA=data python experiments/gislum2024_de_novo.py --scenarios 2,8 --repeats 5 --out runs/de_novo
    VAEBENCH_DATA=data python experiments/gislum2024_de_novo.py --designs plugin,pooled --scenarios 2,8 --out runs/de_novo
    python experiments/gislum2024_de_novo.py --preset smoke --out runs/smoke          # simulated cohort, about two minutes

Data: SigProfilerExtractor's Scenarios 2, 4, 6, 8, 14 (Islam et al. 2022), in DATA/signatures/scenario_NN, counts redrawn as
Poisson(exposures @ signatures), seed = repeat. Signatures: `sparse`, kept in OUT/extracted, their number the true one
(`--numbers told`) or chosen from 2 to 15, in scenario 14 to 25 (`chosen`). For scoring only, they are matched to the true ones by
Hungarian assignment on the cosine. Exposures of a true signature without a match of cosine 0.8 or more count as missed.

Designs: `joint` draws signatures and exposures together, with a prior for each cancer type; `pooled` the same with one prior;
`plugin` treats the signatures as known. Each of the first two has two rows, before and after the intervals are widened by the
factor that simulated cohorts ask for.
Constants were chosen on scenarios 2 and 8, repeat 0, before the others were run.

Machine: 1 CPU core. Minutes of one repeat with one simulated cohort: scenarios 2, 4, 6 about 2, 8 about 1, 14 about 20.
Expected, joint: exposures above 0 covered 90 to 98%, large ones at least 90%.

Writes OUT/rows.csv, a row a (scenario, design, number, widened, repeat), and OUT/groups.csv, coverage by size and by
signature, each when it is done; finished rows are not repeated. Then OUT/table.csv: means over the repeats.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from gislum2024_coverage import added
from gislum2024_extraction import SCENARIOS, cohort, extracted, redrawn
from scripts import Parser, comma, entry, keep

from vaebench.data.mutations.tables import cancer_types, read_signatures, write_signatures
from vaebench.errors import RunError, unknown_name
from vaebench.signatures.coverage import coverage_summary, coverage_table
from vaebench.signatures.extraction import extract
from vaebench.signatures.joint.intervals import de_novo_intervals
from vaebench.signatures.matching import matches
from vaebench.signatures.refitting import refit

KEYS = ["scenario", "design", "number", "repeat"]
DESIGNS = ("joint", "pooled", "plugin")
NUMBERS = ("told", "chosen")
FOUND = 0.8
"""Cosine from which a match counts."""


def signatures_of(catalogue: pd.DataFrame, number: int, task: dict[str, Any], folder: Path) -> pd.DataFrame:
    """Signatures of the catalogue, made once and kept."""
    chosen = task["number"] == "chosen"
    path = folder / "extracted" / f"{task['scenario']}_{task['repeat']}{'_chosen' if chosen else ''}.csv"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        if chosen:
            signatures = extracted(catalogue, task["scenario"], "sparse", task["repeat"], "cpu").signatures
        else:
            signatures = extract(catalogue, k=number, method="sparse", restarts=5, seed=task["repeat"]).signatures
        write_signatures(signatures, path)
    return read_signatures(path)


def named(found: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """The extracted signatures by the names of the true ones they match; others keep theirs, with a star."""
    table = matches(found, truth)
    right = table["reference"].notna() & (table["cosine"] >= FOUND)
    names = table["reference"].where(right, table["extracted"].astype(str) + "*")
    return found.set_axis(pd.Index(names), axis=0)


def measured(task: dict[str, Any], simulations: int, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of a task, and their coverage by group."""
    shipped = cohort(task["scenario"])
    catalogue = redrawn(shipped, "P", task["repeat"])
    signatures = named(signatures_of(catalogue, len(shipped.signatures), task, folder), shipped.signatures)
    types = cancer_types(catalogue.index)
    started = time.perf_counter()
    if task["design"] == "plugin":
        fit = refit(catalogue, signatures, intervals="spike_slab", seed=task["repeat"], types=types)
        assert fit.intervals is not None
        versions, known, used = {False: fit.intervals}, {"dispersion": fit.dispersion}, signatures
    else:
        pooled = pd.Series("all", catalogue.index) if task["design"] == "pooled" else types
        found = de_novo_intervals(catalogue, signatures, types=pooled, simulations=simulations, seed=task["repeat"])
        versions = {False: found.unwidened} | ({True: found.intervals} if simulations else {})
        known = {"factor": found.factor, "simulated": found.simulated, "dispersion": found.dispersion}
        known |= {name: found.diagnostics[name] for name in ("r_hat_99", "effective_draws_1", "sheared")}
        known |= {"classes": len(found.diagnostics["classes"]), "notes": " ".join(found.notes)}
        used = found.signatures
    seconds = round(time.perf_counter() - started, 1)
    cosine = matches(used, shipped.signatures)["cosine"]
    rows, groups = [], []
    for widened, intervals in versions.items():
        keys = {**task, "widened": widened}
        row = {**keys, **coverage_summary(intervals, shipped.exposures), **known}
        row |= {"found": len(signatures)}
        rows.append(row | {"cosine": cosine.mean(), "least_cosine": cosine.min(), "seconds": seconds, "status": "OK"})
        groups.append(coverage_table(intervals, shipped.exposures).assign(**keys))
    return pd.DataFrame(rows), pd.concat(groups)


def run(options: argparse.Namespace) -> pd.DataFrame:
    """All rows, new ones added one by one to the files."""
    for kind, given, known in (("design", options.designs, DESIGNS), ("number", options.numbers, NUMBERS)):
        for name in given:
            if name not in known:
                raise unknown_name(kind, name, known)
    options.out.mkdir(parents=True, exist_ok=True)
    paths = [options.out / "rows.csv", options.out / "groups.csv"]
    rows, groups = [pd.read_csv(path) if path.exists() else pd.DataFrame() for path in paths]
    done = set(rows[KEYS].itertuples(index=False, name=None)) if len(rows) else set()
    planned = itertools.product(range(options.repeats), options.scenarios, options.designs, options.numbers)
    for repeat, scenario, design, number in planned:
        task = {"scenario": scenario, "design": design, "number": number, "repeat": repeat}
        if tuple(task.values()) in done:
            continue
        try:
            new = measured(task, options.simulations, options.out)
        except RunError as error:
            new = pd.DataFrame([{**task, "status": str(error)}]), pd.DataFrame()
        rows, groups = added(rows, new[0]), added(groups, new[1])
        for path, frame in zip(paths, (rows, groups), strict=True):
            keep(frame, path)
        print(new[0].to_string(index=False), file=sys.stderr, flush=True)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = Parser(__doc__, "runs/de_novo")
    parser.add_argument("--preset", choices=("smoke", "cpu"), default="cpu")
    parser.add_argument("--designs", type=comma(), default=["joint"], help=", ".join(DESIGNS))
    parser.add_argument("--numbers", type=comma(), default=["told"], help=", ".join(NUMBERS))
    parser.add_argument("--scenarios", type=comma(int), default=list(SCENARIOS))
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--simulations", type=int, default=1, help="simulated cohorts that say how much to widen")
    options = parser.parse_args(arguments)
    if options.preset == "smoke":
        options.scenarios, options.repeats = [0], 1
    rows = run(options)
    shown = ["found", "non_zero", "small", "large", "signature_min", "zero", "width", "factor", "simulated", "cosine"]
    shown = [name for name in shown if name in rows.columns]
    lines = rows.groupby(["scenario", "design", "number", "widened"])[shown].mean().reset_index()
    keep(lines, options.out / "table.csv")
    print(lines.to_string(index=False, float_format="{:.3f}".format, na_rep=""))


if __name__ == "__main__":
    sys.exit(entry(main))
