"""Samples of two files matched by name; TCGA barcodes of different lengths are matched by what they have in common."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from vaebench.types import InputError

_TCGA = re.compile(r"^TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}(-\d{2}[A-Z]?(-.*)?)?$")
_PATIENT, _SAMPLE = 12, 15  # characters
_NORMAL = 10  # sample types from here on are no tumour


def matched_rows(wanted: Sequence[str], known: Sequence[str], source: str) -> tuple[np.ndarray, dict[str, int]]:
    """For each wanted name, its position in ``known`` or -1: [N]; and how many matched by which rule.

    Dots are read as hyphens (R writes them so), and TCGA barcodes in either case. In this order:

    1. the whole name;
    2. TCGA: the sample, the first 15 characters (``TCGA-02-0001-01``), so that aliquots and vials find their sample;
    3. TCGA: a known barcode of 12 characters is a patient, and all the patient's samples find it;
    4. TCGA: a wanted barcode of 12 characters finds the patient's tumour sample of the lowest type (01 before 06).

    ``InputError`` when a known name comes twice; ``source`` is the name of their table.
    """
    whole: dict[str, int] = {}
    for position, name in enumerate(known):
        if whole.setdefault(_cleaned(name), position) != position:
            raise InputError(
                f"duplicate sample name {name!r} in {source} (samples {whole[_cleaned(name)] + 1} and {position + 1}); "
                "each sample must have one line"
            )
    by_sample: dict[str, int] = {}
    by_patient: dict[str, int] = {}
    for name in sorted(whole):  # so that the lowest sample type comes first
        if _TCGA.match(name) and len(name) >= _SAMPLE:
            by_sample.setdefault(name[:_SAMPLE], whole[name])
            if int(name[_SAMPLE - 2 : _SAMPLE]) < _NORMAL:
                by_patient.setdefault(name[:_PATIENT], whole[name])
    rows = np.full(len(wanted), -1, dtype=np.int64)
    counts = {"samples_joined_by_name": 0, "samples_joined_by_sample": 0, "samples_joined_by_patient": 0}
    for position, given in enumerate(wanted):
        name = _cleaned(given)
        tcga = _TCGA.match(name) is not None
        rules = {"name": whole.get(name)}
        if tcga and len(name) >= _SAMPLE:
            rules |= {"sample": by_sample.get(name[:_SAMPLE]), "patient": whole.get(name[:_PATIENT])}
        elif tcga:
            rules |= {"patient": by_patient.get(name)}
        for rule, row in rules.items():
            if row is not None:
                rows[position] = row
                counts[f"samples_joined_by_{rule}"] += 1
                break
    return rows, counts


def sample_types(names: Sequence[str]) -> np.ndarray:
    """The two digits of each TCGA barcode that say what the sample is (01 primary tumour, 11 normal); ``None`` elsewhere."""
    cleaned = [_cleaned(name) for name in names]
    types = [n[_SAMPLE - 2 : _SAMPLE] if _TCGA.match(n) and len(n) >= _SAMPLE else None for n in cleaned]
    return np.array(types, dtype=object)


def _cleaned(name: str) -> str:
    text = str(name).strip().replace(".", "-")
    return text.upper() if text[:5].upper() == "TCGA-" else text


def no_match(
    expression: str, samples: Sequence[str], rows: Sequence[str], known: Sequence[str], source: str
) -> InputError:
    """The error for a file of genes x samples (names of its columns and of some rows) without a sample of the table ``source``.

    It tells genes taken for samples apart from other names.
    """
    if (matched_rows(rows, known, source)[0] >= 0).any():
        return InputError(
            f"no column of {expression} is a sample of {source}, but its rows are (such as {rows[0]!r}): samples lie in "
            f"rows and genes, such as {samples[0]!r}, were taken for samples; genes must be in rows (transpose the table)"
        )
    return InputError(
        f"no column of {expression} (such as {samples[0]!r}) is a sample of {source} (such as {known[0]!r}); "
        "the two must name samples alike"
    )
