"""Claims on points, so that several commands on one folder at the same time do not train the same points.

A claim is a lock on one byte of a file in the run's folder, at a place that follows from the point. The system takes the lock
back when its process ends, however that ends, so no claim is ever left over. Where there are no such locks (Windows, some network
file systems), every point is granted: both commands then train it, and of its two rows one is read.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
from collections.abc import Container, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from vaebench.results import finished
from vaebench.space import Point, point_id

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

PLACE = ".claims"
"""The file of the locks; it stays empty."""

_TAKEN = (errno.EACCES, errno.EAGAIN)


class Claims:
    """The points of a folder that this process trains; a context manager that gives them back.

    Locks count between processes: threads of one process do not see each other's.

    Args:
        out: folder of the run.
        digest: digest of the data set, for the identities of points.
    """

    def __init__(self, out: Path, digest: str) -> None:
        self.out, self.digest = out, digest
        self.file: IO[bytes] | None = None
        self.held: set[str] = set()
        self.rows: set[Path] = set()
        self.done: set[str] = set()

    def __enter__(self) -> Claims:
        if fcntl is not None:
            self.out.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(OSError):
                self.file = (self.out / PLACE).open("ab")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.file is not None:
            self.file.close()  # which gives all locks back

    def take(self, points: Sequence[Point], own: Container[Path]) -> tuple[list[Point], list[Point]]:
        """Claim points; returns those to train now, and those that another process trains. The others have a row by now.

        Args:
            points: the points wanted.
            own: parts with rows of this process, which tell nothing new.
        """
        ids = {point_id(point, self.digest): point for point in points}
        mine = {name for name in ids if self._locked(name)}
        # after the locks: what has no row now gets none from another process
        parts = {path for path in (self.out / "rows").glob("part-*.parquet") if path not in own}
        if not parts <= self.rows:
            self.rows, self.done = parts, finished(self.out)
        ready = mine - self.done
        self._release(mine & self.done)
        self.held |= ready
        others = [point for name, point in ids.items() if name not in mine and name not in self.done]
        return [point for name, point in ids.items() if name in ready], others

    def keep(self, points: Container[str]) -> None:
        """Give back the claims on all points but these; they have a row."""
        gone = {name for name in self.held if name not in points}
        self._release(gone)
        self.held -= gone

    def _locked(self, name: str) -> bool:
        if self.file is None or fcntl is None:
            return True
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(name))
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            self.file.close()  # a file system without locks
            self.file = None
        return True

    def _release(self, names: set[str]) -> None:
        if self.file is not None and fcntl is not None:
            for name in names:
                fcntl.lockf(self.file, fcntl.LOCK_UN, 1, _place(name))


def _place(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest()[:15], 16)
