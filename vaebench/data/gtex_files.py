"""The GTEx cohort from its expression matrix (``.gct``) and its table of sample attributes."""

from __future__ import annotations

from pathlib import Path

from vaebench.data.download import verified
from vaebench.data.expression import check_choice
from vaebench.data.joined import GENE_NAMES, Study, study_dataset
from vaebench.data.roles import Roles
from vaebench.data.scaling import Treatment
from vaebench.data.sources import data_folder, found_files
from vaebench.types import Dataset


def gtex(
    folder: str | Path | None = None,
    *,
    label: str = "SMTS",
    genes: str = "identifier",
    top: int | str | None = 5000,
    deviation: str = "mean",
    scaling: str = "zscore",
    transform: str = "log2",
    missing: str = "refuse",
    duplicates: str = "apart",
    where: str | None = None,
    cache: bool | str | Path = True,
) -> Dataset:
    """GTEx V8: gene expression of normal tissues, with the tissue as label; there is no survival.

    The result is kept on disk, so that the same call is quick afterwards.

    Args:
        folder: holds the two files under their names at the source, gzipped or not; by default where
            ``vaebench data fetch gtex`` puts them.
        label: ``"SMTS"`` (30 tissues) or ``"SMTSD"`` (their parts), or another column of the attributes.
        genes: ``"identifier"`` (Ensembl, unique) or ``"symbol"``.
        top: keep this many genes of largest absolute deviation; ``None`` keeps all.
        deviation: ``"mean"`` or ``"median"`` absolute deviation.
        scaling: ``"zscore"``, ``"unit"`` or ``"none"``.
        transform: ``"log2"`` of x + 1, as the paper has it for TPM, or ``"none"``, as the studies' code did.
        missing: ``"refuse"`` or ``"impute"``.
        duplicates: symbols listed twice are kept ``"apart"``, summed (``"sum"``), or refused.
        where: samples to keep by columns of the attributes, such as ``"SMRIN>=6"``.
        cache: ``True`` for the user's cache folder, a folder, or ``False``.

    Raises:
        InputError: for a missing or altered file, a bad option, or files that do not fit together.
    """
    check_choice("genes", genes, GENE_NAMES)
    expression, attributes = found_files("gtex", folder)
    study = Study(
        name="gtex",
        expression=expression,
        annotation=attributes,
        sample="SAMPID",
        roles=Roles(label=label, where=where),
        treatment=Treatment(top, deviation, scaling, transform, missing),
        duplicates=duplicates,
        names_from=GENE_NAMES.index(genes),
    )
    return study_dataset(study, cache, verified(data_folder("gtex", folder)))
