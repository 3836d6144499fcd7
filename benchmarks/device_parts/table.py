"""The table of what was measured, written after every row; the clock; and the arithmetic between the rows."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

OUT_OF_TIME = "not run: out of time"
SLOWER = {"H200": 1.0, "H100": 0.7}
"""Share of an H200's speed that is asked of a device."""


class Table:
    """Rows of a part, what was measured, the value as text and as a number with its unit, a target, and a status.

    ``DIR/device.json`` and ``DIR/device.md`` are written again after every row, each in one step: a kill loses nothing.
    """

    def __init__(self, out: Path, facts: Mapping[str, Any]) -> None:
        self.out, self.facts = out, dict(facts)
        self.rows: list[dict[str, Any]] = []
        self.began = time.perf_counter()
        out.mkdir(parents=True, exist_ok=True)
        self.write()

    def add(
        self,
        part: str,
        what: str,
        value: str = "",
        number: float | None = None,
        unit: str = "",
        target: str = "",
        status: str = "OK",
        **more: Any,
    ) -> None:
        """Append a row and write both files; ``more`` are JSON values that only the JSON file has."""
        at = round(time.perf_counter() - self.began, 1)
        row = {"part": part, "what": what, "value": value, "number": number, "unit": unit, "target": target}
        self.rows.append({**row, "status": status, "at_seconds": at, **more})
        self.write()
        print(f"{at:7.1f} s  {part}  {what}: {value if status == 'OK' else status}", flush=True)

    def write(self) -> None:
        """Write both files as they stand now."""
        content = json.dumps({"facts": self.facts, "rows": self.rows}, indent=1)
        for name, text in (("device.json", content), ("device.md", markdown(self.facts, self.rows))):
            unfinished = self.out / f".{name}.{os.getpid()}"
            unfinished.write_text(text + "\n", encoding="utf-8")
            os.replace(unfinished, self.out / name)


def markdown(facts: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """The facts as a list and the rows as one table."""
    lines = [f"* {name}: {value}" for name, value in facts.items()]
    lines += ["", "| part | measured | value | target | status |", "|---|---|---|---|---|"]
    for row in rows:
        cells = (str(row[name]).replace("|", "/") for name in ("part", "what", "value", "target", "status"))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


class Clock:
    """Seconds that are left of all, and of the part that is running."""

    def __init__(self, seconds: float, now: Callable[[], float] = time.perf_counter) -> None:
        self.now = now
        self.end = self.limit = now() + seconds

    def begin(self, weight: float, later: float) -> None:
        """Begin a part that may take ``weight / (weight + later)`` of what is left; ``later``: weights of the parts after it."""
        self.limit = self.now() + max(0.0, self.end - self.now()) * weight / (weight + later)

    def left(self) -> float:
        """Seconds left of the running part, at least 0."""
        return max(0.0, min(self.limit, self.end) - self.now())

    def fits(self, seconds: float) -> bool:
        """Whether what takes ``seconds`` still fits into the running part."""
        return seconds <= self.left()


def one_line(error: BaseException) -> str:
    """An exception as one line of at most 200 characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def attempt(table: Table, part: str, what: str, measure: Callable[[], None]) -> bool:
    """Run ``measure``, which adds rows; an exception becomes the status of a row ``what``. Returns whether it went well."""
    try:
        measure()
    except Exception as error:
        table.add(part, what, status=f"failed: {one_line(error)}")
        return False
    return True


def in_time(table: Table, clock: Clock, part: str, what: str, seconds: float, measure: Callable[[], None]) -> bool:
    """:func:`attempt` where ``seconds`` still fit into the part, else a row that says so."""
    if not clock.fits(seconds):
        table.add(part, what, status=OUT_OF_TIME)
        return False
    return attempt(table, part, what, measure)


def timed(call: Callable[[], Any], seconds: float, least: int = 2, most: int = 9) -> list[float]:
    """Seconds of repeated calls: at least ``least``, then until ``seconds`` are spent or ``most`` are made."""
    spent: list[float] = []
    while len(spent) < least or (len(spent) < most and sum(spent) < seconds):
        started = time.perf_counter()
        call()
        spent.append(time.perf_counter() - started)
    return spent


# --- arithmetic ------------------------------------------------------------------------------------------------------


def bytes_by_hand(weights: int) -> int:
    """Bytes that one step must move: a weight, its gradient and two moments read and written, and gradient and weight once more.

    10 floats a weight: the weight is read forward and backward, the gradient written and read, both moments read and written,
    the weight read and written by the update.
    """
    return 10 * 4 * weights


def roofline_share(moved: float, rate: float, seconds: float) -> float:
    """Share of the memory limit: seconds that ``moved`` bytes take at ``rate`` bytes a second, of the seconds taken."""
    return moved / rate / seconds


def speed_of(device: str) -> float:
    """Share of an H200's speed that is asked of ``device``; 1 for one that is not named."""
    return next((share for name, share in SLOWER.items() if name in device), 1.0)


def at_other_sizes(known: Mapping[int, float], wanted: Sequence[int]) -> dict[int, float]:
    """Values at ``wanted`` sizes on straight lines between the ``known`` ones; beyond them, the nearest line goes on."""
    sizes = sorted(known)
    if len(sizes) == 1:
        return dict.fromkeys(wanted, known[sizes[0]])
    found = {}
    for size in wanted:
        i = min(max(sum(s <= size for s in sizes) - 1, 0), len(sizes) - 2)
        low, high = sizes[i], sizes[i + 1]
        found[size] = known[low] + (known[high] - known[low]) * (size - low) / (high - low)
    return found


def grid_hours(
    trainings: int, epochs: Mapping[float, float | None], epoch_seconds: Mapping[int, float]
) -> float | None:
    """Hours of ``trainings`` in equal parts over learning rates and latent sizes; ``None`` where no band has epochs.

    Args:
        trainings: of the whole grid.
        epochs: learning rate -> mean epochs of a training; ``None`` for a band in which none is known.
        epoch_seconds: latent size -> seconds of one epoch of one lane.
    """
    if not epochs or any(mean is None for mean in epochs.values()):
        return None
    mean_epochs = sum(mean or 0.0 for mean in epochs.values()) / len(epochs)
    mean_seconds = sum(epoch_seconds.values()) / len(epoch_seconds)
    return trainings * mean_epochs * mean_seconds / 3600


def hourly(lane_epochs_per_second: float, mean_epochs: float | None) -> float | None:
    """Trainings an hour; ``None`` where no training has finished."""
    return 3600 * lane_epochs_per_second / mean_epochs if mean_epochs else None
