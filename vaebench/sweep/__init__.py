"""One run: on this process, on many, on a cluster. :func:`run` is ``vb.run``."""

from __future__ import annotations

from vaebench.sweep.runner import check_options, check_points, default_evaluators, run, sharded

__all__ = ["check_options", "check_points", "default_evaluators", "run", "sharded"]
