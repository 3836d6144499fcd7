"""Options of the commands on mutational signatures as dataclasses; see :mod:`vaebench.cli.options`."""

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
    """Extract mutational signatures and exposures from a table of SBS96 counts, choose their number, and write a report."""

    catalogue: Annotated[Positional[Path | None], tyro.conf.arg(metavar="CATALOGUE")] = None
    """Table of counts with named channels, or a folder of VCF files, a VCF or a MAF, whose SBS96 is counted first. Without
    it a small catalogue is simulated."""
    reference_genome: Path | None = None
    """FASTA or 2bit file, to count VCF or MAF files."""
    out: Path = Path("results/extract")
    """Folder for signatures.csv, exposures.csv, samples.csv, selection.csv, matches.csv and report.html."""
    method: Annotated[str, tyro.conf.arg(help=methods_help())] = "sparse"
    k_min: int = 2
    """Smallest number of signatures tried."""
    k_max: int = 15
    """Largest number of signatures tried."""
    restarts: int = 10
    """Number of different starts for every number of signatures."""
    rule: str | None = None
    """Rule for the number of signatures: "stability" of the restarts (MUSE-XAE's rule, the default) or information
    "criterion" (always used by "sparse")."""
    augmentation: int = 5
    """Number of redraws of every sample that an autoencoder trains on (MUSE-XAE: 100, gislum2024: 20)."""
    set: tuple[str, ...] = ()
    """Other settings of an autoencoder as NAME=VALUE: --set beta=0.01 recipe=benchmarked epochs=500 patience=10."""
    reference: Path | None = None
    """Table of known signatures to match to."""
    intervals: str = "none"
    """Intervals of the exposures, in intervals.csv: "none", "joint" (including the uncertainty of the signatures), or
    "anchored" (signatures that match the reference are replaced by the reference's, then refitted)."""
    level: float = 0.95
    """Nominal coverage of the intervals."""
    types: Path | None = None
    """Table of the samples' cancer types (first column sample, second type). Not needed for names like "type::sample"."""
    fractions: bool = False
    """Allow counts that are not whole numbers."""
    names: str = "samples"
    """Meaning of the table's header: "samples", or "types" for cancer types, which may repeat."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RefitOptions(Seeded, Compiled):
    """Estimate exposures of known signatures in a table of SBS96 counts, with intervals, and write a report."""

    catalogue: Annotated[Positional[Path], tyro.conf.arg(metavar="CATALOGUE")]
    """Table of counts with named channels, or a folder of VCF files, a VCF or a MAF, whose SBS96 is counted first."""
    signatures: Annotated[Positional[Path], tyro.conf.arg(metavar="SIGNATURES")]
    """Table of signatures with named channels."""
    reference_genome: Path | None = None
    """FASTA or 2bit file, to count VCF or MAF files."""
    out: Path = Path("results/refit")
    """Folder for exposures.csv, intervals.csv, samples.csv, fit.json and report.html."""
    intervals: str = "spike_slab"
    """Method of the intervals: "spike_slab", "profile_likelihood", "bootstrap", "bootstrap_basic", "conformal",
    "posterior_percentile" or "posterior_released". "none" for exposures only."""
    level: float = 0.95
    """Nominal coverage of the intervals."""
    noise: str = "poisson"
    """Distribution of the counts: "poisson" (with an estimated dispersion) or "negative_binomial"."""
    set: tuple[str, ...] = ()
    """Settings of the autoencoder of "conformal" and "posterior_..." as NAME=VALUE: --set variant=weibull_vae beta=0.01."""
    types: Path | None = None
    """Table of the samples' cancer types (first column sample, second type). Not needed for names like "type::sample"."""
    fractions: bool = False
    """Allow counts that are not whole numbers."""
    names: str = "samples"
    """Meaning of the table's header: "samples", or "types" for cancer types, which may repeat."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Match(Common):
    """Match two sets of signatures one to one, with the largest sum of cosine similarities."""

    signatures: Annotated[Positional[Path], tyro.conf.arg(metavar="SIGNATURES")]
    """Table of signatures with named channels."""
    reference: Annotated[Positional[Path], tyro.conf.arg(metavar="REFERENCE")]
    """Table of signatures to match to, with named channels."""
    out: Path | None = None
    """Folder for matches.csv."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calibrate(Seeded, Compiled):
    """Simulate from the fit of a cohort and report the coverage of the intervals by signature and size."""

    catalogue: Annotated[Positional[Path], tyro.conf.arg(metavar="CATALOGUE")]
    """Table of counts with named channels."""
    signatures: Annotated[Positional[Path], tyro.conf.arg(metavar="SIGNATURES")]
    """Table of signatures with named channels."""
    out: Path = Path("results/calibrate")
    """Folder for coverage.csv, calibration.json and report.html."""
    intervals: str = "spike_slab"
    """Method of the intervals: "spike_slab", "profile_likelihood", "bootstrap", "bootstrap_basic", "conformal",
    "posterior_percentile" or "posterior_released"."""
    level: float = 0.95
    """Nominal coverage of the intervals."""
    draws: int = 5
    """Number of simulated cohorts."""
    noise: str = "poisson"
    """Distribution of the counts: "poisson" (with an estimated dispersion) or "negative_binomial"."""
    types: Path | None = None
    """Table of the samples' cancer types (first column sample, second type). Not needed for names like "type::sample"."""
    fractions: bool = False
    """Allow counts that are not whole numbers."""
    names: str = "samples"
    """Meaning of the table's header: "samples", or "types" for cancer types, which may repeat."""


SIGNATURE_COMMANDS = {"extract": Extract, "refit": RefitOptions, "match": Match, "calibrate": Calibrate}
"""Command name -> its options."""
SIGNATURE_HANDLERS: dict[type, str] = {
    Extract: "signatures:extract_signatures",
    RefitOptions: "signatures:refit_exposures",
    Match: "signatures:match_signatures",
    Calibrate: "signatures:calibrate_intervals",
}
"""Options -> ``module:function`` of the command line; see :data:`vaebench.cli.options.HANDLERS`."""
