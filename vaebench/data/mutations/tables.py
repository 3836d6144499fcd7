"""Reading and writing mutation catalogues, signatures and exposures, in the layouts of the common programs.

A catalogue counts mutations by channel. SBS96, the usual one, has the change of the pyrimidine and its two neighbours; SBS288,
SBS384, SBS1536, DBS78 and ID83 are read as well. The labels tell which it is.
``vaebench count`` makes one from VCF or MAF files, and the ``.all`` files of SigProfilerMatrixGenerator are read as they are.
COSMIC's terms forbid redistributing its signatures: download them (``vaebench data fetch cosmic``) and pass the path to
:func:`read_signatures`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd

from vaebench.data.files.table import Table, table_from_file
from vaebench.data.files.text import ABSENT, as_number
from vaebench.data.files.writing import write_frame
from vaebench.data.mutations.channel_columns import channel_rows
from vaebench.data.mutations.channel_labels import recognised
from vaebench.data.mutations.channels import (
    CHANNELS,
    SUBSTITUTIONS,
    channel,
    checked_catalogue,
    checked_exposures,
    checked_signatures,
)
from vaebench.data.mutations.contexts import refuse_both_strands, refuse_lists, summary_notes, without_totals
from vaebench.data.mutations.labels import (
    is_name,
    labelled_frame,
    name_columns,
    plain_name,
    row_number_notes,
    sample_rows,
    texts_of,
)
from vaebench.data.mutations.long_tables import long_frame
from vaebench.errors import InputError

__all__ = [
    "CHANNELS",
    "SUBSTITUTIONS",
    "UNKNOWN_TYPE",
    "cancer_types",
    "channel",
    "checked_catalogue",
    "checked_exposures",
    "checked_signatures",
    "read_catalogue",
    "read_exposures",
    "read_signatures",
    "write_catalogue",
    "write_exposures",
    "write_signatures",
]

UNKNOWN_TYPE = "unknown"
"""Cancer type given to samples without one when other samples have one."""

_QUALITY_HEADS = frozenset(("accuracy", "cosinesimilarity"))  # columns of fit quality in exposures by SigProfiler
_SIGNATURE = re.compile(r"(sbs|dbs|id|signature|sig|s)[ _.-]?\d+[a-z]*", re.IGNORECASE)


def read_catalogue(path: str | Path, *, fractions: bool = False, names: str = "samples") -> pd.DataFrame:
    """Reads mutation counts from a CSV, TSV or Parquet table, gzipped or not, with samples in rows or in columns.

    The context may be any of :data:`vaebench.data.mutations.CONTEXTS`. Channels may be in one column such as ``Type`` or
    ``MutationType`` (``A[C>A]A``: SigProfiler, COSMIC, MUSE-XAE), in several such as ``Mutation type`` and ``Trinucleotide``
    (``C>A``, ``ACA``: ICAMS, mSigHdp), or in the header, as SigProfiler, ICAMS, MutationalPatterns, sigfit, signeR,
    SomaticSignatures, helmsman and R write them. A table may also have a row for each sample and channel. If there is a column
    of cancer types, samples are named ``type::sample``. Samples without mutations are kept.

    Args:
        path: the file.
        fractions: allow counts that are not whole numbers.
        names: ``"samples"`` for unique sample names, or ``"types"`` when samples are named by their cancer type only (as
            by MUSE-XAE); they then become ``type::1``, ``type::2``, ...

    Returns:
        Counts [T, M], indexed by sample, with the channels of the file's context as columns. ``attrs["notes"]`` lists what was
        decided: a row or column of totals that was left out, commas read as decimal points.

    Raises:
        InputError: a channel is unknown, missing or repeated, a sample is repeated, or a value is not a count.

    Example::

        catalogue = vb.data.read_catalogue("project.SBS96.all")
    """
    if names not in ("samples", "types"):
        raise InputError(f"names={names!r} is not allowed; it must be 'samples' or 'types'")
    table, notes = _by_channel(path, "sample")
    if names == "types":
        numbers = {name: count(1) for name in table.index}
        table.index = pd.Index([f"{name}::{next(numbers[name])}" for name in table.index])
    catalogue = checked_catalogue(table, fractions=fractions, source=str(path))
    catalogue.attrs["notes"] = [*notes, *summary_notes(catalogue.index, Path(path).name)]
    return catalogue


def read_signatures(path: str | Path, *, normalised: bool = True) -> pd.DataFrame:
    """Reads mutational signatures from a table in any layout of :func:`read_catalogue`; COSMIC's tables are such.

    Args:
        path: the file.
        normalised: divide each signature by its sum, which must be within 2% of 1; ``False`` keeps the values as written.

    Returns:
        Signatures [S, M], indexed by name, with the channels of the file's context as columns; rows sum to 1.

    Raises:
        InputError: as :func:`read_catalogue`, or a signature does not sum to 1.

    Example::

        cosmic = vb.data.read_signatures("COSMIC_v3.4_SBS_GRCh37.txt")
    """
    table, notes = _by_channel(path, "signature")
    signatures = checked_signatures(table, normalised=normalised, source=str(path))
    signatures.attrs["notes"] = notes
    return signatures


def read_exposures(path: str | Path, *, samples_in: str | None = None) -> pd.DataFrame:
    """Reads exposures from a table with samples in rows or in columns.

    Samples are in rows if a column is called ``Samples``, ``Sample Names`` or similar, or if more column names than row
    names look like signatures (``SBS1``, ``Signature 3``). If there is a column of cancer types, samples are named
    ``type::sample``. Columns of accuracies are left out.

    Args:
        path: the file.
        samples_in: ``"rows"`` or ``"columns"``; needed only if the names do not show it.

    Returns:
        Exposures [T, S] in numbers of mutations, indexed by sample.

    Raises:
        InputError: the orientation is unclear, a name is repeated, or a value is negative or not a number.

    Example::

        exposures = vb.data.read_exposures("exposures.csv")
    """
    if samples_in not in (None, "rows", "columns"):
        raise InputError(f"samples_in={samples_in!r} is not allowed; it must be 'rows' or 'columns'")
    table = table_from_file(path, "rows", "apart", is_name)
    if (samples_in or _samples_of_exposures(table, str(path))) == "rows":
        names, rest = sample_rows(table)
        found = labelled_frame(table, names, [name for name in rest if plain_name(name) not in _QUALITY_HEADS])
    else:
        rest = [name for name in table.columns if name != table.first]
        found = labelled_frame(table, texts_of(table, table.first), rest).T
    found, totals = without_totals(found, rounded=True)
    exposures = checked_exposures(found, source=str(path))
    exposures.attrs["notes"] = row_number_notes(table, set(table.columns) - {*rest}) + _total_notes(table, totals)
    return exposures


def cancer_types(samples: Iterable[str], table: pd.DataFrame | str | Path | None = None) -> pd.Series | None:
    """Returns the cancer type of each sample, from names such as ``type::sample`` or from a table.

    Args:
        samples: names of the samples. If only some contain a type, the others get :data:`UNKNOWN_TYPE`.
        table: table, or its path, with a row for every sample, a column of sample names, and a column of cancer types
            (``Cancer type``, ``Type``, ...); by default the first two columns, or the index and the first column.

    Returns:
        Types [T], indexed by sample; ``None`` when there is no table and no name contains a type.

    Raises:
        InputError: the table lacks a sample, or has no such columns.

    Example:
        >>> cancer_types(["BRCA::s1", "LUAD::s2"]).tolist()
        ['BRCA', 'LUAD']
    """
    names = [str(name) for name in samples]
    if table is not None:
        return _looked_up(names, table)
    split = [name.partition("::") for name in names]
    if not any(kind and mark for kind, mark, _ in split):
        return None
    return pd.Series([kind if kind and mark else UNKNOWN_TYPE for kind, mark, _ in split], names, name="type")


def write_catalogue(catalogue: pd.DataFrame, path: str | Path) -> Path:
    """Writes counts [T, M] in SigProfiler's layout: a column ``MutationType``, then one column per sample.

    The extension of ``path`` sets the format, as for :func:`vaebench.data.write_table`. Returns the path.
    """
    whole = bool((catalogue.to_numpy() % 1 == 0).all())
    return write_frame(_titled(catalogue.T.astype(np.int64) if whole else catalogue.T, "MutationType"), path)


def write_signatures(signatures: pd.DataFrame, path: str | Path) -> Path:
    """Writes signatures [S, M] in COSMIC's layout: a column ``Type``, then one column per signature.

    The extension of ``path`` sets the format, as for :func:`vaebench.data.write_table`. Returns the path.
    """
    return write_frame(_titled(signatures.T, "Type"), path)


def write_exposures(exposures: pd.DataFrame, path: str | Path) -> Path:
    """Writes exposures [T, S] in SigProfiler's layout: a column ``Samples``, then one column per signature.

    The extension of ``path`` sets the format, as for :func:`vaebench.data.write_table`. Returns the path.
    """
    return write_frame(_titled(exposures, "Samples"), path)


def write_sigprofiler(
    folder: Path, exposures: pd.DataFrame, signatures: pd.DataFrame | None, catalogue: pd.DataFrame | None
) -> None:
    """Writes ``exposures.tsv``, ``signatures.tsv`` and ``catalogue.tsv``, as SigProfilerPlotting reads them.

    Tables by channel have a first column ``MutationType``; SigProfilerPlotting reads tab-separated files only.

    Args:
        folder: where to.
        exposures: [T, S].
        signatures: [S, M] of any context; ``None`` writes none.
        catalogue: counts [T, M]; ``None`` writes none.
    """
    write_exposures(exposures, folder / "exposures.tsv")
    if signatures is not None:
        write_frame(_titled(signatures.T, "MutationType"), folder / "signatures.tsv")
    if catalogue is not None:
        write_catalogue(catalogue, folder / "catalogue.tsv")


def _titled(frame: pd.DataFrame, title: str) -> pd.DataFrame:
    """A copy with the index as first column, called ``title``."""
    found = frame.copy()
    found.insert(0, title, found.index.astype(str))
    return found


def _by_channel(path: str | Path, kind: str) -> tuple[pd.DataFrame, list[str]]:
    """Reads a table with samples or signatures in rows and channels in columns, labelled as in the file, unchecked.

    A row or column of totals is left out; the notes that are returned too say so.
    """
    # repeated names are refused later, when it is known whether they are channels or samples
    table = table_from_file(path, "rows", "apart", is_name)
    header = [table.repeats.get(name, name) for name in table.columns]
    read = recognised(header)
    if read.context:
        refuse_both_strands(str(path), header)
        names, rest = sample_rows(table)
        frame, keys = labelled_frame(table, names, rest), set(table.columns) - {*rest}
    elif long := long_frame(table, str(path)):
        return long[0], [*table.notes, long[1]]
    else:
        refuse_lists(str(path), header)
        labels, keys, read = channel_rows(table, kind, str(path))
        frame = labelled_frame(table, labels, [name for name in table.columns if name not in keys]).T
    frame, totals = without_totals(frame)
    notes = row_number_notes(table, keys) + _total_notes(table, totals)
    notes += [f"{table.source}: {read.note}"] if read.note else []
    return frame, [*table.notes, *notes]


def _total_notes(table: Table, totals: list[str]) -> list[str]:
    """Sentences about the rows and columns of totals that were left out."""
    return [f"{table.source}: {n!r} holds the sums of the others and was left out" for n in dict.fromkeys(totals)]


def _samples_of_exposures(table: Table, source: str) -> str:
    """Returns ``"rows"`` or ``"columns"``, by the names that look like signatures or like a column of samples."""
    if name_columns(table.columns)[0] is not None:
        return "rows"
    across, down = (sum(_SIGNATURE.fullmatch(str(name).strip()) is not None for name in names)
                    for names in (table.columns, table.first_texts))  # fmt: skip
    if across == down:
        raise InputError(f"{source} does not show where its samples are; give samples_in='rows' or 'columns'")
    return "rows" if across > down else "columns"


def _looked_up(names: list[str], table: pd.DataFrame | str | Path) -> pd.Series:
    """Looks the samples up in a table of cancer types."""
    source, header = "the table of cancer types" if isinstance(table, pd.DataFrame) else str(table), ()
    if not isinstance(table, pd.DataFrame):
        read = table_from_file(table, "rows", "apart", is_name)
        table = pd.DataFrame({name: texts_of(read, name) for name in read.columns}).set_index(read.first, drop=False)
        header = tuple(read.columns)
    named, kinds = name_columns([str(name) for name in table.columns])
    samples = table.index if named is None else table[named]
    if kinds is None:
        rest = [name for name in table.columns if name not in (named, table.index.name)]
        if not rest:
            raise InputError(
                f"{source} has no column of cancer types; it must have one, called 'Type' or in second place"
            )
        kinds = rest[0]
        if all(as_number(str(kind)) is not None or str(kind).lower() in ABSENT for kind in table[kinds]):
            raise InputError(
                f"{source} has numbers in column {kinds!r}, where cancer types should be; call the column of types 'Type'"
            )
    known: dict[str, str] = {}
    for name, kind in zip([str(name) for name in samples], [str(kind) for kind in table[kinds]], strict=True):
        kind = "" if kind.lower() in ABSENT else kind
        if known.setdefault(name, kind) != kind:
            raise InputError(
                f"{source} lists the sample {name!r} as {known[name]!r} and as {kind!r}; a sample has one cancer type"
            )
    for name in names:
        if name in header and name not in known:
            raise InputError(f"{source} has the sample {name!r} in its header; add a first line, such as sample,type")
        if name not in known:
            raise InputError(f"{source} lacks the sample {name!r}; it must give the cancer type of every sample")
    return pd.Series([known[name] or UNKNOWN_TYPE for name in names], names, name="type")
