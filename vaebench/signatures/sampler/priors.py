"""Prior of the exposures of each signature in each cancer type, given exposures: the best one, and draws of it.

Extraction uses the best one (:func:`updated_prior`), since only the signatures matter there. Intervals use draws
(:func:`drawn_prior`), since a few samples or a few mutations leave the prior itself uncertain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from scipy.special import betaln, expit, gammainc, gammaincc, gammainccinv, gammaincinv, logit

from vaebench.signatures.sampler.autologistic import Cooccurrence, changed_sizes
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions
from vaebench.signatures.sampler.problem import GibbsState, Prior

BURDENS = 0.6
"""Variance of ln(mutations) within a tumour type: median of the 26 types of PCAWG with 20 genomes."""
_POSSIBLE = (1e-12, 1 - 1e-9)  # P(present) that is drawn: both it and its complement have a logarithm

_Moments = tuple[ArrayLike, ArrayLike, ArrayLike]
"""P(present), and mean and variance of ln e given presence."""


def updated_prior(state: GibbsState, groups: jax.Array, typical: ArrayLike, options: SamplerOptions = SAMPLER) -> Prior:
    """The prior [G, S] that fits one draw of the exposures, in two levels.

    The whole cohort's prior comes first. A fraction of an observation holds it in place, so that it exists for a signature
    that no sample has. Each group's prior is then shrunk towards it as by ``options.few`` more samples.

    Args:
        state: after a sweep.
        groups: [T, G], weights of the samples in each group, mostly 0 and 1; one column of ones for one prior.
        typical: scalar, the exposure to expect of a signature that no sample has.
        options: constants of the sampler.
    """
    present = state.exposures > 0
    logs = jnp.where(present, jnp.log(jnp.where(present, state.exposures, 1.0)), 0.0)
    # per group: expected number of samples with the signature, their number in this draw, sum and squares of ln e
    sums = tuple(groups.T @ v for v in (state.presence, present.astype(logs.dtype), logs, logs**2))
    weight = jnp.sum(groups, 0)[:, None]

    def fitted(
        sums: tuple[jax.Array, ...], weight: jax.Array, ground: _Moments, trust: tuple[float, float, float]
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        expected, count, total, squares = sums
        presence, log_mean, variance = ground
        mean = (total + trust[1] * log_mean) / (count + trust[1])
        within = squares - 2 * mean * total + count * mean**2
        spread = within + trust[2] * variance + trust[1] * (mean - log_mean) ** 2
        return (expected + trust[0] * presence) / (weight + trust[0]), mean, spread / (count + trust[2])

    # half of the samples, a typical exposure and a standard deviation of 1, for as little as 1, 0.1 and 2 observations
    whole = fitted(
        tuple(v.sum(0, keepdims=True) for v in sums),
        weight.sum(0, keepdims=True),
        (0.5, jnp.log(typical), 1.0),
        (1, 0.1, 2),
    )
    few = options.few
    presence, log_mean, variance = fitted(sums, weight, whole, (few, few, few)) if len(weight) > 1 else whole
    log_sd = jnp.sqrt(jnp.maximum(variance, 0))
    return Prior(presence, log_mean, jnp.clip(log_sd, options.least_sd, options.largest_sd))


class Ground(NamedTuple):
    """Prior of the prior of each signature: its expectation, and how many samples each part of it counts for.

    P(present) ~ Beta(n p, n (1 - p)) with expectation p; s^2 ~ scaled inverse chi-squared about ``variance``;
    m ~ N(log_mean, s^2 / n). Arrays [S] or [G, S]. Exposures e are relative to the sample's burdens
    (:mod:`vaebench.signatures.sampler.burdens`).

    Attributes:
        presence: expected P(present), between 0 and 1.
        log_mean: expected mean of ln e given presence.
        variance: expected variance of ln e given presence.
        presence_weight: samples that ``presence`` counts for.
        mean_weight: samples with the signature that ``log_mean`` counts for.
        variance_weight: samples with the signature that ``variance`` counts for.
        burden: variance of ln(mutations) between samples, a scalar or [G].
        loading: how each signature grows with the burden, a scalar, [S] or [G, S]: 1 as the mutations do, 0 not at all.
        shared: loadings [P, S] or [G, P, S] of burdens N(0, 1) that some signatures share beyond that of all, as those of one
            process do, on top of ``variance``; a scalar where none do.
        wrong: probability, a scalar or [G], that a signature is rarer than expected, as :func:`weak_presence` has it.
        pairs: signatures that occur together; with shifts for single samples, whose P(present) is as expected. ``None`` where
            signatures are independent.
        mixture: of few samples that may be of several types, the grounds that this one stands for; ``None`` for others.
    """

    presence: ArrayLike
    log_mean: ArrayLike
    variance: ArrayLike
    presence_weight: ArrayLike
    mean_weight: ArrayLike
    variance_weight: ArrayLike
    burden: ArrayLike = 0.0
    loading: ArrayLike = 1.0
    wrong: ArrayLike = 0.0
    shared: ArrayLike = 0.0
    pairs: Cooccurrence | None = None
    mixture: TypeMixture | None = None


class TypeMixture(NamedTuple):
    """Grounds of samples that may be of several types: a copy of a sample for each type.

    Attributes:
        rows: [T'], the sample of each copy, in increasing order.
        weights: [T'], probabilities of the types, which sum to 1 for each sample.
        groups: [T'], number of the ground of each copy; those of one cohort of several samples have the same.
        ground: arrays [G, S].
    """

    rows: np.ndarray
    weights: np.ndarray
    groups: np.ndarray
    ground: Ground


def burden_variance(x: np.ndarray) -> float:
    """Variance of ln(mutations) between samples with counts x [T, M], beyond that of Poisson counts.

    One sample does not show it, and its own total is no prior of its total: it has the usual one, which counts as one sample in
    a cohort.
    """
    total = np.maximum(x.sum(1), 1.0)
    between = max(float(np.var(np.log(total)) - np.mean(1 / total)), 0.0)
    return ((len(x) - 1) * between + BURDENS) / len(x)


def weak_ground(x: np.ndarray, count: int, options: SamplerOptions = SAMPLER) -> Ground:
    """Ground of the prior of ``count`` signatures of which nothing is known, in samples with counts x [T, M].

    A sample has a few signatures however many are offered, and they share its mutations.
    """
    typical = max(float(np.mean(np.sum(x, 1))) / min(count, options.active + 2), 1.0)
    weights = (options.presence_weight, options.mean_weight, options.variance_weight)
    parts = (weak_presence(count, options), np.log(typical), 1.0, *weights)
    return Ground(*(np.full(count, part) for part in parts), burden=burden_variance(x))


def weak_presence(count: int, options: SamplerOptions = SAMPLER) -> float:
    """Return the expected P(present) of each of ``count`` signatures of which nothing is known."""
    return min(0.5, options.active / count)


def presence_alone(ground: Ground, count: int, options: SamplerOptions = SAMPLER) -> np.ndarray:
    """Return P(present) of each of ``count`` signatures in a sample from which nothing is learned."""
    expected, least = np.asarray(ground.presence), weak_presence(count, options)
    wrong = np.where(expected > least, np.asarray(ground.wrong)[..., None], 0.0)
    return (1 - wrong) * expected + wrong * least


class LogSums(NamedTuple):
    """Sums over the samples of each of G groups, from which a prior is learned, of exposures of C chains.

    Attributes:
        present: [C, G, S], samples with an exposure above 0.
        logs: [C, G, S], of ln e over them, relative to the burden.
        squares: [C, G, S], of (ln e)^2.
        samples: [G], all samples.
    """

    present: np.ndarray
    logs: np.ndarray
    squares: np.ndarray
    samples: np.ndarray


def log_sums(exposures: np.ndarray, groups: np.ndarray, shifts: ArrayLike = 0.0) -> LogSums:
    """Return the sums of exposures [C, T, S], ln e less its ``shifts`` [C, T, S], over ``groups`` [T, G] of 0 and 1."""
    present = exposures > 0
    logs = np.log(np.where(present, exposures, 1.0)) - present * np.asarray(shifts)
    sums = [np.matmul(groups.T, v) for v in (present.astype(np.float64), logs, logs**2)]
    return LogSums(*sums, samples=groups.sum(0))


def stacked(grounds: Sequence[Ground]) -> Ground:
    """One ground, arrays [G, S], of cohorts that share nothing, and have the same log odds of pairs."""
    parts = [[np.asarray(v) for v in part] for part in zip(*(g[:-2] for g in grounds), strict=True)]
    size = len(np.asarray(grounds[0].presence))
    parts[Ground._fields.index("loading")] = [np.broadcast_to(ground.loading, size) for ground in grounds]
    pairs = [ground.pairs for ground in grounds if ground.pairs is not None]
    if not pairs:
        return Ground(*map(np.stack, parts), pairs=None, mixture=None)
    follow = next((own for own in pairs if own.shifts is None), None)  # cohorts of several samples, if one is
    shifts = None if follow else np.stack([np.broadcast_to(np.asarray(own.shifts), size) for own in pairs])
    return Ground(*map(np.stack, parts), pairs=(follow or pairs[0])._replace(shifts=shifts), mixture=None)


def unstacked(ground: Ground) -> list[Ground]:
    """The grounds [S] of the cohorts of a :func:`stacked` one whose single samples have pairs with shifts, or none."""
    every = zip(*(np.asarray(v) for v in ground[:-2]), strict=True)
    parts = [Ground(*own, pairs=None, mixture=None) for own in every]
    if ground.pairs is None:
        return parts
    pairs, shifts = ground.pairs, np.asarray(ground.pairs.shifts)
    return [own._replace(pairs=pairs._replace(shifts=v)) for own, v in zip(parts, shifts, strict=True)]


def independent(ground: Ground) -> Ground:
    """Return ``ground`` with each signature on its own: no pairs, and sizes as they are whatever else is present."""
    shared, p = np.asarray(ground.shared), np.asarray(ground.presence)
    more = np.square(shared).sum(-2) if shared.ndim > 1 else 0.0
    if ground.pairs is not None and np.ndim(ground.pairs.changes):
        more = more + (p * (1 - p)) @ np.square(np.asarray(ground.pairs.changes)).T
    log_mean = np.asarray(ground.log_mean) + changed_sizes(p, ground.pairs)
    return ground._replace(log_mean=log_mean, variance=np.asarray(ground.variance) + more, shared=0.0, pairs=None)


def drawn_prior(
    rng: np.random.Generator,
    sums: LogSums,
    ground: Ground,
    options: SamplerOptions = SAMPLER,
    separate: bool = False,
) -> Prior:
    """Draw the prior [C, G, S] from its distribution given exposures of C chains.

    With one group the three conditionals are conjugate (Gelman et al. 2013, Bayesian data analysis, 2.4 and 3.3). With
    more, the whole cohort's prior is drawn first, and each group's is drawn with that one as its ground, counted as
    ``options.few`` samples.

    Args:
        rng: of the draw.
        sums: of the exposures, over the samples of each cancer type.
        ground: of the prior.
        options: constants of the sampler.
        separate: the groups are cohorts that share nothing, each with its own row of the ground.

    Deviates: a group's own samples count in the whole cohort's prior and again in its own.
    """
    *parts, samples = sums
    weight = samples[:, None]
    if len(weight) > 1 and not separate:
        whole = _conditional(rng, [v.sum(1, keepdims=True) for v in parts], weight.sum(), ground, options)
        few = options.few
        ground = Ground(whole.presence, whole.log_mean, np.square(whole.log_sd), few, few, few)
    return _conditional(rng, parts, weight, ground, options)


def _conditional(
    rng: np.random.Generator,
    sums: Sequence[np.ndarray],
    weight: ArrayLike,
    ground: Ground,
    options: SamplerOptions,
) -> Prior:
    """Draw from Beta and truncated normal-inverse-gamma, given counts, sums and sums of squares of ln e, [C, G, S] each."""
    count, total, squares = sums
    _, log_mean, variance, _, *weights = (np.asarray(v) for v in ground[:6])
    mean = (total + weights[0] * log_mean) / (count + weights[0])
    within = squares - 2 * mean * total + count * mean**2
    spread = np.maximum(within, 0) + weights[1] * variance + weights[0] * (mean - log_mean) ** 2
    log_sd = _cut_sd(rng, count + weights[1], spread, options)
    drawn = mean + log_sd / np.sqrt(count + weights[0]) * rng.standard_normal(log_sd.shape)
    present = _drawn_presence(rng, count, np.asarray(weight) - count, ground, options)
    return Prior(np.clip(present, *_POSSIBLE), drawn, log_sd)


def _drawn_presence(
    rng: np.random.Generator, on: np.ndarray, off: np.ndarray, ground: Ground, options: SamplerOptions
) -> np.ndarray:
    """Draw P(present) given the numbers of samples [C, G, S] with and without each signature.

    Its prior is Beta as expected or, with probability ``ground.wrong``, that of a signature of which nothing is known, if that
    one expects less (a robust mixture prior, Schmidli et al. 2014). By Beta alone, a signature that most tumours have would be
    present in all samples of a cohort that lacks it, with next to no mutations.
    """
    if (
        ground.pairs is not None and ground.pairs.shifts is not None
    ):  # one sample says nothing of the others, of which P(present) is
        return np.broadcast_to(presence_alone(ground, on.shape[-1], options), on.shape)
    expected, weight = np.asarray(ground.presence), np.asarray(ground.presence_weight)
    usual = weight * expected, weight * (1 - expected)
    least = weak_presence(on.shape[-1], options)
    weak = options.presence_weight * least, options.presence_weight * (1 - least)
    wrong = np.where(expected > least, np.asarray(ground.wrong)[..., None], 0.0)
    if not wrong.any():
        return rng.beta(on + usual[0], off + usual[1])
    evidence = [betaln(on + a, off + b) - betaln(a, b) for a, b in (usual, weak)]
    with np.errstate(divide="ignore"):
        chance = expit(logit(wrong) + evidence[1] - evidence[0])
    rare = rng.random(on.shape) < chance
    a, b = (np.where(rare, *pair) for pair in zip(weak, usual, strict=True))
    return rng.beta(on + a, off + b)


def _cut_sd(rng: np.random.Generator, degrees: np.ndarray, spread: np.ndarray, options: SamplerOptions) -> np.ndarray:
    """Draw s where spread / s^2 is chi-squared with ``degrees``, cut where s leaves its range.

    What leaves the range is drawn again within it: by the inverse of the distribution function, from the tail in which the range
    lies, for the other one would round to 1. A range so far out that this tail rounds to 0 too holds its mass at its end.
    """
    with np.errstate(divide="ignore", over="ignore"):  # few degrees of freedom give 0 now and then
        found = np.sqrt(spread / rng.chisquare(degrees))
    out = (found < options.least_sd) | (found > options.largest_sd)
    shape, spread = 0.5 * degrees[out], spread[out]
    halves = [0.5 * spread / end**2 for end in (options.largest_sd, options.least_sd)]
    above, below = ([tail(shape, half) for half in halves] for tail in (gammaincc, gammainc))
    far = halves[0] > shape
    low, high = (np.where(far, *pair) for pair in zip(above, below, strict=True))
    place = low + (high - low) * rng.random(len(shape))
    half = np.where(far, gammainccinv(shape, place), gammaincinv(shape, place))
    end = np.where(far, options.largest_sd, options.least_sd)
    with np.errstate(divide="ignore"):
        inside = np.clip(np.sqrt(0.5 * spread / half), options.least_sd, options.largest_sd)
    found[out] = np.where(low == high, end, inside)
    return found
