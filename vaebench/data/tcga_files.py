"""The TCGA pan-cancer cohort from the two files that UCSC Xena offers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vaebench.data.download import verified
from vaebench.data.joined import Study, study_dataset
from vaebench.data.roles import Roles
from vaebench.data.scaling import Treatment
from vaebench.data.sources import data_folder, found_files
from vaebench.types import Dataset, InputError

_TYPE = "cancer type abbreviation"
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

    Samples are joined by barcode, see :func:`vaebench.data.barcodes.matched_rows`; samples without a cancer type are
    dropped and counted. Factors are age, gender (1 for female), days to metastasis, and, where asked for, ``immune`` and
    signature shares. The result is kept on disk, so that the same call is quick afterwards.

    Args:
        folder: holds the two files under their names at the source, gzipped or not; by default where
            ``vaebench data fetch tcga`` puts them.
        top: keep this many genes of largest absolute deviation; ``None`` keeps all.
        deviation: ``"mean"`` (as the studies' code) or ``"median"`` absolute deviation.
        scaling: ``"zscore"``, ``"unit"`` or ``"none"``.
        missing: ``"impute"`` the gene's mean, which is 0 after z-scoring, or ``"refuse"``.
        duplicates: genes listed twice are kept ``"apart"``, summed in linear scale (``"sum"``), or refused.
        where: samples to keep by columns of the survival table or ``sample_type`` of the barcode: ``"sample_type!=11"``.
        signatures: table of mutational signature shares, one line a sample (barcode first), one column a signature.
        immune_genes: genes whose summed expression is the factor ``immune``, or a file with one a line.
        cache: ``True`` for the user's cache folder, a folder, or ``False``.

    Raises:
        InputError: for a missing or altered file, a bad option, or files that do not fit together.
    """
    expression, survival = found_files("tcga", folder)
    genes = {} if immune_genes is None else {"immune": _genes(immune_genes)}
    study = Study(
        name="tcga",
        expression=expression,
        annotation=survival,
        sample="sample",
        roles=Roles(
            label=_TYPE,
            event="OS",
            time="OS.time",
            covariates=(_AGE, "gender"),
            factors=(_AGE, _RECURRENCE),
            where=where,
        ),
        treatment=Treatment(top, deviation, scaling, "none", missing),
        duplicates=duplicates,
        logged=True,
        shares=None if signatures is None else Path(signatures),
        genes=genes,
        names={_AGE: "age", _RECURRENCE: "days_to_metastasis"},
        numbered={"gender": ("gender", "female")},
    )
    return study_dataset(study, cache, verified(data_folder("tcga", folder)))


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
