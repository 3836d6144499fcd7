"""The number of signatures: by the stability and error of restarts, or by an information criterion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from vaebench.types import InputError

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
