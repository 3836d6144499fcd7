"""Commands on mutational signatures: parse options, call one function of the library, print a summary."""

from __future__ import annotations

import datetime
import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

import pandas as pd

from vaebench.atomic import STRICT_JSON, write_json
from vaebench.cli.parsing import check_out, training_settings
from vaebench.cli.signature_options import Calibrate, Extract, Match, RefitOptions
from vaebench.data.files.writing import write_frame
from vaebench.data.mutations import tables as mutations
from vaebench.errors import InputError, unknown_name
from vaebench.sweep.progress import StepDisplay, duration
from vaebench.version import __version__

if TYPE_CHECKING:
    from vaebench.signatures.anchoring import AnchoredIntervals
    from vaebench.signatures.joint.intervals import DeNovo

INTERVALS = ("none", "joint", "anchored")
"""Values of ``--intervals`` of an extraction."""


def extract_signatures(options: Extract, command: str) -> dict[str, Any]:
    """Extract signatures from a catalogue, write them and a report, and print what was found."""
    check_out(options.out)
    from vaebench.report.signatures import extraction_page
    from vaebench.signatures.extraction import extract

    _check_extraction(options)
    settings = training_settings(options.set)
    reference = mutations.read_signatures(options.reference) if options.reference else None
    catalogue, reference = _catalogue_of(options, reference)
    types = mutations.cancer_types(catalogue.index, options.types)
    started = time.perf_counter()
    result = extract(
        catalogue,
        k=range(options.k_min, options.k_max + 1),
        method=options.method,
        restarts=options.restarts,
        rule=options.rule,
        augmentation=options.augmentation,
        settings=settings,
        seed=options.seed,
        reference=reference,
        progress=StepDisplay(options.quiet),
        fractions=options.fractions,
    )
    notes, drawn = [*catalogue.attrs.get("notes", ()), *result.notes], None
    if options.intervals != "none":
        drawn = _intervals(options, catalogue, result.signatures, reference, types)
        notes += drawn.notes
    seconds = time.perf_counter() - started
    folder = options.out
    result.save(folder)
    if drawn is not None:
        drawn.save(folder)
    info = _info(command, seconds, options.seed, catalogue)
    if drawn is not None:
        info |= {"level": options.level, **drawn.info}
    page = extraction_page(
        folder,
        catalogue,
        result,
        types=types,
        reference=reference,
        info=info,
        notes=notes,
        seed=options.seed,
        intervals=None if drawn is None else drawn.intervals,
        level=options.level,
    )
    summary = {"signatures": len(result.signatures), "samples": len(catalogue), "notes": notes, "report": str(page)}
    write_json(folder / "run.json", info | summary, **STRICT_JSON)
    if not options.quiet:
        print(f"{len(result.signatures)} signatures in {len(catalogue)} samples, {duration(seconds)}")
        if result.matches is not None:
            print(result.matches.to_string(index=False, float_format="{:.3f}".format))
        print("\n".join([*notes, f"report: {page}"]))
    return summary


def _catalogue_of(options: Extract, reference: pd.DataFrame | None) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the catalogue and the reference; without a catalogue a simulated one, whose truth is the default reference."""
    if options.catalogue is not None:
        return _read_or_counted(options), reference
    from vaebench.data.mutations.simulate import simulate_catalogue

    catalogue, truth = simulate_catalogue(options.seed)
    return catalogue, truth.signatures if reference is None else reference


def _read_or_counted(options: Extract | RefitOptions) -> pd.DataFrame:
    """Return the SBS96 catalogue of a table, or that of a list of mutations, counted."""
    from vaebench.data.mutations.counting import counted_catalogue, is_list_of_mutations

    assert options.catalogue is not None
    if is_list_of_mutations(options.catalogue):
        return counted_catalogue(options.catalogue, options.reference_genome)
    return mutations.read_catalogue(options.catalogue, fractions=options.fractions, names=options.names)


def _check_extraction(options: Extract) -> None:
    """``InputError`` for an option that is not allowed, before anything is read."""
    if options.k_min < 1 or options.k_max < options.k_min:
        raise InputError(
            f"--k-min {options.k_min} --k-max {options.k_max}: no number of signatures lies between them; "
            "the smallest must be at least 1 and not above the largest"
        )
    if options.intervals not in INTERVALS:
        raise unknown_name("intervals", options.intervals, INTERVALS)
    if options.intervals == "anchored" and options.reference is None and options.catalogue is not None:
        raise InputError("--intervals anchored needs --reference, the table of signatures that are taken for known")
    if not 0 < options.level < 1:
        raise InputError(f"--level {options.level}: the nominal coverage must be above 0 and below 1")


def _intervals(
    options: Extract,
    catalogue: pd.DataFrame,
    signatures: pd.DataFrame,
    reference: pd.DataFrame | None,
    types: pd.Series | None,
) -> DeNovo | AnchoredIntervals:
    """Intervals of an extraction's exposures, by the method that ``--intervals`` names."""
    common = {"types": types, "level": options.level, "seed": options.seed, "fractions": options.fractions}
    common["progress"] = StepDisplay(options.quiet)
    if options.intervals == "joint":
        from vaebench.signatures.joint.intervals import de_novo_intervals

        return de_novo_intervals(catalogue, signatures, **common)
    from vaebench.signatures.anchoring import anchored_intervals

    assert reference is not None
    return anchored_intervals(catalogue, signatures, reference, **common)


