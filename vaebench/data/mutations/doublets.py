"""Pairs of neighbouring substitutions of a sample that DBS78 counts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vaebench.data.mutations.substitutions import DOUBLET_CODES

CLUSTER = 5
"""Bases within which a third substitution makes a pair a cluster and no doublet, as in SigProfilerMatrixGenerator 1.3."""


def doublets(substitutions: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Return the doublets among :attr:`vaebench.data.mutations.events.Events.substitutions`.

    Returns:
        Places of the first and of the second substitution of each doublet, its channel as its place in DBS78, [n] each, and
        the number of pairs that are none, since they are in clusters.
    """
    sbs = substitutions
    order = np.lexsort((sbs["alt"], sbs["pos"], sbs["chrom"], sbs["sample"]))
    one, two = order[:-1], order[1:]
    same = (sbs["sample"][one] == sbs["sample"][two]) & (sbs["chrom"][one] == sbs["chrom"][two])
    gap = np.where(same, sbs["pos"][two] - sbs["pos"][one], CLUSTER + 1)
    near = np.concatenate([[False], (gap > 0) & (gap <= CLUSTER), [False]])
    pairs = gap == 1
    alone = pairs & ~near[:-2] & ~near[2:]
    one, two = one[alone], two[alone]
    ref, alt = (4 * sbs[name][one] + sbs[name][two] for name in ("ref", "alt"))
    return one, two, DOUBLET_CODES[ref, alt], int((pairs & ~alone).sum())
