"""Tables 3, 4 and 5 of gislum2024, and later methods: coverage of 95% intervals of exposures.

    VAEBENCH_DATA=data python experiments/gislum2024_coverage.py --out runs/coverage
    VAEBENCH_DATA=data python experiments/gislum2024_coverage.py --signatures anchored --methods spike_slab --settings P \\
        --out runs/coverage
    VAEBENCH_DATA=data python experiments/gislum2024_coverage.py --methods posterior_released,posterior_percentile,conformal \\
        --settings R --out runs/coverage                                                                  # Table 5
    ... the same with --signatures muse_xae                                                             # Table 4
    ... and with --scenarios 2 --betas 1,0.1,0.01,0.001,0                                               # Table 3
    ... and with --methods posterior_percentile:exponential_vae,conformal:spike_slab_vae                # another variant
    python experiments/gislum2024_coverage.py --preset smoke --out runs/smoke       # simulated cohort, about a minute

Data: SigProfilerExtractor's Scenarios 2, 4, 6, 8, 14 (Islam et al. 2022), in DATA/signatures/scenario_NN, refitted with
their own signatures and the cancer types of their samples. Settings: R is the catalogue as shipped, without sampling
noise; P redraws it as Poisson(exposures @ signatures); NB10 and NB30 as negative binomials of size 10 and 30 per channel,
refitted with that noise model. The seed of a redraw is the repeat. R runs once, since it has nothing to redraw.

Signatures: `known`, the true ones; `muse_xae`, extracted from the catalogue as shipped at the true number (five restarts, 20
redraws); `sparse`, extracted from the redrawn catalogue at the true number and treated as known; `anchored`, the same,
replaced by reference ones (PCAWG, 2019-05) where the cosine reaches 0.85; `sparse_chosen` and `anchored_chosen`, the same
with the number chosen as in gislum2024_extraction.py. Extracted ones are scored as the true ones they match.
The report's intervals use its own loss (recipe benchmarked) and its `--betas`. Beta is 0 where no autoencoder is trained.

Constants of the methods were chosen on scenarios 2 and 8 and on simulated cohorts, before the others were run.
Machine: 2 CPU cores. Seconds of one refit, spike_slab: scenarios 2, 4, 6 about 15, 8 about 5, 14 about 60;
profile_likelihood and bootstrap about as long. An extraction takes minutes more.
Expected, spike_slab: non-zero exposures covered 93 to 97% in every scenario in P; mean squared error below maximum
likelihood's in P and below 30 in R. The study printed a coverage of 7.5 to 45.4% in R (Table 5).

Writes OUT/rows.csv, a row a (scenario, setting, signatures, method, beta, level, repeat), OUT/groups.csv, coverage by size and by
signature, and OUT/reliability.csv, P(present) against presence, each when it is done; finished rows are not repeated. Then
OUT/table.csv, shares pooled over the repeats, other numbers averaged; OUT/widths.csv, widths at levels tuned to cover 95% (for
`--levels 0.9,0.93,0.96,0.98`); OUT/coverage.png and OUT/reliability.png.
Detector scores: `presence_*` of P(present), `nnls_*` of non-negative least squares cut at 5% of the sample's mutations,
`pruned_*` of the same pruned as MUSE-XAE prunes.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from gislum2024_extraction import SCENARIOS, SETTINGS, Cohort, cohort, redrawn
from gislum2024_extraction import extracted as extracted_as_in_table
from gislum2024_pictures import coverage_dots, pooled_coverage, reliability_curves
from scipy.optimize import nnls
from scripts import Parser, comma, entry, keep

from vaebench.data.mutations.tables import cancer_types, read_signatures, write_signatures
from vaebench.errors import RunError, unknown_name
from vaebench.figures import save
from vaebench.signatures.anchoring import anchored
from vaebench.signatures.autoencoders.muse import pruned
from vaebench.signatures.coverage import coverage_summary, coverage_table, presence_scores, reliability
from vaebench.signatures.extraction import extract
from vaebench.signatures.matching import matches
from vaebench.signatures.refitting import refit
from vaebench.signatures.tables import SIZES

KEYS = ["scenario", "setting", "signatures", "method", "beta", "level", "repeat"]
SOURCES = ("known", "muse_xae", "sparse", "anchored", "sparse_chosen", "anchored_chosen")
REPORTED = ("posterior_released", "posterior_percentile")
"""Methods that are the report's: percentiles of its autoencoder's posterior, or of another's, named after a colon."""
PRINTED = {
    ("known", 2, 0.0): (0.3005, 4205),
    ("known", 4, 0.0): (0.3810, 11025),
    ("known", 6, 0.0): (0.0853, 28437795),
    ("known", 8, 0.0): (0.4540, 13417),
    ("known", 14, 0.0): (0.0747, 9501559),
    ("muse_xae", 2, 1.0): (0.6969, 1426386),
    ("muse_xae", 2, 0.1): (0.6959, 1406328),
    ("muse_xae", 2, 0.01): (0.7369, 1246748),
    ("muse_xae", 2, 0.001): (0.8073, 811503),
    ("muse_xae", 2, 0.0): (0.2218, 62718),
    ("muse_xae", 4, 0.0): (0.0824, 78338),
    ("muse_xae", 6, 0.0): (0.1986, 99156814),
    ("muse_xae", 8, 0.0): (0.1985, 253131),
    ("muse_xae", 14, 0.0): (0.0179, 35568035),
}
"""Tables 3 to 5, by signatures, scenario and beta: coverage and mean squared error of the exposures."""


