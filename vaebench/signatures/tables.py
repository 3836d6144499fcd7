"""Types that the modules of this package share: checked input tables, estimates, and the long table of intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
import pandas as pd

from vaebench.data.mutations.channels import checked_catalogue, checked_signatures, refuse_other_context, refuse_shares
from vaebench.data.mutations.tables import UNKNOWN_TYPE
from vaebench.errors import InputError

if TYPE_CHECKING:
    from vaebench.signatures.sampler.shared_factors import FactorErrors

Array = jax.Array | np.ndarray
"""An array on the device or on the host, where a function takes both."""

OnProgress = Callable[[str, int, int], None]
"""A progress callback ``(what, done, total)``: what is being done, the steps done, and the steps in all."""


def no_progress(what: str, done: int, total: int) -> None:
    """Show nothing: the progress callback of calls that were given none."""


class Tables(NamedTuple):
    """Checked input of a refit.

    Attributes:
        counts: [T, M] mutation counts.
        signatures: [S, M], channels in the order of ``counts``.
        groups: [T, G] cancer types as 0 and 1.
        some: [T] of bool, true for samples with at least one mutation.
    """

    counts: pd.DataFrame
    signatures: pd.DataFrame
    groups: np.ndarray
    some: np.ndarray


def checked_tables(
    catalogue: pd.DataFrame, signatures: pd.DataFrame, types: pd.Series | None, fractions: bool
) -> Tables:
    """Check the tables of a refit and bring their channels into one order.

    Args:
        catalogue: counts [T, M].
        signatures: [S, M], of the same context.
        types: cancer type by sample, or ``None`` for one group.
        fractions: allow counts that are not whole numbers.

    Raises:
        InputError: for a table that is not a catalogue or not a table of signatures, for a catalogue without any mutation,
            and for cancer types that do not cover the samples.
    """
    counts, known = checked_catalogue(catalogue, fractions=fractions), checked_signatures(signatures)
    refuse_other_context(counts, known)
    refuse_shares(counts)
    some = counts.to_numpy().sum(1) > 0
    if not some.any():
        raise InputError("the catalogue has no mutations in any sample; at least one sample must have some")
    return Tables(counts, known, groups_of(types, counts.index), some)


def groups_of(types: pd.Series | None, samples: pd.Index) -> np.ndarray:
    """Cancer types as [T, G] of 0 and 1, one column of ones without types.

    Raises:
        InputError: as :func:`types_of`.
    """
    if types is None:
        return np.ones((len(samples), 1))
    codes, names = pd.factorize(types_of(types, samples), sort=True)
    return np.eye(len(names))[codes]


def types_of(types: object, samples: pd.Index) -> pd.Series:
    """Cancer types [T] as text, in the order of the samples; "unknown" where one is missing.

    Args:
        types: a Series or a dict by sample, which may hold more samples, or a list in the order of the samples.
        samples: their names.

    Raises:
        InputError: for a sample without a type or with two.
    """
    if not isinstance(types, pd.Series):
        types = pd.Series(types) if isinstance(types, Mapping) else _in_order_of(samples, types)
    # checked tables have names of text, also where those that were given have numbers
    types = types.set_axis([str(name) for name in types.index])
    samples = pd.Index([str(name) for name in samples])
    missing = [name for name in samples if name not in types.index]
    if missing:
        raise InputError(f"types has no cancer type for sample {missing[0]!r}; every sample of the catalogue needs one")
    found = types.loc[samples]
    if len(found) != len(samples):
        raise InputError("types names a sample twice; every sample has one cancer type")
    return found.astype(object).where(found.notna(), UNKNOWN_TYPE).astype(str)


def _in_order_of(samples: pd.Index, types: object) -> pd.Series:
    """Cancer types without names, in the order of the samples."""
    values = np.asarray(types)
    if values.shape != (len(samples),):
        raise InputError(
            f"types has shape {values.shape}; it must be a Series or a dict by sample, or one cancer type for each of "
            f"{len(samples)} samples"
        )
    return pd.Series(values, samples)


class Estimates(NamedTuple):
    """Exposures and their intervals from one interval method, arrays [T, S] each.

    Attributes:
        exposures: in mutations.
        lower: lower ends.
        upper: upper ends.
        presence: P(present), NaN where the method has none.
        diagnostics: of the computation.
        sums: of signatures that the counts of a sample cannot tell apart: ``(sample, members, exposure, lower, upper)``;
            ``None`` for a method without draws.
        draws: [n, T, S], some draws of the exposures; ``None`` for a method without.
        factor_errors: what the counts leave open of channel factors; ``None`` for a method that takes them as known.
    """

    exposures: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    presence: np.ndarray
    diagnostics: dict[str, Any]
    sums: Sequence[tuple[int, tuple[int, ...], float, float, float]] | None = None
    draws: np.ndarray | None = None
    factor_errors: FactorErrors | None = None


def long_table(exposures: pd.DataFrame, estimates: Estimates, some: np.ndarray, level: float) -> pd.DataFrame:
    """The table ``intervals`` of a refit, one row for each sample and signature.

    A sample without mutations has exposures of 0. Its intervals end at -ln(1 - level): a Poisson count with a larger mean
    is above 0 with a probability of more than ``level``.

    Args:
        exposures: [T, S] of all samples.
        estimates: of the samples with mutations.
        some: [T] of bool, which samples these are.
        level: nominal coverage.
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


SMALL = 0.05
"""Share of a sample's mutations below which an exposure is small."""


SIZES = ("all", "zero", "non-zero", "small", "large")
"""Groups of exposures by size; small and large ones are above 0."""


def size_masks(truth: np.ndarray) -> dict[str, np.ndarray]:
    """Masks [T, S] of the true exposures ``truth`` [T, S] that belong to each of :data:`SIZES`."""
    some = truth > 0
    small = some & (truth < SMALL * truth.sum(1, keepdims=True))
    return {"all": np.ones(truth.shape, bool), "zero": ~some, "non-zero": some, "small": small, "large": some & ~small}
