"""Kaplan-Meier curves of groups of samples, with the number at risk below and the log-rank test in the title."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from vaebench.data.wording import count_of
from vaebench.errors import InputError
from vaebench.figures import style
from vaebench.types import Survival
from vaebench.types.frames import in_order, row_names

SHOWN = 12
"""Most groups that are drawn: more lines cannot be told apart."""
BANDS = 4
"""Most groups whose intervals are drawn: more bands hide each other."""
LEAST = 5
"""Samples below which a group is left out: its curve would be a few large steps."""
_YEAR = 365.25


class _SurvivalGroups(NamedTuple):
    """Samples with a group, a time and an event: ``group`` [n] names, ``time`` [n], ``event`` [n]; and what was left out."""

    group: np.ndarray
    time: np.ndarray
    event: np.ndarray
    note: str


def survival_curves(groups: np.ndarray, survival: Survival | None, *, title: str = "Survival") -> Figure:
    """Draw the Kaplan-Meier curve of every group, a table of the numbers at risk, and the p of the log-rank test.

    S(t) = prod_{t_i <= t} (1 - d_i / n_i) with d_i deaths among n_i at risk at time t_i (Kaplan & Meier 1958), and for up
    to 4 groups its 95% interval (log-log Greenwood), as ``lifelines.KaplanMeierFitter`` computes them. The test is the
    log-rank test that all groups of at least 5 samples, drawn or not, have one hazard
    (``lifelines.statistics.multivariate_logrank_test``). It takes the groups as given: if they were found by looking at
    the survival, its p means nothing.

    The 12 largest groups are drawn. Groups of fewer than 5 samples and samples without a group, time or event are left
    out, and counted under the figure.

    Args:
        groups: [N] name of each sample's group, text or numbers; ``""``, ``None`` or NaN where it has none. A pandas Series is
            put in the order of the times if these are one too.
        survival: times in days and events, [N] each; ``None`` gives a figure that says so.
        title: first line of the figure's title; the test is the second.

    Returns:
        A figure whose first axes hold a line for each group, largest group first, and whose second hold the table. The
        time axis is in years if the last time is beyond two years, else in days.

    Raises:
        InputError: ``groups`` has another length than the times.

        >>> import vaebench as vb
        >>> data = vb.data.read_table("expression.csv")  # doctest: +SKIP
        >>> names = np.array(data.label_names)[data.labels]  # doctest: +SKIP
        >>> vb.figures.survival_curves(names, data.survival, title="Survival by label")  # doctest: +SKIP
    """
    if survival is None:
        return style.empty_figure("There are no curves to draw: the data set has no survival times.")
    names = row_names(survival.time)
    groups = np.asarray(in_order(groups, "the groups", samples=names))
    survival = Survival(survival.time, in_order(survival.event, "the events", samples=names))
    if groups.shape != np.shape(survival.time):
        raise InputError(f"groups has shape {groups.shape}; it must be that of the times, {np.shape(survival.time)}")
    cohort = _cohort(groups, survival)
    if not len(cohort.time):
        return style.empty_figure(
            f"There are no curves to draw: no group has {LEAST} samples with a time and an event. {cohort.note}"
        )
    sizes = pd.Series(cohort.group).value_counts(sort=True)
    names = sizes.sort_index(kind="stable").sort_values(ascending=False, kind="stable").index.tolist()
    drawn = names[:SHOWN]
    unit, scale = ("years", _YEAR) if cohort.time.max() > 2 * _YEAR else ("days", 1.0)
    figure, (ax, table) = style.new_figure(3.6 + 0.2 * len(drawn), 2, heights=(3.0, 0.2 * len(drawn) + 0.1))
    counts = [_curve(ax, place, name, cohort, scale, len(drawn) <= BANDS) for place, name in enumerate(drawn)]
    ax.set_ylim(0, 1.02)
    ax.set_xlim(0, max(cohort.time.max() / scale, 1e-9) * 1.02)
    ax.set_xlabel(unit)
    ax.set_ylabel("share alive")
    ax.set_title(f"{style.plain(title, 44)}\n{_test(cohort)}", loc="left", fontsize=11)
    ticks = [tick for tick in MaxNLocator(6).tick_values(*ax.get_xlim()) if 0 <= tick <= ax.get_xlim()[1]]
    ax.set_xticks(ticks)  # fixed: the numbers at risk are those at just these times
    table.set_xlim(ax.get_xlim())
    _risk_table(table, np.array(ticks), style.plain_names(drawn, 16), counts, scale)
    shown = style.plain_names(drawn, 22)
    handles = [_handle(place, f"{shown[place]} {_size(name, cohort)}") for place, name in enumerate(drawn)]
    figure.legend(handles=handles, loc="outside right upper", fontsize=style.SMALL - 1, frameon=False)
    rest = len(names) - len(drawn)
    style.add_footnote(
        figure,
        "Kaplan-Meier curves" + (" with 95% intervals" if len(drawn) <= BANDS else "") + "; below: samples at risk.",
        f"The {rest} smallest of {len(names)} groups are in the test but not drawn." if rest else "",
        cohort.note,
    )
    return figure


def _cohort(groups: np.ndarray, survival: Survival) -> _SurvivalGroups:
    """Return the samples that can be used, those of small groups left out, and a sentence on what was left out."""
    time, event = (np.asarray(values, np.float64) for values in (survival.time, survival.event))
    names = np.array(["" if pd.isna(value) else str(value) for value in groups.tolist()], dtype=object)
    known, named = np.isfinite(time) & np.isfinite(event), names != ""
    usable = known & named
    sizes = pd.Series(names[usable]).value_counts()
    small = sizes.index[sizes < LEAST]
    kept = usable & ~np.isin(names, list(small))
    without = [
        ((~known).sum(), f"{count_of(int((~known).sum()), 'sample')} without a time or event"),
        ((known & ~named).sum(), f"{count_of(int((known & ~named).sum()), 'sample')} without a group"),
        (
            len(small),
            f"{count_of(len(small), 'group')} of fewer than {LEAST} samples "
            f"({count_of(int(sizes[small].sum()), 'sample')})",
        ),
    ]
    said = ", ".join(text for number, text in without if number)
    note = f"Left out: {said}." if said else ""
    return _SurvivalGroups(names[kept], time[kept], event[kept] > 0, note)


def _test(cohort: _SurvivalGroups) -> str:
    """Return the p value of the log-rank test in words."""
    from lifelines.statistics import multivariate_logrank_test

    number = len(set(cohort.group))
    if number < 2:
        return "one group"
    if not cohort.event.any():
        return "no event"
    p = float(multivariate_logrank_test(cohort.time, cohort.group, cohort.event).p_value)
    text = f"= {p:.2g}" if p >= 1e-300 else "< 1e-300"
    return f"log-rank p {text}, {number} groups"


def _curve(ax: Axes, place: int, name: str, cohort: _SurvivalGroups, scale: float, band: bool) -> pd.Series:
    """Draw one group; returns the number at risk just before each time in the group (index: time, in days)."""
    from lifelines import KaplanMeierFitter

    mine = cohort.group == name
    fitted = KaplanMeierFitter().fit(cohort.time[mine], cohort.event[mine])
    curve = fitted.survival_function_.iloc[:, 0]
    colour, line = _look(place)
    ax.step(curve.index / scale, curve, where="post", color=colour, linestyle=line, linewidth=1.5)
    if band:
        ends = fitted.confidence_interval_
        low, high = (ends.iloc[:, i].to_numpy(float) for i in (0, 1))
        ax.fill_between(ends.index / scale, low, high, step="post", color=colour, alpha=0.13, linewidth=0)
    return fitted.event_table["at_risk"]


def at_risk_at(at_risk: pd.Series, times: np.ndarray) -> np.ndarray:
    """Return the number of samples [ticks] whose time is at least ``times``.

    Args:
        at_risk: column ``at_risk`` of lifelines' ``event_table``: the number just before each time of its index, sorted.
        times: [ticks], in the unit of the index.
    """
    place = np.searchsorted(at_risk.index.to_numpy(float), times, side="left")
    return np.append(at_risk.to_numpy(int), 0)[place]


def _risk_table(table: Axes, ticks: np.ndarray, names: list[str], counts: list[pd.Series], scale: float) -> None:
    """Write the numbers at risk below the ticks of the time axis, a line for each group in its colour."""
    table.set_ylim(len(names) - 0.5, -0.5)
    table.set_xticks([])
    table.grid(visible=False)
    table.spines[["left", "bottom"]].set_visible(False)
    table.tick_params(length=0, pad=16)  # the number below time 0 reaches to the left of the axis
    table.set_yticks(range(len(names)), names, fontsize=style.SMALL - 1)
    for place, (label, found) in enumerate(zip(table.get_yticklabels(), counts, strict=True)):
        colour = str(_look(place)[0])
        label.set_color("#666600" if colour == "#F0E442" else colour)  # yellow text is unreadable
        for tick, number in zip(ticks, at_risk_at(found, ticks * scale), strict=True):
            table.text(tick, place, f"{number:,}", ha="center", va="center", fontsize=style.SMALL - 1)


def _look(place: int) -> tuple[str, object]:
    """Colour and line style: past the palette's end the colours come again with the next line style."""
    return style.PALETTE[place % len(style.PALETTE)], style.LINES[place // len(style.PALETTE)]


def _size(name: str, cohort: _SurvivalGroups) -> str:
    """Return the number of samples of a group and of deaths among them."""
    mine = cohort.group == name
    return f"({mine.sum():,}, {cohort.event[mine].sum():,} died)"


def _handle(place: int, label: str) -> Line2D:
    colour, line = _look(place)
    return Line2D([], [], color=colour, linestyle=line, linewidth=1.5, label=label)  # type: ignore[arg-type]
