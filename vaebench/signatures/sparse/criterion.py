"""The criterion by which two fits of the same counts are compared, whatever their numbers of signatures."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from scipy.special import entr

from vaebench.signatures import likelihood
from vaebench.signatures.sparse.known import KnownSignatures, charges
from vaebench.signatures.sparse.likeliest import likeliest_exposures
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.signatures.tables import Array


class Score(NamedTuple):
    """Criterion of a fit, the smaller the better, and the exposures at which it was computed.

    Attributes:
        deviance: Poisson deviance D at the maximum of the likelihood in the exposures that are present.
        nonzeros: [S] samples n_k in which each signature is present.
        criterion: see :func:`score_fit`.
        exposures: [T, S] at that maximum.
    """

    deviance: float
    nonzeros: np.ndarray
    criterion: float
    exposures: np.ndarray


def deviances(x: Array, signatures: Array, exposures: Array, weight: Array | None = None) -> np.ndarray:
    """Poisson deviance [T] of x [T, M] from the mean ``exposures`` [T, S] @ ``signatures`` [S, M], in float64.

    ``weight`` [T, M] is that of each count.
    """
    mean = np.asarray(exposures, np.float64) @ np.asarray(signatures, np.float64)
    counts = np.asarray(x, np.float64)
    if weight is None:
        return likelihood.deviance(counts, mean)
    # the factor goes to both, since the deviance is of the first degree in them
    share = np.asarray(weight, np.float64)
    return likelihood.deviance(share * counts, share * mean)


def score_fit(
    x: jax.Array,
    signatures: jax.Array,
    *supports: jax.Array,
    options: SparseOptions,
    known: KnownSignatures | None = None,
    weight: jax.Array | None = None,
) -> Score:
    """Score of ``signatures`` as a description of x, each sample using the support that serves it best.

    With n_k of the T samples having signature k, and D the deviance,

        criterion = D + sum_k [ n_k ln M + (M - 1) ln max(n_k, least_samples)
                                + 2 n_k ln(T / n_k) + 2 (T - n_k) ln(T / (T - n_k)) ]

    This is twice the negative log likelihood, up to a constant, plus a charge for each parameter: the logarithm of the
    number of observations that determine it. An exposure is determined by M counts, the M - 1 free entries of a signature by
    the samples that have it. The last two terms are the cost of saying which samples have k (twice T times the entropy of
    n_k / T).

    Source: Schwarz 1978, applied to each block of parameters with the block's own number of observations.

    Deviates: the usual charge for signatures, (M - 1) S ln T, counts all samples for each signature, so that a signature in 6 of
    2,700 samples would not be worth its entries. Schwarz's criterion does not charge for the choice of the samples; without
    that charge two halves of a signature, each in samples of its own, cost no more than the whole signature, and a signature
    that contains part of a common one saves the cost of the few samples without the latter.

    Args:
        x: [T, M] counts.
        signatures: [S, M]; rows of zeros are padding and are left out of the result.
        supports: exposures [T, S], positive where a signature may be present; one support or more.
        options: ``score_cycles``, ``present`` and ``least_samples`` are used.
        known: prior on the spectra, which may make them cheaper (:func:`vaebench.signatures.sparse.known.charges`).
        weight: [T, M], of each count in the deviance; 1 without.
    """
    there = np.any(np.asarray(signatures) > 0, axis=1)
    per_exposure = np.log(x.shape[1])
    found, cost = np.zeros((len(x), len(signatures))), np.full(len(x), np.inf)
    for support in supports:
        likeliest = np.asarray(likeliest_exposures(x, signatures, support, options.score_cycles, weight))
        own = deviances(x, signatures, likeliest, weight) + np.sum(likeliest > options.present, 1) * per_exposure
        found, cost = np.where((own < cost)[:, None], likeliest, found), np.minimum(own, cost)
    nonzeros = np.sum(found > options.present, axis=0)[there]
    deviance = float(cost.sum()) - int(nonzeros.sum()) * per_exposure
    spectrum = (x.shape[1] - 1) * np.log(np.maximum(nonzeros, options.least_samples))
    if known is not None:
        entries = np.asarray(signatures, np.float64)[there]
        spectrum = np.minimum(spectrum, charges(entries, found[:, there], nonzeros, known, options, weight))
    charge = nonzeros * per_exposure + spectrum
    share = nonzeros / len(x)
    which = len(x) * (entr(share) + entr(1 - share))
    return Score(deviance, nonzeros, deviance + float(np.sum(charge + 2 * which)), found[:, there])


def score_start(x: Array, signatures: Array, exposures: Array, options: SparseOptions) -> float:
    """Deviance plus ln M for each exposure that is present: ranks restarts, which have the same number of signatures."""
    return float(deviances(x, signatures, exposures).sum()) + int((exposures > options.present).sum()) * np.log(
        x.shape[1]
    )
