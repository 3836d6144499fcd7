"""The registry of metrics and nothing else: one file of this folder, one line here."""

from __future__ import annotations

from vaebench.errors import unknown_name
from vaebench.metrics.correlation import METRIC as CORRELATION
from vaebench.metrics.cox import METRIC as COX
from vaebench.metrics.cox_heldout import METRIC as COX_HELDOUT
from vaebench.metrics.dci import METRIC as DCI
from vaebench.metrics.latent_use import METRIC as LATENT_USE
from vaebench.metrics.leiden import METRIC as LEIDEN
from vaebench.metrics.mig import METRIC as MIG
from vaebench.metrics.modularity import METRIC as MODULARITY
from vaebench.metrics.probe import METRIC as PROBE
from vaebench.metrics.reconstruction import METRIC as RECONSTRUCTION
from vaebench.metrics.rmig import METRIC as RMIG
from vaebench.metrics.sap import METRIC as SAP
from vaebench.metrics.total_correlation import METRIC as TOTAL_CORRELATION
from vaebench.metrics.wsepin import METRIC as WSEPIN
from vaebench.types import Metric

METRICS: dict[str, Metric] = {
    LEIDEN.name: LEIDEN,
    COX.name: COX,
    COX_HELDOUT.name: COX_HELDOUT,
    WSEPIN.name: WSEPIN,
    RMIG.name: RMIG,
    CORRELATION.name: CORRELATION,
    MIG.name: MIG,
    SAP.name: SAP,
    DCI.name: DCI,
    MODULARITY.name: MODULARITY,
    TOTAL_CORRELATION.name: TOTAL_CORRELATION,
    LATENT_USE.name: LATENT_USE,
    RECONSTRUCTION.name: RECONSTRUCTION,
    PROBE.name: PROBE,
}


def metric(name: str) -> Metric:
    """The metric of that name; ``InputError`` with the nearest name for an unknown one."""
    if name not in METRICS:
        raise unknown_name("metric", name, METRICS)
    return METRICS[name]
