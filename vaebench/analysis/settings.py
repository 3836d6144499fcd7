"""Settings ranked by their scores, and failures counted.

A *setting* is everything in a row but its seed. A score is *usable* if its row is ``OK``, the metric's own status (if there
is one) is ``OK`` and the number is finite; every summary says how many scores it used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from vaebench.analysis.uncertainty import paired_difference, ragged_intervals
from vaebench.errors import InputError, unknown_name
from vaebench.types import BASELINE

ARI = "metric/leiden/ari"
AIC = "metric/cox/aic"
DELTA_AIC = "metric/cox/delta_aic"
LOSS = "loss/valid"

SCORES = {ARI: True, AIC: False, DELTA_AIC: False, LOSS: False}
"""Headline scores -> true if higher is better."""
_ELSE = {
    "metric/probe/linear_accuracy": True,
    "metric/cox_heldout/concordance": True,
    "metric/wsepin/wsepin": True,
    "metric/rmig/rmig": True,
    "metric/correlation/disentangled": True,
    "metric/mig/mig": True,
    "metric/sap/sap": True,
    "metric/dci/disentanglement": True,
    "metric/modularity/modularity": True,
    "metric/total_correlation/total_correlation": False,
    "metric/reconstruction/mse": False,
}
DIRECTIONS = SCORES | _ELSE
"""Scores by which settings can be ranked -> true if higher is better; beside the headline scores, one of each other metric."""

_ALWAYS = ("static/variant", "static/latent")
_FAMILIES = ("static/", "shape/", "traced/", "hyper/")
_DATA = ("data/name", "data/digest")
_GROUP = "study"
_CHOICES = ("data/scaling", "data/valid_fraction", "data/stratified", "data/scaling_from", "run/embedding")
_NEEDED = ("status", *_ALWAYS)
_SHORT = {"latent": "L", "learning_rate": "lr", "hidden": "h", "batch": "B"}


def check_rows(rows: pd.DataFrame) -> None:
    """Raise :class:`InputError` unless ``rows`` is a non-empty DataFrame with the columns every summary needs."""
    if not isinstance(rows, pd.DataFrame):
        raise InputError(f"rows must be a pandas DataFrame, not {type(rows).__name__}")
    missing = [name for name in _NEEDED if name not in rows.columns]
    if missing:
        raise InputError(f"the rows lack the column {missing[0]!r} (needed: {', '.join(_NEEDED)})")
    if rows.empty:
        raise InputError("there are no rows: run at least one point first")


def column(rows: pd.DataFrame, name: str) -> pd.Series:
    """Return a column as floats, NaN if it is absent or not a number."""
    if name not in rows.columns:
        return pd.Series(np.nan, index=rows.index, dtype=float)
    return pd.to_numeric(rows[name], errors="coerce").astype(float)


def is_baseline(rows: pd.DataFrame) -> pd.Series:
    """Return a mask of the rows of the baseline, for which nothing was trained."""
    return rows["static/variant"] == BASELINE


def left_out(rows: pd.DataFrame, scores: Sequence[str]) -> pd.Series:
    """Return the reason why each row cannot be used for all of ``scores``: its status or the metric's; ``""`` if it can."""
    status = rows["status"].fillna("no status").astype(str)
    reason = status.where(status != "OK", "")
    for score in scores:
        prefix, _, short = score.rpartition("/")
        if f"{prefix}/status" in rows.columns:
            own = rows[f"{prefix}/status"].fillna("OK").astype(str)
            bad = (own != "OK") & (reason == "")
            reason = reason.mask(bad, prefix.removeprefix("metric/") + ": " + own)
        absent = ~np.isfinite(column(rows, score)) & (reason == "")
        reason = reason.mask(absent, f"no finite {'loss' if score == LOSS else short}")
    return reason


def usable(rows: pd.DataFrame, score: str) -> pd.Series:
    """Return the score as floats, NaN in rows where it is not usable."""
    return column(rows, score).where(left_out(rows, [score]) == "")


def _hashable(value: object) -> object:
    """Turn lists into tuples: Parquet returns them as arrays, which cannot be grouped."""
    return tuple(value) if isinstance(value, list | np.ndarray) else value


def _settings(rows: pd.DataFrame) -> pd.DataFrame:
    names = [c for c in rows.columns if c.startswith(_FAMILIES) and c != "traced/seed"]
    frame = rows[[*names, *(c for c in (*_CHOICES, *_DATA, _GROUP) if c in rows.columns)]].copy()
    for name in frame.columns:
        if frame[name].dtype == object:
            frame[name] = frame[name].map(_hashable)
    return frame


def _varies(models: pd.DataFrame, name: str) -> bool:
    # a hyperparameter that only one variant has is NaN in the others, which is no variation; within one variant it is
    if models[name].nunique() > 1:
        return True
    return bool(len(models) and models.groupby("static/variant", dropna=False)[name].nunique(dropna=False).max() > 1)


