"""Measure MUSE-XAE's full setting on one device: 100 restarts for each of K 2 to 25, every sample redrawn 100 times.

    python benchmarks/extraction.py                     # an accelerator, 1,000 samples, 8 minutes
    python benchmarks/extraction.py --samples 100 --augmentation 5 --restarts 10 --lanes 1,5 --numbers 5 --minutes 2   # a CPU

On a simulated catalogue:

1. seconds of the redraws;
2. time of a lane-step by number of lanes; one lane is the rival: restarts one after another;
3. seconds of all restarts at some K, each to its own early stop, for as many K as the minutes allow. Their mean gives an
   estimate for K 2 to 25, without clustering and refit.

A K that has begun is trained to its end.
"""

from __future__ import annotations

import argparse
import csv
import time

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.signatures.autoencoders.fits import trained_signatures
from vaebench.signatures.autoencoders.training import (
    multinomial_resample,
    restart_seeds,
    split_of_rows,
    study_point,
)
from vaebench.space import static_of, traced_of
from vaebench.training.pool import on_device
from vaebench.training.train import make_train

ALL_NUMBERS = 24
"""K 2 to 25."""


def lane_step(rows: jax.Array, samples: int, k: int, lanes: int, epochs: int = 2) -> float:
    """Seconds a step of one of ``lanes`` restarts, compilation left out."""
    base = {"epochs": 10**6, "stopping": "fixed"}
    points = [study_point("muse_xae", k, {**base, "seed": seed}) for seed in restart_seeds(0, lanes)]
    program = make_train(static_of(points[0], rows.shape[1]), lanes)
    split = split_of_rows(np.arange(samples, len(rows)), np.arange(samples))
    pool = None
    for slot, point in enumerate(points):
        lane = program.start(on_device(traced_of(point)), on_device(split))
        pool = program.put(program.idle(lane) if pool is None else pool, slot, lane)
    pool, _ = jax.block_until_ready(program.advance(pool, rows, 1))
    started = time.perf_counter()
    jax.block_until_ready(program.advance(pool, rows, epochs))
    return (time.perf_counter() - started) / epochs / (len(split.train) // points[0].batch) / lanes


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--signatures", type=int, default=11, help="of the simulated catalogue")
    parser.add_argument("--augmentation", type=int, default=100)
    parser.add_argument("--restarts", type=int, default=100)
    parser.add_argument("--lanes", type=whole_numbers, default=[1, 25, 100])
    parser.add_argument(
        "--numbers", type=whole_numbers, default=[11, 2, 25, 6, 18], help="K to be trained, in this order"
    )
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--csv")
    options = parser.parse_args()
    begun = time.perf_counter()
    catalogue, _ = simulate_catalogue(0, tumours=options.samples, signatures=options.signatures, types=3)
    counts, k = catalogue.to_numpy(), options.numbers[0]
    table: list[tuple[str, str]] = []

    def say(name: str, value: str) -> None:
        table.append((name, value))
        print(f"{name:32}  {value}", flush=True)

    device = jax.devices()[0]
    say("device", f"{device.platform} {device.device_kind}, jax {jax.__version__}")
    started = time.perf_counter()
    more = multinomial_resample(jax.random.key(0), counts, options.augmentation).block_until_ready()
    say(f"redraws, {options.augmentation} of {len(counts)} samples", f"{time.perf_counter() - started:.1f} s")
    rows = jnp.concatenate([jnp.asarray(counts, jnp.float32), more])
    steps = {lanes: lane_step(rows, len(counts), k, lanes) for lanes in options.lanes}
    for lanes, seconds in steps.items():
        rival = f", {steps[1] / seconds:.1f}x one lane" if 1 in steps and lanes > 1 else ""
        say(f"lane-step, K = {k}, {lanes} lanes", f"{1e6 * seconds:.1f} us{rival}")
    best = min(steps, key=lambda lanes: steps[lanes])
    taken = []
    for k in options.numbers:
        if time.perf_counter() - begun > 60 * options.minutes:
            break
        started = time.perf_counter()
        found = trained_signatures(0, counts, k, options.restarts, augmentation=options.augmentation, lanes=best)
        taken.append(time.perf_counter() - started)
        good = sum(status == "OK" for status in found.statuses)
        epochs = f"{found.epochs.mean():.0f} epochs, at most {found.epochs.max()}"
        say(f"K = {k}, {options.restarts} restarts, {best} lanes", f"{taken[-1]:.1f} s; {epochs}; {good} OK")
    if taken:
        say("K 2 to 25, from their mean", f"{ALL_NUMBERS * np.mean(taken) / 60:.1f} minutes")
    if options.csv:
        with open(options.csv, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("what", "measured"), *table])


def whole_numbers(text: str) -> list[int]:
    """``"1,25"`` as ``[1, 25]``."""
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    main()
