"""The registry of interval methods: each takes a fitted cohort and returns exposures with their ends. Arrays only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from vaebench.signatures.intervals.ends import (
    Ends,
    bootstrap,
    conformal,
    posterior_percentile,
    profile_likelihood,
    redrawn,
)
from vaebench.signatures.likelihood import Maximum, Scatter
from vaebench.signatures.tables import Estimates

POSTERIOR_DRAWS = 1000
"""Of an autoencoder's posterior: the study's number."""

_LEAST_SHARE = 0.01  # of a sample's mutations: smaller exposures are taken for 0 in a simulated truth


class Cohort(NamedTuple):
    """What a method is given.

    Attributes:
        x: [T, 96] counts, every sample with some.
        signatures: [S, 96].
        fit: by maximum likelihood.
        scatter: of the counts about it.
        groups: [T, G], cancer types as 0 and 1.
        level: nominal coverage.
        seed: of everything random.
        settings: of an autoencoder, where a method trains one: ``variant``, ``recipe``, ``beta``, ...
        tell: called with what is done, the steps done and the steps in all.
    """

    x: np.ndarray
    signatures: np.ndarray
    fit: Maximum
    scatter: Scatter
    groups: np.ndarray
    level: float
    seed: int
    settings: Mapping[str, Any]
    tell: Callable[[str, int, int], None]


class Method(NamedTuple):
    """What the registry holds: the name, ``Cohort -> Estimates``, where it comes from, and whether it trains an autoencoder."""

    name: str
    compute: Callable[[Cohort], Estimates]
    reference: str
    trains: bool = False


def _spike_slab(cohort: Cohort) -> Estimates:
    from vaebench.signatures.sampler.posterior import DRAWS, sampled

    found = sampled(
        cohort.x,
        cohort.signatures,
        cohort.fit.exposures,
        cohort.scatter,
        groups=cohort.groups,
        level=cohort.level,
        seed=cohort.seed,
        tell=lambda done, total: cohort.tell("sampling", done, total),
    )
    moving = (found.presence > 0) & (found.presence < 1) | (found.upper > found.lower)
    diagnostics = {
        "draws": DRAWS,
        "r_hat_99": float(np.quantile(found.r_hat[moving], 0.99, method="higher")) if moving.any() else 1.0,
        "r_hat_max": float(np.max(found.r_hat[moving], initial=1.0)),
        "effective_draws_1": float(np.quantile(found.effective[moving], 0.01)) if moving.any() else float(DRAWS),
        "effective_draws_min": float(np.min(found.effective[moving], initial=DRAWS)),
        "prior": {name: np.asarray(v).tolist() for name, v in found.prior._asdict().items()},
    }
    return Estimates(found.mean, found.lower, found.upper, found.presence, diagnostics)


def _by_ends(cohort: Cohort, ends: Ends, **diagnostics: Any) -> Estimates:
    unknown = np.full(ends.lower.shape, np.nan)
    return Estimates(cohort.fit.exposures, ends.lower, ends.upper, unknown, diagnostics)


def _profile_likelihood(cohort: Cohort) -> Estimates:
    x, signatures, fit, scatter = cohort[:4]
    ends = profile_likelihood(
        x, signatures, fit, scatter, cohort.level, lambda done, total: cohort.tell("profiling", done, total)
    )
    return _by_ends(cohort, ends)


def _bootstrap(kind: str) -> Callable[[Cohort], Estimates]:
    def compute(cohort: Cohort) -> Estimates:
        ends = bootstrap(
            np.random.default_rng(cohort.seed),
            cohort.signatures,
            cohort.fit,
            cohort.scatter,
            cohort.level,
            kind,
            tell=lambda done, total: cohort.tell("redrawing", done, total),
        )
        return _by_ends(cohort, ends)

    return compute


def _encoded(cohort: Cohort) -> tuple[Any, np.ndarray]:
    """An autoencoder's fit with these signatures as its decoder, and draws [n, T, S] of its posterior."""
    import jax

    from vaebench.errors import RunError
    from vaebench.signatures.autoencoders.fits import posterior_draws, refitted

    cohort.tell("training", 0, 1)
    settings = {"variant": "folded_normal_vae", **cohort.settings}
    fit = refitted(cohort.seed, cohort.x, cohort.signatures, variant=settings.pop("variant"), settings=settings)
    cohort.tell("training", 1, 1)
    if fit.status != "OK":
        raise RunError(
            f"the autoencoder's training ended as {fit.status}; another seed or another method may do better"
        )
    return fit, posterior_draws(jax.random.key(cohort.seed), fit, POSTERIOR_DRAWS)


def _posterior(kind: str) -> Callable[[Cohort], Estimates]:
    def compute(cohort: Cohort) -> Estimates:
        fit, draws = _encoded(cohort)
        ends = posterior_percentile(draws, cohort.level, kind)
        return _by_ends(cohort, ends, epochs=fit.epochs)._replace(exposures=fit.exposures)

    return compute


def _conformal(cohort: Cohort) -> Estimates:
    """A cohort is simulated from the maximum-likelihood fit and passed through the encoder that was trained on the counts."""
    import jax

    from vaebench.signatures.autoencoders.fits import posterior_draws

    fit, draws = _encoded(cohort)
    best = cohort.fit.exposures
    truth = np.where(best >= _LEAST_SHARE * best.sum(1, keepdims=True), best, 0.0)
    counts = redrawn(np.random.default_rng(cohort.seed), truth @ cohort.signatures, cohort.scatter)
    again = fit._replace(counts=counts, factors=fit.factors * counts.sum(1) / cohort.x.sum(1))
    simulated = posterior_draws(jax.random.key(cohort.seed + 1), again, POSTERIOR_DRAWS)
    ends, factors = conformal(draws, simulated, truth, cohort.level)
    return _by_ends(cohort, ends, epochs=fit.epochs, factors=factors.tolist())._replace(exposures=fit.exposures)


METHODS = {
    method.name: method
    for method in (
        Method("spike_slab", _spike_slab, "empirical-Bayes spike and slab, drawn by Gibbs and Metropolis steps"),
        Method("profile_likelihood", _profile_likelihood, "Venzon and Moolgavkar 1988"),
        Method("bootstrap", _bootstrap("percentile"), "Efron and Tibshirani 1993, percentile"),
        Method("bootstrap_basic", _bootstrap("basic"), "Davison and Hinkley 1997, basic"),
        Method("posterior_percentile", _posterior("central"), "gislum2024, with both ends of the posterior", True),
        Method("posterior_released", _posterior("released"), "gislum2024, as released: up to the percentile", True),
        Method("conformal", _conformal, "Romano et al. 2019, on a cohort simulated from the fit", True),
    )
}
