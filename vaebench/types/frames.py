"""Frames with names, put in the order that a function needs: rows by sample, columns by feature.

The rule, for every public function that takes arrays:

1. An array has no names and is taken in its order. So is an axis of a frame that is only numbered 0, 1, 2, ...
2. An axis with names is put in order by name. Names that are not needed are left out.
3. Names that are missing or there twice are refused. Nothing is ever matched by position against other names.

Frames of polars and of other libraries that convert themselves (``to_pandas``) are taken too. They have no row names, so a
first column of text holds them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

import numpy as np

from vaebench.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 3  # names that a message lists
Out = TypeVar("Out")
Values = TypeVar("Values", np.ndarray, "pd.DataFrame")
"""An array in and out, or a frame in and out."""


def is_anndata_object(value: object) -> bool:
    """Returns true for an AnnData object, recognised without importing the package."""
    return hasattr(value, "obs_names") and hasattr(value, "var_names") and not isinstance(value, type)


def is_frame(value: object) -> TypeGuard[pd.DataFrame]:
    """Returns true for a pandas DataFrame, without importing pandas where nobody has."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def is_series(value: object) -> TypeGuard[pd.Series]:
    """Returns true for a pandas Series, without importing pandas where nobody has."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.Series)


def converted(value: Out) -> Out | Any:  # noqa: ANN401  (a frame, or the value as it is)
    """Returns a frame or column of polars, pyarrow and the like as pandas', and anything else as it is."""
    if isinstance(value, np.ndarray) or is_frame(value) or is_series(value) or not hasattr(value, "to_pandas"):
        return value
    return value.to_pandas()  # pyright: ignore[reportAttributeAccessIssue]


def is_numbered(names: pd.Index) -> bool:
    """Returns true for names that are just the numbers 0, 1, 2, ...: an axis that nobody named."""
    plain = getattr(names, "nlevels", 1) == 1 and names.dtype.kind in "iu"
    return plain and bool(np.array_equal(names.to_numpy(), np.arange(len(names))))


def listed(names: Iterable[object]) -> str:
    """Returns the first names as text, each cut at 60 characters, with dots where there are more."""
    found = [str(name) for name in names]
    text = ", ".join(name if len(name) <= 60 else f"{name[:57]}..." for name in found[:_SHOWN])
    return text + (", ..." if len(found) > _SHOWN else "")


def positions(names: pd.Index, wanted: Sequence[str] | np.ndarray, what: str, kind: str) -> np.ndarray | None:
    """Finds each wanted name on an axis of a frame.

    Args:
        names: of the axis, [n].
        wanted: [N] names.
        what: the frame, for messages: ``"the embedding"``.
        kind: of the names, for messages: ``"sample"``.

    Returns:
        The positions [N]; ``None`` for an axis that is only numbered and does not hold the names.

    Raises:
        InputError: a wanted name is missing or there twice.
    """
    held = [str(name) for name in names]
    place = {name: position for position, name in enumerate(held)}
    needed = [str(name) for name in wanted]
    absent = [name for name in needed if name not in place]
    if absent and is_numbered(names):
        return None
    if absent:
        raise InputError(
            f"{len(absent)} of {len(needed)} {kind}s are missing from {what}: {listed(absent)} (it has {listed(held)}); "
            "use the same names, or give an array (.to_numpy()) if it is in the right order"
        )
    if len(place) < len(held):
        among = set(needed)
        twice = next((name for position, name in enumerate(held) if place[name] != position and name in among), None)
        if twice is not None:
            raise InputError(f"{what} has the {kind} {listed([twice])!r} more than once; {kind} names must be unique")
    return np.array([place[name] for name in needed], dtype=np.int64)


