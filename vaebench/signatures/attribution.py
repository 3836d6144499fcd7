"""Probability that a mutation is due to each signature, given its channel and its sample.

P(signature k | channel c, sample t) = e_tk S_kc / sum_j e_tj S_jc. Where the exposures were drawn, and perhaps the
signatures, this is averaged over the draws, and intervals are quantiles over them: a signature that is likely absent keeps
its small share, and one that may be absent does not get all.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from vaebench.data.mutations.channels import checked_catalogue, checked_exposures, checked_signatures
from vaebench.errors import InputError, check_level

_ROOM = 2**24  # values of draws that are held at once: 128 MB
DRAWS = 200
"""Draws of the exposures that intervals are read off: a 2.5% quantile lies between the 5th and the 6th."""


def per_mutation(
    catalogue: pd.DataFrame,
    exposures: pd.DataFrame,
    signatures: pd.DataFrame,
    *,
    draws: np.ndarray | None = None,
    spectra: np.ndarray | None = None,
    level: float = 0.95,
    fractions: bool = False,
) -> pd.DataFrame:
    """Probability of each signature for the mutations of each sample and channel that has some.

    Args:
        catalogue: counts [T, M].
        exposures: [T, S] of these samples. With ``draws`` they are used only where no draw has the channel.
        signatures: [S, M].
        draws: [n, T, S], of the exposures: the probabilities are means over them, and have intervals.
        spectra: [n, S, M], draws of the signatures that belong to ``draws``; ``None`` where they are known.
        level: nominal coverage of the intervals.
        fractions: allow counts that are not whole numbers.

    Returns:
        One row for each sample and channel with mutations: ``sample, channel, mutations``, and a column for each signature; with
        draws, also ``NAME_lower`` and ``NAME_upper``. Empty (NaN) where no signature of the sample has the channel.

    Raises:
        InputError: for tables that do not fit together, and for exposures of 0 in all samples.

    Example:
        >>> import vaebench as vb
        >>> catalogue, truth = vb.data.simulate_catalogue(seed=0, tumours=30, signatures=2, types=1)
        >>> table = vb.signatures.per_mutation(catalogue, truth.exposures, truth.signatures)
        >>> bool((abs(table[["S1", "S2"]].sum(axis=1) - 1) < 1e-9).all())
        True
    """
    check_level(level)
    counts = checked_catalogue(catalogue, fractions=fractions)
    known = checked_signatures(signatures)
    amounts = checked_exposures(exposures)
    amounts = amounts.set_axis(amounts.columns.astype(str), axis="columns").set_axis(amounts.index.astype(str))
    for kind, wanted, given in (("sample", counts.index, amounts.index), ("signature", known.index, amounts.columns)):
        lacking = [name for name in wanted if name not in given]
        if lacking:
            raise InputError(f"the exposures lack the {kind} {lacking[0]!r}; every {kind} needs one")
    amounts = amounts.loc[counts.index, known.index]
    if counts.to_numpy().any() and not amounts.to_numpy().any():
        raise InputError("the exposures are 0 in all samples; at least one of the samples must have some")
    if spectra is not None and draws is None:
        raise InputError("spectra are draws of the signatures that belong to draws; give draws of the exposures too")
    if draws is not None:
        draws = _checked_draws("draws", draws, (None, len(counts), len(known)))
        spectra = None if spectra is None else _checked_draws("spectra", spectra, (len(draws), *known.shape))
    return probability_table(counts, amounts, known, draws=draws, spectra=spectra, level=level)


def _checked_draws(name: str, given: object, shape: tuple[int | None, int, int]) -> np.ndarray:
    """Draws of a ``shape``, whose first number may be any; ``InputError`` for another, and for values that are no amounts."""
    values = np.asarray(given)
    if values.ndim != 3 or not len(values) or values.shape[1:] != shape[1:] or shape[0] not in (None, len(values)):
        wanted = ", ".join(map(str, ("draws" if shape[0] is None else shape[0], *shape[1:])))
        raise InputError(f"{name} has shape {values.shape}; it must be [{wanted}]")
    if values.dtype.kind not in "fiu" or not (np.isfinite(values) & (values >= 0)).all():
        raise InputError(f"{name} holds a value that is negative, infinite or no number; all must be 0 or more")
    return values


def probability_table(
    counts: pd.DataFrame,
    amounts: pd.DataFrame,
    known: pd.DataFrame,
    *,
    draws: np.ndarray | None,
    spectra: np.ndarray | None = None,
    level: float,
) -> pd.DataFrame:
    """The table of :func:`per_mutation`, of checked tables in one order."""
    e, s, x = amounts.to_numpy(), known.to_numpy(), counts.to_numpy()
    rows, columns = np.nonzero(x)
    table = {"sample": counts.index.to_numpy()[rows], "channel": counts.columns.to_numpy()[columns]}
    table["mutations"] = x[rows, columns]
    values = _at(e, s, rows, columns)
    names = list(known.index)
    if draws is None:
        return pd.DataFrame(table | {name: values[:, k] for k, name in enumerate(names)})
    mean, lower, upper = _over_draws(draws, s if spectra is None else spectra, rows, columns, level)
    values = np.where(np.isnan(mean), values, mean)
    lower, upper = np.fmin(lower, values), np.fmax(upper, values)
    for k, name in enumerate(names):
        table |= {name: values[:, k], f"{name}_lower": lower[:, k], f"{name}_upper": upper[:, k]}
    return pd.DataFrame(table)


def _at(e: np.ndarray, s: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Probabilities [n, S] at samples ``rows`` [n] and channels ``columns`` [n]."""
    joint = e[rows] * s.T[columns]
    total = joint.sum(1, keepdims=True)
    return np.divide(joint, total, out=np.full(joint.shape, np.nan), where=total > 0)


def _over_draws(
    draws: np.ndarray, spectra: np.ndarray, rows: np.ndarray, columns: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means and quantiles [n, S] of the probabilities over the draws in which the channel is possible; a few rows at a time."""
    count = draws.shape[2]
    tails = (0.5 * (1 - level), 0.5 * (1 + level))
    mean, lower, upper = (np.full((len(rows), count), np.nan) for _ in range(3))
    width = max(1, _ROOM // (len(draws) * count))
    for some in (slice(i, i + width) for i in range(0, len(rows), width)):
        t, c = rows[some], columns[some]
        weight = spectra[:, :, c].transpose(0, 2, 1) if spectra.ndim == 3 else spectra.T[c][None]
        joint = draws[:, t].astype(np.float64) * weight
        total = joint.sum(2, keepdims=True)
        p = np.divide(joint, total, out=np.full(joint.shape, np.nan), where=total > 0)
        never = np.isnan(p).all(axis=(0, 2))
        if (~never).any():
            ends = np.nanquantile(p[:, ~never], tails, axis=0)
            place = np.flatnonzero(~never) + some.start
            mean[place], lower[place], upper[place] = np.nanmean(p[:, ~never], axis=0), *ends
    return mean, lower, upper
