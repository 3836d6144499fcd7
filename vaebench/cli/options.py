"""The options of every command, as dataclasses: a field is an option, its docstring the help."""

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
    """No progress and no table."""
    json: bool = False
    """A machine-readable summary as the last line of stdout."""


@dataclasses.dataclass(frozen=True)
class Seeded(Common):
    """The option of the commands that draw random numbers."""

    seed: int = 0
    """Seed of everything random; seeds of a sweep count up from it."""


@dataclasses.dataclass(frozen=True)
class Compiled(Common):
    """The option of the commands that compile programs."""

    compilation_cache: bool = True
    """Keep compiled programs in the user's cache folder, so that the next start compiles nothing."""


@dataclasses.dataclass(frozen=True)
class Quickstart(Seeded, Compiled):
    """Train 24 small VAEs on a simulated pan-cancer cohort, evaluate them, and write a report. No file, no network."""

    out: Path = Path("results/quickstart")
    """Folder for rows, figures and report.html."""


@dataclasses.dataclass(frozen=True)
class Columns(Common):
    """What the columns of a table hold, and which samples are taken."""

    label: str | None = None
    """Column of the class that clusters are compared with."""
    event: str | None = None
    """Column that is 1 for a death and 0 for a censored sample, or a comparison such as "censorship==0"."""
    time: str | None = None
    """Column of the time to death or to the last visit."""
    covariates: str = ""
    """Columns of Cox covariates, separated by commas."""
    factors: str = ""
    """Columns of features known beforehand, separated by commas."""
    ignore: str = ""
    """Columns to leave out, separated by commas."""
    where: str | None = None
    """Samples to keep: "COLUMN==VALUE", also != < <= > >=, joined by " & "."""
    annotation: Path | None = None
    """Table about the samples of a file of genes by samples: names first, then label, survival and so on."""
    samples_in: str | None = None
    """Whether samples are in "rows" or in "columns" of the table; rows by default, and "auto" for data check."""


@dataclasses.dataclass(frozen=True)
class Source(Columns, Compiled):
    """Where data come from, and how they are selected and scaled; what is not named is as the data set has it."""

    data: str = ""
    """Name of a data set, or a file: CSV, TSV or Parquet, gzip or not, .gct or .h5ad."""
    data_option: tuple[str, ...] = ()
    """Any other option of the data set or file, as NAME=VALUE: folder=downloads genes=symbol layer=log cache=false."""
    time_unit: str | None = None
    """Unit of the time column: "days" (the default), "months" or "years"."""
    duplicates: str | None = None
    """Features whose name comes twice: "refuse" them, keep them "apart", or "sum" them."""
    transform: str | None = None
    """"log2" for log2(max(x, 0) + 1) of linear values, or "none"."""
    top: int | None = None
    """Keep this many features of largest deviation; the protocol's number, or all where there are fewer, by default."""
    deviation: str | None = None
    """"mean" (the default) or "median" absolute deviation for --top."""
    scaling: str | None = None
    """"zscore", "unit" (to [0, 1]) or "none"; the protocol's by default."""
    missing: str | None = None
    """"refuse" missing values (the default for files), or "impute" them by the feature's mean."""


@dataclasses.dataclass(frozen=True)
class Run(Source, Seeded):
    """Train and evaluate VAEs on an expression table, every combination of the options once, and write a report."""

    protocol: str = "default"
    """Settings of a study, its grid included unless options name another one."""
    config: Path | None = None
    """TOML file with these options as keys; options on the command line win."""
    variants: str = ""
    """VAE variants, separated by commas."""
    latent: str = ""
    """Latent dimensions, separated by commas."""
    learning_rate: str = ""
    """Learning rates, separated by commas."""
    init: str = ""
    """Weight initialisations, separated by commas."""
    optimizer: str = ""
    """Optimizers, separated by commas: adam, rmsprop, sgd, adamw, or any other by optax's name (lion, nadam, muon, ...)."""
    activation: str = ""
    """Activations, separated by commas."""
    seeds: int = 0
    """Number of seeds; each redraws split, weights and order."""
    recipe: str = ""
    """"textbook" (the papers' equations) or "benchmarked" (what the studies' released code computed)."""
    set: tuple[str, ...] = ()
    """Any other setting, as NAME=VALUE[,VALUE...]: --set batch=32 beta=1,4,10."""
    metrics: str = "leiden,cox"
    """Metrics, separated by commas."""
    metric_option: tuple[str, ...] = ()
    """Options of metrics, as METRIC.OPTION=VALUE: leiden.neighbours=30 leiden.seeds=1,2,3 cox.ridge=0.1."""
    embedding: str = ""
    """Evaluate the posterior "mean" or one posterior "sample"; the protocol's by default."""
    label_covariate: bool = True
    """Whether the label is a Cox covariate, as in the study."""
    lanes: str = "auto"
    """Models side by side in one program; fixed for a folder."""
    matmul_precision: str = "highest"
    """Precision of matrix products: "highest" (float32), "tensorfloat32" or "bfloat16"; fixed for a folder."""
    workers: int = 1
    """Training processes."""
    evaluators: int | None = None
    """Evaluation processes beside each training process."""
    shard: str = "1/1"
    """Do only part i of n of the points ("i/n", i from 1): for arrays of jobs that share --out."""
    keep_embeddings: bool = False
    """Store every embedding, one safetensors file a program."""
    keep_models: str = "none"
    """Store the trained models: "none", "best" of every program by validation loss, or "all"."""
    checkpoint_minutes: float = 0.0
    """Also store the running lanes this often, so that long trainings survive a crash; 0 for never."""
    dry_run: bool = False
    """Train nothing: print points, programs, lanes, memory and an estimate of the time."""
    out: Path = Path("results/run")
    """Folder for rows, figures and report.html; a folder with rows is continued."""


