"""Cores and memory of this machine, and from both the pools of a CPU that are trained at the same time."""

from __future__ import annotations

import contextlib
from pathlib import Path

import jax

from vaebench.space import Point, static_of
from vaebench.training.engine import Engine
from vaebench.training.pool import lane_inputs
from vaebench.training.train import make_train
from vaebench.types import Dataset

_MEMORY_SHARE = 0.25
"""Largest share of the free memory for pools that are trained at the same time."""
_COPIES = 3
"""Memory of a training in copies of its lane: itself, the lane of the next step, gradients and activations."""


def usable_cores() -> int:
    """Return the number of cores that this process may use, by its affinity and the limits of its container."""
    try:
        import loky
    except ImportError:  # without it there are no other processes
        return 1
    return loky.cpu_count()


def free_memory() -> float:
    """Return the bytes of memory that further processes may use; infinite where the system does not say."""
    found = [float("inf")]
    with contextlib.suppress(OSError, ValueError):  # another system
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [1024.0 * float(line.split()[1]) for line in lines if line.startswith("MemAvailable")]
    with contextlib.suppress(OSError, ValueError, KeyError):  # no container, or one without a limit ("max")
        limit, used, parts = (Path(f"/sys/fs/cgroup/memory.{name}").read_text() for name in ("max", "current", "stat"))
        # files that were read count as used, and are dropped when memory is wanted
        files = dict(line.split() for line in parts.splitlines())["inactive_file"]
        found.append(float(limit) - float(used) + float(files))
    return min(found)


def training_threads(point: Point, dataset: Dataset, lanes: int, engine: Engine) -> int:
    """Return how many pools of a program to train at the same time: on a CPU one a core, as far as the memory allows.

    1 for pools of several lanes, and on other devices, which do not wait for each other.
    """
    if lanes > 1 or jax.local_devices()[0].platform != "cpu" or len(jax.local_devices()) > 1:
        return 1
    cores = usable_cores()
    if cores == 1:
        return 1
    static = static_of(point, dataset.x.shape[1], dataset.auxiliary_widths)
    lane = jax.eval_shape(make_train(static, 1, engine).start, *lane_inputs(point, dataset))
    size = sum(leaf.size * 4 for leaf in jax.tree.leaves(lane))
    return max(1, min(cores, int(min(_MEMORY_SHARE * free_memory() / (_COPIES * size), cores))))
