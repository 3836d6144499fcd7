"""The features of a table: which columns are none, and which names are out of place among the others.

Columns with the names of clinical data, of rows that counting programs add (``__no_feature``) and of columns that describe
genes (``Length``) are never features unless they are asked for. Any other name that differs in kind from nearly all is reported.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from vaebench.data.barcodes import barcode, samples_across
from vaebench.data.comparisons import nearly_number
from vaebench.data.files.genes import counts_no_gene, describes_genes, names_genes
from vaebench.data.files.matrix import Block
from vaebench.data.files.table import Table, column_from
from vaebench.data.files.text import as_number
from vaebench.data.raw_features import RawFeatures, only
from vaebench.data.repeats import renamed_repeats
from vaebench.data.wording import quoted
from vaebench.errors import InputError, nearest

_CLINICAL_NAMES = """
age sex gender race ethnicity bmi height weight stage grade smoker smoking alcohol event events status time
times dead death alive deceased censored censorship censor days months years survival survival_time
overall_survival vital_status relapse recurrence label labels class cluster subtype batch plate centre center
fold split site cohort tumor tumour normal is_tumor purity ploidy tmb mutation_count msi_score
aneuploidy_score fraction_genome_altered redaction metastasis treatment chemotherapy radiation ecog psa_level
sample sample_id sample_type sample_type_id patient patient_id id index level_0 row rownames rin smrin n_genes
n_genes_by_counts n_counts total_counts library_size lib_size depth size_factor pct_counts_mt percent_mt
percent_mito n_reads total_reads mapped_reads size_factors leiden louvain seurat_clusters ncount_rna nfeature_rna
doublet_score s_score g2m_score
"""
_CLINICAL = frozenset(_CLINICAL_NAMES.split())
_CLINICAL_PATTERN = re.compile(
    r"(os|pfi|dfi|dss|pfs|dfs|rfs|dmfs)(_(time|times|event|events|status|stat|days|months|years|ind|cr|1|2))*"
    r"|(efs|ttp|ttr|css)_(time|event|status|days|months|years|ind)"  # EFS and TTR alone are genes
    r"|(time|event|status)_(os|pfi|dfi|dss|pfs|dfs|rfs|efs)|(time|event)_to_\w+|days_to_\w+|\w*follow_?up\w*|(year|month)s?_of_\w+"
    r"|age_\w+|\w+_age|\w*_at_diagnosis|(ajcc|pathologic|pathological|clinical)_\w+|(tumou?r|cancer)_(purity|stage|grade|size)\w*"
    r"|(gleason|karnofsky|ecog|smoking|pack_years|menopause|survival|vital|censor)\w*|unnamed(_\d+)*"
)
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9.@/-]*(orf\d+\w*)?")
_UNLIKE_SYMBOL = re.compile(
    r"_.*|.*[ ()%:].*|-?\d+(\.\d+)?|[A-Z][a-z]{2,}\d?|V\d+|X(\.\d+)?"  # V1 and X.1 are R's names of columns without one
    r"|(?!Y_RNA|5S_r|5_8S_r|Metazoa_)[^_]+_(?!\d+$).*"  # NAME_2 is a repeated gene
    r"|(?!mir|hsa|let|sno|uc_|yR|bP-|pk\b)[a-z].*|(?!.*orf\d|hsa|mir|let|sno|XX[by]ac|Metazoa|Vault).*[a-z]{3,}.*"
)
_KINDS = (
    ("Ensembl ids", re.compile(r"ENS[A-Z]*\d{6,}(\.\d+)?(_\w+)?")),
    ("Entrez ids", re.compile(r"\d+(_at)?")),
    ("symbols with Entrez ids", re.compile(r".+\|\d+")),
)
_ROWS_OF_GENES = re.compile(rf"{_KINDS[0][1].pattern}|(AFFX-.*|\d+)(_[a-z])?_at")
"""Names of genes and of probes, which no sample has."""
_DECIMAL = re.compile(r"[-+]?\d*\.\d+(e[-+]?\d+)?", re.IGNORECASE)
_MONTHS = "feb|mar|apr|sep|oct|okt|dec|dez|m\u00e4r|mrz|avr|d\u00e9c"
_DATE = re.compile(
    rf"\d{{1,2}}[-. ]+({_MONTHS})[a-z]*\.?([- ]\d{{2,4}})?|({_MONTHS})[a-z]*[-. ]\d{{1,4}}|\d{{4}}-\d\d-\d\d( [0:]+)?",
    re.IGNORECASE,
)
"""Gene names such as MARCH1 after Excel: 1-Mar, Mar-01, 01. Mrz, 2024-03-01."""
_SHARE = 0.8  # of the names that are of one kind
_FEWEST = 5  # names from which a kind can be told
_NAMED = 5  # names that a note shows


def is_clinical(name: str) -> bool:
    """Returns true for a name of clinical data, of a counting program's summary, or of a column that describes genes."""
    plain = _plain(name)
    clinical = plain in _CLINICAL or _CLINICAL_PATTERN.fullmatch(plain)
    return bool(clinical or describes_genes(name) or counts_no_gene(name.strip()))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def without_clinical(source: RawFeatures, asked: Sequence[str]) -> tuple[RawFeatures, list[str]]:
    """Leaves out features with clinical names that are not ``asked`` for, and finds other names that are out of place.

    Args:
        source: the features.
        asked: names that are features whatever they look like.

    Returns:
        The features that are left, and notes.

    Raises:
        InputError: a name is asked for that is not there, or none is left.
    """
    features = source.names
    out, held = clinical_names(features, asked), set(features)
    unknown = [name for name in asked if name not in held]
    if unknown:
        near = nearest(unknown[0], features)
        hint = f"; did you mean {quoted(near)}?" if near else ""
        raise InputError(
            f"features (--features) names {quoted(unknown[0])}, which is no column of numbers and no gene{hint}"
        )
    if len(out) == len(features):
        raise InputError(
            f"all {len(out)} features have clinical names, such as {quoted(out[0])}; --features takes them"
        )
    left_out = set(out)
    source = only(source, [position for position, name in enumerate(features) if name not in left_out])
    return source, feature_notes(source.names, out, asked)


