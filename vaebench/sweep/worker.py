"""The work of one process: train points group by group, evaluate them at the same time, write rows as they are complete.

Order of writes for one point: its embedding and model, if they are kept, then its row. A row therefore implies that the rest of
the point is on disk, and a point without a row is trained again, from its checkpoint if there is one.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import time
import uuid
import warnings
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from vaebench.atomic import read_json, write_json
from vaebench.errors import InputError
from vaebench.evaluation.baseline import pca_embedding, pca_reconstruction
from vaebench.results import finished
from vaebench.rows import row_of_baseline, row_of_model
from vaebench.space import Point, group_by_static, point_id, static_of
from vaebench.sweep.claims import Claims
from vaebench.sweep.evaluator import EvaluationQueue
from vaebench.sweep.progress import RunProgress
from vaebench.sweep.tally import Tally
from vaebench.training.ahead import compile_program
from vaebench.training.checkpoint import (
    EMBEDDINGS,
    LANES,
    MODELS,
    forget_lanes,
    keep_part,
    load_lanes,
    merge_parts,
    restored,
    save_lanes,
)
from vaebench.training.engine import DEFAULT, Engine
from vaebench.training.lane import lane_sharding
from vaebench.training.machine import training_threads
from vaebench.training.pool import Finished, Saved, Tick, lane_inputs, trained_points
from vaebench.training.threads import CompilerThread
from vaebench.training.train import make_start
from vaebench.training.trained import arrays_of, card_of, trained
from vaebench.types import Dataset, Given
from vaebench.variants import variant as variant_named

KEEP_MODELS = ("none", "best", "all")

_PAUSE = 1.0  # seconds between two looks at points that another process trains


@dataclasses.dataclass(frozen=True)
class Task:
    """Points for one process, and its options.

    Attributes:
        points: points to train; those that have a row in ``out`` are skipped.
        out: folder of the run.
        record: ``run.json``, the options fixed for the folder.
        baselines: numbers of dimensions at which PCA is evaluated too.
        evaluators: processes for the evaluation; 0 evaluates in a thread of this process.
        threads: pools that are trained at the same time; ``None`` chooses (:func:`vaebench.training.machine.training_threads`).
        keep_embeddings: store z of every point.
        keep_models: ``"none"``, ``"best"`` (lowest validation loss of each group) or ``"all"``.
        checkpoint_minutes: minutes between two checkpoints of the running lanes; 0 for none.
        metric_options: metric name -> its options, where they are not the defaults.
        engine: options of compilation and calls.
    """

    points: tuple[Point, ...]
    out: Path
    record: Mapping[str, Any]
    baselines: tuple[int, ...] = ()
    evaluators: int = 2
    threads: int | None = None
    keep_embeddings: bool = False
    keep_models: str = "none"
    checkpoint_minutes: float = 0.0
    metric_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    engine: Engine = DEFAULT


def carry_out(task: Task, dataset: Dataset, show: Callable[[RunProgress], None] = lambda state: None) -> dict[str, Any]:
    """Carry out a task and return its cost (:meth:`Tally.cost`); points and baselines that have a row are skipped."""
    done = finished(task.out)
    waiting = [p for p in task.points if point_id(p, dataset.digest) not in done]
    baselines = [row_of_baseline(latent, dataset, task.record) for latent in task.baselines]
    baselines = [row for row in baselines if row["point"] not in done]
    groups = group_by_static(waiting, dataset.x.shape[1], dataset.auxiliary_widths)
    tally = Tally(len(groups), len(waiting) + len(baselines), time.perf_counter())
    if not tally.points:
        return tally.cost()
    metrics, label = task.record["metrics"], task.record["label_covariate"]
    with (
        EvaluationQueue(dataset, metrics, task.out, task.evaluators, label, task.metric_options) as queue,
        Claims(task.out, dataset.digest) as claims,
        CompilerThread() as compiler,
    ):
        _submit_baselines(baselines, dataset, queue)
        x = on_all_devices(dataset.x) if groups else None
        left, told = list(waiting), False
        while left:
            groups = list(group_by_static(left, dataset.x.shape[1], dataset.auxiliary_widths).values())
            postponed = list[Point]()
            for group, following in itertools.zip_longest(groups, groups[1:]):
                mine, others = claims.take(group, queue.parts)
                postponed += others
                tally = tally.shared(group, mine, others)
                if mine:
                    compiler.wait()
                    # on several devices arrays are placed, and have other programs
                    if following and len(jax.local_devices()) == 1:
                        compiler.start(functools.partial(_compile_ahead, task, following[0], dataset, x))
                    tally = _train_group(task, mine, dataset, x, queue, tally, show)
                claims.keep({item.row["point"] for item in queue.pending.values()})
            if len(postponed) == len(left):
                told = told or _tell_of_others(task.out, len(postponed))
                queue.collect()
                show(tally.state(queue))
                time.sleep(_PAUSE)
            left = postponed
        queue.drain(lambda: show(tally.state(queue)))
        show(tally.state(queue))
    if task.checkpoint_minutes:
        forget_lanes(task.out / LANES, finished(task.out))
    return tally.cost()


def _compile_ahead(task: Task, point: Point, dataset: Dataset, x: jax.Array | None) -> None:
    """Compile the program of ``point`` as :func:`_group_ticks` will call it."""
    assert x is not None
    lanes, sample = _lanes(task, group_name(point, dataset)), task.record["embedding"] == "sample"
    compile_program(point, dataset, x, lanes, sample=sample, engine=task.engine)


def _train_group(
    task: Task,
    group: Sequence[Point],
    dataset: Dataset,
    x: jax.Array | None,
    queue: EvaluationQueue,
    tally: Tally,
    show: Callable[[RunProgress], None],
) -> Tally:
    """Train one group, hand its points to the evaluation, and return the tally after it."""
    keep = task.keep_models != "none" or bool({"posterior", "reconstruction"} & queue.needs)
    name = group_name(group[0], dataset)
    for lanes, tick in _group_ticks(task, name, group, dataset, x, keep):
        tally = tally.after(tick)
        for item in tick.finished:
            # files before the row: the row is what a resumed run looks for
            _keep(task, name, item, dataset)
            given = given_of(item, dataset, queue.needs)
            queue.submit(row_of_model(item, dataset, task.record, lanes), item.z, given)
        # rows of finished evaluations are written here, between two calls of the program, never by another thread
        queue.collect(lambda tally=tally: show(tally.state(queue)))
        show(tally.state(queue))
    merge_parts(task.out / EMBEDDINGS / name)
    merge_parts(task.out / MODELS / name, best=task.keep_models == "best")
    return tally


def _tell_of_others(out: Path, points: int) -> bool:
    warnings.warn(
        f"{points} points are in training by another command on {out}; this one waits for their rows, and trains what that "
        "leaves",
        stacklevel=2,
    )
    return True


def group_name(point: Point, dataset: Dataset) -> str:
    """Return the file name of a point's group: variant, latent, and a hash of everything that fixes its program."""
    fixed = (static_of(point, dataset.x.shape[1], dataset.auxiliary_widths), point.valid_fraction)
    # what came later is not in the repr, so that groups without a compiled optimizer, auxiliary variables, counts or a warm-up
    # keep their file names
    text = repr(fixed) + fixed[0].optimizer + ",".join(map(str, fixed[0].auxiliary))
    text += "" if fixed[0].likelihood == "own" else fixed[0].likelihood
    text += "warmed" if fixed[0].warmed else ""
    return f"{point.variant}-{point.latent}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def on_all_devices(x: np.ndarray) -> jax.Array:
    """Put the data matrix on the device, or a copy on each of several."""
    layout = lane_sharding(len(jax.local_devices()))
    return jnp.asarray(x) if layout is None else jax.device_put(x, NamedSharding(layout.mesh, PartitionSpec()))


