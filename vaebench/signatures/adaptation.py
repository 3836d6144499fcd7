"""Signatures adapted to a cohort whose counts deviate from them in the same channels in every sample.

Counts of real tumours deviate from published signatures by 10 to 30% of a channel, and alike in all samples of a cohort: its
callers, its part of the genome and the chemistry of its tissue differ from those that the signatures were extracted from. A
likelihood that takes the signatures as exact explains this by signatures that are not there. Here the mean of x_tc is

    sum_k e_tk s_kc f_c / (sum_c s_kc f_c),   ln f_c ~ N(0, w^2),

with one factor f_c a channel for all samples and signatures.

  rounds ┬ 1. sweeps of the exposure sampler with its prior held at the expected one, so that the deviation, which is alike in
         │    all samples, cannot teach it signatures; the noise is negative binomial, to which a misfit of 20% is no evidence
         └ 2. the factors of highest posterior given the mean exposures

Factors are used only if those of one half of the samples explain the counts of the other half. They do not where spectra vary
from tumour to tumour, where counts are overdispersed, or where the signatures are right. Few samples cannot tell; they can be
given the factors of an earlier cohort that was sequenced and called alike. Intervals allow for the errors of the factors
(:mod:`vaebench.signatures.sampler.shared_factors`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from vaebench.errors import unknown_name
from vaebench.signatures.channel_factors import given_factors, times_factors, with_factors
from vaebench.signatures.dispersion import Scatter, scatter
from vaebench.signatures.likelihood import maximum_likelihood
from vaebench.signatures.sampler.chains import BLOCK, chain_run, cohort_of
from vaebench.signatures.sampler.grounds import Ground
from vaebench.signatures.sampler.options import SAMPLER
from vaebench.signatures.sampler.problem import Problem
from vaebench.signatures.sampler.shared_factors import FactorErrors
from vaebench.signatures.sampler.versions import independent

ADAPT = ("auto", "none")
"""Names of what a refit does about a cohort that deviates: adapts its signatures where that explains it, or leaves them."""

LEAVES = " (channel_factors.csv; adapt none leaves them)"
EARLIER = " The factors of an earlier cohort of the same laboratory can be given (adapt)."
"""Advice in notes, for callers that have such an option and write that file."""

KNOWN = " Intervals take the factors as known, and are too narrow where samples have thousands of mutations."
"""What factors without their errors do to intervals: docs/explanation/intervals.md has measurements."""

_NEVER = 1_000_000  # sweeps after which the chain would learn its prior


@dataclasses.dataclass(frozen=True)
class AdaptationOptions:
    """Constants of the adaptation.

    Attributes:
        samples: least number: each half of them must tell the factors from the scatter of single samples.
        most: samples that factors are learned from; more would not change them.
        scatter: dispersion below which the signatures are right as they are.
        sd: expected standard deviation of ln f: in nine cancer types of PCAWG it is 0.2 to 0.3.
        size: of the negative binomial, 1 / 0.2^2.
        rounds: of exposures and factors in turn.
        sweeps: of a round; the second half of them counts.
        core: expected P(present) of the signatures that the chain begins with.
        gain: share of the scatter beyond Poisson's, in the half that the factors were not learned from, that they must explain.
    """

    samples: int = 20
    most: int = 200
    scatter: float = 1.1
    sd: float = 0.2
    size: float = 25.0
    rounds: int = 6
    sweeps: int = 8
    core: float = 0.05
    gain: float = 0.25


ADAPTATION = AdaptationOptions()
"""The defaults."""


class Adaptation(NamedTuple):
    """Factors of a cohort.

    Attributes:
        factors: [M], by channel.
        gain: share of the scatter beyond Poisson's that the factors of one half of the samples explain in the other half.
    """

    factors: np.ndarray
    gain: float


class Adapted(NamedTuple):
    """Signatures that a refit uses.

    Attributes:
        signatures: [S, M], rows sum to 1.
        factors: [M] by channel; ``None`` where the signatures are those that were given.
        notes: a sentence where they are not, or where the samples are too few to tell.
        gain: that of :class:`Adaptation`; ``None`` where the factors are not the cohort's own.
        errors: of the logarithms of the factors before the counts are seen; ``None`` where they are taken as known.
    """

    signatures: pd.DataFrame
    factors: pd.Series | None = None
    notes: Sequence[str] = ()
    gain: float | None = None
    errors: FactorErrors | None = None


def adapted(
    x: np.ndarray,
    signatures: pd.DataFrame,
    ground: Ground | None,
    adapt: str | pd.Series | pd.DataFrame = "auto",
    seed: int = 0,
) -> Adapted:
    """``signatures`` [S, M] as the cohort with counts x [T, M] has them.

    Args:
        x: counts.
        signatures: rows sum to 1.
        ground: of the prior of the exposures; without one nothing is adapted.
        adapt: a name in :data:`ADAPT`, or the factors of another cohort by channel, with their errors
            (:func:`vaebench.signatures.channel_factors.read_channel_factors`) or without.
        seed: of the chains.

    Raises:
        InputError: for an unknown ``adapt``, or factors that are not positive numbers of the same channels.
    """
    if isinstance(adapt, pd.Series | pd.DataFrame):
        return _with_given(x, signatures, adapt)
    if adapt not in ADAPT:
        raise unknown_name("adapt", adapt, ADAPT)
    known = signatures.to_numpy()
    if adapt == "none" or ground is None or not len(x):
        return Adapted(signatures)
    poisson = scatter(x, known, maximum_likelihood(x, known).exposures)
    if len(x) < ADAPTATION.samples:
        return Adapted(signatures, notes=_few_notes(len(x), poisson))
    found = adaptation_of(x, known, ground, poisson, seed)
    if found is None:
        return Adapted(signatures)
    factors = pd.Series(found.factors, signatures.columns, name="factor")
    changed = with_factors(signatures, factors)
    low, high = factors.idxmin(), factors.idxmax()
    note = (
        f"The counts deviate from these signatures in the same channels in all samples, from {factors[low]:.2g} times in {low} "
        f"to {factors[high]:.2g} times in {high}. The signatures were adapted{LEAVES}: "
        f"learned from half of the samples, this explains {found.gain:.0%} of the other half's scatter beyond chance."
    )
    errors = FactorErrors(-np.log(found.factors), ADAPTATION.sd * np.eye(len(factors)))
    return Adapted(changed, factors, (note,), found.gain, errors)


def _with_given(x: np.ndarray, signatures: pd.DataFrame, given: pd.Series | pd.DataFrame) -> Adapted:
    """``signatures`` times the factors of another cohort, and a sentence on how they fit the counts x [T, M]."""
    factors, errors = given_factors(given, signatures.columns)
    changed = with_factors(signatures, factors)
    low, high = factors.idxmin(), factors.idxmax()
    note = (
        f"The signatures were multiplied by the factors of another cohort, from {factors[low]:.2g} times in {low} to "
        f"{factors[high]:.2g} times in {high}." + ("" if errors else KNOWN)
    )
    before, after = (
        scatter(x, s, maximum_likelihood(x, s).exposures) for s in (signatures.to_numpy(), changed.to_numpy())
    )
    if np.isfinite(before.error):
        note += f" With them the dispersion of the counts is {after.dispersion:.2f}, without {before.dispersion:.2f}."
        if after.dispersion > before.dispersion:
            note += " So these samples do not deviate as that cohort does: leave the factors out (adapt none)."
    return Adapted(changed, factors, (note,), errors=errors)


def _few_notes(samples: int, poisson: Scatter) -> tuple[str, ...]:
    """Sentence about a cohort that deviates from its signatures and is too small to adapt them to it."""
    if np.isinf(poisson.error) or poisson.dispersion < ADAPTATION.scatter + 2 * poisson.error:
        return ()
    return (
        f"The counts deviate from these signatures. They are adapted to a cohort from {ADAPTATION.samples} samples on, and here "
        f"are {samples}: a signature that most samples have, but that is known of other tumour types, may be a misfit."
        + EARLIER,
    )


def adaptation_of(
    x: np.ndarray,
    signatures: np.ndarray,
    ground: Ground,
    poisson: Scatter,
    seed: int = 0,
    options: AdaptationOptions = ADAPTATION,
) -> Adaptation | None:
    """Factors of a cohort, or ``None`` if there are too few samples, or their scatter is not alike in all of them.

    Args:
        x: counts [T, M].
        signatures: [S, M].
        ground: of the prior of the exposures.
        poisson: scatter of the counts about ``signatures``.
        seed: of the chains.
        options: constants.
    """
    if len(x) < options.samples or poisson.dispersion < options.scatter or np.isinf(poisson.error):
        return None
    rng = np.random.default_rng([seed, len(x)])
    order = rng.permutation(len(x))[: options.most]
    gains = []
    for half in (0, 1):
        factors = channel_factors(x[order[half::2]], signatures, ground, seed, options)
        gains.append(_explained(x[order[1 - half :: 2]], signatures, factors, ground, options))
    if not min(gains) >= options.gain:
        return None
    return Adaptation(channel_factors(x[order], signatures, ground, seed, options), float(np.mean(gains)))


def channel_factors(
    x: np.ndarray, signatures: np.ndarray, ground: Ground, seed: int = 0, options: AdaptationOptions = ADAPTATION
) -> np.ndarray:
    """Factors [M] of the counts x [T, M]; the arguments are those of :func:`adaptation_of`."""
    chain = dataclasses.replace(SAMPLER, ignored=_NEVER)
    groups, core = np.ones((len(x), 1)), _core(ground, options)
    # the prior stays as expected, and most mutations are of signatures that are surely there
    ground = independent(ground)
    exposures = np.zeros((1, len(x), len(signatures)))
    exposures[0][:, core] = maximum_likelihood(x, signatures[core]).exposures
    total = x.sum(1)
    # a sample of many mutations counts no more than one of the median
    weights = np.minimum(1, np.median(total) / np.maximum(total, 1.0))[:, None]
    factors = np.ones(x.shape[1])
    for i in range(options.rounds):
        changed = times_factors(signatures, factors)
        mean = exposures[0] @ changed
        variance = mean + mean**2 / options.size + SAMPLER.spread
        problem = Problem(x, changed, variance, 1.0, options.size)
        cohort = cohort_of(problem, "negative_binomial", groups, ground, seed, 1, BLOCK)
        run = chain_run(cohort, exposures, i * options.sweeps, options.sweeps, 2, chain)
        exposures = run.exposures
        kept = run.draws[0, run.draws.shape[1] // 2 :].mean(0, dtype=np.float64)
        factors = _most_likely(weights * x, weights * kept, changed, factors, options)
    return factors


def _core(ground: Ground, options: AdaptationOptions) -> np.ndarray:
    """The signatures [S] that a chain begins with, as booleans: those expected to be frequent, or all if none is."""
    frequent = np.asarray(ground.presence) >= options.core
    return frequent if frequent.any() else np.ones_like(frequent)


def _most_likely(
    x: np.ndarray, exposures: np.ndarray, changed: np.ndarray, factors: np.ndarray, options: AdaptationOptions
) -> np.ndarray:
    """Factors [M] of highest posterior given weighted counts x [T, M] and exposures [T, S] of signatures ``changed`` so far.

    Per channel: the counts are scattered about factor x expectation with a dispersion that the samples themselves show.
    """
    mean = exposures @ changed
    expected = mean.sum(0) / factors
    noise = np.maximum(np.sum((x - mean) ** 2, 0) / np.maximum(mean.sum(0), 1e-9), 1e-9)
    log = np.log(factors)
    for _ in range(30):  # Newton's method; the posterior is concave
        gain = (x.sum(0) - expected * np.exp(log)) / noise - log / options.sd**2
        log = log + np.clip(gain / (expected * np.exp(log) / noise + 1 / options.sd**2), -1, 1)
    return np.exp(log)


def _explained(
    x: np.ndarray, signatures: np.ndarray, factors: np.ndarray, ground: Ground, options: AdaptationOptions
) -> float:
    """Share of the scatter beyond Poisson's of x [T, M] about the frequent signatures that ``factors`` explain."""
    frequent = signatures[_core(ground, options)]
    before, after = (
        scatter(x, s, maximum_likelihood(x, s).exposures).dispersion
        for s in (frequent, times_factors(frequent, factors))
    )
    return (before - after) / (before - 1) if before > 1 else 0.0
