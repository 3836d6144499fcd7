"""Calibration: the coverage to expect of intervals on a cohort like this one, from simulated cohorts.

A simulation from the fit alone cannot see what is wrong with the fit: where the prior has learned that a signature is absent,
the simulated tumours do not have it either. So truths come from several sources (:data:`SOURCES`), and the worst counts:

  fit         posterior draws of the exposures, given the catalogue
  neighbours  exposures by maximum likelihood of a Poisson resample of the catalogue, of the signatures of a posterior draw: they
              fit as well, and no prior has had a say in how large they are
  prior       tumours of the tissue, or of the types that the counts resemble, drawn from published exposures
              (:mod:`vaebench.signatures.resemblance`); of signatures that are not COSMIC's a few at random in each tumour
  spectra     posterior draws, but in each tumour the spectrum of each signature is drawn about the given one
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vaebench.atomic import STRICT_JSON, write_json
from vaebench.data.files.folders import whole_folder
from vaebench.data.files.writing import write_frame
from vaebench.errors import InputError, unknown_name, user_path
from vaebench.signatures.coverage import coverage_table
from vaebench.signatures.dispersion import Scatter, fitted_noise
from vaebench.signatures.intervals.ends import parametric_resample
from vaebench.signatures.intervals.methods import MethodOptions, checked_options
from vaebench.signatures.learned import prior_ground
from vaebench.signatures.likelihood import maximum_likelihood
from vaebench.signatures.opportunities import Given, offered_at
from vaebench.signatures.published import published_facts
from vaebench.signatures.refit_notes import CHECKS
from vaebench.signatures.refitting import refit
from vaebench.signatures.resemblance import Facts, drawn_tumours
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions
from vaebench.signatures.sampler.posterior import sampled
from vaebench.signatures.tables import OnProgress, checked_tables, no_progress


@dataclasses.dataclass(frozen=True)
class TruthOptions:
    """Constants of the simulated truths.

    Attributes:
        active: signatures of a tumour from the source ``prior``, on average, where nothing is published of them and the table
            has twice as many: PCAWG published a median of 5 a genome.
        concentration: of the Dirichlet distribution of a spectrum in a tumour, from the source ``spectra``: at 1,000 a tumour of
            10,000 mutations scatters about 4 times as much as Poisson counts, as PCAWG's do about their published fit.
        present: mutations from which an exposure of a neighbour counts as present: half a mutation rounds to one.
        judged: exposures above 0 from which a group counts in the worst: the coverage of fewer is mostly chance.
    """

    active: float = 5.0
    concentration: float = 1000.0
    present: float = 0.5
    judged: int = 30


TRUTHS = TruthOptions()
"""The defaults."""


class _FittedCounts(NamedTuple):
    """Fit that truths are drawn from: counts [T, M], signatures [S, M], posterior draws [n, T, S], noise, constants, types."""

    counts: np.ndarray
    signatures: np.ndarray
    draws: np.ndarray
    noise: Scatter
    options: TruthOptions
    types: tuple[Sequence[Facts], np.ndarray] | None = None


_Truth = tuple[np.ndarray, np.ndarray]
"""True exposures [T, S] and the mean [T, M] of the counts."""


def _fit(cohort: _FittedCounts, i: int, rng: np.random.Generator) -> _Truth:
    truth = cohort.draws[i].astype(np.float64)
    return truth, truth @ cohort.signatures


def _neighbours(cohort: _FittedCounts, i: int, rng: np.random.Generator) -> _Truth:
    again = rng.poisson(cohort.counts).astype(np.float64)
    again[again.sum(1) == 0] = cohort.counts[again.sum(1) == 0]
    there = cohort.draws[i] > 0  # of all signatures maximum likelihood has a little of each, as no tumour has
    start = np.where(there, again.sum(1, keepdims=True) / np.maximum(there.sum(1, keepdims=True), 1), 0.0)
    truth = maximum_likelihood(again, cohort.signatures, start=start, free=there).exposures
    truth = np.where(truth < cohort.options.present, 0.0, truth)
    return truth, truth @ cohort.signatures


def _prior(cohort: _FittedCounts, i: int, rng: np.random.Generator) -> _Truth:
    samples, count = len(cohort.counts), len(cohort.signatures)
    totals = cohort.counts.sum(1, keepdims=True)
    if cohort.types is not None:
        truth = drawn_tumours(*cohort.types, totals[:, 0], rng)
        return truth, truth @ cohort.signatures
    there = rng.random((samples, count)) < min(0.5, cohort.options.active / count)
    none = np.flatnonzero(~there.any(1))
    there[none, rng.integers(count, size=len(none))] = True
    shares = rng.gamma(1.0, 1.0, (samples, count)) * there
    truth = shares / shares.sum(1, keepdims=True) * totals
    return truth, truth @ cohort.signatures


def _spectra(cohort: _FittedCounts, i: int, rng: np.random.Generator) -> _Truth:
    truth = cohort.draws[i].astype(np.float64)
    shapes = np.maximum(cohort.options.concentration * cohort.signatures, 1e-6)
    mean = np.zeros_like(cohort.counts)
    for k, shape in enumerate(shapes):
        mean += truth[:, [k]] * rng.dirichlet(shape, len(truth))
    return truth, mean


SOURCES: dict[str, Callable[[_FittedCounts, int, np.random.Generator], _Truth]] = {
    "fit": _fit,
    "neighbours": _neighbours,
    "prior": _prior,
    "spectra": _spectra,
}
"""Sources of the simulated truths, described in the docstring of the module."""


def calibrate(
    catalogue: pd.DataFrame,
    signatures: pd.DataFrame,
    *,
    intervals: str = "spike_slab",
    noise: str = "auto",
    level: float = 0.95,
    draws: int = 5,
    seed: int = 0,
    types: pd.Series | None = None,
    tissue: str | None = None,
    fractions: bool = False,
    sampler: SamplerOptions = SAMPLER,
    options: MethodOptions | None = None,
    sources: Sequence[str] = tuple(SOURCES),
    truths: TruthOptions = TRUTHS,
    opportunities: Given | None = None,
    progress: OnProgress | None = None,
) -> pd.DataFrame:
    """Coverage to expect of an interval method on a cohort like this one, from simulated cohorts.

    1. Draw true exposures from each source (the docstring of the module). Posterior draws are of the spike-and-slab model
       whatever the method: some exposures are 0, as in tumours.
    2. Draw ``draws`` cohorts from each, with the noise estimated from the catalogue.
    3. Refit these counts and compare the intervals with the truth.

    If the sources differ, the intervals depend on the prior or on exact spectra, and the catalogue does not say which source is
    like it. Signatures that are missing from the table show in no source but in the notes of a refit.

    Args:
        catalogue: counts [T, M].
        signatures: [S, M].
        intervals: a name in :data:`vaebench.signatures.intervals.methods.METHODS`.
        noise: as in :func:`vaebench.signatures.refitting.refit`, as are ``level``, ``types`` and ``fractions``.
        level: nominal coverage.
        draws: number of simulated cohorts from each source, from 1 to ``sampler.kept`` (10).
        seed: of everything random.
        types: cancer type by sample.
        tissue: tumour type, as in :func:`vaebench.signatures.refitting.refit`: which signatures are offered, and the prior.
        fractions: allow counts that are not whole numbers.
        sampler: constants of the sampler that draws the true exposures.
        options: constants of the interval method; ``None`` for its defaults.
        sources: of the truths, names in :data:`SOURCES`.
        truths: constants of the sources.
        opportunities: as for :func:`vaebench.signatures.refit`: signatures of the genome are converted to those of the counts.
        progress: called with what is being done, the steps done, and the steps in all.

    Returns:
        The table of :func:`vaebench.signatures.coverage.coverage_table` over the simulated cohorts of the first source, then
        columns ``coverage_SOURCE`` for each source, ``worst``, the least of them with enough exposures, and ``worst_source``.
        With opportunities, sizes and widths are of the target; ``genome_width`` and ``genome_upper`` are of the genome.
        Coverage is the same on both scales.

    Raises:
        InputError: for a table or an option that is not allowed.

    Example::

        table = vb.signatures.calibrate(catalogue, signatures, intervals="spike_slab", draws=5)
        vb.signatures.save_calibration("results/calibrate", table, intervals="spike_slab", level=0.95)
    """
    checked_options(intervals, noise, level, seed)
    if not 1 <= draws <= sampler.kept or int(draws) != draws:
        raise InputError(f"draws={draws!r} is not allowed; it must be a whole number from 1 to {sampler.kept}")
    for source in sources:
        if source not in SOURCES:
            raise unknown_name("source", source, SOURCES)
    if not sources:
        raise InputError(f"sources={sources!r} is not allowed; give one or more of {', '.join(SOURCES)}")
    counts, known, groups, some = checked_tables(catalogue, signatures, types, fractions)
    known, _, yields, _ = offered_at(counts, known, None, None, tissue, opportunities)
    x, s = counts[some], known.to_numpy()
    progress = progress or no_progress
    noise, fit, _, found = fitted_noise(x.to_numpy(), s, noise)
    ground, _ = prior_ground(x.to_numpy(), known, "spike_slab", tissue, "published")
    facts = published_facts(x.to_numpy(), known, tissue)
    chains = {"groups": groups[some], "ground": ground, "level": level, "seed": seed, "options": sampler}
    posterior = sampled(x.to_numpy(), s, fit.exposures, found, **chains)
    cohort = _FittedCounts(x.to_numpy(), s, np.asarray(posterior.kept), found, truths)
    cohort = cohort._replace(types=None if facts is None else (list(facts.types.values()), facts.shares))
    named = {"intervals": intervals, "noise": noise, "level": level, "types": types, "options": options}
    named["tissue"] = tissue
    total, tables = len(sources) * draws, []
    for place, source in enumerate(sources):
        made = _refitted(cohort, source, x, known, draws, seed, named, progress, place * draws, total)
        tables.append(coverage_table(*made, yields))
    progress("simulating and refitting", total, total)
    return _compared(tables, sources, truths)


def _refitted(
    cohort: _FittedCounts,
    source: str,
    x: pd.DataFrame,
    known: pd.DataFrame,
    draws: int,
    seed: int,
    named: dict[str, Any],
    progress: OnProgress,
    done: int,
    total: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Intervals of the cohorts of one source, as a long table, and their true exposures."""
    tables, truths = [], []
    number = list(SOURCES).index(source)
    for i in range(draws):
        progress("simulating and refitting", done + i, total)
        rng = np.random.default_rng([seed, i, number] if number else [seed, i])
        truth, mean = SOURCES[source](cohort, i, rng)
        drawn = np.round(mean) if cohort.noise.rounding else parametric_resample(rng, mean, cohort.noise)
        simulated = pd.DataFrame(drawn, x.index, x.columns)
        # refits of simulated tumours need no simulation of their own
        again = refit(
            simulated, known, seed=seed + i + 1, fractions=True, checks=dataclasses.replace(CHECKS, checked=0), **named
        )
        assert again.intervals is not None
        tables.append(again.intervals.assign(sample=[f"{i}/{name}" for name in again.intervals["sample"]]))
        truths.append(pd.DataFrame(truth, pd.Index([f"{i}/{name}" for name in x.index]), known.index))
    return pd.concat(tables), pd.concat(truths)


