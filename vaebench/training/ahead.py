"""Compilation of a training program before its first call, from shapes alone."""

from __future__ import annotations

import jax

from vaebench.space import Point, static_of
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