def setting_columns(rows: pd.DataFrame) -> list[str]:
    """Return the columns that distinguish settings: variant, latent width, and what varies among the trained rows.

    ``data/name`` and ``data/digest`` are among them if rows come from several data sets, which must never be averaged, and
    ``study`` if models do from several studies: one seed of one setting is the same training in each.
    """
    check_rows(rows)
    frame = _settings(rows)
    models = frame[~is_baseline(rows)]
    varying = [c for c in frame.columns if c not in (*_ALWAYS, *_DATA, _GROUP) and _varies(models, c)]
    data = [c for c in _DATA if c in frame.columns and frame[c].nunique(dropna=False) > 1]
    group = [_GROUP] if _GROUP in frame.columns and models[_GROUP].nunique() > 1 else []
    return [*_ALWAYS, *varying, *data, *group]


def setting_ids(rows: pd.DataFrame) -> pd.Series:
    """Return the number of each row's setting, in order of first appearance; column ``setting`` of :func:`settings_table`."""
    names = setting_columns(rows)
    return _settings(rows).groupby(names, dropna=False, sort=False).ngroup()


def present_scores(rows: pd.DataFrame) -> list[str]:
    """Return the headline scores for which the rows have a column, in order of interest."""
    return [name for name in SCORES if name in rows.columns]


def ranking_score(rows: pd.DataFrame) -> str | None:
    """Return the score by which rows are ranked: ARI, else AIC, else that of the first metric that they have, else the loss.

    A score that no row has, as the ARI of fewer samples than neighbours, ranks nothing; the next one does.
    """
    loss = [LOSS] if LOSS in rows.columns else []
    found = [*(s for s in present_scores(rows) if s != LOSS), *(str(c) for c in rows.columns if c in _ELSE), *loss]
    return next((score for score in found if usable(rows, score).notna().any()), found[0] if found else None)


def settings_table(
    rows: pd.DataFrame, by: str = "metric/leiden/ari", higher_is_better: bool | None = None
) -> pd.DataFrame:
    """Summarise rows as one line a setting, best mean of ``by`` first, settings without a usable score last.

    Args:
        rows: of a run.
        by: a score's column.
        higher_is_better: known for the scores of :data:`DIRECTIONS`, needed for any other ``by``.

    Returns:
        Columns ``setting`` (see :func:`setting_ids`), ``kind`` (``"model"`` or ``"baseline"``), those of
        :func:`setting_columns`, ``n`` (rows, that is seeds), ``failures`` (rows whose status is not ``OK``), and for ``by``
        and each headline score present ``<score>/mean``, ``/sd`` (ddof 1; NaN with one seed), ``/low`` and ``/high`` (95%
        bootstrap interval of the mean over seeds), ``/min``, ``/max`` and ``/n_used``. ``<by>/behind`` is the distance of a
        setting behind the first line, by paired differences over the seeds of both (a baseline, which has no seed, is
        paired with each), with its 95% interval ``/behind_low`` and ``/behind_high`` and the number of pairs ``/behind_n``,
        and ``<by>/beats_first`` is the probability that its mean is better; NaN in the first line, which is the best of many
        and so rather too good.

    Raises:
        InputError: ``by`` is not a score of the rows, or its direction is unknown.
    """
    check_rows(rows)
    candidates = [c for c in rows.columns if c.startswith(("metric/", "loss/")) and not c.endswith("/status")]
    if by not in candidates:
        raise unknown_name("score", by, candidates)
    if higher_is_better is None and by not in DIRECTIONS:
        raise InputError(f"the direction of the score {by!r} is not known: pass higher_is_better=True or False")
    higher = DIRECTIONS[by] if higher_is_better is None else higher_is_better
    names = setting_columns(rows)
    frame = _settings(rows)[names]
    ids = frame.groupby(names, dropna=False, sort=False).ngroup()
    table = frame.groupby(ids).head(1).reset_index(drop=True)
    table.insert(0, "setting", np.arange(len(table)))
    table.insert(1, "kind", np.where(is_baseline(table), "baseline", "model"))
    table["n"] = ids.groupby(ids).size().to_numpy()
    table["failures"] = (rows["status"] != "OK").groupby(ids).sum().to_numpy()
    for score in dict.fromkeys([*present_scores(rows), by]):
        values = usable(rows, score)
        groups = values.groupby(ids)
        low, high = ragged_intervals(_grouped(values, ids))
        for label, summary in {
            "mean": groups.mean(),
            "sd": groups.std(ddof=1),
            "low": low,
            "high": high,
            "min": groups.min(),
            "max": groups.max(),
            "n_used": groups.count(),
        }.items():
            table[f"{score}/{label}"] = np.asarray(summary)
    table = table.sort_values(f"{by}/mean", ascending=not higher, kind="stable", na_position="last", ignore_index=True)
    return pd.concat([table, _behind(rows, ids, table, by, higher)], axis=1)


