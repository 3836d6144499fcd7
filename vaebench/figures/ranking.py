"""Every seed of the best settings on one axis."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from vaebench.analysis.settings import (
    AIC,
    ARI,
    DELTA_AIC,
    DIRECTIONS,
    LOSS,
    ranking_score,
    setting_columns,
    setting_ids,
    setting_text,
    settings_table,
    usable,
)
from vaebench.figures import style

_NAMES = {ARI: "ARI", AIC: "Cox AIC", DELTA_AIC: "ΔAIC", LOSS: "validation loss"}
SHOWN = 30
KEPT_BASELINES = 5


def _shortlist(table: pd.DataFrame) -> pd.DataFrame:
    """Return the best settings in order; the best baselines stay whatever their rank, for comparison."""
    if len(table) <= SHOWN:
        return table
    baselines = table[table["kind"] == "baseline"].head(KEPT_BASELINES)
    models = table[table["kind"] == "model"].head(SHOWN - len(baselines))
    return table.loc[sorted([*baselines.index, *models.index])]


def _remainder(table: pd.DataFrame, shown: pd.DataFrame, score: str, name: str) -> str:
    rest = table.drop(shown.index)
    if rest.empty:
        return ""
    means = rest[f"{score}/mean"].dropna()
    text = f"{len(rest):,} more settings are not drawn"
    if means.empty:
        return f"{text} (none has {'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name})."
    low, high = (f"{value:.3f}" if score == ARI else f"{value:.4g}" for value in (means.min(), means.max()))
    return f"{text} (mean {name} {low} to {high})."


def ari_by_setting(rows: pd.DataFrame) -> Figure:
    """Draw the Leiden ARI by setting: :func:`ranking` by ``metric/leiden/ari``; rows without it give a figure that says so."""
    if ARI not in rows.columns:
        return style.empty_figure("There is no ARI in these rows: the leiden metric was not computed.")
    return ranking(rows, ARI)


def ranking(rows: pd.DataFrame, by: str | None = None, *, higher_is_better: bool | None = None) -> Figure:
    """Draw a score by setting: a dot a seed, a bar for the mean, best setting on top, baselines in black.

    At most 30 settings are drawn; the footnote says how many more there are and how many rows have no score.

    Args:
        rows: of a run.
        by: column of the score, such as ``"metric/probe/accuracy"``; by default that of the report.
        higher_is_better: known for one score of each metric, needed for any other ``by``.

    Raises:
        InputError: ``by`` is not a score of the rows, or its direction is unknown.

    Example::

        vb.figures.save(vb.figures.ranking(vb.results.read_rows("results/run")), "ranking.png")
    """
    if by is None:
        by = ranking_score(rows)
        if by is None:
            return style.empty_figure("These rows have no score to rank by.")
    table = settings_table(rows, by=by, higher_is_better=higher_is_better)
    name = _NAMES.get(by, by.rpartition("/")[2].replace("_", " "))
    higher = DIRECTIONS[by] if higher_is_better is None else higher_is_better
    names = setting_columns(rows)
    shown = _shortlist(table)
    ids, values = setting_ids(rows), usable(rows, by)
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
    means = table.loc[table["kind"] == "baseline", f"{by}/mean"].dropna()
    pca = len(means) > 0  # the table is sorted, so the first is the best
    if pca:
        ax.axvline(means.iloc[0], color=style.BASELINE, linewidth=0.9, linestyle=style.LINES[1])
    ax.set_yticks(range(len(shown)), labels)
    ax.set_ylim(len(shown) - 0.4, -0.6)
    source = {"metric/leiden/ari": "Leiden "}.get(by, "")
    ax.set_xlabel(f"{source}{style.plain(name, 40)} ({'higher' if higher else 'lower'} is better)")
    ax.set_title(f"{style.plain(name[:1].upper() + name[1:], 40)} by setting", loc="left", fontsize=12)
    key = "A dot is one seed, a bar the mean" + ("; black and the dashed line (the best): PCA." if pca else ".")
    style.add_footnote(figure, key, _remainder(table, shown, by, name), _counts(rows, by, name))
    return figure


def _counts(rows: pd.DataFrame, score: str, name: str) -> str:
    # counts all rows, so "shown" would be wrong for the settings that are not drawn
    has = f"have {'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name}"
    return style.not_shown(rows, [score]).replace("are shown", has).replace("Not shown", "Without")
