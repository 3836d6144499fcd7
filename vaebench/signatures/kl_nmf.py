"""Non-negative matrix factorisation by Kullback-Leibler divergence, all restarts side by side in one program.

Updates are in float32: they are ratios of sums of non-negative numbers, which lose no digits. Divergences are differences
of large numbers and decide between runs, so they are taken in float64 at the end.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.errors import InputError

_FLOOR = float(np.finfo(np.float32).eps)
"""Least mean count in a division, as in scikit-learn; far below any count."""


class Factorisation(NamedTuple):
    """What R restarts found, each by itself.

    Attributes:
        signatures: [R, S, 96], rows sum to 1, or are all 0 where a signature died out.
        exposures: [R, T, S] in mutations.
        divergence: [R] sum_t w_t sum_c (x ln(x / mean) - x + mean) at mean = exposures @ signatures, half the deviance.
        iterations: [R] updates made.
        statuses: [R] ``"OK"`` or ``"NOT_CONVERGED: ..."``.
    """

    signatures: np.ndarray
    exposures: np.ndarray
    divergence: np.ndarray
    iterations: np.ndarray
    statuses: tuple[str, ...]


def random_starts(key: jax.Array, counts: np.ndarray, signatures: int, restarts: int) -> tuple[np.ndarray, np.ndarray]:
    """Random signatures [R, S, 96] and exposures [R, T, S] that sum to each sample's mutations in ``counts`` [T, 96].

    Each restart has a key of its own, so that more restarts leave the first ones as they are.
    """
    x = np.asarray(counts)
    drawn = [_drawn(key, lane, signatures, *x.shape) for lane in range(restarts)]  # one program for any number
    spectra, shares = (np.stack([np.asarray(part) for part in parts]) for parts in zip(*drawn, strict=True))
    return spectra, shares * x.sum(axis=1, dtype=np.float32)[:, None]


@functools.partial(jax.jit, static_argnames=("signatures", "samples", "channels"))
def _drawn(key: Any, lane: Any, signatures: int, samples: int, channels: int) -> tuple[Any, Any]:
    """Spectra [S, 96] and each sample's shares [T, S], both with sums 1."""
    one, other = jax.random.split(jax.random.fold_in(key, lane))
    spectra = jax.random.uniform(one, (signatures, channels), minval=0.01)
    shares = jax.random.uniform(other, (samples, signatures), minval=0.01)
    return spectra / spectra.sum(axis=1, keepdims=True), shares / shares.sum(axis=1, keepdims=True)


def factorised(
    counts: np.ndarray,
    signatures: np.ndarray,
    exposures: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    iterations: int = 5000,
    tolerance: float = 1.0,
    block: int = 100,
) -> Factorisation:
    """The factorisations of ``counts`` [T, 96] that multiplicative updates reach from R given starts.

    Minimises sum_t w_t sum_c (x ln(x / mu) - x + mu), mu = E S, by turns (Lee and Seung 2001):
    E <- E * ((x / mu) S') / (1 S'), then S <- S * (E' w (x / mu)) / (E' w 1). A restart stops once ``block`` iterations
    gain less than ``tolerance``, and stands still while others go on. Divergence is minus the Poisson log likelihood up to
    a constant, so that a gain of 1 is beneath the noise of any counts.

    Deviates: scikit-learn's solver ``mu`` sets signature entries below 2.2e-16 to 0 for good; here they may grow again.
    Before the first entry gets there, divergences from one start are equal; after that, ours may become lower.

    Args:
        counts: [T, 96]; rows of zeros get no exposures.
        signatures: starts [R, S, 96], as of :func:`random_starts`.
        exposures: starts [R, T, S].
        weights: w [T], 1 by default.
        iterations: most updates, rounded up to whole blocks.
        tolerance: least gain of a block, in nats.
        block: updates between two looks at the divergence.

    Raises:
        InputError: for arrays whose shapes do not fit, or for starts that are not positive and finite.
    """
    x = np.asarray(counts, np.float64)
    w = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
    spectra, activity = np.asarray(signatures, np.float32), np.asarray(exposures, np.float32)
    _check(x, w, spectra, activity)
    device = tuple(jnp.asarray(values, jnp.float32) for values in (x, w))
    state = (jnp.asarray(spectra), jnp.asarray(activity))
    last = _divergences(x, w, spectra, activity)
    done, made = np.zeros(len(spectra), bool), np.zeros(len(spectra), int)
    gain = np.full(len(spectra), np.inf)
    while not done.all() and made.max() < iterations:
        state = _updated(*device, *state, jnp.asarray(~done), block)
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


def _check(x: np.ndarray, w: np.ndarray, spectra: np.ndarray, activity: np.ndarray) -> None:
    if (
        spectra.ndim != 3
        or activity.shape != (len(spectra), len(x), spectra.shape[1])
        or x.shape[1] != spectra.shape[2]
    ):
        raise InputError(
            f"counts {x.shape}, signatures {spectra.shape} and exposures {activity.shape} do not fit; they must be "
            "[T, 96], [R, S, 96] and [R, T, S]"
        )
    if w.shape != (len(x),) or not np.isfinite(w).all() or (w < 0).any():
        raise InputError(f"weights {w.shape} do not fit {len(x)} samples; there must be one for each, 0 or more")
    for name, values in (("signatures", spectra), ("exposures", activity)):
        if not (np.isfinite(values).all() and (values >= 0).all()):
            raise InputError(f"the {name} to start from hold {values.min()}; they must be finite and not negative")


