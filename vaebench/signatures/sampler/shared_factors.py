"""Exposures under channel factors that are known up to an error, the same one for all samples.

A refit multiplies signatures by factors f_c of its cohort or of an earlier one (:mod:`vaebench.signatures.adaptation`), and its
chains take them as known. Let d_c be the error of ln f_c, e the exposures of sample t and s_k the signatures as adapted. The mean
of its counts is off by

    sum_k e_k (d - s_k . d) o s_k,

o the product by channel, and the exposures follow. How far factors may err depends on what exposures can make up for: a common
error of the factors and a common change of exposures can look alike. To first order all of this is Gaussian,

    ln f_c ~ N(0, w^2),   e'_k = e_k (1 + a_k + b_tk),   a_k ~ N(0, v_k / n_k),   b_tk ~ N(0, v_k),

with the prior's variance v_k of ln e, and n_k the samples that its expected mean counts for: a change that the whole cohort
shares costs little, since the mean of the prior is learned from the same counts.

  1. :func:`factor_law`  the Gaussian posterior of d, and of a; every b_t is summed out
  2. :func:`moved`       each draw of the exposures is given a draw of d, and changes to what the counts then say
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vaebench.signatures.sampler.draws import Draws
from vaebench.signatures.sampler.problem import Problem

_USED = 0.05  # P(present) in some sample from which a signature moves


class FactorErrors(NamedTuple):
    """Distribution of the errors d of ln f: ``mean + root @ n`` with standard normal n.

    Attributes:
        mean: [M].
        root: [M, r].
    """

    mean: np.ndarray
    root: np.ndarray


class FactorLaw(NamedTuple):
    """Gaussian posterior of the errors d and of what they change in all samples, by the same standard normal n [r].

    Attributes:
        errors: d.
        common_mean: [S'], mean of a.
        common_root: [S', r].
        used: [S'], the signatures that move.
    """

    errors: FactorErrors
    common_mean: np.ndarray
    common_root: np.ndarray
    used: np.ndarray


def factor_law(
    problem: Problem,
    exposures: np.ndarray,
    presence: np.ndarray,
    log_sd: np.ndarray,
    weight: np.ndarray,
    before: FactorErrors,
) -> FactorLaw:
    """Posterior of the errors of factors.

    Args:
        problem: of the cohort, with signatures as adapted.
        exposures: [T, S], posterior means.
        presence: [T, S], P(present).
        log_sd: [T, S], standard deviation of ln e in the prior of each sample.
        weight: n [S].
        before: errors before the counts: of factors learned from these counts ``FactorErrors(-ln f, w I)``, or those that an
            earlier cohort left.
    """
    used = np.flatnonzero(presence.max(0) > _USED)
    signatures, rank = np.asarray(problem.signatures)[used], before.root.shape[1]
    variances = np.mean(np.square(log_sd[:, used]), 0)
    precision = np.diag(np.concatenate([np.ones(rank), weight[used] / variances]))
    slope = np.zeros(len(precision))
    parts = (np.asarray(problem.x), exposures[:, used], log_sd[:, used], np.asarray(problem.variance))
    for x, e, spread, variance in zip(*parts, strict=True):
        by_signature = signatures.T * e
        by_factor = np.diag(by_signature.sum(1)) - by_signature @ signatures
        moves, scaled = np.hstack([by_factor @ before.root, by_signature]), by_signature * spread
        weighted = np.linalg.solve(np.diag(variance) + scaled @ scaled.T, moves)
        precision += moves.T @ weighted
        # the exposures are the likeliest ones, so that what the counts are off by has no slope in them
        slope[:rank] += moves[:, :rank].T @ ((x - by_signature.sum(1)) / variance)
        slope -= weighted.T @ (by_factor @ before.mean)
    both = np.linalg.inv(precision)
    mean = both @ slope
    values, vectors = np.linalg.eigh(0.5 * (both[:rank, :rank] + both[:rank, :rank].T))
    scatter = vectors * np.sqrt(np.maximum(values, 0.0))
    given = np.linalg.solve(both[:rank, :rank], both[:rank, rank:]).T
    errors = FactorErrors(before.mean + before.root @ mean[:rank], before.root @ scatter)
    return FactorLaw(errors, mean[rank:], given @ scatter, used)


def moved(rng: np.random.Generator, draws: Draws, law: FactorLaw, problem: Problem, log_sd: np.ndarray) -> Draws:
    """``draws`` of the exposures, each with a draw of the factors' errors; other arguments are those of :func:`factor_law`."""
    found, used = Draws(*draws.shape), law.used
    signatures, spread = np.asarray(problem.signatures)[used], log_sd[:, used]
    weighted = signatures / np.asarray(problem.variance)[:, None]  # [T, S', M]
    information, rows = weighted @ signatures.T, np.arange(len(spread))[:, None, None]
    for place in range(draws.shape[1]):
        exposures = draws.at(place).astype(np.float64)
        for own in exposures:
            normal = rng.standard_normal(law.common_root.shape[1])
            error = law.errors.mean + law.errors.root @ normal
            e = own[:, used]
            change = e * (law.common_mean + law.common_root @ normal)
            away = e @ (signatures * error) + (change - e * (signatures @ error)) @ signatures
            # b is the ridge regression of what the counts are off by, in units of its prior's spread; absent signatures stay
            there = np.argsort(e == 0, axis=1, kind="stable")[:, : max(int((e > 0).sum(1).max()), 1)]
            scale = np.take_along_axis(e * spread, there, 1)
            system = information[rows, there[:, :, None], there[:, None, :]] * scale[:, :, None] * scale[:, None]
            pull = scale * np.take_along_axis(np.matmul(weighted, away[..., None])[..., 0], there, 1)
            answer = np.linalg.solve(system + np.eye(there.shape[1]), pull[..., None])[..., 0]
            np.put_along_axis(change, there, np.take_along_axis(change, there, 1) - scale * answer, 1)
            own[:, used] = np.maximum(e + change, 0.0)
        found.put(place, exposures)
    return found
