"""Moves of the joint sampler, and the priors that they need. The steps and their formulas: :mod:`vaebench.signatures.joint`."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from vaebench.signatures.joint.options import JOINT, JointOptions
from vaebench.signatures.sampler.gibbs import poisson_gain
from vaebench.signatures.sampler.problem import Prior


class Known(NamedTuple):
    """Data and constants of a chain, fixed while it runs.

    Attributes:
        x: [T, C] counts.
        variance: [T, C] of x; only shapes the proposals.
        groups: [T, G], classes as 0 and 1.
        ground: (p0, m0, s0) of the model, [S] each.
        repulsion: scalar, r of the model.
        dispersion: scalar.
        step: [S, C], conditional standard deviations of the signatures' entries.
    """

    x: jax.Array
    variance: jax.Array
    groups: jax.Array
    ground: Prior
    repulsion: jax.Array
    dispersion: jax.Array
    step: jax.Array


def log_scatter(
    exposures: jax.Array, known: Known, ground: Prior, options: JointOptions = JOINT
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Numbers n of ``exposures`` [T, K] above 0, means of their logarithms, and Q of the model, [G, K] each.

    Q is what s^2 given the exposures is made of, once m is integrated out: N s0^2, the squares about the mean of the class,
    and the squared distance of that mean from m0.
    """
    present = exposures > 0
    logs = jnp.where(present, jnp.log(jnp.where(present, exposures, 1.0)) - ground.log_mean[None], 0.0)
    count = known.groups.T @ present.astype(logs.dtype)
    mean = known.groups.T @ logs / jnp.maximum(count, 1)
    squares = known.groups.T @ jnp.square(jnp.where(present, logs - known.groups @ mean, 0.0))
    weight, degrees = options.mean_weight, options.scale_degrees
    between = weight * count / (weight + count) * jnp.square(mean)
    return count, mean + ground.log_mean[None], degrees * jnp.square(ground.log_sd)[None] + squares + between


def drawn_prior(key: jax.Array, exposures: jax.Array, known: Known, options: JointOptions = JOINT) -> Prior:
    """Draw the prior [G, S] given ``exposures`` [T, S]: p is beta, s^2 inverse chi-squared, m normal given s."""
    ground, trust = known.ground, options.presence_weight
    weight, degrees = options.mean_weight, options.scale_degrees
    count, mean, squares = log_scatter(exposures, known, ground, options)
    total = known.groups.sum(0)[:, None]
    first, second, third = jax.random.split(key, 3)
    presence = jax.random.beta(
        first, trust * ground.presence[None] + count, trust * (1 - ground.presence)[None] + total - count
    )
    variance = 0.5 * squares / jax.random.gamma(second, 0.5 * (degrees + count))
    centre = (weight * ground.log_mean[None] + count * mean) / (weight + count)
    log_mean = centre + jnp.sqrt(variance / (weight + count)) * jax.random.normal(third, mean.shape)
    return Prior(jnp.clip(presence, 1e-6, 1 - 1e-6), log_mean, jnp.sqrt(variance))


def spectrum_scatter(signature: jax.Array) -> jax.Array:
    """sum_c (ln S_c - mean ln S)^2 of signatures [..., C]."""
    logs = jnp.log(signature)
    return jnp.sum(jnp.square(logs - jnp.mean(logs, -1, keepdims=True)), -1)


def drawn_spreads(key: jax.Array, signatures: jax.Array, options: JointOptions = JOINT) -> jax.Array:
    """Draw the spreads w [S] given signatures [S, C]: w^2 is inverse chi-squared."""
    degrees, spread = options.spread_degrees, options.spread_centre
    squares = degrees * spread**2 + spectrum_scatter(signatures)
    total = degrees + signatures.shape[1] - 1
    return jnp.sqrt(0.5 * squares / jax.random.gamma(key, 0.5 * total, (len(signatures),)))


