"""Columns that describe genes, and rows that count reads without a gene: the only place that knows their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from vaebench.data.files.text import number_of, with_point

_SUMMARIES = re.compile(
    r"__(no_feature|ambiguous|too_low_a_?qual|not_aligned|alignment_not_unique)"  # HTSeq
    r"|N_(unmapped|multimapping|noFeature|ambiguous)"  # STAR
    r"|Unassigned_\w+",  # featureCounts
    re.IGNORECASE,
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# column names of cBioPortal, GDC, featureCounts, RSEM, GISTIC, Ensembl, limma and GEO: letters and digits only
_SYMBOL = _words(
    """hugosymbol hugogenesymbol hugogenename hugogene hugoname hugo genesymbol genesymbols symbol genename hgncsymbol
    externalgenename ensemblgenename gene hgnc"""
)
_IDENTIFIER = _words(
    """entrezgeneid entrezid entrezgene entrez geneid geneids ensembl ensemblid ensemblgeneid ensgid ensemblgene
    ncbigeneid locusid locus hgncid hugoid refseq refseqid uniprot uniprotid transcriptid transcriptids txid transcript
    probe probeid probesetid idref id identifier clid uniqid name compositeelementref proteinid"""
)
_CLEAR = _words("entrezgeneid entrezid geneid geneids ensemblgeneid ensemblid idref probeid probesetid genes")
_OTHER = _words(
    """genetype genebiotype biotype transcripttype transcriptbiotype description genedescription genetitle chr chrom
    chromosome chromosomename seqname seqnames contig start end stop startposition endposition genestart geneend strand
    width length genelength efflength effectivelength exonlength transcriptlength cytoband band location genomiclocation
    position gccontent gweight genestatus source feature annotation class funcat"""
)
_ABOUT = _SYMBOL | _IDENTIFIER | _OTHER
# endings of the files of one sample, which featureCounts, RSEM, STAR, HTSeq, salmon, kallisto and GDC make column names of
_ONE_FILE = re.compile(
    r"(.*/)?([^/]+?)("
    r"((_|\.)?Aligned(\.sortedByCoord)?(\.out)?)?(\.(sort(ed)?|dedup|markdup|rmdup))*\.(bam|sam|cram)"
    r"|\.(genes|isoforms)\.results|[._]?ReadsPerGene(\.out)?(\.tab)?|([._]quant)?/quant(\.genes)?\.sf|/abundance\.(tsv|h5)"
    r"|\.rna_seq\.augmented_star_gene_counts(\.tsv)?|[._](htseq[._]?)?counts(\.(txt|tsv|tab))?|\.(FPKM(-UQ)?)\.txt"
    r")(\.gz)?"
)
_UNNAMED = frozenset(("", "na", "nan", "none", "<na>", "---"))
_SHOWN = 5


class GeneColumns(NamedTuple):
    """The columns of a table with genes in rows.

    Attributes:
        about: positions of the columns that describe genes, the first one included.
        naming: those that name genes: the first one, and that of the symbols if there is one.
        spare: those that name the genes whose name is empty.
        samples: positions of the sample columns.
        notes: one sentence if columns other than the first were left out.
    """

    about: list[int]
    naming: list[int]
    spare: list[int]
    samples: list[int]
    notes: tuple[str, ...]


def gene_columns(file: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> GeneColumns:
    """Finds the columns that describe genes, by their names and by text where other columns hold numbers.

    Args:
        file: name of the file, for the note.
        names: names of all columns.
        rows: fields of the first lines.
    """
    plain = [_plain(name) for name in names]
    text = _text_columns(names, rows)
    about = [i for i, name in enumerate(plain) if i == 0 or i in text or name in _ABOUT or not names[i]]
    found = set(about)
    symbols = [i for i in about if plain[i] in _SYMBOL]
    left_out = [names[i] for i in about[1:] if names[i]]
    notes = ()
    if left_out:
        shown = ", ".join(left_out[:_SHOWN]) + (", ..." if len(left_out) > _SHOWN else "")
        notes = (f"{file}: columns that describe genes are not samples and were left out: {shown}",)
    return GeneColumns(
        about,
        [0, *symbols[:1]],
        [i for i in about[1:] if plain[i] in _IDENTIFIER | _SYMBOL],
        [i for i in range(len(names)) if i not in found],
        notes,
    )


def _text_columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> set[int]:
    """Columns, not the first, that hold mostly text in the rows that hold mostly numbers."""
    width, texts, total = len(names), Counter[int](), Counter[int]()
    for row in rows:
        if len(row) != width:
            continue
        held = [None if not field.strip() else number_of(with_point(field)) is None for field in row]
        known = [is_text for is_text in held[1:] if is_text is not None]
        if sum(known) * 2 < len(known):
            texts.update(i for i, is_text in enumerate(held) if i and is_text)
            total.update(i for i, is_text in enumerate(held) if is_text is not None)
    return {i for i, count in texts.items() if count * 2 > total[i]}


def names_genes(column: str) -> bool:
    """Returns true for the name of a first column of genes, such as ``Hugo_Symbol``, which no column of samples has."""
    return _plain(column) in _SYMBOL | _CLEAR


def describes_genes(name: str) -> bool:
    """Returns true for the name of a column about genes, such as ``Entrez_Gene_Id`` or ``Length``."""
    return _plain(name) in _ABOUT


def counts_no_gene(name: str) -> bool:
    """Returns true for the name by which HTSeq, STAR and featureCounts count reads without a gene."""
    return _SUMMARIES.fullmatch(name) is not None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def named(texts: Sequence[str], places: Sequence[int]) -> str:
    """The name of a gene: the first of the texts at ``places`` that holds one, else ``""``."""
    first = texts[places[0]]
    if len(places) == 1 or first.lower() not in _UNNAMED:
        return first
    return next((texts[i] for i in places if texts[i].lower() not in _UNNAMED), "")


def row_notes(file: str, rows: Counter[str]) -> tuple[str, ...]:
    """Notes on the rows that were left out, by name, and on genes that another column names (under ``""``)."""
    left_out = sorted(name for name in rows if name)
    notes = [f"{file}: rows that count reads without a gene were left out: {', '.join(left_out)}"] if left_out else []
    if rows[""]:
        notes.append(f"{file}: {rows['']} genes without a name in the first column are named by the next that has one")
    return tuple(notes)


def short_samples(names: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Sample names without the folder and ending of the files of one sample, if all have them, and a note if so."""
    found = [_ONE_FILE.fullmatch(name) for name in names]
    short = [match[2] for match in found if match]
    if len(short) < len(names) or len(set(short)) < len(set(names)) or not names:
        return names, ()
    return short, (f"sample names were shortened, such as {names[0]!r} to {short[0]!r}",)
