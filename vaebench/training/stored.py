"""Reading stored models: what a card and its arrays must hold, and one sentence for all that is missing or broken."""

from __future__ import annotations

import dataclasses
import functools
import json
import numbers
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.data.auxiliary import variables_from
from vaebench.data.preprocessing import Preprocessing, preprocessing_from
from vaebench.errors import InputError
from vaebench.space import Point, static_of
from vaebench.types import SCHEMA, Static, Tree
from vaebench.types.auxiliary import AuxiliaryVariable
from vaebench.types.frames import listed
from vaebench.variants import variant as variant_named
from vaebench.version import __version__

AFFINE = ("centre", "scale", "own_centre", "own_scale")
CARD = ("status", "stop", "epochs", "losses", "history", "digest")
_KINDS = {
    "status": str,
    "stop": str,
    "epochs": int,
    "losses": dict,
    "history": list,
    "digest": str,
    "features": list,
}
_KNOWN = {"schema", "version", "point", "features", "preprocessing", "auxiliary", *CARD}


def read_card(path: Path) -> dict[str, Any]:
    """Read a model's card.

    Raises:
        InputError: the file cannot be read or is not complete.
    """
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({_short(error)}); it may be cut off: save the model again") from error
    if not isinstance(card, dict):
        raise InputError(
            f"{path} holds a {type(card).__name__}; it must be the card of a model, as Trained.save writes it"
        )
    return card


def checked_card(card: Mapping[str, Any], source: str) -> Point:
    """Check all of a card but its preprocessing, and return its point.

    Raises:
        InputError: the card has another schema, or a field is missing, unknown or not of its kind.
    """
    where = f"the model in {source}"
    if card.get("schema") != SCHEMA:
        raise InputError(f"{where} has schema {card.get('schema')!r}; this version reads schema {SCHEMA}")
    written = f"it was written by version {card.get('version')!r}, and this is {__version__}"
    absent = [name for name in ("point", "features", *CARD) if name not in card]
    unknown = sorted(set(card) - _KNOWN)
    for names, problem in ((absent, "lacks the field"), (unknown, "has the unknown field")):
        if names:
            raise InputError(f"{where} {problem} {listed(names[:1])!r} in its card; {written}")
    for name, kind in _KINDS.items():
        # an earlier card, not read from a file, may hold tuples
        if not isinstance(card[name], (list, tuple) if kind is list else kind):
            raise InputError(f"{where} has {name}={listed([card[name]])} in its card; it must be a {kind.__name__}")
    odd = [name for name in card["features"] if not isinstance(name, str)]
    if odd or len(set(card["features"])) < len(card["features"]):
        problem = f"the feature {listed(odd[:1])}, which is no name" if odd else "a feature twice"
        raise InputError(f"{where} has {problem}, in its card; each must have one name")
    values = [*card["losses"].values(), *card["history"], card["epochs"]]
    odd = [value for value in values if isinstance(value, bool) or not isinstance(value, numbers.Real)]
    if odd or card["epochs"] < 0:
        raise InputError(
            f"{where} has {listed([*odd, card['epochs']][:1])!r} in its card in place of a number of at least 0"
        )
    if not isinstance(card["point"], dict):
        raise InputError(f"{where} has no settings in its card: point is {listed([card['point']])}")
    unknown = sorted(set(card["point"]) - {field.name for field in dataclasses.fields(Point)})
    if unknown:
        raise InputError(f"{where} has the unknown setting {listed(unknown[:1])!r} in its card; {written}")
    try:
        fields: dict[str, Any] = {
            k: tuple(map(tuple, v)) if k in ("shape", "hyper") else v for k, v in card["point"].items()
        }
        return Point(**fields)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where} has a setting that is not allowed: {error}") from error


