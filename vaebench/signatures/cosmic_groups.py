"""Groups of COSMIC signatures by their cause, so that a refit can leave out artefacts, treatment or UV by name.

The groups and their members are those that SigProfilerAssignment 1.1 documents as its signature subgroups (COSMIC 3.4).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from vaebench.errors import InputError
from vaebench.signatures.names import checked_name, cosmic_name

SUBGROUPS: Mapping[str, str] = {
    "MMR_deficiency": "SBS6 SBS14 SBS15 SBS20 SBS21 SBS26 SBS44 DBS7 DBS10 ID7",
    "POL_deficiency": "SBS10a SBS10b SBS10c SBS10d SBS28 DBS3",
    "HR_deficiency": "SBS3 DBS13 ID6",
    "BER_deficiency": "SBS30 SBS36",
    "Chemotherapy": "SBS11 SBS25 SBS31 SBS35 SBS86 SBS87 SBS90 SBS99 DBS5",
    "Immunosuppressants": "SBS32",
    "Treatment": "SBS11 SBS25 SBS31 SBS32 SBS35 SBS86 SBS87 SBS90 SBS99 DBS5",
    "APOBEC": "SBS2 SBS13",
    "Tobacco": "SBS4 SBS29 SBS92 SBS100 SBS109 DBS2 ID3",
    "UV": "SBS7a SBS7b SBS7c SBS7d SBS38 DBS1 ID13",
    "AA": "SBS22 SBS22a SBS22b DBS20 ID23",
    "Colibactin": "SBS88 ID18",
    "Artifact": "SBS27 SBS43 SBS45 SBS46 SBS47 SBS48 SBS49 SBS50 SBS51 SBS52 SBS53 SBS54 SBS55 SBS56 SBS57 SBS58 SBS59 SBS60 "
    "SBS95 DBS14",
    "Lymphoid": "SBS9 SBS84 SBS85",
}
"""Name of a group -> its signatures; a signature may be in several."""

_OTHER_NAMES: Mapping[str, str] = {
    "MMR_deficiency": "mmr mmrd dmmr mismatch_repair mismatch_repair_deficiency msi",
    "POL_deficiency": "pol pole pold1 polymerase polymerase_deficiency",
    "HR_deficiency": "hr hrd brca homologous_recombination homologous_recombination_deficiency",
    "BER_deficiency": "ber base_excision_repair base_excision_repair_deficiency",
    "Chemotherapy": "chemo chemotherapies",
    "Immunosuppressants": "immunosuppression immunosuppressive",
    "Treatment": "therapy iatrogenic",
    "APOBEC": "aid_apobec",
    "Tobacco": "smoking",
    "UV": "ultraviolet uv_light uvr",
    "AA": "aristolochic_acid",
    "Artifact": "sequencing_artifact possible_sequencing_artifact",
    "Lymphoid": "lymphocyte",
}


def subgroups() -> pd.DataFrame:
    """The groups as a table: ``group, signature``, a row for each member; ``--exclude`` takes the names of the groups."""
    rows = [(group, name) for group, members in SUBGROUPS.items() for name in members.split()]
    return pd.DataFrame(rows, columns=["group", "signature"])


def _plain(name: str) -> str:
    """``name`` without case, punctuation, plural, British spelling, and the words around it in SigProfiler's options."""
    text = re.sub(r"[^a-z0-9]", "", name.lower()).replace("artefact", "artifact")
    text = re.sub(r"^remove|signatures?$", "", text)
    return text.removesuffix("s")


_BY_PLAIN = {
    _plain(name): group for group in SUBGROUPS for name in (group, *_OTHER_NAMES.get(group, "").split())
}  # "artifact", "hrd", ... -> group


def group_named(name: str) -> str | None:
    """The group that ``name`` means, in British or American spelling and any case; ``None`` for another name."""
    return _BY_PLAIN.get(_plain(name))


def members(group: str, names: Iterable[str]) -> list[str]:
    """Those of ``names`` that belong to ``group``; SBS7 of an older version does where SBS7a, SBS7b, ... do."""
    listed = SUBGROUPS[group].split()
    parents = {re.sub(r"[a-d]$", "", name) for name in listed}
    return [name for name in names if (own := cosmic_name(name)) is not None and (own in listed or own in parents)]


def named_signatures(option: str, asked: Sequence[str] | str, known: Sequence[str]) -> dict[str, list[str]]:
    """Signatures that a list of signatures and groups names: what was written -> names among ``known``.

    A group without a member in ``known`` has an empty list.

    Args:
        option: for the message: ``"include"`` or ``"exclude"``.
        asked: names, or texts of names separated by commas.
        known: names of the signatures that there are.

    Raises:
        InputError: for a name that is neither a signature nor a group.
    """
    if not isinstance(asked, Iterable):
        raise InputError(f"{option}={asked!r} is not allowed; it must hold names of signatures or groups")
    texts = [asked] if isinstance(asked, str) else [str(text) for text in asked]
    names = [part.strip() for text in texts for part in ([text] if text in known else text.split(",")) if part.strip()]
    found: dict[str, list[str]] = {}
    for name in names:
        group = None if name.lower() in {other.lower() for other in known} else group_named(name)
        if group is not None:
            found[name] = members(group, known)
            continue
        found[name] = [checked_name(option, name, [*known, *SUBGROUPS])]
    return found
