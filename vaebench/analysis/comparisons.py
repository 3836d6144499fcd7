"""Comparison of the levels of a hyperparameter, best setting of a group, agreement of scores, failure rates.

All results have intervals; p values of one table are adjusted for each other. A *cell* is a setting of the
hyperparameters compared, as in :mod:`vaebench.analysis.importance`; its value is the mean over its usable seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from vaebench.analysis.importance import cell_table, check_options
from vaebench.analysis.settings import check_rows, is_baseline, usable
from vaebench.analysis.uncertainty import adjusted, spearman, wilson
from vaebench.errors import InputError, unknown_name

__all__ = [
    "LEAST_BLOCKS",
    "TOP",
    "best_settings",
    "dataset_agreement",
    "failures_by_level",
    "level_effects",
    "mean_interval",
    "score_correlation",
    "signed_rank_p",
]
__dir__ = __all__.copy

LEAST_BLOCKS = 3
"""Fewest values from which an interval or a p is computed."""
TOP = 0.05
"""Share of a group's settings that count as its top."""


def mean_interval(values: np.ndarray, level: float = 0.95, draws: int = 1000, seed: int = 0) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean of many values [n]; NaN for n below 3.

    For the few seeds of one setting see :func:`vaebench.analysis.uncertainty.intervals`.
    """
    n = len(values)
    if n < LEAST_BLOCKS:
        return math.nan, math.nan
    rng, part = np.random.default_rng(seed), max(1, 4_000_000 // n)
    sizes = [min(part, draws - start) for start in range(0, draws, part)]
    means = np.concatenate([values[rng.integers(0, n, (size, n))].mean(axis=1) for size in sizes])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def signed_rank_p(differences: np.ndarray) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test that differences [n] are symmetric about 0; NaN for n below 3."""
    from scipy.stats import wilcoxon

    if len(differences) < LEAST_BLOCKS:
        return math.nan
    if not np.any(differences):
        return 1.0
    # exact for few differences without zeros and ties, else the normal approximation
    sizes = np.unique(np.abs(differences))
    exact = len(sizes) == len(differences) <= 50 and sizes[0] > 0
    return float(wilcoxon(differences, method="exact" if exact else "approx")[1])  # type: ignore[index]


