"""Every seed of the best settings on one axis."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from vaebench.analysis.settings import (
    ARI,
    best_setting,
    setting_columns,
    setting_ids,
    setting_text,
    settings_table,
    usable,
)
from vaebench.figures import style

SHOWN = 30
KEPT_BASELINES = 5


def _shortlist(table: pd.DataFrame) -> pd.DataFrame:
    """Return the best settings in order; the best baselines stay whatever their rank, for comparison."""
    if len(table) <= SHOWN:
        return table
    baselines = table[table["kind"] == "baseline"].head(KEPT_BASELINES)
    models = table[table["kind"] == "model"].head(SHOWN - len(baselines))
    return table.loc[sorted([*baselines.index, *models.index])]


def _remainder(table: pd.DataFrame, shown: pd.DataFrame) -> str:
    rest = table.drop(shown.index)
    if rest.empty:
        return ""
    means = rest[f"{ARI}/mean"].dropna()
    text = f"{len(rest):,} more settings are not drawn"
    if means.empty:
        return f"{text} (none has an ARI)."
    return f"{text} (mean ARI {means.min():.3f} to {means.max():.3f})."


def ari_by_setting(rows: pd.DataFrame) -> Figure:
    """Draw the Leiden ARI by setting: a dot a seed, a bar for the mean, best setting on top, baselines in black.

    At most 30 settings are drawn; the footnote says how many more there are and how many rows have no ARI.

    Args:
        rows: of a run; without ``metric/leiden/ari`` the figure says so.
    """
    if ARI not in rows.columns:
        return style.empty_figure("There is no ARI in these rows: the leiden metric was not computed.")
    table = settings_table(rows, by=ARI)
    names = setting_columns(rows)
    shown = _shortlist(table)
    ids, values = setting_ids(rows), usable(rows, ARI)
    labels = [style.two_lines(setting_text(line, names), 40) for line in shown.to_dict("records")]
    height = sum(0.42 if "\n" in label else 0.27 for label in labels) + 1.7
    figure, (ax,) = style.new_figure(max(height, 2.4))
    for place, line in enumerate(shown.to_dict("records")):
        colour = style.BASELINE if line["kind"] == "baseline" else style.PALETTE[0]
        dots = values[ids == line["setting"]].dropna()
        if dots.empty:
            # x in axes coordinates: a row without a value must not stretch the axis
            where = ax.get_yaxis_transform()
            ax.text(0.02, place, "no usable seed", transform=where, va="center", fontsize=style.SMALL, color="#666666")
            continue
        ax.scatter(dots, [place] * len(dots), s=26, color=colour, alpha=0.45, linewidths=0)
        ax.plot([dots.mean()] * 2, [place - 0.34, place + 0.34], color=colour, linewidth=2.2, solid_capstyle="butt")
    pca = best_setting(table, ARI, "baseline")
    if pca is not None:
        ax.axvline(pca[f"{ARI}/mean"], color=style.BASELINE, linewidth=0.9, linestyle=style.LINES[1])
    ax.set_yticks(range(len(shown)), labels)
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlabel("Leiden ARI (higher is better)")
    ax.set_title("ARI by setting", loc="left", fontsize=12)
    key = "A dot is one seed, a bar the mean" + ("; black and the dashed line (the best): PCA." if pca else ".")
    style.add_footnote(figure, key, _remainder(table, shown), _counts(rows))
    return figure


def _counts(rows: pd.DataFrame) -> str:
    # counts all rows, so "shown" would be wrong for the settings that are not drawn
    return style.not_shown(rows, [ARI]).replace("are shown", "have an ARI").replace("Not shown", "Without")
