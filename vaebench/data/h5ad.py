"""AnnData objects and ``.h5ad`` files, in and out; needs the extra ``anndata``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vaebench.atomic import replacing
from vaebench.data.cache import file_record
from vaebench.data.columns import Roles, assembled, role_columns, selected, stem
from vaebench.data.dataset import Treatment
from vaebench.data.files.table import Table, column_from
from vaebench.data.files.text import refusing_broken
from vaebench.errors import InputError, unknown_name
from vaebench.types import Dataset

if TYPE_CHECKING:
    import anndata


def is_anndata(source: Any) -> bool:
    """Whether the source is an ``.h5ad`` file, or no file at all."""
    return not isinstance(source, str | Path) or Path(source).suffix.lower() == ".h5ad"


def anndata_dataset(source: Any, layer: str | None, roles: Roles, treatment: Treatment, name: str | None) -> Dataset:
    """The data set in an AnnData object, or its file; see :func:`vaebench.data.read_table`."""
    package = _anndata()
    files: list[dict[str, Any]] = []
    held: Any = source
    origin = "AnnData"
    if isinstance(source, str | Path):
        held, origin = _from_file(package, Path(source)), Path(source).name
        files = [file_record(source)]
    elif not isinstance(source, package.AnnData):
        raise InputError(f"the source is of type {type(source).__name__}; it must be an AnnData object or a file")
    table = _table(held, origin)
    role_columns(table, roles)
    table, kept, counts = selected(table, roles)
    provenance = {"source": origin, "files": files, "options": {"layer": layer}, "counts": counts}
    values = _values(held, layer, origin, kept)
    features = [str(feature) for feature in held.var_names]
    name = (stem(origin) if files else "anndata") if name is None else name
    return assembled(table, roles, treatment, values, features, table.first_texts.astype(str), name, provenance)


def to_anndata(dataset: Dataset, embeddings: Mapping[str, np.ndarray] | None = None) -> anndata.AnnData:
    """The data set as an AnnData object: scaled values in ``X``, and each embedding in ``obsm["X_<name>"]``.

    ``obs`` holds ``label``, ``event``, ``time`` (days), covariates and factors (a factor named as a covariate gets
    ``_factor`` after its name); ``var`` holds ``centre`` and ``scale``; ``uns["vaebench"]`` name, digest, scaling and the
    provenance as JSON.

    Args:
        dataset: the data set.
        embeddings: name, usually of a variant, -> [N, L], rows as the data set's samples.

    Raises:
        InputError: for a missing extra, or an embedding of another number of samples.
    """
    package = _anndata()
    columns: dict[str, Any] = {}
    if dataset.labels is not None:
        columns["label"] = pd.Categorical.from_codes(dataset.labels.tolist(), categories=pd.Index(dataset.label_names))
    if dataset.survival is not None:
        columns |= {"event": dataset.survival.event, "time": dataset.survival.time}
    for kind, given in (("covariate", dataset.covariates), ("factor", dataset.factors)):
        for column, values in given.items():
            new = f"{column}_{kind}" if column in columns else column
            columns[new] = values if values.dtype.kind == "f" else pd.Categorical([str(v) for v in values])
    samples, features = (pd.Index([str(v) for v in names]) for names in (dataset.samples, dataset.features))
    held = package.AnnData(
        np.array(dataset.x),
        obs=pd.DataFrame(columns, index=samples),
        var=pd.DataFrame({"centre": dataset.centre, "scale": dataset.scale}, index=features),
    )
    for key, z in (embeddings or {}).items():
        values = np.asarray(z)
        if values.ndim != 2 or len(values) != len(samples):
            raise InputError(
                f"embedding {key!r} has shape {values.shape}; it must have one row for each of {len(samples)} samples"
            )
        held.obsm[f"X_{key}"] = values
    record = {"name": dataset.name, "digest": dataset.digest, "scaling": dataset.scaling}
    held.uns["vaebench"] = record | {"provenance": json.dumps(dict(dataset.provenance))}
    return held


def write_h5ad(path: str | Path, dataset: Dataset, embeddings: Mapping[str, np.ndarray] | None = None) -> Path:
    """Writes :func:`to_anndata` of both to ``path`` in one step, and returns it."""
    held = to_anndata(dataset, embeddings)
    with replacing(Path(path)) as temporary:
        held.write_h5ad(temporary)
    return Path(path)


def obs_and_values(path: str | Path) -> tuple[Table, list[str], np.ndarray]:
    """The ``obs`` of an ``.h5ad`` file as a table, the names of its features, and its ``X`` [N, D], dense."""
    held = _from_file(_anndata(), Path(path))
    table = _table(held, Path(path).name)
    values = _values(held, None, Path(path).name, np.arange(len(table.lines)))
    return table, [str(feature) for feature in held.var_names], values


def _anndata() -> Any:
    try:
        import anndata
    except ImportError:
        raise InputError(
            "AnnData needs the package anndata; install it with: pip install 'vaebench[anndata]'"
        ) from None
    return anndata


def _from_file(package: Any, file: Path) -> Any:
    with refusing_broken(file, "an .h5ad file"):
        try:
            return package.read_h5ad(file)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise InputError(f"{file} is no .h5ad file that can be read ({error})") from error


def _table(held: Any, origin: str) -> Table:
    """``obs`` as a table whose first column is the names of the observations."""
    if not held.obs_names.is_unique:
        repeated = held.obs_names[held.obs_names.duplicated()][0]
        raise InputError(f"duplicate observation name {repeated!r} in {origin}; obs_names must be unique")
    columns: dict[str, np.ndarray] = {}
    for column in held.obs.columns:
        series = held.obs[column]
        if pd.api.types.is_numeric_dtype(series.dtype):
            columns[str(column)] = series.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            columns[str(column)] = column_from(
                None if absent else v for v, absent in zip(series, series.isna(), strict=True)
            )
    texts = np.array([str(sample) for sample in held.obs_names], dtype=object)
    return Table(origin, columns, "", texts, "rows", np.arange(len(texts)) + 1, {}, {})


def _values(held: Any, layer: str | None, origin: str, kept: np.ndarray) -> np.ndarray:
    """The values of the kept observations [N, D], dense; picking rows by position copies them."""
    if layer is not None and layer not in held.layers:
        raise unknown_name(f"layer of {origin}", layer, held.layers)
    values = held.X if layer is None else held.layers[layer]
    if values is None:
        raise InputError(f"{origin} has no X; name a layer (it has: {', '.join(held.layers) or 'none'})")
    rows = values[kept]
    dense = np.asarray(rows.todense() if hasattr(rows, "todense") else rows)
    return np.asarray(dense, dtype=dense.dtype if dense.dtype.kind == "f" else np.float64)
