"""The ranked table of a run report: a line a setting, with its scores, how far it is behind the first, and other metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from vaebench.analysis import settings as analysis
from vaebench.analysis.settings import AIC, ARI, DELTA_AIC, column, value_text
from vaebench.metrics import METRICS
from vaebench.report.page import cell, head, sortable

FIRST = 50
"""Settings shown before "Show all"."""

_HEADS = {ARI: "ARI", AIC: "Cox AIC", DELTA_AIC: "ΔAIC", "loss/valid": "validation loss"}
_FORMATS = {ARI: "z.3f", AIC: "z.1f", DELTA_AIC: "+z.1f"}


def _number(value: float, score: str, beside: float | None = None) -> str:
    """Format a value of a score; where the score has no number of decimals of its own, with those of the value ``beside``."""
    form = _FORMATS.get(score, "z.4g")
    if score not in _FORMATS and beside is not None and 1e-3 <= abs(beside) < 1e4:
        form = f"z.{3 - math.floor(math.log10(abs(beside)))}f"
    return format(value, form).replace("-", "−") if np.isfinite(value) else "–"


def score_name(score: str) -> str:
    """Return the name of a score for people: ``ARI``, ``probe linear accuracy``, ``mig``."""
    words = score.removeprefix("metric/").replace("_", " ").split("/")
    return _HEADS.get(score, " ".join(dict.fromkeys(words)))


def mean_text(line: Mapping[Any, Any], score: str) -> str:
    """Format a score of a line of the settings table as mean ± standard deviation."""
    mean, sd = line[f"{score}/mean"], line[f"{score}/sd"]
    return _number(mean, score, mean) + (f" ± {_number(sd, score, mean).lstrip('+')}" if np.isfinite(sd) else "")


def _cell(value: float | None, numeric: bool, shown: str = "") -> str:
    return cell(shown or escape(value_text(value)), (np.nan if pd.isna(value) else value) if numeric else None)


def _score_cell(line: Mapping[Any, Any], score: str) -> str:
    low, high, used, mean = (line[f"{score}/{part}"] for part in ("low", "high", "n_used", "mean"))
    reach = f"{_number(low, score, mean)} … {_number(high, score, mean)} " if np.isfinite(low) else ""
    some = "" if used in (0, line["n"]) else f"(n {used})"  # PCA has no loss
    return _cell(line[f"{score}/mean"], True, f"{mean_text(line, score)}<small>{reach}{some}</small>")


def _behind_cell(line: Mapping[Any, Any], by: str) -> str:
    gap, low, high = (line[f"{by}/{part}"] for part in ("behind", "behind_low", "behind_high"))
    if not np.isfinite(gap):
        return _cell(np.nan, True, "–")
    reach = f"<small>{_number(low, by)} … {_number(high, by)}</small>" if np.isfinite(low) else ""
    return _cell(gap, True, f"{_number(gap, by)}{reach}")


def ranked_settings(rows: pd.DataFrame, table: pd.DataFrame, by: str) -> str:
    """Return HTML of the settings table ranked by the score ``by``, and below it how to read it."""
    names = analysis.setting_columns(rows)
    counts, scores = ["n", "failures"], list(dict.fromkeys([by, *analysis.present_scores(rows)]))
    scores = scores if by in further_scores(rows) else analysis.present_scores(rows)
    more = [score for score in further_scores(rows) if score != by]
    numeric = {name: pd.api.types.is_numeric_dtype(table[name]) for name in names}
    heads = head("#", True) + "".join(head(n.rpartition("/")[2], numeric[n]) for n in names)
    heads += "".join(head(name, True) for name in ("n", "failed"))
    heads += "".join(head(score_name(score), True, analysis.DIRECTIONS[score]) for score in scores)
    heads += head(f"{score_name(by)} behind the first", True)
    heads += "".join(head(score_name(score), True) for score in more)
    others = _means(rows, more)
    body = []
    for place, line in enumerate(table.to_dict("records"), 1):
        cells = [_cell(place, True), *(_cell(line[n], numeric[n]) for n in names)]
        cells += [*(_cell(line[n], True) for n in counts), *(_score_cell(line, score) for score in scores)]
        cells.append(_behind_cell(line, by))
        cells += [_cell(*_shown(others[score], line["setting"])) for score in more]
        body.append(f'<tr class="{line["kind"]}">{"".join(cells)}</tr>')
    few = f"; {few}" if (few := analysis.few_seeds_note(table, by)) else ""
    note = (
        f"Ranked by mean {score_name(by)}. n: rows, that is seeds; failed: those that did not train to the end. A cell has mean "
        "± standard deviation over seeds, then the mean's 95% bootstrap interval and, if not all rows could be used, their "
        "number n. The distance of a setting behind the first is paired by seed: if its interval includes 0, their order is "
        f"not settled{few}. Lines with a thick left edge are baselines. {_fewer_components(rows)}Losses are comparable only "
        "within one variant and one latent width. Click a header to sort."
    )
    return f'{sortable(heads, body, FIRST, "vae adam 0.001")}<p class="note">{note}</p>'


def _fewer_components(rows: pd.DataFrame) -> str:
    """Return a sentence on PCA where the data have fewer components than latents; "" elsewhere."""
    latents, found = column(rows, "static/latent"), column(rows, "run/components")
    most = found[found < latents].max()
    return f"The data have {most:.0f} components: PCA of more latents has no more. " if np.isfinite(most) else ""


def further_scores(rows: pd.DataFrame) -> list[str]:
    """Return columns of the other metrics of a run, which have no headline: up to two usable scores of each, counts left out."""
    found = []
    for metric in dict.fromkeys(name.split("/")[1] for name in rows.columns if name.startswith("metric/")):
        if metric in ("leiden", "cox"):
            continue
        known = METRICS.get(metric)
        names = (
            known.scores
            if known
            else [n.split("/", 2)[2] for n in map(str, rows.columns) if n.startswith(f"metric/{metric}/")]
        )
        skipped = {"status", "seconds", *(known.counts if known else ())}
        held = [f"metric/{metric}/{name}" for name in names if name not in skipped]
        found += [name for name in held if name in rows and analysis.usable(rows, name).notna().any()][:2]
    return found


def _means(rows: pd.DataFrame, scores: Sequence[str]) -> dict[str, pd.DataFrame]:
    ids = analysis.setting_ids(rows)
    return {score: analysis.usable(rows, score).groupby(ids).agg(["mean", "std"]) for score in scores}


def _shown(found: pd.DataFrame, setting: int) -> tuple[float, bool, str]:
    mean, sd = map(float, found.loc[[setting]].to_numpy()[0])
    return mean, True, _number(mean, "") + (f" ± {_number(sd, '')}" if np.isfinite(sd) else "")
