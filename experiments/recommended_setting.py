"""Every variant in both recipes at the recommended setting, and PCA: losses, clusters, survival, disentanglement.

    VAEBENCH_DATA=data python experiments/recommended_setting.py --data metagsca --out runs/recommended
    python experiments/recommended_setting.py --preset smoke --out runs/smoke                     # simulated, 1 of them

Claim of eltager2023: no variant is far ahead at its best. Our question: which peculiarities of the released code change the
ranking? Setting: learning rate 1e-3, Kaiming uniform, Adam, tanh, 50 latents, hidden 512, batch 64, at most 200 epochs,
patience 20, ten seeds. Machine: 2 CPU cores; minutes for ten seeds: metagsca about 60, pancan_eb and gtex about 20 each.
Expected on metagsca: PCA with 50 components has an ARI of 0.836, and no variant's mean is far above it.

Writes OUT/DATA/rows/*.parquet (an interrupted run continues), report.html, table.csv and table.md (mean and standard
deviation over the seeds of every score, failures counted), and peculiarities.csv: the change from the textbook to the
benchmarked recipe, paired by seed, and the change of the ranking.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pandas as pd
from cohorts import NAMES, cohort
from scripts import Parser, comma, entry, keep

from vaebench import results
from vaebench.analysis.uncertainty import paired_difference
from vaebench.errors import unknown_name
from vaebench.metrics.wsepin import WsepinOptions
from vaebench.report.runs import write_report
from vaebench.space import Point, product
from vaebench.sweep.runner import run
from vaebench.variants import VARIANTS

METRICS = ("leiden", "cox", "cox_heldout", "probe", "reconstruction", "latent_use", "total_correlation", "wsepin")
FACTOR_METRICS = ("rmig", "correlation")
EXPRESSION = [name for name, variant in VARIANTS.items() if variant.domain == "expression"]
COLUMNS = {
    "loss/valid": "validation loss",
    "metric/leiden/ari": "ARI",
    "metric/leiden/clusters": "clusters",
    "metric/cox/aic": "Cox AIC",
    "metric/cox/delta_aic": "delta AIC",
    "metric/cox_heldout/concordance": "concordance, held out",
    "metric/probe/linear_accuracy": "linear probe",
    "metric/probe/knn_accuracy": "kNN probe",
    "metric/reconstruction/r2": "R2",
    "metric/latent_use/active_units": "active units",
    "metric/total_correlation/total_correlation": "total correlation",
    "metric/wsepin/wsepin": "WSEPIN",
    "metric/wsepin/information_share": "I(x;z) / ln N",
    "metric/rmig/rmig": "RMIG",
    "run/epochs": "epochs",
}


SHOWN = {
    "validation loss": 1,
    "epochs": 0,
    "ARI": 3,
    "Cox AIC": 1,
    "concordance, held out": 3,
    "linear probe": 3,
    "R2": 3,
    "active units": 1,
    "I(x;z) / ln N": 3,
    "WSEPIN": 4,
}
"""Columns of the printed table, and their digits."""
RANKED = {
    "metric/leiden/ari": ("ARI", True),
    "metric/cox/aic": ("Cox AIC", False),
    "metric/probe/linear_accuracy": ("linear probe", True),
    "metric/reconstruction/r2": ("R2", True),
    "metric/latent_use/active_units": ("active units", True),
}
"""Scores by which recipes are compared, their names, and whether more is better."""


def points(names: Sequence[str], seeds: int, small: bool = False) -> list[Point]:
    """The trainings of the variants ``names`` in all their recipes."""
    changed = {"hidden": (32,), "latent": 10, "epochs": 3} if small else {}
    chosen = []
    for name in names:
        if name not in EXPRESSION:
            raise unknown_name("variant", name, EXPRESSION)
        base = Point(variant=name, study="recommended", learning_rate=1e-3, init="kaiming_uniform")
        chosen += product(base, recipe=VARIANTS[name].recipes, activation="tanh", seed=range(seeds), **changed)
    return chosen


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over seeds of what the rows have of :data:`COLUMNS`, one line a variant and recipe."""
    keys = ["static/variant", "static/recipe"]
    groups = rows.assign(**{"static/recipe": rows["static/recipe"].fillna("")}).groupby(keys, sort=False)
    lines = []
    for (variant, recipe), group in groups:
        line = {
            "variant": variant,
            "recipe": recipe,
            "seeds": len(group),
            "failed": int((group["status"] != "OK").sum()),
        }
        for column, name in COLUMNS.items():
            if column in group:
                values = pd.to_numeric(group.loc[group["status"] == "OK", column], errors="coerce").dropna()
                line |= {name: values.mean(), f"{name} sd": values.std(), f"{name} n": len(values)}
        lines.append(line)
    return pd.DataFrame(lines).sort_values("ARI", ascending=False, ignore_index=True)


