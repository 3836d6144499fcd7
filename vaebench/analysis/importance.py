"""Importance of hyperparameters: shares of a score's variance over a grid of settings.

A *cell* is a setting of the hyperparameters compared; its value is the mean over its usable seeds. A cell without a
usable score (a diverged training) is missing. Missing cells are not missing at random: they are counted, never imputed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from vaebench.analysis.settings import check_rows, is_baseline, setting_columns, usable
from vaebench.analysis.uncertainty import expanded_tail
from vaebench.errors import InputError, whole_number
from vaebench.types.shown import one_line

__all__ = ["Importance", "cell_table", "hyperparameters", "importance"]
__dir__ = __all__.copy


class Importance(NamedTuple):
    """Shares of variance of a score over a grid.

    Attributes:
        table: one line a main effect or pair, largest share first: ``effect`` (hyperparameters joined by " x "), ``order`` (1
            or 2), ``share`` of the variance of the values, ``corrected`` for noise, and its interval ``low`` and ``high``
            (NaN if as many effects as cells are fitted, so that the noise is unknown).
        rest: share of higher interactions and noise.
        cells: number of cells of the full grid.
        missing: number of them without a usable score.
        aliased: effects (of an effect coding) that the present cells cannot distinguish from others; 0 for a complete grid.
        resampled: ``"seeds"`` or ``"cells"``, over which the intervals are.
        seeds: largest number of seeds of a cell.
        lost: numbers of levels without any usable score, of which the shares say nothing: "1 of the 2 of static/variant".
    """

    __repr__ = one_line

    table: pd.DataFrame
    rest: float
    cells: int
    missing: int
    aliased: int
    resampled: str
    seeds: int
    lost: tuple[str, ...] = ()


def hyperparameters(rows: pd.DataFrame) -> list[str]:
    """Return the columns of settings that vary by themselves, not only with the variant as its own weights do."""
    models = rows[~is_baseline(rows)]
    check_rows(models)
    names = [n for n in setting_columns(models) if n != "study" and not n.startswith("data/")]
    names = [n for n in names if models[n].nunique(dropna=False) > 1]
    own = models.groupby("static/variant", dropna=False)
    return [n for n in names if n == "static/variant" or own[n].nunique(dropna=False).max() > 1]


def cell_table(rows: pd.DataFrame, score: str, factors: Sequence[str]) -> pd.DataFrame:
    """Return the usable scores [present cells, seeds], NaN where a seed has none.

    The index holds the levels of ``factors``, the columns the seeds.

    Raises:
        InputError: the score or a factor is not a column, rows have no value of a factor (the weight of another variant), or a
            cell and seed has several rows (something else varies too).
    """
    models = rows[~is_baseline(rows)]
    check_rows(models)
    for kind, names in (("score", [score]), ("hyperparameter", factors)):
        for name in names:
            if name not in models.columns:
                raise InputError(f"the rows lack the column {name!r} of a {kind}")
            if models[name].map(lambda value: isinstance(value, list | dict | np.ndarray)).any():
                raise InputError(f"the column {name!r} holds lists, and cannot be a {kind}")
    for name in factors:
        if (lacking := models[name].isna()).any():
            variants = ", ".join(dict.fromkeys(models.loc[lacking, "static/variant"].astype(str)))
            raise InputError(
                f"{int(lacking.sum())} rows of {variants[:60]} have no value of {name!r} and could not be compared: take the "
                "rows that have one, or leave it out"
            )
    seed = models["traced/seed"] if "traced/seed" in models.columns else pd.Series(0, index=models.index)
    frame = models[list(factors)].assign(seed=seed, score=usable(models, score))
    if frame.duplicated([*factors, "seed"]).any():
        raise InputError(f"several rows have the same {', '.join(factors)} and seed: another hyperparameter varies too")
    table = frame.dropna(subset="score").pivot(index=list(factors), columns="seed", values="score")
    if len(factors) == 1:
        table.index = pd.MultiIndex.from_arrays([table.index], names=list(factors))
    return table.sort_index()


def _contrasts(levels: int) -> np.ndarray:
    """Return an effect coding [levels, levels - 1]: orthogonal columns that sum to 0 over the levels, mean square 1."""
    # Helmert's contrasts
    coding = np.tril(-np.ones((levels, levels)), -1)[:, : levels - 1]
    coding[np.arange(levels - 1), np.arange(levels - 1)] = np.arange(levels - 1, 0, -1)
    return coding / np.sqrt((coding**2).mean(axis=0))


def _design(codes: np.ndarray, levels: Sequence[int]) -> tuple[np.ndarray, list[tuple[int, ...]], np.ndarray]:
    """Return columns [cells, P] of all main effects and pairs, the effects, and each column's effect [P] by position.

    Over the complete grid all columns are orthogonal with mean 0 and mean square 1, so that an effect's variance over the
    grid is the sum of its squared coefficients.
    """
    single = [_contrasts(k)[codes[:, i]] for i, k in enumerate(levels)]
    effects: list[tuple[int, ...]] = [(i,) for i in range(len(levels))]
    effects += itertools.combinations(range(len(levels)), 2)
    blocks = []
    for effect in effects:
        block = single[effect[0]]
        for other in effect[1:]:
            block = (block[:, :, None] * single[other][:, None]).reshape(len(codes), -1)
        blocks.append(block)
    owner = np.repeat(np.arange(len(effects)), [block.shape[1] for block in blocks])
    return np.concatenate(blocks, axis=1), effects, owner


class _LeastSquares(NamedTuple):
    """Least squares on a design with an intercept: its pseudo-inverse [P + 1, cells], leverages [cells] and rank."""

    design: np.ndarray
    inverse: np.ndarray
    leverage: np.ndarray
    rank: int


def _fit(design: np.ndarray, order: np.ndarray) -> _LeastSquares:
    full = np.concatenate([np.ones((len(design), 1)), design], axis=1)
    # where cells are missing, pairs are kept small before main effects, so that an additive score stays additive
    weight = 100.0 ** (2 - np.concatenate([[0], order]))
    inverse = np.linalg.pinv(full * weight, rcond=1e-9) * weight[:, None]
    return _LeastSquares(full, inverse, np.einsum("ij,ji->i", full, inverse), int(np.linalg.matrix_rank(full)))


def _variances(fit: _LeastSquares, y: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Return the variances [effects + 1, B] over the grid of each effect and the residuals' mean square; y is [cells, B]."""
    coefficients = fit.inverse @ y
    residual = ((y - fit.design @ coefficients) ** 2).mean(axis=0)
    variances = np.zeros((owner.max() + 1, y.shape[1]))
    np.add.at(variances, owner, coefficients[1:] ** 2)
    return np.concatenate([variances, residual[None]])


