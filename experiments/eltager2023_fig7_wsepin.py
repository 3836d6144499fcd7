"""Fig. 7 of eltager2023: WSEPIN by number of latents, and its limit: I(x; z) against log N.

    VAEBENCH_DATA=data python experiments/eltager2023_grid.py --protocol eltager2023_scaled --recommended --seeds 5 \\
        --metrics wsepin,rmig,correlation --out runs/disentangled
    python experiments/eltager2023_fig7_wsepin.py --rows runs/disentangled/pancan_eb-eltager2023_scaled \\
        [--clamped runs/disentangled/pancan_eb-eltager2023_scaled-clamp] --out results/fig7
    python experiments/eltager2023_fig7_wsepin.py --preset smoke --out runs/smoke

Reads rows with the metric wsepin; seconds. `--clamped` names the same trainings with `--clamp` (densities at least 1e-8, as
in the released code). The study's WSEPIN is below 0.15 everywhere and exactly 0 from 50 latents on. If both I(x; z)
and I(x; z without one latent) are at the ceiling log N, WSEPIN is 0 although every latent is informative.

Writes OUT/wsepin.png, OUT/information.png and OUT/wsepin.csv: means over all trainings of a model and number of latents,
with the least and largest.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from eltager2023_grid import smoke_run
from scripts import Parser, add_reading, described, entry, rows_of, write

from vaebench.analysis.settings import is_baseline, usable, value_text
from vaebench.figures.boxes import box_panels

WSEPIN = "metric/wsepin/wsepin"
SHARE = "metric/wsepin/information_share"


def by_latent(rows: pd.DataFrame, score: str) -> dict[str, dict[str, np.ndarray]]:
    """Model -> number of latents -> values."""
    models = rows[~is_baseline(rows)]
    latents = sorted(models["static/latent"].unique())
    return {
        str(name): {value_text(n): usable(group[group["static/latent"] == n], score).to_numpy() for n in latents}
        for name, group in models.groupby("static/variant")
    }


def table(rows: pd.DataFrame, scores: Sequence[str], estimator: str) -> pd.DataFrame:
    """Mean, least and largest of every score, by model and number of latents."""
    lines = []
    for score in scores:
        for model, groups in by_latent(rows, score).items():
            for latents, values in groups.items():
                some = values[np.isfinite(values)]
                line = {"estimator": estimator, "score": score, "model": model, "latents": latents, "n": len(some)}
                ends = {"mean": some.mean(), "least": some.min(), "largest": some.max()} if len(some) else {}
                lines.append(line | ends)
    return pd.DataFrame(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = Parser(__doc__, "runs/fig7")
    add_reading(parser, smoke_run)
    parser.add_argument("--clamped", type=Path, default=None, help="folder of the same run with --clamp")
    options = parser.parse_args(arguments)
    rows = rows_of(options, needs=(WSEPIN, SHARE))
    tables = [table(rows, (WSEPIN, SHARE), "exact")]
    note = "Computed in log space, without clamp. " + described(rows)
    line = ("the study's highest", 0.15)
    write(options.out, "wsepin", figure=box_panels(by_latent(rows, WSEPIN), "WSEPIN", reference=line, notes=(note,)))
    panels = by_latent(rows, SHARE)
    figure = box_panels(panels, "I(x; z) / log N", reference=("ceiling", 1.0), notes=(note,))
    write(options.out, "information", figure=figure)
    if options.clamped is not None:
        clamped = rows_of(options, needs=(WSEPIN,), folder=options.clamped)
        tables.append(table(clamped, (WSEPIN,), "clamped at 1e-8"))
        note = "Densities at least 1e-8, as in the released code. " + described(clamped)
        figure = box_panels(by_latent(clamped, WSEPIN), "WSEPIN, clamped", reference=line, notes=(note,))
        write(options.out, "wsepin_clamped", figure=figure)
    write(options.out, "wsepin", pd.concat(tables))


if __name__ == "__main__":
    sys.exit(entry(main))
