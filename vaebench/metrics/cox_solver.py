"""Maximum of Cox's partial likelihood: Newton's method in JAX, one program per shape, vmapped over embeddings.

All in float64: near a log likelihood of -50,000 float32 resolves 0.004, and AICs are compared to less than that.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

MAX_ITERATIONS = 60
_SMALL_GAIN = 1e-8
"""Newton's decrement g' H^-1 g, twice the gain of log likelihood still to be had, at which the last step is taken."""
_LARGE_STEP = 1e-3
"""Change of any sample's linear predictor in the last step: below 1e-4 at an interior maximum, near 1 on the way to infinity."""
_DEPENDENT = 1e-12
"""Eigenvalue of the correlation matrix, relative to the largest, that counts as 0: singular values of 1e-6, as float32 has."""


class Risk(NamedTuple):
    """Who is at risk at each event, sorted by time once per data set; [N] samples in ``order``, [E] events by time.

    Attributes:
        order: [N] positions that sort the samples by time.
        row: [E] sorted position of the sample that has the event.
        start: [E] first sorted position at risk, ``time >= t``.
        group: [E] number of the distinct event time.
        upto: [N] number of events with a time at or before the sample's.
        died: [N] 1 for an event.
        inside: [N] 1 for samples in the fit.
        use: [E] 1 for events in the fit.
        fraction: [E] l / d for the l-th of d events at one time (Efron's treatment of ties).
        distinct: [N] number that equal times share, for the concordance.
    """

    order: Any
    row: Any
    start: Any
    group: Any
    upto: Any
    died: Any
    inside: Any
    use: Any
    fraction: Any
    distinct: Any


class Solution(NamedTuple):
    """The maximum: ``coefficients`` [d], and ``information`` [d, d] in the columns X ``whiten``; see :func:`status_of`.

    ``rank`` is the number of independent columns, ``columns`` that of columns that are not 0, ``step`` the largest change
    of a linear predictor in the last iteration, ``gain`` twice the log likelihood still to be had before it. With a leading
    axis [R] where several embeddings were solved.
    """

    coefficients: np.ndarray
    log_likelihood: np.ndarray
    information: np.ndarray
    whiten: np.ndarray
    rank: np.ndarray
    columns: np.ndarray
    step: np.ndarray
    gain: np.ndarray
    iterations: np.ndarray


def risk_sets(time: np.ndarray, event: np.ndarray, inside: np.ndarray | None = None) -> Risk:
    """Sorted times and grouped ties of ``time`` [N] (finite) and ``event`` [N] (bool).

    ``inside`` [N] (bool) restricts the fit to part of the samples while every array keeps its shape, so that all splits
    of a data set share one compiled program.
    """
    inside = np.ones(len(time), bool) if inside is None else np.asarray(inside, bool)
    # Ties are broken by event and part only to be definite; risk sets start at the first of equal times.
    order = np.lexsort((np.arange(len(time)), time))
    time, event, inside = time[order], event[order], inside[order]
    row = np.flatnonzero(event)
    use = inside[row]
    _, group = np.unique(time[row], return_inverse=True)
    deaths = np.bincount(group, weights=use, minlength=len(row))
    before = np.concatenate([[0], np.cumsum(use)[:-1]]) if len(row) else np.zeros(0)
    first = np.searchsorted(group, group)  # slot of the first event at this time
    rank = before - before[first] if len(row) else before
    return Risk(
        order=order,
        row=row,
        start=np.searchsorted(time, time[row], side="left"),
        group=group,
        upto=np.searchsorted(time[row], time, side="right"),
        died=event.astype(np.float64),
        inside=inside.astype(np.float64),
        use=use.astype(np.float64),
        fraction=np.where(use, rank / np.maximum(deaths[group], 1), 0.0),
        distinct=np.unique(time, return_inverse=True)[1],
    )


def _log_likelihood(eta: Any, risk: Risk) -> tuple[Any, Any, Any]:
    """Efron's log partial likelihood at the linear predictors eta [N]; exp(eta) up to a factor; 1 / denominators [E].

    ln L = sum_e [eta_e - ln(sum_{time_j >= t_e} exp(eta_j) - l_e / d_e * sum_{dead at t_e} exp(eta_j))] (Efron 1977).
    """
    import jax
    import jax.numpy as jnp

    eta = jnp.where(risk.inside > 0, eta, -jnp.inf)
    top = jnp.max(eta)
    weight = jnp.exp(eta - top)
    at_risk = jnp.cumsum(weight[::-1])[::-1][risk.start]
    events = len(risk.row)
    tied = jax.ops.segment_sum(risk.use * weight[risk.row], risk.group, events, indices_are_sorted=True)[risk.group]
    denominator = jnp.where(risk.use > 0, at_risk - risk.fraction * tied, 1.0)
    value = jnp.sum(jnp.where(risk.use > 0, eta[risk.row] - top - jnp.log(denominator), 0.0))
    return value, weight, risk.use / denominator


