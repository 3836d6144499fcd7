"""Fits of a given number of signatures, and the moves between fits: add, drop and swap a signature.

A swap (:func:`swap_signatures`) finds what a fit misses, typically a signature that few samples have:

  1. candidates   residuals and spectra of the samples that fit worst; each is updated there with all exposures, and the one
                  that saves most is added (:func:`best_candidate`, :func:`add_signature`)
  2. refit        from the new exposures, and annealed; the better one stays (:func:`best_of_two`)
  3. drop         the signature without which the samples that have it lose least (:func:`usefulness`)
  4. refit        as in 2; accepted if the criterion decreases by at least ``options.swap_gain``
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.signatures.kl_nmf import TINY, exposure_update, padded, updated_exposures
from vaebench.signatures.sparse.annealing import anneal
from vaebench.signatures.sparse.criterion import Score, deviances, score_fit
from vaebench.signatures.sparse.known import KnownSignatures, missing_known, targets
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.signatures.sparse.saem import SpectrumPrior, refine
from vaebench.signatures.steps import kept
from vaebench.signatures.tables import Array


class SparseFit(NamedTuple):
    """A scored fit; signatures that died out during the fit are left out.

    Attributes:
        signatures: [S, M], rows that sum to 1.
        presence: [T, S] posterior probability that the exposure is not 0.
        score: the criterion, and the exposures [T, S] at which it was computed.
    """

    signatures: np.ndarray
    presence: np.ndarray
    score: Score


class CandidateSignature(NamedTuple):
    """A new signature that competes to be added.

    Attributes:
        signature: [M], sums to 1.
        gain: deviance minus ln M that it saves, summed over the samples that are better off with it.
        exposures: [T, S + 1], its own last; those of the known signatures differ from before only in these samples.
    """

    signature: np.ndarray
    gain: float
    exposures: np.ndarray


def fit_signatures(
    x: jax.Array,
    signatures: np.ndarray,
    key: jax.Array,
    options: SparseOptions,
    *,
    exposures: np.ndarray | None = None,
    draws: int | None = None,
    known: KnownSignatures | None = None,
) -> SparseFit:
    """Fit by stochastic approximation EM from ``signatures`` [S, M].

    Args:
        x: [T, M] counts, float32.
        signatures: to start from.
        key: random key.
        options: see :class:`SparseOptions`.
        exposures: [T, S] to start from; without them signatures are annealed first.
        draws: ``options.draws`` unless given.
        known: prior on the spectra; the signatures to start from decide which known one each is drawn to.
    """
    start = padded(signatures)
    if exposures is None:
        start, active = anneal(x, start, options)
    else:
        active = _padded_columns(exposures, len(start))
    prior = None
    if known is not None:
        wanted = targets(np.asarray(start, np.float64), known, options)
        prior = SpectrumPrior(jnp.asarray(wanted, jnp.float32), known.weight)
    fit = refine(key, x, start, active, options.draws if draws is None else draws, options, prior)
    # Two supports are scored. Signatures that are likely one by one may not be so together: of two similar ones each may
    # have a probability below a half although one of them is needed; the last draw has one of them.
    likely = jnp.where(fit.presence > options.likely, fit.exposures, 0.0)
    score = score_fit(x, fit.signatures, likely, fit.draw, options=options, known=known)
    found = np.asarray(fit.signatures)
    there = found.any(axis=1)
    return SparseFit(found[there], np.asarray(fit.presence)[:, there], score)


def _padded_columns(exposures: np.ndarray, size: int) -> jax.Array:
    """``exposures`` [T, S] in float32, with columns of zeros up to ``size``."""
    return jnp.zeros((len(exposures), size), jnp.float32).at[:, : exposures.shape[1]].set(exposures)


def best_of_two(
    x: jax.Array,
    signatures: np.ndarray,
    exposures: np.ndarray,
    key: jax.Array,
    options: SparseOptions,
    known: KnownSignatures | None = None,
) -> SparseFit:
    """The fit with the lower criterion of two from ``signatures`` [S, M]: annealed first, and from ``exposures`` [T, S].

    Annealing separates signatures that share spectra, but turns a candidate that few samples have into a duplicate of a
    common signature. Started from its exposures, the candidate stays in the samples that need it.
    """
    first, second = jax.random.split(key)
    annealed = fit_signatures(x, signatures, first, options, known=known)
    continued = fit_signatures(x, signatures, second, options, exposures=exposures, known=known)
    return min(annealed, continued, key=lambda fit: fit.score.criterion)


def add_signature(
    x: jax.Array, fit: SparseFit, key: jax.Array, options: SparseOptions, known: KnownSignatures | None = None
) -> SparseFit:
    """Fit with the best candidate added, or with the known signature that is missing most, whichever is better.

    It may have no more signatures than before, since the candidate may die out.
    """
    spectra = padded(fit.signatures)
    candidate = best_candidate(x, spectra, _padded_columns(fit.score.exposures, len(spectra)), options)
    exposures = candidate.exposures[:, [*range(len(fit.signatures)), -1]]  # without those of padding
    more = [(candidate.signature, exposures)]
    if known is not None:
        missing = missing_known(np.asarray(x, np.float64), fit.signatures, fit.score.exposures, known, options)
        more += [] if missing is None else [missing]
    keys = [key] if len(more) == 1 else jax.random.split(key, len(more))
    fits = [
        best_of_two(x, np.vstack([fit.signatures, new[None]]), begin, own, options, known)
        for (new, begin), own in zip(more, keys, strict=True)
    ]
    return min(fits, key=lambda one: one.score.criterion)


@kept
def swap_signatures(
    x: jax.Array, fit: SparseFit, key: jax.Array, options: SparseOptions, known: KnownSignatures | None = None
) -> tuple[SparseFit, SparseFit, int]:
    """Swap signatures while the criterion decreases by at least ``options.swap_gain``, ``options.swaps`` times at most.

    After a fit one signature is often a duplicate of another or half of a split one, while the samples of a missing
    signature fit badly. A swap repairs both at once.

    Returns:
        The fit after the swaps, the fit with one more signature that was tried last (a start for the next number of
        signatures), and the number of swaps.
    """
    count = len(fit.signatures)
    for swaps in range(options.swaps + 1):
        key, add_key, drop_key = jax.random.split(key, 3)
        larger = add_signature(x, fit, add_key, options, known)
        if swaps == options.swaps or len(larger.signatures) <= count:
            break
        whole = padded(larger.signatures)
        useless = int(np.argmin(usefulness(x, whole, _padded_columns(larger.score.exposures, len(whole)), options)))
        if useless == count:  # the candidate itself
            break
        left = np.delete(larger.score.exposures, useless, 1)
        tried = best_of_two(x, np.delete(larger.signatures, useless, 0), left, drop_key, options, known)
        if tried.score.criterion > fit.score.criterion - options.swap_gain:
            break
        fit = tried
    return fit, larger, swaps


def candidate_spectra(x: np.ndarray, mean: np.ndarray, order: np.ndarray, options: SparseOptions) -> np.ndarray:
    """Spectra [J, M] of candidates before any update, rows that sum to 1.

    The positive residuals of each of the worst samples, their sums over several of the worst, and whole spectra of the
    worst; how many, ``options`` say.

    Args:
        x: [T, M] counts.
        mean: [T, M] fitted.
        order: [T] positions of the samples, the worst fitted first.
        options: ``single_residuals``, ``summed_residuals``, ``whole_spectra`` and ``candidate_floor`` are used.
    """
    worst = order[: max(options.single_residuals, *options.summed_residuals)]
    residuals = np.maximum(x[worst] - mean[worst], 0.0)
    found = [
        *residuals[: options.single_residuals],
        *(residuals[:many].sum(0) for many in options.summed_residuals),
        *np.asarray(x[order[: options.whole_spectra]], np.float64),
    ]
    shares = np.array([spectrum / max(spectrum.sum(), TINY) for spectrum in found]) + options.candidate_floor
    return shares / shares.sum(1, keepdims=True)


@functools.partial(jax.jit, static_argnames="options")
def _update_candidates(
    x: jax.Array, signatures: jax.Array, exposures: jax.Array, candidates: jax.Array, options: SparseOptions
) -> tuple[jax.Array, jax.Array]:
    """Candidates [J, M] and exposures [J, H, S + 1] of x [H, M] after updates in which the known signatures are fixed."""
    total = x.sum(1, keepdims=True)
    shape = jnp.ones(len(signatures) + 1).at[-1].set(options.candidate_shape)[None, :]
    share = options.spread_share / len(signatures) * (signatures.sum(1) > 0)
    known_share = 1 - options.candidate_share
    start = jnp.concatenate([known_share * exposures + total * share[None, :], options.candidate_share * total], 1)

    def one(candidate: jax.Array) -> tuple[jax.Array, jax.Array]:
        def step(_: int, both: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            new, exposures = both
            everything = jnp.concatenate([signatures, new[None, :]], 0)
            exposures = exposure_update(x, everything, exposures, shape)
            ratio = x / (exposures @ everything + TINY)
            moved = new * (exposures[:, -1] @ ratio)
            return moved / jnp.maximum(moved.sum(), TINY), exposures

        return jax.lax.fori_loop(0, options.candidate_iterations, step, (candidate, start))

    return jax.vmap(one)(candidates)


def best_candidate(x: jax.Array, signatures: Array, exposures: Array, options: SparseOptions) -> CandidateSignature:
    """The candidate that gains most on the samples that fit worst.

    Args:
        x: [T, M] counts.
        signatures: [S, M], rows of zeros for padding.
        exposures: [T, S] at the maximum of the likelihood, zeros where nothing is present.
        options: ``worst_samples``, and those of :func:`candidate_spectra` and its updates, are used.
    """
    counts, found, known = np.asarray(x), np.asarray(exposures), np.asarray(signatures)
    each = deviances(counts, known, found)
    order = np.argsort(-each, kind="stable")
    rows = order[: options.worst_samples]
    start = jnp.asarray(candidate_spectra(counts, found @ known, order, options), jnp.float32)
    new, moved = _update_candidates(x[rows], jnp.asarray(signatures), jnp.asarray(found[rows]), start, options)
    spectra, row_exposures = np.asarray(new), np.asarray(moved)
    saved = np.array(
        [
            each[rows] - deviances(counts[rows], np.vstack([known, s[None]]), e) - np.log(counts.shape[1])
            for s, e in zip(spectra, row_exposures, strict=True)
        ]
    )
    gains = np.maximum(saved, 0).sum(1)  # a sample that is no better off does without the candidate
    best = int(np.argmax(gains))
    better = saved[best] > 0
    exposures = np.pad(found, ((0, 0), (0, 1)))
    exposures[rows[better]] = row_exposures[best][better]
    return CandidateSignature(spectra[best], float(gains[best]), exposures)


@functools.partial(jax.jit, static_argnames="options")
def _exposures_without_each(
    x: jax.Array, signatures: jax.Array, exposures: jax.Array, options: SparseOptions
) -> jax.Array:
    """Exposures [S, T, S] near the maximum of the likelihood when one signature after the other is dropped."""
    count = len(signatures)
    there = (signatures.sum(1) > 0).astype(jnp.float32)
    restored = options.restored_share

    def one(k: jax.Array) -> jax.Array:
        left = there * (jnp.arange(count) != k)
        spread = x.sum(1, keepdims=True) * (left / jnp.maximum(left.sum(), 1.0))[None, :]
        start = (1 - restored) * exposures * left[None, :] + restored * spread
        return updated_exposures(x, signatures * left[:, None], start, 1.0, options.dropped_iterations)

    return jax.lax.map(one, jnp.arange(count))


def usefulness(x: jax.Array, signatures: Array, exposures: Array, options: SparseOptions) -> np.ndarray:
    """Usefulness [S] of each signature: the increase of deviance when it is dropped, minus ln M per sample that has it.

    Summed over the samples that have the signature; infinite for padding. By deviance alone a duplicate of a common
    signature, which helps a thousand samples a little, would look more useful than a rare signature, so each exposure is
    charged ln M as in the criterion.

    Args:
        x: [T, M] counts.
        signatures: [S, M], rows of zeros for padding.
        exposures: [T, S] at the maximum of the likelihood, zeros where nothing is present.
        options: ``restored_share``, ``dropped_iterations`` and ``present`` are used.
    """
    counts, known, found = np.asarray(x), np.asarray(signatures), np.asarray(exposures)
    each = deviances(counts, known, found)
    without = np.asarray(_exposures_without_each(x, jnp.asarray(signatures), jnp.asarray(found), options))
    increases = np.full(len(known), np.inf)
    for k in np.flatnonzero(known.any(1)):
        rows = np.flatnonzero(found[:, k] > options.present)
        left = known * (np.arange(len(known)) != k)[:, None]
        increase = deviances(counts[rows], left, without[k][rows]) - each[rows]
        increases[k] = np.sum(increase - np.log(counts.shape[1]))
    return increases
