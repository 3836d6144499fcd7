"""Figures of gislum2024_coverage.py: coverage by scenario and method, and the reliability of P(present)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vaebench.figures import style


def pooled_coverage(groups: pd.DataFrame) -> pd.Series:
    """(kind, group) -> coverage over the repeats, each exposure counting once; NaN for a group without any."""
    held = groups.assign(held=groups["coverage"] * groups["count"]).groupby(["kind", "group"])[["held", "count"]].sum()
    return (held["held"] / held["count"]).where(held["count"] > 0)


def coverage_dots(groups: pd.DataFrame) -> Figure:
    """Coverage of the exposures above 0: a panel a setting, scenarios across, a colour a method; grey: single signatures.

    Autoencoders at beta 0, those of named variants are left out.
    """
    frame = groups[(groups["level"] == 0.95) & (groups["signatures"] == "known") & (groups["count"] > 0)]
    frame = frame[(frame["beta"] == 0) & ~frame["method"].str.contains(":")]
    if frame.empty:
        return style.empty_figure("No intervals of level 0.95 with true signatures.")
    settings, methods = list(frame["setting"].unique()), list(frame["method"].unique())
    scenarios = sorted(frame["scenario"].unique())
    figure, axes = style.new_figure(2.4 * len(settings) + 0.6, len(settings), 1)
    for ax, setting in zip(axes, settings, strict=True):
        mine = frame[frame["setting"] == setting]
        here, lowest = list(mine["method"].unique()), 1.0
        for (scenario, method), rows in mine.groupby(["scenario", "method"]):
            i = methods.index(method)
            x = scenarios.index(scenario) + (here.index(method) - (len(here) - 1) / 2) * 0.8 / len(here)
            pooled = pooled_coverage(rows)
            single = pooled["signature"].to_numpy()
            lowest = min(lowest, single.min())
            ax.scatter(np.full(len(single), x), single, s=6, color="#999999", alpha=0.6, linewidths=0)
            ax.scatter([x], [pooled["size", "non-zero"]], s=26, color=style.PALETTE[i % len(style.PALETTE)], zorder=3)
        ax.axhline(0.95, color="#444444", linewidth=0.8)
        ax.set_xticks(range(len(scenarios)), [f"scenario {s}" for s in scenarios])
        ax.set_ylabel(f"coverage, {setting}")
        ax.set_xlim(-0.5, len(scenarios) - 0.5)
        ax.set_ylim(min(0.8, np.floor(5 * lowest) / 5), 1.02)
    for i, method in enumerate(methods):
        axes[0].scatter([], [], s=26, color=style.PALETTE[i % len(style.PALETTE)], label=method)
    axes[0].legend(fontsize=7, frameon=False, ncols=min(4, len(methods)), loc="upper left", bbox_to_anchor=(0, 1.3))
    style.add_footnote(
        figure,
        "True signatures, nominal 0.95 (line), exposures above 0, redraws pooled. Grey: single signatures.",
        "P: Poisson redraws; NB: negative binomial; R: as shipped, without sampling noise.",
    )
    return figure


def reliability_curves(reliable: pd.DataFrame) -> Figure:
    """Share that is there against P(present), a panel a setting, a colour a scenario; the larger a dot, the more exposures."""
    frame = reliable[(reliable["level"] == 0.95) & (reliable["signatures"] == "known")] if len(reliable) else reliable
    if frame.empty:
        return style.empty_figure("No method that gives a probability of presence, with true signatures at level 0.95.")
    settings = list(frame["setting"].unique())
    figure, axes = style.new_figure(3.4, 1, max(1, len(settings)))
    for ax, setting in zip(axes, settings, strict=False):
        mine = frame[frame["setting"] == setting]
        for i, (scenario, rows) in enumerate(mine.groupby("scenario")):
            weighted = rows[["predicted", "observed"]].mul(rows["count"], axis=0).assign(count=rows["count"])
            sums = weighted.groupby(np.minimum((rows["predicted"] * 10).astype(int), 9)).sum()
            sums = sums[sums["count"] >= 20]
            x, y = sums["predicted"] / sums["count"], sums["observed"] / sums["count"]
            colour = style.PALETTE[i % len(style.PALETTE)]
            ax.plot(x, y, color=colour, linewidth=0.8)
            ax.scatter(x, y, s=4 + 6 * np.log10(sums["count"]), color=colour, label=f"scenario {scenario}")
        ax.plot([0, 1], [0, 1], color="#444444", linewidth=0.8)
        ax.set_title(setting, fontsize=style.SMALL)
        ax.set_xlabel("P(present)")
        ax.set_ylabel("share present")
    axes[0].legend(fontsize=7, frameon=False)
    style.add_footnote(figure, "Tenths of P(present) with at least 20 exposures, redraws pooled; the line is perfect.")
    return figure


def stability_dots(lines: pd.DataFrame) -> Figure:
    """Each signature of all genomes: cosine with the published one next to it, and with its match in either half."""
    figure, (ax,) = style.new_figure(0.17 * len(lines) + 1.4, 1, 1)
    ordered = lines.sort_values("samples", ignore_index=True)
    names = [f"{r['signature']}, {r['samples']:,.0f} genomes, {r['nearest']}" for r in ordered.to_dict("records")]
    columns = {"nearest_cosine": "nearest published", "cosine_first": "first half", "cosine_second": "second half"}
    for i, (column, label) in enumerate(columns.items()):
        look = {"s": 20, "marker": "o"} if i == 0 else {"s": 45, "marker": "|", "linewidths": 1.5}
        ax.scatter(ordered[column], range(len(ordered)), color=style.PALETTE[i], label=label, **look)
    ax.set_yticks(range(len(ordered)), names, fontsize=6)
    ax.set_ylim(-0.8, len(ordered) - 0.2)
    ax.set_xlabel("cosine similarity")
    ax.legend(fontsize=7, frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    style.add_footnote(
        figure,
        "Signatures of all genomes, those in most genomes on top; named beside each, the published one nearest to it.",
        "A half with fewer signatures has no match for one.",
    )
    return figure
