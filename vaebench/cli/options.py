"""Options of every command as dataclasses: a field is an option, and its docstring is the help text."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional


@dataclasses.dataclass(frozen=True)
class Common:
    """Options of every command."""

    quiet: bool = False
    """Print no progress and no table."""
    json: bool = False
    """Print a JSON summary as the last line of stdout."""


@dataclasses.dataclass(frozen=True)
class Seeded(Common):
    """Option of the commands that draw random numbers."""

    seed: int = 0
    """Random seed. The seeds of a sweep count up from it."""


@dataclasses.dataclass(frozen=True)
class Compiled(Common):
    """Option of the commands that compile programs."""

    compilation_cache: bool = True
    """Keep compiled programs in the user's cache folder, so that later starts do not compile them again."""


@dataclasses.dataclass(frozen=True)
class Quickstart(Seeded, Compiled):
    """Train 24 small VAEs on a simulated pan-cancer cohort, evaluate them and write a report. Needs no file and no network."""

    epochs: int = 60
    """Largest number of epochs."""
    seeds: int = 3
    """Number of seeds of each of the eight settings."""
    out: Path = Path("results/quickstart")
    """Folder for rows, figures and report.html."""


@dataclasses.dataclass(frozen=True)
class Columns(Common):
    """Options on the columns of a table and the samples to use."""

    label: str | None = None
    """Column of the class that clusters are compared to."""
    event: str | None = None
    """Column with 1 for a death and 0 for a censored sample, or a comparison such as "vital_status==Dead"."""
    time: str | None = None
    """Column of the time to death or last visit."""
    covariates: str = ""
    """Columns of Cox covariates, comma-separated."""
    factors: str = ""
    """Columns of known factors to compare latents with, comma-separated; or with --factor-columns a table of them."""
    auxiliary: str = ""
    """Columns for the variants that use known facts about samples (batch, type, age), comma-separated. batch:category
    reads numbers as names."""
    ignore: str = ""
    """Columns to leave out, comma-separated."""
    features: str = ""
    """Columns to use as features although their names are clinical (age, OS.time, ...), comma-separated."""
    where: str | None = None
    """Samples to keep: "COLUMN==VALUE" (also != < <= > >=), joined by " & "."""
    tumours_only: bool = False
    """Leave out normal tissue and controls, by TCGA, TARGET or GTEx barcode or a column such as sample_type."""
    one_per_patient: bool = False
    """Keep one sample of each patient: a tumour before normal tissue, then the lowest sample type, vial and portion."""
    annotation: Path | None = None
    """Table about the samples of the file: sample names first, then label, survival and other columns."""
    annotation_sample_column: str | None = None
    """Column of the annotation with the sample names. Default: its first."""
    samples_in: str | None = None
    """Orientation of the table: samples in "rows" (the default) or "columns". "auto" is the default of data check."""


@dataclasses.dataclass(frozen=True)
class Source(Columns, Compiled):
    """Options on the data set, its selection and its scaling. Options that are not given keep the data set's own values."""

    data: str = ""
    """File, as CSV or TSV (also packed), Excel, Parquet, .gct or .h5ad; or a data set: tcga, gtex, simulated."""
    data_option: tuple[str, ...] = ()
    """Other options of the data set or file as NAME=VALUE: folder=downloads genes=symbol layer=log cache=false."""
    time_unit: str | None = None
    """Unit of the time column: "days" (the default), "months" or "years"."""
    duplicates: str | None = None
    """Handling of duplicated feature names: "refuse" them, keep them "apart", or "sum" them."""
    transform: str | None = None
    """Transformation of the values: "log2" for log2(x + 1), or "none"."""
    factor_columns: str = ""
    """Columns of the table that --factors names, joined by sample name, comma-separated."""
    counts: bool = False
    """Values are raw counts: keep them for --set likelihood=negative_binomial, and use log2(count + 1) everywhere else."""
    top: int | None = None
    """Number of features of largest deviation to keep; all if there are fewer."""
    deviation: str | None = None
    """Absolute deviation for --top: "mean" or "median"."""
    scaling: str | None = None
    """Scaling of every feature: "zscore", "unit" (to [0, 1]) or "none"."""
    missing: str | None = None
    """Handling of missing values: "refuse" them (the default for files), or "impute" the feature's mean."""


