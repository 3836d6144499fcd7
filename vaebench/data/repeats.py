"""Samples and features that are there twice (equal values under two names, names that pandas gives to repeated columns), and
samples that are empty."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from vaebench.data.wording import quoted

_NUMBERED = re.compile(r"(.+)\.\d+")  # pandas reads a second column NAME as NAME.1, and R makes it so
_FEWEST = 10  # features; with fewer, or with few different values, samples are alike by chance
_SEEN = 64  # features by which candidates are found


def renamed_repeats(names: Sequence[str]) -> list[str]:
    """Returns the names ``NAME.1``, ``NAME.2``, ... of which ``NAME`` is there too."""
    held = set(names)
    return [name for name in names if (found := _NUMBERED.fullmatch(name)) and found[1] in held]


def twin_notes(x: np.ndarray, samples: Sequence[str] | np.ndarray) -> list[str]:
    """Returns a note on samples with the same values in all features, ``x`` [N, D]; none where values are few or D is small."""
    if x.shape[1] < _FEWEST or any(np.unique(row).size < _FEWEST for row in x[:3]):
        return []
    first: dict[bytes, int] = {}
    groups: dict[int, list[int]] = {}
    for position, row in enumerate(x[:, :_SEEN]):
        one = first.setdefault(row.tobytes(), position)
        if one != position:
            groups.setdefault(one, [one]).append(position)
    pairs = []
    for candidates in groups.values():
        seen: dict[bytes, int] = {}
        for position in candidates:
            one = seen.setdefault(x[position].tobytes(), position)
            if one != position:
                pairs.append((one, position))
    if not pairs:
        return []
    one, other = (quoted(str(samples[position])) for position in pairs[0])
    have, they = ("1 sample has", "is it") if len(pairs) == 1 else (f"{len(pairs)} samples have", "are they")
    return [f"{have} exactly the values of another, such as {other} those of {one}: {they} the same twice?"]


def empty_notes(x: np.ndarray, samples: Sequence[str] | np.ndarray) -> list[str]:
    """Returns a note on samples that have the smallest value of every feature of ``x`` [N, D], as one without any count has."""
    if x.shape[1] < _FEWEST:
        return []
    empty = np.flatnonzero((x == x.min(axis=0)).all(axis=1))
    if not empty.size:
        return []
    have = "1 sample has" if empty.size == 1 else f"{empty.size} samples have"
    return [
        f"{have} the smallest value of every feature, such as {quoted(str(samples[empty[0]]))}: without any expression?"
    ]
