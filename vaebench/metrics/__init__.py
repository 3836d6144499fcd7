"""The registry of metrics and nothing else: one file of this folder, one line here."""

from __future__ import annotations

from vaebench.metrics.cox import METRIC as COX
from vaebench.metrics.leiden import METRIC as LEIDEN
from vaebench.types import Metric, unknown_name

METRICS: dict[str, Metric] = {
    LEIDEN.name: LEIDEN,
    COX.name: COX,
}


def metric(name: str) -> Metric:
    """The metric of that name; ``InputError`` with the nearest name for an unknown one."""
    if name not in METRICS:
        raise unknown_name("metric", name, METRICS)
    return METRICS[name]
