"""State and sweeps of the joint sampler; the algorithm is that of :mod:`vaebench.signatures.joint`."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from vaebench.signatures.joint.moves import Known, Pairs, Rows, drawn_prior, drawn_spreads, row_moved, shear_pair
from vaebench.signatures.joint.options import JOINT, JointOptions
from vaebench.signatures.sampler.gibbs import swept
from vaebench.signatures.sampler.problem import Prior, Problem, held, slabs_of
from vaebench.signatures.tables import Array


class JointState(NamedTuple):
    """State of the joint chain.

    Attributes:
        signatures: [S, C].
        exposures: [T, S].
        prior: [G, S], (p, m, s) of each class.
        spread: [S], w of the model.
        log_shear: [S, S], ln tau of the shears.
    """

    signatures: jax.Array
    exposures: jax.Array
    prior: Prior
    spread: jax.Array
    log_shear: jax.Array


class JointDraws(NamedTuple):
    """Draws of the joint chain.

    Attributes:
        exposures: [n, T, S].
        signatures: [n, S, C].
        sheared: [S, S], share of shears accepted.
        moved: [S], share of rows accepted.
    """

    exposures: Array
    signatures: Array
    sheared: Array
    moved: Array


def indifferent(channels: int) -> float:
    """Repulsion r = (C - 1) / 2, which cancels the Jacobian of the shears: the prior is indifferent to mixing."""
    return 0.5 * (channels - 1)


def known_of(x: ArrayLike, signatures: ArrayLike, exposures: ArrayLike, groups: ArrayLike, dispersion: float) -> Known:
    """Data and constants of a chain from a fit: the steps of the walks, and (p0, m0, s0) of the model.

    Args:
        x: counts [T, C].
        signatures: of the fit, [S, C].
        exposures: of the fit, [T, S].
        groups: [T, G], classes as 0 and 1.
        dispersion: of the counts about the fit, 1 or more.
    """
    x, signatures, exposures = (jnp.asarray(v, jnp.float32) for v in (x, signatures, exposures))
    # only shapes proposals: 0.1 mutations keep it above 0
    variance = dispersion * (exposures @ signatures + 0.1)
    present = exposures > 0
    count = jnp.maximum(present.sum(0), 1)
    logs = jnp.where(present, jnp.log(jnp.where(present, exposures, 1.0)), 0.0)
    mean = logs.sum(0) / count
    spread = jnp.where(present, jnp.square(logs - mean[None]), 0.0).sum(0) / count
    # clipped: no class could leave a prior of 0 or 1, or of no spread
    ground = Prior(jnp.clip(present.mean(0), 0.01, 0.99), mean, jnp.clip(jnp.sqrt(spread), 0.1, 3.0))
    return Known(
        x=x,
        variance=variance,
        groups=jnp.asarray(groups, jnp.float32),
        ground=ground,
        repulsion=jnp.float32(indifferent(x.shape[1])),
        dispersion=jnp.float32(dispersion),
        step=jax.lax.rsqrt(jnp.maximum(jnp.square(exposures).T @ (1 / variance), 1.0)),
    )


def state_of(
    key: jax.Array, signatures: ArrayLike, exposures: ArrayLike, known: Known, options: JointOptions = JOINT
) -> JointState:
    """Initial state, its prior and spreads drawn with ``key``, from signatures [S, C] and exposures [T, S].

    Entries start at no less than a tenth of their standard deviation: an entry of 0 could not walk by its logarithm.
    """
    signatures = jnp.maximum(jnp.asarray(signatures, jnp.float32), 0.1 * known.step)
    signatures = signatures / signatures.sum(1, keepdims=True)
    exposures = jnp.asarray(exposures, jnp.float32)
    one, two = jax.random.split(key)
    prior = drawn_prior(one, exposures, known, options)
    number = len(signatures)
    return JointState(
        signatures,
        exposures,
        prior,
        drawn_spreads(two, signatures, options),
        jnp.full((number, number), jnp.log(options.first_shear)),
    )


def joint_sweep(
    key: jax.Array, state: JointState, known: Known, adapt: ArrayLike, options: JointOptions = JOINT
) -> tuple[JointState, jax.Array, jax.Array, jax.Array]:
    """State after one sweep, numbers of shears tried and accepted [S, S], and rows accepted [S].

    ``adapt`` is the step with which the sizes of the shears are fitted; 0 keeps them.
    """
    number = len(state.signatures)
    one, two, three, four, five = jax.random.split(key, 5)
    spread = drawn_spreads(five, state.signatures, options)
    signatures, exposures, none = state.signatures, state.exposures, jnp.zeros((number, number))
    pairs = Pairs(signatures, exposures.T, (exposures @ signatures).T, state.log_shear, none, none)
    if number > 1:
        pairs = jax.lax.fori_loop(
            0,
            options.shears * number,
            lambda i, pairs: shear_pair(jax.random.fold_in(one, i), pairs, known, spread, adapt, options),
            pairs,
        )
    prior = drawn_prior(two, pairs.exposures.T, known, options)
    slabs = slabs_of(Prior(*(known.groups @ v for v in prior)), exposures.dtype)
    problem = Problem(known.x, pairs.signatures, known.variance, known.dispersion)
    exposures = swept(three, 0, pairs.exposures.T, held(problem), slabs, "poisson").exposures
    mean = (exposures @ pairs.signatures).T
    rows = Rows(pairs.signatures, exposures.T, mean, jnp.asarray(prior.log_mean), jnp.zeros(number))
    log_sd = jnp.asarray(prior.log_sd)
    rows = jax.lax.fori_loop(
        0,
        number,
        lambda k, rows: row_moved(jax.random.fold_in(four, k), k, rows, known, spread, log_sd, options),
        rows,
    )
    prior = prior._replace(log_mean=rows.log_mean)
    state = JointState(rows.signatures, rows.exposures.T, prior, spread, pairs.log_shear)
    return state, pairs.tried, pairs.accepted, rows.accepted


_Carried = tuple[JointState, jax.Array, jax.Array, jax.Array]
"""The state, and sums of shears tried, shears accepted and rows accepted."""

_Kept = tuple[jax.Array, jax.Array]
"""Draws of exposures and signatures."""


@functools.partial(jax.jit, static_argnames=("n", "every", "options"))
def joint_chain(
    key: jax.Array,
    state: JointState,
    known: Known,
    n: int,
    every: int = 1,
    settling: ArrayLike = 0,
    options: JointOptions = JOINT,
) -> tuple[JointState, JointDraws]:
    """Run the chain from ``state``: ``settling`` * ``every`` sweeps that are thrown away, then ``n`` draws.

    While it settles, the sizes of the shears are fitted, ever more slowly, until ``options.accepted_shears`` are accepted.

    Args:
        key: of the chain.
        state: initial state.
        known: data and constants.
        n: number of draws.
        every: sweeps per draw.
        settling: draws' worth of sweeps before draws count.
        options: constants of the sampler.

    Returns:
        The last state, and the draws.
    """
    number = len(state.signatures)
    none = jnp.zeros((number, number))

    def step(i: jax.Array, carried: _Carried) -> _Carried:
        state, tried, accepted, moved = carried
        fitting = i < settling * every
        adapt = jnp.where(fitting, (1.0 + 0.1 * i) ** -0.6, 0.0)
        state, *new = joint_sweep(jax.random.fold_in(key, i), state, known, adapt, options)
        counted = jnp.where(fitting, 0.0, 1.0)
        return state, tried + counted * new[0], accepted + counted * new[1], moved + counted * new[2]

    def kept(i: jax.Array, both: tuple[_Carried, _Kept]) -> tuple[_Carried, _Kept]:
        carried, (exposures, signatures) = both
        carried = jax.lax.fori_loop(i * every, (i + 1) * every, step, carried)
        place = jnp.maximum(i - settling, 0)  # while settling the first place is written again and again
        return carried, (exposures.at[place].set(carried[0].exposures), signatures.at[place].set(carried[0].signatures))

    room = tuple(jnp.zeros((n, *v.shape), jnp.float32) for v in state[:2])[::-1]
    begin = ((state, none, none, jnp.zeros(number)), room)
    (state, tried, accepted, moved), draws = jax.lax.fori_loop(0, settling + n, kept, begin)
    return state, JointDraws(draws[0], draws[1], accepted / jnp.maximum(tried, 1), moved / (n * every))
