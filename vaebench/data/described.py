"""Text about a data set before training: its size, what each column was taken as, and its notes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vaebench.types import Dataset

_SHOWN = 8  # labels or levels that a line lists


def dataset_text(dataset: Dataset, notes: Sequence[str] | None = None) -> str:
    """Formats samples x features, what was taken as what, and notes, one a line.

    Args:
        dataset: the data set.
        notes: in place of the data set's own, such as those of :func:`vaebench.data.covariates.run_notes`.

    Example:
        >>> import vaebench as vb
        >>> data, _ = vb.data.simulate_cohort(samples=240, types=2)
        >>> print(vb.data.dataset_text(data).splitlines()[0])
        simulated: 240 samples x 1000 features, such as 'GENE00001'; samples such as 'SAMPLE00001'
    """
    options = dict(dataset.provenance.get("options", {}))
    samples, features = dataset.x.shape
    lines = [f"{dataset.name}: {samples} samples x {features} features, such as {str(dataset.features[0])!r}"]
    lines[0] += f"; samples such as {str(dataset.samples[0])!r}" if options else ""
    if dataset.labels is not None:
        counts = np.bincount(dataset.labels, minlength=len(dataset.label_names))
        order = np.argsort(-counts, kind="stable")[:_SHOWN]
        listed = ", ".join(f"{dataset.label_names[i]} {counts[i]}" for i in order)
        column = f" (column {options['label']!r})" if options.get("label") else ""
        lines.append(f"labels{column}: {len(counts)}: {listed}" + (", ..." if len(counts) > _SHOWN else ""))
    if dataset.survival is not None:
        known = int((~np.isnan(dataset.survival.time)).sum())
        columns = ""
        if options.get("event") and options.get("time"):
            columns = f" (event {options['event']!r}, time {options['time']!r} in {options.get('time_unit', 'days')})"
        lines.append(f"survival{columns}: {int(dataset.survival.event.sum())} events in {known} samples with a time")
    if dataset.covariates:
        lines.append("covariates: " + ", ".join(f"{n} ({_kind(v)})" for n, v in dataset.covariates.items()))
    if dataset.factors:
        lines.append("factors: " + ", ".join(dataset.factors))
    if dataset.auxiliary is not None:
        lines.append("auxiliary: " + ", ".join(f"{n} ({_kind(v)})" for n, v in dataset.auxiliary.values.items()))
    if dataset.counts is not None:
        lines.append(f"counts: kept beside the values, {dataset.counts.values.max():,} at most")
    texts = list(dataset.provenance.get("annotations", ()))
    if texts:
        more = ", ..." if len(texts) > _SHOWN else ""
        lines.append(f"left out, as text: {len(texts)} columns: {', '.join(texts[:_SHOWN])}{more}")
    return "\n".join([*lines, *(f"note: {note}" for note in (dataset.notes if notes is None else notes))])


def _kind(values: np.ndarray) -> str:
    if values.dtype.kind == "f":
        known = values[~np.isnan(values)]
        return f"numbers, {known.min():g} to {known.max():g}" if known.size else "no value"
    levels = sorted({str(value) for value in values} - {""})
    return f"{len(levels)} levels: {', '.join(levels[:_SHOWN])}" + (", ..." if len(levels) > _SHOWN else "")
