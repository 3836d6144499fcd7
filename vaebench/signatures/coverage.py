"""Do intervals hold the truth? Coverage by size and by signature, errors of the exposures, and presence calls."""

from __future__ import annotations

import numpy as np
import pandas as pd

from vaebench.types import InputError

SMALL = 0.05
"""Share of a sample's mutations below which an exposure is small."""

SIZES = ("all", "zero", "non-zero", "small", "large")
"""Groups by size; small and large ones are above 0."""


def coverage_table(intervals: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """How often intervals hold the true exposures: a row for each of :data:`SIZES`, then one for each signature.

    Rows of signatures are of exposures above 0. Columns: ``kind`` (size or signature), ``group``, ``coverage``, ``count``
    of exposures, ``below`` and ``above`` (shares of truths below and above their interval), and medians of ``width`` and
    ``upper``. There is no tolerance: an end that equals the truth holds it, and nothing else does. A true signature
    without intervals was not found: it has [0, 0], so that its exposures above 0 are missed.

    Args:
        intervals: the long table of :class:`vaebench.signatures.refitting.Refit`.
        truth: exposures [T, S].

    Raises:
        InputError: where a true sample has no interval.
    """
    lower, upper = (_aligned(intervals, truth, name) for name in ("lower", "upper"))
    true = truth.to_numpy(np.float64)
    below, above = true < lower, true > upper
    masks = size_masks(true)
    named = {name: np.zeros(true.shape, bool) for name in truth.columns}
    for k, name in enumerate(truth.columns):
        named[name][:, k] = masks["non-zero"][:, k]
    groups = [("size", name, masks[name]) for name in SIZES] + [("signature", n, mask) for n, mask in named.items()]
    rows = []
    for kind, name, mask in groups:
        count = int(mask.sum())
        shares = [float(np.mean(v[mask])) if count else np.nan for v in (~below & ~above, below, above)]
        medians = [float(np.median(v[mask])) if count else np.nan for v in (upper - lower, upper)]
        rows.append((kind, name, shares[0], count, shares[1], shares[2], *medians))
    columns = ["kind", "group", "coverage", "count", "below", "above", "width", "upper"]
    return pd.DataFrame(rows, columns=columns)


def size_masks(truth: np.ndarray) -> dict[str, np.ndarray]:
    """The entries [T, S] of true exposures that belong to each of :data:`SIZES`."""
    some = truth > 0
    small = some & (truth < SMALL * truth.sum(1, keepdims=True))
    return {"all": np.ones(truth.shape, bool), "zero": ~some, "non-zero": some, "small": small, "large": some & ~small}


def coverage_summary(intervals: pd.DataFrame, truth: pd.DataFrame) -> dict[str, float]:
    """One number each: coverage by size, of the worst and best signature, widths, and errors of the exposures.

    ``width`` is the median over exposures above 0, ``upper_of_zeros`` the median upper end where the truth is 0;
    ``mse`` and ``mae`` are means over all samples and signatures, in mutations.
    """
    table = coverage_table(intervals, truth)
    sizes = table[table["kind"] == "size"].set_index("group")
    by_signature = table.loc[(table["kind"] == "signature") & (table["count"] > 0), "coverage"]
    error = _aligned(intervals, truth, "exposure") - truth.to_numpy(np.float64)
    found = {name.replace("-", "_"): float(sizes.loc[name, "coverage"]) for name in SIZES}  # type: ignore[arg-type]
    return found | {
        "signature_min": float(by_signature.min()),
        "signature_max": float(by_signature.max()),
        "width": float(sizes.loc["non-zero", "width"]),  # type: ignore[arg-type]
        "upper_of_zeros": float(sizes.loc["zero", "upper"]),  # type: ignore[arg-type]
        "mse": float(np.mean(error**2)),
        "mae": float(np.mean(np.abs(error))),
    }


def presence_scores(intervals: pd.DataFrame, truth: pd.DataFrame, cut: float = 0.5) -> dict[str, float]:
    """P(present) as a detector of exposures above 0: ``precision`` and ``recall`` at ``cut``, and the area under the ROC curve.

    The area is the probability that a present exposure has a higher P(present) than an absent one, ties counting half.
    NaN where it is not defined.
    """
    from scipy.stats import rankdata

    presence, some = _aligned(intervals, truth, "presence").ravel(), truth.to_numpy().ravel() > 0
    called = presence >= cut
    positives, negatives, calls = int(some.sum()), int((~some).sum()), int(called.sum())
    hits = int((called & some).sum())
    ranks = rankdata(presence)
    pairs = positives * negatives
    area = (ranks[some].sum() - positives * (positives + 1) / 2) / pairs if pairs else np.nan
    return {
        "precision": hits / calls if calls else np.nan,
        "recall": hits / positives if positives else np.nan,
        "auc": float(area),
    }


def reliability(intervals: pd.DataFrame, truth: pd.DataFrame, bins: int = 10) -> pd.DataFrame:
    """P(present) against how often an exposure is there: ``predicted`` (mean), ``observed``, ``count`` by bin that has any."""
    presence, some = _aligned(intervals, truth, "presence").ravel(), truth.to_numpy().ravel() > 0
    place = np.minimum((presence * bins).astype(int), bins - 1)
    frame = pd.DataFrame({"bin": place, "predicted": presence, "observed": some.astype(float), "count": 1})
    found = frame.groupby("bin").agg({"predicted": "mean", "observed": "mean", "count": "sum"})
    return found.reset_index(drop=True)


def _aligned(intervals: pd.DataFrame, truth: pd.DataFrame, column: str) -> np.ndarray:
    """One column of the long table as [T, S] in the order of ``truth``, 0 for a signature without intervals."""
    wide = intervals.pivot(index="sample", columns="signature", values=column)
    missing = [name for name in truth.index if name not in wide.index]
    if missing:
        raise InputError(
            f"sample {str(missing[0])!r} has true exposures and no intervals; every true sample needs them"
        )
    found = wide.reindex(index=truth.index, columns=truth.columns)
    absent = [name for name in truth.columns if name not in wide.columns]
    found[absent] = 0.0
    return found.to_numpy(np.float64)
