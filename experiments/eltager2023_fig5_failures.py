"""Fig. 5 of eltager2023: settings whose training diverges, by level of every hyperparameter.

    python experiments/eltager2023_fig5_failures.py --rows runs/eltager2023/pancan_eb-eltager2023_scaled --out results/fig5
    python experiments/eltager2023_fig5_failures.py --preset smoke --out runs/smoke

Reads rows of eltager2023_grid.py; seconds. The study finds that beta-TCVAE and DIP-VAE fail most, CAT-VAE never, and small
learning rates least. Intervals are Wilson's. The test of each hyperparameter is a likelihood ratio, adjusted after Holm.

Writes OUT/failures.png, OUT/failures.csv, and OUT/failures_by_model_and_rate.csv, the counts of both together.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd
from eltager2023_grid import smoke_run
from matplotlib.figure import Figure
from scripts import Parser, add_reading, described, entry, rows_of, title, write

from vaebench.analysis.comparisons import failures_by_level
from vaebench.analysis.importance import hyperparameters
from vaebench.analysis.settings import is_baseline, value_text
from vaebench.figures import style


def failures_figure(table: pd.DataFrame, note: str) -> Figure:
    """Share of failed trainings by level, a panel a hyperparameter, the one with the largest likelihood ratio first."""
    order = table.groupby("hyperparameter", sort=False)["g2"].first().fillna(-1.0).sort_values(ascending=False).index
    columns, height = 2, -(-len(order) // 2)
    figure, axes = style.new_figure(1.4 + 2.5 * height, height, columns)
    for ax in axes[len(order) :]:
        ax.set_visible(False)
    highest = max(0.02, float(table["high"].max()))
    for ax, name in zip(axes, order, strict=False):
        lines = table[table["hyperparameter"] == name]
        places = np.arange(len(lines))
        ax.bar(places, lines["rate"], color=style.PALETTE[1], width=0.65)
        ax.vlines(places, lines["low"], lines["high"], color=style.BASELINE, linewidth=1.2)
        labels = [style.plain(value_text(level), 18) for level in lines["level"]]
        turn = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if max(map(len, labels)) > 7 else {}
        ax.set_xticks(places, labels, **turn)
        ax.set_ylim(0, min(1.02, 1.05 * highest))
        ax.grid(axis="x", visible=False)
        p = lines["adjusted"].iloc[0]
        tested = "no test" if np.isnan(p) else f"p {'<' if p < 1e-4 else '='} {max(p, 1e-4):.2g}"
        ax.set_title(f"{title(name)} ({tested})", loc="left", fontsize=11)
    figure.supylabel("share of failed trainings", fontsize=10)
    style.add_footnote(figure, "Lines: Wilson's 95% intervals; p: likelihood ratio over the levels, after Holm.", note)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = Parser(__doc__, "runs/fig5")
    add_reading(parser, smoke_run)
    options = parser.parse_args(arguments)
    rows = rows_of(options)
    table = failures_by_level(rows, hyperparameters(rows))
    write(options.out, "failures", table, failures_figure(table, described(rows)))
    models = rows[~is_baseline(rows)]
    groups = (models["status"] != "OK").groupby([models["static/variant"], models["traced/learning_rate"]])
    both = groups.agg(["sum", "size"]).set_axis(["failed", "of"], axis=1).reset_index()
    write(options.out, "failures_by_model_and_rate", both)


if __name__ == "__main__":
    sys.exit(entry(main))
