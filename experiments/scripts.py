"""Code that the experiments share: options, checked rows, runs, figures and tables, exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from cohorts import NAMES, cohort
from matplotlib.figure import Figure

from vaebench.analysis.importance import hyperparameters
from vaebench.analysis.settings import ARI, SCORES, is_baseline, usable
from vaebench.atomic import replacing
from vaebench.errors import InputError, RunError
from vaebench.figures import save
from vaebench.protocols import points, protocol
from vaebench.results import read_rows
from vaebench.rows import point_of
from vaebench.space import Point
from vaebench.sweep.runner import run
from vaebench.types import Dataset

FULL_GRID = 6480
"""Settings of eltager2023's grid."""
KINDS = {"literal": "", "scaled": "_scaled", "textbook": "_textbook", "scaled_textbook": "_scaled_textbook"}
"""Ways to take a study's protocol -> what its name ends in."""
RECONSTRUCTION = "loss/valid_reconstruction"
TITLES = {
    "static/variant": "model",
    "static/latent": "latents",
    "static/hidden": "hidden layers",
    "static/recipe": "recipe",
    "traced/learning_rate": "learning rate",
    "traced/init": "initialisation",
    "traced/optimizer": "optimizer",
    "traced/activation": "activation",
    "traced/seed": "seed",
    "metric/leiden/ari": "Leiden ARI",
    "metric/cox/aic": "Cox AIC",
    "loss/valid": "validation loss",
    "loss/valid_reconstruction": "validation reconstruction loss",
    "metric/reconstruction/mse": "mean squared error",
    "metric/reconstruction/r2": "R2",
    "metric/latent_use/active_units": "active units",
    "metric/total_correlation/total_correlation": "total correlation",
    "run/epochs": "epochs",
}


class Parser(argparse.ArgumentParser):
    """The options of an experiment; a wrong one is an :class:`InputError`, so that it ends in one sentence."""

    def __init__(self, doc: str | None, out: str) -> None:
        super().__init__(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
        self.add_argument("--out", type=Path, default=Path(out), help=f"folder for what is written (default: {out})")

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see --help)")


