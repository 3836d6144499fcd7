"""Tumour types that a cohort looks like: the prior where nobody names the tissue.

All published types together are a poor prior of any one cohort: most signatures are in few types, and often there. But the
counts say which types a cohort resembles:

  1. tumours     of each type are drawn from its published facts (presence, log-normal sizes, and which go together)
  2. evidence    of a type for a sample: mean multinomial likelihood of the sample's counts over the type's tumours
  3. weights     of the types in the cohort, which is of one type, by the evidence of all its samples together, or of several, by
                 expectation-maximisation of their mixture
  4. ground      of the prior: the types' facts averaged by these weights; it counts for as many samples as agreement allows

Few samples have a mixture of the types' priors in place of 4 (:func:`vaebench.signatures.type_grounds.mixture_of`).

Many mutations fit no drawn tumour exactly, so the likelihood of a sample is that of :data:`_MUTATIONS` of its mutations.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit, logsumexp, softmax

from vaebench.signatures.cooccurrence import Together, drawn_presence, drawn_sizes

_TUMOURS = (
    400  # drawn for each type: then the mean likelihood of a sample of 80 mutations is known to a fifth of itself
)
_MUTATIONS = 100.0  # of a sample that speak for a type
_COHORT = 300.0  # of all samples together that speak for the types of a cohort
_ALIKE = 0.9  # probability that a cohort is of one type
_DRAWN = 2.0  # samples that count before the first in the shares of several types
_SAMPLES = 500  # that are looked at; more would not change the weights
_STEPS = 30  # of expectation-maximisation


class Facts(NamedTuple):
    """Published facts of one tumour type: P(present) and mean and variance of ln(size) given presence, arrays [S]."""

    presence: np.ndarray
    log_mean: np.ndarray
    variance: np.ndarray


def weights_of(evidence: np.ndarray, common: np.ndarray, mutations: ArrayLike) -> np.ndarray:
    """Weights [K] of K tumour types in a cohort of the samples with :func:`evidence` [T, K], which sum to 1.

    They are the expected share of its samples that are of each type; of one sample, the probabilities of its type. A cohort is of
    one type, as most are, or of several. Sample by sample types look alike that all samples of one type together tell apart.

    Args:
        evidence: of the samples.
        common: [K], how common the types are before the counts; among several they count for a sample of each type.
        mutations: [T], of each sample, that its evidence is of (:func:`speaking`).
    """
    one, alike = _of_one_type(evidence, common, mutations)
    return alike * one + (1 - alike) * _mixing(evidence, common, len(common))[0]


def chances_of(evidence: np.ndarray, common: np.ndarray, mutations: ArrayLike) -> np.ndarray:
    """P(type) [T, K] of each sample of a small cohort, given the types that the others look like.

    Before the counts types are as ``common`` as that, which counts as one sample: few samples are mostly of one type. Arguments
    are those of :func:`weights_of`.
    """
    weights, count = [], len(evidence)
    for t in range(count):
        others = np.delete(evidence, t, 0)
        one, alike = _of_one_type(others, common, np.delete(mutations, t))
        one = ((count - 1) * one + common) / count
        weights.append(alike * one + (1 - alike) * _mixing(others, common, 1.0)[1])
    return softmax(evidence + np.log(weights), axis=1)


def _of_one_type(evidence: np.ndarray, common: np.ndarray, mutations: ArrayLike) -> tuple[np.ndarray, float]:
    """Probabilities [K] of the types if all samples are of one, and the probability that they are."""
    # what the facts get wrong all samples share, so that more of them do not say more
    share = min(1.0, _COHORT / max(float(np.sum(mutations)), 1.0))
    before, together = np.log(common), evidence.sum(0)
    odds = logit(_ALIKE) + share * (np.logaddexp.reduce(before + together) - _log_several(evidence, common))
    return softmax(before + share * together), float(expit(odds))


def _log_several(evidence: np.ndarray, common: np.ndarray) -> float:
    """Log likelihood of samples of several types, whose shares are Dirichlet: each sample is predicted from those before it.

    Deviates: these count for each type by its probability, which is exact for two samples.
    """
    counts, total = _DRAWN * common, 0.0
    for own in evidence:
        logs = own + np.log(counts / counts.sum())
        total, counts = total + float(np.logaddexp.reduce(logs)), counts + softmax(logs)
    return total


def _mixing(evidence: np.ndarray, common: np.ndarray, count: float) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the types among samples, and weights of the mixture, for which ``common`` counts as ``count`` samples."""
    weights = shares = common
    for _ in range(_STEPS if len(evidence) else 0):
        shares = softmax(evidence + np.log(weights), axis=1).mean(0)
        weights = (len(evidence) * shares + count * common) / (len(evidence) + count)
    return shares, weights


def looked_at(x: np.ndarray) -> np.ndarray:
    """Those samples of counts x [T, M] that are looked at for the weights of a cohort."""
    return x[np.linspace(0, len(x) - 1, min(len(x), _SAMPLES)).astype(int)]


