"""Fits of a given number of signatures, and the moves between fits: add, drop and swap a signature.

A swap (:func:`swap_signatures`) finds what a fit misses, typically a signature that few samples have:

  1. candidates   residuals and spectra of the samples that fit worst; each is updated there with all exposures, and the one
                  that saves most is added (:func:`best_candidate`, :func:`add_signature`)
  2. trial        from the new exposures, and annealed, with few draws; the better one stays (:func:`better_trial`)
  3. drop         the signature without which the samples that have it lose least (:func:`usefulness`)
  4. refit        as in 2, and with all draws unless hopeless (:func:`finished`); accepted if the criterion decreases by at
                  least ``options.swap_gain``

What has one signature more stays a trial: only the next number of signatures needs it, and finishes it if it is the better start.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.signatures.kl_nmf import padded, updated_exposures
from vaebench.signatures.sparse.annealing import anneal
from vaebench.signatures.sparse.candidates import best_candidate
from vaebench.signatures.sparse.criterion import Score, deviances, score_fit
from vaebench.signatures.sparse.keys import split_key
from vaebench.signatures.sparse.known import KnownSignatures, missing_known, targets
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.signatures.sparse.saem import SpectrumPrior, refine
from vaebench.signatures.steps import kept
from vaebench.signatures.tables import Array
from vaebench.training.compiled import compiled
from vaebench.training.threads import side_by_side


class Observed(NamedTuple):
    """Counts that signatures are fitted to.

    Attributes:
        x: [T, M], float32, each sample times its weight.
        weight: [T, M], of each count beside its sample's weight.
    """

    x: jax.Array
    weight: jax.Array


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


def fit_signatures(
    data: Observed,
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
        data: the counts.
        signatures: to start from.
        key: random key.
        options: see :class:`SparseOptions`.
        exposures: [T, S] to start from; without them signatures are annealed first.
        draws: ``options.draws`` unless given.
        known: prior on the spectra; the signatures to start from decide which known one each is drawn to.
    """
    x, weight = data
    start, active = signatures, exposures
    if active is None:
        start, active = anneal(x, padded(signatures, multiple=options.quick_padding), options, weight)
    start = padded(start, multiple=options.padding)
    active = padded_columns(active, len(start))
    prior = None
    if known is not None:
        wanted = targets(np.asarray(start, np.float64), known, options)
        prior = SpectrumPrior(jnp.asarray(wanted, jnp.float32), known.weight)
    fit = refine(key, x, start, active, options.draws if draws is None else draws, options, weight, prior)
    # Two supports are scored. Signatures that are likely one by one may not be so together: of two similar ones each may
    # have a probability below a half although one of them is needed; the last draw has one of them.
    likely = jnp.where(fit.presence > options.likely, fit.exposures, 0.0)
    score = score_fit(x, fit.signatures, likely, fit.draw, options=options, known=known, weight=weight)
    found = np.asarray(fit.signatures)
    there = found.any(axis=1)
    return SparseFit(found[there], np.asarray(fit.presence)[:, there], score)


def padded_columns(exposures: Array, size: int) -> jax.Array:
    """``exposures`` [T, S] in float32, with columns of zeros up to ``size``."""
    return jnp.asarray(np.pad(np.asarray(exposures, np.float32), ((0, 0), (0, size - exposures.shape[1]))))


def better_trial(
    data: Observed,
    signatures: np.ndarray,
    exposures: np.ndarray,
    key: jax.Array,
    options: SparseOptions,
    known: KnownSignatures | None = None,
) -> SparseFit:
    """The better of two trials from ``signatures`` [S, M]: annealed first, and from ``exposures`` [T, S].

    Annealing separates signatures that share spectra, but turns a candidate that few samples have into a duplicate of a
    common signature. Started from its exposures, the candidate stays in the samples that need it.
    """
    first, second = split_key(key)
    tried = functools.partial(fit_signatures, data, signatures, options=options, draws=options.trial_draws, known=known)
    both = side_by_side(lambda: tried(key=first), lambda: tried(key=second, exposures=exposures))
    return min(both, key=lambda fit: fit.score.criterion)


def finished(
    data: Observed,
    trial: SparseFit,
    key: jax.Array,
    options: SparseOptions,
    known: KnownSignatures | None = None,
    bar: float = np.inf,
) -> SparseFit:
    """A trial after ``options.draws`` more draws, if they lower the criterion; the trial itself if it is hopeless.

    Hopeless is a trial whose criterion is more than ``options.trial_slack`` above ``bar``, that of the fit to beat.
    """
    if trial.score.criterion > bar + options.trial_slack:
        return trial
    more = fit_signatures(data, trial.signatures, key, options, exposures=trial.score.exposures, known=known)
    return min(trial, more, key=lambda one: one.score.criterion)


