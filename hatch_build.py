"""Hook of the build that writes the commit into the package, as ``vaebench/commit.txt``, for ``vaebench --version``."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CommitHook(BuildHookInterface):
    """Adds the commit of the checkout; a source distribution has it already, and an editable install asks git."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file to what is built."""
        root = Path(self.root)
        if version == "editable" or (root / "vaebench" / "commit.txt").is_file() or not (root / ".git").exists():
            return
        git = ["git", "-C", self.root, "describe", "--always", "--exclude=*", "--abbrev=10", "--dirty=+"]
        try:
            commit = subprocess.run(git, capture_output=True, text=True, timeout=10, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            return
        self.file = Path(tempfile.mkdtemp()) / "commit.txt"
        self.file.write_text(commit, encoding="utf-8")
        build_data["force_include"][str(self.file)] = "vaebench/commit.txt"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary file."""
        if hasattr(self, "file"):
            self.file.unlink()
            self.file.parent.rmdir()
