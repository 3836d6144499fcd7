"""Non-negative matrix factorisation by Kullback-Leibler divergence (KL-NMF), plain and with a Gamma prior on exposures.

X [T, M] counts are modelled as Poisson with mean E @ S, exposures E [T, S] and signatures S [S, M]. One update:

  1. exposures    e_k <- max(0, e_k sum_c S_kc x_c / mean_c / sum_c S_kc + shape - 1)
  2. signatures   S_kc <- S_kc sum_t w_t e_tk x_tc / mean_tc / sum_t w_t e_tk

With shape 1 these are the multiplicative updates of Lee and Seung 2001, which never raise the divergence. A shape below 1 is
that of a Gamma prior on the exposures (Cemgil 2009): step 1 is then a step of EM, and exposures become exactly 0.

:func:`factorise` iterates plain KL-NMF, all restarts side by side in one program, and leaves the scale of S free. The sparse
method (:mod:`vaebench.signatures.sparse`) keeps the rows of S at sum 1, because the prior depends on the scale of E:
:func:`updated_exposures` and :func:`updated_factors`.

Updates are in float32: they are ratios of sums of non-negative numbers, which lose no digits. Divergences are differences
of large numbers and decide between runs, so they are computed in float64 at the end.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.errors import InputError
from vaebench.signatures.tables import Array

TINY = 1e-10
"""Added to a mean, or least sum, in a division where rows of S sum to 1; far below any count."""

_FLOOR = float(np.finfo(np.float32).eps)
"""Least mean count in a division where the scale of S is free, as in scikit-learn; far below any count."""

_PADDING = 4
"""Numbers of signatures are padded to a multiple of this, so that one compiled program serves several numbers."""


class Factorisation(NamedTuple):
    """Factorisations found by R independent restarts.

    Attributes:
        signatures: [R, S, M], rows sum to 1, or are all 0 where a signature died out.
        exposures: [R, T, S] in mutations.
        divergence: [R] sum_t w_t sum_c (x ln(x / mean) - x + mean) at mean = exposures @ signatures, half the deviance.
        iterations: [R] updates.
        statuses: [R] ``"OK"`` or ``"NOT_CONVERGED: ..."``.
    """

    signatures: np.ndarray
    exposures: np.ndarray
    divergence: np.ndarray
    iterations: np.ndarray
    statuses: tuple[str, ...]


def random_starts(key: jax.Array, counts: np.ndarray, signatures: int, restarts: int) -> tuple[np.ndarray, np.ndarray]:
    """Random signatures [R, S, M], and exposures [R, T, S] that sum to each sample's mutations in ``counts`` [T, M].

    Each restart has its own key, so that a larger number of restarts begins with the same ones.

    Args:
        key: random key.
        counts: [T, M].
        signatures: number of signatures S.
        restarts: R.
    """
    x = np.asarray(counts)
    # one restart at a time, so that one compiled program serves any number of restarts
    drawn = [_random_factors(key, lane, signatures, *x.shape) for lane in range(restarts)]
    spectra, shares = (np.stack([np.asarray(part) for part in parts]) for parts in zip(*drawn, strict=True))
    return spectra, shares * x.sum(axis=1, dtype=np.float32)[:, None]


@functools.partial(jax.jit, static_argnames=("signatures", "samples", "channels"))
def _random_factors(
    key: jax.Array, lane: int, signatures: int, samples: int, channels: int
) -> tuple[jax.Array, jax.Array]:
    """Random spectra [S, M] and shares [T, S] of each sample, rows that sum to 1."""
    one, other = jax.random.split(jax.random.fold_in(key, lane))
    spectra = jax.random.uniform(one, (signatures, channels), minval=0.01)
    shares = jax.random.uniform(other, (samples, signatures), minval=0.01)
    return spectra / spectra.sum(axis=1, keepdims=True), shares / shares.sum(axis=1, keepdims=True)


def factorise(
    counts: np.ndarray,
    signatures: np.ndarray,
    exposures: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    iterations: int = 5000,
    tolerance: float = 1.0,
    block: int = 100,
) -> Factorisation:
    """Factorise ``counts`` [T, M] by multiplicative updates from R given starts.

    Minimises sum_t w_t sum_c (x ln(x / mu) - x + mu), mu = E @ S, which is minus the weighted Poisson log likelihood up to a
    constant, by alternating updates (the module's docstring, shape 1; Lee and Seung 2001). A restart stops when a block of
    updates lowers it by less than ``tolerance``, and is left unchanged while others go on. A decrease by 1 nat is below the
    noise of any counts.

    Deviates: scikit-learn's solver ``mu`` sets signature entries below 2.2e-16 to 0 for good; here they may grow again.
    Divergences from the same start are equal until the first entry gets there; after that, ours may become lower.

    Args:
        counts: [T, M]; rows of zeros get no exposures.
        signatures: starts [R, S, M], for example from :func:`random_starts`.
        exposures: starts [R, T, S].
        weights: w [T], 1 by default.
        iterations: most updates, rounded up to whole blocks.
        tolerance: least decrease of the divergence in a block, in nats.
        block: updates between two evaluations of the divergence.

    Raises:
        InputError: for arrays whose shapes do not fit, or for starts that are negative or not finite.
    """
    x = np.asarray(counts, np.float64)
    w = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
    spectra, activity = np.asarray(signatures, np.float32), np.asarray(exposures, np.float32)
    _check_shapes(x, w, spectra, activity)
    device = tuple(jnp.asarray(values, jnp.float32) for values in (x, w))
    state = (jnp.asarray(spectra), jnp.asarray(activity))
    last = _divergences(x, w, spectra, activity)
    done, made = np.zeros(len(spectra), bool), np.zeros(len(spectra), int)
    gain = np.full(len(spectra), np.inf)
    while not done.all() and made.max() < iterations:
        state = _block_of_updates(*device, *state, jnp.asarray(~done), block)
        made = np.where(done, made, made + block)
        now = np.where(done, last, _divergences(x, w, *(np.asarray(values) for values in state)))
        gain = np.where(done, gain, last - now)
        done |= gain < tolerance
        last = now
    spectra, activity = (np.asarray(values, np.float64) for values in state)
    sums = spectra.sum(axis=2)
    return Factorisation(
        signatures=spectra / np.where(sums > 0, sums, 1.0)[:, :, None],
        exposures=activity * sums[:, None, :],
        divergence=last,
        iterations=made,
        statuses=tuple(
            "OK" if stopped else f"NOT_CONVERGED: the last {block} of {count} iterations still gained {part:.3g} nats"
            for stopped, count, part in zip(done, made, gain, strict=True)
        ),
    )


def _check_shapes(x: np.ndarray, w: np.ndarray, spectra: np.ndarray, activity: np.ndarray) -> None:
    """``InputError`` unless shapes fit and all values are finite and not negative."""
    if (
        spectra.ndim != 3
        or activity.shape != (len(spectra), len(x), spectra.shape[1])
        or x.shape[1] != spectra.shape[2]
    ):
        raise InputError(
            f"counts {x.shape}, signatures {spectra.shape} and exposures {activity.shape} do not fit; they must be "
            "[T, M], [R, S, M] and [R, T, S]"
        )
    if w.shape != (len(x),) or not np.isfinite(w).all() or (w < 0).any():
        raise InputError(f"weights {w.shape} do not fit {len(x)} samples; there must be one for each, 0 or more")
    for name, values in (("signatures", spectra), ("exposures", activity)):
        if not (np.isfinite(values).all() and (values >= 0).all()):
            raise InputError(f"the {name} to start from hold {values.min()}; they must be finite and not negative")


def _divergences(x: np.ndarray, w: np.ndarray, spectra: np.ndarray, activity: np.ndarray) -> np.ndarray:
    """Weighted divergence [R], computed one restart at a time so that only one mean [T, M] is in memory."""
    logs = np.sum(w[:, None] * np.where(x > 0, x * np.log(np.where(x > 0, x, 1.0)) - x, 0.0))
    found = np.empty(len(spectra))
    for r, (s, e) in enumerate(zip(spectra, activity, strict=True)):
        mean = np.maximum(e.astype(np.float64) @ s.astype(np.float64), _FLOOR)
        found[r] = logs + np.sum(w[:, None] * (mean - x * np.log(mean)))
    return found


@functools.partial(jax.jit, static_argnames="block")
def _block_of_updates(
    x: jax.Array, w: jax.Array, spectra: jax.Array, activity: jax.Array, active: jax.Array, block: int
) -> tuple[jax.Array, jax.Array]:
    """S [R, S, M] and E [R, T, S] after ``block`` updates of the restarts that are ``active`` [R]."""

    def update(_: int, both: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        e = exposure_update(x, *both, 1.0, unit=False)
        return _signature_update(x, both[0], e, w)

    def run(s: jax.Array, e: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jax.lax.fori_loop(0, block, update, (s, e))

    new = jax.vmap(run)(spectra, activity)
    keep = active[:, None, None]
    return jnp.where(keep, new[0], spectra), jnp.where(keep, new[1], activity)


def _ratio(x: jax.Array, mean: jax.Array, unit: bool) -> jax.Array:
    """x / mean [T, M], finite where the mean is 0.

    The two guards differ only where a mean is nearly 0, but a different rounding would change published numbers.
    """
    return x / (mean + TINY) if unit else x / jnp.maximum(mean, _FLOOR)


def exposure_update(
    x: jax.Array,
    signatures: jax.Array,
    exposures: jax.Array,
    shape: float | jax.Array,
    *,
    unit: bool = True,
    weight: jax.Array | None = None,
) -> jax.Array:
    """Exposures [T, S] after one update (step 1 of the module's docstring).

    Args:
        x: [T, M] counts.
        signatures: [S, M].
        exposures: [T, S]; zeros stay zeros.
        shape: of the Gamma prior, one for all signatures or [1, S]; 1 is maximum likelihood.
        unit: rows of S sum to 1, so that nothing is divided by their sums.
        weight: [T, M], of each count in the divergence; 1 without.
    """
    ratio = _ratio(x, exposures @ signatures, unit)
    if weight is not None:
        moved = exposures * ((weight * ratio) @ signatures.T)
        return jnp.maximum(moved + (shape - 1), 0) / jnp.maximum(weight @ signatures.T, TINY)
    moved = exposures * (ratio @ signatures.T)
    if not unit:
        moved = moved / jnp.maximum(signatures.sum(axis=1), _FLOOR)[None]
    return jnp.maximum(moved + (shape - 1), 0)


def _weighted_signature_update(
    x: jax.Array, signatures: jax.Array, exposures: jax.Array, weight: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """:func:`_signature_update` with a ``weight`` [T, M] of each count."""
    ratio = weight * _ratio(x, exposures @ signatures, unit=True)
    moved = signatures * (exposures.T @ ratio) / jnp.maximum(exposures.T @ weight, TINY)
    sums = moved.sum(1)
    return moved / jnp.maximum(sums, TINY)[:, None], exposures * sums[None, :]


def _signature_update(
    x: jax.Array, signatures: jax.Array, exposures: jax.Array, weights: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """Signatures [S, M] after one update (step 2 of the module's docstring), and exposures [T, S] for the same mean.

    With ``weights`` [T] the scale of the signatures is free and exposures stay as they are; without, rows are scaled to sum
    to 1 and exposures by what that takes from them.
    """
    unit = weights is None
    ratio = _ratio(x if weights is None else weights[:, None] * x, exposures @ signatures, unit)
    moved = signatures * (exposures.T @ ratio)
    if weights is not None:
        return moved / jnp.maximum(weights @ exposures, _FLOOR)[:, None], exposures
    sums = moved.sum(1)
    scale = sums / jnp.maximum(exposures.sum(0), TINY)
    return moved / jnp.maximum(sums, TINY)[:, None], exposures * scale[None, :]


@jax.jit
def updated_factors(
    x: jax.Array,
    signatures: jax.Array,
    exposures: jax.Array,
    shape: float,
    iterations: int,
    weight: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Signatures [S, M] and exposures [T, S] after ``iterations`` updates of both, the exposures first.

    Args:
        x: [T, M] counts.
        signatures: [S, M], rows that sum to 1, or to 0 for padding.
        exposures: [T, S]; zeros stay zeros.
        shape: of the Gamma prior on exposures; 1 is maximum likelihood.
        iterations: number of updates.
        weight: [T, M], of each count in the divergence; 1 without.
    """

    def step(_: int, both: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        exposures = exposure_update(x, *both, shape, weight=weight)
        if weight is not None:
            return _weighted_signature_update(x, both[0], exposures, weight)
        return _signature_update(x, both[0], exposures)

    return jax.lax.fori_loop(0, iterations, step, (signatures, exposures))


@jax.jit
def updated_exposures(
    x: jax.Array,
    signatures: jax.Array,
    exposures: jax.Array,
    shape: float,
    iterations: int,
    weight: jax.Array | None = None,
) -> jax.Array:
    """Exposures [T, S] after ``iterations`` updates at fixed ``signatures``; arguments as in :func:`updated_factors`."""

    def step(_: int, exposures: jax.Array) -> jax.Array:
        return exposure_update(x, signatures, exposures, shape, weight=weight)

    return jax.lax.fori_loop(0, iterations, step, exposures)


def even_exposures(x: jax.Array, signatures: jax.Array) -> jax.Array:
    """Exposures [T, S] to start from: each sample's mutations in equal shares for all signatures that are not padding."""
    # in numpy: four programs for each size would take longer to compile than to run
    there = np.asarray(signatures).any(1).astype(np.float32)
    return jnp.asarray(np.outer(np.asarray(x).sum(1), there / there.sum()))


def padded(signatures: Array, count: int | None = None, multiple: int = _PADDING) -> jax.Array:
    """``signatures`` [S, M] in float32, with rows of zeros up to the padded size for ``count`` (by default S) signatures."""
    # in numpy: every number of signatures would be another compiled program
    values = np.asarray(signatures, np.float32)
    size = multiple * -(-(len(values) if count is None else count) // multiple)
    return jnp.asarray(np.pad(values, ((0, size - len(values)), (0, 0))))
