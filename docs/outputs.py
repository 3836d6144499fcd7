"""Write the page of output files: for each command its files, and of tables their columns with units.

A test runs the commands' Python calls and compares files and columns with these lists.
"""

from __future__ import annotations

from typing import NamedTuple


class File(NamedTuple):
    """A file: when it is written, what it holds, and the (column, unit, meaning) of a table."""

    name: str
    holds: str
    columns: tuple[tuple[str, str, str], ...] = ()


_SAMPLE = ("sample", "", "name of the sample")
_SIGNATURE = ("signature", "", "name of the signature")
_EXPOSURES = (("Samples", "", "name of the sample"), ("SIGNATURE", "mutations", "a column for each signature"))
_SPECTRA = (("Type", "", "channel, such as A[C>A]A"), ("SIGNATURE", "0 to 1", "a column for each; each sums to 1"))
_INTERVALS = (
    _SAMPLE,
    _SIGNATURE,
    ("exposure", "mutations", "posterior mean, whatever the presence; nowhere exactly 0"),
    ("lower", "mutations", "lower end of the interval"),
    ("upper", "mutations", "upper end of the interval"),
    ("presence", "0 to 1", "probability that the signature is active; empty for methods without one"),
)
_MANIFEST = File("manifest.json", "names of the folder's files; the next result replaces them all")
_REPORT = File("report.html", "all of it, drawn; its pictures are in `figures/`")
_PER_MUTATION = File(
    "per_mutation.csv",
    "probability of each signature by sample and channel; with `--per-mutation`",
    (
        _SAMPLE,
        ("channel", "", "channel of the mutations"),
        ("mutations", "mutations", "counted there"),
        ("SIGNATURE", "0 to 1", "a column for each; SIGNATURE_lower and SIGNATURE_upper where exposures are drawn"),
    ),
)
_VARIANTS = File(
    "variants.csv",
    "one row for each variant; with `--per-mutation` and VCF or MAF input",
    (
        _SAMPLE,
        ("chrom", "", "chromosome"),
        ("pos", "bases", "position, from 1"),
        ("ref", "", "reference allele"),
        ("alt", "", "new allele"),
        ("channel", "", "channel, empty if not counted"),
        ("reason", "", "why it was not counted"),
        ("file", "", "file it was read from"),
        ("line", "", "line in that file"),
        ("signature", "", "the most probable one"),
        ("SIGNATURE", "0 to 1", "as in per_mutation.csv"),
    ),
)
_EXTRA = (
    File("annotated/", "copies of the VCF files with these probabilities; with `--annotate-vcf`"),
    File("*.tsv", "signatures, exposures and catalogue for SigProfilerPlotting; with `--tsv`"),
)
_FIT = (
    ("Samples", "", "name of the sample"),
    ("mutations", "mutations", "counted in the sample"),
    ("cosine", "0 to 1", "of its counts and their fit; empty without mutations"),
)

_DECOMPOSITION = File(
    "decomposition.csv",
    "each signature as few reference signatures, or new",
    (
        _SIGNATURE,
        ("references", "", "names joined by +, or new"),
        ("shares", "0 to 1", "of each reference, joined by +"),
        ("cosine", "0 to 1", "of the signature and the combination"),
        ("target", "0 to 1", "cosine that a combination had to reach"),
        ("probability", "0 to 1", "share of the draws in which this is the answer"),
        ("draws", "draws", "their number"),
        ("nearest", "", "nearest single reference signature"),
        ("nearest_cosine", "0 to 1", "its cosine"),
    ),
)
_COMBINATIONS = File(
    "combinations.csv",
    "all combinations that may be the answer",
    (
        _SIGNATURE,
        ("references", "", "names joined by +, or new"),
        ("cosine", "0 to 1", "of the signature and the combination"),
        ("probability", "0 to 1", "share of the draws in which it is the answer"),
    ),
)
_MATCHES = File(
    "matches.csv",
    "the reference signature that matches each; with `--reference`",
    (
        ("extracted", "", "name of the extracted signature"),
        ("reference", "", "its partner, one to one"),
        ("cosine", "0 to 1", "of the two"),
        ("nearest", "", "most similar reference, in use or not"),
        ("nearest_cosine", "0 to 1", "its cosine"),
    ),
)

