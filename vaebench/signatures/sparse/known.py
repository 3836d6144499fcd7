"""Known signatures as a soft prior: what is known is found as itself, and what is new keeps a spectrum of its own.

An extracted signature S_k that is near a known one R (:func:`targets`) has the prior

    S_kc ~ N(R_c, 1 / lambda_kc),   lambda_kc = (W / n_k) sum_t e_tk^2 / mean_tc

that is, R is worth what W samples with the signature tell of its spectrum: with n_k = W samples the estimate lies half-way, and
more samples outweigh R. In mutations R therefore counts for more in genomes than in exomes, as the differences between tumours
do. Where a direction is left open by the data, such as a part of S_k that another signature could have, R decides alone.

In the criterion such a signature is charged 95 ln(1 + n_k / W) + 2 ln(known signatures) + sum_c lambda_kc (S_kc - R_c)^2 in place
of 95 ln n_k, if that is less (there mean_tc is the larger of the means with S_k and with R, so that no term exceeds the
mutations that moved): entries that are known before are not to be paid for, only the choice among the known ones and
what the data change (:func:`charges`). At W = 1 this is nearly the charge of a new signature.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vaebench.signatures.kl_nmf import TINY
from vaebench.signatures.matching import cosines
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.signatures.tables import Array


class KnownSignatures(NamedTuple):
    """The prior on spectra.

    Attributes:
        spectra: R [R, M], rows that sum to 1.
        weight: W, the samples that a known spectrum is worth.
    """

    spectra: np.ndarray
    weight: float


def nearest_known(signatures: np.ndarray, known: KnownSignatures, options: SparseOptions) -> np.ndarray:
    """Position [S] of the known signature that is the prior of each of ``signatures`` [S, M]; -1 for none.

    It is the nearest one, if its cosine is at least ``options.known_cosine`` and no other signature is nearer to it: of two
    halves of a known signature one gets it, and the other may turn out to be superfluous.
    """
    similarity = cosines(signatures, known.spectra)
    nearest = similarity.argmax(1)
    own = similarity[np.arange(len(nearest)), nearest]
    found = np.full(len(nearest), -1)
    for k in np.argsort(-own, kind="stable"):
        if own[k] >= options.known_cosine and nearest[k] not in found:
            found[k] = nearest[k]
    return found


def targets(signatures: np.ndarray, known: KnownSignatures, options: SparseOptions) -> np.ndarray:
    """Known spectra [S, M] that are the priors of ``signatures`` [S, M]; rows of zeros where there is none."""
    place = nearest_known(signatures, known, options)
    return np.where(place[:, None] >= 0, known.spectra[place], 0.0)


def charges(
    signatures: np.ndarray,
    exposures: np.ndarray,
    nonzeros: np.ndarray,
    known: KnownSignatures,
    options: SparseOptions,
    weight: Array | None = None,
) -> np.ndarray:
    """Charges [S] of the spectra in the criterion where they have a known one as prior; infinite where they have none.

    Args:
        signatures: [S, M].
        exposures: [T, S].
        nonzeros: n_k [S].
        known: the prior.
        options: ``known_cosine`` is used.
        weight: [T, M], of each count; 1 without.
    """
    share = 1.0 if weight is None else np.asarray(weight, np.float64)
    wanted = targets(signatures, known, options)
    count = np.maximum(nonzeros, 1)
    mean, change = exposures @ signatures, signatures - wanted
    moved = np.zeros(len(signatures))
    for k in np.flatnonzero(wanted.any(1)):
        own = exposures[:, k, None]
        # the larger of the means with S_k and with R_k: a channel that S_k has lost would have an endless precision else
        expected = np.maximum(np.maximum(mean, mean - own * change[k]), TINY)
        moved[k] = known.weight / count[k] * np.sum(share * own**2 / expected * change[k] ** 2)
    price = (signatures.shape[1] - 1) * np.log1p(nonzeros / known.weight) + 2 * np.log(len(known.spectra)) + moved
    return np.where(wanted.any(1), price, np.inf)


def missing_known(
    x: np.ndarray,
    signatures: np.ndarray,
    exposures: np.ndarray,
    known: KnownSignatures,
    options: SparseOptions,
    weight: Array | None = None,
) -> tuple[np.ndarray, np.ndarray] | None:
    """The known signature whose addition would help most, and exposures [T, S + 1] to begin with; ``None`` if all are in use.

    For each known signature R that is nobody's prior, and each sample, the gain of log likelihood of one Newton step from 0
    with the other exposures as they are is max(g, 0)^2 / (2 h), with g = sum_c R_c (x_c / mean_c - 1) and
    h = sum_c R_c^2 x_c / mean_c^2. Gains below ln M / 2, which an exposure costs, do not count.

    Args:
        x: [T, M] counts.
        signatures: [S, M]; rows of zeros for padding.
        exposures: [T, S] at the maximum of the likelihood.
        known: the prior.
        options: ``known_cosine`` and ``candidate_share`` are used.
        weight: [T, M], of each count; 1 without.
    """
    share = 1.0 if weight is None else np.asarray(weight, np.float64)
    free = np.setdiff1d(np.arange(len(known.spectra)), nearest_known(signatures, known, options))
    if not len(free):
        return None
    mean = np.maximum(exposures @ signatures, TINY)
    spectra = known.spectra[free]
    slope = (share * (x / mean - 1)) @ spectra.T
    curvature = np.maximum((share * x / mean**2) @ (spectra**2).T, TINY)
    saved = np.where(slope > 0, slope**2 / curvature, 0.0) - np.log(x.shape[1])  # of the deviance
    best = int(np.argmax(np.maximum(saved, 0).sum(0)))
    better = saved[:, best] > 0
    if not better.any():
        return None
    most = options.candidate_share * x.sum(1)
    own = np.where(better, np.minimum(slope[:, best] / curvature[:, best], most), 0.0)
    rest = 1 - own / np.maximum(x.sum(1), TINY)
    return spectra[best], np.hstack([exposures * rest[:, None], own[:, None]])
