"""A point: the settings of one training, and their checks."""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from vaebench.errors import InputError, shortened, unknown_name
from vaebench.nn.autoencoder import ACTIVATIONS, LIKELIHOODS, NORMS, OUTPUTS
from vaebench.nn.initialisation import INITS
from vaebench.nn.optimizers import check_optimizer
from vaebench.types import Tree, Variant
from vaebench.types.shown import one_line
from vaebench.variants import VARIANTS, check_likelihood, check_output, variant


def point(base: Point | None = None, **fields: Tree) -> Point:
    """Return ``base`` with some settings changed.

    Args:
        base: the point to change; the default settings if ``None``.
        **fields: fields of :class:`Point`, or of the variant's shape or weights by their own names (``beta=4``). Another
            variant, recipe or shape resets the weights to its defaults.

    Raises:
        InputError: an unknown name or value; the message has the nearest valid one.

    Example::

        point(variant="beta_vae", latent=20, beta=4)
    """
    for name in fields.keys() & {"shape", "hyper"}:
        raise InputError(f"{name} cannot be set as a whole; set its values by name, such as beta")
    base = Point() if base is None else base
    check_base(base)
    known = _names_of_fields(Point)
    own, extra = ({n: v for n, v in fields.items() if (n in known) is kind} for kind in (True, False))
    # another variant, recipe or form has another shape and other weights: only what the caller named is kept
    kind = own.get("variant", base.variant), own.get("recipe", base.recipe)
    held = dict(base.shape) if kind == (base.variant, base.recipe) else {}
    default_shape = variant(kind[0]).shape(kind[1])
    shape_names = _names_of_fields(type(default_shape)) if default_shape is not None else ()
    shape = {name: value for name, value in extra.items() if name in shape_names}
    hyper = {name: value for name, value in extra.items() if name not in shape_names}
    own["shape"] = tuple((held | shape).items())
    keep_hyper = kind == (base.variant, base.recipe) and held | shape == held
    own["hyper"] = tuple(((dict(base.hyper) if keep_hyper else {}) | hyper).items())
    try:
        return dataclasses.replace(base, **own)
    except InputError:
        bare = dataclasses.replace(base, **{**own, "hyper": ()})
        for name in hyper:
            if name not in dict(bare.hyper):
                names = [*known, *shape_names, *dict(bare.hyper)]
                raise unknown_setting(name, [bare.variant], names) from None
        raise


def check_base(base: Any) -> None:
    """Raise :class:`InputError` unless ``base`` is a point; axes are often given as a dict in its place."""
    if not isinstance(base, Point):
        hint = "; axes are given by name, such as product(latent=[1, 2])"
        raise InputError(f"base is {shortened(repr(base))}; it must be a Point, made by point(){hint}")


@functools.cache
def _names_of_fields(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def unknown_setting(name: str, variants: Sequence[str], known: Iterable[str]) -> InputError:
    """Return (does not raise) the error for a setting that none of ``variants`` has, with those that have it.

    Args:
        name: of the setting.
        variants: names of the variants it was given to.
        known: names of the settings that they have.
    """
    others = [v.name for v in VARIANTS.values() if name in _own_settings(v)]
    if others:
        return InputError(
            f"{name} is no setting of {', '.join(variants)[:60]}; variants that have it: {', '.join(others)}"
        )
    return unknown_name("setting", name, known)


def _own_settings(chosen: Variant) -> set[str]:
    """Return the names of the shapes and weights of all recipes of a variant, in their default forms."""
    shapes = [chosen.shape(recipe) for recipe in chosen.recipes]
    names = {field.name for shape in shapes if shape is not None for field in dataclasses.fields(shape)}
    return names | {name for shape in shapes for name in chosen.hyper(shape)._fields}


RECIPES = ("textbook", "benchmarked")
"""Losses of the papers' equations, and those of the studies' released code."""
STOPPING = ("patience", "relative", "fixed")
"""Stopping rules, in the order of the traced index; see :func:`vaebench.training.train.make_train`."""
SCALING_FROM = ("all", "train")
"""Samples whose statistics scale the features."""
VALIDATION = ("batches", "whole")
"""Parts in which the validation loss is computed."""
_CHOICES = {"recipe": RECIPES, "norm": NORMS, "output": OUTPUTS, "init": INITS, "activation": ACTIVATIONS}
_CHOICES |= {"likelihood": LIKELIHOODS, "stopping": STOPPING, "scaling_from": SCALING_FROM, "validation": VALIDATION}
_KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}
_LARGEST = {"latent": 1_000_000, "hidden": 1_000_000}
"""Largest widths of layers: far above any use, far below what overflows. Other whole numbers are int32 in a program."""
_POSITIVE = ("latent", "batch", "epochs", "min_epochs", "patience", "learning_rate", "decay", "clip")


