"""Digests of files, and data sets kept on disk under the digests of their inputs and options."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vaebench.atomic import read_json, write_json
from vaebench.data.dataset import content_digest
from vaebench.types import Dataset, Survival

FORMAT = 2
"""Part of every key; raised whenever reading, selecting or scaling gives other values than before."""


def cache_folder(cache: bool | str | Path) -> Path | None:
    """The folder for kept data sets: the user's cache for ``True``, ``None`` for ``False``."""
    if cache is False:
        return None
    if cache is True:
        import platformdirs

        return Path(platformdirs.user_cache_dir("vaebench", appauthor=False)) / "datasets"
    return Path(cache)


def sha256_of(path: str | Path) -> str:
    """The sha256 of a file's bytes, as hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_record(path: str | Path, folder: Path | None = None) -> dict[str, Any]:
    """Name, size and sha256 of a file, for the provenance; with a cache folder, the digest is remembered there.

    A remembered digest holds while the file's size, place on disk and times of change stay the same, to the nanosecond.
    """
    file = Path(path)
    stat = os.stat(file)
    record = {"name": file.name, "bytes": stat.st_size}
    if folder is None:
        return {**record, "sha256": sha256_of(file)}
    state = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
    # named by a digest of the path, so that no path of the user is stored
    memory = folder / "digests" / f"{_key(str(file.resolve()))}.json"
    known = read_json(memory)
    if not known or known.get("state") != state:
        known = {"state": state, "sha256": sha256_of(file)}
        write_json(memory, known)
    return {**record, "sha256": known["sha256"]}


def cached(folder: Path | None, inputs: Mapping[str, Any], build: Callable[[], Dataset]) -> Dataset:
    """The data set kept for ``inputs`` (JSON values: digests and options), else ``build()``, which is then kept.

    The matrix is memory-mapped, read-only. A kept data set whose content does not match its digest is built again.
    """
    if folder is None:
        return build()
    place = folder / _key({"format": FORMAT, **inputs})
    kept = _read_dataset(place)
    if kept is not None:
        return kept
    dataset = build()
    _write_dataset(place, dataset)
    return dataset


def _key(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def _write_dataset(place: Path, dataset: Dataset) -> None:
    """``x.npy`` and ``rest.json`` in a folder that appears in one step; another process's folder is left as it is."""
    rest = {
        field.name: _plain(getattr(dataset, field.name)) for field in dataclasses.fields(dataset) if field.name != "x"
    }
    temporary = place.parent / f".{secrets.token_hex(8)}.tmp"
    temporary.mkdir(parents=True)
    try:
        np.save(temporary / "x.npy", dataset.x)
        (temporary / "rest.json").write_text(json.dumps({"sha256": _key(rest), "rest": rest}), encoding="utf-8")
        if place.exists():  # only a damaged one can be here
            shutil.rmtree(place, ignore_errors=True)
        os.replace(temporary, place)
    except OSError:
        pass  # a full disk or another process: the data set is at hand all the same
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, Survival):
        return {"time": value.time.tolist(), "event": value.event.tolist()}
    return value.tolist() if isinstance(value, np.ndarray) else value


def _read_dataset(place: Path) -> Dataset | None:
    kept = read_json(place / "rest.json") or {}
    if kept.get("sha256") != _key(kept.get("rest")):
        return None
    try:
        dataset = _restored(np.asarray(np.load(place / "x.npy", mmap_mode="r")), kept["rest"])
    except (OSError, ValueError):
        return None
    return dataset if content_digest(dataset) == dataset.digest else None


def _restored(x: np.ndarray, rest: dict[str, Any]) -> Dataset:
    known, survival, labels = dict(rest), rest["survival"], rest["labels"]
    known |= {name: np.array(rest[name], dtype=str) for name in ("samples", "features")}
    known |= {name: np.array(rest[name], dtype=np.float64) for name in ("centre", "scale")}
    known |= {
        "labels": None if labels is None else np.array(labels, dtype=np.int32),
        "label_names": tuple(rest["label_names"]),
        "survival": survival and Survival(np.array(survival["time"], float), np.array(survival["event"], bool)),
        "covariates": {name: np.array(values) for name, values in rest["covariates"].items()},
        "factors": {name: np.array(values, dtype=np.float64) for name, values in rest["factors"].items()},
    }
    return Dataset(x=x, **known)
