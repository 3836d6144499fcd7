"""Files of mutation catalogues (SBS96), signatures and exposures, in every layout in use.

A catalogue counts single-base substitutions by the pyrimidine's change and its two neighbours, 96 channels in all. To make
one from VCF or MAF files use SigProfilerMatrixGenerator; its ``.all`` files are read as they are. COSMIC's terms forbid
passing its signatures on: download them (``vaebench data fetch cosmic``) and give :func:`read_signatures` the path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd

from vaebench.data.files.table import Table, table_from_file
from vaebench.data.files.writing import write_frame
from vaebench.data.mutations.channels import (
    CHANNELS,
    ENOUGH,
    SUBSTITUTIONS,
    channel,
    checked_catalogue,
    checked_exposures,
    checked_signatures,
)
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
"""Cancer type of a sample that has none while others have one."""

_SAMPLE_HEADS = frozenset(("sample", "samples", "samplename", "samplenames", "sampleid", "sampleids", "id"))
_TYPE_HEADS = frozenset(("cancertype", "cancertypes", "tumortype", "tumourtype", "type"))
_QUALITY_HEADS = frozenset(("accuracy", "cosinesimilarity"))  # what SigProfiler puts beside published exposures
_SIGNATURE = re.compile(r"(sbs|signature|sig|s)[ _.-]?\d+[a-z]*", re.IGNORECASE)


def read_catalogue(path: str | Path, *, fractions: bool = False, names: str = "samples") -> pd.DataFrame:
    """Mutation counts [T, 96] from a CSV, TSV or Parquet table, zipped or not, samples in rows or in columns.

    Channels are in a column such as ``Type`` or ``MutationType`` (``A[C>A]A``: SigProfiler, COSMIC, MUSE-XAE), in two
    columns ``Mutation type`` and ``Trinucleotide`` (``C>A``, ``ACA``: ICAMS, mSigHdp), or in the header. A column of
    cancer types is put in front of the names, ``type::sample``. Samples without mutations are kept.

    Args:
        path: the file.
        fractions: allow counts that are not whole numbers.
        names: what the samples' names are: ``"samples"``, unique, or ``"types"`` where the same cancer type names many
            samples (as MUSE-XAE writes): these become ``type::1``, ``type::2``, ...

    Raises:
        InputError: for a channel that is unknown, missing or doubled, a doubled sample, or a value that is no count.
    """
    if names not in ("samples", "types"):
        raise InputError(f"names={names!r} is not allowed; it must be 'samples' or 'types'")
    table = _by_channel(path, "sample")
    if names == "types":
        numbers = {name: count(1) for name in table.index}
        table.index = pd.Index([f"{name}::{next(numbers[name])}" for name in table.index])
    return checked_catalogue(table, fractions=fractions, source=str(path))


def read_signatures(path: str | Path, *, normalised: bool = True) -> pd.DataFrame:
    """Signatures [S, 96] from a table in any layout of :func:`read_catalogue`, COSMIC's included.

    Args:
        path: the file.
        normalised: divide each signature by its sum, which must be within 2% of 1; ``False`` keeps what is written.

    Raises:
        InputError: as :func:`read_catalogue`, or for a signature that does not sum to 1.
    """
    return checked_signatures(_by_channel(path, "signature"), normalised=normalised, source=str(path))


def read_exposures(path: str | Path, *, samples_in: str | None = None) -> pd.DataFrame:
    """Exposures [T, S] in mutations, from a table with samples in rows or in columns.

    Samples are in rows where a column is called ``Samples``, ``Sample Names`` or the like, or where more column names than
    row names look like signatures (``SBS1``, ``Signature 3``). A column of cancer types is put in front of the names,
    ``type::sample``; columns of accuracies are left out.

    Args:
        path: the file.
        samples_in: ``"rows"`` or ``"columns"``, where the names do not tell.

    Raises:
        InputError: for a table that lies in an unclear way, a doubled name, or a value that is negative or no number.
    """
    if samples_in not in (None, "rows", "columns"):
        raise InputError(f"samples_in={samples_in!r} is not allowed; it must be 'rows' or 'columns'")
    table = table_from_file(path, "rows", "apart", _is_name)
    if (samples_in or _samples_of_exposures(table, str(path))) == "rows":
        names, rest = _sample_rows(table)
        found = _frame(table, names, [name for name in rest if _plain(name) not in _QUALITY_HEADS])
    else:
        found = _frame(table, _texts(table, table.first), [n for n in table.columns if n != table.first]).T
    return checked_exposures(found, source=str(path))


def cancer_types(samples: Iterable[str], table: pd.DataFrame | str | Path | None = None) -> pd.Series | None:
    """The cancer type of each sample, indexed by sample; ``None`` where no name tells one.

    Args:
        samples: names; ``type::sample`` holds the type. The rest get :data:`UNKNOWN_TYPE` where some have one.
        table: columns of sample names and of cancer types (``Cancer type``, ``Type``, ...; else the first two columns, or
            the index and the first), or the path of such a table; it must have every sample.

    Raises:
        InputError: for a sample that the table lacks, or a table without such columns.
    """
    names = [str(name) for name in samples]
    if table is not None:
        return _looked_up(names, table)
    split = [name.partition("::") for name in names]
    if not any(kind and mark for kind, mark, _ in split):
        return None
    return pd.Series([kind if kind and mark else UNKNOWN_TYPE for kind, mark, _ in split], names, name="type")


def write_catalogue(catalogue: pd.DataFrame, path: str | Path) -> Path:
    """Writes counts [T, 96] in SigProfiler's layout: a column ``MutationType``, then one for each sample."""
    whole = bool((catalogue.to_numpy() % 1 == 0).all())
    return write_frame(_titled(catalogue.T.astype(np.int64) if whole else catalogue.T, "MutationType"), path)


