"""A task on many processes, through any ``concurrent.futures.Executor``, in pieces of points.

A worker touches a file in the run's folder while it works. An executor whose workers are all dead looks like one whose workers
are busy; these files tell them apart.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from pathlib import Path
from typing import Any

from vaebench.data.cache import cached
from vaebench.errors import InputError, RunError
from vaebench.results import finished
from vaebench.space import group_by_static, point_id
from vaebench.sweep.processes import process_pool
from vaebench.sweep.progress import RunProgress, duration
from vaebench.sweep.worker import Task, carry_out
from vaebench.training.pool import expected_length
from vaebench.types import Dataset

ATTEMPTS = 3
ROUNDS = 10
"""Points per lane in a piece: enough to keep the lanes busy, few enough to share the work evenly."""
SHARES = 2
"""Pieces of a small task for each worker."""
BEAT_SECONDS = 20.0
"""Seconds between two signs of life of a worker."""
NOTE_SECONDS = 60.0
"""Seconds without any sign of life after which the run says that it waits."""
ALIVE, DATASET = "workers", "dataset"
"""Subfolders with a file for each worker at work, and with the data set."""


def through_executor(
    task: Task,
    dataset: Dataset,
    workers: int,
    executor: Executor | None,
    show: Callable[[RunProgress], None],
    *,
    running: Executor | None = None,
    silent_minutes: float = 60.0,
    quiet: bool = True,
) -> dict[str, Any]:
    """Carry out a task on ``executor`` or on ``workers`` local processes, and return the cost summed over all pieces.

    Points without a row after all pieces have ended, since a worker died, are handed out again, :data:`ATTEMPTS` times in total.

    Args:
        task: the points and options.
        dataset: the data set, which is written to the run's folder for the workers.
        workers: number of local processes, without an executor.
        executor: takes the place of local processes.
        show: called with the progress.
        running: local processes with one thread each, of :mod:`vaebench.sweep.workers`, for the first attempt.
        silent_minutes: minutes without a worker at work after which the run ends.
        quiet: do not say on stderr that no worker is at work.

    Raises:
        InputError: a worker reports bad input, or does not see the run's folder.
        RunError: points are left after the last attempt, or no worker was at work for ``silent_minutes``.
    """
    started = time.perf_counter()
    costs = [carry_out(dataclasses.replace(task, points=(), evaluators=1), dataset)]  # baselines
    folder, own = task.out / DATASET, dict[str, Any](threads=1) if running else dict[str, Any]()
    cached(folder, {"digest": dataset.digest}, lambda: dataset)
    wanted = {point_id(p, dataset.digest): p for p in task.points}
    reason = ""
    for _ in range(ATTEMPTS):
        done = finished(task.out)
        left = tuple(p for key, p in wanted.items() if key not in done)
        if not left:
            break
        # processes of this machine share its cores
        cut = dataclasses.replace(task, points=left, baselines=(), threads=task.threads if executor else 1)
        pieces = pieces_of(cut, dataset, 1 if executor else workers)
        pool = executor or running or process_pool(min(workers, len(pieces)), **own)
        running = None
        futures: list[Future[dict[str, Any]]] = []
        try:
            for piece in pieces:
                futures.append(pool.submit(_carry_out_there, piece, folder, dataset.digest))
            _watch(futures, task.out, set(wanted), started, show, _Silence(task.out, silent_minutes, quiet))
            ended, reason = _outcome(futures)
            costs += ended
        except BrokenExecutor as error:
            reason = f"{type(error).__name__}: {error}"
        except BaseException:
            # once only: a second shutdown would take back the order to kill, and the workers would go on
            _give_up(pool, pool is not executor, futures)
            raise
        if pool is not executor:
            pool.shutdown(wait=False)
    shutil.rmtree(task.out / ALIVE, ignore_errors=True)  # files of killed workers; those at work touch theirs again
    left = set(wanted) - finished(task.out)
    if left:
        raise RunError(
            f"{len(left)} of {len(wanted)} points have no row after {ATTEMPTS} attempts; the last failure was "
            f"{reason or 'silent'}; the rows in {task.out} are complete, and the same command continues from there"
        )
    total = {name: sum(cost[name] for cost in costs) for name in costs[0]}
    return {**total, "seconds": round(time.perf_counter() - started, 2)}


def _give_up(pool: Executor, own: bool, futures: Sequence[Future[Any]]) -> None:
    """Take back the pieces that have not begun, and end the processes of a pool of our own."""
    for future in futures:
        future.cancel()
    if own:
        pool.shutdown(wait=False, kill_workers=True)  # pyright: ignore[reportCallIssue]  (loky's)


def pieces_of(task: Task, dataset: Dataset, workers: int = 1) -> list[Task]:
    """Cut a task for several processes: every group by itself, into pieces of equal work, long points first.

    A small task is cut into smaller pieces, so that none of ``workers`` waits long for the last one.
    """
    pieces, groups = [], group_by_static(task.points, dataset.x.shape[1], dataset.auxiliary_widths)
    for group in groups.values():
        group = sorted(group, key=expected_length, reverse=True)
        lanes = task.record["lanes"]
        least = min(len(group) // lanes, -(-SHARES * workers // len(groups))) if workers > 1 else 1
        count = max(1, least, round(len(group) / (ROUNDS * lanes)))
        pieces += [dataclasses.replace(task, points=tuple(group[i::count])) for i in range(count)]
    return pieces


def _carry_out_there(task: Task, folder: Path, digest: str) -> dict[str, Any]:
    """Run :func:`vaebench.sweep.worker.carry_out` in a worker process, with the data from the run's folder."""

    def absent() -> Dataset:
        raise InputError(
            f"data set {digest} is not in {folder}: every worker must see the run's folder under this path"
        )

    with _beating(task.out / ALIVE / uuid.uuid4().hex):
        return carry_out(task, cached(folder, {"digest": digest}, absent))


