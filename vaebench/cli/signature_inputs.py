"""Input of the commands on signatures: catalogues, counted where they are lists of mutations, and opportunities."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, overload

import pandas as pd

from vaebench.data.mutations import tables as mutations
from vaebench.data.mutations.channels import context_of
from vaebench.errors import InputError, user_path

GENOME, OPPORTUNITIES = "signatures_genome.csv", "opportunities.csv"
"""Files of an extraction with opportunities; see :mod:`vaebench.signatures.kept`, which takes long to import."""
_EXOME = re.compile(r"exome|(?<![a-z])wes(?![a-z])", re.IGNORECASE)

if TYPE_CHECKING:
    from vaebench.cli.signature_options import Calibrate, Extract, Power, RefitOptions
    from vaebench.data.mutations.opportunities import Opportunities


def read_or_counted(options: Extract | RefitOptions, signatures: pd.DataFrame | None) -> pd.DataFrame:
    """Returns the catalogue of a table, or that of a list of mutations, counted.

    Lists are counted by the channels that ``--context`` names, else those of the signatures, else SBS96.
    """
    from vaebench.data.mutations.counting import counted_catalogue, is_list_of_mutations

    assert options.catalogue is not None
    genome = options.reference_genome
    if is_list_of_mutations(options.catalogue):
        without = {"--fractions": options.fractions, f"--names {options.names}": options.names != "samples"}
        for name in (name for name, asked in without.items() if asked):
            raise InputError(
                f"{name} is of tables of counts, and {options.catalogue} is a list of mutations: leave it out"
            )
        context = options.context or ("SBS96" if signatures is None else context_of(signatures))
        return counted_catalogue(options.catalogue, genome, context)
    found = mutations.read_catalogue(options.catalogue, fractions=options.fractions, names=options.names)
    if genome is not None and not user_path(genome).exists():
        raise InputError(f"--reference-genome {genome} does not exist; it must be a FASTA or 2bit file")
    if options.context and options.context.upper() != context_of(found):
        raise InputError(
            f"--context {options.context} is what lists of mutations are counted by, and {options.catalogue} is a table of "
            f"{context_of(found)}"
        )
    if genome is not None and options.opportunities is None:
        note = f"--reference-genome is not used: {options.catalogue} is a table of counts"
        found.attrs["notes"] = [*found.attrs.get("notes", ()), note]
    return found


def reading_notes(*tables: pd.DataFrame | None) -> list[str]:
    """Returns what was decided while the tables were read, each sentence once."""
    return list(dict.fromkeys(note for table in tables if table is not None for note in table.attrs.get("notes", ())))


def read_target(
    options: Extract | RefitOptions | Calibrate | Power,
    channels: pd.DataFrame,
    signatures: Path | None,
    kept: Opportunities | None = None,
) -> Opportunities | None:
    """Returns the opportunities that ``--opportunities`` names, of the build that the file of signatures or the genome tells.

    Args:
        options: of the command.
        channels: table of counts or of signatures, whose columns tell the context.
        signatures: file or folder of the signatures.
        kept: opportunities that the signatures were extracted with, which new samples have too unless others are named.

    Raises:
        InputError: as :func:`read_opportunities`, or the file holds signatures that are on the scale of a target already.
    """
    from vaebench.data.mutations.genome import named_build
    from vaebench.data.mutations.opportunities import TARGETS, read_opportunities

    if options.opportunities is None:
        if kept is None:
            return None
        said = f"{signatures} was extracted with opportunities of {kept.name}, and these samples are taken to have them too."
        return kept._replace(notes=(f"{said} If not, name theirs (--opportunities).",))
    if signatures is not None and (own := _scale_of(signatures)) is not None:
        raise InputError(
            f"{signatures} holds signatures as they are in {own.name}, and --opportunities converts those of the genome; give "
            f"{GENOME}, in the same folder"
        )
    named = (
        "" if signatures is None else named_build(signatures.name) or ("" if kept is None else named_build(kept.name))
    )
    build = named[:6] if options.reference_genome is None else ""
    context = context_of(mutations.checked_catalogue(channels, fractions=True))
    found = read_opportunities(options.opportunities, context, build=build, reference_genome=options.reference_genome)
    found = found._replace(notes=(*found.notes, *_outside_notes(options)))
    if signatures is None or kept is not None or found.name == TARGETS[0] or not _EXOME.search(signatures.stem):
        return found
    note = (
        f"{signatures.name} is called one of an exome, and --opportunities converts signatures of the genome: if they are an "
        "exome's already, leave the option out."
    )
    return found._replace(notes=(*found.notes, note))


def _outside_notes(options: Extract | RefitOptions | Calibrate | Power) -> tuple[str, ...]:
    """Returns a note on mutations of a list that lie outside of the BED file that ``--opportunities`` names."""
    from vaebench.data.mutations.bed import outside_note
    from vaebench.data.mutations.counting import is_list_of_mutations
    from vaebench.data.mutations.opportunities import TARGETS
    from vaebench.data.mutations.variants import read_variants

    catalogue, target = getattr(options, "catalogue", None), str(options.opportunities)
    if catalogue is None or target.strip().lower() in TARGETS or not is_list_of_mutations(catalogue):
        return ()
    return outside_note(read_variants(catalogue), user_path(target))


def _scale_of(signatures: Path) -> Opportunities | None:
    """Returns the opportunities that the signatures of a file were extracted with; ``None`` for the genome's."""
    from vaebench.data.mutations.opportunities import kept_opportunities

    beside = user_path(signatures).parent / OPPORTUNITIES
    own = user_path(signatures).stem == "signatures" and beside.is_file()
    return kept_opportunities(beside) if own else None


def scale_notes(*signatures: Path) -> list[str]:
    """Returns notes on files of signatures that are on the scale of a target, beside others of the genome."""
    scales = [(path, _scale_of(path)) for path in signatures]
    return [
        f"{path} holds signatures as they are in {own.name}: beside those of the genome belongs {GENOME}, in the same folder."
        for path, own in scales
        if own is not None
    ]


@overload
def on_target(signatures: pd.DataFrame, target: Opportunities | None) -> pd.DataFrame: ...
@overload
def on_target(signatures: None, target: Opportunities | None) -> None: ...
def on_target(signatures: pd.DataFrame | None, target: Opportunities | None) -> pd.DataFrame | None:
    """Returns signatures of the genome as they are in the target."""
    if signatures is None or target is None:
        return signatures
    from vaebench.signatures.opportunities import at_target

    return at_target(mutations.checked_signatures(signatures), target).signatures
