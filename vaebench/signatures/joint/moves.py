"""The moves of the joint sampler of signatures and exposures (:mod:`vaebench.signatures.joint`), and the priors they need."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from vaebench.signatures.likelihood import BACKGROUND
from vaebench.signatures.sampler.gibbs import Prior

TRUST = (2.0, 0.05, 4.0)
"""Weight, in samples, of the ground in p, m and s of each class: A, B and N of the model."""

SPREAD = (4.0, 1.5)
"""Ground of the spreads w of ln S_k: degrees and centre."""

WANTED = 0.3
"""Share of shears to accept: a walk in one direction gets furthest."""

_FELT = 0.5  # conditional standard deviations of S_jc by which a shear must move it, to move it
_LEAST_FELT = 0.3  # of a signature: shorter shears would move nothing
_SHEAR_RANGE = (1e-6, 0.3)
_WALK = 2.4  # conditional standard deviations: best for a walk in one dimension
_NEAR = 3.0  # standard deviations from 0 within which an entry may walk by its logarithm
_LOG_WALK = 1.5
_LOG_WALKS = 0.3  # of the moves of entries


class Known(NamedTuple):
    """What does not move.

    Attributes:
        x: [T, C] counts.
        variance: [T, C] of x; only shapes the proposals.
        groups: [T, G], classes as 0 and 1.
        ground: [S] each, (p0, m0, s0).
        repulsion: scalar, r.
        dispersion: scalar.
        step: [S, C], conditional standard deviations of the signatures' entries.
    """

    x: Any
    variance: Any
    groups: Any
    ground: Prior
    repulsion: Any
    dispersion: Any
    step: Any


def log_scatter(exposures: Any, known: Known, ground: Prior) -> tuple[Any, Any, Any]:
    """Numbers n [G, K] of ``exposures`` [T, K] above 0, means of their logarithms, and Q of the model; ground [K]."""
    present = exposures > 0
    logs = jnp.where(present, jnp.log(jnp.where(present, exposures, 1.0)) - ground.log_mean[None], 0.0)
    count = known.groups.T @ present.astype(logs.dtype)
    mean = known.groups.T @ logs / jnp.maximum(count, 1)
    squares = known.groups.T @ jnp.square(jnp.where(present, logs - known.groups @ mean, 0.0))
    _, weight, degrees = TRUST
    between = weight * count / (weight + count) * jnp.square(mean)
    return count, mean + ground.log_mean[None], degrees * jnp.square(ground.log_sd)[None] + squares + between


def drawn_prior(key: Any, exposures: Any, known: Known) -> Prior:
    """The prior [G, S] given ``exposures`` [T, S]."""
    ground, (trust, weight, degrees) = known.ground, TRUST
    count, mean, squares = log_scatter(exposures, known, ground)
    total = known.groups.sum(0)[:, None]
    first, second, third = jax.random.split(key, 3)
    presence = jax.random.beta(
        first, trust * ground.presence[None] + count, trust * (1 - ground.presence)[None] + total - count
    )
    variance = 0.5 * squares / jax.random.gamma(second, 0.5 * (degrees + count))
    centre = (weight * ground.log_mean[None] + count * mean) / (weight + count)
    log_mean = centre + jnp.sqrt(variance / (weight + count)) * jax.random.normal(third, mean.shape)
    return Prior(jnp.clip(presence, 1e-6, 1 - 1e-6), log_mean, jnp.sqrt(variance))


def spectrum_scatter(signature: Any) -> Any:
    """sum_c (ln S_c - mean ln S)^2 of signatures [..., C]."""
    logs = jnp.log(signature)
    return jnp.sum(jnp.square(logs - jnp.mean(logs, -1, keepdims=True)), -1)


def drawn_spreads(key: Any, signatures: Any) -> Any:
    """Spreads w [S] given signatures [S, C]: inverse chi-squared."""
    degrees, spread = SPREAD
    squares = degrees * spread**2 + spectrum_scatter(signatures)
    total = degrees + signatures.shape[1] - 1
    return jnp.sqrt(0.5 * squares / jax.random.gamma(key, 0.5 * total, (len(signatures),)))


def _gain(x: Any, mean: Any, change: Any) -> Any:
    """Rise [C, T] of the Poisson log likelihood of ``x`` when ``mean`` changes by ``change``, [C, T] each."""
    return x * jnp.log1p(jnp.maximum(change / (mean + BACKGROUND), -1 + 1e-7)) - change


class Pairs(NamedTuple):
    """While pairs are sheared: signatures [S, C], exposures [S, T], mean [C, T], ln tau, tried and accepted [S, S]."""

    signatures: Any
    exposures: Any
    mean: Any
    log_shear: Any
    tried: Any
    accepted: Any


def sheared(key: Any, pairs: Pairs, known: Known, spread: Any, adapt: Any) -> Pairs:
    """One shear of a random pair: step 1 of :mod:`vaebench.signatures.joint`."""
    signatures, exposures = pairs.signatures, pairs.exposures
    number, channels = signatures.shape
    one, two, three, four = jax.random.split(key, 4)
    j = jax.random.randint(one, (), 0, number)
    k = (j + 1 + jax.random.randint(two, (), 0, number - 1)) % number
    size = jnp.exp(pairs.log_shear[j, k])
    felt = jnp.where(size * signatures[k] > _FELT * known.step[j], signatures[k], 0.0)
    weight = jnp.sum(felt)
    t = size * weight * jax.random.normal(three)
    a = jnp.expm1(t) / jnp.maximum(weight, 1e-20)
    old = exposures[jnp.array([j, k])]  # [2, T]
    both = old[1] > 0
    new = jnp.stack([jnp.where(both, jnp.exp(t) * old[0], old[0]), jnp.where(both, old[1] - a * old[0], 0.0)])
    row = (signatures[j] + a * felt) * jnp.exp(-t)
    legal = jnp.all(row > 0) & jnp.all(jnp.where(both, new[1] > 0, True)) & (weight > 0)
    left = (-a * (signatures[k] - felt))[:, None]
    change = jnp.where(both[None, :], left, (row - signatures[j])[:, None]) * old[:1]
    gain = jnp.sum(_gain(known.x.T, pairs.mean, change)) / known.dispersion
    ground = Prior(*(v[jnp.array([j, k])] for v in known.ground))
    count, _, before = log_scatter(old.T, known, ground)
    _, _, after = log_scatter(jnp.where(old > 0, jnp.maximum(new, 1e-30), 0.0).T, known, ground)
    gain -= jnp.sum(0.5 * (TRUST[2] + count) * jnp.log(after / before))
    gain -= jnp.sum(jnp.log(jnp.where(both, jnp.maximum(new[1], 1e-30) / jnp.where(both, old[1], 1.0), 1.0)))
    row_ = jnp.maximum(row, 1e-30)
    gain -= jnp.sum(jnp.log(row_ / signatures[j]))
    gain -= 0.5 * (spectrum_scatter(row_) - spectrum_scatter(signatures[j])) / jnp.square(spread[j])
    gain -= known.repulsion * (log_volume(signatures.at[j].set(row)) - log_volume(signatures)) + (channels - 1) * t
    gain = jnp.where(legal, gain, -jnp.inf)
    taken = jnp.log(jax.random.uniform(four)) < gain
    short = jnp.where(weight > _LEAST_FELT, jnp.exp(jnp.minimum(gain, 0.0)) - WANTED, 1.0)
    scale = pairs.log_shear[j, k] + adapt * short
    kept = jnp.where(taken, new, old)
    return Pairs(
        signatures.at[j].set(jnp.where(taken, row, signatures[j])),
        exposures.at[j].set(kept[0]).at[k].set(kept[1]),
        pairs.mean + jnp.where(taken, change, 0.0),
        pairs.log_shear.at[j, k].set(jnp.clip(scale, *(jnp.log(v) for v in _SHEAR_RANGE))),
        pairs.tried.at[j, k].add(1.0),
        pairs.accepted.at[j, k].add(taken.astype(jnp.float32)),
    )


def log_volume(signatures: Any) -> Any:
    """ln det(S S')."""
    lengths = jnp.linalg.norm(signatures, axis=1)
    unit = signatures / lengths[:, None]
    return jnp.linalg.slogdet(unit @ unit.T)[1] + 2 * jnp.sum(jnp.log(lengths))


class Rows(NamedTuple):
    """While signatures move: signatures [S, C], exposures [S, T], mean [C, T], the classes' m [G, S], accepted [S]."""

    signatures: Any
    exposures: Any
    mean: Any
    log_mean: Any
    accepted: Any


def row_moved(key: Any, k: Any, rows: Rows, known: Known, spread: Any, log_sd: Any) -> Rows:
    """Signature ``k`` given all others: step 4 of :mod:`vaebench.signatures.joint`."""
    old, exposure = rows.signatures[k], rows.exposures[k]
    step, channels, width = known.step[k], len(old), spread[k]
    keys = jax.random.split(key, 6)
    centre = jnp.mean(jnp.log(old)) + width / jnp.sqrt(channels) * jax.random.normal(keys[0])
    walked = jnp.abs(old + _WALK * step * jax.random.normal(keys[1], (channels,)))
    factors = old * jnp.exp(_LOG_WALK * jax.random.normal(keys[2], (channels,)))
    small = jax.random.uniform(keys[3], (channels,)) < _LOG_WALKS
    near = jnp.maximum(old, factors) < _NEAR * step
    tried = jnp.maximum(jnp.where(small, jnp.where(near, factors, old), walked), 1e-20)
    change = tried - old
    gain = jnp.sum(_gain(known.x.T, rows.mean, change[:, None] * exposure[None, :]), 1) / known.dispersion
    gain -= jnp.where(small, 0.0, jnp.log(tried / old))
    gain -= 0.5 * (jnp.square(jnp.log(tried) - centre) - jnp.square(jnp.log(old) - centre)) / jnp.square(width)
    taken = jnp.log(jax.random.uniform(keys[4], (channels,))) < gain
    change = jnp.where(taken, change, 0.0)
    entries = old + change
    total = jnp.sum(entries)
    grown = jnp.log(total)
    signatures = rows.signatures.at[k].set(entries / total)
    off = (rows.log_mean[:, k] - known.ground.log_mean[k]) / log_sd[:, k]
    moved_off = off + grown / log_sd[:, k]
    whole = -0.5 * TRUST[1] * jnp.sum(jnp.square(moved_off) - jnp.square(off))
    whole -= known.repulsion * (log_volume(signatures) - log_volume(rows.signatures))
    both = jnp.log(jax.random.uniform(keys[5])) < whole
    return Rows(
        jnp.where(both, signatures, rows.signatures),
        rows.exposures.at[k].set(jnp.where(both, exposure * total, exposure)),
        rows.mean + jnp.where(both, change, 0.0)[:, None] * exposure[None, :],
        rows.log_mean.at[:, k].add(jnp.where(both, grown, 0.0)),
        rows.accepted.at[k].add(both.astype(jnp.float32)),
    )
