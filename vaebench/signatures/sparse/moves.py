"""Fits of a given number of signatures, and the move that finds rare ones: add a seed, fit again, drop the least useful."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.signatures.kl_nmf import exposed, padded
from vaebench.signatures.sparse.criterion import PRESENT, Score, annealed, deviances, scored
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


WORST = 76
"""Samples on which seeds compete."""


_SINGLE, _SUMMED, _WHOLE = 12, (4, 10, 30), 5


_TINY = 1e-10


class Seed(NamedTuple):
    """A new signature.

    Attributes:
        signature: [96].
        gain: deviance less ln 96 that it saves in the samples that are better off with it.
        exposures: [T, S + 1], its own last; those of the signatures known change only in these samples.
    """

    signature: np.ndarray
    gain: float
    exposures: np.ndarray


def seeds(x: np.ndarray, mean: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Candidates [J, 96] for a new signature, rows that sum to 1.

    Positive residuals of each of the worst 12 samples, summed residuals of the worst 4, 10 and 30, and the whole spectra of
    the worst 5.

    Args:
        x: [T, 96] counts.
        mean: [T, 96] fitted.
        order: [T] samples, the worst first.
    """
    residuals = np.maximum(x[order[:30]] - mean[order[:30]], 0.0)
    found = [
        *residuals[:_SINGLE],
        *(residuals[:many].sum(0) for many in _SUMMED),
        *np.asarray(x[order[:_WHOLE]], np.float64),
    ]
    shares = np.array([spectrum / max(spectrum.sum(), _TINY) for spectrum in found]) + 1e-4
    return shares / shares.sum(1, keepdims=True)


@jax.jit
def _grown(x: Any, signatures: Any, exposures: Any, candidates: Any) -> tuple[Any, Any]:
    """Each candidate [J, 96] after 150 steps in which only it and the exposures of x [M, 96] move, and its exposures.

    The new exposures have a Gamma prior of shape 0.5, so that a seed stays in the few samples that need it.
    """
    total = x.sum(1, keepdims=True)
    shape = jnp.ones(len(signatures) + 1).at[-1].set(0.5)
    share = 0.01 / len(signatures) * (signatures.sum(1) > 0)
    begin = jnp.concatenate([0.8 * exposures + total * share[None, :], 0.2 * total], 1)

    def one(candidate: Any) -> tuple[Any, Any]:
        def step(_: Any, both: tuple[Any, Any]) -> tuple[Any, Any]:
            new, exposures = both
            everything = jnp.concatenate([signatures, new[None, :]], 0)
            ratio = x / (exposures @ everything + _TINY)
            exposures = jnp.maximum(exposures * (ratio @ everything.T) + (shape - 1)[None, :], 0)
            ratio = x / (exposures @ everything + _TINY)
            moved = new * (exposures[:, -1] @ ratio)
            return moved / jnp.maximum(moved.sum(), _TINY), exposures

        return jax.lax.fori_loop(0, 150, step, (candidate, begin))

    return jax.vmap(one)(candidates)


def best_seed(x: Any, signatures: Any, exposures: Any) -> Seed:
    """The candidate that gains most on the worst samples.

    Args:
        x: [T, 96] counts.
        signatures: [S, 96], rows of zeros where there is none.
        exposures: [T, S] at the maximum of the likelihood, zeros where nothing is present.
    """
    counts, found, known = np.asarray(x), np.asarray(exposures), np.asarray(signatures)
    each = deviances(counts, known, found)
    order = np.argsort(-each, kind="stable")
    rows = order[:WORST]
    candidates = seeds(counts, found @ known, order)
    new, moved = _grown(x[rows], signatures, jnp.asarray(found[rows]), jnp.asarray(candidates, jnp.float32))
    spectra, exposed_rows = np.asarray(new), np.asarray(moved)
    saved = np.array(
        [
            each[rows] - deviances(counts[rows], np.vstack([known, s[None]]), e) - np.log(counts.shape[1])
            for s, e in zip(spectra, exposed_rows, strict=True)
        ]
    )
    gains = np.maximum(saved, 0).sum(1)  # a sample may do without
    best = int(np.argmax(gains))
    better = saved[best] > 0
    exposures = np.pad(found, ((0, 0), (0, 1)))
    exposures[rows[better]] = exposed_rows[best][better]
    return Seed(spectra[best], float(gains[best]), exposures)


@jax.jit
def _without_each(x: Any, signatures: Any, exposures: Any) -> Any:
    """Exposures [S, T, S] near the likelihood's maximum when one signature after the other is dropped."""
    count = len(signatures)
    there = (signatures.sum(1) > 0).astype(jnp.float32)

    def one(k: Any) -> Any:
        left = there * (jnp.arange(count) != k)
        spread = x.sum(1, keepdims=True) * (left / jnp.maximum(left.sum(), 1.0))[None, :]
        begin = 0.9 * exposures * left[None, :] + 0.1 * spread
        return exposed(x, signatures * left[:, None], begin, 1.0, 100)

    return jax.lax.map(one, jnp.arange(count))


def usefulness(x: Any, signatures: Any, exposures: Any) -> np.ndarray:
    """Rise [S] of deviance less ln 96 in the samples that have a signature, when it is dropped; infinite for rows of zeros.

    By deviance alone a duplicate of a common signature, which helps a thousand samples a little, looks more useful than a
    rare signature, so each exposure is charged as in the criterion.

    Args:
        x: [T, 96] counts.
        signatures: [S, 96].
        exposures: [T, S] at the maximum of the likelihood, zeros where nothing is present.
    """
    counts, known, found = np.asarray(x), np.asarray(signatures), np.asarray(exposures)
    each = deviances(counts, known, found)
    without = np.asarray(_without_each(x, signatures, jnp.asarray(found)))
    rises = np.full(len(known), np.inf)
    for k in np.flatnonzero(known.any(1)):
        rows = np.flatnonzero(found[:, k] > PRESENT)
        left = known * (np.arange(len(known)) != k)[:, None]
        rises[k] = np.sum(deviances(counts[rows], left, without[k][rows]) - each[rows] - np.log(counts.shape[1]))
    return rises
