"""Real genomes that an extraction has not seen: how well its signatures describe them. VAE-MS beside the other methods.

    VAEBENCH_DATA=data python experiments/gislum2024_unseen.py --given results/gislum2024/pcawg --out runs/unseen
    python experiments/gislum2024_unseen.py --preset smoke --out runs/smoke           # simulated cohort, under a minute

Egendal et al. 2026 compare VAE-MS with others on the genomes of PCAWG by the fit of those that were used and of those that were
not. Data: the 2,780 genomes, each cancer type cut in two at random, as in gislum2024_pcawg.py. Signatures of each half, 19 of
them (as many as `sparse` chooses in either), are fitted to both by maximum likelihood, whatever the method, so that only the
signatures are compared. Autoencoders: two restarts, counts redrawn once an epoch, at most 300 epochs; nmf: two restarts; sparse:
the halves of gislum2024_pcawg.py, which `--given` names and which were chosen among 2 to 45.

Machine: one CPU core, one to three minutes for each half and repeat of an autoencoder.
Expected: both halves fitted equally well by every method, best by sparse and muse_xae; those of sparse most often found again.

Writes OUT/rows.csv, a row a (method, repeat, half), each when it is done; finished rows are not repeated: the mean and least
cosine of a genome's counts with their fit and the median deviance, for genomes used and `unseen`; `near_published`, the share of
the signatures at 0.9 or more to a published one; `mutual`, the share at 0.9 or more to one of the other half's; and
OUT/table.csv, means over halves and repeats with the spread over repeats. OUT/signatures/METHOD_REPEAT_HALF.csv
holds what was found.
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
from gislum2024_pcawg import genomes, halves
from scripts import Parser, comma, entry, keep

from vaebench.data.mutations.tables import read_signatures, write_signatures
from vaebench.errors import InputError, RunError
from vaebench.signatures.extraction import extract
from vaebench.signatures.likelihood import deviance, maximum_likelihood
from vaebench.signatures.matching import fit_cosines, matches

HALVES = ("first", "second")
KEYS = ["method", "repeat", "half"]
SCORES = ["cosine", "cosine_unseen", "deviance", "deviance_unseen", "near_published", "mutual"]
AUTOENCODER: dict[str, Any] = {"restarts": 2, "augmentation": 1, "epochs": 300}


def found(task: dict[str, Any], counts: pd.DataFrame, options: argparse.Namespace) -> pd.DataFrame:
    """Signatures [S, 96] of a half, extracted once and kept, or given."""
    if task["method"] == "sparse" and options.given is not None:
        return read_signatures(options.given / f"signatures_{task['half']}.csv")
    path = options.out / "signatures" / f"{task['method']}_{task['repeat']}_{task['half']}.csv"
    if not path.exists():
        how: dict[str, Any] = {"restarts": 2} if task["method"] in ("sparse", "nmf") else dict(AUTOENCODER)
        if options.preset == "smoke" and "epochs" in how:
            how["epochs"] = 20
        result = extract(counts, k=options.k, method=task["method"], seed=task["repeat"], **how)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_signatures(result.signatures, path)
    return read_signatures(path)


def fit_of(counts: pd.DataFrame, signatures: pd.DataFrame, end: str) -> dict[str, float]:
    """Cosine and deviance of genomes and the fit of ``signatures`` by maximum likelihood."""
    x, s = counts.to_numpy(float), signatures.to_numpy(float)
    mean = maximum_likelihood(x, s).exposures @ s
    cosines = fit_cosines(x, mean)
    scores = {"cosine": np.nanmean(cosines), "least_cosine": np.nanmin(cosines)}
    scores["deviance"] = np.median(deviance(x, mean))
    return {f"{name}{end}": float(value) for name, value in scores.items()}


def rows_of_all(
    tasks: list[dict[str, Any]], parts: dict[str, pd.DataFrame], published: pd.DataFrame, options: argparse.Namespace
) -> pd.DataFrame:
    """All rows, new ones added one by one to OUT/rows.csv; without what needs both halves."""
    path = options.out / "rows.csv"
    rows = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=KEYS)
    done = set(rows[KEYS].itertuples(index=False, name=None))
    for task in tasks:
        if tuple(task.values()) in done:
            continue
        began = time.perf_counter()
        used, unseen = parts[task["half"]], parts[HALVES[task["half"] == HALVES[0]]]
        try:
            signatures = found(task, used, options)
            row = {"found": len(signatures), **fit_of(used, signatures, ""), **fit_of(unseen, signatures, "_unseen")}
            row["near_published"] = float((matches(signatures, published)["nearest_cosine"] >= 0.9).mean())
            row |= {"status": "OK", "seconds": round(time.perf_counter() - began, 1)}
        except RunError as error:
            row = {"status": str(error)}
        new = pd.DataFrame([{**task, **row}])
        rows = pd.concat([rows, new], ignore_index=True) if len(rows) else new
        options.out.mkdir(parents=True, exist_ok=True)
        keep(rows, path)
        print(task | row, file=sys.stderr, flush=True)
    return rows


def mutual(task: dict[str, Any], parts: dict[str, pd.DataFrame], options: argparse.Namespace) -> float:
    """Share of the signatures of a half that have one of the other half at a cosine of 0.9 or more."""
    own, other = (
        found(task | {"half": half}, parts[half], options) for half in (task["half"], *(set(HALVES) - {task["half"]}))
    )
    return float((matches(own, other)["cosine"] >= 0.9).mean())


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = Parser(__doc__, "runs/unseen")
    parser.add_argument("--preset", choices=("smoke", "cpu"), default="cpu")
    parser.add_argument("--methods", type=comma(), default=["sparse", "nmf", "vae_ms", "muse_xae", "folded_normal_vae"])
    parser.add_argument(
        "--given", type=Path, default=None, help="folder with signatures_first.csv and signatures_second.csv"
    )
    parser.add_argument("--k", type=int, default=19, help="number of signatures")
    parser.add_argument("--repeats", type=int, default=3, help="seeds of all methods but a given one")
    options = parser.parse_args(arguments)
    if options.preset == "smoke":
        options.k, options.repeats = 3, 1
    if options.given is not None and not (options.given / "signatures_first.csv").exists():
        raise InputError(f"--given {options.given} has no signatures_first.csv; gislum2024_pcawg.py writes it")
    catalogue, published, _ = genomes(options.preset)
    first = halves(catalogue, 0)
    parts: dict[str, pd.DataFrame] = {"first": catalogue[first], "second": catalogue[~first]}
    tasks = [
        {"method": method, "repeat": repeat, "half": half}
        for repeat in range(options.repeats)
        for method in options.methods
        for half in HALVES
        if repeat == 0 or method != "sparse" or options.given is None
    ]
    rows = rows_of_all(tasks, parts, published, options)
    rows = rows[rows[KEYS].apply(tuple, axis=1).isin([tuple(task.values()) for task in tasks])].copy()
    fine = rows["status"] == "OK"
    rows.loc[fine, "mutual"] = [mutual(dict(task), parts, options) for _, task in rows.loc[fine, KEYS].iterrows()]
    by_repeat = rows.groupby(["method", "repeat"], sort=False)[SCORES].mean()
    lines = by_repeat.groupby("method", sort=False).agg(["mean", "std"])
    lines.columns = [name if kind == "mean" else f"{name}_sd" for name, kind in lines.columns]
    lines.insert(0, "repeats", by_repeat.groupby("method", sort=False).size())
    keep(rows, options.out / "rows.csv")
    keep(lines.reset_index(), options.out / "table.csv")
    print(lines.to_string(float_format="{:.3f}".format, na_rep=""))


if __name__ == "__main__":
    sys.exit(entry(main))
