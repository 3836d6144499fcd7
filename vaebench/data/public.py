"""The public cohorts: TCGA from the two files of UCSC Xena, GTEx from its matrix and its sample attributes.

The two files are joined by sample name. The data set is kept in a cache, so that the same call is fast the next time. A
file that differs from the one downloaded first is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vaebench.data.annotated import GENE_NAMES, Study, study_dataset
from vaebench.data.columns import Roles
from vaebench.data.dataset import Treatment
from vaebench.data.downloads import verified
from vaebench.data.sources import data_folder, found_files
from vaebench.errors import InputError, check_choice, user_path
from vaebench.types import Dataset

TYPE = "cancer type abbreviation"
"""Column of TCGA's survival table with the label."""

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
    tumours_only: bool = False,
    one_per_patient: bool = False,
    signatures: str | Path | None = None,
    immune_genes: str | Path | Sequence[str] | None = None,
    cache: bool | str | Path = True,
) -> Dataset:
    """Reads TCGA: pan-cancer expression with cancer types, overall survival, age and gender.

    Expression is log2(x + 1) of normalised counts, batch corrected, from UCSC Xena. Labels are cancer types; samples without
    one are dropped and counted. Survival is in days. Covariates are age (years) and gender. Factors are age, gender (1 for
    female), days to metastasis, and on request ``immune`` and signature shares.

    Args:
        folder: folder with the two files under their original names, gzipped or not; by default the one that
            ``vaebench data fetch tcga`` fills.
        top: number of genes to keep, those with the largest absolute deviation; ``"<=5000"`` keeps at most that many;
            ``None`` keeps all.
        deviation: ``"mean"`` (as in the studies' code) or ``"median"`` absolute deviation.
        scaling: ``"zscore"``, ``"unit"`` or ``"none"``, per gene.
        missing: ``"impute"`` the gene's mean, which is 0 after z-scoring, or ``"refuse"``.
        duplicates: for genes listed more than once: keep them ``"apart"``, ``"sum"`` them on the linear scale, or
            ``"refuse"``.
        where: samples to keep, by columns of the survival table or the barcode's ``sample_type``: ``"sample_type!=11"``.
        tumours_only: leave out normal tissue and controls.
        one_per_patient: keep one sample of each patient; see :func:`vaebench.data.read_table`.
        signatures: table with shares of mutational signatures: one line per sample (barcode first), one column per
            signature, each share from 0 to 1; each column becomes a factor.
        immune_genes: genes whose summed expression is the factor ``immune``, or a file with one gene per line.
        cache: ``True`` for the user's cache folder, a folder, or ``False`` for none.

    Returns:
        The data set, samples named by their barcodes.

    Raises:
        InputError: a file is missing, damaged or not the one downloaded first, or an option is not allowed.

    Example::

        data = vb.data.tcga(where="sample_type!=11")
    """
    expression, survival = found_files("tcga", folder)
    factors = (_AGE, _RECURRENCE)
    study = Study(
        name="tcga",
        expression=expression,
        annotation=survival,
        sample="sample",
        roles=Roles(
            label=TYPE,
            event="OS",
            time="OS.time",
            covariates=(_AGE, "gender"),
            factors=factors,
            where=where,
            tumours_only=tumours_only,
            one_per_patient=one_per_patient,
        ),
        treatment=Treatment(top, deviation, scaling, "none", missing),
        duplicates=duplicates,
        logged=True,
        shares=None if signatures is None else user_path(signatures),
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
    """Reads GTEx V8: gene expression (TPM) of normal tissues with the tissue as label; there is no survival.

    Args:
        folder: folder with the two files under their original names, gzipped or not; by default the one that
            ``vaebench data fetch gtex`` fills.
        label: ``"SMTS"`` (30 tissues), ``"SMTSD"`` (parts of tissues), or another column of the sample attributes.
        genes: names of genes: ``"identifier"`` (Ensembl, unique) or ``"symbol"``.
        top: number of genes to keep, as for :func:`tcga`.
        deviation: ``"mean"`` or ``"median"`` absolute deviation.
        scaling: ``"zscore"``, ``"unit"`` or ``"none"``, per gene.
        transform: ``"log2"`` for log2(x + 1) of TPM, as in the paper, or ``"none"``, as in the studies' code.
        missing: ``"refuse"`` missing values, or ``"impute"`` the gene's mean.
        duplicates: for symbols listed more than once: keep them ``"apart"``, ``"sum"`` them, or ``"refuse"``.
        where: samples to keep, by columns of the attributes: ``"SMRIN>=6"``.
        cache: ``True`` for the user's cache folder, a folder, or ``False`` for none.

    Returns:
        The data set, samples named by ``SAMPID``.

    Raises:
        InputError: a file is missing, damaged or not the one downloaded first, or an option is not allowed.

    Example::

        data = vb.data.gtex(where="SMRIN>=6", genes="symbol")
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
    """The genes given as a sequence, or in a file."""
    if not isinstance(given, str | Path):
        return tuple(given)
    file = user_path(given)
    if not file.is_file():
        raise InputError(f"immune_genes names {file}, which is not a file; it must be one with one gene per line")
    genes = tuple(line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    if not genes:
        raise InputError(f"{file} lists no gene; it must have one gene per line")
    return genes
