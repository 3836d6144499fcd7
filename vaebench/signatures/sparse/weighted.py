"""Weighted counts of a path, and fits at other weights than those they were made with."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.signatures.sparse.criterion import score_fit
from vaebench.signatures.sparse.known import KnownSignatures
from vaebench.signatures.sparse.moves import SparseFit, fit_signatures
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.signatures.sparse.weights import scatter_slope, weights_of_slope


class WeightedCounts(NamedTuple):
    """Counts [T, M], the slope a of their scatter, weights [T] of the samples, and x [T, M], the weighted counts."""

    counts: np.ndarray
    slope: float
    weights: np.ndarray
    x: jax.Array


def weighted(counts: np.ndarray, slope: float) -> WeightedCounts:
    """Weighted counts; see :mod:`vaebench.signatures.sparse.weights`."""
    weights = weights_of_slope(counts.sum(1), slope)
    return WeightedCounts(counts, slope, weights, jnp.asarray(counts * weights[:, None], jnp.float32))


def reweighted(
    data: WeightedCounts,
    fit: SparseFit,
    key: jax.Array,
    passed: bool,
    options: SparseOptions,
    known: KnownSignatures | None,
) -> tuple[WeightedCounts, SparseFit]:
    """Weights that follow ``fit``, and the better of it and of a new fit that starts from it, at these weights.

    The fit of a number that was ``passed`` is only scored again.
    """
    whole = unweighted(fit, data.weights)
    exposures = whole.score.exposures
    slope = scatter_slope(data.counts, exposures @ fit.signatures, np.sum(exposures > 0, axis=1), options)
    if abs(slope / data.slope - 1) < options.weight_change:
        return data, fit
    new = weighted(data.counts, slope)
    old = rescored(new, whole, options, known)
    if passed:
        return new, old
    again = fit_signatures(new.x, old.signatures, key, options, exposures=old.score.exposures, known=known)
    return new, min(old, again, key=lambda one: one.score.criterion)


def rescored(data: WeightedCounts, fit: SparseFit, options: SparseOptions, known: KnownSignatures | None) -> SparseFit:
    """The fit, whose exposures are in mutations, scored at the weights of ``data`` with the support that it has."""
    support = jnp.asarray(fit.score.exposures * data.weights[:, None], jnp.float32)
    spectra = jnp.asarray(fit.signatures, jnp.float32)
    return fit._replace(score=score_fit(data.x, spectra, support, options=options, known=known))


def unweighted(fit: SparseFit, weights: np.ndarray) -> SparseFit:
    """The fit with exposures in mutations."""
    return fit._replace(score=fit.score._replace(exposures=fit.score.exposures / weights[:, None]))
