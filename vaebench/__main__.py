"""``python -m vaebench``: the command line."""

from vaebench.cli.main import entry

entry()
