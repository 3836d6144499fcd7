"""Checks of the covariates of a Cox model before anything is trained: what makes every fit fail, and which samples it uses.

A fit fails when a column depends linearly on others (the label as a covariate, an age in years and in days), or when there
are too few events for its columns. Samples without a value, or of a level in which no one has an event, are left out of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from vaebench.data.wording import quoted, shown
from vaebench.types import Dataset, Survival

EVENTS_PER_PARAMETER = 5.0
"""With fewer events for each parameter, Cox models are not ranked."""
_DEPENDENT = 1e-6  # share of a column, per standard deviation, below which the rest of it is rounding
_NEARLY = 0.999  # correlation of two covariates that say the same


class _Part(NamedTuple):
    """A covariate or the label in a Cox model: its name, its standardised columns [n, c], and its number of levels."""

    name: str
    columns: np.ndarray
    levels: int


def cox_notes(dataset: Dataset, label_covariate: bool = True) -> list[str]:
    """Returns what is known before training about the Cox models of a data set, one sentence each.

    Args:
        dataset: the data set; without survival there is nothing to say.
        label_covariate: the label is a covariate, as by default in the ``cox`` metric.

    Example:
        >>> import vaebench as vb
        >>> data, _ = vb.data.simulate_cohort(samples=240, types=4)
        >>> vb.data.cox_notes(data)
        []
    """
    labels = None
    if dataset.labels is not None:
        labels = np.array(dataset.label_names)[dataset.labels]
    return covariate_notes(dataset.survival, dataset.covariates, labels if label_covariate else None)


def run_notes(
    dataset: Dataset,
    metrics: Iterable[object] = (),
    options: Mapping[str, Any] | None = None,
    label_covariate: bool = True,
) -> list[str]:
    """Returns all that a run says about its data before training: the notes of the data set, and of its Cox models if any.

    Args:
        dataset: the data set.
        metrics: names of metrics, or metrics.
        options: metric name -> options, whose ``label_covariate`` is used where there is one.
        label_covariate: the label is a covariate of Cox metrics that are not in ``options``.
    """
    asked = [str(getattr(metric, "name", metric)) for metric in metrics]
    notes = list(dataset.notes)
    if len(dataset.label_names) == 1 and "leiden" in asked:
        notes.append(
            f"label: {quoted(dataset.label_names[0])} is the only one, so clusters cannot be compared with labels"
        )
    cox = next((name for name in asked if name.startswith("cox")), None)
    if cox is None:
        return notes
    label_covariate = getattr((options or {}).get(cox), "label_covariate", label_covariate)
    return [*notes, *cox_notes(dataset, label_covariate)]


def covariate_notes(
    survival: Survival | None, covariates: Mapping[str, np.ndarray], labels: np.ndarray | None
) -> list[str]:
    """Returns :func:`cox_notes` of the parts of a data set.

    Args:
        survival: times and events [N].
        covariates: name -> [N], numbers or text, ``""`` or ``None`` where missing.
        labels: [N] text; ``None`` if the label is no covariate.
    """
    if survival is None or not survival.event.any():
        return []  # a note on the events says so
    given = {f"covariate {quoted(name)}": _plain(values) for name, values in covariates.items()}
    if labels is not None:
        given = {"the label": _plain(labels)} | given
    present = {"survival": ~np.isnan(survival.time)}
    present |= {name: ~np.isnan(v) if v.dtype.kind == "f" else v != "" for name, v in given.items()}
    known = np.logical_and.reduce(list(present.values()))
    event = survival.event & known
    notes = _missing_notes(present, known, event)
    if not event.any():
        return notes
    used, more = _levels_with_events(given, known, event)
    parts = [_part(name, values[used]) for name, values in given.items()]
    return notes + more + _dependence_notes(parts) + _events_notes(parts, int(event.sum()))


def _plain(values: np.ndarray) -> np.ndarray:
    """Numbers as float64, anything else as text, ``""`` where missing."""
    if values.dtype.kind in "fiub":
        return values.astype(np.float64)
    return np.array(["" if value is None or value != value else str(value) for value in values.tolist()])


def _missing_notes(present: Mapping[str, np.ndarray], known: np.ndarray, event: np.ndarray) -> list[str]:
    absent = {name: int((~there).sum()) for name, there in present.items() if not there.all()}
    if not absent:
        return []
    why = ", ".join(f"{name} is missing in {count}" for name, count in sorted(absent.items(), key=lambda i: -i[1])[:5])
    if not event.any():
        return [
            f"Cox models cannot be fitted: none of the {known.sum()} samples that have all of it has an event ({why})"
        ]
    return [f"Cox models use {known.sum()} of {len(known)} samples: {why}"]


def _levels_with_events(
    given: Mapping[str, np.ndarray], known: np.ndarray, event: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """Returns the samples whose levels all have an event, [N] bool, and notes on the others."""
    used, notes = known.copy(), []
    for name, values in given.items():
        if values.dtype.kind != "f":
            none = np.setdiff1d(values[known], values[event])
            counts = {str(level): int((values[known] == level).sum()) for level in none}
            used &= ~np.isin(values, none)
            if counts:
                without = f"no one at their level of {name} has an event: {shown(counts)}"
                notes.append(f"Cox models leave out {sum(counts.values())} samples: {without}")
    return used, notes


def _part(name: str, values: np.ndarray) -> _Part:
    if values.dtype.kind == "f":
        columns, levels = values[:, None], 0
    else:
        found = np.unique(values)
        columns, levels = (values[:, None] == found[None, 1:]).astype(np.float64), len(found)
    centred = columns - columns.mean(axis=0)
    scale = centred.std(axis=0)
    varies = scale > _DEPENDENT * np.abs(columns).max(axis=0, initial=1e-300)
    return _Part(name, centred[:, varies] / scale[varies], levels)


def _dependence_notes(parts: list[_Part]) -> list[str]:
    """Returns notes on covariates that the others determine, each with the one that does, if it is one alone."""
    notes, basis = [], None
    for position, part in enumerate(parts):
        if not part.columns.shape[1]:
            notes.append(f"{part.name} is the same in all samples that Cox models use, and counts for nothing")
            continue
        before = [other for other in parts[:position] if other.columns.shape[1]]
        rest = part.columns if basis is None else part.columns - basis @ (basis.T @ part.columns)
        left, values, _ = np.linalg.svd(rest, full_matrices=False)
        rank = int((values > _DEPENDENT * np.sqrt(len(rest))).sum())
        if rank < part.columns.shape[1] and before:
            single = next((other.name for other in before if _dependent(part.columns, other.columns)), None)
            others = single or f"{', '.join(other.name for other in before[:4])} together"
            notes.append(
                f"{part.name} depends linearly on {others}, so no Cox model has a fit: leave {_out(part.name, single)}"
            )
        elif near := next((other.name for other in before if _nearly(part, other)), None):
            notes.append(
                f"{part.name} is nearly the same as {near} (correlation above {_NEARLY}): leave {_out(part.name, near)}"
            )
        basis = left[:, :rank] if basis is None else np.hstack([basis, left[:, :rank]])
    return notes


def _out(name: str, other: str | None) -> str:
    column = name.removeprefix("covariate ")
    label = ", or give --no-label-covariate" if other == "the label" else ""
    return f"{column} out of the covariates (--covariates){label}"


def _dependent(columns: np.ndarray, others: np.ndarray) -> bool:
    """Returns true if the columns and the others together have a lower rank than their number."""
    left = np.linalg.svd(others, full_matrices=False)[0]
    rest = columns - left @ (left.T @ columns)
    return bool(np.linalg.svd(rest, compute_uv=False).min() <= _DEPENDENT * np.sqrt(len(rest)))


def _nearly(part: _Part, other: _Part) -> bool:
    if part.columns.shape[1] != 1 or other.columns.shape[1] != 1:
        return False
    return abs(float(np.mean(part.columns[:, 0] * other.columns[:, 0]))) > _NEARLY


def _events_notes(parts: list[_Part], events: int) -> list[str]:
    """Returns a note if the covariates alone have too many columns for the events."""
    parameters = sum(part.columns.shape[1] for part in parts)
    if not parameters or events >= EVENTS_PER_PARAMETER * parameters:
        return []
    most = max(parts, key=lambda part: part.columns.shape[1])
    reason = f"; {most.name} has {most.levels} levels" if most.levels > 2 else ""
    then = "no Cox model has a fit" if events <= parameters else "Cox models are not ranked"
    return [
        f"{events} events for {parameters} columns of covariates, and at least {EVENTS_PER_PARAMETER:g} are needed for each: "
        f"{then}{reason}"
    ]
