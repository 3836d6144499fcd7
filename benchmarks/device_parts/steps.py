"""Part b: the lane-step by lanes and precision, other choices of the engine, and a profile where it is far from the limit."""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from device_parts.pools import base_point, data_set, stepper, validation_loss
from device_parts.sizes import Sizes
from device_parts.table import Clock, Table, bytes_by_hand, in_time, roofline_share, speed_of, timed
from device_parts.trace import kernels
from vaebench.space import Point
from vaebench.training.engine import PRECISIONS, Engine

PART = "b lane-step"
LEAST_SHARE = 0.6
OPTIONS = {
    "one flat vector": {"flat_optimizer": True},
    "moments in bfloat16": {"moments": "bfloat16"},
}
"""Choices of the engine, each measured by itself at the best number of lanes."""


class Steps:
    """The measurements of this part; ``best`` is precision -> (seconds, lanes)."""

    def __init__(self, table: Table, clock: Clock, sizes: Sizes, known: dict[str, Any]) -> None:
        self.table, self.clock, self.sizes, self.known = table, clock, sizes, known
        self.data = data_set(sizes)
        self.x = jnp.asarray(self.data.x)
        self.base = base_point(sizes)
        self.best: dict[str, tuple[float, int]] = {}
        self.latest = 0.0

    def measure(
        self, lanes: int, name: str, engine: Engine, base: Point | None = None, validate: bool = False
    ) -> float:
        """Add the row of one program; seconds a lane-step. ``validate``: the loss too, after the epochs that all are given."""
        began = time.perf_counter()
        base = base or self.base
        made = stepper(base, self.data, self.x, lanes, engine)
        pool = made.pool

        def one() -> None:
            nonlocal pool
            pool, losses = made.call(pool, self.x)
            jax.block_until_ready(losses)

        one()
        repeats = self.sizes.epochs - 1
        spent = timed(one, seconds=2.0, least=repeats, most=repeats if validate else 9)
        seconds = statistics.median(spent) / made.steps / lanes
        hand = bytes_by_hand(made.weights)
        more = {
            "lanes": lanes,
            "precision": engine.matmul_precision,
            "bytes_by_hand": hand,
            "bytes_by_xla": made.bytes and made.bytes / lanes,
            "repeats": len(spent),
            "fastest": min(spent) / made.steps / lanes,
        }
        text = f"{1e6 * seconds:.1f} us; {hand / 1e6:.0f} MB by hand"
        text += f", {made.bytes / lanes / 1e6:.0f} by XLA" if made.bytes else ""
        if "copy" in self.known:
            more["share"] = roofline_share(hand, self.known["copy"], seconds)
            text += f"; {more['share']:.0%} of the memory limit"
        if validate:
            more["valid_loss"] = validation_loss(base, self.data, self.x, pool, lanes, engine)
            text += f"; validation loss after {self.sizes.epochs} epochs {more['valid_loss']:.6f}"
        target = f"{LEAST_SHARE * speed_of(self.table.facts['device']):.0%} of the limit" if lanes > 1 else ""
        self.table.add(PART, f"{lanes} lanes, {name}", text, seconds, "s", target, **more)
        self.latest = time.perf_counter() - began
        return seconds

    def by_lanes(self, precisions: tuple[str, ...], lanes: tuple[int, ...], validate: bool = False) -> None:
        """Rows of all pairs, those that fit into the time."""
        for r in lanes:
            for precision in precisions:

                def one(r: int = r, precision: str = precision) -> None:
                    name = "float32" if precision == "highest" else precision
                    seconds = self.measure(r, name, Engine(matmul_precision=precision), validate=validate)
                    self.known.setdefault("steps", {})[precision, r] = seconds
                    self.best[precision] = min(self.best.get(precision, (float("inf"), 0)), (seconds, r))

                in_time(self.table, self.clock, PART, f"{r} lanes, {precision}", self.latest, one)

    def options(self) -> None:
        """Rows of the engine's other choices at the best number of lanes."""
        if "highest" not in self.best:
            return
        lanes = self.best["highest"][1]
        for name, choice in OPTIONS.items():

            def one(name: str = name, choice: dict[str, Any] = choice) -> None:
                self.measure(lanes, f"float32, {name}", dataclasses.replace(Engine(), **choice))

            in_time(self.table, self.clock, PART, f"{lanes} lanes, {name}", self.latest, one)

    def latents(self) -> None:
        """Lane-steps at the ends of the grid's latent sizes: ``known["latents"]``, latent -> seconds."""
        if "highest" not in self.best:
            return
        seconds, lanes = self.best["highest"]
        self.known["latents"] = {self.base.latent: seconds}
        for latent in (10, 200):

            def one(latent: int = latent) -> None:
                base = base_point(self.sizes, latent)
                self.known["latents"][latent] = self.measure(lanes, f"float32, latent {latent}", Engine(), base)

            in_time(self.table, self.clock, PART, f"{lanes} lanes, latent {latent}", self.latest, one)

    def profile(self) -> None:
        """The kernels that take longest, of the best float32 program, where it is below 60% of the memory limit."""
        rows = [row for row in self.table.rows if row.get("share") and row["precision"] == "highest"]
        if not rows or max(row["share"] for row in rows) >= LEAST_SHARE:
            return
        lanes = self.best["highest"][1]

        def one() -> None:
            made = stepper(self.base, self.data, self.x, lanes, Engine())
            pool, losses = made.call(made.pool, self.x)
            jax.block_until_ready(losses)
            with tempfile.TemporaryDirectory() as folder:
                with jax.profiler.trace(folder):
                    jax.block_until_ready(made.call(pool, self.x)[1])
                found = kernels(Path(folder))
            for name, share in found:
                self.table.add(PART, f"kernel {name[:80]}", f"{share:.1%} of device time", share, lanes=lanes)

        in_time(self.table, self.clock, PART, f"profile of {lanes} lanes", 2 * self.latest, one)


def run(table: Table, clock: Clock, sizes: Sizes, known: dict[str, Any]) -> None:
    """Most telling first: three precisions at some lanes, the engine's choices, latents, a profile, the other lanes."""
    steps = Steps(table, clock, sizes, known)
    first, rest = sizes.lanes[:3], sizes.lanes[3:]
    steps.by_lanes(tuple(PRECISIONS), first[:1], validate=True)
    steps.by_lanes(tuple(PRECISIONS), first[1:])
    steps.options()
    steps.latents()
    steps.profile()
    steps.by_lanes(("highest", "tensorfloat32"), rest)
    if steps.best:
        known["best"] = steps.best
