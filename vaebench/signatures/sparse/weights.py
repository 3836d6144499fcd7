"""Weights of the counts: the share of their evidence that scatter beyond Poisson's leaves.

Counts scatter about a fit with the variance mean (1 + a N_t + b mean_tc): a is large where the spectra of tumours vary as a
Dirichlet distribution, b where counts are negative binomial, as those of real tumours nearly are. Such counts carry as much
information as Poisson counts with the weight 1 / (1 + a N_t + b mean_tc). One of a and b is estimated, the one that describes
more samples better.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from vaebench.signatures.dispersion import chi_squared
from vaebench.signatures.kl_nmf import TINY, padded
from vaebench.signatures.sparse.annealing import anneal
from vaebench.signatures.sparse.options import SparseOptions


class Excess(NamedTuple):
    """Scatter beyond Poisson's.

    Attributes:
        by_sample: a, dispersion that every mutation of a sample adds to all of its counts.
        by_count: b, dispersion that every mutation of a count's mean adds to it; 0 where ``by_sample`` describes the scatter.
    """

    by_sample: float
    by_count: float = 0.0

    def near(self, other: Excess, change: float) -> bool:
        """Return whether the estimate differs from ``other``'s by less than a share ``change``."""
        if (self.by_count > 0) != (other.by_count > 0):
            return False
        old, new = (other.by_count, self.by_count) if self.by_count else (other.by_sample, self.by_sample)
        return abs(new / old - 1) < change


def weights_of(total: np.ndarray, excess: Excess, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Weights [T] of samples with ``total`` [T] mutations, and those [T, M] of their counts beside them.

    A sample's weight is the mean of its counts' weights, each counted as often as it has mutations. The latter are ``None``
    where all counts of a sample weigh the same.

    Args:
        total: N [T].
        excess: a and b.
        mean: [T, M], expected; a sample of which nothing is expected, as a fit may leave it, counts as of even channels.
    """
    if not excess.by_count:
        return 1 / (1 + excess.by_sample * total), None
    above = np.maximum(mean, TINY)
    each = 1 / (1 + excess.by_sample * total[:, None] + excess.by_count * above)
    weights = np.sum(each * above, axis=1) / above.sum(1)
    return weights, each / weights[:, None]


def excess_of(counts: np.ndarray, signatures: np.ndarray, exposures: np.ndarray, options: SparseOptions) -> Excess:
    """Scatter of ``counts`` about a fit.

    With X_t Pearson's chi-squared of a sample with f_t degrees of freedom, one less for each exposure above 0 and for the
    sample's part of the entries of the signatures, and s = 1 + dispersion_slack, a is the median of
    (X_t / f_t - s) / N_t, and b that of (X_t - s f_t) / N_t. Samples with fewer than ``least_freedom`` degrees of freedom, as
    of exomes and panels, say nothing about scatter and are left out. Of the two, the one stays for which most samples have
    the higher Gaussian likelihood. a is at least 1 / half_weight_total: a sample of millions of mutations, which shows errors
    of the signatures that no other sample can show, would otherwise be given a signature of its own.

    Args:
        counts: [T, M].
        signatures: [S, M], fitted to the counts; rows of zeros are padding.
        exposures: [T, S], fitted to the counts.
        options: ``dispersion_slack``, ``least_freedom`` and ``half_weight_total`` are used.
    """
    least = 1 / options.half_weight_total
    mean = exposures @ signatures
    entries = np.count_nonzero(signatures.any(axis=1)) * (counts.shape[1] - 1)
    terms, cells = chi_squared(counts, mean)
    freedom = cells - np.sum(exposures > 0, axis=1) - entries / len(counts)
    used = freedom >= options.least_freedom
    if not used.any():
        return Excess(least)
    beyond = terms[used] - (1 + options.dispersion_slack) * freedom[used]
    total = counts.sum(1)[used]
    by_sample = max(least, float(np.median(beyond / freedom[used] / total)))
    by_count = float(np.median(beyond / total))
    if by_sample == least or by_count <= 0:
        return Excess(by_sample)
    x, expected = counts[used], mean[used]
    both = [Excess(by_sample), Excess(least, by_count)]
    one, other = (_likelihoods(x, expected, total, excess) for excess in both)
    return both[int(np.median(other - one) > 0)]


def _likelihoods(x: np.ndarray, mean: np.ndarray, total: np.ndarray, excess: Excess) -> np.ndarray:
    """Gaussian log likelihood [T] of counts about ``mean``, of those of 1 and more, up to a constant."""
    dispersion = 1 + excess.by_sample * total[:, None] + excess.by_count * mean
    each = np.log(dispersion) + (x - mean) ** 2 / np.maximum(mean, TINY) / dispersion
    return -0.5 * np.sum(np.where(mean >= 1, each, 0.0), axis=1)


def excess_of_start(counts: np.ndarray, signatures: np.ndarray, options: SparseOptions) -> tuple[Excess, np.ndarray]:
    """:func:`excess_of` after ``signatures`` [S, M] of a random start were annealed to all ``counts`` [T, M], and the mean."""
    x, start = jnp.asarray(counts, jnp.float32), padded(signatures, multiple=options.quick_padding)
    spectra, exposures = anneal(x, start, options, jnp.ones_like(x))
    both = np.asarray(spectra, np.float64), np.asarray(exposures, np.float64)
    return excess_of(counts, *both, options), both[1] @ both[0]
