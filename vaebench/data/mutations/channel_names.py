"""Names of the channels of every context in COSMIC's order, and the doublets that stand for two spellings of one event.

SBS288 and SBS384 are SBS96 by strand of transcription, SBS1536 is SBS96 with two bases on either side. DBS78 and ID83 are
those of Alexandrov et al. 2020, as SigProfilerMatrixGenerator (Bergstrom et al. 2019) writes them.
"""

from __future__ import annotations

SUBSTITUTIONS = ("C>A", "C>G", "C>T", "T>A", "T>C", "T>G")
"""The 6 substitutions, written for the pyrimidine of the base pair."""

CHANNELS = tuple(f"{left}[{change}]{right}" for change in SUBSTITUTIONS for left in "ACGT" for right in "ACGT")
"""The 96 channels in the order of all arrays: by substitution, then by context ACA, ACC, ACG, ACT, CCA, ..."""

_COMPLEMENT = str.maketrans("ACGT", "TGCA")
# of two complementary doublets the one that COSMIC writes
DOUBLETS = ("AC", "AT", "CC", "CG", "CT", "GC", "TA", "TC", "TG", "TT")
"""The 10 doublets of reference bases of DBS78."""


def reverse_complement(bases: str) -> str:
    """Returns the opposite strand, read in its own direction; other letters than ACGT stay.

    Example:
        >>> reverse_complement("AACG")
        'CGTT'
    """
    return bases.translate(_COMPLEMENT)[::-1]


# AT, CG, GC and TA are their own complement, so that a change and its complement are one channel; COSMIC writes these
_OWN_COMPLEMENT = {
    "AT": ("CA", "CC", "CG", "GA", "GC", "TA"),
    "CG": ("AT", "GC", "GT", "TA", "TC", "TT"),
    "GC": ("AA", "AG", "AT", "CA", "CG", "TA"),
    "TA": ("AT", "CG", "CT", "GC", "GG", "GT"),
}


def _doublet_names() -> tuple[str, ...]:
    found = []
    for ref in DOUBLETS:
        every = [a + b for a in "ACGT" for b in "ACGT" if a != ref[0] and b != ref[1]]
        found += [f"{ref}>{alt}" for alt in _OWN_COMPLEMENT.get(ref, every)]
    return tuple(found)


def _indel_names() -> tuple[str, ...]:
    found = [f"1:{kind}:{base}:{n}" for kind in ("Del", "Ins") for base in "CT" for n in range(6)]
    found += [f"{size}:{kind}:R:{n}" for kind in ("Del", "Ins") for size in range(2, 6) for n in range(6)]
    return (*found, *(f"{size}:Del:M:{n}" for size in range(2, 6) for n in range(1, min(size, 6))), "5:Del:M:5")


CONTEXTS: dict[str, tuple[str, ...]] = {
    "SBS96": CHANNELS,
    "SBS288": tuple(f"{strand}:{name}" for strand in "TUN" for name in CHANNELS),
    "SBS384": tuple(f"{strand}:{name}" for strand in "TUBN" for name in CHANNELS),
    "SBS1536": tuple(
        f"{a}{b}[{change}]{c}{d}"
        for a in "ACGT"
        for change in SUBSTITUTIONS
        for b in "ACGT"
        for c in "ACGT"
        for d in "ACGT"
    ),
    "DBS78": _doublet_names(),
    "ID83": _indel_names(),
}
"""Name of a context -> the names of its channels, in the order of the tables.

``T:`` is a pyrimidine on the transcribed strand, ``U:`` on the untranscribed one, ``B:`` inside genes of both directions
and ``N:`` outside genes. ``3:Del:R:1`` is a deletion of 3 bases with 1 more copy beside it; ``3:Del:M:1`` one with 1 base
of microhomology. 5 stands for 5 and more, of bases and of copies.
"""
