"""Exposures of each sample: stacked bars, bars of one sample, and the mutation burden by cancer type."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vaebench.figures import style

STACKED = 14
"""Signatures with a colour of their own in stacked bars; the rest are one."""
NAMED = 40
"""Samples up to which their names stand below the bars."""
SEPARATE = 300
"""Samples up to which each has bars of its own; of more, thousands of bars would take minutes to draw."""
COLOURS = (
    *style.PALETTE[:6],
    "#882255",
    "#44AA99",
    "#AA4499",
    "#DDCC77",
    "#332288",
    "#117733",
    "#88CCEE",
    "#CC6677",
)
REST = "#BBBBBB"
LEAST = 0.01
"""Share of a sample's mutations above which a signature is there, for what is drawn."""


def present_by_size(exposures: pd.DataFrame, least: float = LEAST) -> tuple[list[str], list[str]]:
    """Return the signatures that make up more than ``least`` of some sample, the largest in all first, and the others."""
    totals = exposures.sum(axis=1)
    shares = exposures.div(totals.where(totals > 0), axis=0)
    there = (shares > least).any(axis=0)
    order = exposures.sum(axis=0).sort_values(ascending=False, kind="stable").index
    return [name for name in order if there[name]], [name for name in order if not there[name]]


def stacked_exposures(exposures: pd.DataFrame, types: pd.Series | None = None, *, shares: bool = False) -> Figure:
    """Draw each sample as one bar of its signatures, samples sorted by type and size; one sample as bars of its own.

    The 14 largest signatures have colours of their own, the rest are grey.

    Args:
        exposures: [T, S] mutations.
        types: cancer type by sample; with ``None`` all samples are one type.
        shares: draw shares of each sample's mutations.
    """
    if len(exposures) == 1:
        return one_sample_exposures(exposures.iloc[0])
    present, absent = present_by_size(exposures)
    if not present:
        return style.empty_figure("There is no exposure to draw.")
    totals = exposures.sum(axis=1)
    kinds = types.reindex(exposures.index).astype(str) if types is not None else pd.Series("", index=exposures.index)
    order = pd.DataFrame({"kind": kinds, "total": -totals}).sort_values(["kind", "total"], kind="stable").index
    values = exposures.loc[order]
    if shares:
        values = values.div(totals[order].where(totals[order] > 0, 1.0), axis=0)
    figure, (ax,) = style.new_figure(3.9 if len(exposures) > NAMED else 4.3)
    ax.grid(visible=False, axis="x")
    base, named = np.zeros(len(values)), present[:STACKED]
    parts = [(name, values[name].to_numpy(float), COLOURS[i]) for i, name in enumerate(named)]
    rest = values[present[STACKED:] + absent].sum(axis=1).to_numpy(float)
    if rest.any():
        parts.append((f"{len(present) - len(named) + len(absent)} others", rest, REST))
    for name, part, colour in parts:
        look = {"color": colour, "linewidth": 0, "label": style.plain(str(name), 14)}
        if len(values) > SEPARATE:
            ax.fill_between(range(len(values)), base, base + part, step="mid", **look)
        else:
            ax.bar(range(len(values)), part, bottom=base, width=1.0 if len(values) > 60 else 0.85, **look)
        base = base + part
    ax.set_xlim(-0.6, len(values) - 0.4)
    ax.set_ylim(0, 1 if shares else 1.03 * float(totals.max()))
    ax.set_ylabel("share of the mutations" if shares else "mutations")
    if not shares:
        ax.yaxis.set_major_formatter(lambda v, _: f"{v:,.0f}")
    _sample_ticks(ax, order, kinds[order])
    figure.legend(loc="outside right upper", fontsize=style.SMALL - 1, frameon=False)
    style.add_footnote(
        figure,
        f"A bar is a sample ({len(values):,}), sorted by {'type and ' if types is not None else ''}number of mutations.",
        f"Signatures at 1% or less of every sample: {len(absent)}." if absent else "",
    )
    return figure


def _sample_ticks(ax: Axes, order: pd.Index, kinds: pd.Series) -> None:
    """Names below few samples, with the types above; else the type below its group."""
    starts = [i for i in range(len(kinds)) if i == 0 or kinds.iloc[i] != kinds.iloc[i - 1]]
    stops = [*starts[1:], len(kinds)]
    middles = [(a + b - 1) / 2 for a, b in zip(starts, stops, strict=True)]
    typed = kinds.iloc[0] != "" and len(starts) <= NAMED
    for start in starts[1:] if typed else ():
        ax.axvline(start - 0.5, color="#888888", linewidth=0.6)
    if len(order) <= NAMED:
        names = [style.plain(str(name), 18) for name in order]
        flat = len(names) * max(map(len, names)) <= 72  # characters that fit side by side
        ax.set_xticks(
            range(len(names)), names, rotation=0 if flat else 90, fontsize=8 if flat or len(names) <= 20 else 6
        )
        if typed:
            above = ax.secondary_xaxis("top")
            few = len(starts) <= 5
            above.set_xticks(middles, [style.plain(str(kinds.iloc[a]), 16) for a in starts], rotation=0 if few else 90)
            above.tick_params(length=0, labelsize=7)
            above.spines["top"].set_visible(False)
        return
    if not typed:
        ax.set_xticks([])
        ax.set_xlabel("samples")
        return
    names = [f"{style.plain(str(kinds.iloc[a]), 16)} ({b - a})" for a, b in zip(starts, stops, strict=True)]
    turn = len(names) > 5
    ax.set_xticks(middles, names, rotation=90 if turn else 0, fontsize=7)
    ax.tick_params(axis="x", length=0)