@dataclasses.dataclass(frozen=True)
class Describe(Source):
    """Print what a protocol holds, how much there is to train, and, with --data, what that would cost."""

    protocol: Annotated[Positional[str], tyro.conf.arg(metavar="PROTOCOL")] = "default"
    """Name of a protocol."""
    lanes: str = "auto"
    """Models side by side in one program."""


@dataclasses.dataclass(frozen=True)
class Evaluate(Source):
    """Score an embedding that another program made, beside PCA at its number of dimensions and the covariates alone."""

    embedding: Path | None = None
    """Table with a line a sample (its name first) and a column a latent: CSV, TSV or Parquet; or .npy, rows in order."""
    name: str | None = None
    """Name of the embedding in the rows; the file's name by default."""
    protocol: str = "default"
    """The protocol whose selection and scaling PCA gets."""
    metrics: str = "leiden,cox"
    """Metrics, separated by commas; those of a posterior, a reconstruction or a split cannot be computed."""
    metric_option: tuple[str, ...] = ()
    """Options of metrics, as METRIC.OPTION=VALUE: leiden.neighbours=30 cox.ridge=0.1."""
    label_covariate: bool = True
    """Whether the label is a Cox covariate, as in the study."""
    out: Path = Path("results/embedding")
    """Folder for rows and run.json."""


@dataclasses.dataclass(frozen=True)
class Report(Common):
    """Write report.html and the figures of a finished or unfinished run again."""

    folder: Annotated[Positional[Path], tyro.conf.arg(metavar="DIR")] = Path("results/quickstart")
    """Folder of the run."""


@dataclasses.dataclass(frozen=True)
class DataList(Common):
    """List the data sets that have a name, and which files of the public ones are there."""

    folder: Path | None = None
    """Folder with the files of a public data set; in the user's cache by default."""


@dataclasses.dataclass(frozen=True)
class DataFetch(Common):
    """Download a public data set; what broke off goes on, and every file is checked by its first digest."""

    name: Annotated[Positional[str], tyro.conf.arg(metavar="NAME")] = ""
    """"tcga", "gtex", or "cosmic" (reference signatures)."""
    folder: Path | None = None
    """Where the files are kept; in the user's cache by default."""
    mirror: str | None = None
    """Address of a folder with the same files, or a local folder."""
    timeout: float = 60.0
    """Seconds without an answer after which a connection counts as broken."""
    retries: int = 5
    """How often a broken connection is tried again."""


@dataclasses.dataclass(frozen=True)
class DataCheck(Columns):
    """Print what there is to know of a data file: size, labels, survival, missing values, range and scale."""

    path: Annotated[Positional[str], tyro.conf.arg(metavar="PATH")] = ""
    """A table, a .gct or .h5ad file, or a public data set by its folder or name."""
    protocol: str = "default"
    """The protocol that the data are for."""


@dataclasses.dataclass(frozen=True)
class DataSimulate(Seeded):
    """Write a simulated pan-cancer cohort as a table, to try every other command on."""

    out: Path = Path("simulated.csv.gz")
    """The table: .csv, .tsv (both also .gz) or .parquet."""
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
    "data": tyro.conf.OmitArgPrefixes[Data],
}
"""Name of a command -> its options."""
HANDLERS: dict[type, str] = {
    Quickstart: "runs:quickstart",
    Run: "runs:run",
    Evaluate: "runs:evaluate",
    Describe: "runs:describe",
    Report: "runs:report",
    DataList: "data:list_sets",
    DataFetch: "data:fetch_set",
    DataCheck: "data:check_file",
    DataSimulate: "data:simulate_table",
}
"""Options -> ``module:function`` of the command line, imported only when the command is given: ``(options, command) -> JSON``."""