def _compared(tables: list[pd.DataFrame], sources: Sequence[str], truths: TruthOptions) -> pd.DataFrame:
    """The table of the first source with the coverage of all, and the worst of those with enough exposures."""
    found = tables[0].copy()
    judged = pd.DataFrame(index=found.index)
    for source, table in zip(sources, tables, strict=True):
        found[f"coverage_{source}"] = table["coverage"]
        judged[source] = table["coverage"].where(table["count"] >= truths.judged)
    some = judged.notna().any(axis=1)
    found["worst"] = judged.min(axis=1)
    found["worst_source"] = ""
    found.loc[some, "worst_source"] = judged[some].idxmin(axis=1)
    return found


ON_TARGET = (
    "Exposures, sizes and widths are those of the target; genome_width and genome_upper are in mutations of the genome."
)
"""Sentence on the scales of a calibration with opportunities."""


def worst_sentence(table: pd.DataFrame, level: float) -> str:
    """One sentence about the worst coverage of exposures above 0 in the table of :func:`calibrate`, and what it means."""
    known = table[table["worst"].notna()]
    whole = known[known["group"] == "non-zero"]
    if not len(whole):
        return "There are too few exposures above 0 to say how often they are held; simulate more cohorts (draws)."
    worst, source = float(whole["worst"].iloc[0]), whole["worst_source"].iloc[0]
    text = f"At worst {worst:.0%} of the exposures above 0 are held, nominal {level:.0%}"
    named = known[known["kind"] == "signature"]
    if len(named):
        least = named.loc[named["worst"].idxmin()]
        text += f", and {least['worst']:.0%} of {least['group']}'s"
        text += (
            f" (truths from: {source}; {least['worst_source']})."
            if source != least["worst_source"]
            else f" (truths from: {source})."
        )
    else:
        text += f" (truths from: {source})."
    if source != "fit" and worst < level - 0.03:
        text += " The fit's own simulation cannot see this: the intervals rest on its prior or on exact spectra."
    return text


