"""Figures of a page: saved beside it as PNG and embedded, for the dark too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vaebench.figures import save, spots
from vaebench.figures.style import darkened, png
from vaebench.report.page import picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure_html(folder: Path, name: str, figure: Figure, caption: str, *, colours: bool = False) -> str:
    """Write ``folder/figures/name.png`` and return the HTML of the figure and its caption.

    Args:
        folder: of the page.
        name: of the figure.
        figure: recoloured for the dark afterwards if ``colours``.
        caption: plain text.
        colours: the colours mean something, so in the dark a second picture keeps them; else the style turns the lightness
            of the one picture over.
    """
    path, texts = save(figure, folder / "figures" / f"{name}.png"), spots(figure)
    if not colours:
        return picture(path, caption, texts)
    figure.set_layout_engine("none")  # the places are found once
    return picture(path, caption, texts, dark=png(darkened(figure)))
