"""Combinations of points, and their grouping by compiled program."""

from __future__ import annotations

import dataclasses
import itertools
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import Any

from vaebench.errors import InputError, as_tuple
from vaebench.space.parts import static_of
from vaebench.space.points import Point, check_base, point, unknown_setting
from vaebench.types import Static
from vaebench.variants import variant

MOST_POINTS = 1_000_000
"""Largest number of combinations: the largest study has 64,800, and a million points take about a gigabyte."""


def product(base: Point | None = None, **axes: Iterable[Any] | str | float) -> list[Point]:
    """Return all combinations of ``axes``, the last axis varying fastest.

    Variants have different weights and shapes. An axis that some of the variants do not have is applied to those that have
    it, and the others are returned once without it; a ``UserWarning`` names them.

    Args:
        base: the point whose settings hold where no axis names them; the default settings if ``None``.
        **axes: setting -> its values, or a single value; none may be empty. Settings are fields of :class:`Point`, and the
            shape and weights of the variants by their own names (``beta``). ``hidden=(512, 256)`` is one network and
            ``hidden=[(512,), (512, 256)]`` two.

    Returns:
        The points, in order of the axes.

    Raises:
        InputError: an unknown name or value, an axis that no variant has or that is empty, or more than 1,000,000
            combinations.

    Example:
        >>> points = product(variant=["vae", "beta_vae"], latent=[10, 50], seed=range(5))
        >>> len(points)
        20
        >>> [(p.latent, p.seed) for p in points[:3]]
        [(10, 0), (10, 1), (10, 2)]
        >>> [dict(p.hyper) for p in product(variant="beta_vae", beta=[1, 4])]
        [{'beta': 1.0}, {'beta': 4.0}]
    """
    points, notes = combined(base, [axes])
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return points


def zipped(base: Point | None = None, **axes: Sequence[Any]) -> list[Point]:
    """Return points whose i-th has the i-th value of every axis.

    Args:
        base: as in :func:`product`.
        **axes: setting -> its values; all axes have the same number of values.

    Returns:
        The points, as many as each axis has values; none without axes.

    Raises:
        InputError: axes of different lengths, a single value in place of a list, or an unknown name or value.

    Example:
        >>> [(p.latent, p.learning_rate) for p in zipped(latent=[10, 50], learning_rate=[1e-3, 1e-4])]
        [(10, 0.001), (50, 0.0001)]
    """
    for name, values in axes.items():
        if isinstance(values, str) or not isinstance(values, Sized):
            raise InputError(f"axis {name!r} of zipped is {values!r}; it must be a list of values")
    lengths = {name: len(values) for name, values in axes.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"zipped axes have lengths {lengths}; they must be equal")
    return [point(base, **dict(zip(axes, values, strict=True))) for values in zip(*axes.values(), strict=True)]


def chain(*parts: Point | Iterable[Point]) -> list[Point]:
    """Return the points of all ``parts`` in order, duplicates removed.

    Raises:
        InputError: a part holds anything but points.
    """
    points = [p for part in parts for p in ([part] if isinstance(part, Point) else as_tuple("points", part))]
    if odd := [p for p in points if not isinstance(p, Point)]:
        raise InputError(f"{str(odd[0])[:60]!r} is no point; vb.space.product and vb.space.point make points")
    return list(dict.fromkeys(points))


def group_by_static(
    points: Iterable[Point], features: int, auxiliary: tuple[int, ...] = ()
) -> dict[tuple[Static, float], list[Point]]:
    """Group points by compiled program: equal :class:`Static` and equal split sizes, in order of first appearance.

    ``features`` and ``auxiliary`` are those of :func:`static_of`.
    """
    groups: dict[tuple[Static, float], list[Point]] = {}
    for p in points:
        groups.setdefault((static_of(p, features, auxiliary), p.valid_fraction), []).append(p)
    return groups


