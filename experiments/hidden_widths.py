"""Hidden widths as a sixth hyperparameter beside eltager2023's five: does the width of the network matter more than the others?

    VAEBENCH_DATA=data python experiments/hidden_widths.py --out results/hidden_widths
    python experiments/hidden_widths.py --preset smoke --out runs/smoke              # a tiny grid; nothing to conclude

The textbook VAE on a complete grid of two or more levels each: hidden layers 128, 256, 512, 1024 and 512-256; latents 10 and 50;
learning rate 1e-2 and 1e-3; Kaiming uniform and U(0,1); Adam and RMSprop; tanh and ReLU. 160 settings, two seeds, at most 60
epochs with a patience of 10, on the 500 genes of largest deviation. The variance of each score over the grid is divided among
the hyperparameters and their pairs (functional ANOVA).

Machine: not measured; the full grid was not run yet. A run that is stopped continues.
Expected: not known before it is run; the network of the released code is fixed at 512 units.

Writes OUT/shares.csv (score, effect, share without noise, interval over seeds), OUT/widths.csv (mean, standard deviation and
best of every score by width) and OUT/shares_ari.png.
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
    models, shares, widths = rows[~is_baseline(rows)], [], []
    for score in (*present_score(rows), LOSS):
        found = importance(rows, score, hyperparameters(rows), ranks=score == LOSS)
        about = {"rest": found.rest, "cells": found.cells, "missing": found.missing, "intervals": found.resampled}
        shares.append(found.table.assign(score=score, ranks=score == LOSS, **about))
        values = usable(models, score).groupby(models["static/hidden"])
        widths.append(values.agg(["count", "mean", "std", "min", "max"]).reset_index().assign(score=score))
        if score == ARI:
            write(options.out, "shares_ari", figure=shares_figure(found, "Leiden ARI", described(rows)))
    write(options.out, "shares", pd.concat(shares))
    write(options.out, "widths", pd.concat(widths))


if __name__ == "__main__":
    sys.exit(entry(main))
