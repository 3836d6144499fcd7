"""Raw counts of a data set, kept beside its scaled values for models with a likelihood of counts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from vaebench.types.shown import one_line

if TYPE_CHECKING:
    import jax
    import numpy as np  # for annotations only: the command line starts without it


@dataclasses.dataclass(frozen=True)
class Counts:
    """Raw counts of N samples.

    Attributes:
        values: [N, D] int32, of the features of the data set.
        library: [N] float64, the total count of each sample over ALL features that were read, selected or not; above 0.
    """

    __repr__ = one_line
    values: np.ndarray
    library: np.ndarray


class CountRows(NamedTuple):
    """Counts as a program takes them, and the map from the decoder's output to their logarithms.

    The expected count of feature d in sample n is exp(log_library_n + log_centre_d + log_scale_d out_nd).

    Attributes:
        values: [N, D] float32.
        log_library: [N], of the library size divided by the median library size: the offset.
        log_centre: [D].
        log_scale: [D].
    """

    values: jax.Array
    log_library: jax.Array
    log_centre: jax.Array
    log_scale: jax.Array
