"""The command line: every command is a dataclass whose fields are its options. No logic of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import re
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import Positional

from vaebench import __version__
from vaebench.types import InputError, RunError, unknown_name


@dataclasses.dataclass(frozen=True)
class Common:
    """Options of every command."""

    seed: int = 0
    """Seed of everything random; seeds of a sweep count up from it."""
    quiet: bool = False
    """No progress and no table."""
    json: bool = False
    """A machine-readable summary as the last line of stdout."""
    compilation_cache: bool = True
    """Keep compiled programs in the user's cache folder, so that the next start compiles nothing."""


@dataclasses.dataclass(frozen=True)
class Quickstart(Common):
    """Train 24 small VAEs on a simulated pan-cancer cohort, evaluate them, and write a report. No file, no network."""

    out: Path = Path("results/quickstart")
    """Folder for rows, figures and report.html."""


@dataclasses.dataclass(frozen=True)
class Run(Common):
    """Train and evaluate VAEs on an expression table, every combination of the options once, and write a report."""

    data: str = ""
    """Name of a data set, or a table: CSV, TSV or Parquet, gzip or not."""
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
    samples_in: str = "rows"
    """Whether samples are in "rows" or in "columns" of the table."""
    transform: str = "none"
    """"log2" for log2(max(x, 0) + 1) of linear values, or "none"."""
    top: int | None = None
    """Keep this many features of largest deviation; the protocol's number, or all where there are fewer, by default."""
    deviation: str = "mean"
    """Mean or median absolute deviation for --top."""
    scaling: str | None = None
    """"zscore", "unit" (to [0, 1]) or "none"; the protocol's by default."""
    missing: str = "refuse"
    """"refuse" missing values, or "impute" them by the feature's mean."""
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
    """Optimizers, separated by commas."""
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
    embedding: str = ""
    """Evaluate the posterior "mean" or one posterior "sample"; the protocol's by default."""
    label_covariate: bool = True
    """Whether the label is a Cox covariate, as in the study."""
    lanes: str = "auto"
    """Models side by side in one program; fixed for a folder."""
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
class Report(Common):
    """Write report.html and the figures of a finished or unfinished run again."""

    folder: Annotated[Positional[Path], tyro.conf.arg(metavar="DIR")] = Path("results/quickstart")
    """Folder of the run."""


COMMANDS = {"quickstart": Quickstart, "run": Run, "report": Report}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 done, 2 bad input, 1 our own failure, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:
        print(f"vaebench {__version__}")
        return 0
    out: Path | None = None
    try:
        options = _parsed(arguments)
        out = getattr(options, "out", None)
        from vaebench import commands

        summary = commands.execute(options, "vaebench " + shlex.join(arguments))
        if options.json:
            print(json.dumps(summary))
        return 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        hint = f"; the finished rows are in {out}, and the same command goes on from there" if out else ""
        print(f"\ninterrupted{hint}", file=sys.stderr)
        return 130


def _parsed(arguments: list[str]) -> Any:
    """The command's dataclass; help exits as usual, and a wrong option is one sentence."""
    if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
        raise unknown_name("command", arguments[0], COMMANDS)
    if not arguments:
        arguments = ["--help"]
    messages = io.StringIO()
    try:
        with contextlib.redirect_stderr(messages):
            options = tyro.extras.subcommand_cli_from_dict(
                COMMANDS, args=arguments, prog="vaebench", description="VAEs on cancer genomics, measured honestly."
            )
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise InputError(_one_sentence(messages.getvalue(), arguments[0])) from None
    return _with_config(options) if isinstance(options, Run) and options.config else options


def _one_sentence(box: str, command: str) -> str:
    """A parser's framed message as one line."""
    lines = [line.strip(" │╭╮╰╯─") for line in box.splitlines()]
    text = " ".join(line for line in lines if line and not line.startswith(("For full helptext", "vaebench ")))
    text = re.sub(r"\s+", " ", text)
    return f"{text} (see: vaebench {command} --help)"


def _with_config(options: Run) -> Run:
    """``options`` with the values of the TOML file where the command line says nothing."""
    import msgspec

    path = options.config
    assert path is not None
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"--config {path}: there is no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--config {path}: not a TOML file: {error}") from None
    values = {name.replace("-", "_"): _joined(value) for name, value in values.items()}
    fields = {f.name: f.default for f in dataclasses.fields(Run)}
    for name in values:
        if name not in fields or name == "config":
            raise unknown_name(f"key in {path}", name, set(fields) - {"config"})
    given = {name: getattr(options, name) for name, default in fields.items() if getattr(options, name) != default}
    try:
        from_file = msgspec.convert(values, Run)
    except msgspec.ValidationError as error:
        raise InputError(f"--config {path}: {error}") from None
    return dataclasses.replace(from_file, **given)


def _joined(value: Any) -> Any:
    """Lists of a TOML file as the comma lists of the command line; a table as NAME=VALUE settings."""
    if isinstance(value, dict):
        return [f"{name}={_joined(inner)}" for name, inner in value.items()]
    if isinstance(value, list):
        return ",".join(str(v) for v in value)
    return value


def entry() -> None:
    """Console script."""
    sys.exit(main())
