"""Exposures of known signatures by a Gibbs sampler: each is 0 or log-normal.

Model: x_tc has mean (E S)_tc, and is Gaussian with variance v_tc, Poisson (its log likelihood divided by the dispersion) or
negative binomial; e_tk = 0 with probability 1 - p_k, else ln e_tk ~ N(m_k, s_k^2); (p, m, s) come from
:mod:`vaebench.signatures.sampler.priors`. A sweep draws each exposure given all others, and the shares of pairs of signatures
given their sum. Samples are independent given the prior, so that all are drawn side by side. Functions follow the type of
the arrays given: float64 (``jax.enable_x64``) is needed for counts without sampling noise, whose means must be exact
to 0.1 in 1e6, and is what :mod:`vaebench.signatures.refitting` uses.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.signatures.likelihood import BACKGROUND
from vaebench.signatures.sampler.proposals import Proposal, Slab, prior_log_density, shared, single, slab_of, uniforms

NOISES = ("gaussian", "poisson", "negative_binomial")


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


class Held(NamedTuple):
    """A :class:`Problem` as a sweep reads it, by :func:`held`: samples last, float32 where that is enough."""

    x: Any  # [96, T], exact
    counts: Any  # [96, T], x in float32
    weight: Any  # [96, T], 1 / variance
    signatures: Any  # [S, 96]
    information: Any  # [S, T], of each exposure alone
    similarity: Any  # [S, S]
    dispersion: Any
    size: Any


class _Walk(NamedTuple):
    exposures: Any  # [S, T]
    rest: Any  # [96, T], x - mean: exact, for a mean of 1e6 may be known to 0.1
    presence: Any  # [S, T]
    accepted: Any  # [1, T]


def _gain(walk: _Walk, change: Any, problem: Held, noise: str) -> Any:
    """Rise of the log likelihood [1, T] when the mean moves by ``change`` [96, T]; Poisson or negative binomial.

    float32 is enough for ln(1 + change / mean): its relative error of 1e-7 is that of each term.
    """
    mean = (problem.x - walk.rest).astype(jnp.float32)
    x = problem.counts

    def log_ratio(offset: Any) -> Any:
        return jnp.log1p(jnp.maximum(change / (mean + offset), -1 + 1e-7))

    if noise == "poisson":
        return jnp.sum(x * log_ratio(BACKGROUND) - change, 0, keepdims=True) / problem.dispersion
    size = jnp.asarray(problem.size, jnp.float32)
    spread = (x + size) * log_ratio(BACKGROUND + size)
    return jnp.sum(x * log_ratio(BACKGROUND) - spread, 0, keepdims=True)


class _Line(NamedTuple):
    """A direction in which exposures move: spectrum [96, 1], and the Gaussian likelihood's centre and sd [1, T] along it."""

    spectrum: Any
    centre: Any
    sd: Any


def _line(walk: _Walk, spectrum: Any, at: Any, precision: Any, problem: Held) -> _Line:
    """The line through the present state, which is ``at`` [1, T] of it; ``precision`` [1, T] is its information."""
    small = spectrum.astype(jnp.float32)
    pull = jnp.sum(small * walk.rest.astype(jnp.float32) * problem.weight, 0, keepdims=True)
    precision = jnp.maximum(precision, 1e-30)
    return _Line(spectrum, at + pull / precision, jax.lax.rsqrt(precision))


def _accepted(
    walk: _Walk, line: _Line, old: Any, proposal: Proposal, prior_gain: Any, uniform: Any, problem: Held, noise: str
) -> Any:
    """Metropolis's rule [1, T] for a move along ``line`` from ``old`` [1, T] (Hastings 1970)."""
    new = proposal.exposure
    if noise == "gaussian":
        gain = -0.5 * (new - old) * (new + old - 2 * line.centre) / (line.sd * line.sd)
    else:
        gain = _gain(walk, line.spectrum.astype(jnp.float32) * (new - old).astype(jnp.float32), problem, noise)
    return (jnp.log(uniform) < gain + prior_gain - proposal.log_ratio) | proposal.outside


def _row(rows: Any, k: Any) -> Any:
    """Row ``k`` as [1, T]."""
    return jax.lax.dynamic_slice_in_dim(rows, k, 1)


def _one(k: Any, walk: _Walk, u: Any, problem: Held, slabs: Slab, noise: str) -> _Walk:
    """Signature ``k`` drawn given all others; ``u`` [3, 1, T] uniforms, ``slabs`` [S, T] or [S, 1]."""
    old, slab = _row(walk.exposures, k), Slab(*(_row(v, k) for v in slabs))
    line = _line(walk, problem.signatures[k][:, None], old, _row(problem.information, k), problem)
    proposal = single(u[:2], old, line.centre, line.sd, slab)
    prior_gain = prior_log_density(proposal.exposure, slab) - prior_log_density(old, slab)
    taken = _accepted(walk, line, old, proposal, prior_gain, u[2], problem, noise)
    new = jnp.where(taken, proposal.exposure, old)
    return _Walk(
        walk.exposures.at[k].set(new[0]),
        walk.rest - line.spectrum * (new - old),
        walk.presence.at[k].set(proposal.presence[0]),
        walk.accepted + taken,
    )


