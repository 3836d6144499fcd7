"""Table 2 of gislum2024: recovery of the signatures of five simulated cohorts, their number unknown.

    VAEBENCH_DATA=data python experiments/gislum2024_extraction.py --methods sparse --out runs/extraction
    VAEBENCH_DATA=data python experiments/gislum2024_extraction.py --methods nmf,muse_xae,folded_normal_vae --out runs/extraction
    VAEBENCH_DATA=data python experiments/gislum2024_extraction.py --preset short --methods vae_ms --repeats 1 --out runs/vae_ms
    python experiments/gislum2024_extraction.py --preset smoke --out runs/smoke        # simulated cohort, under a minute

Data: SigProfilerExtractor's Scenarios 2, 4, 6, 8, 14 (Islam et al. 2022), in DATA/signatures/scenario_NN. Setting R is the
catalogue as shipped, without sampling noise; setting P redraws it as Poisson(exposures @ signatures), seed = repeat.
Numbers of signatures tried: preset `cpu`, sparse and nmf 2 to 15 (scenario 14: 2 to 25), autoencoders the brackets of the
report (2 to 5, 8 to 13, 18 to 23); ten restarts (autoencoders five, 20 redraws, as the report). Preset `short`, for vae_ms:
scenario 8 with 2 to 5 signatures, three restarts, 2 redraws, at most 200 epochs (5 minutes on a busy machine); scenario 14 with
21, two restarts, 1 redraw, at most 300 epochs (9 minutes). Scores: matches by Hungarian assignment on the cosine; areas under
precision, sensitivity and F1 over cut-offs 0.8 to 1; means over scenarios.

Machine: 1 CPU core. Minutes of one repeat of one setting, sparse: scenarios 2, 4, 6 about 2 each, 8 about 1, 14 about 12;
nmf about the same; muse_xae and exponential_vae 3 to 6, folded_normal_vae 3 to 10 (scenario 14 more).
Expected: sparse finds 11, 11, 11, 3 and 21 signatures in R and P, mean cosine at least 0.99, F1 at least 0.97, no true
signature below 0.90; muse_xae is within 0.02 of its printed F1 of 0.920.

Writes OUT/rows.csv, a row a (scenario, method, setting, repeat), each when it is done; finished rows are not repeated.
Then OUT/table.csv: means over the scenarios and the spread over repeats, next to the printed rows.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scripts import Parser, comma, entry, keep

from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.data.mutations.tables import read_catalogue, read_exposures, read_signatures
from vaebench.errors import InputError, RunError, unknown_name
from vaebench.signatures.extraction import Extraction, extract, methods
from vaebench.signatures.matching import recovery

SCENARIOS = (2, 4, 6, 8, 14)
BRACKETS = {2: (8, 13), 4: (8, 13), 6: (8, 13), 8: (2, 5), 14: (18, 23)}
SHORT: dict[int, dict[str, Any]] = {
    8: {"k": range(2, 6), "restarts": 3, "augmentation": 2, "epochs": 200},
    14: {"k": 21, "restarts": 2, "augmentation": 1, "epochs": 300},
}
"""Options of preset `short`, for vae_ms, whose paper has these two scenarios."""
KEYS = ["scenario", "method", "setting", "repeat"]
PRINTED = {
    "MUSE-XAE": (0.911, 0.929, 0.920),
    "SigProfilerPCAWG": (0.893, 0.910, 0.901),
    "SigProfilerExtractor": (0.889, 0.913, 0.901),
    "SigneR": (0.869, 0.910, 0.887),
    "SignatureAnalyzer": (0.855, 0.905, 0.878),
    "beta-VAE": (0.857, 0.889, 0.873),
    "SignaturesToolsLib": (0.843, 0.868, 0.854),
    "MutationalPatterns": (0.804, 0.921, 0.856),
    "MutSpec": (0.760, 0.919, 0.827),
    "SomaticSignatures": (0.682, 0.860, 0.754),
    "Maftools": (0.639, 0.809, 0.695),
    "SigMiner": (0.541, 0.850, 0.652),
}
"""Table 2: areas under precision, sensitivity, F1."""
SETTINGS = {"R": None, "P": np.inf, "NB10": 10.0, "NB30": 30.0}
"""Size of the negative binomial that the counts are redrawn from; infinite for Poisson."""
AREAS = ["precision", "sensitivity", "f1"]


class Cohort(NamedTuple):
    """A catalogue [T, 96] and the signatures [S, 96] and exposures [T, S] behind it."""

    catalogue: pd.DataFrame
    signatures: pd.DataFrame
    exposures: pd.DataFrame


def cohort(scenario: int) -> Cohort:
    """A scenario as shipped; 0 is a small simulated cohort of the package."""
    if scenario == 0:
        catalogue, truth = simulate_catalogue(0, tumours=120, signatures=3, types=2, noise="exact")
        return Cohort(catalogue, truth.signatures, truth.exposures)
    if "VAEBENCH_DATA" not in os.environ:
        raise InputError(
            f"scenario {scenario} is a file; set VAEBENCH_DATA to the folder with signatures/scenario_{scenario:02d}"
        )
    folder = Path(os.environ["VAEBENCH_DATA"]) / "signatures" / f"scenario_{scenario:02d}"
    catalogue = read_catalogue(folder / "catalogue.csv")
    written = read_signatures(folder / "signatures.csv", normalised=False)
    exposures = read_exposures(folder / "exposures.csv", samples_in="columns").loc[catalogue.index, written.index]
    # as written signatures sum to 1 within 0.0007, which is hundreds of mutations in the largest exposures
    sums = written.sum(axis=1)
    return Cohort(catalogue, written.div(sums, axis=0), exposures * sums)


def redrawn(shipped: Cohort, setting: str, repeat: int) -> pd.DataFrame:
    """The catalogue in a setting: R as it is, the others with noise of the repeat's own."""
    if setting not in SETTINGS:
        raise unknown_name("setting", setting, SETTINGS)
    size = SETTINGS[setting]
    if size is None:
        return shipped.catalogue
    mean = shipped.exposures.to_numpy() @ shipped.signatures.to_numpy()
    rng = np.random.default_rng(repeat)
    mean = mean if np.isinf(size) else mean * rng.gamma(size, 1 / size, mean.shape)
    counts = rng.poisson(mean).astype(np.float64)
    return pd.DataFrame(counts, shipped.catalogue.index, shipped.catalogue.columns)


