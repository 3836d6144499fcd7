"""The twelve dot plots of korkic2021: reconstruction loss and epochs over latents x learning rate, by model and optimizer.

    VAEBENCH_DATA=data python experiments/korkic2021_dots.py --kind scaled --data metagsca --out runs/korkic2021
    python experiments/korkic2021_dots.py --preset smoke --out runs/smoke

4 models x 3 optimizers x 6 latents x 5 learning rates = 360 settings, five seeds (`full`: ten; the study had one). `--kind
literal` is the study's batch of 1,000, more samples than small cohorts have. `scaled` chooses the batch that gives its 9
steps an epoch. Data scaled to [0, 1].
Machine: 2 CPU cores, 11 minutes for pancan_eb; a stopped run continues.
Expected from the study: Adam and RMSprop low and flat, SGD high; blanks (all seeds diverged) at 0.1 with RMSprop.

Writes OUT/DATA-PROTOCOL/rows/*.parquet; OUT/dots_MODEL.png (colour: loss, size: epochs, a ring where some seeds diverged),
OUT/dots.csv (means and standard deviations over seeds), OUT/shares.csv and OUT/levels.csv (the importance of every
hyperparameter, by ranks, within each model).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from scripts import (
    KINDS,
    RECONSTRUCTION,
    Parser,
    add_training,
    data_of,
    described,
    entry,
    protocol_points,
    title,
    trained_rows,
    write,
)

from vaebench.analysis.comparisons import level_effects
from vaebench.analysis.importance import importance
from vaebench.analysis.settings import is_baseline, usable, value_text
from vaebench.errors import InputError
from vaebench.figures import style

FACTORS = ["static/latent", "traced/learning_rate", "traced/optimizer"]
SMOKE = {
    "variant": ["vae"],
    "latent": [5],
    "learning_rate": [1e-1, 1e-3],
    "optimizer": ["adam", "sgd", "rmsprop"],
    "hidden": [(16,)],
    "epochs": [3],
}


def means(rows: pd.DataFrame) -> pd.DataFrame:
    """Loss and epochs of every setting over its seeds, failures counted."""
    models = rows[~is_baseline(rows)]
    models = models.assign(loss=usable(models, RECONSTRUCTION), counted=usable(models, "run/epochs"))
    groups = models.groupby(["static/variant", *FACTORS])
    table = pd.DataFrame({"loss": groups["loss"].mean(), "loss_sd": groups["loss"].std()})
    table["epochs"], table["epochs_sd"] = groups["counted"].mean(), groups["counted"].std()
    table["seeds"], table["failed"] = groups.size(), groups["loss"].size() - groups["loss"].count()
    return table.reset_index()


def dots_figure(table: pd.DataFrame, name: str, note: str) -> Figure:
    """One model: a panel an optimizer, a dot a setting."""
    optimizers = [o for o in ("adam", "rmsprop", "sgd") if o in set(table["traced/optimizer"])]
    figure, axes = style.new_figure(4.3, 1, len(optimizers))
    latents, rates = sorted(table["static/latent"].unique()), sorted(table["traced/learning_rate"].unique())
    known = table["loss"].dropna()
    norm = LogNorm(known.min(), known.quantile(0.95)) if len(known) and known.min() > 0 else None
    dots = None
    for ax, optimizer in zip(axes, optimizers, strict=True):
        mine = table[table["traced/optimizer"] == optimizer]
        x, y = mine["static/latent"].map(latents.index), mine["traced/learning_rate"].map(rates.index)
        size = 12 + 260 * mine["epochs"].fillna(0) / table["epochs"].max()
        good = mine["loss"].notna()
        dots = ax.scatter(x[good], y[good], s=size[good], c=mine["loss"][good], cmap="viridis_r", norm=norm)
        some = good & (mine["failed"] > 0)
        ax.scatter(x[some], y[some], s=size[some] + 60, facecolors="none", edgecolors=style.PALETTE[1], linewidths=1.2)
        ax.set_xticks(range(len(latents)), [value_text(n) for n in latents], rotation=45)
        ax.set_yticks(range(len(rates)), [value_text(r) for r in rates])
        ax.set_xlim(-0.7, len(latents) - 0.3)
        ax.set_ylim(-0.7, len(rates) - 0.3)
        ax.set_xlabel("latents")
        ax.set_title(optimizer, loc="left", fontsize=11)
    axes[0].set_ylabel("learning rate")
    if dots is not None and len(known):
        figure.colorbar(dots, ax=axes, label="reconstruction loss", extend="max")
    figure.suptitle(name, x=0.01, ha="left", fontsize=12)
    largest = table["epochs"].max()
    key = f"Size: epochs (the largest {largest:.0f}). No dot: all seeds diverged; ring: some did. Means over seeds."
    style.add_footnote(figure, key, note)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = Parser(__doc__, "runs/korkic2021")
    add_training(parser)
    parser.add_argument("--kind", choices=KINDS, default="scaled")
    options = parser.parse_args(arguments)
    smoke = options.preset == "smoke"
    seeds = options.seeds or {"smoke": 2, "cpu": 5, "full": 10}[options.preset]
    data, protocol = data_of(options, "unit"), f"korkic2021{KINDS[options.kind]}"
    if options.kind in ("literal", "textbook") and data.x.shape[0] < 1200:
        raise InputError(
            f"--kind {options.kind} trains on batches of 1,000, and {data.name} has {data.x.shape[0]} samples: take scaled"
        )
    planned = protocol_points(protocol, {**(SMOKE if smoke else {}), "seed": list(range(seeds))}, data)
    rows = trained_rows(planned, data, ["reconstruction"], options.out / f"{data.name}-{protocol}", options)
    if rows is None:
        return
    table = means(rows)
    write(options.out, "dots", table)
    shares, levels = [], []
    for name, group in rows[~is_baseline(rows)].groupby("static/variant"):
        note = described(group)
        mine = table[table["static/variant"] == name]
        write(options.out, f"dots_{name}", figure=dots_figure(mine, f"{name}: {title(RECONSTRUCTION)}", note))
        if np.isfinite(mine["loss"]).sum() < 3:
            continue
        found = importance(group, RECONSTRUCTION, FACTORS, ranks=True)
        shares.append(found.table.assign(model=name, rest=found.rest, cells=found.cells, missing=found.missing))
        effects = level_effects(group, RECONSTRUCTION, FACTORS, higher_is_better=False, ranks=True)
        levels.append(effects.assign(model=name))
    if shares:
        write(options.out, "shares", pd.concat(shares))
        write(options.out, "levels", pd.concat(levels))


if __name__ == "__main__":
    sys.exit(entry(main))
