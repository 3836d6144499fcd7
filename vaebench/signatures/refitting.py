"""Exposures to known signatures, with intervals, the noise they assume, and flags for samples that do not fit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import chi2

from vaebench.atomic import STRICT_JSON, write_json
from vaebench.data.files.folders import whole_folder
from vaebench.data.files.writing import write_frame
from vaebench.data.mutations.tables import write_exposures, write_sigprofiler
from vaebench.errors import InputError, checked_seed, unknown_name, user_path
from vaebench.signatures import plots
from vaebench.signatures.dispersion import NOISES, Scatter, fitted_noise
from vaebench.signatures.intervals.methods import METHODS, FittedCohort, MethodOptions
from vaebench.signatures.matching import fit_cosines
from vaebench.signatures.published import PRIORS, checked_name, published_ground
from vaebench.signatures.refit_notes import CHECKS, RefitChecks, noise_notes, prior_notes, sample_notes, sum_notes
from vaebench.signatures.sampler.priors import Ground
from vaebench.signatures.tables import Estimates, OnProgress, checked_tables, long_table, no_progress
from vaebench.types.shown import one_line, tables_page


class RefitResult(NamedTuple):
    """Exposures to known signatures, and how well they explain the counts.

    Attributes:
        exposures: [T, S] in mutations, to be counted and summed: for a method with a probability of presence, the posterior
            mean where that probability reaches ``RefitChecks.present`` (0.5) and 0 elsewhere; the posterior mean for other
            methods with a posterior; else maximum likelihood.
        intervals: one row for each sample and signature: ``sample, signature, exposure, lower, upper, presence``, the last
            NaN for methods without a probability of presence; ``exposure`` is the posterior mean, whatever the presence;
            ``None`` without a method.
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
        noise: the noise model that was used, a name in :data:`vaebench.signatures.dispersion.NOISES` but not ``"auto"``.
        growth: dispersion that every mutation of a sample adds under ``"dirichlet"``, else 0.
        sums: one row for each set of signatures that the counts of a sample cannot tell apart: ``sample, signatures``
            (joined by +), and ``exposure, lower, upper`` of their sum; ``None`` for a method without draws of exposures.
        signatures: those that were fitted [S, 96]; ``None`` for a result of an earlier version.
        catalogue: the counts [T, 96] that were fitted; ``None`` likewise.
    """

    __repr__ = one_line
    _repr_html_ = tables_page
    plot_signatures = plots.plot_signatures
    plot_exposures = plots.plot_exposures
    plot_sample = plots.plot_sample
    plot_intervals = plots.plot_intervals
    plot_burden = plots.plot_burden
    plot_comparison = plots.plot_comparison

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
    growth: float = 0.0
    sums: pd.DataFrame | None = None
    signatures: pd.DataFrame | None = None
    catalogue: pd.DataFrame | None = None

    def summary(self) -> dict[str, Any]:
        """Method, level and noise as JSON values; ``size`` is ``None`` under Poisson."""
        growth = {"growth": self.growth} if self.growth else {}
        return growth | {
            "method": self.method,
            "level": self.level,
            "dispersion": self.dispersion,
            "noise": self.noise,
            "psi": self.psi,
            "size": self.size if math.isfinite(self.size) else None,
        }

    def save(
        self,
        folder: str | Path,
        *,
        types: pd.Series | None = None,
        info: Mapping[str, Any] | None = None,
        tsv: bool = False,
    ) -> Path:
        """Write the result and a report into ``folder``, which is made if needed.

        The files are ``exposures.csv``, ``samples.csv``, ``intervals.csv`` and ``sums.csv`` (where there are intervals, and
        draws of the exposures), ``fit.json`` (the summary, the notes and ``info``), and ``report.html`` with its ``figures``.

        Args:
            folder: of the result. All files of an earlier one, which ``manifest.json`` names, are replaced in one step.
            types: cancer type by sample, which the report groups by.
            info: provenance as JSON values, for ``fit.json`` and the report: command, date, version, ...
            tsv: write ``exposures.tsv``, ``signatures.tsv`` and ``catalogue.tsv`` too, for SigProfilerPlotting.

        Returns:
            The path of the report.

        Raises:
            InputError: ``folder`` holds the results of another command.

        Example::

            fit = vb.signatures.refit(catalogue, signatures, intervals="spike_slab")
            fit.save("results/refit", info={"cohort": "PCAWG"})
        """
        from vaebench.report.signatures import refit_page

        info = dict(info or {})
        with whole_folder(folder, "refit") as new:
            write_exposures(self.exposures, new / "exposures.csv")
            write_frame(self.samples.rename_axis("Samples").reset_index(), new / "samples.csv")
            if self.intervals is not None:
                write_frame(self.intervals, new / "intervals.csv")
            if self.sums is not None:
                write_frame(self.sums, new / "sums.csv")
            if tsv:
                write_sigprofiler(new, self.exposures, self.signatures, self.catalogue)
            write_json(new / "fit.json", self.summary() | {"notes": list(self.notes)} | info, **STRICT_JSON)
            page = refit_page(new, self, types=types, info=info, notes=self.notes)
        return user_path(folder) / page.name


def refit(
    catalogue: pd.DataFrame,
    signatures: pd.DataFrame,
    *,
    intervals: str | None = None,
    noise: str = "auto",
    level: float = 0.95,
    seed: int = 0,
    types: pd.Series | None = None,
    tissue: str | None = None,
    prior: str = "published",
    include: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
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
        noise: ``"poisson"``, with one dispersion for all samples; ``"dirichlet"``, with a dispersion that grows with a sample's
            mutations, as where spectra vary between tumours; ``"negative_binomial"``, with a variance that grows with a
            channel's mean; or ``"auto"``, the one that explains the scatter best: Poisson unless the counts say otherwise.
        level: nominal coverage of the intervals, between 0 and 1.
        seed: of everything random.
        types: cancer type by sample; ``spike_slab`` learns a prior for each type.
        tissue: tumour type whose published exposures are the prior of ``spike_slab``, a name of
            :func:`vaebench.signatures.published.tissues` like ``"Liver-HCC"`` (genomes) or ``"LIHC"`` (exomes). ``None`` for
            those of all types.
        prior: ``"published"``, or ``"none"`` for the same weak prior for each signature. Signatures that are not named as
            COSMIC's have the weak prior.
        include: the signatures to fit; ``None`` for all.
        exclude: signatures to leave out.
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
    known = selected(known, include, exclude)
    x, s = counts.to_numpy(), known.to_numpy()
    ground = prior_ground(x[some], known.index, intervals, tissue, prior)
    exposures = np.zeros((len(x), len(s)))
    fitted = fitted_noise(x[some], s, noise)
    fit, _, found = fitted[1:]
    exposures[some] = fit.exposures
    estimates = None
    if intervals is not None:
        given = (x[some], s, fit, found, groups[some], level, seed, settings or {}, chosen, progress or no_progress)
        estimates = METHODS[intervals].compute(FittedCohort(*given, ground=ground))
        exposures[some] = estimates.exposures
    samples = _samples(counts, exposures @ s, found, some, checks)
    frame = pd.DataFrame(exposures, counts.index, known.index)
    diagnostics = {} if estimates is None else estimates.diagnostics
    notes = [*noise_notes(fitted, checks), *sample_notes(samples, diagnostics, checks)]
    if estimates is not None:
        notes += prior_notes(ground, known.index, tissue, estimates)
        notes += sum_notes(known, counts.index[some], estimates, checks)
    return RefitResult(
        exposures=frame if estimates is None else _present(frame, estimates, some, checks),
        intervals=None if estimates is None else long_table(frame, estimates, some, level),
        samples=samples,
        dispersion=fitted.poisson.dispersion,
        psi=fitted.poisson.rounding,
        size=found.size,
        method=intervals or "",
        level=level,
        diagnostics=diagnostics,
        notes=tuple(notes),
        noise=fitted.noise,
        growth=found.growth,
        sums=None if estimates is None or estimates.sums is None else _sums(known.index, counts.index[some], estimates),
    )._replace(signatures=known, catalogue=counts)


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


def selected(signatures: pd.DataFrame, include: Sequence[str] | None, exclude: Sequence[str] | None) -> pd.DataFrame:
    """The rows of ``signatures`` [S, 96] that ``include`` names (``None`` for all) and ``exclude`` does not.

    Raises:
        InputError: for a name that is no signature, or if none is left.
    """
    every = list(map(str, signatures.index))
    wanted = every if include is None else [checked_name("include", name, every) for name in include]
    unwanted = [checked_name("exclude", name, every) for name in exclude or ()]
    kept = signatures.loc[[name in wanted and name not in unwanted for name in every]]
    if kept.empty:
        raise InputError("include and exclude leave no signature; at least one is needed")
    return kept


def prior_ground(
    x: np.ndarray, names: pd.Index, intervals: str | None, tissue: str | None, prior: str
) -> Ground | None:
    """Ground of the prior of ``spike_slab``; ``None`` for the weak one."""
    if prior not in PRIORS:
        raise unknown_name("prior", prior, PRIORS)
    if tissue is not None and (prior == "none" or intervals != "spike_slab"):
        given = 'prior="none"' if prior == "none" else f"intervals={intervals!r}"
        raise InputError(f"tissue={tissue!r} is not allowed with {given}; it is the prior of spike_slab")
    if prior == "none" or intervals != "spike_slab":
        return None
    return published_ground(x, list(map(str, names)), tissue)


def _present(exposures: pd.DataFrame, estimates: Estimates, some: np.ndarray, checks: RefitChecks) -> pd.DataFrame:
    """``exposures`` [T, S], 0 where a signature is more likely absent."""
    absent = np.zeros(exposures.shape, bool)
    absent[some] = estimates.presence < checks.present  # NaN, without a probability, is not
    return exposures.mask(absent, 0.0)


def _sums(names: pd.Index, samples: pd.Index, estimates: Estimates) -> pd.DataFrame:
    """The table ``sums`` of :class:`RefitResult`."""
    rows = [
        (samples[t], "+".join(str(names[k]) for k in members), mean, low, high)
        for t, members, mean, low, high in estimates.sums or ()
    ]
    return pd.DataFrame(rows, columns=["sample", "signatures", "exposure", "lower", "upper"])


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
