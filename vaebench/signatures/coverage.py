"""Coverage of intervals by size and by signature, errors of exposures, scores of presence calls, and calibration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vaebench.atomic import STRICT_JSON, write_json
from vaebench.data.files.writing import write_frame
from vaebench.errors import InputError
from vaebench.signatures.dispersion import fitted_noise
from vaebench.signatures.intervals.ends import parametric_resample
from vaebench.signatures.intervals.methods import MethodOptions
from vaebench.signatures.refitting import checked_options, prior_ground, refit
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions
from vaebench.signatures.sampler.posterior import sampled
from vaebench.signatures.tables import SIZES, OnProgress, checked_tables, no_progress, size_masks


def coverage_table(intervals: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Share of true exposures inside their intervals, by size and by signature.

    There is no tolerance: the ends belong to the interval, and nothing beyond them does. A true signature without intervals
    was not found. Its intervals are [0, 0], so that its exposures above 0 are missed.

    Args:
        intervals: the table ``intervals`` of :class:`vaebench.signatures.refitting.RefitResult`.
        truth: exposures [T, S].

    Returns:
        A row for each of :data:`vaebench.signatures.tables.SIZES`, then one for each signature (its exposures above 0).
        Columns: ``kind`` (size or signature), ``group``, ``coverage``, ``count`` of exposures, ``below`` and ``above`` (shares
        of truths below and above their interval), and medians of ``width`` and ``upper`` in mutations.

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
    rows = []
    for kind, name, mask in groups:
        count = int(mask.sum())
        shares = [float(np.mean(v[mask])) if count else np.nan for v in (~below & ~above, below, above)]
        medians = [float(np.median(v[mask])) if count else np.nan for v in (upper - lower, upper)]
        rows.append((kind, name, shares[0], count, shares[1], shares[2], *medians))
    columns = ["kind", "group", "coverage", "count", "below", "above", "width", "upper"]
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
        exposure has a higher P(present) than an absent one, ties counting half. NaN where a score is not defined.
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
    """Reliability of P(present): ``predicted`` mean, ``observed`` share and ``count`` of each bin that is not empty.

    Args:
        intervals: the table ``intervals`` of :class:`vaebench.signatures.refitting.RefitResult`.
        truth: exposures [T, S].
        bins: number of bins of equal width.
    """
    presence, some = _aligned(intervals, truth, "presence").ravel(), truth.to_numpy().ravel() > 0
    place = np.minimum((presence * bins).astype(int), bins - 1)
    frame = pd.DataFrame({"bin": place, "predicted": presence, "observed": some.astype(float), "count": 1})
    found = frame.groupby("bin").agg({"predicted": "mean", "observed": "mean", "count": "sum"})
    return found.reset_index(drop=True)


def _aligned(intervals: pd.DataFrame, truth: pd.DataFrame, column: str) -> np.ndarray:
    """Column of the long table as [T, S] in the order of ``truth``, 0 for a signature without intervals."""
    wide = intervals.pivot(index="sample", columns="signature", values=column)
    missing = [name for name in truth.index if name not in wide.index]
    if missing:
        raise InputError(
            f"sample {str(missing[0])!r} has true exposures but no intervals; every true sample needs them"
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
    noise: str = "auto",
    level: float = 0.95,
    draws: int = 5,
    seed: int = 0,
    types: pd.Series | None = None,
    fractions: bool = False,
    sampler: SamplerOptions = SAMPLER,
    options: MethodOptions | None = None,
    progress: OnProgress | None = None,
) -> pd.DataFrame:
    """Coverage to expect of an interval method on a cohort like this one, from simulated cohorts.

    1. Draw the exposures from their posterior given the catalogue, with the spike-and-slab model whatever the method: some
       are 0, as in tumours.
    2. For each of ``draws`` cohorts take one draw as the truth, and draw counts with the noise estimated from the catalogue.
    3. Refit these counts and compare the intervals with the truth.

    Simulated cohorts fit the model by construction. Errors of the signatures, the noise or the model do not show here but in
    the notes of a refit.

    Args:
        catalogue: counts [T, 96].
        signatures: [S, 96].
        intervals: a name in :data:`vaebench.signatures.intervals.methods.METHODS`.
        noise: as in :func:`vaebench.signatures.refitting.refit`, as are ``level``, ``types`` and ``fractions``.
        level: nominal coverage.
        draws: number of simulated cohorts, from 1 to ``sampler.kept`` (10).
        seed: of everything random.
        types: cancer type by sample.
        fractions: allow counts that are not whole numbers.
        sampler: constants of the sampler that draws the true exposures.
        options: constants of the interval method; ``None`` for its defaults.
        progress: called with what is being done, the steps done, and the steps in all.

    Returns:
        The table of :func:`coverage_table` over all simulated cohorts.

    Raises:
        InputError: for a table or an option that is not allowed.

    Example::

        table = vb.signatures.calibrate(catalogue, signatures, intervals="spike_slab", draws=5)
        vb.signatures.save_calibration("results/calibrate", table, intervals="spike_slab", level=0.95)
    """
    checked_options(intervals, noise, level, seed)
    if not 1 <= draws <= sampler.kept or int(draws) != draws:
        raise InputError(f"draws={draws!r} is not allowed; it must be a whole number from 1 to {sampler.kept}")
    counts, known, groups, some = checked_tables(catalogue, signatures, types, fractions)
    x, s, names = counts.to_numpy()[some], known.to_numpy(), counts.index[some]
    progress = progress or no_progress
    noise, fit, _, found = fitted_noise(x, s, noise)
    ground = prior_ground(x, known.index, "spike_slab", None, "published")
    chains = {"groups": groups[some], "ground": ground, "level": level, "seed": seed, "options": sampler}
    posterior = sampled(x, s, fit.exposures, found, **chains)
    tables, truths = [], []
    for i in range(draws):
        progress("simulating and refitting", i, draws)
        truth = posterior.kept[i].astype(np.float64)
        mean = truth @ s
        rng = np.random.default_rng([seed, i])
        drawn = np.round(mean) if found.rounding else parametric_resample(rng, mean, found)
        again = refit(
            pd.DataFrame(drawn, names, counts.columns),
            known,
            intervals=intervals,
            noise=noise,
            level=level,
            seed=seed + i + 1,
            types=types,
            fractions=True,
            options=options,
        )
        labels = pd.Index([f"{i}/{name}" for name in names])
        assert again.intervals is not None
        tables.append(again.intervals.assign(sample=[f"{i}/{name}" for name in again.intervals["sample"]]))
        truths.append(pd.DataFrame(truth, labels, known.index))
    progress("simulating and refitting", draws, draws)
    return coverage_table(pd.concat(tables), pd.concat(truths))


def save_calibration(
    folder: str | Path,
    coverage: pd.DataFrame,
    *,
    intervals: str,
    level: float,
    info: Mapping[str, Any] | None = None,
) -> Path:
    """Write the result of :func:`calibrate` and a report into ``folder``, which is made if needed.

    The files are ``coverage.csv``, ``calibration.json`` (``info``, method and level), and ``report.html`` with its ``figures``.

    Args:
        folder: any folder; files of these names in it are replaced.
        coverage: the table of :func:`calibrate`.
        intervals: name of the method.
        level: nominal coverage.
        info: provenance as JSON values: command, date, version, ...

    Returns:
        The path of the report.
    """
    from vaebench.report.signatures import calibration_page

    folder, info = Path(folder), dict(info or {})
    folder.mkdir(parents=True, exist_ok=True)
    write_frame(coverage, folder / "coverage.csv")
    page = calibration_page(folder, coverage, level, info)
    write_json(folder / "calibration.json", info | {"method": intervals, "level": level}, **STRICT_JSON)
    return page
