"""Canvas, palette, scales, labels and footnotes of all figures. matplotlib's global settings are never changed."""

from __future__ import annotations

import functools
import io
import textwrap
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import Collection
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from numpy.typing import ArrayLike

from vaebench.analysis.settings import left_out

# Okabe and Ito's palette; black is reserved for baselines, so grey takes its place as a colour
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#999999", "#F0E442")
BASELINE = "#000000"
NO_LABEL = "no label"
"""Name of the samples without a label in a map; they are light grey, below the others."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)))
WIDTH = 7.5
SMALL = 9

_T = TypeVar("_T")


def new_figure(
    height: float,
    rows: int = 1,
    columns: int = 1,
    heights: Sequence[float] | None = None,
    *,
    layout: Literal["constrained"] | None = "constrained",
) -> tuple[Figure, list[Axes]]:
    """Return a figure with its own Agg canvas (no pyplot, so nothing is kept alive) and its axes, in reading order.

    Args:
        height: of the figure, inches.
        rows: of axes.
        columns: of axes.
        heights: relative heights of the rows; equal by default.
        layout: ``None`` leaves the places of the axes to :func:`stack`.
    """
    figure = Figure(figsize=(WIDTH, height), layout=layout)
    FigureCanvasAgg(figure)
    axes = list(np.ravel(figure.subplots(rows, columns, squeeze=False, height_ratios=heights)))
    for ax in axes:
        ax.tick_params(labelsize=SMALL)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25, linewidth=0.6)
        ax.set_axisbelow(True)
        for axis in (ax.xaxis, ax.yaxis):
            axis.get_major_formatter().set_useOffset(False)  # type: ignore[attr-defined]  # a tick says its whole value
            axis.get_major_formatter().set_powerlimits((-5, 9))  # type: ignore[attr-defined]
    return figure, axes


def stack(figure: Figure, axes: Sequence[Axes], *, top: float, bottom: float, gap: float, left: float = 46.0) -> None:
    """Give axes that stand above one another equal heights, and fixed room around them in points.

    For many axes: to measure the texts of 86 takes seconds, and so do titles and labels whose places depend on them.

    Args:
        figure: with its footnote, which is below ``bottom``.
        axes: all of the figure, from above.
        top: room above the first axes.
        bottom: room below the last, without the footnote.
        gap: room between two.
        left: room for the labels of the ticks.
    """
    width, height = 72 * figure.get_size_inches()
    bottom += 4 + 1.3 * SMALL * (figure.get_supxlabel().count("\n") + 1 if figure.get_supxlabel() else 0)
    each = (height - top - bottom - gap * (len(axes) - 1)) / len(axes)
    for ax in axes:
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_label_coords(0, 0)  # they have none
    figure.subplots_adjust(
        left=left / width, right=1 - 8 / width, top=1 - top / height, bottom=bottom / height, hspace=gap / each
    )


def empty_figure(message: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    figure, (ax,) = new_figure(1.6)
    ax.set_axis_off()
    ax.text(0.5, 0.5, textwrap.fill(plain(message), 80), ha="center", va="center", fontsize=11, color="#444444")
    return figure


def plain(text: str, width: int | None = None) -> str:
    """Return text that matplotlib draws unchanged: no mathematics, only glyphs of its font, cut to ``width`` characters."""
    known = _glyphs()
    safe = "".join(c if c.isprintable() and ord(c) in known else "?" for c in text)
    if width is not None and len(safe) > width:
        safe = safe[: width - 1] + "…"
    return safe.replace("$", r"\$")


@functools.cache
def _glyphs() -> frozenset[int]:
    """Return the code points that matplotlib's font can draw: Greek among them, Chinese not."""
    return frozenset(get_font(findfont(FontProperties())).get_charmap())


def plain_names(names: Sequence[str], width: int) -> list[str]:
    """Return names as :func:`plain` does; those that would look alike are cut in the middle instead of at the end."""
    cut = [plain(name, width) for name in names]
    head, tail = width // 2, (width - 1) // 2
    return [
        plain(f"{name[:head]}…{name[-tail:]}") if len(name) > width and cut.count(short) > 1 else short
        for name, short in zip(names, cut, strict=True)
    ]


def two_lines(text: str, width: int) -> str:
    """Break text between words into at most two lines of ``width`` characters; the rest is cut with an ellipsis."""
    lines = textwrap.wrap(text, width, break_on_hyphens=False) or [""]
    if len(lines) > 2:
        lines = [lines[0], plain(" ".join(lines[1:]), width)]
        return plain(lines[0]) + "\n" + lines[1]
    return "\n".join(plain(line) for line in lines)


def spread(values: Sequence[_T], count: int) -> list[_T]:
    """Pick at most ``count`` of the sorted values, evenly spaced, first and last included."""
    if len(values) <= count:
        return list(values)
    return [values[i] for i in np.unique(np.linspace(0, len(values) - 1, count).round().astype(int))]


def wide_scale(ax: Axes, values: ArrayLike) -> None:
    """Make the y axis logarithmic if positive values span more than two decades; symmetric logarithmic if some are negative."""
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return
    if finite.min() > 0:
        if finite.max() / finite.min() > 100:
            ax.set_yscale("log")
        return
    typical = float(np.median(np.abs(finite)))
    if typical > 0 and np.abs(finite).max() / typical > 100:
        ax.set_yscale("symlog", linthresh=typical)


