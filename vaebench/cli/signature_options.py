"""The options of the commands on mutational signatures, as dataclasses: a field is an option, its docstring the help."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from vaebench.cli.options import Common, Compiled, Seeded
from vaebench.signatures.methods import methods_help


@dataclasses.dataclass(frozen=True)
class Extract(Seeded, Compiled):
    """Extract mutational signatures and exposures from a table of SBS96 counts, their number chosen, and write a report."""

    catalogue: Annotated[Positional[Path | None], tyro.conf.arg(metavar="CATALOGUE")] = None
    """Table of counts, channels by name; without it a small catalogue is simulated."""
    out: Path = Path("results/extract")
    """Folder for signatures.csv, exposures.csv, samples.csv, selection.csv, matches.csv and report.html."""
    method: Annotated[str, tyro.conf.arg(help=methods_help())] = "sparse"
    k_min: int = 2
    """Smallest number of signatures tried."""
    k_max: int = 15
    """Largest number of signatures tried."""
    restarts: int = 10
    """Trainings from different starts for every number of signatures."""
    rule: str | None = None
    """How the number is chosen: by "stability" of the restarts (MUSE-XAE's rule, the default) or by the information
    "criterion" (always that for "sparse")."""
    augmentation: int = 5
    """Redraws of every sample that an autoencoder trains on: MUSE-XAE 100, gislum2024 20."""
    set: tuple[str, ...] = ()
    """Any other setting of an autoencoder, as NAME=VALUE: --set beta=0.01 recipe=benchmarked epochs=500 patience=10."""
    reference: Path | None = None
    """Table of known signatures to match with."""
    intervals: str = "none"
    """Of the exposures, in intervals.csv: "joint" carries what is not known of the signatures; "anchored" takes signatures
    that match the reference for the reference's own, and refits."""
    level: float = 0.95
    """Nominal coverage of the intervals."""
    types: Path | None = None
    """Table of the samples' cancer types (first column sample, second type); names like "type::sample" need none."""
    fractions: bool = False
    """Allow counts that are not whole numbers."""
    names: str = "samples"
    """"types" where the header names cancer types and not samples, so that names come again."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RefitOptions(Seeded, Compiled):
    """Exposures of known signatures in a table of SBS96 counts, with intervals, and a report."""

    catalogue: Annotated[Positional[Path], tyro.conf.arg(metavar="CATALOGUE")]
    """Table of counts, channels by name."""
    signatures: Annotated[Positional[Path], tyro.conf.arg(metavar="SIGNATURES")]
    """Table of signatures, channels by name."""
    out: Path = Path("results/refit")
    """Folder for exposures.csv, intervals.csv, samples.csv, fit.json and report.html."""
    intervals: str = "spike_slab"
    """Method of the intervals: "spike_slab", "profile_likelihood", "bootstrap", "bootstrap_basic", "conformal",
    "posterior_percentile" or "posterior_released"; "none" for exposures only."""
    level: float = 0.95
    """Nominal coverage of the intervals."""
    noise: str = "poisson"
    """"poisson" (with its dispersion estimated) or "negative_binomial"."""
    set: tuple[str, ...] = ()
    """Settings of the autoencoder behind "conformal" and "posterior_...", as NAME=VALUE: --set variant=weibull_vae beta=0.01."""
    types: Path | None = None
    """Table of the samples' cancer types (first column sample, second type); names like "type::sample" need none."""
    fractions: bool = False
    """Allow counts that are not whole numbers."""
    names: str = "samples"
    """"types" where the header names cancer types and not samples, so that names come again."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Match(Common):
    """Pair two sets of signatures so that the sum of their cosine similarities is largest."""

    signatures: Annotated[Positional[Path], tyro.conf.arg(metavar="SIGNATURES")]
    """Table of signatures, channels by name."""
    reference: Annotated[Positional[Path], tyro.conf.arg(metavar="REFERENCE")]
    """Table of signatures to match with."""
    out: Path | None = None
    """Folder for matches.csv."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calibrate(Seeded, Compiled):
    """Simulate from the fit of a cohort and report how often intervals would hold the truth, by signature and size."""

    catalogue: Annotated[Positional[Path], tyro.conf.arg(metavar="CATALOGUE")]
    """Table of counts, channels by name."""
    signatures: Annotated[Positional[Path], tyro.conf.arg(metavar="SIGNATURES")]
    """Table of signatures, channels by name."""
    out: Path = Path("results/calibrate")
    """Folder for coverage.csv, calibration.json and report.html."""
    intervals: str = "spike_slab"
    """Method of the intervals: "spike_slab", "profile_likelihood", "bootstrap", "bootstrap_basic", "conformal",
    "posterior_percentile" or "posterior_released"."""
    level: float = 0.95
    """Nominal coverage of the intervals."""
    draws: int = 5
    """Cohorts simulated."""
    noise: str = "poisson"
    """"poisson" (with its dispersion estimated) or "negative_binomial"."""
    types: Path | None = None
    """Table of the samples' cancer types (first column sample, second type); names like "type::sample" need none."""
    fractions: bool = False
    """Allow counts that are not whole numbers."""
    names: str = "samples"
    """"types" where the header names cancer types and not samples, so that names come again."""


SIGNATURE_COMMANDS = {"extract": Extract, "refit": RefitOptions, "match": Match, "calibrate": Calibrate}
"""Command name -> its options."""
SIGNATURE_HANDLERS: dict[type, str] = {
    Extract: "signatures:extract_signatures",
    RefitOptions: "signatures:refit_exposures",
    Match: "signatures:match_signatures",
    Calibrate: "signatures:calibrate_intervals",
}
"""Options -> ``module:function`` of the command line; see :data:`vaebench.cli.options.HANDLERS`."""
