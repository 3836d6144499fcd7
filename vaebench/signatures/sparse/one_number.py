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
    """The better of the fit from a random ``start`` [S, M] and the trial ``larger``, grown until it has S signatures."""
    # one attempt for each signature that is missing, although a candidate may die out again
    for attempt in range(len(start) if larger is None else len(larger.signatures), len(start)):
        assert larger is not None
        grow, finish = split_key(folded_key(key, attempt))
        larger = add_signature(data, finished(data, larger, finish, options, known), grow, options, known)
    first, second, third = split_key(key, 3)
    trials = [fit_signatures(data, start, first, options, draws=options.trial_draws, known=known)]
    trials += [] if larger is None else [larger]
    better, *other = sorted(trials, key=lambda one: one.score.criterion)
    fit = finished(data, better, second, options, known)
    if not other:
        return fit
    rival = finished(data, other[0], third, options, known, fit.score.criterion)
    return min(fit, rival, key=lambda one: one.score.criterion)
