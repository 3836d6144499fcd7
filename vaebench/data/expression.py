"""Reading a data set from a table, a matrix of genes x samples, or AnnData: :func:`read_table`."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from vaebench.data.annotated import GENE_NAMES, Study, study_dataset
from vaebench.data.cache import file_record
from vaebench.data.columns import Roles, assembled, role_columns, selected
from vaebench.data.comparisons import numbers
from vaebench.data.dataset import Treatment
from vaebench.data.features import (
    clinical_names,
    feature_notes,
    nearly_numbers,
    refuse_headless,
    refuse_long,
    refuse_turned,
    sample_notes,
    summed,
    without_gene_columns,
)
from vaebench.data.files.matrix import Block, is_parquet
from vaebench.data.files.table import DUPLICATES, SAMPLES_IN, Table, restricted, stacked, table_from_file
from vaebench.data.files.text import as_number, stem
from vaebench.data.h5ad import anndata_dataset, anndata_option, is_anndata
from vaebench.data.joining import join_notes, joined_table
from vaebench.data.raw_features import array_features
from vaebench.data.sample_columns import not_names, sample_names, with_names, without_index
from vaebench.data.unmatched import TurnedError
from vaebench.errors import InputError, check_choice, unknown_name, user_path
from vaebench.types import Dataset, checked_dataset
from vaebench.types.frames import is_anndata_object

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
    auxiliary: Sequence[str] = (),
    where: str | None = None,
    ignore: Sequence[str] = (),
    features: Sequence[str] = (),
    tumours_only: bool = False,
    one_per_patient: bool = False,
    samples_in: str = "rows",
    annotation: str | Path | None = None,
    annotation_sample_column: str | None = None,
    genes: str = "identifier",
    layer: str | None = None,
    top: int | str | None = None,
    deviation: str = "mean",
    scaling: str = "zscore",
    transform: str = "none",
    missing: str = "refuse",
    duplicates: str = "refuse",
    counts: bool = False,
    name: str | None = None,
    cache: bool | str | Path = False,
) -> Dataset:
    """Reads a data set from a table (CSV, TSV, Excel, Parquet), a matrix of genes x samples (``.gct``), or AnnData.

    Text may be packed (gzip, bzip2, xz, zip) and separated by tabs, commas, semicolons or spaces. With genes in rows,
    columns that describe genes (``Entrez_Gene_Id``, ``Length``, ...) and the summary rows of HTSeq and STAR are left out;
    the notes list such decisions.

    In a table, the options name the columns with labels, survival, covariates and factors. Of the
    other columns, those with numbers are features; those with text only are left out and listed in the provenance, and those
    with the names of clinical data (``age``, ``OS.time``) or of a counting program's summary (``__no_feature``) are left out
    and named in the notes. The first column holds the sample names if it has no name, is called ``sample`` or similar, or is text
    that is mostly unique; otherwise samples are called ``sample_1..N``. Samples without a label are dropped. Samples
    without survival are kept, with time NaN. The provenance counts both.

    What was decided and what looks odd is said in :attr:`vaebench.types.Dataset.notes`. Missing values may be written as GDC,
    cBioPortal, Xena, R or a spreadsheet do: ``'--``, ``[Not Available]``, ``Not Reported``, ``Unknown``, ``NA``, ``.``, nothing.

    A ``.gct`` file, or with ``annotation`` any text with genes in rows, is read in blocks of genes, so its size is limited
    only by the memory that the result takes. The options then name columns of the annotation, which is joined by sample
    name (:func:`vaebench.data.joining.matched_rows`). For AnnData they name columns of ``obs``, and of ``annotation``, which
    comes first.

    Args:
        path: the file, or an AnnData object (extra ``anndata``), which is not changed.
        label: column with the classes, each with at least 2 samples.
        event: column of 0/1 or true/false (1 is a death), or a comparison such as ``"vital_status==Dead"`` with a value that
            occurs; needs ``time``.
        time: column with survival times.
        time_unit: unit of ``time``: ``"days"``, ``"months"`` or ``"years"``; the data set holds days.
        covariates: columns for Cox models; a column of numbers is continuous, any other categorical. If most values are
            numbers, the others (``"90+"``) count as missing.
        factors: columns of numbers that are known features of the samples.
        auxiliary: columns of known facts about the samples for the models that use them, such as batch, type, age or signature
            shares: numbers are quantities, text categories, and ``NAME:category`` takes numbers as codes.
        where: samples to keep, such as ``"tumor==1 & age>=40"``; the columns in it are not features. ``sample`` is the name of
            a sample, where no column is called so. An order is one of numbers: text in such a column counts as missing.
        ignore: columns to leave out.
        features: columns, or genes, to use as features although their names are clinical.
        tumours_only: leave out normal tissue and controls, by barcode or by a column such as ``sample_type``.
        one_per_patient: keep one sample of each patient: a tumour before normal tissue, then the lowest sample type, vial and
            portion of the barcode. Patients are known from TCGA, TARGET or GTEx barcodes, or a column such as ``patient_id``.
        samples_in: ``"rows"``, or ``"columns"`` for a table with genes (and label, event, ...) in rows.
        annotation: table with one line per sample and the sample names in its first column. With Parquet it is joined as
            ``samples_in`` says, with other files however these lie.
        annotation_sample_column: column of the annotation with the sample names, if that is not the first.
        genes: which of the two names in a ``.gct`` to use: ``"identifier"`` or ``"symbol"``.
        layer: layer of AnnData to use in place of ``X``.
        top: number of features to keep, those with the largest absolute deviation; ``"<=5000"`` keeps at most that many;
            ``None`` keeps all.
        deviation: ``"mean"`` or ``"median"`` absolute deviation.
        scaling: ``"zscore"``, ``"unit"`` (to [0, 1]) or ``"none"``, per feature over all samples.
        transform: ``"none"``, or ``"log2"`` for log2(x + 1) before selection and scaling; negative values are refused, but
            for up to 1% among linear ones, which count as 0.
        missing: ``"refuse"`` missing values, or ``"impute"`` the feature's mean.
        duplicates: for a feature name that occurs more than once: ``"refuse"`` it, keep its columns ``"apart"`` (``NAME``,
            ``NAME_2``, ...), or ``"sum"`` them as they are in the file.
        counts: the values are raw counts: they are kept beside ``x`` for models with a likelihood of counts, and ``transform`` is
            ``"log2"``. Whole numbers from 0 only.
        name: short name; by default the file's name without extensions.
        cache: folder that keeps data sets read from a matrix, ``True`` for the user's cache folder, ``False`` for none.

    Returns:
        The data set: ``x`` [N, D] in float32, selected and scaled, with sample and feature names and a content digest.

    Raises:
        InputError: the file, a column or an option is not as required; the message is one sentence with the value and what
            is allowed.

    Example::

        data = vb.data.read_table("cohort.csv.gz", label="cancer_type", event="dead", time="days", top=5000)
    """
    patients = (tumours_only, one_per_patient)
    roles = Roles(label, event, time, time_unit, covariates, factors, where, ignore, features, *patients, auxiliary)
    treatment = Treatment(top, deviation, scaling, transform, missing, counts)
    for option, value, allowed in (
        ("samples_in", samples_in, SAMPLES_IN),
        ("duplicates", duplicates, DUPLICATES),
        ("genes", genes, GENE_NAMES),
    ):
        check_choice(option, value, allowed)
    if annotation_sample_column is not None and annotation is None:
        raise InputError(
            f"annotation_sample_column={annotation_sample_column!r} (--annotation-sample-column) needs an annotation"
        )
    known = None if annotation is None else user_path(annotation)
    if is_anndata(path):
        for option, value, usual in (("samples_in", samples_in, "rows"), ("genes", genes, "identifier")):
            if value != usual:
                raise anndata_option(option, value)
        return anndata_dataset(
            path, layer, roles, treatment, name, known, duplicates, annotation_column=annotation_sample_column
        )
    file = user_path(cast("str | Path", path))
    matrix = annotation is not None or ".gct" in [ending.lower() for ending in file.suffixes]
    if layer is not None or (genes != "identifier" and not matrix):
        raise InputError(f"{file}: the option layer applies to AnnData, and genes to .gct files")
    if matrix:
        name = stem(file.name) if name is None else name
        names_from = GENE_NAMES.index(genes)
        study = Study(name, file, known, roles, treatment, duplicates, annotation_sample_column, names_from=names_from)
        return _annotated_dataset(study, cache, samples_in)
    return _table_dataset(table_from_file(file, samples_in, duplicates), file, roles, treatment, duplicates, name)


def _annotated_dataset(study: Study, cache: bool | str | Path, samples_in: str) -> Dataset:
    """The data set of a matrix, or of a table with samples in rows, or of Parquet, and its annotation."""
    if not is_parquet(study.expression):
        try:
            return study_dataset(study, cache)
        except TurnedError:
            samples_in = "rows"
    table = table_from_file(study.expression, samples_in, study.duplicates)
    about = (study.annotation, study.sample)
    return _table_dataset(table, study.expression, study.roles, study.treatment, study.duplicates, study.name, *about)


READER_OPTIONS = tuple(inspect.signature(read_table).parameters)[1:]
"""Names of the options of :func:`read_table`."""


def dataset_of(data: Dataset | anndata.AnnData, options: Mapping[str, Any]) -> Dataset:
    """Returns a data set as it is, and reads an AnnData object with options of :func:`read_table`.

    Raises:
        InputError: ``data`` is neither, an option is unknown, or options are given with a data set.
    """
    for option in options:
        if option not in READER_OPTIONS:
            raise unknown_name("option", option, READER_OPTIONS)
    if is_anndata_object(data):
        return read_table(cast("anndata.AnnData", data), **options)
    if options:
        raise InputError(
            f"{next(iter(options))} is given with a {type(data).__name__}; it applies to an AnnData object (a Dataset has its "
            "columns from read_table)"
        )
    return checked_dataset(data)


def _table_dataset(
    table: Table,
    file: Path,
    roles: Roles,
    treatment: Treatment,
    duplicates: str,
    name: str | None,
    annotation: Path | None = None,
    annotation_column: str | None = None,
) -> Dataset:
    table, notes = without_gene_columns(without_index(table))
    about, counts = set[str](), dict[str, int]()
    if annotation is not None:
        table, about, counts = joined_table(table, annotation, annotation_column, roles)
        notes += join_notes(counts, annotation.name)
    table = with_names(table, roles, table.first_texts)
    taken = role_columns(table, roles) | about
    refuse_headless(table)
    refuse_long(table)
    refuse_turned(table)
    # columns that may name patients and tissues are kept too
    whole, table = table, without_features(table, taken | {table.first} | set(clinical_names(table.columns, ())))
    chosen = selected(table, roles, table.first_texts)
    table = chosen.table
    samples, first = sample_names(table, not_names(whole, roles, taken))
    (features, values), annotations, out = feature_block(
        whole, taken | first, samples, refuse_mixed=True, rows=chosen.positions, asked=roles.features
    )
    notes = [*table.notes, *notes, *chosen.notes, *sample_notes(samples), *feature_notes([], out, ())]
    notes += nearly_numbers(whole, annotations)
    if duplicates == "sum":
        features, values = summed(features, values, table.repeats)
    provenance = {
        "source": table.source,
        "files": [file_record(path) for path in (file, annotation) if path is not None],
        "options": {"samples_in": table.samples_in, "duplicates": duplicates},
        "annotations": annotations,
        "counts": counts | chosen.counts | {"features_with_a_repeated_name": len(table.repeats)},
    }
    name = stem(table.source) if name is None else name
    dataset = assembled(
        table, roles, treatment, array_features(values.T, features), samples, name, provenance, notes=notes
    )
    if duplicates != "sum" or dataset.preprocessing is None:
        return dataset
    known = dataclasses.replace(dataset.preprocessing, repeated=tuple(sorted(set(table.repeats.values()))))
    return dataclasses.replace(dataset, preprocessing=known)


def without_features(table: Table, kept: set[str]) -> Table:
    """Returns the table with its columns of text and the ``kept`` ones only, copied where :func:`feature_block` may write."""
    columns = {
        column: values.copy() if values.dtype.kind == "f" else values
        for column, values in table.columns.items()
        if column in kept or values.dtype.kind == "O"
    }
    return table._replace(columns=columns, values=None)


def feature_block(
    table: Table,
    taken: set[str],
    samples: np.ndarray | None = None,
    *,
    refuse_mixed: bool,
    rows: np.ndarray | None = None,
    asked: Iterable[str] = (),
) -> tuple[Block, list[str], list[str]]:
    """Separates the features of a table from its columns of text and its clinical columns.

    The values take the place of the table's own (:func:`vaebench.data.files.content.stacked`), so that a large table is in
    memory once; its columns must not be used again.

    Args:
        table: the table.
        taken: columns that are neither.
        samples: [n] sample names for messages, ``None`` without names.
        refuse_mixed: raise for a column with both numbers and text, which otherwise counts as text.
        rows: [n] ascending positions of the samples to keep; ``None`` for all.
        asked: columns that are features whatever their names.

    Returns:
        The features: D names and float64 values [D, n]. Then the names of the columns of text, and of the clinical columns.

    Raises:
        InputError: no feature is left, or a column is refused.
    """
    rows = np.arange(len(table.lines)) if rows is None else rows
    names, annotations, clinical = [], [], []
    out = set(clinical_names(table.columns, asked))
    for column, values in table.columns.items():
        if column in taken:
            continue
        text = values.dtype.kind == "O"
        mixed = text and _holds_a_number(values[rows])
        if column in out and (mixed or not text):
            clinical.append(column)
        elif text and not (refuse_mixed and mixed):
            annotations.append(column)
        else:
            if text:
                part = restricted(table._replace(columns={column: values}), rows)
                table.columns[column] = np.full(len(values), np.nan)
                table.columns[column][rows] = numbers(part, "feature", column, samples)
            names.append(column)
    if not names:
        raise InputError(
            f"{table.source} has no column of numbers left for features; at least one is needed besides the columns that "
            f"options name, {len(annotations)} columns of text and {len(clinical)} with clinical names"
        )
    return (names, stacked(table, names, rows)), annotations, clinical


def _holds_a_number(values: np.ndarray) -> bool:
    return any(text is not None and as_number(text) is not None for text in values)
