"""What the commands on mutational signatures do: options in, files and a summary out."""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from vaebench.atomic import replacing
from vaebench.cli.parsing import training_settings
from vaebench.cli.runs import use_compilation_cache
from vaebench.cli.signature_options import Calibrate, Extract, Match, Refit
from vaebench.data.files.writing import write_frame
from vaebench.data.mutations import tables as mutations
from vaebench.errors import InputError, unknown_name
from vaebench.sweep.progress import Progress, duration
from vaebench.version import __version__

INTERVALS = ("none", "joint", "anchored")
"""Of an extraction."""


def execute(options: Extract | Refit | Match | Calibrate, command: str) -> dict[str, Any]:
    """Carry out one command; returns its summary as JSON values."""
    if isinstance(options, Match):
        return _match(options)
    if options.compilation_cache:
        use_compilation_cache()
    folder = options.out
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder}: a file stands there; give a folder")
    work = {Extract: _extract, Refit: _refit, Calibrate: _calibrate}[type(options)]
    return work(options, command)  # pyright: ignore[reportArgumentType]


def _extract(options: Extract, command: str) -> dict[str, Any]:
    from vaebench.report.signatures import extraction_page
    from vaebench.signatures.extraction import extract

    _check_extraction(options)
    settings = training_settings(options.set)
    reference = mutations.read_signatures(options.reference) if options.reference else None
    if options.catalogue is None:
        from vaebench.data.mutations.simulate import simulate_catalogue

        catalogue, truth = simulate_catalogue(options.seed)
        reference = truth.signatures if reference is None else reference
    else:
        catalogue = mutations.read_catalogue(options.catalogue, fractions=options.fractions, names=options.names)
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
        progress=Progress(options.quiet),
        fractions=options.fractions,
    )
    notes, drawn = list(result.notes), None
    if options.intervals != "none":
        drawn = _intervals(options, catalogue, result.signatures, reference, types)
        notes += drawn.notes
    seconds = time.perf_counter() - started
    folder = options.out
    result.save(folder, intervals=None if drawn is None else drawn.intervals)
    if drawn is not None:
        name, write = drawn.beside
        write(folder / name)
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
    _write_json(folder / "run.json", info | summary)
    if not options.quiet:
        print(f"{len(result.signatures)} signatures in {len(catalogue)} samples, {duration(seconds)}")
        if result.matches is not None:
            print(result.matches.to_string(index=False, float_format="{:.3f}".format))
        print("\n".join([*notes, f"report: {page}"]))
    return summary


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


class _Intervals(NamedTuple):
    """Intervals of an extraction's exposures, what a reader should know, and a table beside them: name and how to write it."""

    intervals: pd.DataFrame
    notes: tuple[str, ...]
    info: dict[str, Any]
    beside: tuple[str, Callable[[Path], Any]]


def _intervals(
    options: Extract,
    catalogue: pd.DataFrame,
    signatures: pd.DataFrame,
    reference: pd.DataFrame | None,
    types: pd.Series | None,
) -> _Intervals:
    common = {"types": types, "level": options.level, "seed": options.seed, "fractions": options.fractions}
    common["progress"] = Progress(options.quiet)
    if options.intervals == "joint":
        from vaebench.signatures.joint.intervals import de_novo_intervals

        drawn = de_novo_intervals(catalogue, signatures, **common)
        info = {"widened by": drawn.factor, "dispersion": round(drawn.dispersion, 3)}
        return _Intervals(
            drawn.intervals, drawn.notes, info, ("correlations.csv", partial(write_frame, drawn.correlations))
        )
    from vaebench.signatures.anchoring import ANCHOR, anchored
    from vaebench.signatures.refitting import refit

    assert reference is not None
    used = anchored(signatures, reference)
    kept = [str(name) for name in used.index if name not in reference.index]
    fit = refit(catalogue, used, intervals="spike_slab", **common)
    assert fit.intervals is not None
    note = f"Intervals take {len(used) - len(kept)} of {len(used)} signatures for the reference's (cosine {ANCHOR} and more)"
    note += f", and {', '.join(kept)} as extracted, without what is not known of them." if kept else "."
    info = {"dispersion": round(fit.dispersion, 3)}
    return _Intervals(
        fit.intervals, (note, *fit.notes), info, ("anchored.csv", partial(mutations.write_signatures, used))
    )


def _refit(options: Refit, command: str) -> dict[str, Any]:
    from vaebench.report.signatures import refit_page
    from vaebench.signatures.refitting import refit

    catalogue = mutations.read_catalogue(options.catalogue, fractions=options.fractions, names=options.names)
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
        progress=Progress(options.quiet),
    )
    seconds = time.perf_counter() - started
    folder = options.out
    folder.mkdir(parents=True, exist_ok=True)
    mutations.write_exposures(fit.exposures, folder / "exposures.csv")
    write_frame(fit.samples.rename_axis("Samples").reset_index(), folder / "samples.csv")
    if fit.intervals is not None:
        write_frame(fit.intervals, folder / "intervals.csv")
    info = _info(command, seconds, options.seed, catalogue)
    notes = list(fit.notes)
    fitted = {"method": fit.method, "level": fit.level, "dispersion": fit.dispersion, "noise": options.noise}
    fitted |= {"psi": fit.psi, "size": fit.size if math.isfinite(fit.size) else None}
    _write_json(folder / "fit.json", fitted | {"notes": notes} | info)
    page = refit_page(folder, catalogue, signatures, fit, types=types, info=info, notes=notes)
    if not options.quiet:
        print(f"{len(catalogue)} samples, dispersion {fit.dispersion:.2f} (1: Poisson), {duration(seconds)}")
        print("\n".join([*notes, f"report: {page}"]))
    return fitted | {"samples": len(catalogue), "notes": notes, "report": str(page)}


def _calibrate(options: Calibrate, command: str) -> dict[str, Any]:
    from vaebench.report.signatures import calibration_page
    from vaebench.signatures.coverage import calibrate

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
        progress=Progress(options.quiet),
    )
    info = _info(command, time.perf_counter() - started, options.seed, catalogue)
    folder = options.out
    folder.mkdir(parents=True, exist_ok=True)
    write_frame(coverage, folder / "coverage.csv")
    page = calibration_page(folder, coverage, options.level, info)
    _write_json(folder / "calibration.json", info | {"method": options.intervals, "level": options.level})
    if not options.quiet:
        print(coverage.to_string(index=False, float_format="{:.3f}".format))
        print(f"report: {page}")
    return {"coverage": coverage.to_dict("records"), "report": str(page)}


def _match(options: Match) -> dict[str, Any]:
    from vaebench.signatures.matching import matches

    found = matches(mutations.read_signatures(options.signatures), mutations.read_signatures(options.reference))
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
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


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(values, indent=2, allow_nan=False) + "\n", encoding="utf-8")
