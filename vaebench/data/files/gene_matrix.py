"""The genes of a matrix file: their names first, then their values, with repeated genes renamed or summed.

What becomes of a gene depends on the names of all, so a file is read twice. The first reading parses no number. Values come in
blocks of genes, so that memory is up to what is kept of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vaebench.data.files.content import unique_names
from vaebench.data.files.genes import row_notes
from vaebench.data.files.limits import refuse_oversized
from vaebench.data.files.matrix import Layout, gene_lines, matrix_blocks
from vaebench.errors import InputError


class GeneNames(NamedTuple):
    """Names of the D features of a file, the feature of each row, the number of repeated names, and notes."""

    features: list[str]
    rows: np.ndarray
    repeated: int
    notes: tuple[str, ...]


class Matrix(NamedTuple):
    """``values`` [D, N] in float32 (NaN where missing), names of the D features, the number of repeated names, and notes."""

    values: np.ndarray
    features: list[str]
    repeated: int
    notes: tuple[str, ...] = ()


def gene_names(layout: Layout, names_from: int = 0, duplicates: str = "apart") -> GeneNames:
    """Reads the names of all genes, without their values.

    Args:
        layout: the file.
        names_from: 0 for the identifiers of the genes, 1 for their symbols.
        duplicates: for genes whose name occurs more than once: ``"refuse"``, keep ``"apart"`` under new names, or
            ``"sum"``.

    Raises:
        InputError: as :func:`matrix_blocks` but for values, or for a repeated gene.
    """
    names: list[str] = []
    seen: Counter[str] = Counter()
    for found, _ in gene_lines(layout, names_from, seen):
        names += found
    notes = layout.notes + row_notes(layout.file.name, seen)
    if duplicates == "refuse":
        unique_names(layout.file, "feature", names, "refuse", place="row")
    if duplicates != "sum":
        features, repeats = unique_names(layout.file, "feature", names, "apart")
        return GeneNames(features, np.arange(len(names)), len(repeats), notes)
    place: dict[str, int] = {}
    rows = np.array([place.setdefault(name, len(place)) for name in names])
    return GeneNames(list(place), rows, len(names) - len(place), notes)


def gene_blocks(
    layout: Layout, genes: GeneNames, columns: np.ndarray, names_from: int = 0, logged: bool = False
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the features of a file for some samples in blocks: their positions, and values [features, N] in float32.

    Args:
        layout: the file.
        genes: names of its genes, :func:`gene_names`.
        columns: [N] positions of the samples to keep, in the order of the result.
        names_from: as for the names.
        logged: values are log2(x + 1), so x is summed: log2(sum of x + 1).
    """
    whole = len(columns) == len(layout.samples) and bool((columns == np.arange(len(columns))).all())
    left, row = np.bincount(genes.rows, minlength=len(genes.features)), 0
    sums: dict[int, np.ndarray] = {}
    for names, block in matrix_blocks(layout, names_from):
        place = genes.rows[row : row + len(names)]
        row += len(names)
        if len(place) < len(names):
            raise InputError(f"{layout.file} has grown while it was read; read it once it is complete")
        values = block if whole else block[:, columns]
        if (left[place] == 1).all() and not sums.keys() & set(place.tolist()):
            yield place, values
            continue
        ready, complete = [], []  # a gene is complete with the last of its rows
        for feature, found in zip(place.tolist(), values, strict=True):
            total = _sum(sums.pop(feature), found, logged) if feature in sums else found
            left[feature] -= 1
            if left[feature]:
                sums[feature] = total.copy()
            else:
                ready.append(feature)
                complete.append(total)
        if ready:
            yield np.array(ready), np.array(complete)


def _sum(one: np.ndarray, other: np.ndarray, logged: bool) -> np.ndarray:
    return np.log2(np.maximum(np.exp2(one) + np.exp2(other) - 1, 0)) if logged else one + other


def matrix_from_file(
    layout: Layout, columns: np.ndarray, *, duplicates: str = "apart", names_from: int = 0, logged: bool = False
) -> Matrix:
    """Reads all genes of some samples; the arguments are those of :func:`gene_names` and :func:`gene_blocks`.

    Raises:
        InputError: as :func:`matrix_blocks`, or for a repeated gene.
    """
    genes = gene_names(layout, names_from, duplicates)
    refuse_oversized(layout.file, 4 * len(genes.features) * len(columns))
    values = np.empty((len(genes.features), len(columns)), np.float32)
    for place, block in gene_blocks(layout, genes, columns, names_from, logged):
        values[place] = block
    return Matrix(values, genes.features, genes.repeated, genes.notes)
