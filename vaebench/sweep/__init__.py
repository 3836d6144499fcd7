"""A run: train many points, evaluate them, write their rows. :func:`run` is ``vb.run``.

In reading order:

1. :mod:`~vaebench.sweep.runner`: checks options and folder, and makes the task of this process.
2. :mod:`~vaebench.sweep.worker`: carries out a task in one process, one compiled program after another.
3. :mod:`~vaebench.sweep.evaluator`: evaluates embeddings on the host while the device trains, and writes their rows.
4. :mod:`~vaebench.sweep.executor`: cuts a task into pieces for many processes or a cluster.
5. :mod:`~vaebench.sweep.workers`: chooses between one process and one a core.
6. :mod:`~vaebench.sweep.processes`: worker processes, which end with the process that started them.
7. :mod:`~vaebench.sweep.progress`: progress on stderr.

A point that has a row is never trained again, so an interrupted run continues where it stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaebench.sweep.runner import check_options, check_points, default_evaluators, run, sharded

__all__ = ["check_options", "check_points", "default_evaluators", "run", "sharded"]


def __getattr__(name: str) -> Any:
    # loaded on first use: an evaluation process imports this package, and needs none of what trains
    if name not in __all__:
        raise AttributeError(f"module 'vaebench.sweep' has no attribute {name!r}")
    from vaebench.sweep import runner

    return getattr(runner, name)
