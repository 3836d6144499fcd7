"""Robust mutual information gap: is a factor encoded in one latent alone, and more than chance would have it?"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from vaebench.errors import InputError
from vaebench.metrics.shared.factors import (
    Factor,
    canonical_order,
    classes,
    entropy,
    mutual_information,
    problem_of,
    top_two,
    usable_factors,
)
from vaebench.types import Dataset, Given, Metric

SCORES = ("rmig", "largest", "jemmig", "null_rmig", "null_quantile", "p", "factors", "factors_left_out", "posterior")


@dataclasses.dataclass(frozen=True)
class RmigOptions:
    """Options of ``rmig``.

    Attributes:
        bins: of equal width for each latent (the study ran with 200; its code has 100).
        span: ``"fixed"`` for [-4, 4], as in the study, or ``"data"`` for the range of each latent.
        factor_bins: of equal frequency for a continuous factor.
        permutations: of each factor, for the null distribution.
        seed: of the permutations.
    """

    bins: int = 100
    span: str = "fixed"
    factor_bins: int = 10
    permutations: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if self.span not in ("fixed", "data"):
            raise InputError(f"span is {self.span!r}; it must be 'fixed' or 'data'")
        if self.bins < 2 or self.factor_bins < 2 or self.permutations < 1:
            raise InputError(
                f"bins ({self.bins}) and factor_bins ({self.factor_bins}) must be at least 2, "
                f"permutations ({self.permutations}) at least 1"
            )


def bin_shares(mean: np.ndarray, logvar: np.ndarray | None, bins: int, span: str) -> np.ndarray:
    """Return Q(s | x) [N, bins] of one latent: the posterior's density at each bin's centre, normalised over bins.

    Args:
        mean: [N] of the posterior, or the latent itself.
        logvar: [N] of the posterior. ``None`` for an embedding without one: all is in the bin of the nearest centre, which
            is also the limit of a sharp posterior.
        bins: number of bins.
        span: ``"fixed"`` for [-4, 4], ``"data"`` for the means and 3 standard deviations to either side.
    """
    mean = np.asarray(mean, np.float64)
    deviation = None if logvar is None else np.exp(0.5 * np.asarray(logvar, np.float64))
    low, high = -4.0, 4.0
    if span == "data":
        margin = 0.0 if deviation is None else 3 * deviation
        low, high = float(np.min(mean - margin)), float(np.max(mean + margin))
    width = (high - low) / bins or 1.0
    nearest = np.clip(np.floor((mean - low) / width), 0, bins - 1).astype(int)
    hard = np.zeros((len(mean), bins))
    hard[np.arange(len(mean)), nearest] = 1.0
    if deviation is None:
        return hard
    centres = low + width * (np.arange(bins) + 0.5)
    # exponents relative to the largest: a sharp posterior between two centres has density 0 at all of them
    exponent = -0.5 * ((centres[None] - mean[:, None]) / np.maximum(deviation, 1e-6 * width)[:, None]) ** 2
    shares = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def _joints(shares: np.ndarray, indicators: np.ndarray) -> np.ndarray:
    """Return the joint probabilities [P, S, C] of one latent's shares [n, S] and classes given as indicators [n, P, C]."""
    permutations, count = indicators.shape[1:]
    joint = shares.T @ indicators.reshape(len(shares), -1)
    return np.moveaxis(joint.reshape(-1, permutations, count), 1, 0) / len(shares)


