"""Start of VAE-MS: a factorisation for every restart, and the exposures to it beside the counts that it is trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.signatures.kl_nmf import factorise, random_starts
from vaebench.space import Point
from vaebench.training.lane import Split
from vaebench.variants.vae_ms import capped, exposures_to


class Started(NamedTuple):
    """First rows and signatures of restarts.

    Attributes:
        rows: for each restart its counts and their exposures, [R N, M + S].
        split_of: returns the rows of a restart for training and validation.
        start_of: returns the signatures [S, M] of a restart.
    """

    rows: jax.Array
    split_of: Callable[[Point], Split]
    start_of: Callable[[Point], np.ndarray]


def started(points: Sequence[Point], counts: np.ndarray, rows: jax.Array, split: Split) -> Started:
    """Factorise the catalogue once for every point, from random numbers of the point's seed.

    Args:
        points: the restarts.
        counts: the catalogue [T, M].
        rows: counts to train on and to validate with, [N, M].
        split: their positions.
    """
    large = np.asarray(capped(jnp.asarray(counts, jnp.float32)))
    found = {}
    for point in points:  # one at a time: the start of a restart does not depend on the others
        starts = random_starts(jax.random.key(point.seed), large, point.latent, 1)
        found[point] = factorise(large, *starts).signatures[0]
    order = {point: number for number, point in enumerate(points)}

    def split_of(point: Point) -> Split:
        before = order[point] * len(rows)
        return split._replace(train=split.train + before, valid=split.valid + before)

    blocks = [with_rates(rows, spectra) for spectra in found.values()]
    return Started(jnp.concatenate(blocks), split_of, lambda point: found[point])


def with_rates(rows: jax.Array, signatures: np.ndarray) -> jax.Array:
    """Return counts [N, M] with their exposures [N, S] to signatures [S, M] beside them."""
    spectra = jnp.asarray(signatures, jnp.float32) + 1e-12
    return jnp.concatenate([rows, _exposures(capped(rows), spectra / spectra.sum(1, keepdims=True))], axis=1)


_exposures = jax.jit(exposures_to)
