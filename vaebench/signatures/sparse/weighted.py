"""Weighted counts of a path, and fits at other weights than those they were made with."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.signatures.kl_nmf import padded
from vaebench.signatures.sparse.criterion import score_fit
from vaebench.signatures.sparse.known import KnownSignatures
from vaebench.signatures.sparse.moves import Observed, SparseFit, fit_signatures, padded_columns
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.signatures.sparse.weights import Excess, excess_of, weights_of


class WeightedCounts(NamedTuple):
    """Counts [T, M], their scatter beyond Poisson's, the weights [T] of the samples, and the weighted counts."""

    counts: np.ndarray
    excess: Excess
    weights: np.ndarray
    observed: Observed


def weighted(counts: np.ndarray, excess: Excess, mean: np.ndarray) -> WeightedCounts:
    """Weighted counts; see :mod:`vaebench.signatures.sparse.weights`."""
    weights, beside = weights_of(counts.sum(1), excess, mean)
    x = jnp.asarray(counts * weights[:, None], jnp.float32)
    # ones in place of none: another program would take longer to compile than products by one take
    each = jnp.ones_like(x) if beside is None else jnp.asarray(beside, jnp.float32)
    return WeightedCounts(counts, excess, weights, Observed(x, each))


def reweighted(data: WeightedCounts, fit: SparseFit, options: SparseOptions) -> WeightedCounts:
    """Weights that follow ``fit``; ``data`` itself where they hardly change."""
    exposures = unweighted(fit, data.weights).score.exposures
    excess = excess_of(data.counts, fit.signatures, exposures, options)
    if excess.near(data.excess, options.weight_change):
        return data
    return weighted(data.counts, excess, exposures @ fit.signatures)


def refitted(
    new: WeightedCounts,
    data: WeightedCounts,
    fit: SparseFit,
    key: jax.Array,
    options: SparseOptions,
    known: KnownSignatures | None,
) -> SparseFit:
    """The better of ``fit``, which was made with ``data``, and of a new fit that starts from it, at the weights of ``new``."""
    if new is data:
        return fit
    old = rescored(new, unweighted(fit, data.weights), options, known)
    again = fit_signatures(new.observed, old.signatures, key, options, exposures=old.score.exposures, known=known)
    return min(old, again, key=lambda one: one.score.criterion)


def rescored(data: WeightedCounts, fit: SparseFit, options: SparseOptions, known: KnownSignatures | None) -> SparseFit:
    """The fit, whose exposures are in mutations, scored at the weights of ``data`` with the support that it has."""
    spectra = padded(fit.signatures, multiple=options.padding)
    support = padded_columns(fit.score.exposures * data.weights[:, None], len(spectra))
    x, weight = data.observed
    return fit._replace(score=score_fit(x, spectra, support, options=options, known=known, weight=weight))


def unweighted(fit: SparseFit, weights: np.ndarray) -> SparseFit:
    """The fit with exposures in mutations."""
    return fit._replace(score=fit.score._replace(exposures=fit.score.exposures / weights[:, None]))
