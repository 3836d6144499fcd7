"""Independent fits at the same time: XLA runs most loops of a fit on one core, and lets other threads compute meanwhile."""

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


def side_by_side(first: Callable[[], _T], second: Callable[[], _T]) -> tuple[_T, _T]:
    """Results of two tasks, computed at the same time."""
    with ThreadPoolExecutor(1) as executor:
        other = started(executor, second)
        return first(), other.result()
