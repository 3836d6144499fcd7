"""A cache of data sets on disk, keyed by the digests of the input files and by the options.

A data set is a folder named by its key: ``x.npy``, and ``counts.npy`` if it has counts, both memory-mapped when read, and
``rest.json`` with all else and a digest.
Folders appear in one step and complete on disk, so several processes may share a cache. A damaged one is built again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from vaebench.atomic import read_json, replacing, sweep_unfinished, unfinished_path, write_json
from vaebench.data.auxiliary import coding_of, variables_from
from vaebench.data.digest import content_digest
from vaebench.data.preprocessing import Preprocessing, preprocessing_from, settings_of
from vaebench.errors import user_path
from vaebench.types import Dataset, Survival
from vaebench.types.auxiliary import Auxiliary
from vaebench.types.counts import Counts

FORMAT = 3
"""Part of every key; increased whenever reading, selecting or scaling changes values."""


def cache_folder(cache: bool | str | Path) -> Path | None:
    """Returns the folder of the cache: the user's for ``True``, ``None`` for ``False``, else the given one."""
    if cache is False:
        return None
    if cache is True:
        import platformdirs

        return Path(platformdirs.user_cache_dir("vaebench", appauthor=False)) / "datasets"
    return user_path(cache)


def sha256_of(path: str | Path) -> str:
    """Returns the sha256 of a file's bytes as hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_record(path: str | Path, folder: Path | None = None) -> dict[str, Any]:
    """Returns name, bytes and sha256 of a file, for the provenance.

    With a cache folder, the digest is stored there and used again while the file's size, inode and times of change, to the
    nanosecond, stay the same; hashing a large file takes seconds.
    """
    file = user_path(path)
    stat = os.stat(file)
    record = {"name": file.name, "bytes": stat.st_size}
    if folder is None:
        return {**record, "sha256": sha256_of(file)}
    state = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
    # named by a digest of the path, so that the cache holds no path of the user
    memory = folder / "digests" / f"{_key(str(file.resolve()))}.json"
    known = read_json(memory)
    if not known or known.get("state") != state or not isinstance(known.get("sha256"), str):
        known = {"state": state, "sha256": sha256_of(file)}
        with suppress(OSError):  # a full disk: it is hashed again the next time
            write_json(memory, known)
    return {**record, "sha256": known["sha256"]}


def cached(folder: Path | None, inputs: Mapping[str, Any], build: Callable[[], Dataset]) -> Dataset:
    """Returns the cached data set for ``inputs``, or builds and caches it.

    A cached data set that is damaged is built again, with a warning. Failures to write are ignored.

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
    damaged = place.exists()
    dataset = build()
    if damaged:
        warnings.warn(f"the cached data set {place} was damaged and has been built again", stacklevel=2)
    _write_dataset(place, dataset)
    return dataset


def _key(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def _write_dataset(place: Path, dataset: Dataset) -> None:
    """Writes the files to a temporary folder and, once they are on disk, renames it, unless another process was first."""
    rest = {
        field.name: _plain(getattr(dataset, field.name))
        for field in dataclasses.fields(dataset)
        if field.name not in ("x", "counts")
    }
    matrices = {"x": dataset.x}
    if dataset.counts is not None:
        rest["library"] = dataset.counts.library.tolist()
        matrices["counts"] = dataset.counts.values
    temporary = unfinished_path(place)
    try:
        sweep_unfinished(place.parent)
        temporary.mkdir(parents=True)
        for name, matrix in matrices.items():
            with replacing(temporary / f"{name}.npy", durable=True) as unfinished, unfinished.open("wb") as file:
                np.save(file, matrix)
        write_json(temporary / "rest.json", {"sha256": _key(rest), "rest": rest}, durable=True)
        try:
            os.replace(temporary, place)
        except OSError:
            # an intact one is of another process, which was first, and others read its files
            if not place.exists() or _read_dataset(place) is not None:
                raise
            shutil.rmtree(place, ignore_errors=True)
            os.replace(temporary, place)
    except OSError:
        pass  # a full disk, or another process was first: the caller has the data set in memory
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _plain(value: Any) -> Any:
    """JSON values of a field; :func:`_restored` is the inverse."""
    if isinstance(value, Preprocessing):
        return settings_of(value) | {"fill": _plain(value.fill)}
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, Auxiliary):
        return {"variables": coding_of(value.variables), "values": _plain(value.values)}
    if isinstance(value, Survival):
        return {"time": value.time.tolist(), "event": value.event.tolist()}
    return value.tolist() if isinstance(value, np.ndarray) else list(value) if isinstance(value, tuple) else value


def _read_dataset(place: Path) -> Dataset | None:
    kept = read_json(place / "rest.json") or {}
    if kept.get("sha256") != _key(kept.get("rest")):
        return None
    try:
        library = kept["rest"].pop("library", None)
        dataset = _restored(_matrix(place, "x"), kept["rest"])
        if library is not None:
            dataset = dataclasses.replace(dataset, counts=Counts(_matrix(place, "counts"), np.array(library, float)))
        return dataset if content_digest(dataset) == dataset.digest else None
    except (
        Exception
    ):  # any damage has the same cure, and there are many: an empty file, another header, another shape, ...
        return None


def _matrix(place: Path, name: str) -> np.ndarray:
    return np.asarray(np.load(place / f"{name}.npy", mmap_mode="r"))


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
    if (held := rest.get("auxiliary")) is not None:  # absent from the cache of an earlier version
        variables = variables_from(held["variables"])
        values = {v.name: np.array(held["values"][v.name], str if v.levels else float) for v in variables}
        known["auxiliary"] = Auxiliary(variables, values, known["samples"])
    known["preprocessing"] = _preprocessing(rest["preprocessing"], known)
    return Dataset(x=x, **known)


def _preprocessing(kept: dict[str, Any] | None, known: Mapping[str, Any]) -> Preprocessing | None:
    if kept is None:
        return None
    fill = kept.pop("fill")
    arrays = {name: known[name] for name in ("features", "centre", "scale")}
    return preprocessing_from(kept, arrays | {"fill": None if fill is None else np.array(fill, dtype=np.float64)})
