"""Exposures of known signatures by a Gibbs sampler: each is 0 or log-normal, with priors learned from the cohort.

Model: x_tc has mean (E S)_tc, and is Gaussian with variance v_tc, Poisson (its log likelihood divided by the dispersion) or
negative binomial; e_tk = 0 with probability 1 - p_k, else ln e_tk ~ N(m_k, s_k^2); (p, m, s) by empirical Bayes over the
cohort, per cancer type where given. A sweep draws each exposure given all others, and the shares of pairs of signatures
given their sum. Samples are independent given the prior, so that all are drawn side by side. Functions follow the type of
the arrays given: float64 (``jax.enable_x64``) is needed for counts without sampling noise, whose means must be exact
to 0.1 in 1e6, and is what :mod:`vaebench.signatures.refitting` uses.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from vaebench.signatures.conditional import Proposal, Slab, prior_log_density, shared, single, uniforms
from vaebench.signatures.likelihood import BACKGROUND

NOISES = ("gaussian", "poisson", "negative_binomial")

FEW = 10.0
"""Samples of the whole cohort that count towards the prior of each cancer type."""

UNTAUGHT = 10
"""Sweeps from a start that is not sparse, from which a prior would learn that all samples have a little of everything."""

_LEAST_SD, _LARGEST_SD = 0.1, 3.0
_FIRST_SD = 1.5  # of ln e, before anything is learned: from a twentieth to twenty times the typical


class Prior(NamedTuple):
    """Of the exposures, [S] or [T, S]: probability of presence, mean and standard deviation of ln e where present."""

    presence: Any
    log_mean: Any
    log_sd: Any


class Problem(NamedTuple):
    """What is known of the samples.

    Attributes:
        x: [T, 96] counts.
        signatures: [S, 96], rows sum to 1.
        variance: [T, 96] of x, positive; only shapes the proposals unless the noise is ``"gaussian"``.
        dispersion: scalar; divides the log likelihood of noise ``"poisson"``.
        size: scalar, of the negative binomial: its variance is mean + mean^2 / size.
    """

    x: Any
    signatures: Any
    variance: Any
    dispersion: Any = 1.0
    size: Any = 1.0


class State(NamedTuple):
    """Exposures [T, S], the probabilities [T, S] of presence by which they were drawn, and the share of moves accepted [T]."""

    exposures: Any
    presence: Any
    accepted: Any


class _Held(NamedTuple):
    """A :class:`Problem` with samples last, as the loops over signatures read it."""

    x: Any  # [96, T]
    weight: Any  # [96, T], 1 / variance
    signatures: Any
    similarity: Any  # [S, S]
    dispersion: Any
    size: Any


class _Walk(NamedTuple):
    exposures: Any  # [S, T]
    mean: Any  # [96, T]
    presence: Any  # [S, T]
    accepted: Any  # [1, T]


def _gain(x: Any, mean: Any, change: Any, problem: _Held, noise: str) -> Any:
    """Rise of the log likelihood [1, T] when the mean [96, T] moves by ``change`` [96, T]; Poisson or negative binomial.

    float32 is enough for ln(1 + change / mean): its relative error of 1e-7 is that of each term.
    """
    small = jnp.float32

    def log_ratio(offset: Any) -> Any:
        return jnp.log1p(jnp.maximum((change / (mean + offset)).astype(small), -1 + 1e-7)).astype(x.dtype)

    if noise == "poisson":
        return jnp.sum(x * log_ratio(BACKGROUND) - change, 0, keepdims=True) / problem.dispersion
    spread = (x + problem.size) * log_ratio(BACKGROUND + problem.size)
    return jnp.sum(x * log_ratio(BACKGROUND) - spread, 0, keepdims=True)


def _accepted(
    walk: _Walk, spectrum: Any, step: Any, proposal: Proposal, prior_gain: Any, gaussian_gain: Any, uniform: Any,
    problem: _Held, noise: str,
) -> Any:  # fmt: skip
    """Metropolis's rule [1, T] for a move of the mean by spectrum [96, 1] x step [1, T] (Hastings 1970)."""
    change = spectrum * step
    gain = gaussian_gain if noise == "gaussian" else _gain(problem.x, walk.mean, change, problem, noise)
    return (jnp.log(uniform) < gain + prior_gain - proposal.log_ratio) | proposal.outside


def _row(rows: Any, k: Any) -> Any:
    """Row ``k`` as [1, T]."""
    return jax.lax.dynamic_slice_in_dim(rows, k, 1)


def _line(walk: _Walk, spectrum: Any, at: Any, x: Any, weight: Any) -> tuple[Any, Any]:
    """Centre and standard deviation [1, T] of the Gaussian likelihood along ``spectrum`` [96, 1], from ``at`` [1, T]."""
    precision = jnp.maximum(jnp.sum(spectrum * spectrum * weight, 0, keepdims=True), 1e-30)
    pull = jnp.sum(spectrum * (x - walk.mean) * weight, 0, keepdims=True)
    return at + pull / precision, jax.lax.rsqrt(precision)


