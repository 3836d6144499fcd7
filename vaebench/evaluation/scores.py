"""Scores of an embedding by chosen metrics. A bad embedding gets a status and never ends a sweep."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import math
import time
import traceback
import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vaebench.errors import InputError, as_tuple, unknown_name
from vaebench.metrics import metric
from vaebench.rows import score_columns
from vaebench.types import Dataset, Given, Metric, Posterior, checked_dataset
from vaebench.types.frames import in_order, is_anndata_object, positions

if TYPE_CHECKING:
    import anndata
    import pandas as pd

DEFAULT_METRICS = ("leiden", "cox")
"""Metrics of a run that names none."""

_LACKS_NOTHING = Given()


def evaluate(
    z: np.ndarray | pd.DataFrame,
    dataset: Dataset | anndata.AnnData,
    metrics: Sequence[str | Metric] = DEFAULT_METRICS,
    given: Given = _LACKS_NOTHING,
    *,
    options: Mapping[str, Any] | None = None,
    **columns: Any,  # noqa: ANN401  (options of read_table)
) -> dict[str, dict[str, Any]]:
    """Score an embedding of the samples of a data set by any of the metrics.

    Args:
        z: [N, L], one row a sample. A DataFrame is put in the order of the data set by its row names; an array must be in it.
        dataset: with the labels, survival or factors that the metrics need; or an AnnData object.
        metrics: names, or metrics from :func:`prepared_metrics`.
        given: what else is known about the embedding: posterior, reconstruction, split.
        options: metric name -> an instance of the metric's options, for metrics given by name.
        **columns: options of :func:`vaebench.data.read_table` for an AnnData object: ``label``, ``covariates``, ``layer``, ...

    Returns:
        Metric name -> dict of all its scores (NaN where not computed), ``status`` ("OK" or the reason) and ``seconds``.

    Raises:
        InputError: z is not a numeric matrix with a row per sample, or names other samples; ``given`` does not fit it, a
            metric is unknown, or the data set or ``given`` lacks what a metric needs. Of the default metrics those that the
            data set does not allow are left out, with a warning.

        >>> import vaebench as vb
        >>> data = vb.data.read_table("expression.csv")  # doctest: +SKIP
        >>> z = vb.evaluation.pca_embedding(data.x, 10)  # doctest: +SKIP
        >>> vb.evaluate(z, data, ["leiden"])["leiden"]["ari"]  # doctest: +SKIP
        0.71
    """
    if columns or is_anndata_object(dataset):
        from vaebench.data.expression import dataset_of

        names, data = getattr(dataset, "obs_names", None), dataset_of(dataset, columns)
        # an array is in the order of the object, of which the data set may have fewer samples
        if isinstance(z, np.ndarray) and names is not None and len(z) == len(names) > len(data.samples):
            z = z[positions(names, data.samples, "the AnnData object", "sample")]
        dataset = data
    dataset = checked_dataset(dataset)
    if metrics is DEFAULT_METRICS:  # the same metrics given by name are refused as any other
        metrics, left_out = allowed_metrics(DEFAULT_METRICS, dataset, options or {})
        for sentence in left_out:
            warnings.warn(sentence, stacklevel=2)
    chosen = check_metrics(metrics, dataset, options)
    z = np.asarray(in_order(z, "the embedding", samples=dataset.samples))
    if not isinstance(given, Given):
        raise InputError(f"given is a {type(given).__name__}; it must be a Given of vaebench.types")
    given = _ordered(given, dataset)
    samples = len(dataset.samples)
    if z.dtype.kind not in "fiub":
        raise InputError(f"the embedding must be numeric, got dtype {z.dtype}")
    if z.ndim != 2 or z.shape[0] != samples or not z.shape[1]:
        raise InputError(
            f"the embedding must be [{samples} samples of {dataset.name!r}, latents >= 1], got shape {z.shape}"
        )
    _check_given(given, z, dataset)
    for m in chosen:
        for need in m.needs:
            if need in Given._fields and getattr(given, need) is None:
                raise InputError(f"metric {m.name!r} needs a {need}, and none was given with the embedding")
    return {m.name: _scores(m, z, dataset, given) for m in chosen}


def evaluate_flat(
    z: np.ndarray,
    dataset: Dataset,
    metrics: Sequence[str | Metric] = DEFAULT_METRICS,
    given: Given = _LACKS_NOTHING,
) -> dict[str, Any]:
    """Score an embedding as :func:`evaluate` does, as columns of a row; for worker processes, with a :func:`light` data set."""
    return score_columns(evaluate(z, dataset, metrics, given))


def check_metrics(
    metrics: Sequence[str | Metric], dataset: Dataset, options: Mapping[str, Any] | None = None
) -> tuple[Metric, ...]:
    """Return the metrics, given by name or prepared, with their options bound.

    Raises:
        InputError: a metric is unknown or needs what the data set lacks, or options belong to no metric. Called before any
            training.
    """
    chosen = _bound(_resolved(metrics), options or {})
    for m in chosen:
        check_installed(f"metric {m.name!r}", m.packages(m.options))
        for need in m.needs:
            problem = "" if need in Given._fields else _lack(need, dataset)
            if problem:
                raise InputError(f"metric {m.name!r} needs {need}, and data set {dataset.name!r} {problem}")
    return chosen


def prepared_metrics(
    metrics: Sequence[str | Metric],
    dataset: Dataset,
    *,
    options: Mapping[str, Any] | None = None,
    label_covariate: bool = True,
) -> tuple[Metric, ...]:
    """Check the metrics as :func:`check_metrics` does, and compute once what does not depend on the embedding.

    Pass the result to :func:`evaluate_flat` in place of names, with this data set only.

    Args:
        metrics: names; prepared metrics are returned as they are.
        dataset: the data set of the embeddings to come.
        options: metric name -> an instance of the metric's options; the defaults for metrics not in it.
        label_covariate: true if the label is a covariate of the Cox metrics that are not in ``options``.
    """
    asked = _listed(metrics)
    options = dict(options or {})
    for name in asked:
        if not isinstance(name, str) or name in options:
            continue
        default = metric(name).options
        if default is not None and hasattr(default, "label_covariate"):
            options[name] = dataclasses.replace(default, label_covariate=label_covariate)
    chosen = check_metrics(metrics, dataset, options)
    return tuple(
        m.prepare(dataset, m.options) if isinstance(name, str) and m.prepare else m
        for name, m in zip(asked, chosen, strict=True)
    )


def allowed_metrics(
    metrics: Sequence[str] | str, dataset: Dataset, options: Collection[str] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the metrics to compute on a data set, and a sentence for each that is left out.

    The default metrics are those of :data:`DEFAULT_METRICS` that the data set allows. Metrics that were chosen, or that have
    ``options``, are returned as they are, for :func:`check_metrics` to refuse.

    Raises:
        InputError: the data set allows none of the default metrics.
    """
    names = as_tuple("metrics", metrics)
    if names != DEFAULT_METRICS:
        return names, ()
    # a need that is met for some of the samples only is an error of the table, which check_metrics reports
    lacking = {
        name: need
        for name in names
        for need in metric(name).needs
        if _lack(need, dataset) == "has none" and name not in options
    }
    kept = tuple(name for name in names if name not in lacking)
    if not kept:
        raise InputError(
            f"data set {dataset.name!r} has neither labels nor survival for the metrics {', '.join(names)}; name columns for "
            "them, or choose metrics that need none, such as latent_use"
        )
    return kept, tuple(
        f"metric {name!r} is left out: it needs {need}, and data set {dataset.name!r} has none"
        for name, need in lacking.items()
    )


