"""What the profiler wrote, as shares of the device's time by kernel."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def kernels(folder: Path, most: int = 8) -> list[tuple[str, float]]:
    """(name, share of device time) of the kernels that took longest, of the trace that ``jax.profiler`` wrote to ``folder``.

    Raises:
        FileNotFoundError: no trace there.
    """
    paths = sorted(folder.rglob("*.trace.json.gz"))
    if not paths:
        raise FileNotFoundError("the profiler wrote no trace")
    with gzip.open(paths[-1], "rt", encoding="utf-8") as file:
        return shares(json.load(file)["traceEvents"], most)


def shares(events: Sequence[Mapping[str, Any]], most: int = 8) -> list[tuple[str, float]]:
    """(name, share) of complete events on the device's streams; on a CPU, of XLA's threads of the host.

    A GPU's tracks show the same time several times, by stream, module and operation: only streams are counted.
    """
    processes = {e["pid"]: e["args"]["name"] for e in events if e.get("name") == "process_name"}
    threads = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e.get("name") == "thread_name"}
    devices = {pid for pid, name in processes.items() if "/device:" in name}
    streams = {key for key, name in threads.items() if key[0] in devices and "Stream" in name}
    if not streams:
        streams = {key for key, name in threads.items() if "XLA" in name or "Eigen" in name}
    spent: Counter[str] = Counter()
    for event in events:
        if event.get("ph") == "X" and (event["pid"], event["tid"]) in streams:
            spent[event["name"]] += event.get("dur", 0)
    total = sum(spent.values())
    return [(name, time / total) for name, time in spent.most_common(most) if total]
