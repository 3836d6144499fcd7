"""Ground of the prior: what is believed of (p, m, s) of each signature before the exposures of the samples are seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from vaebench.signatures.sampler.autologistic import Cooccurrence
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions

BURDENS = 0.6
"""Variance of ln(mutations) within a tumour type: median of the 26 types of PCAWG with 20 genomes."""


class Ground(NamedTuple):
    """Prior of the prior of each signature: its expectation, and how many samples each part of it counts for.

    P(present) ~ Beta(n p, n (1 - p)) with expectation p; s^2 ~ scaled inverse chi-squared about ``variance``;
    m ~ N(log_mean, s^2 / n). Arrays [S] or [G, S]. Exposures e are relative to the sample's burdens
    (:mod:`vaebench.signatures.sampler.burdens`).

    Attributes:
        presence: expected P(present), between 0 and 1.
        log_mean: expected mean of ln e given presence.
        variance: expected variance of ln e given presence.
        presence_weight: samples that ``presence`` counts for.
        mean_weight: samples with the signature that ``log_mean`` counts for.
        variance_weight: samples with the signature that ``variance`` counts for.
        burden: variance of ln(mutations) between samples, a scalar or [G].
        loading: how each signature grows with the burden, a scalar, [S] or [G, S]: 1 as the mutations do, 0 not at all.
        shared: loadings [P, S] or [G, P, S] of burdens N(0, 1) that some signatures share beyond that of all, as those of one
            process do, on top of ``variance``; a scalar where none do.
        wrong: probability, a scalar or [G], that a signature is rarer than expected, as :func:`weak_presence` has it.
        pairs: signatures that occur together; with shifts for single samples, whose P(present) is as expected. ``None`` where
            signatures are independent.
        mixture: of few samples that may be of several types, the grounds that this one stands for; ``None`` for others.
    """

    presence: ArrayLike
    log_mean: ArrayLike
    variance: ArrayLike
    presence_weight: ArrayLike
    mean_weight: ArrayLike
    variance_weight: ArrayLike
    burden: ArrayLike = 0.0
    loading: ArrayLike = 1.0
    wrong: ArrayLike = 0.0
    shared: ArrayLike = 0.0
    pairs: Cooccurrence | None = None
    mixture: TypeMixture | None = None


class TypeMixture(NamedTuple):
    """Grounds of samples that may be of several types: a copy of a sample for each type.

    Attributes:
        rows: [T'], the sample of each copy, in increasing order.
        weights: [T'], probabilities of the types, which sum to 1 for each sample.
        groups: [T'], number of the ground of each copy; those of one cohort of several samples have the same.
        ground: arrays [G, S].
    """

    rows: np.ndarray
    weights: np.ndarray
    groups: np.ndarray
    ground: Ground


def burden_variance(x: np.ndarray) -> float:
    """Variance of ln(mutations) between samples with counts x [T, M], beyond that of Poisson counts.

    One sample does not show it, and its own total is no prior of its total: it has the usual one, which counts as one sample in
    a cohort.
    """
    total = np.maximum(x.sum(1), 1.0)
    between = max(float(np.var(np.log(total)) - np.mean(1 / total)), 0.0)
    return ((len(x) - 1) * between + BURDENS) / len(x)


def weak_ground(x: np.ndarray, count: int, options: SamplerOptions = SAMPLER) -> Ground:
    """Ground of the prior of ``count`` signatures of which nothing is known, in samples with counts x [T, M].

    A sample has a few signatures however many are offered, and they share its mutations.
    """
    typical = max(float(np.mean(np.sum(x, 1))) / min(count, options.active + 2), 1.0)
    weights = (options.presence_weight, options.mean_weight, options.variance_weight)
    parts = (weak_presence(count, options), np.log(typical), 1.0, *weights)
    return Ground(*(np.full(count, part) for part in parts), burden=burden_variance(x))


def weak_presence(count: int, options: SamplerOptions = SAMPLER) -> float:
    """Return the expected P(present) of each of ``count`` signatures of which nothing is known."""
    return min(0.5, options.active / count)


def presence_alone(ground: Ground, count: int, options: SamplerOptions = SAMPLER) -> np.ndarray:
    """Return P(present) of each of ``count`` signatures in a sample from which nothing is learned."""
    expected, least = np.asarray(ground.presence), weak_presence(count, options)
    wrong = np.where(expected > least, np.asarray(ground.wrong)[..., None], 0.0)
    return (1 - wrong) * expected + wrong * least


def stacked(grounds: Sequence[Ground]) -> Ground:
    """One ground, arrays [G, S], of cohorts that share nothing, and have the same log odds of pairs."""
    parts = [[np.asarray(v) for v in part] for part in zip(*(g[:-2] for g in grounds), strict=True)]
    size = len(np.asarray(grounds[0].presence))
    parts[Ground._fields.index("loading")] = [np.broadcast_to(ground.loading, size) for ground in grounds]
    pairs = [ground.pairs for ground in grounds if ground.pairs is not None]
    if not pairs:
        return Ground(*map(np.stack, parts), pairs=None, mixture=None)
    follow = next((own for own in pairs if own.shifts is None), None)  # cohorts of several samples, if one is
    shifts = None if follow else np.stack([np.broadcast_to(np.asarray(own.shifts), size) for own in pairs])
    return Ground(*map(np.stack, parts), pairs=(follow or pairs[0])._replace(shifts=shifts), mixture=None)


def unstacked(ground: Ground) -> list[Ground]:
    """The grounds [S] of the cohorts of a :func:`stacked` one whose single samples have pairs with shifts, or none."""
    every = zip(*(np.asarray(v) for v in ground[:-2]), strict=True)
    parts = [Ground(*own, pairs=None, mixture=None) for own in every]
    if ground.pairs is None:
        return parts
    pairs, shifts = ground.pairs, np.asarray(ground.pairs.shifts)
    return [own._replace(pairs=pairs._replace(shifts=v)) for own, v in zip(parts, shifts, strict=True)]
