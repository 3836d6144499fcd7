"""Signatures and exposures from autoencoders: restarts are lanes of one program, early stopping is each lane's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.errors import InputError, whole_number
from vaebench.nn.count_autoencoder import normalised, signatures_of
from vaebench.signatures.autoencoders.training import (
    checked_counts,
    checked_settings,
    latent_kl,
    redrawn,
    restart_seeds,
    split_of_rows,
    study_point,
    trained_lanes,
)
from vaebench.space import Point, static_of, traced_of
from vaebench.training.pool import Finished
from vaebench.variants import variant as variant_named

ACTIVE = 0.01
"""Variance over samples of a signature's contribution to the normalised spectrum above which its latent is active."""


class TrainedSignatures(NamedTuple):
    """What R restarts found; a restart that diverged holds NaN.

    Attributes:
        signatures: [R, S, 96], rows sum to 1; even where the decoder's row died (its scale is 0).
        scales: [R, S] sums of the decoder's rows: ``scales * signatures`` is the decoder as trained.
        latents: [R, T, S] posterior means of the catalogue's samples.
        losses: [R] validation losses after the last epoch.
        poisson: [R] Poisson loss of the normalised catalogue through the posterior mean, averaged over samples and channels.
        frobenius: [R] Frobenius norm of the normalised catalogue's residual.
        epochs: [R] epochs trained.
        latent_kl: [R, S] nats, mean over samples; NaN for a deterministic variant.
        active: [R] number of latents in use; see :data:`ACTIVE`.
        statuses: [R] ``"OK"``, ``"DIVERGED"`` or ``"DEAD_SIGNATURE: ..."``.
    """

    signatures: np.ndarray
    scales: np.ndarray
    latents: np.ndarray
    losses: np.ndarray
    poisson: np.ndarray
    frobenius: np.ndarray
    epochs: np.ndarray
    latent_kl: np.ndarray
    active: np.ndarray
    statuses: tuple[str, ...]


class Refit(NamedTuple):
    """Exposures by an encoder trained again before fixed signatures.

    Attributes:
        exposures: [T, S] in mutations; a row sums to the sample's mutations.
        factors: [T] mutations per unit of z, the same for the exposures and for :func:`posterior_draws`.
        latent_kl: [S] nats, mean over samples; NaN for a deterministic variant.
        loss: after the last epoch.
        epochs: trained.
        status: ``"OK"`` or ``"DIVERGED"``.
        counts: [T, 96].
        point: the settings.
        variables: of the trained model.
    """

    exposures: np.ndarray
    factors: np.ndarray
    latent_kl: np.ndarray
    loss: float
    epochs: int
    status: str
    counts: np.ndarray
    point: Point
    variables: Any


def trained_signatures(
    seed: int,
    counts: np.ndarray,
    k: int,
    restarts: int = 10,
    *,
    variant: str = "muse_xae",
    settings: Mapping[str, Any] | None = None,
    augmentation: int = 5,
    epochs: int = 1000,
    patience: int = 30,
    lanes: int | None = None,
    tell: Callable[[int], None] = lambda finished: None,
) -> TrainedSignatures:
    """``k`` signatures by each of ``restarts`` autoencoders, trained on redrawn counts and stopped on the counts themselves.

    Args:
        seed: decides the redraws, and every restart's weights, order and draws.
        counts: the catalogue [T, 96].
        k: S.
        restarts: R.
        variant: one of the variants for counts.
        settings: what else differs from :func:`study_point`: ``recipe``, ``learning_rate``, ``beta``, ``draws``, ...
        augmentation: redraws of every sample, Multinomial(n, x / n), drawn once and shared by the restarts (the studies: 20
            and 100); 0 trains on the counts.
        epochs: at most this many.
        patience: epochs without a lower validation loss after which a restart stops.
        lanes: restarts side by side; ``None`` chooses.
        tell: called with the number of restarts that finished, whenever it grows.
    """
    counts = checked_counts(counts)
    for name, value, least in (("k", k, 1), ("restarts", restarts, 1), ("augmentation", augmentation, 0)):
        whole_number(name, value, least, None)
    if k > len(counts):
        raise InputError(
            f"k is {k}, but the catalogue has {len(counts)} samples: there cannot be more signatures than samples"
        )
    samples = len(counts)
    rows = jnp.asarray(counts, jnp.float32)
    split = split_of_rows(np.arange(samples), np.arange(samples))
    if augmentation:
        rows = jnp.concatenate([rows, redrawn(jax.random.key(seed), counts, augmentation)])
        split = split._replace(train=np.arange(samples, len(rows)))
    changed = {"epochs": epochs, "patience": patience, **checked_settings(settings, len(split.train))}
    points = [study_point(variant, k, {**changed, "seed": own}) for own in restart_seeds(seed, restarts)]
    finished = trained_lanes(points, counts, rows, lambda point: split, None, lanes, tell)
    return _collected([_measured(item, counts) for item in finished])


