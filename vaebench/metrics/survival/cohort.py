"""Samples and columns of a data set that Cox regression can use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vaebench.errors import InputError
from vaebench.types import Dataset


class SurvivalCohort(NamedTuple):
    """Samples and covariates of a Cox model.

    Attributes:
        keep: [N] bool, samples of the data set that are used; n of them.
        time: [n] days.
        event: [n] bool, true for a death.
        covariates: [n, c] standardised columns.
        left_out_missing: samples without time, event, covariate or label.
        left_out_no_event_labels: samples whose label, or level of a categorical covariate, has no event.
        labels_left_out: labels without an event.
    """

    keep: np.ndarray
    time: np.ndarray
    event: np.ndarray
    covariates: np.ndarray
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
    covariates = [np.asarray(values) for values in dataset.covariates.values()]
    known = np.isfinite(time) & np.isfinite(event)
    for values in covariates:
        known &= np.isfinite(values.astype(np.float64)) if _is_number(values) else values != ""
    keep = known
    no_event = np.array([], int)
    if labels is not None:
        known = known & (labels >= 0)
        no_event = np.setdiff1d(labels[known], labels[known & (event > 0)])
        keep = known & ~np.isin(labels, no_event)
    for values in covariates:  # as for labels, the coefficient of a level without an event has no finite estimate
        if not _is_number(values):
            keep = keep & ~np.isin(values, np.setdiff1d(values[known], values[known & (event > 0)]))
    columns = [v[keep, None].astype(np.float64) if _is_number(v) else _indicators(v[keep]) for v in covariates]
    if labels is not None:
        columns.append(_indicators(labels[keep]))
    design, scale = standardised(np.hstack([np.empty((int(keep.sum()), 0)), *columns]))
    return SurvivalCohort(
        keep=keep,
        time=time[keep],
        event=event[keep] > 0,
        covariates=design[:, scale > 0],
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
    bad = int((~np.isfinite(z).all(axis=1)).sum())
    if bad:
        return f"NAN_EMBEDDING: {bad} of {len(z)} samples are not finite", z[:0], math.nan
    latents, scale = standardised(np.delete(np.asarray(z, np.float64)[cohort.keep], list(redundant), axis=1))
    constant = int((scale == 0).sum())
    collapsed = len(latents) and constant == latents.shape[1]
    return f"COLLAPSED: all {z.shape[1]} latents are constant" if collapsed else "", latents, constant


def standardised(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return columns [n, d] of mean 0 and standard deviation 1, and the standard deviations [d]; both 0 where constant.

    A column that varies by less than 1e-6 of its size is constant: the rest is float32 rounding. It stays in the matrix as
    zeros, so that the solver sees one shape, and compiles once, however many latents collapsed.
    """
    if not len(columns):
        return columns, np.zeros(columns.shape[1])
    scale = columns.std(axis=0)
    varies = scale > 1e-6 * np.abs(columns).max(axis=0)
    centred = np.where(varies, columns - columns.mean(axis=0), 0.0)
    return centred / np.where(varies, scale, 1.0), np.where(varies, scale, 0.0)
