"""Do intervals hold the truth? Coverage by size and by signature, errors of the exposures, and presence calls."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from vaebench.errors import InputError
from vaebench.signatures.intervals.ends import redrawn
from vaebench.signatures.likelihood import maximum_likelihood, negative_binomial, scatter
from vaebench.signatures.refitting import checked_options, refit
from vaebench.signatures.sampler.posterior import KEPT, sampled
from vaebench.signatures.tables import SIZES, checked_tables, size_masks


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


def calibrate(
    catalogue: pd.DataFrame,
    signatures: pd.DataFrame,
    *,
    intervals: str = "spike_slab",
    noise: str = "poisson",
    level: float = 0.95,
    draws: int = 5,
    seed: int = 0,
    types: pd.Series | None = None,
    fractions: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> pd.DataFrame:
    """Coverage by size and by signature, as :func:`vaebench.signatures.coverage.coverage_table`, over simulated cohorts.

    The true exposures of a simulated cohort are one draw of their posterior given the catalogue, by the spike-and-slab
    model whatever the method: some are 0, as in tumours. Counts have the noise estimated from the catalogue. That the
    signatures, the noise or this model are wrong cannot be seen here: look at the notes of a refit for that.

    Args:
        catalogue: counts [T, 96].
        signatures: [S, 96].
        intervals: a name in :data:`vaebench.signatures.intervals.methods.METHODS`.
        noise: as in :func:`vaebench.signatures.refitting.refit`, as are ``level``, ``types`` and ``fractions``.
        level: nominal coverage.
        draws: number of simulated cohorts, from 1 to 10.
        seed: of everything random.
        types: cancer type by sample.
        fractions: allow counts that are not whole numbers.
        progress: called with what is done, the steps done and the steps in all.

    Raises:
        InputError: for a table or an option that is not allowed.
    """
    checked_options(intervals, noise, level, seed)
    if not 1 <= draws <= KEPT or int(draws) != draws:
        raise InputError(f"draws={draws!r} is not allowed; it must be a whole number from 1 to {KEPT}")
    counts, known, groups, some = checked_tables(catalogue, signatures, types, fractions)
    x, s, names = counts.to_numpy()[some], known.to_numpy(), counts.index[some]
    tell = progress or (lambda what, done, total: None)
    fit = maximum_likelihood(x, s)
    found = scatter(x, s, fit.exposures)
    if noise == "negative_binomial":
        fit, found = negative_binomial(x, s)
    posterior = sampled(x, s, fit.exposures, found, groups=groups[some], level=level, seed=seed)
    tables, truths = [], []
    for i in range(draws):
        tell("simulating and refitting", i, draws)
        truth = posterior.kept[i].astype(np.float64)
        mean = truth @ s
        rng = np.random.default_rng([seed, i])
        drawn = np.round(mean) if found.rounding else redrawn(rng, mean, found)
        again = refit(
            pd.DataFrame(drawn, names, counts.columns),
            known,
            intervals=intervals,
            noise=noise,
            level=level,
            seed=seed + i + 1,
            types=types,
            fractions=True,
        )
        labels = pd.Index([f"{i}/{name}" for name in names])
        assert again.intervals is not None
        tables.append(again.intervals.assign(sample=[f"{i}/{name}" for name in again.intervals["sample"]]))
        truths.append(pd.DataFrame(truth, labels, known.index))
    tell("simulating and refitting", draws, draws)
    return coverage_table(pd.concat(tables), pd.concat(truths))
