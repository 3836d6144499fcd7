"""Raw tables of new samples, whatever their layout: genes in columns or in rows, as a frame, AnnData or a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from vaebench.data import checks
from vaebench.data.files.gene_matrix import matrix_from_file
from vaebench.data.files.genes import describes_genes
from vaebench.data.files.layout import text_layout
from vaebench.data.files.matrix import matrix_layout
from vaebench.data.files.opening import refusing_broken, starts_with
from vaebench.data.files.table import Table, column_from, table_from_file
from vaebench.data.files.text import apart
from vaebench.data.preprocessing import Preprocessing, RawTable
from vaebench.data.row_names import first_names
from vaebench.data.sample_columns import sample_names, without_index
from vaebench.errors import InputError
from vaebench.types.frames import converted, is_anndata_object, is_frame, is_series, listed

_ENSEMBL = re.compile(r"(ENS[A-Z]*\d{6,})(\.\d+)?")
_NAMES_WITHIN = 3  # columns from the left that may hold the gene names of a frame with genes in rows


def preprocessed(table: object, known: Preprocessing) -> pd.DataFrame:
    """Returns the samples of a raw table as the input of a model that was trained on a data set with this preprocessing.

    Args:
        table: a DataFrame, an AnnData object, or the path of a table, a matrix or an ``.h5ad`` file, with values as in the source
            of the data set. Features are found by name, in columns or in rows; all else is ignored.
        known: :attr:`vaebench.types.Dataset.preprocessing`.

    Returns:
        x [N, D] float32, indexed by sample, one column a feature.

    Raises:
        InputError: a feature is missing, or a value is text, infinite, or missing where the data set had none missing.

    Example::

        x = vb.data.preprocessed("new_samples.csv", data.preprocessing)
    """
    raw = raw_table(table, known)
    return pd.DataFrame(known.apply(raw), pd.Index(raw.samples), pd.Index(known.features.astype(str)))


def aligned(values: ArrayLike, names: Sequence[str] | np.ndarray, wanted: Sequence[str] | np.ndarray) -> np.ndarray:
    """Selects and orders columns by feature name.

    Args:
        values: [N, D'] numbers.
        names: [D'] unique names of its columns.
        wanted: [D] names of the columns to return.

    Returns:
        [N, D], the wanted columns in that order.

    Raises:
        InputError: a wanted feature is missing, a name occurs twice, or the number of names and columns differs.

    Example::

        z = model.embed(vb.data.aligned(new_values, new_genes, data.features))
    """
    array = checks.matrix(values)
    place = {name: position for position, name in enumerate(checks.names("feature", names, array.shape[1]).tolist())}
    absent = [str(name) for name in wanted if str(name) not in place]
    if absent:
        shown = ", ".join(absent[:5]) + (", ..." if len(absent) > 5 else "")
        raise InputError(f"{len(absent)} of {len(wanted)} features are missing from the values: {shown}")
    return array[:, [place[str(name)] for name in wanted]]


def raw_table(source: object, known: Preprocessing) -> RawTable:
    """Find the features of ``known`` in a table.

    Raises:
        InputError: the source is no table, or lacks features.
    """
    source = converted(source)
    if isinstance(source, str | Path):
        return _from_file(Path(source), known)
    if is_series(source):  # one sample, its index the genes
        source = source.to_frame().T
    if is_anndata_object(source):
        return _from_anndata(source, known, "the AnnData object")
    if not is_frame(source):
        raise InputError(
            f"the table is a {type(source).__name__}; it must be a DataFrame, an AnnData object or a file, since genes are "
            "found by name (Trained.embed takes an array that is scaled as the data set's x)"
        )
    return _from_frame(source, known, "the table")


def _from_file(file: Path, known: Preprocessing) -> RawTable:
    if file.suffix.lower() == ".h5ad":
        return _from_anndata(file, known, str(file))
    with refusing_broken(file, "a table of new samples"):
        gct, parquet = starts_with(file, b"#1."), starts_with(file, b"PAR1")
    if parquet:
        with refusing_broken(file, "a table of new samples"):
            return _from_frame(pd.read_parquet(file), known, str(file))
    layout = "matrix" if gct else _layout(file, known)
    if layout == "matrix":
        shape = matrix_layout(file)
        everyone = np.arange(len(shape.samples))
        names_from = min(known.names_from, shape.leads - 1)
        held = matrix_from_file(
            shape, everyone, duplicates=known.duplicates, names_from=names_from, logged=known.logged
        )
        return _found(shape.samples, held.features, held.values.__getitem__, known, str(file))
    duplicates = "refuse" if known.duplicates == "refuse" else "apart"
    table = table_from_file(file, layout, duplicates)
    return _from_table(table, known, str(file))


def _layout(file: Path, known: Preprocessing) -> str:
    """The layout of a text file: that of the training data, unless the header says otherwise."""
    with refusing_broken(file, "a table of new samples"):
        there = set(text_layout(file).names) & set(known.features.tolist())
    if known.samples_in == "rows":
        return "rows" if there else "columns"
    return "rows" if len(there) * 2 > len(known.features) else known.samples_in


def _from_table(table: Table, known: Preprocessing, source: str) -> RawTable:
    table = without_index(table)
    names = list(table.columns)
    found, first = sample_names(table, set())
    samples = [f"sample_{i + 1}" for i in range(len(table.lines))] if found is None else found.tolist()
    rest = [name for name in names if name not in first]
    written = [table.repeats.get(name, name) for name in rest]
    return _found(samples, written, lambda position: table.columns[rest[position]], known, source)


def _from_anndata(source: Any, known: Preprocessing, name: str) -> RawTable:
    from vaebench.data.h5ad import observations

    held = observations(source, known.layer)
    samples = held.table.first_texts.astype(str).tolist()
    values = held.values(np.arange(len(samples)))
    return _found(samples, held.features, lambda position: values[:, position], known, name)


def _from_frame(frame: pd.DataFrame, known: Preprocessing, source: str) -> RawTable:
    wanted = set(_bases(known))
    across = [str(name).strip() for name in frame.columns]
    best, names, lead = sum(name in wanted for name in across), None, None
    if best < len(wanted):  # genes in rows: named by the index or by one of the first columns
        downward = [frame.index, *(frame.iloc[:, i] for i in range(min(_NAMES_WITHIN, frame.shape[1])))]
        for position, candidate in enumerate(downward, start=-1):
            held = [str(name).strip() for name in candidate]
            there = len(wanted.intersection(held))
            if there > best:
                best, names, lead = there, held, position
    if names is not None:
        return _from_turned(frame, names, lead, known, source)
    samples = frame.index
    first, lead = first_names(frame, set(known.features.tolist()))
    if first is not None:
        samples = first
        frame, across = frame.iloc[:, lead:], across[lead:]
    return _found(samples, across, lambda position: frame.iloc[:, position], known, source)


def _from_turned(
    frame: pd.DataFrame, names: list[str], lead: int | None, known: Preprocessing, source: str
) -> RawTable:
    """Samples of a frame with genes in rows, named ``names``, which is the column ``lead`` (-1 for the index)."""
    titles = [str(name).strip() for name in frame.columns]
    wanted = set(_bases(known))
    rows = [row for row, name in enumerate(names) if name in wanted]
    kept, columns = [], []
    for position, title in enumerate(titles):
        if position == lead or not title or title.startswith("Unnamed:") or describes_genes(title):
            continue
        values = _converted(frame.iloc[rows, position])
        if values.dtype.kind == "O" and not any(_is_number(value) for value in values):
            continue  # text about the genes
        kept.append(title)
        columns.append(values)
    numeric = all(values.dtype.kind == "f" for values in columns)
    block = np.array(columns, dtype=np.float64 if numeric else object).reshape(len(kept), len(rows))
    return _found(kept, [names[row] for row in rows], lambda position: block[:, position], known, source)


def _is_number(value: object) -> bool:
    try:
        return value is not None and bool(np.isfinite(float(str(value))))
    except ValueError:
        return False


def _bases(known: Preprocessing) -> list[str]:
    """Names of the features, and those of repeated ones without the number that the reader added."""
    names = known.features.tolist()
    if known.duplicates != "apart":
        return names
    split = [name.rpartition("_") for name in names]
    return names + [base for base, _, number in split if base and number.isdigit()]


def _found(
    samples: Sequence[object] | pd.Index,
    written: list[str],
    values: Callable[[int], np.ndarray | pd.Series],
    known: Preprocessing,
    source: str,
) -> RawTable:
    """The table whose columns are named ``written``, names repeated as in the source."""
    if not len(samples):
        raise InputError(f"{source} has no sample; at least one is needed")
    places = _places(written, known)
    absent = [name for name in known.features.tolist() if name not in places]
    if absent:
        raise InputError(
            f"{len(absent)} of {len(known.features)} features that the model needs are missing from {source}: "
            f"{listed(absent)}; it has {listed(written) or 'none'}{_other_version(absent, written)}"
        )

    def column(name: str) -> np.ndarray:
        parts = [_floats(values(place), name, samples, source) for place in places[name]]
        total = parts[0].astype(known.precision)
        for part in parts[1:]:
            more = part.astype(known.precision)
            total = np.log2(np.maximum(np.exp2(total) + np.exp2(more) - 1, 0)) if known.logged else total + more
        return total

    return RawTable(samples, column)


def _other_version(absent: list[str], written: list[str]) -> str:
    """A clause where the table has a missing Ensembl id with another version, or without one; else ``""``."""
    held = {_ENSEMBL.sub(r"\1", name): name for name in written if _ENSEMBL.fullmatch(name)}
    for name in absent:
        if _ENSEMBL.fullmatch(name) and (other := held.get(_ENSEMBL.sub(r"\1", name))):
            return f": {listed([other])} for {listed([name])}; give genes the versions that the model knows"
    return ""


def _places(written: list[str], known: Preprocessing) -> dict[str, list[int]]:
    """Feature -> the positions of its columns, several where repeated ones are summed."""
    every: dict[str, list[int]] = {}
    for position, name in enumerate(written):
        every.setdefault(name, []).append(position)
    if known.duplicates == "sum":
        for name in known.repeated:  # pandas reads a repeated column as NAME.1, NAME.2, ...
            number = 1
            while len(every.get(name, ())) and f"{name}.{number}" in every:
                every[name] = every[name] + every[f"{name}.{number}"]
                number += 1
        return every
    if known.duplicates == "refuse":
        for name in known.features.tolist():
            if len(every.get(name, ())) > 1:
                raise InputError(
                    f"the table has the duplicate feature name {listed([name])!r}; the model needs it once"
                )
        return every
    new = {name: [position] for position, name in enumerate(apart(written)[0])}
    for name in known.features.tolist():
        base, _, number = name.rpartition("_")
        if name not in new and number.isdigit() and (again := f"{base}.{int(number) - 1}") in new:
            new[name] = new[again]
    return new


def _converted(values: np.ndarray | pd.Series) -> np.ndarray:
    """Values as float64, or as strings and ``None`` where there is text; float arrays keep their type."""
    if getattr(values.dtype, "kind", "") == "f" and isinstance(values.dtype, np.dtype):
        return np.asarray(values)
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_complex_dtype(values.dtype):
        return pd.Series(values).to_numpy(dtype=np.float64, na_value=np.nan)
    series = pd.Series(values).astype(object)
    return column_from(None if absent else v for v, absent in zip(series, series.isna(), strict=True))


def _floats(values: np.ndarray | pd.Series, name: str, samples: Sequence[object] | pd.Index, source: str) -> np.ndarray:
    """Values [N] of a feature as float; ``InputError`` for text."""
    found = _converted(values)
    if found.dtype.kind == "f":
        return found
    bad = next(i for i, value in enumerate(found) if value is not None and not _is_number(value))
    raise InputError(
        f"feature {listed([name])!r} of sample {listed([samples[bad]])!r} in {source} is the text "
        f"{listed([found[bad]])!r}; features must be numbers"
    )
