"""Exposures to known signatures, with intervals, the noise they assume, and flags for samples that do not fit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vaebench.atomic import STRICT_JSON, write_json
from vaebench.data.files.folders import whole_folder
from vaebench.data.files.writing import write_frame
from vaebench.data.mutations.tables import write_exposures, write_sigprofiler
from vaebench.errors import check_class, user_path
from vaebench.signatures import plots
from vaebench.signatures.adaptation import adapted
from vaebench.signatures.attribution import DRAWS
from vaebench.signatures.channel_factors import FACTORS, factors_table
from vaebench.signatures.dispersion import NoiseFit, fitted_noise
from vaebench.signatures.intervals.methods import METHODS, FittedCohort, MethodOptions, checked_options, options_of
from vaebench.signatures.learned import prior_ground
from vaebench.signatures.opportunities import Given, both_scales, offered_at
from vaebench.signatures.refit_notes import (
    CHECKS,
    RefitChecks,
    draw_notes,
    fit_notes,
    mostly_fit,
    prior_notes,
    probability_notes,
    repeat_notes,
    sum_notes,
    usual_notes,
)
from vaebench.signatures.refit_tables import (
    found_signatures,
    needs_added,
    parts_of_draws,
    probabilities_of,
    samples_table,
    shown_exposures,
)
from vaebench.signatures.self_check import self_check_notes
from vaebench.signatures.tables import OnProgress, checked_tables, long_table, no_progress, types_of
from vaebench.types.shown import one_line, tables_page


class RefitResult(NamedTuple):
    """Exposures to known signatures, and how well they explain the counts.

    Attributes:
        exposures: [T, S] in mutations, to be counted and summed: for a method with a probability of presence, the posterior
            mean where that probability reaches ``RefitChecks.present`` (0.5) and 0 elsewhere; the posterior mean for other
            methods with a posterior; else maximum likelihood.
        intervals: one row for each sample and signature: ``sample, signature, exposure, lower, upper, presence``, the last
            NaN for methods without a probability of presence; ``exposure`` is the posterior mean, whatever the presence;
            ``None`` without a method. With opportunities also ``genome_exposure``, ``genome_lower`` and ``genome_upper``.
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
        left_out: names of the signatures of the table that were not offered. ``samples`` then has a column ``needs``: the one
            that explains what the others cannot, "" where none does.
        per_mutation: :func:`vaebench.signatures.attribution.per_mutation` of the draws of the exposures, or of their posterior
            means for a method without draws, if it was asked for.
        yields: [S] of a refit with opportunities: mutations in the target for one in the genome; ``None`` without.
        signatures: those that were fitted [S, M]; ``None`` for a result of an earlier version.
        catalogue: the counts [T, M] that were fitted; ``None`` likewise.
        channel_factors: :func:`vaebench.signatures.channel_factors.factors_table`; ``None`` for signatures as given.
        adaptation_gain: share of the scatter beyond Poisson's that the factors of one half of the samples explain in the other
            half; ``None`` where the factors are not the cohort's own.
        draws: [n, T, S] exposures that the method has drawn, all samples of a draw together, far apart for ``spike_slab``
            (``options=SamplerOptions(kept=n)``): for intervals of whatever is computed from exposures. Not saved; ``None`` for
            a method without.
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
    left_out: tuple[str, ...] = ()
    per_mutation: pd.DataFrame | None = None
    yields: pd.Series | None = None
    signatures: pd.DataFrame | None = None
    catalogue: pd.DataFrame | None = None
    channel_factors: pd.DataFrame | None = None
    adaptation_gain: float | None = None
    draws: np.ndarray | None = None

    @property
    def found(self) -> tuple[str, ...]:
        """Signatures that the cohort has (:func:`vaebench.signatures.refit_tables.found_signatures`)."""
        return found_signatures(self.exposures, self.intervals)

    def genome_exposures(self) -> pd.DataFrame:
        """Exposures [T, S] as mutations of the whole genome; as they are in a refit without opportunities."""
        return self.exposures if self.yields is None else self.exposures / self.yields

    def summary(self) -> dict[str, Any]:
        """Method, level and noise as JSON values; ``size`` is ``None`` under Poisson."""
        growth = {"growth": self.growth} if self.growth else {}
        gone = {"left_out": list(self.left_out)} if self.left_out else {}
        gain = {} if self.adaptation_gain is None else {"adaptation_gain": self.adaptation_gain}
        noise = {"dispersion": self.dispersion, "noise": self.noise, "psi": self.psi}
        noise["size"] = self.size if math.isfinite(self.size) else None
        return growth | gone | gain | {"found": list(self.found), "method": self.method, "level": self.level} | noise

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

        info, types = dict(info or {}), None if types is None else types_of(types, self.exposures.index)
        with whole_folder(folder, "refit") as new:
            write_exposures(self.exposures, new / "exposures.csv")
            if self.yields is not None:
                write_exposures(self.genome_exposures(), new / "exposures_genome.csv")
            write_frame(self.samples.rename_axis("Samples").reset_index(), new / "samples.csv")
            tables = {"intervals": self.intervals, "sums": self.sums, "per_mutation": self.per_mutation}
            for name, table in tables.items():
                if table is not None:
                    write_frame(table, new / f"{name}.csv")
            if self.channel_factors is not None:
                write_frame(self.channel_factors.rename_axis("channel").reset_index(), new / FACTORS)
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
    prior: str | pd.DataFrame = "published",
    include: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    fractions: bool = False,
    opportunities: Given | None = None,
    options: MethodOptions | None = None,
    checks: RefitChecks = CHECKS,
    per_mutation: bool = False,
    adapt: str | pd.Series | pd.DataFrame = "auto",
    progress: OnProgress | None = None,
) -> RefitResult:
    """Exposures of every sample of ``catalogue`` to ``signatures``, in mutations, with intervals by any method.

    Args:
        catalogue: counts [T, M] of any context.
        signatures: [S, M], rows sum to 1.
        intervals: a name in :data:`vaebench.signatures.intervals.methods.METHODS`; ``None`` or ``"none"`` for exposures
            only.
        noise: ``"poisson"``, with one dispersion for all samples; ``"dirichlet"``, with a dispersion that grows with a sample's
            mutations, as where spectra vary between tumours; ``"negative_binomial"``, with a variance that grows with a
            channel's mean; or ``"auto"``, the one that explains the scatter best: Poisson unless the counts say otherwise.
        level: nominal coverage of the intervals, between 0 and 1.
        seed: of everything random.
        types: cancer type by sample; ``spike_slab`` learns a prior for each type.
        tissue: tumour type, a name of :func:`vaebench.signatures.published.tissues` like ``"Liver-HCC"`` (genomes) or
            ``"LIHC"`` (exomes): signatures that PCAWG and TCGA have not seen in this tissue are left out, and its published
            exposures are the prior of ``spike_slab``. ``None`` for those of the types that the counts resemble. With a learned
            prior, one of its own.
        prior: ``"published"``, ``"none"`` for the same weak prior for each signature, or a table of
            :func:`vaebench.signatures.learned.learned_prior`, an extraction's ``prior.csv``. Signatures that are not named as
            COSMIC's have the weak prior.
        include: the signatures to fit, or groups of them (:func:`vaebench.signatures.cosmic_groups.subgroups`); ``None`` for all.
            With a tissue they are offered beside those seen in it.
        exclude: signatures or groups to leave out. Samples that do not fit without one are named in a note.
        settings: of the autoencoder behind ``posterior_percentile``, ``posterior_released`` and ``conformal``: ``variant``
            (default ``folded_normal_vae``), and the settings of
            :func:`vaebench.signatures.autoencoders.fits.refit_by_encoder`.
        fractions: allow counts that are not whole numbers.
        opportunities: ``"exome"``, ``"genome"``, or what :func:`vaebench.data.mutations.read_opportunities` returns, where
            the signatures are the genome's and mutations were looked for in a part of it
            (:mod:`vaebench.signatures.opportunities`).
        options: constants of the interval method, of the class that the method has in the registry
            (:class:`vaebench.signatures.sampler.options.SamplerOptions` for ``spike_slab``); ``None`` for its defaults.
        checks: thresholds of the flags and notes.
        per_mutation: also give the probability of each signature for the mutations of each sample and channel, with intervals
            where the method draws exposures.
        adapt: ``"auto"`` adapts the signatures to a cohort whose counts deviate from them in the same channels in all samples
            (:mod:`vaebench.signatures.adaptation`), where the method has a prior; ``"none"`` leaves them as they are. For few
            samples, the factors of an earlier cohort (:func:`vaebench.signatures.channel_factors.read_channel_factors`).
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
    intervals = checked_options(intervals, noise, level, seed)
    check_class("checks", checks, RefitChecks)
    chosen = options_of(intervals, options, settings, DRAWS if per_mutation else 0)
    counts, known, groups, some = checked_tables(catalogue, signatures, types, fractions)
    x, seen_in, estimates = counts.to_numpy(), None if isinstance(prior, pd.DataFrame) else tissue, None
    known, left_out, yields, said = offered_at(counts, known, include, exclude, seen_in, opportunities)
    ground, alike = prior_ground(x[some], known, intervals, tissue, prior)
    known, factors, changes, gain, errors = adapted(x[some], known, ground, adapt, seed)
    s, exposures = known.to_numpy(), np.zeros((len(x), len(known)))
    fitted = fitted_noise(x[some], s, noise)
    exposures[some], found = fitted.fit.exposures, fitted.found
    if intervals is not None:
        given = (x[some], s, fitted.fit, found, groups[some], level, seed, settings or {}, chosen)
        estimates = METHODS[intervals].compute(FittedCohort(*given, progress or no_progress, ground, errors))
        exposures[some] = estimates.exposures
    samples = samples_table(counts, exposures @ s, found, some, checks)
    notes = [*said, *changes, *needs_added(samples, x[some], known, left_out, factors, fitted, checks)]
    frame, diagnostics = pd.DataFrame(exposures, counts.index, known.index), estimates.diagnostics if estimates else {}
    notes += fit_notes(fitted, samples, known, diagnostics, estimates, checks)
    if estimates is not None:
        notes += prior_notes(ground, known.index, tissue, estimates, prior, alike)
        lacking = usual_notes(alike, known, left_out, checks)
        notes += lacking + sum_notes(known, counts.index[some], estimates, checks)
        checked = bool(alike) and mostly_fit(samples) and not lacking
        notes += self_check_notes(checked, checks, x[some], known, found, tissue, level, seed, chosen, progress)
    notes += repeat_notes(counts, checks, intervals=estimates is not None)
    return RefitResult(
        exposures=frame if estimates is None else shown_exposures(frame, estimates, some, checks),
        intervals=None if estimates is None else both_scales(long_table(frame, estimates, some, level), yields),
        samples=samples,
        notes=(*notes, *draw_notes(intervals, level, chosen), *probability_notes(per_mutation, intervals, estimates)),
        **_settings_of(fitted, intervals, level, diagnostics, left_out, gain),
        channel_factors=None if factors is None else factors_table(factors, estimates and estimates.factor_errors),
        per_mutation=probabilities_of(counts, frame, known, some, estimates, level) if per_mutation else None,
        yields=yields,
        signatures=known,
        catalogue=counts,
        **parts_of_draws(known.index, counts.index, some, estimates),
    )


def _settings_of(
    fitted: NoiseFit,
    intervals: str | None,
    level: float,
    diagnostics: dict[str, Any],
    left_out: pd.DataFrame,
    gain: float | None,
) -> dict[str, Any]:
    """The fields of :class:`RefitResult` that describe method, noise and adaptation, and the signatures that were left out."""
    poisson, found = fitted.poisson, fitted.found
    named = {"method": intervals or "", "level": float(level), "diagnostics": diagnostics, "noise": fitted.noise}
    named |= {"dispersion": poisson.dispersion, "psi": poisson.rounding, "size": found.size, "growth": found.growth}
    named["adaptation_gain"] = gain
    return named | {"left_out": tuple(map(str, left_out.index))}
