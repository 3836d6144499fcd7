"""The version of the package, the only place where it is written, and the commit that it was made from."""

from __future__ import annotations

import subprocess
from pathlib import Path

__version__ = "0.2.0"


def commit() -> str:
    """Return the commit of this copy, with a plus sign if its files were changed since; ``""`` where nothing records it.

    A wheel has it in ``commit.txt``, which the build writes; a checkout asks git.
    """
    here = Path(__file__).parent
    recorded = here / "commit.txt"
    if recorded.is_file():
        return recorded.read_text(encoding="utf-8").strip()
    if not (here.parent / ".git").exists():
        return ""
    git = ["git", "-C", str(here.parent), "describe", "--always", "--exclude=*", "--abbrev=10", "--dirty=+"]
    try:
        return subprocess.run(git, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def version_text() -> str:
    """Return the version with its commit, such as ``0.2.0 (commit 1a2b3c4d5e)``."""
    found = commit()
    return f"{__version__} (commit {found})" if found else __version__
