"""Which samples and columns of a data set Cox regression can use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vaebench.errors import InputError
from vaebench.types import Dataset


class Cohort(NamedTuple):
    """The samples that Cox regression can use: ``keep`` [N], and time, event and covariates of those kept."""

    keep: np.ndarray
    time: np.ndarray
    event: np.ndarray
    covariates: np.ndarray
    left_out_missing: int
    left_out_no_event_labels: int
    labels_left_out: int


def survival_cohort(dataset: Dataset, label_covariate: bool) -> Cohort:
    """The samples and columns that :func:`vaebench.metrics.cox.cox_scores` uses; ``InputError`` without survival."""
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
    columns = [v[keep, None].astype(np.float64) if _is_number(v) else _indicators(v[keep]) for v in covariates]
    if labels is not None:
        columns.append(_indicators(labels[keep]))
    design, scale = standardised(np.hstack([np.empty((int(keep.sum()), 0)), *columns]))
    return Cohort(
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
    """One column per level present, without the first level (all of them would add up to a constant)."""
    return (values[:, None] == np.unique(values)[None, 1:]).astype(np.float64)


def usable_latents(z: np.ndarray, cohort: Cohort, redundant: Sequence[int] = ()) -> tuple[str, np.ndarray, float]:
    """What is wrong with z [N, L] ("" if nothing), the standardised latents of the cohort, and how many are constant.

    The columns at positions ``redundant`` are left out.
    """
    bad = int((~np.isfinite(z).all(axis=1)).sum())
    if bad:
        return f"NAN_EMBEDDING: {bad} of {len(z)} samples are not finite", z[:0], math.nan
    latents, scale = standardised(np.delete(np.asarray(z, np.float64)[cohort.keep], list(redundant), axis=1))
    constant = int((scale == 0).sum())
    collapsed = len(latents) and constant == latents.shape[1]
    return f"COLLAPSED: all {z.shape[1]} latents are constant" if collapsed else "", latents, constant


def standardised(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns [n, d] with mean 0 and standard deviation 1, or all 0 where constant; and the deviations [d], 0 likewise.

    A column that varies by less than 1e-6 of its size is constant: what is left is float32 rounding. It stays in the
    matrix as zeros, so that the solver sees the same shape, and compiles once, however many latents collapsed.
    """
    if not len(columns):
        return columns, np.zeros(columns.shape[1])
    scale = columns.std(axis=0)
    varies = scale > 1e-6 * np.abs(columns).max(axis=0)
    centred = np.where(varies, columns - columns.mean(axis=0), 0.0)
    return centred / np.where(varies, scale, 1.0), np.where(varies, scale, 0.0)
