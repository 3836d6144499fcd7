"""The memory that one file may take, checked before it is taken."""

from __future__ import annotations

import os
from pathlib import Path

from vaebench.errors import InputError

MEMORY = "VAEBENCH_MAX_GIB"
"""Environment variable: the most memory, in GiB, that the values of one file may take."""

RATIO = 200
"""Times its own size to which a file may unpack: tables pack to a tenth, sparse counts to a fiftieth; only damaged or
hostile files reach this."""

FORESEEN = 1 << 24
"""Unpacked bytes from which the size of the whole is foreseen."""

_GIB = 1 << 30
_SMALL = _GIB // 4  # below this no ratio is suspicious


def unpacked_limit(file: Path) -> int:
    """Returns the bytes to which a packed file may unpack without a question."""
    return _given_limit() or max(_SMALL, RATIO * os.path.getsize(file))


def refuse_oversized(file: Path, needed: int, what: str = "its values") -> None:
    """Raises ``InputError`` when ``needed`` bytes are more memory than one file may take.

    The limit is half of the machine's memory, and 1 GiB for a file of less than a 200th of ``needed``, which is likely
    damaged or hostile. The environment variable :data:`MEMORY` sets another limit.
    """
    small = needed > RATIO * os.path.getsize(file)
    most = _given_limit() or (min(_GIB, _half_of_memory()) if small else _half_of_memory())
    if needed > most:
        raise InputError(
            f"{file} needs {shown_size(needed)} of memory for {what}, and the limit is {shown_size(most)}; keep fewer "
            f"samples or features, or set the environment variable {MEMORY}={-(-needed // _GIB)}"
        )


def _given_limit() -> int:
    """Bytes that :data:`MEMORY` allows; 0 when it is not set."""
    given = os.environ.get(MEMORY, "")
    if not given:
        return 0
    try:
        most = float(given)
    except ValueError:
        most = 0.0
    if not 0 < most < 1e9:
        raise InputError(f"{MEMORY}={given!r} is not allowed; it must be a number of GiB above 0")
    return int(most * _GIB)


def _half_of_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (ValueError, OSError, AttributeError):  # not known on every system
        return 8 * _GIB


def shown_size(size: int) -> str:
    """Formats a number of bytes in GiB or MiB."""
    return f"{size / _GIB:.1f} GiB" if size >= _GIB // 10 else f"{size / (1 << 20):.1f} MiB"
