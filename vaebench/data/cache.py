"""A cache of data sets on disk, keyed by the digests of the input files and by the options.

A data set is a folder named by its key: ``x.npy``, memory-mapped when read, and ``rest.json`` with all else and a digest.
Folders appear in one step, so several processes may share a cache.
"""

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

FORMAT = 3
"""Part of every key; increased whenever reading, selecting or scaling changes values."""


def cache_folder(cache: bool | str | Path) -> Path | None:
    """Returns the folder of the cache: the user's for ``True``, ``None`` for ``False``, else the given one."""
    if cache is False:
        return None
    if cache is True:
        import platformdirs

        return Path(platformdirs.user_cache_dir("vaebench", appauthor=False)) / "datasets"
    return Path(cache)


def sha256_of(path: str | Path) -> str:
    """Returns the sha256 of a file's bytes as hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_record(path: str | Path, folder: Path | None = None) -> dict[str, Any]:
    """Returns name, bytes and sha256 of a file, for the provenance.

    With a cache folder, the digest is stored there and used again while the file's size, inode and times of change, to the
    nanosecond, stay the same; hashing a large file takes seconds.
    """
    file = Path(path)
    stat = os.stat(file)
    record = {"name": file.name, "bytes": stat.st_size}
    if folder is None:
        return {**record, "sha256": sha256_of(file)}
    state = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
    # named by a digest of the path, so that the cache holds no path of the user
    memory = folder / "digests" / f"{_key(str(file.resolve()))}.json"
    known = read_json(memory)
    if not known or known.get("state") != state:
        known = {"state": state, "sha256": sha256_of(file)}
        write_json(memory, known)
    return {**record, "sha256": known["sha256"]}


def cached(folder: Path | None, inputs: Mapping[str, Any], build: Callable[[], Dataset]) -> Dataset:
    """Returns the cached data set for ``inputs``, or builds and caches it.

    A cached data set whose content does not match its digest is built again. Failures to write are ignored.

    Args:
        folder: the cache; ``None`` always builds.
        inputs: digests and options, as JSON values; they make the key.
        build: builds the data set.

    Returns:
        The data set; from the cache, its matrix is memory-mapped and read-only.
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
    """Writes the files to a temporary folder and renames it, unless another process was first."""
    rest = {
        field.name: _plain(getattr(dataset, field.name)) for field in dataclasses.fields(dataset) if field.name != "x"
    }
    temporary = place.parent / f".{secrets.token_hex(8)}.tmp"
    temporary.mkdir(parents=True)
    try:
        np.save(temporary / "x.npy", dataset.x)
        write_json(temporary / "rest.json", {"sha256": _key(rest), "rest": rest})
        if place.exists():  # only a damaged data set: an intact one would have been read
            shutil.rmtree(place, ignore_errors=True)
        os.replace(temporary, place)
    except OSError:
        pass  # a full disk, or another process was first: the caller has the data set in memory
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _plain(value: Any) -> Any:
    """JSON values of a field; :func:`_restored` is the inverse."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, Survival):
        return {"time": value.time.tolist(), "event": value.event.tolist()}
    return value.tolist() if isinstance(value, np.ndarray) else list(value) if isinstance(value, tuple) else value


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
        "notes": tuple(rest["notes"]),
        "survival": survival and Survival(np.array(survival["time"], float), np.array(survival["event"], bool)),
        "covariates": {name: np.array(values) for name, values in rest["covariates"].items()},
        "factors": {name: np.array(values, dtype=np.float64) for name, values in rest["factors"].items()},
    }
    return Dataset(x=x, **known)
