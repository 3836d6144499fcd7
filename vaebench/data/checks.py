"""Checks of the parts of a data set; each function returns its part with the types of :class:`~vaebench.types.Dataset`."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from vaebench.data.raw_features import FeatureBlock, RawFeatures
from vaebench.errors import InputError, shortened
from vaebench.types import Counts, Survival
from vaebench.types.frames import numeric

_LARGEST_COUNT = 2**31 - 1  # of an int32


def matrix(x: ArrayLike) -> np.ndarray:
    """Returns ``x`` as a floating-point matrix [N, D]; raises ``InputError`` unless it is one, with N and D at least 1."""
    values = np.asarray(x)
    if values.ndim != 2 or 0 in values.shape:
        raise InputError(f"x has shape {values.shape}; it must be samples by features, at least one of each")
    if values.dtype.kind not in "fiub":
        raise InputError(f"x has the type {values.dtype}; it must hold numbers")
    return values if values.dtype.kind == "f" else values.astype(np.float64)


def counted(source: RawFeatures, samples: np.ndarray, library: np.ndarray) -> RawFeatures:
    """Returns the features of a source of raw counts, which are checked, and added to ``library`` [N], when they are read.

    Reading raises ``InputError`` at a value that is no whole number from 0.
    """

    def blocks() -> Iterator[FeatureBlock]:
        library[:] = 0
        for place, values in source.blocks():
            with np.errstate(invalid="ignore"):
                odd = ~((values >= 0) & (values <= _LARGEST_COUNT) & (values == np.rint(values)))
            if odd.any():
                row, column = np.unravel_index(int(odd.argmax()), odd.shape)
                value = values[row, column]
                where = f"feature {shortened(str(source.names[place[row]]))!r} of sample {shortened(str(samples[column]))!r}"
                if _LARGEST_COUNT < value < np.inf:
                    raise InputError(f"counts (--counts): {where} is {value:g}; it must be at most {_LARGEST_COUNT}")
                raise InputError(
                    f"counts (--counts) needs raw counts, and {where} is {'missing' if np.isnan(value) else f'{value:g}'}, "
                    "which is no whole number from 0: round expected counts, or leave counts out"
                )
            library[:] += values.sum(axis=0, dtype=np.float64)
            yield place, values

    return source._replace(blocks=blocks)


def counts_of(rows: np.ndarray, samples: np.ndarray, library: np.ndarray) -> Counts:
    """Returns raw counts of features [D, N] as they are kept; raises ``InputError`` for a sample without any in all features."""
    empty = np.flatnonzero(library == 0)
    if empty.size:
        raise InputError(
            f"counts (--counts): sample {shortened(str(samples[empty[0]]))!r} has no count at all ({empty.size} such samples); "
            "leave it out"
        )
    return Counts(np.ascontiguousarray(rows.T).astype(np.int32), library)


def names(kind: str, given: Iterable[object] | None, count: int) -> np.ndarray:
    """Returns the names as strings [count], or ``<kind>_1..count`` when none are given.

    Raises:
        InputError: the number of names is not ``count``, or a name is repeated.
    """
    if given is None:
        return np.array([f"{kind}_{i + 1}" for i in range(count)])
    array = np.array([str(name) for name in given])
    if len(array) != count:
        raise InputError(f"{len(array)} {kind} names are given for {count} {kind}s; there must be one for each")
    unique, counts = np.unique(array, return_counts=True)
    if unique.size < count:
        repeated = unique[counts > 1]
        raise InputError(
            f"duplicate {kind} name {str(repeated[0])!r} ({repeated.size} names repeat); {kind} names must be unique"
        )
    return array


def label_positions(
    labels: Sequence[object] | np.ndarray | None, count: int
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Returns the position of each label in the sorted label names, int32 [N], and these names.

    Raises:
        InputError: a label is missing or has only 1 sample, or there are not ``count`` labels.
    """
    if labels is None:
        return None, ()
    shape = np.asarray(labels, dtype=object).shape
    if shape != (count,):
        given = f"{shape[0]} labels" if len(shape) == 1 else f"labels of shape {shape}"
        raise InputError(f"{given} are given for {count} samples; there must be one for each")
    absent = sum(1 for label in labels if _is_missing(label) or str(label) == "")
    if absent:
        raise InputError(f"{absent} of {count} samples have no label; every sample must have one")
    found, positions, sizes = np.unique([str(v) for v in labels], return_inverse=True, return_counts=True)
    if sizes.min() < 2:
        raise InputError(
            f"label {str(found[sizes.argmin()])!r} has 1 sample; each label must have at least 2 "
            "(where, --where, can exclude a label)"
        )
    return positions.astype(np.int32), tuple(str(name) for name in found)


