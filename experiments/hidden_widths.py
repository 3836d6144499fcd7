"""Hidden widths as a sixth hyperparameter beside eltager2023's five: does the width of the network matter more than the others?

    VAEBENCH_DATA=data python experiments/hidden_widths.py --out results/hidden_widths
    python experiments/hidden_widths.py --preset smoke --out runs/smoke              # a tiny grid; nothing to conclude

The textbook VAE on a complete grid of two or more levels each: hidden layers 128, 256, 512, 1024 and 512-256; latents 10 and 50;
learning rate 1e-2 and 1e-3; Kaiming uniform and U(0,1); Adam and RMSprop; tanh and ReLU. 160 settings, two seeds, at most 60
epochs with a patience of 10, on the 500 genes of largest deviation. The variance of each score over the grid is divided among
the hyperparameters and their pairs (functional ANOVA), over all of the grid and again without U(0,1): wide networks do not train
from it, so that its cells are missing.

Machine: one CPU core beside other work, 9 minutes for metagsca. A run that is stopped continues.
Measured: results/hidden_widths/README.md. The network of the released code is fixed at 512 units.

Writes OUT/shares.csv (grid, score, effect, share without noise, interval), OUT/widths.csv (grid, and mean, standard deviation,
least and largest of every score by width), OUT/failures.csv (failed trainings by width and each other hyperparameter) and
OUT/shares_ari.png, of the grid without U(0,1).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import pandas as pd
from cohorts import cohort
from eltager2023_fig4_hyperparameters import shares_figure
from scripts import Parser, add_training, described, entry, present_score, trained_rows, write

import vaebench as vb
from vaebench.analysis.importance import hyperparameters, importance
from vaebench.analysis.settings import ARI, LOSS, is_baseline, usable
from vaebench.data.dataset import dataset_from_arrays
from vaebench.types import Dataset

GRID = {
    "hidden": [(128,), (256,), (512,), (1024,), (512, 256)],
    "latent": [10, 50],
    "learning_rate": [1e-2, 1e-3],
    "init": ["kaiming_uniform", "uniform"],
    "optimizer": ["adam", "rmsprop"],
    "activation": ["tanh", "relu"],
}
SMOKE = {"hidden": [(8,), (16,)], "latent": [4, 8], "learning_rate": [1e-2, 1e-3]}


def tumours(options: argparse.Namespace) -> Dataset:
    """The data set with its 500 genes of largest deviation, labels and survival."""
    data = cohort("simulated" if options.preset == "smoke" else options.data or "metagsca", "none")
    return dataset_from_arrays(
        data.x,
        samples=data.samples,
        features=data.features,
        labels=None if data.labels is None else [data.label_names[i] for i in data.labels],
        survival=data.survival,
        covariates=data.covariates,
        top="<=500",
        name=data.name,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the grid and divide the variance of its scores."""
    parser = Parser(__doc__, "runs/hidden_widths")
    add_training(parser, ("smoke", "cpu"))
    options = parser.parse_args(arguments)
    smoke = options.preset == "smoke"
    planned = vb.space.product(
        variant="vae",
        **(SMOKE if smoke else GRID),
        seed=range(options.seeds or 2),
        epochs=2 if smoke else 60,
        patience=10,
        study="hidden_widths",
    )
    rows = trained_rows(planned, tumours(options), ["leiden", "cox"], options.out / "run", options)
    if rows is None:
        return
    models = rows[~is_baseline(rows)]
    grids = {"all": models, "kaiming_uniform": models[models["traced/init"] == "kaiming_uniform"]}
    shares, widths = [], []
    for grid, part in grids.items():
        for score in (*present_score(rows), LOSS):
            found = importance(part, score, hyperparameters(part), ranks=score == LOSS)
            about = {"rest": found.rest, "cells": found.cells, "missing": found.missing, "intervals": found.resampled}
            named = {"grid": grid, "score": score}
            shares.append(found.table.assign(**named, ranks=score == LOSS, **about))
            values = usable(part, score).groupby(part["static/hidden"])
            widths.append(values.agg(["count", "mean", "std", "min", "max"]).reset_index().assign(**named))
            if score == ARI:
                figure = shares_figure(found, "Leiden ARI", described(part))
    write(options.out, "shares_ari", figure=figure)
    write(options.out, "shares", pd.concat(shares))
    write(options.out, "widths", pd.concat(widths))
    write(options.out, "failures", failures_by_width(models))


def failures_by_width(models: pd.DataFrame) -> pd.DataFrame:
    """Failed trainings and all, by width and the level of each other hyperparameter."""
    failed, width, tables = models["status"] != "OK", models["static/hidden"].astype(str), []
    for name in hyperparameters(models):
        if name != "static/hidden":
            counts = failed.groupby([width, models[name].astype(str)]).agg(["sum", "size"])
            counts = counts.set_axis(["failed", "of"], axis=1).rename_axis(["hidden", "level"]).reset_index()
            tables.append(counts.assign(hyperparameter=name))
    return pd.concat(tables)


if __name__ == "__main__":
    sys.exit(entry(main))
