"""Draws of the exposures of a cohort, of which zeros take no room: most exposures are 0 in most draws."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

_ROWS = 250  # samples whose draws are unpacked at once: 500 draws of 86 signatures take 43 MB


class _Packed(NamedTuple):
    """Exposures [T, S] of one chain: bits that say which are above 0, their values, and how many come before each block."""

    bits: np.ndarray
    values: np.ndarray
    before: np.ndarray


class Draws:
    """Draws [C, n, T, S] in float32: C chains, n draws of each, T samples, S signatures."""

    def __init__(self, chains: int, length: int, samples: int, signatures: int) -> None:
        self.shape = (chains, length, samples, signatures)
        self.held: dict[tuple[int, int], _Packed] = {}

    def put(self, place: int, exposures: np.ndarray) -> None:
        """Take the exposures [C, T, S] as draw ``place`` of each chain."""
        for chain, own in enumerate(exposures.astype(np.float32, copy=False)):
            self.held[chain, place] = _packed(own)

    def at(self, place: int) -> np.ndarray:
        """Return draw ``place`` of each chain, [C, T, S]."""
        return np.stack([self._unpacked(self.held[chain, place]) for chain in range(self.shape[0])])

    def of(self, rows: np.ndarray) -> Draws:
        """Return the draws of the samples in ``rows``."""
        chains, length, _, signatures = self.shape
        part = Draws(chains, length, len(rows), signatures)
        part.held = {key: _packed(self._unpacked(held)[rows]) for key, held in self.held.items()}
        return part

    def replace(self, rows: np.ndarray, part: Draws) -> None:
        """Take the draws in ``part`` as those of the samples in ``rows``; nothing changes where they are these very draws."""
        if part is self:
            return
        for key, held in self.held.items():
            own = self._unpacked(held)
            own[rows] = part._unpacked(part.held[key])
            self.held[key] = _packed(own)

    def thin(self) -> None:
        """Keep every second draw, as the first half of them."""
        self.held = {(chain, place // 2): held for (chain, place), held in self.held.items() if place % 2}

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yields the draws of some samples at a time: the row of the first, and [C, n, t, S]."""
        chains, length, samples, signatures = self.shape
        for block, start in enumerate(range(0, samples, _ROWS)):
            rows = slice(start, min(start + _ROWS, samples))
            found = np.zeros((chains, length, rows.stop - start, signatures), np.float32)
            for (chain, place), held in self.held.items():
                there = np.unpackbits(held.bits[rows], axis=1, count=signatures).view(bool)
                found[chain, place][there] = held.values[held.before[block] : held.before[block + 1]]
            yield start, found

    def every(self, step: int, most: int) -> np.ndarray:
        """Draws [at most ``most``, T, S], each ``step`` after the one before; those of the first chain come first."""
        chains, length = self.shape[:2]
        places = [divmod(i, length) for i in range(0, chains * length, step)][:most]
        return np.stack([self._unpacked(self.held[place]) for place in places])

    def _unpacked(self, held: _Packed) -> np.ndarray:
        """Exposures [T, S]."""
        found = np.zeros(self.shape[2:], np.float32)
        found[np.unpackbits(held.bits, axis=1, count=self.shape[3]).view(bool)] = held.values
        return found


def _packed(exposures: np.ndarray) -> _Packed:
    """Exposures [T, S] in float32 without their zeros."""
    there = exposures != 0
    counts = np.add.reduceat(there.sum(1), np.arange(0, len(exposures), _ROWS))
    before = np.concatenate([[0], np.cumsum(counts)])
    return _Packed(np.packbits(there, axis=1), exposures[there], before)
