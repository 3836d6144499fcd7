"""Maximum of Cox's partial likelihood: Newton's method in JAX, one program per shape, vmapped over embeddings.

1. sort      samples by time, centre the columns                       (``ordered_design``)
2. whiten    replace X by X W with orthogonal columns of variance 1    (``_whitening``)
3. Newton    solve H s = g; halve s until ln L does not decrease       (``_newton``)
4. stop      when Newton's decrement g' s is small, or after 60 steps
5. judge     singular, separated, not converged, or OK                 (``status_of``)

In float64 throughout: near a log likelihood of -50,000 float32 resolves 0.004, and AICs are compared more finely.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vaebench.metrics.survival.risk_sets import Risk

if TYPE_CHECKING:
    import jax

MAX_ITERATIONS = 60
_SMALL_GAIN = 1e-8
"""Newton's decrement g' H^-1 g, twice the log likelihood still to be gained, below which the last step is taken."""
_QUADRATIC, _SMALL_LEFT = 1e-3, 1e-12
"""Alternatively: the decrement below which it decreases quadratically, and how much of it the last step may leave."""
_LARGE_STEP = 0.1
"""Largest change of a linear predictor in the last step: below 0.01 at an interior maximum, near 1 if a coefficient diverges."""
_DEPENDENT = 1e-12
"""Eigenvalues of the correlation matrix below this share of the largest count as 0: singular values of 1e-6, as in float32."""


class Solution(NamedTuple):
    """Maximum of the partial likelihood; every field has a leading axis [R] where several embeddings were solved.

    Attributes:
        coefficients: [d], per unit of the design's columns.
        log_likelihood: without the penalty.
        whitened: [d], coefficients of the columns X ``whiten``.
        whiten: [d, d], see :func:`solve`.
        rank: number of independent columns.
        columns: number of columns that are not all 0.
        step: largest change of a linear predictor in the last iteration.
        gain: twice the log likelihood that was still to be gained before the last step.
        iterations: Newton steps.
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


def running_sum(values: jax.Array, backwards: bool = False) -> jax.Array:
    """Return the sums of the values [n, ...] up to each row, or ``backwards`` from it on.

    On a CPU one after the other: compiled in a quarter of the time of ``cumsum``'s tree, and two to four times as fast.
    """
    import jax
    import jax.numpy as jnp

    def add(total: jax.Array, row: jax.Array) -> tuple[jax.Array, jax.Array]:
        return total + row, total + row

    def in_turn(v: jax.Array) -> jax.Array:
        return jax.lax.scan(add, jnp.zeros_like(v[0]), v, reverse=backwards)[1]

    as_tree = functools.partial(jax.lax.cumsum, axis=0, reverse=backwards)
    return jax.lax.platform_dependent(values, cpu=in_turn, default=as_tree)


def _log_likelihood(eta: jax.Array, risk: Risk) -> tuple[Any, Any, Any]:
    """Return Efron's log partial likelihood at linear predictors eta [N], exp(eta) up to a factor, and 1 / denominators [E].

    ln L = sum_e [eta_e - ln(sum_{time_j >= t_e} exp(eta_j) - l_e / d_e * sum_{dead at t_e} exp(eta_j))] (Efron 1977).
    """
    import jax
    import jax.numpy as jnp

    eta = jnp.where(risk.inside > 0, eta, -jnp.inf)
    top = jnp.max(eta)
    weight = jnp.exp(eta - top)
    at_risk = running_sum(weight, backwards=True)[risk.start]
    groups = len(risk.first)
    tied = jax.ops.segment_sum(risk.use * weight[risk.row], risk.group, groups, indices_are_sorted=True)[risk.group]
    denominator = jnp.where(risk.use > 0, at_risk - risk.fraction * tied, 1.0)
    value = jnp.sum(jnp.where(risk.use > 0, eta[risk.row] - top - jnp.log(denominator), 0.0))
    return value, weight, risk.use / denominator


def _sample_weights(weight: jax.Array, share: jax.Array, risk: Risk) -> jax.Array:
    """Weights w [N], never negative: the gradient is X' (died - w), the information X' diag(w) X - M' M."""
    import jax
    import jax.numpy as jnp

    hazard = jnp.concatenate([jnp.zeros(1, share.dtype), running_sum(share)])[risk.upto]
    groups = len(risk.first)
    corrected = jax.ops.segment_sum(risk.fraction * share, risk.group, groups, indices_are_sorted=True)[risk.group]
    return weight * hazard.at[risk.row].add(-risk.use * corrected)


