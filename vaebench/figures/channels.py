"""Colours, order and labels in which the field draws channels, as COSMIC and SigProfilerPlotting do."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.transforms import blended_transform_factory, offset_copy

from vaebench.data.mutations.channel_names import CONTEXTS
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

DOUBLET_COLOURS = {
    "AC": "#03BDEF",
    "AT": "#0366CC",
    "CC": "#A3CE63",
    "CG": "#016601",
    "CT": "#FF9999",
    "GC": "#E42926",
    "TA": "#FFB266",
    "TC": "#FF8001",
    "TG": "#CC99FF",
    "TT": "#4C0199",
}
"""Reference doublet of DBS78 -> colour."""

INDEL_COLOURS = {
    "1:Del:C": "#FDBE6F",
    "1:Del:T": "#FF8002",
    "1:Ins:C": "#B0DD8B",
    "1:Ins:T": "#36A12E",
    "2:Del:R": "#FDCAB5",
    "3:Del:R": "#FC8A6A",
    "4:Del:R": "#F14432",
    "5:Del:R": "#BC191A",
    "2:Ins:R": "#D0E1F2",
    "3:Ins:R": "#94C4DF",
    "4:Ins:R": "#4A98C9",
    "5:Ins:R": "#1764AB",
    "2:Del:M": "#E2E2EF",
    "3:Del:M": "#B6B6D8",
    "4:Del:M": "#8683BD",
    "5:Del:M": "#62409B",
}
"""Size, kind and base of ID83 (R: repeats, M: microhomology) -> colour."""

OTHER = "#0072B2"
"""Colour of channels in no known context."""
LABELLED = 130
"""Most channels whose names fit below the bars."""
STRANDED = ("SBS288", "SBS384")
"""Contexts that are SBS96 by strand."""


class ChannelBlock(NamedTuple):
    """Neighbouring channels of one colour: ``start`` and the place after the last, ``stop``; ``name`` above them."""

    name: str
    start: int
    stop: int
    colour: str


class ChannelLook(NamedTuple):
    """Blocks, colours and labels of the channels of a table.

    Attributes:
        context: a key of :data:`vaebench.data.mutations.CONTEXTS`; "" for other channels.
        blocks: of neighbouring channels.
        labels: below the bars: the trinucleotide, the new doublet, or the repeat units (bases of microhomology); none of
            more channels than fit.
        axis: a sentence on the labels, or on the order where there are none.
    """

    context: str
    blocks: list[ChannelBlock]
    labels: list[str]
    axis: str

    @property
    def colours(self) -> list[str]:
        """Colour of each channel."""
        return [block.colour for block in self.blocks for _ in range(block.start, block.stop)]


def _context(names: Iterable[str]) -> str:
    held = set(names)
    return next((c for c, every in CONTEXTS.items() if held and held <= set(every)), "")


def field_order(channels: Iterable[str]) -> list[str]:
    """Return channels of a known context in the order in which the field draws them, others as they are."""
    names = [str(name) for name in channels]
    context = _context(names)
    if not context:
        return names
    place = {name: i for i, name in enumerate(CONTEXTS[context])}
    if context == "SBS1536":  # tables have the first base before the substitution
        return sorted(names, key=lambda n: (n[3:6], place[n]))
    return sorted(names, key=place.__getitem__)


def channel_look(channels: Iterable[str]) -> ChannelLook:
    """Return the colours and labels of channels, in any order; those of no known context get one colour and their names."""
    names = [str(name) for name in channels]
    context = _context(names)
    if context == "SBS96":
        keys, labels = [n[2:5] for n in names], [n[0] + n[2] + n[6] for n in names]
        colours, axis = SUBSTITUTION_COLOURS, "Below them: bases before, at and after the mutation."
    elif context == "DBS78":
        keys, labels = [n[:2] for n in names], [n[3:] for n in names]
        colours, axis = DOUBLET_COLOURS, "Below them: new bases."
    elif context == "ID83":
        keys, labels = [n[:7] for n in names], [_copies(n) for n in names]
        colours, axis = INDEL_COLOURS, "Below them: copies of the repeated unit, or bases of microhomology."
    elif context in STRANDED:
        keys, labels = [n[0] + " " + n[4:7] for n in names], [n[2] + n[4] + n[8] for n in names]
        colours = {f"{strand} {change}": colour for strand in "TUBN" for change, colour in SUBSTITUTION_COLOURS.items()}
        axis = "Pyrimidine on the strand of a gene that is transcribed (T) or not (U), on "
        axis += (
            "either (B), or outside genes (N)." if context == "SBS384" else "either, or outside genes (N)."
        ) + _WITHIN
    elif context == "SBS1536":
        keys, labels, colours = [n[3:6] for n in names], [n[:2] + n[3] + n[7:] for n in names], SUBSTITUTION_COLOURS
        axis = "Two bases on either side of the mutation." + _WITHIN
    else:
        keys, labels, colours = [""] * len(names), [style.plain(n, 12) for n in names], {"": OTHER}
        axis = "Below them: channel." if len(names) <= LABELLED else "In the order of the table."
    blocks, start = [], 0
    for key, group in groupby(keys):
        stop = start + len(list(group))
        blocks.append(ChannelBlock(_title(key, context), start, stop, colours[key]))
        start = stop
    return ChannelLook(context, blocks, labels if len(labels) <= LABELLED else [], axis)


_WITHIN = " Within a colour: by the bases before, then after it, A to T."


def _copies(name: str) -> str:
    """Label of an ID83 channel: deletions from repeats are counted with the deleted copy, as COSMIC does."""
    _, kind, base, number = name.split(":")
    if base == "M":
        return "5+" if number == "5" else number
    copies = int(number) + (kind == "Del")
    return f"{copies}+" if number == "5" else str(copies)


def _title(key: str, context: str) -> str:
    if context == "DBS78":
        return f"{key}>NN"
    if context != "ID83":
        return key
    size, kind, base = key.split(":")
    size = "5+" if size == "5" else size
    if base == "M":  # the blocks are so narrow that their names would overlap; the axis says what they are
        return "5+ MH" if size == "5+" else size
    return f"{size} {kind.lower()} {base.replace('R', '')}".strip()


def label_channels(top: Axes, bottom: Axes, look: ChannelLook) -> None:
    """Name the blocks above the first axes, at a fixed distance in points, and the channels below the last."""
    figure = top.get_figure(root=True)
    across = blended_transform_factory(top.transData, top.transAxes)
    strip, above = (offset_copy(across, figure, y=y, units="points") for y in (5.0, 10.0))
    turned = look.context in ("ID83", *STRANDED)
    for block in look.blocks if len(look.blocks) <= LABELLED else ():
        if not block.name:
            continue
        ends, middle = [block.start - 0.4, block.stop - 0.6], (block.start + block.stop - 1) / 2
        top.plot(ends, [1, 1], color=block.colour, linewidth=6, transform=strip, clip_on=False, solid_capstyle="butt",
                 scalex=False, scaley=False)  # fmt: skip
        top.text(
            middle,
            1,
            block.name,
            transform=above,
            ha="left" if turned else "center",
            va="bottom",
            fontsize=style.SMALL - 1 if look.context in ("SBS96", "SBS1536") else 6.5,
            rotation=40 if turned else 0,
            rotation_mode="anchor",
        )
    bottom.set_xticks(range(len(look.labels)), look.labels, fontsize=4.5, rotation=90, family="monospace")
    bottom.tick_params(axis="x", length=0, pad=1)
