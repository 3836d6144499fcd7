"""Samples and columns of a data set that Cox regression can use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from vaebench.errors import InputError
from vaebench.metrics.shared.factors import varying
from vaebench.types import Dataset

LABEL = "the label"
"""Name of the label among the columns of a cohort."""


class SurvivalCohort(NamedTuple):
    """Samples and covariates of a Cox model.

    Attributes:
        keep: [N] bool, samples of the data set that are used; n of them.
        time: [n] days.
        event: [n] bool, true for a death.
        covariates: [n, c] standardised columns.
        columns: name of each column's origin, [c]: "covariate 'age'" or "the label".
        levels: name, as in ``columns``, of each categorical covariate -> its values [n].
        missing: name of each covariate, the label, "time" and "event" -> samples of the data set without a value.
        left_out_missing: samples without time, event, covariate or label.
        left_out_no_event_labels: samples whose label, or level of a categorical covariate, has no event.
        labels_left_out: labels without an event.
    """

    keep: np.ndarray
    time: np.ndarray
    event: np.ndarray
    covariates: np.ndarray
    columns: tuple[str, ...]
    levels: Mapping[str, np.ndarray]
    missing: Mapping[str, int]
    left_out_missing: int
    left_out_no_event_labels: int
    labels_left_out: int


def survival_cohort(dataset: Dataset, label_covariate: bool) -> SurvivalCohort:
    """Return the samples and covariates that :func:`vaebench.metrics.cox.cox_scores` uses.

    Args:
        dataset: with survival.
        label_covariate: add the label's indicators to the covariates and leave out labels without an event, as levels of
            categorical covariates are.

    Raises:
        InputError: the data set has no survival.
    """
    if dataset.survival is None:
        raise InputError(f"Cox regression needs survival times, and data set {dataset.name!r} has none")
    time = np.asarray(dataset.survival.time, np.float64)
    event = np.asarray(dataset.survival.event, np.float64)
    labels = dataset.labels if label_covariate else None
    covariates = {f"covariate {name[:60]!r}": np.asarray(values) for name, values in dataset.covariates.items()}
    present = {"time": np.isfinite(time), "event": np.isfinite(event)}
    for name, values in covariates.items():
        present[name] = np.isfinite(values.astype(np.float64)) if _is_number(values) else values != ""
    keep = known = np.logical_and.reduce(list(present.values()))
    no_event = np.array([], int)
    if labels is not None:
        present[LABEL] = labels >= 0
        known = known & present[LABEL]
        no_event = np.setdiff1d(labels[known], labels[known & (event > 0)])
        keep = known & ~np.isin(labels, no_event)
    for (
        values
    ) in covariates.values():  # as for labels, the coefficient of a level without an event has no finite estimate
        if not _is_number(values):
            keep = keep & ~np.isin(values, np.setdiff1d(values[known], values[known & (event > 0)]))
    parts = {
        name: v[keep, None].astype(np.float64) if _is_number(v) else _indicators(v[keep])
        for name, v in covariates.items()
    }
    if labels is not None:
        parts[LABEL] = _indicators(labels[keep])
    design, scale = standardised(np.hstack([np.empty((int(keep.sum()), 0)), *parts.values()]))
    names = [name for name, columns in parts.items() for _ in range(columns.shape[1])]
    return SurvivalCohort(
        keep=keep,
        time=time[keep],
        event=event[keep] > 0,
        covariates=design[:, scale > 0],
        columns=tuple(name for name, varies in zip(names, scale > 0, strict=True) if varies),
        levels={name: v[keep] for name, v in covariates.items() if not _is_number(v)},
        missing={name: int((~there).sum()) for name, there in present.items()},
        left_out_missing=int((~known).sum()),
        left_out_no_event_labels=int((known & ~keep).sum()),
        labels_left_out=len(no_event),
    )


def _is_number(values: np.ndarray) -> bool:
    return values.dtype.kind in "fiub"


def _indicators(values: np.ndarray) -> np.ndarray:
    """Return one 0/1 column for each level present but the first (all of them would add up to a constant)."""
    return (values[:, None] == np.unique(values)[None, 1:]).astype(np.float64)


def usable_latents(
    z: np.ndarray, cohort: SurvivalCohort, redundant: Sequence[int] = ()
) -> tuple[str, np.ndarray, float]:
    """Return a status for z [N, L] ("" if it is usable), the cohort's standardised latents, and the number of constant ones.

    Columns at the positions ``redundant`` are left out.
    """
    bad = int((~(np.abs(z) <= np.finfo(np.float32).max).all(axis=1)).sum())
    if bad:
        return f"NAN_EMBEDDING: {bad} of {len(z)} samples are not finite", z[:0], math.nan
    latents, scale = standardised(np.delete(np.asarray(z, np.float64)[cohort.keep], list(redundant), axis=1))
    constant = int((scale == 0).sum())
    collapsed = len(latents) and constant == latents.shape[1]
    return f"COLLAPSED: all {z.shape[1]} latents are constant" if collapsed else "", latents, constant


def standardised(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return columns [n, d] of mean 0 and standard deviation 1, and the standard deviations [d]; both 0 where constant.

    A column that :func:`vaebench.metrics.shared.factors.varying` calls constant stays in the matrix as zeros, so that the
    solver sees one shape, and compiles once, however many latents collapsed.
    """
    if not len(columns):
        return columns, np.zeros(columns.shape[1])
    scale, varies = columns.std(axis=0), varying(columns)
    centred = np.where(varies, columns - columns.mean(axis=0), 0.0)
    return centred / np.where(varies, scale, 1.0), np.where(varies, scale, 0.0)