class Pairs(NamedTuple):
    """State during the shears of a sweep.

    Attributes:
        signatures: [S, C].
        exposures: [S, T].
        mean: [C, T], of the counts.
        log_shear: [S, S], ln tau.
        tried: [S, S], number of shears tried.
        accepted: [S, S], number of shears accepted.
    """

    signatures: jax.Array
    exposures: jax.Array
    mean: jax.Array
    log_shear: jax.Array
    tried: jax.Array
    accepted: jax.Array


def shear_pair(
    key: jax.Array,
    pairs: Pairs,
    known: Known,
    spread: jax.Array,
    adapt: ArrayLike,
    options: JointOptions = JOINT,
) -> Pairs:
    """Try one shear of a random pair of signatures: step 2b of :mod:`vaebench.signatures.joint`.

    Args:
        key: of this move.
        pairs: the state.
        known: data and constants.
        spread: [S], w of the model.
        adapt: step of ln tau towards the wanted share of accepted shears; 0 once draws count.
        options: constants of the sampler.
    """
    signatures, exposures = pairs.signatures, pairs.exposures
    number, channels = signatures.shape
    one, two, three, four = jax.random.split(key, 4)
    j = jax.random.randint(one, (), 0, number)
    k = (j + 1 + jax.random.randint(two, (), 0, number - 1)) % number
    size = jnp.exp(pairs.log_shear[j, k])
    felt = jnp.where(size * signatures[k] > options.felt * known.step[j], signatures[k], 0.0)
    weight = jnp.sum(felt)
    t = size * weight * jax.random.normal(three)
    a = jnp.expm1(t) / jnp.maximum(weight, 1e-20)
    old = exposures[jnp.array([j, k])]  # [2, T]
    both = old[1] > 0  # samples with k: in these the mean stays
    new = jnp.stack([jnp.where(both, jnp.exp(t) * old[0], old[0]), jnp.where(both, old[1] - a * old[0], 0.0)])
    row = (signatures[j] + a * felt) * jnp.exp(-t)
    legal = jnp.all(row > 0) & jnp.all(jnp.where(both, new[1] > 0, True)) & (weight > 0)
    # in samples with k the mean changes by the entries left out of F alone, in others by the new spectrum of j
    left = (-a * (signatures[k] - felt))[:, None]
    change = jnp.where(both[None, :], left, (row - signatures[j])[:, None]) * old[:1]
    gain = jnp.sum(poisson_gain(known.x.T, pairs.mean, change)) / known.dispersion
    ground = Prior(*(v[jnp.array([j, k])] for v in known.ground))
    count, _, before = log_scatter(old.T, known, ground, options)
    _, _, after = log_scatter(jnp.where(old > 0, jnp.maximum(new, 1e-30), 0.0).T, known, ground, options)
    gain -= jnp.sum(0.5 * (options.scale_degrees + count) * jnp.log(after / before))
    gain -= jnp.sum(jnp.log(jnp.where(both, jnp.maximum(new[1], 1e-30) / jnp.where(both, old[1], 1.0), 1.0)))
    row_ = jnp.maximum(row, 1e-30)
    gain -= jnp.sum(jnp.log(row_ / signatures[j]))
    gain -= 0.5 * (spectrum_scatter(row_) - spectrum_scatter(signatures[j])) / jnp.square(spread[j])
    gain -= known.repulsion * (log_det_gram(signatures.at[j].set(row)) - log_det_gram(signatures)) + (channels - 1) * t
    gain = jnp.where(legal, gain, -jnp.inf)
    taken = jnp.log(jax.random.uniform(four)) < gain
    short = jnp.where(weight > options.least_felt, jnp.exp(jnp.minimum(gain, 0.0)) - options.accepted_shears, 1.0)
    scale = pairs.log_shear[j, k] + adapt * short
    kept = jnp.where(taken, new, old)
    return Pairs(
        signatures.at[j].set(jnp.where(taken, row, signatures[j])),
        exposures.at[j].set(kept[0]).at[k].set(kept[1]),
        pairs.mean + jnp.where(taken, change, 0.0),
        pairs.log_shear.at[j, k].set(jnp.clip(scale, *(jnp.log(v) for v in options.shear_range))),
        pairs.tried.at[j, k].add(1.0),
        pairs.accepted.at[j, k].add(taken.astype(jnp.float32)),
    )


