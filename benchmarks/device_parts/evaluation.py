"""Part g: Cox, WSEPIN and nearest neighbours on the device beside one core of its machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from device_parts.children import say
from device_parts.signatures import both_sides
from device_parts.sizes import Sizes
from device_parts.table import Clock, Table

PART = "g evaluation"


def run(table: Table, clock: Clock, sizes: Sizes, known: dict[str, Any]) -> None:
    """The project's own implementations, on both sides."""
    both_sides(table, clock, sizes, known, PART, "evaluation")


def calls(sizes: Sizes) -> dict[str, Callable[[], object]]:
    """Name -> call, on a random embedding with 33 types of samples."""
    from vaebench.metrics.cox import cox_fit
    from vaebench.metrics.shared.neighbours import nearest
    from vaebench.metrics.wsepin import WsepinOptions, sepin
    from vaebench.types import Posterior

    samples, latents = sizes.evaluated
    rng = np.random.default_rng(0)
    types = rng.integers(0, 33, samples)
    z = (rng.normal(size=(33, latents))[types] + rng.normal(size=(samples, latents))).astype(np.float32)
    covariates = np.column_stack([types == t for t in range(1, 34 if samples > 1000 else 2)]).astype(float)
    covariates = covariates[:, covariates.std(0) > 0]
    time_to, event = rng.exponential(np.exp(-0.3 * z[:, 0])) + 1e-3, rng.random(samples) < 0.3
    design = np.hstack([(z - z.mean(0)) / z.std(0), covariates])
    posterior = Posterior(z, np.full(z.shape, -2.0, np.float32))
    size = f"{samples} x {latents}"
    return {
        f"15-NN, {size}": lambda: nearest(z, 14),
        f"Cox, {size} and {covariates.shape[1]} covariates": lambda: cox_fit(design, time_to, event),
        f"WSEPIN, {size}, {sizes.wsepin_draws} draws": lambda: sepin(
            posterior, WsepinOptions(draws=sizes.wsepin_draws)
        ),
    }


def child(sizes: Sizes) -> None:
    """Say the seconds of every call, of the first (which compiles) and of the fastest of three more."""
    for name, call in calls(sizes).items():
        spent = []
        for _ in range(4):
            started = time.perf_counter()
            call()
            spent.append(time.perf_counter() - started)
        say(name=name, which="first call", seconds=spent[0])
        say(name=name, which="later call", seconds=min(spent[1:]))
