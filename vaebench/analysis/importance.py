"""Which hyperparameter matters: shares of a score's variance over a grid of settings.

A *cell* is a setting of the hyperparameters compared; its value is the mean over its usable seeds. A cell without a
usable score (a diverged training) is missing, and missing cells are not missing at random: they are counted, never
filled in.
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
from vaebench.errors import InputError


class Importance(NamedTuple):
    """Shares of variance of a score over a grid.

    Attributes:
        table: one line a main effect or pair: ``effect`` (hyperparameters joined by " x "), ``order`` (1 or 2), ``share``
            as it is in the values, ``corrected`` for noise with its interval ``low`` and ``high`` (NaN where as many
            effects as cells are fitted and nothing is known of noise); largest share first.
        rest: share of all that is neither: higher interactions, and noise.
        cells: of the full grid.
        missing: of these, without a usable score.
        aliased: effects (of an effect coding) that the cells present cannot tell from others; 0 for a complete grid.
        resampled: ``"seeds"`` or ``"cells"``, what the intervals are over.
        seeds: most seeds of a cell.
    """

    table: pd.DataFrame
    rest: float
    cells: int
    missing: int
    aliased: int
    resampled: str
    seeds: int


def hyperparameters(rows: pd.DataFrame) -> list[str]:
    """The columns of settings that vary by themselves: those that only follow the variant (its decay, its betas) do not."""
    models = rows[~is_baseline(rows)]
    check_rows(models)
    names = [n for n in setting_columns(models) if not n.startswith("data/") and models[n].nunique(dropna=False) > 1]
    own = models.groupby("static/variant", dropna=False)
    return [n for n in names if n == "static/variant" or own[n].nunique(dropna=False).max() > 1]


def cell_table(rows: pd.DataFrame, score: str, factors: Sequence[str]) -> pd.DataFrame:
    """Usable scores [cells present, seeds], NaN where a seed has none; index: levels of ``factors``; columns: seeds.

    Raises:
        InputError: a score or factor that is no column, or several rows of one cell and seed (something else varies too).
    """
    models = rows[~is_baseline(rows)]
    check_rows(models)
    for kind, names in (("score", [score]), ("hyperparameter", factors)):
        for name in names:
            if name not in models.columns:
                raise InputError(f"the rows lack the column {name!r} of a {kind}")
    seed = models["traced/seed"] if "traced/seed" in models.columns else pd.Series(0, index=models.index)
    frame = models[list(factors)].assign(seed=seed, score=usable(models, score))
    if frame.duplicated([*factors, "seed"]).any():
        raise InputError(f"several rows have the same {', '.join(factors)} and seed: another hyperparameter varies too")
    table = frame.dropna(subset=[*factors, "score"]).pivot(index=list(factors), columns="seed", values="score")
    if len(factors) == 1:
        table.index = pd.MultiIndex.from_arrays([table.index], names=list(factors))
    return table.sort_index()


def _contrasts(levels: int) -> np.ndarray:
    """Effect coding [levels, levels - 1]: columns sum to 0 over the levels and are orthogonal, of mean square 1."""
    # Helmert's contrasts
    coding = np.tril(-np.ones((levels, levels)), -1)[:, : levels - 1]
    coding[np.arange(levels - 1), np.arange(levels - 1)] = np.arange(levels - 1, 0, -1)
    return coding / np.sqrt((coding**2).mean(axis=0))


def _design(codes: np.ndarray, levels: Sequence[int]) -> tuple[np.ndarray, list[tuple[int, ...]], np.ndarray]:
    """Columns [cells, P] of all main effects and pairs, the effects, and each column's position among the effects.

    Over the complete grid all columns are orthogonal, of mean 0 and mean square 1, so an effect's variance over the grid
    is the sum of its squared coefficients.
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


class _Fit(NamedTuple):
    """Pseudo-inverse [P + 1, cells] of the design with an intercept, its leverages [cells], and its rank."""

    design: np.ndarray
    inverse: np.ndarray
    leverage: np.ndarray
    rank: int


def _fit(design: np.ndarray, order: np.ndarray) -> _Fit:
    full = np.concatenate([np.ones((len(design), 1)), design], axis=1)
    # where cells leave a choice, pairs are kept small first, then main effects: so an additive score stays additive
    weight = 100.0 ** (2 - np.concatenate([[0], order]))
    inverse = np.linalg.pinv(full * weight, rcond=1e-9) * weight[:, None]
    return _Fit(full, inverse, np.einsum("ij,ji->i", full, inverse), int(np.linalg.matrix_rank(full)))


