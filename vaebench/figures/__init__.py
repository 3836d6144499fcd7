"""Rows -> matplotlib figures. A figure is a pure function of the rows; it never trains and never loads data."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from vaebench.atomic import replacing
from vaebench.errors import InputError
from vaebench.figures.history import loss_curves
from vaebench.figures.ranking import ari_by_setting
from vaebench.figures.scatter import ari_against_aic, loss_against_aic, loss_against_ari

FIGURES: dict[str, Callable[[pd.DataFrame], Figure]] = {
    "ari_by_setting": ari_by_setting,
    "loss_against_ari": loss_against_ari,
    "loss_against_aic": loss_against_aic,
    "ari_against_aic": ari_against_aic,
    "loss_curves": loss_curves,
}
"""Name -> function of the rows. Rows without the columns a figure needs give a figure that says so."""

NEEDS: dict[str, tuple[str, ...]] = {
    "ari_by_setting": ("metric/leiden/ari",),
    "loss_against_ari": ("loss/valid", "metric/leiden/ari"),
    "loss_against_aic": ("loss/valid", "metric/cox/aic"),
    "ari_against_aic": ("metric/leiden/ari", "metric/cox/aic"),
    "loss_curves": ("history/valid", "traced/learning_rate"),
}
"""Name -> the columns without which a figure has nothing to draw."""

CAPTIONS: dict[str, str] = {
    "ari_by_setting": "Leiden ARI of every seed (dots) and its mean (bars), settings ranked; baselines in black.",
    "loss_against_ari": "Does a lower validation loss mean better clusters? Losses are comparable only within one "
    "variant and one latent width, that is among points of one colour and one marker.",
    "loss_against_aic": "Does a lower validation loss mean a better survival model? Losses are comparable only within "
    "one variant and one latent width, that is among points of one colour and one marker.",
    "ari_against_aic": "Do the two evaluations agree? Rank correlation over all trained rows, settings pooled.",
    "loss_curves": "Validation loss by epoch for each variant and learning rate. Levels are not comparable between "
    "variants or latent widths; a band that is still falling at the right edge was stopped by the epoch limit.",
}
"""Name -> the sentence that goes under the figure."""


class Spot(NamedTuple):
    """A dot that says what it is: where it lies, as shares of the figure's width and height from the top left, and what."""

    left: float
    top: float
    text: str


def spots(figure: Figure) -> list[Spot]:
    """The dots of a drawn figure that have a text (in the place of a link, which a PNG cannot have)."""
    found = []
    for ax in figure.axes:
        for dots in ax.collections:
            texts = dots.get_urls()
            places = ax.transData.transform(dots.get_offsets()) if any(texts) else []
            for (x, y), text in zip(places, texts, strict=False):
                if text:
                    found.append(Spot(x / figure.bbox.width, 1 - y / figure.bbox.height, text))
    return found


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a PNG of 150 dpi; a reader sees the old file or the whole new one, never a part of it."""
    target = Path(path)
    if target.suffix != ".png":
        raise InputError(f"figures are saved as PNG: the path {str(target)!r} must end in .png")
    with replacing(target) as unfinished:
        figure.savefig(unfinished, format="png", dpi=150)
    return target
