"""Exposures by cancer type, quality of the reconstruction, a map of the samples, and intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vaebench.analysis.uncertainty import wilson
from vaebench.data.wording import count_of, per_cent
from vaebench.figures import style
from vaebench.figures.samples import present_by_size

TYPES_SHOWN = 60
SIGNATURES_SHOWN = 40
SAMPLES_SHOWN = 12
PANEL_SHOWN = 25
"""Signatures of a panel where small ones are left out; more make a figure of several pages."""


def exposures_by_type(exposures: pd.DataFrame, types: pd.Series | None) -> Figure:
    """Draw the median share of each signature among the samples that have it, by cancer type.

    The size of a dot is the share of samples that have the signature. Signatures are sorted by their mutations in all
    samples; those at 1% or less of every sample, and all but the 40 largest, are counted below.

    Args:
        exposures: [T, S] mutations.
        types: cancer type of each sample; with ``None`` all samples are one type.
    """
    labels = types.reindex(exposures.index) if types is not None else pd.Series("all samples", index=exposures.index)
    totals = exposures.sum(axis=1)
    shares = exposures.div(totals.where(totals > 0), axis=0)
    there, absent = present_by_size(exposures)
    drawn = there[:SIGNATURES_SHOWN] or list(exposures.columns[:SIGNATURES_SHOWN])
    shares = shares[drawn]
    present = shares > 0.01
    kinds = labels.value_counts().index[:TYPES_SHOWN]
    figure, (ax,) = style.new_figure(0.28 * len(kinds) + 2.3)
    points = None
    for row, kind in enumerate(kinds):
        inside = labels == kind
        count = present[inside].mean()
        median = shares[inside].where(present[inside]).median()
        points = ax.scatter(
            range(len(drawn)),
            [row] * len(drawn),
            s=150 * count,
            c=median.fillna(0),
            vmin=0,
            vmax=1,
            cmap="viridis",
            edgecolors="#888888",  # the ends of the scale are as dark as a dark page, or as light as a light one
            linewidths=0.5,
        )
    if points is not None:
        figure.colorbar(points, ax=ax, label="median share", shrink=0.8)
    style.name_ticks(
        ax,
        [style.plain(str(c), 14) for c in drawn],
        [f"{style.plain(str(k), 24)} ({int((labels == k).sum())})" for k in kinds],
    )
    ax.set_ylim(len(kinds) - 0.5, -0.5)
    ax.set_xlim(-0.7, len(drawn) - 0.3)
    rest = labels.nunique() - len(kinds)
    style.add_footnote(
        figure,
        "Dot size: share of the type's samples in which the signature makes up more than 1%; colour: its median share there.",
        f"Smaller types, not drawn: {rest}." if rest > 0 else "",
        f"Smaller signatures, not drawn: {len(there) - len(drawn)}." if len(there) > len(drawn) else "",
        f"Signatures at 1% or less of every sample, not drawn: {len(absent)}." if absent and there else "",
    )
    return figure


def reconstruction_quality(samples: pd.DataFrame) -> Figure:
    """Draw the cosine of each sample's counts and their fit against its number of mutations.

    Args:
        samples: one row a sample with columns ``mutations`` and ``cosine``, NaN if there is nothing to compare.
    """
    used = samples["cosine"].notna()
    cosine = samples["cosine"][used]
    figure, (ax,) = style.new_figure(3.2)
    size, alpha = (9, 0.5) if len(cosine) > 300 else (20, 0.7)
    ax.scatter(samples["mutations"][used], cosine, s=size, color=style.PALETTE[0], alpha=alpha, linewidths=0)
    lowest = float(cosine.min()) if len(cosine) else 1.0
    ax.set_ylim(min(0.895, lowest - 0.01), 1.005)  # noise of a perfect fit must not fill the axis
    seen = samples["mutations"][used]
    if len(seen) and seen.max() < 3 * seen.min():  # so short a piece of a logarithmic axis has no round numbers
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    else:
        ax.set_xscale("log")
        wide = len(seen) and seen.max() > 30 * seen.min()
        ax.xaxis.set_minor_formatter(lambda v, _: f"{v:,.0f}" if f"{v:e}"[0] in "25" and not wide and v >= 1 else "")
    ax.xaxis.set_major_formatter(lambda v, _: f"{v:,.0f}" if v >= 1 or v == 0 else f"{v:g}")
    ax.tick_params(axis="x", which="minor", labelsize=style.SMALL)
    ax.set_xlabel("mutations in the sample")
    ax.set_ylabel("cosine, counts and their fit")
    low = int((cosine < 0.9).sum())
    style.add_footnote(
        figure,
        f"{count_of(int(used.sum()), 'sample')}; {low} with a cosine below 0.90. Few mutations give a low cosine by "
        "chance alone.",
        f"Not drawn: {count_of(int((~used).sum()), 'sample')} without mutations or exposures." if (~used).any() else "",
    )
    return figure


def sample_map(coordinates: np.ndarray, types: pd.Series | None, method: str) -> Figure:
    """Draw samples at the coordinates of a two-dimensional embedding, coloured by cancer type.

    Args:
        coordinates: [T, 2].
        types: cancer type of each sample; with ``None`` all samples are one type.
        method: name of the embedding, for the sentence under the figure.
    """
    figure, (ax,) = style.new_figure(4.6)
    labels = types.to_numpy() if types is not None else np.repeat("all samples", len(coordinates))
    kinds = sorted(pd.Series(labels).value_counts().index, key=lambda kind: kind == style.NO_LABEL)
    shown = style.plain_names([str(kind) for kind in kinds], 22)
    for i, kind in enumerate(kinds):
        without = kind == style.NO_LABEL
        inside = labels == kind
        ax.scatter(
            *coordinates[inside].T,
            s=16 if len(coordinates) > 300 else 30,
            color="#CCCCCC" if without else style.PALETTE[i % len(style.PALETTE)],
            zorder=0.9 if without else 1,
            marker=style.MARKERS[(i // len(style.PALETTE)) % len(style.MARKERS)],
            alpha=0.7,
            linewidths=0,
            label=f"{shown[i]} ({inside.sum()})",
        )
    if len(kinds) <= 40:
        ax.legend(
            fontsize=8 if len(kinds) <= 12 else 6,
            loc="center left",
            bbox_to_anchor=(1, 0.5),
            frameon=False,
            ncols=1 + (len(kinds) > 24),
        )
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    style.add_footnote(figure, f"{method}. Near neighbours are similar; larger distances mean nothing.")
    return figure


def intervals_by_size(intervals: pd.DataFrame) -> pd.DataFrame:
    """Return a long table of intervals with the signatures of most mutations first, samples in their order."""
    totals = intervals.groupby("signature")["exposure"].sum()
    place = {name: i for i, name in enumerate(dict.fromkeys(intervals["sample"]))}
    keys = {"sample": intervals["sample"].map(place), "total": -intervals["signature"].map(totals).astype(float)}
    return intervals.loc[pd.DataFrame(keys).sort_values(["sample", "total"], kind="stable").index]


def interval_panels(
    intervals: pd.DataFrame, level: float, samples: list[str] | None = None, *, least: float = 0.0
) -> Figure:
    """Draw exposures of a few samples with their intervals and the probability that each signature is present.

    Signatures are in the order of the table. One is left out if the intervals of all these samples end at 0, or reach 0
    with an exposure that is at most ``least`` of the sample; above 0 this also leaves out all but the first 25.

    Args:
        intervals: long table with columns ``sample, signature, exposure, lower, upper, presence``.
        level: nominal coverage of the intervals.
        samples: names of those to draw; the first twelve by default.
        least: share of a sample's exposures, 0 to 1.
    """
    names = list(dict.fromkeys(intervals["sample"]))
    chosen = (samples or names)[:SAMPLES_SHOWN]
    known = list(dict.fromkeys(intervals["signature"]))
    mine = intervals[intervals["sample"].isin(chosen)]
    share = mine["exposure"] / mine.groupby("sample")["exposure"].transform("sum").replace(0.0, np.nan)
    seen = (mine["upper"] > 0) & ((least <= 0) | (share > least) | (mine["lower"] > 0))
    there = set(mine.loc[seen, "signature"])
    signatures = [name for name in known if name in there] or known
    signatures = signatures[:PANEL_SHOWN] if least else signatures
    columns = min(3, len(chosen))
    rows = -(-len(chosen) // columns)
    roomy = columns == 1 or len(signatures) <= 12
    figure, axes = style.new_figure(rows * ((0.22 if roomy else 0.17) * len(signatures) + 0.7) + 1.0, rows, columns)
    for ax in axes[len(chosen) :]:
        ax.set_axis_off()
    for place, (ax, sample) in enumerate(zip(axes, chosen, strict=False)):
        lines = intervals[intervals["sample"] == sample].set_index("signature").reindex(signatures)
        y = np.arange(len(signatures))
        presence = lines["presence"].fillna(1.0).clip(0, 1).to_numpy()
        shade = [(0, 0.447, 0.698, 0.15 + 0.85 * p) for p in presence]
        ax.hlines(y, lines["lower"], lines["upper"], colors=shade, linewidth=2)
        ax.scatter(lines["exposure"], y, s=14, c=shade, zorder=3)
        ax.set_yticks(y, [style.plain(str(s), 14) for s in signatures] if place % columns == 0 else [""] * len(y))
        ax.set_ylim(len(y) - 0.5, -0.5)
        ax.tick_params(labelsize=style.SMALL - 1 if roomy else 6)
        ax.locator_params(axis="x", nbins=4)
        ax.set_title(style.plain(str(sample), 30), fontsize=style.SMALL if columns == 1 else 7, loc="left")
    rest, hidden = len(names) - len(chosen), len(known) - len(signatures)
    style.add_footnote(
        figure,
        f"Mutations: estimate and {per_cent(level)} interval."
        + (" Pale lines: the signature is probably absent." if intervals["presence"].notna().any() else ""),
        f"Further samples, in the table: {rest}." if rest else "",
        f"Signatures that are {'small or ' if least else ''}absent from all of these, not drawn: {hidden}."
        if hidden
        else "",
    )
    return figure


def coverage_bars(coverage: pd.DataFrame, level: float) -> Figure:
    """Draw the expected coverage by signature, with the nominal level as a line.

    Args:
        coverage: one row a group with columns ``group`` and ``coverage`` (0 to 1), and ``count``.
        level: nominal coverage.
    """
    figure, (ax,) = style.new_figure(0.26 * len(coverage) + 1.6)
    y = np.arange(len(coverage))
    p, n = coverage["coverage"].to_numpy(float), coverage["count"].to_numpy(float)
    inside = np.where(n > 0, p * n, 0).round().astype(int)
    ends = np.array([wilson(*pair) for pair in zip(inside, n.astype(int), strict=True)]).reshape(-1, 2)
    reach = np.clip([p - ends[:, 0], ends[:, 1] - p], 0, None)
    ax.errorbar(p, y, xerr=reach, fmt="o", color=style.PALETTE[0], markersize=4, linewidth=1.2)
    ax.axvline(level, color=style.BASELINE, linewidth=0.9, linestyle=style.LINES[1])
    ax.set_yticks(y, [f"{style.plain(str(g), 24)} ({int(c)})" for g, c in zip(coverage["group"], n, strict=True)])
    ax.set_ylim(len(y) - 0.5, -0.5)
    ax.tick_params(labelsize=7)
    ax.set_xlabel("share of simulated exposures inside their interval")
    style.add_footnote(
        figure, f"Dashed: nominal {per_cent(level)}. Bars: 95% interval of the count (Wilson). In brackets: exposures."
    )
    return figure
