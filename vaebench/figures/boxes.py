"""Distributions of a score: one box a level, one panel a hyperparameter."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from vaebench.figures import style

FEW = 40
"""With fewer values than this each is drawn as a dot."""


def box_panels(
    panels: Mapping[str, Mapping[str, np.ndarray]],
    score: str,
    *,
    columns: int = 2,
    reference: tuple[str, float] | None = None,
    notes: tuple[str, ...] = (),
) -> Figure:
    """Draw a score as boxes: quartiles, median, and whiskers to the 5% and 95% quantiles.

    With fewer than :data:`FEW` values in a box each is a dot too. All panels share one scale, logarithmic if the values
    span decades.

    Args:
        panels: title -> level -> values [n], in the order to draw; NaN are left out.
        score: label of the vertical axis, which all panels of a row share.
        columns: number of panels in a row.
        reference: (label, value) of a horizontal line.
        notes: sentences under the figure.
    """
    columns = min(columns, len(panels))
    height = -(-len(panels) // columns)
    longest = max((len(label) for groups in panels.values() for label in groups), default=0)
    turned = longest * max(len(groups) for groups in panels.values()) * columns > 90
    figure, axes = style.new_figure(
        1.3 + (2.5 + (0.07 * longest if turned else 0)) * height + 0.16 * len(notes), height, columns
    )
    everything = np.concatenate([np.asarray(v, float) for groups in panels.values() for v in groups.values()])
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    for place, (ax, (name, groups)) in enumerate(zip(axes, panels.items(), strict=False)):
        for i, values in enumerate(groups.values()):
            values = np.asarray(values, float)
            _box(ax, i, values[np.isfinite(values)])
        style.wide_scale(ax, everything)
        if reference is not None and np.isfinite(reference[1]):
            ax.axhline(reference[1], color=style.BASELINE, linewidth=1, linestyle=style.LINES[1])
            if place == 0:
                where = ax.get_yaxis_transform()
                ax.text(0.01, reference[1], reference[0], transform=where, va="bottom", fontsize=style.SMALL - 1)
        crowded = max(map(len, groups)) * len(groups) * columns > 90
        turn = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
        ax.set_xticks(range(len(groups)), style.plain_names(list(groups), 24), **turn)
        ax.set_xlim(-0.6, len(groups) - 0.4)
        ax.grid(axis="x", visible=False)
        ax.set_title(style.plain(name, 44), loc="left", fontsize=11)
        if place % columns == 0:
            ax.set_ylabel(style.plain(score))
    limits = [end for ax in axes[: len(panels)] if ax.has_data() for end in ax.get_ylim()]
    for ax in axes[: len(panels)]:
        ax.set_ylim(min(limits, default=0.0), max(limits, default=1.0))
    style.add_footnote(figure, *notes)
    return figure


def _box(ax: style.Axes, place: int, values: np.ndarray) -> None:
    if not len(values):
        where = ax.get_xaxis_transform()
        ax.text(place, 0.5, "none", transform=where, ha="center", fontsize=style.SMALL - 1, color="#666666")
        return
    colour = style.PALETTE[0]
    look = {"color": colour, "linewidth": 1.2}
    ax.boxplot(
        [values],
        positions=[place],
        widths=0.6,
        whis=(5, 95),
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": "#D6E6F2", "edgecolor": colour},
        medianprops={"color": style.PALETTE[1], "linewidth": 2},
        whiskerprops=look,
        capprops=look,
    )
    if len(values) < FEW:
        shift = np.linspace(-0.2, 0.2, len(values)) if len(values) > 1 else np.zeros(1)
        ax.scatter(place + shift, values, s=9, color=style.BASELINE, alpha=0.4, linewidths=0, zorder=3)
