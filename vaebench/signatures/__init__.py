"""Mutational signatures: extract them from a catalogue, or refit known ones, with intervals. Names are loaded on first use.

Public functions take and return data frames labelled by sample, signature and channel. Modules exchange arrays: X [T, M] counts,
``signatures`` [S, M] with rows that sum to 1, ``exposures`` [T, S] in mutations; the mean of X is exposures @ signatures.

Example::

    result = vb.signatures.extract(catalogue, reference=cosmic)
    found = vb.signatures.anchored_intervals(catalogue, result.signatures, cosmic)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_NAMES = {
    "Extraction": "vaebench.signatures.extraction",
    "SamplerOptions": "vaebench.signatures.sampler.options",
    "SparseOptions": "vaebench.signatures.sparse.options",
    "anchored": "vaebench.signatures.anchoring",
    "anchored_intervals": "vaebench.signatures.anchoring",
    "calibrate": "vaebench.signatures.calibration",
    "coverage_summary": "vaebench.signatures.coverage",
    "coverage_table": "vaebench.signatures.coverage",
    "DecompositionOptions": "vaebench.signatures.decomposition",
    "decompose": "vaebench.signatures.decomposition",
    "de_novo_intervals": "vaebench.signatures.joint.intervals",
    "extract": "vaebench.signatures.extraction",
    "annotate_vcf": "vaebench.signatures.variant_tables",
    "learned_prior": "vaebench.signatures.learned",
    "matches": "vaebench.signatures.matching",
    "muse_refit": "vaebench.signatures.autoencoders.muse",
    "per_mutation": "vaebench.signatures.attribution",
    "power": "vaebench.signatures.detection",
    "published_exposures": "vaebench.signatures.published",
    "read_channel_factors": "vaebench.signatures.channel_factors",
    "read_extraction": "vaebench.signatures.kept",
    "recovery": "vaebench.signatures.matching",
    "refit": "vaebench.signatures.refitting",
    "save_calibration": "vaebench.signatures.calibration",
    "save_power": "vaebench.signatures.detection",
    "subgroups": "vaebench.signatures.cosmic_groups",
    "tissues": "vaebench.signatures.published",
    "variant_table": "vaebench.signatures.variant_tables",
}

if TYPE_CHECKING:
    from vaebench.signatures.anchoring import anchored, anchored_intervals
    from vaebench.signatures.attribution import per_mutation
    from vaebench.signatures.autoencoders.muse import muse_refit
    from vaebench.signatures.calibration import calibrate, save_calibration
    from vaebench.signatures.channel_factors import read_channel_factors
    from vaebench.signatures.cosmic_groups import subgroups
    from vaebench.signatures.coverage import coverage_summary, coverage_table
    from vaebench.signatures.decomposition import DecompositionOptions, decompose
    from vaebench.signatures.detection import power, save_power
    from vaebench.signatures.extraction import Extraction, extract
    from vaebench.signatures.joint.intervals import de_novo_intervals
    from vaebench.signatures.kept import read_extraction
    from vaebench.signatures.learned import learned_prior
    from vaebench.signatures.matching import matches, recovery
    from vaebench.signatures.published import published_exposures, tissues
    from vaebench.signatures.refitting import refit
    from vaebench.signatures.sampler.options import SamplerOptions
    from vaebench.signatures.sparse.options import SparseOptions
    from vaebench.signatures.variant_tables import annotate_vcf, variant_table

__all__ = [
    "DecompositionOptions",
    "Extraction",
    "SamplerOptions",
    "SparseOptions",
    "anchored",
    "anchored_intervals",
    "annotate_vcf",
    "calibrate",
    "coverage_summary",
    "coverage_table",
    "de_novo_intervals",
    "decompose",
    "extract",
    "learned_prior",
    "matches",
    "muse_refit",
    "per_mutation",
    "power",
    "published_exposures",
    "read_channel_factors",
    "read_extraction",
    "recovery",
    "refit",
    "save_calibration",
    "save_power",
    "subgroups",
    "tissues",
    "variant_table",
]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'vaebench.signatures' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
