"""Commands on mutational signatures: parse options, call one function of the library, print a summary."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import TYPE_CHECKING, Any

import pandas as pd

from vaebench.atomic import STRICT_JSON, write_json
from vaebench.cli.attribution import attributed, check_attribution, found_line, save_intervals, write_variants
from vaebench.cli.parsing import listed, training_settings
from vaebench.cli.provenance import run_info
from vaebench.cli.signature_inputs import on_target, read_or_counted, read_target, reading_notes, scale_notes
from vaebench.cli.signature_options import Calibrate, Extract, Match, Power, RefitOptions
from vaebench.data.files.folders import STEPS, check_results_folder, whole_folder
from vaebench.data.files.writing import write_frame
from vaebench.data.mutations import tables as mutations
from vaebench.data.wording import count_of
from vaebench.errors import InputError, unknown_name, user_path, whole_number
from vaebench.sweep.progress import StepDisplay, duration

if TYPE_CHECKING:
    from vaebench.data.mutations.opportunities import Opportunities
    from vaebench.signatures.anchoring import AnchoredIntervals
    from vaebench.signatures.extraction import Extraction
    from vaebench.signatures.joint.intervals import DeNovo

INTERVALS = ("none", "joint", "anchored")
"""Values of ``--intervals`` of an extraction."""


def extract_signatures(options: Extract, command: str) -> dict[str, Any]:
    """Extract signatures from a catalogue, write them and a report, and print what was found."""
    from vaebench.report.signatures import extraction_page
    from vaebench.signatures.extraction import extract

    _check_extraction(options)
    check_attribution(options)
    check_results_folder(options.out, "extract")
    catalogue, reference = _catalogue_of(options)
    target = read_target(options, catalogue, options.reference)
    types = mutations.cancer_types(catalogue.index, options.types)
    started = time.perf_counter()
    result = extract(
        catalogue,
        k=range(options.k_min, options.k_max + 1),
        method=options.method,
        restarts=options.restarts,
        rule=options.rule,
        augmentation=options.augmentation,
        settings=training_settings(options.set),
        seed=options.seed,
        reference=reference,
        prior_weight=options.prior_weight,
        progress=StepDisplay(options.quiet),
        fractions=options.fractions,
        opportunities=target,
        steps=options.out / STEPS,
    )
    notes, drawn = [*reading_notes(catalogue, reference), *result.notes], None
    if options.intervals != "none":
        drawn = _intervals(options, catalogue, result.signatures, reference, types, target)
        notes += [note for note in drawn.notes if note not in notes and not note.endswith("(exposures_genome.csv).")]
    reference = on_target(reference, target)
    seconds = time.perf_counter() - started
    info = run_info(command, seconds, options, catalogue)
    if drawn is not None:
        info |= {"level": options.level, **drawn.info}
    page = options.out / "report.html"
    summary = {"signatures": len(result.signatures), "samples": len(catalogue), "notes": notes, "report": str(page)}
    with whole_folder(options.out, "extract") as new:
        result.save(new, types=types, tsv=options.tsv)
        save_intervals(drawn, types, new)
        notes += attributed(options, catalogue, result, drawn, reference, new)
        extraction_page(
            new,
            catalogue,
            result,
            types=types,
            reference=reference,
            info=info,
            notes=notes,
            seed=options.seed,
            intervals=None if drawn is None else drawn.intervals,
            level=options.level,
            rule=options.rule,
        )
        write_json(new / "run.json", info | summary, **STRICT_JSON)
    if not options.quiet:
        _print_extraction(options, result, notes, f"{count_of(len(catalogue), 'sample')}, {duration(seconds)}")
        print(f"report: {page}")
    return summary


def _print_extraction(options: Extract, result: Extraction, notes: list[str], size: str) -> None:
    """Print what was found; notes come first, for they say how far the numbers can be trusted."""
    print("\n".join([f"{count_of(len(result.signatures), 'signature')} in {size}", *notes]))
    if result.matches is not None:
        print(result.matches.to_string(index=False, float_format="{:.3f}".format))
    if options.reference is not None and options.intervals != "anchored":
        print("Recommended for intervals of the exposures, since there is a reference: --intervals anchored")


def _catalogue_of(options: Extract) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the catalogue and the reference; without a catalogue a simulated one, whose truth is the default reference."""
    reference = mutations.read_signatures(options.reference) if options.reference else None
    if options.catalogue is not None:
        return read_or_counted(options, reference), reference
    from vaebench.data.mutations.simulate import simulate_catalogue

    catalogue, truth = simulate_catalogue(options.seed)
    return catalogue, truth.signatures if reference is None else reference


