"""Compilation of the next program of a run in a thread, while the present one trains.

A program takes the compiler several seconds on one core, and a training on a CPU leaves most of the others idle. A compiled
program is found again by its shapes, so the thread needs no data, and what it compiles is what would be compiled later.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import jax

from vaebench.space import Point, static_of
from vaebench.threads import started
from vaebench.training.auxiliary import with_auxiliary_rows
from vaebench.training.engine import DEFAULT, Engine
from vaebench.training.pool import lane_inputs
from vaebench.training.train import make_train
from vaebench.types import Dataset


def compile_program(
    point: Point, dataset: Dataset, x: jax.Array, lanes: int, *, sample: bool = False, engine: Engine = DEFAULT
) -> None:
    """Compile what :func:`vaebench.training.pool.trained_points` calls for ``point`` and others of its static shape.

    Args:
        point: any point of the program.
        dataset: the data set.
        x: ``dataset.x`` [N, D] on the device.
        lanes: R.
        sample: embed with one posterior draw in place of the posterior mean.
        engine: options of the compilation.

    Raises:
        InputError: the point does not fit the data set; see :func:`vaebench.training.pool.make_split`.
    """
    static = static_of(point, dataset.x.shape[1], dataset.auxiliary_widths)
    program = make_train(static, lanes, engine)
    rows = with_auxiliary_rows(x, static, dataset)
    inputs = lane_inputs(point, dataset)
    program.start.lower(*inputs).compile()
    lane = pool = jax.eval_shape(program.start, *inputs)
    if lanes > 1:  # one lane is its own pool
        pool = jax.eval_shape(program.idle, lane)
        for function, arguments in ((program.idle, (lane,)), (program.put, (pool, 0, lane)), (program.take, (pool, 0))):
            function.lower(*arguments).compile()
    program.advance.lower(pool, rows, 1).compile()
    program.embed.lower(lane, rows, sample).compile()


class CompilerThread:
    """One thread that compiles ahead; as a context manager it ends with the compilation that is under way."""

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
