"""Consensus of restarts: their signatures clustered so that each restart gives one member to every cluster."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from vaebench.signatures.matching import assigned
from vaebench.types import InputError

ROUNDS = 50
"""Most rounds of assignment and new centroids."""

_STARTS = 10  # of k-means


class Consensus(NamedTuple):
    """K clusters of the signatures of R restarts.

    Attributes:
        signatures: [K, 96] means of the members, each member scaled to sum 1.
        members: [R, K] position in its restart of each cluster's member.
        silhouettes: [K] mean silhouette of each cluster, by cosine distance.
        rounds: rounds of assignment, the last of which changed nothing unless they are :data:`ROUNDS`.
    """

    signatures: np.ndarray
    members: np.ndarray
    silhouettes: np.ndarray
    rounds: int


def consensus_of(runs: np.ndarray, seed: int = 0) -> Consensus:
    """Clusters of the signatures ``runs`` [R, K, 96], one member a restart in each.

    From the centroids of k-means, by turns: every restart's signatures are assigned to the centroids one to one with the
    least total cosine distance (Hungarian), and centroids become the means of their members. With members of unit length
    both steps raise the total cosine between members and centroids, so that the rounds come to an end.

    Source: MUSE-XAE (Pancotti et al. 2024) and SigProfilerExtractor (Islam et al. 2022).

    Deviates: clustering is of unit vectors, where the study's code clusters decoder rows of any length.

    Args:
        runs: without rows of zeros or NaN: leave out restarts that failed.
        seed: of k-means.

    Raises:
        InputError: for no restart, or a row that is zero, negative or not finite.
    """
    values = np.asarray(runs, np.float64)
    if values.ndim != 3 or 0 in values.shape:
        raise InputError(f"the restarts' signatures have shape {values.shape}; it must be [R, K, 96], none of them 0")
    usable = np.isfinite(values).all(axis=2) & (values >= 0).all(axis=2) & (values > 0).any(axis=2)
    if not usable.all():
        r, k = np.argwhere(~usable)[0]
        raise InputError(
            f"signature {k + 1} of restart {r + 1} is zero, negative or not finite; leave such restarts out"
        )
    unit = values / np.linalg.norm(values, axis=2, keepdims=True)
    centroids = _kmeans(unit, seed)
    members = np.full(values.shape[:2], -1)
    rounds, settled = 0, False
    while not settled and rounds < ROUNDS:
        new = np.stack([_one_to_one(own @ centroids.T) for own in unit])
        settled = np.array_equal(new, members)
        members, rounds = new, rounds + 1
        centroids = _lengthened(_taken(unit, members).mean(axis=0))
    shares = values / values.sum(axis=2, keepdims=True)
    return Consensus(
        signatures=_taken(shares, members).mean(axis=0),
        members=members,
        silhouettes=silhouettes(_taken(unit, members)),
        rounds=rounds,
    )


def silhouettes(clusters: np.ndarray) -> np.ndarray:
    """Mean silhouette width [K] of ``clusters`` [R, K, 96] of R rows each, by cosine distance.

    Of a row, s = (b - a) / max(a, b): a is its mean distance to the others of its cluster, b the least mean distance to
    another cluster (Rousseeuw 1987). 0 for clusters of one row; 1 for a single cluster, which no other one is near.
    """
    count, size = clusters.shape[:2]
    if size == 1:
        return np.ones(1)
    if count == 1:
        return np.zeros(size)
    unit = np.asarray(clusters, np.float64)
    unit = unit / np.linalg.norm(unit, axis=2, keepdims=True)
    # the mean cosine to a cluster is the cosine with the sum of its unit vectors, over their number
    towards = np.einsum("rkc,jc->rkj", unit, unit.sum(axis=0))
    own = np.arange(size)
    within = 1 - (towards[:, own, own] - 1) / (count - 1)
    others = 1 - towards / count
    others[:, own, own] = np.inf
    nearest = others.min(axis=2)
    # rounding leaves distances of 1e-16 between equal rows
    within, nearest = np.maximum(within, 0.0), np.maximum(nearest, 0.0)
    larger = np.maximum(within, nearest)
    widths = np.where(larger > 1e-12, (nearest - within) / np.where(larger > 1e-12, larger, 1.0), 0.0)
    return widths.mean(axis=0)


def _kmeans(unit: np.ndarray, seed: int) -> np.ndarray:
    """Unit centroids [K, 96] by k-means over the rows of all restarts."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    rows = unit.reshape(-1, unit.shape[2])
    with warnings.catch_warnings():
        # fewer different rows than clusters: two centroids are equal, and the assignment still gives each its members
        warnings.simplefilter("ignore", ConvergenceWarning)
        starts: Any = _STARTS  # its type hints know only the text "auto"
        found = KMeans(unit.shape[1], n_init=starts, random_state=seed).fit(rows)
    return _lengthened(found.cluster_centers_)


def _one_to_one(similarity: np.ndarray) -> np.ndarray:
    """Row [K] assigned to each column of ``similarity`` [K, K]."""
    rows, columns = assigned(similarity)
    found = np.empty(len(rows), int)
    found[columns] = rows
    return found


def _taken(runs: np.ndarray, members: np.ndarray) -> np.ndarray:
    """``runs`` [R, K, 96] in the order of the clusters."""
    return np.take_along_axis(runs, members[:, :, None], axis=1)


def _lengthened(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
