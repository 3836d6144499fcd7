"""Checks of catalogues, signatures and exposures in memory, for every context of :data:`CONTEXTS`.

Rows and columns are identified by their labels, never by position.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from vaebench.data.files.text import LARGEST, as_number
from vaebench.data.mutations.channel_labels import channel, recognised
from vaebench.data.mutations.channel_names import CHANNELS, CONTEXTS, SUBSTITUTIONS
from vaebench.data.mutations.contexts import like_exposures
from vaebench.errors import InputError
from vaebench.types.frames import is_anndata_object

__all__ = [
    "CHANNELS",
    "SUBSTITUTIONS",
    "channel",
    "checked_catalogue",
    "checked_exposures",
    "checked_signatures",
    "context_of",
    "refuse_other_context",
    "refuse_unlike_signatures",
]


def context_of(frame: pd.DataFrame) -> str:
    """Returns the context whose channels are the columns of a checked catalogue or table of signatures.

    Example:
        >>> import pandas as pd
        >>> context_of(pd.DataFrame(columns=list(CHANNELS)))
        'SBS96'
    """
    columns = tuple(frame.columns)
    return next(name for name, channels in CONTEXTS.items() if channels == columns)


def refuse_other_context(catalogue: pd.DataFrame, signatures: pd.DataFrame, source: str = "the signatures") -> None:
    """Raises ``InputError`` unless two checked tables have the channels of one context."""
    counted, known = context_of(catalogue), context_of(signatures)
    if counted != known:
        raise InputError(
            f"the catalogue is of {counted} and {source} of {known}; give signatures of {counted}, or count {known} "
            f"(vaebench count --contexts {known})"
        )


def refuse_unlike_signatures(left: pd.DataFrame, right: pd.DataFrame) -> None:
    """Raises ``InputError`` unless two checked tables of signatures have the channels of one context."""
    one, other = context_of(left), context_of(right)
    if one != other:
        raise InputError(f"the signatures hold {one} and the reference holds {other}; both must be of one context")


def checked_catalogue(
    catalogue: pd.DataFrame, *, fractions: bool = False, source: str = "the catalogue"
) -> pd.DataFrame:
    """Checks a catalogue of mutation counts and brings it into the standard form.

    Args:
        catalogue: counts [T, M] or [M, T], labelled by sample and channel, of any context of :data:`CONTEXTS`; a DataFrame, or
            an AnnData object with them in ``X``.
        fractions: allow counts that are not whole numbers.
        source: name of the table in messages.

    Returns:
        Counts [T, M] in float64, with the channels of their context in order.

    Raises:
        InputError: a channel is unknown, missing or repeated, a sample is repeated, or a value is not a count.
    """
    found = _aligned(catalogue, "sample", source)
    bad = np.argwhere(found.to_numpy() % 1 != 0)
    if len(bad) and not fractions:
        place = _place(found, bad[0], "sample", source)
        raise InputError(f"{place}; counts must be whole numbers unless fractions=True (--fractions) is given")
    return found


def refuse_shares(catalogue: pd.DataFrame) -> None:
    """Raises ``InputError`` for a catalogue [T, M] of shares: fractions that sum to 1 in all samples, or to 100."""
    values = catalogue.to_numpy()
    sums = values.sum(1)[values.any(1)]
    for whole, what in ((1, "shares"), (100, "per cent")):
        if len(sums) and (values % 1).any() and np.all(np.abs(sums - whole) <= 0.02 * whole):
            raise InputError(
                f"the catalogue holds {what}, which sum to {whole} in all samples; how sure exposures are follows from the "
                "numbers of mutations: give counts, or multiply each sample by its mutations (--fractions then allows fractions)"
            )


def checked_signatures(
    signatures: pd.DataFrame, *, normalised: bool = True, source: str = "the signature table"
) -> pd.DataFrame:
    """Checks mutational signatures and brings them into the standard form.

    Args:
        signatures: probabilities [S, M] or [M, S], labelled by signature and channel, of any context; a DataFrame, or an
            AnnData object with them in ``X``.
        normalised: divide each signature by its sum. The sum must be within 2% of 1: published tables are rounded, and
            sums from 0.9986 to 1.0005 occur. ``False`` keeps the values.
        source: name of the table in messages.

    Returns:
        Signatures [S, M] in float64, with the channels of their context in order.

    Raises:
        InputError: as :func:`checked_catalogue`, or a signature does not sum to 1.
    """
    found = _aligned(signatures, "signature", source)
    sums = found.sum(axis=1)
    for name, total in sums.items():
        if abs(total - 1) > 0.02:
            why = "is this a table of counts?" if total > 2 else "are its digits cut, or channels missing?"
            why = "are these per cent? divide by 100" if abs(total - 100) <= 2 else why
            raise InputError(f"signature {str(name)!r} of {source} sums to {total:.6g}; it must sum to 1 ({why})")
    return found.div(sums, axis=0) if normalised else found


def checked_exposures(exposures: pd.DataFrame, *, source: str = "the exposure table") -> pd.DataFrame:
    """Checks exposures, labelled by sample and signature, and returns them as float64 [T, S].

    Raises:
        InputError: a sample or signature is repeated, or a value is negative, infinite or not a number.
    """
    if not isinstance(exposures, pd.DataFrame):
        raise InputError(
            f"{source} is a {type(exposures).__name__}; it must be a DataFrame with labels of the samples and signatures"
        )
    exposures = exposures.set_axis(joined_levels(exposures.index)).set_axis(joined_levels(exposures.columns), axis=1)
    _refuse_doubled(exposures.index, "sample", source)
    _refuse_doubled(exposures.columns, "signature", source)
    return _numbers(exposures, "sample", source)


def _aligned(frame: pd.DataFrame, kind: str, source: str) -> pd.DataFrame:
    """Returns ``frame`` as float64 [., M]: samples or signatures in rows, and the channels in order in columns."""
    frame = _frame_of(frame, source)
    read = recognised(frame.columns)
    if not read.context:
        turned = recognised(frame.index)
        if turned.context:
            frame, read = frame.T, turned
        elif like := like_exposures(frame.columns, frame.index):
            raise InputError(f"{source} {like}; give a table with the channels of mutations")
    context, found = read.context or "SBS96", read.channels
    channels = CONTEXTS[context]
    for label, name in zip(frame.columns, found, strict=True):
        if name is None:
            raise InputError(
                f"{source} has the unknown channel {str(label)!r}; the {len(channels)} channels of {context} are written "
                f"{channels[0]}, ..., {channels[-1]}; leave out what is no channel"
            )
    _refuse_doubled(pd.Index(found), "channel", source)
    there = set(found)
    for name in channels:
        if name not in there:
            raise InputError(
                f"{source} lacks the channel {name!r}; all {len(channels)} channels of {context} must be there"
            )
    if not len(frame):
        raise InputError(f"{source} has no {kind}; at least one is needed")
    aligned = frame.set_axis(pd.Index(found), axis="columns")[list(channels)]
    if np.asarray(frame.index.isna()).any():
        raise InputError(f"{source} has a {kind} without a name; every {kind} must have one")
    aligned = aligned.set_axis(pd.Index([str(name) for name in frame.index]), axis="index")
    hint = "; names='types' (--names types) reads cancer types as names" if kind == "sample" else ""
    _refuse_doubled(aligned.index, kind, source, hint)
    return _numbers(aligned, kind, source)


def _frame_of(given: Any, source: str) -> pd.DataFrame:
    """The table that was given: a DataFrame, or the samples, channels and ``X`` of an AnnData object."""
    if is_anndata_object(given):
        return given.to_df()
    if not isinstance(given, pd.DataFrame):
        raise InputError(
            f"{source} is a {type(given).__name__}; it must be a DataFrame with labels that name the channels"
        )
    return given.set_axis(joined_levels(given.index)).set_axis(joined_levels(given.columns), axis="columns")


def joined_levels(labels: pd.Index) -> pd.Index:
    """The labels of several levels as one: channels of their parts, such as (C>A, ACA), and other names as ``type::sample``."""
    if not isinstance(labels, pd.MultiIndex):
        return labels
    levels = [labels.get_level_values(i) for i in range(labels.nlevels)]
    for channels in ([",".join(map(str, parts)) for parts in labels], *levels):
        if recognised(channels).context:
            return pd.Index(channels)
    if any(np.asarray(level.isna()).any() for level in levels):
        return pd.Index([None if pd.isna(parts).any() else "::".join(map(str, parts)) for parts in map(list, labels)])
    return pd.Index(["::".join(map(str, parts)) for parts in labels])


def _refuse_doubled(names: pd.Index, kind: str, source: str, hint: str = "") -> None:
    """Raises ``InputError`` for an empty or repeated name."""
    if "" in names:
        raise InputError(f"{source} has a {kind} without a name; every {kind} must have one")
    doubled = names[names.duplicated()]
    if len(doubled):
        raise InputError(f"{source} has the {kind} {str(doubled[0])!r} more than once; {kind}s must be unique{hint}")


def _numbers(frame: pd.DataFrame, kind: str, source: str) -> pd.DataFrame:
    """Returns ``frame`` as float64; raises ``InputError`` for a value that is negative, infinite or not a number."""
    given = frame.to_numpy()
    if given.dtype.kind not in "fiub":  # texts, one by one: NumPy would read 1_000 as 1000, and drop imaginary parts
        parsed = [[as_number(None if value is None else str(value)) for value in row] for row in given.tolist()]
        no_number = np.array([[number is None for number in row] for row in parsed])
        if no_number.any():
            first = np.argwhere(no_number)[0]
            remedy = _remedy(str(given[tuple(first)]))
            if not remedy and no_number[first[0]].all():
                remedy = f"; leave out what is no {kind}, such as a column of descriptions"
            raise InputError(f"{_place(frame, first, kind, source)}; values must be numbers, 0 or more{remedy}")
        given = np.array(parsed)
    values = given.astype(np.float64)
    bad = np.argwhere(~(np.isfinite(values) & (values >= 0)))
    if len(bad):
        missing = "; write 0 where there is none" if np.isnan(values[tuple(bad[0])]) else ""
        raise InputError(f"{_place(frame, bad[0], kind, source)}; values must be finite numbers, 0 or more{missing}")
    if len(large := np.argwhere(values > LARGEST)):
        raise InputError(f"{_place(frame, large[0], kind, source)}; values must be at most 3.4e38")
    return pd.DataFrame(values, index=frame.index, columns=frame.columns)


def _remedy(text: str) -> str:
    """Return how a number with marks of thousands, per cent or a decimal comma is to be written; "" for other texts."""
    if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d*)?", text):
        return f", without marks of thousands: {text.replace(',', '')}"
    if re.fullmatch(r"[\d.,]+ ?%", text):
        return ", not per cent"
    if re.fullmatch(r"\d+,\d+", text):
        return f", with a decimal point: {text.replace(',', '.')}"
    return ""


def _place(frame: pd.DataFrame, cell: np.ndarray, kind: str, source: str) -> str:
    """The start of a message about one cell: its row, value and column."""
    row, column = (int(i) for i in cell)
    value = frame.iloc[row, column]
    value = value.item() if isinstance(value, np.generic) else value
    shown = repr(value).removesuffix(".0") if isinstance(value, float) else repr(value)
    return f"{kind} {str(frame.index[row])!r} of {source} has {shown} in {str(frame.columns[column])!r}"
