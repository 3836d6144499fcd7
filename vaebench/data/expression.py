"""Expression tables as data sets: which columns are names, labels, survival, covariates or factors, and which genes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vaebench.data.annotated import GENE_NAMES, Study, study_dataset
from vaebench.data.cache import file_record
from vaebench.data.columns import Roles, assembled, numbers, role_columns, sample_names, selected, stem
from vaebench.data.dataset import Treatment
from vaebench.data.files.table import DUPLICATES, SAMPLES_IN, Table, table_from_file
from vaebench.data.files.text import as_number
from vaebench.data.h5ad import anndata_dataset, is_anndata
from vaebench.errors import InputError, check_choice
from vaebench.types import Dataset

if TYPE_CHECKING:
    import anndata


def read_table(
    path: str | Path | anndata.AnnData,
    *,
    label: str | None = None,
    event: str | None = None,
    time: str | None = None,
    time_unit: str = "days",
    covariates: Sequence[str] = (),
    factors: Sequence[str] = (),
    where: str | None = None,
    ignore: Sequence[str] = (),
    samples_in: str = "rows",
    annotation: str | Path | None = None,
    genes: str = "identifier",
    layer: str | None = None,
    top: int | str | None = None,
    deviation: str = "mean",
    scaling: str = "zscore",
    transform: str = "none",
    missing: str = "refuse",
    duplicates: str = "refuse",
    name: str | None = None,
    cache: bool | str | Path = False,
) -> Dataset:
    """The data set in a table (CSV, TSV, Parquet), a matrix of genes x samples (``.gct``), or AnnData; gzipped or not.

    In a table, columns named by an option are what the option says; columns of text are annotations, kept out and listed
    in the provenance; all others are features. The first column names the samples if it has no name, is called
    ``sample``, ``sample_id`` or alike, or is text with mostly different values; else samples are called ``sample_1..N``.
    Samples without a label are dropped; samples without survival stay, with time NaN. Both are counted in the provenance.

    A ``.gct`` file, and with ``annotation`` any table with genes in rows, is read in blocks of genes, however large it is;
    the columns are those of the annotation, joined as :func:`vaebench.data.annotated.matched_rows` says. Of AnnData (the
    object, which is left as it is, or ``.h5ad``; extra ``anndata``) they are those of ``obs``.

    Args:
        path: the file, or an AnnData object.
        label: column of the classes, each with at least 2 samples.
        event: column of 0/1 or true/false (1 is a death), or a comparison such as ``"censorship==0"``; needs ``time``.
        time: column of survival times.
        time_unit: unit of that column, ``"days"``, ``"months"`` or ``"years"``; the data set holds days.
        covariates: columns for Cox models; numbers stay numbers, any other column is categorical.
        factors: columns of numbers known beforehand.
        where: samples to keep, such as ``"tumor==1 & age>=40"``; its columns are no features.
        ignore: columns to leave out.
        samples_in: ``"rows"``, or ``"columns"`` for genes (and label, event, ...) in rows.
        annotation: table with one line a sample, its name in the first column.
        genes: which of the two names in a ``.gct``: ``"identifier"`` or ``"symbol"``.
        layer: layer of AnnData, in place of ``X``.
        top: keep this many features of largest absolute deviation, ``"<=5000"`` as many or fewer; ``None`` keeps all.
        deviation: ``"mean"`` or ``"median"`` absolute deviation.
        scaling: ``"zscore"``, ``"unit"`` or ``"none"``.
        transform: ``"none"``, or ``"log2"`` for log2(max(x, 0) + 1) before selection and scaling.
        missing: ``"refuse"``, or ``"impute"`` for the feature's mean.
        duplicates: ``"refuse"`` a feature name that comes twice, keep its columns ``"apart"`` (``NAME``, ``NAME_2``, ...),
            or ``"sum"`` them as they stand in the file.
        name: short name; the file's name without extensions by default.
        cache: where the result of a matrix is kept: a folder, ``True`` for the user's cache folder, or ``False``.

    Raises:
        InputError: one sentence that names the file, column or option, the value, and what is allowed.
    """
    roles = Roles(label, event, time, time_unit, covariates, factors, where, ignore)
    treatment = Treatment(top, deviation, scaling, transform, missing)
    for option, value, allowed in (
        ("samples_in", samples_in, SAMPLES_IN),
        ("duplicates", duplicates, DUPLICATES),
        ("genes", genes, GENE_NAMES),
    ):
        check_choice(option, value, allowed)
    if is_anndata(path):
        return anndata_dataset(path, layer, roles, treatment, name)
    file: Any = path
    matrix = annotation is not None or ".gct" in [ending.lower() for ending in Path(file).suffixes]
    if layer is not None or (genes != "identifier" and not matrix):
        raise InputError(f"{file}: the option layer is for AnnData, and genes for .gct files")
    if matrix:
        known = None if annotation is None else Path(annotation)
        name = stem(Path(file).name) if name is None else name
        study = Study(name, Path(file), known, roles, treatment, duplicates, names_from=GENE_NAMES.index(genes))
        return study_dataset(study, cache)
    return _table_dataset(table_from_file(file, samples_in, duplicates), Path(file), roles, treatment, duplicates, name)


def _table_dataset(
    table: Table, file: Path, roles: Roles, treatment: Treatment, duplicates: str, name: str | None
) -> Dataset:
    taken = role_columns(table, roles)
    table, _, counts = selected(table, roles)
    samples, first = sample_names(table, taken)
    features, matrix, annotations = _features(table, taken | first, samples)
    if duplicates == "sum":
        features, matrix = _summed(features, matrix, table.repeats)
    provenance = {
        "source": table.source,
        "files": [file_record(file)],
        "options": {"samples_in": table.samples_in, "duplicates": duplicates},
        "annotations": annotations,
        "counts": counts | {"features_with_a_repeated_name": len(table.repeats)},
    }
    name = stem(table.source) if name is None else name
    return assembled(table, roles, treatment, matrix, features, samples, name, provenance)


def _features(table: Table, taken: set[str], samples: np.ndarray | None) -> tuple[list[str], np.ndarray, list[str]]:
    """Names of the D features, their values [N, D] in float64, and the names of the columns of text."""
    names, annotations = [], []
    rest = [column for column in table.columns if column not in taken]
    for column in rest:
        values: Any = table.columns[column]
        if values.dtype.kind == "O" and all(text is None or as_number(text) is None for text in values):
            annotations.append(column)
        else:
            numbers(table, "feature", column, samples)
            names.append(column)
    if not names:
        raise InputError(
            f"{table.source} has no column of numbers left for features; besides {len(annotations)} columns of text "
            "and those named, at least one is needed"
        )
    matrix = np.empty((len(table.lines), len(names)))
    for position, column in enumerate(names):
        matrix[:, position] = table.columns[column]
    return names, matrix, annotations


def _summed(names: list[str], matrix: np.ndarray, repeats: dict[str, str]) -> tuple[list[str], np.ndarray]:
    """Features of one name added up; a sum with a missing part is missing."""
    place = {name: position for position, name in enumerate(names)}
    for name in names:
        if name in repeats and repeats[name] in place:
            matrix[:, place[repeats[name]]] += matrix[:, place[name]]
    kept = [position for position, name in enumerate(names) if repeats.get(name) not in place]
    return [names[position] for position in kept], matrix[:, kept]