def write_signatures(signatures: pd.DataFrame, path: str | Path) -> Path:
    """Writes signatures [S, 96] in COSMIC's layout: a column ``Type``, then one for each signature."""
    return write_frame(_titled(signatures.T, "Type"), path)


def write_exposures(exposures: pd.DataFrame, path: str | Path) -> Path:
    """Writes exposures [T, S] in SigProfiler's layout: a column ``Samples``, then one for each signature."""
    return write_frame(_titled(exposures, "Samples"), path)


def _titled(frame: pd.DataFrame, title: str) -> pd.DataFrame:
    found = frame.copy()
    found.insert(0, title, found.index.astype(str))
    return found


def _plain(name: object) -> str:
    return re.sub(r"[^a-z]", "", str(name).lower())


def _frame(table: Table, rows: list[str], columns: list[str]) -> pd.DataFrame:
    """``columns`` under the names they have in the file, doubled ones included."""
    found = pd.DataFrame({name: table.columns[name] for name in columns})
    found.columns = pd.Index([table.repeats.get(name, name) for name in columns])
    return found.set_axis(pd.Index(rows), axis="index")


def _texts(table: Table, name: str) -> list[str]:
    """A column as text, whole numbers without a decimal point, "" where missing."""
    if name == table.first:
        return ["" if value is None else str(value) for value in table.first_texts]
    if name in table.texts:
        return ["" if value is None else str(value) for value in table.texts[name]]
    return ["" if v is None or v != v else f"{v:.15g}" if isinstance(v, float) else str(v) for v in table.columns[name]]


def _channels_among(labels: Iterable[str]) -> int:
    return sum(channel(label) is not None for label in labels)


def _by_channel(path: str | Path, kind: str) -> pd.DataFrame:
    """Samples or signatures in rows, channels in columns, labelled as in the file; neither is checked yet."""
    table = table_from_file(path, "rows", "apart", _is_name)  # what is doubled is refused later, by what it is
    if _channels_among(table.repeats.get(name, name) for name in table.columns) >= ENOUGH:
        return _frame(table, *_sample_rows(table))
    labels, keys = _channel_rows(table, kind, str(path))
    return _frame(table, labels, [name for name in table.columns if name not in keys]).T


