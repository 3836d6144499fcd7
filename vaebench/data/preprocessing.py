"""From a raw table to ``Dataset.x``: the fitted numbers of a data set.

:class:`Preprocessing` is recorded when a data set is built, and saved with every model. :meth:`Preprocessing.apply` does, as
was done when the data set was built:

1. convert values to the number type that they had there;
2. transform (log2);
3. fill missing values with the means of the data set;
4. scale with its statistics.

:func:`vaebench.data.preprocessed` finds the features in a table before that.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vaebench.data.scale import FEW_NEGATIVE
from vaebench.errors import InputError
from vaebench.types.frames import listed

if TYPE_CHECKING:
    import pandas as pd

ARRAYS = ("features", "centre", "scale", "fill")
_ALLOWED: dict[str, tuple[object, ...]] = {
    "transform": ("none", "log2"),
    "precision": ("float64", "float32", "float16", "float96", "float128"),
    "duplicates": ("refuse", "apart", "sum"),
    "samples_in": ("rows", "columns", "matrix"),
    "logged": (True, False),
}
"""Setting -> its values."""


class RawTable(NamedTuple):
    """Raw values of some samples, read by feature.

    Attributes:
        samples: names of the N samples.
        column: feature -> its values [N], float, NaN where missing.
    """

    samples: Sequence[object] | pd.Index
    column: Callable[[str], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """The steps from a raw table to the ``x`` of a data set, with the numbers that were fitted to it.

    Attributes:
        features: [D] names, in order.
        centre: [D] float64; the last step is x' = (x - centre) / scale.
        scale: [D] float64.
        fill: [D] float64, used for missing values, after the transform; ``None`` if they are refused.
        transform: ``"none"``, or ``"log2"`` for log2(max(x, 0) + 1).
        precision: number type of the values before scaling: ``"float64"``, or ``"float32"`` (large matrices).
        duplicates: features with the same name: ``"refuse"``, ``"apart"`` (``NAME``, ``NAME_2``, ...) or ``"sum"``.
        repeated: names that were summed, where the reader knows them.
        logged: repeated features are log2(x + 1) and summed as x.
        samples_in: layout of the source: ``"rows"``, ``"columns"``, or ``"matrix"`` for a matrix of genes x samples.
        names_from: which of the columns before the samples of a matrix names the genes.
        layer: of an AnnData source, ``None`` for ``X``.
    """

    features: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    fill: np.ndarray | None = None
    transform: str = "none"
    precision: str = "float64"
    duplicates: str = "refuse"
    repeated: tuple[str, ...] = ()
    logged: bool = False
    samples_in: str = "rows"
    names_from: int = 0
    layer: str | None = None

    def __repr__(self) -> str:
        """Returns one line."""
        steps = [] if self.transform == "none" else [self.transform]
        steps += [] if self.fill is None else ["missing values filled"]
        return f"<Preprocessing: {'; '.join([*steps, f'{len(self.features)} features scaled'])}>"

    def apply(self, raw: RawTable) -> np.ndarray:
        """Return raw samples as x [N, D] float32, the model's input.

        There is a warning if the values are on another scale than those of the data set.

        Raises:
            InputError: a value is infinite, or missing where the data set had none missing; or many are negative under log2.
        """
        x, below, whole = np.empty((len(raw.samples), len(self.features)), np.float32), 0, True
        for column, name in enumerate(self.features.tolist()):
            found = raw.column(name).astype(self.precision)
            below += int((found < 0).sum()) if self.transform == "log2" else 0
            whole = whole and bool(((found == np.rint(found)) | np.isnan(found)).all())
            filled = self._filled(transformed(found, self.transform), column, raw.samples)
            x[:, column] = (filled.astype(np.float64) - self.centre[column]) / self.scale[column]
        self._check_scale(x, below, whole)
        return x

    def _check_scale(self, x: np.ndarray, below: int, whole: bool) -> None:
        """Warn of values far from those of the data set, and of ``below`` negative ones under log2; refuse many of these.

        Values that are all ``whole`` numbers are counts, and no logs.
        """
        if below > FEW_NEGATIVE * x.size:
            raise InputError(
                f"{below} of {x.size} values that the model needs are negative, and it takes log2(x + 1) of raw values: give "
                "them on the scale of the table that it was trained on"
            )
        if below:
            warnings.warn(f"{below} of {x.size} values are below 0 and count as 0", stacklevel=4)
        if (far := far_off(x, self.centre, self.scale)) is not None:
            same = (
                "raw values, of which the model takes log2(x + 1)" if self.transform == "log2" else "on the same scale"
            )
            warnings.warn(
                f"the values lie far from those that the model was trained on: half of the features are {far:.1f} or more of "
                f"their spreads away; are they {same}?",
                stacklevel=4,
            )
        elif self.transform == "log2" and not whole and logged_twice(x, self.centre, self.scale):
            warnings.warn(
                "the values look like logs, and the model takes log2(x + 1) of raw values: give them on the scale of the table "
                "that it was trained on",
                stacklevel=4,
            )

    def _filled(self, values: np.ndarray, column: int, samples: Sequence[object] | pd.Index) -> np.ndarray:
        """Values [N] of a feature without missing ones."""
        infinite, absent = np.isinf(values), np.isnan(values)
        for bad, found in ((infinite, "infinite"), (absent, "missing")):
            if bad.any() and (found == "infinite" or self.fill is None):
                place = (
                    f"feature {listed([self.features[column]])!r} of sample {listed([samples[int(bad.argmax())]])!r}"
                )
                hint = "values must be finite"
                if found == "missing":
                    hint = 'the model was trained without missing values: fill them, or train with missing="impute"'
                raise InputError(f"{place} is {found} ({int(bad.sum())} such samples); {hint}")
        return values if self.fill is None else np.where(absent, self.fill[column], values.astype(np.float64))


_FAR = 3.0  # spreads of a feature; half of the features are never as far in samples of the same kind


def far_off(x: np.ndarray, centre: np.ndarray, scale: np.ndarray) -> float | None:
    """Return how many spreads half of the features of x [N, D] are away from those of the training data; ``None`` if near.

    Args:
        x: scaled as ``Dataset.x``, (raw - centre) / scale.
        centre: [D].
        scale: [D]. Nothing is known of values that were not scaled.
    """
    if not x.size or ((centre == 0).all() and (scale == 1).all()):
        return None
    far = float(np.median(np.abs(np.median(x, axis=0))))
    return far if far > _FAR else None


def logged_twice(x: np.ndarray, centre: np.ndarray, scale: np.ndarray) -> bool:
    """Return true if values are a spread away from those of the training data after log2(x + 1), and nearer by half before it.

    The arguments are those of :func:`far_off`.
    """
    if not x.size or ((centre == 0).all() and (scale == 1).all()):
        return False
    middle = np.median(x, axis=0)
    before = (np.exp2(middle * scale + centre) - 1 - centre) / scale
    after, before = (float(np.median(np.abs(away))) for away in (middle, before))
    return after > 1 and before < 0.5 * after


def transformed(values: np.ndarray, transform: str) -> np.ndarray:
    """Return the values after the transform ``"none"`` or ``"log2"``, in their own number type."""
    return np.log2(np.maximum(values, 0) + 1) if transform == "log2" else values


def settings_of(known: Preprocessing) -> dict[str, Any]:
    """Return everything but the arrays as JSON values; :func:`preprocessing_from` is the inverse."""
    held = {f.name: getattr(known, f.name) for f in dataclasses.fields(known) if f.name not in ARRAYS}
    return held | {"repeated": list(known.repeated)}


def preprocessing_from(settings: Mapping[str, Any], arrays: Mapping[str, np.ndarray | None]) -> Preprocessing:
    """Return the record with these settings (:func:`settings_of`) and arrays (:data:`ARRAYS`).

    Raises:
        InputError: a setting is unknown.
    """
    held = {f.name for f in dataclasses.fields(Preprocessing)} - set(ARRAYS)
    unknown = sorted(set(settings) - held)
    if unknown:
        raise InputError(
            f"the preprocessing has the unknown setting {listed(unknown[:1])!r} (known: {', '.join(sorted(held))})"
        )
    for name, allowed in _ALLOWED.items():
        if name in settings and settings[name] not in allowed:
            raise InputError(f"the preprocessing has {name} {listed([settings[name]])!r}; it must be one of {allowed}")
    given = dict(settings) | {"repeated": tuple(settings.get("repeated", ()))}
    return Preprocessing(**{name: arrays.get(name) for name in ARRAYS}, **given)  # pyright: ignore[reportArgumentType]


def with_source(known: Preprocessing | None, options: Mapping[str, Any]) -> Preprocessing | None:
    """Return the record with the options of the reader: transform, layout, repeated names, layer."""
    if known is None:
        return None
    names = ("transform", "duplicates", "logged", "samples_in", "names_from", "layer")
    given = {name: options[name] for name in names if name in options}
    # a study names no layout: it is a matrix of genes x samples
    given |= {"samples_in": "matrix"} if "names_from" in options else {}
    return dataclasses.replace(known, **given)