def refitted(
    seed: int,
    counts: np.ndarray,
    signatures: np.ndarray,
    *,
    variant: str = "folded_normal_vae",
    settings: Mapping[str, Any] | None = None,
    epochs: int = 10_000,
    patience: int = 100,
) -> Refit:
    """Exposures of ``signatures`` [S, 96]: they are the decoder, frozen, and an encoder is trained for it.

    Exposure = posterior mean / its row's sum * the sample's mutations (gislum2024). Trained on the catalogue without redraws.
    Deviates: the released code stops on the training loss of the epoch, this on the same loss of the same samples after it.
    """
    counts, signatures = checked_counts(counts), checked_counts(signatures)
    changed = {"epochs": epochs, "patience": patience, **checked_settings(settings, len(counts))}
    point = study_point(variant, len(signatures), {**changed, "frozen": True, "seed": restart_seeds(seed, 1)[0]})
    split = split_of_rows(np.arange(len(counts)), np.arange(len(counts)))
    rows = jnp.asarray(counts, jnp.float32)
    (item,) = trained_lanes([point], counts, rows, lambda point: split, signatures, 1, lambda finished: None)
    diverged = item.z is None
    z = np.full((len(counts), len(signatures)), np.nan) if item.z is None else item.z.astype(np.float64)
    total = z.sum(1)
    factors = counts.sum(1) / np.where(total > 0, total, 1)
    return Refit(
        exposures=z * factors[:, None],
        factors=factors,
        latent_kl=latent_kl(item, counts),
        loss=item.losses["valid"],
        epochs=item.epochs,
        status="DIVERGED" if diverged else "OK",
        counts=counts,
        point=point,
        variables=item.variables,
    )


def posterior_draws(key: jax.Array, fit: Refit, draws: int) -> np.ndarray:
    """Draws of the exposures [draws, T, S] in mutations: of z, times the factor of the point estimate.

    Source: gislum2024 takes percentiles of 1,000 such draws as an interval.
    """
    static = static_of(fit.point, fit.counts.shape[1])
    model, traced = variant_named(fit.point.variant).build(static), traced_of(fit.point)
    x, factors = jnp.asarray(fit.counts, jnp.float32), jnp.asarray(fit.factors, jnp.float32)

    @jax.jit
    def drawn(variables: Any) -> jax.Array:
        def one(own: jax.Array) -> jax.Array:
            return model.sample(variables, x, own, traced.activation, traced.hyper) * factors[:, None]

        return jax.lax.map(one, jax.random.split(key, draws))

    return np.asarray(drawn(fit.variables))


class _Measured(NamedTuple):
    """One restart of :class:`TrainedSignatures`, field by field."""

    signatures: np.ndarray
    scales: np.ndarray
    latents: np.ndarray
    losses: float
    poisson: float
    frobenius: float
    epochs: int
    latent_kl: np.ndarray
    active: int
    statuses: str


def _measured(item: Finished, counts: np.ndarray) -> _Measured:
    samples, k = len(counts), item.point.latent
    kl = latent_kl(item, counts)
    if item.z is None:
        nan = np.full((k, counts.shape[1]), np.nan)
        lost = (nan, nan[:, 0], np.full((samples, k), np.nan), np.nan, np.nan, np.nan)
        return _Measured(*lost, item.epochs, kl, 0, "DIVERGED")
    rows, z = signatures_of(item.variables).astype(np.float64), item.z.astype(np.float64)
    scales = rows.sum(1)
    dead = int((scales <= 0).sum())
    signatures = np.where(scales[:, None] > 0, rows / np.where(scales > 0, scales, 1)[:, None], 1 / rows.shape[1])
    target, mean = np.asarray(normalised(jnp.asarray(counts, jnp.float32)), np.float64), z @ rows
    return _Measured(
        signatures=signatures,
        scales=scales,
        latents=z,
        losses=item.losses["valid"],
        poisson=float(np.mean(mean - target * np.log(mean + 1e-7))),
        frobenius=float(np.linalg.norm(target - mean)),
        epochs=item.epochs,
        latent_kl=kl,
        active=int(np.sum(np.var(z * scales, axis=0) > ACTIVE)),
        statuses=f"DEAD_SIGNATURE: {dead} of {k} rows of the decoder are 0" if dead else "OK",
    )


def _collected(parts: Sequence[_Measured]) -> TrainedSignatures:
    columns = [np.array(column) for column in zip(*(part[:-1] for part in parts), strict=True)]
    return TrainedSignatures(*columns, statuses=tuple(part.statuses for part in parts))
