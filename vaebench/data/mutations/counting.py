"""Counting mutations by channel: from lists of variants and a reference genome to catalogues.

1. Read the records; those that cannot be counted get a reason.
2. Trim the bases that reference and alternative share. What is left is a substitution, an insertion or a deletion.
3. Chromosome by chromosome, check every reference allele against the genome, and find the channel of every event.
4. Count each event of a sample once. Two substitutions of a sample side by side, and none near them, are a doublet.

As in SigProfilerMatrixGenerator, the two substitutions of a doublet are counted in the SBS contexts too, and a pair with a
third substitution within 5 bases is a cluster of several bases and no doublet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vaebench.atomic import STRICT_JSON, write_json
from vaebench.data.files.folders import whole_folder
from vaebench.data.files.writing import write_frame
from vaebench.data.mutations.channel_names import CONTEXTS
from vaebench.data.mutations.doublets import CLUSTER, doublets
from vaebench.data.mutations.events import NO_CHROMOSOME, WRONG, Events, found_events
from vaebench.data.mutations.genome import BASES, Genome, build_of, matched_chromosomes, named_build, open_genome
from vaebench.data.mutations.records import Variants, shown
from vaebench.data.mutations.strand import Genes, read_genes
from vaebench.data.mutations.variants import is_list_of_mutations, read_variants
from vaebench.data.wording import count_of
from vaebench.errors import InputError, unknown_name, user_path
from vaebench.version import __version__

__all__ = [
    "DEFAULT_CONTEXTS",
    "LEAST_WRONG",
    "MOST_WRONG",
    "Counted",
    "count",
    "counted_catalogue",
    "is_list_of_mutations",
]

DEFAULT_CONTEXTS = ("SBS96", "DBS78", "ID83")
"""Contexts that are counted unless others are named."""
MOST_WRONG = 0.01
"""Largest share of reference alleles that may differ from the genome; another build differs in most."""
LEAST_WRONG = 5
"""Reference alleles that must differ, for one wrong record of few does not tell of another build; or else more than half."""


class Counted(NamedTuple):
    """Catalogues of mutations.

    Attributes:
        catalogues: name of a context -> counts [T, M], with samples in rows and the channels of :data:`CONTEXTS` as columns.
        dropped: one row for each record that was not counted: ``reason``, ``file``, ``line``, ``sample``, ``chrom``,
            ``pos``, ``ref`` and ``alt``.
        notes: sentences on what was decided.
    """

    catalogues: dict[str, pd.DataFrame]
    dropped: pd.DataFrame
    notes: list[str]

    def save(self, folder: str | Path, command: str = "") -> Path:
        """Writes ``SBS96.csv``, ..., ``dropped.csv`` and ``counts.json``; channels are in rows and samples in columns.

        They replace all files of an earlier count, which ``manifest.json`` names, in one step; other files stay.

        Args:
            folder: the folder; it is made where it is missing.
            command: the command line that is recorded in ``counts.json``.

        Returns:
            The folder.

        Raises:
            InputError: ``folder`` holds the results of another command.
        """
        with whole_folder(folder, "count") as new:
            for name, catalogue in self.catalogues.items():
                frame = catalogue.T.astype(np.int64)
                frame.insert(0, "MutationType", frame.index.astype(str), allow_duplicates=True)
                write_frame(frame, new / f"{name}.csv")
            write_frame(self.dropped, new / "dropped.csv")
            made = {"command": command, "version": __version__} if command else {"version": __version__}
            write_json(new / "counts.json", made | self.summary(), **STRICT_JSON)
        return user_path(folder)

    def totals(self) -> dict[str, int]:
        """Returns the number of mutations of each context."""
        return {name: int(catalogue.to_numpy().sum()) for name, catalogue in self.catalogues.items()}

    def reasons(self) -> dict[str, int]:
        """Returns the number of dropped records by reason, the most frequent first."""
        return {str(reason): int(number) for reason, number in self.dropped["reason"].value_counts().items()}

    def summary(self) -> dict[str, Any]:
        """Returns the numbers of samples, mutations and dropped records, and the notes, as JSON values."""
        samples = len(next(iter(self.catalogues.values())))
        return {"samples": samples, "mutations": self.totals(), "dropped": self.reasons(), "notes": list(self.notes)}


def count(
    source: Variants | str | Path | Iterable[str | Path],
    reference_genome: str | Path | Mapping[str, str] | Genome | None = None,
    *,
    contexts: Sequence[str] = DEFAULT_CONTEXTS,
    genes: str | Path | Genes | None = None,
    ignore_filter: bool = False,
) -> Counted:
    """Counts the mutations of VCF, MAF or plain tables by channel.

    Args:
        source: files or folders as for :func:`read_variants`, or records that it returned.
        reference_genome: FASTA or 2bit file of the build of the variants, or a dict of sequences; not needed for MAF files
            with a column ``CONTEXT``, of which SBS96, SBS1536 and DBS78 are counted.
        contexts: names of :data:`CONTEXTS`.
        genes: GTF or GFF file, for the strands of SBS288 and SBS384.
        ignore_filter: also count records that their ``FILTER`` does not pass.

    Returns:
        The catalogues; a sample without a mutation is a row of zeros.

    Raises:
        InputError: a file cannot be read, a context is unknown or lacks its genes, or more than 1% of the reference
            alleles, of all or of a file, differ from the genome (and at least 5, or more than half).

    Example::

        counted = vb.data.mutations.count("calls/", "GRCh38.fa")
        counted.save("results/counts")
    """
    contexts = [contexts] if isinstance(contexts, str) else contexts
    contexts = list(dict.fromkeys(str(name).upper() for name in contexts))
    for name in contexts:
        if name not in CONTEXTS:
            raise unknown_name("context", name, CONTEXTS)
    if not contexts:
        raise InputError(f"no context is named; contexts= (--contexts) may hold {', '.join(CONTEXTS)}")
    stranded = [name for name in contexts if name in ("SBS288", "SBS384")]
    if stranded and genes is None:
        raise InputError(f"{stranded[0]} needs the strands of genes; name a GTF file with genes= (--genes)")
    if genes is not None and not isinstance(genes, Genes):
        genes = read_genes(genes)
    genome = None if reference_genome is None else open_genome(reference_genome)
    variants = source if isinstance(source, Variants) else read_variants(source, ignore_filter=ignore_filter)
    if genome is None and not (variants.records["context"] != "").any():
        raise InputError(
            "the reference genome is missing; name its FASTA or 2bit file (--reference-genome), or give a MAF with CONTEXT"
        )
    events, reasons = found_events(variants, genome, genes if stranded else None)
    differing = _refuse_other_build(variants, events, reasons, genome)
    notes = [
        *variants.notes,
        *differing,
        *(genome.notes if genome else []),
        *(genes.notes if genes and stranded else []),
    ]
    wanted = list(contexts)
    if genome is None:
        wanted = [name for name in wanted if name in ("SBS96", "SBS1536", "DBS78")]
        left = [name for name in contexts if name not in wanted]
        if not wanted:
            raise InputError(f"{left[0]} needs the reference genome; name its FASTA or 2bit file (--reference-genome)")
        if left:
            notes.append(f"{', '.join(left)} not counted: without a reference genome only CONTEXT is known")
    catalogues = _catalogues(variants.samples, events, wanted, notes)
    return Counted(catalogues, _dropped(variants, reasons), notes)


def counted_catalogue(
    path: str | Path, reference_genome: str | Path | None = None, context: str = "SBS96"
) -> pd.DataFrame:
    """Counts a list of mutations by the channels of ``context``, for an extraction or a refit.

    Returns:
        Counts [T, M]; ``attrs["notes"]`` lists what was decided, and how many records were dropped.

    Raises:
        InputError: as :func:`count`, or the context needs the strands of genes.
    """
    if context.upper() in ("SBS288", "SBS384"):
        raise InputError(
            f"{context} needs the strands of genes; count it first: vaebench count --contexts {context} --genes FILE"
        )
    counted = count(path, reference_genome, contexts=(context,))
    catalogue = counted.catalogues[context.upper()]
    reasons = ", ".join(f"{times} {reason}" for reason, times in counted.reasons().items())
    number = len(counted.dropped)
    what = "1 record was" if number == 1 else f"{number} records were"
    left = [f"{what} not counted ({reasons}); vaebench count lists them"] if number else []
    catalogue.attrs["notes"] = [*counted.notes, *left]
    return catalogue


def _refuse_other_build(variants: Variants, events: Events, reasons: np.ndarray, genome: Genome | None) -> list[str]:
    """Raises ``InputError`` if more reference alleles than :data:`MOST_WRONG` differ, or no chromosome is known.

    Returns:
        A note on the few that differ.
    """
    lost = np.flatnonzero(reasons == NO_CHROMOSOME)
    if genome is not None and len(lost) and not events.checked:
        chrom = variants.records["chrom"].iloc[int(lost[0])]
        raise InputError(
            f"{genome.name} has no chromosome of the variants, such as {shown(chrom)}; its first is "
            f"{shown(next(iter(genome.lengths), ''))}"
        )
    wrong = np.flatnonzero(reasons == WRONG)
    if not len(wrong):
        return []
    files = variants.records["file"].to_numpy()
    table = pd.DataFrame({"file": files, "wrong": reasons == WRONG})[(reasons == WRONG) | (reasons == "")]
    by_file = (
        table.groupby("file", sort=False)["wrong"]
        .agg(["sum", "size"])
        .sort_values("sum", ascending=False, kind="stable")
    )
    other = [f for f, (some, all_) in zip(by_file.index, by_file.to_numpy(), strict=True) if _too_many(some, all_)]
    named = [f"{Path(f).name} ({by_file['sum'][f]} of {by_file['size'][f]})" for f in (other or by_file.index)[:3]]
    where = f"; most are in {', '.join(named)}" if len(by_file) > 1 else ""
    name = "their CONTEXT" if genome is None else genome.name
    if not other and not _too_many(len(wrong), events.checked):
        was = "allele differs" if len(wrong) == 1 else "alleles differ"
        return [f"{len(wrong)} of {events.checked} reference {was} from {name} and {_were(wrong)} not counted{where}"]
    wrong = wrong[np.isin(files[wrong], other)] if other else wrong
    row = variants.records.iloc[int(wrong[0])]
    if genome is not None and (sure := _counted_from_0(variants.records.iloc[wrong], genome)):
        raise InputError(
            f"{len(wrong)} of {events.checked} reference alleles differ from {genome.name}, first {row['chrom']}:{row['pos']}, "
            f"and are those of the next position: positions {sure} counted from 0 here; add 1 to each{where}"
        )
    here = build_of(genome) if genome else ""
    stated = next(filter(None, map(named_build, variants.builds)), "")
    if stated and stated != here:
        likely = f"the variants say they are of {stated}; name that genome"
    elif here:
        others = {"GRCh37 (hg19)": "GRCh38 (hg38)", "GRCh38 (hg38)": "GRCh37 (hg19)"}
        likely = f"it is {here}; the variants are likely of {others.get(here, 'another build')}"
    else:
        likely = "the variants are likely of another build"
    raise InputError(
        f"{len(wrong)} of {events.checked} reference alleles differ from {name}, first {row['chrom']}:{row['pos']} with REF "
        f"{shown(row['ref'])[:24]}; at most 1% may: {likely}{where}"
    )


def _too_many(wrong: int, checked: int) -> bool:
    """Returns true if so many wrong reference alleles tell of another build."""
    return wrong > 0.5 * checked or (wrong >= LEAST_WRONG and wrong > MOST_WRONG * checked)


def _were(rows: np.ndarray) -> str:
    return "was" if len(rows) == 1 else "were"


def _counted_from_0(wrong: pd.DataFrame, genome: Genome) -> str:
    """Returns "are" if the reference bases of the first chromosome's wrong records are those one position further.

    "may be" where they are too few to be sure, and "" where they are not.
    """
    some = wrong[(wrong["ref"].str.len() == 1) & (wrong["chrom"] == wrong["chrom"].iloc[0])].head(1000)
    if not len(some):
        return ""
    bases = genome.read(next(iter(matched_chromosomes([str(some["chrom"].iloc[0])], genome).values())))
    at = some["pos"].to_numpy(np.int64)
    codes = BASES[np.frombuffer("".join(some["ref"]).encode(), np.uint8)]
    if (at >= len(bases)).any() or not (bases[at] == codes).mean() > 0.99:
        return ""
    return "are" if len(some) >= LEAST_WRONG else "may be"


def _catalogues(samples: list[str], events: Events, contexts: list[str], notes: list[str]) -> dict[str, pd.DataFrame]:
    """Counts events by sample and channel."""
    sbs = events.substitutions
    first, _, doublet, clustered = doublets(sbs)
    codes = {
        "SBS96": sbs["sbs96"],
        "SBS1536": sbs["sbs1536"],
        "SBS384": sbs["strand"] * 96 + sbs["sbs96"],
        "DBS78": doublet,
        "ID83": events.indels["channel"],
    }
    who = {"DBS78": sbs["sample"][first], "ID83": events.indels["sample"]}
    found = {}
    for name in contexts:
        wide = "SBS384" if name == "SBS288" else name
        size, channel, sample = len(CONTEXTS[wide]), codes[wide], who.get(wide, sbs["sample"])
        known = channel >= 0
        cells = np.bincount(sample[known] * size + channel[known], minlength=len(samples) * size)
        counts = cells.reshape(len(samples), size)
        counts = _without_both(counts) if name == "SBS288" else counts
        found[name] = pd.DataFrame(counts.astype(np.float64), pd.Index(samples), list(CONTEXTS[name]))
    outer = int((sbs["sbs1536"] < 0).sum())
    if "SBS1536" in found and outer:
        what = f"{count_of(outer, 'substitution')} {'is' if outer == 1 else 'are'} missing in SBS1536"
        notes.append(f"{what}: a base two places beside {'it' if outer == 1 else 'them'} is not known")
    if "DBS78" in found and len(first) and any(name.startswith("SBS") for name in found):
        notes.append(f"the substitutions of {count_of(len(first), 'doublet')} are counted in the SBS contexts too")
    if "DBS78" in found and clustered:
        what = f"{count_of(clustered, 'pair')} of neighbouring substitutions"
        none = "is no doublet: a third is" if clustered == 1 else "are no doublets: a third is"
        notes.append(f"{what} {none} within {CLUSTER} bases of {'it' if clustered == 1 else 'them'}")
    return found


def _without_both(counts: np.ndarray) -> np.ndarray:
    """SBS288 from SBS384: half of the mutations inside genes of both directions for each strand, an odd one as T."""
    t, u, both, none = counts.reshape(len(counts), 4, 96).transpose(1, 0, 2)
    half = both // 2
    return np.concatenate([t + both - half, u + half, none], axis=1)


def _dropped(variants: Variants, reasons: np.ndarray) -> pd.DataFrame:
    """The records with a reason, by reason and then in the order of the files."""
    kept = variants.records.assign(reason=reasons)[reasons != ""]
    columns = ["reason", "file", "line", "sample", "chrom", "pos", "ref", "alt"]
    return kept[columns].sort_values("reason", kind="stable", ignore_index=True)
