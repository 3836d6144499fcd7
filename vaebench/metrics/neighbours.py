"""Exact nearest neighbours of an embedding."""

from __future__ import annotations

import numpy as np

from vaebench.types import InputError


def nearest(z: np.ndarray, others: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``others`` nearest other samples of every sample of z [N, L] (finite), by Euclidean distance.

    Blocks of scikit-learn's float64 products, which on a CPU beat a compiled float32 search and need no start-up. The
    distances found are then computed again from differences, exact for near duplicates too. Among samples at exactly
    equal distance position decides.

    Returns:
        ``(index [N, others], distance [N, others] float64)``, nearest first.

    Raises:
        InputError: fewer than ``others`` + 1 samples.
    """
    from sklearn.neighbors import NearestNeighbors

    samples = len(z)
    if samples <= others:
        raise InputError(f"{others} neighbours need at least {others + 1} samples, got {samples}")
    # Distances are computed as a.a - 2a.b + b.b, which loses digits far from the origin: centre in float64 first.
    z = np.asarray(z, np.float64)
    z = z - z.mean(axis=0)
    size = float(np.abs(z).max()) or 1.0
    z = z / size  # squares of extreme scales would overflow or vanish
    # Without an argument kneighbors leaves the sample itself out by position, which stays right among duplicated rows.
    index = NearestNeighbors(n_neighbors=others, algorithm="brute").fit(z).kneighbors(return_distance=False)
    index = np.sort(np.asarray(index, np.int64), axis=1)
    squared = np.zeros(index.shape)
    for column in z.T:  # one latent at a time keeps the memory at [N, others]
        squared += (column[index] - column[:, None]) ** 2
    order = np.argsort(squared, axis=1, kind="stable")
    return np.take_along_axis(index, order, axis=1), size * np.sqrt(np.take_along_axis(squared, order, axis=1))