def survival_of(survival: Survival, samples: np.ndarray) -> Survival:
    """Returns a copy with float64 times and boolean events [N]; an event without a time becomes false.

    Raises:
        InputError: a time is negative, infinite or text, an event is not 0 or 1, or there is not one of each per sample.
    """
    if not isinstance(survival, Survival):
        raise InputError(
            f"survival is a {type(survival).__name__}; it must be a Survival(time, event) of vaebench.types"
        )
    time, given = numeric(_plain(survival.time), "the survival time").astype(np.float64), _plain(survival.event)
    if time.shape != samples.shape or given.shape != samples.shape:
        raise InputError(
            f"survival has {time.size} times and {given.size} events for {samples.size} samples; "
            "there must be one of each for each sample"
        )
    if not np.isin(given, (0, 1)).all():
        raise InputError(
            f"survival event {given[~np.isin(given, (0, 1))][0]!s} is not allowed; allowed are 0, 1, true, false"
        )
    bad = np.flatnonzero((time < 0) | np.isinf(time))
    if bad.size:
        raise InputError(
            f"survival time {time[bad[0]]:g} of sample {str(samples[bad[0]])!r} is not allowed ({bad.size} such); "
            "it must be finite and 0 or more, or empty, which leaves the sample out of Cox models"
        )
    return Survival(time=time, event=given.astype(bool) & ~np.isnan(time))


def covariate(name: str, values: ArrayLike, count: int) -> np.ndarray:
    """Returns numbers as float64 [N] and anything else as strings [N], ``""`` where missing.

    Raises:
        InputError: the shape is not [N], or a number is infinite.
    """
    array = _plain(values)
    if array.shape != (count,):
        raise InputError(f"covariate {name!r} has shape {array.shape}; it must be ({count},), one value per sample")
    if array.dtype.kind in "fiub":
        return _finite("covariate", name, array)
    return np.array(["" if _is_missing(v) else str(v) for v in array.tolist()])


def _is_missing(value: object) -> bool:
    """Returns true for ``None``, NaN and the like, which differ from themselves, and pandas' NA, which has no truth value."""
    return value is None or type(value).__name__ == "NAType" or bool(value != value)


def _plain(values: ArrayLike) -> np.ndarray:
    """Returns values as an array, a list of numbers with missing ones among them as float64."""
    array = np.asarray(values)
    if array.dtype.kind != "O" or array.ndim != 1:
        return array
    absent = [_is_missing(value) for value in array]
    known = [value for value, missing in zip(array, absent, strict=True) if not missing]
    if not known or not all(isinstance(value, numbers.Real) for value in known):
        return array
    return np.array([np.nan if missing else float(v) for v, missing in zip(array, absent, strict=True)])


def factor(name: str, values: ArrayLike, count: int) -> np.ndarray:
    """Returns float64 [N]; raises ``InputError`` unless ``values`` are N numbers, finite or NaN."""
    array = _plain(values)
    if array.shape != (count,) or array.dtype.kind not in "fiub":
        raise InputError(f"factor {name!r} has shape {array.shape} and type {array.dtype}; it must be {count} numbers")
    return _finite("factor", name, array)


def _finite(kind: str, name: str, array: np.ndarray) -> np.ndarray:
    infinite = int(np.isinf(array).sum())
    if infinite:
        raise InputError(f"{kind} {name!r} has {infinite} infinite values; they must be finite or missing")
    return array.astype(np.float64)
