"""Tables of mutations of contexts that are not read, named for what they are; and rows and columns of totals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from vaebench.data.files.text import as_number
from vaebench.data.mutations.channel_labels import both_strands
from vaebench.data.mutations.channel_names import CONTEXTS
from vaebench.errors import InputError

_GENERATOR = "SigProfilerMatrixGenerator's file"
_STRANDS = f"add up its strands, or read {_GENERATOR} .SBS96.all"
_ONLY = f"read {_GENERATOR} .SBS96.all"
_SBS = r"\[[CT]>[ACGT]\]"
_CONTEXTS = (
    (rf"[A-Z]:[ACGT]{{2}}{_SBS}[ACGT]{{2}}", "SBS6144 (strand and two bases on either side)", _STRANDS),
    (
        rf"[A-Z][:_]?[ACGT]{_SBS}[ACGT]|[ACGT]{_SBS}[ACGT][-_:](un)?transcribed",
        "substitutions by strand (SBS192, or part of SBS384)",
        _STRANDS,
    ),
    (
        rf"[ACGT]{{2}}{_SBS}[ACGT]{{2}}",
        "SBS1536 (two bases on either side)",
        f"add up its outer bases, or read {_GENERATOR} .SBS96.all",
    ),
    (
        r"([A-Z]:)?[ACGT]{2}>[ACGT]{2}|[ACGT]{4}|[ACGT]{2}>NN",
        "doublet-base substitutions (DBS)",
        f"read {_GENERATOR} .DBS78.all or .SBS96.all",
    ),
    (
        r"([A-Z]:)?\d+:(Del|Ins):.+|(DEL|INS)[:._].+",
        "small insertions and deletions (ID)",
        f"read {_GENERATOR} .ID83.all or .SBS96.all",
    ),
    (r"\d+[-+]?\d*:(LOH|het|homdel):.+", "copy numbers (CN48)", _ONLY),
    (r"(non-)?clustered[_-](del|tds|inv|trans).*", "structural variants (SV32)", _ONLY),
    (r"([A-Z]:)?[CT]>[ACGT]", "substitutions without context (SBS6 or SBS24)", _ONLY),
)
"""Pattern of a channel, the kind of catalogue, and what to do."""
_FEW = 6  # labels of one kind from which a table counts as of that kind
_MAF = ("hugosymbol", "chromosome", "tumorsamplebarcode")
_TOTAL = re.compile(
    r"(grand|row|column|col|n)?(total|sum)s?(of)?(mutation|mut|count|snv|sbs|indel)?s?|all"
    r"|(n|num|number)?(of)?(mutation|mut|snv)s?(count|burden|load)?s?|(mutational)?burden|tmb|counts?"
)
"""Letters of the name of a row or column of totals."""
_SUMMARY = re.compile(
    r"(grand|row|col|column)?(total|sum)s?(of.*)?|average|mean|median|(row|col|column)?(means|averages)"
)
"""Letters of the name of a sample that is likely a total or an average, though no sum of the others."""
_SURE = re.compile(r".*(total|sum).*")
"""Letters of such a name that is hardly a sample's, unlike ALL and MUT."""


_SIGNATURE = re.compile(r"(SBS|DBS|signature[ _.-]?)\d+[a-z]*", re.IGNORECASE)


def like_exposures(*names: Iterable[object]) -> str:
    """A clause about a table whose rows or columns are called like signatures, and "" for another."""
    for given in names:
        labels = [str(label).strip() for label in given]
        found = [label for label in labels if _SIGNATURE.fullmatch(label)]
        if len(found) >= 2 and len(found) >= 0.5 * len(labels):
            return f"looks like exposures: its rows or columns are signatures, such as {found[0]!r}, and no channels"
    return ""


def refuse_lists(source: str, header: Sequence[str]) -> None:
    """Raises ``InputError`` for a table whose columns, ``header``, are those of a list of mutations."""
    plain = {re.sub(r"[^a-z]", "", name.lower()) for name in header}
    if plain.issuperset(_MAF) or plain.issuperset(("chrom", "pos", "ref", "alt")):
        kind = "MAF" if "tumorsamplebarcode" in plain else "VCF"
        raise InputError(
            f"{source} is a {kind} file of single mutations; vaebench count makes a catalogue of them (with "
            "--reference-genome, extract and refit take the file itself)"
        )


def refuse_both_strands(source: str, labels: Sequence[str]) -> None:
    """Raises ``InputError`` for channels of SBS192 that name pyrimidines and purines, such as A[C>A]A and T[G>T]T."""
    if both_strands(labels):
        raise InputError(f"{source} holds {_CONTEXTS[1][1]}, and SBS96 is needed; {_STRANDS}")