def skipped_scores(metrics: Sequence[str | Metric], reason: str) -> dict[str, Any]:
    """Return the columns of :func:`evaluate_flat` for an embedding that does not exist: NaN, and ``reason`` as status."""
    return score_columns(
        {m.name: dict.fromkeys(m.scores, math.nan) | _footer(reason, math.nan) for m in _resolved(metrics)}
    )


def light(dataset: Dataset) -> Dataset:
    """Return the data set without its expression values and features (D = 0), small enough to send with every task."""
    return dataclasses.replace(
        dataset,
        x=dataset.x[:, :0].copy(),  # a view would keep the whole matrix alive
        features=dataset.features[:0],
        centre=dataset.centre[:0],
        scale=dataset.scale[:0],
        preprocessing=None,
        counts=None,
    )


def check_installed(what: str, packages: Sequence[str], instead: str = "") -> None:
    """Raise :class:`InputError`, which says what to install, where ``what`` needs packages that are not there."""
    absent = [name for name in packages if importlib.util.find_spec(name) is None]
    if absent:
        raise InputError(f"{what} needs packages that are not installed: pip install {' '.join(absent)}{instead}")


def _listed(metrics: Sequence[str | Metric]) -> tuple[str | Metric, ...]:
    return (metrics,) if isinstance(metrics, Metric) else as_tuple("metrics", metrics)


def _resolved(metrics: Sequence[str | Metric]) -> tuple[Metric, ...]:
    chosen = tuple(m if isinstance(m, Metric) else metric(m) for m in _listed(metrics))
    seen = [m.name for m in chosen]
    twice = sorted({name for name in seen if seen.count(name) > 1})
    if twice:
        raise InputError(f"metric {twice[0]!r} is named more than once")
    return chosen


