"""A task on many processes, through any ``concurrent.futures.Executor``, in pieces of points."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from pathlib import Path
from typing import Any

from vaebench.data.cache import cached
from vaebench.errors import InputError, RunError
from vaebench.results import finished
from vaebench.space import group_by_static, point_id
from vaebench.sweep.evaluator import process_pool
from vaebench.sweep.progress import RunProgress
from vaebench.sweep.worker import Task, carry_out
from vaebench.training.pool import expected_length
from vaebench.types import Dataset

ATTEMPTS = 3
ROUNDS = 10
"""Points per lane in a piece: enough to keep the lanes busy, few enough to share the work evenly."""


def through_executor(
    task: Task, dataset: Dataset, workers: int, executor: Executor | None, show: Callable[[RunProgress], None]
) -> dict[str, Any]:
    """Carry out a task on ``executor`` or on ``workers`` local processes, and return the cost summed over all pieces.

    Points without a row after all pieces have ended, since a worker died, are handed out again, :data:`ATTEMPTS` times in total.

    Raises:
        InputError: a worker reports bad input, or does not see the run's folder.
        RunError: points are left after the last attempt.
    """
    started = time.perf_counter()
    costs = [carry_out(dataclasses.replace(task, points=(), evaluators=1), dataset)]  # baselines
    folder = task.out / "dataset"
    cached(folder, {"digest": dataset.digest}, lambda: dataset)
    wanted = {point_id(p, dataset.digest): p for p in task.points}
    reason = ""
    for _ in range(ATTEMPTS):
        done = finished(task.out)
        left = tuple(p for key, p in wanted.items() if key not in done)
        if not left:
            break
        pieces = pieces_of(dataclasses.replace(task, points=left, baselines=()), dataset)
        pool = executor or process_pool(min(workers, len(pieces)))
        try:
            futures = [pool.submit(_carry_out_there, piece, folder, dataset.digest) for piece in pieces]
            _watch(futures, task.out, set(wanted), started, show)
            ended, reason = _outcome(futures)
            costs += ended
        except BrokenExecutor as error:
            reason = f"{type(error).__name__}: {error}"
        finally:
            if pool is not executor:
                pool.shutdown(wait=False)
    left = set(wanted) - finished(task.out)
    if left:
        raise RunError(
            f"{len(left)} of {len(wanted)} points have no row after {ATTEMPTS} attempts; the last failure was "
            f"{reason or 'silent'}; the rows in {task.out} are complete, and the same command continues from there"
        )
    total = {name: sum(cost[name] for cost in costs) for name in costs[0]}
    return {**total, "seconds": round(time.perf_counter() - started, 2)}


def pieces_of(task: Task, dataset: Dataset) -> list[Task]:
    """Cut a task for several processes: every group by itself, into pieces of equal work, long points first."""
    pieces = []
    for group in group_by_static(task.points, dataset.x.shape[1]).values():
        group = sorted(group, key=expected_length, reverse=True)
        count = max(1, round(len(group) / (ROUNDS * task.record["lanes"])))
        pieces += [dataclasses.replace(task, points=tuple(group[i::count])) for i in range(count)]
    return pieces


def _carry_out_there(task: Task, folder: Path, digest: str) -> dict[str, Any]:
    """Run :func:`vaebench.sweep.worker.carry_out` in a worker process, with the data from the run's folder."""

    def absent() -> Dataset:
        raise InputError(
            f"data set {digest} is not in {folder}: every worker must see the run's folder under this path"
        )

    return carry_out(task, cached(folder, {"digest": digest}, absent))


def _outcome(futures: Sequence[Future[dict[str, Any]]]) -> tuple[list[dict[str, Any]], str]:
    """Return the costs of the pieces that succeeded, and the reason of the last failure; bad input is raised."""
    costs, reason = [], ""
    for future in futures:
        error = future.exception()
        if isinstance(error, InputError):
            raise error
        if error is None:
            costs.append(future.result())
        else:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return costs, reason


def _watch(
    futures: Sequence[Future[Any]], out: Path, wanted: set[str], started: float, show: Callable[[RunProgress], None]
) -> None:
    """Show the number of finished rows until no piece is running."""
    running: Any = futures
    while running:
        _, running = wait(futures, timeout=2.0)
        done = len(finished(out) & wanted)
        seconds = time.perf_counter() - started
        show(RunProgress(len(futures), len(futures) - len(running), len(wanted), done, 0, 0, 0, None, seconds))
