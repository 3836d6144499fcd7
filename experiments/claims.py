"""Judge the 35 claims of the four studies by rows: verdicts, the numbers behind them, and the rules.

    python experiments/claims.py --grid runs/eltager2023/pancan_eb-eltager2023_scaled \\
        --grid-gtex runs/eltager2023/gtex-eltager2023_scaled \\
        --disentangled runs/disentangled/pancan_eb-eltager2023_scaled \\
        --features results/tumour_factors/metagsca/run --shared results/tumour_factors/metagsca/shared.csv \\
        --korkic runs/korkic2021/metagsca-korkic2021_scaled \\
        --kroskinski runs/kroskinski2021/metagsca-kroskinski2021_scaled \\
        --kroskinski-zscore runs/kroskinski2021/metagsca-kroskinski2021_zscore_scaled \\
        --kroskinski-deep runs/kroskinski2021/metagsca-kroskinski2021_deep_scaled \\
        --beta runs/beta/rows.csv --extraction runs/extraction/rows.csv --coverage runs/coverage/rows.csv --out results
    python experiments/claims.py --preset smoke --out runs/smoke

A claim whose evidence is not given is "not tested yet". `--features`, a run with all known features, is evidence for claims 15
and 16 in place of `--disentangled`. Verdicts follow the rules in claims_*.py. Their thresholds were fixed before real rows were
looked at, and the rules are printed below the table. A verdict is about the data named next to it, not about the study's data.
Under two minutes for complete grids.

Writes OUT/claims.md and OUT/claims.csv.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import claims_disentanglement
import claims_eltager2023
import claims_signatures
import claims_theses
import pandas as pd
from scripts import Parser, described, entry, rows_of, write
from verdicts import FAILS, HOLDS, UNCLEAR, UNTESTED, Claim, evidence_name, judged

from vaebench.atomic import replacing
from vaebench.errors import InputError

FOLDERS = (
    "grid",
    "grid_gtex",
    "disentangled",
    "features",
    "korkic",
    "kroskinski",
    "kroskinski_zscore",
    "kroskinski_deep",
)
TABLES = ("shared", "beta", "extraction", "coverage")
STUDIES = {
    "eltager2023": "TCGA, 11,014 samples x 5,000 genes, and GTEx, 17,382 samples; ten restarts",
    "korkic2021": "TCGA x 5,000 genes, one run a setting",
    "kroskinski2021": "TCGA, 11,060 samples x 5,000 genes, ten runs",
    "gislum2024": "the same simulated scenarios; the report's own runs",
}
"""What the studies used, for what differs."""


def all_claims() -> list[Claim]:
    """The claims in the order of their numbers."""
    modules = (claims_eltager2023, claims_disentanglement, claims_theses, claims_signatures)
    return sorted((claim for module in modules for claim in module.CLAIMS), key=lambda claim: claim.number)


def study_of(number: int) -> str:
    """The study that made a claim; 18 is ours, on the first study's grid."""
    return next(name for last, name in zip((18, 23, 28, 35), STUDIES, strict=True) if number <= last)


def evidence(options: argparse.Namespace) -> dict[str, pd.DataFrame]:
    """The rows of all evidence that was given."""
    found = {}
    for name in FOLDERS:
        if getattr(options, name) is not None:
            found[name] = rows_of(options, folder=getattr(options, name))
    for name in TABLES:
        path = getattr(options, name)
        if path is not None:
            if not path.is_file():
                raise InputError(f"--{name} {path}: there is no such file")
            found[name] = pd.read_csv(path)
    return found


def short_text(name: str, rows: pd.DataFrame) -> str:
    """The data of an evidence, for the table."""
    if name not in FOLDERS:
        return ", ".join(rows["data"].unique()) if "data" in rows else ""
    first, trained = rows.iloc[0], rows["traced/seed"].nunique()
    text = f"{first['data/name']} ({first['data/samples']:,} samples x {first['data/features']:,} features, "
    text += f"{first['study']}, {trained} seed{'s' if trained > 1 else ''})"
    return f"SIMULATED {text}" if str(first["data/name"]).startswith("simulated") else text


