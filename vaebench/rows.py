"""The columns of a row, in both directions: points, trained models, baselines and external embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vaebench.version import __version__
from vaebench.types import BASELINE, Dataset

import dataclasses

import jax

from vaebench.space import Point, point_id
from vaebench.training.pool import Finished


def settings(point: Point) -> dict[str, Any]:
    """The point as flat row columns: ``static/*``, ``shape/*``, ``traced/*``, ``hyper/*`` and its part of ``data/*``."""
    static = ("variant", "latent", "hidden", "norm", "output", "batch", "recipe", "validation")
    data = ("valid_fraction", "stratified", "scaling_from")
    columns: dict[str, Any] = {"study": point.study}
    for field in dataclasses.fields(point):
        value = getattr(point, field.name)
        if field.name in static:
            columns[f"static/{field.name}"] = "-".join(map(str, value)) if field.name == "hidden" else value
        elif field.name in data:
            columns[f"data/{field.name}"] = value
        elif field.name in ("shape", "hyper"):
            columns |= {f"{field.name}/{name}": inner for name, inner in value}
        elif field.name != "study":
            columns[f"traced/{field.name}"] = value
    return columns


def device_name() -> str:
    """Platform and kind of this process's device, such as "gpu NVIDIA H200"."""
    device = jax.local_devices()[0]
    return f"{device.platform} {device.device_kind}"


def _data_columns(dataset: Dataset, record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "data/name": dataset.name,
        "data/digest": dataset.digest,
        "data/samples": dataset.x.shape[0],
        "data/features": dataset.x.shape[1],
        "data/scaling": dataset.scaling,
        "run/embedding": record["embedding"],
        "run/matmul_precision": matmul_precision_of(record),
        "run/version": __version__,
        "run/device": device_name(),
    }


def model_row(item: Finished, dataset: Dataset, record: Mapping[str, Any], lanes: int) -> dict[str, Any]:
    """The row of a trained point without its metrics."""
    train, valid = len(item.split.train), len(item.split.valid)
    return {
        "point": point_id(item.point, dataset.digest),
        "status": "DIVERGED" if item.stop == "diverged" else "OK",
        **settings(item.point),
        **_data_columns(dataset, record),
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


def baseline_rows(latents: Sequence[int], dataset: Dataset, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows, without metrics, of PCA of all samples at the given numbers of dimensions."""
    limit = min(dataset.x.shape[0] - 1, dataset.x.shape[1])
    return [
        {
            "point": f"{BASELINE}-{latent}-{dataset.digest}",
            "status": "OK",
            "study": record["study"],
            "static/variant": BASELINE,
            "static/latent": latent,
            **_data_columns(dataset, record),
            "run/components": min(latent, limit),
        }
        for latent in latents
    ]


def _row(name: str, z: np.ndarray, dataset: Dataset) -> dict[str, Any]:
    content = hashlib.sha256(np.ascontiguousarray(z, np.float64).tobytes()).hexdigest()[:16]
    return {
        "point": f"{name}-{content}-{dataset.digest}",
        "status": "OK",
        "static/variant": name,
        "static/latent": z.shape[1],
        "data/name": dataset.name,
        "data/digest": dataset.digest,
        "data/samples": dataset.x.shape[0],
        "data/features": dataset.x.shape[1],
        "data/scaling": dataset.scaling,
        "run/version": __version__,
    }
