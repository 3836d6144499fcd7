"""Values of flat rows: what a column of a results file may hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from vaebench.errors import InputError


def arrow_type(kind: type) -> Any:  # noqa: ANN401  (pyarrow is loaded where it is used)
    """Return the pyarrow type of a column of ``bool``, ``int``, ``float``, ``str`` or ``list`` (of floats)."""
    import pyarrow as pa

    kinds = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string(), list: pa.list_(pa.float64())}
    return kinds[kind]


def flat_value(value: Any, name: str) -> Any:  # noqa: ANN401
    """Return a value of the column ``name`` as a Python scalar or a flat list of them.

    Raises:
        InputError: the value is nested, or of another kind.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, (list, tuple)):
        if any(isinstance(v, (list, tuple, dict)) or getattr(v, "ndim", 0) for v in value):
            raise InputError(f"column {name!r} holds a nested list; rows are flat")
        return [flat_value(v, name) for v in value]
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        if array.ndim <= 1 and array.dtype.kind in "biufU":
            return array.tolist()
    raise InputError(f"column {name!r} holds a {type(value).__name__}; rows hold numbers, text and flat lists of them")
