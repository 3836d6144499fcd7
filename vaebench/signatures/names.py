"""Names of signatures, tumour types and groups as people write them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from vaebench.errors import InputError

_WORDS = {
    "breast mamma": "BRCA Breast-AdenoCA Breast-LobularCA",
    "liver hepat hcc": "Liver-HCC LIHC",
    "bili bile cholangio gallbladder": "Biliary-AdenoCA CHOL",
    "bladder urotheli": "Bladder-TCC BLCA",
    "bone osteosarc": "Bone-Osteosarc Bone-Epith Bone-Benign",
    "brain gliobl gliom astrocyt": "CNS-GBM GBM LGG CNS-PiloAstro",
    "oligo": "CNS-Oligo LGG",
    "medullo": "CNS-Medullo",
    "cervi": "Cervix-SCC CESC",
    "colo colon rect bowel crc": "ColoRect-AdenoCA COAD READ",
    "esoph oesoph": "Eso-AdenoCA ESCA",
    "head neck oral laryn pharyn hnscc": "Head-SCC HNSC",
    "kidney renal rcc ccrcc": "Kidney-RCC KIRC KIRP Kidney-ChRCC KICH",
    "lung nsclc": "Lung-AdenoCA LUAD Lung-SCC LUSC",
    "lympho dlbcl": "Lymph-BNHL DLBC Lymph-CLL",
    "leuk aml cll": "Myeloid-AML LAML Lymph-CLL",
    "mpn myelo": "Myeloid-MPN Myeloid-AML LAML",
    "ovar": "Ovary-AdenoCA OV",
    "pancrea pdac": "Panc-AdenoCA PAAD Panc-Endocrine",
    "prosta": "Prost-AdenoCA PRAD",
    "skin melan": "Skin-Melanoma SKCM",
    "uvea eye ocul": "UVM",
    "sarcom leiomyo liposarc soft": "SARC SoftTissue-Leiomyo SoftTissue-Liposarc",
    "stomach gastri": "Stomach-AdenoCA STAD",
    "thyr": "Thy-AdenoCA THCA",
    "thym": "THYM",
    "uter endometri": "Uterus-AdenoCA UCEC UCS",
    "adren": "ACC PCPG",
    "phaeo pheo paragang": "PCPG",
    "mesothel pleur": "MESO",
    "testi germ": "TGCT",
}
"""Beginnings of words for a tissue -> its published types, the most usual first."""


def checked_name(option: str, name: str, known: list[str]) -> str:
    """The one of ``known`` that ``name`` is, apart from case, punctuation and the prefix of TCGA's cohorts.

    Raises:
        InputError: for another name; with the nearest of a long list, which would not fit a sentence.
    """
    if not isinstance(name, str):
        raise InputError(f"{option}={name!r} is not allowed; it must be a name, such as {known[0]!r}")
    if name in known:
        return name
    by_letters = {_letters(other): other for other in reversed(known)}
    letters = _letters(name)
    if letters in by_letters:
        return by_letters[letters]
    holding = [other for other in known if letters and letters in _letters(other)]
    close = difflib.get_close_matches(letters, by_letters, n=5, cutoff=0.4)
    meant = [other for other in _types_of_words(name) if other in known] if option == "tissue" else []
    alike = [] if meant else [by_letters[v] for v in close]
    near = list(dict.fromkeys([*meant, *holding, *alike]))[:5] or known[:3]
    nearest = f"the nearest of {len(known)} names {'are' if len(near) > 1 else 'is'} {', '.join(near)}"
    listed = " (vaebench list tissues has those that are published)" if option == "tissue" else ""
    raise InputError(f"{option}={name[:60]!r} is not known; {nearest}{listed}")


def _types_of_words(name: str) -> list[str]:
    """Published tumour types that the words of a name mean, such as "hepatocellular carcinoma"."""
    words = re.findall(r"[a-z]+", name.lower())
    return [
        tissue
        for stems, types in _WORDS.items()
        if any(word.startswith(tuple(stems.split())) for word in words)
        for tissue in types.split()
    ]


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
