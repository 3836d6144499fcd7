"""Rows in, answers out: which settings are best, which hyperparameters matter, how two settings compare, how sure that is."""

from __future__ import annotations

from vaebench.analysis import comparisons, importance, uncertainty
from vaebench.analysis.settings import (
    AIC,
    ARI,
    DELTA_AIC,
    LOSS,
    SCORES,
    best_setting,
    check_rows,
    column,
    failure_table,
    is_baseline,
    left_out,
    present_scores,
    setting_columns,
    setting_ids,
    setting_text,
    settings_table,
    span,
    training_facts,
    usable,
    value_text,
)

__all__ = [
    "AIC",
    "ARI",
    "DELTA_AIC",
    "LOSS",
    "SCORES",
    "best_setting",
    "check_rows",
    "column",
    "comparisons",
    "failure_table",
    "importance",
    "is_baseline",
    "left_out",
    "present_scores",
    "setting_columns",
    "setting_ids",
    "setting_text",
    "settings_table",
    "span",
    "training_facts",
    "uncertainty",
    "usable",
    "value_text",
]
