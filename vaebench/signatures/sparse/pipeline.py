"""Sparse extraction: KL-NMF with spike-and-slab exposures; the number of signatures minimises a BIC-type criterion.

  1. weights     a random start with the smallest number, fitted to all counts, gives the scatter of the counts beyond Poisson's
                 and so their weights (weights.excess_of_start)
For each number K of signatures, the smallest first:
  2. starts      random restarts of annealed KL-NMF to at most 500 samples, larger ones scaled down
                 (annealing.random_restarts); keep the one with the lowest objective
  3. candidates  (a) a fit from the best start, (b) the fit with one more signature that the previous number left, grown to K
                 (moves.add_signature); both by stochastic approximation EM (saem.refine); keep the lower criterion
                 (criterion.score_fit)
  4. swaps       add a signature, refit, drop the least useful one, refit; accept while the criterion decreases by at least
                 `options.swap_gain` (moves.swap_signatures)
  5. reweight    a fit with the lowest criterion so far gives new weights, and is fitted again with them; larger numbers have to
                 lower the criterion at these weights (weighted.reweighted, weighted.refitted)
  6. stop        fit no larger numbers after `options.patience` in a row that do not lower the criterion
Then:
  7. choose      the number with the lowest criterion at the last weights, or one less if its fit without the least useful
                 signature has a lower one, for the fit of that number was a poor one then; and refit it with
                 `options.final_draws` draws
  8. ambiguity   decide by priors what the counts leave open between signatures that occur together
                 (ambiguity.resolve_ambiguity)
  9. unweight    exposures are in mutations again, signatures in decreasing order of theirs

A fit begins as a trial with few draws, and is finished with all draws unless it is hopeless beside the fit that it has to beat
(moves.finished). Fits that need nothing of each other are made side by side.

The weights follow the fit that explains most so far, so the choice does not depend on the largest number that is tried: the
fit of a number that is too large has absorbed scatter between tumours, which would then count as evidence for it.

All constants are fields of :class:`vaebench.signatures.sparse.options.SparseOptions`.

Arrays: X [T, M] counts, S [K, M] signatures (rows sum to 1), E [T, K] exposures; the mean of X is E @ S.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.signatures.sparse.ambiguity import Reassignment, resolve_ambiguity
from vaebench.signatures.sparse.annealing import random_restarts
from vaebench.signatures.sparse.keys import folded_key, split_key
from vaebench.signatures.sparse.known import KnownSignatures, nearest_known
from vaebench.signatures.sparse.moves import (
    Observed,
    SparseFit,
    fit_signatures,
    least_useful,
    swap_signatures,
    without_signature,
)
from vaebench.signatures.sparse.one_number import best_fit
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.signatures.sparse.saem import compile_refine
from vaebench.signatures.sparse.weighted import WeightedCounts, refitted, rescored, reweighted, unweighted, weighted
from vaebench.signatures.sparse.weights import excess_of_start
from vaebench.training.threads import CompilerThread, in_order, side_by_side, started


class PathRow(NamedTuple):
    """Results for one number of signatures.

    Attributes:
        count: number of signatures K.
        restarts: [R, K, M] signatures of the random starts; none where the search had stopped.
        objectives: [R] of the random starts.
        fit: signatures in decreasing order of exposures, which are in mutations; ``None`` where the search had stopped.
            Deviance and criterion are at the last weights of the samples, for the chosen number those before the last refit.
        swaps: number of swaps that were accepted.
    """

    count: int
    restarts: np.ndarray
    objectives: np.ndarray
    fit: SparseFit | None
    swaps: int


class SparsePath(NamedTuple):
    """Results for all numbers of signatures, and the choice.

    Attributes:
        rows: one for each number.
        chosen: position in ``rows``.
        reassignments: made in the chosen fit (:func:`vaebench.signatures.sparse.ambiguity.resolve_ambiguity`).
        unresolved: [S, M], the chosen fit's signatures before the reassignments.
        weights: [T], of the samples, as they follow from the chosen fit.
    """

    rows: list[PathRow]
    chosen: int
    reassignments: tuple[Reassignment, ...]
    unresolved: np.ndarray
    weights: np.ndarray


def sparse_path(
    counts: np.ndarray,
    numbers: Sequence[int],
    *,
    restarts: int = 10,
    seed: int = 0,
    options: SparseOptions | None = None,
    known: KnownSignatures | None = None,
    tell: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> SparsePath:
    """Fit every number of signatures and choose one: the module's docstring, step by step.

    Args:
        counts: [T, M], not negative; every sample with some mutations.
        numbers: of signatures, in increasing order.
        restarts: random starts for each number, at least 1.
        seed: of all random numbers.
        options: constants of the method; their defaults unless given.
        known: prior on the spectra (:mod:`vaebench.signatures.sparse.known`); ``None`` for none.
        tell: called with what was done, steps done and steps in all, after each number and at the end.

    Example:
        >>> import vaebench as vb
        >>> from vaebench.signatures.sparse.pipeline import sparse_path
        >>> catalogue, truth = vb.data.simulate_catalogue(seed=0, tumours=40, signatures=3, types=2)
        >>> path = sparse_path(catalogue.to_numpy(), range(2, 5), restarts=2)  # doctest: +SKIP
        >>> path.rows[path.chosen].fit.signatures.shape  # doctest: +SKIP
        (3, 96)
    """
    chosen_options = options or SparseOptions()
    padding = chosen_options.padding
    first = padding * -(-min(numbers[0], chosen_options.grown_from) // padding)
    weight = None if known is None else known.weight
    with jax.default_matmul_precision("highest"), CompilerThread() as compiler:
        # the largest program, while the random starts are made
        compiler.start(functools.partial(compile_refine, counts.shape, first, chosen_options, weight))
        return _sparse_path(counts, numbers, restarts, seed, chosen_options, known, tell, compiler.wait)


def _sparse_path(
    counts: np.ndarray,
    numbers: Sequence[int],
    restarts: int,
    seed: int,
    options: SparseOptions,
    known: KnownSignatures | None,
    tell: Callable[[str, int, int], None],
    ready: Callable[[], None],
) -> SparsePath:
    steps = len(numbers) + 1
    early, last, base = split_key(jax.random.key(seed), 3)
    scaled = _counts_of_starts(counts, seed, options)
    # 1; one large number alone is grown up to, as if smaller ones had been fitted first
    first, second = split_key(early)
    few = random_restarts(scaled, min(numbers[0], options.grown_from), restarts, first, options)
    # a key for each number, not for each position, so that a number's fit does not depend on the largest one that is tried
    keys = {k: split_key(folded_key(base, k), 5) for k in numbers}
    executor = ThreadPoolExecutor(2)
    try:
        # 2: meanwhile, and no further ahead: larger numbers may never be fitted
        made = [few] if numbers[0] == few[0].shape[1] else []
        more = numbers[len(made) :]
        tasks = [functools.partial(random_restarts, scaled, k, restarts, keys[k][0], options) for k in more]
        starts = itertools.chain(made, in_order(executor, tasks, ahead=1))
        data = weighted(counts, *excess_of_start(counts, _best_start(*few), options))
        ready()  # what comes before needs no draws, and is compiled beside them
        larger = None  # a fit of the previous number plus one, a start for this one
        if numbers[0] > options.grown_from:
            larger = fit_signatures(data.observed, _best_start(*few), second, options, known=known)
        data, rows = _all_numbers(
            data, larger, starts, keys, executor, options, known, lambda line, done: tell(line, done, steps)
        )
    finally:
        executor.shutdown(cancel_futures=True)
    return _chosen(data, rows, last, options, known, lambda line: tell(line, steps, steps))


def _all_numbers(
    data: WeightedCounts,
    larger: SparseFit | None,
    starts: Iterator[tuple[np.ndarray, np.ndarray]],
    keys: Mapping[int, tuple[jax.Array, ...]],
    executor: Executor,
    options: SparseOptions,
    known: KnownSignatures | None,
    tell: Callable[[str, int], None],
) -> tuple[WeightedCounts, list[PathRow]]:
    """Counts at the last weights, and a row for each number, which are those of ``keys``: steps 3 to 6."""
    rows: list[PathRow] = []
    best: Callable[[], SparseFit] | None = None  # returns the fit of the lowest criterion so far
    refitted_rows: dict[int, tuple[Callable[[], SparseFit], np.ndarray]] = {}
    worse = 0
    for k, key in keys.items():
        row = PathRow(k, np.zeros((0, k, data.counts.shape[1])), np.zeros(0), fit=None, swaps=0)
        if worse < options.patience:
            found = next(starts)
            fit = best_fit(data.observed, _best_start(*found), larger, key[1], options, known)  # 3
            fit, larger, swaps = swap_signatures(data.observed, fit, key[2], options, known)  # 4
            worse = worse + 1 if best is not None and fit.score.criterion >= best().score.criterion else 0  # 6
            row = PathRow(k, *found, fit=unweighted(fit, data.weights), swaps=swaps)
            if worse == 0:
                old, data = data, reweighted(data, fit, options)  # 5
                larger = rescored(data, unweighted(larger, old.weights), options, known)
                # beside the fits of the next number, which need the new weights alone
                refit = functools.partial(refitted, data, old, fit, key[3], options, known)
                best = started(executor, refit).result
                if not rows and data.excess != old.excess and k > options.grown_from:
                    # what was grown up to at the weights of a few signatures has not been swapped at its own
                    again = folded_key(key[2], 1)
                    fit, larger, more = swap_signatures(data.observed, best(), again, options, known)
                    row, best = row._replace(swaps=swaps + more), functools.partial(_same, fit)
                refitted_rows[len(rows)] = best, data.weights
        rows.append(row)
        tell(_line(row, best_so_far=worse == 0), len(rows))
    for i, (settled, weights) in refitted_rows.items():
        rows[i] = rows[i]._replace(fit=unweighted(settled(), weights))
    return data, rows


def _same(fit: SparseFit) -> SparseFit:
    return fit


def _counts_of_starts(counts: np.ndarray, seed: int, options: SparseOptions) -> jax.Array:
    """Counts that random starts are fitted to: of some samples, the larger ones scaled down."""
    if len(counts) > options.start_samples:
        rng = np.random.default_rng(seed)
        counts = counts[np.sort(rng.choice(len(counts), options.start_samples, replace=False))]
    total = counts.sum(1, keepdims=True)
    return jnp.asarray(counts * np.minimum(1, options.start_total / np.maximum(total, 1)), jnp.float32)


def _chosen(
    data: WeightedCounts,
    rows: list[PathRow],
    key: jax.Array,
    options: SparseOptions,
    known: KnownSignatures | None,
    tell: Callable[[str], None],
) -> SparsePath:
    """Choose a number and fit it for the last time: steps 7 to 9."""
    # 7
    done = [row.fit for row in rows if row.fit is not None]  # the first rows, without a gap
    fits = [rescored(data, fit, options, known) for fit in done]
    chosen = int(np.argmin([fit.score.criterion for fit in fits]))
    tried = folded_key(key, 0)

    def last(fit: SparseFit) -> SparseFit:
        start, draws = fit.score.exposures, options.final_draws
        return fit_signatures(data.observed, fit.signatures, key, options, exposures=start, draws=draws, known=known)

    final = None
    while chosen > 0 and len(fits[chosen - 1].signatures) == len(fits[chosen].signatures) - 1 > 0:
        best = fits[chosen]
        trial = functools.partial(_one_less, data.observed, best, tried, options, known)
        # at the same time, since the trial is nearly always in vain
        final, fewer = side_by_side(functools.partial(last, best), trial)
        if fewer.score.criterion >= best.score.criterion:
            break
        chosen, tried, final = chosen - 1, folded_key(tried, 0), None
        fits[chosen] = fewer
    best = fits[chosen]
    final = final or last(best)
    unresolved = final.signatures
    # 8
    final, made = _resolved(final, data.observed.weight, options, known)
    score = final.score._replace(deviance=best.score.deviance, criterion=best.score.criterion)
    fits[chosen] = final._replace(score=score)
    tell(f"{rows[chosen].count} signatures chosen")
    # 9
    order = _order(final, data.weights)
    place = np.argsort(order)
    named = [m._replace(signature=int(place[m.signature]), other=int(place[m.other])) for m in made]
    ordered = [_ordered(unweighted(fit, data.weights), _order(fit, data.weights)) for fit in fits]
    rows = [row._replace(fit=fit) for row, fit in zip(rows, ordered, strict=False)] + rows[len(fits) :]
    return SparsePath(rows, chosen, tuple(named), unresolved[order], data.weights)


def _one_less(
    data: Observed, fit: SparseFit, key: jax.Array, options: SparseOptions, known: KnownSignatures | None
) -> SparseFit:
    """The fit without its least useful signature; a trial if it is hopeless beside the whole fit."""
    useless = least_useful(data, fit, options)
    return without_signature(data, fit, useless, key, options, known, fit.score.criterion)


def _best_start(restarts: np.ndarray, objectives: np.ndarray) -> np.ndarray:
    """Signatures [S, M] of the restart in [R, S, M] with the lowest objective [R]."""
    return restarts[int(np.argmin(objectives))]


def _resolved(
    fit: SparseFit, weight: jax.Array, options: SparseOptions, known: KnownSignatures | None
) -> tuple[SparseFit, tuple[Reassignment, ...]]:
    """The fit after :func:`resolve_ambiguity`, with nearly the same mean, and the reassignments that were made.

    Signatures with a known one as prior stay as they are: their spectra are not open.
    """
    fixed = None if known is None else nearest_known(fit.signatures, known, options) >= 0
    signatures, exposures, made = resolve_ambiguity(
        fit.signatures, fit.score.exposures, options, fixed, np.asarray(weight)
    )
    presence = fit.presence.copy()
    for move in made:
        if move.share > 0:  # where the one is present, the other is now too
            presence[:, move.other] = presence[:, [move.signature, move.other]].max(1)
    score = fit.score._replace(nonzeros=np.sum(exposures > options.present, axis=0), exposures=exposures)
    return SparseFit(signatures, presence, score), made


def _order(fit: SparseFit, weights: np.ndarray) -> np.ndarray:
    """Positions [S] of the signatures in decreasing order of their mutations."""
    return np.argsort(-(fit.score.exposures / weights[:, None]).sum(0), kind="stable")


def _ordered(fit: SparseFit, order: np.ndarray) -> SparseFit:
    """The fit with its signatures in another order."""
    score = fit.score._replace(nonzeros=fit.score.nonzeros[order], exposures=fit.score.exposures[:, order])
    return SparseFit(fit.signatures[order], fit.presence[:, order], score)


def _line(row: PathRow, best_so_far: bool) -> str:
    """Progress after one number of signatures; criteria are not told, for they are at weights that still change."""
    if row.fit is None:
        return f"{row.count} signatures: not fitted, the criterion had risen"
    return f"{row.count} signatures: {'the best number so far' if best_so_far else 'no better'}, {row.swaps} swapped"
