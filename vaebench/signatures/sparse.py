"""Our own extraction: signatures that sparse exposures explain, for every number of signatures, and the choice among them.

For each number: random starts with an annealed prior (:mod:`vaebench.signatures.annealing`), and the fit with one signature
fewer plus the best seed (:mod:`vaebench.signatures.growing`); the better of them goes on to stochastic approximation EM
(:mod:`vaebench.signatures.saem`). Then swaps: a seed is added, everything is fitted again, and the least useful signature
is dropped, for as long as the objective falls. So rare signatures are found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.signatures.annealing import Score, annealed, likeliest, padded, score, starts
from vaebench.signatures.growing import added, best_seed, usefulness
from vaebench.signatures.saem import improved

DRAWS = 200
"""Draws of one stochastic fit."""

POLISH_DRAWS = 1600
"""Draws of the last fit of the chosen number: flat signatures part slowly. Its objective is no guide: sparser is not truer."""

_SWAPS = 3
_WORTH = 50.0
"""Fall of the objective that makes a swap more than noise of the draws."""

_PATIENCE = 2
"""Numbers of signatures in a row that may make the criterion worse before no larger one is fitted."""

_START_TOTAL = 1000.0
"""Mutations to which larger samples are scaled in the random starts, so that no few samples lead them."""


class Fitted(NamedTuple):
    """One number of signatures.

    Attributes:
        signatures: [S, 96], rows that sum to 1, by falling total of their exposures.
        exposures: [T, S] posterior means in mutations, 0 where presence is less likely than absence.
        presence: [T, S] posterior probability that the exposure is not 0.
        score: deviance, exposures present and objective by which it was compared with others.
    """

    signatures: np.ndarray
    exposures: np.ndarray
    presence: np.ndarray
    score: Score


class Row(NamedTuple):
    """What is known of one number of signatures.

    Attributes:
        count: number of signatures.
        restarts: [R, S, 96] signatures of the random starts.
        objectives: [R] theirs.
        fitted: ``None`` where the criterion had risen before.
        criterion: objective + 95 S ln T; NaN without a fit.
        swaps: swaps that were accepted.
    """

    count: int
    restarts: np.ndarray
    objectives: np.ndarray
    fitted: Fitted | None
    criterion: float
    swaps: int


class Path(NamedTuple):
    """All numbers of signatures, the position of the chosen one, and the weight [T] that each sample had."""

    rows: list[Row]
    chosen: int
    weights: np.ndarray


def sample_weights(counts: np.ndarray, signatures: np.ndarray) -> np.ndarray:
    """Weights [T] = 1 / (1 + a N_t): what overdispersion, variance mean (1 + a N_t), leaves of a sample's evidence.

    N_t is the sample's number of mutations and phi_t its Pearson dispersion when ``signatures`` are fitted to all counts;
    a is the median of (phi_t - 1) / N_t, and at least 0: Poisson counts have weight 1.

    Args:
        counts: [T, 96].
        signatures: [S, 96] to begin with, as many as are considered.
    """
    x = jnp.asarray(counts, jnp.float32)
    fitted = annealed(x, padded(signatures))[0]
    mean = np.asarray(likeliest(x, fitted), np.float64) @ np.asarray(fitted, np.float64)
    # channels that hardly occur tell little, and would divide by next to nothing
    squares = (counts - mean) ** 2 / np.maximum(mean, 0.1)
    total = counts.sum(1)
    used = total > 0
    dispersion = squares.sum(1)[used] / max(1, counts.shape[1] - len(signatures))
    slope = float(np.median((dispersion - 1) / total[used])) if used.any() else 0.0
    return 1 / (1 + max(0.0, slope) * total)


def _drawn(x: Any, signatures: Any, exposures: Any, count: int, key: Any, draws: int) -> Fitted:
    """Stochastic fit from ``signatures`` [S, 96] (padded) and ``exposures``; of ``count`` signatures."""
    fit = improved(key, x, signatures, exposures, draws)
    found = np.asarray(fit.signatures)[:count]
    presence = np.asarray(fit.presence)[:, :count]
    means = np.where(presence > 0.5, np.asarray(fit.exposures)[:, :count], 0.0)
    scored = score(x, fit.signatures)
    return Fitted(found, means, presence, scored._replace(exposures=scored.exposures[:, :count]))


def _fit(x: Any, signatures: Any, count: int, key: Any) -> Fitted:
    """Annealed, then stochastic fit of ``count`` signatures from ``signatures`` (padded)."""
    signatures, exposures = annealed(x, signatures)
    return _drawn(x, signatures, exposures, count, key, DRAWS)


def _again(x: Any, fitted: Fitted, key: Any, draws: int) -> Fitted:
    """More draws from where a fit ended."""
    count = len(fitted.signatures)
    signatures = padded(fitted.signatures)
    exposures = jnp.zeros((len(x), len(signatures)), jnp.float32).at[:, :count].set(fitted.exposures)
    return _drawn(x, signatures, exposures, count, key, draws)


def _one_more(x: Any, signatures: np.ndarray) -> Any:
    """``signatures`` [S, 96] and the best seed, padded."""
    base = padded(signatures)
    seed = best_seed(x, base, likeliest(x, base))
    return added(signatures, seed)


def _begun(x: Any, start: np.ndarray, grown: np.ndarray | None) -> Any:
    """The better of a random ``start`` [S, 96] and the ``grown`` signatures, by the objective of annealed fits; padded."""
    if grown is None:
        return padded(start)
    while len(grown) < len(start):
        grown = np.asarray(_one_more(x, grown))[: len(grown) + 1]
    fits = [annealed(x, padded(begin))[0] for begin in (start, grown)]
    return fits[int(np.argmin([score(x, fit).objective for fit in fits]))]


def _swapped(x: Any, fitted: Fitted, key: Any) -> tuple[Fitted, np.ndarray, int]:
    """The fit after swaps, the signatures [S + 1, 96] of the fit with one more, and the number of swaps accepted."""
    count = len(fitted.signatures)
    for swaps in range(_SWAPS):
        key, more, less = jax.random.split(key, 3)
        larger = _fit(x, _one_more(x, fitted.signatures), count + 1, more)
        whole = padded(larger.signatures)
        sparse = np.zeros((len(x), len(whole)))
        sparse[:, : count + 1] = larger.score.exposures
        useless = int(np.argmin(usefulness(x, whole, sparse)))
        if useless == count:  # the seed itself
            return fitted, larger.signatures, swaps
        tried = _fit(x, padded(np.delete(larger.signatures, useless, 0)), count, less)
        if tried.score.objective > fitted.score.objective - _WORTH:
            return fitted, larger.signatures, swaps
        fitted = tried
    return fitted, np.asarray(_one_more(x, fitted.signatures))[: count + 1], _SWAPS


def _restored(fitted: Fitted, weights: np.ndarray) -> Fitted:
    """In mutations again, by falling exposures."""
    exposures = fitted.exposures / weights[:, None]
    order = np.argsort(-exposures.sum(0), kind="stable")
    sparse = fitted.score._replace(exposures=(fitted.score.exposures / weights[:, None])[:, order])
    return Fitted(fitted.signatures[order], exposures[:, order], fitted.presence[:, order], sparse)


def sparse_path(
    counts: np.ndarray,
    numbers: Sequence[int],
    *,
    restarts: int = 10,
    seed: int = 0,
    tell: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Path:
    """Signatures of ``counts`` [T, 96] for each of the rising ``numbers``, the best number by the criterion.

    Criterion: deviance + nonzeros ln 96 + 95 S ln T, at weights that follow the estimated overdispersion. Numbers after
    two in a row that make it worse get their random starts only.

    Args:
        counts: non-negative; samples without mutations have exposures 0.
        numbers: of signatures.
        restarts: random starts per number, at least 1.
        seed: of all random numbers.
        tell: called with what was done, steps done and steps in all, after each number and at the end.
    """
    keys = jax.random.split(jax.random.key(seed), len(numbers) + 1)
    steps = len(numbers) + 1
    with jax.default_matmul_precision("highest"):
        total = counts.sum(1, keepdims=True)
        even_counts = jnp.asarray(counts * np.minimum(1, _START_TOTAL / np.maximum(total, 1)), jnp.float32)
        begun = {numbers[-1]: starts(even_counts, numbers[-1], restarts, keys[-1])}
        weights = sample_weights(counts, _best_start(*begun[numbers[-1]]))
        x = jnp.asarray(counts * weights[:, None], jnp.float32)
        rows: list[Row] = []
        grown, least, worse = None, np.inf, 0
        for k, key in zip(numbers, keys[:-1], strict=True):
            first, second, third = jax.random.split(key, 3)
            found = begun[k] if k in begun else starts(even_counts, k, restarts, first)
            row = Row(k, *found, fitted=None, criterion=np.nan, swaps=0)
            if worse < _PATIENCE:
                fitted = _fit(x, _begun(x, _best_start(*found), grown), k, second)
                fitted, grown, swaps = _swapped(x, fitted, third)
                criterion = fitted.score.objective + (counts.shape[1] - 1) * k * np.log(len(counts))
                row = row._replace(fitted=fitted, criterion=criterion, swaps=swaps)
                worse = 0 if criterion < least else worse + 1
                least = min(least, criterion)
            rows.append(row)
            tell(_line(row), len(rows), steps)
        chosen = int(np.nanargmin([row.criterion for row in rows]))
        best = rows[chosen].fitted
        assert best is not None
        polished = _again(x, best, keys[-1], POLISH_DRAWS)
        rows[chosen] = rows[chosen]._replace(fitted=polished._replace(score=best.score))
        tell(f"{rows[chosen].count} signatures chosen", steps, steps)
    rows = [row if row.fitted is None else row._replace(fitted=_restored(row.fitted, weights)) for row in rows]
    return Path(rows, chosen, weights)


def _best_start(restarts: np.ndarray, objectives: np.ndarray) -> np.ndarray:
    """Signatures [S, 96] of the restart [R, S, 96] with the lowest objective [R]."""
    return restarts[int(np.argmin(objectives))]


def _line(row: Row) -> str:
    if row.fitted is None:
        return f"{row.count} signatures: random starts only"
    return f"{row.count} signatures: criterion {row.criterion:.0f}, {row.swaps} swapped"
