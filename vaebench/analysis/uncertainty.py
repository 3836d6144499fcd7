"""Uncertainty: intervals of means over seeds, of paired differences, rank correlations and shares; adjusted p values."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vaebench.errors import InputError

__all__ = [
    "DRAWS",
    "EXACT",
    "Difference",
    "RankCorrelation",
    "adjusted",
    "expanded_tail",
    "intervals",
    "paired_difference",
    "ragged_intervals",
    "resamples",
    "spearman",
    "wilson",
]
__dir__ = __all__.copy

EXACT = 8
"""Largest number of seeds for which every resample is enumerated (6,435 of them); with more, :data:`DRAWS` are drawn."""
DRAWS = 4000
"""Bootstrap samples for more than :data:`EXACT` seeds."""


class Difference(NamedTuple):
    """Paired differences of two settings over seeds; NaN where too few seeds leave a field unknown.

    Attributes:
        mean: of the differences.
        low: lower end of its interval.
        high: upper end.
        better: probability that the mean is above 0.
        n: number of seeds.
    """

    mean: float
    low: float
    high: float
    better: float
    n: int


class RankCorrelation(NamedTuple):
    """Spearman's rho between two scores; NaN for fewer than 4 settings or if one score is constant.

    Attributes:
        rho: -1..1.
        low: lower end of its interval.
        high: upper end.
        n: number of settings.
    """

    rho: float
    low: float
    high: float
    n: int


@functools.lru_cache(maxsize=64)
def resamples(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares [B, n] of each of n values in B bootstrap resamples, and the resamples' probabilities [B].

    For n up to :data:`EXACT` these are all resamples, distinguished by how often each value is in them, with multinomial
    probabilities; for larger n they are draws from a generator seeded by ``seed``.
    """
    if n > EXACT:
        counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=DRAWS)
        return counts / n, np.full(DRAWS, 1 / DRAWS)
    # stars and bars: a resample is a way to place n stars between n - 1 bars
    bars = np.array(list(itertools.combinations(range(2 * n - 1), n - 1)), int).reshape(-1, n - 1)
    edges = np.pad(bars, ((0, 0), (1, 1)), constant_values=(-1, 2 * n - 1))
    counts = np.diff(edges, axis=1) - 1
    ways = [math.factorial(n) / math.prod(map(math.factorial, row)) for row in counts.tolist()]
    return counts / n, np.array(ways) / n**n


def expanded_tail(level: float, n: int) -> float:
    """Return the tail probability Phi(-sqrt(n / (n - 1)) t) of an expanded percentile interval; see :func:`intervals`."""
    from scipy.stats import norm, t

    return float(norm.cdf(-math.sqrt(n / (n - 1)) * t.ppf(0.5 + level / 2, n - 1)))