def evidence_text(name: str, rows: pd.DataFrame) -> str:
    """What an evidence was made from."""
    if name in FOLDERS:
        text = described(rows)
        return f"simulated data, which only shows that the rules run: {text}" if "simulated" in text else text
    if name == "shared":
        return f"{rows['model'].nunique()} models, {rows[['first', 'second']].drop_duplicates().shape[0]} pairs of features"
    done = rows.groupby("method").size()
    scenarios = ", ".join(str(s) for s in sorted(rows["scenario"].unique()))
    return f"scenarios {scenarios}; refits or extractions: {', '.join(f'{m} {n}' for m, n in done.items())}"


def judgements(found: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One line a claim."""
    texts, lines = {name: short_text(name, rows) for name, rows in found.items()}, []
    for claim in all_claims():
        verdict = judged(claim, found)
        names = dict.fromkeys(evidence_name(need, found) for need in claim.needs)
        experiment = "tumour_factors.py" if "features" in names else claim.experiment
        used = [texts.get(name, "") for name in names]
        differs = "" if verdict.verdict == UNTESTED else f"{'; '.join(filter(None, used))}"
        differs += f" (study: {STUDIES[study_of(claim.number)]})" if differs else ""
        line = {
            "number": claim.number,
            "study": study_of(claim.number),
            "claim": claim.text,
            "verdict": verdict.verdict,
        }
        line |= {"evidence": verdict.number, "experiment": experiment, "differs": differs}
        lines.append(line | {"rule": " ".join((claim.rule.__doc__ or "").split())})
    return pd.DataFrame(lines)


def markdown(table: pd.DataFrame, found: dict[str, pd.DataFrame]) -> str:
    """The page."""
    counts = table["verdict"].value_counts()
    summary = ", ".join(f"{verdict}: {counts.get(verdict, 0)}" for verdict in (HOLDS, FAILS, UNCLEAR, UNTESTED))
    page = ["# The claims of the four studies, tested again", ""]
    page += [
        f"{len(table)} claims. {summary[0].upper()}{summary[1:]}. Intervals are 95%. Made by `experiments/claims.py`.",
        "",
    ]
    page += ["| # | claim | verdict | number behind it | experiment | what differs |", "|---|---|---|---|---|---|"]
    for line in table.to_dict("records"):
        cells = (f"{line['claim']} ({line['study']})", f"**{line['verdict']}**", line["evidence"])
        cells += (f"`{line['experiment']}`", line["differs"])
        page.append(f"| {line['number']} | " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    page += ["", "## Evidence", ""]
    page += [f"* `{name}`: {evidence_text(name, rows)}" for name, rows in found.items()] or ["None was given."]
    page += [
        "",
        "## Rules",
        "",
        'Fixed before real rows were looked at. "Surely": adjusted p below 0.05, or an interval that says so.',
        "",
    ]
    page += [f"{line['number']}. {line['rule']}" for line in table.to_dict("records")]
    return "\n".join(page) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = Parser(__doc__, "runs/claims")
    parser.add_argument("--preset", choices=("smoke", "rows"), default="rows", help="smoke: trains a tiny grid first")
    for name in FOLDERS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, default=None, help="folder of a run")
    for name in TABLES:
        parser.add_argument(f"--{name}", type=Path, default=None, help="CSV file of an experiment")
    options = parser.parse_args(arguments)
    if options.preset == "smoke" and options.grid is None:
        import eltager2023_grid

        options.grid = eltager2023_grid.smoke_run(options.out / "smoke_run")
    found = evidence(options)
    table = judgements(found)
    write(options.out, "claims", table)
    with replacing(options.out / "claims.md") as unfinished:
        unfinished.write_text(markdown(table, found), encoding="utf-8")
    print(options.out / "claims.md")
    print(table["verdict"].value_counts().to_string())


if __name__ == "__main__":
    sys.exit(entry(main))