def markdown(lines: pd.DataFrame) -> str:
    """The table for people: mean and standard deviation over the seeds of :data:`SHOWN`, failures counted."""
    shown = {name: digits for name, digits in SHOWN.items() if name in lines}
    text = [f"| variant | recipe | failed | {' | '.join(shown)} |", "|---" * (3 + len(shown)) + "|"]
    for line in lines.to_dict("records"):
        cells = []
        for name, digits in shown.items():
            mean, spread = (f"{line[column]:.{digits}f}" for column in (name, f"{name} sd"))
            cells.append("" if mean == "nan" else mean if spread == "nan" else f"{mean} ± {spread}")
        failed = f"{line['failed']}/{line['seeds']}" if line["recipe"] else ""
        text.append(f"| {line['variant']} | {line['recipe']} | {failed} | {' | '.join(cells)} |")
    return "\n".join(text) + "\n"


def peculiarities(rows: pd.DataFrame) -> pd.DataFrame:
    """Score by score, what the released code's objective changes: a variant's rank in each recipe, and the difference.

    ``difference`` is benchmarked less textbook, paired by seed, with a 95% bootstrap interval; ranks are of the means, 1 best,
    among the variants that have both recipes.
    """
    lines = []
    for score, (name, higher) in RANKED.items():
        if score not in rows:
            continue
        used = rows[rows["status"] == "OK"].assign(score=pd.to_numeric(rows[score], errors="coerce"))
        seeds = used.pivot_table(index=["static/variant", "static/recipe"], columns="traced/seed", values="score")
        both = [v for v in seeds.index.unique(0) if {"textbook", "benchmarked"} <= set(seeds.loc[v].index)]
        means = seeds.mean(axis=1).unstack()
        ranks = means.loc[both].rank(ascending=not higher)
        for variant in both:
            one = seeds.loc[variant].dropna(axis=1)
            found = paired_difference(one.loc["benchmarked"].to_numpy(), one.loc["textbook"].to_numpy())
            line = {"score": name, "variant": variant, "seeds": found.n}
            line |= {"textbook": means.loc[variant, "textbook"], "benchmarked": means.loc[variant, "benchmarked"]}
            line |= {f"rank, {recipe}": ranks.loc[variant, recipe] for recipe in ("textbook", "benchmarked")}
            lines.append(line | {"difference": found.mean, "low": found.low, "high": found.high})
    return pd.DataFrame(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = Parser(__doc__, "runs/recommended")
    parser.add_argument("--preset", choices=("smoke", "cpu"), default="cpu")
    parser.add_argument("--data", choices=NAMES, default="simulated")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--variants", type=comma(), default=EXPRESSION, help="all; more can join the same folder")
    options = parser.parse_args(arguments)
    smoke = options.preset == "smoke"
    chosen = points(["iwae"], 2, small=True) if smoke else points(options.variants, options.seeds)
    data = cohort(options.data)
    folder = options.out / options.data
    metrics = [m for m in METRICS if data.survival is not None or not m.startswith("cox")]
    metrics += FACTOR_METRICS if data.factors else ()
    own = {"wsepin": WsepinOptions(draws=200)} if smoke else None
    run(chosen, data, metrics, folder, evaluators=0 if smoke else None, metric_options=own)
    rows = results.read_rows(folder)
    lines = table(rows)
    keep(lines, folder / "table.csv")
    (folder / "table.md").write_text(markdown(lines), encoding="utf-8")
    changed = peculiarities(rows)
    keep(changed, folder / "peculiarities.csv")
    write_report(folder, rows, results.read_run_json(folder) or {})
    shown = [c for c in lines.columns if not c.endswith((" sd", " n"))]
    print(lines[shown].to_string(index=False, float_format="{:.4g}".format))
    print(changed.to_string(index=False, float_format="{:.4g}".format))


if __name__ == "__main__":
    sys.exit(entry(main))
