"""ID83: channels of small insertions and deletions by length, copies of the repeated unit, and microhomology.

After Alexandrov et al. 2020, as SigProfilerMatrixGenerator counts left-aligned indels. Here the place of an indel in a
repeat does not matter: for a sequence of L bases let t be the number of bases, on both sides together, that go on with
the period of the sequence. Moving the indel within its repeat leaves t as it is. Then

* floor(t / L) is the number of further copies, and
* for a deletion without a further copy, t is the length of the microhomology.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vaebench.data.mutations.channel_names import CONTEXTS

_PLACE = {name: i for i, name in enumerate(CONTEXTS["ID83"])}


class Indels(NamedTuple):
    """Insertions and deletions on one chromosome.

    Attributes:
        start: [n], first deleted base, or the base after an insertion, counted from 0.
        deleted: [n], true for deletions.
        bases: n arrays of codes, the bases that are inserted or deleted.
    """

    start: np.ndarray
    deleted: np.ndarray
    bases: list[np.ndarray]


def extents(indels: Indels, genome: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts the bases on the left and on the right of each indel that go on with its period.

    Args:
        indels: n indels.
        genome: codes of the chromosome's bases.

    Returns:
        Numbers of bases on the left and on the right, [n] each; the left one is how far the indel can be moved left.
    """
    sizes = np.array([len(bases) for bases in indels.bases], np.int64)
    offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]]) if len(sizes) else sizes
    joined = np.concatenate(indels.bases) if indels.bases else np.array([], np.uint8)
    after = indels.start + np.where(indels.deleted, sizes, 0)
    left, right = np.zeros(len(sizes), np.int64), np.zeros(len(sizes), np.int64)
    for found, forward in ((left, False), (right, True)):
        active, step = np.arange(len(sizes)), 0
        while len(active):
            size = sizes[active]
            at = after[active] + step if forward else indels.start[active] - 1 - step
            within = step % size if forward else size - 1 - step % size
            inside = (at >= 0) & (at < len(genome))
            seen = genome[np.where(inside, at, 0)]
            same = inside & (seen == joined[offsets[active] + within]) & (seen < 4)
            active = active[same]
            step += 1
            found[active] = step
    return left, right


def indel_channels(indels: Indels, period: np.ndarray) -> np.ndarray:
    """Returns the channel of each indel as its place in ID83, [n].

    Args:
        indels: n indels.
        period: [n], the bases on both sides that go on with the period: t of the module.
    """
    found = np.empty(len(period), np.int64)
    for i, (deleted, bases, t) in enumerate(zip(indels.deleted.tolist(), indels.bases, period.tolist(), strict=True)):
        size, kind = len(bases), "Del" if deleted else "Ins"
        copies = min(t // size, 5)
        if size == 1:
            name = f"1:{kind}:{'C' if bases[0] in (1, 2) else 'T'}:{copies}"
        elif deleted and 0 < t < size:
            name = f"{min(size, 5)}:Del:M:{min(t, 5)}"
        else:
            name = f"{min(size, 5)}:{kind}:R:{copies}"
        found[i] = _PLACE[name]
    return found
