"""The command line. It decides nothing: whatever a command does, one documented call in Python does."""

from __future__ import annotations

from vaebench.cli.main import COMMANDS, entry, main

__all__ = ["COMMANDS", "entry", "main"]
