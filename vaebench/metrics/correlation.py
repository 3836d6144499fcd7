"""Correlation of latents with known factors, and the number of factors that go with one or two latents only."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np

from vaebench.errors import InputError
from vaebench.metrics.shared.factors import Factor, problem_of, usable_factors, varying
from vaebench.types import Dataset, Given, Metric

SCORES = (
    "disentangled",
    "correlated",
    "disentangled_significant",
    "latents_per_factor",
    "largest",
    "significant_pairs",
    "factors",
    "factors_left_out",
)


@dataclasses.dataclass(frozen=True)
class CorrelationOptions:
    """Options of ``correlation``.

    Attributes:
        threshold: absolute correlation from which a latent and a factor go together, between 0 and 1.
        level: adjusted p below which a correlation is significant, between 0 and 1.
    """

    threshold: float = 0.1
    level: float = 0.05

    def __post_init__(self) -> None:
        if not (0 < self.threshold < 1 and 0 < self.level < 1):
            raise InputError(f"threshold ({self.threshold}) and level ({self.level}) must lie between 0 and 1")


class Correlations(NamedTuple):
    """Correlation of every latent with every factor.

    Attributes:
        strength: [L, F] signed correlation, between -1 and 1.
        p: [L, F].
        adjusted: [L, F] p adjusted over all pairs (Benjamini & Hochberg 1995).
        names: [F] of the factors.
    """

    strength: np.ndarray
    p: np.ndarray
    adjusted: np.ndarray
    names: tuple[str, ...]


def correlations(z: np.ndarray, factors: tuple[Factor, ...]) -> Correlations:
    """Correlate every latent of z [N, L] with every factor, each on the samples for which the factor is known.

    Continuous factor: Spearman's rho, p from t = rho sqrt((n - 2) / (1 - rho^2)). Binary factor: logistic regression on the
    latent, p from its likelihood ratio (chi squared, 1 degree of freedom), strength = sign sqrt(1 - exp(-LR / n)), Cox &
    Snell's R, which for weak effects is the correlation. A latent that is constant on the known samples has strength 0 and
    p 1.

    Args:
        z: [N, L] finite. Latents of R embeddings may be put next to each other, as [N, R L]; they are then adjusted together.
        factors: of :func:`vaebench.metrics.shared.factors.usable_factors`.

        >>> import vaebench as vb
        >>> from vaebench.metrics.correlation import correlations
        >>> from vaebench.metrics.shared.factors import usable_factors
        >>> found = correlations(z, usable_factors(data))  # doctest: +SKIP
        >>> found.strength.shape  # doctest: +SKIP
        (50, 7)
    """
    from scipy.stats import false_discovery_control

    z = np.asarray(z, np.float64)
    ranked: dict[bytes, np.ndarray] = {}
    strength, p = [], []
    for factor in factors:
        if factor.kind == "continuous":
            # factors with the same missing samples share the ranks of the latents, the most expensive part
            pattern = factor.known.tobytes()
            if pattern not in ranked:
                ranked[pattern] = _standard_ranks(z[factor.known])
            pair = _spearman(ranked[pattern], factor.values)
        else:
            pair = _logistic(z[factor.known], factor.values)
        strength.append(pair[0])
        p.append(pair[1])
    matrix = np.stack(p, axis=1)
    adjusted = false_discovery_control(matrix.ravel()).reshape(matrix.shape)
    return Correlations(np.stack(strength, axis=1), matrix, adjusted, tuple(f.name for f in factors))


def _standard_ranks(columns: np.ndarray) -> np.ndarray:
    """Return the mid-ranks of each column [n, L], centred and of length 1; zeros where constant."""
    from scipy.stats import rankdata

    usable = varying(columns)
    ranks = rankdata(columns, axis=0)
    ranks -= ranks.mean(axis=0)
    length = np.sqrt((ranks**2).sum(axis=0))
    return np.where(usable, ranks, 0.0) / np.where(length > 0, length, 1.0)


def _spearman(ranks: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy.stats import rankdata, t

    y = rankdata(values)
    y -= y.mean()
    rho = np.clip(y / np.sqrt((y**2).sum()) @ ranks, -1, 1)
    free = len(values) - 2
    statistic = np.abs(rho) * np.sqrt(free / np.maximum(1 - rho**2, 1e-300))
    return rho, 2 * t.sf(statistic, free)


def _logistic(columns: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Regress y [n] (0, 1) on each column [n, L] by itself; returns the signed Cox-Snell R [L] and likelihood-ratio p [L]."""
    from scipy.stats import chi2

    usable = varying(columns)
    spread = np.where(usable, columns.std(axis=0), 1.0)
    x = np.where(usable, (columns - columns.mean(axis=0)) / spread, 0.0)
    share = y.mean()
    null = len(y) * (share * math.log(share) + (1 - share) * math.log1p(-share))
    intercept, slope = np.full(x.shape[1], math.log(share / (1 - share))), np.zeros(x.shape[1])

    def value(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        eta = a + b * x
        return y @ eta - np.logaddexp(0, eta).sum(axis=0)

    best = value(intercept, slope)
    # Newton's method for all columns at once, steps halved where the likelihood would decrease. A separated factor has no
    # maximum, but its likelihood tends to 1 and has reached it to many digits after 30 steps.
    for _ in range(30):
        q = 1 / (1 + np.exp(-np.clip(intercept + slope * x, -500, 500)))
        w, residual = q * (1 - q), y[:, None] - q
        g0, g1 = residual.sum(axis=0), (residual * x).sum(axis=0)
        h0, h1, h2 = w.sum(axis=0) + 1e-12, (w * x).sum(axis=0), (w * x**2).sum(axis=0) + 1e-12
        determinant = np.maximum(h0 * h2 - h1**2, 1e-300)
        da, db = (h2 * g0 - h1 * g1) / determinant, (h0 * g1 - h1 * g0) / determinant
        length = np.minimum(1.0, 5 / np.maximum(np.abs(da) + np.abs(db), 1e-300))
        for _ in range(20):
            tried = value(intercept + length * da, slope + length * db)
            length = np.where(tried >= best - 1e-12 * np.abs(best), length, 0.5 * length)
            if (tried >= best - 1e-12 * np.abs(best)).all():
                break
        intercept, slope = intercept + length * da, slope + length * db
        found = value(intercept, slope)
        if np.all(np.abs(found - best) < 1e-11 * np.abs(null)):
            break
        best = found
    ratio = np.where(usable, np.clip(2 * (value(intercept, slope) - null), 0, None), 0.0)
    return np.sign(slope) * np.sqrt(-np.expm1(-ratio / len(y))), chi2.sf(ratio, 1)


def correlation_scores(
    z: np.ndarray,
    dataset: Dataset,
    given: Given = Given(),  # noqa: B008 - an immutable tuple
    *,
    options: CorrelationOptions = CorrelationOptions(),
) -> dict[str, Any]:
    """Count the factors that go with few latents of z [N, L]; see :func:`correlations` for every pair.

    The expression study's rule: a latent and a factor go together from an absolute correlation of 0.1, and a factor is
    disentangled if it goes with one or two latents. A correlation of 0.1 has p = 0.05 at 385 samples only, hence the second
    count, by p.

    Returns:
        ``disentangled`` (factors that go with 1 or 2 latents; high is good), ``correlated`` (with at least 1),
        ``disentangled_significant`` (the rule with adjusted p < 0.05 in place of the threshold), ``latents_per_factor``
        (mean; low means that each factor is in few latents), ``largest`` (absolute correlation, 0 to 1),
        ``significant_pairs``, ``factors`` and ``factors_left_out`` (number used, and not), and ``status``: ``"OK"``,
        ``NAN_EMBEDDING``, ``COLLAPSED`` or ``TOO_FEW_FACTORS``.

    Source: Spearman 1904; Benjamini & Hochberg 1995, J. R. Stat. Soc. B 57, 289-300.
    """
    factors = usable_factors(dataset)
    left_out = len(dataset.factors) - len(factors)
    scores: dict[str, Any] = dict.fromkeys(SCORES, math.nan) | {"factors": len(factors), "factors_left_out": left_out}
    problem = problem_of(z, factors)
    if problem:
        return scores | {"status": problem}
    found = correlations(z, factors)
    partners = (np.abs(found.strength) >= options.threshold).sum(axis=0)
    significant = (found.adjusted < options.level).sum(axis=0)
    return scores | {
        "disentangled": int(((partners == 1) | (partners == 2)).sum()),
        "correlated": int((partners > 0).sum()),
        "disentangled_significant": int(((significant == 1) | (significant == 2)).sum()),
        "latents_per_factor": float(partners.mean()),
        "largest": float(np.abs(found.strength).max()),
        "significant_pairs": int(significant.sum()),
        "status": "OK",
    }


METRIC = Metric(
    name="correlation",
    needs=("factors",),
    where="host",
    compute=correlation_scores,
    reference="Spearman 1904; Benjamini & Hochberg 1995 (agrees with scipy)",
    scores=SCORES,
    options=CorrelationOptions(),
    counts=(
        "disentangled",
        "correlated",
        "disentangled_significant",
        "significant_pairs",
        "factors",
        "factors_left_out",
    ),
)
