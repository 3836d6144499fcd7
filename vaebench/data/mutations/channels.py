"""The 96 channels of single-base substitutions (SBS96), and checks of catalogues, signatures and exposures in memory.

Rows and columns are identified by their labels, never by position.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from vaebench.data.files.text import LARGEST, as_number
from vaebench.errors import InputError

SUBSTITUTIONS = ("C>A", "C>G", "C>T", "T>A", "T>C", "T>G")
"""The 6 substitutions, written for the pyrimidine of the base pair."""

CHANNELS = tuple(f"{left}[{change}]{right}" for change in SUBSTITUTIONS for left in "ACGT" for right in "ACGT")
"""The 96 channels in the order of all arrays: by substitution, then by context ACA, ACC, ACG, ACT, CCA, ..."""

ENOUGH = len(CHANNELS) // 2
"""Number of known channel labels from which an axis counts as the axis of channels; errors then name the other labels."""
_KNOWN = frozenset(CHANNELS)
_JOINED = re.compile(r"([ACGT]>[ACGT])(?:[ ,:;_.|]| IN )([ACGT]{3})")
_WHOLE = re.compile(r"([ACGT])([ACGT])([ACGT])>\1([ACGT])\3")
_DOTTED = re.compile(r"([ACGT])>?([ACGT])[ :_]([ACGT])[.X_]([ACGT])")
_SHORT = re.compile(r"[ACGT]{4}")


def channel(label: object) -> str | None:
    """Returns the name of a channel in the form ``A[C>A]A``, or ``None`` for anything that is not a channel.

    Also reads ``ACAA`` (ICAMS: context, then the new base), ``ACA>AAA`` (sigfit), ``CA A.A`` (SomaticSignatures) and
    ``C>A:ACA``.

    Example:
        >>> channel("ACAT")
        'A[C>T]A'
    """
    text = str(label).strip().upper()
    if joined := _JOINED.fullmatch(text):
        change, context = joined.groups()
        text = f"{context[0]}[{change}]{context[2]}" if context[1] == change[0] else text
    elif _SHORT.fullmatch(text):
        text = f"{text[0]}[{text[1]}>{text[3]}]{text[2]}"
    elif whole := _WHOLE.fullmatch(text):
        text = f"{whole[1]}[{whole[2]}>{whole[4]}]{whole[3]}"
    elif dotted := _DOTTED.fullmatch(text):
        text = f"{dotted[3]}[{dotted[1]}>{dotted[2]}]{dotted[4]}"
    return text if text in _KNOWN else None


def checked_catalogue(
    catalogue: pd.DataFrame, *, fractions: bool = False, source: str = "the catalogue"
) -> pd.DataFrame:
    """Checks a catalogue of mutation counts and brings it into the standard form.

    Args:
        catalogue: counts [T, 96] or [96, T], labelled by sample and channel.
        fractions: allow counts that are not whole numbers.
        source: name of the table in messages.

    Returns:
        Counts [T, 96] in float64, with the channels in the order of :data:`CHANNELS`.

    Raises:
        InputError: a channel is unknown, missing or repeated, a sample is repeated, or a value is not a count.
    """
    found = _aligned(catalogue, "sample", source)
    bad = np.argwhere(found.to_numpy() % 1 != 0)
    if len(bad) and not fractions:
        place = _place(found, bad[0], "sample", source)
        raise InputError(f"{place}; counts must be whole numbers unless fractions=True (--fractions) is given")
    return found


def checked_signatures(
    signatures: pd.DataFrame, *, normalised: bool = True, source: str = "the signature table"
) -> pd.DataFrame:
    """Checks mutational signatures and brings them into the standard form.

    Args:
        signatures: probabilities [S, 96] or [96, S], labelled by signature and channel.
        normalised: divide each signature by its sum. The sum must be within 2% of 1: published tables are rounded, and
            sums from 0.9986 to 1.0005 occur. ``False`` keeps the values.
        source: name of the table in messages.

    Returns:
        Signatures [S, 96] in float64, with the channels in the order of :data:`CHANNELS`.

    Raises:
        InputError: as :func:`checked_catalogue`, or a signature does not sum to 1.
    """
    found = _aligned(signatures, "signature", source)
    sums = found.sum(axis=1)
    for name, total in sums.items():
        if abs(total - 1) > 0.02:
            raise InputError(
                f"signature {str(name)!r} of {source} sums to {total:.6g}; it must sum to 1 (is this a table of counts?)"
            )
    return found.div(sums, axis=0) if normalised else found


def checked_exposures(exposures: pd.DataFrame, *, source: str = "the exposure table") -> pd.DataFrame:
    """Checks exposures, labelled by sample and signature, and returns them as float64 [T, S].

    Raises:
        InputError: a sample or signature is repeated, or a value is negative, infinite or not a number.
    """
    _refuse_doubled(exposures.index, "sample", source)
    _refuse_doubled(exposures.columns, "signature", source)
    return _numbers(exposures, "sample", source)


def _aligned(frame: pd.DataFrame, kind: str, source: str) -> pd.DataFrame:
    """Returns ``frame`` as float64 [., 96]: samples or signatures in rows, and the channels in order in columns."""
    if not isinstance(frame, pd.DataFrame):
        raise InputError(
            f"{source} is a {type(frame).__name__}; it must be a DataFrame with labels that name the channels"
        )
    found = [channel(label) for label in frame.columns]
    if len(found) - found.count(None) < ENOUGH:
        turned = [channel(label) for label in frame.index]
        if len(turned) - turned.count(None) >= ENOUGH:
            frame, found = frame.T, turned
    for label, name in zip(frame.columns, found, strict=True):
        if name is None:
            raise InputError(
                f"{source} has the unknown channel {str(label)!r}; the 96 channels are written A[C>A]A, with C or T mutated"
            )
    _refuse_doubled(pd.Index(found), "channel", source)
    for name in CHANNELS:
        if name not in found:
            raise InputError(f"{source} lacks the channel {name!r}; all 96 channels must be there")
    if not len(frame):
        raise InputError(f"{source} has no {kind}; at least one is needed")
    aligned = frame.set_axis(pd.Index(found), axis="columns")[list(CHANNELS)]
    aligned = aligned.set_axis(pd.Index([str(name) for name in frame.index]), axis="index")
    hint = "; names='types' (--names types) reads cancer types as names" if kind == "sample" else ""
    _refuse_doubled(aligned.index, kind, source, hint)
    return _numbers(aligned, kind, source)


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
            place = _place(frame, np.argwhere(no_number)[0], kind, source)
            raise InputError(f"{place}; values must be numbers, 0 or more")
        given = np.array(parsed)
    values = given.astype(np.float64)
    bad = np.argwhere(~(np.isfinite(values) & (values >= 0)))
    if len(bad):
        raise InputError(f"{_place(frame, bad[0], kind, source)}; values must be finite numbers, 0 or more")
    if len(large := np.argwhere(values > LARGEST)):
        raise InputError(f"{_place(frame, large[0], kind, source)}; values must be at most 3.4e38")
    return pd.DataFrame(values, index=frame.index, columns=frame.columns)


def _place(frame: pd.DataFrame, cell: np.ndarray, kind: str, source: str) -> str:
    """The start of a message about one cell: its row, value and column."""
    row, column = (int(i) for i in cell)
    value = frame.iloc[row, column]
    shown = f"{value:g}" if isinstance(value, float) else repr(value)
    return f"{kind} {str(frame.index[row])!r} of {source} has {shown} in {str(frame.columns[column])!r}"
