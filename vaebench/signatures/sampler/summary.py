"""Intervals and diagnostics of draws of exposures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vaebench.signatures.sampler.diagnostics import effective_size, r_hat
from vaebench.signatures.sampler.draws import Draws
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions
from vaebench.signatures.sampler.problem import Prior
from vaebench.signatures.sampler.shared_factors import FactorErrors
from vaebench.signatures.sampler.sums import Sum
from vaebench.types.shown import one_line

SUMMARISED = 50
"""Samples whose draws are sorted at once: with 86 signatures they take 9 MB."""


class ExposurePosterior(NamedTuple):
    """Posterior of the exposures, arrays [T, S] unless said otherwise.

    Attributes:
        mean: in mutations.
        lower: lower ends of the intervals.
        upper: upper ends of the intervals.
        presence: P(present).
        r_hat: split R-hat.
        effective: effective number of draws.
        kept: [``options.kept``, T, S], a few draws far apart.
        prior: [G, S], one row for each cancer type: the mean of those drawn.
        draws: their number, of all chains together.
        sweeps: of each chain, those before the first draw included.
        sums: of signatures that the counts of a sample cannot tell apart.
        limit: the most sweeps of each chain.
        factor_errors: what the counts leave open of channel factors; ``None`` for signatures as given.
    """

    __repr__ = one_line

    mean: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    presence: np.ndarray
    r_hat: np.ndarray
    effective: np.ndarray
    kept: np.ndarray
    prior: Prior
    draws: int
    sweeps: int
    sums: list[Sum]
    limit: int = 0
    factor_errors: FactorErrors | None = None


def read_off(
    draws: np.ndarray, level: float, options: SamplerOptions = SAMPLER
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower ends, upper ends and P(present), [T, S] each, of ``draws`` [n, T, S].

    The lower end is the (1 - level) / 2 quantile, exposures of 0 among the draws. The upper end is the (1 + level) / 2
    quantile of all draws or, where P(present) is above ``options.considered`` and it is larger, that of the draws above 0.
    So ``level`` is also the coverage of exposures that are present. Quantiles are at (n + 1) p, unbiased for few draws.
    """
    n = len(draws)
    ordered = np.sort(draws, axis=0)
    count = (ordered > 0).sum(0)
    tail = 0.5 * (1 - level)

    def at(place: np.ndarray) -> np.ndarray:  # linear between order statistics, from 1
        place = np.clip(place, 1, n)
        low = np.floor(place).astype(int)
        below = np.take_along_axis(ordered, low[None] - 1, 0)[0]
        above = np.take_along_axis(ordered, np.minimum(low, n - 1)[None], 0)[0]
        return below + (place - low) * (above - below)

    lower = at(np.full(count.shape, (n + 1) * tail))
    upper = at(np.full(count.shape, (n + 1) * (1 - tail)))
    present = count / n
    where_present = at(n - count + (count + 1) * (1 - tail))
    return lower, np.where(present > options.considered, np.maximum(upper, where_present), upper), present


def summary(draws: Draws, level: float, options: SamplerOptions) -> ExposurePosterior:
    """Posterior without its prior, sums and draws; a few samples at a time, for sorts take memory."""
    count, n, samples, signatures = draws.shape
    shape = (samples, signatures)
    parts = [np.full(shape, v) for v in (0.0, 0.0, 0.0, 0.0, 1.0, float(count * n))]
    for first, block in draws.blocks():
        for start in range(0, block.shape[2], SUMMARISED):
            own = block[:, :, start : start + SUMMARISED]
            rows = slice(first + start, first + start + own.shape[2])
            moving = own.any((0, 1))  # an exposure that is 0 in all draws needs no more
            mine = own[:, :, moving]
            both = joined(mine)
            found = (both.mean(0, dtype=np.float64), *read_off(both, level, options), r_hat(mine), effective_size(mine))
            for part, values in zip(parts, found, strict=True):
                part[rows][moving] = values
    unknown = Prior(*(np.full((1, signatures), np.nan) for _ in Prior._fields))
    return ExposurePosterior(*parts, kept=np.zeros((0, *shape)), prior=unknown, draws=count * n, sweeps=n, sums=[])


def with_rows(found: ExposurePosterior, new: ExposurePosterior, rows: np.ndarray) -> ExposurePosterior:
    """``found`` with the summary ``new`` of the samples in ``rows``."""
    if len(rows) == len(found.mean):
        return new
    names = ("mean", "lower", "upper", "presence", "r_hat", "effective")
    whole = {name: getattr(found, name).copy() for name in names}
    for name, values in whole.items():
        values[rows] = getattr(new, name)
    return found._replace(**whole)


def joined(draws: np.ndarray) -> np.ndarray:
    """The draws [C, n, ...] of all chains one after another, [C n, ...]."""
    return draws.reshape(-1, *draws.shape[2:])
