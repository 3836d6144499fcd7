"""Joining a matrix of genes x samples with a table about the samples, by sample name or TCGA barcode.

1. :func:`study_dataset` digests the files and returns the data set from the cache if it is there.
2. :func:`annotated` reads the table and finds the line of each sample in it (:func:`vaebench.data.joining.joined_lines`).
3. Samples without a line, without a label, or refused by ``where`` are dropped before the matrix is read, once for the names
   of its genes and once for their values, of which those of the features that may be kept stay in memory.
4. Factors that are not columns of the table are added: sums of genes, signature shares, categories as 0 and 1.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vaebench.data.cache import cache_folder, cached, file_record
from vaebench.data.columns import Roles, assembled, role_columns, selected, survival_of_roles
from vaebench.data.comparisons import numbers
from vaebench.data.dataset import Treatment
from vaebench.data.features import sample_notes
from vaebench.data.files.gene_matrix import GeneNames, gene_blocks, gene_names
from vaebench.data.files.limits import refuse_oversized
from vaebench.data.files.matrix import Layout, matrix_layout
from vaebench.data.files.opening import refuse_unusable
from vaebench.data.files.table import DUPLICATES, Table, table_from_file
from vaebench.data.joining import annotated, join_notes, joined_lines
from vaebench.data.raw_features import FeatureBlock, RawFeatures
from vaebench.data.sample_columns import with_names
from vaebench.data.survey import kept_bytes
from vaebench.data.unmatched import no_match
from vaebench.errors import InputError, check_choice
from vaebench.types import Dataset

GENE_NAMES = ("identifier", "symbol")
"""The two columns of gene names in a ``.gct``, in the order of the file."""


@dataclasses.dataclass(frozen=True)
class Study:
    """A matrix, its annotation, the meaning of their columns and the treatment of the values.

    Every field is part of the cache key.

    Attributes:
        name: name of the data set.
        expression: file of genes x samples.
        annotation: file with one line per sample; ``None`` when only the names of the samples are known.
        roles: meaning of the columns of the annotation.
        treatment: transform, selection and scaling of the values.
        duplicates: for repeated genes: ``"refuse"``, ``"apart"`` or ``"sum"``.
        sample: column of the annotation with the sample names; ``None`` for its first.
        logged: values are log2(x + 1), so repeated genes are summed as x.
        names_from: which of the columns before the samples names the genes.
        shares: file with factors of each sample, such as signature shares, each from 0 to 1.
        genes: factor -> genes whose expression is summed to make it.
        names: column -> name of its covariate or factor in the data set, where that differs.
        numbered: categorical column -> name of a factor, and the category that is 1 in it.
    """

    name: str
    expression: Path
    annotation: Path | None
    roles: Roles
    treatment: Treatment
    duplicates: str
    sample: str | None = None
    logged: bool = False
    names_from: int = 0
    shares: Path | None = None
    genes: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    numbered: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)


def study_dataset(
    study: Study, cache: bool | str | Path, verify: Callable[[dict[str, Any]], None] = lambda record: None
) -> Dataset:
    """Builds the data set of a study, or reads it from the cache.

    Args:
        study: the files and their meaning.
        cache: a folder, ``True`` for the user's cache folder, ``False`` for none.
        verify: called with the record (name, bytes, sha256) of each file before the files are parsed; may raise.
    """
    check_choice("duplicates", study.duplicates, DUPLICATES)
    folder = cache_folder(cache)
    paths = [path for path in (study.expression, study.annotation, study.shares) if path is not None]
    for path in paths:
        refuse_unusable(path, "a table")
    records = [file_record(path, folder) for path in paths]
    for record in records:
        verify(record)
    options = {
        field.name: getattr(study, field.name)
        for field in dataclasses.fields(study)
        if field.name not in ("name", "expression", "annotation", "shares", "roles", "treatment")
    } | {"study": study.name}
    # through JSON, so that tuples are lists both in a new data set and in one from the cache
    kept = options | study.roles.options() | study.treatment.options()
    inputs = {"files": records, "options": json.loads(json.dumps(kept))}
    return cached(folder, inputs, lambda: _built(study, records, json.loads(json.dumps(options))))


def _built(study: Study, records: list[dict[str, Any]], options: dict[str, Any]) -> Dataset:
    layout = matrix_layout(study.expression)
    if study.names_from >= layout.leads:
        raise InputError(f"{study.expression} has one column of gene names; genes='symbol' needs a .gct file, with two")
    table, joined, counts = annotated(layout, study.annotation, study.sample, study.roles)
    samples = [layout.samples[i] for i in joined]
    table = with_names(table, study.roles, samples)
    role_columns(table, study.roles)
    chosen = selected(table, study.roles, samples)
    table, columns = chosen.table, joined[chosen.positions]
    names = np.array(layout.samples)[columns]
    survival_of_roles(table, study.roles, names)  # to report its errors before the matrix is read, which takes long
    genes = gene_names(layout, study.names_from, study.duplicates)
    factors, wanted = _numbered(table, study.numbered), {}
    for factor, listed in study.genes.items():
        wanted[factor], counts[f"{factor}_genes_not_found"] = _places(genes, factor, listed, study.expression)
    shares = {}
    if study.shares is not None:
        shares = _shares(study.shares, names)
        counts["samples_without_shares"] = int(np.isnan(next(iter(shares.values()))).sum())
    kept = dict[int, np.ndarray]()  # raw values of the genes that factors sum
    source = _features(study, layout, genes, columns, {i for places in wanted.values() for i in places}, kept)
    refuse_oversized(study.expression, kept_bytes(source, study.treatment.top))
    provenance = {
        "source": layout.file.name,
        "files": records,
        "options": options,
        "counts": {**counts, **chosen.counts, "features_with_a_repeated_name": genes.repeated},
    }
    return assembled(
        table,
        study.roles,
        study.treatment,
        source,
        names,
        study.name,
        provenance,
        names=study.names,
        more_factors=lambda: factors | {f: _score([kept[i] for i in places]) for f, places in wanted.items()} | shares,
        notes=[*table.notes, *genes.notes, *join_notes(counts, table.source), *chosen.notes, *sample_notes(names)],
    )


def _numbered(table: Table, numbered: Mapping[str, tuple[str, str]]) -> dict[str, np.ndarray]:
    """Factors [N] made from categories: 1 for the given category, 0 for any other, NaN where missing."""
    found = {}
    for column, (factor, one) in numbered.items():
        values = [np.nan if v is None else float(str(v).lower() == one) for v in table.columns[column].tolist()]
        found[factor] = np.array(values)
    return found


def _features(
    study: Study, layout: Layout, genes: GeneNames, columns: np.ndarray, wanted: set[int], kept: dict[int, np.ndarray]
) -> RawFeatures:
    """The features of the matrix; reading them puts those at the positions ``wanted`` into ``kept``."""

    def blocks() -> Iterator[FeatureBlock]:
        for place, values in gene_blocks(layout, genes, columns, study.names_from, study.logged):
            kept.update((i, values[row].copy()) for row, i in enumerate(place.tolist()) if i in wanted)
            yield place, values

    return RawFeatures(genes.features, len(columns), np.dtype(np.float32), blocks, None)


def _places(genes: GeneNames, factor: str, listed: Sequence[str], file: Path) -> tuple[list[int], int]:
    """Positions of some genes, and how many are not found."""
    place = {name: position for position, name in enumerate(genes.features)}
    found = [place[gene] for gene in dict.fromkeys(listed) if gene in place]
    if not found:
        raise InputError(
            f"none of the {len(listed)} genes listed for {factor!r} is in {file}; the first of them is {listed[0]!r}"
        )
    return found, len(set(listed)) - len(found)


def _score(rows: list[np.ndarray]) -> np.ndarray:
    """Sums the expression of some genes [N], with the gene's mean for missing values."""
    values = np.array(rows, dtype=np.float64)
    absent = np.isnan(values)
    means = np.where(absent, 0, values).sum(axis=1) / np.maximum((~absent).sum(axis=1), 1)
    return np.where(absent, means[:, None], values).sum(axis=0)


def _shares(file: Path, names: np.ndarray) -> dict[str, np.ndarray]:
    """Reads a table of shares: column -> [N], NaN for samples that the table lacks."""
    table = table_from_file(file)
    known, rows, _, _ = joined_lines(names.tolist(), table, table.first, fixed=True, used=table.columns)
    if (rows < 0).all():
        raise no_match("the expression matrix", names.tolist(), [], known, table.source)
    found = {}
    for column in table.columns:
        if column != table.first:
            values = numbers(table, "shares", column, np.array(known))
            bad = np.flatnonzero((values < 0) | (values > 1))
            if bad.size:
                raise InputError(
                    f"line {table.lines[bad[0]]}, column {column!r} of {table.source} holds {values[bad[0]]:g}; "
                    "a share must be from 0 to 1"
                )
            found[column] = np.where(rows >= 0, values[rows], np.nan)
    return found