def found_signatures(shipped: Cohort, task: dict[str, Any], catalogue: pd.DataFrame, options: Any) -> pd.DataFrame:
    """The signatures [S, 96] of a task, by the names of the true ones they match; extracted ones are kept in OUT/signatures."""
    source, number = task["signatures"], len(shipped.signatures)
    if source == "known":
        return shipped.signatures
    redraw = f"{task['setting']}_{task['repeat']}" if source != "muse_xae" else "R"
    method = source.replace("anchored", "sparse")
    path = options.out / "signatures" / f"{method}_{task['scenario']}_{redraw}.csv"
    if path.exists():
        extracted = read_signatures(path)
    else:
        settings: dict[str, Any] = {"restarts": 10} if method == "sparse" else {"restarts": 5, "augmentation": 20}
        if options.preset == "smoke":
            settings = {"restarts": 2} if method == "sparse" else {"restarts": 2, "augmentation": 2, "epochs": 20}
        if method == "sparse_chosen":
            found = extracted_as_in_table(catalogue, task["scenario"], "sparse", task["repeat"], options.preset)
        else:
            found = extract(catalogue, k=number, method=method, seed=task["repeat"], **settings)
        extracted = found.signatures
        path.parent.mkdir(parents=True, exist_ok=True)
        write_signatures(extracted, path)
    if source.startswith("anchored"):
        extracted = anchored(extracted, reference_of(task["scenario"], shipped))
    names = matches(extracted, shipped.signatures).set_index("extracted")["reference"]
    return extracted.rename(index=names.dropna().to_dict())


def reference_of(scenario: int, shipped: Cohort) -> pd.DataFrame:
    """Published signatures that hold the true ones; of the simulated cohort the true ones themselves."""
    if scenario == 0:
        return shipped.signatures
    return read_signatures(Path(os.environ["VAEBENCH_DATA"]) / "signatures" / "pcawg" / "signatures_2019_05.csv")


