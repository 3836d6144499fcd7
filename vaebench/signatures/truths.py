"""Sources of the true exposures of simulated cohorts, from the fit of a real one and from what it may be wrong about.

fit         posterior draws of the exposures, given the catalogue
neighbours  exposures by maximum likelihood of a Poisson resample of the catalogue, of the signatures of a posterior draw: they
            fit as well, and no prior has had a say in how large they are; not of samples with so few mutations that
            the prior decides
prior       tumours of the tissue, or of the types that the counts resemble, drawn from published exposures
            (:mod:`vaebench.signatures.resemblance`); of signatures that are not COSMIC's a few at random in each tumour
spectra     posterior draws, but in each tumour the spectrum of each signature is drawn about the given one
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from vaebench.errors import InputError
from vaebench.signatures.adaptation import adapted
from vaebench.signatures.cooccurrence import Together
from vaebench.signatures.dispersion import Scatter, fitted_noise
from vaebench.signatures.learned import prior_ground
from vaebench.signatures.likelihood import maximum_likelihood
from vaebench.signatures.published import KnownTypes, published_facts
from vaebench.signatures.resemblance import Facts, drawn_tumours
from vaebench.signatures.sampler.options import SamplerOptions
from vaebench.signatures.sampler.posterior import sampled


@dataclasses.dataclass(frozen=True)
class TruthOptions:
    """Constants of the simulated truths.

    Attributes:
        active: signatures of a tumour from the source ``prior``, on average, where nothing is published of them and the table
            has twice as many: PCAWG published a median of 5 a genome.
        concentration: of the Dirichlet distribution of a spectrum in a tumour, from the source ``spectra``: at 1,000 a tumour of
            10,000 mutations scatters about 4 times as much as Poisson counts, as PCAWG's do about their published fit.
        present: mutations from which an exposure of a neighbour counts as present: half a mutation rounds to one.
        enough: mutations of a sample that has neighbours. Fewer leave much to the prior, and fits of resampled counts are
            tumours that it rightly thinks rare: of single samples of 8, 20, 80 and 200 mutations 80, 83, 93 and 98% of their
            exposures are held, where 95 to 98% of real ones are.
        judged: exposures above 0 from which a group counts in the worst: the coverage of fewer is mostly chance.
    """

    active: float = 5.0
    concentration: float = 1000.0
    present: float = 0.5
    enough: int = 200
    judged: int = 30


TRUTHS = TruthOptions()
"""The defaults."""


class FittedCounts(NamedTuple):
    """Fit that truths are drawn from: counts [T, M], signatures [S, M], posterior draws [n, T, S], noise, constants, types.

    Types are their facts, their shares of the samples, and how signatures go together.
    """

    counts: np.ndarray
    signatures: np.ndarray
    draws: np.ndarray
    noise: Scatter
    options: TruthOptions
    types: tuple[Sequence[Facts], np.ndarray, Together | None] | None = None


DEVIATES = (
    "The counts deviate from these signatures in the same channels in all samples. Those of the simulated cohorts do too, and "
    "their refits adapt the signatures again."
)
"""Sentence on a cohort that a refit adapts the signatures to."""


def fitted_counts(
    x: pd.DataFrame,
    known: pd.DataFrame,
    groups: np.ndarray,
    intervals: str,
    noise: str,
    tissue: str | None,
    level: float,
    seed: int,
    sampler: SamplerOptions,
    truths: TruthOptions,
) -> tuple[FittedCounts, str, KnownTypes | None, Sequence[str]]:
    """The fit that truths are drawn from, of the signatures as a refit adapts them, name of its noise, types, and a sentence.

    Simulated counts deviate from the signatures that are given as the cohort's do, and a refit of them must find this again.
    """
    ground, _ = prior_ground(x.to_numpy(), known, "spike_slab", tissue, "published")
    own = adapted(x.to_numpy(), known, ground if intervals == "spike_slab" else None, seed=seed)
    s, changes = own.signatures.to_numpy(), () if own.factors is None else (DEVIATES,)
    noise, fit, _, found = fitted_noise(x.to_numpy(), s, noise)
    facts = published_facts(x.to_numpy(), known, tissue)
    chains = {"groups": groups, "ground": ground, "level": level, "seed": seed, "options": sampler}
    posterior = sampled(x.to_numpy(), s, fit.exposures, found, **chains)
    cohort = FittedCounts(x.to_numpy(), s, np.asarray(posterior.kept), found, truths)
    return cohort._replace(types=facts and (facts.drawable(), facts.shares, facts.within)), noise, facts, changes


Truth = tuple[np.ndarray, np.ndarray]
"""True exposures [T, S] and the mean [T, M] of the counts."""


def _fit(cohort: FittedCounts, i: int, rng: np.random.Generator) -> Truth:
    truth = cohort.draws[i].astype(np.float64)
    return truth, truth @ cohort.signatures


def _neighbours(cohort: FittedCounts, i: int, rng: np.random.Generator) -> Truth:
    again = rng.poisson(cohort.counts).astype(np.float64)
    again[again.sum(1) == 0] = cohort.counts[again.sum(1) == 0]
    there = cohort.draws[i] > 0  # of all signatures maximum likelihood has a little of each, as no tumour has
    start = np.where(there, again.sum(1, keepdims=True) / np.maximum(there.sum(1, keepdims=True), 1), 0.0)
    truth = maximum_likelihood(again, cohort.signatures, start=start, free=there).exposures
    truth = np.where(truth < cohort.options.present, 0.0, truth)
    enough = cohort.counts.sum(1, keepdims=True) >= cohort.options.enough
    truth = np.where(enough, truth, cohort.draws[i])
    return truth, truth @ cohort.signatures


def _prior(cohort: FittedCounts, i: int, rng: np.random.Generator) -> Truth:
    samples, count = len(cohort.counts), len(cohort.signatures)
    totals = cohort.counts.sum(1, keepdims=True)
    if cohort.types is not None:
        facts, shares, together = cohort.types
        truth = drawn_tumours(facts, shares, totals[:, 0], rng, together)
        return truth, truth @ cohort.signatures
    there = rng.random((samples, count)) < min(0.5, cohort.options.active / count)
    none = np.flatnonzero(~there.any(1))
    there[none, rng.integers(count, size=len(none))] = True
    shares = rng.gamma(1.0, 1.0, (samples, count)) * there
    truth = shares / shares.sum(1, keepdims=True) * totals
    return truth, truth @ cohort.signatures


def _spectra(cohort: FittedCounts, i: int, rng: np.random.Generator) -> Truth:
    truth = cohort.draws[i].astype(np.float64)
    shapes = np.maximum(cohort.options.concentration * cohort.signatures, 1e-6)
    mean = np.zeros_like(cohort.counts)
    for k, shape in enumerate(shapes):
        mean += truth[:, [k]] * rng.dirichlet(shape, len(truth))
    return truth, mean


SOURCES: dict[str, Callable[[FittedCounts, int, np.random.Generator], Truth]] = {
    "fit": _fit,
    "neighbours": _neighbours,
    "prior": _prior,
    "spectra": _spectra,
}
"""Sources of the simulated truths, described in the docstring of the module."""


def speaking(sources: Sequence[str], cohort: FittedCounts) -> tuple[list[str], list[str]]:
    """Return those of ``sources`` that have something of their own to say of a cohort, and a sentence on each other one.

    Neighbours have not where all samples have few mutations.

    Raises:
        InputError: if none has.
    """
    silent = [v for v in sources if v == "neighbours" and (cohort.counts.sum(1) < cohort.options.enough).all()]
    few = f"No sample has {cohort.options.enough} mutations, so there are no truths from neighbours: the prior decides too much."
    if len(silent) == len(sources):
        raise InputError(f"sources={','.join(sources)!r} is not possible here. {few}")
    return [v for v in sources if v not in silent], [few] * len(silent)