@dataclasses.dataclass(frozen=True)
class Point:
    """One training: everything that decides its result, apart from the data.

    Attributes:
        variant: name of the VAE variant.
        latent: number of latents L.
        hidden: widths of the encoder's hidden layers; the decoder mirrors them.
        norm: ``"batch"``, ``"layer"`` or ``"none"``.
        output: ``"identity"``, ``"sigmoid"``, ``"normalised_sigmoid"`` (of the decoder), or ``"correlated"``: the identity, and
            errors with a learned covariance of low rank plus diagonal.
        batch: training batch; the last partial batch of an epoch is dropped.
        recipe: ``"textbook"`` (the papers' equations) or ``"benchmarked"`` (the released code of the studies).
        init: one of :data:`vaebench.nn.initialisation.INITS`.
        optimizer: one of :data:`vaebench.nn.optimizers.OPTIMIZERS` or :data:`vaebench.nn.optimizers.NAMED`.
        activation: one of :data:`vaebench.nn.autoencoder.ACTIVATIONS`.
        learning_rate: learning rate of the first epoch.
        decay: factor on the learning rate after every epoch.
        weight_decay: L2 (adamw: decoupled).
        clip: largest global norm of a gradient; ``inf`` for none.
        epochs: largest number of epochs.
        min_epochs: first epoch at which the stopping rule may stop.
        patience: epochs without improvement (rule ``patience``).
        min_delta: smallest improvement that counts (``patience``), or the relative change (``relative``).
        stopping: ``"patience"``, ``"relative"`` or ``"fixed"``.
        valid_fraction: share of the samples held out for validation.
        validation: ``"batches"`` of the training size, or one ``"whole"`` batch (a loss may depend on its size).
        stratified: split every label in the same ratio.
        scaling_from: samples that give the scaling, ``"all"`` (as the studies) or ``"train"``.
        seed: of split, weights, data order and posterior draws.
        shape: the variant's program-changing choices, as sorted (name, value) pairs; completed with defaults.
        hyper: the variant's weights, as (name, value) pairs; completed with defaults.
        study: free label that groups rows.
        likelihood: ``"own"`` of the variant, or ``"negative_binomial"`` of raw counts, for data with counts.
        kl_warmup: epochs in which the weight of the KL grows from 0 to 1, step by step; 0 for none.

    Raises:
        InputError: a value of another type, out of range, or unknown to the variant.
    """

    __repr__ = one_line

    variant: str = "vae"
    latent: int = 50
    hidden: tuple[int, ...] = (512,)
    norm: str = "batch"
    output: str = "identity"
    batch: int = 64
    recipe: str = "textbook"
    init: str = "kaiming_uniform"
    optimizer: str = "adam"
    activation: str = "tanh"
    learning_rate: float = 1e-3
    decay: float = 1.0
    weight_decay: float = 0.0
    clip: float = math.inf
    epochs: int = 200
    min_epochs: int = 5
    patience: int = 20
    min_delta: float = 0.0
    stopping: str = "patience"
    valid_fraction: float = 0.2
    validation: str = "batches"
    stratified: bool = True
    scaling_from: str = "all"
    seed: int = 0
    shape: tuple[tuple[str, Any], ...] = ()
    hyper: tuple[tuple[str, float], ...] = ()
    study: str = ""
    likelihood: str = "own"
    kl_warmup: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", _widths(self.hidden))
        for name, kind in _kinds_of_fields():
            # grids have tens of thousands of points, whose values are nearly all of their type already
            if type(value := getattr(self, name)) is not kind:
                object.__setattr__(self, name, _of_kind(name, kind, value))
        _check(self)
        shape = dataclasses.asdict(default) if (default := variant(self.variant).shape(self.recipe)) else {}
        shape |= _known(dict(self.shape), shape, f"shape of {self.variant}")
        object.__setattr__(self, "shape", tuple(shape.items()))
        weights = variant(self.variant).hyper(shape_of(self))
        hyper = weights._asdict() | _known(dict(self.hyper), weights._fields, f"hyper of {self.variant}")
        hyper = {name: _number(name, value) for name, value in hyper.items()}
        _check_weights(self.variant, hyper, getattr(weights, "ranges", {}))
        object.__setattr__(self, "hyper", tuple(hyper.items()))


def _check_weights(variant: str, hyper: Mapping[str, float], ranges: Mapping[str, tuple[float, float]]) -> None:
    """Raise :class:`InputError` for a weight of a variant outside its range, or below 0 or infinite where it has none."""
    for name, value in hyper.items():
        allowed, ends = 0 <= value < math.inf, "0 or more and finite"
        if name in ranges:
            low, high = ranges[name]
            top = f"below {high:g}" if math.isfinite(high) else "finite"
            allowed, ends = low < value < high, top if low == -math.inf else f"above {low:g} and {top}"
        if not allowed:
            raise InputError(f"{name} of {variant} is {value:g}; it must be {ends}")


