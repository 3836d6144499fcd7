"""Registry of interval methods: each takes a fitted cohort and returns exposures with their intervals. Arrays only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vaebench.errors import InputError, check_choice, check_class, check_level, checked_seed
from vaebench.signatures.dispersion import NOISES, Scatter
from vaebench.signatures.intervals.ends import (
    Ends,
    bootstrap_ends,
    conformal,
    parametric_resample,
    posterior_percentile,
    profile_likelihood,
    resampled_fits,
)
from vaebench.signatures.intervals.options import BootstrapOptions, EncoderOptions, ProfileOptions
from vaebench.signatures.likelihood import Maximum
from vaebench.signatures.sampler.grounds import Ground
from vaebench.signatures.sampler.options import SamplerOptions
from vaebench.signatures.sampler.shared_factors import FactorErrors
from vaebench.signatures.sampler.sums import inseparable
from vaebench.signatures.tables import Estimates, OnProgress

if TYPE_CHECKING:
    from vaebench.signatures.autoencoders.fits import EncoderRefit

MethodOptions = SamplerOptions | ProfileOptions | BootstrapOptions | EncoderOptions
"""Constants of an interval method."""


class FittedCohort(NamedTuple):
    """Input of an interval method.

    Attributes:
        x: [T, M] counts, every sample with some.
        signatures: [S, M].
        fit: by maximum likelihood.
        scatter: of the counts about it.
        groups: [T, G], cancer types as 0 and 1.
        level: nominal coverage.
        seed: of everything random.
        settings: of the autoencoder, for a method that trains one: ``variant``, ``recipe``, ``beta``, ...
        options: constants of the method.
        progress: see :data:`vaebench.signatures.tables.OnProgress`.
        ground: of the prior, for a method that has one; ``None`` for a weak one.
        factor_errors: of the factors by which the signatures were multiplied; ``None`` for signatures as given.
    """

    x: np.ndarray
    signatures: np.ndarray
    fit: Maximum
    scatter: Scatter
    groups: np.ndarray
    level: float
    seed: int
    settings: Mapping[str, Any]
    options: Any  # of the class that the method has in the registry
    progress: OnProgress
    ground: Ground | None = None
    factor_errors: FactorErrors | None = None


class IntervalMethod(NamedTuple):
    """Entry of the registry.

    Attributes:
        name: as in ``refit(intervals=...)``.
        compute: ``FittedCohort -> Estimates``.
        reference: source of the method.
        options: class of its constants.
        trains: true if it trains an autoencoder.
    """

    name: str
    compute: Callable[[FittedCohort], Estimates]
    reference: str
    options: type[MethodOptions]
    trains: bool = False


def _spike_slab(cohort: FittedCohort) -> Estimates:
    from vaebench.signatures.sampler.mixing import mixing
    from vaebench.signatures.sampler.posterior import sampled

    options: SamplerOptions = cohort.options
    found = sampled(
        cohort.x,
        cohort.signatures,
        cohort.fit.exposures,
        cohort.scatter,
        groups=cohort.groups,
        ground=cohort.ground,
        level=cohort.level,
        seed=cohort.seed,
        options=options,
        progress=cohort.progress,
        factor_errors=cohort.factor_errors,
    )
    judged = found.presence >= options.judged
    worst, effective = mixing(found, options)
    diagnostics = {
        "draws": found.draws,
        "sweeps": found.sweeps,
        "sweeps_limit": found.limit,
        "r_hat_99": worst,
        "r_hat_max": float(np.max(found.r_hat[judged], initial=1.0)),
        "effective_draws_1": effective,
        "effective_draws_min": float(np.min(found.effective[judged], initial=found.draws)),
        "prior": {name: np.asarray(v).tolist() for name, v in found.prior._asdict().items()},
    }
    ends = (found.mean, found.lower, found.upper, found.presence)
    return Estimates(*ends, diagnostics, found.sums, found.kept, found.factor_errors)


def _by_ends(cohort: FittedCohort, ends: Ends, **diagnostics: object) -> Estimates:
    unknown = np.full(ends.lower.shape, np.nan)
    return Estimates(cohort.fit.exposures, ends.lower, ends.upper, unknown, diagnostics)


def _profile_likelihood(cohort: FittedCohort) -> Estimates:
    x, signatures, fit, scatter = cohort[:4]
    ends = profile_likelihood(x, signatures, fit, scatter, cohort.level, cohort.options, cohort.progress)
    return _by_ends(cohort, ends)


def _bootstrap(kind: str) -> Callable[[FittedCohort], Estimates]:
    def compute(cohort: FittedCohort) -> Estimates:
        signatures, fit, scatter = cohort[1:4]
        rng = np.random.default_rng(cohort.seed)
        draws = resampled_fits(rng, signatures, fit, scatter, cohort.options, cohort.progress)
        ends = bootstrap_ends(draws, fit.exposures, cohort.level, kind)
        return _by_ends(cohort, ends)._replace(sums=inseparable(draws, cohort.level), draws=draws)

    return compute


def _encoded(cohort: FittedCohort) -> tuple[EncoderRefit, np.ndarray]:
    """Train an encoder for these signatures; returns its refit, and draws [n, T, S] of its posterior."""
    import jax

    from vaebench.errors import RunError
    from vaebench.signatures.autoencoders.fits import posterior_draws, refit_by_encoder

    cohort.progress("training", 0, 1)
    settings = {"variant": "folded_normal_vae", **cohort.settings}
    variant = settings.pop("variant")
    fit = refit_by_encoder(cohort.seed, cohort.x, cohort.signatures, variant=variant, settings=settings)
    cohort.progress("training", 1, 1)
    if fit.status != "OK":
        raise RunError(
            f"the autoencoder's training ended as {fit.status}; another seed or another method may do better"
        )
    return fit, posterior_draws(jax.random.key(cohort.seed), fit, cohort.options.draws)


def _posterior(kind: str) -> Callable[[FittedCohort], Estimates]:
    def compute(cohort: FittedCohort) -> Estimates:
        fit, draws = _encoded(cohort)
        ends = posterior_percentile(draws, cohort.level, kind)
        return _by_ends(cohort, ends, epochs=fit.epochs)._replace(exposures=fit.exposures, draws=draws)

    return compute


def _conformal(cohort: FittedCohort) -> Estimates:
    """Simulate a cohort from the maximum-likelihood fit, and encode it with the encoder that was trained on the counts."""
    import jax

    from vaebench.signatures.autoencoders.fits import posterior_draws

    fit, draws = _encoded(cohort)
    best = cohort.fit.exposures
    truth = np.where(best >= cohort.options.least_share * best.sum(1, keepdims=True), best, 0.0)
    counts = parametric_resample(np.random.default_rng(cohort.seed), truth @ cohort.signatures, cohort.scatter)
    again = fit._replace(counts=counts, factors=np.ones(len(counts)))
    drawn = posterior_draws(jax.random.key(cohort.seed + 1), again, cohort.options.draws)
    # as the factors of the counts themselves: posterior means sum to the mutations
    simulated = drawn * (counts.sum(1) / np.maximum(drawn.mean(0).sum(1), 1e-12))[:, None]
    ends, factors = conformal(draws, simulated, truth, cohort.level)
    return _by_ends(cohort, ends, epochs=fit.epochs, factors=factors.tolist())._replace(exposures=fit.exposures)


METHODS = {
    method.name: method
    for method in (
        IntervalMethod(
            "spike_slab",
            _spike_slab,
            "empirical-Bayes spike and slab, drawn by Gibbs and Metropolis steps",
            SamplerOptions,
        ),
        IntervalMethod("profile_likelihood", _profile_likelihood, "Venzon and Moolgavkar 1988", ProfileOptions),
        IntervalMethod(
            "bootstrap", _bootstrap("percentile"), "Efron and Tibshirani 1993, percentile", BootstrapOptions
        ),
        IntervalMethod("bootstrap_basic", _bootstrap("basic"), "Davison and Hinkley 1997, basic", BootstrapOptions),
        IntervalMethod(
            "posterior_percentile",
            _posterior("central"),
            "gislum2024, with both ends of the posterior",
            EncoderOptions,
            True,
        ),
        IntervalMethod(
            "posterior_released",
            _posterior("released"),
            "gislum2024, as released: up to the percentile",
            EncoderOptions,
            True,
        ),
        IntervalMethod(
            "conformal", _conformal, "Romano et al. 2019, on a cohort simulated from the fit", EncoderOptions, True
        ),
    )
}
"""Interval methods by name."""


def checked_options(intervals: str | None, noise: str, level: float, seed: int) -> str | None:
    """Return the method of the intervals, ``None`` for ``"none"``, and check the options that all functions with intervals share.

    Raises:
        InputError: for an unknown method or noise, a level outside of 0 to 1, or a seed that is not allowed.
    """
    intervals = None if intervals == "none" else intervals
    if intervals is not None:
        check_choice("intervals", intervals, METHODS)
    check_choice("noise", noise, NOISES)
    check_level(level)
    checked_seed(seed)
    return intervals


def options_of(
    method: str | None, options: object, settings: Mapping[str, Any] | None, kept: int = 0
) -> MethodOptions | None:
    """Return ``options`` if they are those of the method, or its defaults; a sampler's keep ``kept`` draws at least.

    Raises:
        InputError: for options of another method, or settings of an autoencoder that the method does not train.
    """
    check_class("settings", settings or {}, Mapping)
    if settings and not (method and METHODS[method].trains):
        trained = ", ".join(name for name, own in METHODS.items() if own.trains)
        raise InputError(f"settings={settings!r} is not allowed with intervals={method!r}; it is of {trained}")
    wanted = None if method is None else METHODS[method].options
    if options is None:
        options = None if wanted is None else wanted()
    elif wanted is None or not isinstance(options, wanted):
        needed = "None" if wanted is None else wanted.__name__
        raise InputError(
            f"options of class {type(options).__name__} are not allowed with intervals={method!r}; give {needed}"
        )
    if isinstance(options, SamplerOptions):
        return dataclasses.replace(options, kept=max(options.kept, kept))  # which changes no draw
    return options