def level_effects(
    rows: pd.DataFrame,
    score: str,
    factors: Sequence[str],
    *,
    higher_is_better: bool,
    compared: Sequence[str] | None = None,
    pairs: bool = False,
    ranks: bool = False,
    how: str = "holm",
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare every level of every hyperparameter with the others, paired over all settings of the other hyperparameters.

    A block is one setting of the other hyperparameters (a seed, if there are none). ``difference`` is the mean over blocks
    of a level's score minus the mean of the other levels that the block has (``pairs``: minus each other level by itself,
    in the blocks that have both).

    Args:
        rows: of a run; baselines are left out.
        score: a column.
        factors: columns of all hyperparameters that vary.
        higher_is_better: of the score, for ``beats``.
        compared: hyperparameters whose levels are compared; all by default.
        pairs: compare with each other level in place of all others together.
        ranks: compare ranks over all cells (1 the lowest) in place of values, for scores with heavy tails such as losses.
        how: adjustment over all comparisons; see :func:`vaebench.analysis.uncertainty.adjusted`. Two lines that compare the
            same two levels are one.
        level: of the intervals.
        seed: of the bootstrap over blocks.

    Returns:
        ``hyperparameter``, ``level``, ``against`` (``"the others"`` or a level), ``blocks``, ``difference``, ``low``, ``high``,
        ``beats`` (share of blocks in which the level is better, ties count half), ``p`` (Wilcoxon's signed ranks over blocks)
        and ``adjusted``. Blocks are settings that somebody chose: the interval is for settings like these.
    """
    check_options(factors, level)
    _check_among(compared or (), factors, "compared")
    table, sign, lines = cell_table(rows, score, factors), (1.0 if higher_is_better else -1.0), []
    if ranks:
        by_seed = len(factors) == 1
        table = pd.DataFrame(table.stack().rank().unstack() if by_seed else table.mean(axis=1).rank())
    for name in [compared] if isinstance(compared, str) else compared or factors:
        wide = (
            table.mean(axis=1).unstack(name) if len(factors) > 1 else table.set_axis(table.index.get_level_values(0)).T
        )
        assert isinstance(wide, pd.DataFrame)
        for one in wide.columns if len(wide.columns) > 1 else ():
            others = [c for c in wide.columns if c != one]
            rest = {c: wide[c] for c in others} if pairs else {"the others": wide[others].mean(axis=1)}
            for against, other in rest.items():
                found = (wide[one] - other).dropna().to_numpy()
                low, high = mean_interval(found, level, seed=seed)
                line = {"hyperparameter": name, "level": one, "against": against, "blocks": len(found)}
                line |= {"difference": found.mean() if len(found) else math.nan, "low": low, "high": high}
                line |= {"beats": np.mean((sign * found > 0) + 0.5 * (found == 0)) if len(found) else math.nan}
                lines.append(line | {"p": signed_rank_p(found)})
    names = ["hyperparameter", "level", "against", "blocks", "difference", "low", "high", "beats", "p"]
    found = pd.DataFrame(lines, columns=pd.Index(names))
    return found.assign(adjusted=_adjusted_once(found, how))


def _adjusted_once(found: pd.DataFrame, how: str) -> np.ndarray:
    """Return the adjusted p of each line; lines of the same two levels, or of the two levels that there are, count once."""
    levels = found.groupby("hyperparameter")["level"].transform("nunique")
    names = found[["level", "against"]].astype(str)
    two = (levels == 2) & (found["against"] == "the others")
    keys = [
        (str(name), frozenset() if only else frozenset(pair))
        for name, only, pair in zip(found["hyperparameter"], two, names.itertuples(index=False), strict=True)
    ]
    distinct = dict(zip(keys, found["p"], strict=True))
    by_key = dict(zip(distinct, adjusted(np.array(list(distinct.values()), float), how), strict=True))
    return np.array([by_key[key] for key in keys], float)


def best_settings(
    rows: pd.DataFrame,
    score: str,
    factors: Sequence[str],
    by: str = "static/variant",
    *,
    higher_is_better: bool,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Find the best setting of every group, with a score that does not profit from the choice.

    ``best`` is the highest (lowest) mean over seeds, too good because it was chosen among many. For ``honest``, ``low`` and
    ``high`` seeds are drawn with replacement, the best setting is chosen by the drawn seeds and scored by those not drawn;
    they are mean and percentiles over the draws that leave a seed out, NaN with one seed. ``top``, ``top_low`` and
    ``top_high`` are the mean of the best 5% of the settings (at least one) and its bootstrap interval over settings, which
    needs no second seed.

    Args:
        rows: of a run; baselines are left out.
        score: a column.
        factors: columns of hyperparameters, including ``by``.
        by: column of the groups.
        higher_is_better: of the score.
        level: of the intervals.
        draws: bootstrap samples.
        seed: of the bootstrap.

    Returns:
        One line a group: the columns above, ``settings`` (number with a score), ``seeds``, and the other ``factors`` at the
        best setting.

    Source: Tsamardinos et al. 2018, Machine Learning 107, 1895-1922 (bootstrap bias corrected selection).

    Deviates:
        Seeds are resampled in place of samples.
    """
    check_options(factors, level, draws)
    if by not in factors:
        raise InputError(f"the groups are by {by!r}, which is not among the factors: {', '.join(factors)}")
    table, sign, lines = cell_table(rows, score, factors), (1.0 if higher_is_better else -1.0), []
    for name, group in table.groupby(level=by):
        values = sign * group.to_numpy()
        means = np.nanmean(values, axis=1)
        rng = np.random.default_rng(seed)
        honest = _out_of_bag(values, rng, draws)
        tops = np.array([_top(means[rng.integers(0, len(means), len(means))]) for _ in range(draws)])
        tails = [(1 - level) / 2, (1 + level) / 2]
        ends = np.sort(sign * np.quantile(honest, tails)) if len(honest) else [math.nan] * 2
        top_ends = np.sort(sign * np.quantile(tops, tails))
        line: dict[str, Any] = {by: name, "settings": len(group), "seeds": int((~np.isnan(values)).sum(axis=1).max())}
        line |= {"best": sign * means.max(), "honest": sign * honest.mean() if len(honest) else math.nan}
        line |= {"low": ends[0], "high": ends[1]}
        line |= {"top": sign * _top(means), "top_low": top_ends[0], "top_high": top_ends[1]}
        place = group.index[int(means.argmax())]
        lines.append(line | {f: v for f, v in zip(table.index.names, place, strict=True) if f != by})
    found = pd.DataFrame(lines)
    return found.sort_values("best", ascending=not higher_is_better, kind="stable", ignore_index=True)


def _top(means: np.ndarray) -> float:
    count = max(1, round(TOP * len(means)))
    return float(np.partition(means, len(means) - count)[-count:].mean())


def _out_of_bag(values: np.ndarray, rng: np.random.Generator, draws: int) -> np.ndarray:
    """Score the setting that is best on drawn seeds by the seeds not drawn, for each draw; values are [settings, seeds]."""
    settings, seeds = values.shape
    found, known = [], ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    for drawn in rng.integers(0, seeds, (draws if seeds > 1 else 0, seeds)):
        weight = np.bincount(drawn, minlength=seeds).astype(float)
        inside = known @ weight
        means = np.divide(filled @ weight, inside, out=np.full(settings, -np.inf), where=inside > 0)
        left = (weight == 0) & known[means.argmax()]
        if left.any():
            found.append(values[means.argmax(), left].mean())
    return np.array(found)


def score_correlation(
    rows: pd.DataFrame, first: str, second: str, factors: Sequence[str], within: str | None = None
) -> pd.DataFrame:
    """Return Spearman's rho between two scores over all settings, and within each level of the factor ``within``.

    Args:
        rows: of a run; baselines are left out.
        first: a score's column.
        second: another one.
        factors: columns of all hyperparameters that vary.
        within: one of them.

    Returns:
        One line a group with ``group`` (``"all"`` or a level), ``rho``, ``low``, ``high`` and ``n``; see
        :class:`vaebench.analysis.uncertainty.RankCorrelation`.
    """
    check_options(factors, 0.95)
    _check_among([within] if within else [], factors, "within")
    one, two = (cell_table(rows, score, factors).mean(axis=1) for score in (first, second))
    return _by_group(one, two, within)


def dataset_agreement(
    rows: pd.DataFrame, others: pd.DataFrame, score: str, factors: Sequence[str], within: str | None = None
) -> pd.DataFrame:
    """Return Spearman's rho of one score between two data sets over their common settings; see :func:`score_correlation`."""
    check_options(factors, 0.95)
    _check_among([within] if within else [], factors, "within")
    one, two = (cell_table(part, score, factors).mean(axis=1) for part in (rows, others))
    return _by_group(one, two, within)


def _check_among(names: Sequence[str], factors: Sequence[str], option: str) -> None:
    """Raise ``InputError`` unless these are names of factors."""
    for name in [names] if isinstance(names, str) else names:
        if name not in factors:
            raise unknown_name(f"hyperparameter in {option}", name, factors)


def _by_group(first: pd.Series, second: pd.Series, within: str | None) -> pd.DataFrame:
    both = pd.concat([first.rename("a"), second.rename("b")], axis=1, join="inner")
    groups = [("all", both)] + ([(str(name), group) for name, group in both.groupby(level=within)] if within else [])
    found = [{"group": name, **spearman(g["a"].to_numpy(), g["b"].to_numpy())._asdict()} for name, g in groups]
    return pd.DataFrame(found)


def failures_by_level(
    rows: pd.DataFrame, factors: Sequence[str], score: str | None = None, how: str = "holm"
) -> pd.DataFrame:
    """Count failed trainings by level of each hyperparameter, with Wilson's intervals and a test over the levels.

    A row failed if its status is not ``OK`` or, with ``score``, if it has no usable value of that score.

    Returns:
        One line a level: ``hyperparameter``, ``level``, ``failed``, ``of``, ``rate``, ``low``, ``high``, then for the
        hyperparameter ``g2`` (likelihood ratio of "the rate depends on the level" to "it does not"), its ``p`` by chi
        squared, and ``adjusted`` for all hyperparameters (NaN if nothing or everything failed). Rows of one setting fail
        together, so with several seeds p is too small.
    """
    from scipy.stats import chi2_contingency

    models = rows[~is_baseline(rows)]
    check_rows(models)
    check_options(factors, 0.95)
    _check_among(factors, list(models.columns), "factors")
    failed = (models["status"] != "OK") if score is None else usable(models, score).isna()
    lines, tests = [], []
    for name in factors:
        groups = failed.groupby(models[name], sort=True)
        counts, sizes = groups.sum().to_numpy(int), groups.size().to_numpy(int)
        table = np.stack([counts, sizes - counts])
        g2, p = math.nan, math.nan
        if len(sizes) > 1 and (table.sum(axis=1) > 0).all():
            g2, p, *_ = chi2_contingency(table, correction=False, lambda_="log-likelihood")
        tests.append(p)
        for one, count, size in zip(groups.groups, counts.tolist(), sizes.tolist(), strict=True):
            low, high = wilson(count, size)
            line = {"hyperparameter": name, "level": one, "failed": count, "of": size, "rate": count / size}
            lines.append(line | {"low": low, "high": high, "g2": g2, "p": p})
    by_name = dict(zip(factors, adjusted(np.array(tests), how), strict=True))
    found = pd.DataFrame(lines)
    return found.assign(adjusted=found["hyperparameter"].map(by_name)) if len(found) else found