def _variances(fit: _Fit, y: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Variances [effects + 1, B] over the grid of each effect, the residuals' mean square last, of values y [cells, B]."""
    coefficients = fit.inverse @ y
    residual = ((y - fit.design @ coefficients) ** 2).mean(axis=0)
    variances = np.zeros((owner.max() + 1, y.shape[1]))
    np.add.at(variances, owner, coefficients[1:] ** 2)
    return np.concatenate([variances, residual[None]])


def _by_total(parts: np.ndarray) -> np.ndarray:
    """Parts [effects + 1, B] by their sums, each cut to [0, 1]; 0 where the sum is, NaN where it is NaN."""
    total = parts.sum(axis=0)
    return np.clip(np.divide(parts, total, out=np.zeros_like(parts), where=~(total <= 0)), 0, 1)


def _draws_over_seeds(
    fit: _Fit, values: np.ndarray, owner: np.ndarray, draws: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Parts without noise [effects + 1], and in bootstrap samples of the seeds [effects + 1, B], of values [cells, seeds]."""
    cells, seeds = values.shape
    own = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    noise = (own**2).sum() / ((cells - 1) * (seeds - 1)) / (seeds * cells)
    # every coefficient squared has the noise of a mean, and the residuals have the rest of it
    excess = noise * np.concatenate([np.bincount(owner), [cells - fit.rank]])
    weights = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) / seeds
    found = _variances(fit, values.mean(axis=1, keepdims=True), owner)[:, 0] - excess
    # a resample adds its own noise, (seeds - 1) / seeds of it, to that of the values
    sample = _variances(fit, values @ weights.T, owner) - (excess * (2 - 1 / seeds))[:, None]
    return found, sample


def _draws_over_cells(
    fit: _Fit, y: np.ndarray, owner: np.ndarray, draws: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`_draws_over_seeds`, of one value a cell [cells, 1]: what the pairs do not explain is the noise, and stays."""
    fitted = fit.design @ (fit.inverse @ y)
    free = len(y) - fit.rank
    noise = float(((y - fitted) ** 2).sum()) / free / len(y) if free else 0.0
    sizes = np.bincount(owner)
    excess = noise * np.concatenate([sizes, [-sizes.sum()]])
    residual = (y - fitted) / np.sqrt(np.maximum(1 - fit.leverage, 1e-9))[:, None]
    residual[fit.leverage > 1 - 1e-9] = 0.0  # fitted exactly, so nothing is known of its noise
    sample = _variances(fit, fitted + residual * rng.choice([-1.0, 1.0], (len(y), draws)), owner)
    if not free:  # as many effects as cells: nothing is known of the noise
        sample = np.full_like(sample, np.nan)
    # the noise of the sample adds to the total, that of the values is part of it
    return _variances(fit, y, owner)[:, 0] - excess, sample - excess[:, None] - np.maximum(excess, 0)[:, None]


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
    """Functional analysis of variance of a score over the full factorial of ``factors``, every cell weighing the same.

    The score's function f of the setting is split into f_0 + sum_i f_i(x_i) + sum_ij f_ij(x_i, x_j) + rest, the parts
    orthogonal over the grid; an effect's share is the variance of its part by that of f. On a complete grid the parts
    are differences of marginal means, exactly. With cells missing, the parts are fitted to the cells present by least
    squares in effect coding (of least norm, pairs first, where combinations of levels are missing altogether: ``aliased``), their
    variances are taken over the full grid, and the rest is the mean square of the residuals.

    Noise adds to every variance. ``corrected`` and its interval are without it. With several seeds in every cell, the
    noise of a mean is known, and the total is without it too; intervals are over the seeds, drawn with replacement, the
    same ones for every cell (a seed is a split that all settings share). Else all that the pairs do not explain is taken as
    noise, which stays in the total (omega squared), and in the bootstrap every cell's residual, by sqrt(1 - leverage),
    gets a random sign. With few seeds tails are widened as in :func:`vaebench.analysis.uncertainty.intervals`.

    Args:
        rows: of a run; baselines are left out.
        score: a column such as ``"metric/leiden/ari"``.
        factors: columns of the hyperparameters, at least one that varies; see :func:`hyperparameters`.
        ranks: take ranks over all cells and seeds in place of the values, as losses have heavy tails.
        level: of the intervals.
        draws: bootstrap samples.
        seed: of the bootstrap.

    Deviates: marginal means in place of a random forest, since grids are (nearly) complete.

    Source: Hutter, Hoos & Leyton-Brown 2014, ICML, eqs. 1-4; Hays 1963 (omega squared); Wu 1986 (wild bootstrap).
    """
    from scipy.stats import rankdata

    table = cell_table(rows, score, factors)
    factors = [name for name in factors if table.index.get_level_values(name).nunique() > 1]
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
    shares = _by_total(_variances(fit, y, owner))[:, 0]
    by_seed, rng = values.shape[1] > 1 and not np.isnan(values).any(), np.random.default_rng(seed)
    found, sample = (_draws_over_seeds if by_seed else _draws_over_cells)(
        fit, values if by_seed else y, owner, draws, rng
    )
    tail = expanded_tail(level, values.shape[1] if by_seed else len(y))
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
    cells = math.prod(levels)
    return Importance(
        table=lines,
        rest=float(shares[-1]),
        cells=cells,
        missing=cells - len(table),
        aliased=fit.design.shape[1] - fit.rank,
        resampled="seeds" if by_seed else "cells",
        seeds=int((~np.isnan(values)).sum(axis=1).max()),
    )
