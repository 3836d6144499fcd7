"""Lanes in the middle of their training, and what is kept of finished ones, as safetensors files."""

from __future__ import annotations

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
"""Folders of a run, below its own."""


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Write one safetensors file so that it is complete or not there."""
    from safetensors.numpy import save_file

    with replacing(path) as unfinished:
        save_file({k: np.asarray(v, order="C") for k, v in arrays.items()}, unfinished, dict(metadata or {}))


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays and metadata of a safetensors file; :class:`InputError` names a file that cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read ({error}); delete it to go on without it") from error


def _read_if_there(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """:func:`read_arrays`, nothing where another process has removed the file meanwhile."""
    try:
        return read_arrays(path)
    except InputError:
        if path.exists():
            raise
        return {}, {}


def save_lanes(path: Path, lanes: Mapping[str, Saved]) -> None:
    """Write lanes by point id: every leaf of the lane's tree, in its order, and the losses so far."""
    arrays = {}
    for point, (lane, history) in lanes.items():
        arrays |= {f"{point}/{i:04d}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(lane))}
        arrays[f"{point}/history"] = np.asarray(history, np.float64)
    write_arrays(path, arrays)


def load_lanes(folder: Path) -> dict[str, list[np.ndarray]]:
    """Point id -> leaves of its lane, then its losses, from all checkpoints in ``folder``; the longest trained wins."""
    found: dict[str, list[np.ndarray]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        arrays, _ = _read_if_there(path)
        for point in {name.split("/")[0] for name in arrays}:
            leaves = [arrays[name] for name in sorted(arrays) if name.split("/")[0] == point]
            if point not in found or len(leaves[-1]) > len(found[point][-1]):
                found[point] = leaves
    return found


def restored(leaves: list[np.ndarray], template: Tree) -> Saved | None:
    """The saved lane in the structure of ``template`` (shapes, the key as raw data); ``None`` when it is of another shape."""
    *values, history = leaves
    shapes, tree = jax.tree.flatten(template)
    if [v.shape for v in values] != [s.shape for s in shapes]:
        return None
    return Saved(tree.unflatten(values), [float(v) for v in history])


def forget_lanes(folder: Path, finished: set[str]) -> None:
    """Remove the checkpoints whose points are all finished."""
    for path in folder.glob("*.safetensors"):
        arrays, _ = _read_if_there(path)
        if {name.split("/")[0] for name in arrays} <= finished:
            path.unlink(missing_ok=True)


def keep_part(folder: Path, point: str, arrays: Mapping[str, np.ndarray], card: Mapping[str, Any]) -> None:
    """Write what is kept of one finished point below ``folder``; :func:`merge_parts` joins them."""
    named = {f"{point}/{name}": value for name, value in arrays.items()}
    write_arrays(folder / f"{point}.safetensors", named, {point: json.dumps(card)})


def merge_parts(folder: Path, best: bool = False) -> None:
    """Join what is kept of a group, all files of ``folder``, into one new file there; the joined ones are removed.

    Any number of processes may do so at once: no file is changed, and one is removed only after what was read of it is
    in another. What two of them joined at the same time is there twice until the next joins it.

    With ``best`` only the point with the lowest ``valid`` loss on its card stays.
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
    if cards:  # else another process has joined them all
        write_arrays(folder / f"joined-{uuid.uuid4().hex}.safetensors", arrays, cards)
    for path in parts:
        path.unlink(missing_ok=True)


def kept(folder: Path) -> dict[str, tuple[dict[str, np.ndarray], dict[str, Any]]]:
    """Point id -> (arrays, card) of all files below ``folder``, joined or not."""
    found, seen = {}, set()
    while new := sorted(set(folder.rglob("*.safetensors")) - seen):  # what is joined meanwhile is in a new file
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

    for path in sorted(folder.rglob("*.safetensors")):
        try:
            with safe_open(path, framework="numpy") as file:
                if f"{point}/{name}" in file.keys():  # noqa: SIM118
                    return file.get_tensor(f"{point}/{name}")
        except (OSError, SafetensorError) as error:
            if path.exists():  # else another process has joined it with others
                raise InputError(f"{path} cannot be read ({error}); delete it to go on without it") from error
    return None