def _check_extraction(options: Extract) -> None:
    """``InputError`` for an option that is not allowed, before anything is read."""
    if options.k_min < 1 or options.k_max < options.k_min or options.k_max > 96:
        raise InputError(
            f"--k-min {options.k_min} --k-max {options.k_max}: the numbers of signatures must be from 1 to 96, "
            "the smallest not above the largest"
        )
    whole_number("--restarts", options.restarts, 1, 10_000)
    whole_number("--augmentation", options.augmentation, 0, 10_000)
    if options.intervals not in INTERVALS:
        raise unknown_name("intervals", options.intervals, INTERVALS)
    if options.intervals == "anchored" and options.reference is None and options.catalogue is not None:
        raise InputError("--intervals anchored needs --reference, the table of signatures that are taken for known")
    if not 0 < options.level < 1:
        raise InputError(f"--level {options.level}: the nominal coverage must be above 0 and below 1")
    _check_level(options)


def _check_level(options: Extract | RefitOptions) -> None:
    """``InputError`` for a nominal coverage that is asked for without intervals."""
    if options.intervals == "none" and options.level != options.__class__.level:
        raise InputError(
            f"--level {options.level} is the coverage of intervals; it is not allowed with --intervals none"
        )


def _intervals(
    options: Extract,
    catalogue: pd.DataFrame,
    signatures: pd.DataFrame,
    reference: pd.DataFrame | None,
    types: pd.Series | None,
    target: Opportunities | None,
) -> DeNovo | AnchoredIntervals:
    """Intervals of an extraction's exposures, by the method that ``--intervals`` names."""
    common = {"types": types, "level": options.level, "seed": options.seed, "fractions": options.fractions}
    common["progress"] = StepDisplay(options.quiet)
    if options.intervals == "joint":
        from vaebench.signatures.joint.intervals import de_novo_intervals

        return de_novo_intervals(catalogue, signatures, **common)
    from vaebench.signatures.anchoring import anchored_intervals

    assert reference is not None
    return anchored_intervals(catalogue, signatures, reference, opportunities=target, **common)


def refit_exposures(options: RefitOptions, command: str) -> dict[str, Any]:
    """Estimate exposures to given signatures, with intervals, write them and a report, and print what was found."""
    _check_level(options)
    if options.prior != RefitOptions.prior and options.intervals != "spike_slab":
        raise InputError(
            f"--prior {options.prior} is of spike_slab alone; it is not allowed with --intervals {options.intervals}"
        )
    check_results_folder(options.out, "refit")
    check_attribution(options)
    from vaebench.signatures.kept import is_extraction, read_extraction
    from vaebench.signatures.refitting import refit

    kept = read_extraction(options.signatures) if is_extraction(options.signatures) else None
    signatures = mutations.read_signatures(options.signatures) if kept is None else kept.genome_signatures()
    catalogue = read_or_counted(options, signatures)
    target = read_target(options, catalogue, options.signatures, None if kept is None else kept.opportunities)
    types = mutations.cancer_types(catalogue.index, options.types)
    started = time.perf_counter()
    fit = refit(
        catalogue,
        signatures,
        intervals=None if options.intervals == "none" else options.intervals,
        settings=training_settings(options.set),
        tissue=options.tissue,
        prior=options.prior if kept is None or options.prior != "published" else kept.prior,
        include=options.include or None,
        exclude=options.exclude or None,
        per_mutation=options.per_mutation or options.annotate_vcf,
        noise=options.noise,
        adapt=_adaptation(options.adapt),
        level=options.level,
        seed=options.seed,
        types=types,
        fractions=options.fractions,
        opportunities=target,
        progress=StepDisplay(options.quiet),
    )
    seconds = time.perf_counter() - started
    info = run_info(command, seconds, options, catalogue)
    read = [*reading_notes(catalogue, signatures), *(kept.notes if kept else ())]
    fit = fit._replace(notes=(*read, *fit.notes))  # the report and fit.json say what was decided while reading, too
    page = fit.save(options.out, types=types, info=info, tsv=options.tsv)
    notes = list(fit.notes)
    if fit.per_mutation is not None:
        notes += write_variants(options, fit.per_mutation, options.out, "refit")
    if not options.quiet:
        print(
            f"{count_of(len(catalogue), 'sample')}, dispersion {fit.dispersion:.2f} (1: Poisson), {duration(seconds)}"
        )
        print(found_line(fit, len(signatures)))
        print("\n".join([*notes, f"report: {page}"]))
    return fit.summary() | {"samples": len(catalogue), "notes": notes, "report": str(page)}


def _adaptation(text: str) -> str | pd.DataFrame:
    """A name of :data:`vaebench.signatures.adaptation.ADAPT`, or the factors in the file or folder of that name."""
    from vaebench.signatures.adaptation import ADAPT
    from vaebench.signatures.channel_factors import read_channel_factors

    if text in ADAPT:
        return text
    if not user_path(text).exists():
        raise InputError(
            f"--adapt {text!r}: it must be {', '.join(ADAPT)}, or the channel_factors.csv of an earlier refit, but there is "
            "no such file"
        )
    return read_channel_factors(text)


