"""Running lanes, and kept embeddings and models of finished ones, as safetensors files."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from vaebench.atomic import replacing
from vaebench.errors import InputError
from vaebench.training.pool import Saved
from vaebench.types import Tree

LANES, EMBEDDINGS, MODELS = "checkpoints", "embeddings", "models"
"""Subfolders of a run's folder."""
DIGEST = "sha256"
"""Key of a file's metadata for :func:`digest_of` its arrays; files of earlier versions, and of kept points, have none."""


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Write one safetensors file atomically: it is complete or does not exist."""
    from safetensors.numpy import save_file

    with replacing(path) as unfinished:
        save_file({k: np.asarray(v, order="C") for k, v in arrays.items()}, unfinished, dict(metadata or {}))


def read_arrays(
    path: Path, hint: str = "delete it to continue without it"
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read arrays and metadata of a safetensors file; ``hint`` ends the message of a file that cannot be read.

    Raises:
        InputError: the file cannot be read; the message names it.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read ({error}); {hint}") from error


def digest_of(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of names, types, shapes and values of arrays, as hex digits."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        value = np.asarray(arrays[name], order="C")
        digest.update(f"{name} {value.dtype.str} {value.shape};".encode() + value.tobytes())
    return digest.hexdigest()


def check_digest(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    metadata: Mapping[str, str],
    hint: str = "delete it to continue without it",
) -> None:
    """Raise :class:`InputError` unless the arrays read from a file are those that were written, as far as it says."""
    if metadata.get(DIGEST, "") not in ("", digest_of(arrays)):
        raise InputError(f"{path} is damaged: it does not hold what was written; {hint}")


def _read_if_there(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read a file as :func:`read_arrays`; empty if another process has removed it in the meantime."""
    try:
        return read_arrays(path)
    except InputError:
        if path.exists():
            raise
        return {}, {}


def save_lanes(path: Path, lanes: Mapping[str, Saved]) -> None:
    """Write running lanes, point id -> lane, as one file: the leaves of each lane's tree in order, and its losses so far."""
    arrays = {}
    for point, (lane, history) in lanes.items():
        arrays |= {f"{point}/{i:04d}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(lane))}
        arrays[f"{point}/history"] = np.asarray(history, np.float64)
    write_arrays(path, arrays, {DIGEST: digest_of(arrays)})


def load_lanes(folder: Path) -> dict[str, list[np.ndarray]]:
    """Read all checkpoints in ``folder``: point id -> the leaves of its lane, then its losses.

    Of a point in several files the lane with the most epochs is returned.

    Raises:
        InputError: a file cannot be read, or does not hold what was written.
    """
    found: dict[str, list[np.ndarray]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        arrays, metadata = _read_if_there(path)
        check_digest(path, arrays, metadata)
        for point in {name.split("/")[0] for name in arrays}:
            leaves = [arrays[name] for name in sorted(arrays) if name.split("/")[0] == point]
            if point not in found or len(leaves[-1]) > len(found[point][-1]):
                found[point] = leaves
    return found


def restored(leaves: list[np.ndarray], template: Tree) -> Saved | None:
    """Return a saved lane in the structure of ``template``, a tree of shapes; ``None`` if the shapes differ.

    The lane's key is raw data on both sides. Shapes differ if, for example, another version wrote the checkpoint; the point is
    then trained from its start.
    """
    *values, history = leaves
    shapes, tree = jax.tree.flatten(template)
    if [v.shape for v in values] != [s.shape for s in shapes]:
        return None
    return Saved(tree.unflatten(values), [float(v) for v in history])


def forget_lanes(folder: Path, finished: set[str]) -> None:
    """Delete the checkpoints whose points are all finished."""
    for path in folder.glob("*.safetensors"):
        arrays, _ = _read_if_there(path)
        if {name.split("/")[0] for name in arrays} <= finished:
            path.unlink(missing_ok=True)


def keep_part(folder: Path, point: str, arrays: Mapping[str, np.ndarray], card: Mapping[str, Any]) -> None:
    """Write the kept arrays and the card of one finished point as a file in ``folder``; :func:`merge_parts` joins them."""
    named = {f"{point}/{name}": value for name, value in arrays.items()}
    write_arrays(folder / f"{point}.safetensors", named, {point: json.dumps(card)})


def merge_parts(folder: Path, best: bool = False) -> None:
    """Join all files of a group in ``folder`` into one new file, then delete the old ones.

    Any number of processes may do this at once: no file is ever changed, and a file is deleted only after its contents are in
    another one. Points that two processes join at the same time are stored twice until the next merge.

    Args:
        folder: of the group.
        best: keep only the point with the lowest ``valid`` loss on its card.
    """
    parts = sorted(folder.glob("*.safetensors"))
    if len(parts) < 2:
        return
    arrays, cards = {}, {}
    for path in parts:
        more, card = _read_if_there(path)
        arrays, cards = arrays | more, cards | card
    if best and cards:
        first = min(cards, key=lambda point: json.loads(cards[point])["losses"]["valid"])
        arrays = {name: value for name, value in arrays.items() if name.startswith(f"{first}/")}
        cards = {first: cards[first]}
    if cards:  # else another process has joined them all already
        write_arrays(folder / f"joined-{uuid.uuid4().hex}.safetensors", arrays, cards)
    for path in parts:
        path.unlink(missing_ok=True)


def kept(folder: Path) -> dict[str, tuple[dict[str, np.ndarray], dict[str, Any]]]:
    """Read all files below ``folder``, joined or not: point id -> (arrays, card)."""
    found, seen = {}, set()
    while new := sorted(set(folder.rglob("*.safetensors")) - seen):  # files joined in the meantime are in a new one
        seen |= set(new)
        for path in new:
            arrays, cards = _read_if_there(path)
            for point, card in cards.items():
                own = {k.removeprefix(f"{point}/"): v for k, v in arrays.items() if k.startswith(f"{point}/")}
                found[point] = (own, json.loads(card))
    return found


def kept_array(folder: Path, point: str, name: str) -> np.ndarray | None:
    """Read one array of one point below ``folder`` without reading the others; ``None`` if it was not kept."""
    from safetensors import SafetensorError, safe_open

    seen = set[Path]()
    while new := sorted(set(folder.rglob("*.safetensors")) - seen):  # files joined in the meantime are in a new one
        seen |= set(new)
        for path in new:
            try:
                with safe_open(path, framework="numpy") as file:
                    if f"{point}/{name}" in file.keys():  # noqa: SIM118
                        return file.get_tensor(f"{point}/{name}")
            except (OSError, SafetensorError) as error:
                if path.exists():  # else another process has joined it and deleted it
                    raise InputError(f"{path} cannot be read ({error}); delete it to continue without it") from error
    return None
