"""Gibbs sweeps over the exposures of known signatures, with a Metropolis step for each draw.

Model: x_tc has mean (E S)_tc, and is Gaussian with variance v_tc, Poisson (log likelihood divided by the dispersion), Poisson
with channels that scatter more while their sum does not (spectra that vary between tumours as a Dirichlet distribution), or
negative binomial; e_tk = 0 with probability 1 - p_k, else ln e_tk ~ N(m_k, s_k^2); (p, m, s), each sample's own, come from
:mod:`vaebench.signatures.sampler.priors`.

Samples are independent given the prior, so all of them are drawn side by side: arrays of a sweep are [S, T], and the loop runs
over signatures. The residual x - E S is carried along and updated with every accepted move, which costs [M, T] instead of a
matrix product. Functions follow the type of their arrays. Counts without sampling noise (``"gaussian"``) need float64
(``jax.enable_x64``), for their means must be exact to 0.1 in 1e6; for the others float32 is exact enough.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from vaebench.signatures.likelihood import BACKGROUND
from vaebench.signatures.sampler.companions import Companions, beside, both_present
from vaebench.signatures.sampler.problem import GibbsState, Held, Walk
from vaebench.signatures.sampler.proposals import Proposal, Slab, prior_log_density, shared, single, uniforms


def _log_ratio(mean: jax.Array, change: jax.Array, offset: ArrayLike) -> jax.Array:
    """ln((mean + offset + change) / (mean + offset)), at least -16 where a move makes the mean negative by rounding."""
    return jnp.log1p(jnp.maximum(change / (mean + offset), -1 + 1e-7))


def poisson_gain(x: jax.Array, mean: jax.Array, change: jax.Array) -> jax.Array:
    """Increase of the Poisson log likelihood of ``x`` when ``mean`` changes by ``change``, elementwise: [M, T] each."""
    return x * _log_ratio(mean, change, BACKGROUND) - change


def _gain(walk: Walk, change: jax.Array, problem: Held, noise: str) -> jax.Array:
    """Increase of the log likelihood [1, T] when the mean moves by ``change`` [M, T], of any noise but Gaussian.

    float32 is enough for ln(1 + change / mean): its relative error of 1e-7 is that of each term.
    """
    mean = (problem.x - walk.rest).astype(jnp.float32)
    x = problem.counts
    if noise != "negative_binomial":
        gain = jnp.sum(poisson_gain(x, mean, change), 0, keepdims=True) / problem.dispersion
        if noise == "poisson":
            return gain
        total = poisson_gain(*(jnp.sum(v, 0, keepdims=True) for v in (x, mean, change)))
        return gain + _of_totals(problem) * total
    size = jnp.asarray(problem.size, jnp.float32)
    spread = (x + size) * _log_ratio(mean, change, BACKGROUND + size)
    return jnp.sum(x * _log_ratio(mean, change, BACKGROUND) - spread, 0, keepdims=True) / problem.dispersion


def _of_totals(problem: Held) -> jax.Array:
    """Weight of the log likelihood of the number of mutations, on top of its part of the divided one, for it to be whole."""
    return 1 - 1 / problem.dispersion


def _steepest(problem: Held, noise: str, alone: bool = True) -> ArrayLike:
    """The most that the log likelihood falls in a mutation; a signature adds no more than one to the mean of all channels.

    Two signatures that keep their sum are not ``alone``.
    """
    if noise == "gaussian":
        return np.inf
    return jnp.ones_like(problem.dispersion) if noise == "dirichlet" and alone else 1 / problem.dispersion


class _Line(NamedTuple):
    """A direction in which exposures move: its spectrum [M, 1], and centre and sd [1, T] of the Gaussian likelihood along it."""

    spectrum: jax.Array
    centre: jax.Array
    sd: jax.Array


def _line(walk: Walk, spectrum: jax.Array, at: jax.Array, precision: jax.Array, problem: Held) -> _Line:
    """Line through the present state at coordinate ``at`` [1, T], with the information ``precision`` [1, T] along it."""
    small = spectrum.astype(jnp.float32)
    pull = jnp.sum(small * walk.rest.astype(jnp.float32) * problem.weight, 0, keepdims=True)
    precision = jnp.maximum(precision, 1e-30)
    return _Line(spectrum, at + pull / precision, jax.lax.rsqrt(precision))


def _refined(line: _Line, walk: Walk, old: jax.Array, near: jax.Array, problem: Held, noise: str) -> _Line:
    """The Gaussian with slope and curvature of the likelihood at ``near`` [1, T], which is the same from any point of the line.

    The variances that a problem holds are those of its best fit, and few mutations leave exposures far from it.
    """
    if noise == "gaussian":
        return line
    small = line.spectrum.astype(jnp.float32)
    mean = (problem.x - walk.rest).astype(jnp.float32) + small * (near - old).astype(jnp.float32)
    mean, x, size = jnp.maximum(mean, 0.0), problem.counts, jnp.asarray(problem.size, jnp.float32)
    counted = noise != "negative_binomial"
    above = 1.0 if counted else (x + size) / (mean + size)
    by_mean = x / (mean + 1e-3) - above
    # a tenth of a mutation: a channel without counts has a slope and no curvature
    curved = (x + 0.1) / jnp.square(mean + 0.1) * (1.0 if counted else size / (mean + size))
    slope = jnp.sum(small * by_mean, 0, keepdims=True) / problem.dispersion
    precision = jnp.sum(jnp.square(small) * curved, 0, keepdims=True) / problem.dispersion
    if noise == "dirichlet":
        along, number, expected = (jnp.sum(v, 0, keepdims=True) for v in (small, x, mean))
        slope = slope + _of_totals(problem) * along * (number / (expected + 1e-3) - 1)
        precision = precision + _of_totals(problem) * jnp.square(along) * (number + 0.1) / jnp.square(expected + 0.1)
    precision = jnp.maximum(precision, 1e-30)
    return _Line(line.spectrum, near + slope / precision, jax.lax.rsqrt(precision))


def _accepted(
    walk: Walk,
    line: _Line,
    old: jax.Array,
    proposal: Proposal,
    prior_gain: jax.Array,
    uniform: jax.Array,
    problem: Held,
    noise: str,
) -> jax.Array:
    """Accept or refuse [1, T] a move along ``line`` from ``old`` [1, T] by the Metropolis-Hastings rule (Hastings 1970)."""
    new = proposal.exposure
    if noise == "gaussian":
        gain = -0.5 * (new - old) * (new + old - 2 * line.centre) / (line.sd * line.sd)
    else:
        gain = _gain(walk, line.spectrum.astype(jnp.float32) * (new - old).astype(jnp.float32), problem, noise)
    return (jnp.log(uniform) < gain + prior_gain - proposal.log_ratio) | proposal.outside


def _row(rows: jax.Array, k: ArrayLike) -> jax.Array:
    """Row ``k`` of [S, T] or [S, 1] as [1, T]; for ``k`` [T] the entries of each sample's own row."""
    if jnp.ndim(k) == 0:
        return jax.lax.dynamic_slice_in_dim(rows, k, 1)
    return jnp.take_along_axis(rows, jnp.asarray(k)[None], axis=0)


