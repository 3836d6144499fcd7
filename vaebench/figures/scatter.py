"""Two scores of every trained row against each other: colour is the variant, marker the latent width."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vaebench.analysis.settings import (
    AIC,
    ARI,
    LOSS,
    SCORES,
    best_setting,
    is_baseline,
    setting_columns,
    setting_text,
    settings_table,
    usable,
)
from vaebench.analysis.settings import column as numbers
from vaebench.analysis.settings import value_text as show
from vaebench.analysis.uncertainty import spearman
from vaebench.figures import style

_COVARIATES = "metric/cox/aic_covariates"
_NAMES = {ARI: "Leiden ARI (higher is better)", AIC: "Cox AIC (lower is better)", LOSS: "validation loss"}
_METRIC = {ARI: "leiden", AIC: "cox"}
_CROWD = 1000  # rows from which dots are small
_NAMED = 1000  # dots that say what they are


def _absent(rows: pd.DataFrame, scores: tuple[str, ...]) -> str:
    gone = [_METRIC.get(s, "loss") for s in scores if s not in rows.columns]
    return f"Nothing to draw: these rows have no column for {' and '.join(gone)}." if gone else ""


def _texts(rows: pd.DataFrame, scores: Sequence[str]) -> pd.Series:
    """Return the text of each dot: setting, seed and scores for the best rows by the first score, "" for the others."""
    values = usable(rows, scores[0]).dropna().sort_values(ascending=not SCORES[scores[0]], kind="stable")
    names, best = setting_columns(rows), values.index[:_NAMED]
    found = pd.Series("", index=rows.index)
    for place, line in zip(best, rows.loc[best].to_dict("records"), strict=True):
        seed = show(line.get("traced/seed"))
        parts = [setting_text(line, names), f"seed {seed}" if seed else ""]
        parts += [f"{score.rpartition('/')[2].replace('valid', 'loss')} {line[score]:.4g}" for score in scores]
        found[place] = ", ".join(part for part in parts if part)
    return found


def _draw(ax: Axes, models: pd.DataFrame, x: pd.Series, y: pd.Series, texts: pd.Series) -> list[Line2D]:
    """Scatter the rows and return the legend's handles."""
    variants = sorted(models["static/variant"].astype(str).unique())
    latents = sorted(models["static/latent"].dropna().unique())
    handles, size = [], 30 if len(models) < _CROWD else 10
    shown = style.plain_names(variants, 18)
    for i, variant in enumerate(variants):
        colour, again = style.PALETTE[i % len(style.PALETTE)], i // len(style.PALETTE)
        # past the palette's end the colours come again, hollow, and then with a dark edge
        face = "none" if again == 1 else colour
        edge = "#333333" if again > 1 else "#666600" if colour == "#F0E442" else colour
        for j, latent in enumerate(latents):
            mine = (models["static/variant"].astype(str) == variant) & (models["static/latent"] == latent)
            mark = style.MARKERS[min(j, len(style.MARKERS) - 1)]
            where = mine[mine].index
            look = {"s": size, "marker": mark, "facecolors": face, "edgecolors": edge, "linewidths": 0.8, "alpha": 0.7}
            ax.scatter(x[where], y[where], **look).set_urls(texts[where].tolist())
        handles.append(_handle(shown[i], "o", face, edge))
    for j, latent in enumerate(latents[: len(style.MARKERS)]):
        more = j == len(style.MARKERS) - 1 and len(latents) > len(style.MARKERS)
        handles.append(_handle(f"L={show(latent)}{' and up' if more else ''}", style.MARKERS[j], "none", "#444444"))
    return handles


def _handle(label: str, marker: str, face: str, edge: str) -> Line2D:
    return Line2D([], [], linestyle="", marker=marker, markerfacecolor=face, markeredgecolor=edge, label=label)


def _comparable(models: pd.DataFrame) -> str:
    """Return a sentence on the losses that may be compared, and on how they are told apart where widths share a marker."""
    latents = sorted(models["static/latent"].dropna().unique())
    colour = "colour" if models["static/variant"].nunique() <= len(style.PALETTE) else "colour and filling"
    text = f"Losses may be compared only within one variant and one latent width: one {colour}, one marker"
    pooled = len(latents) > len(style.MARKERS)
    return text + (f"; the widths from L={show(latents[len(style.MARKERS) - 1])} up share one." if pooled else ".")


