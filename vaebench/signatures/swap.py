"""Fits of a given number of signatures, and the move that finds rare ones: add a seed, fit again, have one fewer."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.signatures.annealing import Score, annealed, padded, scored
from vaebench.signatures.growing import best_seed, usefulness
from vaebench.signatures.matching import cosines
from vaebench.signatures.saem import improved

DRAWS = 200
"""Draws of a stochastic fit."""

SWAPS = 3
"""Most swaps at one number of signatures."""

WORTH = 50.0
"""Fall of the criterion that makes a swap more than noise of the draws."""

ALIKE = 0.93
"""Cosine from which two signatures are taken for one that was found twice: the most alike published ones have 0.928.

SBS12 and SBS26, of PCAWG's 65 (2019); in COSMIC 3.4 SBS10d and SBS56, a possible artefact, have 0.979.
"""


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


def found_twice(signatures: np.ndarray) -> tuple[int, int] | None:
    """The most similar two of ``signatures`` [S, 96], where they are alike."""
    similarity = np.triu(cosines(signatures, signatures), 1)
    if similarity.max(initial=0.0) < ALIKE:
        return None
    first, second = np.unravel_index(int(np.argmax(similarity)), similarity.shape)
    return int(first), int(second)


def rank(fit: Fitted) -> tuple[bool, float]:
    """By which fits are compared: the criterion, and behind all others those that hold a signature twice.

    A blend of two flat signatures that many samples share spares each of these an exposure, which the criterion rewards by
    more than a rare signature gains.
    """
    return found_twice(fit.signatures) is not None, fit.score.criterion


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
    return min(fits, key=rank)


def with_seed(x: Any, fit: Fitted, key: Any) -> Fitted:
    """The fit with the best seed added."""
    known = padded(fit.signatures)
    seed = best_seed(x, known, _widened(fit.score.exposures, len(known)))
    count = len(fit.signatures)
    exposures = seed.exposures[:, [*range(count), -1]]
    return refitted(x, np.vstack([fit.signatures, seed.signature[None]]), exposures, key)


def shrunk(x: Any, larger: Fitted) -> list[tuple[np.ndarray, np.ndarray]]:
    """Starts with one signature fewer than ``larger``, whose last is new and stays: signatures [S - 1, 96], exposures [T, S - 1].

    One lacks the signature of least use. Where the most similar two are alike, as halves of one are, another has these as one:
    neither half is of little use by itself.
    """
    signatures, exposures = larger.signatures, larger.score.exposures
    last, found = len(signatures) - 1, []
    whole = padded(signatures)
    useless = int(np.argmin(usefulness(x, whole, _widened(exposures, len(whole)))))
    if useless != last:
        found.append((np.delete(signatures, useless, 0), np.delete(exposures, useless, 1)))
    twice = found_twice(signatures[:last])
    if twice is not None:
        first, second = twice
        both, total = signatures.copy(), exposures.sum(0)
        both[first] = (total[first] * both[first] + total[second] * both[second]) / max(
            total[first] + total[second], 1e-9
        )
        together = exposures.copy()
        together[:, first] += together[:, second]
        found.append((np.delete(both, second, 0), np.delete(together, second, 1)))
    return found


def swapped(x: Any, fit: Fitted, key: Any) -> tuple[Fitted, Fitted, int]:
    """The fit after swaps, the fit with one signature more from which they were made, and the number of swaps.

    After a fit one component is often a duplicate or a split, and the samples of a missing signature fit worst. A swap
    adds the best seed, fits again, drops a signature or takes two for one (:func:`shrunk`), and fits again; it stays if the
    criterion falls, or if no signature is there twice any more (:func:`rank`).
    """
    count = len(fit.signatures)
    for swaps in range(SWAPS + 1):
        key, more, less = jax.random.split(key, 3)
        larger = with_seed(x, fit, more)
        if swaps == SWAPS or len(larger.signatures) <= count:
            break
        tried = [
            refitted(x, *start, own)
            for start, own in zip(shrunk(x, larger), (less, jax.random.fold_in(less, 1)), strict=False)
        ]
        best = min(tried, key=rank, default=fit)
        (twice, criterion), (twice_before, before) = rank(best), rank(fit)
        if (twice, criterion) > (twice_before, before - WORTH):
            break
        fit = best
    return fit, larger, swaps