def _one(k: Any, walk: _Walk, u: Any, problem: _Held, prior: Prior, noise: str) -> _Walk:
    """Signature ``k`` drawn given all others; ``u`` [3, 1, T] uniforms, ``prior`` [S, T] or [S, 1]."""
    spectrum, old, slab = problem.signatures[k][:, None], _row(walk.exposures, k), Slab(*(_row(v, k) for v in prior))
    centre, sd = _line(walk, spectrum, old, problem.x, problem.weight)
    proposal = single(u[:2], old, centre, sd, slab)
    new = proposal.exposure
    prior_gain = prior_log_density(new, slab) - prior_log_density(old, slab)
    gaussian = -0.5 * (new - old) * (new + old - 2 * centre) / (sd * sd)
    taken = _accepted(walk, spectrum, new - old, proposal, prior_gain, gaussian, u[2], problem, noise)
    new = jnp.where(taken, new, old)
    return _Walk(
        walk.exposures.at[k].set(new[0]),
        walk.mean + spectrum * (new - old),
        walk.presence.at[k].set(proposal.presence[0]),
        walk.accepted + taken,
    )


def _two(j: Any, k: Any, walk: _Walk, u: Any, problem: _Held, prior: Prior, noise: str) -> _Walk:
    """The shares of signatures ``j`` and ``k`` drawn given their sum and all others; arguments as in :func:`_one`."""
    spectrum = (problem.signatures[j] - problem.signatures[k])[:, None]
    first, second = (Slab(*(_row(v, i) for v in prior)) for i in (j, k))
    old, rest = _row(walk.exposures, j), _row(walk.exposures, k)
    some = old + rest > 0
    total = jnp.where(some, old + rest, 1.0)
    centre, sd = _line(walk, spectrum, old, problem.x, problem.weight)
    proposal = shared(u[:2], old, total, centre, sd, first, second)
    new = proposal.exposure
    left = jnp.where(new >= total, 0.0, total - new)
    prior_gain = prior_log_density(new, first) + prior_log_density(left, second)
    prior_gain = prior_gain - prior_log_density(old, first) - prior_log_density(rest, second)
    gaussian = -0.5 * (new - old) * (new + old - 2 * centre) / (sd * sd)
    taken = some & _accepted(walk, spectrum, new - old, proposal, prior_gain, gaussian, u[2], problem, noise)
    new, left = jnp.where(taken, new, old), jnp.where(taken, left, rest)
    return walk._replace(
        exposures=walk.exposures.at[j].set(new[0]).at[k].set(left[0]), mean=walk.mean + spectrum * (new - old)
    )


def _swept(key: Any, exposures: Any, problem: _Held, prior: Prior, noise: str) -> State:
    """One sweep over all signatures and as many pairs, similar ones more often."""
    count, samples = len(problem.signatures), len(exposures)
    dtype = exposures.dtype
    singles, doubles, which = jax.random.split(key, 3)
    u = uniforms(singles, (count, 3, 1, samples), dtype)
    walk = _Walk(
        exposures.T,
        problem.signatures.T @ exposures.T,
        jnp.zeros((count, samples), dtype),
        jnp.zeros((1, samples), dtype),
    )
    walk = jax.lax.fori_loop(0, count, lambda k, walk: _one(k, walk, u[k], problem, prior, noise), walk)
    if count > 1:
        firsts, seconds = jnp.triu_indices(count, 1)
        u = uniforms(doubles, (count, 3, 1, samples), dtype)
        similarity = problem.similarity[firsts, seconds]
        picked = jax.random.categorical(which, jnp.log(similarity**2 + 1e-3), shape=(count,))

        def pair(i: Any, walk: _Walk) -> _Walk:
            return _two(firsts[picked[i]], seconds[picked[i]], walk, u[i], problem, prior, noise)

        walk = jax.lax.fori_loop(0, count, pair, walk)
    return State(walk.exposures.T, walk.presence.T, walk.accepted[0] / count)


def _held(problem: Problem) -> _Held:
    scaled = problem.signatures / jnp.sqrt(jnp.mean(problem.variance, 0))[None]
    unit = scaled / jnp.linalg.norm(scaled, axis=1, keepdims=True)
    return _Held(
        problem.x.T, 1 / problem.variance.T, problem.signatures, unit @ unit.T, problem.dispersion, problem.size
    )


def _by_signature(prior: Prior, dtype: Any) -> Prior:
    """``prior`` as [S, T], or [S, 1] where it is the same for all samples."""
    return Prior(*(jnp.atleast_2d(jnp.asarray(v, dtype)).T for v in prior))