def refuse_other_contexts(source: str, header: Sequence[str], columns: Sequence[Sequence[str]]) -> None:
    """Raises ``InputError`` for a list of mutations, or a table that holds no whole context of :data:`CONTEXTS`.

    Args:
        source: name of the table.
        header: names of its columns.
        columns: texts of its first columns.
    """
    refuse_lists(source, header)
    pairs = [_kind(column) for column in columns]
    changes = any(kind is not None and kind[1] == _CONTEXTS[-1][1] for kind in pairs)
    contexts = any(
        sum(re.fullmatch("[ACGT]{3}", text.upper()) is not None for text in column) >= 48 for column in columns
    )
    strands = any(name.strip().lower() == "strand" for name in header)
    if changes and contexts and not strands:
        return
    if changes and contexts:
        raise InputError(f"{source} holds {_CONTEXTS[1][1]}, and SBS96 is needed; {_STRANDS}")
    for labels in (header, *columns):
        if kind := _kind(labels):
            example, name, advice = kind
            raise InputError(f"{source} holds {name}, such as {example!r}, not a whole {', '.join(CONTEXTS)}; {advice}")
    if like := like_exposures(header, *columns[:1]):
        raise InputError(f"{source} {like}; give a table with the channels of mutations")


def _kind(labels: Sequence[str]) -> tuple[str, str, str] | None:
    """An example, the kind and the advice for labels that are mostly of one other kind, or ``None``."""
    given = [label for label in labels if label]
    for pattern, name, advice in _CONTEXTS:
        found = [label for label in given if re.fullmatch(pattern, label, re.IGNORECASE)]
        if len(found) >= _FEW and len(found) * 2 > len(given):
            return found[0], name, advice
    return None


def without_totals(frame: pd.DataFrame, *, rounded: bool = False) -> tuple[pd.DataFrame, list[str]]:
    """Leaves out rows and columns that are called total, sum, mutations or the like and hold the sums of the others.

    Sums of values that were rounded afterwards may be off by half of the last digit for each value. Whole numbers are counts,
    whose sums are exact, unless they are ``rounded``: of few mutations any sample would be near the sum of the others. Names
    that a sample may have, such as ALL, need exact sums of two others or more.

    Args:
        frame: [T, channels].
        rounded: whole numbers may be rounded ones, as exposures are.

    Returns:
        The frame, and the names that were left out.
    """
    found = []
    for axis in (0, 1):
        labels = [str(label) for label in (frame.index if axis == 0 else frame.columns)]
        plain = [re.sub(r"[^a-z]", "", label.lower()) for label in labels]
        places = [i for i, label in enumerate(plain) if _TOTAL.fullmatch(label)]
        if not places or len(places) == len(labels):
            continue
        values = np.array([[_value(value) for value in row] for row in frame.to_numpy().tolist()])
        sure = {i for i in places if _SURE.fullmatch(plain[i])}
        sums = [i for i in places if _is_sum(values, axis, i, places, sure, rounded)]
        found += [labels[i] for i in sums]
        kept = [i for i in range(len(labels)) if i not in sums]
        frame = frame.iloc[kept] if axis == 0 else frame.iloc[:, kept]
    return frame, found


def summary_notes(names: Iterable[object], source: str) -> list[str]:
    """Sentence about samples that are called like totals or averages, and that were kept, as they are no sums of the others."""
    plain = {str(name): re.sub(r"[^a-z]", "", str(name).lower()) for name in names}
    found = [name for name, text in plain.items() if _SUMMARY.fullmatch(text)]
    if not found or len(found) == len(plain):
        return []
    are = f"{found[0]!r} is" if len(found) == 1 else f"{', '.join(map(repr, found[:3]))} are"
    return [f"{source}: {are} read as a sample; leave out what is a total or an average of others"]


def _is_sum(values: np.ndarray, axis: int, place: int, places: list[int], sure: set[int], rounded: bool) -> bool:
    """True if the row or column at ``place`` holds the sums of the others, with or without those of doubtful names."""
    digit = _last_digit(values)
    for others in {frozenset(places), frozenset(sure | {place})}:
        rest = np.delete(values, sorted(others), axis)
        if not rest.shape[axis] or (place not in sure and rest.shape[axis] == 1):
            continue
        exact = place not in sure or (digit == 1 and not rounded)
        off = 0.0 if exact else digit * (rest.shape[axis] + 1) / 2
        if np.allclose(rest.sum(axis), np.take(values, place, axis), rtol=1e-6, atol=max(off, 1e-6)):
            return True
    return False


def _last_digit(values: np.ndarray) -> float:
    """Value of the last digit in which rounded numbers are written, from 1 to 1e-4; 0 of numbers that are not rounded."""
    for digits in range(5):
        shifted = values * 10.0**digits
        if np.allclose(shifted, shifted.round(), rtol=0, atol=1e-6, equal_nan=True):
            return 10.0**-digits
    return 0.0


def _value(value: object) -> float:
    number = as_number(None if value is None else str(value))
    return np.nan if number is None else number
