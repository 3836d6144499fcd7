"""Upper ends for exposures with too few draws above 0 to read one off: what the counts allow if the signature is present."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from vaebench.signatures.sampler.gibbs import Prior, Problem

_POINTS = 64  # of the grid on which likelihood times slab is summed
_SURE = 0.5  # P(present) from which a signature adapts when another one is put in


def upper_limits(
    problem: Problem, mean: np.ndarray, presence: np.ndarray, prior: Prior, level: float, rows: slice
) -> np.ndarray:
    """Upper ends [t, S] of exposures given that they are present, for the samples ``rows``.

    The likelihood of one exposure is taken for Gaussian about the posterior means, the exposures of the signatures that are
    present adapting to it, and is multiplied by the slab of the prior.

    Args:
        problem: data and noise of all samples.
        mean: [T, S], posterior means of the exposures.
        presence: [T, S], P(present).
        prior: [T, S].
        level: nominal coverage.
        rows: the samples to compute.
    """
    x, signatures = np.asarray(problem.x)[rows], np.asarray(problem.signatures)
    weight = 1 / np.asarray(problem.variance)[rows]
    e, there = mean[rows], presence[rows] > _SURE
    residual = (x - e @ signatures) * weight
    score = residual @ signatures.T
    information = np.einsum("kc,tc,lc->tkl", signatures, weight, signatures, optimize=True)
    # what the present signatures take up of one more: a Schur complement, those that are absent left out
    both = there[:, :, None] & there[:, None, :]
    eye = np.eye(len(signatures))
    inner = (
        np.where(both, information, 0.0)
        + eye * np.where(there, 1e-9 * np.einsum("tkk->tk", information), 1.0)[:, :, None]
    )
    cross = np.where(there[:, :, None], information, 0.0)
    solved = np.linalg.solve(inner, cross)
    alone = np.einsum("tkk->tk", information)
    left = np.maximum(alone - np.einsum("tlk,tlk->tk", cross, solved), 1e-6 * alone)
    sd = 1 / np.sqrt(left)
    centre = e + score / left
    high = np.maximum(centre, 0) + 6 * sd
    grid = np.geomspace(1e-4, 1.0, _POINTS)[:, None, None] * high
    log_mean, log_sd = (np.asarray(v)[rows] for v in prior[1:])
    log_weight = -0.5 * ((grid - centre) / sd) ** 2 - 0.5 * ((np.log(grid) - log_mean) / log_sd) ** 2
    # points are even in ln e, so that the 1 / e of the slab cancels
    mass = np.exp(log_weight - log_weight.max(0))
    below = np.cumsum(mass, 0) / mass.sum(0)
    place = np.argmax(below >= 0.5 * (1 + level), 0)
    found = np.take_along_axis(grid, place[None], 0)[0]
    return np.minimum(found, np.maximum(centre, 0) + ndtri(0.5 * (1 + level)) * 2 * sd)
