"""Verdicts with the numbers behind them, and the comparisons that the rules of claims share.

Every threshold is a named number or is in the docstring of its rule, which `claims.py` prints with the verdict. They were fixed
before any real rows were looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from vaebench.analysis.comparisons import level_effects
from vaebench.analysis.settings import ARI, is_baseline, usable
from vaebench.analysis.uncertainty import RankCorrelation, paired_difference

HOLDS, FAILS, UNCLEAR, UNTESTED = "holds", "does not hold", "cannot tell", "not tested yet"
SMALL_ARI = 0.01
"""Difference of mean ARI below which levels count as equal, however sure it is."""
SURE = 0.05
"""Adjusted p below which a difference is sure."""
FEWEST_SEEDS = 5
"""Seeds below which a difference over seeds is never sure."""

Rows = Mapping[str, pd.DataFrame]
"""Name of an evidence (see claims.py) -> its rows."""


class Verdict(NamedTuple):
    """What a rule says, and the numbers behind it in one line."""

    verdict: str
    number: str


class Claim(NamedTuple):
    """One numbered claim.

    Attributes:
        number: in the list of claims.
        text: the claim, in our words.
        needs: names of the evidence without which it is not tested; a column is named as ``evidence:column``.
        experiment: the script that makes the evidence.
        rule: evidence -> verdict; its docstring is the rule in words.
    """

    number: int
    text: str
    needs: tuple[str, ...]
    experiment: str
    rule: Callable[[Rows], Verdict]


def evidence_name(need: str, rows: Rows) -> str:
    """The evidence that a need NAME:COLUMN takes: of several names, FIRST|SECOND:COLUMN, the first one that is given."""
    names = need.partition(":")[0].split("|")
    return next((name for name in names if name in rows), names[-1])


def judged(claim: Claim, rows: Rows) -> Verdict:
    """The verdict on a claim; ``UNTESTED`` where evidence or one of its columns is missing, never a guess."""
    for need in claim.needs:
        name, column = evidence_name(need, rows), need.partition(":")[2]
        if name not in rows:
            return Verdict(UNTESTED, f"no rows of {name}")
        if column and column not in rows[name].columns:
            return Verdict(UNTESTED, f"the rows of {name} have no column {column}")
    return claim.rule(rows)


def together(parts: Iterable[Verdict]) -> Verdict:
    """Several parts that must all hold: fails if one fails, is unclear if one is."""
    parts = list(parts)
    found = [part.verdict for part in parts]
    worst = next((v for v in (FAILS, UNCLEAR, UNTESTED) if v in found), HOLDS)
    return Verdict(worst, "; ".join(part.number for part in parts if part.number))


def at_least(low: float, high: float, limit: float) -> str:
    """Is a quantity, known to lie between ``low`` and ``high``, at least ``limit``?"""
    if not (math.isfinite(low) and math.isfinite(high)):
        return UNCLEAR
    return HOLDS if low >= limit else FAILS if high < limit else UNCLEAR


def at_most(low: float, high: float, limit: float) -> str:
    """Is a quantity, known to lie between ``low`` and ``high``, at most ``limit``?"""
    return at_least(-high, -low, -limit)


def within(low: float, high: float, least: float, most: float) -> str:
    """Does a quantity, known to lie between ``low`` and ``high``, lie between ``least`` and ``most``?"""
    both = at_least(low, high, least), at_most(low, high, most)
    return FAILS if FAILS in both else HOLDS if both == (HOLDS, HOLDS) else UNCLEAR


def interval(value: float, low: float, high: float, form: str = ".3g") -> str:
    """``0.53 (0.41 to 0.62)``."""
    return f"{value:{form}} ({low:{form}} to {high:{form}})"


def rho_text(found: RankCorrelation) -> str:
    """``rho = -0.82 (-0.85 to -0.79), n = 6480``."""
    return f"rho = {interval(found.rho, found.low, found.high, '.2f')}, n = {found.n}"


def models(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows without baselines."""
    return rows[~is_baseline(rows)]


def beaten(
    rows: pd.DataFrame,
    factors: Sequence[str],
    factor: str,
    score: str = ARI,
    *,
    higher: bool = True,
    least: float = SMALL_ARI,
    ranks: bool = False,
) -> dict[tuple[object, object], tuple[bool, float]]:
    """(level, other) -> (is the level surely better by at least ``least``, by how much is it better on average).

    Paired over all settings of the other hyperparameters; sure is an adjusted p (Holm) below :data:`SURE`.
    """
    mine = level_effects(rows, score, factors, higher_is_better=higher, compared=[factor], pairs=True, ranks=ranks)
    sign = 1.0 if higher else -1.0
    return {
        (line["level"], line["against"]): (
            bool(line["adjusted"] < SURE and sign * line["difference"] > 0 and abs(line["difference"]) >= least),
            sign * float(line["difference"]),
        )
        for line in mine.to_dict("records")
    }


def best_among(pairs: Mapping[tuple[object, object], tuple[bool, float]], expected: Iterable[object]) -> str:
    """Are the ``expected`` levels the best? Holds if each other level is surely beaten by one of them.

    Fails if another level surely beats all of them.
    """
    levels = {level for level, _ in pairs}
    wanted = [level for level in expected if level in levels]
    others = levels - set(wanted)
    if not wanted or not others:
        return UNCLEAR
    if any(all(pairs[other, level][0] for level in wanted) for other in others):
        return FAILS
    return HOLDS if all(any(pairs[level, other][0] for level in wanted) for other in others) else UNCLEAR


def seed_scores(rows: pd.DataFrame, factor: str, values: pd.Series) -> pd.DataFrame:
    """Values [seeds, levels] of rows in which only ``factor`` and the seed vary."""
    return pd.DataFrame({"level": rows[factor], "seed": rows["traced/seed"], "value": values}).pivot_table(
        index="seed", columns="level", values="value"
    )


def lower_over_seeds(wide: pd.DataFrame) -> dict[tuple[object, object], tuple[bool, float]]:
    """As :func:`beaten`, lower is better, over the seeds [seeds, levels]: sure if the paired interval leaves out 0.

    Intervals at 1 - 0.05 / number of pairs (Bonferroni), by the bootstrap over seeds, at least :data:`FEWEST_SEEDS`.
    """
    count = max(1, len(wide.columns) * (len(wide.columns) - 1) // 2)
    found = {}
    for one in wide.columns:
        for other in wide.columns.drop(one):
            both = wide[[one, other]].dropna()
            gap = paired_difference(both[other].to_numpy(), both[one].to_numpy(), level=1 - SURE / count)
            found[one, other] = (bool(gap.low > 0) and gap.n >= FEWEST_SEEDS, gap.mean)
    return found


def ordered(wide: pd.DataFrame, form: str = ".4g") -> str:
    """The levels with their means over seeds, the lowest first."""
    means = wide.mean().sort_values()
    return ", ".join(f"{level} {value:{form}}" for level, value in means.items())


def mean_range(values: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Mean and interval over seeds or settings [n] of finite values; NaN without two."""
    from vaebench.analysis.uncertainty import intervals

    values = values[np.isfinite(values)]
    if len(values) < 2:
        return (float(values[0]) if len(values) else math.nan), math.nan, math.nan
    low, high = intervals(values[None], level)
    return float(values.mean()), float(low[0]), float(high[0])


def failed(rows: pd.DataFrame, score: str | None = None) -> pd.Series:
    """Which rows have no result: a status other than OK, or no usable value of ``score``."""
    return (rows["status"] != "OK") if score is None else usable(rows, score).isna()
