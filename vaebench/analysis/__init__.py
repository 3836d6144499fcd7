"""Analysis of rows: best settings, importance of hyperparameters, comparisons of settings, and their uncertainty.

The functions on settings are here; the rest are in the modules ``importance``, ``comparisons``, ``uncertainty``
and ``identifiability``.

    >>> import vaebench as vb
    >>> rows = vb.results.read_rows("results/run")  # doctest: +SKIP
    >>> vb.analysis.settings_table(rows).head()  # doctest: +SKIP
    >>> vb.analysis.importance.importance(rows, vb.analysis.ARI, ["static/variant", "static/latent"])  # doctest: +SKIP
"""

from __future__ import annotations

from vaebench.analysis import comparisons, identifiability, importance, uncertainty
from vaebench.analysis.failures import failure_table, training_facts
from vaebench.analysis.settings import (
    AIC,
    ARI,
    DELTA_AIC,
    LOSS,
    SCORES,
    best_setting,
    check_rows,
    column,
    is_baseline,
    left_out,
    present_scores,
    setting_columns,
    setting_ids,
    setting_text,
    settings_table,
    span,
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
    "identifiability",
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
__dir__ = __all__.copy
