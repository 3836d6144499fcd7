"""Signatures that the counts of a sample cannot tell apart, and intervals of their sums, from draws of the exposures."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np


@dataclasses.dataclass(frozen=True)
class SumOptions:
    """When signatures count as inseparable in a sample.

    Attributes:
        correlation: posterior correlation of two exposures below which one stands for the other.
        gain: width of the interval of their sum, relative to the wider of their own, below which the sum says more.
        share: share of the sample's mutations that an upper end must reach for the signature to matter.
    """

    correlation: float = -0.6
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

    Two signatures are linked if their exposures are negatively correlated and their sum is known better than either.
    Signatures that are linked in a chain make one sum.
    """
    tails = (0.5 * (1 - level), 0.5 * (1 + level))
    found = []
    for t in range(draws.shape[1]):
        own = draws[:, t].astype(np.float64)
        high = np.quantile(own, tails[1], axis=0)
        active = np.flatnonzero((high > options.share * own.sum(1).mean()) & (own.std(0) > 0))
        if len(active) < 2:
            continue
        own = own[:, active]
        low, high = np.quantile(own, tails, axis=0)
        linked = np.triu(np.corrcoef(own.T) < options.correlation, 1)
        pairs = []
        for j, k in zip(*np.nonzero(linked), strict=True):
            ends = np.quantile(own[:, j] + own[:, k], tails)
            if ends[1] - ends[0] < options.gain * max(high[j] - low[j], high[k] - low[k]):
                pairs.append((int(j), int(k)))
        for members in _joined(pairs):
            total = own[:, members].sum(1)
            ends = np.quantile(total, tails)
            names = tuple(int(active[k]) for k in members)
            found.append(Sum(first + t, names, float(total.mean()), float(ends[0]), float(ends[1])))
    return found


def _joined(pairs: list[tuple[int, int]]) -> list[list[int]]:
    """Sets of numbers that are linked by ``pairs``, sorted."""
    sets: list[set[int]] = []
    for pair in pairs:
        touching = [s for s in sets if s & set(pair)]
        sets = [s for s in sets if not s & set(pair)] + [set(pair).union(*touching)]
    return sorted(sorted(s) for s in sets)