def clinical_names(names: Iterable[str], asked: Iterable[str]) -> list[str]:
    """Returns the names that are clinical and not asked for."""
    wanted = set(asked)
    return [name for name in names if name not in wanted and is_clinical(name)]


def genes_only(
    blocks: Iterable[Block], positions: np.ndarray, asked: Sequence[str], out: list[str], held: list[str]
) -> Iterator[Block]:
    """Yields blocks of the samples at ``positions`` without clinical names, which go to ``out``; the others go to ``held``."""
    for names, block in blocks:
        clinical = set(clinical_names(names, asked))
        out += [name for name in names if name in clinical]
        rows = [row for row, name in enumerate(names) if name not in clinical]
        held += [names[row] for row in rows]
        if rows:
            yield [names[row] for row in rows], (block if len(rows) == len(names) else block[rows])[:, positions]


def feature_notes(features: Sequence[str], out: Sequence[str], asked: Iterable[str]) -> list[str]:
    """Returns notes on the names that were left out, and on those that are out of place among the features."""
    notes = []
    if out:
        notes.append(
            f"{named(out, 'column', 'columns')} left out of the features by name; --features (features=) takes them"
        )
    dates = [name for name in features if _DATE.fullmatch(name)]
    if dates:
        notes.append(f"{named(dates, 'feature', 'features')} named by a date, which Excel makes of genes such as SEPT2")
    if again := renamed_repeats(features):
        notes.append(
            f"{named(again, 'feature', 'features')} named as pandas and R name repeated columns: keep one of each"
        )
    kind, odd = odd_names([name for name in features if name not in {*asked, *dates, *again}])
    if odd:
        notes.append(
            f"{named(odd, 'feature', 'features')} unlike the others ({kind}): --ignore leaves out what is none"
        )
    return notes


def nearly_numbers(table: Table, columns: Iterable[str]) -> list[str]:
    """Returns a note on columns of text, all of whose values are numbers in a form that is not read, such as ``12%``."""
    found = {column: written for column in columns if (written := nearly_number(table.columns[column]))}
    if not found:
        return []
    example = quoted(next(iter(found.values())))
    return [
        f"{named(list(found), 'column', 'columns')} left out as text: numbers must be written plainly, not as {example}"
    ]


def mixed_columns(table: Table, columns: Iterable[str]) -> list[str]:
    """Returns a note on columns that hold both numbers and text, which reading them as features refuses."""
    found = {}
    for column in columns:
        values = [text for text in table.columns[column] if text is not None]
        odd = [text for text in values if as_number(text) is None]
        if 0 < len(odd) < len(values):
            found[column] = odd[0]
    if not found:
        return []
    what = (
        f"{named(list(found), 'column', 'columns')} of numbers and text, such as {quoted(next(iter(found.values())))}"
    )
    return [f"{what}: training refuses the file; correct or empty these cells, or leave the columns out (--ignore)"]


