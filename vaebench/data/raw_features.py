"""Raw values of features in blocks: of an array, or of a file that is read once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

_BLOCK = 512  # features handled at once, so that the float64 copies stay small compared with the matrix

FeatureBlock = tuple[np.ndarray, np.ndarray]
"""Positions of some features, and their raw values [features, N], NaN where missing."""


class RawFeatures(NamedTuple):
    """Raw values of D features in N samples, in blocks of features.

    Attributes:
        names: of the D features.
        samples: N.
        precision: number type of the values.
        blocks: reads all features, each once.
        rows: positions [k] -> raw values [k, N]; ``None`` where ``blocks`` can be called only once.
    """

    names: list[str]
    samples: int
    precision: np.dtype
    blocks: Callable[[], Iterable[FeatureBlock]]
    rows: Callable[[np.ndarray], np.ndarray] | None


def array_features(values: np.ndarray, names: Sequence[str]) -> RawFeatures:
    """Returns the features of an array [N, D], which is not changed."""

    def blocks() -> Iterator[FeatureBlock]:
        return ((np.arange(part.start, part.stop), values[:, part].T) for part in slices(len(names)))

    return RawFeatures(list(names), len(values), values.dtype, blocks, lambda positions: values[:, positions].T)


def only(source: RawFeatures, kept: Sequence[int] | np.ndarray) -> RawFeatures:
    """Returns the features at the ascending positions ``kept``."""
    if len(kept) == len(source.names):
        return source
    positions, new = np.asarray(kept), np.full(len(source.names), -1)
    new[positions] = np.arange(len(positions))

    def blocks() -> Iterator[FeatureBlock]:
        for place, values in source.blocks():
            own = new[place] >= 0
            yield new[place[own]], values[own]

    rows, names = source.rows, [source.names[i] for i in positions]
    again = None if rows is None else (lambda chosen: rows(positions[chosen]))
    return source._replace(names=names, blocks=blocks, rows=again)


def in_blocks(source: RawFeatures) -> Iterator[FeatureBlock]:
    """Yields the features of a source in blocks of 512.

    NumPy adds the values of several features sample by sample, and of a feature alone in pairs: the last bit of a statistic
    depends on that, so it must not depend on the blocks in which a file was read.
    """
    held: list[FeatureBlock] = []
    size = 0
    for place, values in source.blocks():
        held.append((place, values))
        size += len(place)
        while size >= _BLOCK:
            place, values = held[0] if len(held) == 1 else _joined(held)
            yield place[:_BLOCK], values[:_BLOCK]
            size -= _BLOCK
            held = [(place[_BLOCK:], values[_BLOCK:])] if size else []
    if size:
        yield _joined(held)


def _joined(blocks: list[FeatureBlock]) -> FeatureBlock:
    if len(blocks) == 1:
        return blocks[0]
    places, values = zip(*blocks, strict=True)
    return np.concatenate(places), np.concatenate(values)


def slices(width: int) -> Iterator[slice]:
    """Returns slices of 512 that cover ``width``."""
    return (slice(start, min(start + _BLOCK, width)) for start in range(0, width, _BLOCK))