def with_row_names(frame: pd.DataFrame, wanted: Sequence[str] | np.ndarray | None = None) -> pd.DataFrame:
    """Returns the frame with its first column as row names, if its rows are only numbered and that column holds names.

    Such a column is text and all others are numbers, or it holds the names in ``wanted``.
    """
    if not is_numbered(frame.index) or frame.shape[1] < 2:
        return frame
    kinds = [getattr(dtype, "kind", "O") for dtype in frame.dtypes]
    named = kinds[0] not in "fiub" and all(kind in "fiub" for kind in kinds[1:])
    if not named and wanted is not None and kinds[0] in "iuO":
        named = {str(name) for name in wanted} <= {str(value) for value in frame.iloc[:, 0]}
    return frame.iloc[:, 1:].set_axis([str(value) for value in frame.iloc[:, 0]], axis=0) if named else frame


def in_order(
    values: object,
    what: str,
    *,
    samples: Sequence[str] | np.ndarray | None = None,
    columns: Sequence[str] | np.ndarray | None = None,
    kind: str = "feature",
) -> Any:  # noqa: ANN401  (an array, or the value as it is)
    """Returns the values of a frame or a column, put in order by name; anything else as it is.

    Args:
        values: an array, a frame [N, D] or a column [N].
        what: the values, for messages: ``"the embedding"``.
        samples: [N] names of the rows; ``None`` keeps the rows as they are.
        columns: [D] names of the columns; ``None`` keeps the columns as they are.
        kind: of the columns, for messages.

    Raises:
        InputError: see :func:`positions`; or the values are an AnnData object.
    """
    values = converted(values)
    if is_anndata_object(values):
        raise InputError(
            f"{what} is an AnnData object; give one of its matrices with its names, such as "
            'pd.DataFrame(adata.obsm["X_pca"], index=adata.obs_names)'
        )
    if is_series(values):
        rows = None if samples is None else positions(values.index, samples, what, "sample")
        return values.to_numpy() if rows is None else values.to_numpy()[rows]
    if not is_frame(values):
        return values
    frame = with_row_names(values, samples)
    rows = None if samples is None else positions(frame.index, samples, what, "sample")
    order = None if columns is None else positions(frame.columns, columns, what, kind)
    frame = frame if order is None else frame.iloc[:, order]
    found = _numbers(frame)
    return found if rows is None else found[rows]


def _numbers(frame: pd.DataFrame) -> np.ndarray:
    """The values of a frame, missing ones of nullable types as NaN."""
    if all(isinstance(dtype, np.dtype) for dtype in frame.dtypes):
        return frame.to_numpy()
    try:
        return frame.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        return frame.to_numpy()  # text: the caller says what it needs


def numeric(values: object, what: str) -> np.ndarray:
    """Returns values as an array of floats; :class:`InputError` for anything but numbers."""
    try:
        found = np.asarray(values)
        if found.dtype.kind == "c":  # which astype would take for its real part
            raise TypeError
        return found if found.dtype.kind == "f" else found.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{what} holds text, complex numbers or a mixture of types; it must be numbers") from None


def row_names(values: object) -> np.ndarray | None:
    """Returns the names [N] of the rows of a frame; ``None`` for an array, or for rows that are only numbered."""
    values = converted(values)
    index = with_row_names(values).index if is_frame(values) else values.index if is_series(values) else None
    return None if index is None or is_numbered(index) else np.array([str(name) for name in index])


def column_names(values: object) -> np.ndarray:
    """Returns the names [D] of the columns of a frame; none for an array."""
    values = converted(values)
    return with_row_names(values).columns.to_numpy() if is_frame(values) else np.empty(0, str)


def named_like(found: np.ndarray, given: object, columns: Sequence[str] | np.ndarray) -> Any:  # noqa: ANN401
    """Returns ``found`` [N, .] as a frame with the row names of ``given`` if that is a frame, else as it is."""
    given = converted(given)
    if not is_frame(given):
        return found
    import pandas as pd

    return pd.DataFrame(found, index=with_row_names(given).index, columns=pd.Index(columns))
