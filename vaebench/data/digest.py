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


_MOST = 3  # differences that a message names


def data_difference(made: Mapping[str, Any], dataset: Dataset) -> str:
    """Say how the data of a folder differ from ``dataset``: in their files and options, or else in their digests.

    Args:
        made: the record of the folder, with its ``provenance`` and ``digest``.
        dataset: the data set of now.
    """
    before, now = (dict(v) for v in (made.get("provenance") or {}, dataset.provenance))
    files = [[(f.get("name"), f.get("sha256")) for f in held.get("files") or []] for held in (before, now)]
    said = [f"{old[0]}, now {new[0]}" for old, new in zip(*files, strict=False) if old[0] != new[0]]
    said += [f"{old[0]} has changed since" for old, new in zip(*files, strict=False) if old[0] == new[0] and old != new]
    options = [json.loads(json.dumps(held.get("options") or {}, default=str)) for held in (before, now)]
    names = dict.fromkeys([*options[0], *options[1]])
    pairs = [(name, options[0].get(name), options[1].get(name)) for name in names]
    said += [f"{name} {old!r}, now {new!r}" for name, old, new in pairs if old != new]
    if len(said) > _MOST:
        said = [*said[:_MOST], f"and {len(said) - _MOST} more"]
    return "; ".join(said) or f"digest {made.get('digest')}, now {dataset.digest}"
