"""Part c: the studies' way, a torch loop over one model after another, on the same device with the same precision."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from device_parts.children import Child, say
from device_parts.pools import LATENT
from device_parts.sizes import SIZES, Sizes
from device_parts.table import OUT_OF_TIME, Clock, Table, one_line, speed_of

PART = "c torch loop"
PRECISIONS = {"highest": "highest", "tensorfloat32": "high"}
"""Ours -> torch's name of the same."""
TARGET = 50


def run(table: Table, clock: Clock, sizes: Sizes, known: dict[str, Any]) -> None:
    """A row for every way of the loop and precision, each against our fastest lanes of the same precision."""
    if clock.left() < 5:
        table.add(PART, "torch", status=OUT_OF_TIME)
        return
    size = next(name for name, value in SIZES.items() if value == sizes)
    found, status = Child("torch", size).lines(clock.left())
    for line in found:
        name = f"{line['way']}, {line['precision']}"
        if "seconds" not in line:
            table.add(PART, name, status=line["status"])
            continue
        best = known.get("best", {}).get(line["precision"])
        text, more = f"{1e6 * line['seconds']:.0f} us a step", {}
        if best:
            more = {"times": line["seconds"] / best[0], "lanes": best[1]}
            text += f"; {best[1]} lanes are {more['times']:.1f}x as fast"
        target = f"lanes {TARGET * speed_of(table.facts['device']):.0f}x as fast"
        table.add(PART, name, text, line["seconds"], "s", target, **more)
    if status != "OK":
        table.add(PART, "torch", status=status)


def child(sizes: Sizes) -> None:
    """Say the seconds a step of every way at both precisions; what compiles comes last, since it may not end in time."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    for way, make in ways(sizes, device):
        for precision, theirs in PRECISIONS.items():
            torch.set_float32_matmul_precision(theirs)
            try:
                say(way=way, precision=precision, seconds=seconds_of(make(), sizes, device))
            except Exception as error:
                say(way=way, precision=precision, status=f"not available: {one_line(error)}")
            if device == "cuda":
                torch.cuda.empty_cache()


def ways(sizes: Sizes, device: str) -> Iterator[tuple[str, Callable[[], Callable[[int], None]]]]:
    """(name, function that makes a step) of every way to write the loop."""
    yield "eager, default Adam", lambda: training(sizes, device)[0]
    yield "eager, fused Adam", lambda: training(sizes, device, fused=True)[0]
    yield "one CUDA graph, fused Adam", lambda: graph(sizes, device)
    yield "torch.compile, fused Adam", lambda: training(sizes, device, fused=True, compiled=True)[0]


def training(
    sizes: Sizes, device: str, fused: bool = False, compiled: bool = False, capturable: bool = False
) -> tuple[Callable[[int], None], Any]:
    """``step(i)`` on batch i of a fixed matrix, and the batch that a graph would read."""
    import torch
    from torch import nn

    width, features, size = sizes.hidden, sizes.features, min(64, sizes.samples // 10)
    encoder = nn.Sequential(nn.Linear(features, width), nn.BatchNorm1d(width), nn.Tanh())
    heads = nn.Linear(width, 2 * LATENT)
    decoder = nn.Sequential(nn.Linear(LATENT, width), nn.BatchNorm1d(width), nn.Tanh(), nn.Linear(width, features))
    model = nn.ModuleList([encoder, heads, decoder]).to(device)
    options = {"fused": True} if fused else {}
    options |= {"capturable": True} if capturable else {}
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, **options)
    x = torch.randn(16 * size, features, device=device)
    batch = x[:size].clone()

    def loss(part: Any) -> Any:
        mean, logvar = heads(encoder(part)).chunk(2, 1)
        out = decoder(mean + torch.exp(0.5 * logvar) * torch.randn_like(mean))
        kl = -0.5 * (1 + logvar - mean**2 - logvar.exp()).sum(1).mean()
        return ((part - out) ** 2).mean() + 0.01 * kl

    value = torch.compile(loss) if compiled else loss

    def step(i: int) -> None:
        part = batch if i < 0 else x[(i % 16) * size : (i % 16 + 1) * size]
        optimizer.zero_grad(set_to_none=True)
        value(part).backward()
        optimizer.step()

    step.rows = x  # type: ignore[attr-defined]
    return step, batch


def graph(sizes: Sizes, device: str) -> Callable[[int], None]:
    """A whole step captured once and replayed: no host work but the copy of the batch."""
    import torch

    if device != "cuda":
        raise RuntimeError("CUDA graphs need a GPU")
    step, batch = training(sizes, device, fused=True, capturable=True)
    rows, size = step.rows, len(batch)  # type: ignore[attr-defined]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step(-1)
    torch.cuda.current_stream().wait_stream(side)
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured):
        step(-1)

    def replay(i: int) -> None:
        batch.copy_(rows[(i % 16) * size : (i % 16 + 1) * size])
        captured.replay()

    return replay


def seconds_of(step: Callable[[int], None], sizes: Sizes, device: str, repeats: int = 3) -> float:
    """Median seconds a step over a few loops, after steps that warm up."""
    import torch

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    for i in range(10):
        step(i)
    found = []
    for _ in range(repeats):
        wait()
        started = time.perf_counter()
        for i in range(sizes.torch_steps):
            step(i)
        wait()
        found.append((time.perf_counter() - started) / sizes.torch_steps)
    return statistics.median(found)
