"""The folder of a run: what may not be in it, and which options of a run it was made with."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from vaebench.data.digest import data_difference
from vaebench.data.files.folders import MANIFEST, check_folder
from vaebench.errors import InputError
from vaebench.metrics import METRICS, metric
from vaebench.results import finished, read_run_json
from vaebench.rows import matmul_precision_of
from vaebench.space import Point, point_id
from vaebench.space.identity import earlier_ids
from vaebench.types import SCHEMA, Dataset


def check_run_folder(out: Path) -> None:
    """Raise :class:`InputError` unless rows can be written to a folder, which is not created."""
    check_folder(out, out / "rows", out / "costs")
    if (out / MANIFEST).exists():
        raise InputError(f"{out} holds the results of another command ({MANIFEST}); a run needs another --out")


def fixed_options(
    metrics: Sequence[str], embedding: str, label_covariate: bool, matmul_precision: str, own: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the options that all rows of a folder share, as ``run.json`` holds them; ``own`` are options of metrics."""
    options = {"metrics": list(metrics), "embedding": embedding, "label_covariate": label_covariate}
    return options | {"matmul_precision": matmul_precision, "metric_options": _as_json(own)}


def fixed_record(dataset: Dataset, options: Mapping[str, Any], lanes: int | None) -> dict[str, Any]:
    """Return the part of ``run.json`` that does not change; the lanes are in it if they are given."""
    # beside the digest, which is of x alone: values that are scaled already are the same x by another scaling
    data = {"digest": dataset.digest, "scaling": dataset.scaling}
    fixed = {"schema": SCHEMA, **data, **options, "devices": len(jax.local_devices())}
    return fixed if lanes is None else {**fixed, "lanes": lanes}


def check_continued(out: Path, dataset: Dataset, options: Mapping[str, Any], lanes: int | None) -> None:
    """Raise :class:`InputError` if a run of these data and :func:`fixed_options` cannot write to a folder; change nothing."""
    check_run_folder(out)
    if (out / "run.json").exists():
        agreed(out, fixed_record(dataset, options, lanes), dataset)
    elif out.is_dir():
        refuse_unknown_rows(out)


def refuse_unknown_rows(out: Path) -> None:
    """Raise :class:`InputError` for a folder without ``run.json`` that holds rows."""
    if finished(out):
        raise InputError(f"{out} holds rows but no run.json, so their options are unknown; choose another --out")


def without_earlier(points: Sequence[Point], digest: str, out: Path) -> tuple[Point, ...]:
    """Return the points without those that have a row under an identity of an earlier version, which would be trained twice."""
    others = finished(out) - {point_id(point, digest) for point in points}
    return tuple(point for point in points if not others or others.isdisjoint(earlier_ids(point, digest)))


def _as_json(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of metrics as JSON returns them, so that they compare equal with those of an existing ``run.json``."""
    return {name: json.loads(json.dumps(dataclasses.asdict(own))) for name, own in options.items()}


def _completed(out: Path, recorded: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return recorded options of metrics, with the defaults of options that did not exist yet when they were recorded."""
    for name, values in recorded.items():
        if name not in METRICS or METRICS[name].options is None or not isinstance(values, dict):
            raise InputError(f"{out / 'run.json'} has metric_options of {name!r} that this version does not know")
    defaults = {name: json.loads(json.dumps(dataclasses.asdict(metric(name).options))) for name in recorded}
    return {name: {**defaults[name], **values} for name, values in recorded.items()}


def agreed(out: Path, wanted: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
    """Return the record in a folder; raise :class:`InputError` if one of its options is not the wanted one."""
    record = read_run_json(out)
    if "lanes" not in record or not isinstance(record.get("metrics"), list):
        raise InputError(f"{out / 'run.json'} is not the record of a run; choose another --out")
    # folders of before have it in the options of their data only, if at all
    scaling = dict(record.get("provenance", {}).get("options") or {}).get("scaling", wanted["scaling"])
    made = {"scaling": scaling, **record, "matmul_precision": matmul_precision_of(record)}
    made["metric_options"] = _completed(out, record.get("metric_options", {}))
    for name, value in wanted.items():
        if made.get(name) != value and name == "digest":
            raise InputError(f"{out} was made from other data ({data_difference(made, dataset)}); choose another --out")
        if made.get(name) != value:
            raise InputError(
                f"{out} was made with {name} {made.get(name)!r}, and this command asks for {value!r}; "
                "rows of both cannot share a folder: choose another with --out"
            )
    return made
