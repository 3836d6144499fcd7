"""Validation loss over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from vaebench.analysis.settings import is_baseline
from vaebench.analysis.settings import value_text as show
from vaebench.figures import style

_HISTORY = "history/valid"
_RATE = "traced/learning_rate"
PANELS = 12
POINTS = 300


def _curve(value: object) -> np.ndarray:
    """Return the finite leading values of a history; a lane's padding after its last epoch is NaN and is cut."""
    if not isinstance(value, list | tuple | np.ndarray):
        return np.empty(0)
    curve = np.asarray(value, dtype=float)
    bad = ~np.isfinite(curve)
    return curve[: int(np.argmax(bad))] if bad.any() else curve


def _matrix(curves: list[np.ndarray]) -> np.ndarray:
    """Stack curves as [seed, epoch]; each goes on at its last value, so that runs that stopped early stay in the median."""
    length = max(len(c) for c in curves)
    return np.stack([np.pad(c, (0, length - len(c)), mode="edge") for c in curves])


def _draw(ax: Axes, frame: pd.DataFrame, colours: dict[Any, str], lines: dict[Any, Any]) -> bool:
    """Draw one variant; returns true if losses were lowered to the panel's upper end."""
    lowered, far = style.fenced(np.concatenate(list(frame["curve"])))
    top = lowered.max()
    seen = []
    for (rate, latent), group in frame.groupby([_RATE, "static/latent"]):
        matrix = _matrix(list(group["curve"]))
        # a line needs no more points than it has pixels
        at = np.unique(np.linspace(0, matrix.shape[1] - 1, POINTS).round().astype(int))
        part = np.minimum(matrix[:, at], top)
        mark = "." if part.shape[1] == 1 else ""
        look = {"color": colours[rate], "linestyle": lines[latent], "linewidth": 1.6, "marker": mark}
        ax.plot(at + 1, np.median(part, axis=0), **look)
        ax.fill_between(at + 1, part.min(axis=0), part.max(axis=0), color=colours[rate], alpha=0.15, linewidth=0)
        seen.append(part.ravel())
    style.wide_scale(ax, np.concatenate(seen))
    return bool(far.any())


def _prepared(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the trained rows that have a history and a learning rate, and a sentence on the others."""
    models = rows[~is_baseline(rows)].reset_index(drop=True)
    frame = models.assign(curve=models[_HISTORY].map(_curve) if len(models) else [])
    good = (frame["status"] == "OK") & (frame["curve"].map(len) > 0) & frame[_RATE].notna()
    bad = frame.loc[~good, "status"].fillna("no status").astype(str).replace("OK", "without history")
    text = f"{int(good.sum()):,} of {len(models):,} trained rows have a curve."
    if len(bad):
        text += f" Not shown: {'; '.join(f'{n:,} {style.plain(str(s), 40)}' for s, n in bad.value_counts().items())}."
    return frame[good], text


def _picked(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str], list[float], list[float], str]:
    """Select what fits in one figure; returns rows, variants, rates, latents and a sentence on what was left out."""
    variants = sorted(frame["static/variant"].astype(str).unique())
    rates, latents = sorted(frame[_RATE].unique()), sorted(frame["static/latent"].dropna().unique())
    kept = variants[:PANELS], style.spread(rates, len(style.PALETTE)), style.spread(latents, len(style.LINES))
    cut = [
        f"{len(full) - len(part)} more {name}"
        for full, part, name in zip(
            (variants, rates, latents), kept, ("variants", "learning rates", "latents"), strict=True
        )
        if len(full) > len(part)
    ]
    mine = frame["static/variant"].astype(str).isin(kept[0]) & frame[_RATE].isin(kept[1])
    frame = frame[mine & frame["static/latent"].isin(kept[2])]
    return frame, *kept, f"Not drawn, for room: {', '.join(cut)}." if cut else ""


def training_history(*curves: Sequence[float], names: Sequence[str] = ()) -> Figure:
    """Draw the validation loss of one training, or of a few, by epoch; a dot marks the lowest.

    Args:
        curves: [epochs] each, as ``vb.fit(...).history``; what follows a value that is not finite is cut.
        names: of the curves, for the legend.

    Example::

        model = vb.fit(data, variant="beta_vae")
        vb.figures.training_history(model.history)
    """
    kept = [_curve(curve) for curve in curves]
    if not any(len(curve) for curve in kept):
        return style.empty_figure("There is no loss to draw: no epoch was finished.")
    figure, (ax,) = style.new_figure(3.4)
    labels = [*names, *[f"training {i + 1}" for i in range(len(names), len(kept))]]
    for place, (curve, name) in enumerate(zip(kept, labels, strict=True)):
        if not len(curve):
            continue
        colour, line = style.PALETTE[place % len(style.PALETTE)], style.LINES[place // len(style.PALETTE) % 3]
        ax.plot(np.arange(len(curve)) + 1, curve, color=colour, linestyle=line, label=style.plain(name, 24))
        ax.plot(int(curve.argmin()) + 1, curve.min(), "o", color=colour, markersize=5)
    style.wide_scale(ax, np.concatenate(kept))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("epoch")
    ax.set_ylabel("validation loss")
    if len(kept) > 1:
        figure.legend(loc="outside right upper", fontsize=style.SMALL, frameon=False)
    style.add_footnote(
        figure, "A dot marks the lowest loss. Losses are comparable only within one variant and latent width."
    )
    return figure


def loss_curves(rows: pd.DataFrame) -> Figure:
    """Draw the validation loss by epoch, one panel a variant: colour is the learning rate, line style the latent width.

    A line is the median over seeds (and all else that varies within that variant, rate and latent width), its band reaches
    from the lowest to the highest; a run that stopped early keeps its last value.

    Args:
        rows: of a run; without ``history/valid`` the figure says so.
    """
    if _HISTORY not in rows.columns or _RATE not in rows.columns:
        return style.empty_figure("Nothing to draw: these rows have no loss history.")
    frame, counts = _prepared(rows)
    if frame.empty:
        return style.empty_figure(f"No loss history to draw. {counts}")
    frame, variants, rates, latents, cut = _picked(frame)
    colours = {rate: style.PALETTE[i] for i, rate in enumerate(rates)}
    lines = {latent: style.LINES[i] for i, latent in enumerate(latents)}
    columns = min(2, len(variants))
    height = -(-len(variants) // columns)
    figure, axes = style.new_figure(1.4 + (2.3 if height > 1 else 3.0) * height, height, columns)
    for ax in axes[len(variants) :]:
        ax.set_visible(False)
    lowered = False
    for ax, variant in zip(axes, variants, strict=False):
        mine = frame[frame["static/variant"].astype(str) == variant]
        lowered |= len(mine) > 0 and _draw(ax, mine, colours, lines)
        ax.set_title(style.plain(variant, 28), loc="left", fontsize=11)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    for ax in axes[max(0, len(variants) - columns) : len(variants)]:
        ax.set_xlabel("epoch")
    figure.supylabel("validation loss", fontsize=10)
    handles = [Line2D([], [], color=colours[r], label=f"lr={show(r)}") for r in rates]
    handles += [Line2D([], [], color="#444444", linestyle=lines[v], label=f"L={show(v)}") for v in latents]
    figure.legend(handles=handles, loc="outside right upper", fontsize=style.SMALL, frameon=False)
    key = (
        "Line: median over seeds and all else that varies; band: lowest to highest. A stopped run keeps its last value."
    )
    far = "Losses far above a panel's rest are drawn at its upper end." if lowered else ""
    style.add_footnote(figure, key, far, cut, counts)
    return figure
