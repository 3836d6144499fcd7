"""Tables with a row for each sample and channel, as R's tidy tools write them."""

from __future__ import annotations

import re

import pandas as pd

from vaebench.data.files.table import Table
from vaebench.data.mutations.channel_labels import recognised
from vaebench.data.mutations.channel_names import CONTEXTS
from vaebench.data.mutations.labels import name_columns, row_numbers, texts_of, with_types
from vaebench.errors import InputError, shortened

_COUNTS = re.compile(
    r"(n|num|number|counts?|freq|frequency|mutations?|values?|exposures?|contributions?|probability|weight)"
)
_CHANGE = re.compile(r"[ACGT]>[ACGT]", re.IGNORECASE)
_MOST = 12  # columns of such a table


def long_frame(table: Table, source: str) -> tuple[pd.DataFrame, str] | None:
    """Returns a table of rows (sample, channel, count) with samples in rows and channels in columns.

    Args:
        table: any table.
        source: its name in messages.

    Returns:
        The frame [T, M], with 0 where a sample has no row for a channel, and a note that says so. ``None`` if the table has
        no column of channels that repeat, no column of samples, or not one column of numbers.

    Raises:
        InputError: a sample has two rows for one channel, or rows have several numbers.
    """
    if len(table.columns) > _MOST:
        return None
    texts = {name: texts_of(table, name) for name in table.columns}
    channels = next((n for n, v in texts.items() if recognised(dict.fromkeys(v)).context), None)
    if channels is None:
        return None
    numbered = row_numbers(table, [])
    named, kinds = name_columns(name for name in table.columns if name not in (channels, *numbered))
    # a column "Type" may hold the change, which the channel names too
    kinds = None if kinds is None or all(_CHANGE.fullmatch(text) for text in texts[kinds]) else kinds
    other = [n for n, held in table.columns.items() if held.dtype.kind == "O" and n not in (channels, kinds)]
    samples = named or (other[0] if len(other) == 1 else None)
    taken = (samples, channels, kinds)
    numbers = [name for name, held in table.columns.items() if held.dtype.kind == "f" and name not in taken]
    called = [name for name in numbers if _COUNTS.fullmatch(re.sub(r"[^a-z]", "", name.lower()))]
    counts = [name for name in called or numbers if len(called) == 1 or name not in numbered]
    several = len(texts[channels]) > 1.5 * len(set(texts[channels]))
    if several and named is not None and len(counts) > 1:
        raise InputError(
            f"{source} has a row for each sample and channel, and several columns of numbers: {', '.join(counts)[:60]}; keep "
            "one, that of the counts"
        )
    if samples is None or len(counts) != 1:
        return None
    if not several and not (named and len(set(texts[named])) == 1 and (called or named in other)):
        return None  # a table with a column for each sample
    names = texts[samples] if kinds is None else with_types(texts[samples], texts[kinds])
    rows, columns = pd.Index(names), pd.Index(texts[channels])
    twice = pd.MultiIndex.from_arrays([rows, columns]).duplicated()
    if twice.any():
        first = int(twice.argmax())
        raise InputError(
            f"{source} has {shortened(str(columns[first]))!r} of {shortened(str(rows[first]))!r} in more than one row; a sample "
            "and a channel need one row"
        )
    # channels that no sample has are there too; a value that is missing stays missing, and is refused later
    read = recognised(columns.unique())
    labels = [*columns.unique(), *(name for name in CONTEXTS[read.context] if name not in read.channels)]
    frame = pd.DataFrame(0.0, rows.unique(), labels)
    values = frame.to_numpy(copy=True)
    values[frame.index.get_indexer(rows), frame.columns.get_indexer(columns)] = table.columns[counts[0]]
    zeros = frame.size - len(rows)
    note = f"{table.source}: read as one row for each sample and channel"
    note += f"; {zeros:,} pairs without a row count as 0" if zeros else ""
    return pd.DataFrame(values, frame.index, frame.columns), note
