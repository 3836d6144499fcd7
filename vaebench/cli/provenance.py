"""Provenance of results of commands on signatures."""

from __future__ import annotations

import datetime
import hashlib
from typing import Any

import pandas as pd

from vaebench.version import __version__


def run_info(command: str, seconds: float, seed: int, catalogue: pd.DataFrame) -> dict[str, Any]:
    """Provenance of a result as JSON values: command, date, versions, device, seconds, seed and digest of the input."""
    import jax

    digest = hashlib.sha256(catalogue.to_csv().encode()).hexdigest()[:16]
    return {
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "version": __version__,
        "jax": jax.__version__,
        "device": str(jax.devices()[0].device_kind),
        "seconds": round(seconds, 1),
        "seed": seed,
        "catalogue digest": digest,
    }
