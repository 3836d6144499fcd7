"""Exposures to known signatures, with intervals, the noise they assume, and flags for samples that do not fit."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import chi2

from vaebench.atomic import STRICT_JSON, write_json
from vaebench.data.files.writing import write_frame
from vaebench.data.mutations.tables import write_exposures
from vaebench.errors import InputError, checked_seed, unknown_name
from vaebench.signatures.dispersion import Scatter, negative_binomial, scatter
from vaebench.signatures.intervals.methods import METHODS, FittedCohort, MethodOptions
from vaebench.signatures.likelihood import maximum_likelihood
from vaebench.signatures.matching import fit_cosines
from vaebench.signatures.tables import OnProgress, checked_tables, long_table, no_progress
from vaebench.types.shown import one_line, tables_page

NOISES = ("poisson", "negative_binomial")


@dataclasses.dataclass(frozen=True)
class RefitChecks:
    """Thresholds of the flags and notes of a refit.

    Attributes:
        unusual: probability, shared by all samples, with which one is flagged although the model holds.
        dispersion: smallest excess of the dispersion over 1 that is noted. A cohort of any size has some overdispersion.
        errors: standard errors of the dispersion by which it must exceed 1 to be noted.
        r_hat: R-hat of the worst hundredth of the exposures above which the sampler is noted as slow.
        effective: effective draws of the worst hundredth below which it is.
    """

    unusual: float = 0.001
    dispersion: float = 0.04
    errors: float = 4.0
    r_hat: float = 1.1
    effective: float = 50.0


CHECKS = RefitChecks()
"""The defaults."""


class RefitResult(NamedTuple):
    """Exposures to known signatures, and how well they explain the counts.

    Attributes:
        exposures: [T, S] in mutations: posterior means for a method with a posterior, else maximum likelihood.
        intervals: one row for each sample and signature: ``sample, signature, exposure, lower, upper, presence``, the last
            NaN for methods without a probability of presence; ``None`` without a method.
        samples: one row for each sample: ``mutations``, ``cosine`` of its counts and their fit, ``chi_squared`` per degree of
            freedom under the noise model, its ``p_value``, and ``flag``: "", ``no mutations`` or ``misfit``.
        dispersion: median over samples of Pearson's chi-squared per degree of freedom under Poisson noise. 1 for Poisson
            counts; more where the counts scatter more or the signatures do not explain them.
        psi: variance that rounding adds: 1/12 where the counts have no sampling noise, else 0.
        size: of the negative binomial, infinite under Poisson.
        method: of the intervals, "" without.
        level: nominal coverage of the intervals.
        diagnostics: of the computation: R-hat, effective draws, prior, ...
        notes: sentences that a reader of the result should see.
        noise: noise model, a name in :data:`NOISES`.
    """

    __repr__ = one_line
    _repr_html_ = tables_page

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
    noise: str = "poisson"

    def summary(self) -> dict[str, Any]:
        """Method, level and noise as JSON values; ``size`` is ``None`` under Poisson."""
        return {
            "method": self.method,
            "level": self.level,
            "dispersion": self.dispersion,
            "noise": self.noise,
            "psi": self.psi,
            "size": self.size if math.isfinite(self.size) else None,
        }

    def save(
        self, folder: str | Path, *, types: pd.Series | None = None, info: Mapping[str, Any] | None = None
    ) -> Path:
        """Write the result and a report into ``folder``, which is made if needed.

        The files are ``exposures.csv``, ``samples.csv``, ``intervals.csv`` (where there are intervals), ``fit.json`` (the
        summary, the notes and ``info``), and ``report.html`` with its ``figures``.

        Args:
            folder: any folder; files of these names in it are replaced.
            types: cancer type by sample, which the report groups by.
            info: provenance as JSON values, for ``fit.json`` and the report: command, date, version, ...

        Returns:
            The path of the report.

        Example::

            fit = vb.signatures.refit(catalogue, signatures, intervals="spike_slab")
            fit.save("results/refit", info={"cohort": "PCAWG"})
        """
        from vaebench.report.signatures import refit_page

        folder, info = Path(folder), dict(info or {})
        folder.mkdir(parents=True, exist_ok=True)
        write_exposures(self.exposures, folder / "exposures.csv")
        write_frame(self.samples.rename_axis("Samples").reset_index(), folder / "samples.csv")
        if self.intervals is not None:
            write_frame(self.intervals, folder / "intervals.csv")
        write_json(folder / "fit.json", self.summary() | {"notes": list(self.notes)} | info, **STRICT_JSON)
        return refit_page(folder, self, types=types, info=info, notes=self.notes)


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
    options: MethodOptions | None = None,
    checks: RefitChecks = CHECKS,
    progress: OnProgress | None = None,
) -> RefitResult:
    """Exposures of every sample of ``catalogue`` to ``signatures``, in mutations, with intervals by any method.

    Args:
        catalogue: counts [T, 96].
        signatures: [S, 96], rows sum to 1.
        intervals: a name in :data:`vaebench.signatures.intervals.methods.METHODS`; ``None`` for exposures only.
        noise: ``"poisson"``, its dispersion estimated, or ``"negative_binomial"``, its size estimated.
        level: nominal coverage of the intervals, between 0 and 1.
        seed: of everything random.
        types: cancer type by sample; ``spike_slab`` learns a prior for each type.
        settings: of the autoencoder behind ``posterior_percentile``, ``posterior_released`` and ``conformal``: ``variant``
            (default ``folded_normal_vae``), and the settings of
            :func:`vaebench.signatures.autoencoders.fits.refit_by_encoder`.
        fractions: allow counts that are not whole numbers.
        options: constants of the interval method, of the class that the method has in the registry
            (:class:`vaebench.signatures.sampler.options.SamplerOptions` for ``spike_slab``); ``None`` for its defaults.
        checks: thresholds of the flags and notes.
        progress: called with what is being done, the steps done, and the steps in all.

    Raises:
        InputError: for a table or an option that is not allowed.

    Example:
        >>> import vaebench as vb
        >>> catalogue, truth = vb.data.simulate_catalogue(seed=0, tumours=30, signatures=2, types=1)
        >>> fit = vb.signatures.refit(catalogue, truth.signatures, intervals="profile_likelihood")
        >>> list(fit.intervals.columns)
        ['sample', 'signature', 'exposure', 'lower', 'upper', 'presence']
    """
    checked_options(intervals, noise, level, seed)
    chosen = _method_options(intervals, options)
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
        given = (x[some], s, fit, found, groups[some], level, seed, settings or {}, chosen, progress or no_progress)
        estimates = METHODS[intervals].compute(FittedCohort(*given))
        exposures[some] = estimates.exposures
    samples = _samples(counts, exposures @ s, found, some, checks)
    frame = pd.DataFrame(exposures, counts.index, known.index)
    diagnostics = {} if estimates is None else estimates.diagnostics
    return RefitResult(
        exposures=frame,
        intervals=None if estimates is None else long_table(frame, estimates, some, level),
        samples=samples,
        dispersion=poisson.dispersion,
        psi=poisson.rounding,
        size=found.size,
        method=intervals or "",
        level=level,
        diagnostics=diagnostics,
        notes=_notes(samples, poisson, found, noise, diagnostics, checks),
        noise=noise,
    )


def checked_options(intervals: str | None, noise: str, level: float, seed: int) -> None:
    """Check the options that all functions with intervals share.

    Raises:
        InputError: for an unknown method or noise, a level outside of 0 to 1, or a seed that is not allowed.
    """
    if intervals is not None and intervals not in METHODS:
        raise unknown_name("intervals", intervals, METHODS)
    if noise not in NOISES:
        raise unknown_name("noise", noise, NOISES)
    if not 0 < level < 1:
        raise InputError(f"level={level!r} is not allowed; it must be above 0 and below 1")
    checked_seed(seed)


def _method_options(intervals: str | None, options: MethodOptions | None) -> MethodOptions | None:
    """``options`` if they are those of the method, or its defaults."""
    if options is None:
        return None if intervals is None else METHODS[intervals].options()
    wanted = None if intervals is None else METHODS[intervals].options
    if wanted is None or not isinstance(options, wanted):
        needed = "None" if wanted is None else wanted.__name__
        raise InputError(
            f"options of class {type(options).__name__} are not allowed with intervals={intervals!r}; give {needed}"
        )
    return options


def _samples(
    counts: pd.DataFrame, mean: np.ndarray, found: Scatter, some: np.ndarray, checks: RefitChecks
) -> pd.DataFrame:
    """The table ``samples`` of :class:`RefitResult`; a sample is judged relative to the dispersion of the cohort."""
    by_sample, p = np.full(len(counts), np.nan), np.full(len(counts), np.nan)
    by_sample[some] = found.by_sample
    relative = found.by_sample / (max(found.dispersion, 1.0) if not found.rounding else found.dispersion)
    p[some] = chi2.sf(relative * found.degrees, np.maximum(found.degrees, 1))
    bad = np.nan_to_num(p, nan=1.0) < checks.unusual / len(counts)
    flag = np.where(~some, "no mutations", np.where(bad, "misfit", ""))
    columns = {"mutations": counts.sum(axis=1), "cosine": fit_cosines(counts.to_numpy(), mean)}
    columns |= {"chi_squared": by_sample, "p_value": p, "flag": flag}
    return pd.DataFrame(columns, counts.index)


def _notes(
    samples: pd.DataFrame,
    poisson: Scatter,
    found: Scatter,
    noise: str,
    diagnostics: dict[str, Any],
    checks: RefitChecks,
) -> tuple[str, ...]:
    """Sentences about noise unlike the model's, samples that do not fit or are empty, and chains that differ."""
    notes = []
    # the median over T samples has a standard deviation of 0.19 / sqrt(T) where about 88 degrees of freedom are left
    sure = 1 + max(checks.dispersion, checks.errors * 0.19 / np.sqrt(len(samples)))
    if poisson.rounding:
        notes.append(
            f"The counts scatter only {poisson.dispersion:.2g} times as much as Poisson counts: they are rounded means "
            "without sampling noise. The intervals show how precisely these means determine the exposures."
        )
    elif poisson.dispersion > sure:
        effect = (
            f"A negative binomial of size {found.size:.3g} accounts for it."
            if noise == "negative_binomial"
            else "The intervals are widened for it. That is right for overdispersion, but not for wrong signatures."
        )
        notes.append(
            f"The counts scatter {poisson.dispersion:.2f} times as much as Poisson counts. Either they are overdispersed, or "
            "the signatures are of another version or genome build, or one is missing. "
            f"{effect} Check the signatures first."
        )
    bad, empty = ((samples["flag"] == flag).to_numpy() for flag in ("misfit", "no mutations"))
    if bad.any():
        names = ", ".join(map(str, samples.index[bad][:3]))
        notes.append(
            f"{int(bad.sum())} of {len(samples)} samples do not fit (first: {names}). A signature of theirs may be missing. "
            "Do not trust their intervals."
        )
    if empty.any():
        notes.append(f"{int(empty.sum())} of {len(samples)} samples have no mutations. Their exposures are 0.")
    worst = diagnostics.get("effective_draws_1", math.inf)
    if diagnostics.get("r_hat_99", 1.0) > checks.r_hat or worst < checks.effective:
        notes.append(
            f"The sampler mixes slowly: R-hat {diagnostics['r_hat_99']:.2f} and {worst:.0f} effective draws for the worst "
            "hundredth of the exposures. Their intervals are uncertain. Repeat with another seed and compare."
        )
    return tuple(notes)
