"""Train autoencoders of one catalogue as lanes: their settings, resampled counts, training, and KL divergence per latent."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.errors import InputError, checked_seed
from vaebench.nn.count_autoencoder import with_signatures
from vaebench.signatures.tables import OnProgress
from vaebench.space import Point, static_of, traced_of
from vaebench.space import point as make_point
from vaebench.training.lane import Lane, Split
from vaebench.training.pool import Finished, on_device, trained_points
from vaebench.training.train import Train
from vaebench.types import Dataset, Static
from vaebench.variants import VARIANTS
from vaebench.variants import variant as variant_named
from vaebench.variants.vae_ms import with_start

LANES_CPU = 5
"""Restarts side by side on a CPU. More lanes are no cheaper each, and wait longer for the slowest."""

_MUSE = Point(
    variant="muse_xae",
    recipe="benchmarked",
    hidden=(128, 64, 32),
    norm="batch",
    batch=64,
    activation="elu",
    init="xavier_uniform",
)
_REPORT = Point(
    variant="folded_normal_vae", hidden=(96, 48, 24), norm="layer", batch=64, activation="gelu", init="default"
)
_CHOSEN = {"folded_normal_vae": {"beta": 0.0}}
"""Weights that a study chose in place of the variant's defaults: with a beta above 0 the latents of the report collapse."""

_VAE_MS = Point(variant="vae_ms", hidden=(60, 40), norm="batch", batch=64, activation="relu", init="kaiming_uniform")

_DECIDED = {
    "variant": "the method is the variant",
    "latent": "it is the number of signatures",
    "seed": "every training gets its own, derived from the seed of the call",
    "frozen": "the decoder is trained in an extraction and frozen in a refit",
}


def study_point(variant: str, latent: int, changed: Mapping[str, Any]) -> Point:
    """Settings of a study for a variant of counts.

    MUSE-XAE (recipe ``benchmarked``): 96-128-64-32, ELU, batch normalisation. All others (recipe ``textbook``) as the VAE of
    gislum2024: 96-96-48-24, GELU, layer normalisation, and for ``folded_normal_vae`` its beta of 0. VAE-MS: 96-60-40, ReLU,
    batch normalisation. All: Adam 1e-3, batch 64, at most 1,000 epochs, patience 30.

    Args:
        variant: a variant of counts.
        latent: number of signatures.
        changed: settings that replace these: fields of :class:`Point`, of its shape, or weights of the variant.

    Raises:
        InputError: for a variant of expression data, or an unknown setting.
    """
    if variant_named(variant).domain != "counts":
        known = ", ".join(name for name, v in VARIANTS.items() if v.domain == "counts")
        raise InputError(
            f"variant {variant!r} is for expression data, but this is a catalogue of mutations; use {known}"
        )
    common = {"epochs": 1000, "patience": 30, "min_epochs": 1, "validation": "whole"}
    base = {"muse_xae": _MUSE, "vae_ms": _VAE_MS}.get(variant, _REPORT)
    chosen = _CHOSEN.get(variant, {})
    return make_point(base, **{**common, "variant": variant, "latent": latent, **chosen, **changed})


def checked_settings(settings: Mapping[str, Any] | None, rows: int) -> dict[str, Any]:
    """``settings`` for :func:`study_point`, with a batch that the ``rows`` to train on can fill.

    Raises:
        InputError: for a setting that is decided elsewhere, or a batch larger than the number of rows.
    """
    changed = {"batch": min(_REPORT.batch, rows), **(settings or {})}  # that of both studies
    for name, why in _DECIDED.items():
        if name in changed:
            raise InputError(f"settings hold {name}={changed[name]!r}, which cannot be set here: {why}")
    if isinstance(changed["batch"], int) and changed["batch"] > rows:
        raise InputError(
            f"batch is {changed['batch']}, but there are only {rows} rows to train on; choose a batch of at most {rows}"
        )
    return changed


def restart_seeds(seed: int, restarts: int) -> list[int]:
    """Distinct seeds of ``restarts`` restarts; the first ones do not depend on the number of restarts."""
    checked_seed(seed)
    drawn = np.random.SeedSequence(seed).generate_state(2 * restarts + 8) >> 1
    return list(dict.fromkeys(int(value) for value in drawn))[:restarts]


def multinomial_resample(key: jax.Array, counts: np.ndarray, times: int) -> jax.Array:
    """Redraw every row of ``counts`` [T, C] ``times`` times from Multinomial(n, x / n), n its sum.

    Each channel is a binomial of the mutations that the earlier channels left. The arithmetic is in float64: the sampler
    compares log-probabilities of size n, which float32 rounds to whole units from a million mutations on.

    Returns:
        [times * T, C] float32, all rows once, then all rows again, ...
    """
    with jax.enable_x64(True):
        whole = jnp.asarray(np.asarray(counts, np.float64))
        return _resampled(key, whole, times).astype(jnp.float32)