OUTPUTS: dict[str, tuple[File, ...]] = {
    "extract": (
        File("signatures.csv", "the signatures", _SPECTRA),
        File("exposures.csv", "mutations by sample and signature", _EXPOSURES),
        File("samples.csv", "how well each sample is reconstructed", _FIT),
        File(
            "selection.csv",
            "why this number of signatures was chosen",
            (
                ("k", "signatures", "number that was tried"),
                ("mean_silhouette", "-1 to 1", "of the consensus clusters of the restarts"),
                ("min_silhouette", "-1 to 1", "of the worst cluster"),
                ("error", "the method's own", "mean reconstruction error of the restarts"),
                ("deviance", "nats x 2", "of the best fit"),
                ("nonzeros", "exposures", "above 0 in the best fit"),
                ("criterion", "nats x 2", "information criterion; lower is better"),
                ("chosen", "true or false", "true in one row"),
                ("status", "", '"OK", or why this number cannot be chosen'),
                ("swaps", "moves", "of the search, of `sparse` only"),
                ("active", "latents", "in use, of autoencoders only"),
                ("latent_kl", "nats", "a latent, of autoencoders only"),
            ),
        ),
        _MATCHES,
        _DECOMPOSITION,
        _COMBINATIONS,
        File(
            "prior.csv",
            "what a refit of new samples takes over",
            (
                ("type", "", "cancer type, or all"),
                _SIGNATURE,
                ("samples", "samples", "of the type"),
                ("present", "samples", "that have the signature"),
                ("log_size_mean", "ln of a share", "mean over these, relative to a sample's burden"),
                ("log_size_sd", "ln of a share", "standard deviation over these, relative to the burden"),
                ("source", "", "exposures or intervals"),
            ),
        ),
        File("intervals.csv", "exposures with intervals; with `--intervals`", _INTERVALS),
        File("anchored.csv", "the signatures that were refitted; with `--intervals anchored`", _SPECTRA),
        File("correlations.csv", "posterior correlations of signatures; with `--intervals joint`"),
        File("signature_draws.npz", "posterior draws of the signatures; with `--intervals joint`"),
        File("signatures_genome.csv", "signatures of the genome; with `--opportunities`", _SPECTRA),
        File(
            "opportunities.csv",
            "opportunities of the counts, for `refit` and `decompose`; with `--opportunities`",
            (
                ("channel", "", "of the mutation"),
                ("target", "places", "where it can happen in the target"),
                ("genome", "places", "the same in the whole genome"),
                ("name", "", "of the target"),
            ),
        ),
        File(
            "channel_factors.csv",
            "by how much the counts of all samples deviate from the signatures; where these were adapted",
            (
                ("channel", "", "of the mutation"),
                ("factor", "ratio", "by which each signature was multiplied there"),
                ("shift", "", "to be added to its logarithm, on average; where intervals allow for its error"),
                (
                    "error_1",
                    "",
                    "and up: standard deviations to be added, each times a normal number that all channels share",
                ),
            ),
        ),
        File("exposures_genome.csv", "mutations in the whole genome; with `--opportunities`", _EXPOSURES),
        _PER_MUTATION,
        _VARIANTS,
        *_EXTRA,
        File("run.json", "method, settings, notes, command and version"),
        _REPORT,
        _MANIFEST,
    ),
    "refit": (
        File("exposures.csv", "mutations; 0 where the signature is more likely absent", _EXPOSURES),
        File(
            "intervals.csv",
            "one row for each sample and signature",
            (
                *_INTERVALS,
                ("genome_exposure", "mutations", "in the whole genome; with `--opportunities`"),
                ("genome_lower", "mutations", "lower end, in the whole genome; with `--opportunities`"),
                ("genome_upper", "mutations", "upper end, in the whole genome; with `--opportunities`"),
            ),
        ),
        File(
            "sums.csv",
            "signatures that the counts of a sample cannot tell apart",
            (
                _SAMPLE,
                ("signatures", "", "names joined by +"),
                ("exposure", "mutations", "of their sum"),
                ("lower", "mutations", "lower end of the sum"),
                ("upper", "mutations", "upper end of the sum"),
            ),
        ),
        File(
            "samples.csv",
            "how well each sample fits",
            (
                *_FIT,
                ("chi_squared", "ratio", "per degree of freedom, relative to the noise of the cohort; 1 is expected"),
                ("p_value", "0 to 1", "of that"),
                ("flag", "", "empty, no mutations, or misfit"),
                ("needs", "", "signature that was left out and would help; where some were left out"),
            ),
        ),
        File("exposures_genome.csv", "mutations in the whole genome; with `--opportunities`", _EXPOSURES),
        _PER_MUTATION,
        _VARIANTS,
        *_EXTRA,
        File(
            "fit.json", "signatures found in the cohort, method, level, dispersion, noise, notes, command and version"
        ),
        _REPORT,
        _MANIFEST,
    ),
    "decompose": (_DECOMPOSITION, _COMBINATIONS, File("decomposition.json", "settings and notes"), _MANIFEST),
    "match": (_MATCHES,),
    "calibrate": (
        File(
            "coverage.csv",
            "coverage in simulated cohorts",
            (
                ("kind", "", "size or signature"),
                ("group", "", "which size, or which signature"),
                ("coverage", "0 to 1", "share of true exposures inside their interval, first source"),
                ("count", "exposures", "in the group"),
                ("below", "0 to 1", "share of truths below their interval"),
                ("above", "0 to 1", "share of truths above their interval"),
                ("width", "mutations", "median width"),
                ("upper", "mutations", "median upper end"),
                ("genome_width", "mutations", "median width, in the whole genome; with `--opportunities`"),
                ("genome_upper", "mutations", "median upper end, in the whole genome; with `--opportunities`"),
                ("coverage_SOURCE", "0 to 1", "a column for each source of truth"),
                ("worst", "0 to 1", "the least of them with enough exposures"),
                ("worst_source", "", "which one that is"),
            ),
        ),
        File("calibration.json", "method, level, command and version"),
        _REPORT,
        _MANIFEST,
    ),
    "power": (
        File(
            "power.csv",
            "smallest share at which each signature is detected",
            (
                _SIGNATURE,
                ("mutations", "mutations", "of the simulated sample"),
                ("least_share", "0 to 1", "of the sample's mutations; empty where it cannot be detected"),
                ("least_mutations", "mutations", "the same in mutations"),
                ("power", "0 to 1", "share of samples in which it is detected at the limit"),
                ("similar", "", "most similar other signature"),
                ("cosine", "0 to 1", "of the two"),
                ("genome_least_mutations", "mutations", "the limit in the whole genome; with `--opportunities`"),
            ),
        ),
        File("power.json", "settings, command and version"),
        _MANIFEST,
    ),
    "count": (
        File(
            "SBS96.csv",
            "counts by channel, a file for each context (`DBS78.csv`, `ID83.csv`, ...)",
            (("MutationType", "", "channel"), ("SAMPLE", "mutations", "a column for each sample")),
        ),
        File(
            "dropped.csv",
            "each record that was not counted",
            (
                ("reason", "", "why"),
                ("file", "", "file of the record"),
                ("line", "", "line in that file"),
                _SAMPLE,
                ("chrom", "", "chromosome"),
                ("pos", "bases", "position, from 1"),
                ("ref", "", "reference allele"),
                ("alt", "", "new allele"),
            ),
        ),
        File("counts.json", "totals, dropped records by reason, notes"),
        _MANIFEST,
    ),
    "run": (
        File("rows/*.parquet", "one row for each training and baseline: the columns below"),
        File("run.json", "command, version, data, options, machine, training processes, notes"),
        File("costs/*.json", "seconds, trainings, programs and epochs of each process"),
        File("models/", "weights of each training; with `--keep-models`"),
        File("embeddings/", "z of each training; with `--keep-embeddings`"),
        _REPORT,
    ),
    "evaluate": (
        File("rows/*.parquet", "one row for each embedding, PCA and the covariates alone: the columns below"),
        File("run.json", "command, version, data, metrics and their options, notes"),
    ),
}
"""Command -> its files. Capitals in a column stand for a name: SIGNATURE, SAMPLE, SOURCE."""


def files_text() -> str:
    """A section for each command: its files, and a table of columns for each table."""
    sections = []
    for command, files in OUTPUTS.items():
        lines = ["| File | Holds |", "|---|---|", *(f"| `{file.name}` | {file.holds} |" for file in files)]
        parts = [f"## `vaebench {command}`", "\n".join(lines)]
        for file in files:
            if file.columns:
                rows = [f"| `{name}` | {unit} | {text} |" for name, unit, text in file.columns]
                head = [f"`{file.name}` of `{command}`:", ""]
                parts.append("\n".join([*head, "| Column | Unit | Meaning |", "|---|---|---|", *rows]))
        sections.append("\n\n".join(parts))
    return "\n\n".join(sections)
