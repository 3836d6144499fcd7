"""Figs. 4 and S7 of eltager2023: the importance of every hyperparameter, and its best level.

    python experiments/eltager2023_fig4_hyperparameters.py --rows runs/eltager2023/pancan_eb-eltager2023_scaled --out results/fig4
    python experiments/eltager2023_fig4_hyperparameters.py --preset smoke --out runs/smoke

Reads rows of eltager2023_grid.py (pancan_eb for Fig. 4, gtex for Fig. S7); under a minute for the complete grid. The study
shows distributions by level. It finds U(0,1) worst, SGD worst on TCGA only, tanh slightly ahead, and latents below the
number of classes worse. This script also compares levels pair by pair over all other settings. It divides the variance of
each score among hyperparameters and their pairs (functional ANOVA), also by ranks, because losses have heavy tails.

Writes OUT/levels_ari.png, levels_aic.png, shares_SCORE.png; OUT/levels.csv (differences, intervals, p by Wilcoxon, adjusted
after Holm within each score) and OUT/shares.csv (`share` as it is in the scores, `corrected` without what noise adds).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd
from eltager2023_grid import smoke_run
from matplotlib.figure import Figure
from scripts import Parser, add_reading, described, entry, pca_line, present_score, rows_of, title, write

from vaebench.analysis.comparisons import level_effects
from vaebench.analysis.importance import Importance, hyperparameters, importance
from vaebench.analysis.settings import ARI, LOSS, SCORES, is_baseline, usable, value_text
from vaebench.figures import style
from vaebench.figures.boxes import box_panels

SHOWN = 15


def shares_figure(found: Importance, score: str, note: str) -> Figure:
    """The largest shares of variance, with their intervals."""
    table = found.table.head(SHOWN)[::-1]
    figure, (ax,) = style.new_figure(1.9 + 0.28 * len(table))
    places = np.arange(len(table))
    colours = [style.PALETTE[0] if order == 1 else style.PALETTE[5] for order in table["order"]]
    ax.barh(places, table["corrected"], color=colours, height=0.65)
    ax.hlines(places, table["low"], table["high"], color=style.BASELINE, linewidth=1.2)
    ax.set_yticks(places, [title(effect) for effect in table["effect"]])
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("share of the variance over the grid, noise taken out")
    ax.set_title(f"{score}: what it depends on", loc="left", fontsize=12)
    kinds = "Blue: one hyperparameter; orange: two together, beyond each alone; lines: 95% intervals"
    missing = f"{found.missing:,} of {found.cells:,} settings are missing and were fitted around."
    rest = f"Rest (higher interactions, noise): {found.rest:.0%}."
    style.add_footnote(figure, f"{kinds} over {found.resampled}. {rest} {missing}", note)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = Parser(__doc__, "runs/fig4")
    add_reading(parser, smoke_run)
    options = parser.parse_args(arguments)
    rows = rows_of(options, needs=(ARI,))
    models, factors = rows[~is_baseline(rows)], hyperparameters(rows)
    levels, shares = [], []
    for score in (*present_score(rows), LOSS):
        short = score.rpartition("/")[2].replace("valid", "loss")
        for ranks in (False, True):
            found = importance(rows, score, factors, ranks=ranks)
            counts = {"rest": found.rest, "cells": found.cells, "missing": found.missing, "aliased": found.aliased}
            shares.append(found.table.assign(score=score, ranks=ranks, intervals=found.resampled, **counts))
            if ranks == (score == LOSS):
                name = f"{title(score)}{', ranks' if ranks else ''}"
                write(options.out, f"shares_{short}", figure=shares_figure(found, name, described(rows)))
        if score == LOSS:
            continue
        for pairs in (False, True):
            table = level_effects(rows, score, factors, higher_is_better=SCORES[score], pairs=pairs)
            levels.append(table.assign(score=score))
        panels = {
            title(name): {
                value_text(level): usable(group, score).to_numpy() for level, group in models.groupby(name, sort=True)
            }
            for name in factors
        }
        note = f"Box: quartiles; whiskers: 5 and 95% of all other settings and seeds. {described(rows)}"
        figure = box_panels(panels, title(score), reference=pca_line(rows, score), notes=(note,))
        write(options.out, f"levels_{short}", figure=figure)
    write(options.out, "levels", pd.concat(levels))
    write(options.out, "shares", pd.concat(shares))


if __name__ == "__main__":
    sys.exit(entry(main))
