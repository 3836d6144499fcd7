"""Risk sets: times sorted and ties grouped, once per data set."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Risk(NamedTuple):
    """Risk set of each event. Axes: N samples in ``order``, E events sorted by time, G distinct event times.

    Attributes:
        order: [N] positions that sort the samples by time.
        row: [E] sorted position of the sample that has the event.
        start: [E] first sorted position at risk, ``time >= t``.
        group: [E] number of the distinct event time.
        first: [G] the first event at each of them.
        upto: [N] number of events with a time at or before the sample's.
        past: [N] number of distinct event times at or before the sample's.
        died: [N] 1 for an event.
        inside: [N] 1 for samples in the fit.
        use: [E] 1 for events in the fit.
        fraction: [E] l / d for the l-th of d events at one time (Efron's treatment of ties).
        distinct: [N] number that equal times share, for the concordance.
    """

    order: np.ndarray
    row: np.ndarray
    start: np.ndarray
    group: np.ndarray
    first: np.ndarray
    upto: np.ndarray
    past: np.ndarray
    died: np.ndarray
    inside: np.ndarray
    use: np.ndarray
    fraction: np.ndarray
    distinct: np.ndarray


def risk_sets(time: np.ndarray, event: np.ndarray, inside: np.ndarray | None = None) -> Risk:
    """Sort the times and group the ties.

    Args:
        time: [N] finite.
        event: [N] bool.
        inside: [N] bool, the samples in the fit; all by default. Arrays keep their shapes, so that all splits of a data set
            share one compiled program.
    """
    inside = np.ones(len(time), bool) if inside is None else np.asarray(inside, bool)
    # the order within ties does not matter: risk sets start at the first of equal times
    order = np.lexsort((np.arange(len(time)), time))
    time, event, inside = time[order], event[order], inside[order]
    row = np.flatnonzero(event)
    use = inside[row]
    times, first, group = np.unique(time[row], return_index=True, return_inverse=True)
    deaths = np.bincount(group, weights=use, minlength=len(row))
    before = np.concatenate([[0], np.cumsum(use)[:-1]]) if len(row) else np.zeros(0)
    rank = before - before[first[group]] if len(row) else before
    return Risk(
        order=order,
        row=row,
        start=np.searchsorted(time, time[row], side="left"),
        group=group,
        first=first,
        upto=np.searchsorted(time[row], time, side="right"),
        past=np.searchsorted(times, time, side="right"),
        died=event.astype(np.float64),
        inside=inside.astype(np.float64),
        use=use.astype(np.float64),
        fraction=np.where(use, rank / np.maximum(deaths[group], 1), 0.0),
        distinct=np.unique(time, return_inverse=True)[1],
    )
