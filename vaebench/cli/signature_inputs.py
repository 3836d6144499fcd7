"""Input of the commands on signatures: catalogues, counted where they are lists of mutations, and opportunities."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from vaebench.data.mutations import tables as mutations
from vaebench.data.mutations.channels import context_of
from vaebench.errors import InputError, user_path

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
    options: Extract | RefitOptions | Calibrate | Power, channels: pd.DataFrame, signatures: Path | None
) -> Opportunities | None:
    """Returns the opportunities that ``--opportunities`` names, of the build that the file of signatures or the genome tells.

    ``channels`` is a table of counts or of signatures, whose columns tell the context.
    """
    from vaebench.data.mutations.genome import named_build
    from vaebench.data.mutations.opportunities import read_opportunities

    if options.opportunities is None:
        return None
    named = named_build(signatures.name)[:6] if signatures is not None and options.reference_genome is None else ""
    context = context_of(mutations.checked_catalogue(channels, fractions=True))
    return read_opportunities(options.opportunities, context, build=named, reference_genome=options.reference_genome)


def on_target(signatures: pd.DataFrame | None, target: Opportunities | None) -> pd.DataFrame | None:
    """Returns signatures of the genome as they are in the target."""
    if signatures is None or target is None:
        return signatures
    from vaebench.signatures.opportunities import at_target

    return at_target(mutations.checked_signatures(signatures), target).signatures