def _spectrum(problem: Held, k: ArrayLike) -> jax.Array:
    """Spectrum of signature ``k`` as [M, 1]; for ``k`` [T] the spectra [M, T]."""
    if jnp.ndim(k) == 0:
        return problem.signatures[k][:, None]
    return jnp.take(problem.signatures.T.astype(problem.x.dtype), k, axis=1)


def _put(rows: jax.Array, k: ArrayLike, values: jax.Array) -> jax.Array:
    """``rows`` [S, T] with ``values`` [1, T] in row ``k``, or for ``k`` [T] in each sample's own row."""
    if jnp.ndim(k) == 0:
        return rows.at[k].set(values[0])
    return rows.at[k, jnp.arange(rows.shape[1])].set(values[0], unique_indices=True)


def _moved(walk: Walk, line: _Line, change: jax.Array) -> jax.Array:
    """The residual [M, T] after a move by ``change`` [1, T] along ``line``."""
    return walk.rest - line.spectrum * change.astype(walk.rest.dtype)


def one(
    k: ArrayLike, walk: Walk, u: jax.Array, problem: Held, slabs: Slab, noise: str, companions: Companions | None = None
) -> Walk:
    """Draw signature ``k`` given all others.

    Args:
        k: scalar, or [T] for a signature of each sample's own.
        walk: the state.
        u: uniforms [3, 1, T].
        problem: of :func:`held`.
        slabs: of all signatures and versions, [S + V, T] or [S + V, 1].
        noise: a name in :data:`vaebench.signatures.sampler.problem.NOISES`.
        companions: what signatures say of one another; ``None`` for independent ones.
    """
    old = _row(walk.exposures, k)
    slab = beside(slabs, k, walk.exposures, companions)
    line = _line(walk, _spectrum(problem, k), old, _row(problem.information, k), problem)
    # above 0, where a channel that is this signature's alone would have no mean
    line = _refined(line, walk, old, jnp.maximum(line.centre, 0.3 * line.sd), problem, noise)
    proposal = single(u[:2], old, line.centre, line.sd, slab, steepest=_steepest(problem, noise))
    prior_gain = prior_log_density(proposal.exposure, slab) - prior_log_density(old, slab)
    taken = _accepted(walk, line, old, proposal, prior_gain, u[2], problem, noise)
    new = jnp.where(taken, proposal.exposure, old)
    return Walk(
        _put(walk.exposures, k, new),
        _moved(walk, line, new - old),
        _put(walk.presence, k, proposal.presence),
        walk.accepted + taken,
    )


