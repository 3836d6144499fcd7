"""Signatures that the counts of a sample cannot tell apart, and intervals of their sums, from draws of the exposures."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np


@dataclasses.dataclass(frozen=True)
class SumOptions:
    """When signatures count as inseparable in a sample.

    Attributes:
        correlations: posterior correlations of two exposures below which they are linked, tried in turn: of two that stand for
            one another, and of three or four that share (at a half and a third).
        gain: width of the interval of their sum, relative to the widest of their own, below which the sum says more.
        share: share of the sample's mutations that an upper end must reach for the signature to matter.
    """

    correlations: tuple[float, ...] = (-0.6, -0.3)
    gain: float = 0.7
    share: float = 0.05


SUMS = SumOptions()
"""The defaults."""


class Sum(NamedTuple):
    """Signatures that cannot be told apart in a sample, and what they contribute together.

    Attributes:
        sample: its row.
        members: two or more signatures, their rows.
        exposure: mean of their sum.
        lower: lower end of its interval.
        upper: upper end of its interval.
    """

    sample: int
    members: tuple[int, ...]
    exposure: float
    lower: float
    upper: float


def inseparable(draws: np.ndarray, level: float, first: int = 0, options: SumOptions = SUMS) -> list[Sum]:
    """Sums of inseparable signatures in ``draws`` [n, T, S], at ``level``; sample ``first`` is the row 0 of the draws.

    Signatures whose exposures are negatively correlated are linked, and those linked in a chain make a set. It is returned if
    the sum is known better than its members. Strong links come first: two that stand for one another are a set of their own.
    """
    tails = (0.5 * (1 - level), 0.5 * (1 + level))
    found = []
    for t in range(draws.shape[1]):
        some = np.flatnonzero(draws[:, t].any(0))
        own = draws[:, t][:, some].astype(np.float64)
        if len(some) < 2:
            continue
        low, high = np.quantile(own, tails, axis=0)
        active = np.flatnonzero((high > options.share * own.sum(1).mean()) & (own.std(0) > 0))
        if len(active) < 2:
            continue
        correlation = np.corrcoef(own[:, active].T)
        width = (high - low)[active]
        free = np.ones(len(active), bool)
        for cut in options.correlations:
            linked = np.triu((correlation < cut) & free[:, None] & free[None, :], 1)
            for members in _joined([(int(j), int(k)) for j, k in zip(*np.nonzero(linked), strict=True)]):
                total = own[:, active[members]].sum(1)
                ends = np.quantile(total, tails)
                if ends[1] - ends[0] < options.gain * width[members].max():
                    free[members] = False
                    names = tuple(int(k) for k in some[active[members]])
                    found.append(Sum(first + t, names, float(total.mean()), float(ends[0]), float(ends[1])))
    return found


def _joined(pairs: list[tuple[int, int]]) -> list[list[int]]:
    """Sets of numbers that are linked by ``pairs``, sorted."""
    sets: list[set[int]] = []
    for pair in pairs:
        touching = [s for s in sets if s & set(pair)]
        sets = [s for s in sets if not s & set(pair)] + [set(pair).union(*touching)]
    return sorted(sorted(s) for s in sets)