def tasks(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The keys of all rows."""
    return [
        dict(zip(KEYS, (scenario, setting, source, method, beta, level, repeat), strict=True))
        for scenario in options.scenarios
        for setting in options.settings
        for source in options.signatures
        for method in options.methods
        for beta in (options.betas if method.partition(":")[0] in REPORTED else [0.0])
        for level in options.levels
        for repeat in range(1 if setting == "R" else options.repeats)
    ]


def rivals(catalogue: pd.DataFrame, signatures: pd.DataFrame, truth: pd.DataFrame) -> dict[str, float]:
    """Presence calls of non-negative least squares, cut or pruned; its share of the mutations stands for a probability."""
    x, s = catalogue.to_numpy(), signatures.to_numpy()
    exposures = np.array([nnls(s.T, row)[0] for row in x])
    found = {}
    for name, values in (("nnls", exposures), ("pruned", pruned(exposures, s, x))):
        shares = values / np.maximum(values.sum(1, keepdims=True), 1e-12)
        names = {"sample": np.repeat(catalogue.index, len(s)), "signature": np.tile(signatures.index, len(x))}
        calls = pd.DataFrame(names | {"presence": shares.ravel()})
        scores = presence_scores(calls, truth, cut=0.05 if name == "nnls" else 1e-9)
        found |= {f"{name}_{score}": value for score, value in scores.items()}
    return found


def measured(task: dict[str, Any], options: Any) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """The row of a task, its coverage by group, and the reliability of its P(present)."""
    shipped = cohort(task["scenario"])
    catalogue = redrawn(shipped, task["setting"], task["repeat"])
    noise = "negative_binomial" if task["setting"].startswith("NB") else "poisson"
    signatures = found_signatures(shipped, task, catalogue, options)
    method, _, variant = task["method"].partition(":")
    settings = {"variant": variant} if variant else {"recipe": "benchmarked"} if method in REPORTED else {}
    settings |= {"beta": task["beta"]} if method in REPORTED else {}
    started = time.perf_counter()
    fit = refit(
        catalogue,
        signatures,
        intervals=method,
        noise=noise,
        seed=task["repeat"],
        types=cancer_types(catalogue.index),
        settings=settings,
        level=task["level"],
    )
    seconds = time.perf_counter() - started
    assert fit.intervals is not None
    truth = shipped.exposures
    best = refit(catalogue, signatures, noise=noise).exposures.reindex(columns=truth.columns, fill_value=0.0)
    row = {**task, **coverage_summary(fit.intervals, truth)}
    row |= {"mse_maximum_likelihood": float(((best - truth) ** 2).to_numpy().mean())}
    row |= {"dispersion": fit.dispersion, "size": fit.size, "misfits": int((fit.samples["flag"] == "misfit").sum())}
    row |= {name: fit.diagnostics.get(name) for name in ("r_hat_99", "effective_draws_1")}
    reliable = pd.DataFrame()
    if fit.intervals["presence"].notna().all():
        row |= {f"presence_{name}": score for name, score in presence_scores(fit.intervals, truth).items()}
        row |= rivals(catalogue, signatures, truth)
        reliable = reliability(fit.intervals, truth).assign(**task)
    groups = coverage_table(fit.intervals, truth).assign(**task)
    return row | {"seconds": round(seconds, 1), "status": "OK"}, groups, reliable


def run(options: argparse.Namespace) -> list[pd.DataFrame]:
    """All rows, groups and reliabilities, new ones added one by one to the files."""
    options.out.mkdir(parents=True, exist_ok=True)
    paths = [options.out / f"{name}.csv" for name in ("rows", "groups", "reliability")]
    tables = [pd.read_csv(path) if path.exists() else pd.DataFrame() for path in paths]
    done = set(tables[0][KEYS].itertuples(index=False, name=None)) if len(tables[0]) else set()
    for task in tasks(options):
        if tuple(task[key] for key in KEYS) in done:
            continue
        try:
            row, *new = measured(task, options)
        except RunError as error:
            row, new = {**task, "status": str(error)}, [pd.DataFrame(), pd.DataFrame()]
        tables = [added(old, more) for old, more in zip(tables, [pd.DataFrame([row]), *new], strict=True)]
        for path, frame in zip(paths, tables, strict=True):
            if frame.shape[1]:
                keep(frame, path)
        print(row, file=sys.stderr, flush=True)
    return tables


def added(frame: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Both, one below the other; what is empty has no say in the types of columns."""
    parts = [part.dropna(axis=1, how="all") for part in (frame, new) if len(part)]
    return pd.concat(parts, ignore_index=True) if len(new) else frame


def table(rows: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """One line a setting, all keys but the repeat: coverage pooled over the repeats, the worst signature, means of the rest."""
    lines = []
    for key, mine in groups.groupby(KEYS[:-1], sort=False):
        pooled = pooled_coverage(mine)
        line: dict[str, Any] = dict(zip(KEYS[:-1], key, strict=True))
        line |= {"repeats": mine["repeat"].nunique()}
        line |= {name.replace("-", "_"): pooled["size", name] for name in SIZES}
        line |= {"least": pooled["signature"].idxmin(), "least_coverage": pooled["signature"].min()}
        same = (rows[KEYS[:-1]] == list(key)).all(axis=1)
        by_repeat = rows.loc[same, "non_zero"]
        line |= {"non_zero_sd": by_repeat.std()}
        names = ["width", "upper_of_zeros", "mse", "mse_maximum_likelihood", "mae", "dispersion", "seconds"]
        names += [name for name in rows.columns if name.startswith(("presence_", "nnls_", "pruned_"))]
        line |= {name: float(rows.loc[same, name].mean()) for name in names}
        printed = PRINTED.get((line["signatures"], int(line["scenario"]), line["beta"]))
        if line["setting"] == "R" and line["method"] == "posterior_released" and printed:
            line |= dict(zip(("printed_coverage", "printed_mse"), printed, strict=True))
        lines.append(line)
    return pd.DataFrame(lines)


def tuned_widths(rows: pd.DataFrame) -> pd.DataFrame:
    """Widths where each method covers 95% of the exposures above 0, linear between the levels done; NaN beyond them.

    One line a setting and method; the ratio is to ``profile_likelihood``'s width there.
    """
    keys, lines = ["scenario", "setting", "signatures", "method"], []
    names = ["level", "width", "upper_of_zeros"]
    for key, mine in rows[rows["status"] == "OK"].groupby(keys, sort=False):
        means = mine.groupby("level", as_index=False)[["non_zero", *names[1:]]].mean().sort_values("non_zero")
        at = {name: np.interp(0.95, means["non_zero"], means[name], np.nan, np.nan) for name in names}
        lines.append({**dict(zip(keys, key, strict=True)), **at})
    frame = pd.DataFrame(lines, columns=[*keys, *names])
    rival = frame[frame["method"] == "profile_likelihood"].set_index(keys[:-1])["width"].rename("rival")
    return frame.assign(ratio=frame["width"] / frame.join(rival, on=keys[:-1])["rival"])


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = Parser(__doc__, "runs/coverage")
    parser.add_argument("--preset", choices=("smoke", "cpu"), default="cpu")
    methods = ["spike_slab", "profile_likelihood", "bootstrap", "bootstrap_basic"]
    parser.add_argument("--methods", type=comma(), default=methods)
    parser.add_argument("--scenarios", type=comma(int), default=list(SCENARIOS))
    parser.add_argument("--settings", type=comma(), default=["P", "R"], help=", ".join(SETTINGS))
    parser.add_argument("--signatures", type=comma(), default=["known"], help=", ".join(SOURCES))
    parser.add_argument("--betas", type=comma(float), default=[0.0])
    parser.add_argument("--levels", type=comma(float), default=[0.95])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    for source in options.signatures:
        if source not in SOURCES:
            raise unknown_name("signatures", source, SOURCES)
    if options.preset == "smoke":
        options.scenarios, options.repeats = [0], 1
    rows, groups, reliable = run(options)
    lines = table(rows, groups)
    save(coverage_dots(groups), options.out / "coverage.png")
    save(reliability_curves(reliable), options.out / "reliability.png")
    keep(lines, options.out / "table.csv")
    keep(tuned_widths(rows), options.out / "widths.csv")
    print(lines.to_string(index=False, float_format="{:.3f}".format, na_rep=""))


if __name__ == "__main__":
    sys.exit(entry(main))
