"""Signatures as 96 bars in six colours, similarity of two sets of signatures, and the choice of their number."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vaebench.figures import style

SUBSTITUTION_COLOURS = {
    "C>A": "#03BCEE",
    "C>G": "#010101",
    "C>T": "#E32926",
    "T>A": "#CAC9C9",
    "T>C": "#A1CE63",
    "T>G": "#EBC6C4",
}
"""The colours in which COSMIC draws the six substitutions."""

SHOWN = 100


def spectra(signatures: pd.DataFrame, notes: dict[str, str] | None = None) -> Figure:
    """Draw each signature as a row of 96 bars in COSMIC's order and colours.

    Args:
        signatures: [S, 96], rows sum to 1, columns ``A[C>A]A`` in canonical order. At most 100 are drawn.
        notes: name -> a few words next to the name.
    """
    shown = signatures.head(SHOWN)
    if shown.empty:
        return style.empty_figure("There is no signature to draw.")
    substitutions = [channel[2:5] for channel in shown.columns]
    colours = [SUBSTITUTION_COLOURS[s] for s in substitutions]
    height = 1.05 * len(shown) + 1.0
    figure, axes = style.new_figure(height, rows=len(shown))
    for ax, (name, values) in zip(axes, shown.iterrows(), strict=True):
        ax.bar(range(96), values.to_numpy(), color=colours, width=0.8)
        ax.set_xlim(-0.8, 95.8)
        ax.set_xticks([])
        ax.grid(visible=False, axis="x")
        note = (notes or {}).get(str(name), "")
        ax.set_title(style.plain(f"{name}  {note}".strip()), loc="left", fontsize=style.SMALL, pad=2)
        ax.yaxis.set_major_formatter(lambda v, _: f"{100 * v:g}%")
        ax.locator_params(axis="y", nbins=3)
    starts = [substitutions.index(s) for s in SUBSTITUTION_COLOURS]
    axes[-1].set_xticks([start + 7.5 for start in starts], list(SUBSTITUTION_COLOURS), fontsize=style.SMALL)
    axes[-1].tick_params(axis="x", length=0)
    rest = len(signatures) - len(shown)
    style.add_footnote(
        figure,
        "Share of the signature's mutations by substitution; within one colour by flanking bases, A_A to T_T.",
        f"Further signatures, not drawn: {rest}." if rest else "",
    )
    return figure


def similarity(extracted: pd.DataFrame, reference: pd.DataFrame) -> Figure:
    """Draw the cosine of every extracted signature with the reference signatures that are closest to any of them.

    Args:
        extracted: [S, 96].
        reference: [S', 96], the same channels in the same order. The three closest to each extracted one are drawn.
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
        ax.text(j, i, f"{shown[i, j]:.2f}", ha="center", va="center", fontsize=6, color="white")
    ax.set_xticks(range(len(columns)), [style.plain(str(reference.index[c]), 14) for c in columns], rotation=90)
    ax.set_yticks(range(len(a)), [style.plain(str(name), 20) for name in extracted.index])
    ax.tick_params(labelsize=7)
    figure.colorbar(image, ax=ax, label="cosine similarity", shrink=0.8)
    style.add_footnote(
        figure, "The three closest reference signatures of each extracted one; cosines of at least 0.80 are written."
    )
    return figure


def k_selection(selection: pd.DataFrame) -> Figure:
    """Draw stability and error against the number of signatures K; the chosen K is marked.

    Args:
        selection: one row a K with columns ``k``, ``chosen``, and any of ``mean_silhouette``, ``min_silhouette``, ``error``,
            ``deviance`` and ``criterion``.
    """
    scores = {
        "mean_silhouette": "mean silhouette",
        "min_silhouette": "lowest silhouette",
        "error": "reconstruction error",
        "deviance": "deviance",
        "criterion": "information criterion",
    }
    found = [name for name in scores if name in selection and selection[name].notna().any()]
    if not found:
        return style.empty_figure("The selection table has no score to draw.")
    figure, axes = style.new_figure(1.5 * len(found) + 1.0, rows=len(found))
    chosen = selection.loc[selection["chosen"].astype(bool), "k"]
    for ax, name in zip(axes, found, strict=True):
        ax.plot(selection["k"], selection[name], "o-", color=style.PALETTE[0], markersize=4, linewidth=1.2)
        for k in chosen:
            ax.axvline(k, color=style.PALETTE[1], linewidth=1.2, linestyle=style.LINES[1])
        ax.set_ylabel(scores[name], fontsize=style.SMALL)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[-1].set_xlabel("number of signatures K")
    text = f"Dashed: the chosen K = {', '.join(str(k) for k in chosen)}." if len(chosen) else "No K was chosen."
    style.add_footnote(figure, text)
    return figure
