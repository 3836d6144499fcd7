"""A pool of lanes for one compiled program, kept full until every point is trained. No input, no output.

Finished lanes leave every few epochs and waiting points take their places. The number of epochs between two looks
only decides how long a finished lane waits, never a result: a lane that is done keeps its values.
"""

from __future__ import annotations

import math
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
from vaebench.training.engine import DEFAULT, Engine
from vaebench.training.lane import RUNNING, STOP_NAMES, Lane, Split
from vaebench.training.train import MAX_CALL_EPOCHS, Train, make_train
from vaebench.types import Dataset, Traced, Tree
from vaebench.variants import VARIANTS, variant


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


class Saved(NamedTuple):
    """A lane in the middle of its training, as numpy arrays (its key as raw data), with its losses so far."""

    lane: Lane
    history: list[float]


class Tick(NamedTuple):
    """What one look at the pool saw.

    Attributes:
        finished: lanes that finished.
        useful: lane-epochs trained.
        computed: lane-epochs that the device computed, those of finished and idle lanes included.
        seconds: since the look before.
        snapshot: gives the running lanes, to be called before the next look.
    """

    finished: list[Finished]
    useful: int
    computed: int
    seconds: float
    snapshot: Callable[[], dict[Point, Saved]]


def expected_length(point: Point) -> float:
    """A guess, for ordering only, of how many epochs a point trains: slow learners first keeps the tail short."""
    slow = {"sgd": 100.0}.get(point.optimizer, 1.0)
    return min(point.epochs, slow / point.learning_rate)


def make_split(point: Point, dataset: Dataset) -> Split:
    """Rows and scaling for a point, as numpy arrays; the split depends on the seed, the labels and the fraction alone."""
    if variant(point.variant).domain != "expression":
        raise InputError(
            f"variant {point.variant!r} is for mutation counts, and this is expression data; use vaebench extract or refit, "
            f"or one of: {', '.join(name for name, v in VARIANTS.items() if v.domain == 'expression')}"
        )
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


def on_device(tree: Tree) -> Tree:
    """A tree of numbers and numpy arrays as float32 and int32 arrays of the device."""

    def leaf(value: float | np.ndarray) -> jax.Array:
        value = np.asarray(value)
        return jnp.asarray(value.astype({"f": np.float32, "i": np.int32}[value.dtype.kind]))

    return jax.tree.map(leaf, tree)


def lane_inputs(point: Point, dataset: Dataset) -> tuple[Traced, Split]:
    """Return what :attr:`Train.start` takes for a point: its traced settings and its split, on the device."""
    return on_device(traced_of(point)), on_device(make_split(point, dataset))


class _Slots:
    """The host's view of a pool: which point runs where, and its losses so far."""

    def __init__(
        self, program: Train, lanes: int, begin: Callable[[Train, Point], Lane], saved: Mapping[Point, Saved]
    ) -> None:
        self.program = program
        self.begin = begin
        self.saved = saved
        self.points: list[Point | None] = [None] * lanes
        self.history: list[list[float]] = [[] for _ in range(lanes)]
        self.epochs = np.zeros(lanes, np.int32)
        self.pool: Any = None

    def fill(self, waiting: deque[Point]) -> None:
        """Put waiting points into free slots."""
        for slot, point in enumerate(self.points):
            if point is None and waiting:
                self.points[slot] = waiting.popleft()
                lane, self.history[slot] = self._lane(self.points[slot])
                if self.pool is None:
                    self.pool = self.program.idle(lane)
                    self.epochs[:] = len(self.history[slot])
                self.epochs[slot] = len(self.history[slot])
                self.pool = self.program.put(self.pool, slot, lane)

    def _lane(self, point: Point | None) -> tuple[Lane, list[float]]:
        assert point is not None
        if point in self.saved:
            lane, history = self.saved[point]
            lane = jax.tree.map(jnp.asarray, lane)
            return lane._replace(key=jax.random.wrap_key_data(lane.key)), list(history)
        return self.begin(self.program, point), []

    def snapshot(self) -> dict[Point, Saved]:
        """The running lanes as numpy arrays."""
        lanes = {}
        for slot, point in enumerate(self.points):
            if point is not None:
                lane = self.program.take(self.pool, slot)
                lane = lane._replace(key=jax.random.key_data(lane.key))
                lanes[point] = Saved(jax.tree.map(np.asarray, lane), list(self.history[slot]))
        return lanes


def trained_points(
    points: Iterable[Point],
    dataset: Dataset,
    x: jax.Array,
    lanes: int,
    *,
    sample: bool = False,
    keep: Callable[[Point], bool] = lambda point: False,
    saved: Mapping[Point, Saved] | None = None,
    begin: Callable[[Train, Point], Lane] | None = None,
    engine: Engine = DEFAULT,
) -> Iterator[Tick]:
    """Train all ``points`` (of equal static shape and split sizes) in a pool of ``lanes``, yielding as they finish.

    Args:
        points: in any order; long ones are started first.
        dataset: where splits and scaling come from.
        x: ``dataset.x`` on the device, shared by all pools; the rows that the lanes' splits point into.
        lanes: R.
        sample: embed with one posterior draw in place of the posterior mean.
        keep: whether a point's variables are brought back to the host.
        saved: lanes of a :class:`Tick`'s snapshot; these points go on from there, to the same result.
        begin: a point's lane before its first epoch, where its split is not the data set's; such lanes embed ``dataset.x``.
        engine: how the program is compiled and called.
    """
    waiting = deque(sorted(points, key=expected_length, reverse=True))
    program = make_train(static_of(waiting[0], dataset.x.shape[1]), lanes, engine)

    def begun(program: Train, point: Point) -> Lane:
        return program.start(*lane_inputs(point, dataset))

    embedded = x if begin is None else jnp.asarray(dataset.x)
    slots = _Slots(program, lanes, begin or begun, saved or {})
    epoch_seconds = math.inf
    while waiting or any(slots.points):
        started = time.perf_counter()
        slots.fill(waiting)
        epochs = int(np.clip(engine.call_seconds / epoch_seconds, 1, MAX_CALL_EPOCHS))
        called = time.perf_counter()
        slots.pool, losses = program.advance(slots.pool, x, epochs)
        # one transfer for all that the host looks at: waiting for the device once a call is the engine's whole overhead
        seen = jax.device_get((slots.pool.status, slots.pool.epoch, losses))
        status, after, losses = (np.reshape(part, (lanes, -1)) for part in seen)
        done = after[:, 0] - slots.epochs
        slots.epochs = after[:, 0].copy()
        # the first call compiles; its time says nothing about an epoch, and the next one replaces it
        epoch_seconds = (time.perf_counter() - called) / max(1, done.max())
        finished = []
        for slot, point in enumerate(slots.points):
            if point is None:
                continue
            slots.history[slot] += [float(v) for v in losses[slot, : done[slot]]]
            if status[slot, 0] != RUNNING:
                lane = program.take(slots.pool, slot)
                finished.append(_finished(point, lane, program, embedded, slots.history[slot], sample, keep(point)))
                slots.points[slot] = None
        yield Tick(finished, int(done.sum()), int(done.max()) * lanes, time.perf_counter() - started, slots.snapshot)


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
