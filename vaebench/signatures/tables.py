"""Checked tables that functions of this package take, and the long table of exposures that they return."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vaebench.data.mutations.channels import checked_catalogue, checked_signatures
from vaebench.errors import InputError


class Tables(NamedTuple):
    """Counts [T, 96], signatures [S, 96] in the same order of channels, cancer types [T, G], and who has mutations [T]."""

    counts: pd.DataFrame
    signatures: pd.DataFrame
    groups: np.ndarray
    some: np.ndarray


def checked_tables(
    catalogue: pd.DataFrame, signatures: pd.DataFrame, types: pd.Series | None, fractions: bool
) -> Tables:
    """The tables of a refit, aligned; refused where one is not what it should be, or no sample has mutations."""
    counts, known = checked_catalogue(catalogue, fractions=fractions), checked_signatures(signatures)
    some = counts.to_numpy().sum(1) > 0
    if not some.any():
        raise InputError("the catalogue has no mutations in any sample; at least one sample must have some")
    return Tables(counts, known, groups_of(types, counts.index), some)


def groups_of(types: pd.Series | None, samples: pd.Index) -> np.ndarray:
    """Cancer types as [T, G] of 0 and 1."""
    if types is None:
        return np.ones((len(samples), 1))
    missing = [name for name in samples if name not in types.index]
    if missing:
        raise InputError(f"types has no cancer type for sample {missing[0]!r}; every sample of the catalogue needs one")
    codes, names = pd.factorize(types.loc[samples].astype(str), sort=True)
    if len(codes) != len(samples):
        raise InputError("types names a sample twice; every sample has one cancer type")
    return np.eye(len(names))[codes]


def long_table(exposures: pd.DataFrame, estimates: Estimates, some: np.ndarray, level: float) -> pd.DataFrame:
    """The table ``intervals`` of :class:`Refit`.

    Of a sample without mutations all that is known is that a Poisson count was 0: its mean is below -ln(1 - level).
    """
    shape = exposures.shape
    lower, upper, presence = np.zeros(shape), np.full(shape, -np.log(1 - level)), np.full(shape, np.nan)
    lower[some], upper[some], presence[some] = estimates.lower, estimates.upper, estimates.presence
    return pd.DataFrame(
        {
            "sample": np.repeat(exposures.index.to_numpy(), shape[1]),
            "signature": np.tile(exposures.columns.to_numpy(), shape[0]),
            "exposure": exposures.to_numpy().ravel(),
            "lower": lower.ravel(),
            "upper": upper.ravel(),
            "presence": presence.ravel(),
        }
    )


class Estimates(NamedTuple):
    """Exposures, ends and P(present) (NaN where a method has none), [T, S] each, and what to know of the computation."""

    exposures: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    presence: np.ndarray
    diagnostics: dict[str, Any]


SMALL = 0.05
"""Share of a sample's mutations below which an exposure is small."""


SIZES = ("all", "zero", "non-zero", "small", "large")
"""Groups by size; small and large ones are above 0."""


def size_masks(truth: np.ndarray) -> dict[str, np.ndarray]:
    """The entries [T, S] of true exposures that belong to each of :data:`SIZES`."""
    some = truth > 0
    small = some & (truth < SMALL * truth.sum(1, keepdims=True))
    return {"all": np.ones(truth.shape, bool), "zero": ~some, "non-zero": some, "small": small, "large": some & ~small}