def one_sample_exposures(exposures: pd.Series) -> Figure:
    """Draw the exposures of one sample as bars, the largest on top; signatures at 1% or less are counted below.

    Args:
        exposures: [S] mutations by signature; its name is the sample's.
    """
    total = float(exposures.sum())
    if total <= 0:
        return style.empty_figure(f"{exposures.name} has no exposure to draw.")
    there = exposures[exposures > LEAST * total].sort_values(ascending=False, kind="stable")
    figure, (ax,) = style.new_figure(0.26 * len(there) + 1.5)
    y = np.arange(len(there))
    ax.barh(y, there.to_numpy(float), color=style.PALETTE[0], height=0.7)
    for place, value in enumerate(there):
        ax.text(value, place, f" {value:,.0f} ({value / total:.0%})", va="center", fontsize=style.SMALL - 1)
    ax.set_xlim(0, 1.22 * float(there.max()))
    ax.set_yticks(y, [style.plain(str(name), 20) for name in there.index])
    ax.set_ylim(len(y) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(f"mutations of {style.plain(str(exposures.name), 40)}")
    rest = exposures.drop(there.index)
    some = int((rest > 0).sum())
    text = f"Signatures at 1% or less, not drawn: {len(rest)}"
    more = f", of which {some} with {rest.sum():,.0f} mutations together" if some else ""
    style.add_footnote(figure, f"{text}{more}." if len(rest) else "")
    return figure


def burden(mutations: pd.Series, types: pd.Series | None = None, *, megabases: float | None = None) -> Figure:
    """Draw the mutation burden of every sample by cancer type, types sorted by their median.

    Args:
        mutations: [T] number of mutations by sample.
        types: cancer type by sample; with ``None`` all samples are one type.
        megabases: size of what was sequenced, about 2,800 for a genome and 30 to 40 for an exome; the burden is then in
            mutations per megabase.
    """
    kinds = types.reindex(mutations.index).astype(str) if types is not None else pd.Series("all", mutations.index)
    values = mutations.astype(float) / (megabases or 1.0)
    seen = values[values > 0]
    if seen.empty:
        return style.empty_figure("No sample has a mutation.")
    order = seen.groupby(kinds[seen.index]).median().sort_values(kind="stable").index
    figure, (ax,) = style.new_figure(3.8)
    ax.set_yscale("log")
    ax.grid(visible=False, axis="x")
    for place, kind in enumerate(order):
        mine = np.sort(seen[kinds[seen.index] == kind].to_numpy())
        x = place + (np.linspace(-0.38, 0.38, len(mine)) if len(mine) > 1 else np.zeros(1))
        ax.scatter(x, mine, s=9, color=style.PALETTE[0], alpha=0.6, linewidths=0)
        ax.plot([place - 0.4, place + 0.4], [np.median(mine)] * 2, color=style.PALETTE[1], linewidth=1.8)
        if place % 2:
            ax.axvspan(place - 0.5, place + 0.5, color="#888888", alpha=0.08, linewidth=0)
    counts = [int((kinds[seen.index] == kind).sum()) for kind in order]
    names = [f"{style.plain(str(kind), 20)}\n{n:,}" for kind, n in zip(order, counts, strict=True)]
    turn = len(order) > 6
    ax.set_xticks(
        range(len(order)), [n.replace("\n", ", ") for n in names] if turn else names, rotation=90 if turn else 0
    )
    ax.tick_params(axis="x", labelsize=7 if turn else style.SMALL, length=0)
    ax.set_xlim(-0.5, len(order) - 0.5)
    # numbers as they are said, also between the powers of ten where the axis is short
    wide = seen.max() > 30 * seen.min()
    ax.yaxis.set_major_formatter(lambda v, _: f"{v:,.12g}")
    ax.yaxis.set_minor_formatter(lambda v, _: f"{v:,.12g}" if f"{v:e}"[0] in "25" and not wide else "")
    ax.tick_params(axis="y", which="minor", labelsize=style.SMALL)
    ax.set_ylabel("mutations per megabase" if megabases else "mutations in a sample")
    none = int((values <= 0).sum())
    style.add_footnote(
        figure,
        "A dot is a sample, a bar the median of its type; below: the number of samples.",
        f"Without a mutation, not drawn: {none}." if none else "",
    )
    return figure
