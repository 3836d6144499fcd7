"""Reading BED files: intervals of a genome, merged where they overlap."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vaebench.data.files.opening import opened, refusing_broken
from vaebench.data.mutations.genome import plain_chromosome
from vaebench.data.mutations.records import Variants
from vaebench.data.wording import count_of
from vaebench.errors import InputError

Intervals = dict[str, list[tuple[int, int]]]
"""Name of a chromosome -> its intervals, from 0 and without their end, sorted and apart."""

_NEEDED = "a BED file with the columns chromosome, start and end"
_SKIPPED = ("#", "track", "browser")


class Bed(NamedTuple):
    """The intervals of a BED file, the number of their bases, and sentences on what was decided."""

    intervals: Intervals
    bases: int
    notes: tuple[str, ...]


def read_bed(file: Path) -> Bed:
    """Reads a BED file, gzipped or not; lines ``track``, ``browser`` and ``#``, and one line of column names, are skipped.

    Raises:
        InputError: the file is missing, holds no interval, or a line is no interval.
    """
    spans: dict[str, list[tuple[int, int]]] = {}
    given = 0
    with refusing_broken(file, _NEEDED), opened(file) as stream:
        for number, raw in enumerate(stream, 1):
            text = raw.decode("utf-8", "replace").lstrip("\ufeff").strip()
            if not text or text.split()[0].lower().startswith(_SKIPPED):
                continue
            if text.startswith("@"):
                raise InputError(
                    f"line {number} of {file} is that of an interval list; {_NEEDED} is needed (counted from 0)"
                )
            fields = text.split("\t") if "\t" in text else text.split()
            if not given and len(fields) >= 3 and not re.search(r"\d", fields[1] + fields[2]):
                continue  # names of columns
            name, start, end = _interval(fields, number, file)
            spans.setdefault(name, []).append((start, end))
            given += 1
    if not given:
        raise InputError(f"{file} holds no interval; {_NEEDED} is needed")
    # chr1 and 1 in one file are one chromosome
    homes: dict[str, str] = {}
    joined: dict[str, list[tuple[int, int]]] = {}
    for name, parts in spans.items():
        joined.setdefault(homes.setdefault(plain_chromosome(name), name), []).extend(parts)
    merged = {name: _merged(parts) for name, parts in joined.items()}
    kept = sum(map(len, merged.values()))
    notes = (f"{file.name}: {given} intervals were merged to {kept} without overlaps.",) if kept < given else ()
    return Bed(merged, sum(end - start for parts in merged.values() for start, end in parts), notes)


def outside_note(variants: Variants, file: Path) -> tuple[str, ...]:
    """Returns a note on substitutions that lie in no interval of a BED file, of which opportunities say nothing.

    Raises:
        InputError: as :func:`read_bed`.
    """
    records = variants.records[variants.records["reason"] == ""]
    records = records[(records["ref"].str.len() == records["alt"].str.len()) & (records["ref"] != "")]
    spans = {plain_chromosome(name): np.array(own) for name, own in read_bed(file).intervals.items()}
    lost = 0
    for name, places in records["pos"].groupby(records["chrom"].astype(str).map(plain_chromosome)):
        own, at = spans.get(str(name), np.empty((0, 2), np.int64)), places.to_numpy(np.int64) - 1
        before = np.searchsorted(own[:, 0], at, "right")  # intervals that begin here or before, sorted and apart
        ends = np.concatenate([[0], own[:, 1]])[before]
        lost += int((at >= ends).sum())
    if not lost:
        return ()
    lie = "lies" if lost == 1 else "lie"
    return (
        f"{lost:,} of {count_of(len(records), 'substitution')} {lie} outside of {file.name} and {'is' if lost == 1 else 'are'} "
        "counted nevertheless: take out what is outside, or give the regions in which all of them were looked for.",
    )


def _interval(fields: list[str], number: int, file: Path) -> tuple[str, int, int]:
    whole = [text.strip() for text in fields[1:3]]
    if len(fields) < 3 or not all(re.fullmatch(r"\d+", text) for text in whole):
        shown = " ".join(fields[:3])
        raise InputError(
            f"line {number} of {file} is {shown!r}; it must be a chromosome, a start and an end in whole numbers"
        )
    start, end = map(int, whole)
    if start >= end:
        raise InputError(f"line {number} of {file} has the start {start} and the end {end}; the end must be larger")
    return fields[0].strip(), start, end


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found
