"""Many points: changes of one, combinations, and their grouping by compiled program."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vaebench.point import Point, static_of
from vaebench.types import InputError, Static, unknown_name
from vaebench.variants import variant


def point(base: Point | None = None, **fields: Any) -> Point:
    """``base`` (default settings when absent) with ``fields`` changed.

    A name that is no field of :class:`Point` is taken as one of the variant's shape or hyper fields (``beta=4``).

    Raises:
        InputError: a name or value that is not known, with the nearest valid one.
    """
    for name in ("shape", "hyper"):
        if name in fields:
            raise InputError(f"{name} cannot be set as a whole; set what it holds by name, such as beta")
    base = base or Point()
    known = {f.name for f in dataclasses.fields(Point)}
    own = {name: value for name, value in fields.items() if name in known}
    extra = {name: value for name, value in fields.items() if name not in known}
    # another variant, recipe or form has another shape and other hypers: only what was named by the caller carries over
    changes_kind = any(name in fields for name in ("variant", "recipe"))
    chosen = variant(own.get("variant", base.variant))
    default_shape = chosen.shape(own.get("recipe", base.recipe))
    shape_names = [f.name for f in dataclasses.fields(default_shape)] if default_shape is not None else []
    shape = {name: value for name, value in extra.items() if name in shape_names}
    hyper = {name: value for name, value in extra.items() if name not in shape_names}
    own["shape"] = tuple((({} if changes_kind else dict(base.shape)) | shape).items())
    keep_hyper = not changes_kind and not shape
    own["hyper"] = tuple(((dict(base.hyper) if keep_hyper else {}) | hyper).items())
    try:
        return dataclasses.replace(base, **own)
    except InputError:
        bare = dataclasses.replace(base, **{**own, "hyper": ()})
        for name in hyper:
            if name not in dict(bare.hyper):
                raise unknown_name("setting", name, [*known, *shape_names, *dict(bare.hyper)]) from None
        raise


def product(base: Point | None = None, **axes: Iterable[Any] | str | float) -> list[Point]:
    """All combinations of ``axes`` (field name -> values; one value stands for itself), the last axis fastest.

    ``product(variant=["vae", "beta_vae"], latent=[10, 50], seed=range(5))`` gives 20 points.
    """
    return [point(base, **fields) for fields in _combinations(axes)]


def zipped(base: Point | None = None, **axes: Sequence[Any]) -> list[Point]:
    """Points that take the i-th value of every axis; all axes of one length."""
    lengths = {name: len(values) for name, values in axes.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"zipped axes have lengths {lengths}; they must be equal")
    return [point(base, **dict(zip(axes, values, strict=True))) for values in zip(*axes.values(), strict=True)]


def chain(*parts: Iterable[Point]) -> list[Point]:
    """The points of all parts in order, each once."""
    return list(dict.fromkeys(itertools.chain(*parts)))


def _combinations(axes: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    columns = [_values(name, values) for name, values in axes.items()]
    for name, values in zip(axes, columns, strict=True):
        if not values:
            raise InputError(f"axis {name!r} is empty; give at least one value")
    return (dict(zip(axes, values, strict=True)) for values in itertools.product(*columns))


def _values(name: str, values: Any) -> list[Any]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        return [values]
    values = list(values)
    # hidden=(512, 256) is one network, hidden=[(512,), (512, 256)] two
    return [tuple(values)] if name == "hidden" and values and isinstance(values[0], int) else values


def group_by_static(points: Iterable[Point], features: int) -> dict[tuple[Static, float], list[Point]]:
    """Points by compiled program: equal :class:`Static` and equal split sizes, in order of first appearance."""
    groups: dict[tuple[Static, float], list[Point]] = {}
    for p in points:
        groups.setdefault((static_of(p, features), p.valid_fraction), []).append(p)
    return groups
