"""Part d: trainings an hour with refill, by learning rate, and what the study's grid would take."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from device_parts.pools import LATENT, base_point, data_set
from device_parts.sizes import Sizes
from device_parts.table import (
    OUT_OF_TIME,
    Clock,
    Table,
    at_other_sizes,
    attempt,
    grid_hours,
    hourly,
    speed_of,
)
from vaebench.protocols import eltager2023
from vaebench.space import Point, point, product
from vaebench.training.engine import Engine
from vaebench.training.lane import RUNNING
from vaebench.training.pool import Finished, Tick, trained_points
from vaebench.types import Dataset

PART = "d grid"
TRAININGS = 64_800
HOURS = 6.0
"""Target for the whole grid on an H200."""
RATES = eltager2023.grid["learning_rate"]


def band_points(sizes: Sizes, rate: float, count: int) -> list[Point]:
    """``count`` different settings of the study's grid at one learning rate, as it trains them, drawn once."""
    size = base_point(sizes)
    base = point(
        eltager2023.base, variant="vae", latent=LATENT, hidden=size.hidden, batch=size.batch, epochs=sizes.most_epochs
    )
    axes = {name: eltager2023.grid[name] for name in ("init", "optimizer", "activation", "seed")}
    made = product(base, learning_rate=rate, **axes)
    return [made[i] for i in np.random.default_rng(0).permutation(len(made))[:count]]


@dataclasses.dataclass
class Followed:
    """Trainings followed until they end or the time does."""

    finished: list[Finished] = dataclasses.field(default_factory=list)
    useful: int = 0
    computed: int = 0
    seconds: float = 0.0
    running: dict[Point, int] = dataclasses.field(default_factory=dict)

    def after(self, tick: Tick) -> None:
        """Count one look at the pool."""
        self.finished += tick.finished
        self.useful, self.computed = self.useful + tick.useful, self.computed + tick.computed
        self.seconds += tick.seconds


def followed(
    points: Sequence[Point],
    data: Dataset,
    x: jax.Array,
    lanes: int,
    engine: Engine,
    seconds: float,
    unfinished: bool = False,
) -> Followed:
    """Train ``points`` in a pool for at most ``seconds``; the first looks, which compile, are in no rate.

    ``unfinished``: tell too how many epochs the lanes have trained that still run; all their weights come to the host for it.
    """
    found, began, last = Followed(), time.perf_counter(), None
    for i, tick in enumerate(trained_points(points, data, x, lanes, engine=engine)):
        found.after(tick)
        if i == 1:  # the first call compiles, and the first refill may
            found.useful = found.computed = 0
            found.seconds = 0.0
        last = tick
        if time.perf_counter() - began > seconds:
            break
    if unfinished and last is not None:
        saved = last.snapshot()
        found.running = {p: len(lane.history) for p, lane in saved.items() if lane.lane.status == RUNNING}
    return found


def epochs_by_band(table: Table, found: Followed) -> dict[float, float | None]:
    """A row for every learning rate; learning rate -> mean epochs, ``None`` where none has finished."""
    means: dict[float, float | None] = {}
    for rate in RATES:
        done = [item.epochs for item in found.finished if item.point.learning_rate == rate]
        left = [epochs for p, epochs in found.running.items() if p.learning_rate == rate]
        # what still runs counts with the epochs it has: a low bound
        means[rate] = statistics.mean(done + left) if done else None
        text = f"{len(done)} finished"
        text += f", {means[rate]:.0f} epochs on average" if done else f", none of {len(left)} in {found.seconds:.0f} s"
        text += f" at least ({len(left)} still train after {max(left)})" if done and left else ""
        table.add(PART, f"learning rate {rate:g}", text, means[rate], "epochs", finished=len(done), running=len(left))
    return means


def run(table: Table, clock: Clock, sizes: Sizes, known: dict[str, Any]) -> None:
    """Epochs by band from a few trainings of each, the rate of lane-epochs from a pool with refill, and both together."""
    if clock.left() < 5:
        table.add(PART, "grid", status=OUT_OF_TIME)
        return
    data = data_set(sizes)
    x = jnp.asarray(data.x)
    means: dict[float, float | None] = {}

    def bands() -> None:
        points = [p for rate in RATES for p in band_points(sizes, rate, sizes.band_lanes)]
        found = followed(points, data, x, len(points), Engine(), 0.6 * clock.left(), unfinished=True)
        means.update(epochs_by_band(table, found))

    attempt(table, PART, "epochs by learning rate", bands)
    lanes = known.get("best", {}).get("highest", (0.0, 8))[1]
    speeds: dict[float, float] = {}
    for call_seconds in (0.05, 0.5):

        def refilled(call_seconds: float = call_seconds) -> None:
            # fast and slow learners alike, three to a lane: slots are taken over as they come free
            points = [p for rate in RATES for p in band_points(sizes, rate, 1 + 3 * lanes // len(RATES))]
            engine = Engine(call_seconds=call_seconds)
            found = followed(points, data, x, lanes, engine, clock.left() / (2 if call_seconds < 0.1 else 1))
            speeds[call_seconds] = found.useful / found.seconds
            share = found.useful / max(1, found.computed)
            text = (
                f"{speeds[call_seconds]:.1f} lane-epochs/s, {share:.1%} of slots busy, {len(found.finished)} finished"
            )
            table.add(PART, f"refill, {lanes} lanes, calls of {call_seconds} s", text, speeds[call_seconds], "1/s")

        attempt(table, PART, f"refill, calls of {call_seconds} s", refilled)
    if speeds:
        attempt(table, PART, "the grid", lambda: whole_grid(table, known, means, max(speeds.values())))


def whole_grid(table: Table, known: dict[str, Any], means: dict[float, float | None], speed: float) -> None:
    """Trainings an hour by band, and hours of the grid over all bands and latent sizes."""
    for rate, mean in means.items():
        found = hourly(speed, mean)
        table.add(PART, f"trainings/h at {rate:g}", f"{found:.0f}" if found else "none finished", found, "1/h")
    latents = eltager2023.grid["latent"]
    steps = known.get("latents") or {LATENT: 1.0}
    # validation, refill and host are measured at one latent size and taken in proportion to the step at the others
    at = at_other_sizes(steps, latents)
    epoch_seconds = {latent: at[latent] / at_other_sizes(steps, [LATENT])[LATENT] / speed for latent in latents}
    hours = grid_hours(TRAININGS, means, epoch_seconds)
    measured = ", ".join(f"{latent}" for latent in sorted(steps))
    what = f"{TRAININGS} trainings without evaluation, latents measured {measured}"
    target = f"{HOURS / speed_of(table.facts['device']):.1f} h with evaluation"
    none = [f"{rate:g}" for rate, mean in means.items() if mean is None]
    text = f"{hours:.1f} h" if hours is not None else f"not known: none finished at {', '.join(none) or 'any rate'}"
    table.add(PART, what, text, hours, "h", target)
