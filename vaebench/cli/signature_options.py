"""Options of the commands on mutational signatures as dataclasses; see :mod:`vaebench.cli.options`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from vaebench.cli.options import Common, Compiled, Seeded


@dataclasses.dataclass(frozen=True)
class Extract(Seeded, Compiled):
    """Extract mutational signatures and exposures from a table of mutation counts, choose their number, and write a report."""

    catalogue: Annotated[Positional[Path | None], tyro.conf.arg(metavar="CATALOGUE")] = None
    """Table of counts with named channels, or a folder of VCF files, a VCF or a MAF, which are counted first. Without
    it a small catalogue is simulated."""
    reference_genome: Path | None = None
    """FASTA or 2bit file, to count VCF or MAF files, or the regions of --opportunities."""
    context: str = ""
    """Channels by which VCF or MAF files are counted: SBS96, SBS1536, DBS78 or ID83. Without it, those of the signatures."""
    opportunities: str | None = None
    """Part of the genome in which mutations were looked for: "genome", "exome", or a BED file (with --reference-genome).
    Signatures of the genome are converted to it, and results given on both scales."""
    out: Path = Path("results/extract")
    """Folder for signatures.csv, exposures.csv, samples.csv, selection.csv, matches.csv and report.html."""
    method: str = "sparse"
    """Method: this library's own "sparse", "nmf", or an autoencoder."""
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
    prior_weight: float = 0.0
    """Number of samples that each signature of --reference is worth as the prior of an extracted one near it, so that known
    signatures are found as themselves and new ones stand out. 0 for no prior; 100 is a good choice. Of "sparse" only."""
    intervals: str = "none"
    """Intervals of the exposures, in intervals.csv: "none", "anchored" (signatures that are reference ones, or blends of these,
    are replaced by them, then refitted; recommended with --reference), or "joint" (including the uncertainty of the signatures;
    for 300 samples or more)."""
    level: float = 0.95
    """Nominal coverage of the intervals."""
    types: Path | None = None
    """Table of the samples' cancer types (first column sample, second type). Not needed for names like "type::sample"."""
    fractions: bool = False
    """Allow counts that are not whole numbers."""
    tsv: bool = False
    """Write signatures.tsv, exposures.tsv and catalogue.tsv too, which SigProfilerPlotting reads."""
    names: str = "samples"
    """Meaning of the table's header: "samples", or "types" for cancer types, which may repeat."""
    per_mutation: bool = False
    """Also write per_mutation.csv, the probability of each signature by sample and channel, and for VCF or MAF input
    variants.csv, a row for each variant."""
    annotate_vcf: bool = False
    """Also write copies of VCF files with these probabilities in their INFO field, to OUT/annotated."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RefitOptions(Seeded, Compiled):
    """Estimate exposures of known signatures in a table of mutation counts, with intervals, and write a report."""

    catalogue: Annotated[Positional[Path], tyro.conf.arg(metavar="CATALOGUE")]
    """Table of counts with named channels, or a folder of VCF files, a VCF or a MAF, which are counted first."""
    signatures: Annotated[Positional[Path], tyro.conf.arg(metavar="SIGNATURES|EXTRACTION")]
    """Table of signatures with named channels, or the folder of an extraction: its signatures and the prior that it learned."""
    reference_genome: Path | None = None
    """FASTA or 2bit file, to count VCF or MAF files, or the regions of --opportunities."""
    context: str = ""
    """Channels by which VCF or MAF files are counted: SBS96, SBS1536, DBS78 or ID83. Without it, those of the signatures."""
    opportunities: str | None = None
    """Part of the genome in which mutations were looked for: "genome", "exome", or a BED file (with --reference-genome).
    Signatures of the genome are converted to it, and results given on both scales."""
    out: Path = Path("results/refit")
    """Folder for exposures.csv, intervals.csv, sums.csv, samples.csv, fit.json and report.html."""
    intervals: str = "spike_slab"
    """Method of the intervals, or "none" for exposures only."""
    level: float = 0.95
    """Nominal coverage of the intervals."""
    noise: str = "auto"
    """Distribution of the counts: "poisson" (one dispersion), "dirichlet" (dispersion grows with a sample's mutations),
    "negative_binomial" (variance grows with a channel's mean), or "auto" (the one that explains the scatter best)."""
    adapt: str = "auto"
    """Signatures of a cohort whose counts deviate from them in the same channels in all samples: "auto" adapts them, "none"
    leaves them as they are; for few samples, channel_factors.csv of an earlier cohort or the folder of its refit."""
    tissue: str | None = None
    """Tumour type, "Liver-HCC" (genomes), "LIHC" (exomes), ...: only signatures that PCAWG or TCGA have seen in it, and its
    published exposures as the prior of "spike_slab". Without it, those of the types that the counts resemble. Of an extraction,
    one of its own types."""
    prior: str = "published"
    """Prior of "spike_slab": "published" (of an extraction: what it learned), or "none" for the same weak prior for each
    signature."""
    include: tuple[str, ...] = ()
    """Signatures or groups to fit: --include SBS1 SBS5 APOBEC. Without it, all; with --tissue, beside those of the tissue."""
    exclude: tuple[str, ...] = ()
    """Signatures or groups to leave out: --exclude artefacts,treatment,UV SBS27. Groups are COSMIC's: MMR_deficiency,
    POL_deficiency, HR_deficiency, BER_deficiency, chemotherapy, immunosuppressants, treatment, APOBEC, tobacco, UV, AA,
    colibactin, artefact, lymphoid."""
    per_mutation: bool = False
    """Also write per_mutation.csv, the probability of each signature by sample and channel, and for VCF or MAF input
    variants.csv, a row for each variant."""
    annotate_vcf: bool = False
    """Also write copies of VCF files with these probabilities in their INFO field, to OUT/annotated."""
    set: tuple[str, ...] = ()
    """Settings of the autoencoder of "conformal" and "posterior_..." as NAME=VALUE: --set variant=weibull_vae beta=0.01."""
    types: Path | None = None
    """Table of the samples' cancer types (first column sample, second type). Not needed for names like "type::sample"."""
    fractions: bool = False
    """Allow counts that are not whole numbers."""
    tsv: bool = False
    """Write signatures.tsv, exposures.tsv and catalogue.tsv too, which SigProfilerPlotting reads."""
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
class Decompose(Seeded, Compiled):
    """Explain each extracted signature by few reference signatures, each of which explains enough, or as new."""

    signatures: Annotated[Positional[Path], tyro.conf.arg(metavar="SIGNATURES|EXTRACTION")]
    """Table of signatures with named channels, or the folder of an extraction, whose posterior gives the probabilities."""
    reference: Annotated[Positional[Path], tyro.conf.arg(metavar="REFERENCE")]
    """Table of known signatures with named channels."""
    out: Path = Path("results/decompose")
    """Folder for decomposition.csv, combinations.csv and decomposition.json."""
    cosine: float = 0.9
    """Least cosine of a signature and its combination; below it the signature is new."""
    gain: float = 0.3
    """Share of what is unexplained that each further reference signature must explain."""
    tolerance: float = 0.005
    """Missing cosine that counts as nothing left to explain."""
    most: int = 5
    """Largest number of reference signatures in a combination, from 1 to 8."""
    mutations: float | None = None
    """Number of mutations that each signature of a table was estimated from, for probabilities by multinomial noise."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calibrate(Seeded, Compiled):
    """Simulate from the fit of a cohort, and from what it may be wrong about, and report the worst coverage of the intervals."""

    catalogue: Annotated[Positional[Path], tyro.conf.arg(metavar="CATALOGUE")]
    """Table of counts with named channels."""
    signatures: Annotated[Positional[Path], tyro.conf.arg(metavar="SIGNATURES")]
    """Table of signatures with named channels."""
    out: Path = Path("results/calibrate")
    """Folder for coverage.csv, calibration.json and report.html."""
    opportunities: str | None = None
    """Part of the genome in which mutations were looked for: "genome", "exome", or a BED file (with --reference-genome).
    Signatures of the genome are converted to it, and widths given on both scales."""
    reference_genome: Path | None = None
    """FASTA or 2bit file, for the regions of --opportunities."""
    intervals: str = "spike_slab"
    """Method of the intervals."""
    level: float = 0.95
    """Nominal coverage of the intervals."""
    draws: int | None = None
    """Number of simulated cohorts from each source, 1 to 200: 5 or, of fewer than 20 samples, as many as have 100 tumours."""
    sources: str = "fit,neighbours,prior,spectra"
    """Sources of the true exposures, separated by commas: "fit" (posterior draws), "neighbours" (fits of resampled counts,
    without a prior), "prior" (tumours from published exposures) and "spectra" (posterior draws, spectra that vary)."""
    tissue: str | None = None
    """Tumour type, as for refit: the signatures that are offered, the prior, and the source "prior"."""
    noise: str = "auto"
    """Distribution of the counts: "poisson" (one dispersion), "dirichlet" (dispersion grows with a sample's mutations),
    "negative_binomial" (variance grows with a channel's mean), or "auto" (the one that explains the scatter best)."""
    types: Path | None = None
    """Table of the samples' cancer types (first column sample, second type). Not needed for names like "type::sample"."""
    fractions: bool = False
    """Allow counts that are not whole numbers."""
    names: str = "samples"
    """Meaning of the table's header: "samples", or "types" for cancer types, which may repeat."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Power(Seeded, Compiled):
    """Simulate samples and report the smallest share of their mutations at which each signature can be detected."""

    signatures: Annotated[Positional[Path], tyro.conf.arg(metavar="SIGNATURES")]
    """Table of signatures with named channels, those that a refit would be given: of the tissue rather than all."""
    mutations: str = "50,500,5000"
    """Numbers of mutations of a sample, separated by commas."""
    samples: int = 50
    """Number of simulated samples at each share of the mutations that is tried."""
    out: Path = Path("results/power")
    """Folder for power.csv and power.json."""
    opportunities: str | None = None
    """Part of the genome in which mutations were looked for: "genome", "exome", or a BED file (with --reference-genome).
    Signatures of the genome are converted to it; mutations are those of the target."""
    reference_genome: Path | None = None
    """FASTA or 2bit file, for the regions of --opportunities."""


SIGNATURE_COMMANDS = {
    "extract": Extract,
    "refit": RefitOptions,
    "match": Match,
    "decompose": Decompose,
    "calibrate": Calibrate,
    "power": Power,
}
"""Command name -> its options."""
SIGNATURE_HANDLERS: dict[type, str] = {
    Extract: "signatures:extract_signatures",
    RefitOptions: "signatures:refit_exposures",
    Match: "signatures:match_signatures",
    Decompose: "attribution:decompose_signatures",
    Calibrate: "signatures:calibrate_intervals",
    Power: "signatures:detection_limits",
}
"""Options -> ``module:function`` of the command line; see :data:`vaebench.cli.options.HANDLERS`."""