def fenced(values: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Lower values far above the rest to the highest of the rest; returns the values and a mask of the lowered ones.

    A value is far above if it lies beyond Tukey's outer fence, three interquartile ranges above the upper quartile, and if
    such values would press all others into a tenth of the axis. NaN stays NaN.
    """
    values = np.asarray(values, dtype=float)
    far = np.zeros(values.shape, bool)
    known = values[np.isfinite(values)]
    if not known.size:
        return values, far
    lower, upper = np.quantile(known, [0.25, 0.75])
    top = known[known <= upper + 3 * (upper - lower)].max()
    if known.max() - known.min() > 10 * (top - known.min()):
        far = values > top
    return np.where(far, top, values), far


def not_shown(rows: pd.DataFrame, scores: Sequence[str], what: str = "rows") -> str:
    """Return a sentence on how many rows are drawn and, by cause, how many are not; a figure never drops a row silently."""
    # "cox: COLLAPSED: all 10 latents are constant" -> "cox: COLLAPSED"; the details are for the table of failures.
    reasons = left_out(rows, scores).str.replace(r"([A-Z_]{4,}): .*", r"\1", regex=True)
    causes = reasons[reasons != ""].value_counts()
    text = f"{int((reasons == '').sum()):,} of {len(rows):,} {what} are shown."
    if causes.empty:
        return text
    named = [f"{count:,} {plain(str(reason), 48)}" for reason, count in causes.head(4).items()]
    if len(causes) > 4:
        named.append(f"{int(causes.iloc[4:].sum()):,} for other causes")
    return f"{text} Not shown: {', '.join(named)}."


def png(figure: Figure) -> bytes:
    """Return the figure as a PNG of 150 dpi, drawn once; ``savefig`` draws twice, which takes seconds where axes are many."""
    kept, dpi, out = figure.canvas, figure.dpi, io.BytesIO()
    try:
        figure.set_dpi(150)
        FigureCanvasAgg(figure).print_png(out)
    finally:
        figure.set_dpi(dpi)
        figure.set_canvas(kept)
    return out.getvalue()


DARK = "#191919"
"""Background of a page in the dark; what white becomes under its filter."""


_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
_SEEN = 0.165
"""Luminance of a colour that stands out from :data:`DARK`, as 3.6 to 1; the red of C>T, as all know it, is just above."""


def darkened(figure: Figure) -> Figure:
    """Recolour a figure in place for a dark page: white and dark greys change sides, colours and light greys stay.

    Channels keep the colours that the field knows them by, but for black and for colours that are nearly as dark as the page.
    """

    def turned(colour: Any) -> np.ndarray:  # noqa: ANN401  (whatever matplotlib takes)
        found = to_rgba_array(colour)
        grey = np.ptp(found[:, :3], axis=1) < 0.1
        value = found[:, :3].mean(axis=1)
        flip = grey & ((value < 0.6) | (value > 0.95))
        found[flip, :3] = 1 - (1 - to_rgba_array(DARK)[0, 0]) * found[flip, :3]
        for _ in range(8):
            opacity = found[:, 3:]  # what the eye gets is mixed with the page
            mixed = opacity * found[:, :3] + (1 - opacity) * to_rgba_array(DARK)[0, :3]
            dark = ~grey & (opacity[:, 0] > 0) & (mixed**2.2 @ _LUMINANCE < _SEEN)
            found[dark, :3] += 0.1 * (1 - found[dark, :3])
        return found

    for artist in figure.findobj():
        if isinstance(artist, Text | Line2D):
            artist.set_color(tuple(turned(artist.get_color())[0]))
        elif isinstance(artist, Patch):
            edge, face = turned(artist.get_edgecolor())[0], turned(artist.get_facecolor())[0]
            artist.set(edgecolor=tuple(edge), facecolor=tuple(face))
        elif isinstance(artist, Collection):
            artist.set(edgecolor=turned(artist.get_edgecolor()), facecolor=turned(artist.get_facecolor()))
    return figure


def name_ticks(ax: Axes, columns: Sequence[str], rows: Sequence[str]) -> None:
    """Name columns 0, 1, ... and rows 0, 1, ... of a table that is drawn: level and as large as other texts if they are few."""
    few = len(columns) <= 10 and max(map(len, columns), default=0) <= 8
    ax.set_xticks(range(len(columns)), columns, rotation=0 if few else 90)
    ax.set_yticks(range(len(rows)), rows)
    ax.tick_params(axis="x", labelsize=SMALL if few else SMALL - 2)
    ax.tick_params(axis="y", labelsize=SMALL if len(rows) <= 10 else SMALL - 2)


def add_footnote(figure: Figure, *sentences: str) -> None:
    """Write sentences under the figure; the layout keeps room for them."""
    text = textwrap.fill(" ".join(s for s in sentences if s), 98, break_on_hyphens=False)
    figure.supxlabel(text, x=0.01, ha="left", fontsize=SMALL, color="#444444")
