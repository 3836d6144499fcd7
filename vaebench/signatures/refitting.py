"""Exposures of known signatures, with intervals, the noise they assume, and a warning where the fit does not hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import chi2

from vaebench.errors import InputError, checked_seed, unknown_name
from vaebench.signatures.intervals.methods import METHODS, Cohort
from vaebench.signatures.likelihood import Scatter, maximum_likelihood, negative_binomial, scatter
from vaebench.signatures.matching import fit_cosines
from vaebench.signatures.tables import checked_tables, long_table

NOISES = ("poisson", "negative_binomial")

UNUSUAL = 0.001
"""Probability, shared by all samples, with which one is flagged although the fit holds."""

_R_HAT = 1.1
_FEW_DRAWS = 100


class Refit(NamedTuple):
    """Exposures and what to know of them.

    Attributes:
        exposures: [T, S] in mutations: posterior means by a method with a posterior, else of maximum likelihood.
        intervals: one row a sample and signature: ``sample, signature, exposure, lower, upper, presence``, the last NaN
            for methods without a probability of presence; ``None`` without a method.
        samples: one row a sample: ``mutations``, ``cosine`` of its counts and their fit, ``chi_squared`` per degree of
            freedom under the noise model, ``p_value`` of it, and ``flag``: "" or ``no mutations`` or ``misfit``.
        dispersion: median over samples of Pearson's chi-squared per degree of freedom under Poisson noise: 1 where
            counts are Poisson, more where they scatter more or the signatures do not explain them.
        psi: variance that rounding adds: 1/12 where the counts hold no sampling noise, else 0.
        size: of the negative binomial, infinite under Poisson.
        method: of the intervals, "" without.
        level: their nominal coverage.
        diagnostics: of the computation: R-hat, effective draws, prior, ...
        notes: sentences a reader of the result should see.
    """

    exposures: pd.DataFrame
    intervals: pd.DataFrame | None
    samples: pd.DataFrame
    dispersion: float
    psi: float
    size: float
    method: str
    level: float
    diagnostics: dict[str, Any]
    notes: tuple[str, ...]


def refit(
    catalogue: pd.DataFrame,
    signatures: pd.DataFrame,
    *,
    intervals: str | None = None,
    noise: str = "poisson",
    level: float = 0.95,
    seed: int = 0,
    types: pd.Series | None = None,
    settings: Mapping[str, Any] | None = None,
    fractions: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Refit:
    """Exposures of ``signatures`` in every sample of ``catalogue``, in mutations.

    Args:
        catalogue: counts [T, 96].
        signatures: [S, 96], rows sum to 1.
        intervals: a name in :data:`vaebench.signatures.intervals.methods.METHODS`; ``None`` for exposures only.
        noise: ``"poisson"``, its dispersion estimated, or ``"negative_binomial"``, its size estimated.
        level: nominal coverage of the intervals, between 0 and 1.
        seed: of everything random.
        types: cancer type by sample: ``spike_slab`` learns what to expect of each type apart.
        settings: of the autoencoder behind ``posterior_percentile``, ``posterior_released`` and ``conformal``: ``variant``
            (default ``folded_normal_vae``), and what :func:`vaebench.signatures.autoencoders.fits.refitted` takes.
        fractions: allow counts that are not whole numbers.
        progress: called with what is done, the steps done and the steps in all.

    Raises:
        InputError: for a table or an option that is not allowed.
    """
    checked_options(intervals, noise, level, seed)
    if settings and not (intervals and METHODS[intervals].trains):
        trained = ", ".join(name for name, method in METHODS.items() if method.trains)
        raise InputError(
            f"settings={dict(settings)!r} is not allowed with intervals={intervals!r}; they are an autoencoder's ({trained})"
        )
    counts, known, groups, some = checked_tables(catalogue, signatures, types, fractions)
    x, s = counts.to_numpy(), known.to_numpy()
    exposures = np.zeros((len(x), len(s)))
    fit = maximum_likelihood(x[some], s)
    poisson = scatter(x[some], s, fit.exposures)
    found = poisson
    if noise == "negative_binomial":
        fit, found = negative_binomial(x[some], s)
    exposures[some] = fit.exposures
    estimates = None
    if intervals is not None:
        tell = progress or (lambda what, done, total: None)
        cohort = Cohort(x[some], s, fit, found, groups[some], level, seed, settings or {}, tell)
        estimates = METHODS[intervals].compute(cohort)
        exposures[some] = estimates.exposures
    samples = _samples(counts, exposures @ s, found, some)
    frame = pd.DataFrame(exposures, counts.index, known.index)
    diagnostics = {} if estimates is None else estimates.diagnostics
    return Refit(
        exposures=frame,
        intervals=None if estimates is None else long_table(frame, estimates, some, level),
        samples=samples,
        dispersion=poisson.dispersion,
        psi=poisson.rounding,
        size=found.size,
        method=intervals or "",
        level=level,
        diagnostics=diagnostics,
        notes=_notes(samples, poisson, found, noise, diagnostics),
    )


def checked_options(intervals: str | None, noise: str, level: float, seed: int) -> None:
    """Refuse options that are not allowed."""
    if intervals is not None and intervals not in METHODS:
        raise unknown_name("intervals", intervals, METHODS)
    if noise not in NOISES:
        raise unknown_name("noise", noise, NOISES)
    if not 0 < level < 1:
        raise InputError(f"level={level!r} is not allowed; it must be above 0 and below 1")
    checked_seed(seed)


def _samples(counts: pd.DataFrame, mean: np.ndarray, found: Scatter, some: np.ndarray) -> pd.DataFrame:
    """The table ``samples`` of :class:`Refit`; chi-squared relative to the dispersion of the cohort."""
    by_sample, p = np.full(len(counts), np.nan), np.full(len(counts), np.nan)
    by_sample[some] = found.by_sample
    relative = found.by_sample / (max(found.dispersion, 1.0) if not found.rounding else found.dispersion)
    p[some] = chi2.sf(relative * found.degrees, np.maximum(found.degrees, 1))
    bad = np.nan_to_num(p, nan=1.0) < UNUSUAL / len(counts)
    flag = np.where(~some, "no mutations", np.where(bad, "misfit", ""))
    columns = {"mutations": counts.sum(axis=1), "cosine": fit_cosines(counts.to_numpy(), mean)}
    columns |= {"chi_squared": by_sample, "p_value": p, "flag": flag}
    return pd.DataFrame(columns, counts.index)


def _notes(
    samples: pd.DataFrame, poisson: Scatter, found: Scatter, noise: str, diagnostics: dict[str, Any]
) -> tuple[str, ...]:
    """What a reader should be told: noise unlike the model's, samples that do not fit or are empty, chains that differ."""
    notes = []
    # the median over T samples has a standard deviation of 0.19 / sqrt(T) where about 88 degrees of freedom are left
    sure = 1 + max(0.04, 4 * 0.19 / np.sqrt(len(samples)))
    if poisson.rounding:
        notes.append(
            f"The counts scatter {poisson.dispersion:.2g} times as much as Poisson counts: they are rounded means without "
            "sampling noise, and the intervals say how well these fix the exposures."
        )
    elif poisson.dispersion > sure:
        said = (
            f"a negative binomial of size {found.size:.3g} takes it up"
            if noise == "negative_binomial"
            else "the intervals are widened for it, which is right for more scatter and not for wrong signatures"
        )
        notes.append(
            f"The counts scatter {poisson.dispersion:.2f} times as much as Poisson counts: overdispersion, another version "
            f"of the reference, or a missing signature; {said}."
        )
    bad, empty = ((samples["flag"] == flag).to_numpy() for flag in ("misfit", "no mutations"))
    if bad.any():
        names = ", ".join(map(str, samples.index[bad][:3]))
        notes.append(
            f"{int(bad.sum())} of {len(samples)} samples do not fit (first: {names}): a signature they have may be missing, "
            "and their intervals are not to be trusted."
        )
    if empty.any():
        notes.append(f"{int(empty.sum())} of {len(samples)} samples have no mutations; their exposures are 0.")
    if diagnostics.get("r_hat_99", 1.0) > _R_HAT or diagnostics.get("effective_draws_1", _FEW_DRAWS) < _FEW_DRAWS / 2:
        notes.append(
            f"The sampler mixes slowly: R-hat {diagnostics['r_hat_99']:.2f} and {diagnostics['effective_draws_1']:.0f} "
            "effective draws at the worst hundredth of the exposures."
        )
    return tuple(notes)
