"""Exposures as MUSE-XAE assigns them: several encoders before frozen signatures, small exposures tested, a consensus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.errors import InputError
from vaebench.signatures.autoencoders.training import (
    checked_counts,
    checked_settings,
    redrawn,
    restart_seeds,
    split_of_rows,
    study_point,
    trained_lanes,
)
from vaebench.space import Point
from vaebench.training.lane import Split

NEGLIGIBLE, SMALL = 1e-4, 0.05
"""Shares of a sample's exposures: below the first one is dropped, up to the second it must prove itself."""
IMPROVEMENT = 0.01
"""Least relative fall of the residual's norm for which a small exposure is kept."""
_TINY = 1e-15


class MuseRefit(NamedTuple):
    """Consensus of several refits.

    Attributes:
        exposures: [T, S] in mutations; a row sums to the sample's mutations.
        presence: [T, S] share of the refits in which the exposure is at least half a mutation.
        epochs: of every refit.
        statuses: ``"OK"`` or ``"DIVERGED"`` of every refit; those that diverged are left out, and NaN comes out if all did.
    """

    exposures: np.ndarray
    presence: np.ndarray
    epochs: np.ndarray
    statuses: tuple[str, ...]


def muse_refit(
    seed: int,
    counts: np.ndarray,
    signatures: np.ndarray,
    *,
    refits: int = 10,
    settings: Mapping[str, Any] | None = None,
    epochs: int = 10_000,
    patience: int = 100,
    lanes: int | None = None,
    tell: Callable[[int], None] = lambda finished: None,
) -> MuseRefit:
    """Exposures [T, S] of ``signatures`` [S, 96] in the catalogue ``counts`` [T, 96].

    Every refit trains an encoder with ReLU outputs from its own redraw of the counts to the counts themselves, by absolute
    error and an L1 penalty, and stops on the squared error; see :func:`vaebench.variants.muse_xae.refit`. Its exposures are
    pruned, and the refits' median is taken where more than half of them find a signature.

    Source: Pancotti et al. 2024. Deviates: exposures are not rounded; a refit keeps its last weights, not its best.
    """
    counts, signatures = checked_counts(counts), checked_counts(signatures)
    if refits < 1:
        raise InputError(f"refits is {refits}; it must be at least 1")
    samples, own = len(counts), np.arange(len(counts))
    changed = {"epochs": epochs, "patience": patience, **checked_settings(settings, samples), "frozen": True}
    seeds = restart_seeds(seed, refits)
    points = [study_point("muse_xae", len(signatures), {**changed, "seed": s}) for s in seeds]
    target = jnp.asarray(counts, jnp.float32)
    inputs = jnp.concatenate([target, redrawn(jax.random.key(seed), counts, refits)])
    rows = jnp.concatenate([inputs, jnp.tile(target, (refits + 1, 1))], axis=1)

    def split_of(point: Point) -> Split:
        return split_of_rows(own + samples * (1 + seeds.index(point.seed)), own)

    finished = trained_lanes(points, counts, rows, split_of, signatures, lanes, tell)
    fits = [pruned(item.z.astype(np.float64), signatures, counts) for item in finished if item.z is not None]
    exposures, presence = (
        consensus(np.array(fits), counts) if fits else (np.full((samples, len(signatures)), np.nan),) * 2
    )
    return MuseRefit(
        exposures,
        presence,
        np.array([item.epochs for item in finished]),
        tuple("DIVERGED" if item.z is None else "OK" for item in finished),
    )


def pruned(exposures: np.ndarray, signatures: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """``exposures`` [T, S] of any scale without their negligible and useless part, in mutations.

    A sample starts with its large exposures. Of the small ones the one that brings the reconstruction's cosine highest is
    added, as long as the cosine rises and the norm of the residual falls by at least a hundredth.
    """
    total, lengths = counts.sum(1), np.linalg.norm(counts, axis=1)
    share = exposures / np.maximum(exposures.sum(1, keepdims=True), _TINY)
    waiting = (share >= NEGLIGIBLE) & (share <= SMALL)
    products, gram = counts @ signatures.T, signatures @ signatures.T
    base, rows = np.where(share > SMALL, exposures, 0.0), np.arange(len(counts))

    def fit(size: np.ndarray, along: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cosine and residual norm, with the counts, of spectra of that sum, product with the counts, and squared norm."""
        scale, length = (part.reshape(-1, *[1] * (size.ndim - 1)) for part in (total, lengths))
        scale = scale / np.maximum(size, _TINY)
        cosine = along / np.maximum(np.sqrt(np.maximum(squares, 0)) * length, _TINY)
        return cosine, np.sqrt(np.maximum(length**2 - 2 * scale * along + scale**2 * squares, 0))

    open_rows = waiting.any(1)
    while open_rows.any():
        size, along, across = base.sum(1), np.sum(base * products, axis=1), base @ gram
        squares = np.sum(base * across, axis=1)
        cosine, residual = fit(size, along, squares)
        cosines, residuals = fit(
            size[:, None] + exposures,
            along[:, None] + exposures * products,
            squares[:, None] + 2 * exposures * across + exposures**2 * np.diag(gram),
        )
        best = np.argmax(np.where(waiting, cosines, -np.inf), axis=1)
        falls = residual - residuals[rows, best] >= IMPROVEMENT * residual
        take = open_rows & (cosines[rows, best] > cosine) & falls
        base[take, best[take]] = exposures[take, best[take]]
        waiting[take, best[take]] = False
        open_rows = take & waiting.any(1)
    return base * (total / np.maximum(base.sum(1), _TINY))[:, None]


def consensus(exposures: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(exposures, presence) [T, S] of refits [R, T, S] in mutations; half a mutation is the least that counts as present.

    Where more than half of the refits have a signature: the median of those that do; then every row is scaled to the
    sample's mutations.
    """
    present = exposures > 0.5
    presence = present.mean(0)
    held = presence > 0.5
    middle = np.zeros(presence.shape)
    middle[held] = np.nanmedian(np.where(present, exposures, np.nan)[:, held], axis=0)
    return middle * (counts.sum(1) / np.maximum(middle.sum(1), _TINY))[:, None], presence
