"""Shears: what counts leave open between two signatures is decided by what is known of exposures and of spectra.

The mean E S stays as it is when a share b of signature j is taken for signature k: S_j <- (S_j - b S_k) / (1 - b),
e_j <- (1 - b) e_j, e_k <- e_k + b e_j, as long as nothing turns negative. Where all samples that have j have k too, as the few
that have a rare signature often do, counts say nothing about b, and a fit ends anywhere between j and a mixture of both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SHAPE = 0.5
"""Gamma shape of a signature's entries; those of COSMIC 3.4 have a median of 0.41 and quartiles of 0.31 and 0.67."""

LEAST_GAIN = 2.0
"""Nats of the posterior from which a shear is made."""

_SMALLEST = 1e-4  # entry of a signature: smaller ones are not known well enough to have a logarithm
_MOST = 0.95
_BEYOND = 20  # samples without j that tell what to expect of k; where there are fewer, all do
_FEWEST = 3  # of them with k
_LEAST_SD = 0.1  # of ln e
_FLOOR = 0.05  # mean of a count, as in the fit
_GRID = 100


class Shear(NamedTuple):
    """A ``share`` of the signature in row ``signature`` was taken for that in row ``other``; below 0: the other way round."""

    signature: int
    other: int
    share: float
    gain: float


def sheared(signatures: np.ndarray, exposures: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[Shear, ...]]:
    """Signatures [S, 96] and exposures [T, S] with the same mean and a higher posterior, and the shears that were made.

    The one with the largest gain (:func:`best_share`) is made until none gains :data:`LEAST_GAIN`. Few samples with small
    exposures of j say nothing against it, so a signature that truly holds a part of another loses it.

    Args:
        signatures: [S, 96], rows that sum to 1.
        exposures: [T, S] in mutations, zeros where a signature is not present.
    """
    s, e = np.array(signatures, np.float64), np.array(exposures, np.float64)
    precision = 1 / np.maximum(e @ s, _FLOOR)
    count = len(s)
    shares, gains = np.zeros((count, count)), np.zeros((count, count))
    changed, made = set(range(count)), []
    while len(made) < 10 * count:
        for j in range(count):
            for k in range(count):
                if j != k and changed & {j, k}:
                    deviation = (precision @ s[k] ** 2) ** -0.5
                    shares[j, k], gains[j, k] = best_share(s[j], s[k], e[:, j], e[:, k], deviation)
        j, k = (int(i) for i in np.unravel_index(int(np.argmax(gains)), gains.shape))
        if gains[j, k] < LEAST_GAIN:
            break
        share, changed = float(shares[j, k]), {j, k}
        made.append(Shear(j, k, share, float(gains[j, k])))
        s[j] = np.maximum(s[j] - share * s[k], 0)
        s[j] /= s[j].sum()
        e[:, k] += share * e[:, j]
        e[:, j] *= 1 - share
    return s, e, tuple(made)


def best_share(
    signature: np.ndarray, other: np.ndarray, own: np.ndarray, others: np.ndarray, deviation: np.ndarray
) -> tuple[float, float]:
    """The share b of j with the highest posterior given the mean, and its gain in nats over b = 0; 0 and 0 without a choice.

    ln p(b) = sum_t ln p(e_tk + b e_tj) + (SHAPE - 1) sum_c ln S_jc(b), t over the samples that have j. An exposure of k is
    there with probability pi and then log-normal, as in the samples without j; one that was not there comes with a
    dimension of volume sqrt(2 pi) times its ``deviation``. The volume that the exposures of j lose is what their
    log-normal prior gains. Entries of a signature have a Gamma prior.

    Args:
        signature: S_j [96].
        other: S_k [96].
        own: e_j [T].
        others: e_k [T].
        deviation: [T], standard deviation of e_k given the other exposures.
    """
    rows = own > 0
    known = ~rows if (~rows).sum() >= _BEYOND else np.ones(len(own), bool)
    logs = np.log(others[known & (others > 0)])
    if not rows.any() or len(logs) < _FEWEST:
        return 0.0, 0.0
    present = (len(logs) + 1) / (known.sum() + 2)
    e, more = others[rows], own[rows]
    least, most = -float(np.min(e / more)), min(float(np.min(signature / np.maximum(other, 1e-12))), _MOST)
    shares = np.concatenate([np.linspace(least, 0, _GRID // 2)[1:-1], [0.0], np.linspace(0, most, _GRID)[1:]])
    new = e + shares[:, None] * more
    spread, new_logs = max(float(logs.std()), _LEAST_SD), np.log(np.maximum(new, 1e-9))
    density = np.log(present * deviation[rows] / spread) - new_logs - ((new_logs - logs.mean()) / spread) ** 2 / 2
    exposures = np.where(new > 0, density, np.log(1 - present)).sum(1)
    spectra = np.maximum(signature - shares[:, None] * other, 0)
    spectra = np.maximum(spectra / spectra.sum(1, keepdims=True), _SMALLEST)
    posterior = exposures + (SHAPE - 1) * np.log(spectra).sum(1)
    best, now = int(np.argmax(posterior)), int(np.flatnonzero(shares == 0)[0])
    return float(shares[best]), float(posterior[best] - posterior[now])