@dataclasses.dataclass(frozen=True)
class Run(Source, Seeded):
    """Train and evaluate VAEs on an expression table, one per combination of the options, and write a report."""

    file: Annotated[Positional[str], tyro.conf.arg(metavar="FILE")] = ""
    """The same as --data FILE."""
    protocol: str = "default"
    """Study whose settings and grid are used. Options replace single axes of the grid."""
    config: Path | None = None
    """TOML file with these options as keys. Options on the command line take precedence."""
    variants: str = ""
    """VAE variants, comma-separated."""
    latent: str = ""
    """Latent dimensions, comma-separated."""
    learning_rate: str = ""
    """Learning rates, comma-separated."""
    init: str = ""
    """Weight initialisations, comma-separated."""
    optimizer: str = ""
    """Optimizers, comma-separated. Each one of optax (from adabelief on) is compiled into programs of its own."""
    activation: str = ""
    """Activations, comma-separated."""
    epochs: str = ""
    """Largest numbers of epochs, comma-separated."""
    batch: str = ""
    """Sizes of training batches, comma-separated."""
    seeds: str = ""
    """Number of seeds, such as 5, or a list of them, such as 3,7,12. Each redraws split, weights and order."""
    recipe: str = ""
    """Losses of the papers' equations ("textbook") or of the studies' released code ("benchmarked")."""
    set: tuple[str, ...] = ()
    """Other settings as NAME=VALUE[,VALUE...]: --set hidden=512-256 beta=1,4,10. Applied to the variants that have them.
    `vaebench describe settings` lists all."""
    metrics: str = "leiden,cox"
    """Metrics, comma-separated. Of the default those that the data do not allow are left out."""
    metric_option: tuple[str, ...] = ()
    """Options of metrics as METRIC.OPTION=VALUE: leiden.neighbours=30 leiden.seeds=1,2,3 cox.ridge=0.1."""
    embedding: str = ""
    """Embedding to evaluate: the posterior "mean" or one posterior "sample"."""
    label_covariate: bool = True
    """Use the label as a Cox covariate, as in the study."""
    lanes: str = "auto"
    """Number of models trained side by side in one program, or "auto". Fixed for a folder."""
    matmul_precision: str = "highest"
    """Precision of matrix products: "highest" (float32), "tensorfloat32" or "bfloat16". Fixed for a folder."""
    workers: str = "auto"
    """Number of training processes, or "auto": on a CPU, a process a core with one thread each if two timed epochs are faster
    that way and no bit differs."""
    evaluators: int | None = None
    """Number of evaluation processes of each training process. Chosen by default."""
    shard: str = "1/1"
    """Part of the points to do, as "i/n" with i from 1. For arrays of jobs that share --out."""
    keep_embeddings: bool = False
    """Store every embedding, one safetensors file per program."""
    keep_models: str = "none"
    """Models to store: "none", the "best" of every program by validation loss, or "all"."""
    checkpoint_minutes: float = 0.0
    """Minutes between checkpoints of running trainings, so that they survive a crash. 0 for none."""
    dry_run: bool = False
    """Train nothing; print points, programs, lanes, memory and an estimate of the time."""
    out: Path = Path("results/run")
    """Folder for rows, figures and report.html. A folder with rows is continued."""


@dataclasses.dataclass(frozen=True)
class Describe(Source):
    """Print a protocol's settings, its number of trainings and, with --data, their estimated cost; or all settings of --set."""

    protocol: Annotated[Positional[str], tyro.conf.arg(metavar="PROTOCOL|settings")] = "default"
    """Name of a protocol, or "settings" for those of --set: their defaults, and the weights of every variant."""
    lanes: str = "auto"
    """Number of models trained side by side in one program, or "auto"."""


@dataclasses.dataclass(frozen=True)
class Evaluate(Source):
    """Score an embedding of another program, together with PCA of the same dimension and the covariates alone."""

    file: Annotated[Positional[str], tyro.conf.arg(metavar="FILE")] = ""
    """The same as --data FILE."""
    embedding: Path | None = None
    """CSV, TSV or Parquet table with one line per sample (name first) and one column per latent; or .npy, rows in order."""
    name: str | None = None
    """Name of the embedding in the rows. Default: the file's name."""
    protocol: str = "default"
    """Protocol whose feature selection and scaling are used for PCA."""
    metrics: str = "leiden,cox"
    """Metrics, comma-separated. Metrics of a posterior, a reconstruction or a split cannot be computed."""
    metric_option: tuple[str, ...] = ()
    """Options of metrics as METRIC.OPTION=VALUE: leiden.neighbours=30 cox.ridge=0.1."""
    label_covariate: bool = True
    """Use the label as a Cox covariate, as in the study."""
    out: Path = Path("results/embedding")
    """Folder for rows and run.json."""


