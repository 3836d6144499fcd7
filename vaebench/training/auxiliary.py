"""Auxiliary variables in a program: gathered beside x for the variants that use them, and absent from all others."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from vaebench.data.auxiliary import coded
from vaebench.errors import InputError
from vaebench.space import Point
from vaebench.types import Dataset, Static
from vaebench.types.auxiliary import AuxiliaryRows
from vaebench.variants import variant


def taken(x: jax.Array | AuxiliaryRows, index: jax.Array) -> jax.Array | AuxiliaryRows:
    """Return the samples at ``index`` [B], with their auxiliary variables if there are any."""
    return AuxiliaryRows(x.x[index], x.auxiliary[index]) if isinstance(x, AuxiliaryRows) else x[index]


def check_auxiliary(point: Point, dataset: Dataset) -> None:
    """Raise :class:`InputError` if a variant needs auxiliary variables that the data set lacks, or more latents for them."""
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
    """Return x [N, D] together with the coded auxiliary variables if the program takes them, else as it is."""
    if not static.auxiliary or dataset.auxiliary is None:
        return x
    held = dataset.auxiliary
    return AuxiliaryRows(x, jnp.asarray(coded(held.variables, held.values, len(dataset.samples))))


def rows_of_shape(static: Static, samples: int) -> jax.ShapeDtypeStruct | AuxiliaryRows:
    """Return the shapes of ``samples`` rows of a program's data, with auxiliary variables where it takes them."""
    x = jax.ShapeDtypeStruct((samples, static.features), jnp.float32)
    columns = 2 * sum(static.auxiliary)
    return AuxiliaryRows(x, jax.ShapeDtypeStruct((samples, columns), jnp.float32)) if columns else x  # pyright: ignore
