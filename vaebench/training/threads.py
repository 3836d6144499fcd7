"""Work at the same time in threads: XLA uses one core for most loops and for compilation, and lets other threads run."""

from __future__ import annotations

import contextvars
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from types import TracebackType
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


def in_order(executor: Executor, tasks: Iterable[Callable[[], _T]], ahead: int) -> Iterator[_T]:
    """Results of tasks one after the other, of which ``ahead`` are started before they are asked for."""
    left = iter(tasks)
    waiting = deque(started(executor, task) for task in itertools.islice(left, ahead))

    def results() -> Iterator[_T]:
        while waiting:
            first = waiting.popleft()
            waiting.extend(started(executor, task) for task in itertools.islice(left, 1))
            yield first.result()

    return results()


def side_by_side(first: Callable[[], _T], *others: Callable[[], _T]) -> tuple[_T, ...]:
    """Results of tasks, computed at the same time."""
    with ThreadPoolExecutor(max(1, len(others))) as executor:
        running = [started(executor, other) for other in others]
        return (first(), *(other.result() for other in running))


class CompilerThread:
    """One thread that compiles programs before they are called; as a context manager it ends with the last compilation.

    The compiler takes several seconds for a large program, on one core. A compiled program is found again by its shapes, so
    what the thread compiles is what the call would compile.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "vaebench-compiler")
        self._last: Future[None] | None = None

    def __enter__(self) -> CompilerThread:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._executor.shutdown()

    def start(self, compilation: Callable[[], None]) -> None:
        """Start a compilation."""
        self._last = started(self._executor, compilation)

    def wait(self) -> None:
        """Wait for the last compilation: a program that is asked for meanwhile would be compiled twice."""
        if self._last is not None:
            # what fails here fails again where the program is called, which says so
            self._last.exception()
