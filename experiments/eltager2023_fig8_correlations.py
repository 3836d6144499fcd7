"""Fig. 8 and Table 1 of eltager2023: correlations of latents with known features, and the number of disentangled features.

    python experiments/eltager2023_fig8_correlations.py --rows runs/disentangled/pancan_eb-eltager2023_scaled --out results/fig8
    python experiments/eltager2023_fig8_correlations.py --preset smoke --out runs/smoke

Reads rows with the metric correlation (see eltager2023_fig7_wsepin.py for the run). For the matrices it repeats, with the same
seed, the training of lowest validation loss of every model at the smallest number of latents; a minute. A feature is
disentangled if one or two latents correlate with it (|rho| at least 0.1). `significant` counts with adjusted p instead, since
0.1 is p = 0.05 only at 385 samples. The study's Table 1 (printed) is in the table; its text contradicts it in two places.

Writes OUT/table1.csv, OUT/matrix_MODEL.png, OUT/pairs.csv (every latent and feature: rho, adjusted p) and OUT/shared.csv
(of each two features: latents that correlate with both, with either, and their expected number if independent).
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd
from eltager2023_grid import smoke_run
from matplotlib.figure import Figure
from scripts import Parser, add_reading, described, entry, retrained, rows_of, write

from vaebench.analysis.settings import LOSS, is_baseline, usable
from vaebench.figures import style
from vaebench.metrics.correlation import CorrelationOptions, correlations
from vaebench.metrics.shared.factors import usable_factors

DISENTANGLED = "metric/correlation/disentangled"
PRINTED = {
    "vae": (0, 1, 0, 0, 0, 0),
    "beta_vae": (2, 1, 0, 0, 0, 0),
    "beta_tc_vae": (2, 1, 1, 1, 0, 0),
    "dip_vae": (1, 0, 1, 0, 0, 0),
    "iwae": (2, 1, 1, 1, 0, 0),
    "categorical_vae": (1, 1, 0, 0, 0, 0),
}
"""Table 1: disentangled features of 10, by latents 10, 20, 30, 50, 100, 200."""
LATENTS = (10, 20, 30, 50, 100, 200)


def table1(rows: pd.DataFrame) -> pd.DataFrame:
    """Disentangled features by model and number of latents: the best training by loss, and the mean over all."""
    lines = []
    for (model, latents), group in rows[~is_baseline(rows)].groupby(["static/variant", "static/latent"]):
        value = usable(group, DISENTANGLED)
        loss = usable(group, LOSS).where(value.notna())
        line = {"model": model, "latents": latents, "n": value.count(), "mean": value.mean(), "largest": value.max()}
        line |= {"features": group["metric/correlation/factors"].max()}
        line |= {"significant": usable(group, "metric/correlation/disentangled_significant").mean()}
        line |= {"lowest_loss": value[loss.idxmin()] if loss.notna().any() else np.nan}
        printed = PRINTED.get(str(model))
        line |= {"printed": printed[LATENTS.index(latents)] if printed and latents in LATENTS else np.nan}
        lines.append(line)
    return pd.DataFrame(lines)


def chosen_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The row of lowest loss of every model, at its smallest number of latents."""
    models = rows[~is_baseline(rows) & usable(rows, LOSS).notna()]
    smallest = models[models["static/latent"] == models.groupby("static/variant")["static/latent"].transform("min")]
    return smallest.loc[smallest.groupby("static/variant")[LOSS].idxmin()]


def pairs_table(z: np.ndarray, data: object, line: dict[str, object]) -> pd.DataFrame:
    """Every latent of z [N, L] with every feature."""
    found = correlations(z, usable_factors(data))  # type: ignore[arg-type]
    lines = [
        {**line, "latent": i, "feature": name, "rho": found.strength[i, f], "adjusted_p": found.adjusted[i, f]}
        for i in range(z.shape[1])
        for f, name in enumerate(found.names)
    ]
    return pd.DataFrame(lines)


def shared_latents(pairs: pd.DataFrame) -> pd.DataFrame:
    """Of each two features of a model: latents that go with both, with either, and expected by chance."""
    least, lines = CorrelationOptions().threshold, []
    for model, group in pairs.groupby("model"):
        goes = group.assign(goes=group["rho"].abs() >= least).pivot(index="latent", columns="feature", values="goes")
        for one, other in itertools.combinations(goes.columns, 2):
            a, b = goes[one], goes[other]
            line = {"model": model, "first": one, "second": other, "latents": len(goes), "of_first": int(a.sum())}
            line |= {"of_second": int(b.sum()), "both": int((a & b).sum()), "either": int((a | b).sum())}
            lines.append(line | {"expected": a.sum() * b.sum() / len(goes)})
    return pd.DataFrame(lines)


def matrix_figure(pairs: pd.DataFrame, name: str, note: str) -> Figure:
    """Correlations of one model's latents (columns) with features (rows); a ring where |rho| is at least 0.1."""
    wide = pairs.pivot(index="feature", columns="latent", values="rho")
    figure, (ax,) = style.new_figure(1.9 + 0.3 * len(wide))
    limit = max(0.3, float(np.abs(wide.to_numpy()).max()))
    image = ax.imshow(wide.to_numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    strong = np.argwhere(np.abs(wide.to_numpy()) >= CorrelationOptions().threshold)
    ax.scatter(strong[:, 1], strong[:, 0], s=14, facecolors="none", edgecolors=style.BASELINE, linewidths=0.8)
    ax.set_yticks(range(len(wide)), [style.plain(str(f), 24) for f in wide.index])
    ax.grid(visible=False)
    ax.set_xlabel("latent")
    ax.set_title(f"{name}: latents and known features", loc="left", fontsize=12)
    figure.colorbar(image, ax=ax, label="ρ")
    style.add_footnote(figure, "Ring: |ρ| at least 0.1. The training of lowest loss, trained again.", note)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = Parser(__doc__, "runs/fig8")
    add_reading(parser, smoke_run)
    options = parser.parse_args(arguments)
    rows = rows_of(options, needs=(DISENTANGLED,))
    write(options.out, "table1", table1(rows))
    data, again, kept = retrained(rows, chosen_rows(rows), options.out / "trained_again")
    tables = []
    for row in again.to_dict("records"):
        line = {"model": row["static/variant"], "point": row["point"], "data": data.name}
        tables.append(pairs_table(kept[row["point"]], data, line))
        name = str(row["static/variant"])
        write(options.out, f"matrix_{name}", figure=matrix_figure(tables[-1], name, described(rows)))
    pairs = pd.concat(tables)
    write(options.out, "pairs", pairs)
    write(options.out, "shared", shared_latents(pairs))


if __name__ == "__main__":
    sys.exit(entry(main))
