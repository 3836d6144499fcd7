"""Decomposition of extracted signatures into known ones: ours and SigProfilerAssignment's, on the five published scenarios.

Signatures are extracted by NMF with the true number from each scenario (Islam et al. 2022) and explained by the signatures of
PCAWG 2019, from which the scenarios were made. Right is a combination whose names are all in the truth; found is a true
signature that is in some combination. SigProfilerAssignment runs in an environment of its own, since it needs other versions of
pandas:

    python benchmarks/decomposition.py DATA extract --out WORK     # signatures of each scenario, as both programs read them
    OTHER/bin/python benchmarks/decomposition.py DATA rival --out WORK     # pip install SigProfilerAssignment
    python benchmarks/decomposition.py DATA compare --out WORK --table results/decomposition.csv

DATA holds signatures/scenario_02, ... and signatures/pcawg/signatures_2019_05.csv. Takes about 15 minutes on two cores.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path

import pandas as pd

SCENARIOS = ("02", "04", "06", "08", "14")
PART = re.compile(r"(?:Signature )?(SBS\d+[a-z]?)")


def extract(data: Path, out: Path, restarts: int) -> None:
    """Extract the signatures of each scenario and write them in SigProfiler's layout."""
    import vaebench as vb

    reference = vb.data.read_signatures(data / "pcawg" / "signatures_2019_05.csv")
    out.mkdir(parents=True, exist_ok=True)
    reference.T.rename_axis("Type").to_csv(out / "reference.tsv", sep="\t")
    for name in SCENARIOS:
        folder = data / f"scenario_{name}"
        catalogue = vb.data.read_catalogue(folder / "catalogue.csv")
        number = len(vb.data.read_signatures(folder / "signatures.csv"))
        found = vb.signatures.extract(catalogue, k=number, method="nmf", restarts=restarts, seed=0)
        found.save(out / f"scenario_{name}")
        found.signatures.T.rename_axis("MutationType").to_csv(out / f"signatures_{name}.tsv", sep="\t")
        catalogue.T.rename_axis("MutationType").iloc[:, :20].to_csv(out / f"samples_{name}.tsv", sep="\t")


def rival(out: Path) -> None:
    """Decompose by SigProfilerAssignment; the mapping is the file that it writes itself."""
    from SigProfilerAssignment import Analyzer  # type: ignore[import-not-found]

    for name in SCENARIOS:
        started = time.perf_counter()
        folder = out / f"rival_{name}"
        Analyzer.decompose_fit(
            str(out / f"samples_{name}.tsv"),
            str(folder),
            signatures=str(out / f"signatures_{name}.tsv"),
            signature_database=str(out / "reference.tsv"),
            genome_build="GRCh37",
            make_plots=False,
            cpu=1,
        )
        (folder / "seconds.txt").write_text(f"{time.perf_counter() - started:.1f}")


def compare(data: Path, out: Path, table: Path) -> None:
    """Score both programs' combinations against the truth."""
    import vaebench as vb

    reference = vb.data.read_signatures(data / "pcawg" / "signatures_2019_05.csv")
    rows = []
    for name in SCENARIOS:
        truth = set(vb.data.read_signatures(data / f"scenario_{name}" / "signatures.csv").index)
        signatures = vb.data.read_signatures(out / f"scenario_{name}" / "signatures.csv")
        exposures = vb.data.read_exposures(out / f"scenario_{name}" / "exposures.csv", samples_in="rows")
        started = time.perf_counter()
        ours = vb.signatures.decompose(signatures, reference, mutations=exposures.sum()).table()
        seconds = time.perf_counter() - started
        answers = {"vaebench": ({r.signature: r.references for r in ours.itertuples()}, seconds)}
        mapped = next((out / f"rival_{name}").rglob("De_Novo_map_to_COSMIC_*.csv"), None)
        if mapped is not None:
            theirs = pd.read_csv(mapped)
            parts = {str(r.iloc[0]): "+".join(PART.findall(str(r.iloc[1]))) or "new" for _, r in theirs.iterrows()}
            answers["SigProfilerAssignment"] = parts, float((out / f"rival_{name}" / "seconds.txt").read_text())
        for program, (combinations, took) in answers.items():
            used = [set(text.split("+")) - {"new"} for text in combinations.values()]
            named = set().union(*used)
            rows.append(
                {
                    "scenario": name,
                    "program": program,
                    "signatures": len(used),
                    "true": len(truth),
                    "found": len(named & truth),
                    "false": len(named - truth),
                    "all names true": sum(bool(one) and one <= truth for one in used),
                    "new": sum(not one for one in used),
                    "seconds": round(took, 1),
                }
            )
            print(name, program, combinations, flush=True)
    scored = pd.DataFrame(rows)
    print(scored.to_string(index=False))
    scored.to_csv(table, index=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("step", choices=("extract", "rival", "compare"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--restarts", type=int, default=2)
    parser.add_argument("--table", type=Path, default=Path("results/decomposition.csv"))
    given = parser.parse_args()
    if given.step == "extract":
        extract(given.data / "signatures", given.out, given.restarts)
    elif given.step == "rival":
        rival(given.out)
    else:
        compare(given.data / "signatures", given.out, given.table)
