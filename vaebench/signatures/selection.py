"""Choice of the number of signatures: by the stability and error of restarts, or by an information criterion.

  1. consensus    cluster the signatures of all restarts with one number, one member per restart (:func:`consensus_of`)
  2. stability    silhouettes of the clusters, by cosine distance (:func:`cluster_silhouettes`)
  3. choice       one row for each number, one of them chosen (:func:`selection_table`)

The criterion itself is computed in one place, :func:`vaebench.signatures.sparse.criterion.score_fit`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vaebench.errors import InputError
from vaebench.signatures.matching import assigned

RULES = ("stability", "criterion")
"""Rules by which a number is chosen; see :func:`selection_table`."""


class CandidateNumber(NamedTuple):
    """Results for one number of signatures; NaN for what is not known.

    Attributes:
        k: number of signatures.
        silhouettes: [K] of the consensus clusters; empty where nothing was clustered.
        error: mean reconstruction error of the restarts.
        deviance: of the best fit, 2 sum (x ln(x / mean) - x + mean).
        nonzeros: number of exposures that are not 0 in that fit.
        criterion: of that fit (:func:`vaebench.signatures.sparse.criterion.score_fit`).
        status: ``"OK"``, or why this number cannot be chosen.
    """

    k: int
    silhouettes: Sequence[float] | np.ndarray
    error: float
    deviance: float
    nonzeros: float
    criterion: float
    status: str = "OK"


def selection_table(
    candidates: Sequence[CandidateNumber],
    *,
    rule: str = "stability",
    mean_silhouette: float = 0.7,
    min_silhouette: float = 0.2,
) -> pd.DataFrame:
    """Table with one row for each candidate, in increasing order of k, ``chosen`` true in one.

    Rule ``"stability"`` (MUSE-XAE, Pancotti et al. 2024): among the numbers whose clusters have a mean silhouette of at least
    ``mean_silhouette`` and none below ``min_silhouette``, the one with the lowest error. Rule ``"criterion"``: the lowest
    criterion (:func:`vaebench.signatures.sparse.criterion.score_fit`). The smallest k wins ties. If no number qualifies, the
    one with the highest mean silhouette is chosen, and its status begins with ``UNSTABLE`` or ``UNKNOWN``; none is chosen if
    all have failed.

    Columns: ``k``, ``mean_silhouette``, ``min_silhouette``, ``error``, ``deviance``, ``nonzeros``, ``criterion``,
    ``chosen``, ``status`` (``"OK"``, ``"UNSTABLE: ..."``, ``"UNKNOWN: ..."`` or the candidate's own).

    Args:
        candidates: one for each k, in any order.
        rule: one of :data:`RULES`.
        mean_silhouette: lowest mean over the clusters that counts as stable.
        min_silhouette: lowest silhouette of any cluster that counts as stable.

    Raises:
        InputError: for no candidates, a k that occurs twice, or an unknown rule.
    """
    if rule not in RULES:
        raise InputError(f"rule={rule!r} is not allowed; it must be one of {', '.join(RULES)}")
    ks = [candidate.k for candidate in candidates]
    if not ks or len(set(ks)) < len(ks):
        raise InputError(f"the numbers of signatures are {ks}; there must be at least one, and each only once")
    rows = []
    for c in sorted(candidates, key=lambda candidate: candidate.k):
        widths = np.asarray(c.silhouettes, np.float64)
        mean, lowest = (float(widths.mean()), float(widths.min())) if widths.size else (math.nan, math.nan)
        status = c.status
        if status == "OK" and rule == "stability":
            status = _stability(mean, lowest, mean_silhouette, min_silhouette)
        if status == "OK" and math.isnan(c.criterion if rule == "criterion" else c.error):
            status = f"UNKNOWN: its {'criterion' if rule == 'criterion' else 'error'} is not a number"
        rows.append((c.k, mean, lowest, c.error, c.deviance, c.nonzeros, c.criterion, False, status))
    names = ["k", "mean_silhouette", "min_silhouette", "error", "deviance", "nonzeros", "criterion", "chosen", "status"]
    table = pd.DataFrame(rows, columns=pd.Index(names))
    table["chosen"] = np.arange(len(table)) == _position(table, rule)
    return table


def _stability(mean: float, lowest: float, least_mean: float, least: float) -> str:
    """Status of a number with this mean and lowest silhouette."""
    if not mean >= least_mean:
        return f"UNSTABLE: mean silhouette {mean:.2f} is below {least_mean:g}"
    if not lowest >= least:
        return f"UNSTABLE: lowest silhouette {lowest:.2f} is below {least:g}"
    return "OK"


def _position(table: pd.DataFrame, rule: str) -> int:
    """Position of the row to choose; -1 if none can be."""
    by = table["criterion" if rule == "criterion" else "error"].where(table["status"] == "OK")
    if by.notna().any():
        return int(np.nanargmin(by.to_numpy()))
    fallback = table["mean_silhouette"].where(table["status"].str.startswith(("UNSTABLE", "UNKNOWN")))
    return int(np.nanargmax(fallback.to_numpy())) if fallback.notna().any() else -1


ROUNDS = 50
"""Most rounds of assignment and new centroids; few suffice, and this bounds the time where restarts agree on nothing."""

_STARTS = 10
"""Starts of k-means, the usual number: one start may merge two clusters."""

_SAME = 1e-12
"""Cosine distance below which rows are equal: rounding leaves 1e-16 between copies, and silhouettes are ratios of distances."""


class Consensus(NamedTuple):
    """K clusters of the signatures of R restarts.

    Attributes:
        signatures: [K, M] means of the members, each member scaled to sum 1.
        members: [R, K] position, within its restart, of each cluster's member.
        silhouettes: [K] mean silhouette of each cluster, by cosine distance.
        rounds: rounds of assignment; unless they are :data:`ROUNDS`, the last one changed nothing.
    """

    signatures: np.ndarray
    members: np.ndarray
    silhouettes: np.ndarray
    rounds: int


def consensus_of(runs: np.ndarray, seed: int = 0) -> Consensus:
    """Cluster the signatures ``runs`` [R, K, M] so that each cluster has one member from each restart.

      1. centroids   k-means over the unit vectors of all restarts
      2. assign      each restart's signatures one to one to the centroids, with the least total cosine distance (Hungarian)
      3. update      centroids become the means of their members; repeat from 2 until no assignment changes

    With members of unit length both steps raise the total cosine between members and centroids, so the rounds end.

    Source: MUSE-XAE (Pancotti et al. 2024) and SigProfilerExtractor (Islam et al. 2022).

    Deviates: unit vectors are clustered, where the code of MUSE-XAE clusters decoder rows of any length.

    Args:
        runs: without rows of zeros or NaN: leave out restarts that failed.
        seed: of k-means.

    Raises:
        InputError: for no restart, or a row that is zero, negative or not finite.
    """
    values = np.asarray(runs, np.float64)
    if values.ndim != 3 or 0 in values.shape:
        raise InputError(f"the restarts' signatures have shape {values.shape}; it must be [R, K, M], none of them 0")
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
        centroids = _unit_rows(_taken(unit, members).mean(axis=0))
    shares = values / values.sum(axis=2, keepdims=True)
    return Consensus(
        signatures=_taken(shares, members).mean(axis=0),
        members=members,
        silhouettes=cluster_silhouettes(_taken(unit, members)),
        rounds=rounds,
    )


def cluster_silhouettes(clusters: np.ndarray) -> np.ndarray:
    """Mean silhouette width [K] of ``clusters`` [R, K, M] of R rows each, by cosine distance.

    The silhouette of a row is (b - a) / max(a, b): a is its mean distance to the other rows of its cluster, b the lowest mean
    distance to another cluster. It is 0 for clusters of one row, and 1 for a single cluster, which has no other one near it.

    Source: Rousseeuw 1987; computed by scikit-learn.
    """
    from sklearn.metrics import silhouette_samples
    from sklearn.metrics.pairwise import cosine_distances

    count, size = clusters.shape[:2]
    if size == 1:
        return np.ones(1)
    if count == 1:
        return np.zeros(size)
    distances = cosine_distances(clusters.reshape(count * size, -1))
    labels = np.tile(np.arange(size), count)
    widths = silhouette_samples(np.where(distances < _SAME, 0.0, distances), labels, metric="precomputed")
    return widths.reshape(count, size).mean(axis=0)


def _kmeans(unit: np.ndarray, seed: int) -> np.ndarray:
    """Unit centroids [K, M] by k-means over the rows of all restarts."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    rows = unit.reshape(-1, unit.shape[2])
    # one thread: for so few rows, threads that wait for each other would take twenty times as long
    with threadpool_limits(1, user_api="openmp"), warnings.catch_warnings():
        # with fewer different rows than clusters two centroids are equal; the assignment still gives each its members
        warnings.simplefilter("ignore", ConvergenceWarning)
        starts: Any = _STARTS  # its type hints know only the text "auto"
        found = KMeans(unit.shape[1], n_init=starts, random_state=seed).fit(rows)
    return _unit_rows(found.cluster_centers_)


def _one_to_one(similarity: np.ndarray) -> np.ndarray:
    """Row [K] assigned to each column of ``similarity`` [K, K]."""
    rows, columns = assigned(similarity)
    found = np.empty(len(rows), int)
    found[columns] = rows
    return found


def _taken(runs: np.ndarray, members: np.ndarray) -> np.ndarray:
    """``runs`` [R, K, M] with each restart's rows in the order of the clusters."""
    return np.take_along_axis(runs, members[:, :, None], axis=1)


def _unit_rows(rows: np.ndarray) -> np.ndarray:
    """``rows`` [K, M] scaled to length 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def lost_no_signature(runs: np.ndarray) -> np.ndarray:
    """Mask [R] of the restarts in ``runs`` [R, S, M] in which no signature died out."""
    return np.all(np.any(runs > 0, axis=2), axis=1)