def _sample_weights(weight: Any, share: Any, risk: Risk) -> Any:
    """w [N] with gradient X' (died - w) and information X' diag(w) X - M' M; never negative."""
    import jax
    import jax.numpy as jnp

    hazard = jnp.concatenate([jnp.zeros(1, share.dtype), jnp.cumsum(share)])[risk.upto]
    groups = len(risk.row)
    corrected = jax.ops.segment_sum(risk.fraction * share, risk.group, groups, indices_are_sorted=True)[risk.group]
    return weight * hazard.at[risk.row].add(-risk.use * corrected)


def _information(x: Any, w: Any, weight: Any, share: Any, risk: Risk) -> Any:
    """Observed information [d, d] = X' diag(w) X - M' M, where row e of M [E, d] is the mean of those at risk at e."""
    import jax
    import jax.numpy as jnp

    weighted = weight[:, None] * x
    at_risk = jnp.cumsum(weighted[::-1], axis=0)[::-1][risk.start]
    dead = risk.use[:, None] * weighted[risk.row]
    tied = jax.ops.segment_sum(dead, risk.group, len(risk.row), indices_are_sorted=True)[risk.group]
    means = share[:, None] * (at_risk - risk.fraction[:, None] * tied)
    root = jnp.sqrt(jnp.clip(w, 0))[:, None] * x
    return root.T @ root - means.T @ means


class _State(NamedTuple):
    """``value`` is at ``beta``; ``information`` is from before the last step, which at the end is too small to change it."""

    beta: Any
    value: Any
    information: Any
    step: Any
    gain: Any
    iteration: Any
    done: Any


def _newton(x: Any, whiten: Any, risk: Risk, penalty: Any) -> _State:
    """Maximum over beta [d] of ln L - sum penalty * beta^2 / 2 in columns x whiten, by Newton steps, halved if need be."""
    import jax
    import jax.numpy as jnp

    columns = x.shape[1]

    def value_at(beta: Any) -> Any:
        return _log_likelihood(x @ (whiten @ beta), risk)[0] - 0.5 * jnp.sum(penalty * beta**2)

    def advance(state: _State) -> _State:
        value, weight, share = _log_likelihood(x @ (whiten @ state.beta), risk)
        value = value - 0.5 * jnp.sum(penalty * state.beta**2)
        w = _sample_weights(weight, share, risk)
        gradient = whiten.T @ (x.T @ (risk.died * risk.inside - w)) - penalty * state.beta
        information = whiten.T @ _information(x, w, weight, share, risk) @ whiten
        curvature = information + jnp.diag(penalty)
        scale = jnp.trace(curvature) / columns
        direction = jnp.linalg.solve(curvature + 1e-14 * scale * jnp.eye(columns), gradient)
        # without curvature left there is no direction: the sign of a likelihood that rises for ever
        curved = jnp.all(jnp.isfinite(direction))
        direction = jnp.where(curved, direction, 0.0)
        gain = gradient @ direction
        # a hair of slack: at the maximum the value only changes by rounding
        floor = value - 1e-12 * jnp.abs(value)

        def worse(tried: Any) -> Any:
            return ~(tried[1] >= floor) & (tried[0] > 1e-6)

        def halved(tried: Any) -> Any:
            return 0.5 * tried[0], value_at(state.beta + 0.5 * tried[0] * direction)

        length, value = jax.lax.while_loop(worse, halved, (2 * jnp.ones_like(gain), -jnp.inf * jnp.ones_like(gain)))
        step = jnp.max(jnp.abs(risk.inside * (x @ (whiten @ (length * direction)))))
        iteration = state.iteration + 1
        # the last step is taken when the gain has become small, so that it ends far below that
        done = (gain < _SMALL_GAIN) | (iteration >= MAX_ITERATIONS) | ~jnp.isfinite(value)
        step = jnp.where(curved, step, jnp.inf)
        return _State(state.beta + length * direction, value, information, step, gain, iteration, done)

    zero = jnp.zeros((), x.dtype)
    start = _State(
        jnp.zeros(columns, x.dtype), zero, jnp.zeros((columns, columns), x.dtype), zero, zero, 0, jnp.array(False)
    )
    return jax.lax.while_loop(lambda state: ~state.done, advance, start)


@functools.cache
def _programs() -> dict[Any, Any]:
    """The compiled functions, Newton's by the number of axes of the design; made when first needed."""
    import jax

    return {
        "gram": jax.jit(lambda x: x.swapaxes(-1, -2) @ x),
        2: jax.jit(_newton),
        3: jax.jit(jax.vmap(_newton, in_axes=(0, 0, None, 0))),
    }


