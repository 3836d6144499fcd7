"""Exposures as MUSE-XAE assigns them: several encoders in front of frozen signatures, pruning, and a consensus."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.data.mutations.channels import checked_catalogue, checked_signatures
from vaebench.errors import InputError
from vaebench.signatures.autoencoders.training import (
    checked_counts,
    checked_settings,
    multinomial_resample,
    restart_seeds,
    split_of_rows,
    study_point,
    trained_lanes,
)
from vaebench.signatures.tables import OnProgress, no_progress
from vaebench.space import Point
from vaebench.training.lane import Split
from vaebench.types.frames import is_frame
from vaebench.types.shown import one_line, tables_page

_TINY = 1e-15  # keeps divisions by sums of 0 finite


@dataclasses.dataclass(frozen=True)
class PruningOptions:
    """Constants of MUSE-XAE's pruning, those of its paper.

    Attributes:
        negligible: share of a sample's exposures below which an exposure is dropped.
        small: share up to which an exposure must improve the fit to be kept.
        improvement: smallest relative decrease of the residual's norm for which it is kept.
        present: mutations above which an exposure of a refit counts as present.
    """

    negligible: float = 1e-4
    small: float = 0.05
    improvement: float = 0.01
    present: float = 0.5


PRUNING = PruningOptions()
"""The defaults."""


class MuseRefit(NamedTuple):
    """Consensus of several refits.

    Attributes:
        exposures: [T, S] in mutations; a row sums to the sample's mutations.
        presence: [T, S] share of the refits in which the exposure is more than half a mutation.
        epochs: epochs of every refit.
        statuses: ``"OK"`` or ``"DIVERGED"`` of every refit; those that diverged are left out, and all is NaN if all did.
    """

    __repr__ = one_line
    _repr_html_ = tables_page

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
    options: PruningOptions = PRUNING,
    progress: OnProgress = no_progress,
) -> MuseRefit:
    """Exposures [T, S] to ``signatures`` [S, M] in the catalogue ``counts`` [T, M], as MUSE-XAE assigns them.

    Every refit trains an encoder with ReLU outputs from its own redraw of the counts to the counts themselves, by absolute
    error and an L1 penalty, and stops on the squared error; see :func:`vaebench.variants.muse_xae.refit`. Its exposures are
    pruned. The result is the median of the refits wherever more than half of them find a signature.

    Args:
        seed: of the redraws, and of every refit's weights and order.
        counts: the catalogue [T, M]; the channels of a DataFrame are found by name.
        signatures: [S, M], likewise.
        refits: number of encoders.
        settings: other settings of the training to change.
        epochs: most epochs of a refit.
        patience: epochs without a lower loss after which a refit stops.
        lanes: refits trained side by side; ``None`` chooses.
        options: constants of the pruning.
        progress: called with "training", the number of finished refits whenever it grows, and ``refits``.

    Raises:
        InputError: for counts, signatures, a number of refits or a setting that is not allowed.

    Source: Pancotti et al. 2024. Deviates: exposures are not rounded; a refit keeps its last weights, not its best.

    Example::

        found = vb.signatures.muse_refit(0, catalogue.to_numpy(), signatures.to_numpy())
        print(found.exposures, found.presence)
    """
    if is_frame(counts):
        counts = checked_catalogue(counts, fractions=True).to_numpy()
    if is_frame(signatures):
        signatures = checked_signatures(signatures, normalised=False).to_numpy()
    counts, signatures = checked_counts(counts), checked_counts(signatures)
    if refits < 1:
        raise InputError(f"refits is {refits}; it must be 1 or more")
    samples, own = len(counts), np.arange(len(counts))
    changed = {"epochs": epochs, "patience": patience, **checked_settings(settings, samples), "frozen": True}
    seeds = restart_seeds(seed, refits)
    points = [study_point("muse_xae", len(signatures), {**changed, "seed": s}) for s in seeds]
    target = jnp.asarray(counts, jnp.float32)
    inputs = jnp.concatenate([target, multinomial_resample(jax.random.key(seed), counts, refits)])
    rows = jnp.concatenate([inputs, jnp.tile(target, (refits + 1, 1))], axis=1)

    def split_of(point: Point) -> Split:
        return split_of_rows(own + samples * (1 + seeds.index(point.seed)), own)

    finished = trained_lanes(points, counts, rows, split_of, signatures, lanes, progress)
    fits = [pruned(item.z.astype(np.float64), signatures, counts, options) for item in finished if item.z is not None]
    exposures, presence = (
        consensus(np.array(fits), counts, options) if fits else (np.full((samples, len(signatures)), np.nan),) * 2
    )
    return MuseRefit(
        exposures,
        presence,
        np.array([item.epochs for item in finished]),
        tuple("DIVERGED" if item.z is None else "OK" for item in finished),
    )


def pruned(
    exposures: np.ndarray, signatures: np.ndarray, counts: np.ndarray, options: PruningOptions = PRUNING
) -> np.ndarray:
    """Drop the exposures that are negligible or do not improve the fit.

    A sample starts with its large exposures. Of the small ones, the one is added with which the cosine of the reconstruction
    is highest, as long as the cosine increases and the norm of the residual decreases by at least a hundredth.

    Args:
        exposures: [T, S] of any scale.
        signatures: [S, M].
        counts: [T, M].
        options: constants of the pruning.

    Returns:
        Exposures [T, S] in mutations.
    """
    total, lengths = counts.sum(1), np.linalg.norm(counts, axis=1)
    share = exposures / np.maximum(exposures.sum(1, keepdims=True), _TINY)
    waiting = (share >= options.negligible) & (share <= options.small)
    products, gram = counts @ signatures.T, signatures @ signatures.T
    base, rows = np.where(share > options.small, exposures, 0.0), np.arange(len(counts))

    def fit(size: np.ndarray, along: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cosine with the counts, and norm of the residual, from a fit's sum, product with the counts and squared norm."""
        scale, length = (column.reshape(-1, *[1] * (size.ndim - 1)) for column in (total, lengths))
        scale = scale / np.maximum(size, _TINY)
        cosine = along / np.maximum(np.sqrt(np.maximum(squares, 0)) * length, _TINY)
        return cosine, np.sqrt(np.maximum(length**2 - 2 * scale * along + scale**2 * squares, 0))

    open_rows = waiting.any(1)
    while open_rows.any():
        # adding e_k S_k changes the sum, the product with the counts and the squared norm in closed form: no spectra are built
        size, along, across = base.sum(1), np.sum(base * products, axis=1), base @ gram
        squares = np.sum(base * across, axis=1)
        cosine, residual = fit(size, along, squares)
        cosines, residuals = fit(
            size[:, None] + exposures,
            along[:, None] + exposures * products,
            squares[:, None] + 2 * exposures * across + exposures**2 * np.diag(gram),
        )
        best = np.argmax(np.where(waiting, cosines, -np.inf), axis=1)
        useful = residual - residuals[rows, best] >= options.improvement * residual
        take = open_rows & (cosines[rows, best] > cosine) & useful
        base[take, best[take]] = exposures[take, best[take]]
        waiting[take, best[take]] = False
        open_rows = take & waiting.any(1)
    return base * (total / np.maximum(base.sum(1), _TINY))[:, None]


def consensus(
    exposures: np.ndarray, counts: np.ndarray, options: PruningOptions = PRUNING
) -> tuple[np.ndarray, np.ndarray]:
    """Combine the refits ``exposures`` [R, T, S], in mutations, of the catalogue ``counts`` [T, M].

    Where more than half of the refits have a signature, its exposure is the median of those that do, else 0. Every row is then
    scaled to the sample's mutations.

    Returns:
        Exposures [T, S], and the share of refits [T, S] in which each is present.
    """
    present = exposures > options.present
    presence = present.mean(0)
    held = presence > 0.5
    middle = np.zeros(presence.shape)
    middle[held] = np.nanmedian(np.where(present, exposures, np.nan)[:, held], axis=0)
    return middle * (counts.sum(1) / np.maximum(middle.sum(1), _TINY))[:, None], presence
