"""Coverage of intervals by size and by signature, errors of exposures, and scores of presence calls."""

from __future__ import annotations

import numpy as np
import pandas as pd

from vaebench.errors import InputError
from vaebench.signatures.tables import SIZES, size_masks


def coverage_table(intervals: pd.DataFrame, truth: pd.DataFrame, yields: pd.Series | None = None) -> pd.DataFrame:
    """Share of true exposures inside their intervals, by size and by signature.

    There is no tolerance: the ends belong to the interval, and nothing beyond them does. A true signature without intervals
    was not found. Its intervals are [0, 0], so that its exposures above 0 are missed.

    Args:
        intervals: the table ``intervals`` of :class:`vaebench.signatures.refitting.RefitResult`.
        truth: exposures [T, S].
        yields: [S] of exposures in a target: mutations there for one in the genome.

    Returns:
        A row for each of :data:`vaebench.signatures.tables.SIZES`, then one for each signature (its exposures above 0).
        Columns: ``kind`` (size or signature), ``group``, ``coverage``, ``count`` of exposures, ``below`` and ``above`` (shares
        of truths below and above their interval), and medians of ``width`` and ``upper`` in mutations. With yields also
        ``genome_width`` and ``genome_upper``, in mutations of the genome.

    Raises:
        InputError: for a true sample without intervals.
    """
    lower, upper = (_aligned(intervals, truth, name) for name in ("lower", "upper"))
    true = truth.to_numpy(np.float64)
    below, above = true < lower, true > upper
    masks = size_masks(true)
    named = {name: np.zeros(true.shape, bool) for name in truth.columns}
    for k, name in enumerate(truth.columns):
        named[name][:, k] = masks["non-zero"][:, k]
    groups = [("size", name, masks[name]) for name in SIZES] + [("signature", n, mask) for n, mask in named.items()]
    measured, rows = {"width": upper - lower, "upper": upper}, []
    if yields is not None:
        own = yields[truth.columns].to_numpy(np.float64)
        measured |= {"genome_width": (upper - lower) / own, "genome_upper": upper / own}
    for kind, name, mask in groups:
        count = int(mask.sum())
        shares = [float(np.mean(v[mask])) if count else np.nan for v in (~below & ~above, below, above)]
        medians = [float(np.median(v[mask])) if count else np.nan for v in measured.values()]
        rows.append((kind, name, shares[0], count, shares[1], shares[2], *medians))
    columns = ["kind", "group", "coverage", "count", "below", "above", *measured]
    return pd.DataFrame(rows, columns=columns)


def coverage_summary(intervals: pd.DataFrame, truth: pd.DataFrame) -> dict[str, float]:
    """Coverage, widths and errors of exposures as single numbers.

    Args:
        intervals: the table ``intervals`` of :class:`vaebench.signatures.refitting.RefitResult`.
        truth: exposures [T, S].

    Returns:
        ``all, zero, non_zero, small, large`` (coverage by size), ``signature_min`` and ``signature_max`` (coverage of the worst
        and the best signature), ``width`` (median over exposures above 0), ``upper_of_zeros`` (median upper end where the
        truth is 0), ``mse`` and ``mae`` (over all samples and signatures); the last four in mutations.

    Raises:
        InputError: for a true sample without intervals.
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
    """Scores of P(present) as a detector of exposures above 0.

    Args:
        intervals: the table ``intervals`` of :class:`vaebench.signatures.refitting.RefitResult`.
        truth: exposures [T, S].
        cut: P(present) from which an exposure is called present.

    Returns:
        ``precision`` and ``recall`` at ``cut``, and ``auc``, the area under the ROC curve: the probability that a present
        exposure has a higher P(present) than an absent one, ties counting half. NaN where a score is not defined. Samples
        without mutations have no P(present) and do not count.
    """
    from scipy.stats import rankdata

    presence, some = _known(intervals, truth)
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
    """Reliability of P(present): ``predicted`` mean, ``observed`` share and ``count`` of each bin that is not empty.

    Args:
        intervals: the table ``intervals`` of :class:`vaebench.signatures.refitting.RefitResult`.
        truth: exposures [T, S].
        bins: number of bins of equal width.

    Samples without mutations have no P(present) and do not count.
    """
    presence, some = _known(intervals, truth)
    place = np.minimum((presence * bins).astype(int), bins - 1)
    frame = pd.DataFrame({"bin": place, "predicted": presence, "observed": some.astype(float), "count": 1})
    found = frame.groupby("bin").agg({"predicted": "mean", "observed": "mean", "count": "sum"})
    return found.reset_index(drop=True)


def _known(intervals: pd.DataFrame, truth: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """P(present) of the exposures that have one, and whether their truth is above 0."""
    presence, some = _aligned(intervals, truth, "presence").ravel(), truth.to_numpy().ravel() > 0
    known = np.isfinite(presence)
    return presence[known], some[known]


def _aligned(intervals: pd.DataFrame, truth: pd.DataFrame, column: str) -> np.ndarray:
    """Column of the long table as [T, S] in the order of ``truth``, 0 for a signature without intervals."""
    needed = ["sample", "signature", column]
    for name, table in (("intervals", intervals), ("truth", truth)):
        if not isinstance(table, pd.DataFrame):
            raise InputError(f"{name} is a {type(table).__name__}; it must be a DataFrame")
    if lacking := [name for name in needed if name not in intervals.columns]:
        raise InputError(f"intervals has no column {lacking[0]!r}; it must be the table of a refit")
    wide = intervals.pivot(index="sample", columns="signature", values=column)
    wide.index = wide.index.astype(str)
    truth = truth.set_axis(truth.index.astype(str))  # intervals have names of text, also where the counts have numbers
    missing = [name for name in truth.index if name not in wide.index]
    if missing:
        raise InputError(
            f"sample {str(missing[0])!r} has true exposures but no intervals; every true sample needs them"
        )
    found = wide.reindex(index=truth.index, columns=truth.columns)
    absent = [name for name in truth.columns if name not in wide.columns]
    found[absent] = 0.0
    return found.to_numpy(np.float64)