def named(names: Sequence[str], one: str, many: str) -> str:
    """Formats some names as the subject of a sentence: ``2 columns ('age', 'PFI') are``."""
    listed = ", ".join(quoted(name) for name in names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    return f"{len(names)} {one if len(names) == 1 else many} ({listed}) {'is' if len(names) == 1 else 'are'}"


def odd_names(names: Sequence[str]) -> tuple[str, list[str]]:
    """Finds the names that differ in kind from nearly all others.

    Returns:
        The kind of most names, ``""`` if there is none; and the names that are not of it.
    """
    if len(names) < _FEWEST:
        return "", []
    needed = _SHARE * len(names)
    for kind, pattern in _KINDS:
        other = [name for name in names if not pattern.fullmatch(name)]
        if len(names) - len(other) >= needed:
            return kind, other
    other = [name for name in names if barcode(name) is None]
    if len(names) - len(other) >= needed:
        return "barcodes", other
    forms = [re.sub(r"\d+", "#", name) for name in names]
    form, count = Counter(forms).most_common(1)[0]
    if "#" in form and count >= needed:
        first = names[forms.index(form)]
        return f"such as {quoted(first)}", [name for name, own in zip(names, forms, strict=True) if own != form]
    if sum(_SYMBOL.fullmatch(name) is not None for name in names) >= needed:
        return "gene symbols", [name for name in names if _UNLIKE_SYMBOL.fullmatch(name)]
    return "", []


def without_gene_columns(table: Table) -> tuple[Table, list[str]]:
    """Leaves out "samples" that describe genes, such as ``Entrez_Gene_Id``; returns the table and notes."""
    names = [str(name) for name in table.first_texts]
    out = [position for position, name in enumerate(names) if describes_genes(name)]
    if not out or len(out) == len(names):
        return table, []
    kept = np.setdiff1d(np.arange(len(names)), out)
    columns = {
        name: values[kept] if values.dtype.kind == "f" else column_from(values[kept].tolist())
        for name, values in table.columns.items()
    }
    first = table.first_texts[kept]
    if table.first in columns:
        columns[table.first] = table.columns[table.first][kept]
    left = table._replace(columns=columns, first_texts=first, lines=table.lines[kept])
    subject = named([names[position] for position in out], "column", "columns")
    return left, [f"{subject} left out: the name is that of a column about genes, and no sample"]


def turned(samples: Sequence[str], features: Sequence[str]) -> bool:
    """Returns true if the names of the samples are those of genes, or the features are samples by theirs."""
    ids = sum(_ROWS_OF_GENES.fullmatch(name) is not None for name in samples) >= _SHARE * len(samples)
    return ids or samples_across(features)


def refuse_turned(table: Table) -> None:
    """Raises ``InputError`` for a table that is read with samples in rows and has genes in them."""
    if table.samples_in != "rows":
        return
    across = [name for name in table.columns if name != table.first]
    down = [str(name) for name in table.first_texts]
    samples = [name for name in across if barcode(name)]
    if names_genes(table.first) or turned(down, across):
        raise InputError(
            f"{table.source} has genes in rows, such as {quoted(down[0])}, and samples in columns, such as "
            f'{quoted((samples or across or [""])[-1])}: give samples_in="columns" (--samples-in columns), or a table about the '
            "samples as annotation (--annotation)"
        )


def refuse_headless(table: Table) -> None:
    """Raises ``InputError`` for a table whose first line holds mostly decimal numbers: these are values, and it has no header."""
    names = list(table.columns) if table.samples_in == "rows" else table.first_texts.astype(str).tolist()
    values = [name for name in names if _DECIMAL.fullmatch(name.strip())]
    if len(values) > 1 and 2 * len(values) > len(names):
        raise InputError(
            f"the first line of {table.source} holds the numbers {quoted(values[0])}, {quoted(values[1])} and so on, where the "
            "names of the columns should be; give the table a header"
        )


def refuse_long(table: Table) -> None:
    """Raises ``InputError`` for a table with a line for each pair of a sample and a gene, as ICGC writes them."""
    if table.samples_in != "rows":
        return
    gene = next((column for column in table.columns if names_genes(column)), None)
    if gene is None:
        return
    held = {column: values for column, values in table.columns.items() if values.dtype.kind == "O"}
    held |= {
        column: table.first_texts if column == table.first else table.columns[column] for column in (gene, table.first)
    }
    genes, lines = held.pop(gene).tolist(), len(table.lines)
    if 2 * len(set(genes)) > lines:
        return
    for column, values in held.items():
        pairs = set(zip(values.tolist(), genes, strict=True))
        samples = len({value for value, _ in pairs})
        if len(pairs) == lines and samples > 1 and 2 * lines > samples * len(set(genes)):
            raise InputError(
                f"{table.source} has a line for each sample and gene ({quoted(column)}, {quoted(gene)}); a line for each sample "
                f"is needed, as frame.pivot(index={quoted(column)}, columns={quoted(gene)}, values=...) of pandas makes it"
            )


def sample_notes(names: Sequence[str] | np.ndarray | None) -> list[str]:
    """Returns a note on sample names that differ in kind from nearly all others, which may be no samples."""
    held = [] if names is None else [str(name) for name in names]
    again = renamed_repeats(held)
    notes = [f"{named(again, 'sample', 'samples')} named as pandas and R name repeated columns"] if again else []
    kind, odd = odd_names([name for name in held if name not in set(again)])
    if odd:
        notes.append(f"{named(odd, 'sample', 'samples')} unlike the others ({kind}); is that a sample?")
    return notes


def summed(names: list[str], values: np.ndarray, repeats: dict[str, str]) -> tuple[list[str], np.ndarray]:
    """Sums the rows of features with the same name; a sum with a missing term is missing."""
    place = {name: position for position, name in enumerate(names)}
    for name in names:
        if name in repeats and repeats[name] in place:
            values[place[repeats[name]]] += values[place[name]]
    kept = [position for position, name in enumerate(names) if repeats.get(name) not in place]
    return [names[position] for position in kept], values[kept]
