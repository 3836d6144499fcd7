"""A lane: the state of one model in training, its stopping rules, and the sharding of a pool of lanes."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from vaebench.errors import InputError
from vaebench.types import Traced
from vaebench.types.auxiliary import AuxiliaryRows

RUNNING, CONVERGED, OUT_OF_EPOCHS, DIVERGED, IDLE = range(5)
STOP_NAMES = ("running", "converged", "out_of_epochs", "diverged", "idle")
"""Names of a lane's ``status``, in the order of the integers above."""


class Split(NamedTuple):
    """Training and validation samples of a lane, and its scaling x' = (x - centre) / scale, applied batch by batch.

    Attributes:
        train: [n_train] positions of the training samples.
        valid: [n_valid] positions of the validation samples.
        centre: [D].
        scale: [D].
    """

    train: Any
    valid: Any
    centre: Any
    scale: Any


def scaled(x: jax.Array | AuxiliaryRows, split: Split) -> jax.Array | AuxiliaryRows:
    """Return rows x [B, D] on the lane's own scale, and with counts the map from that scale to their logarithms."""
    if isinstance(x, AuxiliaryRows):
        counts = x.counts
        if counts is not None:
            centre = counts.log_centre + counts.log_scale * split.centre
            counts = counts._replace(log_centre=centre, log_scale=counts.log_scale * split.scale)
        return x._replace(x=(x.x - split.centre[None]) / split.scale[None], counts=counts)
    return (x - split.centre[None]) / split.scale[None]


class Lane(NamedTuple):
    """State of one model in training. In a pool every leaf has a leading axis [R].

    Attributes:
        traced: settings of the point as numbers.
        split: its samples and scaling.
        key: from which the keys of all epochs are derived.
        variables: parameters and batch statistics.
        optimizer_state: of the program's optimizer.
        epoch: epochs trained.
        step: training steps taken.
        batches: batches seen, those of validation included: the clock of annealed weights.
        status: one of the integers above :data:`STOP_NAMES`.
        best_loss: lowest validation loss so far, by the rule of :func:`stopped`.
        best_epoch: its epoch.
        waited: epochs since then.
        train_loss: mean training loss of the last epoch.
        valid_loss: validation loss of the last epoch.
        terms: name -> term of the validation loss of the last epoch.
    """

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
    """Return ``lane`` with losses, best epoch and status after an epoch.

    Stopping rules, none before epoch ``min_epochs`` or the end of the KL's warm-up:

    * ``patience``: no validation loss lower than the best by more than ``min_delta`` for ``patience`` epochs.
    * ``relative``: the validation loss decreases and its reconstruction term changes by at most the share ``min_delta``
      (korkic2021).
    * ``fixed``: none; the lane runs all epochs.

    Under every rule a lane whose loss is not finite ends as diverged.

    Args:
        lane: after the epoch, with its training loss.
        before: the lane before the epoch, with the losses of the previous one.
        valid_loss: of this epoch.
        terms: of this epoch's validation loss.
    """
    rule = lane.traced
    better = valid_loss < lane.best_loss - rule.min_delta
    # while the KL is warmed up the training loss is not the validation loss, which may well rise: patience begins after it
    warming = lane.epoch <= rule.kl_warmup
    waited = jnp.where(better | warming, 0, lane.waited + 1)
    change = jnp.abs(terms["reconstruction"] - before.terms["reconstruction"])
    settled = (valid_loss < before.valid_loss) & (change <= rule.min_delta * jnp.abs(before.terms["reconstruction"]))
    # all rules are computed and one is indexed, since lanes of one program may have different rules
    by_rule = jnp.stack([waited >= rule.patience, settled, jnp.zeros((), bool)])[rule.stopping]
    finite = jnp.isfinite(valid_loss) & jnp.isfinite(lane.train_loss)
    status = jnp.where(lane.epoch >= rule.epochs, OUT_OF_EPOCHS, RUNNING)
    status = jnp.where(by_rule & (lane.epoch >= rule.min_epochs) & ~warming, CONVERGED, status)
    return lane._replace(
        status=jnp.where(finite, status, DIVERGED).astype(jnp.int32),
        best_loss=jnp.where(better, valid_loss, lane.best_loss),
        best_epoch=jnp.where(better, lane.epoch, lane.best_epoch),
        waited=waited,
        valid_loss=valid_loss,
        terms=terms,
    )


def lane_sharding(lanes: int) -> NamedSharding | None:
    """Return the sharding of a pool of ``lanes`` over the local devices, along the lane axis; ``None`` on one device.

    Raises:
        InputError: the number of lanes is not a multiple of the number of devices.
    """
    devices = jax.local_devices()
    if len(devices) == 1:
        return None
    if lanes % len(devices):
        raise InputError(f"lanes is {lanes}; it must be 1 or a multiple of the {len(devices)} local devices")
    return NamedSharding(
        jax.make_mesh((len(devices),), ("lane",), (AxisType.Auto,), devices=devices), PartitionSpec("lane")
    )