def _information(x: jax.Array, w: jax.Array, weight: jax.Array, share: jax.Array, risk: Risk) -> jax.Array:
    """Observed information [d, d] = X' diag(w) X - M' M, where row e of M [E, d] is the mean of those at risk at e.

    Who is at risk changes at the G distinct event times only: samples between two of them are summed first, so that the
    running sum has G rows and not N.
    """
    import jax
    import jax.numpy as jnp

    weighted, groups = weight[:, None] * x, len(risk.first)
    between = jax.ops.segment_sum(weighted, risk.past, groups + 1, indices_are_sorted=True)
    at_risk = running_sum(between, backwards=True)[1:]
    dead = risk.use[:, None] * weighted[risk.row]
    tied = jax.ops.segment_sum(dead, risk.group, groups, indices_are_sorted=True)
    means = share[:, None] * (at_risk[risk.group] - risk.fraction[:, None] * tied[risk.group])
    root = jnp.sqrt(jnp.clip(w, 0))[:, None] * x
    return root.T @ root - means.T @ means


class _Place(NamedTuple):
    """Penalised log likelihood at the coefficients ``beta``, with the sums from which its derivatives are computed."""

    beta: Any
    eta: Any
    value: Any
    weight: Any
    share: Any


class _NewtonState(NamedTuple):
    """State of Newton's method; ``step`` and ``gain`` belong to the last step."""

    place: _Place
    step: Any
    gain: Any
    iteration: Any
    done: Any


def _newton(x: jax.Array, whiten: jax.Array, risk: Risk, penalty: jax.Array) -> _NewtonState:
    """Maximum over beta [d] of ln L - sum penalty * beta^2 / 2 in columns x whiten, by Newton steps, halved if need be."""
    import jax
    import jax.numpy as jnp

    columns = x.shape[1]

    def at(beta: jax.Array, eta: jax.Array) -> _Place:
        value, weight, share = _log_likelihood(eta, risk)
        return _Place(beta, eta, value - 0.5 * jnp.sum(penalty * beta**2), weight, share)

    def advance(state: _NewtonState) -> _NewtonState:
        here = state.place
        w = _sample_weights(here.weight, here.share, risk)
        gradient = whiten.T @ ((risk.died * risk.inside - w) @ x) - penalty * here.beta
        information = whiten.T @ _information(x, w, here.weight, here.share, risk) @ whiten
        curvature = information + jnp.diag(penalty)
        scale = jnp.trace(curvature) / columns
        direction = jnp.linalg.solve(curvature + 1e-14 * scale * jnp.eye(columns), gradient)
        # no curvature left means no direction: the sign of a likelihood that increases for ever
        curved = jnp.all(jnp.isfinite(direction))
        direction = jnp.where(curved, direction, 0.0)
        along = x @ (whiten @ direction)
        gain = gradient @ direction
        # some slack: at the maximum the value changes by rounding only
        floor = here.value - 1e-12 * jnp.abs(here.value)

        def halved(tried: tuple[Any, _Place]) -> tuple[Any, _Place]:
            length = 0.5 * tried[0]
            return length, at(here.beta + length * direction, here.eta + length * along)

        def worse(tried: tuple[Any, _Place]) -> jax.Array:
            return ~(tried[1].value >= floor) & (tried[0] > 1e-6)

        # twice the step stands for none that was tried: the loop then holds the only copy of the likelihood's program
        none = 2.0 * jnp.ones_like(gain), here._replace(value=-jnp.inf * jnp.ones_like(gain))
        length, there = jax.lax.while_loop(worse, halved, none)
        step = jnp.max(jnp.abs(risk.inside * along)) * length
        iteration = state.iteration + 1
        # The step that follows a small gain is the last one, and ends far below that gain. Near the maximum gains decrease as
        # g, C g^2, C^3 g^4, ..., so two of them predict the next.
        left = gain * jnp.minimum(gain / jnp.where(state.iteration > 0, state.gain, gain), 1.0) ** 2
        small = (gain < _SMALL_GAIN) | ((left < _SMALL_LEFT) & (gain < _QUADRATIC))
        done = small | (iteration >= MAX_ITERATIONS) | ~jnp.isfinite(there.value)
        return _NewtonState(there, jnp.where(curved, step, jnp.inf), gain, iteration, done)

    zero = jnp.zeros((), x.dtype)
    start = at(jnp.zeros(columns, x.dtype), jnp.zeros(len(x), x.dtype))
    return jax.lax.while_loop(lambda state: ~state.done, advance, _NewtonState(start, zero, zero, 0, jnp.array(False)))


def _information_at(x: jax.Array, whiten: jax.Array, risk: Risk, beta: jax.Array) -> jax.Array:
    """Observed information [d, d] in columns x whiten at the coefficients beta [d]."""
    _, weight, share = _log_likelihood(x @ (whiten @ beta), risk)
    return whiten.T @ _information(x, _sample_weights(weight, share, risk), weight, share, risk) @ whiten


