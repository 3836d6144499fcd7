"""The command ``decompose``, and what extractions and refits write about signatures and single mutations."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from vaebench.cli.provenance import run_info
from vaebench.cli.signature_inputs import on_target, reading_notes, scale_notes
from vaebench.data.mutations import tables as mutations
from vaebench.data.mutations.channels import refuse_unlike_signatures
from vaebench.errors import InputError

if TYPE_CHECKING:
    from vaebench.cli.signature_options import Decompose, Extract, RefitOptions
    from vaebench.signatures.anchoring import AnchoredIntervals
    from vaebench.signatures.extraction import Extraction
    from vaebench.signatures.joint.intervals import DeNovo
    from vaebench.signatures.refitting import RefitResult


def decompose_signatures(options: Decompose, command: str) -> dict[str, Any]:
    """Explain signatures by known ones, write the combinations, and print them."""
    from vaebench.data.files.folders import check_results_folder
    from vaebench.signatures.combinations import DecompositionOptions
    from vaebench.signatures.decomposition import decompose
    from vaebench.signatures.kept import is_extraction, read_extraction

    check_results_folder(options.out, "decompose")
    reference, started = mutations.read_signatures(options.reference), time.perf_counter()
    amounts: pd.Series | float | None = options.mutations
    notes, draws = reading_notes(reference), None
    if is_extraction(options.signatures):
        kept = read_extraction(options.signatures)
        signatures, draws = kept.signatures, kept.draws
        amounts = kept.mutations.clip(lower=1.0) if amounts is None else amounts
        if kept.opportunities is not None:
            refuse_unlike_signatures(signatures, reference)
            reference = on_target(reference, kept.opportunities)
            notes += [f"The reference was converted to {kept.opportunities.name}, which the signatures are of."]
    else:
        signatures = mutations.read_signatures(options.signatures)
        notes = [*reading_notes(signatures, reference), *scale_notes(options.signatures, options.reference)]
    chosen = DecompositionOptions(
        cosine=options.cosine, gain=options.gain, tolerance=options.tolerance, most=options.most
    )
    draws = None if options.mutations is not None else draws  # the number that was asked for counts
    found = decompose(signatures, reference, draws=draws, mutations=amounts, seed=options.seed, options=chosen)
    info = run_info(command, time.perf_counter() - started, options, signatures)
    info["signatures digest"] = info.pop("catalogue digest")
    place = found.save(options.out, info=info)
    notes += found.notes
    if not options.quiet:
        print(found.signatures.to_string(index=False, float_format="{:.3f}".format))
        print("\n".join([*notes, f"written: {place}"]))
    return {"signatures": json.loads(found.signatures.to_json(orient="records")), "notes": notes, "out": str(place)}


def check_attribution(options: Extract | RefitOptions) -> None:
    """Raise ``InputError`` for VCF copies that are asked for without VCF files, before anything is read."""
    from vaebench.data.mutations.counting import is_list_of_mutations

    if options.annotate_vcf and (options.catalogue is None or not is_list_of_mutations(options.catalogue)):
        raise InputError(
            f"--annotate-vcf needs VCF files, and {options.catalogue or 'a simulated catalogue'} is a table of counts; "
            "--per-mutation gives its probabilities"
        )


def write_variants(options: Extract | RefitOptions, probabilities: pd.DataFrame, folder: Path, maker: str) -> list[str]:
    """Write ``variants.csv``, and annotated copies of VCF files, of an input that is a list of mutations.

    Returns:
        Notes on what was written.
    """
    from vaebench.data.files.folders import add_files
    from vaebench.data.files.writing import write_frame
    from vaebench.data.mutations.counting import is_list_of_mutations
    from vaebench.signatures.variant_tables import annotate_vcf, variant_table

    if options.catalogue is None or not is_list_of_mutations(options.catalogue):
        return []
    table = variant_table(options.catalogue, probabilities, options.reference_genome)
    write_frame(table, folder / "variants.csv")
    made, notes = ["variants.csv"], []
    if options.annotate_vcf:
        written = annotate_vcf(table, folder / "annotated")
        made += [f"annotated/{path.name}" for path in written]
        files = (
            f"{len(written)} VCF file{'s' if len(written) > 1 else ''}"
            if written
            else "The input has no VCF file: none"
        )
        notes.append(f"{files} annotated (INFO field SIGNATURES){' in the folder annotated' if written else ''}.")
    add_files(folder, maker, made)
    return notes


def found_line(fit: RefitResult, number: int) -> str:
    """A line on the signatures of the cohort, and on how little an exposure above 0 says without a test."""
    many = f"{len(fit.found)} of {number} signature{'' if number == 1 else 's'}"
    if fit.intervals is not None and fit.intervals["presence"].notna().any():
        return f"{many} found: {', '.join(fit.found) or 'none'}"
    without = "without intervals" if fit.intervals is None else f"{fit.method} has no P(present), and"
    return (
        f"{many} {'has' if len(fit.found) == 1 else 'have'} an exposure above 0; {without} nothing says which are there "
        "(--intervals spike_slab)"
    )


def save_intervals(drawn: DeNovo | AnchoredIntervals | None, types: pd.Series | None, folder: Path) -> None:
    """Add the intervals of an extraction to its folder, and what a refit of new samples takes over from joint ones."""
    from vaebench.signatures.joint.intervals import DeNovo as Joint

    if isinstance(drawn, Joint):
        drawn.save(folder, types=types)
    elif drawn is not None:
        drawn.save(folder)


def attributed(
    options: Extract,
    catalogue: pd.DataFrame,
    result: Extraction,
    drawn: DeNovo | AnchoredIntervals | None,
    reference: pd.DataFrame | None,
    folder: Path,
) -> list[str]:
    """Write the decomposition into the reference's signatures and the probabilities of mutations, if asked for."""
    from vaebench.data.files.writing import write_frame
    from vaebench.signatures.attribution import per_mutation
    from vaebench.signatures.decomposition import decompose
    from vaebench.signatures.joint.intervals import DeNovo as Joint

    joint, notes = drawn if isinstance(drawn, Joint) else None, []
    if reference is not None:
        spectra = None if joint is None else joint.spectra
        amounts = result.exposures.sum(axis=0).clip(lower=1.0)
        found = decompose(result.signatures, reference, draws=spectra, mutations=amounts, seed=options.seed)
        found.add(folder)
        notes += found.notes
    if options.per_mutation or options.annotate_vcf:
        given = {} if joint is None else {"draws": joint.draws, "spectra": joint.spectra, "level": options.level}
        table = per_mutation(catalogue, result.exposures, result.signatures, **given, fractions=True)
        write_frame(table, folder / "per_mutation.csv")
        none = "Probabilities of mutations have no intervals: only --intervals joint draws exposures and signatures."
        notes += [] if joint else [none]
        notes += write_variants(options, table, folder, "extract")
    return notes
