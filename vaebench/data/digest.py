"""The digest of a data set's content, which identifies it in rows and in the cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from vaebench.types import Dataset, Survival


def content_digest(dataset: Dataset) -> str:
    """Returns the first 16 hex digits of the sha256 over the content of a data set.

    It covers values, names, labels, survival, covariates, factors, auxiliary variables and counts, and is the same on every
    machine.
    """
    state = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, Mapping):
            value = [part for key in sorted(value) for part in (key, value[key])]
        if isinstance(value, Survival):
            value = [value.time, value.event]
        if isinstance(value, np.ndarray) and value.dtype.kind in "fib":
            little = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
            state.update(f"{little.dtype.str}{little.shape}".encode())
            flat = little.reshape(-1)
            for start in range(0, flat.size, 1 << 22):  # a matrix is not copied as a whole
                part = flat[start : start + (1 << 22)]
                # adding 0 turns -0.0 into 0.0, and every NaN gets the same bits
                if part.dtype.kind == "f":
                    part = np.where(np.isnan(part), np.nan, part + 0)
                state.update(part.tobytes())
        elif isinstance(value, np.ndarray):
            state.update(json.dumps(value.tolist()).encode())
        elif isinstance(value, list | tuple):
            state.update(f"[{len(value)}".encode())
            for part in value:
                add(part)
        else:
            state.update(json.dumps(value).encode())

    names = (dataset.samples, dataset.features, dataset.label_names)
    add([dataset.x, *names, dataset.labels, dataset.survival, dataset.covariates, dataset.factors])
    if dataset.auxiliary is not None:  # data sets without keep the digest that they had before there were any
        add(dataset.auxiliary.values)
    if dataset.counts is not None:
        add([dataset.counts.values, dataset.counts.library])
    return state.hexdigest()[:16]
