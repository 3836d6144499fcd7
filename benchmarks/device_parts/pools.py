"""The study's matrix and network, and pools of them for timing."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from device_parts.sizes import Sizes
from vaebench.data.dataset import dataset_from_arrays
from vaebench.protocols import eltager2023
from vaebench.space import Point, point, static_of
from vaebench.training.engine import Engine
from vaebench.training.pool import lane_inputs
from vaebench.training.train import make_pass, make_start, make_validation
from vaebench.types import Dataset
from vaebench.variants import variant

LATENT = 50
CACHE = "vaebench-device-programs"
"""Folder of compiled programs below the system's temporary one: a second call on the same machine compiles less."""


class Stepper(NamedTuple):
    """A compiled pass of training steps alone, over a pool that it consumes.

    Attributes:
        call: ``(pool, x) -> (pool, losses)``, one pass.
        pool: before its first pass.
        steps: of a pass.
        weights: of one lane.
        bytes: that XLA counts for the program, loop bodies once.
    """

    call: Any
    pool: Any
    steps: int
    weights: int
    bytes: float | None


def data_set(sizes: Sizes) -> Dataset:
    """A matrix of low rank plus noise with 33 labels, z-scored."""
    rng = np.random.default_rng(0)
    shape = (sizes.samples, sizes.features)
    x = rng.normal(size=(shape[0], 30)).astype(np.float32) @ rng.normal(size=(30, shape[1])).astype(np.float32)
    x += 3 * rng.standard_normal(shape, dtype=np.float32)
    return dataset_from_arrays(x, labels=[f"T{i % 33:02d}" for i in range(shape[0])], name="simulated")


def base_point(sizes: Sizes, latent: int = LATENT) -> Point:
    """The study's network, a VAE that trains on and on."""
    size = {"hidden": (sizes.hidden,), "batch": min(64, sizes.samples // 10)}
    return point(eltager2023.base, variant="vae", latent=latent, epochs=10**6, stopping="fixed", **size)


def stepper(base: Point, data: Dataset, x: jax.Array, lanes: int, engine: Engine) -> Stepper:
    """A pool of ``lanes`` lanes with keys of their own, and the compiled pass over it; one lane is unbatched."""
    static = static_of(base, data.x.shape[1])
    one = jax.jit(engine.precise(make_start(static, engine)))(*lane_inputs(base, data))
    weights = sum(leaf.size for leaf in jax.tree.leaves(one.variables["params"]))
    steps = one.split.train.shape[0] // base.batch
    work, pool = engine.precise(make_pass(static, variant(base.variant).build(static), engine)), one
    if lanes > 1:
        pool = jax.jit(lambda lane: jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (lanes, *leaf.shape)), lane))(one)
        pool = pool._replace(key=jax.random.split(one.key, lanes))
        work = jax.vmap(work, in_axes=(0, None))
    compiled = jax.jit(work, donate_argnums=0).lower(pool, x).compile()
    analysis = compiled.cost_analysis() or {}
    analysis = analysis[0] if isinstance(analysis, list) else analysis
    return Stepper(compiled, pool, steps, weights, analysis.get("bytes accessed"))


def validation_loss(base: Point, data: Dataset, x: jax.Array, pool: Any, lanes: int, engine: Engine) -> float:
    """Mean validation loss of a pool's lanes, its products as the engine makes them."""
    static = static_of(base, data.x.shape[1])
    validate = engine.precise(make_validation(static, variant(base.variant).build(static)))
    call = jax.jit(jax.vmap(validate, in_axes=(0, None)) if lanes > 1 else validate)
    return float(jnp.mean(call(pool, x)[0]))
