"""Ending a command by Ctrl-C or SIGTERM: the first one cleanly, another one at once, and with a true sentence.

A signal raises ``KeyboardInterrupt`` wherever the main thread is, also inside a callback of a library that catches or ignores
every exception. Such an interrupt would be lost. So a thread looks whether the main thread handles it, and raises it again if
not. The same thread ends a process whose clean-up never ends, as when a library waits for a lock that the interrupt left taken.
"""

from __future__ import annotations

import _thread
import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from vaebench.cli.options import DataFetch, Quickstart, Run
from vaebench.cli.signature_options import Extract
from vaebench.data.files.folders import STEPS

LOOK_SECONDS = 1.0
"""Seconds between two looks whether an interrupt was lost. A signal this soon after the first is the same one, sent twice."""
LIMIT_SECONDS = 30.0
"""Seconds after an interrupt at which the process ends whatever it does; files are written whole or not at all."""


class _Ending:
    """Interrupts of this process: when the first was asked for, and whether the command has ended by it."""

    def __init__(self) -> None:
        self.asked: float | None = None
        self.ended = False
        self.again = False
        self.sentence: Callable[[], str] = lambda: "interrupted"


_ENDING = _Ending()


def handle_interrupts() -> None:
    """Let SIGINT and SIGTERM end this process, for good: a second one, a second or more later, ends it at once.

    For the process of a command only, since it replaces the handlers of signals.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _asked)
    atexit.register(_leave)  # before all others, so that it comes after all others
    others = sys.unraisablehook
    # an interrupt that a library ignored is raised again; its traceback would only confuse
    sys.unraisablehook = lambda lost: None if lost.exc_type is KeyboardInterrupt else others(lost)


def _asked(number: int, frame: FrameType | None) -> None:
    now = time.monotonic()
    if _ENDING.asked is None:
        _ENDING.asked = now
        threading.Thread(target=_insist, args=(threading.get_ident(),), name="vaebench-interrupt", daemon=True).start()
        raise KeyboardInterrupt
    if _ENDING.again:
        _ENDING.again = False
        raise KeyboardInterrupt
    if now - _ENDING.asked >= LOOK_SECONDS:
        _end_now()


def _end_now() -> None:
    if not _ENDING.ended:
        os.write(2, f"\n{_ENDING.sentence()}\n".encode())
    os._exit(130)


def _leave() -> None:
    """End an interrupted process before Python gives up its handlers: one that is interrupted again then ends by the signal."""
    if _ENDING.asked is None:
        return
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads on, or closed
            stream.flush()
    os._exit(130)


def _insist(main: int) -> None:
    """Interrupt the thread ``main`` again and again while it does not handle an interrupt; end the process at the limit."""
    limit = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < limit:
        time.sleep(LOOK_SECONDS)
        if not (_ENDING.ended or _handles_interrupt(main)):
            _ENDING.again = True
            _thread.interrupt_main()
    _end_now()


def _handles_interrupt(thread: int) -> bool:
    """Return whether a thread is inside ``except``, ``finally`` or the end of a ``with`` block because of an interrupt."""
    found: Any = sys._current_exceptions().get(thread)
    error: BaseException | None = found[1] if isinstance(found, tuple) else found  # a triple before Python 3.12
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def interrupt_asked() -> bool:
    """Return whether this process was asked to end; an error after that is a consequence, such as one of a callback."""
    return _ENDING.asked is not None


def expect_interrupts(sentence: Callable[[], str]) -> None:
    """Set the sentence that an interrupted command ends with."""
    _ENDING.sentence = sentence


def interrupts_over() -> None:
    """Note that the command has ended by an interrupt, so that none is raised again."""
    _ENDING.ended = True
    # Python remembers an interrupt that went through its own exec (dataclasses use it), and would end by SIGINT in place of 130
    exec("")


def interrupted_text(options: object) -> str:
    """Return the sentence on an interrupted command: what it has kept, and what the same command does.

    Args:
        options: of the command; anything else if it was interrupted before they were known.
    """
    out: Path | None = getattr(options, "out", None)
    if isinstance(options, Run | Quickstart) and not getattr(options, "dry_run", False):
        if any((options.out / "rows").glob("part-*.parquet")):
            return f"interrupted; the finished rows are in {out}, and the same command continues from there"
        return f"interrupted; {out} has no finished row yet, and the same command continues what is there"
    if isinstance(options, Extract):
        if any((options.out / STEPS).glob("*.msgpack")):
            return f"interrupted; the finished steps are in {options.out / STEPS}, and the same command continues from there"
        return f"interrupted; nothing new is in {out}, and the same command starts from its beginning"
    if isinstance(options, DataFetch):
        return "interrupted; what has arrived is kept, and the same command fetches the rest"
    if out is not None and not getattr(options, "dry_run", False):
        return f"interrupted; nothing new is in {out}, and the same command starts from its beginning"
    return "interrupted"