def add_signature(
    data: Observed, fit: SparseFit, key: jax.Array, options: SparseOptions, known: KnownSignatures | None = None
) -> SparseFit:
    """Trial with the best candidate added, or with the known signature that is missing most, whichever is better.

    It may have no more signatures than before, since the candidate may die out.
    """
    spectra = padded(fit.signatures, multiple=options.quick_padding)
    candidate = best_candidate(data.x, spectra, padded_columns(fit.score.exposures, len(spectra)), options, data.weight)
    exposures = candidate.exposures[:, [*range(len(fit.signatures)), -1]]  # without those of padding
    more = [(candidate.signature, exposures)]
    if known is not None:
        counts = np.asarray(data.x, np.float64)
        missing = missing_known(counts, fit.signatures, fit.score.exposures, known, options, data.weight)
        more += [] if missing is None else [missing]
    keys = [key] if len(more) == 1 else split_key(key, len(more))
    fits = [
        better_trial(data, np.vstack([fit.signatures, new[None]]), begin, own, options, known)
        for (new, begin), own in zip(more, keys, strict=True)
    ]
    return min(fits, key=lambda one: one.score.criterion)


def least_useful(data: Observed, fit: SparseFit, options: SparseOptions) -> int:
    """Position of the signature of least :func:`usefulness`."""
    whole = padded(fit.signatures, multiple=options.padding)
    exposures = padded_columns(fit.score.exposures, len(whole))
    return int(np.argmin(usefulness(data.x, whole, exposures, options, data.weight)))


@kept
def swap_signatures(
    data: Observed, fit: SparseFit, key: jax.Array, options: SparseOptions, known: KnownSignatures | None = None
) -> tuple[SparseFit, SparseFit, int]:
    """Swap signatures while the criterion decreases by at least ``options.swap_gain``, ``options.swaps`` times at most.

    After a fit one signature is often a duplicate of another or half of a split one, while the samples of a missing
    signature fit badly. A swap repairs both at once.

    Returns:
        The fit after the swaps, the trial with one more signature that came last (a start for the next number of
        signatures), and the number of swaps.
    """
    count = len(fit.signatures)
    for swaps in range(options.swaps + 1):
        key, add_key, drop_key = split_key(key, 3)
        larger = add_signature(data, fit, add_key, options, known)
        if swaps == options.swaps or len(larger.signatures) <= count:
            break
        useless = least_useful(data, larger, options)
        if useless == count:  # the candidate itself
            break
        bar = fit.score.criterion - options.swap_gain
        tried = without_signature(data, larger, useless, drop_key, options, known, bar)
        if tried.score.criterion > bar:
            break
        fit = tried
    return fit, larger, swaps


def without_signature(
    data: Observed,
    fit: SparseFit,
    place: int,
    key: jax.Array,
    options: SparseOptions,
    known: KnownSignatures | None = None,
    bar: float = np.inf,
) -> SparseFit:
    """Fit without the signature at ``place``; a trial if it is hopeless beside the criterion ``bar``."""
    left, exposures = np.delete(fit.signatures, place, 0), np.delete(fit.score.exposures, place, 1)
    first, second = split_key(key)
    return finished(data, better_trial(data, left, exposures, first, options, known), second, options, known, bar)


@compiled("options")
def _exposures_without_each(
    x: jax.Array, signatures: jax.Array, exposures: jax.Array, options: SparseOptions, weight: jax.Array | None
) -> jax.Array:
    """Exposures [S, T, S] near the maximum of the likelihood when one signature after the other is dropped; zeros for padding."""
    count = len(signatures)
    there = (signatures.sum(1) > 0).astype(jnp.float32)
    restored = options.restored_share

    def one(k: jax.Array, found: jax.Array) -> jax.Array:
        left = there * (jnp.arange(count) != k)
        spread = x.sum(1, keepdims=True) * (left / jnp.maximum(left.sum(), 1.0))[None, :]
        start = (1 - restored) * exposures * left[None, :] + restored * spread
        without = updated_exposures(x, signatures * left[:, None], start, 1.0, options.dropped_iterations, weight)
        return found.at[k].set(without)

    # padding, which comes last, is not dropped
    last = there.sum().astype(jnp.int32)
    return jax.lax.fori_loop(0, last, one, jnp.zeros((count, *exposures.shape), exposures.dtype))


def usefulness(
    x: jax.Array, signatures: Array, exposures: Array, options: SparseOptions, weight: jax.Array | None = None
) -> np.ndarray:
    """Usefulness [S] of each signature: the increase of deviance when it is dropped, minus ln M per sample that has it.

    Summed over the samples that have the signature; infinite for padding. By deviance alone a duplicate of a common
    signature, which helps a thousand samples a little, would look more useful than a rare signature, so each exposure is
    charged ln M as in the criterion.

    Args:
        x: [T, M] counts.
        signatures: [S, M], rows of zeros for padding.
        exposures: [T, S] at the maximum of the likelihood, zeros where nothing is present.
        options: ``restored_share``, ``dropped_iterations`` and ``present`` are used.
        weight: [T, M], of each count; 1 without.
    """
    counts, known, found = np.asarray(x), np.asarray(signatures), np.asarray(exposures)
    share = None if weight is None else np.asarray(weight)
    each = deviances(counts, known, found, share)
    without = np.asarray(_exposures_without_each(x, jnp.asarray(signatures), jnp.asarray(found), options, weight))
    increases = np.full(len(known), np.inf)
    for k in np.flatnonzero(known.any(1)):
        rows = np.flatnonzero(found[:, k] > options.present)
        left = known * (np.arange(len(known)) != k)[:, None]
        own = None if share is None else share[rows]
        increase = deviances(counts[rows], left, without[k][rows], own) - each[rows]
        increases[k] = np.sum(increase - np.log(counts.shape[1]))
    return increases
