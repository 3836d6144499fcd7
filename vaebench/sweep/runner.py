"""A run from points to rows: every point is trained, evaluated and written once; points that have a row are skipped."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import math
import os
import platform
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from vaebench.atomic import sweep_unfinished
from vaebench.data.covariates import run_notes
from vaebench.errors import InputError, as_tuple, unknown_name, user_path
from vaebench.evaluation.scores import DEFAULT_METRICS, allowed_metrics, check_installed, check_metrics
from vaebench.metrics.leiden import LeidenOptions
from vaebench.results import finished, joined_notes, read_run_json, write_cost, write_run_json
from vaebench.rows import device_name
from vaebench.space import Point, chain, point_id
from vaebench.sweep.executor import through_executor
from vaebench.sweep.folder import (
    agreed,
    check_run_folder,
    fixed_options,
    fixed_record,
    refuse_unknown_rows,
    without_earlier,
)
from vaebench.sweep.progress import display, show_notes
from vaebench.sweep.tally import all_rows
from vaebench.sweep.worker import KEEP_MODELS, Task
from vaebench.sweep.workers import Workers, carry_out_chosen, chosen_workers
from vaebench.training.cost import check_memory, chosen_lanes
from vaebench.training.engine import Engine, check_device
from vaebench.training.pool import make_split
from vaebench.types import Dataset, checked_dataset
from vaebench.variants import VARIANTS
from vaebench.version import __version__

if TYPE_CHECKING:
    import pandas as pd


def run(
    points: Iterable[Point] | Point,
    dataset: Dataset,
    metrics: Sequence[str] | str = DEFAULT_METRICS,
    out: str | Path | None = None,
    *,
    metric_options: Mapping[str, Any] | None = None,
    lanes: int | None = None,
    workers: int | str = 1,
    evaluators: int | None = None,
    executor: Executor | None = None,
    shard: tuple[int, int] = (1, 1),
    embedding: str = "mean",
    label_covariate: bool = True,
    keep_embeddings: bool = False,
    keep_models: str = "none",
    checkpoint_minutes: float = 0.0,
    matmul_precision: str = "highest",
    silent_minutes: float = 60.0,
    quiet: bool = False,
    command: str = "",
    notes: Sequence[str] = (),
) -> pd.DataFrame:
    """Train and evaluate every point, and return all rows of ``out``, including those of the PCA baseline.

    An interrupted run is continued by the same call: points that have a row in ``out`` are not trained again.

    Args:
        points: points to train, or a single one; duplicates are trained once.
        dataset: data to train on and to embed (all samples).
        metrics: names in the registry of metrics, or one name. Of the default metrics those that the data set does not allow
            (``cox`` without survival) are left out, with a note.
        out: folder for ``rows/*.parquet`` and ``run.json``; a folder with rows is continued. ``None``: a temporary one.
        metric_options: metric name -> an instance of the metric's options, such as ``{"leiden": LeidenOptions(neighbours=30)}``.
        lanes: R, models side by side in one program; ``None`` chooses. Fixed for a folder, since another R rounds differently.
        workers: training processes on this machine; 1 trains in this process. ``"auto"`` (the default of the command line)
            times two epochs of each long program on a CPU, here and in a process a core, and takes the processes where they
            are faster and no bit differs; see :mod:`vaebench.sweep.workers`. The choice is ``workers`` in ``run.json``.
        evaluators: evaluation processes of each training process; ``None`` chooses.
        executor: any ``concurrent.futures.Executor`` (a Dask client's, for a cluster) to train on in place of ``workers``;
            its workers must see ``out`` under the same path.
        shard: (i, n) to do only the i-th of n parts of the points, i from 1; for arrays of jobs that share ``out``.
        embedding: ``"mean"`` (posterior mean) or ``"sample"`` (one posterior draw, as in the released code).
        label_covariate: use the label as a Cox covariate, as in the study.
        keep_embeddings: store every z, one file per group; see :func:`vaebench.training.model.kept_embeddings`.
        keep_models: ``"none"``, ``"best"`` of every group by validation loss, or ``"all"``; see
            :func:`vaebench.training.model.kept_models`.
        checkpoint_minutes: minutes between two checkpoints of the running lanes, so that long trainings survive a crash; 0
            for none.
        matmul_precision: ``"highest"`` (float32), ``"tensorfloat32"`` or ``"bfloat16"``, see
            :class:`vaebench.training.engine.Engine`; fixed for a folder and recorded in every row.
        silent_minutes: minutes that a run through ``workers`` or ``executor`` waits while no worker is at work (all are dead, or
            in a queue); ``math.inf`` waits for ever.
        quiet: show no progress on stderr.
        command: text recorded in ``run.json``.
        notes: sentences on this run, recorded after those of the data set under ``notes`` in ``run.json``, which the report
            shows. Later calls add to them.

    Returns:
        One row per point and baseline, as :func:`vaebench.results.read_rows` returns them. A training that diverged, or an
        evaluation whose process died, is a row with another ``status`` than ``"OK"``. A metric that failed by itself says so
        in its own ``metric/NAME/status``, and its scores are NaN.

    Raises:
        InputError: bad points or metrics, or a folder made from other data or with other options.
        RunError: worker processes died repeatedly, or none was at work for ``silent_minutes``; finished rows are in ``out``.

    Example::

        rows = vb.run(vb.space.product(latent=[10, 50], seed=range(5)), data, metrics="leiden", out="results/run")
        rows.groupby("static/latent")["metric/leiden/ari"].mean()
    """
    checked_dataset(dataset)
    points, more, own = chain(points), as_tuple("notes", notes), dict(metric_options or {})
    metrics, left_out = allowed_metrics(metrics, dataset, own)
    how = (lanes, workers, evaluators, shard, embedding, keep_models, checkpoint_minutes, matmul_precision)
    check_options(*how, silent_minutes)
    check_points(points, dataset, metrics, own, lanes)
    with contextlib.ExitStack() as stack:
        folder = user_path(out or stack.enter_context(tempfile.TemporaryDirectory(prefix="vaebench-")))
        check_run_folder(folder)
        options = fixed_options(metrics, embedding, label_covariate, matmul_precision, own)
        record = _run_record(folder, dataset, options, lanes, points, command)
        told = [*run_notes(dataset, metrics, own, label_covariate), *more, *left_out, *prior_notes(points, metrics)]
        told += neighbours_notes(dataset, metrics, own)
        _tell(folder, record, told, quiet)
        several = executor is not None or workers not in (1, "auto")
        task = Task(
            points=without_earlier(sharded(points, dataset.digest, shard), dataset.digest, folder),
            out=folder,
            record=record,
            baselines=tuple(sorted({p.latent for p in points})) if shard[0] == 1 else (),
            # several training processes occupy the cores already, so each evaluates in a thread of its own
            evaluators=evaluators if evaluators is not None else 0 if several else default_evaluators(len(points)),
            keep_embeddings=keep_embeddings,
            keep_models=keep_models,
            checkpoint_minutes=checkpoint_minutes,
            metric_options=own,
            engine=Engine(matmul_precision=matmul_precision),
        )
        chosen = _chosen(task, dataset, quiet) if workers == "auto" and executor is None else Workers(1, (), "")
        shown = stack.enter_context(display(quiet))
        watch = {"silent_minutes": silent_minutes, "quiet": quiet}
        if several:
            cost = through_executor(task, dataset, 1 if executor else int(workers), executor, shown.show, **watch)
        else:
            cost = carry_out_chosen(chosen, task, dataset, evaluators, shown.show, **watch)
        shown.end(cost)
        write_cost(cost, folder)
        return all_rows(folder, task.points, dataset.digest, {**record, "notes": told})


def _chosen(task: Task, dataset: Dataset, quiet: bool) -> Workers:
    """Choose the training processes for the points that are left, say so if they were timed, and record it in ``run.json``."""
    done = finished(task.out)
    left = tuple(p for p in task.points if point_id(p, dataset.digest) not in done)
    chosen = chosen_workers(dataclasses.replace(task, points=left), dataset)
    if chosen.measured and not quiet:
        show_notes([chosen.reason])
    record = {"processes": chosen.processes, "points": len(chosen.points) or len(left), "reason": chosen.reason}
    record["planned"] = len(task.points)
    if left:  # else the folder keeps what was said when it was made
        write_run_json(read_run_json(task.out) | {"workers": record}, task.out)
    return chosen


def default_evaluators(points: int = 10**6) -> int:
    """Return the number of evaluation processes of a training process that has the machine to itself."""
    # each spends some ten seconds on imports and on compiling, as long as it then takes for about 50 points
    return min(4, os.cpu_count() or 1, 1 + points // 50)


def sharded(points: Sequence[Point], digest: str, shard: tuple[int, int]) -> list[Point]:
    """Return the i-th of n equal parts of the points (i from 1), whatever their order."""
    number, shards = shard
    return sorted(points, key=lambda point: point_id(point, digest))[number - 1 :: shards]


def check_options(
    lanes: int | None,
    workers: int | str,
    evaluators: int | None,
    shard: tuple[int, int],
    embedding: str,
    keep_models: str,
    checkpoint_minutes: float,
    matmul_precision: str = "highest",
    silent_minutes: float = 60.0,
) -> None:
    """Raise :class:`InputError` for an option of :func:`run` that no data set allows or that needs a missing package."""
    Engine(matmul_precision=matmul_precision)  # for its check
    if embedding not in ("mean", "sample"):
        raise InputError(f"embedding is {embedding!r}; it must be 'mean' or 'sample'")
    if keep_models not in KEEP_MODELS:
        raise unknown_name("keep_models", keep_models, KEEP_MODELS)
    for name, value, least, most in (
        ("lanes", lanes, 1, 65_536),
        ("workers", workers, 1, 1024),
        ("evaluators", evaluators, 0, 1024),
    ):
        auto = name == "workers" and value == "auto"
        if value is not None and not auto and (not isinstance(value, int) or not least <= value <= most):
            or_auto = ", or 'auto'" if name == "workers" else ""
            raise InputError(
                f"{name} is {value!r}; it must be a whole number of at least {least} and at most {most}{or_auto}"
            )
    if not (isinstance(shard, tuple) and len(shard) == 2 and 1 <= shard[0] <= shard[1]):
        raise InputError(f"shard is {shard!r}; it must be i/n with i from 1 to n")
    if not silent_minutes > 0:
        raise InputError(f"silent_minutes is {silent_minutes}; it must be above 0")
    if not 0 <= checkpoint_minutes < math.inf:
        raise InputError(f"checkpoint_minutes is {checkpoint_minutes}; it must be 0 (never) or more")
    if workers not in (1, "auto") or (default_evaluators() if evaluators is None else evaluators):
        check_installed("work in several processes", ["loky"], ", or choose workers=1 and evaluators=0")
    check_installed("writing rows", ["pyarrow"])
    check_device()


def check_points(
    points: Sequence[Point],
    dataset: Dataset,
    metrics: Sequence[str],
    metric_options: Mapping[str, Any],
    lanes: int | None = None,
) -> None:
    """Raise :class:`InputError` unless the points can be trained, and the metrics computed, on this data set."""
    if not points:
        raise InputError("there is no point to train; give at least one")
    if other := next((point for point in points if not isinstance(point, Point)), None):
        raise InputError(f"{str(other)[:60]!r} is no point; vb.space.product and vb.space.point make points")
    check_metrics(metrics, dataset, metric_options)
    for point in {(p.variant, p.valid_fraction, p.batch, p.norm, p.hidden, p.likelihood): p for p in points}.values():
        make_split(point, dataset)
    for point in {(p.variant, p.latent, p.hidden): p for p in points}.values():
        check_memory(point, dataset, lanes or 1)


def prior_notes(points: Iterable[Point], metrics: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence on the points whose prior is trained, from which ``latent_use`` does not measure the divergence."""
    learned = sorted({point.variant for point in points if VARIANTS[point.variant].trained_prior})
    if not learned or "latent_use" not in metrics:
        return ()
    return (
        f"latent_use measures the divergence from N(0, 1), which is not the prior of {', '.join(learned)}: it is trained; "
        "compare kl and collapsed among the other variants only",
    )


def neighbours_notes(dataset: Dataset, metrics: Iterable[str], options: Mapping[str, Any]) -> list[str]:
    """Return a note if the data have fewer samples than ``leiden`` needs, so that no row will have a score of it."""
    if "leiden" not in metrics:
        return []
    samples, needed = len(dataset.x), getattr(options.get("leiden"), "neighbours", LeidenOptions().neighbours) + 1
    if samples >= needed:
        return []
    return [
        f"leiden needs at least {needed} samples with neighbours={needed - 1}, and there are {samples}: no row will have its "
        "scores; give fewer (--metric-option leiden.neighbours=10)"
    ]


def _tell(folder: Path, record: Mapping[str, Any], notes: Sequence[str], quiet: bool) -> None:
    """Show the notes of this call, and add them to those in the folder's ``run.json``."""
    if not quiet:
        show_notes(notes)
    told = joined_notes(record, notes)
    if told != record.get("notes", []):
        write_run_json(read_run_json(folder) | {"notes": told}, folder)


def _run_record(
    out: Path, dataset: Dataset, options: Mapping[str, Any], lanes: int | None, points: list[Point], command: str
) -> dict[str, Any]:
    """Return the record of the folder, ``run.json``: written now, or read and checked against the options."""
    sweep_unfinished(out)  # what killed processes left half written
    fixed = fixed_record(dataset, options, lanes)
    if not (out / "run.json").exists():
        refuse_unknown_rows(out)
        record = {
            **fixed,
            "lanes": lanes or chosen_lanes(points, dataset, Engine(matmul_precision=options["matmul_precision"])),
            "command": command,
            "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "version": __version__,
            "versions": {"python": platform.python_version(), "jax": jax.__version__, "numpy": np.__version__},
            "study": points[0].study,
            "device": device_name(),
            "data": {
                "name": dataset.name,
                "samples": dataset.x.shape[0],
                "features": dataset.x.shape[1],
                "labels": len(dataset.label_names),
            },
            "provenance": dict(dataset.provenance),
        }
        write_run_json(record, out, first=True)
    # read back: another process may have been first, and its options are the folder's
    return agreed(out, fixed, dataset)