def _divergences(x: np.ndarray, w: np.ndarray, spectra: np.ndarray, activity: np.ndarray) -> np.ndarray:
    """Weighted divergence [R]; one restart at a time, so that memory stays at that of one mean."""
    logs = np.sum(w[:, None] * np.where(x > 0, x * np.log(np.where(x > 0, x, 1.0)) - x, 0.0))
    found = np.empty(len(spectra))
    for r, (s, e) in enumerate(zip(spectra, activity, strict=True)):
        mean = np.maximum(e.astype(np.float64) @ s.astype(np.float64), _FLOOR)
        found[r] = logs + np.sum(w[:, None] * (mean - x * np.log(mean)))
    return found


@functools.partial(jax.jit, static_argnames="block")
def _updated(x: Any, w: Any, spectra: Any, activity: Any, active: Any, block: int) -> tuple[Any, Any]:
    """S [R, S, 96] and E [R, T, S] after ``block`` updates of the restarts that are ``active`` [R]."""

    def update(_: int, both: tuple[Any, Any]) -> tuple[Any, Any]:
        s, e = both
        ratio = x / jnp.maximum(e @ s, _FLOOR)
        e = e * (ratio @ s.T) / jnp.maximum(s.sum(axis=1), _FLOOR)[None]
        ratio = w[:, None] * x / jnp.maximum(e @ s, _FLOOR)
        return s * (e.T @ ratio) / jnp.maximum(w @ e, _FLOOR)[:, None], e

    def run(s: Any, e: Any) -> tuple[Any, Any]:
        return jax.lax.fori_loop(0, block, update, (s, e))

    new = jax.vmap(run)(spectra, activity)
    keep = active[:, None, None]
    return jnp.where(keep, new[0], spectra), jnp.where(keep, new[1], activity)


SHAPES = (1.0, 0.75, 0.5)
"""Shapes of the Gamma prior, one after the other: 1 is maximum likelihood, and below 1 exposures become exactly 0."""


_STEP = 4


_TINY = 1e-10


def padded(signatures: Any, count: int | None = None) -> Any:
    """``signatures`` [S, 96] as float32 with rows of zeros up to the size for ``count`` (S unless given) components."""
    values = jnp.asarray(signatures, jnp.float32)
    size = _STEP * -(-(len(values) if count is None else count) // _STEP)
    return jnp.zeros((size, values.shape[1]), jnp.float32).at[: len(values)].set(values)


def _ratio(x: Any, exposures: Any, signatures: Any) -> Any:
    return x / (exposures @ signatures + _TINY)


def _moved_exposures(x: Any, signatures: Any, exposures: Any, shape: Any) -> Any:
    """One step of EM: e_k <- max(0, e_k sum_c S_kc x_c / mean_c + shape - 1) (Cemgil 2009); rows of S sum to 1."""
    return jnp.maximum(exposures * (_ratio(x, exposures, signatures) @ signatures.T) + (shape - 1), 0)


def _moved_signatures(x: Any, signatures: Any, exposures: Any) -> tuple[Any, Any]:
    """One multiplicative step of the signatures (Lee and Seung 2001), scaled to sum to 1, and the exposures scaled back."""
    moved = signatures * (exposures.T @ _ratio(x, exposures, signatures))
    sums = moved.sum(1)
    scale = sums / jnp.maximum(exposures.sum(0), _TINY)
    return moved / jnp.maximum(sums, _TINY)[:, None], exposures * scale[None, :]


@jax.jit
def alternated(x: Any, signatures: Any, exposures: Any, shape: Any, iterations: Any) -> tuple[Any, Any]:
    """Signatures [S, 96] and exposures [T, S] after ``iterations`` steps of each, the exposures first."""

    def step(_: Any, both: tuple[Any, Any]) -> tuple[Any, Any]:
        exposures = _moved_exposures(x, *both, shape)
        return _moved_signatures(x, both[0], exposures)

    return jax.lax.fori_loop(0, iterations, step, (signatures, exposures))


@jax.jit
def exposed(x: Any, signatures: Any, exposures: Any, shape: Any, iterations: Any) -> Any:
    """Exposures [T, S] after ``iterations`` steps at fixed ``signatures``."""
    return jax.lax.fori_loop(0, iterations, lambda _, e: _moved_exposures(x, signatures, e, shape), exposures)


def even(x: Any, signatures: Any) -> Any:
    """Exposures [T, S] to begin with: each sample's mutations in equal shares."""
    there = (signatures.sum(1) > 0).astype(jnp.float32)
    return jnp.outer(x.sum(1), there / there.sum())


def sparse_exposures(x: Any, signatures: Any) -> Any:
    """Exposures [T, S] of the annealed prior at fixed ``signatures``."""
    exposures = even(x, signatures)
    for shape, iterations in zip(SHAPES, (40, 60, 200), strict=True):
        exposures = exposed(x, signatures, exposures, shape, iterations)
    return exposures
