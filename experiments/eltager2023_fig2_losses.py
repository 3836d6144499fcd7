"""Figs. 2 and S1-S5 of eltager2023: validation loss against clusters (ARI) and survival model (Cox AIC).

    python experiments/eltager2023_fig2_losses.py --rows runs/eltager2023/pancan_eb-eltager2023_scaled --out results/fig2
    python experiments/eltager2023_fig2_losses.py --preset smoke --out runs/smoke

Reads rows of eltager2023_grid.py; seconds. One figure a model, because losses of different models cannot be compared. For
its VAE the study prints |rho| 0.53 between loss and ARI and 0.48 between loss and AIC. It shows two settings of equal loss
(about 1) with ARI 0.72 and 0.01.

Writes OUT/losses_MODEL.png; OUT/losses.csv (Spearman's rho by model, with bootstrap intervals over settings, also within
each number of latents), and OUT/equal_loss.csv: in bins of losses within 2% of each other, the lowest and highest ARI.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd
from eltager2023_grid import smoke_run
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scripts import Parser, add_reading, described, entry, factors_of, present_score, rows_of, title, write

from vaebench.analysis.comparisons import score_correlation
from vaebench.analysis.settings import ARI, LOSS, is_baseline, usable, value_text
from vaebench.figures import style

WITHIN = 0.02
"""Losses that differ by less, relative to the lower one, are equal."""


def equal_loss(rows: pd.DataFrame) -> pd.DataFrame:
    """By model: the pair of trainings with losses within 2% of each other whose ARIs differ most."""
    models, lines = rows[~is_baseline(rows)], []
    for name, group in models.groupby("static/variant"):
        both = pd.DataFrame({"loss": usable(group, LOSS), "ari": usable(group, ARI)}).dropna().sort_values("loss")
        if len(both) < 2:
            continue
        loss, ari = both["loss"].to_numpy(), both["ari"].to_numpy()
        last = np.searchsorted(loss, loss + WITHIN * np.abs(loss), side="right")
        spans = np.array([np.ptp(ari[i:end]) for i, end in enumerate(last)])
        i = int(spans.argmax())
        part = both.iloc[i : last[i]]
        good, bad = part["ari"].idxmax(), part["ari"].idxmin()
        line = {"model": name, "trainings": len(both), "ari_span": spans[i], "ari_range": float(np.ptp(ari))}
        line |= {"good_ari": part.loc[good, "ari"], "bad_ari": part.loc[bad, "ari"]}
        line |= {"good_loss": part.loc[good, "loss"], "bad_loss": part.loc[bad, "loss"]}
        lines.append(line | {"good_point": rows.loc[good, "point"], "bad_point": rows.loc[bad, "point"]})
    return pd.DataFrame(lines)


def losses_figure(group: pd.DataFrame, scores: Sequence[str], rho: dict[str, str], name: str, note: str) -> Figure:
    """Loss against each score, a panel a score; colour is the learning rate, triangles are losses beyond the fence."""
    figure, axes = style.new_figure(4.4, 1, len(scores))
    rates = sorted(group["traced/learning_rate"].unique())
    handles, loss = [], usable(group, LOSS)
    lowered, far = style.fenced(loss)
    top, low = np.nanmax(lowered), np.nanmin(lowered)
    loss = loss.where(~far, top + 0.04 * (top - low))
    for ax, score in zip(axes, scores, strict=True):
        value = usable(group, score)
        handles = []
        for rate, colour in zip(rates, style.PALETTE, strict=False):
            mine = group["traced/learning_rate"] == rate
            size = 8 if len(group) > 300 else 22
            look = {"s": size, "color": colour, "alpha": 0.6, "linewidths": 0}
            dots = ax.scatter(value[mine & ~far], loss[mine & ~far], **look)
            ax.scatter(value[mine & far], loss[mine & far], marker="^", **look)
            dots.set_label(f"lr={value_text(rate)}")
            handles.append(dots)
        style.wide_scale(ax, loss)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5))
        ax.set_xlabel(title(score))
        ax.set_title(f"ρ = {rho[score]}", loc="left", fontsize=10)
    axes[0].set_ylabel(f"validation loss of {name}")
    figure.legend(handles=handles, loc="outside right upper", fontsize=style.SMALL, frameon=False, markerscale=2)
    edges = (
        f"Triangles: {int(far.sum())} losses far above the rest, up to {usable(group, LOSS).max():.2g}."
        if far.any()
        else ""
    )
    style.add_footnote(figure, "ρ: Spearman's, means over seeds, 95% interval over settings.", edges, note)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = Parser(__doc__, "runs/fig2")
    add_reading(parser, smoke_run)
    options = parser.parse_args(arguments)
    rows = rows_of(options, needs=(LOSS, ARI))
    models, scores, tables = rows[~is_baseline(rows)], present_score(rows), []
    for name, group in models.groupby("static/variant"):
        factors = factors_of(group, "static/latent")
        rho = {}
        for score in scores:
            found = score_correlation(group, LOSS, score, factors, within="static/latent")
            tables.append(found.rename(columns={"group": "latents"}).assign(model=name, score=score))
            first = found.iloc[0]
            rho[score] = (
                "not defined"
                if np.isnan(first["rho"])
                else f"{first['rho']:+.2f} ({first['low']:+.2f} to {first['high']:+.2f}), n = {first['n']}"
            )
        note = described(group)
        write(options.out, f"losses_{name}", figure=losses_figure(group, scores, rho, str(name), note))
    write(options.out, "losses", pd.concat(tables))
    write(options.out, "equal_loss", equal_loss(rows))


if __name__ == "__main__":
    sys.exit(entry(main))
