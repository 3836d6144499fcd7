"""Embeddings of other programs: read, aligned by sample names, and evaluated together with PCA of the same size."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vaebench.data.cache import file_record
from vaebench.data.comparisons import numbers
from vaebench.data.covariates import run_notes
from vaebench.data.digest import data_difference
from vaebench.data.features import clinical_names
from vaebench.data.files.arrays import array_from_npy
from vaebench.data.files.table import Table, table_from_file
from vaebench.data.joining import matched_rows
from vaebench.data.sample_columns import sample_names, without_index
from vaebench.data.wording import beginning
from vaebench.errors import InputError, user_path
from vaebench.evaluation.baseline import pca_embedding
from vaebench.evaluation.scores import allowed_metrics, evaluate_flat, prepared_metrics
from vaebench.results import finished, joined_notes, read_run_json, write_rows, write_run_json
from vaebench.rows import column_types, components, row_of_embedding
from vaebench.types import BASELINE, Dataset, Metric
from vaebench.version import __version__

if TYPE_CHECKING:
    import pandas as pd


def read_embedding(path: str | Path, samples: np.ndarray) -> np.ndarray:
    """Read the embedding z [N, L] of ``samples`` [N] from a table (CSV, TSV, Parquet) or a ``.npy`` file.

    A table has a line for each sample, with its name first and then a number for each latent. Lines are put in the order
    of ``samples``, whose names match as those of an annotation do; those of other samples are left out. A ``.npy`` file has no
    names, so its rows must be in order.

    Raises:
        InputError: the file cannot be read, samples are missing, there twice or in one line, or a column holds text.
    """
    file = user_path(path)
    if file.suffix.lower() == ".npy":
        z = array_from_npy(file)
        if z.ndim != 2 or len(z) != len(samples) or not z.shape[1]:
            raise InputError(f"{file} has shape {z.shape}; it must have one row for each of the {len(samples)} samples")
        return z
    table = without_index(table_from_file(file, "rows", "apart"))
    names, first = sample_names(table, set())
    if names is None:
        raise InputError(f"{file} has no column of sample names; its first column {table.first!r} must hold them")
    wanted = [str(sample) for sample in samples]
    place = {name: position for position, name in enumerate(names.tolist())}
    rows = np.array([place.get(name, -1) for name in wanted])
    if (rows < 0).any():  # dots for hyphens, or barcodes of another length, as for an annotation
        rows, _ = matched_rows(wanted, names.tolist())
    absent = [name for name, row in zip(wanted, rows, strict=True) if row < 0]
    if absent:
        raise InputError(
            f"{len(absent)} of {len(samples)} samples are missing from {file}: {beginning(absent)} (it has "
            f"{beginning(names.tolist())}); use the same names, or leave these samples out with where (--where)"
        )
    _check_own_lines(wanted, rows, names, file)
    return _latents(table, first, names)[rows]


def _check_own_lines(wanted: Sequence[str], rows: np.ndarray, names: np.ndarray, file: Path) -> None:
    """Raise ``InputError`` where several samples match one line, as all samples of a patient do that of the patient."""
    first = dict[int, str]()
    for sample, row in zip(wanted, rows.tolist(), strict=True):
        if first.setdefault(row, sample) != sample:
            raise InputError(
                f"{first[row]!r} and {sample!r} are both {str(names[row])!r} in {file}; each sample needs a line: use "
                "longer names there, or keep one sample of each patient (one_per_patient, --one-per-patient)"
            )


def _latents(table: Table, first: set[str], names: np.ndarray) -> np.ndarray:
    columns = [column for column in table.columns if column not in first]
    if odd := clinical_names(columns, ()):
        raise InputError(
            f"{table.source} has the column {odd[0]!r}, which is no latent by its name; an embedding holds sample names and "
            "latents only"
        )
    if not columns:
        raise InputError(f"{table.source} has no column besides the sample names; each latent must have one")
    return np.column_stack([numbers(table, "embedding", column, names) for column in columns])


def evaluated_embedding(
    path: str | Path,
    dataset: Dataset,
    metrics: Sequence[str],
    out: str | Path,
    *,
    name: str | None = None,
    options: Mapping[str, Any] | None = None,
    label_covariate: bool = True,
    command: str = "",
) -> pd.DataFrame:
    """Score an embedding in a file, and PCA of the data with the same number of dimensions; returns and writes their rows.

    A folder may hold several embeddings of one data set, scored by the same metrics with the same options.

    Args:
        path: see :func:`read_embedding`.
        dataset: data set of the embedding's samples.
        metrics: names; metrics that need a posterior, a reconstruction or a split cannot be computed. Of the default metrics
            those that the data set does not allow are left out, with a note.
        out: folder for ``rows/*.parquet`` and ``run.json``.
        name: of the embedding in the rows; the file's name by default.
        options: metric name -> an instance of the metric's options.
        label_covariate: true if the label is a Cox covariate.
        command: recorded in ``run.json``.

    Raises:
        InputError: the file does not fit the data, a metric is unknown or needs more than an embedding, or ``out`` was made
            from other data, with other metrics or options, or by a run.
    """
    import pandas as pd

    name = checked_embedding_name(path, name)
    z = read_embedding(path, dataset.samples)
    metrics, notes = allowed_metrics(metrics, dataset, options or ())
    prepared = prepared_metrics(metrics, dataset, options=options, label_covariate=label_covariate)
    record: dict[str, Any] = _record(user_path(out), dataset, prepared) | {"command": command, "version": __version__}
    record["notes"] = joined_notes(record, run_notes(dataset, metrics, options, label_covariate), notes)
    record["embedding"] = file_record(path)
    record["embeddings"] = _with_embedding(record.get("embeddings", {}), name, record["embedding"], out)
    # the embedding first: its errors are reported before the time for PCA is spent
    rows = [row_of_embedding(name, z, dataset) | evaluate_flat(z, dataset, prepared)]
    baseline = pca_embedding(dataset.x, z.shape[1])
    rows.append(
        row_of_embedding(BASELINE, baseline, dataset)
        | {"static/latent": z.shape[1], "run/components": components(z.shape[1], dataset)}
        | evaluate_flat(baseline, dataset, prepared)
    )
    # the record first: rows without one could have been made with any options
    write_run_json(record, out)
    write_rows(rows, out, column_types(prepared))
    return pd.DataFrame(rows)


def checked_embedding_name(path: str | Path, name: str | None) -> str:
    """Return the name of the embedding in a file: ``name``, or the file's without its endings.

    Raises:
        InputError: the name is empty, or that of the baseline.
    """
    name = Path(path).name.split(".")[0] if name is None else name
    if not name or name == BASELINE:
        raise InputError(
            f"the embedding's name is {name!r}; give another one (name, --name), {BASELINE!r} is the baseline's"
        )
    return name


def _with_embedding(
    held: Mapping[str, Any], name: str, file: Mapping[str, Any], out: str | Path
) -> dict[str, Mapping[str, Any]]:
    """Return the record of a folder's embeddings with one more; a name stands for one file."""
    if name in held and held[name].get("sha256") != file["sha256"]:
        raise InputError(
            f"{out} has scores of an embedding {name!r} from a file of other contents ({held[name].get('name')}); give this one "
            "another name (--name), or choose another --out"
        )
    return {**held, name: file}


def _record(out: Path, dataset: Dataset, metrics: Sequence[Metric]) -> dict[str, Any]:
    """Return the record of the folder ``out``: a new one, or the present one if it is of these data, metrics and options."""
    fixed: dict[str, Any] = {
        "digest": dataset.digest,
        "metrics": {m.name: repr(m.options) for m in metrics},
        "provenance": dict(dataset.provenance),
    }
    if not (out / "run.json").exists():
        if finished(out):
            raise InputError(f"{out} holds rows but no run.json, so their options are unknown; choose another --out")
        return fixed
    made = read_run_json(out)
    if "embedding" not in made or "lanes" in made:
        raise InputError(f"{out} holds a run, not evaluated embeddings; choose another --out")
    other = _difference(made, fixed, dataset)
    if other:
        raise InputError(f"{out} was made with {other}; rows of both cannot share a folder: choose another --out")
    return made


def _difference(made: Mapping[str, Any], wanted: Mapping[str, Any], dataset: Dataset) -> str:
    """Say in words what a folder was made with that differs from what is wanted; "" if nothing does."""
    if made.get("digest") != wanted["digest"]:
        return f"other data ({data_difference(made, dataset)})"
    before, now = made.get("metrics", {}), wanted["metrics"]
    if set(before) != set(now):
        return f"metrics {', '.join(before)}, and this command asks for {', '.join(now)}"
    for name, options in now.items():
        if before[name] != options:
            was, asked = _changed(before[name], options), _changed(options, before[name])
            return f"{name} options {was}, and this command asks for {asked}"
    return ""


def _changed(options: str, other: str) -> str:
    """Return those options of a metric's ``repr`` that the other one does not have, such as "neighbours=3"."""
    listed = [re.findall(r"\w+=(?:\([^)]*\)|[^,()]+)", text) for text in (options, other)]
    return ", ".join(option for option in listed[0] if option not in listed[1]) or options