def refit_exposures(options: RefitOptions, command: str) -> dict[str, Any]:
    """Estimate exposures to given signatures, with intervals, write them and a report, and print what was found."""
    check_out(options.out)
    from vaebench.signatures.refitting import refit

    catalogue = _read_or_counted(options)
    signatures = mutations.read_signatures(options.signatures)
    types = mutations.cancer_types(catalogue.index, options.types)
    started = time.perf_counter()
    fit = refit(
        catalogue,
        signatures,
        intervals=None if options.intervals == "none" else options.intervals,
        settings=training_settings(options.set),
        noise=options.noise,
        level=options.level,
        seed=options.seed,
        types=types,
        fractions=options.fractions,
        progress=StepDisplay(options.quiet),
    )
    seconds = time.perf_counter() - started
    page = fit.save(options.out, types=types, info=_info(command, seconds, options.seed, catalogue))
    notes = [*catalogue.attrs.get("notes", ()), *signatures.attrs.get("notes", ()), *fit.notes]
    if not options.quiet:
        print(f"{len(catalogue)} samples, dispersion {fit.dispersion:.2f} (1: Poisson), {duration(seconds)}")
        print("\n".join([*notes, f"report: {page}"]))
    return fit.summary() | {"samples": len(catalogue), "notes": notes, "report": str(page)}


def calibrate_intervals(options: Calibrate, command: str) -> dict[str, Any]:
    """Simulate from the fit of a cohort, write how often intervals hold the truth, and print it."""
    check_out(options.out)
    from vaebench.signatures.coverage import calibrate, save_calibration

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
        seed=options.seed,
        types=mutations.cancer_types(catalogue.index, options.types),
        fractions=options.fractions,
        progress=StepDisplay(options.quiet),
    )
    info = _info(command, time.perf_counter() - started, options.seed, catalogue)
    page = save_calibration(options.out, coverage, intervals=options.intervals, level=options.level, info=info)
    if not options.quiet:
        print(coverage.to_string(index=False, float_format="{:.3f}".format))
        print(f"report: {page}")
    return {"coverage": coverage.to_dict("records"), "report": str(page)}


def match_signatures(options: Match, command: str) -> dict[str, Any]:
    """Pair two sets of signatures, print the pairs, and write them if a folder is given."""
    from vaebench.signatures.matching import matches

    found = matches(mutations.read_signatures(options.signatures), mutations.read_signatures(options.reference))
    if options.out is not None:
        write_frame(found, options.out / "matches.csv")
    if not options.quiet:
        print(found.to_string(index=False, float_format="{:.3f}".format))
    return {"matches": json.loads(found.to_json(orient="records")), "mean_cosine": float(found["cosine"].mean())}


def _info(command: str, seconds: float, seed: int, catalogue: pd.DataFrame) -> dict[str, Any]:
    import jax

    digest = hashlib.sha256(catalogue.to_csv().encode()).hexdigest()[:16]
    return {
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "version": __version__,
        "jax": jax.__version__,
        "device": str(jax.devices()[0].device_kind),
        "seconds": round(seconds, 1),
        "seed": seed,
        "catalogue digest": digest,
    }
