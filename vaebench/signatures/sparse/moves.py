"""Fits of a given number of signatures, and the move that finds rare ones: add a seed, fit again, drop the least useful."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.signatures.annealing import Score, annealed, padded, scored
from vaebench.signatures.growing import best_seed, usefulness
from vaebench.signatures.sparse.saem import improved

DRAWS = 200
"""Draws of a stochastic fit."""

SWAPS = 3
"""Most swaps at one number of signatures."""

WORTH = 50.0
"""Fall of the criterion that makes a swap more than noise of the draws."""


class Fitted(NamedTuple):
    """A fit; a signature that died out on the way is left out.

    Attributes:
        signatures: [S, 96], rows that sum to 1.
        presence: [T, S] posterior probability that the exposure is not 0.
        score: by which it is compared with others, and the exposures [T, S] of those present.
    """

    signatures: np.ndarray
    presence: np.ndarray
    score: Score


def fitted(
    x: Any, signatures: np.ndarray, key: Any, *, exposures: np.ndarray | None = None, draws: int = DRAWS
) -> Fitted:
    """Stochastic fit from ``signatures`` [S, 96], annealed first unless their ``exposures`` [T, S] are given."""
    begin = padded(signatures)
    if exposures is None:
        begin, active = annealed(x, begin)
    else:
        active = _widened(exposures, len(begin))
    fit = improved(key, x, begin, active, draws)
    # what is likely by itself may not go together: of two alike, each may be less likely than not
    score = scored(x, fit.signatures, jnp.where(fit.presence > 0.5, fit.exposures, 0.0), fit.draw)
    found = np.asarray(fit.signatures)
    there = found.any(axis=1)
    return Fitted(found[there], np.asarray(fit.presence)[:, there], score)


def _widened(exposures: np.ndarray, size: int) -> Any:
    """``exposures`` [T, S] with columns of zeros."""
    return jnp.zeros((len(exposures), size), jnp.float32).at[:, : exposures.shape[1]].set(exposures)


def refitted(x: Any, signatures: np.ndarray, exposures: np.ndarray, key: Any) -> Fitted:
    """The better of the fits from ``signatures`` [S, 96], annealed and from their ``exposures`` [T, S].

    Annealing parts signatures that share spectra, but turns a seed that few samples have into a duplicate of a common
    signature; from its exposures it stays in the samples that need it.
    """
    first, second = jax.random.split(key)
    fits = fitted(x, signatures, first), fitted(x, signatures, second, exposures=exposures)
    return min(fits, key=lambda fit: fit.score.criterion)


def with_seed(x: Any, fit: Fitted, key: Any) -> Fitted:
    """The fit with the best seed added."""
    known = padded(fit.signatures)
    seed = best_seed(x, known, _widened(fit.score.exposures, len(known)))
    count = len(fit.signatures)
    exposures = seed.exposures[:, [*range(count), -1]]
    return refitted(x, np.vstack([fit.signatures, seed.signature[None]]), exposures, key)


def swapped(x: Any, fit: Fitted, key: Any) -> tuple[Fitted, Fitted, int]:
    """The fit after swaps, the fit with one signature more from which they were made, and the number of swaps.

    After a fit one component is often a duplicate or a split, and the samples of a missing signature fit worst. A swap
    adds the best seed, fits again, drops the signature of least use, and fits again; it stays if the criterion falls.
    """
    count = len(fit.signatures)
    for swaps in range(SWAPS + 1):
        key, more, less = jax.random.split(key, 3)
        larger = with_seed(x, fit, more)
        if swaps == SWAPS or len(larger.signatures) <= count:
            break
        whole = padded(larger.signatures)
        useless = int(np.argmin(usefulness(x, whole, _widened(larger.score.exposures, len(whole)))))
        if useless == count:  # the seed itself
            break
        left = np.delete(larger.score.exposures, useless, 1)
        tried = refitted(x, np.delete(larger.signatures, useless, 0), left, less)
        if tried.score.criterion > fit.score.criterion - WORTH:
            break
        fit = tried
    return fit, larger, swaps
