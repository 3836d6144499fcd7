"""The command line. Everything that a command does is also one documented call in Python.

In reading order: ``options`` and ``signature_options`` (the options as dataclasses), ``main`` (parsing and exit codes), then the
commands in ``runs``, ``data`` and ``signatures``, with ``parsing`` and ``text`` as their helpers.
"""

from __future__ import annotations

from vaebench.cli.main import COMMANDS, entry, main

__all__ = ["COMMANDS", "entry", "main"]
