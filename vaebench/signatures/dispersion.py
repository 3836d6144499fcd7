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
        degrees: degrees of freedom from which a sample counts. With fewer, most channels hold 0 or 1, their fitted means
            follow them, and Poisson counts appear to scatter more or less than they do.
        sizes: smallest and largest size of a negative binomial that is tried. At 1e6 it is Poisson for all practical
            counts; at 1e-2 its standard deviation is ten times its mean.
        rounds: alternations between the exposures and the size. A few suffice, for the exposures hardly depend on the size.
        errors: standard errors by which the dispersion must differ from 1 before it means anything but Poisson counts.
        clearer: log likelihood, in nats, by which a noise model of its own must be better than a common dispersion.
        heard: most nats of one sample in that comparison, so that a few samples that fit no model do not decide.
    """

    rounded_below: float = 0.5
    degrees: int = 40
    sizes: tuple[float, float] = (1e-2, 1e6)
    rounds: int = 4
    errors: float = 4.0
    clearer: float = 3.0
    heard: float = 5.0


NOISES = ("auto", "poisson", "negative_binomial", "dirichlet")
"""Noise models by name: ``"auto"`` is the one of the others that explains the scatter best."""


class Scatter(NamedTuple):
    """Noise of counts about a fit.

    Attributes:
        dispersion: median of Pearson's chi-squared per degree of freedom over samples with enough degrees of freedom; 1 for
            Poisson counts, and where no sample has enough.
        rounding: variance on top of dispersion x mean: 1/12 where the counts are rounded means, else 0.
        size: of the negative binomial, its variance being mean + mean^2 / size; infinite under Poisson.
        by_sample: [T] chi-squared per degree of freedom under this noise model; NaN without degrees of freedom.
        degrees: [T] degrees of freedom.
        error: standard error that ``dispersion`` has if the counts follow this noise model; infinite where no sample has
            enough degrees of freedom.
        growth: dispersion that every mutation of a sample adds: 1 + growth x mutations. Spectra that vary between tumours as
            a Dirichlet distribution scatter like this.
        beyond: of rounded means, variance / mean on top of ``rounding``.
    """

    dispersion: float
    rounding: float
    size: float
    by_sample: np.ndarray
    degrees: np.ndarray
    error: float = np.inf
    growth: float = 0.0
    beyond: float = 0.0

    def dispersion_of(self, x: np.ndarray) -> np.ndarray:
        """Dispersion [T] of each sample of x [T, M], at least 1; 1 under the negative binomial."""
        if not np.isinf(self.size):
            return np.ones(len(x))
        if self.growth:
            return 1 + self.growth * x.sum(1)
        return np.full(len(x), max(self.dispersion, 1.0))


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
    growth: float = 0.0,
    options: ScatterOptions = ScatterOptions(),
) -> Scatter:
    """Noise of x [T, M] about maximum-likelihood ``exposures`` [T, S] of ``signatures`` [S, M].

    Degrees of freedom are the number of cells minus the number of exposures above 0.
    """
    mean = exposures @ signatures
    terms, cells = chi_squared(x, mean, size)
    terms = terms / (1 + growth * x.sum(1))
    degrees = cells - np.sum(exposures > 0, 1)
    by_sample = np.where(degrees > 0, terms / np.maximum(degrees, 1), np.nan)
    enough = degrees >= options.degrees
    if not enough.any():
        return Scatter(1.0, 0.0, size, by_sample, degrees, np.inf, growth)
    dispersion = float(np.median(by_sample[enough]))
    error = _error(mean[enough], degrees[enough])
    found = Scatter(dispersion, 0.0, size, by_sample, degrees, error, growth)
    if dispersion < options.rounded_below and dispersion < 1 - options.errors * error:
        return found._replace(rounding=ROUNDING, beyond=_beyond_rounding(x, mean))
    return found


def _beyond_rounding(x: np.ndarray, mean: np.ndarray) -> float:
    """Dispersion left after rounding: that at which the median chi-squared per channel is 1, or 0 if rounding is enough."""
    from scipy.optimize import brentq

    def excess(dispersion: float) -> float:
        squares = np.sum((x - mean) ** 2 / (dispersion * mean + ROUNDING), 1)
        return float(np.median(squares / x.shape[1])) - 1

    if excess(0.0) <= 0:
        return 0.0
    most = 1.0
    while excess(most) > 0:
        most *= 2
    return float(np.asarray(brentq(excess, 0.0, most)))


def _error(mean: np.ndarray, degrees: np.ndarray) -> float:
    """Standard error of the median chi-squared per degree of freedom of Poisson counts of mean [T, M]."""
    # Pearson's term of a Poisson count has variance 2 + 1 / mean; the pooled cell has a mean of at least 1
    variance = np.where(mean >= 1, 2 + 1 / np.maximum(mean, 1), 0).sum(1) + 3
    single = float(np.median(np.sqrt(variance) / degrees))
    # a median of many varies by sqrt(pi / 2) more than a mean
    return single * np.sqrt(np.pi / 2 / len(mean)) if len(mean) > 2 else single / np.sqrt(len(mean))


def negative_binomial(
    x: np.ndarray, signatures: np.ndarray, *, options: ScatterOptions = ScatterOptions()
) -> tuple[Maximum, Scatter]:
    """Exposures of x [T, M], and the size at which the median chi-squared per degree of freedom is 1, found in turns.

    Deviates: the size of highest likelihood would be the usual estimate. It is biased here, for it mistakes the scatter
    about the fitted means for the smaller scatter about the true ones. The size is infinite where no sample has enough
    degrees of freedom.
    """
    from scipy.optimize import brentq

    fit = maximum_likelihood(x, signatures)
    size = np.inf
    if np.isinf(scatter(x, signatures, fit.exposures).error):
        return fit, scatter(x, signatures, fit.exposures)
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


def growing_dispersion(
    x: np.ndarray, signatures: np.ndarray, fit: Maximum, *, options: ScatterOptions = ScatterOptions()
) -> Scatter:
    """Scatter of x [T, M] about ``fit`` with the growth at which the median chi-squared per degree of freedom is 1.

    Maximum likelihood is the same under any dispersion, so the exposures stay.
    """
    from scipy.optimize import brentq

    def excess(growth: float) -> float:
        return scatter(x, signatures, fit.exposures, growth=growth, options=options).dispersion - 1

    if excess(0.0) <= 0:
        return scatter(x, signatures, fit.exposures)
    # growth x mutations is at least dispersion - 1 in every sample
    most = 2 * float(np.nanmax(scatter(x, signatures, fit.exposures).by_sample)) / max(float(x.sum(1).min()), 1.0)
    growth = float(np.asarray(brentq(excess, 0.0, most, xtol=1e-12)))
    return scatter(x, signatures, fit.exposures, growth=growth, options=options)


class NoiseFit(NamedTuple):
    """Exposures and noise of a cohort.

    Attributes:
        noise: the noise model: a name in :data:`NOISES` but not ``"auto"``.
        fit: exposures of maximum likelihood under it.
        poisson: scatter of the counts if they are taken for Poisson counts.
        found: scatter under the noise model.
    """

    noise: str
    fit: Maximum
    poisson: Scatter
    found: Scatter


def fitted_noise(
    x: np.ndarray, signatures: np.ndarray, noise: str = "auto", options: ScatterOptions = ScatterOptions()
) -> NoiseFit:
    """Fit x [T, M] by ``signatures`` [S, M] under ``noise``.

    ``"auto"`` is Poisson unless the dispersion is more than ``options.errors`` standard errors above 1. Then the scatter is
    either the same in all samples (one dispersion), or grows with a sample's mutations (``"dirichlet"``), or with a channel's
    (``"negative_binomial"``). The extended quasi-likelihood (Nelder and Pregibon 1987) of the channels decides.
    """
    fit = maximum_likelihood(x, signatures)
    poisson = scatter(x, signatures, fit.exposures, options=options)
    one = NoiseFit("poisson", fit, poisson, poisson)
    if noise == "poisson":
        return one
    if noise == "dirichlet":
        return NoiseFit(noise, fit, poisson, growing_dispersion(x, signatures, fit, options=options))
    if noise == "negative_binomial":
        return NoiseFit(noise, *_scattered(x, signatures, poisson, options))
    if not poisson.dispersion > 1 + options.errors * poisson.error:
        return one
    others = [fitted_noise(x, signatures, name, options) for name in NOISES[2:]]
    counted, enough = fit.exposures @ signatures >= 1, poisson.degrees >= options.degrees
    own = _quasi_likelihood(x, signatures, one, counted)
    better = [_quasi_likelihood(x, signatures, other, counted) - own for other in others]
    gains = [np.clip(each, -options.heard, options.heard)[enough].sum() for each in better]
    best = int(np.argmax(gains))
    return others[best] if gains[best] > options.clearer else one


def _scattered(
    x: np.ndarray, signatures: np.ndarray, poisson: Scatter, options: ScatterOptions
) -> tuple[Maximum, Scatter, Scatter]:
    fit, found = negative_binomial(x, signatures, options=options)
    return fit, poisson, found


def _quasi_likelihood(x: np.ndarray, signatures: np.ndarray, given: NoiseFit, counted: np.ndarray) -> np.ndarray:
    """Extended quasi-likelihood [T] of the ``counted`` [T, M] channels, the same ones for all that are compared; in nats."""
    mean = np.maximum(given.fit.exposures @ signatures, BACKGROUND)
    variance = mean * given.found.dispersion_of(x)[:, None] + mean**2 / given.found.size
    safe = np.where(counted, variance, 1.0)
    return -0.5 * np.where(counted, (x - mean) ** 2 / safe + np.log(safe), 0.0).sum(1)
