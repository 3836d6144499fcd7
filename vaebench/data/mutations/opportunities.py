"""Opportunities of mutation: the number of times that the bases of each channel occur in a genome, an exome or a panel.

``opportunities.csv`` beside this file holds the facts for chromosomes 1 to 22, X and Y of GRCh37 and GRCh38: trinucleotides by
their pyrimidine, and doublets, both strands together. They are those that SigProfilerMatrixGenerator 1.3 (Bergstrom et al.
2019) counted in the genomes and in its exome regions (54.4 and 48.8 million bases).

A BED file is counted in the reference genome: a position counts if it lies in an interval, whatever its neighbours.
"""

from __future__ import annotations

import functools
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from vaebench.data.files.writing import write_frame
from vaebench.data.mutations.bed import Intervals, read_bed
from vaebench.data.mutations.channel_names import CONTEXTS, DOUBLETS, reverse_complement
from vaebench.data.mutations.genome import Genome, build_of, matched_chromosomes, open_genome, plain_chromosome
from vaebench.errors import InputError, unknown_name

TARGETS = ("genome", "exome")
"""Names of targets whose opportunities are known."""
BUILDS = ("GRCh37", "GRCh38")
"""Builds of these."""
_SIZES = {"SBS96": 3, "DBS78": 2}  # bases of a channel of the contexts whose opportunities are known
_BLOCK = 1 << 24  # bases that are looked at together, so that a chromosome takes little memory
_NUCLEAR = frozenset((*map(str, range(1, 23)), "X", "Y"))


class Opportunities(NamedTuple):
    """Opportunities of a target beside those of the whole genome.

    Attributes:
        context: of the channels.
        target: [M], by channel, where the mutations were looked for.
        genome: [M], in the whole genome.
        name: the target in words, such as ``exome (GRCh37)``.
        notes: sentences on what was decided.
    """

    context: str
    target: pd.Series
    genome: pd.Series
    name: str
    notes: tuple[str, ...] = ()


def read_opportunities(
    source: str | Path | Opportunities,
    context: str = "SBS96",
    *,
    build: str = "",
    reference_genome: str | Path | Genome | None = None,
) -> Opportunities:
    """Finds the opportunities of a target.

    Args:
        source: ``"genome"``, ``"exome"``, or the path of a BED file of the regions that were sequenced.
        context: ``"SBS96"`` or ``"DBS78"``; of other contexts only ``"genome"``, which converts nothing, is known.
        build: ``"GRCh37"`` or ``"GRCh38"``; "" for that of the reference genome, or else GRCh37, which a note says.
        reference_genome: FASTA or 2bit file that a BED file is counted in; for others its build matters only.

    Returns:
        The opportunities.

    Raises:
        InputError: opportunities of the context or the build are not known, a BED file cannot be read, lacks its genome, or
            does not fit to it.

    Example:
        >>> exome = read_opportunities("exome", build="GRCh37")
        >>> int(exome.target["A[C>A]A"]), int(exome.genome["A[C>A]A"])
        (1822814, 115312068)
    """
    if isinstance(source, Opportunities):
        if source.context != context:
            raise InputError(f"opportunities are of {source.context}, and the counts of {context}; both must be of one")
        return source
    if not isinstance(source, str | Path):
        raise InputError(
            f"opportunities of class {type(source).__name__} are not allowed; give 'genome', 'exome', the path of a BED file, or "
            "what read_opportunities returns"
        )
    if context not in CONTEXTS:
        raise unknown_name("context", context, CONTEXTS)
    if str(source).strip().lower() == TARGETS[0]:
        every = pd.Series(1.0, list(CONTEXTS[context]))
        return Opportunities(context, every, every, TARGETS[0])
    if context not in _SIZES:
        raise InputError(
            f"opportunities={str(source)!r} is not allowed with {context}; opportunities are known of {' and '.join(_SIZES)}"
        )
    name = str(source).strip().lower()
    known = name in TARGETS
    if not known and not Path(source).exists():
        raise InputError(f"opportunities {str(source)!r} is neither 'genome' nor 'exome' nor a BED file that exists")
    if not known and reference_genome is None:
        raise InputError(
            f"opportunities of {source} need the genome that its intervals are of; name its FASTA or 2bit file with "
            "reference_genome= (--reference-genome)"
        )
    genome = None if reference_genome is None else open_genome(reference_genome)
    found = build or ("" if genome is None else build_of(genome)[:6])
    if build and build not in BUILDS:
        raise InputError(f"build={build!r} is not allowed; opportunities are known of {' and '.join(BUILDS)}")
    if not known:
        assert genome is not None
        return _of_panel(Path(source), genome, context, found)
    if genome is not None and found not in BUILDS:
        raise InputError(
            f"opportunities of {name!r} are known of {' and '.join(BUILDS)}, and {genome.name} is of neither; name a BED file"
        )
    notes = () if found else (f"The opportunities of the {name} are those of GRCh37: nothing names another build.",)
    found = found or BUILDS[0]
    target, whole = (_by_channel(_known()[f"{found}_{part}"], context) for part in (name, "genome"))
    return Opportunities(context, target, whole, f"{name} ({found})", notes)


