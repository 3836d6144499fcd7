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

from vaebench.signatures.sampler.grounds import Ground, presence_alone, weak_presence
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions
from vaebench.signatures.sampler.problem import GibbsState, Prior
from vaebench.signatures.sampler.versions import columns_of, summed, versions_of

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
        sums: of the exposures, over the samples of each cancer type; signatures with versions have columns for them.
        ground: of the prior, with the same columns.
        options: constants of the sampler.
        separate: the groups are cohorts that share nothing, each with its own row of the ground.

    Deviates: a group's own samples count in the whole cohort's prior and again in its own.
    """
    *parts, samples = sums
    weight = samples[:, None]
    if len(weight) > 1 and not separate:
        whole = _conditional(rng, [v.sum(1, keepdims=True) for v in parts], weight.sum(), ground, options)
        few = options.few
        ground = Ground(whole.presence, whole.log_mean, np.square(whole.log_sd), few, few, few, pairs=ground.pairs)
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
    versions = versions_of(ground.pairs)
    on = summed(count, versions)
    columns = columns_of(versions, on.shape[-1])
    present = _drawn_presence(rng, on, np.asarray(weight) - on, ground, options)
    return Prior(np.clip(present, *_POSSIBLE)[..., columns], drawn, log_sd)


def _drawn_presence(
    rng: np.random.Generator, on: np.ndarray, off: np.ndarray, ground: Ground, options: SamplerOptions
) -> np.ndarray:
    """Draw P(present) given the numbers of samples [C, G, S] with and without each signature.

    Its prior is Beta as expected or, with probability ``ground.wrong``, that of a signature of which nothing is known, if that
    one expects less (a robust mixture prior, Schmidli et al. 2014). By Beta alone, a signature that most tumours have would be
    present in all samples of a cohort that lacks it, with next to no mutations.
    """
    ground = ground._replace(presence=np.asarray(ground.presence)[..., : on.shape[-1]])
    if (
        ground.pairs is not None and ground.pairs.shifts is not None
    ):  # one sample says nothing of the others, of which P(present) is
        return np.broadcast_to(presence_alone(ground, on.shape[-1], options), on.shape)
    expected, weight = np.asarray(ground.presence), np.asarray(ground.presence_weight)
    weight = weight[..., : on.shape[-1]] if weight.ndim else weight
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
