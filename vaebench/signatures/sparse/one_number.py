"""The fit of one number of signatures: steps 3 to 5 of :mod:`vaebench.signatures.sparse.pipeline`."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

from vaebench.signatures.sparse.known import KnownSignatures
from vaebench.signatures.sparse.moves import (
    SparseFit,
    add_signature,
    drop_signature,
    finished,
    fit_signatures,
    least_useful,
    surpassed,
    swap_signatures,
)
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.signatures.steps import kept


class NumberFit(NamedTuple):
    """The fit of one number, a trial with one more signature, the swaps, and whether the number was passed."""

    fit: SparseFit
    larger: SparseFit
    swaps: int
    passed: bool


@kept
def fit_number(
    x: jax.Array,
    start: np.ndarray,
    larger: SparseFit | None,
    keys: jax.Array,
    may_pass: bool,
    options: SparseOptions,
    known: KnownSignatures | None,
) -> NumberFit:
    """Steps 3 to 5 from a random ``start`` [S, M] and the trial ``larger`` that the previous number left."""
    fit = _best_trial(x, start, larger, keys[1], options, known)
    if may_pass and surpassed(x, fit, options, known):
        return NumberFit(fit, add_signature(x, fit, keys[2], options, known), 0, True)
    fit = finished(x, fit, keys[4], options, known)
    return NumberFit(*swap_signatures(x, fit, keys[2], options, known), False)


def _best_trial(
    x: jax.Array,
    start: np.ndarray,
    larger: SparseFit | None,
    key: jax.Array,
    options: SparseOptions,
    known: KnownSignatures | None,
) -> SparseFit:
    """The better of the trial from a random ``start`` [S, M] and the trial ``larger``, grown until it has S signatures."""
    fit = fit_signatures(x, start, jax.random.fold_in(key, 0), options, draws=options.trial_draws, known=known)
    if larger is None:
        return fit
    # one attempt for each signature that is missing, although a candidate may die out again
    for attempt in range(len(larger.signatures) + 1, len(start) + 1):
        larger = add_signature(x, larger, jax.random.fold_in(key, attempt), options, known)
    return min(fit, larger, key=lambda one: one.score.criterion)


def without_one(
    x: jax.Array,
    fit: SparseFit,
    passed: SparseFit,
    key: jax.Array,
    options: SparseOptions,
    known: KnownSignatures | None,
) -> SparseFit:
    """The better of ``fit`` without its least useful signature and of the trial ``passed``, with the draws of other numbers.

    The former is left out where it is not one signature more than the latter.
    """
    first, second = jax.random.split(key)
    if len(fit.signatures) == len(passed.signatures) + 1:
        dropped = drop_signature(x, fit, least_useful(x, fit, options), first, options, known)
        passed = min(dropped, passed, key=lambda one: one.score.criterion)
    return finished(x, passed, second, options, known)