def _group_ticks(
    task: Task, name: str, group: Sequence[Point], dataset: Dataset, x: jax.Array | None, keep: bool
) -> Iterator[tuple[int, Tick]]:
    """Train one group and yield (lanes, tick); if the first call exceeds the memory it is repeated with half the lanes."""
    assert x is not None
    lanes = _lanes(task, name)
    checkpoint = task.out / LANES / f"{uuid.uuid4().hex}.safetensors"
    saved = _saved(task, group, dataset) if (task.out / LANES).is_dir() else {}
    while True:
        ticks = trained_points(
            group,
            dataset,
            x,
            lanes,
            threads=task.threads or training_threads(group[0], dataset, lanes, task.engine),
            sample=task.record["embedding"] == "sample",
            keep=lambda point: keep,
            saved=saved,
            engine=task.engine,
        )
        try:
            first = next(ticks)
            break
        except jax.errors.JaxRuntimeError as error:
            smaller = lanes // 2
            fits_devices = smaller == 1 or smaller % len(jax.local_devices()) == 0
            if "RESOURCE_EXHAUSTED" not in str(error) or not smaller or not fits_devices:
                raise
            # stored, so that a resumed run uses the same number of lanes and rounds in the same way
            lanes = smaller
            write_json(_lanes_file(task, name), {"lanes": lanes})
    yield lanes, first
    written = time.perf_counter()
    for tick in ticks:
        yield lanes, tick
        if task.checkpoint_minutes and time.perf_counter() - written >= 60 * task.checkpoint_minutes:
            running = tick.snapshot()
            if running:  # a file without arrays would be unreadable
                save_lanes(checkpoint, {point_id(point, dataset.digest): lane for point, lane in running.items()})
            else:
                checkpoint.unlink(missing_ok=True)
            written = time.perf_counter()
    checkpoint.unlink(missing_ok=True)


