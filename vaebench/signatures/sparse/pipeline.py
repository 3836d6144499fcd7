"""Our own extraction: signatures that sparse exposures explain, for every number of signatures, and the choice among them.

For each number: random starts with an annealed prior (:mod:`vaebench.signatures.kl_nmf`), and the fit with one signature
fewer plus the best seed (:mod:`vaebench.signatures.sparse.moves`), each followed by stochastic approximation EM
(:mod:`vaebench.signatures.sparse.saem`); the better one is improved by swaps (:mod:`vaebench.signatures.sparse.moves`). The number with the
lowest criterion is chosen. One large number alone is grown up to as well: random starts miss what is rare. What counts leave
open of the chosen fit is decided at the end (:mod:`vaebench.signatures.sparse.ambiguity`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.signatures.kl_nmf import padded
from vaebench.signatures.likelihood import chi_squared
from vaebench.signatures.sparse.ambiguity import Shear, sheared
from vaebench.signatures.sparse.criterion import PRESENT, annealed, starts
from vaebench.signatures.sparse.moves import Fitted, fitted, swapped, with_seed

POLISH_DRAWS = 1600
"""Draws of the last fit of the chosen number: flat signatures part slowly."""

_PATIENCE = 2
"""Numbers of signatures in a row that may make the criterion worse before no larger one is fitted."""

GROWN_FROM = 5
"""Signatures from which seeds are added one by one up to the least number asked for."""

_START_TOTAL = 1000.0
"""Mutations to which larger samples are scaled in the random starts, so that no few samples lead them."""

_SLACK = 0.1
"""Dispersion above 1 that even the largest fit to Poisson counts may keep."""

_EXACT = 1e5
"""Mutations at which a sample weighs a half at most: no signature is exact enough to be judged by millions of them."""


class Row(NamedTuple):
    """What is known of one number of signatures.

    Attributes:
        count: number of signatures.
        restarts: [R, S, 96] signatures of the random starts.
        objectives: [R] theirs.
        fitted: by falling exposures, which are in mutations; deviance and criterion are at the samples' weights, those
            of the chosen number from before its last draws; ``None`` where the criterion had risen before.
        swaps: swaps that were accepted.
    """

    count: int
    restarts: np.ndarray
    objectives: np.ndarray
    fitted: Fitted | None
    swaps: int


class Path(NamedTuple):
    """All numbers of signatures, and what was chosen.

    Attributes:
        rows: one a number.
        chosen: position in ``rows``.
        shears: made there.
        unsheared: [S, 96], the signatures there before the shears.
        weights: [T], of the samples.
    """

    rows: list[Row]
    chosen: int
    shears: tuple[Shear, ...]
    unsheared: np.ndarray
    weights: np.ndarray


def sample_weights(counts: np.ndarray, signatures: np.ndarray) -> np.ndarray:
    """Weights [T] = 1 / (1 + a N_t): what overdispersion, variance mean (1 + a N_t), leaves of a sample's evidence.

    N_t is the sample's number of mutations and phi_t its Pearson dispersion when ``signatures`` are fitted to all counts;
    a is the median of (phi_t - 1.1) / N_t, and at least 1e-5: a sample of millions of mutations, which shows errors of the
    signatures that no other sample can show, would otherwise be given a signature of its own.

    Args:
        counts: [T, 96].
        signatures: [S, 96] to begin with, as many as are considered.
    """
    spectra, exposures = annealed(jnp.asarray(counts, jnp.float32), padded(signatures))
    mean = np.asarray(exposures, np.float64) @ np.asarray(spectra, np.float64)
    terms, cells = chi_squared(counts, mean)
    freedom = cells - np.sum(np.asarray(exposures) > 0, axis=1)
    used = freedom > 0
    total = counts.sum(1)
    slopes = (terms[used] / freedom[used] - 1 - _SLACK) / total[used]
    slope = float(np.median(slopes)) if used.any() else 0.0
    return 1 / (1 + max(1 / _EXACT, slope) * total)


def _order(fit: Fitted, weights: np.ndarray) -> np.ndarray:
    """Positions [S] of the signatures by falling mutations."""
    return np.argsort(-(fit.score.exposures / weights[:, None]).sum(0), kind="stable")


def _restored(fit: Fitted, weights: np.ndarray) -> Fitted:
    """In mutations again, by falling exposures."""
    order = _order(fit, weights)
    exposures = fit.score.exposures[:, order] / weights[:, None]
    score = fit.score._replace(nonzeros=fit.score.nonzeros[order], exposures=exposures)
    return Fitted(fit.signatures[order], fit.presence[:, order], score)


def _decided(fit: Fitted) -> tuple[Fitted, tuple[Shear, ...]]:
    """With shears (:mod:`vaebench.signatures.sparse.ambiguity`), other signatures and exposures of nearly the same mean; and these."""
    signatures, exposures, made = sheared(fit.signatures, fit.score.exposures)
    presence = fit.presence.copy()
    for shear in made:
        if shear.share > 0:
            pair = presence[:, [shear.signature, shear.other]]
            presence[:, shear.other] = pair.max(1)
    score = fit.score._replace(nonzeros=np.sum(exposures > PRESENT, axis=0), exposures=exposures)
    return Fitted(signatures, presence, score), made


def _best(x: Any, start: np.ndarray, grown: Fitted | None, key: Any) -> Fitted:
    """The better of the fits from a random ``start`` [S, 96] and of the ``grown`` one, which gets seeds up to S."""
    first, *others = jax.random.split(key, len(start) + 1)
    fit = fitted(x, start, first)
    if grown is None:
        return fit
    for own in others[len(grown.signatures) :]:  # a seed may die out again
        grown = with_seed(x, grown, own)
    return min(fit, grown, key=lambda one: one.score.criterion)


def sparse_path(
    counts: np.ndarray,
    numbers: Sequence[int],
    *,
    restarts: int = 10,
    seed: int = 0,
    tell: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Path:
    """Signatures of ``counts`` [T, 96] for each of the rising ``numbers``, the best number by the criterion.

    The criterion is that of :class:`vaebench.signatures.sparse.criterion.Score`, at weights that follow the estimated
    overdispersion. Numbers after two in a row that make it worse get their random starts only.

    Args:
        counts: non-negative; samples without mutations have exposures 0.
        numbers: of signatures.
        restarts: random starts per number, at least 1.
        seed: of all random numbers.
        tell: called with what was done, steps done and steps in all, after each number and at the end.
    """
    *keys, early, last = jax.random.split(jax.random.key(seed), len(numbers) + 2)
    steps = len(numbers) + 1
    with jax.default_matmul_precision("highest"):
        total = counts.sum(1, keepdims=True)
        even_counts = jnp.asarray(counts * np.minimum(1, _START_TOTAL / np.maximum(total, 1)), jnp.float32)
        begun = {numbers[-1]: starts(even_counts, numbers[-1], restarts, last)}
        weights = sample_weights(counts, _best_start(*begun[numbers[-1]]))
        x = jnp.asarray(counts * weights[:, None], jnp.float32)
        rows: list[Row] = []
        grown, least, worse = None, np.inf, 0
        if numbers[0] > GROWN_FROM:
            first, second = jax.random.split(early)
            grown = fitted(x, _best_start(*starts(even_counts, GROWN_FROM, restarts, first)), second)
        for k, key in zip(numbers, keys, strict=True):
            first, second, third = jax.random.split(key, 3)
            found = begun[k] if k in begun else starts(even_counts, k, restarts, first)
            row = Row(k, *found, fitted=None, swaps=0)
            if worse < _PATIENCE:
                fit, grown, swaps = swapped(x, _best(x, _best_start(*found), grown, second), third)
                row = row._replace(fitted=fit, swaps=swaps)
                worse = 0 if fit.score.criterion < least else worse + 1
                least = min(least, fit.score.criterion)
            rows.append(row)
            tell(_line(row), len(rows), steps)
        fits = [row.fitted for row in rows if row.fitted is not None]  # the first rows, without a gap
        chosen = int(np.argmin([fit.score.criterion for fit in fits]))
        best = fits[chosen]
        polished = fitted(x, best.signatures, last, exposures=best.score.exposures, draws=POLISH_DRAWS)
        plain = polished.signatures
        polished, made = _decided(polished)
        score = polished.score._replace(deviance=best.score.deviance, criterion=best.score.criterion)
        rows[chosen] = rows[chosen]._replace(fitted=polished._replace(score=score))
        tell(f"{rows[chosen].count} signatures chosen", steps, steps)
    order = _order(polished, weights)
    place = np.argsort(order)
    shears = [s._replace(signature=int(place[s.signature]), other=int(place[s.other])) for s in made]
    rows = [row if row.fitted is None else row._replace(fitted=_restored(row.fitted, weights)) for row in rows]
    return Path(rows, chosen, tuple(shears), plain[order], weights)


def _best_start(restarts: np.ndarray, objectives: np.ndarray) -> np.ndarray:
    """Signatures [S, 96] of the restart [R, S, 96] with the lowest objective [R]."""
    return restarts[int(np.argmin(objectives))]


def _line(row: Row) -> str:
    if row.fitted is None:
        return f"{row.count} signatures: random starts only"
    return f"{row.count} signatures: criterion {row.fitted.score.criterion:.0f}, {row.swaps} swapped"
