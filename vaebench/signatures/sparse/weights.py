"""Weights of the samples: the share of their evidence that scatter beyond Poisson's leaves."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from vaebench.signatures.dispersion import chi_squared
from vaebench.signatures.kl_nmf import padded
from vaebench.signatures.sparse.annealing import anneal
from vaebench.signatures.sparse.options import SparseOptions


def weights_of_slope(total: np.ndarray, slope: float) -> np.ndarray:
    """Weights [T] = 1 / (1 + a N_t) of samples with ``total`` [T] mutations.

    Counts of variance mean (1 + a N_t) carry as much information as Poisson counts scaled by this weight.

    Args:
        total: N [T].
        slope: a.
    """
    return 1 / (1 + slope * total)


def scatter_slope(counts: np.ndarray, mean: np.ndarray, fitted: np.ndarray, options: SparseOptions) -> float:
    """Slope a of the scatter: counts about the fit have the variance mean (1 + a N_t).

    With phi_t the Pearson dispersion of a sample, a is the median of (phi_t - 1 - dispersion_slack) / N_t, and at least
    1 / half_weight_total: a sample of millions of mutations, which shows errors of the signatures that no other sample can
    show, would otherwise be given a signature of its own. Samples with fewer than ``least_freedom`` degrees of freedom, as of
    exomes and panels, say nothing about scatter and are left out.

    Args:
        counts: [T, M].
        mean: [T, M], fitted to the counts.
        fitted: [T] exposures above 0, which cost a degree of freedom each.
        options: ``dispersion_slack``, ``least_freedom`` and ``half_weight_total`` are used.
    """
    terms, cells = chi_squared(counts, mean)
    freedom = cells - fitted
    used = freedom >= options.least_freedom
    slopes = (terms[used] / freedom[used] - 1 - options.dispersion_slack) / counts.sum(1)[used]
    return max(1 / options.half_weight_total, float(np.median(slopes)) if used.any() else 0.0)


def slope_of_start(counts: np.ndarray, signatures: np.ndarray, options: SparseOptions) -> float:
    """:func:`scatter_slope` after ``signatures`` [S, M] of a random start were annealed to all ``counts`` [T, M]."""
    spectra, exposures = anneal(jnp.asarray(counts, jnp.float32), padded(signatures), options)
    mean = np.asarray(exposures, np.float64) @ np.asarray(spectra, np.float64)
    return scatter_slope(counts, mean, np.sum(np.asarray(exposures) > 0, axis=1), options)
