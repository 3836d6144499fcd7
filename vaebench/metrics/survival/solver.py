"""Maximum of Cox's partial likelihood: Newton's method in JAX, one program per shape, vmapped over embeddings.

All in float64: near a log likelihood of -50,000 float32 resolves 0.004, and AICs are compared to less than that.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from vaebench.metrics.survival.risk_sets import Risk

MAX_ITERATIONS = 60
_SMALL_GAIN = 1e-8
"""Newton's decrement g' H^-1 g, twice the gain of log likelihood still to be had, at which the last step is taken."""
_QUADRATIC, _SMALL_LEFT = 1e-3, 1e-12
"""Or: the gain from which it falls quadratically, and what of it the last step may leave."""
_LARGE_STEP = 0.1
"""Change of any sample's linear predictor in the last step: below 0.01 at an interior maximum, near 1 on the way to infinity."""
_DEPENDENT = 1e-12
"""Eigenvalue of the correlation matrix, relative to the largest, that counts as 0: singular values of 1e-6, as float32 has."""


class Solution(NamedTuple):
    """The maximum: ``coefficients`` [d], ``whitened`` [d] those in the columns X ``whiten``; see :func:`status_of`.

    ``rank`` is the number of independent columns, ``columns`` that of columns that are not 0, ``step`` the largest change
    of a linear predictor in the last iteration, ``gain`` twice the log likelihood still to be had before it. With a leading
    axis [R] where several embeddings were solved.
    """

    coefficients: np.ndarray
    log_likelihood: np.ndarray
    whitened: np.ndarray
    whiten: np.ndarray
    rank: np.ndarray
    columns: np.ndarray
    step: np.ndarray
    gain: np.ndarray
    iterations: np.ndarray


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
    groups = len(risk.first)
    tied = jax.ops.segment_sum(risk.use * weight[risk.row], risk.group, groups, indices_are_sorted=True)[risk.group]
    denominator = jnp.where(risk.use > 0, at_risk - risk.fraction * tied, 1.0)
    value = jnp.sum(jnp.where(risk.use > 0, eta[risk.row] - top - jnp.log(denominator), 0.0))
    return value, weight, risk.use / denominator


def _sample_weights(weight: Any, share: Any, risk: Risk) -> Any:
    """w [N] with gradient X' (died - w) and information X' diag(w) X - M' M; never negative."""
    import jax
    import jax.numpy as jnp

    hazard = jnp.concatenate([jnp.zeros(1, share.dtype), jnp.cumsum(share)])[risk.upto]
    groups = len(risk.first)
    corrected = jax.ops.segment_sum(risk.fraction * share, risk.group, groups, indices_are_sorted=True)[risk.group]
    return weight * hazard.at[risk.row].add(-risk.use * corrected)


def _information(x: Any, w: Any, weight: Any, share: Any, risk: Risk) -> Any:
    """Observed information [d, d] = X' diag(w) X - M' M, where row e of M [E, d] is the mean of those at risk at e.

    Who is at risk changes at the G distinct event times only: samples are summed between them first, so that the running
    sum is over G rows and not over N.
    """
    import jax
    import jax.numpy as jnp

    weighted, groups = weight[:, None] * x, len(risk.first)
    between = jax.ops.segment_sum(weighted, risk.past, groups + 1, indices_are_sorted=True)
    at_risk = jnp.cumsum(between[::-1], axis=0)[::-1][1:]
    dead = risk.use[:, None] * weighted[risk.row]
    tied = jax.ops.segment_sum(dead, risk.group, groups, indices_are_sorted=True)
    means = share[:, None] * (at_risk[risk.group] - risk.fraction[:, None] * tied[risk.group])
    root = jnp.sqrt(jnp.clip(w, 0))[:, None] * x
    return root.T @ root - means.T @ means


class _Place(NamedTuple):
    """The likelihood at some coefficients: its value, penalty included, and what its derivatives are made of."""

    beta: Any
    eta: Any
    value: Any
    weight: Any
    share: Any


class _State(NamedTuple):
    """Where Newton's method is; ``step`` and ``gain`` are of the last step."""

    place: _Place
    step: Any
    gain: Any
    iteration: Any
    done: Any


