"""Signatures and exposures drawn together, so that intervals of exposures hold what is not known of the signatures.

Model: x_tc ~ Poisson((E S)_tc), its log likelihood divided by the dispersion. e_tk = 0 with probability 1 - p_gk, else
ln e_tk ~ N(m_gk, s_gk^2), g being the class of tumour t; (p, m, s) have conjugate priors about a common ground: p ~
Beta(A p0, A (1 - p0)), s^2 ~ scaled inverse chi-squared (N, s0^2), m ~ N(m0, s^2 / B). S_k is logistic normal: its density on
the simplex is prod_c S_kc^-1 w_k^-(C - 1) exp(-sum_c (ln S_kc - mean ln S_k)^2 / (2 w_k^2)), w_k^2 ~ scaled inverse
chi-squared; all this times det(S S')^-r.

Why logistic normal: entries of published signatures spread like it, w about 0.9 for flat ones and 2.5 for those of peaks.
Dirichlet densities of shape below 1 draw signatures into the corners of what the data allow; w learns how far zeros reach.
r = (C - 1) / 2, C channels, makes the prior indifferent to mixing (:func:`indifferent`): what one knows of S_j + a S_k against
S_j then comes from exposures of 0, from the shape of the exposures' distribution in each class and from S >= 0, and not from
the volume of the simplex, which at r = 0 pulls 95 times as hard towards signatures that are far apart. Source: the invariant
measure of the mixing matrices, det(B B')^(-C / 2) for B = diag(scales) S. It is improper where two signatures coincide: there
det(S S') is 0, and only the data keep them apart.

A sweep has four steps, each of which leaves the posterior as it is:

1. Shears of pairs, (p, m, s) summed out. F are the entries of S_k that S_j would feel (0 where tau_jk S_kc is less than half a
   conditional standard deviation of S_jc: entries of nearly 0 would only forbid the move), f their sum, t ~ N(0, (tau_jk f)^2),
   a = (e^t - 1) / f. S_j <- e^-t (S_j + a F); where e_k > 0, e_j <- e^t e_j and e_k <- e_k - a e_j, so that the mean stays but
   for a e_j (S_k - F); elsewhere exposures stay. -t undoes it. Refused where anything turns negative; else accepted by
   ln L'/L + sum_g -(N + n_g)/2 ln(Q'_g / Q_g), for j and for k, - sum_t ln(e'_k / e_k) + ln p(S'_j | w_j) / p(S_j | w_j)
   - r ln det(S'S'') / det(S S') - (C - 1) t,
   Q_g being the scaled sum of squares of ln e of class g, n_g its terms. The last term is the Jacobian on the simplex (a linear
   map of determinant e^t, then a projection by e^-t in C dimensions); the Jacobian of exposures, e^t a row, cancels the density
   of a log-normal scaled by e^t. With F = S_k the terms in r and t cancel at r = (C - 1) / 2.
2. (p, m, s) given the exposures, and w given the signatures: Beta, inverse chi-squared, normal.
3. Exposures given the rest: one :func:`vaebench.signatures.sampler.gibbs.swept`.
4. Signatures one by one, all channels side by side. S_k is the direction of B_k with ln B_kc ~ N(u, w_k^2), u drawn about
   mean ln S_k; e_k / sum B_k and m_k - ln sum B_k stay while B moves. Given these, channels are independent: each takes a
   random walk reflected at 0, or near 0 a walk in its logarithm. The whole row is then accepted by the change of
   -r ln det(S S') and of m's prior, which channels share.

float32: counts are noisier. Signatures stay in the order of the start: they would have to pass through each other to change it.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from vaebench.signatures.joint.moves import Known, Pairs, Rows, drawn_prior, drawn_spreads, row_moved, sheared
from vaebench.signatures.sampler.gibbs import Prior, Problem, held, slabs_of, swept

SHEARS = 6
"""Shears per signature in a sweep."""

_FIRST_SHEAR = 0.01


class State(NamedTuple):
    """Signatures [S, C], exposures [T, S], the classes' prior [G, S], spreads w [S], and ln tau [S, S] of the shears."""

    signatures: Any
    exposures: Any
    prior: Prior
    spread: Any
    log_shear: Any


class Draws(NamedTuple):
    """Exposures [n, T, S], signatures [n, S, C], and shares of moves accepted: [S, S] of shears, [S] of whole rows."""

    exposures: Any
    signatures: Any
    sheared: Any
    moved: Any


def indifferent(channels: int) -> float:
    """The repulsion r that cancels the Jacobian of the shears."""
    return 0.5 * (channels - 1)


