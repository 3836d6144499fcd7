"""Mutations: counting them from VCF and MAF files, and catalogues with their channels, files and simulation."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_NAMES = {
    "count": "counting",
    "Counted": "counting",
    "read_variants": "variants",
    "Variants": "records",
    "CHANNELS": "channel_names",
    "CONTEXTS": "channel_names",
    "Opportunities": "opportunities",
    "read_opportunities": "opportunities",
    "cancer_types": "tables",
    "read_catalogue": "tables",
    "read_exposures": "tables",
    "read_signatures": "tables",
    "write_catalogue": "tables",
    "write_exposures": "tables",
    "write_signatures": "tables",
}

if TYPE_CHECKING:
    from vaebench.data.mutations.channel_names import CHANNELS as CHANNELS
    from vaebench.data.mutations.channel_names import CONTEXTS as CONTEXTS
    from vaebench.data.mutations.counting import Counted as Counted
    from vaebench.data.mutations.counting import count as count
    from vaebench.data.mutations.opportunities import Opportunities as Opportunities
    from vaebench.data.mutations.opportunities import read_opportunities as read_opportunities
    from vaebench.data.mutations.records import Variants as Variants
    from vaebench.data.mutations.tables import cancer_types as cancer_types
    from vaebench.data.mutations.tables import read_catalogue as read_catalogue
    from vaebench.data.mutations.tables import read_exposures as read_exposures
    from vaebench.data.mutations.tables import read_signatures as read_signatures
    from vaebench.data.mutations.tables import write_catalogue as write_catalogue
    from vaebench.data.mutations.tables import write_exposures as write_exposures
    from vaebench.data.mutations.tables import write_signatures as write_signatures
    from vaebench.data.mutations.variants import read_variants as read_variants

__all__ = [*_NAMES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"vaebench.data.mutations.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'vaebench.data.mutations' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
