"""Failures of rows counted by cause, and what the rows say about poor scores."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from vaebench.analysis.settings import check_rows, column, is_baseline, present_scores, span

_NUMBER = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?")


def failure_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Count failures by source and reason.

    Returns:
        One line a reason: ``source`` (``"training"`` or a metric), ``reason``, ``count``, ``of`` and ``share``. Reasons that
        differ only in their numbers are one line, with ``#`` for the numbers. A metric's failures are counted among the
        rows that trained (``of``); the others are under ``"training"``. Rows whose metric has no status, or is ``OK``
        without a finite headline score, are counted too; a metric that was left out on purpose (``SKIPPED``) has not failed.
    """
    check_rows(rows)
    status = rows["status"].fillna("no status").astype(str)
    reasons = {"training": status[status != "OK"]}
    trained = rows[status == "OK"]
    metrics = dict.fromkeys(c.split("/")[1] for c in rows.columns if c.startswith("metric/") and c.count("/") >= 2)
    for metric in metrics:
        if f"metric/{metric}/status" in rows.columns:
            own = trained[f"metric/{metric}/status"].fillna("no status").astype(str)
        else:
            own = pd.Series("OK", index=trained.index, dtype=object)
        for score in (s for s in present_scores(rows) if s.startswith(f"metric/{metric}/")):
            lacks = (own == "OK") & ~np.isfinite(column(trained, score))
            own = own.mask(lacks, f"no finite {score.rpartition('/')[2]}")
        reasons[metric] = own[(own != "OK") & ~own.str.startswith("SKIPPED")]
    lines = []
    for source, series in reasons.items():
        total = len(rows) if source == "training" else len(trained)
        for pattern, texts in series.groupby(series.str.replace(_NUMBER, "#", regex=True)):
            reason = texts.iloc[0] if texts.nunique() == 1 else pattern
            count = len(texts)
            lines.append({"source": source, "reason": reason, "count": count, "of": total, "share": count / total})
        lines.sort(key=lambda line: (list(reasons).index(line["source"]), -line["count"]))
    return pd.DataFrame(lines, columns=pd.Index(["source", "reason", "count", "of", "share"]))


def training_facts(rows: pd.DataFrame) -> list[str]:
    """Return phrases on the trainings that may explain poor scores: stopping, updates, divergence, learning rates."""
    check_rows(rows)
    models = rows[~is_baseline(rows)]
    facts = []
    if "run/stop" in models:
        share = (models["run/stop"] == "out_of_epochs").mean()
        facts.append(
            f"{share:.0%} of the trainings were stopped by the epoch limit and may be undertrained"
            if share
            else "no training was stopped by the epoch limit, so more epochs alone would change nothing"
        )
    steps, epochs = column(models, "data/steps"), column(models, "run/epochs")
    if steps.notna().any():
        total = (steps * epochs).median()
        updates = f", and the median training had {total:,.0f} updates" if np.isfinite(total) else ""
        facts.append(f"an epoch has {span(steps)} steps{updates}; few updates favour PCA")
    facts.append(f"{(models['status'] == 'DIVERGED').mean():.0%} of the trainings diverged")
    if "traced/learning_rate" in models and models["traced/learning_rate"].nunique() == 1:
        facts.append("a single learning rate was tried")
    return facts
