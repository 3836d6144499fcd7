"""Split R-hat and effective sample size of Markov chains, vectorised over parameters."""

from __future__ import annotations

import numpy as np


def _halves(draws: np.ndarray) -> np.ndarray:
    """Cut every chain in two: [chains, n, ...] -> [2 chains, n // 2, ...] in float64."""
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, half : 2 * half]]).astype(np.float64)


def r_hat(draws: np.ndarray) -> np.ndarray:
    """Split R-hat [...] of ``draws`` [chains, n, ...]: sqrt((n - 1) / n + B / W), B and W the variances between and within.

    It is 1 where the chains agree, also where none of them moves, and infinite where they are stuck at different values.

    Source: Gelman et al. 2013, Bayesian data analysis, section 11.4; each chain is cut in two.
    """
    halves = _halves(draws)
    n = halves.shape[1]
    within = halves.var(1, ddof=1).mean(0)
    between = halves.mean(1).var(0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.sqrt((n - 1) / n + between / within)
    return np.where(within > 0, found, np.where(between > 0, np.inf, 1.0))


def effective_size(draws: np.ndarray) -> np.ndarray:
    """Effective number [...] of ``draws`` [chains, n, ...] for the estimate of their mean.

    Autocorrelations of the split chains are summed over Geyer's initial monotone sequence of pairs. All draws count where
    no chain moves.

    Source: Vehtari et al. 2021, Rank-normalization, folding, and localization, eqs. 10-11.
    """
    halves = _halves(draws)
    chains, n = halves.shape[:2]
    within = halves.var(1, ddof=1).mean(0)
    centred = halves - halves.mean(1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * n, axis=1)
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :n].mean(0) / n
    pooled = (n - 1) / n * within + halves.mean(1).var(0, ddof=1)
    safe = np.where(pooled > 0, pooled, 1.0)
    # autocovariances have divisor n; the variance within chains has n - 1
    correlation = 1 - (within - covariance * n / (n - 1)) / safe
    correlation[0] = 1.0
    pairs = correlation[0 : n // 2 * 2 : 2] + correlation[1 : n // 2 * 2 : 2]
    kept = np.logical_and.accumulate(pairs > 0, axis=0)
    pairs = np.where(kept, np.minimum.accumulate(np.maximum(pairs, 0), axis=0), 0.0)
    time = 2 * pairs.sum(0) - 1
    # antithetic chains: no more than log10(length) times the draws, as Stan has it
    time = np.maximum(time, 1 / np.log10(chains * n))
    return np.where(pooled > 0, chains * n / time, float(chains * n))
