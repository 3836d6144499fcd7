"""Where the public data sets lie, and under what names their files are kept."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from vaebench.errors import InputError, unknown_name


@dataclasses.dataclass(frozen=True)
class Source:
    """A public data set in files.

    Attributes:
        files: file name -> address.
        about: one sentence: what it holds, how large it is, whose terms apply.
    """

    files: dict[str, str]
    about: str


_XENA = "https://tcga-pancan-atlas-hub.s3.us-east-1.amazonaws.com/download/"
_GTEX = "https://storage.googleapis.com/adult-gtex/"
_COSMIC = "https://cog.sanger.ac.uk/cosmic-signatures-production/documents/"

SOURCES = {
    "tcga": Source(
        files={
            "EB++AdjustPANCAN_IlluminaHiSeq_RNASeqV2.geneExp.xena.gz": _XENA
            + "EB%2B%2BAdjustPANCAN_IlluminaHiSeq_RNASeqV2.geneExp.xena.gz",
            "Survival_SupplementalTable_S1_20171025_xena_sp": _XENA + "Survival_SupplementalTable_S1_20171025_xena_sp",
        },
        about="TCGA pan-cancer expression (log2, batch corrected) and survival, from UCSC Xena",
    ),
    "gtex": Source(
        files={
            "GTEx_Analysis_2017-06-05_v8_RNASeQCv1.1.9_gene_tpm.gct.gz": _GTEX
            + "bulk-gex/v8/rna-seq/GTEx_Analysis_2017-06-05_v8_RNASeQCv1.1.9_gene_tpm.gct.gz",
            "GTEx_Analysis_v8_Annotations_SampleAttributesDS.txt": _GTEX
            + "annotations/v8/metadata-files/GTEx_Analysis_v8_Annotations_SampleAttributesDS.txt",
        },
        about="GTEx V8 gene TPM and the attributes of its samples, from the GTEx portal",
    ),
    "cosmic": Source(
        files={"COSMIC_v3.4_SBS_GRCh37.txt": _COSMIC + "COSMIC_v3.4_SBS_GRCh37.txt"},
        about="COSMIC mutational signatures v3.4 (SBS, GRCh37), under COSMIC's terms: not to be passed on",
    ),
}
"""Name of a data set -> its files. No digest is given here: it is recorded when a file is first fetched."""


def source(name: str) -> Source:
    """The files of a public data set; ``InputError`` for an unknown name."""
    if name not in SOURCES:
        raise unknown_name("data set to fetch", name, SOURCES)
    return SOURCES[name]


def data_folder(name: str, folder: str | Path | None = None) -> Path:
    """The folder of a data set's files: ``folder``, or one in the user's cache."""
    if folder is not None:
        return Path(folder)
    import platformdirs

    return Path(platformdirs.user_cache_dir("vaebench", appauthor=False)) / "files" / name


def found_files(name: str, folder: str | Path | None = None) -> list[Path]:
    """The data set's files in ``folder``, in the order of its source, each gzipped or not.

    Raises:
        InputError: naming the file that is missing, and how to get it.
    """
    place, found = data_folder(name, folder), []
    for wanted in source(name).files:
        plain = wanted.removesuffix(".gz")
        present = [place / file for file in (wanted, plain, plain + ".gz") if (place / file).is_file()]
        if not present:
            option = "" if folder is None else f" --folder {place}"
            raise InputError(f"{wanted} is missing in {place}; get it with: vaebench data fetch {name}{option}")
        found.append(present[0])
    return found
