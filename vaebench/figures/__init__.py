"""Figures: pure functions of rows, signatures or survival that return a matplotlib ``Figure``; none trains or reads a file.

The figures of the run report are in :data:`FIGURES`. Extractions and refits have theirs as methods
(``plot_signatures``, ...). ``matplotlib.pyplot`` is never imported, so no global state is changed and no figure stays alive
after its last reference.

    >>> import vaebench as vb
    >>> rows = vb.results.read_rows("results/run")  # doctest: +SKIP
    >>> vb.figures.save(vb.figures.FIGURES["loss_curves"](rows), "loss.png")  # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from vaebench.atomic import replacing
from vaebench.errors import InputError, user_path
from vaebench.figures import style
from vaebench.figures.exposures import exposures_by_type, interval_panels, reconstruction_quality, sample_map
from vaebench.figures.history import loss_curves, training_history
from vaebench.figures.ranking import ari_by_setting, ranking
from vaebench.figures.samples import burden, stacked_exposures
from vaebench.figures.scatter import ari_against_aic, loss_against_aic, loss_against_ari
from vaebench.figures.spectra import k_selection, sample_fit, similarity, spectra, spectrum_comparison
from vaebench.figures.survival import survival_curves
from vaebench.types.shown import one_line

__all__ = [
    "CAPTIONS",
    "FIGURES",
    "NEEDS",
    "FigureKind",
    "Spot",
    "ari_against_aic",
    "ari_by_setting",
    "burden",
    "exposures_by_type",
    "interval_panels",
    "k_selection",
    "loss_against_aic",
    "loss_against_ari",
    "loss_curves",
    "ranking",
    "reconstruction_quality",
    "sample_fit",
    "sample_map",
    "save",
    "similarity",
    "spectra",
    "spectrum_comparison",
    "spots",
    "stacked_exposures",
    "survival_curves",
    "training_history",
]
__dir__ = __all__.copy


class FigureKind(NamedTuple):
    """A figure of the run report. Calling it draws: ``FIGURES["loss_curves"](rows)``.

    Attributes:
        draw: rows -> figure. Rows without the columns it needs give a figure that says so.
        needs: the columns without which there is nothing to draw.
        caption: the sentence under the figure.
    """

    __repr__ = one_line

    draw: Callable[[pd.DataFrame], Figure]
    needs: tuple[str, ...]
    caption: str

    def __call__(self, rows: pd.DataFrame) -> Figure:
        """Draw the figure of these rows."""
        return self.draw(rows)


_LEVELS = "Losses are comparable only within one variant and one latent width."

FIGURES: dict[str, FigureKind] = {
    "ari_by_setting": FigureKind(
        ari_by_setting,
        ("metric/leiden/ari",),
        "Leiden ARI of every seed (dots) and its mean (bars), settings ranked; baselines in black.",
    ),
    "loss_against_ari": FigureKind(
        loss_against_ari,
        ("loss/valid", "metric/leiden/ari"),
        f"Does a lower validation loss mean better clusters? {_LEVELS}",
    ),
    "loss_against_aic": FigureKind(
        loss_against_aic,
        ("loss/valid", "metric/cox/aic"),
        f"Does a lower validation loss mean a better survival model? {_LEVELS}",
    ),
    "ari_against_aic": FigureKind(
        ari_against_aic,
        ("metric/leiden/ari", "metric/cox/aic"),
        "Do the two evaluations agree? Rank correlation over all trained rows, settings pooled.",
    ),
    "loss_curves": FigureKind(
        loss_curves,
        ("history/valid", "traced/learning_rate"),
        "Validation loss by epoch for each variant and learning rate. Levels are not comparable between variants or "
        "latent widths; a band that is still falling at the right edge was stopped by the epoch limit.",
    ),
}
"""Name -> figure of the rows, in the order of the report."""

NEEDS = {name: kind.needs for name, kind in FIGURES.items()}
"""Name -> the columns without which the figure has nothing to draw."""

CAPTIONS = {name: kind.caption for name, kind in FIGURES.items()}
"""Name -> the sentence under the figure."""


class Spot(NamedTuple):
    """A labelled dot of a figure.

    Attributes:
        left: share of the figure's width from its left edge.
        top: share of the figure's height from its upper edge.
        text: what the dot is: setting, seed and scores.
    """

    left: float
    top: float
    text: str


def spots(figure: Figure) -> list[Spot]:
    """Return the labelled dots of a drawn figure.

    A dot's text is kept where matplotlib keeps a link (``set_urls``); a PNG has no links, so the place is free.
    """
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
    """Write the figure as a PNG of 150 dpi and return its path.

    The write is atomic: a reader sees the old file or the complete new one. The figure is drawn once, where ``savefig``
    draws it twice.

    Raises:
        InputError: the path does not end in ``.png``.
    """
    target = user_path(path)
    if target.suffix != ".png":
        raise InputError(f"figures are saved as PNG: the path {str(target)!r} must end in .png")
    with replacing(target) as unfinished:
        unfinished.write_bytes(style.png(figure))
    return target
