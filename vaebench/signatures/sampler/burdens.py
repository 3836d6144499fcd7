"""Burdens: what the sizes of several signatures share in a tumour, given their exposures.

The first burden b_t ~ N(0, v) is shared by all signatures of a tumour, as one of many mutations has more of most. Others,
c_tp ~ N(0, 1), are shared by the signatures of one process: much of SBS2 comes with much of SBS13. Where signature k is present,

    ln e_tk ~ N(m_k + l_k b_t + sum_p a_pk c_tp, s_k^2)

So sizes relative to burdens, which vary less than exposures, say what to expect of a tumour. The columns S are those of the
prior, with versions of signatures among them (:mod:`vaebench.signatures.sampler.versions`).
"""

from __future__ import annotations

import numpy as np

from vaebench.signatures.sampler.grounds import Ground
from vaebench.signatures.sampler.problem import Prior


def _loadings(ground: Ground, groups: np.ndarray) -> np.ndarray:
    """Loadings [T, B, S] of the burdens of each sample, that of all signatures first; S is 1 if they are alike for all."""
    shape, shared = (groups.shape[1], 1), np.asarray(ground.shared, np.float64)
    first = np.atleast_1d(np.asarray(ground.loading, np.float64))[..., None, :]
    if shared.ndim < 2:
        return np.broadcast_to(first, (*shape, first.shape[-1]))[groups.argmax(1)]
    first = np.broadcast_to(first, (*shape, shared.shape[-1]))
    each = np.broadcast_to(shared, (groups.shape[1], *shared.shape[-2:]))
    return np.concatenate([first, each], 1)[groups.argmax(1)]


def shifts_of(burdens: np.ndarray, groups: np.ndarray, ground: Ground) -> np.ndarray:
    """Return what ``burdens`` [C, T, B] add to the mean of ln e, [C, T, S]; [C, T, 1] if all signatures grow alike."""
    return np.matmul(burdens[..., None, :], _loadings(ground, groups))[..., 0, :]


def shift_variances(covariance: np.ndarray, groups: np.ndarray, ground: Ground) -> np.ndarray:
    """Variances [C, T, S] of :func:`shifts_of` burdens with ``covariance`` [C, T, B, B]."""
    loadings = _loadings(ground, groups)
    return np.sum(np.matmul(covariance, loadings) * loadings, -2)


def burden_moments(
    there: np.ndarray, logs: np.ndarray, prior: Prior, groups: np.ndarray, ground: Ground
) -> tuple[np.ndarray, np.ndarray]:
    """Mean [C, T, B] and covariance [C, T, B, B] of the burdens of each sample given the logarithms of its exposures.

    Args:
        there: [C, T, S], 1 for a signature that is present, or its probability.
        logs: [C, T, S], ln e of those that are.
        prior: [C, G, S].
        groups: [T, G] of 0 and 1.
        ground: for v, l and a: its burden, loading and shared.
    """
    root, _, inverse, pull = _burden_parts(there, logs, prior, groups, ground)
    covariance = root[:, :, None] * inverse * root[:, None]
    return np.matmul(covariance, pull[..., None])[..., 0], covariance


def _burden_parts(
    there: np.ndarray, logs: np.ndarray, prior: Prior, groups: np.ndarray, ground: Ground
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Prior standard deviations D [T, B], M = 1 + D I D and its inverse [C, T, B, B], and the pull [C, T, B] of the exposures.

    I is what these tell of the burdens, whose covariance is D M^-1 D. So a burden that does not vary makes no trouble.
    """
    loadings, own = _loadings(ground, groups), groups.argmax(1)
    root = np.ones(loadings.shape[:2])
    root[:, 0] = np.sqrt(np.broadcast_to(np.asarray(ground.burden, np.float64), groups.shape[1]))[own]
    weight = (there / np.square(prior.log_sd[:, own]))[..., None, :] * loadings
    full = np.broadcast_to(loadings, (*loadings.shape[:2], there.shape[-1]))
    information = np.matmul(weight, np.swapaxes(full, -1, -2))
    apart = logs - prior.log_mean[:, own]
    pull = np.matmul(weight, apart[..., None])[..., 0]
    matrix = np.eye(loadings.shape[1]) + root[:, :, None] * information * root[:, None]
    return root, matrix, np.linalg.inv(matrix), pull


def drawn_burdens(
    rng: np.random.Generator, exposures: np.ndarray, prior: Prior, groups: np.ndarray, ground: Ground
) -> np.ndarray:
    """Draw the burdens [C, T, B] given exposures [C, T, S]; the other arguments are those of :func:`burden_moments`."""
    there = exposures > 0
    logs = np.log(np.where(there, exposures, 1.0))
    root, matrix, inverse, pull = _burden_parts(there.astype(np.float64), logs, prior, groups, ground)
    mean = root * np.matmul(inverse, (root * pull)[..., None])[..., 0]
    upper = np.swapaxes(np.linalg.cholesky(matrix), -1, -2)
    noise = np.linalg.solve(upper, rng.standard_normal(mean.shape)[..., None])[..., 0]
    return mean + root * noise


def first_burdens(exposures: np.ndarray, groups: np.ndarray, ground: Ground) -> np.ndarray:
    """Burdens [C, T, B] with which chains begin at exposures [C, T, S].

    The first ones are by the sums of the exposures, the others 0, as are all that do not vary.
    """
    logs = np.log(np.maximum(exposures.sum(-1), 1.0))
    mean = (logs @ groups / np.maximum(groups.sum(0), 1)) @ groups.T  # a type may have samples without mutations only
    varies = groups @ (np.broadcast_to(np.asarray(ground.burden), groups.shape[1]) > 0)
    others = np.zeros((*logs.shape, _loadings(ground, groups).shape[1] - 1))
    return np.concatenate([((logs - mean) * varies)[..., None], others], -1)
