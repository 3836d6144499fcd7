"""Provenance of results of commands on signatures."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from pathlib import Path
from typing import Any

import pandas as pd

from vaebench.cli.options import Common, Compiled, Seeded
from vaebench.version import __version__


def run_info(command: str, seconds: float, options: Seeded, catalogue: pd.DataFrame) -> dict[str, Any]:
    """Provenance of a result as JSON values: command, date, versions, device, seconds, seed, settings and digest of the input."""
    import jax

    digest = hashlib.sha256(catalogue.to_csv().encode()).hexdigest()[:16]
    return {
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "version": __version__,
        "jax": jax.__version__,
        "device": str(jax.devices()[0].device_kind),
        "seconds": round(seconds, 1),
        "seed": options.seed,
        "catalogue digest": digest,
        "settings": _settings(options),
    }


def _settings(options: Seeded) -> dict[str, Any]:
    """Settings of a command, defaults too, as JSON values; without those that every command has."""
    common = {field.name for kind in (Common, Seeded, Compiled) for field in dataclasses.fields(kind)}
    values = {name: value for name, value in dataclasses.asdict(options).items() if name not in common}
    return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}