def _newton(x: Any, whiten: Any, risk: Risk, penalty: Any) -> _State:
    """Maximum over beta [d] of ln L - sum penalty * beta^2 / 2 in columns x whiten, by Newton steps, halved if need be."""
    import jax
    import jax.numpy as jnp

    columns = x.shape[1]

    def at(beta: Any, eta: Any) -> _Place:
        value, weight, share = _log_likelihood(eta, risk)
        return _Place(beta, eta, value - 0.5 * jnp.sum(penalty * beta**2), weight, share)

    def advance(state: _State) -> _State:
        here = state.place
        w = _sample_weights(here.weight, here.share, risk)
        gradient = whiten.T @ ((risk.died * risk.inside - w) @ x) - penalty * here.beta
        information = whiten.T @ _information(x, w, here.weight, here.share, risk) @ whiten
        curvature = information + jnp.diag(penalty)
        scale = jnp.trace(curvature) / columns
        direction = jnp.linalg.solve(curvature + 1e-14 * scale * jnp.eye(columns), gradient)
        # without curvature left there is no direction: the sign of a likelihood that rises for ever
        curved = jnp.all(jnp.isfinite(direction))
        direction = jnp.where(curved, direction, 0.0)
        along = x @ (whiten @ direction)
        gain = gradient @ direction
        # a hair of slack: at the maximum the value only changes by rounding
        floor = here.value - 1e-12 * jnp.abs(here.value)

        def stepped(length: Any) -> tuple[Any, _Place]:
            return length, at(here.beta + length * direction, here.eta + length * along)

        def worse(tried: tuple[Any, _Place]) -> Any:
            return ~(tried[1].value >= floor) & (tried[0] > 1e-6)

        length, there = jax.lax.while_loop(worse, lambda tried: stepped(0.5 * tried[0]), stepped(jnp.ones_like(gain)))
        step = jnp.max(jnp.abs(risk.inside * along)) * length
        iteration = state.iteration + 1
        # the last step is taken when the gain has become small, so that it ends far below that: near the maximum gains fall
        # as g, C g^2, ..., so that two of them tell the third
        left = gain * jnp.minimum(gain / jnp.where(state.iteration > 0, state.gain, gain), 1.0) ** 2
        small = (gain < _SMALL_GAIN) | ((left < _SMALL_LEFT) & (gain < _QUADRATIC))
        done = small | (iteration >= MAX_ITERATIONS) | ~jnp.isfinite(there.value)
        return _State(there, jnp.where(curved, step, jnp.inf), gain, iteration, done)

    zero = jnp.zeros((), x.dtype)
    start = at(jnp.zeros(columns, x.dtype), jnp.zeros(len(x), x.dtype))
    return jax.lax.while_loop(lambda state: ~state.done, advance, _State(start, zero, zero, 0, jnp.array(False)))


def _information_at(x: Any, whiten: Any, risk: Risk, beta: Any) -> Any:
    """Observed information [d, d] in columns x whiten at the coefficients beta [d]."""
    _, weight, share = _log_likelihood(x @ (whiten @ beta), risk)
    return whiten.T @ _information(x, _sample_weights(weight, share, risk), weight, share, risk) @ whiten


@functools.cache
def _programs() -> dict[Any, Any]:
    """The compiled functions, Newton's by the number of axes of the design; made when first needed."""
    import jax

    return {
        "information": jax.jit(_information_at),
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


def _ordered(design: np.ndarray, risk: Risk) -> np.ndarray:
    """The design's samples by time, centred within the fit, with 0 for samples out of it."""
    ordered = np.take(np.asarray(design, np.float64), risk.order, axis=-2)
    if risk.inside.all():
        return ordered  # centred already
    means = np.einsum("n,...nd->...d", risk.inside, ordered) / risk.inside.sum()
    return (ordered - means[..., None, :]) * risk.inside[:, None]


def solve(design: np.ndarray, risk: Risk, ridge: float = 0.0) -> Solution:
    """Maximum of ln L - ridge |b|^2 / 2 over the coefficients b [d] of design [N, d], samples in their own order.

    The columns must be standardised (the ridge is per standard deviation); a column of zeros is no parameter. A design
    [R, N, d] is solved for R embeddings in one program. Needs at least one event and one column. Look at
    :func:`status_of` before using the result.
    """
    import jax

    ordered = _ordered(design, risk)
    single = ordered.ndim == 2
    grams = ordered.swapaxes(-1, -2) @ ordered / risk.inside.sum()
    found = [_whitening(gram, ridge) for gram in ([grams] if single else grams)]
    # Directions that are not there get a penalty, only so that the system can be solved; their gradient is 0.
    penalties = [np.where((np.arange(len(w)) < rank) | (ridge > 0), ridge, 1.0) for w, rank in found]
    whiten, penalty = (np.stack(part) for part in ([w for w, _ in found], penalties))
    rank = np.array([rank for _, rank in found])
    if single:
        whiten, penalty, rank = whiten[0], penalty[0], rank[0]
    with jax.enable_x64(True):
        state = _programs()[ordered.ndim](ordered, whiten, risk, penalty)
        state = jax.tree.map(np.asarray, state)
    beta = state.place.beta
    return Solution(
        coefficients=np.einsum("...ij,...j->...i", whiten, beta),
        log_likelihood=state.place.value + 0.5 * np.sum(penalty * beta**2, axis=-1),
        whitened=beta,
        whiten=whiten,
        rank=rank,
        columns=np.sum(np.any(ordered != 0, axis=-2), axis=-1),
        step=state.step,
        gain=state.gain,
        iterations=state.iteration,
    )


def standard_errors(solution: Solution, design: np.ndarray, risk: Risk, ridge: float = 0.0) -> tuple[np.ndarray, float]:
    """Standard errors [d] of one solution (NaN for columns of zeros), and the number of parameters.

    Errors are roots of the diagonal of the inverse information, penalty included. The number is the rank or, with a
    ridge, the effective trace(H (H + ridge)^-1) (Gray 1992).
    """
    import jax

    whiten = solution.whiten
    with jax.enable_x64(True):
        information = np.asarray(_programs()["information"](_ordered(design, risk), whiten, risk, solution.whitened))
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
    if int(solution.iterations) >= MAX_ITERATIONS and not float(solution.gain) < _SMALL_GAIN:
        return f"NOT_CONVERGED: log likelihood still rising after {int(solution.iterations)} steps"
    return "OK"
