"""Autoencoders of one catalogue as lanes: their settings, redrawn counts, training, and the use of their latents."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.errors import InputError, checked_seed
from vaebench.nn.count_autoencoder import with_signatures
from vaebench.space import Point, static_of, traced_of
from vaebench.space import point as make_point
from vaebench.training.lane import Lane, Split
from vaebench.training.pool import Finished, on_device, trained_points
from vaebench.training.train import Train
from vaebench.types import Dataset, Static
from vaebench.variants import VARIANTS
from vaebench.variants import variant as variant_named

BATCH = 64
LANES_CPU = 5
"""Restarts side by side on a CPU: more cost as much a lane, and wait longer for the slowest."""
_MUSE = Point(
    variant="muse_xae",
    recipe="benchmarked",
    hidden=(128, 64, 32),
    norm="batch",
    activation="elu",
    init="xavier_uniform",
)
_REPORT = Point(variant="folded_normal_vae", hidden=(96, 48, 24), norm="layer", activation="gelu", init="default")
_CHOSEN = {"folded_normal_vae": {"beta": 0.0}}
"""Weights that a study settled on, where they are not the variant's own defaults: above 0 the report's latents collapse."""

_DECIDED = {
    "variant": "the method is the variant",
    "latent": "it is the number of signatures",
    "seed": "every training gets its own from the seed of all",
    "frozen": "the decoder is trained in an extraction and held in a refit",
}


def study_point(variant: str, latent: int, changed: Mapping[str, Any]) -> Point:
    """A study's settings for a variant of counts, with ``changed`` (fields of :class:`Point`, of its shape or its hyper).

    MUSE-XAE (recipe ``benchmarked``): 96-128-64-32, ELU, batch normalisation. All others (recipe ``textbook``), as the
    report's VAE: 96-96-48-24, GELU, layer normalisation, and for ``folded_normal_vae`` its beta of 0. Both: Adam 1e-3, batch
    64, at most 1,000 epochs, patience 30.
    """
    if variant_named(variant).domain != "counts":
        known = ", ".join(name for name, v in VARIANTS.items() if v.domain == "counts")
        raise InputError(
            f"variant {variant!r} is for expression data, and this is a catalogue of mutations; use {known}"
        )
    common = {"epochs": 1000, "patience": 30, "min_epochs": 1, "validation": "whole", "batch": BATCH}
    base = _MUSE if variant == "muse_xae" else _REPORT
    chosen = _CHOSEN.get(variant, {})
    return make_point(base, **{**common, "variant": variant, "latent": latent, **chosen, **changed})


def checked_settings(settings: Mapping[str, Any] | None, rows: int) -> dict[str, Any]:
    """A caller's ``settings`` of :func:`study_point`, with a batch that the ``rows`` to be trained on can fill.

    Raises:
        InputError: for a setting that is decided elsewhere, or a batch of more than the rows.
    """
    changed = {"batch": min(BATCH, rows), **(settings or {})}
    for name, why in _DECIDED.items():
        if name in changed:
            raise InputError(f"settings hold {name}={changed[name]!r}, which cannot be set here: {why}")
    if isinstance(changed["batch"], int) and changed["batch"] > rows:
        raise InputError(
            f"batch is {changed['batch']}, but there are only {rows} rows to train on: no step could be made; "
            f"choose a batch of at most {rows}"
        )
    return changed


def restart_seeds(seed: int, restarts: int) -> list[int]:
    """Distinct seeds of the restarts; the first ones are the same for any number of restarts."""
    checked_seed(seed)
    drawn = np.random.SeedSequence(seed).generate_state(2 * restarts + 8) >> 1
    return list(dict.fromkeys(int(value) for value in drawn))[:restarts]


def redrawn(key: jax.Array, counts: np.ndarray, times: int) -> jax.Array:
    """``times`` redraws of every row of counts [T, C] from Multinomial(n, x / n): [times * T, C] float32, sets one after another.

    Channel by channel a binomial of what is left. In float64: the sampler compares log-probabilities of size n, which
    float32 rounds to whole units from a million mutations on.
    """
    with jax.enable_x64(True):
        whole = jnp.asarray(np.asarray(counts, np.float64))
        return _redrawn(key, whole, times).astype(jnp.float32)


@functools.partial(jax.jit, static_argnums=2)
def _redrawn(key: jax.Array, counts: jax.Array, times: int) -> jax.Array:
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
    tell: Callable[[int], None],
) -> list[Finished]:
    """The points trained on ``rows`` [N, 96] (or [N, 192], see :func:`vaebench.nn.count_autoencoder.signature_model`).

    Args:
        points: of one static shape.
        counts: the catalogue [T, 96], which trained lanes embed.
        rows: what the splits point into.
        split_of: a point's rows for training and validation.
        signatures: [S, 96] of a frozen decoder; ``None`` where it is trained.
        lanes: side by side; ``None`` chooses.
        tell: called with the number of points that finished, whenever it grows.

    Returns:
        In the order of the points, with their variables.
    """

    def begin(program: Train, point: Point) -> Lane:
        lane = program.start(on_device(traced_of(point)), on_device(split_of(point)))
        if signatures is None:
            return lane
        return lane._replace(variables=with_signatures(lane.variables, signatures))

    done: dict[Point, Finished] = {}
    lanes = min(len(points), lanes or (LANES_CPU if jax.default_backend() == "cpu" else len(points)))
    for tick in trained_points(points, catalogue_dataset(counts), rows, lanes, keep=lambda point: True, begin=begin):
        done |= {item.point: item for item in tick.finished}
        if tick.finished:
            tell(len(done))
    return [done[point] for point in points]


def catalogue_dataset(counts: np.ndarray) -> Dataset:
    """The catalogue [T, 96] as the engine wants it: counts as they are."""
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
    """Rows for training and validation, and no scaling: of one column, so that rows of any width pass."""
    return Split(np.asarray(train, np.int32), np.asarray(valid, np.int32), np.zeros(1), np.ones(1))


def latent_kl(item: Finished, counts: np.ndarray) -> np.ndarray:
    """[S] nats: KL(q(z_s|x) || p(z_s)), mean over the catalogue [T, 96]; NaN where the variant has none or diverged."""
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
    """``counts`` [T, 96] as float64: finite and not negative."""
    counts = np.asarray(counts, np.float64)
    if counts.ndim != 2 or not counts.size or not np.isfinite(counts).all() or counts.min() < 0:
        raise InputError(
            f"counts of shape {counts.shape} must be a table [samples, channels] of finite numbers, none negative"
        )
    return counts
