"""What a person sees while waiting: one line on a terminal, a plain line every few seconds elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol, TextIO

PLAIN_SECONDS = 10.0


class State(NamedTuple):
    """Progress of a run: numbers of groups and points, and the host's queue.

    ``started`` is the clock at which training began; ``already`` counts points done before this run.
    """

    groups: int
    group: int
    points: int
    done: int
    failed: int
    queued: int
    epochs: int
    efficiency: float
    seconds: float


class Display(Protocol):
    """Anything that can show a :class:`State`."""

    def show(self, state: State) -> None:
        """Show the state of the run."""
        ...


def duration(seconds: float) -> str:
    """``seconds`` for people: "42 s", "3 min 05 s", "2 h 10 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def line(state: State) -> str:
    """One line of progress: programs, points, rate, lane efficiency, host queue, time left."""
    rate = state.done / state.seconds if state.seconds > 0 else 0.0
    left = duration((state.points - state.done) / rate) if rate > 0 else "unknown"
    return (
        f"program {state.group}/{state.groups} · {state.done}/{state.points} points"
        f"{f' ({state.failed} failed)' if state.failed else ''} · {60 * rate:.1f} trainings/min · "
        f"{state.epochs / max(state.seconds, 1e-9):.1f} epochs/s · lane efficiency {100 * state.efficiency:.0f}% · "
        f"{state.queued} waiting for evaluation · {left} left"
    )


class _Quiet:
    def show(self, state: State) -> None:
        """Nothing."""


class _Plain:
    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.last = time.monotonic()

    def show(self, state: State) -> None:
        """A line, at most one every ``PLAIN_SECONDS``, and one when all points are done."""
        now = time.monotonic()
        if now - self.last >= PLAIN_SECONDS or state.done == state.points:
            self.last = now
            print(line(state), file=self.stream, flush=True)


@contextmanager
def display(quiet: bool = False) -> Iterator[Display]:
    """A display for the length of a ``with`` block: a bar on a terminal, plain lines elsewhere, nothing when quiet."""
    stream = sys.stderr
    if quiet or stream is None:  # no stderr: a windowed program
        yield _Quiet()
        return
    if not stream.isatty():
        yield _Plain(stream)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    with Progress(TextColumn("{task.description}"), BarColumn(), console=Console(file=stream), transient=True) as bars:
        task = bars.add_task("starting", total=None)

        class Bar:
            def show(self, state: State) -> None:
                """Move the bar."""
                bars.update(task, description=line(state), total=state.points, completed=state.done)

        yield Bar()
