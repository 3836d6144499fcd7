"""Reason why covariates alone have no Cox fit, with the names of the columns that cause it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vaebench.metrics.survival.cohort import LABEL, SurvivalCohort

_DEPENDENT = 1e-11
"""Share of a column's variance that the columns before it leave unexplained, below which they determine it."""
_NAMED = 3
"""Names in one sentence; further ones are counted."""


def reason_without_fit(cohort: SurvivalCohort, rows: np.ndarray, has_fit: Callable[[np.ndarray], bool]) -> str:
    """Say in a few words which column of the cohort leaves its covariates without a Cox fit; "" if none is to blame.

    Args:
        cohort: samples and covariates.
        rows: [n] bool, samples of the cohort that are fitted.
        has_fit: ``kept [c] -> bool``: true if the columns kept have a fit.
    """
    event = cohort.event & rows
    if not event.any():
        return _without_events(cohort, rows)
    columns = np.ptp(cohort.covariates[rows], axis=0) > 0
    if event.sum() <= columns.sum():
        names, counts = np.unique(np.array(cohort.columns)[columns], return_counts=True)
        return f"{names[counts.argmax()]} has {counts.max()} of the {columns.sum()} parameters"
    found = _determined(cohort, rows) or _level_without_event(cohort, rows)
    if found:
        return found
    for name in dict.fromkeys(cohort.columns):
        if has_fit(np.array(cohort.columns) != name):
            return f"without {name} they have a fit"
    return ""


def _without_events(cohort: SurvivalCohort, rows: np.ndarray) -> str:
    missing = {name: count for name, count in cohort.missing.items() if count}
    if not rows.any() and missing:
        worst = max(missing, key=lambda name: missing[name])
        return f"{worst} is missing in {missing[worst]} of {len(cohort.keep)} samples"
    samples = int(rows.sum()) + cohort.left_out_no_event_labels
    return f"none of the {samples} samples with all values has an event"


def _determined(cohort: SurvivalCohort, rows: np.ndarray) -> str:
    """Name the covariate to leave out because others determine it; the label counts first, then covariates as given."""
    x = cohort.covariates[rows]
    x = x - x.mean(axis=0)
    names = np.array(cohort.columns)
    order = sorted(range(len(names)), key=lambda j: names[j] != LABEL)
    basis, kept = np.zeros((len(x), 0)), []
    for j in order:
        size = float(x[:, j] @ x[:, j])
        if not size:
            continue
        rest = x[:, j] - basis @ (basis.T @ x[:, j])
        rest -= basis @ (basis.T @ rest)  # once more: the first pass leaves rounding
        if rest @ rest > _DEPENDENT * size:
            basis, kept = np.column_stack([basis, rest / np.linalg.norm(rest)]), [*kept, j]
            continue
        weights = np.linalg.lstsq(x[:, kept], x[:, j], rcond=None)[0]
        by = dict.fromkeys(str(names[k]) for k, w in zip(kept, weights, strict=True) if abs(w) > 1e-6)
        # another level of the same covariate says nothing to the reader
        others = [name for name in by if name != names[j]] or list(by)
        return f"leave out {names[j]}, which {_listed(others)} determine{'' if len(others) > 1 else 's'}"
    return ""


def _level_without_event(cohort: SurvivalCohort, rows: np.ndarray) -> str:
    for name, values in cohort.levels.items():
        levels = np.unique(values[rows])
        empty = [level for level in levels if not (cohort.event & rows & (values == level)).any()]
        if empty and len(levels) > 1:
            count = int((rows & np.isin(values, empty)).sum())
            shown = _listed([repr(str(level)[:60]) for level in empty])
            return f"{name} has no event at {shown} ({count} samples); merge or leave out this level"
    return ""


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
