"""A pool of lanes for one compiled program, kept full until every point is trained; no input or output.

1. Waiting points, the longest first, are put into free slots.
2. The program trains every running lane for a few epochs (:mod:`vaebench.training.slots`).
3. The host fetches status, epochs and losses of all lanes in one transfer.
4. Lanes that have stopped are embedded, taken out and yielded; their slots are free.

The number of epochs between two fetches decides how long a finished lane waits, never a result: a lane that has stopped keeps
its values. On a CPU several pools do this at the same time.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.data.splits import split_indices
from vaebench.errors import InputError
from vaebench.space import Point, static_of, traced_of
from vaebench.training.auxiliary import check_auxiliary, with_auxiliary_rows
from vaebench.training.engine import DEFAULT, Engine
from vaebench.training.lane import STOP_NAMES, Lane, Split
from vaebench.training.slots import Saved, Slots, calls, snapshot
from vaebench.training.train import Train, make_train
from vaebench.types import Dataset, Traced, Tree
from vaebench.types.auxiliary import AuxiliaryRows
from vaebench.types.shown import one_line
from vaebench.variants import VARIANTS, variant


class Finished(NamedTuple):
    """A trained point, with numbers as Python scalars and arrays as numpy arrays.

    Attributes:
        point: the point.
        stop: ``"converged"``, ``"out_of_epochs"`` or ``"diverged"``.
        epochs: epochs trained.
        best_epoch: epoch of the best validation loss.
        losses: name -> value after the last epoch: ``train``, ``valid``, ``best_valid`` and ``valid_TERM`` of every term.
        history: validation loss of every epoch.
        z: embedding of all samples [N, L], float32; ``None`` if diverged.
        variables: parameters and batch statistics; ``None`` unless asked for.
        split: training and validation samples, and scaling.
    """

    __repr__ = one_line

    point: Point
    stop: str
    epochs: int
    best_epoch: int
    losses: dict[str, float]
    history: list[float]
    z: np.ndarray | None
    variables: Any
    split: Split


class Tick(NamedTuple):
    """Result of one call of the compiled program.

    Attributes:
        finished: points that finished in it.
        useful: lane-epochs trained.
        computed: lane-epochs that the device computed, including those of stopped and idle lanes.
        seconds: since the previous tick.
        snapshot: returns the running lanes; only valid until the next tick.
    """

    finished: list[Finished]
    useful: int
    computed: int
    seconds: float
    snapshot: Callable[[], dict[Point, Saved]]


def expected_length(point: Point) -> float:
    """Guess how many epochs a point trains, for ordering only.

    A pool runs half empty while its last lanes finish; starting slow learners first keeps that phase short.
    """
    slow = {"sgd": 100.0}.get(point.optimizer, 1.0)
    return min(point.epochs, slow / point.learning_rate)


def make_split(point: Point, dataset: Dataset) -> Split:
    """Return the split and scaling of a point, as numpy arrays.

    The split depends only on the seed, the labels, ``valid_fraction`` and ``stratified``, so points that differ in other
    settings are compared on the same samples.

    Raises:
        InputError: the variant is for counts, the batch is larger than the training samples, no sample is left for
            validation, or statistics of a batch or layer would be taken over a single value (:func:`check_statistics`).
    """
    if variant(point.variant).domain != "expression":
        raise InputError(
            f"variant {point.variant!r} is for mutation counts, and this is expression data; use vaebench extract or refit, "
            f"or one of: {', '.join(name for name, v in VARIANTS.items() if v.domain == 'expression')}"
        )
    samples, features = dataset.x.shape
    check_auxiliary(point, dataset)
    train, valid = split_indices(dataset.labels, samples, point.valid_fraction, point.seed, point.stratified)
    if len(train) < point.batch:
        raise InputError(
            f"batch is {point.batch}, but only {len(train)} of {samples} samples are left for training: no step could be "
            f"made; choose a batch of at most {len(train)} or a smaller valid_fraction (now {point.valid_fraction})"
        )
    check_statistics(point, len(valid))
    if len(valid) == 0:
        raise InputError(f"valid_fraction {point.valid_fraction} of {samples} samples leaves none for validation")
    if point.scaling_from == "all":
        centre, scale = np.zeros(features, np.float32), np.ones(features, np.float32)
    else:
        rows = dataset.x[train].astype(np.float64)
        # x is already scaled with the statistics of all samples; scaling is affine, so scaling again by the training rows gives
        # the same as scaling the raw values by them
        low, spread = (rows.min(0), np.ptp(rows, 0)) if dataset.scaling == "unit" else (rows.mean(0), rows.std(0))
        if dataset.scaling == "none":
            low, spread = np.zeros(features), np.ones(features)
        centre, scale = low.astype(np.float32), np.where(spread > 0, spread, 1).astype(np.float32)
    return Split(train, valid, centre, scale)


def check_statistics(point: Point, valid: int) -> None:
    """Raise :class:`InputError` if a point would take statistics over a single value, which leaves noise to train on.

    A value minus the mean of itself is 0: batch normalisation of a batch of one, and layer normalisation of a layer of one
    unit, give every sample the same output. Losses that estimate a distribution from the batch need two samples, in
    training and in validation. Batch normalisation is no reason to refuse one validation sample, since validation uses the
    running statistics; and the last training batch is never smaller, since a partial one is dropped.

    Args:
        point: the settings.
        valid: number of validation samples.
    """
    if point.batch == 1 and point.norm == "batch":
        raise InputError(
            "batch is 1, and batch normalisation of one sample gives every sample the same output; choose a batch of at least "
            "2, or norm 'layer' or 'none'"
        )
    if point.norm == "layer" and min(point.hidden) == 1:
        raise InputError(
            f"hidden is {point.hidden}, and layer normalisation of one unit gives every sample the same output; choose widths "
            "of at least 2, or norm 'batch' or 'none'"
        )
    least = variant(point.variant).least_batch
    for name, size in (("batch", point.batch), ("number of validation samples", valid)):
        if 0 < size < least:
            raise InputError(
                f"the {name} is {size}, and the loss of {point.variant} compares the samples of a batch: {least} at least"
            )


def on_device(tree: Tree) -> Tree:
    """Return a tree of numbers and numpy arrays as float32 and int32 arrays on the device."""

    def leaf(value: float | np.ndarray) -> jax.Array:
        value = np.asarray(value)
        return jnp.asarray(value.astype({"f": np.float32, "i": np.int32}[value.dtype.kind]))

    return jax.tree.map(leaf, tree)


def lane_inputs(point: Point, dataset: Dataset) -> tuple[Traced, Split]:
    """Return the arguments of :attr:`Train.start` for a point: its traced settings and its split, on the device."""
    return on_device(traced_of(point)), on_device(make_split(point, dataset))


def trained_points(
    points: Iterable[Point],
    dataset: Dataset,
    x: jax.Array,
    lanes: int,
    *,
    threads: int = 1,
    sample: bool = False,
    keep: Callable[[Point], bool] = lambda point: False,
    saved: Mapping[Point, Saved] | None = None,
    begin: Callable[[Train, Point], Lane] | None = None,
    engine: Engine = DEFAULT,
) -> Iterator[Tick]:
    """Train all ``points`` in pools of ``lanes``, and yield a :class:`Tick` after every call of the program.

    Args:
        points: at least one, of equal static shape and split sizes, in any order; long ones are started first.
        dataset: the data set, from which splits and scaling are made.
        x: ``dataset.x`` [N, D] on the device, shared by all pools. The lanes' splits are positions of its rows.
        lanes: R.
        threads: pools that are trained at the same time, each called from a thread of its own. The results are the same to
            the last bit.
        sample: embed with one posterior draw in place of the posterior mean.
        keep: ``point -> bool``, true to copy its variables to the host.
        saved: point -> lane of a snapshot; these points continue from there, to the same result.
        begin: ``(program, point) -> lane`` before its first epoch, for splits that are not made from ``dataset`` (x then has
            other rows). The embedded samples are those of ``dataset.x`` nevertheless.
        engine: options of compilation and calls.

    Raises:
        InputError: a point does not fit the data set; see :func:`make_split`.
    """
    waiting = deque(sorted(points, key=expected_length, reverse=True))
    for point in waiting:
        check_statistics(point, 0)  # also of splits that are not made from the data set
    static = static_of(waiting[0], dataset.x.shape[1], dataset.auxiliary_widths)
    program = make_train(static, lanes, engine)

    def begun(program: Train, point: Point) -> Lane:
        return program.start(*lane_inputs(point, dataset))

    rows = with_auxiliary_rows(x, static, dataset)
    embedded = rows if begin is None else jnp.asarray(dataset.x)
    pools = [Slots(program, lanes, begin or begun, saved or {}) for _ in range(min(threads, -(-len(waiting) // lanes)))]
    started = time.perf_counter()
    for pool, call in calls(pools, waiting, rows, engine):
        finished = []
        for slot, lane in pool.stopped(call.status):
            point = pool.points[slot]
            assert point is not None
            finished.append(finished_lane(point, lane, program, embedded, pool.history[slot], sample, keep(point)))
            pool.points[slot] = None
        now = time.perf_counter()
        yield Tick(finished, int(call.done.sum()), int(call.done.max()) * lanes, now - started, lambda: snapshot(pools))
        started = time.perf_counter()


def finished_lane(
    point: Point,
    lane: Lane,
    program: Train,
    x: jax.Array | AuxiliaryRows,
    history: list[float],
    sample: bool,
    keep: bool,
) -> Finished:
    """Fetch the results of a lane; ``x`` are the samples to embed, for the rest see :func:`trained_points`."""
    stop = STOP_NAMES[int(lane.status)]
    losses = {"train": lane.train_loss, "valid": lane.valid_loss, "best_valid": lane.best_loss}
    losses |= {f"valid_{name}": value for name, value in lane.terms.items()}
    return Finished(
        point=point,
        stop=stop,
        epochs=int(lane.epoch),
        best_epoch=int(lane.best_epoch),
        losses={name: float(value) for name, value in losses.items()},
        history=history,
        z=None if stop == "diverged" else np.asarray(program.embed(lane, x, sample)),
        variables=jax.tree.map(np.asarray, lane.variables) if keep else None,
        split=jax.tree.map(np.asarray, lane.split),
    )
