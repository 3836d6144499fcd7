"""The fit of one number of signatures: steps 3 and 4 of :mod:`vaebench.signatures.sparse.pipeline`."""

from __future__ import annotations

import jax
import numpy as np

from vaebench.signatures.sparse.keys import folded_key, split_key
from vaebench.signatures.sparse.known import KnownSignatures
from vaebench.signatures.sparse.moves import Observed, SparseFit, add_signature, finished, fit_signatures
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.signatures.steps import kept


@kept
def best_fit(
    data: Observed,
    start: np.ndarray,
    larger: SparseFit | None,
    key: jax.Array,
    options: SparseOptions,
    known: KnownSignatures | None,
) -> SparseFit:
    """The better of the fit from a random ``start`` [S, M] and the fit ``larger``, grown until it has S signatures."""
    # one attempt for each signature that is missing, although a candidate may die out again
    for attempt in range(len(start) if larger is None else len(larger.signatures), len(start)):
        assert larger is not None
        larger = add_signature(data, larger, folded_key(key, attempt), options, known)
    first, second = split_key(key)
    trial = fit_signatures(data, start, first, options, draws=options.trial_draws, known=known)
    if larger is None:
        return finished(data, trial, second, options, known)
    fit = finished(data, trial, second, options, known, larger.score.criterion)
    return min(fit, larger, key=lambda one: one.score.criterion)
