"""Channels of single-base substitutions in their contexts, and of doublets, as integer codes."""

from __future__ import annotations

import numpy as np

from vaebench.data.mutations.channel_names import CONTEXTS, reverse_complement

FLANK = 2
"""Bases on either side of a substitution that are read: two for SBS1536."""
_CHANGE = np.full((4, 4), -1, np.int64)
_CHANGE[1, [0, 2, 3]] = [0, 1, 2]  # C>A, C>G, C>T
_CHANGE[3, [0, 1, 2]] = [3, 4, 5]  # T>A, T>C, T>G
_BASES = "ACGT"


def _doublet_codes() -> np.ndarray:
    """Reference doublet and its alternative, 16 x 16, -> place in DBS78; -1 where a base does not change."""
    place = {name: i for i, name in enumerate(CONTEXTS["DBS78"])}
    doublets = [a + b for a in _BASES for b in _BASES]
    found = np.full((16, 16), -1, np.int64)
    for i, ref in enumerate(doublets):
        for j, alt in enumerate(doublets):
            turned = f"{reverse_complement(ref)}>{reverse_complement(alt)}"
            found[i, j] = place.get(f"{ref}>{alt}", place.get(turned, -1))
    return found


DOUBLET_CODES = _doublet_codes()
"""Codes 4 * first + second of the reference and of the alternative bases -> place in DBS78, [16, 16]."""


def windows(genome: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Returns the codes of the bases around positions, counted from 0, [n, 5]; 4 beyond the ends of the chromosome."""
    at = positions[:, None] + np.arange(-FLANK, FLANK + 1)
    return np.where((at >= 0) & (at < len(genome)), genome[np.clip(at, 0, len(genome) - 1)], 4).astype(np.int64)


def substitution_channels(around: np.ndarray, alt: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the channels of substitutions.

    Args:
        around: [n, 5], the codes of the bases on the plus strand, the mutated one in the middle.
        alt: [n], code of the new base.

    Returns:
        Place in SBS96, [n], -1 where a neighbour is not known; place in SBS1536, [n], -1 where one of the four is not; and
        whether the mutated base of the plus strand is a purine, [n].
    """
    purine = np.isin(around[:, FLANK], (0, 2))
    turned = np.where(around < 4, 3 - around, 4)[:, ::-1]
    bases = np.where(purine[:, None], turned, around)
    new = np.where(purine, 3 - alt, alt)
    change = _CHANGE[np.clip(bases[:, FLANK], 0, 3), new]
    a, b, _, c, d = bases.T
    sbs96 = np.where((b < 4) & (c < 4), change * 16 + b * 4 + c, -1)
    sbs1536 = np.where((bases < 4).all(axis=1), a * 384 + change * 64 + b * 16 + c * 4 + d, -1)
    return sbs96, sbs1536, purine