def _two(j: Any, k: Any, walk: _Walk, u: Any, problem: Held, slabs: Slab, noise: str) -> _Walk:
    """The shares of signatures ``j`` and ``k`` drawn given their sum and all others; arguments as in :func:`_one`."""
    first, second = (Slab(*(_row(v, i) for v in slabs)) for i in (j, k))
    old, other = _row(walk.exposures, j), _row(walk.exposures, k)
    some = old + other > 0
    total = jnp.where(some, old + other, 1.0)
    spectrum = (problem.signatures[j] - problem.signatures[k])[:, None]
    precision = jnp.sum(jnp.square(spectrum.astype(jnp.float32)) * problem.weight, 0, keepdims=True)
    line = _line(walk, spectrum, old, precision, problem)
    proposal = shared(u[:2], old, total, line.centre, line.sd, first, second)
    left = jnp.where(proposal.exposure >= total, 0.0, total - proposal.exposure)
    prior_gain = prior_log_density(proposal.exposure, first) + prior_log_density(left, second)
    prior_gain = prior_gain - prior_log_density(old, first) - prior_log_density(other, second)
    taken = some & _accepted(walk, line, old, proposal, prior_gain, u[2], problem, noise)
    new, left = jnp.where(taken, proposal.exposure, old), jnp.where(taken, left, other)
    return walk._replace(
        exposures=walk.exposures.at[j].set(new[0]).at[k].set(left[0]), rest=walk.rest - spectrum * (new - old)
    )


@functools.partial(jax.jit, static_argnames="noise")
def swept(key: Any, i: Any, exposures: Any, problem: Held, slabs: Slab, noise: str = "gaussian") -> State:
    """Sweep ``i`` of the chain that ``key`` names: all signatures, and as many pairs, similar ones more often.

    One program for learning and drawing: it takes seconds to compile, and milliseconds to run.

    Args:
        key: of the chain.
        i: the sweep's number.
        exposures: [T, S] before it.
        problem: of :func:`held`.
        slabs: of :func:`slabs_of`, [S, T] or [S, 1].
        noise: a name in :data:`NOISES`.
    """
    count, samples = len(problem.signatures), len(exposures)
    dtype = exposures.dtype
    singles, doubles, which = jax.random.split(jax.random.fold_in(key, i), 3)
    # both at once: the generator takes half a second to compile
    u, v = jax.vmap(lambda one: uniforms(one, (count, 3, 1, samples), dtype))(jnp.stack([singles, doubles]))
    walk = _Walk(
        exposures.T,
        problem.x - problem.signatures.T @ exposures.T,
        jnp.zeros((count, samples), dtype),
        jnp.zeros((1, samples), dtype),
    )
    walk = jax.lax.fori_loop(0, count, lambda k, walk: _one(k, walk, u[k], problem, slabs, noise), walk)
    if count > 1:
        firsts, seconds = jnp.triu_indices(count, 1)
        similarity = problem.similarity[firsts, seconds]
        picked = jax.random.categorical(which, jnp.log(similarity**2 + 1e-3), shape=(count,))

        def pair(i: Any, walk: _Walk) -> _Walk:
            return _two(firsts[picked[i]], seconds[picked[i]], walk, v[i], problem, slabs, noise)

        walk = jax.lax.fori_loop(0, count, pair, walk)
    return State(walk.exposures.T, walk.presence.T, walk.accepted[0] / count)


@jax.jit
def held(problem: Problem) -> Held:
    """``problem`` made ready for sweeps."""
    scaled = problem.signatures / jnp.sqrt(jnp.mean(problem.variance, 0))[None]
    unit = scaled / jnp.linalg.norm(scaled, axis=1, keepdims=True)
    weight = 1 / problem.variance.T
    return Held(
        x=problem.x.T,
        counts=problem.x.T.astype(jnp.float32),
        weight=weight.astype(jnp.float32),
        signatures=problem.signatures,
        information=jnp.square(problem.signatures) @ weight,
        similarity=unit @ unit.T,
        dispersion=problem.dispersion,
        size=problem.size,
    )


@functools.partial(jax.jit, static_argnames="dtype")
def slabs_of(prior: Prior, dtype: Any) -> Slab:
    """``prior`` [T, S] as [S, T], or [S] as [S, 1] where it is the same for all samples."""
    return slab_of(*(jnp.atleast_2d(jnp.asarray(v, dtype)).T for v in prior))


def chain(
    key: Any, exposures: Any, problem: Problem, prior: Prior, n: int, noise: str = "gaussian"
) -> tuple[np.ndarray, np.ndarray]:
    """Draws [n, T, S] in float32, one a sweep, from ``exposures`` [T, S] on; and the share of moves accepted [T]."""
    draws, accepted = np.empty((n, *exposures.shape), np.float32), np.zeros(len(exposures))
    known, slabs = held(problem), slabs_of(prior, exposures.dtype)
    for i in range(n):
        state = swept(key, i, exposures, known, slabs, noise)
        draws[i], exposures = state.exposures, state.exposures
        accepted += np.asarray(state.accepted) / n
    return draws, accepted
