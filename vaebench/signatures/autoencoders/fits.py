"""Extract signatures with autoencoders, and refit exposures with an encoder in front of fixed signatures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vaebench.errors import InputError, whole_number
from vaebench.nn.count_autoencoder import normalised, signatures_of
from vaebench.nn.losses import poisson_loss
from vaebench.signatures.autoencoders.started import started, with_rates
from vaebench.signatures.autoencoders.training import (
    checked_counts,
    checked_settings,
    mean_latent_kl,
    multinomial_resample,
    restart_seeds,
    split_of_rows,
    study_point,
    trained_lanes,
)
from vaebench.signatures.tables import OnProgress, no_progress
from vaebench.space import Point, static_of, traced_of
from vaebench.training.pool import Finished
from vaebench.variants import variant as variant_named


class TrainedSignatures(NamedTuple):
    """Result of R restarts; a restart that diverged holds NaN.

    Attributes:
        signatures: [R, S, M], rows sum to 1; all entries are equal where the decoder's row is 0.
        scales: [R, S] sums of the decoder's rows: ``scales * signatures`` is the decoder as trained.
        latents: [R, T, S] posterior means of the catalogue's samples.
        losses: [R] validation losses after the last epoch.
        poisson: [R] Poisson loss of the normalised catalogue through the posterior mean, averaged over samples and channels.
        frobenius: [R] Frobenius norm of the normalised catalogue's residual.
        epochs: [R] epochs trained.
        latent_kl: [R, S] nats, mean over samples; NaN for a deterministic variant.
        active: [R] number of latents in use: the contribution to the normalised spectrum varies by more than 0.01 over
            samples, as active units of VAEs are counted (variance).
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


class EncoderRefit(NamedTuple):
    """Exposures from an encoder trained in front of fixed signatures.

    Attributes:
        exposures: [T, S] in mutations; a row sums to the sample's mutations.
        factors: [T] mutations per unit of z, the same for the exposures and for :func:`posterior_draws`.
        latent_kl: [S] nats, mean over samples; NaN for a deterministic variant.
        loss: validation loss after the last epoch.
        epochs: epochs trained.
        status: ``"OK"`` or ``"DIVERGED"``.
        counts: [T, M], the catalogue.
        point: settings of the training.
        variables: of the trained model, a tree of arrays.
    """

    exposures: np.ndarray
    factors: np.ndarray
    latent_kl: np.ndarray
    loss: float
    epochs: int
    status: str
    counts: np.ndarray
    point: Point
    variables: Mapping[str, Any]


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
    progress: OnProgress = no_progress,
) -> TrainedSignatures:
    """Extract ``k`` signatures with each of ``restarts`` autoencoders; the steps: :mod:`vaebench.signatures.autoencoders`.

    Args:
        seed: of the redraws, and of every restart's weights, order and draws.
        counts: the catalogue [T, M].
        k: number of signatures S.
        restarts: number of restarts R.
        variant: a variant of counts.
        settings: other settings of :func:`study_point` to change: ``recipe``, ``learning_rate``, ``beta``, ``draws``, ...
        augmentation: redraws of every sample, made once and shared by the restarts (the studies: 20 and 100); with 0 the
            counts themselves are trained on.
        epochs: most epochs.
        patience: epochs without a lower validation loss after which a restart stops.
        lanes: restarts trained side by side; ``None`` chooses.
        progress: called with "training", the number of finished restarts whenever it grows, and ``restarts``.

    Raises:
        InputError: for counts, a number or a setting that is not allowed.
    """
    counts = checked_counts(counts)
    for name, value, least in (("k", k, 1), ("restarts", restarts, 1), ("augmentation", augmentation, 0)):
        whole_number(name, value, least, 10_000)
    if k > len(counts):
        raise InputError(
            f"k is {k}, but the catalogue has {len(counts)} sample{'s' * (len(counts) != 1)}; there cannot be more signatures "
            "than samples"
        )
    samples = len(counts)
    rows = jnp.asarray(counts, jnp.float32)
    split = split_of_rows(np.arange(samples), np.arange(samples))
    if augmentation:
        rows = jnp.concatenate([rows, multinomial_resample(jax.random.key(seed), counts, augmentation)])
        split = split._replace(train=np.arange(samples, len(rows)))
    changed = {"epochs": epochs, "patience": patience, **checked_settings(settings, len(split.train))}
    points = [study_point(variant, k, {**changed, "seed": own}) for own in restart_seeds(seed, restarts)]
    if variant == "vae_ms":
        begun = started(points, counts, rows, split)
        finished = trained_lanes(points, counts, begun.rows, begun.split_of, None, lanes, progress, begun.start_of)
    else:
        finished = trained_lanes(points, counts, rows, lambda point: split, None, lanes, progress)
    return _collected([_measured(item, counts) for item in finished])


