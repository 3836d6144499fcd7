"""What does an extraction find in real tumours: published signatures, blends of them, the same signatures in both halves?

    python experiments/real_extraction.py --exposures PCAWG_EXPOSURES --catalogue PCAWG_CATALOGUE --cosmic COSMIC --out runs/found
    ... --types Liver-HCC,all --first 0 --samples 100 --k-max 15 --restarts 3 --prior-weight 100
    ... --types all --samples 2780 --k-min 20 --k-max 60 --restarts 1
    python experiments/real_extraction.py --preset smoke --out runs/smoke

Data: as for experiments/trust.py. The genomes FIRST to FIRST + SAMPLES of each type are extracted by `sparse`, as a whole and in
two halves (every other genome), with K_MIN to K_MAX signatures. There is no truth for real tumours. A found signature is taken
as

* one:     its cosine with a published signature is at least 0.90;
* two:     its cosine with the best combination of two published signatures is;
* stable:  each half has a signature whose cosine with it is at least 0.90;
* foreign: its nearest published signature was found by PCAWG in no tumour of the type, at a cosine of 0.85 or more.

With --prior-weight the published signatures are a prior of that weight, and `one` and `two` are then no evidence.

Machine: 1 CPU core, two to ten minutes a type.
Expected: at least 80% of the signatures one or two, and the rest stable.
Measured: results/trust/README.md.

Writes OUT/rows.csv (a line a type) and OUT/found.csv (a line a signature); finished types are not repeated, and of an
interrupted one no finished number of signatures.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from real_tumours import add_genomes, asked_for
from scripts import Parser, entry, keep
from trust import RENAMED

from vaebench.data.mutations.tables import read_catalogue, read_signatures
from vaebench.errors import InputError
from vaebench.signatures.extraction import Extraction, extract
from vaebench.sweep.progress import StepDisplay

TYPES = ("Liver-HCC", "Lung-AdenoCA", "Breast-AdenoCA")
ALIKE, NAMED = 0.90, 0.85
"""Cosines from which two signatures are the same, and from which one is called by the other's name."""
KEYS = ["type", "first", "samples", "k_min", "k_max", "restarts", "seed", "prior_weight"]


def cosines(found: pd.DataFrame, others: pd.DataFrame) -> np.ndarray:
    """Cosines [S, R] of two sets of signatures over the same channels."""
    a, b = found.to_numpy(), others[found.columns].to_numpy()
    return (a / np.linalg.norm(a, axis=1)[:, None]) @ (b / np.linalg.norm(b, axis=1)[:, None]).T


def best_of_pairs(found: pd.DataFrame, known: pd.DataFrame) -> list[tuple[str, float]]:
    """Name and cosine of the best combination of two known signatures for each found one, by hand.

    With g the cosine of the two and a, b theirs with the signature, both weights of the best combination are positive if
    a > g b and b > g a, and its squared cosine is (a^2 + b^2 - 2 g a b) / (1 - g^2); else one of them alone is best.
    """
    single, gram = cosines(found, known), cosines(known, known)
    names, best = list(known.index), []
    i, j = np.triu_indices(len(known), 1)
    g = gram[i, j]
    for row in single:
        a, b = row[i], row[j]
        both = (a > g * b) & (b > g * a) & (g < 1 - 1e-9)
        squared = np.where(both, (a**2 + b**2 - 2 * g * a * b) / np.maximum(1 - g**2, 1e-9), np.maximum(a, b) ** 2)
        top = int(np.argmax(squared))
        best.append((f"{names[i[top]]}+{names[j[top]]}", float(np.sqrt(squared[top]))))
    return best


def table_of(whole: Extraction, halves: Sequence[Extraction], known: pd.DataFrame, seen: set[str]) -> pd.DataFrame:
    """A line for each signature of the whole: see the module's docstring."""
    found, single = whole.signatures, cosines(whole.signatures, known)
    pairs = best_of_pairs(found, known)
    again = np.array([cosines(found, half.signatures).max(axis=1) for half in halves])
    nearest = [str(known.index[k]) for k in single.argmax(axis=1)]
    amounts = whole.exposures.to_numpy().sum(axis=0)
    return pd.DataFrame(
        {
            "signature": list(found.index),
            "mutations": amounts / amounts.sum(),
            "genomes": (whole.exposures > 0).mean().to_numpy(),
            "nearest": nearest,
            "cosine": single.max(axis=1),
            "pair": [name for name, _ in pairs],
            "pair_cosine": [value for _, value in pairs],
            "half_cosine": again.min(axis=0),
            "foreign": [n not in seen and c >= NAMED for n, c in zip(nearest, single.max(axis=1), strict=True)],
        }
    )