def _bound(chosen: Sequence[Metric], options: Mapping[str, Any]) -> tuple[Metric, ...]:
    """Bind options to their metrics; ``InputError`` for options of no metric or of a wrong type."""
    if not isinstance(options, Mapping):
        raise InputError(f"options are a {type(options).__name__}; they must be a mapping of metric names to options")
    for name, choice in options.items():
        found = next((m for m in chosen if m.name == name), None)
        if found is None:
            raise unknown_name("metric in options", name, [m.name for m in chosen])
        if found.options is None or type(choice) is not type(found.options):
            wanted = "has no options" if found.options is None else f"takes {type(found.options).__name__}"
            raise InputError(f"metric {name!r} {wanted}, got options of type {type(choice).__name__}")
    return tuple(
        m._replace(compute=functools.partial(m.compute, options=options[m.name]), options=options[m.name])
        if m.name in options
        else m
        for m in chosen
    )


def _ordered(given: Given, dataset: Dataset) -> Given:
    """Return ``given`` with frames as arrays, their rows and features in the order of the data set."""
    if given.posterior is not None:
        mean, logvar = (in_order(part, "the posterior", samples=dataset.samples) for part in given.posterior)
        given = given._replace(posterior=Posterior(mean, logvar))
    if given.reconstruction is not None:
        features = dataset.features if len(dataset.features) else None
        held = in_order(given.reconstruction, "the reconstruction", samples=dataset.samples, columns=features)
        given = given._replace(reconstruction=held)
    return given


def _check_given(given: Given, z: np.ndarray, dataset: Dataset) -> None:
    samples = len(z)
    if given.posterior is not None:
        shapes = [np.shape(part) for part in given.posterior]
        if shapes != [z.shape, z.shape]:
            raise InputError(f"the posterior's mean and logvar must be {z.shape} like the embedding, got {shapes}")
    if given.reconstruction is not None:
        shape = np.shape(given.reconstruction)
        features = dataset.x.shape[1] or shape[-1]
        if shape != (samples, features):
            raise InputError(f"the reconstruction must be {(samples, features)} like the data, got {shape}")
    if given.split is not None:
        train, valid = (np.asarray(part) for part in given.split)
        both = np.concatenate([train, valid])
        if both.dtype.kind not in "iu" or len(np.unique(both)) < len(both) or ((both < 0) | (both >= samples)).any():
            raise InputError(f"the split must be two sets of different positions from 0 to {samples - 1}")
    if len(set(given.redundant)) < len(given.redundant) or not set(given.redundant) < set(range(z.shape[1])):
        raise InputError(f"redundant is {given.redundant}; it must be some of the {z.shape[1]} latents, each once")


def _lack(need: str, dataset: Dataset) -> str:
    """Say in words how the data set fails a need, "" if it meets it."""
    if need == "labels" and dataset.labels is not None:
        without = int((np.asarray(dataset.labels) < 0).sum())
        return f"has {without} samples without one" if without else ""
    present = {
        "labels": False,
        "survival": dataset.survival is not None,
        "factors": bool(dataset.factors),
        "expression": bool(dataset.x.shape[1]),
    }
    return "" if present[need] else "has none"


def _scores(chosen: Metric, z: np.ndarray, dataset: Dataset, given: Given) -> dict[str, Any]:
    start = time.perf_counter()
    try:
        scores = dict(chosen.compute(z, dataset, given))
    except InputError:
        raise  # about the data set, so the same for every embedding
    except Exception as error:
        # The package's only catch-all: a library that fails on one odd embedding must not end a sweep of thousands. The
        # status has the whole cause.
        scores = {**dict.fromkeys(chosen.scores, math.nan), "status": f"FAILED: {_cause(error)}"}
    status = scores.pop("status")
    return scores | _footer(status, time.perf_counter() - start)


def _footer(status: str, seconds: float) -> dict[str, Any]:
    return {"status": status, "seconds": seconds}


def _cause(error: BaseException) -> str:
    """Return ``Name: message (file.py:12)`` of an exception and of its causes, in one line."""
    parts = []
    link: BaseException | None = error
    while link is not None and len(parts) < 5:
        frames = traceback.extract_tb(link.__traceback__)
        where = (
            f" ({frames[-1].filename.replace(chr(92), '/').rsplit('/', 1)[-1]}:{frames[-1].lineno})" if frames else ""
        )
        parts.append(f"{type(link).__name__}: {' '.join(str(link).split())[:500]}{where}")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "; caused by ".join(parts)
