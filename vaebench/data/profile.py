"""The range of a matrix and a guess at its scale, seen block by block."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

Block = tuple[list[str], np.ndarray]
"""Names of features, and their values [features, N]."""


class Profile(NamedTuple):
    """Values of a matrix, seen block by block: how many, how many missing, their range, and a guess at the scale."""

    features: int
    constant: int
    missing: int
    features_with_missing: int
    low: float
    high: float
    scale: str
    outlying: tuple[str, ...]


def profile_of(blocks: Iterable[Block]) -> Profile:
    """The profile of blocks of feature names and values [features, N]."""
    names: list[str] = []
    parts: list[np.ndarray] = []
    whole = True
    for found, block in blocks:
        values = np.asarray(block, dtype=np.float64)
        present = np.isfinite(values)
        counts = np.maximum(present.sum(axis=1), 1)
        filled = np.where(present, values, 0)
        mean = filled.sum(axis=1) / counts
        sd = np.sqrt(np.where(present, np.square(values - mean[:, None]), 0).sum(axis=1) / counts)
        least = np.where(present, values, np.inf).min(axis=1)
        most = np.where(present, values, -np.inf).max(axis=1)
        whole = whole and bool((filled == np.rint(filled)).all())
        names += found
        parts.append(np.stack([mean, sd, least, most, (~present).sum(axis=1)]))
    mean, sd, least, most, missing = np.concatenate(parts, axis=1)
    varying = most > least
    reach = np.maximum(np.abs(least), np.abs(most))
    usual = np.median(reach[varying]) if varying.any() else 0.0
    # by the mean, since single values of heavy tails reach far; linear values have such features of their own
    outlying = varying & (np.abs(mean) > 2 * usual) & (usual <= _LOG_MOST)
    ordinary = varying & ~outlying
    return Profile(
        features=len(names),
        constant=int((~varying).sum()),
        missing=int(missing.sum()),
        features_with_missing=int((missing > 0).sum()),
        low=float(least.min()),
        high=float(most.max()),
        scale=_scale(least[ordinary], most[ordinary], whole, mean[ordinary], sd[ordinary]),
        outlying=tuple(np.array(names)[outlying].tolist()),
    )


_LOG_MOST = 50.0  # log2 of the largest count that there is stays below


def _scale(least: np.ndarray, most: np.ndarray, whole: bool, mean: np.ndarray, sd: np.ndarray) -> str:
    """A guess: ``"z-score"``, ``"unit"``, ``"counts"``, ``"linear"`` or ``"log"``; ``"nothing"`` without varying values."""
    if not mean.size:
        return "nothing"
    if least.min() < 0 and np.median(np.abs(mean)) < 0.1 and abs(np.median(sd) - 1) < 0.25:
        return "z-score"
    if least.min() >= 0 and most.max() <= 1:
        return "unit"
    if whole and least.min() >= 0:
        return "counts"
    return "linear" if most.max() > _LOG_MOST else "log"
