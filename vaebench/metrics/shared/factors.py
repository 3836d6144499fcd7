"""What metrics of known factors share: which can be used, their classes, and information between them and latents."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vaebench.types import Dataset

LEAST_KNOWN = 20
"""Known values below which a factor is left out: an estimate from fewer says nothing."""
LEAST_OF_EACH = 5
"""Samples of each value below which a binary factor is left out."""


class Factor(NamedTuple):
    """A known factor: ``values`` of its ``known`` [N] samples; ``kind`` ``"continuous"``, ``"binary"`` or ``"categorical"``."""

    name: str
    known: np.ndarray
    values: np.ndarray
    kind: str


def usable_factors(dataset: Dataset) -> tuple[Factor, ...]:
    """The factors with enough known values that are not constant; two distinct values make one binary (0 and 1)."""
    found = []
    for name, column in dataset.factors.items():
        column = np.asarray(column, np.float64)
        known = np.isfinite(column)
        values = column[known]
        levels = np.unique(values)
        if len(values) < LEAST_KNOWN or len(levels) < 2:
            continue
        if len(levels) > 2:
            found.append(Factor(name, known, values, "continuous"))
        elif min(np.sum(values == levels[0]), np.sum(values == levels[1])) >= LEAST_OF_EACH:
            found.append(Factor(name, known, (values == levels[1]).astype(np.float64), "binary"))
    return tuple(found)


def problem_of(z: np.ndarray, factors: tuple[Factor, ...], least: int = 1) -> str:
    """Why nothing can be computed from z [N, L] and the factors, "" if nothing is wrong."""
    problem = embedding_problem(z)
    if problem:
        return problem
    if len(factors) < least:
        return f"TOO_FEW_FACTORS: {len(factors)} factors have {LEAST_KNOWN} known values and vary, {least} are needed"
    return ""


def embedding_problem(z: np.ndarray) -> str:
    """``NAN_EMBEDDING``, ``COLLAPSED`` (all latents constant), or ""."""
    bad = int((~np.isfinite(z).all(axis=1)).sum())
    if bad:
        return f"NAN_EMBEDDING: {bad} of {len(z)} samples are not finite"
    if len(z) and not varying(z).any():
        return f"COLLAPSED: all {z.shape[1]} latents are constant"
    return ""


def varying(z: np.ndarray) -> np.ndarray:
    """[L] bool: latents that vary by more than float32 rounding, 1e-6 of their size."""
    z = np.asarray(z, np.float64)
    return np.ptp(z, axis=0) > 1e-6 * np.abs(z).max(axis=0)


def canonical_order(z: np.ndarray) -> np.ndarray:
    """Positions [N] that sort the rows, so that what is drawn at random depends on no order, of samples or latents."""
    return np.lexsort(np.sort(z, axis=1).T)


def classes(values: np.ndarray, kind: str, bins: int) -> np.ndarray:
    """Class numbers [n] of a factor: its own values, or ``bins`` equally frequent intervals of a continuous one."""
    if kind != "continuous":
        return np.unique(values, return_inverse=True)[1]
    inner = np.quantile(values, np.arange(1, bins) / bins)
    places = np.searchsorted(np.unique(inner), values, side="left")
    if np.ptp(places) == 0:  # most values are the largest one: the others are the second class
        places = (values < values.max()).astype(int)
    return np.unique(places, return_inverse=True)[1]


def binned(z: np.ndarray, bins: int) -> np.ndarray:
    """Bin numbers [N, L] of z in ``bins`` equally wide intervals from the smallest to the largest value of each latent."""
    z = np.asarray(z, np.float64)
    low, width = z.min(axis=0), np.ptp(z, axis=0)
    place = (z - low) / np.where(width > 0, width, 1.0) * bins
    return np.clip(place.astype(np.int64), 0, bins - 1)


def entropy(shares: np.ndarray) -> np.ndarray:
    """Entropy in nats along the last axis of probabilities (0 ln 0 = 0)."""
    return -np.sum(shares * np.log(np.where(shares > 0, shares, 1.0)), axis=-1)


def mutual_information(joint: np.ndarray) -> np.ndarray:
    """I in nats of joint probabilities [..., S, C]: H(rows) + H(columns) - H(both), at least 0."""
    both = entropy(joint.reshape(*joint.shape[:-2], -1))
    return np.clip(entropy(joint.sum(axis=-1)) + entropy(joint.sum(axis=-2)) - both, 0, None)


def information_matrix(
    z: np.ndarray, factors: tuple[Factor, ...], bins: int, factor_bins: int
) -> tuple[np.ndarray, np.ndarray]:
    """I(z_l; y_f) [L, F] and H(y_f) [F] in nats, latents in ``bins`` equal widths, each factor on its known samples."""
    places = binned(z, bins)
    information, entropies = [], []
    for factor in factors:
        code = classes(factor.values, factor.kind, factor_bins)
        count = code.max() + 1
        rows = places[factor.known] * count + code[:, None]
        rows = rows + np.arange(z.shape[1]) * bins * count
        joint = np.bincount(rows.ravel(), minlength=z.shape[1] * bins * count) / len(code)
        information.append(mutual_information(joint.reshape(z.shape[1], bins, count)))
        entropies.append(entropy(np.bincount(code) / len(code)))
    return np.stack(information, axis=1), np.array(entropies)


def top_two(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Largest and second largest of scores [L, F] over the latents (0 where there is one latent)."""
    ordered = np.sort(np.concatenate([scores, np.zeros((1, scores.shape[1]))]), axis=0)
    return ordered[-1], ordered[-2]
