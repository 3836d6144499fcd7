"""Figs. 3 and 6A of eltager2023: ARI, Cox AIC and validation loss of all settings, by model; the best setting of each.

    python experiments/eltager2023_fig3_models.py --rows runs/eltager2023/pancan_eb-eltager2023_scaled --out results/fig3
    python experiments/eltager2023_fig3_models.py --rows runs/eltager2023/gtex-eltager2023_scaled --out results/fig6a
    python experiments/eltager2023_fig3_models.py --preset smoke --out runs/smoke

Reads rows of eltager2023_grid.py; seconds. The study finds beta-TCVAE and DIP-VAE best on average, and all models alike at
their best. Losses of different models cannot be compared; they are shown for the spread within each model.

Writes OUT/models_ari.png, models_aic.png (where there is survival), models_loss.png; OUT/models.csv (quartiles, failures);
OUT/best.csv (the best setting of every model; `honest` is scored by other seeds, NaN with one seed);
OUT/models_compared.csv (every model against the others and each other, paired over all other hyperparameters).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pandas as pd
from eltager2023_grid import smoke_run
from scripts import Parser, add_reading, described, entry, factors_of, pca_line, present_score, rows_of, title, write

from vaebench.analysis.comparisons import best_settings, level_effects
from vaebench.analysis.settings import ARI, LOSS, SCORES, is_baseline, usable
from vaebench.figures.boxes import box_panels

BY = "static/variant"


def summary(rows: pd.DataFrame, scores: Sequence[str]) -> pd.DataFrame:
    """Quartiles of every score, and failures, one line a model."""
    models = rows[~is_baseline(rows)]
    lines = []
    for name, group in models.groupby(BY):
        line = {"model": name, "trainings": len(group), "failed": int((group["status"] != "OK").sum())}
        for score in scores:
            values = usable(group, score)
            line |= {f"{score} n": values.count(), f"{score} mean": values.mean()}
            line |= {f"{score} q{q}": values.quantile(q / 100) for q in (5, 25, 50, 75, 95)}
        lines.append(line)
    return pd.DataFrame(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = Parser(__doc__, "runs/fig3")
    add_reading(parser, smoke_run)
    options = parser.parse_args(arguments)
    rows = rows_of(options, needs=(ARI,))
    models, factors, scores = rows[~is_baseline(rows)], factors_of(rows, BY), [*present_score(rows), LOSS]
    order = sorted(models[BY].unique())
    best, levels = [], []
    for score in scores:
        line = None if score == LOSS else pca_line(rows, score)
        values = {name: usable(models[models[BY] == name], score).to_numpy() for name in order}
        note = f"Box: quartiles; whiskers: 5 and 95% of settings and seeds. {described(rows)}"
        figure = box_panels({"all settings": values}, title(score), columns=1, reference=line, notes=(note,))
        write(options.out, f"models_{score.rpartition('/')[2].replace('valid', 'loss')}", figure=figure)
        if score == LOSS:
            continue  # losses of different models are no like quantities
        higher = SCORES[score]
        best.append(best_settings(rows, score, factors, higher_is_better=higher).assign(score=score))
        for pairs in (False, True):
            table = level_effects(rows, score, factors, higher_is_better=higher, compared=[BY], pairs=pairs)
            levels.append(table.assign(score=score))
    write(options.out, "models", summary(rows, scores))
    write(options.out, "best", pd.concat(best))
    write(options.out, "models_compared", pd.concat(levels))


if __name__ == "__main__":
    sys.exit(entry(main))
