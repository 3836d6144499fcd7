"""From points to rows: every point trained once, evaluated, written; what is there already is not done again."""

from __future__ import annotations

import datetime
import platform
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from vaebench import __version__
from vaebench.evaluation import check_metrics, pca_embedding
from vaebench.host import EvaluationQueue
from vaebench.pool import Finished, make_split, trained_points
from vaebench.progress import Display, State, display
from vaebench.results import finished, read_rows, read_run_json, write_run_json
from vaebench.space import Point, chain, group_by_static, point_id, settings, traced_of
from vaebench.train import Split, make_start
from vaebench.types import SCHEMA, Dataset, InputError

if TYPE_CHECKING:
    import pandas as pd

BASELINE = "pca"
_CPU_SMALL_PROGRAM = 2_000_000
"""Parameters below which a CPU gains from lanes: overhead-bound. Above, it is bound by memory and matrix multiplies."""


def run(
    points: Iterable[Point],
    dataset: Dataset,
    metrics: Sequence[str] = ("leiden", "cox"),
    out: str | Path | None = None,
    *,
    lanes: int | None = None,
    workers: int = 2,
    embedding: str = "mean",
    label_covariate: bool = True,
    quiet: bool = False,
    command: str = "",
) -> pd.DataFrame:
    """Train and evaluate every point and return all rows of ``out``, baselines included.

    Args:
        points: what to train; a point given twice is trained once.
        dataset: data to train on and to embed (all samples).
        metrics: names in the registry of metrics.
        out: folder for ``rows/*.parquet`` and ``run.json``; a folder with rows is continued. ``None``: a temporary one.
        lanes: R, models side by side in one program; ``None`` chooses. Fixed for a folder, since another R rounds differently.
        workers: processes for the evaluation.
        embedding: ``"mean"`` (posterior mean) or ``"sample"`` (one draw, as in the released code).
        label_covariate: whether the label is a Cox covariate, as in the study.
        quiet: no progress on stderr.
        command: recorded in ``run.json``.

    Raises:
        InputError: bad points or metrics, or a folder made from other data or by other options.
    """
    points = chain(points)
    if not points:
        raise InputError("there is no point to train; give at least one")
    if embedding not in ("mean", "sample"):
        raise InputError(f"embedding is {embedding!r}; it must be 'mean' or 'sample'")
    if workers < 1 or (lanes is not None and lanes < 1):
        raise InputError(f"lanes ({lanes}) and workers ({workers}) must be at least 1")
    check_metrics(metrics, dataset)
    for sizes in {(p.valid_fraction, p.batch): p for p in points}.values():
        make_split(sizes, dataset)
    if out is None:
        with tempfile.TemporaryDirectory(prefix="vaebench-") as folder:
            return run(
                points,
                dataset,
                metrics,
                folder,
                lanes=lanes,
                workers=workers,
                embedding=embedding,
                label_covariate=label_covariate,
                quiet=quiet,
                command=command,
            )
    out = Path(out)
    options = {"metrics": list(metrics), "embedding": embedding, "label_covariate": label_covariate}
    record = _run_record(out, dataset, options, lanes, points, command)
    with display(quiet) as shown:
        _train_missing(points, dataset, out, record, workers, shown)
    return read_rows(out)


def _run_record(
    out: Path, dataset: Dataset, options: Mapping[str, Any], lanes: int | None, points: list[Point], command: str
) -> dict[str, Any]:
    """``run.json`` of the folder, made now or checked against what is asked for."""
    fixed = {"schema": SCHEMA, "digest": dataset.digest, **options}
    if (out / "run.json").exists():
        record = read_run_json(out)
        wanted = fixed if lanes is None else {**fixed, "lanes": lanes}
        for name, value in wanted.items():
            if record.get(name) != value:
                raise InputError(
                    f"{out} was made with {name} {record.get(name)!r}, and this command asks for {value!r}; "
                    "rows of both cannot stand in one folder: choose another with --out"
                )
        return record
    if finished(out):
        raise InputError(f"{out} holds rows but no run.json, so nobody can say what made them; choose another --out")
    device = jax.devices()[0]
    record = {
        **fixed,
        "lanes": lanes or chosen_lanes(points, dataset.x.shape[1]),
        "command": command,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "version": __version__,
        "versions": {"python": platform.python_version(), "jax": jax.__version__, "numpy": np.__version__},
        "device": f"{device.platform} {device.device_kind}".strip(),
        "data": {
            "name": dataset.name,
            "samples": dataset.x.shape[0],
            "features": dataset.x.shape[1],
            "labels": len(dataset.label_names),
        },
        "provenance": dict(dataset.provenance),
    }
    write_run_json(record, out)
    return record