def refit_by_encoder(
    seed: int,
    counts: np.ndarray,
    signatures: np.ndarray,
    *,
    variant: str = "folded_normal_vae",
    settings: Mapping[str, Any] | None = None,
    epochs: int = 10_000,
    patience: int = 100,
) -> EncoderRefit:
    """Exposures to ``signatures`` [S, M] from an encoder that is trained in front of them as a frozen decoder.

    Exposure = posterior mean / sum of the sample's posterior means * the sample's mutations. The catalogue is trained on
    without redraws.

    Args:
        seed: of the weights, order and draws.
        counts: the catalogue [T, M].
        signatures: [S, M].
        variant: a variant of counts.
        settings: other settings of :func:`study_point` to change.
        epochs: most epochs.
        patience: epochs without a lower loss after which training stops.

    Raises:
        InputError: for counts, signatures or a setting that is not allowed.

    Source: gislum2024. Deviates: the released code stops on the training loss during the epoch, this on the same loss of the
    same samples after it.
    """
    counts, signatures = checked_counts(counts), checked_counts(signatures)
    changed = {"epochs": epochs, "patience": patience, **checked_settings(settings, len(counts))}
    point = study_point(variant, len(signatures), {**changed, "frozen": True, "seed": restart_seeds(seed, 1)[0]})
    split = split_of_rows(np.arange(len(counts)), np.arange(len(counts)))
    rows = jnp.asarray(counts, jnp.float32)
    rows = with_rates(rows, signatures) if variant == "vae_ms" else rows
    (item,) = trained_lanes([point], counts, rows, lambda point: split, signatures, 1, no_progress)
    diverged = item.z is None
    z = np.full((len(counts), len(signatures)), np.nan) if item.z is None else item.z.astype(np.float64)
    total = z.sum(1)
    factors = counts.sum(1) / np.where(total > 0, total, 1)
    return EncoderRefit(
        exposures=z * factors[:, None],
        factors=factors,
        latent_kl=mean_latent_kl(item, counts),
        loss=item.losses["valid"],
        epochs=item.epochs,
        status="DIVERGED" if diverged else "OK",
        counts=counts,
        point=point,
        variables=item.variables,
    )


def posterior_draws(key: jax.Array, fit: EncoderRefit, draws: int) -> np.ndarray:
    """Draws of the exposures [draws, T, S] in mutations: draws of z times the factor of the point estimate.

    Source: gislum2024, whose intervals are percentiles of 1,000 such draws.
    """
    static = static_of(fit.point, fit.counts.shape[1])
    model, traced = variant_named(fit.point.variant).build(static), traced_of(fit.point)
    x, factors = jnp.asarray(fit.counts, jnp.float32), jnp.asarray(fit.factors, jnp.float32)

    @jax.jit
    def drawn(variables: Mapping[str, Any]) -> jax.Array:
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
    kl = mean_latent_kl(item, counts)
    if item.z is None:
        nan = np.full((k, counts.shape[1]), np.nan)
        lost = (nan, nan[:, 0], np.full((samples, k), np.nan), np.nan, np.nan, np.nan)
        return _Measured(*lost, item.epochs, kl, 0, "DIVERGED")
    rows, z = signatures_of(item.variables).astype(np.float64), item.z.astype(np.float64)
    scales = rows.sum(1)
    dead = int((scales <= 0).sum())
    signatures = np.where(scales[:, None] > 0, rows / np.where(scales > 0, scales, 1)[:, None], 1 / rows.shape[1])
    target, mean = np.asarray(normalised(jnp.asarray(counts, jnp.float32)), np.float64), z @ rows
    with jax.enable_x64(True):  # a mean over all counts decides between restarts
        poisson = float(np.mean(np.asarray(poisson_loss(jnp.asarray(target), jnp.asarray(mean)))))
    return _Measured(
        signatures=signatures,
        scales=np.asarray(scales),
        latents=z,
        losses=item.losses["valid"],
        poisson=poisson,
        frobenius=float(np.linalg.norm(target - mean)),
        epochs=item.epochs,
        latent_kl=kl,
        active=int(np.sum(np.var(z * scales, axis=0) > 0.01)),
        statuses=f"DEAD_SIGNATURE: {dead} of {k} rows of the decoder are 0" if dead else "OK",
    )


def _collected(parts: Sequence[_Measured]) -> TrainedSignatures:
    columns = [np.array(column) for column in zip(*(part[:-1] for part in parts), strict=True)]
    return TrainedSignatures(*columns, statuses=tuple(part.statuses for part in parts))
