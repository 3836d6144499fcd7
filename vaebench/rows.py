"""Columns of a row, written and read back here only.

A row describes one embedding of one data set. Its columns are grouped by prefix:

============ ======================================================================================
``point``    identity of the row; of trainings a hash of the point and the data's digest
``status``   ``"OK"`` or what went wrong
``study``    free label that groups rows
``static/``  settings that fix the compiled program (:class:`vaebench.space.Point`)
``shape/``   the variant's own program-changing choices
``traced/``  settings in which the lanes of one program may differ
``hyper/``   the variant's weights
``data/``    data set, split and scaling
``run/``     lanes, device, version, epochs, reason of the stop
``loss/``    losses and their terms after the last epoch
``history/`` validation loss of every epoch
``metric/``  scores, status and seconds of every metric
============ ======================================================================================

Every column has one type (:func:`column_types`), and every part file of a folder has the same columns, null where a row has
no value, so that pandas, polars and duckdb read ``rows/`` as one table.

JAX is imported by the functions that need it: evaluation processes import this module without it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vaebench.errors import InputError
from vaebench.types import BASELINE, Dataset, Metric, Variant
from vaebench.version import __version__

if TYPE_CHECKING:
    from vaebench.space import Point
    from vaebench.training.pool import Finished

STATIC = ("variant", "latent", "hidden", "norm", "output", "batch", "recipe", "validation", "likelihood")
"""Fields of a point whose columns begin with ``static/``."""
SPLIT = ("valid_fraction", "stratified", "scaling_from")
"""Fields of a point whose columns begin with ``data/``."""

_OWN: dict[str, type] = {
    "data/name": str,
    "data/digest": str,
    "data/samples": int,
    "data/features": int,
    "data/scaling": str,
    "data/train": int,
    "data/valid": int,
    "data/steps": int,
    "run/embedding": str,
    "run/matmul_precision": str,
    "run/version": str,
    "run/device": str,
    "run/lanes": int,
    "run/stop": str,
    "run/epochs": int,
    "run/best_epoch": int,
    "run/components": int,
    "loss/train": float,
    "loss/valid": float,
    "loss/best_valid": float,
}
"""Columns that come from neither a registry nor a field of a point, with their types."""


def column_of(field: str) -> str | None:
    """Return the column of a point's field; ``None`` for ``shape`` and ``hyper``, which have one for each of their values."""
    if field in ("shape", "hyper"):
        return None
    if field == "study":
        return "study"
    return f"{'static' if field in STATIC else 'data' if field in SPLIT else 'traced'}/{field}"


def column_types(metrics: Sequence[Metric] = ()) -> dict[str, type]:
    """Return every column that a row may have, in their order, with ``bool``, ``int``, ``float``, ``str`` or ``list``.

    ``list`` is a list of floats. The columns are those of all variants, and of the metrics given.
    """
    from vaebench.space import Point
    from vaebench.variants import VARIANTS

    types: dict[str, type] = {"point": str, "status": str, "study": str}
    for field in dataclasses.fields(Point):
        column = column_of(field.name)
        if column:
            types[column] = str if field.name == "hidden" else type(field.default)
    shapes = [variant.shape(recipe) for variant in VARIANTS.values() for recipe in variant.recipes]
    for shape in filter(None, shapes):
        types |= {f"shape/{field.name}": type(field.default) for field in dataclasses.fields(shape)}
    for variant in VARIANTS.values():
        for weights in _weights_of(variant):
            types |= dict.fromkeys((f"hyper/{name}" for name in weights), float)
    types |= _OWN
    types |= {f"loss/valid_{term}": float for variant in VARIANTS.values() for term in variant.terms}
    types["history/valid"] = list
    for metric in metrics:
        types |= {f"metric/{metric.name}/{score}": int if score in metric.counts else float for score in metric.scores}
        types |= {f"metric/{metric.name}/status": str, f"metric/{metric.name}/seconds": float}
    return types


def _weights_of(variant: Variant) -> Iterator[tuple[str, ...]]:
    """Yield the names of the weights in every recipe and form of a variant."""
    for recipe in variant.recipes:
        shape = variant.shape(recipe)
        choices = getattr(shape, "choices", {})
        fields = {} if shape is None else {field.name: field.default for field in dataclasses.fields(shape)}
        # switches have no list of choices: both of their values are forms
        choices = {name: (False, True) for name, default in fields.items() if isinstance(default, bool)} | choices
        for values in itertools.product(*choices.values()):
            form = shape and dataclasses.replace(shape, **dict(zip(choices, values, strict=True)))
            yield variant.hyper(form)._fields


def row_of_point(point: Point) -> dict[str, Any]:
    """Return a point as columns; :func:`point_of` is the inverse."""
    columns: dict[str, Any] = {"study": point.study}
    for field in dataclasses.fields(point):
        value, column = getattr(point, field.name), column_of(field.name)
        if column is None:
            columns |= {f"{field.name}/{name}": inner for name, inner in value}
        else:
            columns[column] = "-".join(map(str, value)) if field.name == "hidden" else value
    return columns


