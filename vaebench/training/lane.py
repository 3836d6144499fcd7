"""A lane: one model in training with all it needs, when it stops, and how a pool of lanes lies on several devices."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from vaebench.errors import InputError
from vaebench.types import Traced

RUNNING, CONVERGED, OUT_OF_EPOCHS, DIVERGED, IDLE = range(5)
STOP_NAMES = ("running", "converged", "out_of_epochs", "diverged", "idle")
"""Names of a lane's ``status``, in the order of the integers above."""


class Split(NamedTuple):
    """A lane's rows of the data and its scaling.

    ``train`` [n_train] and ``valid`` [n_valid] are positions of samples; ``centre`` and ``scale`` [D] are applied to x
    on the fly: x' = (x - centre) / scale.
    """

    train: Any
    valid: Any
    centre: Any
    scale: Any


def scaled(x: jax.Array, split: Split) -> jax.Array:
    """Rows x [B, D] on the lane's own scale."""
    return (x - split.centre[None]) / split.scale[None]


class Lane(NamedTuple):
    """One model in training; under ``vmap`` every leaf gains a leading [R] axis. Losses are those of the last epoch."""

    traced: Traced
    split: Split
    key: jax.Array
    variables: Any
    optimizer_state: Any
    epoch: jax.Array
    step: jax.Array
    batches: jax.Array
    status: jax.Array
    best_loss: jax.Array
    best_epoch: jax.Array
    waited: jax.Array
    train_loss: jax.Array
    valid_loss: jax.Array
    terms: dict[str, jax.Array]


def stopped(lane: Lane, before: Lane, valid_loss: jax.Array, terms: dict[str, jax.Array]) -> Lane:
    """``lane`` with its losses, best epoch and status after an epoch; ``before`` holds the previous epoch's losses.

    ``patience``: stop when the validation loss has not fallen by more than min_delta below its best for ``patience`` epochs.
    ``relative``: stop when it falls and its reconstruction term changes by at most min_delta, relatively (korkic2021).
    ``fixed``: run all epochs. A loss that is not finite diverges the lane under every rule.
    """
    rule = lane.traced
    better = valid_loss < lane.best_loss - rule.min_delta
    waited = jnp.where(better, 0, lane.waited + 1)
    change = jnp.abs(terms["reconstruction"] - before.terms["reconstruction"])
    settled = (valid_loss < before.valid_loss) & (change <= rule.min_delta * jnp.abs(before.terms["reconstruction"]))
    by_rule = jnp.stack([waited >= rule.patience, settled, jnp.zeros((), bool)])[rule.stopping]
    finite = jnp.isfinite(valid_loss) & jnp.isfinite(lane.train_loss)
    status = jnp.where(lane.epoch >= rule.epochs, OUT_OF_EPOCHS, RUNNING)
    status = jnp.where(by_rule & (lane.epoch >= rule.min_epochs), CONVERGED, status)
    return lane._replace(
        status=jnp.where(finite, status, DIVERGED).astype(jnp.int32),
        best_loss=jnp.where(better, valid_loss, lane.best_loss),
        best_epoch=jnp.where(better, lane.epoch, lane.best_epoch),
        waited=waited,
        valid_loss=valid_loss,
        terms=terms,
    )


def lane_sharding(lanes: int) -> NamedSharding | None:
    """How a pool of ``lanes`` lies on this machine's devices: ``None`` on one device, else cut along the lane axis.

    Raises:
        InputError: the lanes cannot be shared equally between the devices.
    """
    devices = jax.local_devices()
    if len(devices) == 1:
        return None
    if lanes % len(devices):
        raise InputError(f"lanes is {lanes}; it must be 1 or a multiple of the {len(devices)} local devices")
    return NamedSharding(
        jax.make_mesh((len(devices),), ("lane",), (AxisType.Auto,), devices=devices), PartitionSpec("lane")
    )
