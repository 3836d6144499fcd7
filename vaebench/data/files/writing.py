"""Writing data sets and data frames as tables; :func:`vaebench.data.read_table` reads what is written here."""

from __future__ import annotations

import gzip
import io
import os
import re
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from vaebench.atomic import replacing
from vaebench.data.auxiliary import as_category
from vaebench.errors import InputError, user_path
from vaebench.types import Dataset, checked_dataset

KINDS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
"""Extensions that can be written."""

QUOTED = "VAEBENCH_QUOTE_FORMULAS"
"""Environment variable: 1 writes a ``'`` before names that spreadsheet programs take for formulas."""


def table_columns(dataset: Dataset) -> dict[str, list[str]]:
    """Returns, for each option of ``read_table``, the columns that :func:`write_table` writes for it.

    Reading the file with these options restores labels, survival, covariates, factors and auxiliary variables.
    """
    return _about_samples(dataset)[1]


def _about_samples(dataset: Dataset) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Returns the columns beside the features, and the options of ``read_table`` that name them."""
    columns: dict[str, Any] = {"sample": dataset.samples}
    if dataset.labels is not None:
        columns["label"] = np.array(dataset.label_names)[dataset.labels]
    if dataset.survival is not None:
        columns |= {"event": dataset.survival.event.astype(int), "time": dataset.survival.time}
    features, names = frozenset(dataset.features.tolist()), dict[str, list[str]]()
    for kind, given in (("covariate", dataset.covariates), ("factor", dataset.factors)):
        names[kind] = [f"{name}_{kind}" if name in columns or name in features else name for name in given]
        columns |= dict(zip(names[kind], given.values(), strict=True))
    options = {option: [option] if option in columns else [] for option in ("label", "event", "time")}
    options |= {"covariates": names["covariate"], "factors": names["factor"], "auxiliary": []}
    for name, values in auxiliary_columns(dataset, columns, features).items():
        columns.setdefault(name, values)
        digits = values.dtype.kind != "f" and all(v == "" or _is_number(v) for v in values.tolist())
        options["auxiliary"].append(f"{name}:category" if digits else name)
    return columns, options


def auxiliary_columns(
    dataset: Dataset, columns: Mapping[str, Any], taken: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """Returns the auxiliary variables [N] by column: that of ``columns`` where it holds the same, with a suffix where not.

    A name that is ``taken`` gets the suffix too.
    """
    found = {}
    for name, values in () if dataset.auxiliary is None else dataset.auxiliary.values.items():
        same = name not in columns or as_category(np.asarray(columns[name])).tolist() == as_category(values).tolist()
        found[name if same and name not in taken else f"{name}_auxiliary"] = values
    return found


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def write_table(dataset: Dataset, path: str | Path) -> Path:
    """Writes a data set as a table with one row per sample.

    The columns are ``sample``, ``label``, ``event`` (1 for a death), ``time`` (days), the covariates, the factors, the
    auxiliary variables and the features, as far as the data set has them. Features are written as scaled. A covariate or
    factor with the name of a feature, or of a column before it, gets the suffix ``_covariate`` or ``_factor``; an auxiliary
    variable with the name of a feature, or the name and other values than a column before it, ``_auxiliary``. The file appears
    whole or not at all.

    Args:
        dataset: the data set.
        path: the file; its extension, one of ``.csv``, ``.csv.gz``, ``.tsv``, ``.tsv.gz`` and ``.parquet``, sets the
            format.

    Returns:
        The path.

    Raises:
        InputError: the extension is not one of these, or ``dataset`` is none.

    Example::

        data, truth = vb.data.simulate_cohort(samples=240, types=4, scaling="none")
        vb.data.write_table(data, "cohort.csv.gz")
    """
    columns, _ = _about_samples(checked_dataset(dataset))
    values = pd.DataFrame(dataset.x, columns=pd.Index(dataset.features.tolist()))
    return write_frame(pd.concat([pd.DataFrame(columns), values], axis=1), path)


def write_frame(frame: pd.DataFrame, path: str | Path) -> Path:
    """Writes the columns of ``frame`` without its index; the file appears whole or not at all.

    The same data give the same bytes, compressed files included. Names are written as they are, since other tables have them
    too. There is a warning for one that spreadsheet programs take for a formula; with the environment variable
    :data:`QUOTED` set to 1, text files have a ``'`` before such names instead.

    Args:
        frame: the columns.
        path: the file; its extension sets the format.

    Returns:
        The path.

    Raises:
        InputError: the extension is not one of :data:`KINDS`.
    """
    file = user_path(path)
    kind = next((k for k in sorted(KINDS, key=len, reverse=True) if file.name.lower().endswith(k)), None)
    if kind is None:
        raise InputError(f"{file} has no known extension; it must be one of {', '.join(KINDS)}")
    formula = None if kind == ".parquet" else _formula(frame)
    if formula is not None and os.environ.get(QUOTED) == "1":
        frame = frame.rename(columns=_quoted).map(_quoted)
    elif formula is not None:
        warnings.warn(
            f"the name {formula[:40]!r} begins with {formula[0]!r}; a spreadsheet program may run it as a formula, unless the "
            f"column is imported as text; the environment variable {QUOTED}=1 writes ' before such names",
            stacklevel=2,
        )
    with replacing(file) as unfinished:
        if kind == ".parquet":
            frame.to_parquet(unfinished, index=False)
        else:
            with _text(unfinished, kind.endswith(".gz")) as text:
                frame.to_csv(text, sep="\t" if kind.startswith(".tsv") else ",", index=False)
    return file


def _formula(frame: pd.DataFrame) -> str | None:
    """Returns the first name or text that begins as a formula and is no number, ``None`` if there is none."""
    columns = (frame.iloc[:, i] for i in range(frame.shape[1]))
    texts = [frame.columns, *(column.unique() for column in columns if column.dtype.kind == "O")]
    return next((text for column in texts for text in column if _is_formula(text)), None)


def _is_formula(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("=", "+", "-", "@")) and not re.match(r"[+-]?[\d.]", value)


def _quoted(value: object) -> object:
    return f"'{value}" if _is_formula(value) else value


@contextmanager
def _text(path: Path, zipped: bool) -> Iterator[TextIO]:
    """Opens a text file for writing; gzip headers carry no time and no name, so that equal data give equal bytes."""
    with ExitStack() as stack:
        stream: Any = stack.enter_context(open(path, "wb"))
        if zipped:
            stream = stack.enter_context(gzip.GzipFile("", "wb", fileobj=stream, mtime=0))
        yield stack.enter_context(io.TextIOWrapper(stream, encoding="utf-8", newline=""))
