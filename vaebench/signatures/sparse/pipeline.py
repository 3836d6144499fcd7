"""Sparse extraction: KL-NMF with spike-and-slab exposures; the number of signatures minimises a BIC-type criterion.

  1. weights     random starts with the largest number, larger samples scaled down (annealing.random_restarts); the best one,
                 fitted to all counts, gives the overdispersion and so the weights of the samples (sample_weights)
For each number K of signatures, the smallest first:
  2. starts      random restarts of annealed KL-NMF; keep the one with the lowest objective
  3. candidates  (a) a fit from the best start, (b) the fit with one more signature that the previous number left, grown to K
                 (moves.add_signature); both by stochastic approximation EM (saem.refine); keep the lower criterion
                 (criterion.score_fit)
  4. swaps       add a signature, refit, drop the least useful one, refit; accept while the criterion decreases by at least
                 `options.swap_gain` (moves.swap_signatures)
  5. stop        fit no larger numbers after `options.patience` in a row that do not lower the criterion
Then:
  6. choose      the number with the lowest criterion, and refit it with `options.final_draws` draws
  7. ambiguity   decide by priors what the counts leave open between signatures that occur together
                 (ambiguity.resolve_ambiguity)
  8. unweight    exposures are in mutations again, signatures in decreasing order of theirs

All constants are fields of :class:`vaebench.signatures.sparse.options.SparseOptions`.

Arrays: X [T, 96] counts, S [K, 96] signatures (rows sum to 1), E [T, K] exposures; the mean of X is E @ S.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.signatures.dispersion import chi_squared
from vaebench.signatures.kl_nmf import padded
from vaebench.signatures.sparse.ambiguity import Reassignment, resolve_ambiguity
from vaebench.signatures.sparse.annealing import anneal, random_restarts
from vaebench.signatures.sparse.moves import SparseFit, add_signature, fit_signatures, swap_signatures
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.signatures.steps import kept


class PathRow(NamedTuple):
    """Results for one number of signatures.

    Attributes:
        count: number of signatures K.
        restarts: [R, K, 96] signatures of the random starts.
        objectives: [R] of the random starts.
        fit: signatures in decreasing order of exposures, which are in mutations; ``None`` where the search had stopped.
            Deviance and criterion are at the samples' weights, for the chosen number those before the last refit.
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
        unresolved: [S, 96], the chosen fit's signatures before the reassignments.
        weights: [T], of the samples.
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
    tell: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> SparsePath:
    """Fit every number of signatures and choose one: the module's docstring, step by step.

    Args:
        counts: [T, 96], not negative; every sample with some mutations.
        numbers: of signatures, in increasing order.
        restarts: random starts for each number, at least 1.
        seed: of all random numbers.
        options: constants of the method; their defaults unless given.
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
    with jax.default_matmul_precision("highest"):
        return _sparse_path(counts, numbers, restarts, seed, chosen_options, tell)


def _sparse_path(
    counts: np.ndarray,
    numbers: Sequence[int],
    restarts: int,
    seed: int,
    options: SparseOptions,
    tell: Callable[[str, int, int], None],
) -> SparsePath:
    *keys, early, last = jax.random.split(jax.random.key(seed), len(numbers) + 2)
    steps = len(numbers) + 1
    # 1
    total = counts.sum(1, keepdims=True)
    scaled = jnp.asarray(counts * np.minimum(1, options.start_total / np.maximum(total, 1)), jnp.float32)
    largest = random_restarts(scaled, numbers[-1], restarts, last, options)
    weights = sample_weights(counts, _best_start(*largest), options)
    x = jnp.asarray(counts * weights[:, None], jnp.float32)
    larger = None  # a fit of the previous number plus one, a start for this one
    if numbers[0] > options.grown_from:
        first, second = jax.random.split(early)
        few = random_restarts(scaled, options.grown_from, restarts, first, options)
        larger = fit_signatures(x, _best_start(*few), second, options)
    rows: list[PathRow] = []
    least, worse = np.inf, 0
    for k, key in zip(numbers, keys, strict=True):
        first, second, third = jax.random.split(key, 3)
        # 2: also of numbers that are not fitted, for their silhouettes
        found = largest if k == numbers[-1] else random_restarts(scaled, k, restarts, first, options)
        row = PathRow(k, *found, fit=None, swaps=0)
        if worse < options.patience:
            fit = _best_fit(x, _best_start(*found), larger, second, options)  # 3
            fit, larger, swaps = swap_signatures(x, fit, third, options)  # 4
            row = row._replace(fit=fit, swaps=swaps)
            worse = 0 if fit.score.criterion < least else worse + 1  # 5
            least = min(least, fit.score.criterion)
        rows.append(row)
        tell(_line(row), len(rows), steps)
    # 6
    fits = [row.fit for row in rows if row.fit is not None]  # the first rows, without a gap
    chosen = int(np.argmin([fit.score.criterion for fit in fits]))
    best = fits[chosen]
    start = best.score.exposures
    final = fit_signatures(x, best.signatures, last, options, exposures=start, draws=options.final_draws)
    unresolved = final.signatures
    # 7
    final, made = _resolved(final, options)
    score = final.score._replace(deviance=best.score.deviance, criterion=best.score.criterion)
    rows[chosen] = rows[chosen]._replace(fit=final._replace(score=score))
    tell(f"{rows[chosen].count} signatures chosen", steps, steps)
    # 8
    order = _order(final, weights)
    place = np.argsort(order)
    named = [m._replace(signature=int(place[m.signature]), other=int(place[m.other])) for m in made]
    rows = [row if row.fit is None else row._replace(fit=_unweighted(row.fit, weights)) for row in rows]
    return SparsePath(rows, chosen, tuple(named), unresolved[order], weights)


def sample_weights(counts: np.ndarray, signatures: np.ndarray, options: SparseOptions) -> np.ndarray:
    """Weights [T] = 1 / (1 + a N_t): the share of a sample's evidence that overdispersion leaves.

    Counts of variance mean (1 + a N_t) carry as much information as Poisson counts scaled by this weight. N_t is the sample's
    number of mutations, phi_t its Pearson dispersion when ``signatures`` are fitted to all counts; a is the median of
    (phi_t - 1 - dispersion_slack) / N_t, and at least 1 / half_weight_total: a sample of millions of mutations, which shows
    errors of the signatures that no other sample can show, would otherwise be given a signature of its own.

    Args:
        counts: [T, 96].
        signatures: [S, 96] to start from, of the largest number that is considered.
        options: ``dispersion_slack``, ``half_weight_total`` and those of annealing are used.
    """
    spectra, exposures = anneal(jnp.asarray(counts, jnp.float32), padded(signatures), options)
    mean = np.asarray(exposures, np.float64) @ np.asarray(spectra, np.float64)
    terms, cells = chi_squared(counts, mean)
    freedom = cells - np.sum(np.asarray(exposures) > 0, axis=1)
    used = freedom > 0
    total = counts.sum(1)
    slopes = (terms[used] / freedom[used] - 1 - options.dispersion_slack) / total[used]
    slope = float(np.median(slopes)) if used.any() else 0.0
    return 1 / (1 + max(1 / options.half_weight_total, slope) * total)


def _best_start(restarts: np.ndarray, objectives: np.ndarray) -> np.ndarray:
    """Signatures [S, 96] of the restart in [R, S, 96] with the lowest objective [R]."""
    return restarts[int(np.argmin(objectives))]


@kept
def _best_fit(
    x: jax.Array, start: np.ndarray, larger: SparseFit | None, key: jax.Array, options: SparseOptions
) -> SparseFit:
    """The better of the fit from a random ``start`` [S, 96] and the fit ``larger``, grown until it has S signatures."""
    first, *others = jax.random.split(key, len(start) + 1)
    fit = fit_signatures(x, start, first, options)
    if larger is None:
        return fit
    # one attempt for each signature that is missing, although a candidate may die out again
    for own in others[len(larger.signatures) :]:
        larger = add_signature(x, larger, own, options)
    return min(fit, larger, key=lambda one: one.score.criterion)


def _resolved(fit: SparseFit, options: SparseOptions) -> tuple[SparseFit, tuple[Reassignment, ...]]:
    """The fit after :func:`resolve_ambiguity`, with nearly the same mean, and the reassignments that were made."""
    signatures, exposures, made = resolve_ambiguity(fit.signatures, fit.score.exposures, options)
    presence = fit.presence.copy()
    for move in made:
        if move.share > 0:  # where the one is present, the other is now too
            presence[:, move.other] = presence[:, [move.signature, move.other]].max(1)
    score = fit.score._replace(nonzeros=np.sum(exposures > options.present, axis=0), exposures=exposures)
    return SparseFit(signatures, presence, score), made


def _order(fit: SparseFit, weights: np.ndarray) -> np.ndarray:
    """Positions [S] of the signatures in decreasing order of their mutations."""
    return np.argsort(-(fit.score.exposures / weights[:, None]).sum(0), kind="stable")


def _unweighted(fit: SparseFit, weights: np.ndarray) -> SparseFit:
    """The fit with exposures in mutations, and signatures in decreasing order of them."""
    order = _order(fit, weights)
    exposures = fit.score.exposures[:, order] / weights[:, None]
    score = fit.score._replace(nonzeros=fit.score.nonzeros[order], exposures=exposures)
    return SparseFit(fit.signatures[order], fit.presence[:, order], score)


def _line(row: PathRow) -> str:
    """Progress after one number of signatures."""
    if row.fit is None:
        return f"{row.count} signatures: random starts only"
    return f"{row.count} signatures: criterion {row.fit.score.criterion:.0f}, {row.swaps} swapped"
