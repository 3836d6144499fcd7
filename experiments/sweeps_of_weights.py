"""Sweeps that the studies' discussions propose: the weights of the losses, never varied there, and the hidden width.

    VAEBENCH_DATA=data python experiments/sweeps_of_weights.py --data metagsca --out runs/weights
    python experiments/sweeps_of_weights.py --preset smoke --out runs/smoke

beta of beta-VAE and of beta-TCVAE, its alpha and gamma, lambda_od and lambda_d of DIP-VAE-II, lambda of InfoVAE (all traced:
one compiled program a model); delta of a Huber and the quantile of a quantile reconstruction; hidden widths 256, 512, 1024
of the VAE. Recommended setting (learning rate 1e-3, Kaiming uniform, Adam, tanh), 20 latents, the papers' equations, five
seeds; each weight varied by itself, the others at their defaults. Not included: semi-supervised, iVAE and biologically
constrained models.
Machine: 2 CPU cores, 330 trainings, 12 minutes for pancan_eb. Expected: the studies print nothing to compare with. A larger beta
leaves fewer active units, a lower total correlation and a worse reconstruction.

Writes OUT/DATA-weights/rows/*.parquet, OUT/weights_SCORE.png (mean and interval over seeds) and OUT/weights.csv.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scripts import (
    Parser,
    add_training,
    data_of,
    described,
    entry,
    metrics_for,
    pca_line,
    protocol_points,
    title,
    trained_rows,
    write,
)

from vaebench.analysis.settings import ARI, SCORES, is_baseline, usable, value_text
from vaebench.analysis.uncertainty import intervals
from vaebench.figures import style
from vaebench.space import Point, chain
from vaebench.types import Dataset

WEIGHTS = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
SWEEPS = {
    ("beta_vae", "beta"): WEIGHTS,
    ("beta_tc_vae", "beta"): WEIGHTS,
    ("beta_tc_vae", "alpha"): WEIGHTS,
    ("beta_tc_vae", "gamma"): WEIGHTS,
    ("dip_vae", "lambda_od"): WEIGHTS,
    ("dip_vae", "lambda_d"): WEIGHTS,
    ("info_vae", "lambda_mmd"): (1.0, 10.0, 30.0, 110.0, 300.0, 1000.0),
    ("huber_vae", "delta"): (0.1, 0.3, 1.0, 3.0, 10.0),
    ("quantile_vae", "tau"): (0.1, 0.25, 0.5, 0.75, 0.9),
    ("vae", "hidden"): (256, 512, 1024),
}
"""(model, weight) -> values."""
SMOKE = {("beta_vae", "beta"): (0.1, 1.0, 10.0)}
BASE = {
    "latent": [20],
    "learning_rate": [1e-3],
    "init": ["kaiming_uniform"],
    "optimizer": ["adam"],
    "activation": ["tanh"],
}
METRICS = ("leiden", "cox", "reconstruction", "latent_use", "total_correlation", "correlation", "rmig")
SHOWN = (
    ARI,
    "metric/cox/aic",
    "metric/reconstruction/r2",
    "metric/latent_use/active_units",
    "metric/total_correlation/total_correlation",
)


def planned_points(data: Dataset, seeds: int, smoke: bool) -> list[Point]:
    """The points of all sweeps, each once."""
    small = {"latent": [5], "hidden": [(16,)], "epochs": [3]} if smoke else {}
    made = []
    for (model, weight), values in (SMOKE if smoke else SWEEPS).items():
        varied = [(v,) for v in values] if weight == "hidden" else list(values)
        axes = {"variant": [model], "recipe": ["textbook"], **BASE, **small, weight: varied, "seed": list(range(seeds))}
        made += protocol_points("default", axes, data)
    return chain(made)


def sweep_rows(rows: pd.DataFrame, model: str, weight: str) -> pd.DataFrame:
    """The rows of one sweep, with the column ``weight``: all other weights at their most frequent value, the default."""
    mine = rows[rows["static/variant"] == model]
    column = "static/hidden" if weight == "hidden" else f"hyper/{weight}"
    for other in {w for m, w in SWEEPS if m == model and w != weight}:
        name = "static/hidden" if other == "hidden" else f"hyper/{other}"
        mine = mine[mine[name] == mine[name].mode().iloc[0]]
    return mine.assign(weight=mine[column].astype(float))


def means(rows: pd.DataFrame, sweeps: Sequence[tuple[str, str]], scores: Sequence[str]) -> pd.DataFrame:
    """Mean and interval over seeds of every score, one line a value of a weight."""
    lines = []
    for model, weight in sweeps:
        for value, group in sweep_rows(rows, model, weight).groupby("weight"):
            for score in scores:
                known = usable(group, score).dropna().to_numpy()
                low, high = intervals(known[None]) if len(known) else ([np.nan], [np.nan])
                line = {"model": model, "weight": weight, "value": value, "score": score, "seeds": len(group)}
                line |= {"failed": int((group["status"] != "OK").sum()), "n": len(known)}
                lines.append(line | {"mean": known.mean() if len(known) else np.nan, "low": low[0], "high": high[0]})
    return pd.DataFrame(lines)


def weights_figure(table: pd.DataFrame, score: str, line: tuple[str, float] | None, note: str) -> Figure:
    """One score: a panel a sweep."""
    sweeps = list(table[["model", "weight"]].drop_duplicates().itertuples(index=False, name=None))
    columns = min(3, len(sweeps))
    height = -(-len(sweeps) // columns)
    figure, axes = style.new_figure(1.5 + 2.1 * height, height, columns)
    for ax in axes[len(sweeps) :]:
        ax.set_visible(False)
    for ax, (model, weight) in zip(axes, sweeps, strict=False):
        mine = table[(table["model"] == model) & (table["weight"] == weight)]
        ax.fill_between(mine["value"], mine["low"], mine["high"], color=style.PALETTE[0], alpha=0.2, linewidth=0)
        ax.plot(mine["value"], mine["mean"], color=style.PALETTE[0], marker="o", markersize=4)
        if weight != "tau":
            ax.set_xscale("log")
        if weight == "hidden":
            ax.set_xticks(mine["value"], [value_text(v) for v in mine["value"]])
            ax.minorticks_off()
        if line is not None:
            ax.axhline(line[1], color=style.BASELINE, linewidth=1, linestyle=style.LINES[1])
        ax.set_title(f"{model}: {weight}", loc="left", fontsize=10)
    figure.supylabel(title(score), fontsize=10)
    key = "Line: mean over seeds; band: its 95% interval." + (f" Dashed: {line[0]}." if line else "")
    style.add_footnote(figure, key, note)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = Parser(__doc__, "runs/weights")
    add_training(parser)
    options = parser.parse_args(arguments)
    smoke = options.preset == "smoke"
    data = data_of(options)
    planned = planned_points(data, options.seeds or (2 if smoke else 5), smoke)
    metrics = metrics_for(("leiden", "latent_use", "reconstruction") if smoke else METRICS, data)
    rows = trained_rows(planned, data, metrics, options.out / f"{data.name}-weights", options)
    if rows is None:
        return
    models, sweeps = rows[~is_baseline(rows)], list(SMOKE if smoke else SWEEPS)
    scores = [score for score in SHOWN if score in rows.columns]
    table = means(models, sweeps, scores)
    write(options.out, "weights", table)
    for score in scores:
        line = pca_line(rows, score) if score in SCORES else None
        figure = weights_figure(table[table["score"] == score], score, line, described(models))
        write(options.out, f"weights_{score.rpartition('/')[2]}", figure=figure)


if __name__ == "__main__":
    sys.exit(entry(main))