def chosen_lanes(points: Sequence[Point], features: int) -> int:
    """R for a folder, from the device and the largest program: 8 or 2 on a CPU, 64 on an accelerator, no more than points."""
    sizes = []
    groups = group_by_static(points, features)
    for (static, _), group in groups.items():
        init = jax.eval_shape(make_start(static), *_shapes(group[0], features))
        sizes.append(sum(leaf.size for leaf in jax.tree.leaves(init.variables["params"])))
    on_cpu = jax.devices()[0].platform == "cpu"
    lanes = (8 if max(sizes) < _CPU_SMALL_PROGRAM else 2) if on_cpu else 64
    return max(1, min(lanes, max(len(group) for group in groups.values())))


def _shapes(point: Point, features: int) -> tuple[Any, Any]:

    scale = np.ones(features, np.float32)
    return traced_of(point), Split(np.zeros(2, np.int32), np.zeros(2, np.int32), scale, scale)


def _train_missing(
    points: list[Point], dataset: Dataset, out: Path, record: Mapping[str, Any], workers: int, shown: Display
) -> None:
    started = time.perf_counter()
    done = finished(out)
    waiting = [p for p in points if point_id(p, dataset.digest) not in done]
    baselines = [row for row in baseline_rows(points, dataset, record) if row["point"] not in done]
    if not waiting and not baselines:
        return
    groups = group_by_static(waiting, dataset.x.shape[1])
    x = jnp.asarray(dataset.x)
    useful = computed = epochs = 0
    with EvaluationQueue(dataset, record["metrics"], out, workers, record["label_covariate"]) as queue:

        def show(group: int) -> None:
            shown.show(
                State(
                    groups=len(groups),
                    group=group,
                    points=len(waiting) + len(baselines),
                    done=queue.done,
                    failed=queue.failed,
                    queued=len(queue.pending),
                    epochs=epochs,
                    efficiency=useful / computed if computed else 1.0,
                    seconds=time.perf_counter() - started,
                )
            )

        _submit_baselines(baselines, dataset, queue)
        for number, group in enumerate(groups.values(), 1):
            for tick in trained_points(group, dataset, x, record["lanes"], record["embedding"] == "sample"):
                useful, computed, epochs = useful + tick.useful, computed + tick.computed, epochs + tick.useful
                for item in tick.finished:
                    queue.submit(model_row(item, dataset, record), item.z)
                queue.collect(lambda number=number: show(number))
                show(number)
        queue.drain(lambda: show(len(groups)))
        show(len(groups))
    cost = {
        "seconds": round(time.perf_counter() - started, 1),
        "trainings": len(waiting),
        "programs": len(groups),
        "lane_efficiency": round(useful / computed, 4) if computed else None,
        "epochs": epochs,
    }
    write_run_json({**record, "runs": [*record.get("runs", []), cost]}, out)


def _data_columns(dataset: Dataset, record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "data/name": dataset.name,
        "data/digest": dataset.digest,
        "data/samples": dataset.x.shape[0],
        "data/features": dataset.x.shape[1],
        "data/scaling": dataset.scaling,
        "run/embedding": record["embedding"],
        "run/version": __version__,
        "run/device": record["device"],
    }


def model_row(item: Finished, dataset: Dataset, record: Mapping[str, Any]) -> dict[str, Any]:
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
        "run/lanes": record["lanes"],
        "run/stop": item.stop,
        "run/epochs": item.epochs,
        "run/best_epoch": item.best_epoch,
        **{f"loss/{name}": value for name, value in item.losses.items()},
        "history/valid": item.history,
    }


def baseline_rows(points: Sequence[Point], dataset: Dataset, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows, without metrics, of PCA of all samples at every number of dimensions that the points use."""
    rows = []
    for latent in sorted({p.latent for p in points}):
        rows.append(
            {
                "point": f"{BASELINE}-{latent}-{dataset.digest}",
                "status": "OK",
                "study": points[0].study,
                "static/variant": BASELINE,
                "static/latent": latent,
                **_data_columns(dataset, record),
                "run/components": min(latent, dataset.x.shape[0] - 1, dataset.x.shape[1]),
            }
        )
    return rows


def _submit_baselines(rows: list[dict[str, Any]], dataset: Dataset, queue: EvaluationQueue) -> None:
    if rows:
        components = pca_embedding(dataset.x, max(row["static/latent"] for row in rows))
        for row in rows:
            queue.submit(row, components[:, : row["static/latent"]])


def compiled_programs(points: Sequence[Point], dataset: Dataset) -> int:
    """Number of programs that a run of ``points`` on ``dataset`` compiles: its distinct static shapes and split sizes."""
    return len(group_by_static(points, dataset.x.shape[1]))