def write_opportunities(opportunities: Opportunities, path: Path) -> Path:
    """Writes opportunities as a table with a row for each channel, which :func:`kept_opportunities` reads; returns the path."""
    numbers = {"target": opportunities.target.to_numpy(), "genome": opportunities.genome.to_numpy()}
    columns = {"channel": list(CONTEXTS[opportunities.context])} | numbers | {"name": opportunities.name}
    return write_frame(pd.DataFrame(columns), path)


def kept_opportunities(path: Path) -> Opportunities:
    """Reads the table of :func:`write_opportunities`.

    Raises:
        InputError: the file is no such table.
    """
    try:
        table = pd.read_csv(path, dtype={"channel": str, "name": str}, keep_default_na=False)
        numbers = table.set_index("channel")[["target", "genome"]].astype(np.float64)
        name = str(table["name"].iloc[0])
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise InputError(f"{path} cannot be read as opportunities ({str(error)[:60]}); extract again") from None
    context = next((name for name, channels in CONTEXTS.items() if list(numbers.index) == list(channels)), None)
    values = numbers.to_numpy()
    if context is None or not (np.isfinite(values) & (values >= 0)).all():
        raise InputError(f"{path} must have a number from 0 for each channel of a context; extract again")
    return Opportunities(context, numbers["target"], numbers["genome"], name)


def counted_opportunities(genome: Genome, context: str, intervals: Intervals | None = None) -> pd.Series:
    """Counts opportunities [M] in a genome, or in intervals of it.

    Args:
        genome: the genome.
        context: ``"SBS96"`` or ``"DBS78"``.
        intervals: regions without overlaps, by the genome's names of chromosomes; ``None`` for all chromosomes but that of the
            mitochondrion, and of them 1 to 22, X and Y if it has them.
    """
    size = _SIZES[context]
    names = list(genome.lengths) if intervals is None else list(intervals)
    if intervals is None:
        nuclear = [name for name in names if plain_chromosome(name) in _NUCLEAR]
        names = nuclear or [name for name in names if plain_chromosome(name) != "MT"]
    total = np.zeros(4**size)
    for name in names:
        codes = genome.read(name)
        for start, end in _blocks(len(codes), size) if intervals is None else intervals[name]:
            # a base of three needs its neighbours, wherever they are; a doublet lies in the interval
            part = codes[max(start - 1, 0) : end + 1] if size == 3 else codes[start:end]
            shifted = [part[i : len(part) - size + 1 + i] for i in range(size)]
            word = sum(base.astype(np.uint8) * np.uint8(4 ** (size - 1 - i)) for i, base in enumerate(shifted))
            known = np.all([base < 4 for base in shifted], axis=0)
            total += np.bincount(np.asarray(word)[known], minlength=4**size)
    words = ["".join("ACGT"[(i >> 2 * k) & 3] for k in reversed(range(size))) for i in range(4**size)]
    folded: dict[str, float] = {}
    for bases, number in zip(words, total.tolist(), strict=True):
        folded[_folded(bases)] = folded.get(_folded(bases), 0.0) + number
    return _by_channel(pd.Series(folded), context)


def _blocks(length: int, size: int) -> list[tuple[int, int]]:
    """Intervals that cover a chromosome; those of doublets share a base with the next, so that none is lost between them."""
    more = int(size == 2)
    return [(start, min(start + _BLOCK + more, length)) for start in range(0, length, _BLOCK)]


def _of_panel(file: Path, genome: Genome, context: str, build: str) -> Opportunities:
    regions = read_bed(file)
    matched = matched_chromosomes(list(regions.intervals), genome)
    intervals: dict[str, list[tuple[int, int]]] = {}
    for name, spans in regions.intervals.items():
        if name not in matched:
            raise InputError(
                f"{file} has intervals on {name!r}, a chromosome that {genome.name} lacks; its first is "
                f"{next(iter(genome.lengths), '')!r}"
            )
        length = genome.lengths[matched[name]]
        if spans[-1][1] > length:
            raise InputError(
                f"{file} has an interval that ends at {spans[-1][1]} of {name}, past its end in {genome.name} ({length} bases); "
                "is it of another build?"
            )
        intervals[matched[name]] = spans
    target = counted_opportunities(genome, context, intervals)
    if not target.sum():
        raise InputError(f"{file} covers no base that {genome.name} knows; its intervals must lie in the sequence")
    whole = (
        _by_channel(_known()[f"{build}_genome"], context) if build in BUILDS else counted_opportunities(genome, context)
    )
    return Opportunities(context, target, whole, f"{file.name} ({regions.bases:,} bases)", regions.notes)


@functools.cache
def _known() -> pd.DataFrame:
    with (files("vaebench.data.mutations") / "opportunities.csv").open("rb") as file:
        return pd.read_csv(file, index_col=0, keep_default_na=False)


def _folded(bases: str) -> str:
    """Bases as the tables name them: three by their pyrimidine, two by the name of COSMIC."""
    plain = bases[1] in "CT" if len(bases) == 3 else bases in DOUBLETS
    return bases if plain else reverse_complement(bases)


def _by_channel(by_bases: pd.Series, context: str) -> pd.Series:
    """Opportunities by their bases as a series over the channels [M]; 0 for bases that do not occur."""
    values = []
    for name in CONTEXTS[context]:
        bases = name[0] + name[2] + name[6] if context == "SBS96" else name[:2]
        values.append(float(by_bases.get(bases, 0.0)))
    return pd.Series(values, list(CONTEXTS[context]))
