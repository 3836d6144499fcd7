"""Shears: what counts leave open between two signatures is decided by what is known of exposures and of spectra.

The mean E S stays as it is when a share b of signature j is taken for signature k: S_j <- (S_j - b S_k) / (1 - b),
e_j <- (1 - b) e_j, e_k <- e_k + b e_j, as long as nothing turns negative. Where all samples that have j have k too, as the few
that have a rare signature often do, counts say nothing about b, and a fit ends anywhere between j and a mixture of both.
The smaller the exposures of j, the less its samples tell of its spectrum, and the more spectra fit: b is judged with the
spectrum integrated out. An entry that has 0 by chance does not forbid a share; it may end below 0 by what noise allows, and is
then 0.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, logsumexp, pbdv

SHAPES = (0.24, 0.33, 0.42, 0.64, 1.05)
"""Gamma shapes of a signature's entries, each as likely: percentiles 10, 30, 50, 70 and 90 of COSMIC 3.4's 86 signatures."""

WEIGHT = 0.2
"""Weight of the prior of a spectrum: its 96 entries are no more than 19 independent ones.

96^2 / sum of r_cd^2 over all pairs of channels (Bretherton et al. 1999), r_cd the correlation of the logarithms of COSMIC's
entries, each 1e-4 or more and less its signature's mean; r_cd^2 less (1 - r_cd^2) / 84, which independent ones would show.
"""

LEAST_GAIN = 2.0
"""Nats of the posterior from which a shear is made."""

_REACH = 4.0  # errors by which an entry may end below 0
_LOW, _HIGH = -40.0, 20.0  # where the parabolic cylinder function follows its expansions
_MOST = 0.95
_BEYOND = 20  # samples without j that tell what to expect of k; where there are fewer, all do
_FEWEST = 3  # of them with k
_LEAST_SD = 0.1  # of ln e
_FLOOR = 0.05  # mean of a count, as in the fit
_GRID = 100
_CHANNELS = 96


class Shear(NamedTuple):
    """A ``share`` of the signature in row ``signature`` was taken for that in row ``other``; below 0: the other way round."""

    signature: int
    other: int
    share: float
    gain: float


def sheared(signatures: np.ndarray, exposures: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[Shear, ...]]:
    """Signatures [S, 96] and exposures [T, S] of nearly the same mean and a higher posterior, and the shears that were made.

    The one with the largest gain (:func:`best_share`) is made until none gains :data:`LEAST_GAIN`. Few samples with small
    exposures of j say nothing against it, so a signature that truly holds a part of another loses it.

    Args:
        signatures: [S, 96], rows that sum to 1.
        exposures: [T, S] in mutations, zeros where a signature is not present.
    """
    s, e = np.array(signatures, np.float64), np.array(exposures, np.float64)
    precision = 1 / np.maximum(e @ s, _FLOOR)
    entries = s.copy()  # with those below 0, whose cost must not be forgotten
    count = len(s)
    shares, gains = np.zeros((count, count)), np.zeros((count, count))
    changed, made = set(range(count)), []
    while len(made) < 10 * count:
        for j in range(count):
            for k in range(count):
                if j != k and changed & {j, k}:
                    shares[j, k], gains[j, k] = best_share(entries[j], s[k], e[:, j], e[:, k], precision)
        j, k = (int(i) for i in np.unravel_index(int(np.argmax(gains)), gains.shape))
        if gains[j, k] < LEAST_GAIN:
            break
        share, changed = float(shares[j, k]), {j, k}
        made.append(Shear(j, k, share, float(gains[j, k])))
        entries[j] = (entries[j] - share * s[k]) / (1 - share)
        s[j] = np.maximum(entries[j], 0)
        s[j] /= s[j].sum()
        e[:, k] += share * e[:, j]
        e[:, j] *= 1 - share
    return s, e, tuple(made)


def best_share(
    signature: np.ndarray, other: np.ndarray, own: np.ndarray, others: np.ndarray, precision: np.ndarray
) -> tuple[float, float]:
    """The share b of j with the highest posterior given the mean, and its gain in nats over b = 0; 0 and 0 without a choice.

    ln p(b) = sum_t ln p(e_tk + b e_tj) - q(b) + WEIGHT (ln p(S_j(b)) + q(b) + ln(1 - b)), t over the samples that have j. An
    exposure of k is there with probability pi and then log-normal, as in the samples without j; one that was not there comes
    with a dimension of volume sqrt(2 pi) d_t, d_t^-2 = sum_c S_kc^2 / mean_tc. The volume that the exposures of j lose is what
    their log-normal prior gains. The spectrum is integrated out (:func:`log_evidence`), its errors v_c are
    (sum_t e_tj^2 / mean_tc)^-1/2 / (1 - b); one of the 96 entries follows from the others, whence ln(1 - b). What the counts
    lose, q(b) = sum_c min(S_jc(b), 0)^2 / (2 v_c^2), has its full weight: noise is independent from channel to channel.

    Args:
        signature: S_j [96], of sum 1; entries may be below 0.
        other: S_k [96].
        own: e_j [T].
        others: e_k [T].
        precision: [T, 96], 1 / mean.
    """
    rows = own > 0
    known = ~rows if (~rows).sum() >= _BEYOND else np.ones(len(own), bool)
    logs = np.log(others[known & (others > 0)])
    if not rows.any() or len(logs) < _FEWEST:
        return 0.0, 0.0
    present = (len(logs) + 1) / (known.sum() + 2)
    e, more = others[rows], own[rows]
    deviation = (precision[rows] @ other**2) ** -0.5
    error = np.minimum((more**2 @ precision[rows]) ** -0.5, 1)  # no entry is above 1
    least = -float(np.min(e / more))
    most = float(np.clip(np.min((signature + _REACH * error) / np.maximum(other, 1e-12)), 0, _MOST))
    shares = np.concatenate([np.linspace(least, 0, _GRID // 2)[1:-1], [0.0], np.linspace(0, most, _GRID)[1:]])
    new = e + shares[:, None] * more
    spread, new_logs = max(float(logs.std()), _LEAST_SD), np.log(np.maximum(new, 1e-9))
    density = np.log(present * deviation / spread) - new_logs - ((new_logs - logs.mean()) / spread) ** 2 / 2
    exposures = np.where(new > 0, density, np.log(1 - present)).sum(1)
    left = 1 - shares[:, None]
    entries, errors = (signature - shares[:, None] * other) / left, error / left
    loss = ((np.minimum(entries, 0) / errors) ** 2).sum(1) / 2
    usual = log_evidence(entries, errors) + loss + np.log(left[:, 0])
    posterior = exposures - loss + WEIGHT * usual
    best, now = int(np.argmax(posterior)), int(np.flatnonzero(shares == 0)[0])
    return float(shares[best]), float(posterior[best] - posterior[now])


def log_evidence(entries: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """ln of the prior density of a spectrum times exp(-(s - entry)^2 / (2 error^2)) of its entries, integrated: [B].

    The prior is a mixture over a in :data:`SHAPES` of Dirichlet densities: entries Gamma(a) of rate 96 a, divided by the
    density of their sum at 1.

    Args:
        entries: [B, 96].
        errors: [B, 96].
    """
    of_shapes = []
    for shape in SHAPES:
        size = _CHANNELS * shape
        of_sum = size * np.log(size) - size - gammaln(size)
        of_shapes.append(log_density(entries, errors, shape).sum(-1) - of_sum)
    return logsumexp(of_shapes, axis=0) - np.log(len(SHAPES))


def log_density(entry: np.ndarray, error: np.ndarray, shape: float) -> np.ndarray:
    """ln int_0^inf p(s) exp(-(s - entry)^2 / (2 error^2)) ds, elementwise: 0 where nothing is known.

    p is a Gamma density of shape a and rate r = 96 a, of mean 1 / 96. With c = entry / error - r error the integral is
    (r error)^a exp(-r entry + (r error)^2 / 2 - c^2 / 4) D_-a(-c), D the parabolic cylinder function (Gradshteyn and Ryzhik
    3.462).
    """
    rate = _CHANNELS * shape
    c = entry / error - rate * error
    return shape * np.log(rate * error) - rate * entry + (rate * error) ** 2 / 2 + _log_cylinder(c, shape)


def _log_cylinder(c: np.ndarray, shape: float) -> np.ndarray:
    """ln D_-a(-c) - c^2 / 4, from a table between :data:`_LOW` and :data:`_HIGH` and two terms of the expansions beyond."""
    low, high = np.minimum(c, _LOW), np.maximum(c, _HIGH)
    below = -(low**2) / 2 - shape * np.log(-low) + np.log1p(-shape * (shape + 1) / (2 * low**2))
    above = np.log(2 * np.pi) / 2 - gammaln(shape) + (shape - 1) * np.log(high)
    above = above + np.log1p((shape - 1) * (shape - 2) / (2 * high**2))
    return np.where(c < _LOW, below, np.where(c > _HIGH, above, np.interp(c, *_table(shape))))


@functools.lru_cache(maxsize=len(SHAPES))
def _table(shape: float) -> tuple[np.ndarray, np.ndarray]:
    c = np.linspace(_LOW, _HIGH, 12_001)
    return c, np.log(pbdv(-shape, -c)[0]) - c**2 / 4
