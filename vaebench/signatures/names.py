"""Names of signatures, tumour types and groups as people write them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from vaebench.errors import InputError


def checked_name(option: str, name: str, known: list[str]) -> str:
    """The one of ``known`` that ``name`` is, apart from case, punctuation and the prefix of TCGA's cohorts.

    Raises:
        InputError: for another name; with the nearest of a long list, which would not fit a sentence.
    """
    if name in known:
        return name
    by_letters = {_letters(other): other for other in reversed(known)}
    letters = _letters(name)
    if letters in by_letters:
        return by_letters[letters]
    holding = [other for other in known if letters and letters in _letters(other)]
    close = difflib.get_close_matches(letters, by_letters, n=5, cutoff=0.4)
    near = list(dict.fromkeys([*holding, *(by_letters[v] for v in close)]))[:5] or known[:3]
    nearest = f"the nearest of {len(known)} names {'are' if len(near) > 1 else 'is'} {', '.join(near)}"
    raise InputError(f"{option}={name[:60]!r} is not known; {nearest}")


def _letters(name: str) -> str:
    """``name`` in lower case without punctuation, and without the prefix of TCGA's cohorts."""
    return re.sub(r"[^a-z0-9]", "", name.lower().removeprefix("tcga-"))


def cosmic_name(name: str) -> str | None:
    """``name`` as COSMIC writes it; ``None`` for a name that is not COSMIC's.

    ``Signature 7`` of version 2 is ``SBS7``, and ``SBS7a_GRCh37``, as COSMIC calls the columns of single signatures, ``SBS7a``.
    """
    kind, genome = r"(SBS|DBS|ID|CN|SV|signature)", r"(GRC[hm]\d\d|hg\d\d|mm\d+|rn\d|exome|genome)"
    found = re.fullmatch(rf"{kind}[ ._-]?(\d+)([a-z]?)([ ._-]{genome})*", name.strip(), re.IGNORECASE)
    if not found or found[3].isupper():  # SBS96A is what SigProfiler calls one that was extracted
        return None
    kind = found[1].upper()
    return f"{'SBS' if kind == 'SIGNATURE' else kind}{int(found[2])}{found[3]}"


def cosmic_names(names: Iterable[str]) -> list[str]:
    """``names`` as COSMIC writes them, and others as they are."""
    return [cosmic_name(str(name)) or str(name) for name in names]
