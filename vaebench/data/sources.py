"""Addresses of the files of public data sets, and the folders that hold them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from vaebench.errors import InputError, unknown_name, user_path


@dataclasses.dataclass(frozen=True)
class PublicFiles:
    """The files of a public data set.

    Attributes:
        files: file name -> address.
        about: content, source and terms, in one line.
        digests: file name -> sha256, of those files whose digest others have published.
    """

    files: dict[str, str]
    about: str
    digests: dict[str, str] = dataclasses.field(default_factory=dict)


_XENA = "https://tcga-pancan-atlas-hub.s3.us-east-1.amazonaws.com/download/"
_GTEX = "https://storage.googleapis.com/adult-gtex/"
COSMIC = "https://cog.sanger.ac.uk/cosmic-signatures-production/documents/"
"""Folder of COSMIC's tables."""

SOURCES = {
    "tcga": PublicFiles(
        files={
            "EB++AdjustPANCAN_IlluminaHiSeq_RNASeqV2.geneExp.xena.gz": _XENA
            + "EB%2B%2BAdjustPANCAN_IlluminaHiSeq_RNASeqV2.geneExp.xena.gz",
            "Survival_SupplementalTable_S1_20171025_xena_sp": _XENA + "Survival_SupplementalTable_S1_20171025_xena_sp",
        },
        about="TCGA pan-cancer expression (log2, batch corrected) and survival, from UCSC Xena",
    ),
    "gtex": PublicFiles(
        files={
            "GTEx_Analysis_2017-06-05_v8_RNASeQCv1.1.9_gene_tpm.gct.gz": _GTEX
            + "bulk-gex/v8/rna-seq/GTEx_Analysis_2017-06-05_v8_RNASeQCv1.1.9_gene_tpm.gct.gz",
            "GTEx_Analysis_v8_Annotations_SampleAttributesDS.txt": _GTEX
            + "annotations/v8/metadata-files/GTEx_Analysis_v8_Annotations_SampleAttributesDS.txt",
        },
        about="GTEx V8 gene TPM and the attributes of its samples, from the GTEx portal",
        # as at least two projects that do not know of each other found and published them
        digests={
            "GTEx_Analysis_2017-06-05_v8_RNASeQCv1.1.9_gene_tpm.gct.gz": (
                "ec783825ebebb8ba8525b73cb7ff9577162bc0d2e8a7fdc408283b7639c306fb"
            ),
            "GTEx_Analysis_v8_Annotations_SampleAttributesDS.txt": (
                "74f6ab4c34ed2648d708a0ae6e6dff324f6c86ea723ae7d1c37d76f5221148f0"
            ),
        },
    ),
    "cosmic": PublicFiles(
        files={"COSMIC_v3.4_SBS_GRCh37.txt": COSMIC + "COSMIC_v3.4_SBS_GRCh37.txt"},
        about="COSMIC mutational signatures v3.4 (SBS, GRCh37), under COSMIC's terms: not to be passed on",
    ),
}
"""Name of a data set -> its files. A digest that is not listed here is recorded when the file is first downloaded."""


def source(name: str) -> PublicFiles:
    """Returns the files of a public data set; raises ``InputError`` for an unknown name."""
    if name not in SOURCES:
        raise unknown_name("data set to fetch", name, SOURCES)
    return SOURCES[name]


def data_folder(name: str, folder: str | Path | None = None) -> Path:
    """Returns the folder with the files of a data set: ``folder``, or by default one in the user's cache folder."""
    if folder is not None:
        return user_path(folder)
    import platformdirs

    return Path(platformdirs.user_cache_dir("vaebench", appauthor=False)) / "files" / name


def found_files(name: str, folder: str | Path | None = None) -> list[Path]:
    """Finds the files of a data set, gzipped or not, in the order of its source.

    Args:
        name: name of the data set.
        folder: see :func:`data_folder`.

    Raises:
        InputError: a file is missing; the message says how to get it.
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