def _by_total(parts: np.ndarray) -> np.ndarray:
    """Divide parts [effects + 1, B] by their sums and clip to [0, 1]; 0 if the sum is not positive, NaN if it is NaN."""
    total = parts.sum(axis=0)
    return np.clip(np.divide(parts, total, out=np.zeros_like(parts), where=~(total <= 0)), 0, 1)


def _variance_factors(fit: _LeastSquares, owner: np.ndarray) -> np.ndarray:
    """Return the sums over each effect's coefficients of their variances, for values of variance 1.

    On a complete grid each is 1 / cells; where cells are missing they are larger, often by far.
    """
    return np.bincount(owner, np.square(fit.inverse[1:]).sum(axis=1))


def _draws_over_seeds(
    fit: _LeastSquares, values: np.ndarray, owner: np.ndarray, draws: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return parts without noise [effects + 1], and in bootstrap samples of the seeds [effects + 1, B]; values [cells, seeds]."""
    cells, seeds = values.shape
    own = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    noise = (own**2).sum() / ((cells - 1) * (seeds - 1)) / seeds
    # a squared coefficient contains the noise of the means, the residuals contain the rest of it
    excess = noise * np.concatenate([_variance_factors(fit, owner), [1 - fit.rank / cells]])
    weights = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) / seeds
    found = _variances(fit, values.mean(axis=1, keepdims=True), owner)[:, 0] - excess
    # a resample adds its own noise, (seeds - 1) / seeds of it, to that of the values
    sample = _variances(fit, values @ weights.T, owner) - (excess * (2 - 1 / seeds))[:, None]
    return found, sample


def _draws_over_cells(
    fit: _LeastSquares, y: np.ndarray, owner: np.ndarray, draws: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`_draws_over_seeds` for one value a cell [cells, 1]; what pairs do not explain is noise and stays in the total."""
    fitted = fit.design @ (fit.inverse @ y)
    free = len(y) - fit.rank
    noise = float(((y - fitted) ** 2).sum()) / free if free else 0.0
    sizes = _variance_factors(fit, owner)
    excess = noise * np.concatenate([sizes, [-sizes.sum()]])
    residual = (y - fitted) / np.sqrt(np.maximum(1 - fit.leverage, 1e-9))[:, None]
    residual[fit.leverage > 1 - 1e-9] = 0.0  # fitted exactly, so its noise is unknown
    sample = _variances(fit, fitted + residual * rng.choice([-1.0, 1.0], (len(y), draws)), owner)
    if not free:  # as many effects as cells: the noise is unknown
        sample = np.full_like(sample, np.nan)
    # the noise of the sample adds to the total, that of the values is part of it
    return _variances(fit, y, owner)[:, 0] - excess, sample - excess[:, None] - np.maximum(excess, 0)[:, None]


def check_options(factors: Sequence[str], level: float, draws: int = 2) -> None:
    """Raise :class:`InputError` unless these are columns, a level of intervals, and a number of bootstrap samples."""
    if isinstance(factors, str) or not factors:
        raise InputError(f"factors={factors!r} must be a list of one or more columns of hyperparameters")
    if twice := [name for name in factors if list(factors).count(name) > 1]:
        raise InputError(f"factors names {twice[0]!r} more than once; name each hyperparameter once")
    if isinstance(level, str) or not 0 < level < 1:
        raise InputError(f"level={level} must be above 0 and below 1")
    whole_number("draws", draws, 2, 1_000_000)


def importance(
    rows: pd.DataFrame,
    score: str,
    factors: Sequence[str],
    *,
    ranks: bool = False,
    level: float = 0.95,
    draws: int = 400,
    seed: int = 0,
) -> Importance:
    """Functional analysis of variance of a score over the full factorial of ``factors``, every cell with equal weight.

    The score as a function of the setting is f = f_0 + sum_i f_i(x_i) + sum_ij f_ij(x_i, x_j) + rest, with parts that are
    orthogonal over the grid; the share of an effect is the variance of its part divided by that of f. On a complete grid
    the parts are differences of marginal means. If cells are missing, the parts are fitted to the present cells by least
    squares in effect coding (of least norm, pairs first, for combinations of levels that never occur: ``aliased``), their
    variances are taken over the full grid, and the rest is the mean square of the residuals.

    Noise adds to every variance; ``corrected`` and its interval are without it. If every cell has several seeds, the noise
    of a mean is known and is taken out of the total too; intervals are over seeds drawn with replacement, the same ones
    for every cell (a seed is a split that all settings share). Otherwise all that pairs do not explain counts as noise,
    which stays in the total (omega squared), and in the bootstrap every cell's residual, divided by sqrt(1 - leverage),
    gets a random sign. With few seeds, or few more cells than effects, tails are widened as in
    :func:`vaebench.analysis.uncertainty.intervals`.

    Args:
        rows: of a run; baselines are left out.
        score: a column such as ``"metric/leiden/ari"``.
        factors: columns of the hyperparameters, at least one that varies; see :func:`hyperparameters`.
        ranks: use ranks over all cells and seeds in place of values, for scores with heavy tails such as losses.
        level: of the intervals.
        draws: bootstrap samples.
        seed: of the bootstrap.

    Raises:
        InputError: fewer than 3 settings have a usable score, all have the same, no factor varies, a column is missing, or an
            option is out of its range.

    Source: Hutter, Hoos & Leyton-Brown 2014, ICML, eqs. 1-4; Hays 1963 (omega squared); Wu 1986 (wild bootstrap).

    Deviates:
        Marginal means take the place of Hutter's random forest, since grids are (nearly) complete.
    """
    from scipy.stats import rankdata

    check_options(factors, level, draws)
    table = cell_table(rows, score, factors)
    every = {name: rows.loc[~is_baseline(rows), name].nunique() for name in factors}
    cells = math.prod(every.values())
    present = {name: table.index.get_level_values(name).nunique() for name in factors}
    lost = [f"{n - present[name]} of the {n} of {name}" for name, n in every.items() if present[name] < n]
    factors = [name for name in factors if present[name] > 1]
    if not factors or len(table) < 3:
        raise InputError(f"{len(table)} settings have a usable {score!r}; at least 3 that differ are needed")
    codes = np.stack([pd.factorize(table.index.get_level_values(n), sort=True)[0] for n in factors], axis=1)
    levels = [int(k) for k in codes.max(axis=0) + 1]
    design, effects, owner = _design(codes, levels)
    fit = _fit(design, np.array([len(effects[i]) for i in owner]))
    values = table.to_numpy()
    if ranks:
        values = rankdata(values, nan_policy="omit").reshape(values.shape)
    y = np.nanmean(values, axis=1, keepdims=True)
    if np.ptp(y) <= 1e-12 * np.abs(y).max():
        raise InputError(f"all {len(y)} settings have the same {score!r}, {y[0, 0]:g}: no hyperparameter matters to it")
    shares = _by_total(_variances(fit, y, owner))[:, 0]
    by_seed, rng = values.shape[1] > 1 and not np.isnan(values).any(), np.random.default_rng(seed)
    found, sample = (_draws_over_seeds if by_seed else _draws_over_cells)(
        fit, values if by_seed else y, owner, draws, rng
    )
    # of one value a cell the noise is known by as many differences as cells are more than effects
    tail = expanded_tail(level, values.shape[1] if by_seed else max(len(y) - fit.rank, 1) + 1)
    low, high = np.quantile(_by_total(sample), [tail, 1 - tail], axis=1)
    lines = pd.DataFrame(
        {
            "effect": [" x ".join(factors[i] for i in effect) for effect in effects],
            "order": [len(effect) for effect in effects],
            "share": shares[:-1],
            "corrected": _by_total(found[:, None])[:-1, 0],
            "low": low[:-1],
            "high": high[:-1],
        }
    ).sort_values("share", ascending=False, kind="stable", ignore_index=True)
    return Importance(
        table=lines,
        rest=float(shares[-1]),
        cells=cells,
        missing=cells - len(table),
        aliased=fit.design.shape[1] - fit.rank,
        resampled="seeds" if by_seed else "cells",
        seeds=int((~np.isnan(values)).sum(axis=1).max()),
        lost=tuple(lost),
    )
