"""Ambiguity: signatures that always occur together, which counts alone cannot separate, separated by priors.

The mean E @ S does not change when a share b of signature j is reassigned to signature k,

    S_j <- (S_j - b S_k) / (1 - b),   e_j <- (1 - b) e_j,   e_k <- e_k + b e_j,

as long as nothing becomes negative. Where all samples that have j also have k, as the few samples of a rare signature often do,
counts therefore leave b open, and a fit ends anywhere between j and a mixture of both. Priors on exposures and spectra decide:

  1. for each ordered pair (j, k), the b with the highest posterior, and its gain over b = 0 (:func:`best_share`):
     exposures of k should be as in samples without j; spectra should be as COSMIC's, mostly a few peaks
  2. reassign the share with the largest gain; repeat from 1 for the pairs that this changed
  3. stop when no gain reaches `options.ambiguity_gain`

The smaller the exposures of j, the less its samples tell of its spectrum, and the more spectra fit: b is judged with the spectrum
integrated out (:func:`log_evidence`). An entry that is 0 by chance must not rule out a share, so entries may end below 0 by as
much as noise explains, and are then set to 0.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, pbdv

from vaebench.signatures.sparse.options import SparseOptions

_LOW, _HIGH, _POINTS = -40.0, 20.0, 12_001
"""Range and points of the table of the parabolic cylinder function: beyond it two terms of its expansions are as exact, and
linear interpolation within it is wrong by less than 2e-4 (tested by quadrature)."""


class Reassignment(NamedTuple):
    """A share of one signature that was reassigned to another.

    Attributes:
        signature: row of the signature that lost the share.
        other: row of the signature that it was reassigned to.
        share: b; below 0 the other way round: exposures of ``other`` became part of ``signature``.
        gain: in nats of the posterior.
    """

    signature: int
    other: int
    share: float
    gain: float


def resolve_ambiguity(
    signatures: np.ndarray,
    exposures: np.ndarray,
    options: SparseOptions,
    fixed: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, tuple[Reassignment, ...]]:
    """Reassign shares between signatures while priors gain by it; the mean stays nearly the same.

    A limit of the method: a signature that truly contains part of another loses that part, since few samples with small
    exposures cannot contradict the priors.

    Args:
        signatures: [S, M], rows that sum to 1.
        exposures: [T, S] in mutations, zeros where a signature is not present.
        options: those of ambiguity, and ``variance_floor``, are used.
        fixed: [S] of bool, signatures whose spectra are known and stay as they are; none by default.
        weight: [T, M], of each count; 1 without.

    Returns:
        Signatures [S, M], exposures [T, S], and the reassignments in the order in which they were made.
    """
    s, e = np.array(signatures, np.float64), np.array(exposures, np.float64)
    precision = (1.0 if weight is None else weight) / np.maximum(e @ s, options.variance_floor)
    # entries before they are set to 0: what a first share costs in counts must not be forgotten when a second is judged
    entries = s.copy()
    count = len(s)
    shares, gains = np.zeros((count, count)), np.zeros((count, count))
    changed, made = set(range(count)), []
    losing = [j for j in range(count) if fixed is None or not fixed[j]]
    while len(made) < options.moves_per_signature * count:
        for j in losing:
            for k in range(count):
                if j != k and changed & {j, k}:
                    shares[j, k], gains[j, k] = best_share(entries[j], s[k], e[:, j], e[:, k], precision, options)
        j, k = (int(i) for i in np.unravel_index(int(np.argmax(gains)), gains.shape))
        if gains[j, k] < options.ambiguity_gain:
            break
        share, changed = float(shares[j, k]), {j, k}
        made.append(Reassignment(j, k, share, float(gains[j, k])))
        entries[j] = (entries[j] - share * s[k]) / (1 - share)
        s[j] = np.maximum(entries[j], 0)
        s[j] /= s[j].sum()
        e[:, k] += share * e[:, j]
        e[:, j] *= 1 - share
    return s, e, tuple(made)


def best_share(
    signature: np.ndarray,
    other: np.ndarray,
    own: np.ndarray,
    others: np.ndarray,
    precision: np.ndarray,
    options: SparseOptions,
) -> tuple[float, float]:
    """Share b of signature j with the highest posterior given the mean, and its gain in nats over b = 0.

    With t over the samples that have j, and w = ``spectrum_weight``,

        ln p(b) = sum_t ln p(e_tk + b e_tj) - q(b) + w (ln p(S_j(b)) + q(b) + ln(1 - b))

    p(e_tk): an exposure of k is present with probability pi and then log-normal, both as in the samples without j. An
    exposure that was 0 and becomes positive brings a dimension of volume sqrt(2 pi) d_t, d_t^-2 = sum_c S_kc^2 / mean_tc.
    (The volume that the exposures of j lose is what their log-normal prior gains.)

    p(S_j): the spectrum is integrated out (:func:`log_evidence`); its errors are v_c = (sum_t e_tj^2 / mean_tc)^-1/2 / (1 - b),
    and ln(1 - b) appears because one of the M entries follows from the others.

    q(b) = sum_c min(S_jc(b), 0)^2 / (2 v_c^2) is what the counts lose. It keeps its full weight, because noise is
    independent from channel to channel.

    Args:
        signature: S_j [M], of sum 1; entries may be below 0.
        other: S_k [M].
        own: e_j [T].
        others: e_k [T].
        precision: [T, M], 1 / mean.
        options: those of ambiguity are used.

    Returns:
        b and its gain; (0, 0) where no sample has j, or too few have k to know its usual exposures.
    """
    rows = own > 0
    known = ~rows if (~rows).sum() >= options.usual_samples else np.ones(len(own), bool)
    logs = np.log(others[known & (others > 0)])
    if not rows.any() or len(logs) < options.usual_present:
        return 0.0, 0.0
    present = (len(logs) + 1) / (known.sum() + 2)  # Laplace's rule: neither 0 nor 1
    e, more = others[rows], own[rows]
    deviation = (precision[rows] @ other**2) ** -0.5
    error = np.minimum((more**2 @ precision[rows]) ** -0.5, 1)  # no entry is above 1
    # b from where the first exposure of k becomes 0 to where the first entry of S_j is too far below 0
    least = -float(np.min(e / more))
    limit = np.min((signature + options.entry_errors * error) / np.maximum(other, 1e-12))
    most = float(np.clip(limit, 0, options.largest_share))
    below, above = np.linspace(least, 0, options.share_grid // 2), np.linspace(0, most, options.share_grid)
    shares = np.concatenate([below[1:-1], [0.0], above[1:]])
    new = e + shares[:, None] * more
    spread, new_logs = max(float(logs.std()), options.least_log_sd), np.log(np.maximum(new, 1e-9))
    density = np.log(present * deviation / spread) - new_logs - ((new_logs - logs.mean()) / spread) ** 2 / 2
    exposures = np.where(new > 0, density, np.log(1 - present)).sum(1)
    left = 1 - shares[:, None]
    entries, errors = (signature - shares[:, None] * other) / left, error / left
    loss = ((np.minimum(entries, 0) / errors) ** 2).sum(1) / 2
    spectrum = log_evidence(entries, errors, options) + loss + np.log(left[:, 0])
    posterior = exposures - loss + options.spectrum_weight * spectrum
    best, now = int(np.argmax(posterior)), int(np.flatnonzero(shares == 0)[0])
    return float(shares[best]), float(posterior[best] - posterior[now])


def log_evidence(entries: np.ndarray, errors: np.ndarray, options: SparseOptions) -> np.ndarray:
    """Log of the integral over spectra s of the prior density times exp(-(s - entry)^2 / (2 error^2)) of all entries: [B].

    The prior is a mixture, over a in ``options.spectrum_shapes``, of symmetric Dirichlet densities. A Dirichlet density is
    that of independent Gamma(a) entries of rate M a, divided by the density of their sum at 1.

    Args:
        entries: [B, M].
        errors: [B, M].
        options: ``spectrum_shapes`` is used.
    """
    by_shape = []
    for shape in options.spectrum_shapes:
        size = entries.shape[-1] * shape
        of_sum = size * np.log(size) - size - gammaln(size)
        by_shape.append(log_density(entries, errors, shape, entries.shape[-1]).sum(-1) - of_sum)
    return np.logaddexp.reduce(by_shape, axis=0) - np.log(len(options.spectrum_shapes))


def log_density(entry: np.ndarray, error: np.ndarray, shape: float, channels: int = 96) -> np.ndarray:
    """ln int_0^inf p(s) exp(-(s - entry)^2 / (2 error^2)) ds, elementwise; it tends to 0 as the error grows.

    p is the Gamma density of shape a and rate r = M a, of mean 1 / M for M channels. With c = entry / error - r error the
    integral is (r error)^a exp(-r entry + (r error)^2 / 2 - c^2 / 4) D_-a(-c), D the parabolic cylinder function.

    Source: Gradshteyn and Ryzhik 3.462.

    Args:
        entry: of any shape.
        error: of the same shape, positive.
        shape: a.
        channels: M.
    """
    rate = channels * shape
    c = entry / error - rate * error
    return shape * np.log(rate * error) - rate * entry + (rate * error) ** 2 / 2 + _log_cylinder(c, shape)


def _log_cylinder(c: np.ndarray, shape: float) -> np.ndarray:
    """ln D_-a(-c) - c^2 / 4, from a table between :data:`_LOW` and :data:`_HIGH` and from two terms of its expansions beyond."""
    # points are evenly spaced, so that nothing need be searched, as np.interp does: it would take most of the time
    values, rises = _table(shape)
    place = (c - _LOW) * ((_POINTS - 1) / (_HIGH - _LOW))
    point = np.clip(place, 0, _POINTS - 2).astype(np.int32)
    found = values[point] + (place - point) * rises[point]
    below, above = c < _LOW, c > _HIGH
    low, high = c[below], c[above]
    found[below] = -(low**2) / 2 - shape * np.log(-low) + np.log1p(-shape * (shape + 1) / (2 * low**2))
    found[above] = np.log(2 * np.pi) / 2 - gammaln(shape) + (shape - 1) * np.log(high)
    found[above] += np.log1p((shape - 1) * (shape - 2) / (2 * high**2))
    return found


@functools.lru_cache(maxsize=16)
def _table(shape: float) -> tuple[np.ndarray, np.ndarray]:
    """ln D_-a(-c) - c^2 / 4 at each point c, and its rise to the next point."""
    c = np.linspace(_LOW, _HIGH, _POINTS)
    values = np.log(pbdv(-shape, -c)[0]) - c**2 / 4
    return values, np.diff(values)