def _whitening(gram: np.ndarray, ridge: float) -> tuple[np.ndarray, int]:
    """W [d, d] from X'X / N such that X W [N, d] has orthogonal columns of variance 1, zeros for dependent ones; and the rank.

    In such columns the likelihood is the same and its curvature near the identity. By a Cholesky factor with pivots.
    A ridge depends on the columns, and keeps the curvature away from 0 itself: W is the identity then.
    """
    from scipy.linalg import get_lapack_funcs, solve_triangular

    (pivoted,) = get_lapack_funcs(("pstrf",), (gram,))
    factor, pivots, rank, _ = pivoted(gram, lower=0, tol=_DEPENDENT * max(gram.diagonal().max(), 1e-300))
    if ridge:
        return np.eye(len(gram)), rank
    whiten = np.zeros_like(gram)
    kept = np.asarray(pivots[:rank]) - 1
    whiten[kept, :rank] = solve_triangular(np.triu(factor)[:rank, :rank], np.eye(rank))
    return whiten, rank


def solve(design: np.ndarray, risk: Risk, ridge: float = 0.0) -> Solution:
    """Maximum of ln L - ridge |b|^2 / 2 over the coefficients b [d] of design [N, d], samples in their own order.

    The columns must be standardised (the ridge is per standard deviation); a column of zeros is no parameter. A design
    [R, N, d] is solved for R embeddings in one program. Needs at least one event and one column. Look at
    :func:`status_of` before using the result.
    """
    import jax

    ordered = np.take(np.asarray(design, np.float64), risk.order, axis=-2)
    if not risk.inside.all():  # else the columns are centred already, and 0 is for samples out of the fit
        means = np.einsum("n,...nd->...d", risk.inside, ordered) / risk.inside.sum()
        ordered = (ordered - means[..., None, :]) * risk.inside[:, None]
    single = ordered.ndim == 2
    with jax.enable_x64(True):
        grams = np.asarray(_programs()["gram"](ordered)) / risk.inside.sum()
    found = [_whitening(gram, ridge) for gram in ([grams] if single else grams)]
    # Directions that are not there get a penalty, only so that the system can be solved; their gradient is 0.
    penalties = [np.where((np.arange(len(w)) < rank) | (ridge > 0), ridge, 1.0) for w, rank in found]
    whiten, penalty = (np.stack(part) for part in ([w for w, _ in found], penalties))
    rank = np.array([rank for _, rank in found])
    if single:
        whiten, penalty, rank = whiten[0], penalty[0], rank[0]
    with jax.enable_x64(True):
        state = _programs()[ordered.ndim](ordered, whiten, risk, penalty)
        state = _State(*(np.asarray(v) for v in state))
    return Solution(
        coefficients=np.einsum("...ij,...j->...i", whiten, state.beta),
        log_likelihood=state.value + 0.5 * np.sum(penalty * state.beta**2, axis=-1),
        information=state.information,
        whiten=whiten,
        rank=rank,
        columns=np.sum(np.any(ordered != 0, axis=-2), axis=-1),
        step=state.step,
        gain=state.gain,
        iterations=state.iteration,
    )


def standard_errors(solution: Solution, ridge: float = 0.0) -> tuple[np.ndarray, float]:
    """Standard errors [d] of one solution (NaN for columns of zeros), and the number of parameters.

    Errors are roots of the diagonal of the inverse information, penalty included. The number is the rank or, with a
    ridge, the effective trace(H (H + ridge)^-1) (Gray 1992).
    """
    whiten, information = solution.whiten, solution.information
    used = np.any(whiten != 0, axis=0) & (np.diag(information) > 0)
    inner = information[np.ix_(used, used)]
    inverse = np.linalg.inv(inner + ridge * np.eye(len(inner)))
    variance = np.einsum("ij,jk,ik->i", whiten[:, used], inverse, whiten[:, used], optimize=True)
    errors = np.sqrt(np.where(variance > 0, variance, np.nan))
    return errors, float(np.sum(inverse * inner)) if ridge else float(solution.rank)


def status_of(solution: Solution, ridge: float = 0.0) -> str:
    """``"OK"``, ``SINGULAR``, ``SEPARATED`` (a coefficient runs to infinity) or ``NOT_CONVERGED``, with the reason."""
    columns = int(solution.columns)
    dependent = columns - int(solution.rank)
    if dependent and not ridge:
        return f"SINGULAR: {dependent} of {columns} columns depend linearly on the others"
    # columns are finite and standardised, so that only coefficients on their way to infinity overflow the likelihood
    if float(solution.step) > _LARGE_STEP or not math.isfinite(float(solution.log_likelihood)):
        return f"SEPARATED: after {int(solution.iterations)} steps a combination of columns still runs to infinity"
    if not float(solution.gain) < _SMALL_GAIN:
        return f"NOT_CONVERGED: log likelihood still rising after {int(solution.iterations)} steps"
    return "OK"
