"""A pool of lanes for one compiled program, kept full until every point is trained. No input, no output.

Finished lanes leave every few epochs and waiting points take their places. The number of epochs between two looks
only decides how long a finished lane waits, never a result: a lane that is done keeps its values.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.data.splits import split_indices
from vaebench.space import Point, static_of, traced_of
from vaebench.train import MAX_CALL_EPOCHS, RUNNING, STOP_NAMES, Lane, Split, Train, make_train
from vaebench.types import Dataset, InputError

_CALL_SECONDS = 0.05
"""Wished length of one call of the program: short enough to refill soon, long enough to hide the host's work (1-2 ms)."""


class Finished(NamedTuple):
    """A trained point: numbers as Python scalars, ``z`` [N, L] float32, ``variables`` as numpy trees where kept."""

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
    """What one look at the pool saw: lanes that finished, useful lane-epochs, lane-epochs that were computed, seconds."""

    finished: list[Finished]
    useful: int
    computed: int
    seconds: float


def expected_length(point: Point) -> float:
    """A guess, for ordering only, of how many epochs a point trains: slow learners first keeps the tail short."""
    slow = {"sgd": 100.0}.get(point.optimizer, 1.0)
    return min(point.epochs, slow / point.learning_rate)


def make_split(point: Point, dataset: Dataset) -> Split:
    """Rows and scaling for a point, as numpy arrays; the split depends on the seed, the labels and the fraction alone."""
    samples, features = dataset.x.shape
    train, valid = split_indices(dataset.labels, samples, point.valid_fraction, point.seed, point.stratified)
    if len(train) < point.batch:
        raise InputError(
            f"batch is {point.batch}, but only {len(train)} of {samples} samples are left for training: no step could be "
            f"made; choose a batch of at most {len(train)} or a smaller valid_fraction (now {point.valid_fraction})"
        )
    if len(valid) == 0:
        raise InputError(f"valid_fraction {point.valid_fraction} of {samples} samples leaves none for validation")
    if point.scaling_from == "all":
        centre, scale = np.zeros(features, np.float32), np.ones(features, np.float32)
    else:
        rows = dataset.x[train].astype(np.float64)
        # x is already scaled with all samples' statistics; scaling is affine, so scaling again by the training rows is exact
        low, spread = (rows.min(0), np.ptp(rows, 0)) if dataset.scaling == "unit" else (rows.mean(0), rows.std(0))
        if dataset.scaling == "none":
            low, spread = np.zeros(features), np.ones(features)
        centre, scale = low.astype(np.float32), np.where(spread > 0, spread, 1).astype(np.float32)
    return Split(train, valid, centre, scale)


def _on_device(tree: Any) -> Any:
    def leaf(value: Any) -> jax.Array:
        value = np.asarray(value)
        return jnp.asarray(value.astype({"f": np.float32, "i": np.int32}[value.dtype.kind]))

    return jax.tree.map(leaf, tree)


def trained_points(
    points: Iterable[Point],
    dataset: Dataset,
    x: jax.Array,
    lanes: int,
    sample: bool = False,
    keep: Callable[[Point], bool] = lambda point: False,
) -> Iterator[Tick]:
    """Train all ``points`` (of equal static shape and split sizes) in a pool of ``lanes``, yielding as they finish.

    Args:
        points: in any order; long ones are started first.
        dataset: where splits and scaling come from.
        x: ``dataset.x`` on the device, shared by all pools.
        lanes: R.
        sample: embed with one posterior draw in place of the posterior mean.
        keep: whether a point's variables are brought back to the host.
    """
    waiting = deque(sorted(points, key=expected_length, reverse=True))
    program = make_train(static_of(waiting[0], dataset.x.shape[1]), lanes)
    first = (_on_device(traced_of(waiting[0])), _on_device(make_split(waiting[0], dataset)))
    pool = program.idle(*first)
    running: list[Point | None] = [None] * lanes
    history: dict[int, list[float]] = {}
    epoch_seconds = math.inf

    while waiting or any(running):
        started = time.perf_counter()
        for slot in range(lanes):
            if running[slot] is None and waiting:
                point = waiting.popleft()
                lane = program.start(_on_device(traced_of(point)), _on_device(make_split(point, dataset)))
                pool = program.put(pool, slot, lane)
                running[slot], history[slot] = point, []
        before = np.atleast_1d(np.asarray(pool.epoch))
        epochs = int(np.clip(_CALL_SECONDS / epoch_seconds, 1, MAX_CALL_EPOCHS))
        called = time.perf_counter()
        pool, losses = program.advance(pool, x, epochs)
        status, after = np.atleast_1d(np.asarray(pool.status)), np.atleast_1d(np.asarray(pool.epoch))
        done = after - before
        # the first call compiles; its time says nothing about an epoch, and the next one replaces it
        epoch_seconds = (time.perf_counter() - called) / max(1, done.max())
        losses = np.reshape(np.asarray(losses), (lanes, -1))
        finished = []
        for slot, point in enumerate(running):
            if point is None:
                continue
            history[slot] += [float(v) for v in losses[slot, : done[slot]]]
            if status[slot] != RUNNING:
                lane = program.take(pool, slot)
                finished.append(_finished(point, lane, program, x, history.pop(slot), sample, keep(point)))
                running[slot] = None
        yield Tick(finished, int(done.sum()), int(done.max()) * lanes, time.perf_counter() - started)


def _finished(
    point: Point, lane: Lane, program: Train, x: jax.Array, history: list[float], sample: bool, keep: bool
) -> Finished:
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