def speaking(x: np.ndarray) -> np.ndarray:
    """Return how many of the mutations [T] of samples with counts x [T, M] their :func:`evidence` is of."""
    return np.minimum(x.sum(1), _MUTATIONS)


def evidence(
    x: np.ndarray, signatures: np.ndarray, facts: Sequence[Facts], together: Together | None = None, seed: int = 0
) -> np.ndarray:
    """Log likelihood [T, K] of each sample under each of K tumour types.

    Args:
        x: counts [T, M].
        signatures: [S, M], of any scale.
        facts: of each type.
        together: how signatures go together in tumours of a type.
        seed: of the tumours that are drawn.
    """
    tempered = x * np.minimum(1.0, _MUTATIONS / np.maximum(x.sum(1, keepdims=True), 1.0))
    arrays = [signatures, *(np.stack(part) for part in zip(*facts, strict=True)), *(together or ())]
    given = [(np.ascontiguousarray(v, np.float64).tobytes(), v.shape) for v in map(np.asarray, arrays)]
    spectra = _log_spectra(tuple(given), seed)
    return np.stack([logsumexp(tempered @ own, axis=1) for own in spectra], 1) - np.log(_TUMOURS)


@functools.lru_cache(4)
def _log_spectra(given: tuple[tuple[bytes, tuple[int, ...]], ...], seed: int) -> np.ndarray:
    """Logarithms [K, M, n] of the spectra of tumours of each type, from the bytes and shapes of arrays."""
    signatures, presence, log_mean, variance, *more = (np.frombuffer(v).reshape(shape) for v, shape in given)
    together, rng = Together(*more) if more else None, np.random.default_rng(seed)
    found = []
    for facts in map(Facts, presence, log_mean, variance):
        spectra = drawn_shares(facts, _TUMOURS, rng, together) @ signatures
        found.append(np.log(np.maximum(spectra / spectra.sum(1, keepdims=True), 1e-9)).T)
    return np.stack(found)


def drawn_shares(facts: Facts, tumours: int, rng: np.random.Generator, together: Together | None = None) -> np.ndarray:
    """Shares [tumours, S] of the mutations of tumours of a type, each row with a sum of 1.

    Signatures are independent unless the type says which go ``together``. A tumour of which nothing was drawn has the signature
    that is most often present.
    """
    apart = np.sqrt(facts.variance) * drawn_sizes(len(facts.presence), tumours, rng, together)
    there = drawn_presence(facts.presence, tumours, rng, together)
    if together is not None:
        apart = there @ together.changes.T + apart * np.exp(there @ together.spreads.T)
    shares = np.exp(facts.log_mean + apart) * there
    shares[~shares.any(1), np.argmax(facts.presence)] = 1.0
    return shares / shares.sum(1, keepdims=True)


def drawn_tumours(
    facts: Sequence[Facts],
    weights: np.ndarray,
    totals: np.ndarray,
    rng: np.random.Generator,
    together: Together | None = None,
) -> np.ndarray:
    """Draw exposures [T, S] of tumours with ``totals`` [T] mutations, each of a type drawn by ``weights`` [K].

    Signatures go ``together`` as in :func:`drawn_shares`.
    """
    kinds = rng.choice(len(weights), len(totals), p=weights)
    shares = np.empty((len(totals), len(facts[0].presence)))
    for kind in np.unique(kinds):
        own = kinds == kind
        shares[own] = drawn_shares(facts[kind], int(own.sum()), rng, together)
    return shares * totals[:, None]


def averaged(
    facts: Sequence[Facts], weights: np.ndarray, few: Sequence[float], least: Sequence[float]
) -> tuple[Facts, np.ndarray]:
    """Average the facts of a cohort that is of one of the types, but nobody knows which, and the samples that they count for.

    The average of the types' facts counts for as many samples as give the distributions of P(present) and of the mean of
    ln(size) the variance that they have over the types.

    Args:
        facts: of K types.
        weights: [K], probabilities of the types.
        few: samples that presence, mean and variance of one type count for; their average counts for no more.
        least: samples that presence, mean and variance of the average count for at least.

    Returns:
        The facts, and numbers of samples [3, S] for presence, mean and variance.
    """
    presence, log_mean, variance = (np.stack(part) for part in zip(*facts, strict=True))
    w = weights[:, None]
    p = (w * presence).sum(0)
    by = w * presence / np.maximum(p, 1e-12)  # the type of a sample that has the signature
    mean, within = (by * log_mean).sum(0), (by * variance).sum(0)
    apart = (w * ((presence - p) ** 2 + presence * (1 - presence) / (few[0] + 1))).sum(0)
    between = (by * (log_mean - mean) ** 2).sum(0)
    samples = [
        p * (1 - p) / np.maximum(apart, 1e-12) - 1,
        within / np.maximum(between + within / few[1], 1e-12),
        np.full(len(p), few[2] * float(np.square(weights).sum())),
    ]
    return Facts(p, mean, within), np.clip(samples, np.array(least)[:, None], np.array(few)[:, None])
