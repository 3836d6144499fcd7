"""The SBS96 channel of each variant in a list, beside the reason of those that have none."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from vaebench.data.mutations.channel_names import CONTEXTS
from vaebench.data.mutations.events import found_events
from vaebench.data.mutations.genome import open_genome
from vaebench.data.mutations.records import Variants
from vaebench.data.mutations.variants import read_variants

_NOT_SINGLE = "no single-base substitution"


def variant_channels(
    source: Variants | str | Path | Iterable[str | Path], reference_genome: str | Path | None = None
) -> pd.DataFrame:
    """One row for each substitution that SBS96 counts, and one for each other record, in the order of the files.

    Args:
        source: files or folders as for :func:`vaebench.data.mutations.variants.read_variants`, or records that it returned.
        reference_genome: FASTA or 2bit file; not needed for MAF files with a column ``CONTEXT``.

    Returns:
        ``sample, chrom, pos, ref, alt`` (of the single base where a record has several), ``channel`` ("" where it is not
        counted), ``reason``, ``file``, ``line``.

    Raises:
        InputError: a file cannot be read.
    """
    variants = source if isinstance(source, Variants) else read_variants(source)
    genome = None if reference_genome is None else open_genome(reference_genome)
    events, reasons = found_events(variants, genome, None)
    single = events.substitutions
    order = np.lexsort((single["pos"], single["record"]))
    rows = single["record"][order]
    own = variants.records.iloc[rows].reset_index(drop=True)
    bases, names = np.array(list("ACGT"), object), np.array(CONTEXTS["SBS96"], object)
    counted = own.assign(
        pos=single["pos"][order] + 1,
        ref=bases[single["ref"][order]],
        alt=bases[single["alt"][order]],
        channel=names[single["sbs96"][order]],
        reason="",
        place=rows,
    )
    rest = np.setdiff1d(np.arange(len(variants.records)), rows)
    others = variants.records.iloc[rest].assign(channel="", reason=reasons[rest], place=rest)
    others["reason"] = others["reason"].where(others["reason"] != "", _NOT_SINGLE)
    found = pd.concat([counted, others], ignore_index=True) if len(others) else counted
    found = found.sort_values("place", kind="stable", ignore_index=True)
    return found[["sample", "chrom", "pos", "ref", "alt", "channel", "reason", "file", "line"]]