def row_of(table: pd.DataFrame, halves: Sequence[Extraction]) -> dict[str, Any]:
    """Shares of the found signatures."""
    one, stable = table["cosine"] >= ALIKE, table["half_cosine"] >= ALIKE
    two = one | (table["pair_cosine"] >= ALIKE)
    return {
        "found": len(table),
        "found_in_halves": " ".join(str(len(half.signatures)) for half in halves),
        "one": float(one.mean()),
        "two": float(two.mean()),
        "stable": float(stable.mean()),
        "two_or_stable": float((two | stable).mean()),
        "foreign": " ".join(table.loc[table["foreign"], "nearest"]),
    }


def measured(options: argparse.Namespace, paths: dict[str, Path], kinds: Sequence[str]) -> pd.DataFrame:
    """A row a type; rows of OUT/rows.csv are not made again."""
    table = pd.read_csv(paths["exposures"]).rename(columns=RENAMED)
    catalogue, known = read_catalogue(paths["catalogue"]), read_signatures(paths["cosmic"])
    out = options.out / "rows.csv"
    rows = pd.read_csv(out, keep_default_na=False) if out.exists() else pd.DataFrame(columns=pd.Index(KEYS))
    asked = {name: getattr(options, name) for name in KEYS[1:]}
    for kind in kinds:
        if ((rows[KEYS] == pd.Series({"type": kind} | asked)).all(axis=1)).any():
            continue
        own = [name for name in catalogue.index if kind == "all" or str(name).startswith(f"{kind}::")]
        counts = catalogue.loc[own[options.first : options.first + options.samples]]
        if len(counts) < 4:
            raise InputError(f"--types {kind[:60]}: there are {len(counts)} such genomes from place {options.first}")
        mine = table if kind == "all" else table[table["Cancer Types"] == kind]
        amounts = mine[[name for name in known.index if name in table.columns]]
        started = time.process_time()
        whole, *halves = (
            extract(
                part,
                k=range(options.k_min, options.k_max + 1),
                restarts=options.restarts,
                seed=options.seed,
                reference=known if options.prior_weight else None,
                prior_weight=options.prior_weight,
                progress=StepDisplay(),
                steps=options.out / "steps",
            )
            for part in (counts, counts.iloc[::2], counts.iloc[1::2])
        )
        never = {str(n) for n in known.index if n in table.columns and n not in amounts.columns[(amounts > 0).any()]}
        found = table_of(whole, halves, known, {str(n) for n in known.index} - never)
        row = {"type": kind, **asked, "genomes": len(counts)} | row_of(found, halves)
        row["cpu_seconds"] = time.process_time() - started
        rows = pd.DataFrame([*rows.to_dict("records"), row])
        found = pd.concat([pd.DataFrame({"type": kind, **asked}, index=found.index), found], axis=1)
        earlier = options.out / "found.csv"
        if earlier.exists():
            found = pd.concat([pd.read_csv(earlier, keep_default_na=False), found])
        keep(found, earlier)
        keep(rows, out)
        shutil.rmtree(options.out / "steps", ignore_errors=True)
        print(row, file=sys.stderr, flush=True)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = Parser(__doc__, "runs/real_extraction")
    add_genomes(parser, TYPES)
    parser.add_argument("--k-min", type=int, default=2, help="smallest number of signatures")
    parser.add_argument("--k-max", type=int, default=15, help="largest number of signatures")
    parser.add_argument("--restarts", type=int, default=3, help="random starts for each number")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--prior-weight", type=float, default=0.0, help="weight of the published signatures as a prior")
    options = parser.parse_args(arguments)
    if options.preset == "smoke":
        options.k_max, options.restarts = 3, 1
    print(measured(options, *asked_for(options)).to_string())


if __name__ == "__main__":
    sys.exit(entry(main))
