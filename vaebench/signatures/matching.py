"""Compare extracted signatures with true or reference ones: cosines, one-to-one matches, and recovery scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from vaebench.data.mutations.channels import checked_signatures, refuse_unlike_signatures
from vaebench.types.shown import one_line

CUT_OFFS = np.linspace(0.8, 1.0, 201)
"""Cut-offs of the cosine from which an extracted signature counts as found."""

_ROUNDING = 1e-9  # a signature that equals the true one counts as found at the cut-off 1


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Cosine similarities [S, S'] of the rows of ``left`` [S, M] and ``right`` [S', M]; 0 for a row of zeros."""
    unit = []
    for rows in (left, right):
        values = np.asarray(rows, np.float64)
        lengths = np.linalg.norm(values, axis=1, keepdims=True)
        unit.append(values / np.where(lengths > 0, lengths, 1.0))
    return np.clip(unit[0] @ unit[1].T, -1.0, 1.0)


def fit_cosines(counts: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Cosine [T] of each sample's ``counts`` [T, M] and their fit ``mean`` [T, M]; NaN where either is all 0."""
    x, fit = np.asarray(counts, np.float64), np.asarray(mean, np.float64)
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(fit, axis=1)
    return np.divide(np.sum(x * fit, axis=1), lengths, out=np.full(len(x), np.nan), where=lengths > 0)


def assigned(similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the one-to-one pairs with the largest total ``similarity`` [S, S'] (Hungarian assignment)."""
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment(similarity, maximize=True)


def matches(extracted: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Match every extracted signature with one of ``reference``.

    Args:
        extracted: signatures [S, M].
        reference: signatures [S', M], COSMIC's or the true ones.

    Returns:
        One row for each extracted signature: ``extracted`` (its name), ``reference`` and ``cosine`` of the one-to-one
        assignment with the largest total cosine (missing where all references are in use), and ``nearest`` and
        ``nearest_cosine`` of the most similar reference, in use or not.

    Raises:
        InputError: for a table that does not hold signatures.

    Example:
        >>> import vaebench as vb
        >>> catalogue, truth = vb.data.simulate_catalogue(seed=0, tumours=30, signatures=2, types=1)
        >>> vb.signatures.matches(truth.signatures, truth.signatures)["reference"].tolist()
        ['S1', 'S2']
    """
    found = checked_signatures(extracted, source="the table of extracted signatures")
    known = checked_signatures(reference, source="the reference")
    refuse_unlike_signatures(found, known)
    similarity = cosines(found.to_numpy(), known.to_numpy())
    rows, columns = assigned(similarity)
    names = known.index.to_numpy(dtype=object)
    matched, cosine = np.full(len(found), None, dtype=object), np.full(len(found), np.nan)
    matched[rows], cosine[rows] = names[columns], similarity[rows, columns]
    nearest = similarity.argmax(axis=1)
    return pd.DataFrame(
        {
            "extracted": found.index.to_numpy(dtype=object),
            "reference": matched,
            "cosine": cosine,
            "nearest": names[nearest],
            "nearest_cosine": similarity.max(axis=1),
        }
    )


class Recovery(NamedTuple):
    """Scores of extracted signatures against the true ones.

    Attributes:
        cosines: by true signature: the cosine with its match, or the best one where it has no match.
        mean_cosine: over the true signatures.
        sd_cosine: over the true signatures, with divisor n.
        precision: area under (hits / extracted) over the cut-offs 0.8 to 1, divided by 0.2; a hit is a match that reaches
            the cut-off.
        sensitivity: the same for hits / true.
        f1: the same for their harmonic mean, 2 hits / (extracted + true).
        extracted: number of extracted signatures.
        true: number of true signatures.
    """

    __repr__ = one_line

    cosines: pd.Series
    mean_cosine: float
    sd_cosine: float
    precision: float
    sensitivity: float
    f1: float
    extracted: int
    true: int


def recovery(extracted: pd.DataFrame, truth: pd.DataFrame) -> Recovery:
    """Score ``extracted`` [S, M] against the true signatures [S', M].

    Source: the benchmark of Islam et al. 2022 (SigProfilerExtractor), with areas over 201 cut-offs by the trapezoid rule.

    Args:
        extracted: signatures [S, M].
        truth: the true signatures [S', M].

    Raises:
        InputError: for a table that does not hold signatures.
    """
    found = checked_signatures(extracted, source="the table of extracted signatures")
    known = checked_signatures(truth, source="the table of true signatures")
    refuse_unlike_signatures(found, known)
    similarity = cosines(found.to_numpy(), known.to_numpy())
    rows, columns = assigned(similarity)
    by_true = similarity.max(axis=0)
    by_true[columns] = similarity[rows, columns]
    hits = np.sum(similarity[rows, columns] >= CUT_OFFS[:, None] - _ROUNDING, axis=1)
    area = float(np.trapezoid(hits, CUT_OFFS) / (CUT_OFFS[-1] - CUT_OFFS[0]))
    return Recovery(
        cosines=pd.Series(by_true, known.index, name="cosine"),
        mean_cosine=float(by_true.mean()),
        sd_cosine=float(by_true.std()),
        precision=area / len(found),
        sensitivity=area / len(known),
        f1=2 * area / (len(found) + len(known)),
        extracted=len(found),
        true=len(known),
    )
