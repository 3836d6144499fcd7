"""Fig. S6 and Table S2 of eltager2023: agreement of the scores, as ARI against Cox AIC and Spearman's rho of every two scores.

    python experiments/eltager2023_s6_agreement.py --rows runs/eltager2023/pancan_eb-eltager2023_scaled --out results/s6
    python experiments/eltager2023_s6_agreement.py --preset smoke --out runs/smoke

Reads rows of eltager2023_grid.py; seconds. The study prints rho of -0.82 between ARI and AIC. An AIC with fewer than 5
deaths a parameter is not used. With few deaths only small numbers of latents remain; n shows it.

Writes OUT/ari_aic.png; OUT/rank_correlations.csv: rho, its bootstrap interval over settings and n, for all models together
(not for losses, which cannot be compared) and within each.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence

import pandas as pd
from eltager2023_grid import smoke_run
from scripts import Parser, add_reading, described, entry, factors_of, present_score, rows_of, title, write

from vaebench.analysis.comparisons import score_correlation
from vaebench.analysis.settings import AIC, ARI, LOSS
from vaebench.figures.scatter import ari_against_aic


def main(arguments: Sequence[str] | None = None) -> None:
    parser = Parser(__doc__, "runs/s6")
    add_reading(parser, smoke_run)
    options = parser.parse_args(arguments)
    rows = rows_of(options, needs=(LOSS, ARI))
    factors, tables = factors_of(rows, "static/variant"), []
    for one, other in itertools.combinations((LOSS, *present_score(rows)), 2):
        found = score_correlation(rows, one, other, factors, within="static/variant")
        if LOSS in (one, other):
            found = found[found["group"] != "all"]
        tables.append(found.rename(columns={"group": "model"}).assign(first=title(one), second=title(other)))
    table = pd.concat(tables)
    write(options.out, "rank_correlations", table)
    if AIC in rows.columns:
        write(options.out, "ari_aic", figure=ari_against_aic(rows))
    print(described(rows))
    print(table.to_string(index=False, float_format="{:.3f}".format))


if __name__ == "__main__":
    sys.exit(entry(main))
