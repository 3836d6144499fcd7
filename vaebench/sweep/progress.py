"""Progress of sweeps, models and signatures: a bar on a terminal, one line that is rewritten in a notebook, else plain lines.

Terminals and files get it on stderr, a plain line every few seconds. Nothing is shown when quiet.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, TextIO

PLAIN_SECONDS = 10.0
"""Shortest time between two plain lines of a sweep."""
STEP_SECONDS = 5.0
"""Shortest time between two lines of :class:`StepDisplay`."""
NOTEBOOK_SECONDS = 0.5
"""Shortest time between two changes of the line in a notebook."""


class RunProgress(NamedTuple):
    """Progress of a run.

    Attributes:
        groups: compiled programs, or pieces of work on several processes.
        group: number of the current program, or of finished pieces.
        points: points to be done by this process.
        done: points that have a row.
        failed: rows with a status other than OK.
        queued: embeddings waiting for evaluation.
        epochs: lane-epochs trained.
        efficiency: share of the computed lane-epochs that trained a running lane; ``None`` if unknown.
        seconds: since the start.
    """

    groups: int
    group: int
    points: int
    done: int
    failed: int
    queued: int
    epochs: int
    efficiency: float | None
    seconds: float


class Display(Protocol):
    """Anything that can show a :class:`RunProgress`."""

    def show(self, state: RunProgress) -> None:
        """Show the state of the run."""
        ...

    def end(self, cost: Mapping[str, Any]) -> None:
        """Show the cost of the run."""
        ...


def show_notes(notes: Iterable[str]) -> None:
    """Print the notes of a run on stderr, one a line, before its progress."""
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


def duration(seconds: float) -> str:
    """Return ``seconds`` as text: "42 s", "3 min 05 s", "2 h 10 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def line(state: RunProgress) -> str:
    """Return one line of progress: programs, points done, failed and waiting, rate, lane efficiency, host queue, time left."""
    rate = state.done / state.seconds if state.seconds > 0 else 0.0
    left = duration((state.points - state.done) / rate) if rate > 0 else "unknown"
    return (
        f"program {state.group}/{state.groups} · {state.done}/{state.points} points"
        f"{f' ({state.failed} failed)' if state.failed else ''} · {60 * rate:.1f} trainings/min ({3600 * rate:.0f}/h)"
        f"{_engine(state)} · {left} left"
    )


def _engine(state: RunProgress) -> str:
    """Return the end of the line with numbers that only a training process has; empty in others."""
    if state.efficiency is None:
        return ""
    speed = state.epochs / max(state.seconds, 1e-9)
    return f" · {speed:.1f} epochs/s · lane efficiency {100 * state.efficiency:.0f}% · {state.queued} in evaluation"


def summary(cost: Mapping[str, Any]) -> str:
    """Return the line at the end of a run."""
    trained, seconds = cost["trainings"], cost["seconds"]
    if not trained:
        return "nothing was left to train"
    rate = 3600 * trained / max(seconds, 1e-9)
    efficiency = 100 * cost["epochs"] / max(1, cost["computed_epochs"])
    return (
        f"trained {trained} points in {duration(seconds)} ({rate:.0f}/h), {cost['epochs'] / trained:.0f} epochs on average, "
        f"{cost['programs']} compiled programs, lane efficiency {efficiency:.1f}%"
    )


class _Quiet:
    def show(self, state: RunProgress) -> None:
        """Show nothing."""

    def end(self, cost: Mapping[str, Any]) -> None:
        """Show nothing."""


class _Plain:
    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.last = time.monotonic()
        self.complete = False

    def show(self, state: RunProgress) -> None:
        """Print a line at most every ``PLAIN_SECONDS``, and one when all points are done."""
        now, complete = time.monotonic(), state.done == state.points
        if (complete or now - self.last >= PLAIN_SECONDS) and not self.complete:
            self.last, self.complete = now, complete
            print(line(state), file=self.stream, flush=True)

    def end(self, cost: Mapping[str, Any]) -> None:
        """Print the summary."""
        print(summary(cost), file=self.stream, flush=True)


def in_notebook() -> bool:
    """Returns true in a kernel that shows output in a notebook; false in a terminal, also IPython's."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and hasattr(shell, "kernel")


class NotebookLine:
    """One line of output in a notebook that is rewritten.

    Rich's own display needs ipywidgets in the kernel and in the page; this one needs neither.
    """

    def __init__(self) -> None:
        from IPython.display import display as shown

        self.handle = shown({"text/plain": "starting"}, raw=True, display_id=True)
        self.last = 0.0

    def write(self, text: str, now: bool = False) -> None:
        """Show ``text``, unless the line has just changed and ``now`` is false."""
        moment = time.monotonic()
        if self.handle is not None and (now or moment - self.last >= NOTEBOOK_SECONDS):
            self.last = moment
            self.handle.update({"text/plain": text}, raw=True)

    def show(self, state: RunProgress) -> None:
        """Show the state of the run."""
        self.write(line(state), now=state.done == state.points)

    def end(self, cost: Mapping[str, Any]) -> None:
        """Show the summary in place of the state."""
        self.write(summary(cost), now=True)


@contextmanager
def display(quiet: bool = False) -> Iterator[Display]:
    """Yield a display for the length of a ``with`` block.

    A bar on a terminal, one line that is rewritten in a notebook, plain lines elsewhere, nothing when quiet.
    """
    stream = sys.stderr
    if not quiet and in_notebook():
        yield NotebookLine()
        return
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
            def show(self, state: RunProgress) -> None:
                """Move the bar."""
                bars.update(task, description=line(state), total=state.points, completed=state.done)

            def end(self, cost: Mapping[str, Any]) -> None:
                """Print the summary above the bar, which disappears."""
                bars.console.print(summary(cost), highlight=False)

        yield Bar()


class StepDisplay:
    """Progress of a long computation: a line every few seconds with the time left; nothing when quiet.

    In a notebook the line is rewritten. For :func:`vaebench.training.model.fit`, ``extract`` and the like:
    ``progress=StepDisplay()``.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.notebook = NotebookLine() if not quiet and in_notebook() else None
        self.last = time.monotonic()
        self.first: tuple[int, float] | None = None

    def __call__(self, what: str, done: int, total: int) -> None:
        """Print ``done`` of ``total`` steps of ``what``, at most every ``STEP_SECONDS`` and when all are done.

        The time left follows from the steps after the first one that is reported: compilation comes before it.
        """
        now = time.monotonic()
        if self.first is None or done < self.first[0]:
            self.first = (done, now)
        if self.quiet or (now - self.last < (0 if self.notebook else STEP_SECONDS) and done != total):
            return
        self.last = now
        begun, since = self.first
        left = duration((now - since) / (done - begun) * (total - done)) if done > begun else "unknown"
        text = f"{what}: {done}/{total} · {left} left"
        if self.notebook:
            self.notebook.write(text, now=done == total)
        else:
            print(text, file=sys.stderr, flush=True)
