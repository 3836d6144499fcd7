"""Two timed epochs of a point, and a digest of their results: here, and in other processes with one thread each."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.data.cache import cached
from vaebench.evaluation.scores import evaluate_flat, prepared_metrics
from vaebench.space import Point, static_of
from vaebench.space import point as make_point
from vaebench.sweep.worker import Task, given_of
from vaebench.training.auxiliary import with_auxiliary_rows
from vaebench.training.pool import finished_lane, lane_inputs
from vaebench.training.threads import side_by_side
from vaebench.training.train import make_train
from vaebench.types import Dataset, Tree

EPOCHS = 2
"""Epochs that are timed."""
READY_SECONDS = 300.0
"""Longest wait for other processes to compile."""


class Timed(NamedTuple):
    """Seconds of an epoch, and a digest of all results."""

    seconds: float
    digest: str


def timed_epochs(
    point: Point, task: Task, dataset: Dataset, ready: Callable[[], None] = lambda: None, threads: int = 1
) -> Timed:
    """Train a point for a few epochs, and again with a clock.

    Args:
        point: the point.
        task: the task, for the metrics and the engine.
        dataset: the data set.
        ready: called when all is compiled, before the clock starts.
        threads: lanes that are trained at the same time under the clock; the seconds are those for one epoch of one of them.
    """
    static = static_of(point, dataset.x.shape[1], dataset.auxiliary_widths)
    program = make_train(static, 1, task.engine)
    inputs = lane_inputs(make_point(point, epochs=2**30, stopping="fixed"), dataset)
    x = with_auxiliary_rows(jnp.asarray(dataset.x), static, dataset)
    lane, history = program.advance(program.start(*inputs), x, EPOCHS)
    lane, *again = jax.block_until_ready([lane, *(program.start(*inputs) for _ in range(threads))])
    ready()
    started = time.perf_counter()
    side_by_side(*(lambda each=each: jax.block_until_ready(program.advance(each, x, EPOCHS)) for each in again))
    seconds = (time.perf_counter() - started) / threads
    # what a row or a kept model can hold, as far as a training process computes it
    record, rest = task.record, {"options": task.metric_options, "label_covariate": task.record["label_covariate"]}
    chosen = prepared_metrics(record["metrics"], dataset, **rest)
    needs = {need for metric in chosen for need in metric.needs}
    keep = bool({"posterior", "reconstruction"} & needs)
    item = finished_lane(point, lane, program, x, [], record["embedding"] == "sample", keep)
    given = given_of(item, dataset, needs)
    beside = [metric for metric in chosen if metric.where == "lane"]
    flat = evaluate_flat(item.z, dataset, beside, given) if beside and item.z is not None else {}
    values = [*jax.tree.leaves(lane._replace(key=jax.random.key_data(lane.key))), history]
    values += jax.tree.leaves((item.z, given.posterior, given.reconstruction))
    values += [value for name, value in flat.items() if "seconds" not in name]
    values += [metric.compute.keywords for metric in chosen if isinstance(metric.compute, functools.partial)]
    return Timed(seconds / EPOCHS, _digest(values))


def _digest(values: Tree) -> str:
    """Return a digest of the numbers in a tree, to the last bit."""
    digest = hashlib.sha256()
    for value in jax.tree.leaves(values):
        if isinstance(value, bool | int | float | np.ndarray | np.generic | jax.Array):
            digest.update(np.asarray(value).tobytes())
    return digest.hexdigest()


def timed_there(point: Point, task: Task, folder: Path, digest: str, pool: Executor, count: int) -> list[Timed]:
    """Time a point in all processes of a pool at the same time."""
    place = folder / f"ready-{uuid.uuid4().hex}"
    place.mkdir(parents=True)
    try:
        # each waits for the others, so that none takes two
        small = dataclasses.replace(task, points=())
        futures = [pool.submit(_timed, point, small, folder, digest, place, count) for _ in range(count)]
        return [future.result(READY_SECONDS) for future in futures]
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _timed(point: Point, task: Task, folder: Path, digest: str, place: Path, count: int) -> Timed:
    """Time a point in one of ``count`` processes, from when all of them have made a file in ``place``."""

    def absent() -> Dataset:
        raise FileNotFoundError(f"data set {digest} is not in {folder}")

    def ready() -> None:
        (place / str(os.getpid())).touch()
        until = time.monotonic() + READY_SECONDS
        while len(list(place.iterdir())) < count:
            if time.monotonic() > until:
                raise TimeoutError("another process was not ready")
            time.sleep(0.005)

    return timed_epochs(point, task, cached(folder, {"digest": digest}, absent), ready)
