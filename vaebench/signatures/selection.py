"""The number of signatures: by the stability and error of restarts, or by an information criterion."""

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


class Candidate(NamedTuple):
    """What is known of one number of signatures; NaN for what is not.

    Attributes:
        k: number of signatures.
        silhouettes: [K] of the consensus clusters; empty where nothing was clustered.
        error: mean reconstruction error of the restarts.
        deviance: of the best fit, 2 sum (x ln(x / mean) - x + mean).
        nonzeros: number of exposures that are not 0 in that fit.
        status: ``"OK"``, or why this number cannot be chosen.
        criterion: the method's own, in place of :func:`criterion`; NaN without one.
    """

    k: int
    silhouettes: Sequence[float] | np.ndarray
    error: float
    deviance: float
    nonzeros: float
    status: str = "OK"
    criterion: float = math.nan


def criterion(deviance: float, nonzeros: float, k: int, samples: int) -> float:
    """deviance + nonzeros ln 96 + 95 k ln samples.

    Twice minus the log likelihood, with the logarithm of what each parameter was learnt from: an exposure that is there
    from 96 counts, each of a signature's 95 free shares from ``samples`` tumours (Schwarz 1978, once for each block).
    """
    return deviance + nonzeros * math.log(96) + 95 * k * math.log(samples)


def selection_table(
    candidates: Sequence[Candidate],
    samples: int,
    *,
    rule: str = "stability",
    mean_silhouette: float = 0.7,
    min_silhouette: float = 0.2,
) -> pd.DataFrame:
    """One row for each candidate, by k, with ``chosen`` true in one.

    Rule ``"stability"`` (MUSE-XAE, Pancotti et al. 2024): among the k whose clusters have a mean silhouette of at least
    ``mean_silhouette`` and none below ``min_silhouette``, the one with the lowest error. Rule ``"criterion"``: the
    lowest :func:`criterion`. Of equals the smallest k. Where no k passes, the one with the highest mean silhouette is chosen,
    and its status begins with ``UNSTABLE`` or ``UNKNOWN``; none where all have failed.

    Columns: ``k``, ``mean_silhouette``, ``min_silhouette``, ``error``, ``deviance``, ``nonzeros``, ``criterion``,
    ``chosen``, ``status`` (``"OK"``, ``"UNSTABLE: ..."``, ``"UNKNOWN: ..."`` or the candidate's own).

    Args:
        candidates: one for each k.
        samples: T.
        rule: one of :data:`RULES`.
        mean_silhouette: see above.
        min_silhouette: see above.

    Raises:
        InputError: for no candidates, a k that comes twice, or an unknown rule.
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
        value = criterion(c.deviance, c.nonzeros, c.k, samples) if math.isnan(c.criterion) else c.criterion
        if status == "OK" and math.isnan(value if rule == "criterion" else c.error):
            status = f"UNKNOWN: its {'criterion' if rule == 'criterion' else 'error'} is not a number"
        rows.append((c.k, mean, lowest, c.error, c.deviance, c.nonzeros, value, False, status))
    names = ["k", "mean_silhouette", "min_silhouette", "error", "deviance", "nonzeros", "criterion", "chosen", "status"]
    table = pd.DataFrame(rows, columns=pd.Index(names))
    table["chosen"] = np.arange(len(table)) == _position(table, rule)
    return table


def _stability(mean: float, lowest: float, least_mean: float, least: float) -> str:
    if not mean >= least_mean:
        return f"UNSTABLE: mean silhouette {mean:.2f} is below {least_mean:g}"
    if not lowest >= least:
        return f"UNSTABLE: lowest silhouette {lowest:.2f} is below {least:g}"
    return "OK"


def _position(table: pd.DataFrame, rule: str) -> int:
    """Position of the row to choose; -1 where no candidate can be."""
    by = table["criterion" if rule == "criterion" else "error"].where(table["status"] == "OK")
    if by.notna().any():
        return int(np.nanargmin(by.to_numpy()))
    fallback = table["mean_silhouette"].where(table["status"].str.startswith(("UNSTABLE", "UNKNOWN")))
    return int(np.nanargmax(fallback.to_numpy())) if fallback.notna().any() else -1


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
