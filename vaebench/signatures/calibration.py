"""Calibration: the coverage to expect of intervals on a cohort like this one, from simulated cohorts.

A simulation from the fit alone cannot see what is wrong with the fit: where the prior has learned that a signature is absent,
the simulated tumours do not have it either. So truths come from several sources (:mod:`vaebench.signatures.truths`), and the
worst counts. Enough cohorts are simulated that chance does not decide which source is the worst.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vaebench.atomic import STRICT_JSON, write_json
from vaebench.data.files.folders import whole_folder
from vaebench.data.files.writing import write_frame
from vaebench.data.wording import per_cent
from vaebench.errors import InputError, check_choice, check_class, user_path, whole_number
from vaebench.signatures.adaptation import ADAPTATION
from vaebench.signatures.coverage import coverage_table
from vaebench.signatures.dispersion import fitted_noise
from vaebench.signatures.intervals.ends import parametric_resample
from vaebench.signatures.intervals.methods import MethodOptions, checked_options
from vaebench.signatures.offered import KEEP
from vaebench.signatures.opportunities import Given, offered_at
from vaebench.signatures.published import KnownTypes
from vaebench.signatures.refit_notes import CHECKS
from vaebench.signatures.refitting import refit
from vaebench.signatures.sampler.options import SAMPLER, SamplerOptions
from vaebench.signatures.separate_cohorts import separate_posteriors
from vaebench.signatures.tables import Estimates, OnProgress, checked_tables, long_table, no_progress, types_of
from vaebench.signatures.truths import SOURCES, TRUTHS, FittedCounts, TruthOptions, fitted_counts, speaking

COHORTS, TUMOURS, MOST = 5, 100, 200
"""Cohorts that are simulated from each source at least; tumours in all; most cohorts that may be asked for."""


def calibrate(
    catalogue: pd.DataFrame,
    signatures: pd.DataFrame,
    *,
    intervals: str = "spike_slab",
    noise: str = "auto",
    level: float = 0.95,
    draws: int | None = None,
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

    1. Draw true exposures from each source (:mod:`vaebench.signatures.truths`). Posterior draws are of the spike-and-slab model
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
        draws: number of simulated cohorts from each source, from 1 to 200; ``None`` for 5 or, of fewer than 20 samples, as
            many as have 100 tumours: about 500 exposures above 0, whose coverage is known to 1 or 2 points.
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
        Coverage is the same on both scales. ``attrs["notes"]`` lists what was decided: signatures that the tissue does not
        have, the build of the opportunities.

    Raises:
        InputError: for a table or an option that is not allowed.

    Example::

        table = vb.signatures.calibrate(catalogue, signatures, intervals="spike_slab", draws=5)
        vb.signatures.save_calibration("results/calibrate", table, intervals="spike_slab", level=0.95)
    """
    checked_options(intervals, noise, level, seed)
    if draws is not None:
        whole_number("draws", draws, 1, MOST)
    if intervals in ("none", None):
        raise InputError(
            f"intervals={intervals!r} is not allowed; a calibration counts how often intervals hold the truth"
        )
    sources = _checked_sources(sources, sampler, truths)
    counts, known, groups, some = checked_tables(catalogue, signatures, types, fractions)
    # a list is one for all samples, also for empty ones
    types = None if types is None else types_of(types, counts.index)
    known, _, yields, said = offered_at(counts, known, None, None, tissue, opportunities)
    x = counts[some]
    draws = draws or max(COHORTS, -(-TUMOURS // len(x)))
    # more kept draws change no draw, unless more are asked for than there would be
    sampler = dataclasses.replace(sampler, kept=max(sampler.kept, draws), draws=max(sampler.draws, draws))
    cohort, noise, facts, changes = fitted_counts(
        x, known, groups[some], intervals, noise, tissue, level, seed, sampler, truths
    )
    asked, (sources, alone) = sources, speaking(sources, cohort)
    few = len(x) < ADAPTATION.samples and types is None and intervals == "spike_slab"
    few = few and noise == "poisson" and not cohort.noise.rounding and isinstance(options, SamplerOptions | None)
    named: dict[str, Any] = {"level": level, "tissue": tissue, "options": options}
    more = {"intervals": intervals, "noise": noise, "types": types}
    refits = functools.partial(_one_by_one, known=known, seed=seed, named=named | more)
    if few:
        refits = functools.partial(_side_by_side, known=known, facts=facts, seed=seed, **named)
    tables, progress = [], progress or no_progress
    for place, source in enumerate(sources):
        made = [_simulated(cohort, source, i, seed, x) for i in range(draws)]
        tell = functools.partial(_told, progress, place * draws, draws, len(sources) * draws)
        frames = refits([counts for counts, _ in made], tell=tell)
        tables.append(coverage_table(*_numbered(frames, [truth for _, truth in made], known), yields))
    progress("simulating and refitting", len(sources) * draws, len(sources) * draws)
    table = _compared(tables, sources, truths)
    for source in set(asked) - set(sources):
        table.insert(list(table.columns).index("worst"), f"coverage_{source}", np.nan)
    # ON_TARGET says what the scales are here, and a calibration has no include
    said = [note.removesuffix(KEEP) for note in said if not note.endswith("(exposures_genome.csv).")]
    table.attrs["notes"] = [*said, *changes, *alone]
    return table


def _checked_sources(sources: object, sampler: object, truths: object) -> tuple[str, ...]:
    """Names of :data:`SOURCES`, each once, from one name or several; ``InputError`` for others, and for no constants."""
    check_class("sampler", sampler, SamplerOptions)
    check_class("truths", truths, TruthOptions)
    named = (sources,) if isinstance(sources, str) else tuple(sources) if isinstance(sources, Iterable) else ()
    if not named:
        raise InputError(f"sources={sources!r} is not allowed; give one or more of {', '.join(SOURCES)}")
    for source in named:
        check_choice("source", source, tuple(SOURCES))
    return tuple(dict.fromkeys(map(str, named)))


def _told(progress: OnProgress, before: int, draws: int, total: int, what: str, done: int, steps: int) -> None:
    """Progress of one source: ``done`` of ``steps`` as a share of its cohorts."""
    progress("simulating and refitting", before + draws * done // max(steps, 1), total)


def _simulated(
    cohort: FittedCounts, source: str, i: int, seed: int, x: pd.DataFrame
) -> tuple[pd.DataFrame, np.ndarray]:
    """Counts of the cohort ``i`` of one source, in the layout of ``x``, and its true exposures."""
    number = list(SOURCES).index(source)
    rng = np.random.default_rng([seed, i, number] if number else [seed, i])
    truth, mean = SOURCES[source](cohort, i, rng)
    drawn = np.round(mean) if cohort.noise.rounding else parametric_resample(rng, mean, cohort.noise)
    return pd.DataFrame(drawn, x.index, x.columns), truth


def _one_by_one(
    cohorts: Sequence[pd.DataFrame], known: pd.DataFrame, seed: int, tell: OnProgress, named: Mapping[str, Any]
) -> list[pd.DataFrame]:
    """The table of intervals of each cohort."""
    found, checks = [], dataclasses.replace(CHECKS, checked=0)  # a simulated tumour needs no simulation of its own
    for i, counts in enumerate(cohorts):
        tell("", i, len(cohorts))
        again = refit(counts, known, seed=seed + i + 1, fractions=True, checks=checks, **named)
        assert again.intervals is not None
        found.append(again.intervals)
    return found


def _side_by_side(
    cohorts: Sequence[pd.DataFrame],
    known: pd.DataFrame,
    facts: KnownTypes | None,
    seed: int,
    tell: OnProgress,
    *,
    level: float,
    tissue: str | None,
    options: SamplerOptions | None,
) -> list[pd.DataFrame]:
    """Return what :func:`_one_by_one` does, of cohorts of few samples with Poisson counts, up to the chance of the chains.

    So few samples are not adapted to, and the prior and the dispersion are all that a refit learns from them.
    """
    x, s = [counts.to_numpy() for counts in cohorts], known.to_numpy()
    some = [v.sum(1) > 0 for v in x]
    used = [i for i, rows in enumerate(some) if rows.any()]
    counts = [x[i][some[i]] for i in used]
    # the counts were drawn: one that looks rounded is so by chance, and side by side all have one noise model
    noise = [fitted_noise(v, s, "poisson").found._replace(rounding=0.0) for v in counts]
    chosen = options or SAMPLER
    found = separate_posteriors(
        counts, known, noise, facts, tissue is None, level=level, seed=seed + 1, options=chosen, progress=tell
    )
    frames, first = [], 0
    for i, frame in enumerate(cohorts):
        rows = slice(first, first := first + int(some[i].sum()))
        own = Estimates(found.mean[rows], found.lower[rows], found.upper[rows], found.presence[rows], {})
        exposures = np.zeros((len(frame), len(s)))
        exposures[some[i]] = own.exposures
        frames.append(long_table(pd.DataFrame(exposures, frame.index, known.index), own, some[i], level))
    return frames


def _numbered(
    frames: Sequence[pd.DataFrame], truths: Sequence[np.ndarray], known: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Intervals of all cohorts as one long table, and their true exposures; samples carry the number of their cohort."""
    tables, true = [], []
    for i, (frame, truth) in enumerate(zip(frames, truths, strict=True)):
        tables.append(frame.assign(sample=[f"{i}/{name}" for name in frame["sample"]]))
        names = frame["sample"].to_numpy()[:: len(known)]
        true.append(pd.DataFrame(truth, pd.Index([f"{i}/{name}" for name in names]), known.index))
    return pd.concat(tables), pd.concat(true)


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
    text = f"At worst {worst:.0%} of the exposures above 0 are held, nominal {per_cent(level)}"
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
    notes: Sequence[str] = (),
) -> Path:
    """Write the result of :func:`calibrate` and a report into ``folder``, which is made if needed.

    The files are ``coverage.csv``, ``calibration.json`` (``info``, method and level), and ``report.html`` with its ``figures``.

    Args:
        folder: of the result. All files of an earlier one, which ``manifest.json`` names, are replaced in one step.
        coverage: the table of :func:`calibrate`.
        intervals: name of the method.
        level: nominal coverage.
        info: provenance as JSON values: command, date, version, ...
        notes: sentences for the report, on what was decided while reading.

    Returns:
        The path of the report.

    Raises:
        InputError: ``folder`` holds the results of another command.
    """
    from vaebench.report.signatures import calibration_page

    info = dict(info or {})
    with whole_folder(folder, "calibrate") as new:
        write_frame(coverage, new / "coverage.csv")
        said = [worst_sentence(coverage, level)] if "worst" in coverage else []
        said += [ON_TARGET] if "genome_width" in coverage else []
        page = calibration_page(new, coverage, level, info, [*said, *notes])
        write_json(new / "calibration.json", info | {"method": intervals, "level": level}, **STRICT_JSON)
    return user_path(folder) / page.name
