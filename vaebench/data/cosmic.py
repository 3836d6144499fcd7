"""Names and addresses of COSMIC's tables of reference signatures, by version, genome and context."""

from __future__ import annotations

import re

from vaebench.data.sources import COSMIC, PublicFiles, source
from vaebench.errors import InputError, check_choice

CONTEXTS_OF_COSMIC = ("SBS", "DBS", "ID")
"""Contexts whose tables can be fetched."""
GENOMES = ("GRCh37", "GRCh38", "mm9", "mm10", "rn6")
"""Genomes that COSMIC converts its signatures to."""
_ALSO = {"hg19": "GRCh37", "hg38": "GRCh38", "mouse": "mm10", "grcm38": "mm10", "rat": "rn6", "human": "GRCh37"}
# COSMIC publishes genome signatures only; those that are converted to exomes are of SigProfilerAssignment
_EXOMES = (
    "https://raw.githubusercontent.com/SigProfilerSuite/SigProfilerAssignment/main/SigProfilerAssignment/data/"
    "Reference_Signatures/"
)


def chosen_source(
    name: str, version: str | None = None, genome: str | None = None, context: str | None = None, exome: bool = False
) -> PublicFiles:
    """Returns the files of a public data set, for ``"cosmic"`` those of a version, genome and context.

    Args:
        name: of the data set.
        version: such as ``"3.4"``, the default; a later one too.
        genome: one of :data:`GENOMES`, or ``hg19``, ``hg38``, ``mouse``, ``rat``; by default GRCh37.
        context: one of :data:`CONTEXTS_OF_COSMIC`; by default ``"SBS"``.
        exome: signatures that are converted to the exome of the genome.

    Raises:
        InputError: the name or an option is unknown, or the option is not one of this data set.
    """
    found = source(name)
    if version is None and genome is None and context is None and not exome:
        return found
    if name != "cosmic":
        raise InputError(
            f"version, genome, context and exome choose among the tables of 'cosmic'; {name!r} has one version"
        )
    number = (version or "3.4").strip().lower().removeprefix("v")
    if not re.fullmatch(r"[1-9](\.\d+){0,2}", number):
        raise InputError(
            f"version {version!r} is not allowed; it must be a version of COSMIC's signatures, such as 3.4"
        )
    number = "3" if number == "3.0" else number
    kind = (context or "SBS").strip().upper()
    kind = {"SBS96": "SBS", "DBS78": "DBS", "ID83": "ID"}.get(kind, kind)
    check_choice("context", kind, CONTEXTS_OF_COSMIC)
    build = (genome or "GRCh37").strip()
    build = _ALSO.get(build.lower(), next((known for known in GENOMES if known.lower() == build.lower()), build))
    check_choice("genome", build, GENOMES)
    if kind == "ID" and build != "GRCh37":
        raise InputError(
            f"genome {build} is not allowed with ID: these signatures are the same for every genome; use GRCh37"
        )
    if exome and kind != "SBS":
        raise InputError(f"exome is not allowed with {kind}; exome signatures are known of SBS")
    file = f"COSMIC_v{number}_{kind}_{build}{'_exome' if exome else ''}.txt"
    address = f"{_EXOMES}{build}/{file}" if exome else COSMIC + file
    return PublicFiles(
        {file: address}, f"COSMIC mutational signatures v{number} ({kind}, {build}), under COSMIC's terms"
    )