def _lanes_file(task: Task, name: str) -> Path:
    return task.out / "lanes" / f"{name}.json"


def _lanes(task: Task, name: str) -> int:
    """Return the lanes of a group: those of the run, or fewer where these did not fit into the memory before."""
    place = _lanes_file(task, name)
    known = read_json(place)
    lanes = (task.record if known is None else known).get("lanes")
    if type(lanes) is not int or lanes < 1:
        raise InputError(
            f"{place} has lanes {str(lanes)[:60]}; it must be a whole number of at least 1: delete this file"
        )
    return lanes


def _saved(task: Task, group: Sequence[Point], dataset: Dataset) -> dict[Point, Saved]:
    """Read the lanes of the group from the checkpoints of earlier processes."""
    found = load_lanes(task.out / LANES)
    lanes = {}
    for point in group:
        leaves = found.get(point_id(point, dataset.digest))
        if leaves:
            start = make_start(static_of(point, dataset.x.shape[1], dataset.auxiliary_widths), task.engine)
            template = jax.eval_shape(start, *lane_inputs(point, dataset))
            template = template._replace(key=jax.eval_shape(jax.random.key_data, template.key))
            lane = restored(leaves, template)
            lanes |= {point: lane} if lane else {}
    return lanes


def _keep(task: Task, name: str, item: Finished, dataset: Dataset) -> None:
    """Store embedding and model of a finished point if they are kept, before its row: a row implies that they exist."""
    point = point_id(item.point, dataset.digest)
    if task.keep_embeddings and item.z is not None:
        keep_part(task.out / EMBEDDINGS / name, point, {"z": item.z}, {"samples": dataset.samples.tolist()})
    if task.keep_models != "none" and item.stop != "diverged":
        model = trained(item, dataset)
        keep_part(task.out / MODELS / name, point, arrays_of(model), card_of(model))
        if task.keep_models == "best":
            merge_parts(task.out / MODELS / name, best=True)


def _submit_baselines(rows: list[dict[str, Any]], dataset: Dataset, queue: EvaluationQueue) -> None:
    if rows:
        components = pca_embedding(dataset.x, max(row["static/latent"] for row in rows))
        for row in rows:
            z = components[:, : row["static/latent"]]
            given = Given(reconstruction=pca_reconstruction(dataset.x, z) if "reconstruction" in queue.needs else None)
            queue.submit(row, z, given)


def given_of(item: Finished, data: Dataset, needs: Container[str]) -> Given:
    """Return the inputs of an evaluation of a finished point other than its z.

    Args:
        item: the point; with its variables if ``needs`` is not empty.
        data: the data set.
        needs: of ``"posterior"`` and ``"reconstruction"`` (of the evaluated z), those to compute. The split and the redundant
            columns are always given.
    """
    static = static_of(item.point, data.x.shape[1], data.auxiliary_widths)
    redundant = variant_named(item.point.variant).redundant(static)
    given = Given(split=(item.split.train, item.split.valid), redundant=redundant)
    if item.z is None or not ("posterior" in needs or "reconstruction" in needs):
        return given
    model = trained(item, data)
    if "posterior" in needs:
        given = given._replace(posterior=model.posterior(data.x, data.auxiliary))
    if "reconstruction" in needs:
        given = given._replace(reconstruction=model.decode(item.z, data.auxiliary))
    return given
