"""Strand of transcription of positions, from the genes of a GTF or GFF file."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from vaebench.data.files.opening import opened, refusing_broken
from vaebench.data.mutations.genome import plain_chromosome
from vaebench.errors import InputError

STRANDS = "TUBN"
"""Transcribed, untranscribed, both (genes of both directions) and non-transcribed, in the order of the codes here."""
_SWAPPED = np.array([1, 0, 2, 3])


class Genes(NamedTuple):
    """Genes of an annotation.

    Attributes:
        ends: (chromosome without ``chr``, ``"+"`` or ``"-"``) -> sorted first and sorted last positions, counted from 1.
        notes: sentences on what was used.
    """

    ends: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]
    notes: list[str]


def read_genes(path: str | Path) -> Genes:
    """Reads the genes of a GTF or GFF file, gzipped or not.

    Genes that code for proteins are used where the file tells which do, and all genes otherwise; ``transcript`` lines
    stand in where there are no ``gene`` lines.

    Raises:
        InputError: the file is missing or has no genes.
    """
    file = Path(path)
    with refusing_broken(file, "a GTF or GFF file of genes"), opened(file, variants=True) as stream:
        try:
            table = pd.read_csv(
                stream, sep="\t", header=None, names=range(9), usecols=[0, 2, 3, 4, 6, 8], comment="#", dtype=str,
                quoting=3, keep_default_na=False, encoding_errors="replace",
            )  # fmt: skip
        except ValueError as error:
            raise InputError(f"{file} is not a GTF or GFF file of genes ({str(error).strip()})") from None
    kinds = set(table[2].dropna().unique())
    kind = next((name for name in ("gene", "transcript", "mRNA") if name in kinds), None)
    if kind is None:
        raise InputError(f"{file} has no line of the kind gene or transcript; a GTF or GFF file of genes is needed")
    table = table[table[2] == kind]
    codes = r"(?:gene_type|gene_biotype|biotype|transcript_type|transcript_biotype)[ =]\"?protein_coding"
    coding = table[8].str.contains(codes, regex=True)
    used = table[coding] if coding.any() else table
    which = "protein-coding genes" if coding.any() else f"lines of the kind {kind}"
    ends = {}
    for (chrom, sign), rows in used.groupby([used[0].map(plain_chromosome), used[6]]):
        if sign in ("+", "-"):
            first, last = (pd.to_numeric(rows[column], errors="coerce").to_numpy(np.float64) for column in (3, 4))
            if not (np.isfinite(first) & np.isfinite(last)).all():
                raise InputError(
                    f"{file} has a {kind} on {chrom} whose start or end is not a number; is it a GTF or GFF file?"
                )
            ends[str(chrom), str(sign)] = np.sort(first), np.sort(last)
    if not ends:
        raise InputError(f"{file} has no gene with a strand; a GTF or GFF file of genes is needed")
    return Genes(ends, [f"strands are those of {len(used)} {which} of {file.name}"])


def strand_codes(genes: Genes, chrom: str, positions: np.ndarray, purine: np.ndarray) -> np.ndarray:
    """Returns the strand of the pyrimidine of each base pair, as codes [n] in the order of :data:`STRANDS`.

    The plus strand of a gene on the plus strand is the untranscribed one (Bergstrom et al. 2019).

    Args:
        genes: the annotation.
        chrom: the chromosome.
        positions: [n], counted from 1.
        purine: [n], true where the plus strand has the purine.
    """
    inside = {}
    for sign in "+-":
        first, last = genes.ends.get((plain_chromosome(chrom), sign), (np.array([], int), np.array([], int)))
        # genes that begin here or before, less those that end before
        inside[sign] = np.searchsorted(first, positions, "right") > np.searchsorted(last, positions, "left")
    codes = np.select([inside["+"] & inside["-"], inside["+"], inside["-"]], [2, 1, 0], 3)
    return np.where(purine, _SWAPPED[codes], codes)