@functools.cache
def _kinds_of_fields() -> tuple[tuple[str, type], ...]:
    """Return each field that is one value, with the type of its default."""
    # True is an int too, so bool stands first among the types
    kinds = {f.name: next((k for k in _KINDS if isinstance(f.default, k)), None) for f in dataclasses.fields(Point)}
    return tuple((name, kind) for name, kind in kinds.items() if kind is not None)


def _of_kind(name: str, kind: type, value: Any) -> Any:
    """Return ``value`` as it enters an identity: of the type of the field's default, NumPy numbers as Python's."""
    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, (int, float) if kind is float else kind) or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"{name} is {value!r}; it must be {_KINDS[kind]}")
    # 1 and 1.0 are the same training, so they have the same identity; NaN has an error of its own
    return _number(name, value) if kind is float and value == value else value


def _widths(value: Any) -> tuple[int, ...]:
    """Return the widths of the hidden layers as whole numbers."""
    try:
        widths = tuple(operator.index(width) for width in value)
    except TypeError:
        widths = ()
    if not widths or min(widths) < 1 or max(widths) > _LARGEST["hidden"]:
        most = _LARGEST["hidden"]
        raise InputError(
            f"hidden is {value!r}; it must be widths of at least 1 and at most {most}, such as (512,) or (512, 256)"
        )
    return widths


def _number(name: str, value: Any) -> float:
    """Return a weight of a variant as a float."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if math.isnan(number):
        raise InputError(f"{name} is {value!r}; it must be a number")
    return number


def _check(point: Point) -> None:
    variant(point.variant)
    for field, allowed in _CHOICES.items():
        if getattr(point, field) not in allowed:
            raise unknown_name(field, getattr(point, field), allowed)
    check_optimizer(point.optimizer)
    if point.recipe not in variant(point.variant).recipes:
        known = f"(known: {', '.join(variant(point.variant).recipes)})"
        raise InputError(f"recipe {point.recipe!r} does not exist for variant {point.variant!r} {known}")
    check_output(variant(point.variant), point.recipe, point.output)
    chosen = variant(point.variant)
    check_likelihood(chosen, point.recipe, point.output, point.likelihood, point.kl_warmup)
    for field in _POSITIVE:
        if not getattr(point, field) > 0:
            raise InputError(f"{field} is {getattr(point, field)!r}; it must be greater than 0")
    for field in ("learning_rate", "decay"):
        if math.isinf(getattr(point, field)):
            raise InputError(f"{field} is {getattr(point, field)!r}; it must be finite")
    for field in ("weight_decay", "min_delta"):
        if not 0 <= getattr(point, field) < math.inf:
            raise InputError(f"{field} is {getattr(point, field)!r}; it must be 0 or more and finite")
    if point.kl_warmup < 0:
        raise InputError(f"kl_warmup is {point.kl_warmup}; it must be a number of epochs, or 0 for none")
    for field in ("latent", "batch", "epochs", "min_epochs", "patience", "kl_warmup"):
        value, most = getattr(point, field), _LARGEST.get(field, 2**31 - 1)
        if value > most:
            raise InputError(f"{field} is {value}; it must be at most {most}")
    if not 0 < point.valid_fraction < 1:
        raise InputError(f"valid_fraction is {point.valid_fraction!r}; it must lie between 0 and 1")
    if not 0 <= point.seed < 2**31:
        raise InputError(f"seed is {point.seed!r}; it must lie between 0 and 2147483647")


def _known(given: Mapping[str, Any], valid: Iterable[str], kind: str) -> Mapping[str, Any]:
    for name in given:
        if name not in valid:
            raise unknown_name(kind, name, valid)
    return given


def shape_of(point: Point) -> Any:
    """Return the form of the point's variant, ``None`` if it has none."""
    default = variant(point.variant).shape(point.recipe)
    if default is None:
        return None
    shape = dataclasses.replace(default, **dict(point.shape))
    for name, allowed in getattr(shape, "choices", {}).items():
        if getattr(shape, name) not in allowed:
            raise unknown_name(f"{name} of {point.variant}", getattr(shape, name), allowed)
    for field in dataclasses.fields(shape):
        value = getattr(shape, field.name)
        if type(field.default) is bool and type(value) is not bool:
            raise InputError(f"{field.name} of {point.variant} is {value!r}; it must be {_KINDS[bool]}")
        if type(field.default) is int and (type(value) is not int or not 1 <= value <= 1_000_000):
            allowed = "a whole number of at least 1 and at most 1000000"
            raise InputError(f"{field.name} of {point.variant} is {value!r}; it must be {allowed}")
    if hasattr(shape, "check"):
        shape.check(point.latent)
    return shape
