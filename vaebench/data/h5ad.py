"""Reading and writing AnnData objects and ``.h5ad`` files; needs the extra ``anndata``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from vaebench.atomic import replacing
from vaebench.data.cache import file_record
from vaebench.data.columns import Roles, assembled, named_columns, role_columns, selected
from vaebench.data.dataset import Treatment
from vaebench.data.features import sample_notes, summed, turned
from vaebench.data.files.limits import refuse_oversized
from vaebench.data.files.opening import refusing_broken
from vaebench.data.files.table import Table, column_from, restricted, unique_names
from vaebench.data.files.text import stem
from vaebench.data.files.writing import auxiliary_columns
from vaebench.data.joining import annotation_table, join_notes, joined_lines
from vaebench.data.raw_features import array_features
from vaebench.data.sample_columns import with_names
from vaebench.data.unmatched import no_match
from vaebench.errors import InputError, shortened, unknown_name, user_path
from vaebench.types import Dataset, checked_dataset
from vaebench.types.frames import in_order

if TYPE_CHECKING:
    import anndata


class Observations(NamedTuple):
    """Content of an AnnData object.

    Attributes:
        table: ``obs``, with the names of the observations as its first column.
        features: [D] names.
        values: ``positions [n] -> values [n, D]``, a dense copy of these observations.
    """

    table: Table
    features: list[str]
    values: Callable[[np.ndarray], np.ndarray]


def is_anndata(source: object) -> bool:
    """Returns true for a path that ends in ``.h5ad``, and for anything that is not a path."""
    return not isinstance(source, str | Path) or Path(source).suffix.lower() == ".h5ad"


def anndata_option(option: str, value: str) -> InputError:
    """Returns the error for an option of tables that AnnData has no use for."""
    return InputError(f"{option}={value!r} does not apply to AnnData, whose samples are obs and whose genes are var")


def anndata_dataset(
    source: anndata.AnnData | str | Path,
    layer: str | None,
    roles: Roles,
    treatment: Treatment,
    name: str | None,
    annotation: Path | None = None,
    duplicates: str = "refuse",
    annotation_column: str | None = None,
) -> Dataset:
    """Reads the data set in an AnnData object or an ``.h5ad`` file; see :func:`vaebench.data.read_table`."""
    held = observations(source, layer)
    held, counts = (held, {}) if annotation is None else with_annotation(held, annotation, roles, annotation_column)
    held = held._replace(table=with_names(held.table, roles, held.table.first_texts))
    role_columns(held.table, roles)
    chosen = selected(held.table, roles, held.table.first_texts)
    table, origin = chosen.table, held.table.source
    down = table.first_texts.astype(str).tolist()
    if turned(down, held.features):
        raise InputError(
            f"{origin} has genes in obs, such as {down[0]!r}, and samples in var, such as {held.features[0]!r}; samples must be "
            "obs: give it transposed (adata.T)"
        )
    features, repeats = unique_names(Path(origin), "feature", held.features, duplicates, "var_name")
    values = held.values(chosen.positions)
    if duplicates == "sum" and repeats:
        features, values = summed(features, values.T, repeats)
        values = values.T
    files = [file_record(path) for path in (source, annotation) if isinstance(path, str | Path)]
    provenance = {
        "source": origin,
        "files": files,
        "options": {"layer": layer, "duplicates": duplicates},
        "counts": counts | chosen.counts | {"features_with_a_repeated_name": len(repeats)},
    }
    name = (stem(origin) if isinstance(source, str | Path) else "anndata") if name is None else name
    samples = table.first_texts.astype(str)
    notes = [*table.notes, *join_notes(counts, "the annotation"), *chosen.notes, *sample_notes(samples)]
    raw = array_features(values, features)
    return assembled(table, roles, treatment, raw, samples, name, provenance, notes=notes)


def with_annotation(
    held: Observations, annotation: Path, roles: Roles, sample: str | None = None
) -> tuple[Observations, dict[str, int]]:
    """Joins ``obs`` with the lines of a table about the samples; where both have a column, the table's is used.

    Args:
        held: the observations.
        annotation: the table.
        roles: the columns in which lines of the same sample must agree.
        sample: its column with the sample names; ``None`` for the first.

    Returns:
        The observations that have a line, and the counts of the join.

    Raises:
        InputError: the table cannot be read, or no observation has a line in it.
    """
    obs, (known, column) = held.table, annotation_table(annotation, sample)
    samples = obs.first_texts.tolist()
    used = named_columns(known.columns, roles)
    names, rows, counts, notes = joined_lines(samples, known, column, fixed=sample is not None, used=used)
    if (rows < 0).all():
        raise no_match(obs.source, samples, [], names, known.source)
    joined = np.flatnonzero(rows >= 0)
    lines, own = restricted(known, rows[joined]), restricted(obs, joined)
    columns = {name: values for name, values in lines.columns.items() if name != column}
    table = own._replace(columns=own.columns | columns, lines=lines.lines, notes=(*known.notes, *notes))
    counts |= {"samples_in_expression": len(rows), "samples_dropped_without_annotation": len(rows) - joined.size}
    return Observations(table, held.features, lambda kept: held.values(joined[kept])), counts


def observations(source: anndata.AnnData | str | Path, layer: str | None = None) -> Observations:
    """Opens an AnnData object or an ``.h5ad`` file.

    Args:
        source: the object, or the path of the file.
        layer: a layer to use in place of ``X``; looked up when values are asked for.

    Raises:
        InputError: the source cannot be read, or two observations have the same name.
    """
    package = _anndata()
    if isinstance(source, str | Path):
        held, origin = _from_file(package, user_path(source)), Path(source).name
    elif isinstance(source, package.AnnData):
        held, origin = source, "AnnData"
    else:
        raise InputError(f"the source is of type {type(source).__name__}; it must be an AnnData object or a file")
    features = [str(feature) for feature in held.var_names]
    if not features:
        raise InputError(f"{origin} has no genes (its var is empty); at least one is needed")
    file = Path(source) if isinstance(source, str | Path) else None
    return Observations(_table(held, origin), features, lambda kept: _values(held, layer, origin, kept, file))


def to_anndata(dataset: Dataset, embeddings: Mapping[str, np.ndarray] | None = None) -> anndata.AnnData:
    """Converts a data set to an AnnData object, with embeddings for tools such as scanpy.

    ``X`` holds the scaled values; ``obs`` holds ``label``, ``event``, ``time`` (days), covariates, factors and auxiliary
    variables (one with the name of a column before it gets the suffix ``_factor`` or ``_auxiliary``);
    ``var`` holds ``centre`` and ``scale``; ``uns["vaebench"]``
    holds name, digest, scaling, and the provenance as JSON.

    Args:
        dataset: the data set.
        embeddings: name (usually of a variant) -> [N, L], rows in the order of the data set's samples, or a
            DataFrame, matched by row names; each is stored in ``obsm["X_<name>"]``.

    Returns:
        The AnnData object [N, D].

    Raises:
        InputError: the extra is not installed, or an embedding has a different number of samples.

    Example::

        cells = vb.data.to_anndata(data, {"vae": model.embed(data.x)})
        scanpy.pp.neighbors(cells, use_rep="X_vae")
    """
    package, dataset = _anndata(), checked_dataset(dataset)
    columns: dict[str, Any] = {}
    if dataset.labels is not None:
        columns["label"] = pd.Categorical.from_codes(dataset.labels.tolist(), categories=pd.Index(dataset.label_names))
    if dataset.survival is not None:
        columns |= {"event": dataset.survival.event, "time": dataset.survival.time}
    for kind, given in (("covariate", dataset.covariates), ("factor", dataset.factors)):
        for column, values in given.items():
            new = f"{column}_{kind}" if column in columns else column
            columns[new] = values if values.dtype.kind == "f" else pd.Categorical([str(v) for v in values])
    for column, values in auxiliary_columns(dataset, columns).items():
        columns.setdefault(column, values if values.dtype.kind == "f" else pd.Categorical([v or None for v in values]))
    samples, features = (pd.Index([str(v) for v in names]) for names in (dataset.samples, dataset.features))
    held = package.AnnData(
        np.array(dataset.x),
        obs=pd.DataFrame(columns, index=samples),
        var=pd.DataFrame({"centre": dataset.centre, "scale": dataset.scale}, index=features),
    )
    for key, z in (embeddings or {}).items():
        values = np.asarray(in_order(z, f"embedding {key!r}", samples=dataset.samples))
        if values.ndim != 2 or len(values) != len(samples):
            raise InputError(
                f"embedding {key!r} has shape {values.shape}; it must have one row for each of {len(samples)} samples"
            )
        held.obsm[f"X_{key}"] = values
    record = {"name": dataset.name, "digest": dataset.digest, "scaling": dataset.scaling}
    held.uns["vaebench"] = record | {"provenance": json.dumps(dict(dataset.provenance))}
    return held


def write_h5ad(path: str | Path, dataset: Dataset, embeddings: Mapping[str, np.ndarray] | None = None) -> Path:
    """Writes a data set, and embeddings, as an ``.h5ad`` file; it appears whole or not at all.

    Args:
        path: the file.
        dataset: the data set.
        embeddings: see :func:`to_anndata`.

    Returns:
        The path.

    Raises:
        InputError: see :func:`to_anndata`.
    """
    held = to_anndata(dataset, embeddings)
    with replacing(user_path(path)) as temporary:
        held.write_h5ad(temporary)
    return user_path(path)


def _anndata() -> Any:
    try:
        import anndata
    except ImportError:
        raise InputError("AnnData needs the package anndata; install it with: pip install '.[anndata]'") from None
    return anndata


def _from_file(package: Any, file: Path) -> Any:
    with refusing_broken(file, "an .h5ad file"):
        try:
            _refuse_oversized_parts(file)
            return package.read_h5ad(file)
        except (InputError, MemoryError):
            raise
        except Exception as error:  # anndata and h5py raise errors of many kinds
            newer = " or of a newer anndata" if "IORegistry" in type(error).__name__ else ""
            reason = shortened(str(error).strip().split("\n")[0] or type(error).__name__)
            raise InputError(
                f"{file} is not an .h5ad file that can be read: it is damaged{newer} ({reason}); "
                "update anndata, or write the file again"
            ) from error


def _refuse_oversized_parts(file: Path) -> None:
    """Raises ``InputError`` for a file with arrays of more memory than one file may take, before any is read."""
    import h5py

    with h5py.File(file) as held:
        sizes: list[int] = []
        held.visititems(lambda name, part: sizes.append(part.nbytes) if isinstance(part, h5py.Dataset) else None)
    refuse_oversized(file, sum(sizes), "its arrays")


def _table(held: Any, origin: str) -> Table:
    """``obs`` as a table with the names of the observations as its first column."""
    if not held.obs_names.is_unique:
        repeated = held.obs_names[held.obs_names.duplicated()][0]
        raise InputError(f"duplicate observation name {repeated!r} in {origin}; obs_names must be unique")
    columns: dict[str, np.ndarray] = {}
    for column in held.obs.columns:
        series = held.obs[column]
        if series.dtype.kind == "c":
            raise InputError(f"column {str(column)!r} of obs of {origin} holds complex numbers; it must hold real ones")
        if pd.api.types.is_numeric_dtype(series.dtype):
            columns[str(column)] = series.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            columns[str(column)] = column_from(
                None if absent else v for v, absent in zip(series, series.isna(), strict=True)
            )
    texts = np.array([str(sample) for sample in held.obs_names], dtype=object)
    return Table(origin, columns, "", texts, "rows", np.arange(len(texts)) + 1, {}, {})


def _check_sparse(values: Any, part: str, origin: str) -> None:
    """Raises ``InputError`` for a sparse matrix whose indices point beyond it, which scipy would follow."""
    if not all(hasattr(values, name) for name in ("data", "indices", "indptr")):
        return
    try:
        # a new object around the same arrays, since the check trims those of its own
        type(values)((values.data, values.indices, values.indptr), shape=values.shape).check_format(full_check=True)
    except ValueError as error:
        raise InputError(
            f"{part} of {origin} is damaged: it is no valid sparse matrix ({shortened(error)}); write the file again"
        ) from error


def _values(held: Any, layer: str | None, origin: str, kept: np.ndarray, file: Path | None = None) -> np.ndarray:
    """Values of the observations at positions ``kept`` [n], as a dense copy [n, D] (indexing by position copies)."""
    if layer is not None and layer not in held.layers:
        raise unknown_name(f"layer of {origin}", layer, held.layers)
    values = held.X if layer is None else held.layers[layer]
    if values is None:
        raise InputError(f"{origin} has no X; name a layer (it has: {', '.join(held.layers) or 'none'})")
    if values.dtype.kind not in "fiub":
        part = "X" if layer is None else f"layer {layer!r}"
        raise InputError(f"{part} of {origin} is of type {values.dtype}; it must hold real numbers")
    if file is not None:
        itemsize = values.dtype.itemsize if values.dtype.kind == "f" else 8
        refuse_oversized(file, itemsize * len(kept) * values.shape[1], f"{len(kept)} x {values.shape[1]} dense values")
    _check_sparse(values, "X" if layer is None else f"layer {layer!r}", origin)
    rows = values[kept]
    dense = np.asarray(rows.todense() if hasattr(rows, "todense") else rows)
    return np.asarray(dense, dtype=dense.dtype if dense.dtype.kind == "f" else np.float64)