def _grouped(values: pd.Series, ids: pd.Series) -> list[np.ndarray]:
    """Return the known values of every setting, in the order of the settings' numbers."""
    known = values.notna().to_numpy()
    of, found = ids.to_numpy()[known], values.to_numpy()[known]
    counts = np.bincount(of, minlength=int(ids.max()) + 1)
    return np.split(found[np.argsort(of, kind="stable")], np.cumsum(counts)[:-1])


def _behind(rows: pd.DataFrame, ids: pd.Series, table: pd.DataFrame, by: str, higher: bool) -> pd.DataFrame:
    """Return the columns of :func:`settings_table` that compare every line with the first.

    Scores are paired by seed; one without a seed, as of a baseline, is paired with every seed.
    """
    scores = pd.DataFrame({"score": usable(rows, by) * (1 if higher else -1), "seed": column(rows, "traced/seed")})
    scores = scores.assign(id=ids).dropna(subset="score")
    seeded = scores.dropna(subset="seed").pivot_table(index="id", columns="seed", values="score")
    alone = scores[scores["seed"].isna()].groupby("id")["score"].mean()
    width = max(1, seeded.shape[1])
    by_id = {i: np.full(width, value) for i, value in alone.items()} | dict(
        zip(seeded.index, seeded.to_numpy(), strict=True)
    )
    nothing = np.full(width, np.nan)
    first = by_id.get(table["setting"].iloc[0], nothing)
    lines = [[np.nan] * 4 + [0]]
    for setting in table["setting"].iloc[1:]:
        own = by_id.get(setting, nothing)
        seedless = setting in alone.index and table["setting"].iloc[0] in alone.index
        common = np.isfinite(own) & np.isfinite(first)
        common[1:] &= not seedless
        found = paired_difference(own[common], first[common])
        # 0 minus the mean, since the negative of 0 is printed as -0
        lines.append([0 - found.mean, 0 - found.high, 0 - found.low, found.better, found.n])
    names = [f"{by}/{label}" for label in ("behind", "behind_low", "behind_high", "beats_first", "behind_n")]
    return pd.DataFrame(lines, columns=pd.Index(names))


ENOUGH = 5
"""Paired seeds from which on a 95% interval of few scores leaves out 0 by chance about as rarely as it says."""
_BY_CHANCE = {2: "half", 3: "a quarter", 4: "an eighth"}


def few_seeds_note(table: pd.DataFrame, by: str) -> str:
    """Return a phrase on the intervals of the fewest paired seeds in a settings table; "" if all have enough, or none has any.

    Two equal settings, simulated: their interval leaves out 0 in 49% of cases with 2 seeds, in 27% with 3, in 13% with 4.
    """
    pairs = table.loc[np.isfinite(table[f"{by}/behind_low"]), f"{by}/behind_n"]
    few = int(pairs.min()) if len(pairs) else ENOUGH
    if few not in _BY_CHANCE:
        return ""
    chance = f"leaves out 0 by chance in {_BY_CHANCE[few]} of cases"
    return f"with {few} seeds such an interval {chance}: {ENOUGH} seeds or more settle an order"


def best_setting(table: pd.DataFrame, score: str, kind: str = "model") -> dict[str, Any] | None:
    """Return the line of a settings table with the best mean of a score among one kind; ``None`` without one."""
    if f"{score}/mean" not in table.columns:
        return None
    means = table.loc[table["kind"] == kind, f"{score}/mean"].dropna()
    if means.empty:
        return None
    place = means.idxmax() if DIRECTIONS[score] else means.idxmin()
    return {str(name): value for name, value in table.loc[place].items()}


def span(values: pd.Series) -> str:
    """Format a count that should be the same in all rows: the number, or lowest and highest if rows differ."""
    found = sorted(set(values.dropna()))
    return " to ".join(f"{v:,.0f}" for v in dict.fromkeys(found[:1] + found[-1:])) or "not recorded"


def value_text(value: object) -> str:
    """Format a setting's value for people: ``0.001``, ``50``, ``512-256``; ``""`` if it has none."""
    if isinstance(value, tuple | list | np.ndarray):
        return "-".join(value_text(v) for v in value)
    if value is None or value is pd.NA or (isinstance(value, float | np.floating) and np.isnan(value)):
        return ""
    if isinstance(value, float | np.floating):
        return str(int(value)) if float(value).is_integer() and abs(value) < 1e6 else f"{value:.4g}"
    return str(value)


def setting_text(line: Mapping[Any, Any], names: Sequence[str]) -> str:
    """Format a setting in one line, such as ``beta_vae L=50 lr=0.001 adam``; ``names`` are its :func:`setting_columns`."""
    parts = []
    for name in names:
        short, text = name.rpartition("/")[2], value_text(line.get(name))
        if text:
            bare = isinstance(line[name], str) and name not in ("static/hidden", "data/digest")
            parts.append(text if bare else f"{_SHORT.get(short, short)}={text}")
    return " ".join(parts)
