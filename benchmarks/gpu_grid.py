"""The eltager2023 grid on one accelerator: trainings an hour, the step against the memory limit, against a torch loop.

    python benchmarks/gpu_grid.py [--minutes 8] [--lanes 16,64,128] [--samples 11014 --features 5000] [--csv FILE]

On a simulated matrix of the study's size, under its protocol (network, batch, schedule, stopping rule):

1. time of a lane-step by number of lanes, against the bytes it must move (weights, gradients and two moments read and
   written: 10 floats a weight) at the card's copy rate, which is measured first; TF32 off and on;
2. the validation loss after the same few epochs with TF32 off and on;
3. a torch loop (Adam) of the same network on the same card, where torch is installed;
4. trainings an hour of a random part of the grid through the pool with refill, evaluation left out, its mean number of
   epochs, and what the full grid (64,800 trainings) would take.

Ends within ``--minutes``; prints a short table last. On a CPU it is a test of itself at small size: --samples 300
--features 100 --lanes 2,4 --minutes 1.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import time

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.data.dataset import dataset_from_arrays
from vaebench.protocols import eltager2023
from vaebench.space import Point, point, product, static_of, traced_of
from vaebench.training.pool import make_split, on_device, trained_points
from vaebench.training.train import make_train

FULL_GRID = 64_800


def data_set(samples: int, features: int):
    """A matrix of low rank plus noise with 33 labels, z-scored."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(samples, 30)).astype(np.float32) @ rng.normal(size=(30, features)).astype(np.float32)
    x += 3 * rng.standard_normal((samples, features), dtype=np.float32)
    return dataset_from_arrays(x, labels=[f"T{i % 33:02d}" for i in range(samples)], name="simulated")


def copy_rate(megabytes: int) -> float:
    """Bytes a second, read plus written, of the largest of a few device-to-device copies."""
    a = jnp.zeros((megabytes * 2**18,), jnp.float32)
    copy = jax.jit(lambda v: v + 1)
    copy(a).block_until_ready()
    best = 0.0
    for _ in range(10):
        started = time.perf_counter()
        copy(a).block_until_ready()
        best = max(best, 2 * a.nbytes / (time.perf_counter() - started))
    return best


def pool_of(base: Point, data, lanes: int):
    program = make_train(static_of(base, data.x.shape[1]), lanes)
    forever = [point(base, epochs=10**6, stopping="fixed", seed=i) for i in range(lanes)]
    pool = None
    for slot, p in enumerate(forever):
        lane = program.start(on_device(traced_of(p)), on_device(make_split(p, data)))
        pool = program.put(program.idle(lane) if pool is None else pool, slot, lane)
    return program, pool


def lane_step(base: Point, data, x, lanes: int, epochs: int = 3) -> tuple[float, float, int]:
    """(seconds a lane-step, mean validation loss after 1 + epochs, weights)."""
    program, pool = pool_of(base, data, lanes)
    pool, _ = jax.block_until_ready(program.advance(pool, x, 1))
    started = time.perf_counter()
    pool, _ = jax.block_until_ready(program.advance(pool, x, epochs))
    seconds = time.perf_counter() - started
    steps = (pool.split.train.shape[-1]) // base.batch
    weights = sum(leaf.size for leaf in jax.tree.leaves(pool.variables["params"])) // lanes
    return seconds / epochs / steps / lanes, float(jnp.mean(pool.valid_loss)), weights


def torch_step(base: Point, features: int, steps: int = 200) -> float:
    """Seconds a step of a torch loop with Adam on the same device."""
    import torch
    from torch import nn

    device = "cuda" if torch.cuda.is_available() else "cpu"
    width = base.hidden[0]
    encoder = nn.Sequential(nn.Linear(features, width), nn.BatchNorm1d(width), nn.Tanh()).to(device)
    heads = nn.Linear(width, 2 * base.latent).to(device)
    decoder = nn.Sequential(nn.Linear(base.latent, width), nn.BatchNorm1d(width), nn.Tanh(), nn.Linear(width, features))
    decoder = decoder.to(device)
    optimizer = torch.optim.Adam([*encoder.parameters(), *heads.parameters(), *decoder.parameters()], lr=1e-3)
    x = torch.randn(64 * base.batch, features, device=device)

    def step(i: int) -> None:
        batch = x[(i % 64) * base.batch : (i % 64 + 1) * base.batch]
        optimizer.zero_grad()
        mean, logvar = heads(encoder(batch)).chunk(2, 1)
        out = decoder(mean + torch.exp(0.5 * logvar) * torch.randn_like(mean))
        kl = -0.5 * (1 + logvar - mean**2 - logvar.exp()).sum(1).mean()
        (((batch - out) ** 2).mean() + 0.01 * kl).backward()
        optimizer.step()

    for i in range(20):
        step(i)
    if device == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    for i in range(steps):
        step(i)
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / steps


