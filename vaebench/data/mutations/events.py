"""From records to events: single substitutions, insertions and deletions, each checked against the genome."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from vaebench.data.mutations.genome import BASES, Genome, matched_chromosomes, plain_chromosome
from vaebench.data.mutations.indels import Indels, extents, indel_channels
from vaebench.data.mutations.records import Variants
from vaebench.data.mutations.strand import Genes, strand_codes
from vaebench.data.mutations.substitutions import FLANK, substitution_channels, windows

WRONG = "REF differs from the reference genome"
"""Reason of a record whose reference allele is not that of the genome."""
_N = "N in the context"
_DUPLICATE = "duplicate of another record"
NO_CHROMOSOME = "chromosome not in the reference genome"
"""Reason of a record on a chromosome that the genome lacks."""
_SBS = ("sample", "chrom", "pos", "ref", "alt", "sbs96", "sbs1536", "strand", "record")
_SYMBOLIC = re.compile(r"[<\[\]>]|^\..|.\.$")


class Events(NamedTuple):
    """Events that are counted, as columns of equal length.

    Attributes:
        substitutions: ``sample``, ``chrom``, ``pos`` (from 0), ``ref``, ``alt``, ``sbs96``, ``sbs1536``, ``strand``
            and ``record`` (its row in the list).
        indels: ``sample``, ``channel`` (its place in ID83) and ``record``.
        checked: number of records whose reference allele was compared with the genome.
    """

    substitutions: dict[str, np.ndarray]
    indels: dict[str, np.ndarray]
    checked: int


class _ChromosomeRecords(NamedTuple):
    """Records of one chromosome: their rows in the whole list, their samples, and the bases that change, [n] each."""

    rows: np.ndarray
    sample: np.ndarray
    chrom: int
    bases: _Trimmed


class _Trimmed(NamedTuple):
    """Records without the bases that both alleles share: 0-based ``start``, ``ref`` and ``alt``, [n] each."""

    start: np.ndarray
    ref: np.ndarray
    alt: np.ndarray


def found_events(variants: Variants, genome: Genome | None, genes: Genes | None) -> tuple[Events, np.ndarray]:
    """Finds the events of all records.

    Args:
        variants: the records.
        genome: the reference genome; without one the column ``context`` is used, and indels are dropped.
        genes: genes for the strands, which are 3 (none) without them.

    Returns:
        The events, and the reason of each record, ``""`` where it is counted, [n].
    """
    records = variants.records
    reasons = records["reason"].to_numpy(object).copy()
    pos = records["pos"].to_numpy(np.int64)
    ref, alt, context = (records[name].to_numpy(object) for name in ("ref", "alt", "context"))
    _set(reasons, _allele_reasons(ref, alt))
    samples = pd.Index(variants.samples).get_indexer(pd.Index(records["sample"]))
    codes, names = pd.factorize(records["chrom"])
    plain = {name: plain_chromosome(str(name)) for name in names}
    matched = plain if genome is None else matched_chromosomes([str(name) for name in names], genome)
    # some tools call it 25, so that the name in the genome counts as well
    of_mt = {name for name in names if "MT" in (plain[name], plain_chromosome(matched.get(name, "")))}
    lost = ["mitochondrial genome" if n in of_mt else "" if n in matched else NO_CHROMOSOME for n in names]
    homes, places = pd.factorize(np.array([matched.get(name, "") for name in names], object))
    if len(names):
        _set(reasons, np.array(lost, object)[codes])
    substitutions, indels, checked = [], [], 0
    home = homes[codes] if len(names) else codes
    for chrom in np.unique(home[reasons == ""]):
        rows = np.flatnonzero((home == chrom) & (reasons == ""))
        name = str(places[chrom])
        part = _ChromosomeRecords(rows, samples[rows], int(chrom), trimmed(pos[rows], ref[rows], alt[rows]))
        if genome is None:
            checked += len(rows)
            substitutions.append(_by_context(part, pos[rows], ref[rows], context[rows], reasons))
            continue
        bases = genome.read(name)
        checked += _compared(part, pos[rows], ref[rows], bases, reasons)
        substitutions.append(_by_genome(part, name, bases, genes, reasons))
        indels.append(_indels(part, bases, reasons))
    return Events(_merged(substitutions, _SBS), _merged(indels, ("sample", "channel", "record")), checked), reasons


def _set(reasons: np.ndarray, new: np.ndarray) -> None:
    """Gives records without a reason the new one."""
    empty = reasons == ""
    reasons[empty] = new[empty]


def _allele_reasons(ref: np.ndarray, alt: np.ndarray) -> np.ndarray:
    """The reason of each pair of alleles that is no small mutation, ``""`` for the others."""
    codes, pairs = pd.factorize(np.array([f"{a}\t{b}" for a, b in zip(ref, alt, strict=True)], dtype=object))
    found = []
    for a, b in (pair.split("\t") for pair in pairs):
        if b in (".", "<*>", "<NON_REF>", "<X>") or a == b:
            found.append("no alternative allele")
        elif b == "*":
            found.append("spanning deletion (*)")
        elif _SYMBOLIC.search(b):
            found.append("structural variant")
        else:
            found.append("" if set(a + b) <= set("ACGT") else "base other than A, C, G and T")
    return np.array(found, object)[codes] if len(pairs) else np.array([], object)


def trimmed(pos: np.ndarray, ref: np.ndarray, alt: np.ndarray) -> _Trimmed:
    """Takes away the bases that reference and alternative share, first at the end and then at the beginning.

    Args:
        pos: [n], counted from 1; the base before an insertion whose ``ref`` is empty.
        ref, alt: [n], texts.
    """
    start, short, long = pos - 1 + (ref == ""), ref.copy(), alt.copy()
    for i in np.flatnonzero(~((pd.Series(ref).str.len() == 1) & (pd.Series(alt).str.len() == 1)).to_numpy(bool)):
        a, b = ref[i], alt[i]
        end = 0
        while end < min(len(a), len(b)) and a[-1 - end] == b[-1 - end]:
            end += 1
        a, b = a[: len(a) - end], b[: len(b) - end]
        head = 0
        while head < min(len(a), len(b)) and a[head] == b[head]:
            head += 1
        start[i], short[i], long[i] = start[i] + head, a[head:], b[head:]
    return _Trimmed(start, short, long)


def _codes(texts: np.ndarray) -> np.ndarray:
    """Codes of the bases of texts, one after another."""
    return BASES[np.frombuffer("".join(texts).encode(), np.uint8)]


def _compared(
    part: _ChromosomeRecords, pos: np.ndarray, ref: np.ndarray, genome: np.ndarray, reasons: np.ndarray
) -> int:
    """Compares reference alleles with the genome, sets reasons, and returns the number of records that were compared."""
    sizes = pd.Series(ref).str.len().to_numpy(np.int64)
    compared = 0
    for size in np.unique(sizes):
        rows = np.flatnonzero(sizes == size)
        if size == 0:
            beyond = pos[rows] > len(genome)
            reasons[part.rows[rows[beyond]]] = WRONG
            compared += int(beyond.sum())
            continue
        at = pos[rows, None] - 1 + np.arange(size)
        inside = (at >= 0) & (at < len(genome))
        seen = genome[np.where(inside, at, 0)]
        known = inside & (seen < 4)
        wrong = (known & (seen != _codes(ref[rows]).reshape(-1, size))).any(axis=1) | ~inside.all(axis=1)
        unclear = ~wrong & ~known.all(axis=1)
        reasons[part.rows[rows[wrong]]] = WRONG
        reasons[part.rows[rows[unclear]]] = _N
        compared += int((~unclear).sum())
    return compared


def _singles(part: _ChromosomeRecords, reasons: np.ndarray) -> dict[str, np.ndarray]:
    """Substitutions of single bases, those inside longer ones included: ``row`` (in the part), ``pos``, ``ref``, ``alt``."""
    start, ref, alt = part.bases
    left = reasons[part.rows] == ""
    sizes = [pd.Series(texts).str.len().to_numpy(np.int64) for texts in (ref, alt)]
    one = left & (sizes[0] == 1) & (sizes[1] == 1)
    rows = np.flatnonzero(one)
    found = [(rows, start[rows], _codes(ref[rows]), _codes(alt[rows]))]
    reasons[part.rows[left & (sizes[0] != sizes[1]) & (sizes[0] > 0) & (sizes[1] > 0)]] = (
        "complex insertion and deletion"
    )
    for row in np.flatnonzero(left & (sizes[0] == sizes[1]) & (sizes[0] > 1)):
        a, b = (BASES[np.frombuffer(texts[row].encode(), np.uint8)] for texts in (ref, alt))
        differs = np.flatnonzero(a != b)
        if (differs[2:] - differs[:-2] == 2).any():
            reasons[part.rows[row]] = "substitution of 3 or more neighbouring bases"
        else:
            found.append((np.full(len(differs), row), start[row] + differs, a[differs], b[differs]))
    columns = [np.concatenate([part_[i] for part_ in found]).astype(np.int64) for i in range(4)]
    return dict(zip(("row", "pos", "ref", "alt"), columns, strict=True))


def _by_genome(
    part: _ChromosomeRecords, name: str, genome: np.ndarray, genes: Genes | None, reasons: np.ndarray
) -> dict[str, np.ndarray]:
    """Substitutions with their channels, read from the genome."""
    single = _singles(part, reasons)
    around = windows(genome, single["pos"])
    strand = None
    if genes is not None:
        strand = strand_codes(genes, name, single["pos"] + 1, np.isin(single["ref"], (0, 2)))
    return _with_channels(part, single, around, strand, reasons)


def _by_context(
    part: _ChromosomeRecords, pos: np.ndarray, ref: np.ndarray, context: np.ndarray, reasons: np.ndarray
) -> dict[str, np.ndarray]:
    """Substitutions with their channels, read from ``CONTEXT``: REF with the same number of bases on either side."""
    single = _singles(part, reasons)
    rest = reasons[part.rows] == ""
    empty = rest & ((part.bases.ref == "") | (part.bases.alt == ""))
    reasons[part.rows[empty]] = "indel without a reference genome"
    row = single["row"]
    texts = context[row]
    sizes = pd.Series(texts).str.len().to_numpy(np.int64) if len(row) else row
    longs = pd.Series(ref[row]).str.len().to_numpy(np.int64) if len(row) else row
    flank = (sizes - longs) // 2
    middle = flank + single["pos"] - (pos[row] - 1)
    around = np.full((len(row), 2 * FLANK + 1), 4, np.int64)
    short = flank < 1
    for size in np.unique(sizes[~short]):
        some = np.flatnonzero((sizes == size) & ~short)
        codes = BASES[np.frombuffer("".join(texts[some]).encode("ascii", "replace"), np.uint8)].reshape(-1, size)
        at = middle[some, None] + np.arange(-FLANK, FLANK + 1)
        inside = (at >= 0) & (at < size)
        around[some] = np.where(inside, np.take_along_axis(codes, np.where(inside, at, 0), axis=1), 4)
    reasons[part.rows[row[short]]] = "no CONTEXT"
    reasons[part.rows[row[~short & (around[:, FLANK] != single["ref"])]]] = WRONG
    return _with_channels(part, single, around, None, reasons)


def _with_channels(
    part: _ChromosomeRecords,
    single: dict[str, np.ndarray],
    around: np.ndarray,
    strand: np.ndarray | None,
    reasons: np.ndarray,
) -> dict[str, np.ndarray]:
    """Substitutions that are counted, with the columns of :attr:`Events.substitutions`."""
    row, sample = single["row"], part.sample[single["row"]]
    sbs96, sbs1536, _ = substitution_channels(around, single["alt"])
    rows = part.rows[row]
    new = np.where(sbs96 < 0, _N, "").astype(object)
    new[_repeated(np.stack([sample, single["pos"], single["alt"]]))] = _DUPLICATE
    counted = (reasons[rows] == "") & (new == "")
    fresh = (reasons[rows] == "") & (new != "")
    reasons[rows[fresh]] = new[fresh]
    codes = np.full(len(row), 3) if strand is None else strand
    columns = (
        sample,
        np.full(len(row), part.chrom),
        single["pos"],
        single["ref"],
        single["alt"],
        sbs96,
        sbs1536,
        codes,
        rows,
    )
    return {name: column[counted] for name, column in zip(_SBS, columns, strict=True)}


def _indels(part: _ChromosomeRecords, genome: np.ndarray, reasons: np.ndarray) -> dict[str, np.ndarray]:
    """Insertions and deletions with their channels."""
    start, ref, alt = part.bases
    rows = np.flatnonzero((reasons[part.rows] == "") & ((ref == "") != (alt == "")))
    deleted = alt[rows] == ""
    texts = np.where(deleted, ref[rows], alt[rows])
    bases = [BASES[np.frombuffer(text.encode(), np.uint8)] for text in texts]
    indels = Indels(start[rows], deleted, bases)
    left, right = extents(indels, genome)
    # as far left as it can be, an indel has one spelling: moved by n, the last n bases come to the front
    turned = [
        text[-(n % len(text)) :] + text[: -(n % len(text))] if n % len(text) else text
        for text, n in zip(texts, left, strict=True)
    ]
    spelled = pd.factorize(np.array(turned, object))[0] if len(rows) else rows
    again = _repeated(np.stack([part.sample[rows], start[rows] - left, deleted.astype(np.int64), spelled]))
    reasons[part.rows[rows[again]]] = _DUPLICATE
    channel = indel_channels(indels, left + right)
    found = {"sample": part.sample[rows], "channel": channel, "record": part.rows[rows]}
    return {name: column[~again] for name, column in found.items()}


def _repeated(keys: np.ndarray) -> np.ndarray:
    """True for every column of ``keys`` [k, n] that has come before."""
    return pd.DataFrame(keys.T).duplicated().to_numpy(bool) if keys.shape[1] else np.zeros(0, bool)


def _merged(parts: list[dict[str, np.ndarray]], names: tuple[str, ...]) -> dict[str, np.ndarray]:
    return {
        name: np.concatenate([np.array([], np.int64), *(part[name] for part in parts)]).astype(np.int64)
        for name in names
    }
