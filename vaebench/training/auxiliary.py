"""Auxiliary variables and counts in a program: gathered beside x where they are used, and absent from all other programs."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.data.auxiliary import coded
from vaebench.errors import InputError
from vaebench.space import Point
from vaebench.types import Dataset, Static
from vaebench.types.auxiliary import AuxiliaryRows
from vaebench.types.counts import CountRows
from vaebench.variants import variant


def taken(x: jax.Array | AuxiliaryRows, index: jax.Array) -> jax.Array | AuxiliaryRows:
    """Return the samples at ``index`` [B], with their auxiliary variables and counts if there are any."""
    if not isinstance(x, AuxiliaryRows):
        return x[index]
    auxiliary = None if x.auxiliary is None else x.auxiliary[index]
    counts = x.counts
    if counts is not None:
        counts = counts._replace(values=counts.values[index], log_library=counts.log_library[index])
    return AuxiliaryRows(x.x[index], auxiliary, counts)


def check_auxiliary(point: Point, dataset: Dataset) -> None:
    """Raise :class:`InputError` if a point needs counts or auxiliary variables that the data set lacks, or more latents."""
    if point.likelihood != "own" and dataset.counts is None:
        raise InputError(
            f"likelihood is {point.likelihood!r}, and the data set has no raw counts; read a table of counts with --counts "
            "(counts=True in Python)"
        )
    use, widths = variant(point.variant).auxiliary, dataset.auxiliary_widths
    if use and not widths:
        raise InputError(
            f"variant {point.variant!r} uses auxiliary variables, and the data set has none; name their columns with --auxiliary "
            "(auxiliary= in Python), such as tissue,batch"
        )
    if use == "latents" and point.latent < sum(widths):
        raise InputError(
            f"latent is {point.latent}, and {point.variant} has {sum(widths)} for the auxiliary variables alone (one for a "
            "number, one for each level of a category); give more latents or fewer variables"
        )


def with_auxiliary_rows(x: jax.Array, static: Static, dataset: Dataset) -> jax.Array | AuxiliaryRows:
    """Return x [N, D] together with coded auxiliary variables and counts if the program takes them, else as it is."""
    held, auxiliary, counts = dataset.auxiliary, None, None
    if static.auxiliary and held is not None:
        auxiliary = jnp.asarray(coded(held.variables, held.values, len(dataset.samples)))
    if static.likelihood != "own" and dataset.counts is not None:
        counts = count_rows(dataset)
    return x if auxiliary is None and counts is None else AuxiliaryRows(x, auxiliary, counts)


def count_rows(dataset: Dataset) -> CountRows:
    """Return the counts of a data set for a program: log2(count + 1) = centre + scale x gives the map to logarithms."""
    assert dataset.counts is not None
    library = dataset.counts.library
    parts = (dataset.counts.values, np.log(library / np.median(library)))
    affine = (np.log(2) * dataset.centre, np.log(2) * dataset.scale)
    return CountRows(*(jnp.asarray(part, jnp.float32) for part in (*parts, *affine)))


def rows_of_shape(static: Static, samples: int) -> jax.ShapeDtypeStruct | AuxiliaryRows:
    """Return the shapes of ``samples`` rows of a program's data, with auxiliary variables and counts where it takes them."""

    def of(*shape: int) -> Any:  # noqa: ANN401  (shapes stand for arrays)
        return jax.ShapeDtypeStruct(shape, jnp.float32)

    columns, features = 2 * sum(static.auxiliary), static.features
    x, auxiliary, counts = of(samples, features), of(samples, columns) if columns else None, None
    if static.likelihood != "own":
        counts = CountRows(of(samples, features), of(samples), of(features), of(features))
    return x if auxiliary is None and counts is None else AuxiliaryRows(x, auxiliary, counts)