def grid_part(base: Point, data, x, lanes: int, seconds: float) -> dict[str, float]:
    """Trainings an hour and mean epochs of a random part of the grid of one latent dimension, until the time is up."""
    axes = {name: values for name, values in eltager2023.grid.items() if name not in ("variant", "latent", "seed")}
    points = product(base, **axes)
    order = np.random.default_rng(0).permutation(len(points))
    finished, epochs, useful, computed, started = 0, 0, 0, 0, time.perf_counter()
    for tick in trained_points([points[i] for i in order], data, x, lanes):
        finished += len(tick.finished)
        epochs += sum(item.epochs for item in tick.finished)
        useful, computed = useful + tick.useful, computed + tick.computed
        if time.perf_counter() - started > seconds:
            break
    passed = time.perf_counter() - started
    # lanes cut off by the clock have trained too: the rate of lane-epochs is exact, the mean of the finished is a low bound
    return {
        "finished": finished,
        "mean_epochs": epochs / max(1, finished),
        "lane_epochs_per_second": useful / passed,
        "efficiency": useful / computed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--lanes", default="16,64,128")
    parser.add_argument("--samples", type=int, default=11_014)
    parser.add_argument("--features", type=int, default=5_000)
    parser.add_argument("--csv")
    options = parser.parse_args()
    begun = time.perf_counter()
    device = jax.devices()[0]
    data = data_set(options.samples, options.features)
    x = jnp.asarray(data.x)
    base = point(eltager2023.base, variant="vae", latent=50)
    rate = copy_rate(2048 if device.platform != "cpu" else 64)
    table: list[tuple[str, str]] = [("device", f"{device.platform} {device.device_kind}, jax {jax.__version__}")]
    table.append(("copy rate, read + written", f"{rate / 1e9:.0f} GB/s"))
    best, best_lanes, losses = float("inf"), 1, {}
    for precision in ("highest", "default"):
        with jax.default_matmul_precision(precision):
            make_train.cache_clear()
            for lanes in map(int, options.lanes.split(",")):
                if time.perf_counter() - begun > 0.6 * 60 * options.minutes:
                    break
                seconds, losses[precision, lanes], weights = lane_step(base, data, x, lanes)
                share = 10 * 4 * weights / rate / seconds
                name = "float32" if precision == "highest" else "default (TF32 on GPUs that have it)"
                table.append(
                    (f"lane-step, {lanes} lanes, {name}", f"{1e6 * seconds:.1f} us, {share:.0%} of the memory limit")
                )
                if seconds < best:
                    best, best_lanes = seconds, lanes
    for lanes in {lanes for _, lanes in losses}:
        pair = [losses.get((precision, lanes)) for precision in ("highest", "default")]
        if None not in pair:
            table.append((f"validation loss, {lanes} lanes, float32 and default", f"{pair[0]:.6f} {pair[1]:.6f}"))
    if importlib.util.find_spec("torch"):
        seconds = torch_step(base, options.features)
        table.append(("torch loop, Adam", f"{1e6 * seconds:.1f} us a step; lanes are {seconds / best:.1f}x faster"))
    make_train.cache_clear()
    left = 60 * options.minutes - (time.perf_counter() - begun)
    part = grid_part(base, data, x, best_lanes, max(5.0, 0.8 * left))
    table.append(("grid part", f"{part['finished']} finished, lane efficiency {part['efficiency']:.1%}"))
    table.append(("lane-epochs a second", f"{part['lane_epochs_per_second']:.1f}"))
    for mean in dict.fromkeys([round(part["mean_epochs"], 1), 40.0, 100.0]):
        if mean:
            hourly = 3600 * part["lane_epochs_per_second"] / mean
            hours = FULL_GRID / hourly
            table.append((f"at {mean} epochs a training", f"{hourly:.0f} trainings/h, full grid {hours:.1f} h"))
    width = max(len(name) for name, _ in table)
    print("\n".join(f"{name:{width}}  {value}" for name, value in table))
    if options.csv:
        with open(options.csv, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("what", "measured"), *table])


if __name__ == "__main__":
    main()
