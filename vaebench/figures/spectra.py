"""Signatures and samples as bars in the field's colours, two spectra compared, similarity of two sets, and the choice of K."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.stats import nbinom, poisson

from vaebench.data.wording import count_of, per_cent
from vaebench.figures import style
from vaebench.figures.channels import SUBSTITUTION_COLOURS, ChannelLook, channel_look, field_order, label_channels

__all__ = [
    "SHOWN",
    "SUBSTITUTION_COLOURS",
    "k_selection",
    "sample_fit",
    "sample_noise",
    "similarity",
    "spectra",
    "spectrum_comparison",
]

SHOWN = 100


def spectra(signatures: pd.DataFrame, notes: dict[str, str] | None = None) -> Figure:
    """Draw each signature, or each sample, as a row of bars in the field's order and colours.

    Args:
        signatures: [S, C] of any context: shares where rows sum to 1, else counts. At most 100 are drawn.
        notes: name -> a few words next to the name.
    """
    shown = signatures.head(SHOWN)
    if shown.empty:
        return style.empty_figure("There is no signature to draw.")
    shown = shown.set_axis(shown.columns.astype(str), axis=1)
    shown = shown[field_order(shown.columns)]
    look = channel_look(shown.columns)
    shares = bool((abs(shown.sum(axis=1) - 1) < 0.02).all())
    figure, axes = style.new_figure(1.05 * len(shown) + 1.3, rows=len(shown), layout=None)
    for ax, (name, values) in zip(axes, shown.iterrows(), strict=True):
        _bars(ax, values.to_numpy(float), look, percent=shares)
        note = (notes or {}).get(str(name), "")
        pad = _PAD[look.context] if ax is axes[0] else 2
        ax.set_title(style.plain(f"{name}  {note}".strip()), loc="left", fontsize=style.SMALL, pad=pad, y=1.0)
    label_channels(axes[0], axes[-1], look)
    rest = len(signatures) - len(shown)
    style.add_footnote(
        figure,
        f"Bars: {'shares' if shares else 'numbers'} of mutations. {look.axis}",
        f"Further signatures, not drawn: {rest}." if rest else "",
    )
    # texts of the ticks and titles, and the labels of channels, which stand upright: points
    labels = 3.0 * max(map(len, look.labels), default=0)
    style.stack(figure, axes, top=_PAD[look.context] + 14, bottom=labels + 4, gap=15)
    return figure


_PAD = {"SBS96": 23.0, "SBS1536": 23.0, "DBS78": 20.0, "ID83": 36.0, "SBS288": 33.0, "SBS384": 33.0, "": 2.0}
"""Room for the names of the blocks below a title, points."""


def _bars(ax: Axes, values: np.ndarray, look: ChannelLook, *, percent: bool) -> None:
    # one collection, not a patch for each of the 96 bars
    left, height, zero = np.arange(len(values)) - 0.4, np.nan_to_num(values), np.zeros(len(values))
    corners = [(left, zero), (left, height), (left + 0.8, height), (left + 0.8, zero)]
    bars = PolyCollection(list(np.transpose(corners, (2, 0, 1))), facecolors=look.colours, linewidths=0)
    if len(values) > 200:  # narrower than a pixel, a bar is pale without its edge
        bars.set(edgecolors=look.colours, linewidths=0.7)
    bars.sticky_edges.y.append(0.0)
    ax.add_collection(bars)
    ax.autoscale_view()
    ax.set_xlim(-0.8, len(values) - 0.2)
    ax.set_xticks([])
    ax.grid(visible=False, axis="x")
    if percent:
        ax.yaxis.set_major_formatter(lambda v, _: f"{100 * v:g}%")
    ax.locator_params(axis="y", nbins=3)


def sample_noise(result: object, mutations: float) -> dict[str, Any]:
    """Returns the arguments of :func:`sample_fit` for the noise that a refit found, in a sample with so many mutations."""
    growth, size = float(getattr(result, "growth", 0.0)), float(getattr(result, "size", np.inf))
    if np.isfinite(size):
        return {"size": size}
    if growth:
        return {"dispersion": 1 + growth * mutations, "own": True}
    return {"dispersion": float(getattr(result, "dispersion", 1.0))}


def sample_fit(
    observed: pd.Series,
    fitted: pd.Series,
    *,
    level: float = 0.95,
    dispersion: float = 1.0,
    size: float = np.inf,
    own: bool = False,
) -> Figure:
    """Draw a sample's counts, their fit, and the residuals with the band in which counts of its noise would lie.

    A bar of the residuals beyond its band is more (or fewer) mutations than these signatures explain. The band holds
    the central ``level`` of a Poisson count with the fitted mean, or of a negative binomial; under a dispersion above 1 its
    distance from the mean is widened by the square root.

    Args:
        observed: [C] counts by channel; its name is the sample's.
        fitted: [C] means by channel, as exposures @ signatures.
        level: of the band.
        dispersion: variance of the counts as a multiple of their mean.
        size: of the negative binomial, whose variance is mean + mean^2 / size; infinite for Poisson counts.
        own: the dispersion is that of this sample, and not of its cohort.
    """
    observed = observed[field_order(observed.index)]
    look = channel_look(observed.index)
    x, mean = observed.to_numpy(float), fitted.reindex(observed.index).to_numpy(float)
    dispersion = dispersion if np.isfinite(dispersion) and dispersion > 1 else 1.0  # of rounded means it is below 1
    spread = np.sqrt(dispersion)
    tails, some = ((1 - level) / 2, (1 + level) / 2), np.maximum(mean, 1e-12)
    ends = [poisson.ppf(q, some) if np.isinf(size) else nbinom.ppf(q, size, size / (size + some)) for q in tails]
    low, high = ((end - mean) * spread for end in ends)
    low = np.maximum(low, -mean)
    figure, axes = style.new_figure(5.6, rows=3)
    place = np.arange(len(x))
    for ax, values in zip(axes, (x, mean, x - mean), strict=True):
        _bars(ax, values, look, percent=False)
    if len(x) <= 200:  # a light bar would be lost on the band
        axes[2].collections[0].set(edgecolors="#333333", linewidths=0.4)
    axes[2].vlines(place, low, high, color="#888888", linewidth=3, alpha=0.55, zorder=0)
    axes[2].axhline(0, color="#666666", linewidth=0.6)
    top = max(x.max(initial=0), mean.max(initial=0), 1) * 1.08
    for ax in axes[:2]:
        ax.set_ylim(0, top)
    cosine = float(x @ mean / np.linalg.norm(x) / np.linalg.norm(mean)) if x.any() and mean.any() else np.nan
    outside = int(((x - mean < low) | (x - mean > high)).sum())
    near = f", cosine {cosine:.3f}" if np.isfinite(cosine) else ""
    title = f"{style.plain(str(observed.name), 40)}: {count_of(round(x.sum()), 'mutation')}{near}"
    axes[0].set_title(title, loc="left", fontsize=11, pad=_PAD[look.context])
    for ax, name in zip(axes, ("observed", "fitted", "residual"), strict=True):
        ax.set_ylabel(name, fontsize=style.SMALL)
    label_channels(axes[0], axes[2], look)
    whose = "of this sample's number of mutations" if own else ""
    widened = f", widened for a dispersion of {dispersion:.2f} {whose}".rstrip() if dispersion > 1 else ""
    kind = "Poisson counts" if np.isinf(size) else f"a negative binomial of size {size:.3g}"
    style.add_footnote(
        figure,
        f"Grey: where {per_cent(level)} of the residuals of {kind} lie{widened}. Channels outside: {outside} of {len(x)}.",
    )
    return figure


def spectrum_comparison(first: pd.Series, second: pd.Series) -> Figure:
    """Draw two spectra and their difference, with their cosine similarity.

    Args:
        first: [C] by channel, named; scaled to sum to 1.
        second: [C], the same channels in any order.
    """
    first = first[field_order(first.index)]
    look = channel_look(first.index)
    a, b = first.to_numpy(float), second.reindex(first.index).to_numpy(float)
    a, b = a / a.sum(), b / b.sum()
    cosine = float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    figure, axes = style.new_figure(5.4, rows=3)
    names = [style.plain(str(first.name), 30), style.plain(str(second.name), 30)]
    for ax, values in zip(axes, (a, b, a - b), strict=True):
        _bars(ax, values, look, percent=True)
    for ax in axes[:2]:
        ax.set_ylim(0, 1.08 * max(a.max(), b.max()))
    axes[2].axhline(0, color="#666666", linewidth=0.6)
    reach = max(0.01, 1.1 * float(np.abs(a - b).max()))
    axes[2].set_ylim(-reach, reach)
    axes[0].set_title(
        f"{names[0]} and {names[1]}: cosine {cosine:.3f}", loc="left", fontsize=11, pad=_PAD[look.context]
    )
    for ax, name in zip(axes, (*names, "difference"), strict=True):
        ax.set_ylabel(name, fontsize=style.SMALL)
    label_channels(axes[0], axes[2], look)
    style.add_footnote(
        figure, f"Shares of the mutations; the difference is {names[0]} less {names[1]}, on its own scale."
    )
    return figure


def similarity(extracted: pd.DataFrame, reference: pd.DataFrame) -> Figure:
    """Draw the cosine of every extracted signature with the reference signatures that are closest to any of them.

    Args:
        extracted: [S, M].
        reference: [S', M], the same channels in the same order. The three closest to each extracted one are drawn.
    """
    a, b = (frame.to_numpy(float) for frame in (extracted, reference))
    # signatures.matching has this cosine too, but signatures are a floor above figures
    a, b = (m / np.linalg.norm(m, axis=1, keepdims=True) for m in (a, b))
    cosine = a @ b.T
    close = np.argsort(-cosine, axis=1)[:, :3]
    # columns in the order of the rows they are closest to: good matches lie on the diagonal
    columns = list(dict.fromkeys(close[:, 0])) + sorted(set(close[:, 1:].ravel()) - set(close[:, 0]))
    shown = cosine[:, columns]
    figure, (ax,) = style.new_figure(0.3 * len(a) + 2.2)
    image = ax.imshow(shown, vmin=0, vmax=1, cmap="Greys", aspect="auto")
    ax.grid(visible=False)
    for i, j in np.argwhere(shown >= 0.8):
        size = style.SMALL if len(columns) <= 10 else 6
        ax.text(j, i, f"{shown[i, j]:.2f}", ha="center", va="center", fontsize=size, color="white")
    style.name_ticks(
        ax,
        [style.plain(str(reference.index[c]), 14) for c in columns],
        [style.plain(str(name), 20) for name in extracted.index],
    )
    figure.colorbar(image, ax=ax, label="cosine similarity", shrink=0.8)
    style.add_footnote(
        figure, "The three closest reference signatures of each extracted one; cosines of at least 0.80 are written."
    )
    return figure


_SCORES = {
    "criterion": "information criterion (lower is better)",
    "error": "reconstruction error (lower is better)",
    "mean_silhouette": "mean silhouette (higher: restarts agree)",
    "min_silhouette": "lowest silhouette",
    "deviance": "deviance (falls with every signature)",
}
"""Column of a selection table -> what it is."""


def k_selection(selection: pd.DataFrame, rule: str = "criterion") -> Figure:
    """Draw the score that chose the number of signatures K first, on an axis of its own, and the others below it.

    Args:
        selection: one row a K with columns ``k``, ``chosen``, and any of ``mean_silhouette``, ``min_silhouette``, ``error``,
            ``deviance`` and ``criterion``.
        rule: ``"criterion"``, or ``"stability"`` where the error chose among the stable ones.
    """
    order = (
        list(_SCORES)
        if rule == "criterion"
        else ["error", "mean_silhouette", "min_silhouette", "criterion", "deviance"]
    )
    found = [name for name in order if name in selection and selection[name].notna().any()]
    if not found:
        return style.empty_figure("The selection table has no score to draw.")
    heights = [2.0, *[1.0] * (len(found) - 1)]
    figure, axes = style.new_figure(1.25 * sum(heights) + 0.9, rows=len(found), heights=heights)
    chosen = selection.loc[selection["chosen"].astype(bool), "k"]
    for ax, name in zip(axes, found, strict=True):
        decides = ax is axes[0]
        colour = style.PALETTE[0] if decides else "#777777"
        ax.plot(selection["k"], selection[name], "o-", color=colour, markersize=5 if decides else 3, linewidth=1.2)
        for k in chosen:
            ax.axvline(k, color=style.PALETTE[1], linewidth=1.2, linestyle=style.LINES[1])
        text = f"Decides: {_SCORES[name]}" if decides else f"For information: {_SCORES[name]}"
        ax.set_title(text, loc="left", fontsize=style.SMALL + 1 if decides else style.SMALL)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.locator_params(axis="y", nbins=5 if decides else 3)
    axes[-1].set_xlabel("number of signatures K")
    text = f"Dashed: the chosen K = {', '.join(str(k) for k in chosen)}." if len(chosen) else "No K was chosen."
    style.add_footnote(figure, text)
    return figure
