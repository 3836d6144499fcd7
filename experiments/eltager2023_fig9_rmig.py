"""Figs. 9 and S8 of eltager2023: RMIG, the gap between the two latents most informative of a feature, by model and latents.

    python experiments/eltager2023_fig9_rmig.py --rows runs/disentangled/pancan_eb-eltager2023_scaled --out results/fig9
    python experiments/eltager2023_fig9_rmig.py --preset smoke --out runs/smoke

Reads rows with the metric rmig (see eltager2023_fig7_wsepin.py for the run); seconds. RMIG is normalised by
the feature's entropy and averaged over features. The study's values are below 0.1 everywhere. `p` compares with permuted
features.

Writes OUT/rmig.png and OUT/rmig.csv: mean, least, largest RMIG, the mean of its permutation null, and the share of
trainings with p below 0.05 (20 permutations: p is at least 1/21), by model and number of latents.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pandas as pd
from eltager2023_fig7_wsepin import by_latent
from eltager2023_grid import smoke_run
from scripts import Parser, add_reading, described, entry, rows_of, write

from vaebench.analysis.settings import is_baseline, usable
from vaebench.figures.boxes import box_panels

RMIG = "metric/rmig/rmig"


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """One line a model and number of latents."""
    lines = []
    for (model, latents), group in rows[~is_baseline(rows)].groupby(["static/variant", "static/latent"]):
        value, p = usable(group, RMIG), usable(group, "metric/rmig/p")
        line = {"model": model, "latents": latents, "n": value.count(), "features": group["metric/rmig/factors"].max()}
        line |= {"rmig": value.mean(), "least": value.min(), "largest": value.max()}
        line |= {
            "null": usable(group, "metric/rmig/null_rmig").mean(),
            "significant": (p < 0.05).sum() / max(1, p.count()),
        }
        lines.append(line)
    return pd.DataFrame(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = Parser(__doc__, "runs/fig9")
    add_reading(parser, smoke_run)
    options = parser.parse_args(arguments)
    rows = rows_of(options, needs=(RMIG, "metric/rmig/p"))
    found = table(rows)
    features = f"Mean over {int(found['features'].max())} features. {described(rows)}"
    line = ("the study's highest", 0.1)
    figure = box_panels(by_latent(rows, RMIG), "RMIG / entropy", reference=line, notes=(features,))
    write(options.out, "rmig", found, figure)


if __name__ == "__main__":
    sys.exit(entry(main))
