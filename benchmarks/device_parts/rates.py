"""Part a: how fast the device copies and multiplies."""

from __future__ import annotations

import time
from typing import Any

import jax
import jax.numpy as jnp

from device_parts.sizes import Sizes
from device_parts.table import Clock, Table, attempt
from vaebench.training.engine import PRECISIONS

PART = "a rates"


def run(table: Table, clock: Clock, sizes: Sizes, known: dict[str, Any]) -> None:
    """Copy rate (``known["copy"]``, bytes a second read and written) and rates of matrix products."""

    def copied() -> None:
        a = jnp.zeros((sizes.copy_megabytes * 2**18,), jnp.float32)
        copy = jax.jit(lambda v: v + 1)
        seconds = fastest(copy, a)
        known["copy"] = 2 * a.nbytes / seconds
        table.add(PART, "copy, read + written", f"{known['copy'] / 1e9:.0f} GB/s", known["copy"], "B/s")

    attempt(table, PART, "copy", copied)
    for name, precision in PRECISIONS.items():

        def multiplied(name: str = name, precision: str = precision) -> None:
            a = jax.random.normal(jax.random.key(0), (sizes.product, sizes.product), jnp.float32)
            with jax.default_matmul_precision(precision):
                product = jax.jit(lambda v: v @ v).lower(a).compile()
            rate = 2 * sizes.product**3 / fastest(product, a)
            table.add(PART, f"matrix product, {name}", f"{rate / 1e12:.2f} TFLOP/s", rate, "FLOP/s")

        attempt(table, PART, f"matrix product, {name}", multiplied)


def fastest(call: Any, a: jax.Array, repeats: int = 10) -> float:
    """Seconds of the fastest of a few calls, after one that compiles."""
    call(a).block_until_ready()
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        call(a).block_until_ready()
        best = min(best, time.perf_counter() - started)
    return best
