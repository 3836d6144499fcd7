"""The public cohorts: TCGA from the two files that UCSC Xena offers, GTEx from its matrix and its sample attributes.

Both are joined by sample name, kept on disk so that the same call is quick afterwards, and refused where a file is not
the one that was fetched first. Options that are not explained here are those of :func:`vaebench.data.read_table`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vaebench.data.annotated import GENE_NAMES, Study, study_dataset
from vaebench.data.columns import Roles
from vaebench.data.dataset import Treatment
from vaebench.data.downloads import verified
from vaebench.data.sources import data_folder, found_files
from vaebench.errors import InputError, check_choice
from vaebench.types import Dataset

TYPE = "cancer type abbreviation"
_AGE = "age_at_initial_pathologic_diagnosis"
_RECURRENCE = "new_tumor_event_dx_days_to"


def tcga(
    folder: str | Path | None = None,
    *,
    top: int | str | None = 5000,
    deviation: str = "mean",
    scaling: str = "zscore",
    missing: str = "impute",
    duplicates: str = "apart",
    where: str | None = None,
    signatures: str | Path | None = None,
    immune_genes: str | Path | Sequence[str] | None = None,
    cache: bool | str | Path = True,
) -> Dataset:
    """TCGA's expression (log2, batch corrected) with cancer types, overall survival, age and gender.

    Samples without a cancer type are dropped and counted. Factors are age, gender (1 for female), days to metastasis, and,
    where asked for, ``immune`` and signature shares.

    Args:
        folder: holds the two files under their names at the source, gzipped or not; by default where
            ``vaebench data fetch tcga`` puts them.
        top: genes to keep.
        deviation: ``"mean"`` (as the studies' code) or ``"median"``.
        scaling: of genes.
        missing: ``"impute"`` the gene's mean, which is 0 after z-scoring, or ``"refuse"``.
        duplicates: genes listed twice are kept ``"apart"``, summed in linear scale (``"sum"``), or refused.
        where: samples to keep by columns of the survival table or ``sample_type`` of the barcode: ``"sample_type!=11"``.
        signatures: table of mutational signature shares, one line a sample (barcode first), one column a signature.
        immune_genes: genes whose summed expression is the factor ``immune``, or a file with one a line.
        cache: ``True`` for the user's cache folder, a folder, or ``False``.
    """
    expression, survival = found_files("tcga", folder)
    factors = (_AGE, _RECURRENCE)
    study = Study(
        name="tcga",
        expression=expression,
        annotation=survival,
        sample="sample",
        roles=Roles(TYPE, "OS", "OS.time", covariates=(_AGE, "gender"), factors=factors, where=where),
        treatment=Treatment(top, deviation, scaling, "none", missing),
        duplicates=duplicates,
        logged=True,
        shares=None if signatures is None else Path(signatures),
        genes={} if immune_genes is None else {"immune": _genes(immune_genes)},
        names={_AGE: "age", _RECURRENCE: "days_to_metastasis"},
        numbered={"gender": ("gender", "female")},
    )
    return study_dataset(study, cache, verified(data_folder("tcga", folder)))


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

    Args:
        folder: as for :func:`tcga`.
        label: ``"SMTS"`` (30 tissues) or ``"SMTSD"`` (their parts), or another column of the attributes.
        genes: ``"identifier"`` (Ensembl, unique) or ``"symbol"``.
        top: genes to keep.
        deviation: of a gene.
        scaling: of genes.
        transform: ``"log2"`` of x + 1, as the paper has it for TPM, or ``"none"``, as the studies' code did.
        missing: values.
        duplicates: symbols listed twice are kept ``"apart"``, summed (``"sum"``), or refused.
        where: samples to keep by columns of the attributes, such as ``"SMRIN>=6"``.
        cache: as for :func:`tcga`.
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


def _genes(given: str | Path | Sequence[str]) -> tuple[str, ...]:
    if not isinstance(given, str | Path):
        return tuple(given)
    file = Path(given)
    if not file.is_file():
        raise InputError(f"immune_genes names {file}, which is no file; one gene a line is needed")
    genes = tuple(line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    if not genes:
        raise InputError(f"{file} lists no gene; one a line is needed")
    return genes
