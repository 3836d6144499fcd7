"""Tumour types that a cohort looks like: the prior where nobody names the tissue.

All published types together are a poor prior of any one cohort: most signatures are in few types, and often there. But the
counts say which types a cohort resembles:

  1. tumours     of each type are drawn from its published facts (presence, and log-normal sizes given presence)
  2. evidence    of a type for a sample: mean multinomial likelihood of the sample's counts over the type's tumours
  3. weights     of the types in the cohort by expectation-maximisation of the mixture
  4. ground      of the prior: the types' facts averaged by these weights; it counts for as many samples as agreement allows

Many mutations fit no drawn tumour exactly, so the likelihood of a sample is that of :data:`_MUTATIONS` of its mutations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp, softmax

from vaebench.signatures.cooccurrence import drawn_presence

_TUMOURS = (
    400  # drawn for each type: then the mean likelihood of a sample of 80 mutations is known to a fifth of itself
)
_MUTATIONS = 100.0  # of a sample that speak for a type
_SAMPLES = 500  # that are looked at; more would not change the weights
_STEPS = 30  # of expectation-maximisation


class Facts(NamedTuple):
    """Published facts of one tumour type: P(present) and mean and variance of ln(size) given presence, arrays [S]."""

    presence: np.ndarray
    log_mean: np.ndarray
    variance: np.ndarray


def resembled(x: np.ndarray, signatures: np.ndarray, facts: Sequence[Facts], seed: int = 0) -> np.ndarray:
    """Weights [K] of K tumour types in a cohort, which sum to 1: the expected share of its samples that are of each type.

    Args:
        x: counts [T, M].
        signatures: [S, M], of any scale.
        facts: of each type.
        seed: of the tumours that are drawn.
    """
    x = x[np.linspace(0, len(x) - 1, min(len(x), _SAMPLES)).astype(int)]
    return weights_of(evidence(x, signatures, facts, seed))


def weights_of(evidence: np.ndarray) -> np.ndarray:
    """Weights [K] of the types in a cohort of the samples with :func:`evidence` [T, K]."""
    samples, types = evidence.shape
    weights = shares = np.full(types, 1 / types)
    for _ in range(_STEPS):
        shares = softmax(evidence + np.log(weights), axis=1).mean(0)
        weights = (samples * shares + 1) / (samples + types)  # one pseudo-sample of each type
    return shares


def evidence(x: np.ndarray, signatures: np.ndarray, facts: Sequence[Facts], seed: int = 0) -> np.ndarray:
    """Log likelihood [T, K] of each sample under each type; arguments as in :func:`resembled`."""
    tempered = x * np.minimum(1.0, _MUTATIONS / np.maximum(x.sum(1, keepdims=True), 1.0))
    rng = np.random.default_rng(seed)
    return np.stack([_evidence(tempered, signatures, one, rng) for one in facts], 1)


def _evidence(x: np.ndarray, signatures: np.ndarray, facts: Facts, rng: np.random.Generator) -> np.ndarray:
    """Log of the mean multinomial likelihood [T] of x over tumours of a type, without the coefficient that all types share."""
    spectra = drawn_shares(facts, _TUMOURS, rng) @ signatures
    spectra = spectra / spectra.sum(1, keepdims=True)
    return logsumexp(x @ np.log(np.maximum(spectra, 1e-9)).T, axis=1) - np.log(_TUMOURS)


def drawn_shares(
    facts: Facts, tumours: int, rng: np.random.Generator, log_odds: np.ndarray | None = None
) -> np.ndarray:
    """Shares [tumours, S] of the mutations of tumours of a type, each row with a sum of 1.

    ``log_odds`` [S, S] are of signatures that occur together; without them signatures are independent. A tumour of which nothing
    was drawn has the signature that is most often present.
    """
    shape = (tumours, len(facts.presence))
    shares = np.exp(facts.log_mean + np.sqrt(facts.variance) * rng.standard_normal(shape))
    shares = shares * drawn_presence(facts.presence, tumours, rng, log_odds)
    shares[~shares.any(1), np.argmax(facts.presence)] = 1.0
    return shares / shares.sum(1, keepdims=True)


def drawn_tumours(
    facts: Sequence[Facts],
    weights: np.ndarray,
    totals: np.ndarray,
    rng: np.random.Generator,
    log_odds: np.ndarray | None = None,
) -> np.ndarray:
    """Draw exposures [T, S] of tumours with ``totals`` [T] mutations, each of a type drawn by ``weights`` [K].

    ``log_odds`` are those of :func:`drawn_shares`.
    """
    kinds = rng.choice(len(weights), len(totals), p=weights)
    shares = np.empty((len(totals), len(facts[0].presence)))
    for kind in np.unique(kinds):
        own = kinds == kind
        shares[own] = drawn_shares(facts[kind], int(own.sum()), rng, log_odds)
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