def save_calibration(
    folder: str | Path,
    coverage: pd.DataFrame,
    *,
    intervals: str,
    level: float,
    info: Mapping[str, Any] | None = None,
) -> Path:
    """Write the result of :func:`calibrate` and a report into ``folder``, which is made if needed.

    The files are ``coverage.csv``, ``calibration.json`` (``info``, method and level), and ``report.html`` with its ``figures``.

    Args:
        folder: of the result. All files of an earlier one, which ``manifest.json`` names, are replaced in one step.
        coverage: the table of :func:`calibrate`.
        intervals: name of the method.
        level: nominal coverage.
        info: provenance as JSON values: command, date, version, ...

    Returns:
        The path of the report.

    Raises:
        InputError: ``folder`` holds the results of another command.
    """
    from vaebench.report.signatures import calibration_page

    info = dict(info or {})
    with whole_folder(folder, "calibrate") as new:
        write_frame(coverage, new / "coverage.csv")
        notes = [worst_sentence(coverage, level)] if "worst" in coverage else []
        notes += [ON_TARGET] if "genome_width" in coverage else []
        page = calibration_page(new, coverage, level, info, notes)
        write_json(new / "calibration.json", info | {"method": intervals, "level": level}, **STRICT_JSON)
    return user_path(folder) / page.name
