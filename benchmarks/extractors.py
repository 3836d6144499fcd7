"""Measure whole extractions beside the programs that users would otherwise take: CPU seconds, and F1 where the truth is known.

    python benchmarks/extractors.py CATALOGUE.csv --truth SIGNATURES.csv --out runs/extractors.csv
    ... --interpreter SigProfilerExtractor=ENV/bin/python --interpreter salamander=OTHER/bin/python

`sparse` and `nmf` choose the number of signatures among 2 to 12. The rivals are given the true one, for they choose by many
replicates or not at all: scikit-learn with five starts, salamander with its one, SigProfilerExtractor with ONE replicate. Its CPU
seconds are also given for all the numbers with its 100 replicates, as if each took as long (smaller numbers take less, larger
ones more). Each side is a process of its own, imports and compilation included; for one core, run it under `taskset -c 0`.
Rivals that are installed neither here nor in the environment of a given interpreter are left out. F1: that of precision and
sensitivity averaged over cut-offs of the cosine from 0.80 to 1, as in gislum2024_extraction.py.
"""

from __future__ import annotations

import argparse
import importlib.util
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from vaebench.data.mutations.tables import read_catalogue, read_signatures
from vaebench.signatures.matching import recovery

RIVALS = Path(__file__).parent / "rival_extractors.py"
STARTS = {"scikit-learn": 5, "salamander": 1, "SigProfilerExtractor": 1}
MODULES = {"scikit-learn": "sklearn"}
REPLICATES = 100
"""SigProfilerExtractor's default."""
OURS = ("sparse", "nmf")
NUMBERS = range(2, 13)


def seconds_of(command: list[str]) -> tuple[float, float]:
    """CPU and wall seconds of a command and of the processes that it starts."""

    def spent() -> float:
        return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])

    cpu, wall = spent(), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
    return spent() - cpu, time.perf_counter() - wall


def ours(method: str, catalogue: str, folder: Path) -> tuple[list[str], Path]:
    """The command of an extraction by this package, and where it writes the signatures."""
    out = folder / method
    code = "import sys; from vaebench.cli import entry; sys.exit(entry())"
    numbers = ["--k-min", str(NUMBERS[0]), "--k-max", str(NUMBERS[-1])]
    command = [sys.executable, "-c", code, "extract", catalogue, *numbers, "--method", method, "--out", str(out)]
    return command, out / "signatures.csv"


def theirs(name: str, interpreter: str, counts: pd.DataFrame, true: int, folder: Path) -> tuple[list[str], Path]:
    """The command of a rival with the true number of signatures, and where it writes them."""
    table, out = folder / "counts.csv", folder / f"{name}.csv"
    counts.to_csv(table)
    how = ["--least", str(true), "--most", str(true), "--replicates", str(STARTS[name])]
    return [interpreter, str(RIVALS), name, str(table), str(out), *how], out


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("catalogue")
    parser.add_argument("--truth", required=True, help="the true signatures")
    parser.add_argument("--interpreter", action="append", default=[], help="NAME=PYTHON of a rival's environment")
    parser.add_argument("--out", type=Path, default=Path("runs/extractors.csv"))
    options = parser.parse_args()
    counts, truth = read_catalogue(options.catalogue), read_signatures(options.truth)
    here = {name: sys.executable for name in STARTS if importlib.util.find_spec(MODULES.get(name, name))}
    interpreters = here | dict(each.split("=", 1) for each in options.interpreter)
    rows, folder = [], Path(tempfile.mkdtemp(prefix="extractors-"))
    for name in (*OURS, *interpreters):
        if name in OURS:
            command, out = ours(name, options.catalogue, folder)
        else:
            command, out = theirs(name, interpreters[name], counts, len(truth), folder)
        cpu, wall = seconds_of(command)
        found = read_signatures(out) if name in OURS else pd.read_csv(out).drop(columns="k")
        found = found.div(found.sum(axis=1), axis=0)
        scores = recovery(found, truth)
        scaled = cpu * REPLICATES * len(NUMBERS) if name == "SigProfilerExtractor" else None
        row = {"program": name, "found": len(found), "true": len(truth), "f1": scores.f1, "cosine": scores.mean_cosine}
        rows.append(row | {"cpu": round(cpu, 1), "wall": round(wall, 1), "scaled_cpu": scaled})
        print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_csv(options.out, index=False)


if __name__ == "__main__":
    main()