@functools.cache
def _programs() -> dict[Any, Any]:
    """Compiled functions, made on first use: ``"information"``, and Newton's method by the number of axes of the design."""
    import jax

    return {
        "information": jax.jit(_information_at),
        2: jax.jit(_newton),
        3: jax.jit(jax.vmap(_newton, in_axes=(0, 0, None, 0))),
    }


def _whitening(gram: np.ndarray, ridge: float) -> tuple[np.ndarray, int]:
    """Return W [d, d] such that X W has orthogonal columns of variance 1, and the rank; ``gram`` is X'X / N.

    Dependent columns are zeros in X W. The likelihood of X W is that of X, and its curvature is near the identity, so that
    Newton's method needs few steps. W comes from a Cholesky factorisation with pivots. A ridge penalises the columns as
    they are and bounds the curvature itself: W is then the identity.
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


def independent_columns(x: np.ndarray) -> int:
    """Return the rank of centred columns x [n, d], to the tolerance at which :func:`status_of` says ``SINGULAR``."""
    return int(_whitening(x.T @ x / len(x), 0.0)[1])


def ordered_design(design: np.ndarray, risk: Risk) -> np.ndarray:
    """Return the design [..., N, d] with samples sorted by time, centred over the samples in the fit, 0 for the others."""
    ordered = np.take(np.asarray(design, np.float64), risk.order, axis=-2)
    if risk.inside.all():
        return ordered  # centred already
    means = np.einsum("n,...nd->...d", risk.inside, ordered) / risk.inside.sum()
    return (ordered - means[..., None, :]) * risk.inside[:, None]


def solve(design: np.ndarray, risk: Risk, ridge: float = 0.0) -> Solution:
    """Maximise ln L(b) - ridge |b|^2 / 2 over the coefficients b [d].

    ln L(b) = sum_e [eta_e - ln(sum_{time_j >= t_e} exp(eta_j) - l_e / d_e sum_{dead at t_e} exp(eta_j))] with eta = X b:
    Cox's partial likelihood with Efron's treatment of ties, l_e = 0, 1, ..., d_e - 1 counting the d_e events at one time.

    Args:
        design: [N, d] standardised columns (the ridge is per standard deviation), samples in their own order; a column of
            zeros is not a parameter. [R, N, d] for R embeddings in one program. At least one column.
        risk: of :func:`vaebench.metrics.survival.risk_sets.risk_sets`, with at least one event.
        ridge: 0 for the maximum of the likelihood.

    Returns:
        The solution. Check it with :func:`status_of` before using it.

    Source: Cox 1972; Efron 1977, J. Am. Stat. Assoc. 72, 557-565.
    """
    import jax

    ordered = ordered_design(design, risk)
    single = ordered.ndim == 2
    grams = ordered.swapaxes(-1, -2) @ ordered / risk.inside.sum()
    found = [_whitening(gram, ridge) for gram in ([grams] if single else grams)]
    # dependent directions get a penalty only to make the system solvable; their gradient is 0
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
    """Return the standard errors [d] of one solution (NaN for columns of zeros) and its number of parameters.

    Errors are square roots of the diagonal of the inverse information, penalty included. The number of parameters is the
    rank or, with a ridge, the effective number trace(H (H + ridge)^-1) (Gray 1992).
    """
    import jax

    whiten = solution.whiten
    with jax.enable_x64(True):
        information = np.asarray(
            _programs()["information"](ordered_design(design, risk), whiten, risk, solution.whitened)
        )
    used = np.any(whiten != 0, axis=0) & (np.diag(information) > 0)
    inner = information[np.ix_(used, used)]
    inverse = np.linalg.inv(inner + ridge * np.eye(len(inner)))
    variance = np.einsum("ij,jk,ik->i", whiten[:, used], inverse, whiten[:, used], optimize=True)
    errors = np.sqrt(np.where(variance > 0, variance, np.nan))
    return errors, float(np.sum(inverse * inner)) if ridge else float(solution.rank)


def status_of(solution: Solution, ridge: float = 0.0) -> str:
    """Return ``"OK"``, ``SINGULAR``, ``SEPARATED`` (a coefficient runs to infinity) or ``NOT_CONVERGED``, with the reason."""
    columns = int(solution.columns)
    dependent = columns - int(solution.rank)
    if dependent and not ridge:
        return f"SINGULAR: {dependent} of {columns} columns depend linearly on the others"
    # columns are finite and standardised, so only diverging coefficients can overflow the likelihood
    if float(solution.step) > _LARGE_STEP or not math.isfinite(float(solution.log_likelihood)):
        return f"SEPARATED: after {int(solution.iterations)} steps a combination of columns still runs to infinity"
    if int(solution.iterations) >= MAX_ITERATIONS and not float(solution.gain) < _SMALL_GAIN:
        return f"NOT_CONVERGED: log likelihood still increasing after {int(solution.iterations)} steps"
    return "OK"
