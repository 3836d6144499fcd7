"""Work at the same time in threads: XLA uses one core for most loops and for compilation, and lets other threads run."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

import jax

_T = TypeVar("_T")


def started(executor: Executor, task: Callable[[], _T]) -> Future[_T]:
    """Start ``task`` in a thread, with the context and the precision of matrix products of this one."""
    context = contextvars.copy_context()
    precision = jax.config.jax_default_matmul_precision  # pyright: ignore[reportAttributeAccessIssue]

    def run() -> _T:
        with jax.default_matmul_precision(precision):
            return task()

    return executor.submit(context.run, run)


def side_by_side(first: Callable[[], _T], *others: Callable[[], _T]) -> list[_T]:
    """Results of tasks, computed at the same time."""
    with ThreadPoolExecutor(max(1, len(others))) as executor:
        running = [started(executor, other) for other in others]
        return [first(), *(other.result() for other in running)]
