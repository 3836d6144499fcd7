"""Silhouette widths of many groupings of one embedding in one pass over its distances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def silhouettes(z: np.ndarray, groupings: Sequence[np.ndarray]) -> list[float]:
    """Return the mean silhouette width of each grouping of z, by Euclidean distance.

    s = (b - a) / max(a, b) with a the mean distance to the other samples of the own group and b the smallest mean distance
    to another group; 0 for a sample alone in its group, and for all samples of a single group. -1..1, high for groups that
    are compact and far apart.

    Args:
        z: [N, L] finite.
        groupings: [N] each, any values.

    Source: Rousseeuw 1987, J. Comput. Appl. Math. 20, 53-65.
    """
    z = np.asarray(z, np.float64)
    z = z - z.mean(axis=0)
    codes = [np.unique(g, return_inverse=True)[1] for g in groupings]
    single = _rounded(z / (float(np.abs(z).max()) or 1.0), codes)
    norms = np.einsum("nl,nl->n", single, single)
    members = [np.eye(code.max() + 1, dtype=np.float32)[code] for code in codes]
    everything = np.concatenate(members, axis=1)
    totals = np.empty((len(z), everything.shape[1]), np.float64)
    for first in range(0, len(z), 1024):
        rows = slice(first, first + 1024)
        squared = norms[rows, None] + norms[None] - 2 * (single[rows] @ single.T)
        np.clip(squared, 0, None, out=squared)
        own = np.arange(first, min(first + 1024, len(z)))
        squared[own - first, own] = 0
        totals[rows] = np.sqrt(squared, out=squared) @ everything
    ends = np.cumsum([0, *(m.shape[1] for m in members)])
    return [_mean_width(totals[:, low:high], code) for low, high, code in zip(ends[:-1], ends[1:], codes, strict=True)]


def _rounded(z: np.ndarray, codes: Sequence[np.ndarray]) -> np.ndarray:
    """Return z [N, L] in float32, whose distances are right to 1e-3 of the smallest ones, which is enough for means of thousands.

    Squared distances are differences of squared norms, so groups that are far apart for their size keep float64.
    """
    squares = np.einsum("nl,nl->n", z, z)
    for code in codes:
        size = np.bincount(code)
        centres = np.stack([np.bincount(code, column) for column in z.T], 1) / size[:, None]
        within = np.bincount(code, np.square(z - centres[code]).sum(1))[size > 1] / size[size > 1]
        if within.size and within.min() < 1e-3 * squares.max():
            return z
    return z.astype(np.float32)


def _mean_width(totals: np.ndarray, code: np.ndarray) -> float:
    sizes = np.bincount(code)
    if len(sizes) < 2:
        return 0.0
    rows = np.arange(len(code))
    own = totals[rows, code] / np.maximum(sizes[code] - 1, 1)
    others = totals / sizes[None]
    others[rows, code] = np.inf
    nearest = others.min(axis=1)
    larger = np.maximum(own, nearest)
    width = np.where((sizes[code] > 1) & (larger > 0), (nearest - own) / np.where(larger > 0, larger, 1.0), 0.0)
    return float(width.mean())
