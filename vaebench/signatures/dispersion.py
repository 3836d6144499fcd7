"""Scatter of counts about a fit: chi-squared, dispersion, and the size of a negative binomial."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from vaebench.signatures.likelihood import BACKGROUND, ROUNDING, Maximum, maximum_likelihood


@dataclasses.dataclass(frozen=True)
class ScatterOptions:
    """Constants of the noise estimate.

    Attributes:
        rounded_below: dispersion below which counts are rounded means without sampling noise. Poisson counts have a
            dispersion of 1, and the median over a cohort is within a few percent of it.
        sizes: smallest and largest size of a negative binomial that is tried. At 1e6 it is Poisson for all practical
            counts; at 1e-2 its standard deviation is ten times its mean.
        rounds: alternations between the exposures and the size. A few suffice, for the exposures hardly depend on the size.
    """

    rounded_below: float = 0.5
    sizes: tuple[float, float] = (1e-2, 1e6)
    rounds: int = 4


class Scatter(NamedTuple):
    """Noise of counts about a fit.

    Attributes:
        dispersion: median over samples of Pearson's chi-squared per degree of freedom; 1 for Poisson counts.
        rounding: variance on top of dispersion x mean: 1/12 where the counts are rounded means, else 0.
        size: of the negative binomial, its variance being mean + mean^2 / size; infinite under Poisson.
        by_sample: [T] chi-squared per degree of freedom under this noise model; NaN without degrees of freedom.
        degrees: [T] degrees of freedom.
    """

    dispersion: float
    rounding: float
    size: float
    by_sample: np.ndarray
    degrees: np.ndarray


def chi_squared(x: np.ndarray, mean: np.ndarray, size: float = np.inf) -> tuple[np.ndarray, np.ndarray]:
    """Pearson's chi-squared [T] and its number of cells [T].

    All channels with a mean below 1 are pooled into one cell: alone, each of them would nearly always contribute 0 and
    rarely 1000.
    """
    variance = mean + mean**2 / size
    common = mean >= 1
    terms = np.where(common, (x - mean) ** 2 / np.maximum(variance, BACKGROUND), 0.0).sum(1)
    rest, expected, spread = (np.where(common, 0.0, v).sum(1) for v in (x, mean, variance))
    pooled = expected >= 1
    terms = terms + np.where(pooled, (rest - expected) ** 2 / np.maximum(spread, BACKGROUND), 0.0)
    return terms, common.sum(1) + pooled


def scatter(
    x: np.ndarray,
    signatures: np.ndarray,
    exposures: np.ndarray,
    *,
    size: float = np.inf,
    options: ScatterOptions = ScatterOptions(),
) -> Scatter:
    """Noise of x [T, 96] about maximum-likelihood ``exposures`` [T, S] of ``signatures`` [S, 96].

    Degrees of freedom are the number of cells minus the number of exposures above 0.
    """
    terms, cells = chi_squared(x, exposures @ signatures, size)
    degrees = cells - np.sum(exposures > 0, 1)
    by_sample = np.where(degrees > 0, terms / np.maximum(degrees, 1), np.nan)
    dispersion = float(np.nanmedian(by_sample)) if np.any(degrees > 0) else 1.0
    return Scatter(dispersion, ROUNDING if dispersion < options.rounded_below else 0.0, size, by_sample, degrees)


def negative_binomial(
    x: np.ndarray, signatures: np.ndarray, *, options: ScatterOptions = ScatterOptions()
) -> tuple[Maximum, Scatter]:
    """Exposures of x [T, 96], and the size at which the median chi-squared per degree of freedom is 1, found in turns.

    Deviates: the size of highest likelihood would be the usual estimate. It is biased here, for it mistakes the scatter
    about the fitted means for the smaller scatter about the true ones.
    """
    from scipy.optimize import brentq

    fit = maximum_likelihood(x, signatures)
    size = np.inf
    for _ in range(options.rounds):
        exposures = fit.exposures

        def excess(log_size: float, exposures: np.ndarray = exposures) -> float:
            return scatter(x, signatures, exposures, size=float(np.exp(log_size))).dispersion - 1

        ends = (np.log(options.sizes[0]), np.log(options.sizes[1]))
        low, high = (excess(end) for end in ends)
        if low >= 0 or high <= 0:  # more scatter than any size gives, or no more than Poisson
            size = float(np.exp(ends[0] if low >= 0 else ends[1]))
        else:
            size = float(np.exp(np.asarray(brentq(excess, *ends, xtol=1e-4))))
        fit = maximum_likelihood(x, signatures, size=size, start=np.maximum(exposures, 1e-3))
    return fit, scatter(x, signatures, fit.exposures, size=size)
