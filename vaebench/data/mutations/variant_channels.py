"""The channel of each variant in a list, beside the reason of those that have none."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from vaebench.data.mutations.channel_names import CONTEXTS
from vaebench.data.mutations.doublets import doublets
from vaebench.data.mutations.events import Events, found_events
from vaebench.data.mutations.genome import open_genome
from vaebench.data.mutations.records import Variants
from vaebench.data.mutations.variants import read_variants
from vaebench.errors import InputError

_OTHER = {
    "SBS96": "no single-base substitution",
    "SBS1536": "no single-base substitution with two known bases on either side",
    "DBS78": "no doublet substitution",
    "ID83": "no small insertion or deletion",
}
"""Context -> the reason of a record that it does not count."""


class _Found(NamedTuple):
    """Counted bases or records, [n] each: rows in the list, channels, and 0-based ``pos``, ``ref`` and ``alt``.

    ``pos`` is -1 where the record's own alleles stand.
    """

    rows: np.ndarray
    channel: np.ndarray
    pos: np.ndarray
    ref: np.ndarray
    alt: np.ndarray


def variant_channels(
    source: Variants | str | Path | Iterable[str | Path],
    reference_genome: str | Path | None = None,
    context: str = "SBS96",
) -> pd.DataFrame:
    """One row for each mutation that ``context`` counts, and one for each other record, in the order of the files.

    A doublet that is written as two records has a row for each of them.

    Args:
        source: files or folders as for :func:`vaebench.data.mutations.variants.read_variants`, or records that it returned.
        reference_genome: FASTA or 2bit file; not needed for MAF files with a column ``CONTEXT``.
        context: SBS96, SBS1536, DBS78 or ID83.

    Returns:
        ``sample, chrom, pos, ref, alt`` (of the bases that change where a record has others), ``channel`` ("" where it is not
        counted), ``reason``, ``file``, ``line``.

    Raises:
        InputError: a file cannot be read, or the context is another one.
    """
    if context not in _OTHER:
        raise InputError(f"variants have no channels of {context[:60]} here; choose from {', '.join(_OTHER)}")
    variants = source if isinstance(source, Variants) else read_variants(source)
    genome = None if reference_genome is None else open_genome(reference_genome)
    events, reasons = found_events(variants, genome, None)
    found = (
        _indels(events) if context == "ID83" else _doublets(events) if context == "DBS78" else _singles(events, context)
    )
    names = np.array(CONTEXTS[context], object)
    counted = variants.records.iloc[found.rows].reset_index(drop=True)
    moved = found.pos >= 0
    counted = counted.assign(
        pos=np.where(moved, found.pos + 1, counted["pos"].to_numpy()),
        ref=np.where(moved, found.ref, counted["ref"].to_numpy(object)),
        alt=np.where(moved, found.alt, counted["alt"].to_numpy(object)),
        channel=names[found.channel],
        reason="",
        place=found.rows,
    )
    rest = np.setdiff1d(np.arange(len(variants.records)), found.rows)
    others = variants.records.iloc[rest].assign(channel="", reason=reasons[rest], place=rest)
    others["reason"] = others["reason"].where(others["reason"] != "", _OTHER[context])
    table = pd.concat([counted, others], ignore_index=True) if len(others) else counted
    table = table.sort_values("place", kind="stable", ignore_index=True)
    return table[["sample", "chrom", "pos", "ref", "alt", "channel", "reason", "file", "line"]]


def _bases(codes: np.ndarray) -> np.ndarray:
    return np.array(list("ACGT"), object)[codes]


def _singles(events: Events, context: str) -> _Found:
    """Substitutions of single bases, those inside longer ones included."""
    single = events.substitutions
    order = np.lexsort((single["pos"], single["record"]))
    order = order[single[context.lower()][order] >= 0]
    record, channel, pos = (single[name][order] for name in ("record", context.lower(), "pos"))
    return _Found(record, channel, pos, _bases(single["ref"][order]), _bases(single["alt"][order]))


def _doublets(events: Events) -> _Found:
    """Doublets: one row where a record holds both bases, else one for each of the two records."""
    single = events.substitutions
    one, two, channel, _ = doublets(single)
    whole = single["record"][one] == single["record"][two]
    ref, alt = (_bases(single[name]) for name in ("ref", "alt"))
    parts = [(one, whole, ref[one] + ref[two], alt[one] + alt[two])]
    parts += [(place, ~whole, ref[place], alt[place]) for place in (one, two)]
    rows, channels, pos, old, new = (
        np.concatenate(column)
        for column in zip(
            *((single["record"][p][w], channel[w], single["pos"][p][w], a[w], b[w]) for p, w, a, b in parts),
            strict=True,
        )
    )
    order = np.argsort(rows, kind="stable")
    return _Found(rows[order], channels[order], pos[order], old[order], new[order])


def _indels(events: Events) -> _Found:
    """Insertions and deletions, with the alleles of their records."""
    order = np.argsort(events.indels["record"], kind="stable")
    rows, empty = events.indels["record"][order], np.full(len(order), "", object)
    return _Found(rows, events.indels["channel"][order], np.full(len(rows), -1), empty, empty)
