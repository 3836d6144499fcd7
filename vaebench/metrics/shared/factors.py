"""Known factors of a data set: which can be used, their classes, and their mutual information with latents."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vaebench.types import Dataset

LEAST_KNOWN = 20
"""Fewest known values of a factor that is used: an estimate from fewer says nothing."""
LEAST_OF_EACH = 5
"""Fewest samples of each value of a binary factor that is used."""


class Factor(NamedTuple):
    """A known factor of a data set.

    Attributes:
        name: of the factor.
        known: [N] bool, samples with a value; n of them.
        values: [n] float64.
        kind: ``"continuous"``, ``"binary"`` (values 0 and 1) or ``"categorical"``.
    """

    name: str
    known: np.ndarray
    values: np.ndarray
    kind: str


def usable_factors(dataset: Dataset) -> tuple[Factor, ...]:
    """Return the factors with enough known values that are not constant; two distinct values make a factor binary."""
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
    """Return the status of an embedding z [N, L] and factors from which nothing can be computed, "" if they are usable."""
    problem = embedding_problem(z)
    if problem:
        return problem
    if len(factors) < least:
        return f"TOO_FEW_FACTORS: {len(factors)} factors have {LEAST_KNOWN} known values and vary, {least} are needed"
    return ""


def embedding_problem(z: np.ndarray) -> str:
    """Return the status ``NAN_EMBEDDING`` or ``COLLAPSED`` (all latents constant) of z [N, L], "" if neither holds."""
    bad = int((~(np.abs(z) <= np.finfo(np.float32).max).all(axis=1)).sum())
    if bad:
        return f"NAN_EMBEDDING: {bad} of {len(z)} samples are not finite"
    if len(z) and not varying(z).any():
        return f"COLLAPSED: all {z.shape[1]} latents are constant"
    return ""


def varying(z: np.ndarray) -> np.ndarray:
    """Return a mask [L] of the columns of z [N, L] that vary by more than float32 rounding, 1e-6 of their size.

    Every metric asks this function which latents are constant, and the Cox metrics which covariates are.
    """
    z = np.asarray(z, np.float64)
    return np.ptp(z, axis=0) > 1e-6 * np.abs(z).max(axis=0)


def canonical_order(z: np.ndarray) -> np.ndarray:
    """Return positions [N] that sort the rows of z; random draws along them depend on no order of samples or latents."""
    return np.lexsort(np.sort(z, axis=1).T)


def classes(values: np.ndarray, kind: str, bins: int) -> np.ndarray:
    """Return class numbers [n] of a factor's values: the values themselves, or ``bins`` equally frequent intervals."""
    if kind != "continuous":
        return np.unique(values, return_inverse=True)[1]
    inner = np.quantile(values, np.arange(1, bins) / bins)
    places = np.searchsorted(np.unique(inner), values, side="left")
    if np.ptp(places) == 0:  # most values equal the largest one: all others are the second class
        places = (values < values.max()).astype(int)
    return np.unique(places, return_inverse=True)[1]


def binned(z: np.ndarray, bins: int) -> np.ndarray:
    """Return bin numbers [N, L] of z in ``bins`` equally wide intervals over the range of each latent."""
    z = np.asarray(z, np.float64)
    low, width = z.min(axis=0), np.where(varying(z), np.ptp(z, axis=0), np.inf)  # a constant latent has one bin
    place = (z - low) / width * bins
    return np.clip(place.astype(np.int64), 0, bins - 1)


def entropy(shares: np.ndarray) -> np.ndarray:
    """Return the entropy in nats of probabilities along the last axis (0 ln 0 = 0)."""
    return -np.sum(shares * np.log(np.where(shares > 0, shares, 1.0)), axis=-1)


def mutual_information(joint: np.ndarray) -> np.ndarray:
    """Return I = H(rows) + H(columns) - H(both) in nats, at least 0, of joint probabilities [..., S, C]."""
    both = entropy(joint.reshape(*joint.shape[:-2], -1))
    return np.clip(entropy(joint.sum(axis=-1)) + entropy(joint.sum(axis=-2)) - both, 0, None)


def information_matrix(
    z: np.ndarray, factors: tuple[Factor, ...], bins: int, factor_bins: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return I(z_l; y_f) [L, F] and H(y_f) [F] in nats.

    Args:
        z: [N, L] finite.
        factors: F of them, each compared on its known samples.
        bins: of equal width for each latent.
        factor_bins: of equal frequency for a continuous factor.
    """
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
    """Return the largest and second largest [F] of scores [L, F] over the latents; the second is 0 for one latent."""
    ordered = np.sort(np.concatenate([scores, np.zeros((1, scores.shape[1]))]), axis=0)
    return ordered[-1], ordered[-2]
