"""Fig. 6B of eltager2023: agreement of the ranks of settings on two data sets (TCGA and GTEx).

    python experiments/eltager2023_fig6b_datasets.py --rows runs/eltager2023/pancan_eb-eltager2023_scaled \\
        --other runs/eltager2023/gtex-eltager2023_scaled --out results/fig6b
    python experiments/eltager2023_fig6b_datasets.py --preset smoke --out runs/smoke

Reads rows of eltager2023_grid.py on both; seconds. Settings are matched by their hyperparameters, except the batch,
which the scaled protocol chooses for each data set. The study prints a correlation of 0.7 between the ranks on TCGA and on GTEx.

Writes OUT/datasets.png; OUT/datasets.csv: Spearman's rho of ARI (of the loss within models) with its bootstrap interval
over settings; OUT/matched.csv: every setting with both values and ranks.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from eltager2023_grid import smoke_run
from matplotlib.figure import Figure
from scripts import Parser, add_reading, described, entry, factors_of, rows_of, write

from vaebench.analysis.comparisons import dataset_agreement
from vaebench.analysis.importance import cell_table
from vaebench.analysis.settings import ARI, LOSS
from vaebench.errors import InputError
from vaebench.figures import style


def matched(rows: pd.DataFrame, others: pd.DataFrame, factors: Sequence[str]) -> pd.DataFrame:
    """The settings of both with their mean ARI and its rank (1 the best) on each."""
    first, second = (cell_table(part, ARI, factors).mean(axis=1) for part in (rows, others))
    both = pd.concat([first.rename("first"), second.rename("second")], axis=1, join="inner")
    return both.assign(
        first_rank=both["first"].rank(ascending=False), second_rank=both["second"].rank(ascending=False)
    ).reset_index()


def datasets_figure(table: pd.DataFrame, names: tuple[str, str], rho: pd.Series, notes: tuple[str, ...]) -> Figure:
    """ARI of every setting on both data sets; colour is the model."""
    figure, (ax,) = style.new_figure(5.4)
    for place, (name, group) in enumerate(table.groupby("static/variant")):
        size = 8 if len(table) > 500 else 24
        colour = style.PALETTE[place % len(style.PALETTE)]
        ax.scatter(group["first"], group["second"], s=size, color=colour, alpha=0.6, linewidths=0, label=str(name))
    ax.set_xlabel(f"Leiden ARI on {names[0]}")
    ax.set_ylabel(f"Leiden ARI on {names[1]}")
    interval = f"{rho['low']:.2f} to {rho['high']:.2f}"
    ax.set_title(
        f"Settings on two data sets: ρ = {rho['rho']:.2f} ({interval}), n = {rho['n']:,}", loc="left", fontsize=12
    )
    figure.legend(loc="outside right upper", fontsize=style.SMALL, frameon=False, markerscale=2)
    style.add_footnote(figure, *notes)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = Parser(__doc__, "runs/fig6b")
    add_reading(parser, smoke_run)
    parser.add_argument("--other", type=Path, default=None, help="folder of the run on the other data set")
    options = parser.parse_args(arguments)
    rows = rows_of(options, needs=(ARI,))
    other = options.other
    if other is None and options.preset == "smoke":
        import eltager2023_grid

        other = eltager2023_grid.smoke_run(options.out / "smoke_run", "simulated_b")
    if other is None:
        raise InputError("--other is missing; give the folder of the run on the other data set")
    others = rows_of(options, needs=(ARI,), folder=other)
    factors = factors_of(rows, "static/variant")
    table = matched(rows, others, factors)
    if len(table) < 4:
        raise InputError(f"the runs have {len(table)} settings with an ARI in common; at least 4 are needed")
    names = str(rows["data/name"].iloc[0]), str(others["data/name"].iloc[0])
    by_ari = dataset_agreement(rows, others, ARI, factors, within="static/variant").assign(score="ARI")
    by_loss = dataset_agreement(rows, others, LOSS, factors, within="static/variant").assign(score="loss")
    found = pd.concat([by_ari, by_loss[by_loss["group"] != "all"]]).rename(columns={"group": "model"})
    write(options.out, "datasets", found.assign(first=names[0], second=names[1]))
    write(options.out, "matched", table)
    notes = (described(rows), described(others))
    write(options.out, "datasets", figure=datasets_figure(table, names, by_ari.iloc[0], notes))


if __name__ == "__main__":
    sys.exit(entry(main))
