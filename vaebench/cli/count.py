"""The command ``count``: its options, and what it prints."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import Positional

from vaebench.cli.options import Common


@dataclasses.dataclass(frozen=True, kw_only=True)
class Count(Common):
    """Count the mutations of VCF, MAF or plain tables by channel: SBS96, DBS78, ID83 and others. Needs the extra "vcf"."""

    variants: Annotated[Positional[tuple[Path, ...]], tyro.conf.arg(metavar="FILE|FOLDER")]
    """Files, gzipped or not, or folders of VCF and MAF files."""
    reference_genome: Path | None = None
    """FASTA or 2bit file of the genome build of the variants. Not needed for MAF files with a column CONTEXT."""
    out: Path = Path("results/counts")
    """Folder for one table a context (SBS96.csv, ...), dropped.csv and counts.json."""
    contexts: str = "SBS96,DBS78,ID83"
    """Contexts, comma-separated: SBS96, SBS288, SBS384, SBS1536, DBS78, ID83."""
    genes: Path | None = None
    """GTF or GFF file of genes, for the strands of SBS288 and SBS384."""
    ignore_filter: bool = False
    """Also count records whose FILTER is not PASS."""


COUNT_COMMANDS = {"count": Count}
"""Command name -> its options."""
COUNT_HANDLERS: dict[type, str] = {Count: "count:count_mutations"}
"""Options -> ``module:function`` of the command line; see :data:`vaebench.cli.options.HANDLERS`."""


def count_mutations(options: Count, command: str) -> dict[str, Any]:
    """Count mutations, write the catalogues and the dropped records, and print how many there are."""
    from vaebench.cli.parsing import listed
    from vaebench.data.files.folders import check_results_folder
    from vaebench.data.mutations.counting import count
    from vaebench.errors import InputError

    check_results_folder(options.out, "count")
    if not options.variants:
        raise InputError("count needs a FILE or FOLDER: VCF, MAF or tables with sample, chrom, pos, ref and alt")
    found = count(
        options.variants,
        options.reference_genome,
        contexts=listed(options.contexts),
        genes=options.genes,
        ignore_filter=options.ignore_filter,
    )
    found.save(options.out, command)
    summary = found.summary() | {"out": str(options.out)}
    if not options.quiet:
        counts = ", ".join(f"{name} {total}" for name, total in found.totals().items())
        plural = "" if summary["samples"] == 1 else "s"
        print(f"{summary['samples']} sample{plural}: {counts}")
        for reason, number in found.reasons().items():
            print(f"dropped {number}: {reason}")
        print("\n".join([*found.notes, f"written: {options.out}"]))
    return summary
