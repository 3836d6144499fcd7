"""Upper ends for exposures with too few draws above 0 to read one off: what the counts allow if the signature is present."""

from __future__ import annotations

import numpy as np

from vaebench.signatures.likelihood import BACKGROUND
from vaebench.signatures.sampler.problem import Prior, Problem

_POINTS = 16  # of the grid on which the likelihood is computed
_FINE = 16  # of each of its cells, on which its logarithm is linear
_WIDE = 4.5  # standard deviations of the likelihood to the end of the grid
_SURE = 0.5  # P(present) from which a signature adapts when another one is put in


def upper_limits(
    problem: Problem,
    mean: np.ndarray,
    presence: np.ndarray,
    prior: Prior,
    level: float,
    rows: slice,
    noise: str = "poisson",
) -> np.ndarray:
    """Upper ends [t, S] of exposures given that they are present, for the samples ``rows``.

    One exposure moves along a line, on which the signatures that are present give way to it until one of them is used up. The
    end is that of the likelihood on this line times the slab of the prior.

    Args:
        problem: data and noise of all samples.
        mean: [T, S], posterior means of the exposures.
        presence: [T, S], P(present).
        prior: [T, S].
        level: nominal coverage.
        rows: the samples to compute.
        noise: a name in :data:`vaebench.signatures.sampler.problem.NOISES`.
    """
    x, signatures = np.asarray(problem.x, np.float64)[rows], np.asarray(problem.signatures, np.float64)
    variance, e = np.asarray(problem.variance, np.float64)[rows], mean[rows]
    share = _given_way(signatures, 1 / variance, presence[rows] > _SURE)
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.min(np.where(share > 0, e[:, None, :] / share, np.inf), 2)  # [t, S], where one of them is used up
    apart = share @ signatures  # [t, S, M]
    high = _highest(x - e @ signatures, variance, e, (signatures - apart, signatures), room, noise != "gaussian")
    fraction = np.linspace(0, 1, _POINTS) ** 2  # denser near 0
    dispersion = np.broadcast_to(np.asarray(problem.dispersion, np.float64), len(mean))[rows, None]
    # as in the sampler: rounded means are more exact than float32
    kind = np.float64 if noise == "gaussian" else np.float32
    spectra, away, free = signatures.astype(kind), apart.astype(kind), room.astype(kind)[..., None]
    log = np.empty((_POINTS, *e.shape), kind)
    for i, part in enumerate(fraction):
        change = (part * high - e).astype(kind)[..., None]
        moved = change * spectra - np.minimum(change, free) * away
        log[i] = _gain(x, e @ signatures, moved, variance, problem, noise) / dispersion
        if noise == "dirichlet":
            totals = (x.sum(1, keepdims=True), e.sum(1, keepdims=True), moved.sum(2, keepdims=True))
            log[i] += (1 - 1 / dispersion) * _gain(*totals, totals[0], problem, "poisson")
    at = np.linspace(0, _POINTS - 1, (_POINTS - 1) * _FINE + 1)[1:]
    left = np.minimum(at.astype(int), _POINTS - 2)
    inner = (at - left)[:, None, None]
    places = fraction[left] + inner[:, 0, 0] * (fraction[left + 1] - fraction[left])
    fine = log[left] * (1 - inner) + log[left + 1] * inner - log.max(0)
    grid, step = places[:, None, None] * high, np.diff(places, prepend=0)[:, None, None]
    log_mean, log_sd = (np.asarray(v)[rows] for v in prior[1:])
    weight = fine - 0.5 * ((np.log(grid) - log_mean) / log_sd) ** 2 - np.log(grid) + np.log(step)
    mass = np.exp(weight - weight.max(0))
    below = np.cumsum(mass, 0) / mass.sum(0)
    return np.take_along_axis(grid, np.argmax(below >= 0.5 * (1 + level), 0)[None], 0)[0]


def _given_way(signatures: np.ndarray, weight: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Mutations [t, S, S] that each signature ``there`` [t, S] (the last axis) gives up for one more of another one."""
    information = np.einsum("kc,tc,lc->tkl", signatures, weight, signatures, optimize=True)
    both = there[:, :, None] & there[:, None, :]
    alone = np.einsum("tkk->tk", information)
    inner = np.where(both, information, 0.0) + np.eye(len(signatures)) * np.where(there, 1e-9 * alone, 1.0)[:, :, None]
    solved = np.swapaxes(np.linalg.solve(inner, np.where(there[:, :, None], information, 0.0)), 1, 2)
    solved[:, np.arange(len(signatures)), np.arange(len(signatures))] = 0.0  # not for itself
    return solved


def _highest(
    rest: np.ndarray,
    variance: np.ndarray,
    e: np.ndarray,
    lines: tuple[np.ndarray, np.ndarray],
    room: np.ndarray,
    grows: bool,
) -> np.ndarray:
    """Exposures [t, S] beyond which the likelihood is negligible, a Gaussian about ``rest`` [t, M], counts less means.

    It goes along the first of two ``lines``, [t, S, M] and [S, M], and beyond ``room`` [t, S], where nothing gives way any more,
    along the second. Its ``variance`` is that at these exposures where it ``grows`` with them (Wilson 1927).
    """
    high = np.zeros(e.shape)
    for _ in range(4):
        spread = variance[:, None, :] + grows * high[..., None] * lines[1]
        ends = []
        for spectrum in lines:
            information = np.maximum(np.sum(spectrum**2 / spread, 2), 1e-12)
            centre = np.sum(spectrum * rest[:, None, :] / spread, 2) / information
            ends.append((centre, _WIDE / np.sqrt(information)))
        (centre, wide), (alone, narrow) = ends
        high = np.minimum(np.maximum(e + centre, 0) + wide, e + room + np.maximum(alone, 0) + narrow)
    return high


def _gain(
    x: np.ndarray, mean: np.ndarray, change: np.ndarray, variance: np.ndarray, problem: Problem, noise: str
) -> np.ndarray:
    """Increase [t, S] of the log likelihood of counts x [t, M] when their ``mean`` [t, M] moves by ``change`` [t, S, M]."""
    x, mean, variance = (v.astype(change.dtype)[:, None, :] for v in (x, mean, variance))
    if noise == "gaussian":
        return np.sum(change * (2 * (x - mean) - change) / (2 * variance), 2)
    ratio = x * np.log1p(np.maximum(change / (mean + BACKGROUND), -1 + 1e-7))
    if noise != "negative_binomial":
        return np.sum(ratio - change, 2)
    size = change.dtype.type(problem.size)
    return np.sum(ratio - (x + size) * np.log1p(np.maximum(change / (mean + size), -1 + 1e-7)), 2)
