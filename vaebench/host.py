"""Host-side work beside training: evaluations in a pool of processes, and their rows written as soon as they are there."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from vaebench.evaluation import evaluate_flat, light, prepared_metrics, skipped_scores
from vaebench.results import compact, write_rows
from vaebench.types import Dataset

_QUEUED_PER_WORKER = 8
"""Embeddings waiting per worker before training waits for the host: bounds memory, never reached when the host keeps up."""


def _ignore_interrupts() -> None:
    # Ctrl-C reaches every process of the terminal; the parent alone decides what happens to the workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def process_pool(workers: int) -> Executor:
    """``workers`` fresh processes with one thread each; needs no ``__main__`` guard in the calling script."""
    from loky import ProcessPoolExecutor

    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    return ProcessPoolExecutor(max_workers=workers, initializer=_ignore_interrupts, env=threads, timeout=None)


class EvaluationQueue:
    """Evaluates embeddings on the host while the device trains on, and writes every row that is complete.

    A context manager: leaving it normally waits for all rows; leaving it by an exception writes the rows that are
    complete and drops the rest.
    """

    def __init__(
        self, dataset: Dataset, metrics: Sequence[str], out: Path, workers: int, label_covariate: bool = True
    ) -> None:
        self.dataset = light(dataset)
        self.metrics = prepared_metrics(metrics, self.dataset, label_covariate=label_covariate)
        self.out = out
        self.workers = workers
        self.executor = process_pool(workers)
        self.pending: dict[Future[dict[str, Any]], Mapping[str, Any]] = {}
        self.parts: list[Path] = []
        self.done = 0
        self.failed = 0

    def submit(self, row: Mapping[str, Any], z: np.ndarray | None) -> None:
        """Queue one embedding [N, L]; ``row`` are its other columns. ``None`` (a diverged lane) is a row of its own."""
        if z is None:
            self._write([{**row, **skipped_scores(self.metrics, "SKIPPED: the lane diverged")}])
            return
        future = self.executor.submit(evaluate_flat, z, self.dataset, self.metrics)
        self.pending[future] = row

    def collect(self, wait: Callable[[], None] = lambda: None) -> None:
        """Write the rows of all finished evaluations; while too many wait, call ``wait`` and look again."""
        self._harvest()
        while len(self.pending) > _QUEUED_PER_WORKER * self.workers:
            self._wait_for_one(wait)

    def drain(self, wait: Callable[[], None] = lambda: None) -> None:
        """Write all rows, waiting for them."""
        while self.pending:
            self._wait_for_one(wait)

    def _wait_for_one(self, wait: Callable[[], None]) -> None:
        from concurrent.futures import FIRST_COMPLETED
        from concurrent.futures import wait as wait_for

        wait()
        wait_for(self.pending, timeout=1.0, return_when=FIRST_COMPLETED)
        self._harvest()

    def _harvest(self) -> None:
        ready = [future for future in self.pending if future.done()]
        rows = [{**self.pending.pop(future), **future.result()} for future in ready]
        if rows:
            self._write(rows)

    def _write(self, rows: list[dict[str, Any]]) -> None:
        self.parts.append(write_rows(rows, self.out))
        self.done += len(rows)
        self.failed += sum(row["status"] != "OK" for row in rows)

    def __enter__(self) -> EvaluationQueue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.drain()
        else:
            for future in self.pending:
                future.cancel()
            self.pending = {
                f: r for f, r in self.pending.items() if f.done() and not f.cancelled() and not f.exception()
            }
            self._harvest()
        self.executor.shutdown(wait=kind is None, kill_workers=kind is not None)  # pyright: ignore[reportCallIssue]
        if len(self.parts) > 1:
            self.parts = [compact(self.out, self.parts)]