def log_det_gram(signatures: jax.Array) -> jax.Array:
    """ln det(S S') of signatures S [S, C], their lengths taken out first so that float32 is enough; scalar."""
    lengths = jnp.linalg.norm(signatures, axis=1)
    unit = signatures / lengths[:, None]
    return jnp.linalg.slogdet(unit @ unit.T)[1] + 2 * jnp.sum(jnp.log(lengths))


class Rows(NamedTuple):
    """State during the moves of the signatures in a sweep.

    Attributes:
        signatures: [S, C].
        exposures: [S, T].
        mean: [C, T], of the counts.
        log_mean: [G, S], m of the model.
        accepted: [S], number of rows accepted.
    """

    signatures: jax.Array
    exposures: jax.Array
    mean: jax.Array
    log_mean: jax.Array
    accepted: jax.Array


def row_moved(
    key: jax.Array,
    k: ArrayLike,
    rows: Rows,
    known: Known,
    spread: jax.Array,
    log_sd: jax.Array,
    options: JointOptions = JOINT,
) -> Rows:
    """Move signature ``k`` given all others: step 2e of :mod:`vaebench.signatures.joint`.

    Args:
        key: of this move.
        k: number of the signature.
        rows: the state.
        known: data and constants.
        spread: [S], w of the model.
        log_sd: [G, S], s of the model.
        options: constants of the sampler.
    """
    old, exposure = rows.signatures[k], rows.exposures[k]
    step, channels, width = known.step[k], len(old), spread[k]
    keys = jax.random.split(key, 6)
    centre = jnp.mean(jnp.log(old)) + width / jnp.sqrt(channels) * jax.random.normal(keys[0])
    walked = jnp.abs(old + options.walk * step * jax.random.normal(keys[1], (channels,)))
    factors = old * jnp.exp(options.log_walk * jax.random.normal(keys[2], (channels,)))
    small = jax.random.uniform(keys[3], (channels,)) < options.log_walks
    near = jnp.maximum(old, factors) < options.near * step
    tried = jnp.maximum(jnp.where(small, jnp.where(near, factors, old), walked), 1e-20)
    change = tried - old
    gain = jnp.sum(poisson_gain(known.x.T, rows.mean, change[:, None] * exposure[None, :]), 1) / known.dispersion
    # the log-normal density of B_kc has a factor 1 / B_kc, which a walk in the logarithm does not meet
    gain -= jnp.where(small, 0.0, jnp.log(tried / old))
    gain -= 0.5 * (jnp.square(jnp.log(tried) - centre) - jnp.square(jnp.log(old) - centre)) / jnp.square(width)
    taken = jnp.log(jax.random.uniform(keys[4], (channels,))) < gain
    change = jnp.where(taken, change, 0.0)
    entries = old + change
    # back onto the simplex: the exposures and m take up what the sum gained
    total = jnp.sum(entries)
    grown = jnp.log(total)
    signatures = rows.signatures.at[k].set(entries / total)
    off = (rows.log_mean[:, k] - jnp.asarray(known.ground.log_mean)[k]) / log_sd[:, k]
    moved_off = off + grown / log_sd[:, k]
    whole = -0.5 * options.mean_weight * jnp.sum(jnp.square(moved_off) - jnp.square(off))
    whole -= known.repulsion * (log_det_gram(signatures) - log_det_gram(rows.signatures))
    both = jnp.log(jax.random.uniform(keys[5])) < whole
    return Rows(
        jnp.where(both, signatures, rows.signatures),
        rows.exposures.at[k].set(jnp.where(both, exposure * total, exposure)),
        rows.mean + jnp.where(both, change, 0.0)[:, None] * exposure[None, :],
        rows.log_mean.at[:, k].add(jnp.where(both, grown, 0.0)),
        rows.accepted.at[k].add(both.astype(jnp.float32)),
    )
