"""Measure small networks on a CPU: one training with all cores, one a core in one process, one a core in a process each.

    python benchmarks/processes.py [--features 198 --hidden 512 --latent 50 --batch 6 --steps 120 --seconds 20 --repeats 3]

Each process compiles, waits for a common start, and then trains its lanes until the time is over, each from a thread of its
own; the result is epochs a second. `PJRT_NPROC=1`, which the XLA client reads when it starts, gives one thread of XLA's. The
three ways take turns.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.space import Point, static_of, traced_of
from vaebench.training.lane import Lane, Split
from vaebench.training.pool import on_device
from vaebench.training.threads import side_by_side
from vaebench.training.train import make_train


def trained(options: argparse.Namespace) -> int:
    """Epochs of all lanes between ``options.start`` and ``options.seconds`` later."""
    samples = options.steps * options.batch
    x = jnp.asarray(np.random.default_rng(0).normal(size=(samples + 2, options.features)), jnp.float32)
    rows = np.arange(samples + 2, dtype=np.int32)
    split = Split(
        rows[:samples], rows[samples:], np.zeros(options.features, np.float32), np.ones(options.features, np.float32)
    )
    point = Point(latent=options.latent, hidden=(options.hidden,), batch=options.batch, epochs=10**6, stopping="fixed")
    program = make_train(static_of(point, options.features), 1)
    begin = [program.start(on_device(traced_of(point)), on_device(split)) for _ in range(options.lanes)]
    begin = [jax.block_until_ready(program.advance(lane, x, 1)[0]) for lane in begin]
    if time.time() > options.start:
        raise SystemExit("error: a process was not ready in time; give --ready more seconds")
    time.sleep(options.start - time.time())

    def epochs(lane: Lane) -> int:
        done = 0
        while time.time() < options.start + options.seconds:
            lane = jax.block_until_ready(program.advance(lane, x, 1)[0])
            done += 1
        return done

    return sum(side_by_side(*(functools.partial(epochs, lane) for lane in begin)))


def rate(processes: int, lanes: int, options: argparse.Namespace) -> float:
    """Epochs a second of ``lanes`` trainings in each of some processes together."""
    names = ("features", "hidden", "latent", "batch", "steps", "seconds")
    own = [text for name in names for text in (f"--{name}", str(getattr(options, name)))]
    command = [sys.executable, __file__, *own, "--start", str(time.time() + options.ready)]
    command += ["--lanes", str(lanes)]
    environment = {**os.environ, **({"PJRT_NPROC": "1"} if processes > 1 else {})}
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    epochs = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit(1)
    return sum(int(text) for text in epochs) / options.seconds


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = {"features": 198, "hidden": 512, "latent": 50, "batch": 6, "steps": 120, "seconds": 20, "repeats": 3}
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--ready", type=int, default=30, help="seconds in which a process has to be ready")
    parser.add_argument("--start", type=float, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--lanes", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.start is not None:
        print(trained(options))
        return
    cores, ratios = os.cpu_count() or 1, []
    for _ in range(options.repeats):
        one, threads, many = rate(1, 1, options), rate(1, cores, options), rate(cores, 1, options)
        ratios.append((threads / one, many / one))
        print(
            f"epochs/s: {one:.2f} of one training, {threads:.2f} of {cores} in one process ({ratios[-1][0]:.2f}x), {many:.2f} of "
            f"{cores} in a process of one thread each ({ratios[-1][1]:.2f}x)",
            flush=True,
        )
    print("medians: " + ", ".join(f"{statistics.median(ratio):.2f}x" for ratio in zip(*ratios, strict=True)))


if __name__ == "__main__":
    main()
