"""Choice of the training processes of a run on a CPU: one with all cores, or one a core with one thread each.

Products of small matrices gain nothing from a second thread, so small networks train faster in a process a core. One thread
may add up a large product in another order, which changes last bits. Both are measured, of one program after another:

  1. here     train two epochs, then time two, in this process with all cores, as many points at a time as it trains
  2. there    the same in a process a core with one thread each, all at the same time
  3. choose   the processes, for the programs that they train :data:`GAIN` times as fast and in which no bit differs: of the
              whole lane, of its embedding, and of what else is evaluated

Programs of less than :data:`WORTHWHILE_SECONDS` stay in this process, and so does the whole run if its longest program does.
Nothing is measured where processes cannot pay (:func:`obstacle`).
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor
from typing import Any, NamedTuple

import jax

from vaebench.data.cache import cached
from vaebench.errors import RunError
from vaebench.results import finished
from vaebench.space import Point, group_by_static, point_id
from vaebench.sweep.executor import DATASET, through_executor
from vaebench.sweep.processes import process_pool
from vaebench.sweep.progress import RunProgress
from vaebench.sweep.timing import EPOCHS, Timed, timed_epochs, timed_there
from vaebench.sweep.worker import Task, carry_out
from vaebench.training.cost import programs
from vaebench.training.machine import free_memory, training_threads, usable_cores
from vaebench.types import Dataset

GAIN = 1.2
"""Least ratio of speeds: processes also cost memory, and time to start."""
WORTHWHILE_SECONDS = 120.0
"""Length of a program in one process from which the start of others, about 10 seconds, is repaid."""
MEAN_EPOCHS = 60
"""Epochs of a training that may stop early, for the length of a program."""
_FLOPS = 2e10  # operations a second of one process, for a first guess
_STEP_SECONDS = 1e-4  # of a step without any arithmetic, for the same
_PROCESS_BYTES = 0.7e9  # of a process that has imported everything


class Workers(NamedTuple):
    """Training processes of a run.

    Attributes:
        processes: number of processes with one thread each; 1 trains all in this process, with all cores.
        points: the points for the processes; this process trains the rest.
        reason: one sentence.
        measured: the processes were timed.
        pool: the processes, which are running.
    """

    processes: int
    points: tuple[Point, ...]
    reason: str
    measured: bool = False
    pool: Executor | None = None


class _Judged(NamedTuple):
    """A measured program: its points, how many times as fast the processes train them, and whether no bit differs."""

    points: Sequence[Point]
    gain: float
    equal: bool


def chosen_workers(task: Task, dataset: Dataset) -> Workers:
    """Choose the training processes for the points of a task: the module's docstring, step by step.

    Args:
        task: its points are those that have no row yet.
        dataset: the data set.
    """
    reason = obstacle(task)
    if reason or not task.points:
        return _one(reason or "nothing is left to train")
    groups = _by_length(task, dataset)
    longest, guess = groups[0]
    if guess < WORTHWHILE_SECONDS:
        return _one(_SHORT)
    here = _timed_here(longest, task, dataset)
    seconds = here.seconds * _epochs(longest)
    if seconds < WORTHWHILE_SECONDS:
        return _one(_SHORT)
    count = min(usable_cores(), len(longest), int(min(free_memory() / (_PROCESS_BYTES + 3 * dataset.x.nbytes), 1024)))
    if count < 2:
        return _one(_FULL if len(longest) > 1 else "there is one point")
    # the length of the other programs follows from their arithmetic
    worth = [group for group, other in groups[1:] if other * seconds / guess >= WORTHWHILE_SECONDS]
    return _measured(task, dataset, [longest, *worth], here, count)


def _timed_here(group: Sequence[Point], task: Task, dataset: Dataset) -> Timed:
    """Time a program in this process, which trains several points at the same time too."""
    threads = task.threads or training_threads(group[0], dataset, 1, task.engine)
    return timed_epochs(group[0], task, dataset, threads=min(threads, len(group)))


_SHORT = "the run is too short for others"
_FULL = "there is too little memory for others"


def _one(reason: str, measured: bool = False) -> Workers:
    return Workers(1, (), f"one process trains: {reason}", measured)


def obstacle(task: Task) -> str:
    """Return why processes with one thread each cannot train a task, or not to the same bits; "" if they can."""
    devices = jax.local_devices()
    for reason, holds in {
        "it has the accelerator": devices[0].platform != "cpu",
        "it has several devices": len(devices) > 1,
        "there is one core": usable_cores() < 2,
        "lanes are trained side by side": task.record["lanes"] != 1,
        "it evaluates in a thread": task.evaluators == 0,
        "PJRT_NPROC is set": bool(os.environ.get("PJRT_NPROC")),
    }.items():
        if holds:
            return reason
    return ""


def _epochs(points: Sequence[Point]) -> int:
    """Return the epochs of some points together, as far as they are known before the training."""
    return sum(p.epochs if p.stopping == "fixed" else min(p.epochs, MEAN_EPOCHS) for p in points)


def _by_length(task: Task, dataset: Dataset) -> list[tuple[list[Point], float]]:
    """Return the programs of a task, the longest first: their points, and a guess of their seconds in one process."""
    groups = group_by_static(task.points, dataset.x.shape[1], dataset.auxiliary_widths).values()
    found = []
    for group, program in zip(groups, programs(task.points, dataset), strict=True):
        epoch = 6 * program.work / _FLOPS + program.steps * _STEP_SECONDS
        # the slowest learner is measured: it is the least likely to diverge at once
        found.append((sorted(group, key=lambda p: p.learning_rate), epoch * _epochs(group)))
    return sorted(found, key=lambda pair: pair[1], reverse=True)


def _measured(task: Task, dataset: Dataset, groups: Sequence[Sequence[Point]], here: Timed, count: int) -> Workers:
    """Measure programs, the longest first, and choose; ``here`` is the longest's time in this process."""
    folder = task.out / DATASET
    existed = folder.exists()
    cached(folder, {"digest": dataset.digest}, lambda: dataset)
    pool = process_pool(count, threads=1)
    kept, judged = False, list[_Judged]()
    try:
        for group in groups:
            here = _timed_here(group, task, dataset) if judged else here
            there = timed_there(group[0], task, folder, dataset.digest, pool, count)
            gain = len(group) / -(-len(group) // count) * here.seconds / statistics.fmean(t.seconds for t in there)
            judged.append(_Judged(group, gain, {t.digest for t in there} == {here.digest}))
            if not _won(judged[0]):
                return _one(_loss(judged[0], count), measured=True)
        # they are loaded now, but each starts a process for the evaluation
        if free_memory() < count * _PROCESS_BYTES:
            return _one(_FULL, measured=True)
        kept = True
    except (BrokenExecutor, TimeoutError, MemoryError, OSError, jax.errors.JaxRuntimeError) as error:
        return _one(f"others ended while they were timed ({type(error).__name__})", measured=True)
    finally:
        if not kept:
            pool.shutdown(wait=False, kill_workers=True)  # pyright: ignore[reportCallIssue]  (loky's)
            if not existed:
                shutil.rmtree(folder, ignore_errors=True)
    chosen = [each for each in judged if _won(each)]
    points = tuple(point for each in chosen for point in each.points)
    part = f" {len(points)} of {len(task.points)} points, and one process the rest"
    part = part if len(points) < len(task.points) else ""
    reason = f"{count} processes of one thread each train{part}: {_compared(chosen)}, and no bit differs"
    return Workers(count, points, reason, measured=True, pool=pool)


def carry_out_chosen(
    chosen: Workers,
    task: Task,
    dataset: Dataset,
    evaluators: int | None,
    show: Callable[[RunProgress], None],
    *,
    silent_minutes: float = 60.0,
    quiet: bool = True,
) -> dict[str, Any]:
    """Carry out a task as chosen, the points of the processes first, and return its cost.

    This process trains what is left, also if the processes died again and again.

    Args:
        chosen: by :func:`chosen_workers`.
        task: the task, as one process carries it out.
        dataset: the data set.
        evaluators: evaluation processes of each training process; ``None`` for one.
        show: called with the progress.
        silent_minutes: see :func:`vaebench.sweep.executor.through_executor`.
        quiet: see there.
    """
    if chosen.pool is None:
        return carry_out(task, dataset, show)
    share = dataclasses.replace(task, points=chosen.points, evaluators=1 if evaluators is None else evaluators)
    watch = {"running": chosen.pool, "silent_minutes": silent_minutes, "quiet": quiet}
    done = finished(task.out)
    total = sum(point_id(p, dataset.digest) not in done for p in task.points)
    started, here, cost = time.perf_counter(), False, dict[str, Any]()

    def show_whole(state: RunProgress) -> None:
        before = total - state.points if here else 0
        show(state._replace(points=total, done=state.done + before, seconds=time.perf_counter() - started))

    try:
        cost = through_executor(share, dataset, chosen.processes, None, show_whole, **watch)
    except RunError as error:
        warnings.warn(f"this process trains the rest: {error}", stacklevel=2)
    finally:
        chosen.pool.shutdown(wait=False, kill_workers=True)  # pyright: ignore[reportCallIssue]  (loky's)
    here = True
    rest = carry_out(task, dataset, show_whole)
    both = {name: cost.get(name, 0) + value for name, value in rest.items()}
    return {**both, "seconds": round(time.perf_counter() - started, 2)}


def _won(program: _Judged) -> bool:
    return program.equal and program.gain >= GAIN


def _compared(programs: Sequence[_Judged]) -> str:
    gains = sorted({f"{program.gain:.1f}" for program in programs}, key=float)
    return f"{' to '.join(dict.fromkeys([gains[0], gains[-1]]))} times as fast as one process in {EPOCHS} timed epochs"


def _loss(program: _Judged, count: int) -> str:
    """Return why a program stays in one process."""
    others = f"{count} of one thread each are {_compared([program])}"
    return others if program.equal else f"{others}, but last bits would differ"
