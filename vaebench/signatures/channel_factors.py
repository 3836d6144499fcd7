"""Channel factors by which a refit multiplied its signatures, and what is known of their errors, as a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from vaebench.errors import InputError, user_path
from vaebench.signatures.sampler.shared_factors import FactorErrors

FACTORS = "channel_factors.csv"
"""File of a refit's folder with the factors of its cohort."""
_SMALL = 1e-3  # standard deviation of ln f below which a direction of errors is left out of the table


def factors_table(factors: pd.Series, errors: FactorErrors | None) -> pd.DataFrame:
    """Table by channel: ``factor``, and where its error is known ``shift``, ``error_1``, ``error_2``, ...

    The logarithms of the factors are to be raised by shift + sum_k n_k error_k with standard normal n, alike for all samples.

    Args:
        factors: [M], by channel.
        errors: of their logarithms; ``None`` if factors are taken as known.
    """
    table = pd.DataFrame({"factor": factors})
    if errors is None:
        return table
    large = errors.root[:, np.linalg.norm(errors.root, axis=0) > _SMALL]
    names = [f"error_{k + 1}" for k in range(large.shape[1])]
    return table.assign(shift=errors.mean).join(pd.DataFrame(large, table.index, names))


def given_factors(given: pd.Series | pd.DataFrame, channels: pd.Index) -> tuple[pd.Series, FactorErrors | None]:
    """Factors [M] of ``channels``, and their errors where ``given`` is a table that has them.

    Raises:
        InputError: for factors that are not positive numbers of these channels, or errors that are no numbers.
    """
    if given.index.has_duplicates:
        raise InputError(f"the channel factors have channel {str(given.index[given.index.duplicated()][0])!r} twice")
    table = given.to_frame("factor") if isinstance(given, pd.Series) else given
    if "factor" not in table:
        raise InputError("the channel factors have no column 'factor'")
    table = table.reindex(channels).apply(pd.to_numeric, errors="coerce").astype(np.float64)
    factors = table["factor"].rename("factor")
    wrong = factors.index[~((factors > 0) & np.isfinite(factors))]
    if len(wrong):
        raise InputError(
            f"the channel factors have no positive number for channel {str(wrong[0])!r}; they must be of the channels of the "
            "counts, as channel_factors.csv of a refit is"
        )
    if "shift" not in table:
        return factors, None
    errors = table[["shift", *(name for name in table if str(name).startswith("error_"))]]
    values = errors.to_numpy(np.float64)
    lacking = np.flatnonzero(~np.isfinite(values).all(1))
    if len(lacking):
        raise InputError(
            f"the channel factors have errors that are no numbers for channel {str(channels[lacking[0]])!r}"
        )
    return factors, FactorErrors(values[:, 0], values[:, 1:])


def read_channel_factors(path: str | Path) -> pd.DataFrame:
    """Read the table of :func:`factors_table` from ``channel_factors.csv``, or from the folder of the refit that wrote it.

    Raises:
        InputError: there is no such file, or it has no columns ``channel`` and ``factor``.

    Example::

        factors = vb.signatures.read_channel_factors("results/cohort")
        fit = vb.signatures.refit(one_patient, cosmic, intervals="spike_slab", adapt=factors)
    """
    place = user_path(path)
    if place.is_dir():
        if not (place / FACTORS).is_file():
            raise InputError(
                f"{place} has no {FACTORS}: the signatures of its refit were not adapted, or it is no refit"
            )
        place = place / FACTORS
    try:
        table = pd.read_csv(place)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)[:60]
        raise InputError(f"{place} cannot be read as channel factors ({reason})") from None
    missing = [name for name in ("channel", "factor") if name not in table.columns]
    if missing:
        raise InputError(f"{place} has no column {missing[0]!r}; channel factors have the columns channel and factor")
    return table.set_index(table["channel"].astype(str)).drop(columns="channel")


def with_factors(signatures: pd.DataFrame, factors: pd.Series) -> pd.DataFrame:
    """Signatures [S, M] times ``factors`` [M] by channel, rows summing to 1."""
    changed = times_factors(signatures.to_numpy(), factors.reindex(signatures.columns).to_numpy())
    return pd.DataFrame(changed, signatures.index, signatures.columns)


def times_factors(signatures: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """``signatures`` [S, M] times ``factors`` [M], rows summing to 1."""
    changed = signatures * factors
    return changed / changed.sum(1, keepdims=True)