def entry(main: Callable[[Sequence[str] | None], None], arguments: Sequence[str] | None = None) -> int:
    """Runs an experiment; the exit code: 0 done, 2 bad input (one sentence), 1 our own failure, 141 unread."""
    try:
        main(arguments)
    except (InputError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except BrokenPipeError:  # as in vaebench.cli: whoever reads the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 0


def comma(kind: Callable[[str], Any] = str) -> Callable[[str], list[Any]]:
    """A type for options that are lists: ``10,50``."""

    def parsed(text: str) -> list[Any]:
        return [kind(part) for part in text.split(",") if part]

    parsed.__name__ = f"comma list of {kind.__name__}"
    return parsed


def add_training(parser: Parser, presets: Sequence[str] = ("smoke", "cpu", "full")) -> None:
    """Options of a script that trains."""
    parser.add_argument("--preset", choices=presets, default="cpu")
    parser.add_argument("--data", choices=NAMES, default=None, help="default: pancan_eb; smoke: simulated")
    parser.add_argument("--seeds", type=int, default=None, help="restarts of every setting")
    parser.add_argument("--lanes", type=int, default=None, help="models side by side (default: chosen)")
    parser.add_argument("--shard", default="1/1", help="i/n: do the i-th of n parts")
    parser.add_argument("--dry-run", action="store_true", help="programs, memory and time; nothing is trained")


def data_of(options: argparse.Namespace, scaling: str = "zscore") -> Dataset:
    """The data set that was asked for, small and simulated for the preset smoke."""
    default = "simulated" if options.preset == "smoke" else "pancan_eb"
    return cohort(options.data or default, scaling)


def protocol_points(name: str, axes: Mapping[str, Any], data: Dataset) -> list[Point]:
    """Points of a protocol on a data set; ``axes`` replace its grid."""
    return points(protocol(name), axes, samples=data.x.shape[0])


def metrics_for(names: Sequence[str], data: Dataset) -> list[str]:
    """Those of the metrics that the data set allows: without survival no Cox, without factors no disentanglement."""
    lacking = () if data.survival is not None else ("cox", "cox_heldout")
    lacking += () if data.factors else ("correlation", "rmig")
    return [name for name in names if name not in lacking]


def trained_rows(
    planned: Sequence[Point],
    data: Dataset,
    metrics: Sequence[str],
    folder: Path,
    options: argparse.Namespace,
    *,
    embedding: str = "mean",
    metric_options: Mapping[str, Any] | None = None,
    keep_embeddings: bool = False,
) -> pd.DataFrame | None:
    """Train what has no row in ``folder`` yet; with ``--dry-run`` print the estimate and return ``None``."""
    if options.dry_run:
        from vaebench.cli.text import estimate_text
        from vaebench.training.cost import estimated

        print(estimate_text(len(planned), estimated(planned, data, options.lanes)))
        return None
    try:
        number, shards = (int(part) for part in options.shard.split("/"))
    except ValueError:
        raise InputError(f"--shard is {options.shard!r}; it must be i/n, such as 2/8") from None
    return run(
        planned,
        data,
        metrics,
        folder,
        lanes=options.lanes,
        shard=(number, shards),
        embedding=embedding,
        metric_options=metric_options,
        keep_embeddings=keep_embeddings,
        evaluators=0 if options.preset == "smoke" else None,
        quiet=options.preset == "smoke",
        command=" ".join(sys.argv),
    )


def add_reading(parser: Parser, smoke_run: Callable[[Path], Path]) -> None:
    """Add the options of a script that only reads rows; ``smoke_run`` trains the tiny run and returns the folder of its rows."""
    parser.set_defaults(smoke_run=smoke_run)
    parser.add_argument("--preset", choices=("smoke", "rows"), default="rows", help="smoke: trains a tiny run first")
    parser.add_argument("--rows", type=Path, default=None, help="folder of a run, as eltager2023_grid.py makes it")


def rows_of(options: argparse.Namespace, needs: Sequence[str] = (), folder: Path | None = None) -> pd.DataFrame:
    """The rows of ``--rows`` (or ``folder``) of one data set and one protocol.

    Raises:
        InputError: no folder given, no rows in it, a column of ``needs`` that is missing, or several data sets or protocols.
    """
    folder = folder or options.rows
    if folder is None and options.preset == "smoke":
        folder = options.smoke_run(options.out / "smoke_run")
    if folder is None:
        raise InputError("--rows is missing; give the folder of a run, or --preset smoke")
    rows = read_rows(folder)
    for name in needs:
        if name not in rows.columns:
            raise InputError(f"the rows in {folder} lack the column {name!r}; run with the metric that gives it")
    models = rows[~is_baseline(rows)]
    for name, what in (("data/digest", "data sets"), ("study", "protocols")):
        if models[name].nunique() > 1:
            raise InputError(f"the rows in {folder} are of {models[name].nunique()} {what}; give a folder of one")
    return rows


def described(rows: pd.DataFrame) -> str:
    """One sentence on what the rows are of: data, protocol, how much of the study's grid, seeds, failures."""
    models = rows[~is_baseline(rows)]
    first = models.iloc[0]
    settings, seeds = (
        len(models[factors_of(models, "static/variant")].drop_duplicates()),
        models["traced/seed"].nunique(),
    )
    grid = f"{settings:,} setting{'s' if settings > 1 else ''}"
    if str(first["study"]).startswith("eltager2023"):
        grid = f"{settings:,} of {FULL_GRID:,} settings"
    failed = int((models["status"] != "OK").sum())
    recipes = " and ".join(models["static/recipe"].value_counts().index)
    return (
        f"{first['data/name']}: {first['data/samples']:,} samples, {first['data/features']:,} features; {first['study']}, "
        f"recipe {recipes}; {grid}, {seeds} seed{'s' if seeds > 1 else ''}, {failed:,} trainings failed."
    )


def data_of_rows(rows: pd.DataFrame) -> Dataset:
    """The data set that the rows were trained on.

    Raises:
        InputError: its file here is another one.
    """
    first = rows.iloc[0]
    if first["data/name"] not in NAMES:
        raise InputError(f"the rows are of data set {first['data/name']!r}, which the experiments do not know")
    data = cohort(first["data/name"], first["data/scaling"])
    if data.digest != first["data/digest"]:
        raise InputError(f"data set {data.name!r} is not the one of the rows: digest {data.digest}")
    return data


def retrained(
    rows: pd.DataFrame, chosen: pd.DataFrame, folder: Path, metrics: Sequence[str] = ("leiden",)
) -> tuple[Dataset, pd.DataFrame, dict[str, np.ndarray]]:
    """Train the settings and seeds of some rows again, and keep their embeddings: data, their new rows, point -> z [N, L].

    With the same lanes on the same machine z is bitwise that of the rows; elsewhere it may round differently.
    """
    from vaebench.training.model import kept_embeddings

    data = data_of_rows(rows)
    planned = [point_of(row) for row in chosen.to_dict("records")]
    lanes, embedding = int(chosen["run/lanes"].iloc[0]), str(chosen["run/embedding"].iloc[0])
    again = run(
        planned, data, metrics, folder, lanes=lanes, embedding=embedding, keep_embeddings=True, evaluators=0, quiet=True
    )
    return data, again[~is_baseline(again)], kept_embeddings(folder)


def keep(table: pd.DataFrame, path: Path) -> None:
    """The table as CSV, whole or not at all."""
    with replacing(path) as unfinished:
        table.to_csv(unfinished, index=False, float_format="%.6g")


def write(folder: Path, name: str, table: pd.DataFrame | None = None, figure: Figure | None = None) -> None:
    """``FOLDER/NAME.csv`` and ``FOLDER/NAME.png``, each whole or not at all, and their names on stdout."""
    if table is not None:
        keep(table, folder / f"{name}.csv")
        print(folder / f"{name}.csv")
    if figure is not None:
        print(save(figure, folder / f"{name}.png"))


def title(name: str) -> str:
    """A column or an effect (columns joined by " x ") for people."""
    return " x ".join(TITLES.get(part, part.rpartition("/")[2]) for part in name.split(" x "))


def present_score(rows: pd.DataFrame, scores: Sequence[str] = (ARI, "metric/cox/aic")) -> list[str]:
    """Those of the scores that the rows have."""
    return [score for score in scores if score in rows.columns]


def factors_of(rows: pd.DataFrame, *always: str) -> list[str]:
    """The hyperparameters that vary among the rows, and those that are wanted in any case."""
    return list(dict.fromkeys([*always, *hyperparameters(rows)]))


def pca_line(rows: pd.DataFrame, score: str) -> tuple[str, float] | None:
    """The best PCA's score, to draw; ``None`` where there is none."""
    baselines = rows[is_baseline(rows)]
    values = usable(baselines, score).dropna()
    if values.empty:
        return None
    place = int(np.argmax(values) if SCORES[score] else np.argmin(values))
    latents = baselines.loc[values.index, "static/latent"].astype(int).iloc[place]
    return f"best PCA ({latents} components)", float(values.iloc[place])
