"""Labels of mutation channels as programs write them: the context that they name, and the channel of each.

A label such as ``CTAA`` means T[C>..]A in one program and C>T at A_A in another, so a table is read as a whole: of the
writings in ``_WRITINGS`` the one that recognises most of its labels as different channels.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from vaebench.data.mutations.channel_names import CHANNELS, CONTEXTS, reverse_complement

OTHER_STRAND = "channels that name a purine, such as A[G>T]A, were read as the pyrimidine of the other strand"
"""Note of a table that names purines."""

_KNOWN = {name: frozenset(channels) for name, channels in CONTEXTS.items()}
# of SBS192, which lacks N:, SBS288 holds two thirds
_LEAST = {"SBS96": 0.5, "DBS78": 0.5, "ID83": 0.5}
_LEAST_OTHERS = 0.7
_B = "([ACGT])"
_MARK = "[ ,:;_.|@/-]"  # between a change and its context
_UNCLEAR = "[ACGTNX._*-]"  # in place of the mutated base
_PLAIN = re.compile(rf"{_B}[\[({{<._]{_B}[>/._:-]{_B}[\])}}>._]{_B}|{_B}[ _.]{_B}>{_B}[ _.]{_B}")
_CHANGE_FIRST = re.compile(
    rf"{_B}[>/_.]?{_B}(?:{_MARK}| IN ){_B}([ACGT]){_B}|{_B}(?:>|/|){_B}{_MARK}{_B}{_UNCLEAR}{_B}"
)
_CONTEXT_FIRST = re.compile(rf"{_B}{_B}{_B}{_MARK}{_B}[>/_.]?{_B}")
_WHOLE = re.compile(rf"{_B}{_B}{_B}[>/_.:-]\1{_B}\3")
_NEW_BASE_LAST = re.compile(rf"{_B}{_B}{_B}[>/_.:-]?{_B}")
_SHORT = re.compile(rf"{_B}{_B}{_B}{_B}")
_DOTTED = re.compile(rf"{_B}[._]{_B}[._]{_B}[._]{_B}")
_STRAND = re.compile(r"([TUBN])[:_.-](.+)")
_WIDE = re.compile(rf"{_B}(.+){_B}")
_WIDE_PAIR = re.compile(rf"{_B}[>/_.]?{_B}(?:{_MARK}){_B}{_B}([ACGT]){_B}{_B}|{_B}{_B}([ACGT]){_B}{_B}()([ACGT])")
_DOUBLET = re.compile(rf"{_B}{_B}(?:[>/_.: ,-]|){_B}{_B}")
_INDEL = re.compile(r"X?(\d)[:_.](DEL|INS)[:_.]([CTRM])[:_.](\d)")
_INDEL_WORDS = re.compile(r"(DEL|INS)[:_., ](C|T|REPEATS|MH)[:_., ](\d)[+.]?[:_., ](\d)\+?")
_INDEL_LONG = re.compile(r"(?:([CT])|X?(\d)[+.]?BP)_(DELETION|INSERTION)(_WITH_MICROHOMOLOGY)?_(\d)\+?")


class Recognised(NamedTuple):
    """Labels as channels: name of the ``context`` ("" for none), the channel of each label or ``None``, and a note or ""."""

    context: str
    channels: list[str | None]
    note: str


class _Writing(NamedTuple):
    """A way to write the channels of a context: ``read`` gives the channel of a label in capitals, or ``None``."""

    context: str
    read: Callable[[str], str | None]
    note: str = ""


def channel(label: object) -> str | None:
    """Returns the name of a channel of SBS96 in the form ``A[C>A]A``, or ``None`` for anything that is not a channel.

    Also reads ``ACAA`` (ICAMS: context, then the new base), ``ACA>AAA`` (sigfit), ``CA A.A`` (SomaticSignatures),
    ``C>A:ACA`` (signeR), ``ACA:C>A`` and ``A.C.A.A`` (names in R).

    Example:
        >>> channel("ACAT")
        'A[C>T]A'
    """
    return _substitution(_plain(label))


def recognised(labels: Iterable[object]) -> Recognised:
    """Finds the context that labels name, and their channels.

    Args:
        labels: names of columns or rows; some may be no channels, such as the name of a column of samples.

    Returns:
        The context that most labels are different channels of. It is "" unless at least half of the channels are there
        (seven tenths for contexts that contain each other).
    """
    given = list(labels)
    for name, channels in CONTEXTS.items():
        if len(given) == len(channels) and tuple(given) == channels:
            return Recognised(name, list(channels), "")
    texts = [_plain(label) for label in given]
    best, most = Recognised("", [channel(label) for label in given], ""), (0, 0.0)
    for writing in _WRITINGS:
        known = _KNOWN[writing.context]
        found = [writing.read(text) for text in texts]
        there = len({name for name in found if name is not None})
        share = there / len(known)
        if share >= _LEAST.get(writing.context, _LEAST_OTHERS) and (there, share) > most:
            best, most = Recognised(writing.context, found, writing.note), (there, share)
            if there == len(known) == sum(name is not None for name in found) and writing is _WRITINGS[0]:
                break
    return best


def both_strands(labels: Iterable[object]) -> bool:
    """Returns true for labels of SBS192 that name the 96 channels of either strand, A[C>A]A and T[G>T]T."""
    # each once: in a table with a row for each sample and channel labels repeat
    found = [_either(text, _changed) for text in dict.fromkeys(map(_plain, labels))]
    return sum(name is not None for name in found) > 1.5 * len(CHANNELS) and len(set(found)) <= len(CHANNELS) + 1


def _plain(label: object) -> str:
    text = "" if label is None else str(label).strip().strip("'\"`").strip().upper()
    # R's make.names writes a dot for each sign, also for quotes ("X." before them), "->" and "6+"
    text = re.sub(r"\.{2,}", ".", text.removeprefix("X.")).strip(".")
    text = re.sub(r"^X(?=[ACGT][.\[])", "", text)  # as R writes names that it takes for numbers, and some for all
    return re.sub(r"\s*(?:->|=>|→|&GT;)\s*", ">", text)


_Change = tuple[str, str, str, str]  # base before, reference, alternative, base after


def _changed(text: str) -> _Change | None:
    """The change that a label names, whatever its strand."""
    if found := _PLAIN.fullmatch(text):
        before, ref, alt, after = [part for part in found.groups() if part]
        return before, ref, alt, after
    if found := _CHANGE_FIRST.fullmatch(text):
        ref, alt, before, middle, after, *dotted = found.groups()
        if ref is None:
            ref, alt, before, after = dotted
            return before, ref, alt, after
        return (before, ref, alt, after) if middle == ref else None
    if found := _CONTEXT_FIRST.fullmatch(text):
        before, middle, after, ref, alt = found.groups()
        return (before, ref, alt, after) if middle == ref else None
    if found := _WHOLE.fullmatch(text):
        before, ref, after, alt = found.groups()
        return before, ref, alt, after
    if found := _NEW_BASE_LAST.fullmatch(text):
        before, ref, after, alt = found.groups()
        return before, ref, alt, after
    return None


def _change_before_context(text: str) -> _Change | None:
    """C.A.A.A (R's name of C>A A.A) and CAAA: reference, alternative, base before, base after."""
    found = _DOTTED.fullmatch(text) or _SHORT.fullmatch(text)
    if found is None:
        return None
    ref, alt, before, after = found.groups()
    return before, ref, alt, after


def _named(change: _Change | None) -> str | None:
    if change is None:
        return None
    before, ref, alt, after = change
    name = f"{before}[{ref}>{alt}]{after}"
    return name if name in _KNOWN["SBS96"] else None


def _substitution(text: str, read: Callable[[str], _Change | None] = _changed) -> str | None:
    return _named(read(text))


def _either(text: str, read: Callable[[str], _Change | None]) -> str | None:
    """The channel of a change that is written for either strand."""
    change = read(text)
    if change is None or change[1] in "CT":
        return _named(change)
    before, ref, alt, after = (reverse_complement(base) for base in change)
    return _named((after, ref, alt, before))


def _stranded(text: str, context: str) -> str | None:
    found = _STRAND.fullmatch(text)
    inner = None if found is None else _substitution(found[2])
    name = "" if found is None else f"{found[1]}:{inner}"
    return name if name in _KNOWN[context] else None


def _wide(text: str) -> str | None:
    """SBS1536, in one piece or as change and five bases."""
    if found := _WIDE_PAIR.fullmatch(text):
        first, second = found.groups()[:7], found.groups()[7:]
        ref, alt, a, b, middle, c, d = first if first[0] else (second[2], second[6], *second[:5])
        name = f"{a}{b}[{ref}>{alt}]{c}{d}" if middle == ref else ""
        return name if name in _KNOWN["SBS1536"] else None
    found = _WIDE.fullmatch(text)
    marked = "[" in text or re.fullmatch(r"\w\w\.\w\.\w\.\w\w", text)  # AA.C.A.AA is R's name of AA[C>A]AA
    inner = None if found is None or not marked else _substitution(found[2])
    return None if found is None or inner is None else f"{found[1]}{inner}{found[3]}"


def _doublet(text: str) -> str | None:
    found = _DOUBLET.fullmatch(text)
    if found is None:
        return None
    ref, alt = found[1] + found[2], found[3] + found[4]
    for name in (f"{ref}>{alt}", f"{reverse_complement(ref)}>{reverse_complement(alt)}"):
        if name in _KNOWN["DBS78"]:
            return name
    return None


def _indel(text: str) -> str | None:
    if found := _INDEL.fullmatch(text):
        size, kind, what, copies = found.groups()
    elif found := _INDEL_WORDS.fullmatch(text):
        kind, what, size, copies = found.groups()
        what = {"REPEATS": "R", "MH": "M"}.get(what, what)
    elif found := _INDEL_LONG.fullmatch(text):
        base, size, kind, homology, copies = found.groups()
        what = base or ("M" if homology else "R")
        size = size or "1"
        kind = kind[:3]
        # MutationalPatterns counts the deleted copy too
        copies = str(int(copies) - 1) if kind == "DEL" and not homology else copies
    else:
        return None
    name = f"{size}:{kind.capitalize()}:{what}:{copies}"
    return name if name in _KNOWN["ID83"] else None


_WRITINGS = (
    _Writing("SBS96", _substitution),
    _Writing("SBS96", functools.partial(_substitution, read=_change_before_context)),
    _Writing("DBS78", _doublet),
    _Writing("ID83", _indel),
    _Writing("SBS288", functools.partial(_stranded, context="SBS288")),
    _Writing("SBS384", functools.partial(_stranded, context="SBS384")),
    _Writing("SBS1536", _wide),
    _Writing("SBS96", functools.partial(_either, read=_changed), OTHER_STRAND),
    _Writing("SBS96", functools.partial(_either, read=_change_before_context), OTHER_STRAND),
)
"""Ways to write channels; of those that recognise as many, the first is taken."""
