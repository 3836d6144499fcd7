"""The compiled programs that commands keep between processes, in the user's cache folder."""

from __future__ import annotations

import re
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from vaebench.atomic import check_writable

MOST_BYTES = 2 * 2**30
"""Size of the cache above which the programs that were used longest ago are deleted at the start of a command."""

_SUFFIX = "-cache"  # of JAX's files, after the name of the program and a digest
_DAMAGED = re.compile(r"Error reading persistent compilation cache entry for '([^']*)'")


def use_compilation_cache() -> None:
    """Keep compiled programs between processes, in the user's cache folder unless JAX is configured otherwise.

    A process that is killed can leave half a program there, which JAX never replaces. Such files are deleted when they are met.
    """
    import jax
    import platformdirs

    if getattr(jax.config, "jax_compilation_cache_dir", None) is not None:
        return
    folder = Path(platformdirs.user_cache_dir("vaebench", appauthor=False))
    try:
        check_writable(folder)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}"
        print(f"note: compiled programs are not kept, since {folder} cannot be written to ({reason})", file=sys.stderr)
        return
    prune(folder)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    warnings.showwarning = _Repair(folder, warnings.showwarning)


def prune(folder: Path, most: int = MOST_BYTES) -> None:
    """Delete empty programs, and those used longest ago until ``most`` bytes are left."""
    files = []
    for path in folder.glob(f"*{_SUFFIX}"):
        with suppress(OSError):  # another process has deleted it
            state = path.stat()
            files.append((max(state.st_atime, state.st_mtime), state.st_size, path))
    size = 0
    for _, bytes_, path in sorted(files, reverse=True):
        size += bytes_
        if size > most or not bytes_:
            with suppress(OSError):
                path.unlink()


class _Repair:
    """Shows warnings, except those on damaged programs of a folder: these are deleted, before JAX writes them again."""

    def __init__(self, folder: Path, show: Any) -> None:
        self.folder, self.show, self.said = folder, show, False

    def __call__(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """Take the place of :func:`warnings.showwarning`."""
        found = _DAMAGED.match(str(message))
        if not found:
            self.show(message, category, filename, lineno, file, line)
            return
        for path in self.folder.glob(f"*{_SUFFIX}"):
            if path.name.startswith(found[1]):
                with suppress(OSError):
                    path.unlink()
        if not self.said:
            self.said = True
            print(f"note: damaged programs in {self.folder} are deleted and compiled again", file=sys.stderr)