def two(
    j: ArrayLike,
    k: ArrayLike,
    walk: Walk,
    u: jax.Array,
    problem: Held,
    slabs: Slab,
    noise: str,
    companions: Companions | None = None,
) -> Walk:
    """Draw the shares of signatures ``j`` and ``k`` given their sum and all others; other arguments as in :func:`one`."""
    old, other = _row(walk.exposures, j), _row(walk.exposures, k)
    some = old + other > 0
    total = jnp.where(some, old + other, 1.0)
    alone = (
        beside(slabs, j, walk.exposures, companions, k),
        beside(slabs, k, walk.exposures, companions, j),
    )
    first, second, together = both_present(slabs, j, k, walk.exposures, companions)
    spectrum = _spectrum(problem, j) - _spectrum(problem, k)
    precision = jnp.sum(jnp.square(spectrum.astype(jnp.float32)) * problem.weight, 0, keepdims=True)
    line = _line(walk, spectrum, old, precision, problem)
    line = _refined(line, walk, old, jnp.clip(line.centre, 0.05 * total, 0.95 * total), problem, noise)
    steepest = _steepest(problem, noise, alone=False)
    proposal = shared(u[:2], old, total, line.centre, line.sd, first, second, steepest=steepest, alone=alone)
    left = jnp.where(proposal.exposure >= total, 0.0, total - proposal.exposure)

    def log_prior(a: jax.Array, b: jax.Array) -> jax.Array:
        each = [prior_log_density(a, own[0]) + prior_log_density(b, own[1]) for own in ((first, second), alone)]
        return jnp.where((a > 0) & (b > 0), each[0] + together, each[1])

    prior_gain = log_prior(proposal.exposure, left) - log_prior(old, other)
    taken = some & _accepted(walk, line, old, proposal, prior_gain, u[2], problem, noise)
    new, left = jnp.where(taken, proposal.exposure, old), jnp.where(taken, left, other)
    return walk._replace(exposures=_put(_put(walk.exposures, j, new), k, left), rest=_moved(walk, line, new - old))


def started(exposures: jax.Array, problem: Held) -> Walk:
    """The walk at the beginning of a sweep from ``exposures`` [T, S]."""
    # highest: a GPU's default of 10 bits would leave residuals of one mutation in a thousand
    rest = problem.x - jnp.matmul(problem.signatures.T, exposures.T, precision="highest")
    nothing = jnp.zeros((1, len(exposures)), exposures.dtype)
    return Walk(exposures.T, rest.astype(problem.x.dtype), jnp.zeros_like(exposures.T), nothing)


@functools.partial(jax.jit, static_argnames="noise")
def swept(
    key: jax.Array,
    i: ArrayLike,
    exposures: jax.Array,
    problem: Held,
    slabs: Slab,
    noise: str = "gaussian",
    companions: Companions | None = None,
) -> GibbsState:
    """State after sweep ``i``: every signature once, then as many random pairs, similar ones more often.

    Args:
        key: of the chain.
        i: number of the sweep.
        exposures: [T, S] before it.
        problem: of :func:`held`.
        slabs: of :func:`slabs_of`, [S + V, T] or [S + V, 1].
        noise: a name in :data:`vaebench.signatures.sampler.problem.NOISES`.
        companions: what signatures say of one another; ``None`` for independent ones.
    """
    count, samples = len(problem.signatures), len(exposures)
    dtype = exposures.dtype
    singles, doubles, which = jax.random.split(jax.random.fold_in(key, i), 3)
    # one call for both: the generator takes half a second to compile
    u, v = jax.vmap(lambda one: uniforms(one, (count, 3, 1, samples), dtype))(jnp.stack([singles, doubles]))
    walk = jax.lax.fori_loop(
        0, count, lambda k, walk: one(k, walk, u[k], problem, slabs, noise, companions), started(exposures, problem)
    )
    if count > 1:
        firsts, seconds = jnp.triu_indices(count, 1)
        similarity = problem.similarity[firsts, seconds]
        # by squared cosine: pairs of similar signatures mix slowest, and 1e-3 leaves every pair a chance
        picked = jax.random.categorical(which, jnp.log(similarity**2 + 1e-3), shape=(count,))

        def pair(i: jax.Array, walk: Walk) -> Walk:
            j, k = firsts[picked[i]], seconds[picked[i]]
            return two(j, k, walk, v[i], problem, slabs, noise, companions)

        walk = jax.lax.fori_loop(0, count, pair, walk)
    return GibbsState(walk.exposures.T, walk.presence.T, walk.accepted[0] / count)