def _channel_rows(table: Table, kind: str, source: str) -> tuple[list[str], set[str]]:
    """The rows' channel labels, and the columns that are no samples: those with the labels, and row numbers."""

    def many(values: list[str], pattern: str) -> bool:
        return sum(re.fullmatch(pattern, value.upper()) is not None for value in values) >= ENOUGH

    texts = {name: _texts(table, name) for name in list(table.columns)[:4]}
    whole = [name for name, values in texts.items() if _channels_among(values) >= ENOUGH]
    changes = [name for name, values in texts.items() if many(values, "[ACGT]>[ACGT]")]
    contexts = [name for name, values in texts.items() if many(values, "[ACGT]{3}")]
    keys = {*whole, *changes, *contexts} | _row_numbers(table, whole or changes)
    if whole:
        return texts[whole[0]], keys
    if changes and contexts:
        pairs = zip(texts[changes[0]], texts[contexts[0]], strict=True)
        return [f"{change},{context}" for change, context in pairs], keys
    raise InputError(
        f"{source} names no mutation channels, neither in its header nor in a column; {kind}s need the 96 of SBS96, "
        "written A[C>A]A, or C>A and ACA in two columns"
    )


def _sample_rows(table: Table) -> tuple[list[str], list[str]]:
    """Names of the rows, with the cancer type in front where a column gives it, and the columns that are left."""
    named, kinds = _name_columns(table.columns)
    named = table.first if named is None else named
    names = _texts(table, named)
    if kinds is not None and kinds != named:
        pairs = zip(_texts(table, kinds), names, strict=True)
        names = [name if "::" in name or not kind else f"{kind}::{name}" for kind, name in pairs]
    taken = {named, kinds} | _row_numbers(table, [named])
    return names, [name for name in table.columns if name not in taken]


def _name_columns(columns: Iterable[str]) -> tuple[str | None, str | None]:
    """The columns that hold sample names and cancer types, by their own names."""
    plain = {name: _plain(name) for name in columns}
    named = next((name for name, text in plain.items() if text in _SAMPLE_HEADS), None)
    return named, next((name for name, text in plain.items() if text in _TYPE_HEADS and name != named), None)


def _is_name(column: str) -> bool:
    """Whether a column holds names: what look like numbers there, such as 007, are none."""
    return _plain(column) in _SAMPLE_HEADS | _TYPE_HEADS


def _row_numbers(table: Table, named: list[str]) -> set[str]:
    """The unnamed first column of row numbers that R and pandas write, unless it holds the names."""
    values = table.columns[table.first]
    if table.first or table.first in named or values.dtype.kind != "f":
        return set()
    return {""} if any(np.array_equal(values, np.arange(len(values)) + start) for start in (0, 1)) else set()


def _samples_of_exposures(table: Table, source: str) -> str:
    """``"rows"`` or ``"columns"``, by what looks like a signature or like the title of a column of samples."""
    if _name_columns(table.columns)[0] is not None:
        return "rows"
    across, down = (sum(_SIGNATURE.fullmatch(str(name).strip()) is not None for name in names)
                    for names in (table.columns, table.first_texts))  # fmt: skip
    if across == down:
        raise InputError(f"{source} does not tell where its samples are; give samples_in='rows' or 'columns'")
    return "rows" if across > down else "columns"


def _looked_up(names: list[str], table: pd.DataFrame | str | Path) -> pd.Series:
    source = "the table of cancer types" if isinstance(table, pd.DataFrame) else str(table)
    if not isinstance(table, pd.DataFrame):
        read = table_from_file(table, "rows", "apart", _is_name)
        table = pd.DataFrame({name: _texts(read, name) for name in read.columns}).set_index(read.first, drop=False)
    named, kinds = _name_columns([str(name) for name in table.columns])
    samples = table.index if named is None else table[named]
    if kinds is None:
        rest = [name for name in table.columns if name not in (named, table.index.name)]
        if not rest:
            raise InputError(
                f"{source} has no column of cancer types; it must have one, called 'Type' or coming second"
            )
        kinds = rest[0]
    known = dict(zip([str(name) for name in samples], [str(kind) for kind in table[kinds]], strict=True))
    for name in names:
        if name not in known:
            raise InputError(f"{source} lacks the sample {name!r}; it must give the cancer type of every sample")
    return pd.Series([known[name] or UNKNOWN_TYPE for name in names], names, name="type")
