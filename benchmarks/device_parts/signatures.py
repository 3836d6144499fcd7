"""Parts e and f: autoencoders of a catalogue as lanes, and the other methods on the device beside one core of its machine."""

from __future__ import annotations

import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from device_parts.children import Child, say
from device_parts.sizes import SIZES, Sizes
from device_parts.table import OUT_OF_TIME, Clock, Table, in_time, timed
from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.signatures.autoencoders.training import (
    catalogue_dataset,
    multinomial_resample,
    restart_seeds,
    split_of_rows,
    study_point,
)
from vaebench.space import Point, static_of, traced_of
from vaebench.training.lane import Lane
from vaebench.training.pool import on_device, trained_points
from vaebench.training.train import Train, make_train

PART, OTHERS = "e autoencoders", "f signatures"
KINDS = {"muse_xae": 1.0, "folded_normal_vae": 0.2}
"""Variant -> its share of the studies' redraws: MUSE-XAE 100 of each sample, the report 20."""


def autoencoders(table: Table, clock: Clock, sizes: Sizes, known: dict[str, Any]) -> None:
    """Lane-steps of one and of all restarts, and how far all restarts come until the time is up."""
    catalogue, _ = simulate_catalogue(0, tumours=sizes.catalogue, signatures=sizes.signatures, types=3)
    counts = catalogue.to_numpy()
    for i, (variant, share) in enumerate(KINDS.items()):
        if clock.left() < 5:
            table.add(PART, variant, status=OUT_OF_TIME)
            continue

        def one(i: int = i, variant: str = variant, share: float = share) -> None:
            times = max(1, round(share * sizes.augmentation))
            more = multinomial_resample(jax.random.key(0), counts, times)
            rows = jnp.concatenate([jnp.asarray(counts, jnp.float32), more])
            batch = min(64, len(more))
            points = [
                study_point(variant, sizes.signatures, {"seed": seed, "batch": batch})
                for seed in restart_seeds(0, sizes.restarts)
            ]
            steps = {lanes: restart_step(points[:lanes], rows, len(counts)) for lanes in (1, sizes.restarts)}
            for lanes, seconds in steps.items():
                text = f"{1e6 * seconds:.1f} us; {steps[1] / seconds:.1f}x one lane"
                table.add(PART, f"{variant}, step of {lanes} lanes", text, seconds, "s")
            until = clock.left() / (len(KINDS) - i)
            all_restarts(table, points, counts, rows, variant, until)

        in_time(table, clock, PART, variant, 5.0, one)


def restart_step(points: list[Point], rows: jax.Array, samples: int) -> float:
    """Median seconds a step of one of the restarts, in a pool of all ``points``; whole epochs, validation included."""
    lanes = len(points)
    program = make_train(static_of(points[0], rows.shape[1]), lanes)
    split = on_device(split_of_rows(np.arange(samples, len(rows)), np.arange(samples)))
    pool: Any = None
    for slot, point in enumerate(points):
        traced = traced_of(point)._replace(epochs=10**6, stopping=2)
        lane = program.start(on_device(traced), split)
        pool = program.put(program.idle(lane) if pool is None else pool, slot, lane)

    def epoch() -> None:
        nonlocal pool
        pool, history = program.advance(pool, rows, 1)
        jax.block_until_ready(history)

    epoch()
    steps = split.train.shape[0] // points[0].batch
    return statistics.median(timed(epoch, seconds=2.0, most=5)) / steps / lanes


def all_restarts(
    table: Table, points: list[Point], counts: np.ndarray, rows: jax.Array, variant: str, seconds: float
) -> None:
    """Every restart to its own early stop, as far as the time goes."""
    split = split_of_rows(np.arange(len(counts), len(rows)), np.arange(len(counts)))

    def begin(program: Train, point: Point) -> Lane:
        return program.start(on_device(traced_of(point)), on_device(split))

    began, done, useful = time.perf_counter(), [], 0
    for tick in trained_points(points, catalogue_dataset(counts), rows, len(points), begin=begin):
        done += [item.epochs for item in tick.finished]
        useful += tick.useful
        if time.perf_counter() - began > seconds:
            break
    took = time.perf_counter() - began
    text = f"{len(done)} of {len(points)} finished in {took:.1f} s, {useful / took:.0f} lane-epochs/s"
    text += f", {np.mean(done):.0f} epochs each" if done else ""
    if len(done) == len(points):
        text += f"; K 2 to 25 at that rate {24 * took / 60:.1f} minutes"
    table.add(PART, f"{variant}, all restarts at {points[0].latent} signatures", text, took, "s", finished=len(done))


def child(sizes: Sizes) -> None:
    """Say the seconds of ``sparse`` and of ``spike_slab``, the first call (which compiles) and the second."""
    from vaebench.signatures.extraction import extract
    from vaebench.signatures.refitting import refit

    catalogue, truth = simulate_catalogue(1, tumours=sizes.refit[0], signatures=sizes.refit[1], types=3)
    small, _ = simulate_catalogue(0, tumours=sizes.sparse[0], signatures=sizes.sparse[1], types=3)
    calls = {
        f"spike_slab, {sizes.refit[0]} samples x {sizes.refit[1]}": lambda: refit(
            catalogue, truth.signatures, intervals="spike_slab"
        ),
        f"sparse, {sizes.sparse[0]} samples, {sizes.sparse[1]} signatures told": lambda: extract(
            small, k=sizes.sparse[1], method="sparse"
        ),
    }
    for name, call in calls.items():
        for which in ("first call", "second call"):
            started = time.perf_counter()
            call()
            say(name=name, which=which, seconds=time.perf_counter() - started)


def others(table: Table, clock: Clock, sizes: Sizes, known: dict[str, Any]) -> None:
    """``sparse`` and ``spike_slab`` on the device and on one core."""
    both_sides(table, clock, sizes, known, OTHERS, "signatures")


def both_sides(table: Table, clock: Clock, sizes: Sizes, known: dict[str, Any], part: str, name: str) -> None:
    """Rows of a child's measurements on the device and on one core of the CPU, and their ratio.

    The core's child was begun with everything else (``known["children"]``): it compiles for as long as the device's parts take.
    """
    if clock.left() < 5:
        table.add(part, name, status=OUT_OF_TIME)
        return
    size = next(key for key, value in SIZES.items() if value == sizes)
    seconds: dict[tuple[str, str, bool], float] = {}
    for one_core in (False, True):
        other = known.get("children", {}).get(name) or Child(name, size, True) if one_core else Child(name, size)
        found, status = other.lines(clock.left())
        where = "one CPU core" if one_core else "device"
        for line in found:
            key = (line["name"], line["which"])
            seconds[(*key, one_core)] = line["seconds"]
            text = f"{line['seconds']:.2f} s"
            if one_core and (*key, False) in seconds:
                text += f"; device {line['seconds'] / seconds[(*key, False)]:.1f}x as fast"
            table.add(part, f"{line['name']}, {line['which']}, {where}", text, line["seconds"], "s")
        if status != "OK":
            table.add(part, f"{name}, {where}", status=status)