def known_of(x: Any, signatures: Any, exposures: Any, groups: Any, dispersion: float) -> Known:
    """What a fit of ``signatures`` [S, C] and ``exposures`` [T, S] to x [T, C] fixes: the walks' steps and the ground."""
    x, signatures, exposures = (jnp.asarray(v, jnp.float32) for v in (x, signatures, exposures))
    variance = dispersion * (exposures @ signatures + 0.1)
    present = exposures > 0
    count = jnp.maximum(present.sum(0), 1)
    logs = jnp.where(present, jnp.log(jnp.where(present, exposures, 1.0)), 0.0)
    mean = logs.sum(0) / count
    spread = jnp.where(present, jnp.square(logs - mean[None]), 0.0).sum(0) / count
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


def state_of(signatures: Any, exposures: Any, known: Known) -> State:
    """A state to begin with; entries of 0 must have somewhere to go."""
    signatures = jnp.maximum(jnp.asarray(signatures, jnp.float32), 0.1 * known.step)
    signatures = signatures / signatures.sum(1, keepdims=True)
    exposures = jnp.asarray(exposures, jnp.float32)
    prior = drawn_prior(jax.random.key(0), exposures, known)
    number = len(signatures)
    return State(
        signatures,
        exposures,
        prior,
        drawn_spreads(jax.random.key(1), signatures),
        jnp.full((number, number), jnp.log(_FIRST_SHEAR)),
    )


def _swept(key: Any, state: State, known: Known, adapt: Any) -> tuple[State, Any, Any, Any]:
    """One sweep; shears tried and accepted [S, S] and rows accepted [S]."""
    number = len(state.signatures)
    one, two, three, four, five = jax.random.split(key, 5)
    spread = drawn_spreads(five, state.signatures)
    signatures, exposures, none = state.signatures, state.exposures, jnp.zeros((number, number))
    pairs = Pairs(signatures, exposures.T, (exposures @ signatures).T, state.log_shear, none, none)
    if number > 1:
        pairs = jax.lax.fori_loop(
            0, SHEARS * number, lambda i, pairs: sheared(jax.random.fold_in(one, i), pairs, known, spread, adapt), pairs
        )
    prior = drawn_prior(two, pairs.exposures.T, known)
    slabs = slabs_of(Prior(*(known.groups @ v for v in prior)), exposures.dtype)
    problem = Problem(known.x, pairs.signatures, known.variance, known.dispersion)
    exposures = swept(three, 0, pairs.exposures.T, held(problem), slabs, "poisson").exposures
    mean = (exposures @ pairs.signatures).T
    rows = Rows(pairs.signatures, exposures.T, mean, prior.log_mean, jnp.zeros(number))
    rows = jax.lax.fori_loop(
        0, number, lambda k, rows: row_moved(jax.random.fold_in(four, k), k, rows, known, spread, prior.log_sd), rows
    )
    prior = prior._replace(log_mean=rows.log_mean)
    state = State(rows.signatures, rows.exposures.T, prior, spread, pairs.log_shear)
    return state, pairs.tried, pairs.accepted, rows.accepted


@functools.partial(jax.jit, static_argnames=("n", "every"))
def joint_chain(key: Any, state: State, known: Known, n: int, every: int = 1, settling: Any = 0) -> tuple[State, Draws]:
    """``n`` draws, one in ``every`` sweeps, from ``state`` on; before them as many sweeps as ``settling`` draws take.

    In these the shears' sizes are fitted, ever more slowly, to :data:`vaebench.signatures.joint.moves.WANTED`.
    """
    number = len(state.signatures)
    none = jnp.zeros((number, number))

    def swept(i: Any, carried: Any) -> Any:
        state, tried, accepted, moved = carried
        fitting = i < settling * every
        adapt = jnp.where(fitting, (1.0 + 0.1 * i) ** -0.6, 0.0)
        state, *new = _swept(jax.random.fold_in(key, i), state, known, adapt)
        counted = jnp.where(fitting, 0.0, 1.0)
        return state, tried + counted * new[0], accepted + counted * new[1], moved + counted * new[2]

    def kept(i: Any, both: Any) -> Any:
        carried, (exposures, signatures) = both
        carried = jax.lax.fori_loop(i * every, (i + 1) * every, swept, carried)
        place = jnp.maximum(i - settling, 0)  # while settling the first place is written again and again
        return carried, (exposures.at[place].set(carried[0].exposures), signatures.at[place].set(carried[0].signatures))

    room = tuple(jnp.zeros((n, *v.shape), jnp.float32) for v in state[:2])[::-1]
    begin = ((state, none, none, jnp.zeros(number)), room)
    (state, tried, accepted, moved), draws = jax.lax.fori_loop(0, settling + n, kept, begin)
    return state, Draws(draws[0], draws[1], accepted / jnp.maximum(tried, 1), moved / (n * every))
