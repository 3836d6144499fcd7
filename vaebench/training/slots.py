"""Slots of a pool of lanes, and the calls that train several pools at the same time.

XLA's programs for a CPU leave most cores idle: products of small matrices gain nothing from a second thread. Programs that are
called from several threads share the cores. Each is the same program, and splits its products in the same way whatever else
runs, so no bit depends on how many are called.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.space import Point
from vaebench.training.engine import Engine
from vaebench.training.lane import RUNNING, Lane
from vaebench.training.threads import started
from vaebench.training.train import MAX_CALL_EPOCHS, Train
from vaebench.types.auxiliary import AuxiliaryRows


class Saved(NamedTuple):
    """A running lane as numpy arrays (its key as raw data), and its validation losses so far."""

    lane: Lane
    history: list[float]


class Call(NamedTuple):
    """Result of one call of the program on the host: status [R] of the lanes after it, and epochs [R] trained in it."""

    status: np.ndarray
    done: np.ndarray


class Slots:
    """A pool, and its state on the host: the point in every slot, and its losses so far."""

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
        self.calling: Future[Call] | None = None
        self._epoch_seconds = math.inf

    def fill(self, waiting: deque[Point]) -> bool:
        """Put waiting points into free slots, and return whether any is taken; shapes do not change, so nothing is compiled."""
        for slot, point in enumerate(self.points):
            if point is None and waiting:
                self.points[slot] = waiting.popleft()
                lane, self.history[slot] = self._lane(self.points[slot])
                if self.pool is None:  # the first lane gives the shapes of the pool
                    self.pool = self.program.idle(lane)
                    self.epochs[:] = len(self.history[slot])
                self.epochs[slot] = len(self.history[slot])
                self.pool = self.program.put(self.pool, slot, lane)
        return any(self.points)

    def _lane(self, point: Point | None) -> tuple[Lane, list[float]]:
        assert point is not None
        if point in self.saved:
            lane, history = self.saved[point]
            lane = jax.tree.map(jnp.asarray, lane)
            return lane._replace(key=jax.random.wrap_key_data(lane.key)), list(history)
        return self.begin(self.program, point), []

    def call(self, rows: jax.Array | AuxiliaryRows, engine: Engine) -> Call:
        """Train the running lanes for about ``engine.call_seconds``, and fetch what the host needs to know."""
        lanes = len(self.points)
        # k is traced, so any number of epochs uses the same program
        epochs = int(np.clip(engine.call_seconds / self._epoch_seconds, 1, MAX_CALL_EPOCHS))
        called = time.perf_counter()
        self.pool, losses = self.program.advance(self.pool, rows, epochs)
        # one transfer for everything the host needs: waiting for the device once per call is the whole overhead of the engine
        seen = jax.device_get((self.pool.status, self.pool.epoch, losses))
        status, after, losses = (np.reshape(part, (lanes, -1)) for part in seen)
        done = after[:, 0] - self.epochs
        self.epochs = after[:, 0].copy()
        # the first call includes compilation: it overestimates an epoch, which makes the second call short and corrects itself
        self._epoch_seconds = (time.perf_counter() - called) / max(1, done.max())
        for slot, point in enumerate(self.points):
            if point is not None:
                self.history[slot] += [float(v) for v in losses[slot, : done[slot]]]
        return Call(status[:, 0], done)

    def stopped(self, status: np.ndarray) -> Iterator[tuple[int, Lane]]:
        """Yield the slots whose lanes have stopped, and these lanes."""
        for slot, point in enumerate(self.points):
            if point is not None and status[slot] != RUNNING:
                yield slot, self.program.take(self.pool, slot)

    def saved_lanes(self) -> dict[Point, Saved]:
        """Return the lanes as numpy arrays, after the call that is under way."""
        if self.calling is not None:
            wait([self.calling])
        lanes = {}
        for slot, point in enumerate(self.points):
            if point is not None:
                lane = self.program.take(self.pool, slot)
                lane = lane._replace(key=jax.random.key_data(lane.key))
                lanes[point] = Saved(jax.tree.map(np.asarray, lane), list(self.history[slot]))
        return lanes


def snapshot(pools: Sequence[Slots]) -> dict[Point, Saved]:
    """Return the lanes of all pools as numpy arrays."""
    return {point: lane for pool in pools for point, lane in pool.saved_lanes().items()}


def calls(
    pools: Sequence[Slots], waiting: deque[Point], rows: jax.Array | AuxiliaryRows, engine: Engine
) -> Iterator[tuple[Slots, Call]]:
    """Call the program for every pool until all points are trained, and yield each pool after its call.

    Before it goes on, the caller frees the slots of lanes that have stopped.
    """
    first, *others = pools
    # one call before the others start, so that the program is compiled once
    while first.fill(waiting):
        yield first, first.call(rows, engine)
        if others:
            break
    if not others:
        return
    with ThreadPoolExecutor(len(pools)) as executor:
        idle, running = list(pools), dict[Future[Call], Slots]()
        while idle or running:
            for pool in idle:
                if pool.fill(waiting):
                    pool.calling = started(executor, lambda pool=pool: pool.call(rows, engine))
                    running[pool.calling] = pool
            ended = wait(running, return_when=FIRST_COMPLETED).done
            idle = [running.pop(future) for future in ended]
            for pool in idle:
                assert pool.calling is not None
                yield pool, pool.calling.result()
                pool.calling = None