@functools.partial(jax.jit, static_argnums=2)
def _resampled(key: jax.Array, counts: jax.Array, times: int) -> jax.Array:
    later = jnp.cumsum(counts[:, ::-1], axis=1)[:, ::-1]
    share = jnp.where(later > 0, counts / jnp.where(later > 0, later, 1), 0)

    def channel(left: jax.Array, inputs: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        own, share = inputs
        drawn = jax.random.binomial(own, left, share[None])
        return left - drawn, drawn

    total = jnp.broadcast_to(jnp.round(counts.sum(1)), (times, len(counts)))
    _, drawn = jax.lax.scan(channel, total, (jax.random.split(key, counts.shape[1]), share.T))
    return jnp.moveaxis(drawn, 0, -1).reshape(-1, counts.shape[1])


def trained_lanes(
    points: Sequence[Point],
    counts: np.ndarray,
    rows: jax.Array,
    split_of: Callable[[Point], Split],
    signatures: np.ndarray | None,
    lanes: int | None,
    progress: OnProgress,
    start_of: Callable[[Point], np.ndarray] | None = None,
) -> list[Finished]:
    """Train ``points`` on ``rows`` [N, M] (or [N, 192], see :func:`vaebench.nn.count_autoencoder.signature_model`).

    Args:
        points: settings of one static shape.
        counts: the catalogue [T, M], which trained lanes embed.
        rows: samples that the splits index.
        split_of: returns a point's rows for training and validation.
        signatures: [S, M] of a frozen decoder; ``None`` where the decoder is trained.
        lanes: points trained side by side; ``None`` chooses.
        progress: called with "training", the number of finished points whenever it grows, and the number of points.
        start_of: returns the signatures [S, M] that a point begins with, for a variant that begins with some.

    Returns:
        The trained points, in the order of ``points``, with their variables.
    """

    def begin(program: Train, point: Point) -> Lane:
        lane = program.start(on_device(traced_of(point)), on_device(split_of(point)))
        if start_of is not None:
            return lane._replace(variables=with_start(lane.variables, start_of(point)))
        if signatures is None:
            return lane
        return lane._replace(variables=with_signatures(lane.variables, signatures))

    done: dict[Point, Finished] = {}
    lanes = min(len(points), lanes or (LANES_CPU if jax.default_backend() == "cpu" else len(points)))
    for tick in trained_points(points, catalogue_dataset(counts), rows, lanes, keep=lambda point: True, begin=begin):
        done |= {item.point: item for item in tick.finished}
        if tick.finished:
            progress("training", len(done), len(points))
    return [done[point] for point in points]


def catalogue_dataset(counts: np.ndarray) -> Dataset:
    """The catalogue [T, M] as a data set of the training engine, counts unscaled."""
    samples, channels = counts.shape
    return Dataset(
        name="catalogue",
        digest="",
        x=np.asarray(counts, np.float32),
        samples=np.arange(samples).astype(str),
        features=np.arange(channels).astype(str),
        centre=np.zeros(channels),
        scale=np.ones(channels),
        scaling="none",
    )


def split_of_rows(train: np.ndarray, valid: np.ndarray) -> Split:
    """Split of rows for training and validation, without scaling: its one column broadcasts to rows of any width."""
    return Split(np.asarray(train, np.int32), np.asarray(valid, np.int32), np.zeros(1), np.ones(1))


def mean_latent_kl(item: Finished, counts: np.ndarray) -> np.ndarray:
    """KL(q(z_s|x) || p(z_s)) [S] in nats, mean over the catalogue [T, M]; NaN for a variant without one or after divergence."""
    divergence, traced = _divergence(static_of(item.point, counts.shape[1])), traced_of(item.point)
    if divergence is None or item.z is None:
        return np.full(item.point.latent, np.nan)
    key = jax.random.key(item.point.seed)
    kl = divergence(item.variables, jnp.asarray(counts, jnp.float32), key, traced.activation, traced.hyper)
    return np.asarray(kl, np.float64).mean(0)


@functools.lru_cache(maxsize=64)
def _divergence(static: Static) -> Callable[..., jax.Array] | None:
    model = variant_named(static.variant).build(static)
    return None if model.latent_kl is None else jax.jit(model.latent_kl)


def checked_counts(counts: np.ndarray) -> np.ndarray:
    """``counts`` [T, M] as float64.

    Raises:
        InputError: for an empty table, and for entries that are negative or not finite.
    """
    counts = np.asarray(counts, np.float64)
    if counts.ndim != 2 or not counts.size or not np.isfinite(counts).all() or counts.min() < 0:
        raise InputError(
            f"counts of shape {counts.shape} must be a table [samples, channels] of finite numbers, none negative"
        )
    return counts
