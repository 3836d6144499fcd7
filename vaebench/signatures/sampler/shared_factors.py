"""Exposures under channel factors that are known up to an error, the same one for all samples.

A refit multiplies signatures by factors f_c that it learned from its cohort (:mod:`vaebench.signatures.adaptation`), and its
chains take them as known. Let d_c be the error of ln f_c, e the exposures of sample t and s_k the signatures as adapted. The mean
of its counts is off by

    sum_k e_k (d - s_k . d) o s_k,

o the product by channel, and the exposures follow. How far factors may err depends on what exposures can make up for: a common
error of the factors and a common change of exposures can look alike. To first order all of this is Gaussian,

    ln f_c ~ N(0, w^2),   e'_k = e_k (1 + a_k + b_tk),   a_k ~ N(0, v_k / n_k),   b_tk ~ N(0, v_k),

with the prior's variance v_k of ln e, and n_k the samples that its expected mean counts for: a change that the whole cohort
shares costs little, since the mean of the prior is learned from the same counts.

  1. :func:`factor_law`  the Gaussian posterior of d, and a given d; every b_t is summed out
  2. :func:`moved`       each draw of the exposures is given a draw of d, and changes to what the counts then say
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vaebench.signatures.sampler.draws import Draws
from vaebench.signatures.sampler.problem import Problem

_USED = 0.05  # P(present) in some sample from which a signature moves


class LearnedFactors(NamedTuple):
    """Channel factors that a cohort's signatures were multiplied by.

    Attributes:
        logs: ln f [M].
        sd: w, standard deviation of ln f before counts are seen.
    """

    logs: np.ndarray
    sd: float


class FactorLaw(NamedTuple):
    """Gaussian posterior of the errors d of the logarithms of factors.

    Attributes:
        mean: [M].
        root: [M, M], whose products with standard normal numbers scatter about the mean as d does.
        common: [S', M], whose product with d is a.
        used: [S'], the signatures that move.
    """

    mean: np.ndarray
    root: np.ndarray
    common: np.ndarray
    used: np.ndarray


def factor_law(
    problem: Problem,
    exposures: np.ndarray,
    presence: np.ndarray,
    log_sd: np.ndarray,
    weight: np.ndarray,
    factors: LearnedFactors,
) -> FactorLaw:
    """Posterior of the errors of ``factors``.

    Args:
        problem: of the cohort, with signatures as adapted.
        exposures: [T, S], posterior means.
        presence: [T, S], P(present).
        log_sd: [T, S], standard deviation of ln e in the prior of each sample.
        weight: n [S].
        factors: as learned.
    """
    used = np.flatnonzero(presence.max(0) > _USED)
    signatures, channels = np.asarray(problem.signatures)[used], len(factors.logs)
    variances = np.mean(np.square(log_sd[:, used]), 0)
    precision = np.diag(np.concatenate([np.full(channels, factors.sd**-2), weight[used] / variances]))
    slope = -factors.logs / factors.sd**2
    parts = (np.asarray(problem.x), exposures[:, used], log_sd[:, used], np.asarray(problem.variance))
    for x, e, spread, variance in zip(*parts, strict=True):
        by_signature = signatures.T * e
        by_factor = np.diag(by_signature.sum(1)) - by_signature @ signatures
        moves, scaled = np.hstack([by_factor, by_signature]), by_signature * spread
        precision += moves.T @ np.linalg.solve(np.diag(variance) + scaled @ scaled.T, moves)
        # the exposures are the likeliest ones, so that they add nothing to the slope
        slope = slope + by_factor.T @ ((x - by_signature.sum(1)) / variance)
    both = np.linalg.inv(precision)
    errors = both[:channels, :channels]
    values, vectors = np.linalg.eigh(0.5 * (errors + errors.T))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return FactorLaw(errors @ slope, root, np.linalg.solve(errors, both[:channels, channels:]).T, used)


def moved(rng: np.random.Generator, draws: Draws, law: FactorLaw, problem: Problem, log_sd: np.ndarray) -> Draws:
    """``draws`` of the exposures, each with a draw of the factors' errors; other arguments are those of :func:`factor_law`."""
    found, used = Draws(*draws.shape), law.used
    signatures, spread = np.asarray(problem.signatures)[used], log_sd[:, used]
    weighted = signatures / np.asarray(problem.variance)[:, None]  # [T, S', M]
    information = weighted @ signatures.T
    for place in range(draws.shape[1]):
        exposures = draws.at(place).astype(np.float64)
        for own in exposures:
            error = law.mean + law.root @ rng.standard_normal(len(law.root))
            e = own[:, used]
            change = e * (law.common @ error)
            away = e @ (signatures * error) + (change - e * (signatures @ error)) @ signatures
            # b is the ridge regression of what the counts are off by, in units of its prior's spread
            scale = e * spread
            system = np.eye(len(used)) + scale[:, :, None] * information * scale[:, None]
            pull = scale * np.einsum("tkm,tm->tk", weighted, away)
            change -= scale * np.linalg.solve(system, pull[..., None])[..., 0]
            own[:, used] = np.maximum(e + change, 0.0)
        found.put(place, exposures)
    return found