def combined(base: Point | None, parts: Sequence[Mapping[str, Any]]) -> tuple[list[Point], list[str]]:
    """Return the points of :func:`product` of several sets of axes, and a sentence for each axis that some variants lack.

    Args:
        base: as in :func:`product`.
        parts: axes, each set with its own values. An axis that is a setting of a variant of any set is applied there.
    """
    base = Point() if base is None else base
    check_base(base)
    axes = [{name: _values(name, values) for name, values in part.items()} for part in parts]
    size = sum(math.prod(len(values) for values in columns.values()) for columns in axes)
    if size > MOST_POINTS:
        raise InputError(f"the axes have {size:,} combinations; at most {MOST_POINTS:,} are allowed: give fewer values")
    fields = {field.name for field in dataclasses.fields(Point)}
    own = list(dict.fromkeys(name for columns in axes for name in columns if name not in fields))
    combinations = (
        dict(zip(columns, values, strict=True)) for columns in axes for values in itertools.product(*columns.values())
    )
    if not own:
        return [point(base, **settings) for settings in combinations], []
    forms: dict[tuple[tuple[str, str], ...], frozenset[str]] = {}
    labels: dict[str, None] = {}
    applied: set[str] = set()
    absent: dict[str, dict[str, None]] = {name: {} for name in own}
    made = []
    for settings in combinations:
        form = tuple((name, repr(settings[name])) for name in ("variant", "recipe", *own) if name in settings)
        if form not in forms:
            forms[form] = _settings_of(base, settings)
        lacking = [name for name in own if name in settings and name not in forms[form]]
        applied |= forms[form]
        label = _label(base, settings, own)
        labels[label] = None
        for name in lacking:
            absent[name][label] = None
        made.append((settings, lacking))
    for name in own:
        if name not in applied:
            raise unknown_setting(name, list(labels), fields | applied)
    points, seen = [], set()
    for settings, lacking in made:
        p = point(base, **{name: value for name, value in settings.items() if name not in lacking})
        # combinations that differ only in a setting that is not applied are one point
        if not lacking or p not in seen:
            points.append(p)
        seen |= {p} if lacking else set()
    notes = [
        f"{name} does not exist for {', '.join(names)} and is not applied there"
        for name, names in absent.items()
        if names
    ]
    return points, notes


def _settings_of(base: Point, settings: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the shape and of the weights that the variant, recipe and form of a combination have."""
    chosen = variant(settings.get("variant", base.variant))
    recipe = settings.get("recipe", base.recipe)
    shape = chosen.shape(recipe if recipe in chosen.recipes else chosen.recipes[0])
    if shape is None:
        return frozenset(chosen.hyper(None)._fields)
    names = {field.name for field in dataclasses.fields(shape)}
    # the form of the base holds unless another variant or recipe is chosen, as in point()
    held = dict(base.shape) if (chosen.name, recipe) == (base.variant, base.recipe) else {}
    changed = {name: value for name, value in {**held, **settings}.items() if name in names}
    return frozenset(names | set(chosen.hyper(dataclasses.replace(shape, **changed))._fields))


def _label(base: Point, settings: Mapping[str, Any], own: Sequence[str]) -> str:
    """Return the variant of a combination and its form where it names one, such as "beta_vae (form capacity)"."""
    name = settings.get("variant", base.variant)
    shape = variant(name).shape(settings.get("recipe", base.recipe))
    choices = getattr(shape, "choices", {})
    form = [f"{choice} {settings[choice]}" for choice in own if choice in choices]
    return name + (f" ({', '.join(form)})" if form else "")


def _values(name: str, values: Any) -> list[Any]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        return [values]
    if isinstance(values, Sized) and len(values) > MOST_POINTS:  # before a list is made of it
        raise InputError(f"axis {name!r} has {len(values):,} values; at most {MOST_POINTS:,} are allowed")
    values = list(values)
    if not values:
        raise InputError(f"axis {name!r} is empty; give at least one value")
    # hidden=(512, 256) is one network, hidden=[(512,), (512, 256)] two
    return [tuple(values)] if name == "hidden" and isinstance(values[0], int) else values
