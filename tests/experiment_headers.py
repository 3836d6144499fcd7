"""What the headers of experiment scripts promise."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import scripts

FOLDER = Path(scripts.__file__).parent
OLDER = (
    "recommended_setting",
    "gislum2024_beta",
    "gislum2024_coverage",
    "gislum2024_de_novo",
    "gislum2024_extraction",
    "gislum2024_pcawg",
    "gislum2024_rare",
    "gislum2024_unseen",
    "known_exposures",
    "known_factors",
    "tumour_factors",
    "hidden_widths",
    "open_questions",
    "trust",
    "real_tumours",
    "real_extraction",
    "trust_extraction",
    "trust_calibration",
    "trust_best",
    "cohort_types",
)
"""Scripts with a smoke preset of their own: see test_experiments_signatures.py."""


def promised(name: str) -> list[str]:
    """Patterns of the files that a script's header says it writes; words in capitals stand for names."""
    text = (importlib.import_module(name).__doc__ or "").rpartition("Writes ")[2]
    files = re.findall(r"[\w/]+\.(?:csv|png|md|html)\b", text)
    return [re.sub(r"[A-Z]{2,}", "*", file.removeprefix("OUT/")) for file in files]