def calibrate_intervals(options: Calibrate, command: str) -> dict[str, Any]:
    """Simulate cohorts like this one, write how often intervals hold the truth, and print it, the worst first."""
    check_results_folder(options.out, "calibrate")
    from vaebench.signatures.calibration import ON_TARGET, calibrate, save_calibration, worst_sentence

    catalogue = mutations.read_catalogue(options.catalogue, fractions=options.fractions, names=options.names)
    signatures = mutations.read_signatures(options.signatures)
    started = time.perf_counter()
    coverage = calibrate(
        catalogue,
        signatures,
        intervals=options.intervals,
        noise=options.noise,
        level=options.level,
        draws=options.draws,
        sources=listed(options.sources),
        seed=options.seed,
        types=mutations.cancer_types(catalogue.index, options.types),
        tissue=options.tissue,
        fractions=options.fractions,
        opportunities=read_target(options, catalogue, options.signatures),
        progress=StepDisplay(options.quiet),
    )
    info = run_info(command, time.perf_counter() - started, options, catalogue)
    worst, read = worst_sentence(coverage, options.level), reading_notes(catalogue, signatures, coverage)
    page = save_calibration(
        options.out, coverage, intervals=options.intervals, level=options.level, info=info, notes=read
    )
    if not options.quiet:
        print(*read, worst, sep="\n")
        print(coverage.to_string(index=False, float_format="{:.3f}".format))
        print(*([ON_TARGET] if options.opportunities else []), f"report: {page}", sep="\n")
    return {
        "coverage": json.loads(coverage.to_json(orient="records")),
        "worst": worst,
        "notes": read,
        "report": str(page),
    }


def match_signatures(options: Match, command: str) -> dict[str, Any]:
    """Pair two sets of signatures, print the pairs, and write them if a folder is given."""
    from vaebench.signatures.matching import matches

    if options.out is not None:
        check_results_folder(options.out, "match")
    signatures, reference = mutations.read_signatures(options.signatures), mutations.read_signatures(options.reference)
    found = matches(signatures, reference)
    read = [*reading_notes(signatures, reference), *scale_notes(options.signatures, options.reference)]
    if options.out is not None:
        with whole_folder(options.out, "match") as new:
            write_frame(found, new / "matches.csv")
    if not options.quiet:
        print("\n".join([*read, found.to_string(index=False, float_format="{:.3f}".format)]))
    pairs = json.loads(found.to_json(orient="records"))
    return {"matches": pairs, "mean_cosine": float(found["cosine"].mean()), "notes": read}


def detection_limits(options: Power, command: str) -> dict[str, Any]:
    """Simulate samples, write the smallest share at which each signature is detected, and print it."""
    check_results_folder(options.out, "power")
    from vaebench.signatures.detection import PowerOptions, power, save_power

    numbers = listed(options.mutations)
    wrong = [text for text in numbers if not text.isdigit() or int(text) < 1]
    if wrong or not numbers:
        raise InputError(
            f"--mutations {options.mutations[:60]!r}: it must be whole numbers from 1, such as 50,500,5000"
        )
    signatures = mutations.read_signatures(options.signatures)
    chosen, started = PowerOptions(samples=options.samples), time.perf_counter()
    target = read_target(options, signatures, options.signatures)
    limits = power(
        signatures,
        mutations=sorted({int(text) for text in numbers}),
        seed=options.seed,
        options=chosen,
        opportunities=target,
        progress=StepDisplay(options.quiet),
    )
    info = run_info(command, time.perf_counter() - started, options, signatures)
    info["signatures digest"] = info.pop("catalogue digest")
    read = [*reading_notes(signatures), *(target.notes if target else ())]
    path = save_power(options.out, limits, info | dataclasses.asdict(chosen) | ({"notes": read} if read else {}))
    if not options.quiet:
        print("".join(f"{note}\n" for note in read), end="")
        wide = limits.pivot(index="signature", columns="mutations", values="least_share").loc[signatures.index]
        print("Smallest share of a sample's mutations, by their number (columns), at which a signature is detected in")
        print(f"{chosen.power:.0%} of the samples and called in {chosen.false:.0%} of those without it; empty: at none")
        print(wide.to_string(float_format="{:.2f}".format, na_rep=""))
        if options.opportunities:
            print("Mutations are those of the target; genome_least_mutations, in the table, are those of the genome.")
        print(f"table: {path}")
    return {"limits": json.loads(limits.to_json(orient="records")), "notes": read, "table": str(path)}
