"""Measure the engine: refill against masks only, overhead over bare steps, programs compiled.

    python benchmarks/engine.py [--samples 300 --features 200 --hidden 64 --lanes 8 --repeats 2]

1. Refill: 20 points a lane whose numbers of epochs spread as in a grid of learning rates (log-normal, 5 to 1,000), in a
   pool with refill and, with masks only, in batches of R that run until their slowest lane is done. Seconds and ratio.
2. Overhead: of a pool run (1000-256-10, 40 epochs a training), the time outside its compiled epochs over the time inside.
3. Programs: all 1,080 settings of one variant (6 latents x 6 learning rates x 5 inits x 3 optimizers x 2 activations),
   one epoch each on a small table: the number of training programs compiled. Then the same in a second process with the
   persistent cache: the number of programs compiled there.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.data.dataset import dataset_from_arrays
from vaebench.protocols import eltager2023
from vaebench.space import Point, group_by_static, point, product, static_of
from vaebench.training.pool import lane_inputs, trained_points
from vaebench.training.train import make_train


def table(samples: int, features: int):
    rng = np.random.default_rng(0)
    return dataset_from_arrays(rng.normal(size=(samples, features)), labels=np.repeat(["A", "B"], samples // 2))


def spread(count: int) -> np.ndarray:
    """Numbers of epochs: median 25, mean about 60, a tenth above 150."""
    return np.clip(np.exp(np.random.default_rng(1).normal(np.log(25), 1.4, count)), 5, 1000).astype(int)


def pooled(points, data, x, lanes) -> tuple[float, int, int]:
    started = time.perf_counter()
    useful = computed = 0
    for tick in trained_points(points, data, x, lanes):
        useful, computed = useful + tick.useful, computed + tick.computed
    return time.perf_counter() - started, useful, computed


def refill(options, data, x) -> None:
    base = Point(latent=10, hidden=(options.hidden,), stopping="fixed")
    epochs = spread(20 * options.lanes)
    points = [point(base, epochs=int(e), seed=i) for i, e in enumerate(epochs)]
    pooled(points[: options.lanes], data, x, options.lanes)  # compiles
    ratios = []
    for _ in range(options.repeats):
        with_refill, useful, computed = pooled(points, data, x, options.lanes)
        parts = [
            pooled(points[i : i + options.lanes], data, x, options.lanes) for i in range(0, len(points), options.lanes)
        ]
        masked = sum(part[0] for part in parts)
        ratios.append(masked / with_refill)
    print(
        f"refill: {len(points)} points, {epochs.mean():.0f} epochs on average (5 to {epochs.max()}), {options.lanes} lanes"
    )
    print(f"  lane efficiency {useful / computed:.1%} against {useful / sum(p[2] for p in parts):.1%} with masks only")
    print(
        f"  {with_refill:.1f} s against {masked:.1f} s: {statistics.median(ratios):.2f}x (median of {options.repeats})"
    )


def overhead(repeats: int) -> None:
    """Share of a pool run that is spent outside its compiled epochs, on a network of realistic size.

    Timed inside the run, call by call: the difference of two whole runs is smaller than their noise. A call's own cost
    is what a call costs in which no lane goes on.
    """
    data, lanes, epochs = table(600, 1000), 2, 40
    x = jnp.asarray(data.x)
    base = Point(latent=10, hidden=(256,), stopping="fixed", epochs=epochs)
    points = product(base, seed=range(3 * lanes))
    program = make_train(static_of(base, data.x.shape[1]), lanes)
    pooled(points[:lanes], data, x, lanes)  # compiles
    idle = program.idle(program.start(*lane_inputs(base, data)))
    empty = []
    for _ in range(50):
        started = time.perf_counter()
        idle, history = program.advance(idle, x, 1)
        jax.device_get((idle.status, idle.epoch, history))
        empty.append(time.perf_counter() - started)
    shares = []
    for _ in range(repeats):
        spent = {"advance": 0.0, "start": 0.0, "embed": 0.0}
        calls = 0

        def timed(name: str, spent: dict[str, float] = spent) -> Any:
            def call(*arguments: Any) -> Any:
                nonlocal calls
                calls += name == "advance"
                started = time.perf_counter()
                result = jax.block_until_ready(getattr(program, name)(*arguments))
                spent[name] += time.perf_counter() - started
                return result

            return call

        watched = program._replace(**{name: timed(name) for name in spent})
        with mock.patch("vaebench.training.pool.make_train", lambda *arguments, program=watched: program):
            seconds, _, _ = pooled(points, data, x, lanes)
        steps = spent["advance"] - calls * statistics.median(empty)
        shares.append((seconds - steps - spent["start"] - spent["embed"], spent["start"] + spent["embed"], steps))
    engine, ends = ([part[i] / part[2] for part in shares] for i in (0, 1))
    spread = f"{min(engine):.2%} to {max(engine):.2%} in {repeats} repeats"
    print(f"overhead over bare steps: {statistics.median(engine):.2%} ({spread}); {calls} calls in the last;")
    print(f"  initial weights and embeddings, which any way of training needs: another {statistics.median(ends):.2%}")


def programs() -> None:
    grid = {name: values for name, values in eltager2023.grid.items() if name not in ("variant", "seed")}
    data = table(60, 20)
    points = product(Point(hidden=(8,), batch=16, epochs=1, stopping="fixed"), variant="vae", **grid)
    x = jnp.asarray(data.x)
    counted = 0
    for (static, _), group in group_by_static(points, 20).items():
        for _ in trained_points(group, data, x, 8):
            pass
        counted += make_train(static, 8).advance._cache_size()
    print(f"{len(points)} settings of one variant compiled {counted} training programs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"samples": 300, "features": 200, "hidden": 64, "lanes": 8, "repeats": 2}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--programs-only", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.programs_only:
        counts = {"hits": 0, "misses": 0}

        def count(event: str) -> None:
            for name in counts:
                counts[name] += event == f"/jax/compilation_cache/cache_{name}"

        jax.monitoring.register_event_listener(lambda event, **_: count(event))
        programs()
        print(f"  persistent cache: {counts['hits']} programs read, {counts['misses']} compiled")
        return
    data = table(options.samples, options.features)
    x = jnp.asarray(data.x)
    refill(options, data, x)
    overhead(5)
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "JAX_COMPILATION_CACHE_DIR": folder,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        for _ in range(2):
            subprocess.run([sys.executable, __file__, "--programs-only"], env=environment, check=True)


if __name__ == "__main__":
    main()