@functools.partial(jax.jit, static_argnames="noise")
def sweeps(key: Any, exposures: Any, problem: Problem, prior: Prior, n: Any, noise: str = "gaussian") -> State:
    """The state after ``n`` sweeps from ``exposures`` [T, S], which may hold zeros."""
    held, fixed = _held(problem), _by_signature(prior, exposures.dtype)

    def advance(i: Any, state: State) -> State:
        return _swept(jax.random.fold_in(key, i), state.exposures, held, fixed, noise)

    start = State(exposures, jnp.zeros_like(exposures), jnp.zeros_like(exposures[:, 0]))
    return jax.lax.fori_loop(0, n, advance, start)


@functools.partial(jax.jit, static_argnames=("n", "thin", "noise"))
def chain(
    key: Any, exposures: Any, problem: Problem, prior: Prior, n: int, thin: int = 1, noise: str = "gaussian"
) -> tuple[Any, Any]:
    """Draws [n, T, S] in float32, ``thin`` sweeps apart, and the mean [T, S] of the probabilities of presence."""
    held, fixed = _held(problem), _by_signature(prior, exposures.dtype)

    def kept(carried: tuple[Any, Any], i: Any) -> tuple[tuple[Any, Any], Any]:
        def advance(j: Any, now: tuple[Any, Any]) -> tuple[Any, Any]:
            state = _swept(jax.random.fold_in(key, i * thin + j), now[0], held, fixed, noise)
            return state.exposures, now[1] + state.presence / (n * thin)

        carried = jax.lax.fori_loop(0, thin, advance, carried)
        return carried, carried[0].astype(jnp.float32)

    (_, presence), draws = jax.lax.scan(kept, (exposures, jnp.zeros_like(exposures)), jnp.arange(n))
    return draws, presence


def updated_prior(state: State, groups: Any, typical: Any) -> Prior:
    """The prior [G, S] that fits one draw of the exposures.

    The whole cohort's comes first, held in place by a fraction of an observation each (it exists where no sample has a
    signature); each group's is shrunk towards it as by :data:`FEW` samples more.

    Args:
        state: from :func:`sweeps`.
        groups: [T, G], weights of the samples in each group, mostly 0 and 1; one column of ones for one prior.
        typical: scalar, an exposure to expect of a signature no sample has.
    """
    present = state.exposures > 0
    logs = jnp.where(present, jnp.log(jnp.where(present, state.exposures, 1.0)), 0.0)
    sums = tuple(groups.T @ v for v in (state.presence, present.astype(logs.dtype), logs, logs**2))
    weight = jnp.sum(groups, 0)[:, None]

    def fitted(sums: Any, weight: Any, ground: Any, trust: Any) -> Any:
        expected, count, total, squares = sums
        presence, log_mean, variance = ground
        mean = (total + trust[1] * log_mean) / (count + trust[1])
        within = squares - 2 * mean * total + count * mean**2
        spread = within + trust[2] * variance + trust[1] * (mean - log_mean) ** 2
        return (expected + trust[0] * presence) / (weight + trust[0]), mean, spread / (count + trust[2])

    whole = fitted(
        tuple(v.sum(0, keepdims=True) for v in sums),
        weight.sum(0, keepdims=True),
        (0.5, jnp.log(typical), 1.0),
        (1, 0.1, 2),
    )
    by_group = fitted(sums, weight, whole, (FEW, FEW, FEW)) if len(weight) > 1 else whole
    return Prior(by_group[0], by_group[1], jnp.clip(jnp.sqrt(jnp.maximum(by_group[2], 0)), _LEAST_SD, _LARGEST_SD))


@functools.partial(jax.jit, static_argnames="noise")
def learned_prior(
    key: Any, exposures: Any, problem: Problem, groups: Any, n: Any, noise: str = "gaussian"
) -> tuple[Any, Prior]:
    """Exposures after ``n`` sweeps and the prior [G, S] they taught, by stochastic approximation of EM (Delyon et al. 1999).

    After :data:`UNTAUGHT` sweeps, and up to half of them all, the prior moves half way to each draw's own, then by
    1 / (sweeps of this half).
    """
    held = _held(problem)
    typical = jnp.maximum(jnp.mean(jnp.sum(problem.x, 1)) / len(problem.signatures), 1.0)
    shape = (groups.shape[1], exposures.shape[1])
    first = (jnp.full(shape, 0.5), jnp.full(shape, jnp.log(typical)), jnp.full(shape, _FIRST_SD))

    def advance(i: Any, both: tuple[Any, Prior]) -> tuple[Any, Prior]:
        exposures, prior = both
        mine = Prior(*((groups @ v).T for v in prior))
        state = _swept(jax.random.fold_in(key, i), exposures, held, mine, noise)
        step = jnp.where(i < n // 2, 0.5, 1.0 / (i - n // 2 + 2.0)) * (i >= UNTAUGHT)
        target = updated_prior(state, groups, typical)
        return state.exposures, Prior(*(old + step * (new - old) for old, new in zip(prior, target, strict=True)))

    return jax.lax.fori_loop(0, n, advance, (exposures, Prior(*(v.astype(exposures.dtype) for v in first))))