@contextlib.contextmanager
def _beating(path: Path) -> Iterator[None]:
    """Touch a file every :data:`BEAT_SECONDS`, from a thread, for the length of a ``with`` block; then delete it."""
    over = threading.Event()

    def beat() -> None:
        while True:
            with contextlib.suppress(OSError):  # a full disk is reported by what writes rows
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            if over.wait(BEAT_SECONDS):
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        path.unlink(missing_ok=True)


class _Silence:
    """Watches over the signs of life of the workers of a run.

    Args:
        out: folder of the run.
        minutes: time without any after which :meth:`look` raises.
        quiet: do not say on stderr that no worker is at work.
    """

    def __init__(self, out: Path, minutes: float, quiet: bool) -> None:
        self.out, self.minutes, self.quiet = out, minutes, quiet
        self.seen: object = None
        self.since = self.said = time.monotonic()

    def look(self, ended: int) -> None:
        """Raise :class:`RunError` if there was no sign of life for too long; ``ended`` pieces have ended."""
        # times of files are compared with one another only: the clocks of machines differ
        beats = [(path.name, _modified(path)) for path in sorted((self.out / ALIVE).glob("*"))]
        now = time.monotonic()
        if (state := (ended, beats)) != self.seen:
            self.seen, self.since, self.said = state, now, now
            return
        silent = now - self.since
        if silent >= 60 * self.minutes:
            raise RunError(
                f"no worker of the executor was at work for {duration(silent)}; start workers that see {self.out}, and the same "
                "call continues with the finished rows (silent_minutes sets the time)"
            )
        if now - self.said >= NOTE_SECONDS and not self.quiet:
            self.said = now
            left = "without a limit" if self.minutes == float("inf") else f"{duration(60 * self.minutes - silent)} more"
            print(f"no worker was at work for {duration(silent)}; waiting {left}", file=sys.stderr, flush=True)


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:  # its piece has just ended
        return 0


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
    futures: Sequence[Future[Any]],
    out: Path,
    wanted: set[str],
    started: float,
    show: Callable[[RunProgress], None],
    silence: _Silence,
) -> None:
    """Show the number of finished rows until no piece is running."""
    running: Any = futures
    while running:
        _, running = wait(futures, timeout=2.0)
        silence.look(len(futures) - len(running))
        done = len(finished(out) & wanted)
        seconds = time.perf_counter() - started
        show(RunProgress(len(futures), len(futures) - len(running), len(wanted), done, 0, 0, 0, None, seconds))