def row_of_model(item: Finished, dataset: Dataset, record: Mapping[str, Any], lanes: int) -> dict[str, Any]:
    """Return the row of a trained point without its metrics.

    Args:
        item: the trained point.
        dataset: the data set it was trained on.
        record: ``run.json`` of the folder.
        lanes: R of the program that trained it.
    """
    from vaebench.space import point_id

    train, valid = len(item.split.train), len(item.split.valid)
    return {
        "point": point_id(item.point, dataset.digest),
        "status": "DIVERGED" if item.stop == "diverged" else "OK",
        **row_of_point(item.point),
        **_run_columns(dataset, record),
        "data/train": train,
        "data/valid": valid,
        "data/steps": train // item.point.batch,
        "run/lanes": lanes,
        "run/stop": item.stop,
        "run/epochs": item.epochs,
        "run/best_epoch": item.best_epoch,
        **{f"loss/{name}": value for name, value in item.losses.items()},
        "history/valid": item.history,
    }


def row_of_baseline(latent: int, dataset: Dataset, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row, without metrics, of PCA of all samples with ``latent`` components, or as many as the data have."""
    return {
        "point": f"{BASELINE}-{latent}-{dataset.digest}",
        "status": "OK",
        "study": record["study"],
        "static/variant": BASELINE,
        "static/latent": latent,
        **_run_columns(dataset, record),
        "run/components": components(latent, dataset),
    }


def row_of_embedding(name: str, z: np.ndarray, dataset: Dataset) -> dict[str, Any]:
    """Return the row, without metrics, of an embedding z [N, L] that another program made."""
    content = hashlib.sha256(np.ascontiguousarray(z, np.float64).tobytes()).hexdigest()[:16]
    return {
        "point": f"{name}-{content}-{dataset.digest}",
        "status": "OK",
        "static/variant": name,
        "static/latent": z.shape[1],
        **_data_columns(dataset),
        "run/version": __version__,
    }


def components(latent: int, dataset: Dataset) -> int:
    """Return the number of principal components of the data set, at most ``latent``."""
    return min(latent, dataset.x.shape[0] - 1, dataset.x.shape[1])


def score_columns(scores: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return ``{"leiden": {"ari": 0.7, ...}}`` as columns ``{"metric/leiden/ari": 0.7, ...}``."""
    return {f"metric/{name}/{key}": value for name, values in scores.items() for key, value in values.items()}


def matmul_precision_of(record: Mapping[str, Any]) -> str:
    """Return ``matmul_precision`` of a folder's record; if missing, JAX's default at that time, which is TF32 on a GPU."""
    before = "highest" if str(record.get("device", "cpu")).startswith("cpu") else "tensorfloat32"
    return record.get("matmul_precision", before)


def device_name() -> str:
    """Return platform and kind of this process's device, such as "gpu NVIDIA H200"."""
    import jax

    device = jax.local_devices()[0]
    return f"{device.platform} {device.device_kind}"


def point_of(row: Mapping[Any, Any]) -> Point:
    """Return the point of a trained row; training it again gives that row.

    Args:
        row: column -> value, such as one of :func:`vaebench.results.read_rows`.

    Raises:
        InputError: no point has the row's identity, since another version wrote the row.
    """
    from vaebench.space import Point, point_id
    from vaebench.space.identity import earlier_ids
    from vaebench.variants import variant

    values: dict[str, Any] = {}
    for field in dataclasses.fields(Point):
        column = column_of(field.name)
        if field.name == "hidden":
            values["hidden"] = tuple(int(width) for width in str(row["static/hidden"]).split("-"))
        elif column in row and row[column] is not None and row[column] == row[column]:
            # baselines have no value here, which turns columns of integers and booleans into floats; rows of a version without
            # the setting have none either, beside rows that have it
            values[field.name] = type(field.default)(row[column])
    shape = variant(values["variant"]).shape(values["recipe"])
    if shape is not None:
        kinds = {field.name: type(field.default) for field in dataclasses.fields(shape)}
        values["shape"] = tuple((name, kind(row[f"shape/{name}"])) for name, kind in kinds.items())
        shape = dataclasses.replace(shape, **dict(values["shape"]))
    weights = variant(values["variant"]).hyper(shape)._fields
    values["hyper"] = tuple((name, float(row[f"hyper/{name}"])) for name in weights)
    point = Point(**values)
    if row["point"] in (point_id(point, row["data/digest"]), *earlier_ids(point, row["data/digest"])):
        return point
    raise InputError(f"row {row['point']!r} was written by another version, so its training cannot be repeated")


def _data_columns(dataset: Dataset) -> dict[str, Any]:
    return {
        "data/name": dataset.name,
        "data/digest": dataset.digest,
        "data/samples": dataset.x.shape[0],
        "data/features": dataset.x.shape[1],
        "data/scaling": dataset.scaling,
    }


def _run_columns(dataset: Dataset, record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_data_columns(dataset),
        "run/embedding": record["embedding"],
        "run/matmul_precision": matmul_precision_of(record),
        "run/version": __version__,
        "run/device": device_name(),
    }