@dataclasses.dataclass(frozen=True)
class Report(Common):
    """Rewrite report.html and the figures of a run, finished or not."""

    folder: Annotated[Positional[Path], tyro.conf.arg(metavar="DIR")] = Path("results/quickstart")
    """Folder of the run."""


@dataclasses.dataclass(frozen=True)
class ListNames(Common):
    """List the names that options allow: variants, metrics, protocols, optimizers, methods and others, a line each."""

    subject: Annotated[Positional[str], tyro.conf.arg(metavar="KIND")] = "variants"
    """Kind of names."""


@dataclasses.dataclass(frozen=True)
class Doctor(Compiled):
    """Print versions, devices, cores, memory and the cache, and test training and refitting. Put its output into an issue."""

    self_test: bool = True
    """Train two lanes and refit ten samples on the device that runs would use."""


@dataclasses.dataclass(frozen=True)
class DataList(Common):
    """List the named data sets, and the files of the public ones that are present or missing."""

    folder: Path | None = None
    """Folder with the files of a public data set. Default: in the user's cache."""


@dataclasses.dataclass(frozen=True)
class DataFetch(Common):
    """Download a public data set. Interrupted downloads are continued, and files are checked against their first digest."""

    name: Annotated[Positional[str], tyro.conf.arg(metavar="NAME")] = ""
    """Data set: "tcga", "gtex", or "cosmic" (reference signatures)."""
    folder: Path | None = None
    """Folder for the files. Default: in the user's cache."""
    mirror: str | None = None
    """URL of a folder with the same files, or a local folder."""
    timeout: float = 60.0
    """Seconds without an answer after which a connection is given up."""
    retries: int = 5
    """Number of retries of a broken connection."""
    version: str | None = None
    """Version of "cosmic": "3.4" (the default), "3.5", ..."""
    genome: str | None = None
    """Genome of "cosmic": "GRCh37" (the default), "GRCh38", "mm9", "mm10", "rn6"."""
    context: str | None = None
    """Context of "cosmic": "SBS" (the default), "DBS" or "ID"."""
    exome: bool = False
    """Signatures of "cosmic" that are converted to exomes (of SigProfilerAssignment)."""


@dataclasses.dataclass(frozen=True)
class DataCheck(Columns):
    """Print a summary of a data file: size, labels, survival, missing values, range and scale."""

    path: Annotated[Positional[str], tyro.conf.arg(metavar="PATH")] = ""
    """Table, .gct or .h5ad file, or a public data set by its folder or name."""
    time_unit: str | None = None
    """Unit of the time column: "days" (the default), "months" or "years"."""
    transform: str | None = None
    """Transformation that the data are checked for: "log2" or "none" (the default)."""
    protocol: str = "default"
    """Protocol that the data are checked for."""


@dataclasses.dataclass(frozen=True)
class DataSimulate(Seeded):
    """Write a simulated pan-cancer cohort as a table, for trying out the other commands."""

    out: Path = Path("simulated.csv.gz")
    """Table to write: .csv, .tsv (both also .gz) or .parquet."""
    samples: int = 1200
    """Number of tumours."""
    genes: int = 1000
    """Number of genes."""
    types: int = 12
    """Number of cancer types."""


@dataclasses.dataclass(frozen=True)
class Data:
    """List, fetch, check and simulate data."""

    action: (
        Annotated[DataList, tyro.conf.subcommand("list")]
        | Annotated[DataFetch, tyro.conf.subcommand("fetch")]
        | Annotated[DataCheck, tyro.conf.subcommand("check")]
        | Annotated[DataSimulate, tyro.conf.subcommand("simulate")]
    )


COMMANDS = {
    "quickstart": Quickstart,
    "run": Run,
    "evaluate": Evaluate,
    "describe": Describe,
    "report": Report,
    "list": ListNames,
    "doctor": Doctor,
    "data": tyro.conf.OmitArgPrefixes[Data],
}
"""Name of a command -> its options."""
HANDLERS: dict[type, str] = {
    Quickstart: "runs:quickstart",
    Run: "runs:run",
    Evaluate: "runs:evaluate",
    Describe: "runs:describe",
    Report: "runs:report",
    ListNames: "listing:list_names",
    Doctor: "doctor:examine",
    DataList: "data:list_sets",
    DataFetch: "data:fetch_set",
    DataCheck: "data:check_file",
    DataSimulate: "data:simulate_table",
}
"""Options -> ``module:function`` of the command line, imported only when the command is run: ``(options, command) -> JSON``."""