def checked_variables(
    arrays: Mapping[str, np.ndarray],
    point: Point,
    features: int,
    source: str,
    diverged: bool,
    auxiliary: tuple[AuxiliaryVariable, ...] = (),
) -> Tree:
    """Return the parameters and batch statistics of a model, checked against the network that its settings describe.

    Args:
        arrays: name -> array, those of the scaling included.
        point: settings.
        features: number of features D.
        source: the file, for messages.
        diverged: the training diverged, so that weights may not be finite.
        auxiliary: coding of the auxiliary variables that the variant uses.

    Raises:
        InputError: an array is missing, unknown, of another shape, or not finite.
    """
    where = f"the model in {source}"
    static = static_of(point, features, tuple(len(variable.columns) for variable in auxiliary))
    shapes = _shapes(static) | {f"data/{name}": (features,) for name in AFFINE}
    shapes |= {"data/fill": (features,)} if "data/fill" in arrays else {}
    absent, unknown = sorted(set(shapes) - set(arrays)), sorted(set(arrays) - set(shapes))
    for names, problem in ((absent, "lacks"), (unknown, "has the unknown array")):
        if names:
            raise InputError(
                f"{where} {problem} {listed(names[:1])!r} ({len(names)} such of {len(shapes)}); save it again"
            )
    for name, shape in shapes.items():
        value = arrays[name]
        if value.shape != shape and not (name.startswith("data/own_") and value.shape == (1,)):
            raise InputError(f"{where} has {name!r} of shape {value.shape}; its settings need {shape}")
        if not np.isfinite(value).all() and not (diverged and not name.startswith("data/")):
            count = int((~np.isfinite(value)).sum())
            raise InputError(f"{where} is damaged: {name!r} holds {count} values that are NaN or infinite")
    if any((arrays[f"data/{name}"] == 0).any() for name in ("scale", "own_scale")):
        raise InputError(f"{where} is damaged: a scale is 0")
    variables: dict[str, Any] = {"batch_stats": {}}
    for name, value in arrays.items():
        *parents, leaf = name.split("/")
        if parents[0] != "data":
            node = variables
            for parent in parents:
                node = node.setdefault(parent, {})
            node[leaf] = value
    return variables


def stored_auxiliary(card: Mapping[str, Any], point: Point, source: str) -> tuple[AuxiliaryVariable, ...]:
    """Return the coding of the auxiliary variables of a stored model; none for a variant that uses none.

    Raises:
        InputError: it is missing or not as it was written.
    """
    if not variant_named(point.variant).auxiliary:
        return ()
    try:
        found = variables_from(card.get("auxiliary") or ())
    except InputError as error:
        raise InputError(f"the model in {source} cannot be used: {error}") from error
    if not found:
        raise InputError(
            f"the model in {source} lacks the auxiliary variables that {point.variant} uses; save it again"
        )
    return found


def stored_preprocessing(
    card: Mapping[str, Any], arrays: Mapping[str, np.ndarray], features: np.ndarray, source: str
) -> Preprocessing | None:
    """Return the preprocessing of a stored model; ``None`` for a model of a version that did not store it.

    Raises:
        InputError: it is not as it was written.
    """
    settings = card.get("preprocessing")
    if settings is None:
        return None
    try:
        held = {"features": features} | {name: arrays.get(f"data/{name}") for name in ("centre", "scale", "fill")}
        return preprocessing_from(settings, held)
    except (TypeError, ValueError) as error:
        raise InputError(f"the model in {source} cannot be used: {error}") from error


@functools.lru_cache(maxsize=64)
def _shapes(static: Static) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the arrays of a network."""
    model = variant_named(static.variant).build(static)
    leaves, _ = jax.tree_util.tree_flatten_with_path(jax.eval_shape(model.init, jax.random.key(0), jnp.asarray(0)))
    return {array_name(path): leaf.shape for path, leaf in leaves}


def array_name(path: tuple[Any, ...]) -> str:
    """Return the name of a leaf of the variables, such as ``params/encoder/kernel``."""
    return "/".join(key.key for key in path)


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:80]