def extracted(catalogue: pd.DataFrame, scenario: int, method: str, repeat: int, preset: str) -> Extraction:
    """The extraction at the preset's settings."""
    if preset == "smoke":
        small: dict[str, Any] = {} if method in ("sparse", "nmf") else {"epochs": 20, "augmentation": 2}
        return extract(catalogue, k=[3], method=method, restarts=2, seed=repeat, **small)
    if method in ("sparse", "nmf"):
        numbers = range(2, 26 if scenario == 14 else 16)
        return extract(catalogue, k=numbers, method=method, restarts=10, seed=repeat)
    if preset == "short":
        return extract(catalogue, method=method, seed=repeat, **SHORT[scenario])
    lowest, highest = BRACKETS[scenario]
    numbers = range(lowest, highest + 1)  # beta is 0, as the report chose
    return extract(catalogue, k=numbers, method=method, restarts=5, seed=repeat, augmentation=20)


def scored(found: Extraction, truth: pd.DataFrame) -> dict[str, Any]:
    """The row's scores of a recovery, and the worst signature."""
    scores = recovery(found.signatures, truth)
    return {
        "found": scores.extracted,
        "true": scores.true,
        "cosine": scores.mean_cosine,
        "cosine_sd": scores.sd_cosine,
        "least_cosine": float(scores.cosines.min()),
        "least": str(scores.cosines.idxmin()),
        **{name: getattr(scores, name) for name in AREAS},
        "status": found.selection.loc[found.selection["chosen"], "status"].iloc[0],
    }


def tasks(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The keys of all rows, one repeat after the other."""
    for repeat in range(options.repeats):
        for method in options.methods:
            for setting in options.settings:
                for scenario in options.scenarios:
                    yield {"scenario": scenario, "method": method, "setting": setting, "repeat": repeat}


def run(options: argparse.Namespace) -> pd.DataFrame:
    """All rows, new ones added one by one to OUT/rows.csv."""
    path = options.out / "rows.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=KEYS)
    done = set(rows[KEYS].itertuples(index=False, name=None))
    for task in tasks(options):
        if tuple(task[key] for key in KEYS) in done:
            continue
        shipped = cohort(task["scenario"])
        catalogue = redrawn(shipped, task["setting"], task["repeat"])
        started = time.perf_counter()
        try:
            found = extracted(catalogue, task["scenario"], task["method"], task["repeat"], options.preset)
            row = scored(found, shipped.signatures)
        except RunError as error:
            row = {"status": str(error)}
        row = {**task, **row, "seconds": round(time.perf_counter() - started, 1)}
        rows = pd.concat([rows, pd.DataFrame([row])], ignore_index=True) if len(rows) else pd.DataFrame([row])
        keep(rows, path)
        print(row, file=sys.stderr, flush=True)
    return rows


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over scenarios of the means over repeats, and the printed rows.

    The spread of F1 is that of the repeats' means over the scenarios that every repeat has.
    """
    lines = []
    for (method, setting), group in rows.groupby(["method", "setting"], sort=False):
        by_scenario = group.groupby("scenario")[["cosine", *AREAS]].mean()
        by_repeat = group.pivot_table(index="repeat", columns="scenario", values="f1").dropna(axis=1).mean(axis=1)
        least, most = group.groupby("scenario")["repeat"].nunique().agg(["min", "max"])
        line = {"method": f"{method}, {setting}", "scenarios": len(by_scenario)}
        line["repeats"] = str(most) if least == most else f"{least} to {most}"
        line |= by_scenario.mean().to_dict() | {
            "f1_sd": by_repeat.std(),
            "least_cosine": group["least_cosine"].min(),
        }
        right = (group["found"] == group["true"]).sum()
        lines.append(line | {"number_right": f"{right}/{len(group)}", "seconds": group["seconds"].mean()})
    for method, areas in PRINTED.items():
        lines.append({"method": f"{method}, printed", "scenarios": 5, **dict(zip(AREAS, areas, strict=True))})
    return pd.DataFrame(lines).sort_values("f1", ascending=False, ignore_index=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = Parser(__doc__, "runs/extraction")
    parser.add_argument("--preset", choices=("smoke", "short", "cpu"), default="cpu")
    parser.add_argument("--methods", type=comma(), default=["sparse", "nmf"], help=", ".join(methods()))
    parser.add_argument("--scenarios", type=comma(int), default=list(SCENARIOS))
    parser.add_argument("--settings", type=comma(), default=["R", "P"])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    if options.preset == "smoke":
        options.scenarios, options.repeats = [0], 1
    if options.preset == "short":
        options.scenarios = [number for number in options.scenarios if number in SHORT]
    rows = run(options)
    by_scenario = rows.groupby(["method", "setting", "scenario"])[
        ["found", "true", "cosine", "least_cosine", "f1"]
    ].mean()
    lines = table(rows)
    keep(lines, options.out / "table.csv")
    print(by_scenario.to_string(float_format="{:.3f}".format))
    print()
    print(lines.to_string(index=False, float_format="{:.3f}".format, na_rep=""))


if __name__ == "__main__":
    sys.exit(entry(main))
