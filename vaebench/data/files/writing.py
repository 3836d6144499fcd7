"""A data set as a table on disk, in the layout that :func:`vaebench.data.read_table` reads."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from vaebench.atomic import replacing
from vaebench.errors import InputError
from vaebench.types import Dataset

KINDS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")


def table_columns(dataset: Dataset) -> dict[str, list[str]]:
    """The columns that are no features, by the option of ``read_table`` that takes them."""
    covariates = list(dataset.covariates)
    return {
        "label": ["label"] if dataset.labels is not None else [],
        "event": ["event"] if dataset.survival is not None else [],
        "time": ["time"] if dataset.survival is not None else [],
        "covariates": covariates,
        "factors": [f"{name}_factor" if name in covariates else name for name in dataset.factors],
    }


def write_table(dataset: Dataset, path: str | Path) -> Path:
    """Writes samples in rows: ``sample``, ``label``, ``event``, ``time``, covariates, factors, features; returns the path.

    A factor that has the name of a covariate gets ``_factor`` after it.

    Raises:
        InputError: for an extension that is none of :data:`KINDS`.
    """
    columns: dict[str, Any] = {"sample": dataset.samples}
    if dataset.labels is not None:
        columns["label"] = np.array(dataset.label_names)[dataset.labels]
    if dataset.survival is not None:
        columns |= {"event": dataset.survival.event.astype(int), "time": dataset.survival.time}
    columns |= dict(dataset.covariates)
    columns |= dict(zip(table_columns(dataset)["factors"], dataset.factors.values(), strict=True))
    values = pd.DataFrame(dataset.x, columns=pd.Index(dataset.features.tolist()))
    return write_frame(pd.concat([pd.DataFrame(columns), values], axis=1), path)


def write_frame(frame: pd.DataFrame, path: str | Path) -> Path:
    """Writes the columns of ``frame``, without its index, whole or not at all; returns the path. Same data, same bytes.

    Raises:
        InputError: for an extension that is none of :data:`KINDS`.
    """
    file = Path(path)
    kind = next((k for k in sorted(KINDS, key=len, reverse=True) if file.name.lower().endswith(k)), None)
    if kind is None:
        raise InputError(f"{file} has no known extension; it must be one of {', '.join(KINDS)}")
    with replacing(file) as unfinished:
        if kind == ".parquet":
            frame.to_parquet(unfinished, index=False)
        else:
            with _text(unfinished, kind.endswith(".gz")) as text:
                frame.to_csv(text, sep="\t" if kind.startswith(".tsv") else ",", index=False)
    return file


@contextmanager
def _text(path: Path, zipped: bool) -> Iterator[TextIO]:
    """A text file; zipped without time and name, so that the same data give the same bytes."""
    with ExitStack() as stack:
        stream: Any = stack.enter_context(open(path, "wb"))
        if zipped:
            stream = stack.enter_context(gzip.GzipFile("", "wb", fileobj=stream, mtime=0))
        yield stack.enter_context(io.TextIOWrapper(stream, encoding="utf-8", newline=""))
