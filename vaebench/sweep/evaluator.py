"""Evaluation on the host while the device trains: a pool of processes, whose results are written as rows when they are complete.

The processes only compute; the training process writes a row once its evaluation is back. Evaluations whose pool was killed are
tried again one by one, and the one that kills its process again is recorded as failed, so that a bad embedding cannot stop a run.
An error of the evaluation itself is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from vaebench.errors import RunError
from vaebench.evaluation.scores import evaluate_flat, light, prepared_metrics, skipped_scores
from vaebench.results import compact, write_rows
from vaebench.rows import column_types
from vaebench.sweep.processes import process_pool
from vaebench.types import Dataset, Given, Metric

_QUEUED = 8
"""Waiting embeddings per evaluator above which the training waits: bounds the memory if the host is slower than the device."""
_DIED = "FAILED: the evaluation's process died 2 times"
"""Status of an embedding whose process was killed in the pool, which dies as a whole, and then in a process of its own."""
_PARTS = 200
"""Number of part files of a process at which they are merged into one."""


class _Waiting(NamedTuple):
    """An embedding under evaluation: the other columns of its row, z, and its inputs."""

    row: Mapping[str, Any]
    z: np.ndarray
    given: Given


def _lacks(metric: Metric, given: Given) -> bool:
    return any(getattr(given, need, True) is None for need in metric.needs)


class EvaluationQueue:
    """Evaluates embeddings on the host while the device trains on, and writes every row that is complete.

    A context manager: leaving it normally waits for all rows; leaving it by an exception writes the rows that are
    complete and drops the rest.

    Metrics with ``where="lane"`` are computed in the training process when an embedding is submitted.

    Args:
        dataset: the data set.
        metrics: names of metrics.
        out: folder of the rows.
        evaluators: number of processes; 0 for a thread of this process.
        label_covariate: use the label as a Cox covariate.
        options: metric name -> its options, where they are not the defaults.
    """

    def __init__(
        self,
        dataset: Dataset,
        metrics: Sequence[str],
        out: Path,
        evaluators: int,
        label_covariate: bool = True,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.whole, self.dataset = dataset, light(dataset)
        self.metrics = prepared_metrics(metrics, dataset, options=options, label_covariate=label_covariate)
        self.needs = {need for m in self.metrics for need in m.needs}
        self.out = out
        self.evaluators = evaluators
        self.executor = self._pool()
        self.pending: dict[Future[dict[str, Any]], _Waiting] = {}
        self.parts: list[Path] = []
        self.done = 0
        self.failed = 0

    def submit(self, row: Mapping[str, Any], z: np.ndarray | None, given: Given = Given()) -> None:  # noqa: B008
        """Queue one embedding for evaluation.

        Args:
            row: the other columns of its row.
            z: [N, L]; ``None`` for a diverged lane, whose row is written at once with all metrics skipped.
            given: further inputs of metrics. Metrics whose inputs are missing (a baseline has no split) are marked as skipped.
        """
        if z is None:
            self._write([{**row, **skipped_scores(self.metrics, "SKIPPED: the lane diverged")}])
            return
        lacking = [m for m in self.metrics if _lacks(m, given)]
        if lacking:
            row = {**row, **skipped_scores(lacking, "SKIPPED: not defined for this embedding")}
        beside = [m for m in self.metrics if m.where == "lane" and m not in lacking]
        if beside:
            row = {**row, **evaluate_flat(z, self.whole, beside, given)}
        self._submit(_Waiting(row, z, given._replace(reconstruction=None)))

    def collect(self, wait: Callable[[], None] = lambda: None) -> None:
        """Write the rows of all finished evaluations; while too many are queued, call ``wait`` and wait for one more."""
        self._harvest()
        while len(self.pending) > _QUEUED * max(1, self.evaluators):
            self._wait_for_one(wait)

    def drain(self, wait: Callable[[], None] = lambda: None) -> None:
        """Wait for all evaluations and write their rows."""
        while self.pending:
            self._wait_for_one(wait)

    def _pool(self) -> Executor:
        return process_pool(self.evaluators, host_only=True) if self.evaluators else ThreadPoolExecutor(1)

    def _work(self, item: _Waiting) -> tuple[np.ndarray, Dataset, list[Metric], Given]:
        chosen = [m for m in self.metrics if m.where == "host" and not _lacks(m, item.given)]
        return item.z, self.dataset, chosen, item.given

    def _submit(self, item: _Waiting) -> None:
        work = self._work(item)
        try:
            future = self.executor.submit(evaluate_flat, *work)
        except BrokenExecutor:
            self._replace_pool()
            future = self.executor.submit(evaluate_flat, *work)
        self.pending[future] = item

    def _wait_for_one(self, wait: Callable[[], None]) -> None:
        wait()
        wait_for(self.pending, timeout=1.0, return_when=FIRST_COMPLETED)
        self._harvest()

    def _harvest(self) -> None:
        rows, again = [], list[_Waiting]()
        for future in [future for future in self.pending if future.done()]:
            item = self.pending.pop(future)
            error = None if future.cancelled() else future.exception()
            if error is None and not future.cancelled():
                rows.append({**item.row, **future.result()})
            elif not isinstance(error, BrokenExecutor) and error is not None:
                raise error
            else:
                again.append(item)
        if rows:
            self._write(rows)
        if again:
            self._replace_pool()
            self._evaluate_alone(again)

    def _evaluate_alone(self, items: Sequence[_Waiting]) -> None:
        """Evaluate embeddings of a pool that died, one after another in a process of their own, and write their rows.

        A killed process breaks its whole pool, whichever embedding was the cause; here the one whose process dies is.
        """
        pool = process_pool(1, host_only=True)
        try:
            for item in items:
                try:
                    row = {**item.row, **pool.submit(evaluate_flat, *self._work(item)).result()}
                except BrokenExecutor:
                    row = {**skipped_scores(self.metrics, _DIED), **item.row, "status": "FAILED"}
                    pool.shutdown(wait=False)
                    pool = process_pool(1, host_only=True)
                self._write([row])
        finally:
            pool.shutdown(wait=False, kill_workers=True)  # pyright: ignore[reportCallIssue]  (loky's)

    def _replace_pool(self) -> None:
        self.executor.shutdown(wait=False)
        self.executor = self._pool()

    def _write(self, rows: list[dict[str, Any]]) -> None:
        self._check_parts()
        self.parts.append(write_rows(rows, self.out, column_types(self.metrics)))
        self.done += len(rows)
        self.failed += sum(row["status"] != "OK" for row in rows)
        if len(self.parts) >= _PARTS:
            self.parts = [compact(self.out, self.parts)]

    def _check_parts(self) -> None:
        """Raise :class:`RunError` if rows that were written are gone: nobody but this process deletes its parts."""
        gone = sum(not part.exists() for part in self.parts)
        if gone:
            raise RunError(
                f"{self.out} was removed or changed while the command ran: {gone} of its {len(self.parts)} files of rows are "
                "gone; see what is left there, and run the command again, into a new folder if in doubt"
            )

    def __enter__(self) -> EvaluationQueue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.drain()
            else:
                ready = {f: i for f, i in self.pending.items() if f.done() and not f.cancelled() and not f.exception()}
                self.pending = ready
                self._harvest()
        finally:
            if self.evaluators:
                self.executor.shutdown(wait=kind is None, kill_workers=kind is not None)  # pyright: ignore
            else:
                self.executor.shutdown(wait=kind is None, cancel_futures=True)
        if kind is None:
            self._check_parts()
        if len(self.parts) > 1 and all(part.exists() for part in self.parts):
            self.parts = [compact(self.out, self.parts)]