def rmig_scores(
    z: np.ndarray,
    dataset: Dataset,
    given: Given = Given(),  # noqa: B008 - an immutable tuple
    *,
    options: RmigOptions = RmigOptions(),
) -> dict[str, Any]:
    """Compute RMIG = mean over factors y of [I(z_best; y) - I(z_second; y)] / H(y), latents quantised by their posterior.

    JEMMIG also asks that the best latent encode nothing else: 1 - [H(z_best, y) - I(z_best; y) + I(z_second; y)] / [H(y) +
    ln bins].

    Args:
        z: [N, L], quantised by itself if no posterior is given.
        dataset: with factors.
        given: ``posterior`` is used if it is given.
        options: see :class:`RmigOptions`.

    Returns:
        ``rmig`` in 0..1 (1: each factor is determined by one latent and unknown to the others), ``largest`` (of one factor),
        ``jemmig`` (mean, 0..1, high is good), ``null_rmig`` (mean over permutations of the factors) and ``null_quantile``
        (their 95%), ``p`` = (1 + permutations that reach rmig) / (1 + permutations), ``factors`` and ``factors_left_out``
        (number used, and not), ``posterior`` (1 if it was used), and ``status``: ``"OK"``, ``NAN_EMBEDDING``, ``COLLAPSED``
        or ``TOO_FEW_FACTORS``.

    Source: Do & Tran 2020, ICLR, eq. 12.
    """
    factors = usable_factors(dataset)
    mean, logvar = (z, None) if given.posterior is None else given.posterior
    scores: dict[str, Any] = dict.fromkeys(SCORES, math.nan) | {
        "factors": len(factors),
        "factors_left_out": len(dataset.factors) - len(factors),
        "posterior": int(logvar is not None),
    }
    problem = problem_of(mean, factors)
    if not problem and logvar is not None and not np.isfinite(logvar).all():
        problem = "NAN_EMBEDDING: a variance of the posterior is not finite"
    if problem:
        return scores | {"status": problem}
    gaps, joints = _gaps(mean, logvar, factors, options)
    null = gaps[1:].mean(axis=1)
    value = float(gaps[0].mean())
    return scores | {
        "rmig": value,
        "largest": float(gaps[0].max()),
        "jemmig": float(joints.mean()),
        "null_rmig": float(null.mean()),
        "null_quantile": float(np.quantile(null, 0.95)),
        "p": float((1 + np.sum(null >= value)) / (1 + len(null))),
        "status": "OK",
    }


def _gaps(
    mean: np.ndarray, logvar: np.ndarray | None, factors: tuple[Factor, ...], options: RmigOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Return RMIG [P + 1, F] of the data and of P permutations, and JEMMIG [F] of the data."""
    rng = np.random.default_rng(options.seed)
    place = np.argsort(canonical_order(mean))  # permutations follow the sample, not its position
    codes, indicators, permuted = [], [], []
    for factor in factors:
        code = classes(factor.values, factor.kind, options.factor_bins)
        sorting = np.argsort(place[factor.known])
        orders = np.empty((len(code), options.permutations), int)
        for column in orders.T:
            column[sorting] = sorting[rng.permutation(len(code))]
        codes.append(code)
        indicators.append(np.eye(code.max() + 1)[code][:, None])
        permuted.append(np.eye(code.max() + 1, dtype=np.float32)[code[orders]])
    information = np.empty((mean.shape[1], len(factors), options.permutations + 1))
    joint = np.empty((mean.shape[1], len(factors)))
    for latent in range(mean.shape[1]):
        spread = None if logvar is None else logvar[:, latent]
        shares = bin_shares(mean[:, latent], spread, options.bins, options.span)
        for f, factor in enumerate(factors):
            true = _joints(shares[factor.known], indicators[f])
            # float32 for the null distribution, which is most of the work and needs few digits
            null = _joints(shares[factor.known].astype(np.float32), permuted[f]).astype(np.float64)
            information[latent, f] = mutual_information(np.concatenate([true, null]))
            joint[latent, f] = entropy(true.ravel())
    entropies = np.array([entropy(np.bincount(code) / len(code)) for code in codes])
    gaps = []
    for step in range(options.permutations + 1):
        best, second = top_two(information[:, :, step])
        gaps.append((best - second) / entropies)
    best, second = top_two(information[:, :, 0])
    of_best = joint[information[:, :, 0].argmax(axis=0), np.arange(len(factors))]
    return np.stack(gaps), 1 - (of_best - best + second) / (entropies + math.log(options.bins))


METRIC = Metric(
    name="rmig",
    needs=("factors",),
    where="host",
    compute=rmig_scores,
    reference="Do & Tran 2020",
    scores=SCORES,
    options=RmigOptions(),
    counts=("factors", "factors_left_out", "posterior"),
)