def _references(ax: Axes, rows: pd.DataFrame, score: str) -> list[Line2D]:
    """Vertical lines for the best baseline and, for AIC, the covariates alone; returns their handles."""
    handles = []
    pca = best_setting(settings_table(rows, by=score), score, "baseline")
    if pca is not None:
        handles.append(ax.axvline(pca[f"{score}/mean"], color=style.BASELINE, linewidth=1.1, linestyle=style.LINES[1]))
        handles[-1].set_label(f"best PCA (L={show(pca['static/latent'])})")
    alone = numbers(rows, _COVARIATES).dropna()
    # one line represents all rows only if they were fitted on the same samples
    if score == AIC and len(alone) and np.isclose(alone.min(), alone.max(), rtol=1e-6):
        handles.append(ax.axvline(alone.iloc[0], color="#666666", linewidth=1.4, linestyle=style.LINES[2]))
        handles[-1].set_label("covariates alone")
    return handles


def _loss_against(rows: pd.DataFrame, score: str, title: str) -> Figure:
    message = _absent(rows, (LOSS, score))
    if message:
        return style.empty_figure(message)
    models = rows[~is_baseline(rows)].reset_index(drop=True)
    x, y = usable(models, score), usable(models, LOSS)
    drawn = models[x.notna() & y.notna()]
    counts = style.not_shown(models, [LOSS, score], "trained rows") if len(models) else "No row was trained."
    if drawn.empty:
        return style.empty_figure(f"No trained row has both numbers. {counts}")
    figure, (ax,) = style.new_figure(4.9)
    y, far = _fenced_by_variant(drawn, y)
    handles = _draw(ax, drawn, x, y, _texts(models, (score, LOSS)))
    style.wide_scale(ax, y[drawn.index])
    handles += _references(ax, rows, score)
    ax.set_xlabel(_NAMES[score])
    ax.set_ylabel(_NAMES[LOSS])
    ax.set_title(title, loc="left", fontsize=12)
    figure.legend(handles=handles, loc="outside right upper", fontsize=style.SMALL, frameon=False)
    style.add_footnote(figure, _comparable(drawn), far, counts)
    return figure


def _fenced_by_variant(drawn: pd.DataFrame, loss: pd.Series) -> tuple[pd.Series, str]:
    """Lower losses far above the rest of their variant to its highest; returns the losses and a sentence on them."""
    lowered, count = loss.copy(), 0
    for _, group in drawn.groupby("static/variant"):
        lowered[group.index], far = style.fenced(loss[group.index])
        count += int(far.sum())
    if not count:
        return loss, ""
    highest = loss[drawn.index].max()
    text = f"Losses far above the rest of their variant ({count:,}, up to {highest:.2g}) are drawn at its upper end."
    return lowered, text


def loss_against_ari(rows: pd.DataFrame) -> Figure:
    """Draw the validation loss of every trained row against its Leiden ARI, with the best PCA as a line."""
    return _loss_against(rows, ARI, "Validation loss against ARI")


def loss_against_aic(rows: pd.DataFrame) -> Figure:
    """Draw the validation loss of every trained row against its Cox AIC, with the best PCA and the covariates alone as lines."""
    return _loss_against(rows, AIC, "Validation loss against Cox AIC")


def ari_against_aic(rows: pd.DataFrame) -> Figure:
    """Draw the Leiden ARI of every row against its Cox AIC; Spearman's rho is over trained rows, baselines are black stars."""
    message = _absent(rows, (ARI, AIC))
    if message:
        return style.empty_figure(message)
    rows = rows.reset_index(drop=True)
    x, y = usable(rows, AIC), usable(rows, ARI)
    has = x.notna() & y.notna()
    counts = style.not_shown(rows, [ARI, AIC])
    if not has.any():
        return style.empty_figure(f"No row has both numbers. {counts}")
    models, baselines = rows[has & ~is_baseline(rows)], rows[has & is_baseline(rows)]
    figure, (ax,) = style.new_figure(4.7)
    texts = _texts(rows, (ARI, AIC))
    handles = _draw(ax, models, x, y, texts) if len(models) else []
    if len(baselines):
        stars = ax.scatter(x[baselines.index], y[baselines.index], s=90, marker="*", color=style.BASELINE, zorder=3)
        stars.set_urls(texts[baselines.index].tolist())
        handles.append(_handle("PCA", "*", style.BASELINE, style.BASELINE))
    found = spearman(*(score[models.index].to_numpy() for score in (x, y)))
    known = f"ρ = {found.rho:+.2f} ({found.low:+.2f} to {found.high:+.2f})"
    rho = known if np.isfinite(found.rho) else "ρ is not defined"
    ax.set_xlabel(_NAMES[AIC])
    ax.set_ylabel(_NAMES[ARI])
    ax.set_title(f"ARI against Cox AIC: {rho}, n = {found.n:,}", loc="left", fontsize=12)
    figure.legend(handles=handles, loc="outside right upper", fontsize=style.SMALL, frameon=False)
    note = (
        "ρ: Spearman's over trained rows, 95% interval; a negative one means that rows good in ARI are good in AIC too."
    )
    style.add_footnote(figure, note, counts)
    return figure