def intervals(values: np.ndarray, level: float = 0.95, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends [S] of the bootstrap intervals of the means of ``values`` [S, n]; NaN for n = 1.

    The ends are percentiles of the resampled means. Plain percentiles are too narrow for few seeds, by a factor sqrt((n -
    1) / n) and by normal in place of t quantiles, so the tails are Phi(-sqrt(n / (n - 1)) t) with t Student's quantile for
    n - 1 degrees of freedom. No resample lies outside the range of the values, so 95% intervals of normal data cover 75% at
    n = 3, 88% at 4, 92% at 5, and 95% from 10 on.

    Source: Efron 1979; the expanded percentile interval of Hesterberg 2015, The American Statistician 69, 371-386.
    """
    values = np.asarray(values, np.float64)
    n = values.shape[1]
    if n < 2:
        return np.full(len(values), np.nan), np.full(len(values), np.nan)
    shares, probability = resamples(n, seed)
    tail = expanded_tail(level, n)
    means = values @ shares.T
    order = np.argsort(means, axis=1)
    ranked, mass = np.take_along_axis(means, order, axis=1), np.cumsum(probability[order], axis=1)
    last = means.shape[1] - 1
    # some slack: the masses are sums of rounded numbers
    first = np.minimum((mass < tail - 1e-12).sum(axis=1), last)
    upper = np.minimum((mass < 1 - tail - 1e-12).sum(axis=1), last)
    rows = np.arange(len(values))
    return ranked[rows, first], ranked[rows, upper]


def ragged_intervals(groups: Sequence[np.ndarray], level: float = 0.95, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return :func:`intervals` of groups of different sizes, a few hundred of one size at a time."""
    low, high = np.full(len(groups), np.nan), np.full(len(groups), np.nan)
    sizes = np.array([len(group) for group in groups], int)
    for size in np.unique(sizes[sizes > 1]):
        places = np.flatnonzero(sizes == size)
        for part in np.array_split(places, -(-len(places) // 500)):
            low[part], high[part] = intervals(np.array([groups[i] for i in part]), level, seed)
    return low, high


def paired_difference(a: np.ndarray, b: np.ndarray, level: float = 0.95, seed: int = 0) -> Difference:
    """Compare two settings by the differences a - b of their scores over seeds.

    ``better`` is the probability that the mean of a is the larger one: the share of resamples in which it is (ties count
    half), widened for few seeds as in :func:`intervals`, so that from 5 seeds on the interval excludes 0 exactly if
    ``better`` lies outside its level. No share counts as less than half the rarest resample. With one seed only the mean is
    known.

    Args:
        a: [n] scores, one a seed.
        b: [n] scores of the same seeds in the same order (a seed redraws the split for both).
        level: of the interval.
        seed: of the bootstrap for many seeds.
    """
    from scipy.stats import norm, t

    differences = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    n = len(differences)
    if n < 2:
        return Difference(float(differences[0]) if n else math.nan, math.nan, math.nan, math.nan, n)
    low, high = intervals(differences[None], level, seed)
    shares, probability = resamples(n, seed)
    means = shares @ differences
    slack = 1e-12 * np.abs(differences).max()
    share = probability[means > slack].sum() + 0.5 * probability[np.abs(means) <= slack].sum()
    least = 0.5 * probability.min()
    better = t.cdf(norm.ppf(np.clip(share, least, 1 - least)) * math.sqrt((n - 1) / n), n - 1)
    return Difference(float(differences.mean()), float(low[0]), float(high[0]), float(better), n)


def spearman(
    first: np.ndarray, second: np.ndarray, *, level: float = 0.95, draws: int = 500, seed: int = 0
) -> RankCorrelation:
    """Return Spearman's rho of two scores [n] of the same settings, with a bootstrap interval over settings.

    Settings without two finite scores are left out.
    """
    from scipy.stats import rankdata

    both = np.stack([np.asarray(first, np.float64), np.asarray(second, np.float64)])
    both = both[:, np.isfinite(both).all(axis=0)]
    n = both.shape[1]
    if n < 4 or np.ptp(both, axis=1).min() == 0:
        return RankCorrelation(math.nan, math.nan, math.nan, n)

    def rho(pairs: np.ndarray) -> np.ndarray:
        """Return [D] of [D, 2, n]."""
        ranks = rankdata(pairs, axis=2)
        ranks -= ranks.mean(axis=2, keepdims=True)
        size = np.sqrt((ranks**2).sum(axis=2).prod(axis=1))
        return np.divide(ranks.prod(axis=1).sum(axis=1), size, out=np.full(len(pairs), np.nan), where=size > 0)

    rng = np.random.default_rng(seed)
    most = max(1, 2**20 // n)  # resamples at once: 16 MB
    pieces = [min(most, draws - done) for done in range(0, draws, most)]
    sample = np.concatenate([rho(both[:, rng.integers(0, n, (size, n))].transpose(1, 0, 2)) for size in pieces])
    low, high = np.nanquantile(sample, [(1 - level) / 2, (1 + level) / 2])
    return RankCorrelation(float(rho(both[None])[0]), float(low), float(high), n)


def wilson(count: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's (1927) interval of the share ``count`` of ``of``; (0, 1) if ``of`` is 0."""
    from scipy.stats import binomtest

    if of == 0:
        return 0.0, 1.0
    low, high = binomtest(count, of).proportion_ci(level, method="wilson")
    return float(low), float(high)


def adjusted(p: np.ndarray, how: str = "holm") -> np.ndarray:
    """Adjust p values [m] for each other; NaN stays NaN.

    Args:
        p: [m].
        how: ``"holm"`` (Holm 1979, family-wise error) or ``"bh"`` (Benjamini & Hochberg 1995, false discovery rate).

    Raises:
        InputError: ``how`` is neither.
    """
    if how not in ("holm", "bh"):
        raise InputError(f"adjustment is {how!r}; it must be 'holm' or 'bh'")
    from scipy.stats import false_discovery_control

    p = np.asarray(p, np.float64)
    known = np.flatnonzero(~np.isnan(p))
    found = np.full(p.shape, np.nan)
    if how == "bh" and len(known):
        found[known] = false_discovery_control(p[known])
    elif how == "holm":
        order = known[np.argsort(p[known], kind="stable")]
        found[order] = np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1))
    return np.minimum(found, 1.0)
