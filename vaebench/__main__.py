"""``python -m vaebench``: the command line."""

from vaebench.cli import entry

entry()
