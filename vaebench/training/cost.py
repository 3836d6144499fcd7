"""What a run needs before it starts: programs, lanes, memory, and time from a short calibration."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from vaebench.space import Point, group_by_static, static_of
from vaebench.space import point as make_point
from vaebench.training.engine import DEFAULT, Engine
from vaebench.training.lane import Lane
from vaebench.training.pool import lane_inputs
from vaebench.training.train import Train, make_start, make_train
from vaebench.types import Dataset

LANES_MOST = 256
MEMORY_SHARE = 0.8
"""Share of a device's memory that a pool may take."""
_CALIBRATION_SECONDS = 5.0


class Program(NamedTuple):
    """One compiled program of a run.

    Attributes:
        variant: of its points.
        latent: of its points.
        points: how many it trains.
        epochs: most epochs of one of them.
        parameters: trained weights of one lane.
        steps: training steps an epoch.
        work: weights x steps x batch, the arithmetic of an epoch up to a constant.
    """

    variant: str
    latent: int
    points: int
    epochs: int
    parameters: int
    steps: int
    work: float


class Estimate(NamedTuple):
    """Cost of a run before it starts; ``seconds_per_epoch`` is of all points side by side, one epoch each."""

    programs: list[Program]
    lanes: int
    bytes: int
    bytes_limit: int | None
    compile_seconds: float
    seconds_per_epoch: float


def programs(points: Sequence[Point], dataset: Dataset) -> list[Program]:
    """The compiled programs of a run, in the order in which they train."""
    found = []
    for (static, _), group in group_by_static(points, dataset.x.shape[1]).items():
        lane = jax.eval_shape(make_start(static), *lane_inputs(group[0], dataset))
        weights = sum(leaf.size for leaf in jax.tree.leaves(lane.variables["params"]))
        steps = lane.split.train.shape[0] // static.batch
        epochs = max(p.epochs for p in group)
        work = float(weights * steps * static.batch)
        found.append(Program(static.variant, static.latent, len(group), epochs, weights, steps, work))
    return found


def chosen_lanes(points: Sequence[Point], dataset: Dataset, engine: Engine = DEFAULT) -> int:
    """R for a run: what its largest program's memory allows on an accelerator, no more than its points; 1 on a CPU.

    There more lanes bring nothing (benchmarks/lane_step.py). A multiple of the number of local devices, or 1.
    """
    if jax.local_devices()[0].platform == "cpu":
        return 1
    most = max(program.points for program in programs(points, dataset))
    _, per_lane, limit = program_memory(_largest(points, dataset), dataset, engine=engine)
    free = LANES_MOST * per_lane if limit is None else MEMORY_SHARE * limit - dataset.x.nbytes
    lanes = max(1, min(LANES_MOST, int(free // per_lane), most))
    devices = len(jax.local_devices())
    return lanes if devices == 1 else max(1, lanes // devices * devices)


def _largest(points: Sequence[Point], dataset: Dataset) -> Point:
    groups = list(group_by_static(points, dataset.x.shape[1]).values())
    sizes = [program.parameters for program in programs(points, dataset)]
    return groups[sizes.index(max(sizes))][0]


def program_memory(
    point: Point, dataset: Dataset, lanes: int = 4, engine: Engine = DEFAULT
) -> tuple[int, int, int | None]:
    """(bytes of the program with ``lanes`` lanes, bytes a lane, the device's limit): compiled, not run.

    A program's need is arguments, results and temporaries, less what is donated; the data matrix is counted once.
    """
    program, pool, x = _shapes(point, dataset, lanes, engine)
    analysis: Any = program.advance.lower(pool, x, 1).compile().memory_analysis()
    need = analysis.argument_size_in_bytes + analysis.output_size_in_bytes + analysis.temp_size_in_bytes
    need -= analysis.alias_size_in_bytes
    stats = jax.local_devices()[0].memory_stats() or {}
    data = dataset.x.nbytes
    return need, max(1, (need - data) // lanes), stats.get("bytes_limit") or _host_memory()


def _host_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):  # not told on this system
        return None


def _shapes(point: Point, dataset: Dataset, lanes: int, engine: Engine) -> tuple[Train, Lane, jax.ShapeDtypeStruct]:
    program = make_train(static_of(point, dataset.x.shape[1]), lanes, engine)
    lane = jax.eval_shape(program.start, *lane_inputs(point, dataset))
    pool = lane if lanes == 1 else jax.eval_shape(program.idle, lane)
    return program, pool, jax.ShapeDtypeStruct(dataset.x.shape, jnp.float32)


def estimated(
    points: Sequence[Point], dataset: Dataset, lanes: int | None = None, engine: Engine = DEFAULT
) -> Estimate:
    """Programs, lanes and memory of a run, and its time from a few epochs of its largest program.

    The other programs' epochs are taken in proportion to their arithmetic. How many epochs a point trains is not known
    before it is trained: the estimate is per epoch.
    """
    lanes = lanes or chosen_lanes(points, dataset, engine)
    point = _largest(points, dataset)
    need, _, limit = program_memory(point, dataset, lanes, engine)
    program = make_train(static_of(point, dataset.x.shape[1]), lanes, engine)
    forever = make_point(point, epochs=2**30, stopping="fixed")
    lane = program.start(*lane_inputs(forever, dataset))
    x = jnp.asarray(dataset.x)

    def epoch() -> float:
        """Seconds of one epoch of fresh lanes: one that has diverged would cost nothing."""
        pool = program.idle(lane)
        for slot in range(lanes):
            pool = program.put(pool, slot, jax.tree.map(jnp.copy, lane))
        jax.block_until_ready(pool)
        started = time.perf_counter()
        jax.block_until_ready(program.advance(pool, x, 1))
        return time.perf_counter() - started

    compiled, spent = epoch(), [epoch()]
    while sum(spent) < _CALIBRATION_SECONDS and len(spent) < 20:
        spent.append(epoch())
    per_lane_epoch = sum(spent) / len(spent) / lanes
    found = programs(points, dataset)
    work = max(p.work for p in found)
    total = sum(p.points * per_lane_epoch * p.work / work for p in found)
    return Estimate(found, lanes, need, limit, max(0.0, compiled - per_lane_epoch * lanes), total)
