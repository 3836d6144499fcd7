"""Cost of a run before it starts: programs, lanes, memory, and time from a short calibration."""

from __future__ import annotations

import functools
import itertools
import os
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from vaebench.errors import InputError
from vaebench.space import Point, group_by_static, static_of
from vaebench.space import point as make_point
from vaebench.training.auxiliary import rows_of_shape, with_auxiliary_rows
from vaebench.training.engine import DEFAULT, Engine
from vaebench.training.lane import Lane
from vaebench.training.machine import training_threads
from vaebench.training.pool import lane_inputs
from vaebench.training.threads import side_by_side
from vaebench.training.train import Train, make_start, make_train
from vaebench.types import Dataset
from vaebench.types.auxiliary import AuxiliaryRows

LANES_MOST = 256
MEMORY_SHARE = 0.8
"""Largest share of a device's memory for a pool."""
_CALIBRATION_SECONDS = 5.0


class Program(NamedTuple):
    """One compiled program of a run.

    Attributes:
        variant: of its points.
        latent: of its points, L.
        points: number of points.
        epochs: largest number of epochs of a point.
        parameters: trained weights of one lane.
        steps: training steps per epoch.
        work: weights x steps x batch, proportional to the arithmetic of an epoch.
    """

    variant: str
    latent: int
    points: int
    epochs: int
    parameters: int
    steps: int
    work: float


class Estimate(NamedTuple):
    """Cost of a run before it starts.

    Attributes:
        programs: the compiled programs.
        lanes: R.
        bytes: memory of the largest program.
        bytes_limit: memory of the device, ``None`` if unknown.
        compile_seconds: time to compile the largest program.
        seconds_per_epoch: time to train one epoch of every point.
    """

    programs: list[Program]
    lanes: int
    bytes: int
    bytes_limit: int | None
    compile_seconds: float
    seconds_per_epoch: float


def programs(points: Sequence[Point], dataset: Dataset) -> list[Program]:
    """Return the compiled programs of a run, in training order."""
    found = []
    for (static, _), group in group_by_static(points, dataset.x.shape[1], dataset.auxiliary_widths).items():
        lane = jax.eval_shape(make_start(static), *lane_inputs(group[0], dataset))
        weights = sum(leaf.size for leaf in jax.tree.leaves(lane.variables["params"]))
        steps = lane.split.train.shape[0] // static.batch
        epochs = max(p.epochs for p in group)
        work = float(weights * steps * static.batch)
        found.append(Program(static.variant, static.latent, len(group), epochs, weights, steps, work))
    return found


def chosen_lanes(points: Sequence[Point], dataset: Dataset, engine: Engine = DEFAULT) -> int:
    """Choose the number of lanes R of a run.

    On an accelerator as many as the memory allows for the largest program, at most :data:`LANES_MOST` and at most the points of
    a program; with several local devices a multiple of their number, or 1. On a CPU 1, since more lanes are not faster there
    (benchmarks/lane_step.py).
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
    groups = list(group_by_static(points, dataset.x.shape[1], dataset.auxiliary_widths).values())
    sizes = [program.parameters for program in programs(points, dataset)]
    return groups[sizes.index(max(sizes))][0]


def program_memory(
    point: Point, dataset: Dataset, lanes: int = 4, engine: Engine = DEFAULT
) -> tuple[int, int, int | None]:
    """Compile the program of ``point`` without running it, and return its memory in bytes.

    The need is that of arguments, results and temporaries minus donated buffers; the data matrix is counted once.

    Returns:
        The need with ``lanes`` lanes, the need per further lane, and the device's limit (``None`` if unknown).
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
    except (ValueError, OSError, AttributeError):  # unknown on this system
        return None


def check_memory(point: Point, dataset: Dataset, lanes: int = 1) -> None:
    """Raise :class:`InputError` if the weights of ``lanes`` lanes of a point cannot fit the memory, before any is allocated.

    Counted are the weights of the linear layers, their gradients and two moments, 16 bytes a weight: less than a training
    needs, so that nothing is refused that could run.
    """
    widths = [dataset.x.shape[1], *point.hidden, point.latent]
    weights = 2 * sum(a * b for a, b in itertools.pairwise(widths))
    stats = jax.local_devices()[0].memory_stats() or {}
    limit = stats.get("bytes_limit") or _host_memory()
    need = 16 * weights * lanes
    if limit is not None and need > limit * len(jax.local_devices()):
        raise InputError(
            f"{point.variant} with latent {point.latent}, hidden {'-'.join(map(str, point.hidden))[:60]} and {lanes} lanes needs "
            f"at least {need / 2**30:,.0f} GiB, and there are {limit / 2**30:,.0f}; choose smaller layers or fewer lanes"
        )


def _shapes(
    point: Point, dataset: Dataset, lanes: int, engine: Engine
) -> tuple[Train, Lane, jax.ShapeDtypeStruct | AuxiliaryRows]:
    static = static_of(point, dataset.x.shape[1], dataset.auxiliary_widths)
    program = make_train(static, lanes, engine)
    lane = jax.eval_shape(program.start, *lane_inputs(point, dataset))
    pool = lane if lanes == 1 else jax.eval_shape(program.idle, lane)
    return program, pool, rows_of_shape(static, len(dataset.x))


def estimated(
    points: Sequence[Point], dataset: Dataset, lanes: int | None = None, engine: Engine = DEFAULT
) -> Estimate:
    """Estimate the cost of a run, its time from a few epochs of its largest program.

    The time of the other programs is assumed proportional to their arithmetic. The number of epochs that a point trains is not
    known in advance, so the time is per epoch.

    Args:
        points: the points of the run.
        dataset: the data set.
        lanes: R; ``None`` chooses as :func:`chosen_lanes`.
        engine: options of compilation and calls.
    """
    lanes = lanes or chosen_lanes(points, dataset, engine)
    point = _largest(points, dataset)
    need, _, limit = program_memory(point, dataset, lanes, engine)
    static = static_of(point, dataset.x.shape[1], dataset.auxiliary_widths)
    program = make_train(static, lanes, engine)
    forever = make_point(point, epochs=2**30, stopping="fixed")
    lane = program.start(*lane_inputs(forever, dataset))
    x = with_auxiliary_rows(jnp.asarray(dataset.x), static, dataset)

    def fresh() -> Lane:
        """Return a pool of fresh lanes; a lane that has diverged would cost nothing."""
        pool = program.idle(lane)
        for slot in range(lanes):
            pool = program.put(pool, slot, jax.tree.map(jnp.copy, lane))
        return jax.block_until_ready(pool)

    def epoch(pools: int = 1) -> float:
        """Time one epoch, in seconds, of pools that are trained at the same time."""
        tasks = [functools.partial(program.advance, fresh(), x, 1) for _ in range(pools)]
        started = time.perf_counter()
        side_by_side(*(lambda task=task: jax.block_until_ready(task()) for task in tasks))
        return time.perf_counter() - started

    found = programs(points, dataset)
    together = min(training_threads(point, dataset, lanes, engine), max(p.points for p in found))
    compiled, spent = epoch(), [epoch(together)]
    while sum(spent) < _CALIBRATION_SECONDS and len(spent) < 20:
        spent.append(epoch(together))
    per_lane_epoch = sum(spent) / len(spent) / (lanes * together)
    work = max(p.work for p in found)
    total = sum(p.points * per_lane_epoch * p.work / work for p in found)
    return Estimate(found, lanes, need, limit, max(0.0, compiled - per_lane_epoch * lanes), total)
